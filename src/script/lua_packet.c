/* lua_packet: packets as userdata; lua_layer.c has their layers.
 *
 * A packet's bytes live in Lua's memory: at first behind the struct itself, and when it grows in
 * another userdata that is its user value 1. So nothing needs a finalizer, and an error in the
 * middle of anything leaks nothing. The other user values keep the layer objects made last. */
#include <string.h>

#include "packet/dump.h"
#include "packet/packet.h"
#include "script/lua_packet.h"
#include "script/lua_set.h"
#include "script/modules.h"
#include "script/util.h"

enum {
    BYTES_VALUE = 1,
    LAYER_VALUES = 4, /* user values 2 to 5: layer i in 2 + i % 4 */
    FIRST_ROOM = 64,  /* bytes for a layer made from a table */
};

struct held {
    struct packet packet;
    lua_State *L; /* of the call under way, and where in its stack the packet is: for growing */
    int index;
    struct origin origin;
    uint8_t bytes[];
};

static bool grow(struct packet *p, uint32_t room)
{
    struct held *held = (struct held *)p;
    if (room < 2 * p->size && 2 * p->size <= PACKET_MAX)
        room = 2 * p->size;
    uint8_t *bytes = lua_newuserdatauv(held->L, room, 0);
    if (p->size > 0)
        memcpy(bytes, p->bytes, p->size);
    lua_setiuservalue(held->L, held->index, BYTES_VALUE);
    p->bytes = bytes;
    p->room = room;
    return true;
}

/* [-0, +1, m] An empty packet with room for `room` bytes. */
static struct packet *new_packet(lua_State *L, size_t room)
{
    const struct registry *registry = protocols_of(L);
    struct held *held = lua_newuserdatauv(L, sizeof *held + room, BYTES_VALUE + LAYER_VALUES);
    packet_init(&held->packet, registry);
    held->packet.bytes = held->bytes;
    held->packet.room = (uint32_t)room;
    held->packet.grow = grow;
    held->L = L;
    held->index = lua_gettop(L);
    held->origin = (struct origin){0};
    set_class(L, CLASS_PACKET);
    return &held->packet;
}

static struct packet *as_packet(lua_State *L, int index)
{
    struct held *held = check_class(L, index, CLASS_PACKET);
    held->L = L;
    held->index = lua_absindex(L, index);
    return &held->packet;
}

/* The packet with all that is computed in place. */
static struct packet *check_packet(lua_State *L, int index)
{
    struct packet *p = as_packet(L, index);
    packet_finish(p);
    return p;
}

struct packet *push_packet_of(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 1);
    struct held *held = lua_touserdata(L, -1);
    held->L = L;
    held->index = lua_gettop(L);
    return &held->packet;
}

/* --- making -------------------------------------------------------------------------------------
 */

/* What a table says besides values that are simply set. */
struct found {
    bool tails, moving; /* a tail or the payload; a field that changes from packet to packet */
};

/* [-0, +0, v] Sets what the table at index 1 says: the tails and the payload, or all other fields
 * of the one layer. Tails come last: a pinned length lets them be longer. */
static struct found set_fields(lua_State *L, struct packet *p, bool tails)
{
    const struct proto *proto = p->layers[0].proto;
    struct found found = {false, false};
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const struct field *f = proto_field(proto, name);
        int value = lua_gettop(L);
        if (!f && strcmp(name, "payload") != 0)
            raise_no_field(L, proto, -2);
        else if (f && is_moving(L, f, value))
            found.moving = true;
        else if ((!f || f->width == 0) && !tails)
            found.tails = true;
        else if (!f)
            set_payload(L, p, value);
        else if ((f->width == 0) == tails)
            set_field(L, p, 0, f, value);
    }
    return found;
}

/* tcp{dport = 80, flags = "S"} -> a packet of one layer, or a set of such; upvalue 1 is the
 * protocol. */
static int packet_make(lua_State *L)
{
    const struct proto *proto = lua_touserdata(L, lua_upvalueindex(1));
    struct error err;
    lua_settop(L, 1);
    if (!lua_isnil(L, 1))
        luaL_checktype(L, 1, LUA_TTABLE);
    struct packet *p = new_packet(L, FIRST_ROOM);
    if (!packet_push(p, proto, &err))
        return raise_error(L, &err);
    if (lua_isnil(L, 1))
        return 1;
    struct found found = set_fields(L, p, false);
    if (found.tails)
        set_fields(L, p, true);
    if (found.moving)
        push_set(L, 1, 2);
    return 1;
}

void push_maker(lua_State *L, const struct proto *proto)
{
    lua_pushlightuserdata(L, (void *)proto);
    lua_pushcclosure(L, packet_make, 1);
}

/* One side of a `/`: a packet, bytes, or (with neither) a set. */
struct operand {
    const struct packet *packet;
    const char *bytes;
    size_t size;
};

static struct operand check_operand(lua_State *L, int index)
{
    struct operand o = {.packet = test_class(L, index, CLASS_PACKET)};
    if (o.packet)
        o.size = o.packet->size;
    else if (lua_type(L, index) == LUA_TSTRING)
        o.bytes = lua_tolstring(L, index, &o.size);
    else if (!test_class(L, index, CLASS_SET))
        luaL_error(L, "a packet goes with packets, sets and strings, not with %s",
                   luaL_typename(L, index));
    return o;
}

static void append(lua_State *L, struct packet *p, const struct operand *o)
{
    struct error err;
    if (!(o->packet ? packet_append(p, o->packet, &err)
                    : packet_append_bytes(p, o->bytes, o->size, &err)))
        raise_error(L, &err);
}

int packet_div(lua_State *L)
{
    struct operand left = check_operand(L, 1), right = check_operand(L, 2);
    if (!(left.packet || left.bytes) || !(right.packet || right.bytes))
        return set_div(L);
    size_t size = left.size + right.size;
    if (size > PACKET_MAX)
        return luaL_error(L, "a packet of %I bytes is too long", (LUAI_UACINT)size);
    struct packet *p = new_packet(L, size);
    append(L, p, &left);
    append(L, p, &right);
    return 1;
}

struct packet *push_copy(lua_State *L, const struct packet *from)
{
    struct error err;
    struct packet *p = new_packet(L, from->size);
    if (!packet_append(p, from, &err))
        raise_error(L, &err);
    return p;
}

void push_parsed(lua_State *L, const struct proto *first, const void *bytes, size_t length,
                 const struct origin *origin)
{
    if (first == &proto_ip)
        first = packet_ip_proto(bytes, length);
    else if (first == &proto_null)
        first = packet_null_proto(bytes, length);
    struct packet *p = new_packet(L, length);
    memcpy(p->bytes, bytes, length);
    p->size = (uint32_t)length;
    if (origin)
        ((struct held *)p)->origin = *origin;
    packet_parse(p, first);
}

const struct origin *origin_of(lua_State *L, int index)
{
    const struct held *held = test_class(L, index, CLASS_PACKET);
    return held && held->origin.time != 0 ? &held->origin : NULL;
}

/* parse(bytes [, layer = "ip" [, ns [, original [, iface [, sent]]]]]) -> packet; "ip" goes by the
 * version of the first byte, "null" by the byte order; one from a file has a time and a length, and
 * may have the rest. */
static int packet_from(lua_State *L)
{
    size_t length;
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *bytes = lua_tolstring(L, 1, &length);
    const struct proto *first = lua_isnoneornil(L, 2) ? &proto_ip : check_proto(L, 2);
    if (length > PACKET_MAX)
        return luaL_argerror(L, 1, "too many bytes for a packet");
    struct origin origin = {
        .time = luaL_optinteger(L, 3, 0),
        .original = (uint32_t)luaL_optinteger(L, 4, (lua_Integer)length),
    };
    const char *iface = luaL_optstring(L, 5, "");
    if (strlen(iface) < sizeof origin.iface) /* a name of another system may be longer */
        memcpy(origin.iface, iface, strlen(iface));
    if (!lua_isnoneornil(L, 6))
        origin.direction = lua_toboolean(L, 6) ? "out" : "in";
    push_parsed(L, first, bytes, length, &origin);
    return 1;
}

/* packet:copy() -> another one with the same bytes and pins, from the same place */
static int packet_copy(lua_State *L)
{
    const struct packet *from = as_packet(L, 1);
    struct held *held = (struct held *)push_copy(L, from);
    held->origin = ((const struct held *)from)->origin;
    return 1;
}

/* --- the packet ---------------------------------------------------------------------------------
 */

/* [-0, +1, m] The object for a layer of the packet at `index`. */
static void push_layer(lua_State *L, int index, size_t layer)
{
    int value = BYTES_VALUE + 1 + (int)(layer % LAYER_VALUES);
    index = lua_absindex(L, index);
    if (lua_getiuservalue(L, index, value) == LUA_TUSERDATA &&
        ((struct part *)lua_touserdata(L, -1))->layer == layer)
        return;
    lua_pop(L, 1);
    struct part *part = lua_newuserdatauv(L, sizeof *part, 1);
    *part = (struct part){lua_touserdata(L, index), NULL, layer};
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    set_class(L, CLASS_LAYER);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, value);
}

/* [-0, +(0|1), -] time, direction, iface or original of a packet that was seen; nil for another.
 * False if the name is none of these. */
static bool push_origin(lua_State *L, const struct origin *origin, const char *name)
{
    bool seen = origin->time != 0;
    if (strcmp(name, "time") == 0 && seen)
        lua_pushnumber(L, to_seconds(origin->time));
    else if (strcmp(name, "original") == 0 && seen)
        lua_pushinteger(L, origin->original);
    else if (strcmp(name, "direction") == 0)
        lua_pushstring(L, origin->direction); /* NULL: nil */
    else if (strcmp(name, "iface") == 0 && origin->iface[0])
        lua_pushstring(L, origin->iface);
    else if (strcmp(name, "time") == 0 || strcmp(name, "original") == 0 ||
             strcmp(name, "iface") == 0)
        lua_pushnil(L);
    else
        return false;
    return true;
}

/* packet.tcp -> the first layer of that name | nil; packet.payload; packet:method() from the table
 * that is upvalue 1; where it was seen */
static int packet_index(lua_State *L)
{
    const struct packet *p = as_packet(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    int layer = packet_layer(p, name);
    if (layer >= 0) {
        push_layer(L, 1, (size_t)layer);
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (strcmp(name, "payload") == 0) {
        size_t length;
        const uint8_t *bytes = packet_payload(p, &length);
        lua_pushlstring(L, (const char *)bytes, length);
        return 1;
    }
    if (push_origin(L, &((const struct held *)p)->origin, name))
        return 1;
    if (registry_named(protocols_of(L), name))
        return 0;
    return luaL_error(L, "a packet has no '%s'", luaL_tolstring(L, 2, NULL));
}

/* packet.payload = "bytes" */
static int packet_newindex(lua_State *L)
{
    struct packet *p = as_packet(L, 1);
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "payload") != 0)
        return luaL_error(L,
                          "only the payload of a packet can be set, and the fields of its layers: "
                          "not '%s'",
                          luaL_tolstring(L, 2, NULL));
    set_payload(L, p, 3);
    return 0;
}

/* packet:trailer([n = 1]) -> what layer n carries behind the end of the next one; packet:trailer(n,
 * bytes) sets it and returns the packet */
static int packet_trailer_of(lua_State *L)
{
    struct packet *p = as_packet(L, 1);
    lua_Integer n = luaL_optinteger(L, 2, 1);
    if (n < 0 || n >= p->count)
        return luaL_argerror(L, 2, "there is no layer behind that one");
    size_t length;
    struct error err;
    if (lua_isnoneornil(L, 3)) {
        const uint8_t *bytes = packet_trailer(p, (size_t)n, &length);
        lua_pushlstring(L, (const char *)bytes, length);
        return 1;
    }
    luaL_checktype(L, 3, LUA_TSTRING);
    const char *bytes = lua_tolstring(L, 3, &length);
    if (!packet_set_trailer(p, (size_t)n, bytes, length, &err))
        return raise_error(L, &err);
    lua_settop(L, 1);
    return 1;
}

/* packet:bytes() -> string */
static int packet_bytes_of(lua_State *L)
{
    const struct packet *p = check_packet(L, 1);
    lua_pushlstring(L, (const char *)p->bytes, p->size);
    return 1;
}

static int packet_len(lua_State *L)
{
    lua_pushinteger(L, as_packet(L, 1)->size);
    return 1;
}

static int packet_eq(lua_State *L)
{
    if (!test_class(L, 1, CLASS_PACKET) || !test_class(L, 2, CLASS_PACKET))
        return 0;
    const struct packet *a = check_packet(L, 1), *b = check_packet(L, 2);
    lua_pushboolean(L, a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0);
    return 1;
}

/* packet:layers() -> {"eth", "ip", "tcp"} */
static int packet_layers(lua_State *L)
{
    const struct packet *p = as_packet(L, 1);
    lua_createtable(L, p->count, 0);
    for (size_t i = 0; i < p->count; i++) {
        lua_pushstring(L, p->layers[i].proto->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* packet:layer(name [, n = 1]) -> the n-th layer of that name | nil; packet:layer(n) -> the n-th */
static int packet_layer_of(lua_State *L)
{
    const struct packet *p = as_packet(L, 1);
    bool by_name = lua_type(L, 2) == LUA_TSTRING;
    const char *name = by_name ? check_proto(L, 2)->name : NULL;
    if (!by_name)
        luaL_checktype(L, 2, LUA_TNUMBER);
    lua_Integer n = by_name ? luaL_optinteger(L, 3, 1) : luaL_checkinteger(L, 2);
    for (size_t i = 0; n > 0 && i < p->count; i++)
        if ((!by_name || strcmp(p->layers[i].proto->name, name) == 0) && --n == 0) {
            push_layer(L, 1, i);
            return 1;
        }
    return 0;
}

/* packet:stopped() -> nil, or why parsing ended and at which byte */
static int packet_stopped(lua_State *L)
{
    const struct packet *p = as_packet(L, 1);
    if (p->stop == PACKET_WHOLE)
        return 0;
    lua_pushstring(L, packet_stop_name(p->stop));
    lua_pushinteger(L, p->stop_offset);
    return 2;
}

/* packet:pinned() -> {"tcp.checksum"} */
static int packet_pinned_fields(lua_State *L)
{
    const struct packet *p = as_packet(L, 1);
    lua_newtable(L);
    for (size_t i = 0; i < p->count; i++)
        add_pinned(L, p, i);
    return 1;
}

static bool base_number(lua_State *L, int index, const char *name, uint32_t *number)
{
    bool there = lua_getfield(L, index, name) != LUA_TNIL;
    if (there) {
        int good;
        *number = (uint32_t)lua_tointegerx(L, -1, &good);
        if (!good || lua_type(L, -1) != LUA_TNUMBER)
            luaL_error(L, "%s takes a number, not %s", name, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return there;
}

/* packet:line{seq = n, ack = n} -> one line, numbers relative to those */
static int packet_line(lua_State *L)
{
    static const char *const names[] = {"seq", "ack", NULL};
    const struct packet *p = check_packet(L, 1);
    struct dump_base base = {0};
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        check_fields(L, 2, names);
        base.has_seq = base_number(L, 2, "seq", &base.seq);
        base.has_ack = base_number(L, 2, "ack", &base.ack);
    }
    luaL_Buffer buffer;
    size_t length = dump_line(NULL, 0, p, &base);
    char *text = luaL_buffinitsize(L, &buffer, length + 1);
    dump_line(text, length + 1, p, &base);
    luaL_pushresultsize(&buffer, length);
    return 1;
}

/* packet:tree() -> all fields, one a line */
static int packet_tree(lua_State *L)
{
    const struct packet *p = check_packet(L, 1);
    luaL_Buffer buffer;
    size_t length = dump_tree(NULL, 0, p);
    char *text = luaL_buffinitsize(L, &buffer, length + 1);
    dump_tree(text, length + 1, p);
    luaL_pushresultsize(&buffer, length);
    return 1;
}

/* packet:hex() -> offset, bytes and text, as text2pcap reads it */
static int packet_hex(lua_State *L)
{
    const struct packet *p = check_packet(L, 1);
    luaL_Buffer buffer;
    size_t length = dump_hex(NULL, 0, p->bytes, p->size);
    char *text = luaL_buffinitsize(L, &buffer, length + 1);
    dump_hex(text, length + 1, p->bytes, p->size);
    luaL_pushresultsize(&buffer, length);
    return 1;
}

static int packet_tostring(lua_State *L)
{
    lua_settop(L, 1);
    return packet_line(L);
}

/* --- the module ---------------------------------------------------------------------------------
 */

void open_indexed(lua_State *L, enum class class, lua_CFunction index, const luaL_Reg *methods,
                  const luaL_Reg *meta)
{
    open_class(L, class);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "methods"); /* for those that are written in Lua */
    lua_pushcclosure(L, index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

static void open_classes(lua_State *L)
{
    static const luaL_Reg packet_methods[] = {
        {"bytes", packet_bytes_of},
        {"copy", packet_copy},
        {"layers", packet_layers},
        {"layer", packet_layer_of},
        {"stopped", packet_stopped},
        {"pinned", packet_pinned_fields},
        {"line", packet_line},
        {"tree", packet_tree},
        {"hex", packet_hex},
        {"trailer", packet_trailer_of},
        {NULL, NULL},
    };
    static const luaL_Reg packet_meta[] = {
        {"__newindex", packet_newindex}, {"__div", packet_div},
        {"__len", packet_len},           {"__eq", packet_eq},
        {"__tostring", packet_tostring}, {NULL, NULL},
    };
    open_indexed(L, CLASS_PACKET, packet_index, packet_methods, packet_meta);
    open_layers(L);
    open_options(L);
}

int luaopen_tcplua_packet_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"parse", packet_from},
        {NULL, NULL},
    };
    open_classes(L);
    luaL_newlib(L, functions);
    open_protocols(L);
    open_sets(L);
    push_class(L, CLASS_PACKET);
    lua_getfield(L, -1, "methods");
    lua_setfield(L, -3, "methods");
    lua_pop(L, 1);
    return 1;
}
