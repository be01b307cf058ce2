/* lua_sim: simulated networks (link/hub.h) as userdata: require "tcplua.sim" makes of them what
 * scripts use. */
#include <stdlib.h>
#include <string.h>

#include "link/hub.h"
#include "script/lua_link.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"

#define HUB       "tcplua.hub"
#define HOSTS_MAX 65536

struct hubbing {
    struct hub *hub; /* NULL: closed */
    struct hub_host **hosts;
    size_t count, room;
};

static struct hubbing *check_hub(lua_State *L)
{
    struct hubbing *hubbing = luaL_checkudata(L, 1, HUB);
    if (!hubbing->hub)
        luaL_error(L, "attempt to use a closed network");
    return hubbing;
}

static struct hub_host *check_host_number(lua_State *L)
{
    const struct hubbing *hubbing = check_hub(L);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_argcheck(L, n >= 1 && (size_t)n <= hubbing->count, 2, "no host of this network");
    return hubbing->hosts[n - 1];
}

static struct path *check_path(lua_State *L)
{
    static const char *const ways[] = {"sending", "receiving", NULL};
    struct hub_host *host = check_host_number(L);
    return hub_path(host, (enum hub_way)luaL_checkoption(L, 3, NULL, ways));
}

/* simulated() -> whether the clock is a virtual one */
static int core_simulated(lua_State *L)
{
    lua_pushboolean(L, the_network(L)->clock.virtual);
    return 1;
}

/* given_seed() -> that of --seed, or of seed() | nil */
static int core_given_seed(lua_State *L)
{
    const struct network *network = the_network(L);
    if (!network->options.has_seed)
        return 0;
    lua_pushinteger(L, (lua_Integer)network->options.seed);
    return 1;
}

/* hub{seed=, mtu=} -> hub | nil, error */
static int core_hub(lua_State *L)
{
    static const char *const names[] = {"seed", "mtu", NULL};
    struct error err;
    lua_Integer seed = 1, mtu = 1500;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    if (!field_range(L, 1, "seed", LUA_MININTEGER, LUA_MAXINTEGER, &seed, &err) ||
        !field_range(L, 1, "mtu", 68, 65535, &mtu, &err))
        return push_failure(L, &err);
    struct hubbing *hubbing = lua_newuserdatauv(L, sizeof *hubbing, 0);
    *hubbing = (struct hubbing){.hub = NULL};
    luaL_setmetatable(L, HUB);
    hubbing->hub = hub_open(&the_network(L)->clock, (uint64_t)seed, (uint32_t)mtu, &err);
    return hubbing->hub ? 1 : push_failure(L, &err);
}

/* host() -> its number | nil, error */
static int hub_raw_host(lua_State *L)
{
    struct hubbing *hubbing = check_hub(L);
    struct error err;
    luaL_argcheck(L, hubbing->count < HOSTS_MAX, 1, "too many hosts in one network");
    if (hubbing->count == hubbing->room) {
        size_t room = hubbing->room ? 2 * hubbing->room : 8;
        struct hub_host **hosts = realloc(hubbing->hosts, room * sizeof *hosts);
        if (!hosts) {
            fail(&err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a simulated host");
            return push_failure(L, &err);
        }
        hubbing->hosts = hosts;
        hubbing->room = room;
    }
    struct hub_host *host = hub_host(hubbing->hub, &err);
    if (!host)
        return push_failure(L, &err);
    hubbing->hosts[hubbing->count++] = host;
    lua_pushinteger(L, (lua_Integer)hubbing->count);
    return 1;
}

/* attach(number, address, unseen) -> true | nil, error: a stack for the address, at that host;
 * `unseen`: -v and -w know nothing of it */
static int hub_raw_attach(lua_State *L)
{
    struct hub_host *host = check_host_number(L);
    struct error err;
    struct addr addr;
    if (!parse_ip(&addr, luaL_checkstring(L, 3), "address", &err) ||
        !addresses_fit(&addr, NULL, &err))
        return push_failure(L, &err);
    struct link *link = hub_link(host, &addr, &err);
    if (!link || !stack_attach(the_network(L), link, &addr, lua_toboolean(L, 4), &err))
        return push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* home(number, ip4, ip6) -> true | nil, error: addresses that nobody has appear at that host, and
 * these are those of a script that names none */
static int hub_raw_home(lua_State *L)
{
    struct hub_host *host = check_host_number(L);
    struct network *network = the_network(L);
    struct error err;
    if (!parse_ip(&network->home.ip4, luaL_checkstring(L, 3), "address", &err) ||
        !parse_ip(&network->home.ip6, luaL_checkstring(L, 4), "address", &err))
        return push_failure(L, &err);
    network->home.host = host;
    lua_pushboolean(L, 1);
    return 1;
}

/* set(number, "sending" | "receiving", {loss = …}) -> true | nil, error: the path is like that from
 * now on; what is left out is none */
static int hub_raw_set(lua_State *L)
{
    return change_path(L, check_path(L), 4);
}

/* counts(number, "sending" | "receiving") -> {sent =, lost =, …} */
static int hub_raw_counts(lua_State *L)
{
    push_path_counts(L, &check_path(L)->counts);
    return 1;
}

/* close(): may be repeated. Links of it that are open stay so. */
static int hub_close(lua_State *L)
{
    struct hubbing *hubbing = luaL_checkudata(L, 1, HUB);
    struct network *network = the_network(L);
    for (size_t i = 0; i < hubbing->count; i++)
        if (network->home.host == hubbing->hosts[i])
            network->home.host = NULL;
    free(hubbing->hosts);
    hub_release(hubbing->hub);
    *hubbing = (struct hubbing){.hub = NULL};
    return 0;
}

void open_sim(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_host", hub_raw_host},
        {"raw_attach", hub_raw_attach},
        {"raw_home", hub_raw_home},
        {"raw_set", hub_raw_set},
        {"raw_counts", hub_raw_counts},
        {"close", hub_close},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", hub_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"simulated", core_simulated},
        {"given_seed", core_given_seed},
        {"hub", core_hub},
        {NULL, NULL},
    };
    new_class(L, HUB, methods, meta);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
