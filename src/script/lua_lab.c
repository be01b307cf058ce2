/* lua_lab: network namespaces as userdata, and stacks of ours on their interfaces: tcplua.lab makes
 * hosts of them. */
#include <stdio.h>
#include <unistd.h>

#include "host/netns.h"
#include "host/sysctl.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"

#define NETNS    "tcplua.netns"
#define RESIDENT "tcplua.resident"

struct space {
    int fd; /* -1: closed */
};

static int check_space(lua_State *L, int index)
{
    const struct space *space = luaL_checkudata(L, index, NETNS);
    if (space->fd < 0)
        luaL_error(L, "attempt to use a closed namespace");
    return space->fd;
}

/* netns() -> namespace | nil, error */
static int core_netns(lua_State *L)
{
    struct error err;
    check_host(L);
    struct space *space = lua_newuserdatauv(L, sizeof *space, 0);
    space->fd = -1;
    luaL_setmetatable(L, NETNS);
    space->fd = netns_new(&err);
    return space->fd < 0 ? push_failure(L, &err) : 1;
}

/* raw_join(iface, other, its iface, mtu) -> true | nil, error */
static int space_raw_join(lua_State *L)
{
    struct error err;
    const int spaces[2] = {check_space(L, 1), check_space(L, 3)};
    const char *const names[2] = {luaL_checkstring(L, 2), luaL_checkstring(L, 4)};
    lua_Integer mtu = luaL_checkinteger(L, 5);
    luaL_argcheck(L, mtu >= 68 && mtu <= 65535, 5, "an MTU is from 68 to 65535");
    return push_outcome(L, netns_join(spaces, names, (uint32_t)mtu, &err), &err);
}

/* [-0, +0, v] The number of bits of a prefix of `addr` at `index`. */
static uint8_t check_bits(lua_State *L, int index, const struct addr *addr)
{
    lua_Integer bits = luaL_checkinteger(L, index);
    luaL_argcheck(L, bits >= 0 && bits <= 8 * (lua_Integer)addr_length(addr->kind), index,
                  "no length of a prefix");
    return (uint8_t)bits;
}

/* prefix(address, bits) -> the network's address, which has zeros behind them, "ip" or "ip6" | nil
 */
static int core_prefix(lua_State *L)
{
    struct error err;
    struct addr addr;
    char text[ADDR_TEXT];
    lua_Integer bits = luaL_checkinteger(L, 2);
    if (!parse_ip(&addr, check_text(L, 1), "address", &err) || bits < 0 ||
        bits > 8 * (lua_Integer)addr_length(addr.kind))
        return 0;
    for (unsigned i = 0; i < addr_length(addr.kind); i++) {
        unsigned left = bits > 8 * i ? (unsigned)bits - 8 * i : 0;
        addr.bytes[i] &= (uint8_t)(left >= 8 ? 0xff : 0xff << (8 - left));
    }
    lua_pushstring(L, addr_format(&addr, text));
    lua_pushstring(L, addr.kind == ADDR_IP4 ? "ip" : "ip6");
    return 2;
}

/* raw_address(iface, address, bits) -> true | nil, error */
static int space_raw_address(lua_State *L)
{
    struct error err;
    struct addr addr;
    int fd = check_space(L, 1);
    const char *iface = luaL_checkstring(L, 2);
    if (!parse_ip(&addr, check_text(L, 3), "address", &err))
        return push_failure(L, &err);
    return push_outcome(L, netns_address(fd, iface, &addr, check_bits(L, 4, &addr), &err), &err);
}

/* raw_link_local(iface, number) -> true | nil, error: the address fe80::NUMBER */
static int space_raw_link_local(lua_State *L)
{
    struct error err;
    struct addr addr = {.kind = ADDR_IP6, .bytes = {0xfe, 0x80}};
    int fd = check_space(L, 1);
    const char *iface = luaL_checkstring(L, 2);
    addr.bytes[15] = (uint8_t)luaL_checkinteger(L, 3);
    return push_outcome(L, netns_address(fd, iface, &addr, 64, &err), &err);
}

/* raw_route(prefix, bits, gateway) -> true | nil, error */
static int space_raw_route(lua_State *L)
{
    struct error err;
    struct addr dst, via;
    int fd = check_space(L, 1);
    if (!parse_ip(&dst, check_text(L, 2), "destination", &err) ||
        !parse_ip(&via, check_text(L, 4), "gateway", &err))
        return push_failure(L, &err);
    luaL_argcheck(L, dst.kind == via.kind, 4, "a gateway of the other family");
    return push_outcome(L, netns_route(fd, &dst, check_bits(L, 3, &dst), &via, &err), &err);
}

/* raw_forward() -> true | nil, error */
static int space_raw_forward(lua_State *L)
{
    struct error err;
    return push_outcome(L, netns_forward(check_space(L, 1), &err), &err);
}

/* [-0, +(1|2), m] Tells the setting at `index`, or changes it if a value is behind it, of the
 * namespace that the process is in, or goes to for it. */
static int push_sysctl(lua_State *L, int index, const int *netns)
{
    struct error err;
    const char *name = check_text(L, index), *value = opt_text(L, index + 1);
    char text[SYSCTL_TEXT];
    int back = netns ? netns_enter(*netns, &err) : -1;
    bool good = (!netns || back >= 0) &&
                (value ? sysctl_write(name, value, &err) : sysctl_read(name, text, &err));
    if (back >= 0)
        netns_leave(back);
    if (!good || value)
        return push_outcome(L, good, &err);
    lua_pushstring(L, text);
    return 1;
}

/* sysctl(name [, value]) -> value | true | nil, error: of the private network of the process */
static int core_sysctl(lua_State *L)
{
    if (!the_network(L)->options.lab[0])
        return raise_mistake(L, "there is no private network with settings of its own here: that "
                                "takes 'tcplua --lab' or 'tcplua test'");
    return push_sysctl(L, 1, NULL);
}

/* raw_sysctl(name [, value]): the same of this one */
static int space_raw_sysctl(lua_State *L)
{
    const int netns = check_space(L, 1);
    return push_sysctl(L, 2, &netns);
}

/* raw_fd() -> its descriptor */
static int space_raw_fd(lua_State *L)
{
    lua_pushinteger(L, check_space(L, 1));
    return 1;
}

/* close(): may be repeated. */
static int space_close(lua_State *L)
{
    struct space *space = luaL_checkudata(L, 1, NETNS);
    if (space->fd >= 0)
        close(space->fd);
    space->fd = -1;
    return 0;
}

/* --- our engine on a host -----------------------------------------------------------------------
 */

struct resident {
    uint64_t stack; /* its number; 0: closed */
};

/* The link to an interface of a namespace, for one of its addresses, since another one has a link
 * of its own there; NULL with `err`. */
static struct link *open_inside(int netns, const char *iface, const struct addr *local,
                                struct error *err)
{
    char text[ADDR_TEXT], filter[ADDR_TEXT + 32];
    snprintf(filter, sizeof filter, "%s or host %s", local->kind == ADDR_IP4 ? "arp" : "icmp6",
             addr_format(local, text));
    int back = netns_enter(netns, err);
    if (back < 0)
        return NULL;
    struct link *link = link_open_packet(iface, filter, err);
    netns_leave(back);
    if (link && !link_packet_incoming(link, err)) {
        link_close(link);
        link = NULL;
    }
    if (link)
        link->gso = 0; /* the socket for that is opened when it is needed, and not there */
    return link;
}

/* raw_inhabit(iface, address, bits [, gateway]) -> resident | nil, error: our engine has the
 * address there */
static int space_raw_inhabit(lua_State *L)
{
    struct error err;
    struct addr local, gateway = {.kind = ADDR_NONE};
    int fd = check_space(L, 1);
    const char *iface = luaL_checkstring(L, 2);
    if (!parse_ip(&local, check_text(L, 3), "address", &err) ||
        (!lua_isnoneornil(L, 5) && !parse_ip(&gateway, check_text(L, 5), "gateway", &err)))
        return push_failure(L, &err);
    uint8_t bits = check_bits(L, 4, &local);
    struct resident *resident = lua_newuserdatauv(L, sizeof *resident, 0);
    resident->stack = 0;
    luaL_setmetatable(L, RESIDENT);
    struct link *link = open_inside(fd, iface, &local, &err);
    struct stack *stack = link ? stack_attach(the_network(L), link, &local, false, &err) : NULL;
    if (!stack)
        return push_failure(L, &err);
    stack_route(stack, bits, &gateway);
    resident->stack = stack->number;
    return 1;
}

/* close(): may be repeated. Ends its connections with a reset. */
static int resident_close(lua_State *L)
{
    struct resident *resident = luaL_checkudata(L, 1, RESIDENT);
    stack_detach(the_network(L), resident->stack);
    resident->stack = 0;
    return 0;
}

void open_lab(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_join", space_raw_join},
        {"raw_address", space_raw_address},
        {"raw_link_local", space_raw_link_local},
        {"raw_route", space_raw_route},
        {"raw_forward", space_raw_forward},
        {"raw_inhabit", space_raw_inhabit},
        {"raw_sysctl", space_raw_sysctl},
        {"raw_fd", space_raw_fd},
        {"close", space_close},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", space_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"netns", core_netns},
        {"prefix", core_prefix},
        {"sysctl", core_sysctl},
        {NULL, NULL},
    };
    static const luaL_Reg resident_methods[] = {
        {"close", resident_close},
        {NULL, NULL},
    };
    static const luaL_Reg resident_meta[] = {
        {"__gc", resident_close},
        {NULL, NULL},
    };
    new_class(L, NETNS, methods, meta);
    lua_pop(L, 1);
    new_class(L, RESIDENT, resident_methods, resident_meta);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
