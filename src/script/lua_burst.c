/* lua_burst: many packets in one call (stack/burst.h), and one. Lua says when to go on; packets and
 * sets whose source address was left out get the one that this host would use. */
#include <math.h>
#include <string.h>

#include "script/lua_link.h"
#include "script/lua_packet.h"
#include "script/lua_set.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/burst.h"
#include "stack/outlet.h"
#include "stack/stack.h"

#define BURST "tcplua.burst"
#define TRIES 256 /* to find a destination with a route: each asks the kernel */

/* User value 1 is a list of what must live as long: sets, and copies of them. */
struct bursting {
    struct burst *burst; /* NULL: ended */
    bool datagrams;
};

/* --- the source address -------------------------------------------------------------------------
 */

/* [-0, +(0|1), v] Pushes a copy of the packet with its source address filled in, if that was left
 * out; `*copy` is NULL if there is nothing to fill in. False with `err`: no way to the destination.
 */
static bool push_sourced(lua_State *L, const struct packet *packet, struct packet **copy,
                         struct error *err)
{
    const struct field *dst_field, *src_field = packet_open_source(packet, 0, &dst_field);
    struct addr src, dst;
    *copy = NULL;
    if (!src_field || !dst_field || !packet_has(packet, 0, dst_field))
        return true;
    enum addr_kind kind = dst_field->kind == FIELD_IP4 ? ADDR_IP4 : ADDR_IP6;
    dst = addr_from(kind, packet_header(packet, 0) + dst_field->bit / 8);
    if (!network_source(the_network(L), &dst, &src, err))
        return false;
    *copy = push_copy(L, packet);
    if (!packet_set_bytes(*copy, 0, src_field, src.bytes, addr_length(kind), err)) {
        lua_pop(L, 1);
        return false;
    }
    packet_finish(*copy);
    return true;
}

/* [-0, +1, v] The bytes of the packet or string at `index`; pushes what they belong to. */
static const uint8_t *push_bytes(lua_State *L, int index, bool sourced, size_t *length,
                                 struct error *err)
{
    const struct packet *packet = test_class(L, index, CLASS_PACKET);
    if (!packet) {
        lua_pushvalue(L, index);
        return (const uint8_t *)luaL_checklstring(L, index, length);
    }
    struct packet *copy = NULL;
    packet_finish((struct packet *)(uintptr_t)packet);
    if (sourced && !push_sourced(L, packet, &copy, err))
        return NULL;
    if (copy)
        packet = copy;
    else
        lua_pushvalue(L, index);
    *length = packet->size;
    return packet->bytes ? packet->bytes : (const uint8_t *)"";
}

/* sourceless(packet, n) -> whether the source of layer `n` was left out, for senders to fill in */
static int core_sourceless(lua_State *L)
{
    const struct field *dst;
    lua_Integer n = luaL_checkinteger(L, 2);
    const struct packet *packet = check_class(L, 1, CLASS_PACKET);
    luaL_argcheck(L, n >= 1, 2, "the number of a layer expected");
    lua_pushboolean(L, packet_open_source(packet, (size_t)n - 1, &dst) != NULL);
    return 1;
}

/* is_set(value) -> boolean */
static int core_is_set(lua_State *L)
{
    lua_pushboolean(L, to_set(L, 1) != NULL);
    return 1;
}

/* send(packet | string [, at_once]) -> true | nil, error: one IP datagram, by the wire that suits
 * it. With `at_once` false, and nothing sent, if its next hop has to be asked for. */
static int core_send(lua_State *L)
{
    size_t length;
    struct error err;
    struct outlet outlet = {.network = the_network(L)};
    lua_settop(L, 2);
    const uint8_t *bytes = push_bytes(L, 1, true, &length, &err);
    if (!bytes || !outlet_find(&outlet, bytes, length, &err))
        return push_failure(L, &err);
    bool later = lua_toboolean(L, 2) && outlet_waits(&outlet);
    if (!later && !outlet_send(&outlet, bytes, length, &err))
        return push_failure(L, &err);
    lua_pushboolean(L, !later);
    return 1;
}

/* --- bursts -------------------------------------------------------------------------------------
 */

static struct bursting *check_burst(lua_State *L)
{
    struct bursting *bursting = luaL_checkudata(L, 1, BURST);
    if (!bursting->burst)
        luaL_error(L, "attempt to use a burst that has ended");
    return bursting;
}

/* burst{datagrams=, exact=, xdp=, iface=, rate=, count=, timeout=} -> burst */
static int core_burst(lua_State *L)
{
    static const char *const names[] = {"datagrams", "exact", "xdp",     "iface",
                                        "rate",      "count", "timeout", NULL};
    lua_settop(L, 1);
    check_fields(L, 1, names);
    const char *iface = field_string(L, 1, "iface", "");
    lua_Number count = field_number(L, 1, "count", 0);
    struct burst_options options = {
        .datagrams = field_boolean(L, 1, "datagrams", false),
        .exact = field_boolean(L, 1, "exact", false),
        .xdp = field_boolean(L, 1, "xdp", false),
        .rate = field_number(L, 1, "rate", 0),
        .count = count >= 0x1p63 ? UINT64_MAX : (uint64_t)(count > 0 ? count : 0),
        .timeout = to_ns(field_number(L, 1, "timeout", HUGE_VAL)),
    };
    luaL_argcheck(L, strlen(iface) < sizeof options.iface, 1,
                  "option 'iface': a name has at most 15 characters");
    memcpy(options.iface, iface, strlen(iface));
    struct bursting *bursting = lua_newuserdatauv(L, sizeof *bursting, 1);
    *bursting = (struct bursting){.datagrams = options.datagrams};
    luaL_setmetatable(L, BURST);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    bursting->burst = burst_new(the_network(L), &options);
    return bursting->burst ? 1 : luaL_error(L, "out of memory for a burst");
}

/* [-1, +0, m] Keeps the value on top of the stack for as long as the burst at 1. */
static void keep(lua_State *L)
{
    lua_getiuservalue(L, 1, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    lua_pop(L, 1);
}

/* [-0, +(0|1), v] The same for the set at 2: the source is that on the way to the first of its
 * destinations to which there is one, within reason. The others are refused one by one. */
static bool push_sourced_set(lua_State *L, struct packet **copy, struct error *err)
{
    struct error why;
    struct set_cursor cursor;
    if (push_sourced(L, set_template(L, 2), copy, err))
        return true;
    struct packet *packet = push_copy(L, set_template(L, 2));
    start_set(L, 2, &cursor);
    for (int i = 0; i < TRIES && set_next(&cursor, packet->bytes); i++)
        if (push_sourced(L, packet, copy, &why)) {
            lua_remove(L, -2);
            return true;
        }
    lua_pop(L, 1);
    return false;
}

/* [-0, +0, v] Adds the set at 2. */
static bool add_set(lua_State *L, const struct bursting *bursting, struct error *err)
{
    const struct set *set = to_set(L, 2);
    struct packet *copy = NULL;
    struct set_cursor cursor;
    lua_pushvalue(L, 2);
    keep(L);
    start_set(L, 2, &cursor);
    if (bursting->datagrams && !push_sourced_set(L, &copy, err))
        return false;
    if (copy) {
        keep(L);
        struct set *own = lua_newuserdatauv(L, sizeof *own, 0);
        *own = *set;
        keep(L);
        set_prepare(own, copy);
        set = own;
        set_start(set, &cursor, cursor.random);
    }
    return burst_add_set(bursting->burst, set, &cursor) ||
           fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a burst");
}

/* add(packet | string | set) -> true | nil, error. Where there is no way to go, it is refused. */
static int burst_object_add(lua_State *L)
{
    struct bursting *bursting = check_burst(L);
    struct error err = {.code = ""};
    double count = 1;
    bool good;
    lua_settop(L, 2);
    if (to_set(L, 2)) {
        good = add_set(L, bursting, &err);
        count = set_count(to_set(L, 2));
    } else {
        size_t length;
        const uint8_t *bytes = push_bytes(L, 2, bursting->datagrams, &length, &err);
        good = bytes != NULL;
        if (good && !burst_add(bursting->burst, bytes, length))
            return luaL_error(L, "out of memory for a burst");
    }
    if (!good && err.kind != ERROR_NETWORK)
        return push_failure(L, &err);
    if (!good)
        burst_refuse(bursting->burst, count < 0x1p53 ? (uint64_t)count : 1, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* step([link]) -> when to call it again | nil | nil, error: sends for a few milliseconds */
static int burst_object_step(lua_State *L)
{
    struct bursting *bursting = check_burst(L);
    struct error err;
    int64_t when;
    struct link *link = bursting->datagrams ? NULL : link_at(L, 2);
    switch (burst_step(bursting->burst, link, &when, &err)) {
    case BURST_MORE:
        lua_pushnumber(L, to_seconds(when));
        return 1;
    case BURST_DONE:
        return 0;
    case BURST_FAILED:
        break;
    }
    return push_failure(L, &err);
}

/* report() -> {sent =, bytes =, refused =, seconds =, rate =, why = error of the first refused} */
static int burst_object_report(lua_State *L)
{
    const struct burst_report *report = burst_report(check_burst(L)->burst);
    lua_Number seconds = to_seconds(report->ended - report->began);
    lua_createtable(L, 0, 6);
    set_integer(L, "sent", (lua_Integer)report->sent);
    set_integer(L, "bytes", (lua_Integer)report->bytes);
    set_integer(L, "refused", (lua_Integer)report->refused);
    set_number(L, "seconds", seconds);
    set_number(L, "rate", seconds > 0 ? (lua_Number)(report->sent - 1) / seconds : 0);
    if (report->refused) {
        push_error(L, &report->first);
        lua_setfield(L, -2, "why");
    }
    return 1;
}

/* close(): may be repeated */
static int burst_object_close(lua_State *L)
{
    struct bursting *bursting = luaL_checkudata(L, 1, BURST);
    burst_free(bursting->burst);
    bursting->burst = NULL;
    return 0;
}

void open_burst(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"add", burst_object_add},
        {"step", burst_object_step},
        {"report", burst_object_report},
        {"close", burst_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", burst_object_close},
        {"__close", burst_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"is_set", core_is_set},
        {"sourceless", core_sourceless},
        {"send", core_send},
        {"burst", core_burst},
        {NULL, NULL},
    };
    new_class(L, BURST, methods, meta);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
