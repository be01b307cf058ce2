/* lua_way: what a packet made by hand needs to know and to have before it leaves: which way it
 * goes, and a guard that keeps the kernel from answering for its port. */
#include <string.h>

#include "host/guard.h"
#include "host/route.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"

#define GUARD "tcplua.guard"

struct guarding {
    struct guard *guard; /* NULL: closed */
};

/* way(dst [, src]) -> {src =, iface =, broadcast =, ours =} | nil, error: from where and through
 * which interface a datagram goes to `dst`; `ours`: src is an address of this host */
static int core_way(lua_State *L)
{
    struct addr src, dst;
    struct iface iface;
    struct error err;
    bool broadcast;
    struct network *network = the_network(L);
    check_host(L);
    bool good = parse_ip(&dst, check_text(L, 1), "destination", &err);
    if (good)
        good = lua_isnoneornil(L, 2) ? network_source(network, &dst, &src, &err)
                                     : parse_ip(&src, check_text(L, 2), "source", &err);
    if (!good || !network_way(network, &src, &dst, &iface, &broadcast, &err))
        return push_failure(L, &err);
    lua_createtable(L, 0, 4);
    set_boolean(L, "ours", addr_is_local(&src));
    set_addr(L, "src", &src);
    set_text(L, "iface", iface.name);
    set_boolean(L, "broadcast", broadcast);
    return 1;
}

/* claimed(address, port) -> whether a connection, listener or wire of this script has it */
static int core_claimed(lua_State *L)
{
    struct addr addr;
    struct error err;
    lua_Integer port = luaL_checkinteger(L, 2);
    luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, 2, "a port expected");
    if (!parse_ip(&addr, check_text(L, 1), "address", &err))
        return push_failure(L, &err);
    lua_pushboolean(L, network_claimed(the_network(L), &addr, (uint16_t)port));
    return 1;
}

/* guard("tcp" | "udp", address [, port]) -> guard of a port of this host, any free one without
 * `port` | nil, error */
static int core_guard(lua_State *L)
{
    static const char *const protocols[] = {"tcp", "udp", NULL};
    struct addr addr;
    struct error err;
    bool udp = luaL_checkoption(L, 1, NULL, protocols) == 1;
    lua_Integer number = luaL_optinteger(L, 3, 0);
    luaL_argcheck(L, number >= 0 && number <= UINT16_MAX, 3, "a port expected");
    uint16_t port = (uint16_t)number;
    if (!parse_ip(&addr, check_text(L, 2), "address", &err))
        return push_failure(L, &err);
    check_host(L);
    struct guarding *guarding = lua_newuserdatauv(L, sizeof *guarding, 0);
    guarding->guard = NULL;
    luaL_setmetatable(L, GUARD);
    guarding->guard =
        udp ? guard_open_udp(&addr, port, &err) : guard_open(&addr, port, GUARD_ALL, &err);
    return guarding->guard ? 1 : push_failure(L, &err);
}

/* sport() -> the port it holds */
static int guard_sport(lua_State *L)
{
    struct guarding *guarding = luaL_checkudata(L, 1, GUARD);
    if (!guarding->guard)
        return luaL_error(L, "attempt to use a closed guard");
    lua_pushinteger(L, guard_port(guarding->guard));
    return 1;
}

/* close(): may be repeated */
static int guard_object_close(lua_State *L)
{
    struct guarding *guarding = luaL_checkudata(L, 1, GUARD);
    guard_close(guarding->guard);
    guarding->guard = NULL;
    return 0;
}

void open_way(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"sport", guard_sport},
        {"close", guard_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", guard_object_close},
        {"__close", guard_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"way", core_way},
        {"claimed", core_claimed},
        {"guard", core_guard},
        {NULL, NULL},
    };
    new_class(L, GUARD, methods, meta);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
