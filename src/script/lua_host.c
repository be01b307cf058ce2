/* lua_host: what the kernel knows of the network: interfaces, routes, neighbours. */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "host/lab.h"
#include "host/list.h"
#include "host/route.h"
#include "script/modules.h"
#include "script/util.h"

#define LIST "tcplua.host_list"

/* --- rows as tables -----------------------------------------------------------------------------
 */

static void push_prefix(lua_State *L, const struct addr *addr, unsigned bits)
{
    char text[ADDR_TEXT];
    lua_pushfstring(L, "%s/%d", addr_format(addr, text), (int)bits);
}

/* An interface may be gone by now: then its number stands for it. */
static void set_iface(lua_State *L, uint32_t index)
{
    char name[IF_NAMESIZE];
    if (index == 0)
        return;
    if (if_indextoname(index, name))
        lua_pushstring(L, name);
    else
        lua_pushfstring(L, "%d", (int)index);
    lua_setfield(L, -2, "iface");
}

/* Each of these pushes a table. */
static void push_iface(lua_State *L, const void *row)
{
    const struct iface *iface = row;
    lua_createtable(L, 0, 8);
    set_text(L, "name", iface->name);
    set_integer(L, "index", iface->index);
    set_addr(L, "mac", &iface->mac);
    set_integer(L, "mtu", iface->mtu);
    set_boolean(L, "up", iface->up);
    set_boolean(L, "running", iface->running);
    set_boolean(L, "loopback", iface->loopback);
    lua_newtable(L);
    lua_setfield(L, -2, "addresses");
}

static void push_route(lua_State *L, const void *row)
{
    static const char *const types[] = {
        [RTN_UNSPEC] = "unspec",       [RTN_UNICAST] = "unicast",
        [RTN_LOCAL] = "local",         [RTN_BROADCAST] = "broadcast",
        [RTN_ANYCAST] = "anycast",     [RTN_MULTICAST] = "multicast",
        [RTN_BLACKHOLE] = "blackhole", [RTN_UNREACHABLE] = "unreachable",
        [RTN_PROHIBIT] = "prohibit",   [RTN_THROW] = "throw",
    };
    const struct route_entry *route = row;
    lua_createtable(L, 0, 8);
    push_prefix(L, &route->dst, route->bits);
    lua_setfield(L, -2, "dst");
    set_iface(L, route->ifindex);
    set_addr(L, "via", &route->gateway);
    set_addr(L, "src", &route->source);
    if (route->mtu)
        set_integer(L, "mtu", route->mtu);
    set_integer(L, "metric", route->metric);
    set_integer(L, "table", route->table);
    bool named = route->type < sizeof types / sizeof types[0] && types[route->type];
    set_text(L, "type", named ? types[route->type] : "unknown");
}

static void push_neighbour(lua_State *L, const void *row)
{
    static const struct {
        uint16_t state;
        const char *name;
    } states[] = {
        {NUD_INCOMPLETE, "incomplete"}, {NUD_REACHABLE, "reachable"}, {NUD_STALE, "stale"},
        {NUD_DELAY, "delay"},           {NUD_PROBE, "probe"},         {NUD_FAILED, "failed"},
        {NUD_NOARP, "noarp"},           {NUD_PERMANENT, "permanent"},
    };
    const struct neighbour_entry *entry = row;
    size_t i = 0, count = sizeof states / sizeof states[0];
    lua_createtable(L, 0, 4);
    set_addr(L, "address", &entry->ip);
    set_addr(L, "mac", &entry->mac);
    set_iface(L, entry->ifindex);
    while (i < count && !(entry->state & states[i].state))
        i++;
    set_text(L, "state", i < count ? states[i].name : "none");
}

/* --- lists --------------------------------------------------------------------------------------
 */

static int list_gc(lua_State *L)
{
    host_list_free(luaL_checkudata(L, 1, LIST));
    return 0;
}

/* [-0, +1, m] An empty list that is freed with its userdata. */
static struct host_list *push_list(lua_State *L)
{
    struct host_list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (struct host_list){0};
    luaL_setmetatable(L, LIST);
    return list;
}

/* [-0, +1, m] A sequence of tables, one for each row; the list is empty then. */
static void push_rows(lua_State *L, struct host_list *list, void (*push)(lua_State *, const void *))
{
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        push(L, (const char *)list->rows + i * list->size);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    host_list_free(list);
}

/* Appends the addresses to those interfaces of the sequence on top of the stack that have them. */
static void give_addresses(lua_State *L, const struct host_list *addresses)
{
    lua_newtable(L); /* an interface's index -> its list of addresses */
    lua_pushnil(L);
    while (lua_next(L, -3)) {
        lua_getfield(L, -1, "index");
        lua_getfield(L, -2, "addresses");
        lua_rawset(L, -5);
        lua_pop(L, 1);
    }
    const struct iface_address *row = addresses->rows;
    for (size_t i = 0; i < addresses->count; i++, row++) {
        if (lua_rawgeti(L, -1, row->ifindex) == LUA_TTABLE) {
            push_prefix(L, &row->addr, row->bits);
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* interfaces() -> {{name =, index =, mac =, mtu =, up =, running =, loopback =, addresses = {…}},
 * …} | nil, error */
static int core_interfaces(lua_State *L)
{
    struct error err;
    check_host(L);
    struct host_list *ifaces = push_list(L), *addresses = push_list(L);
    if (!iface_list(ifaces, &err) || !address_list(addresses, &err))
        return push_failure(L, &err);
    push_rows(L, ifaces, push_iface);
    give_addresses(L, addresses);
    host_list_free(addresses);
    return 1;
}

/* interface(name) -> the same for one | nil, error */
static int core_interface(lua_State *L)
{
    struct error err;
    struct iface iface;
    const char *name = check_text(L, 1);
    check_host(L);
    struct host_list *addresses = push_list(L);
    if (!iface_by_name(name, &iface, &err) || !address_list(addresses, &err))
        return push_failure(L, &err);
    lua_createtable(L, 1, 0);
    push_iface(L, &iface);
    lua_rawseti(L, -2, 1);
    give_addresses(L, addresses);
    host_list_free(addresses);
    lua_rawgeti(L, -1, 1);
    return 1;
}

/* routes() -> {{dst =, iface =, via =, src =, mtu =, metric =, table =, type =}, …} | nil, error */
static int core_routes(lua_State *L)
{
    struct error err;
    check_host(L);
    struct host_list *routes = push_list(L);
    if (!route_list(routes, &err))
        return push_failure(L, &err);
    push_rows(L, routes, push_route);
    return 1;
}

/* route(dst [, src]) -> {dst =, iface =, via =, src =, mtu =, local =, broadcast =} | nil, error */
static int core_route(lua_State *L)
{
    struct error err;
    struct addr dst, src;
    struct route route;
    const char *to = check_text(L, 1), *from = opt_text(L, 2);
    check_host(L);
    if (!parse_ip(&dst, to, "destination address", &err) ||
        (from && !parse_ip(&src, from, "source address", &err)))
        return push_failure(L, &err);
    if (from && src.kind != dst.kind) {
        fail(&err, ERROR_USAGE, "EINVAL", "%s and %s are not of one family", from, to);
        return push_failure(L, &err);
    }
    if (!route_get(&dst, from ? &src : NULL, 0, &route, &err))
        return push_failure(L, &err);
    lua_createtable(L, 0, 7);
    set_addr(L, "dst", &dst);
    set_iface(L, route.ifindex);
    set_addr(L, "via", &route.gateway);
    set_addr(L, "src", &route.source);
    set_integer(L, "mtu", route.mtu);
    set_boolean(L, "local", route.local);
    set_boolean(L, "broadcast", route.broadcast);
    return 1;
}

/* Keeps the rows of one interface. */
static void keep_iface(struct host_list *list, uint32_t ifindex)
{
    struct neighbour_entry *rows = list->rows;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (rows[i].ifindex == ifindex)
            rows[kept++] = rows[i];
    list->count = kept;
}

/* neighbours([iface]) -> {{address =, mac =, iface =, state =}, …} | nil, error */
static int core_neighbours(lua_State *L)
{
    struct error err;
    struct iface iface;
    const char *name = opt_text(L, 1);
    check_host(L);
    if (name && !iface_by_name(name, &iface, &err))
        return push_failure(L, &err);
    struct host_list *entries = push_list(L);
    if (!neigh_list(entries, &err))
        return push_failure(L, &err);
    if (name)
        keep_iface(entries, iface.index);
    push_rows(L, entries, push_neighbour);
    return 1;
}

/* neighbour(address [, iface]) -> the same for one | nil, error; without an interface, on that of
 * the route */
static int core_neighbour(lua_State *L)
{
    struct error err;
    struct addr ip;
    struct iface iface;
    struct route route;
    struct neighbour_entry entry;
    const char *text = check_text(L, 1), *name = opt_text(L, 2);
    check_host(L);
    if (!parse_ip(&ip, text, "address", &err))
        return push_failure(L, &err);
    bool found = name ? iface_by_name(name, &iface, &err) : route_get(&ip, NULL, 0, &route, &err);
    if (!found || !neigh_ask(name ? iface.index : route.ifindex, &ip, &entry, &err))
        return push_failure(L, &err);
    push_neighbour(L, &entry);
    return 1;
}

/* lab_possible() -> true | nil, error: whether this process could enter a lab */
static int core_lab_possible(lua_State *L)
{
    struct error err;
    if (!lab_possible(&err))
        return push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

void open_host(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", list_gc}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"interfaces", core_interfaces},
        {"interface", core_interface},
        {"routes", core_routes},
        {"route", core_route},
        {"neighbours", core_neighbours},
        {"neighbour", core_neighbour},
        {"lab_possible", core_lab_possible},
        {NULL, NULL},
    };
    new_class(L, LIST, none, meta);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
