/* lua_layer: a layer of a packet as a live object: its fields are read and written in the packet's
 * bytes. */
#include <string.h>

#include "packet/packet.h"
#include "script/lua_packet.h"
#include "script/lua_set.h"
#include "script/util.h"

void push_value(lua_State *L, const struct field *f, const uint8_t *header)
{
    char text[FIELD_TEXT];
    if (field_is_number(f) && f->kind != FIELD_FLAGS)
        lua_pushinteger(L, (lua_Integer)field_get(f, header));
    else
        lua_pushstring(L, field_format(f, header, text));
}

/* [-0, +1, m] The field of the layer object at index 1; nil if the packet is cut off before it. */
static void push_field(lua_State *L, const struct packet *p, size_t layer, const struct field *f)
{
    size_t length;
    const uint8_t *bytes;
    if (!packet_has(p, layer, f)) {
        lua_pushnil(L);
    } else if (f->kind == FIELD_OPTIONS) {
        lua_getiuservalue(L, 1, 1);
        push_options(L, lua_gettop(L), layer, f);
    } else if (f->kind == FIELD_BYTES) {
        bytes = packet_bytes(p, layer, f, &length);
        lua_pushlstring(L, (const char *)bytes, length);
    } else {
        push_value(L, f, packet_header(p, layer));
    }
}

/* The words for what a field takes. */
static const char *wanted(const struct field *f)
{
    switch (f->kind) {
    case FIELD_SEQ:
        return "an integer";
    case FIELD_FLAGS:
        return "a string of flags or a number";
    case FIELD_MAC:
        return "a MAC address as a string";
    case FIELD_IP4:
        return "an IPv4 address as a string";
    case FIELD_IP6:
        return "an IPv6 address as a string";
    case FIELD_BYTES:
        return "a string of bytes";
    default:
        return "a number";
    }
}

static int wrong_type(lua_State *L, const char *owner, const struct field *f, int index)
{
    if (is_moving(L, f, index))
        return raise_mistake(L,
                             "%s.%s of a packet has one value: what changes from packet to packet "
                             "goes into the table that makes the layer, p.%s { %s = ... }",
                             owner, f->name, owner, f->name);
    bool several = f->kind != FIELD_BYTES && lua_type(L, index) == LUA_TTABLE;
    return raise_mistake(L, "%s.%s takes %s, not %s%s", owner, f->name, wanted(f),
                         lua_type(L, index) == LUA_TNUMBER ? luaL_tolstring(L, index, NULL)
                                                           : luaL_typename(L, index),
                         several ? ": a packet for each of several values makes p.list {...}" : "");
}

uint64_t check_value(lua_State *L, const char *owner, const struct field *f, int index)
{
    int good = false, type = lua_type(L, index);
    lua_Integer value = 0;
    if (type == LUA_TNUMBER)
        value = lua_tointegerx(L, index, &good);
    else if (type == LUA_TBOOLEAN && (good = f->width == 1))
        value = lua_toboolean(L, index);
    if (!good)
        wrong_type(L, owner, f, index);
    if (f->kind != FIELD_SEQ && f->width < 64 && (value < 0 || (uint64_t)value > field_max(f)))
        raise_mistake(L, "%s.%s takes a number from 0 to %I, not %I", owner, f->name,
                      (LUAI_UACINT)field_max(f), (LUAI_UACINT)value);
    return (uint64_t)value;
}

/* check_text() for the value of a field. */
static const char *check_string(lua_State *L, const char *owner, const struct field *f, int index)
{
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING)
        wrong_type(L, owner, f, index);
    const char *text = lua_tolstring(L, index, &length);
    if (strlen(text) != length)
        raise_mistake(L, "%s.%s takes %s, and this one has a NUL byte in it", owner, f->name,
                      wanted(f));
    return text;
}

/* Whether the field is given as text: an address, or flags that are no number. */
static bool is_text(lua_State *L, const struct field *f, int index)
{
    return !field_is_number(f) || (f->kind == FIELD_FLAGS && lua_type(L, index) == LUA_TSTRING);
}

void write_value(lua_State *L, const char *owner, const struct field *f, uint8_t *header, int index)
{
    struct error err;
    if (!is_text(L, f, index))
        field_set(f, header, check_value(L, owner, f, index));
    else if (!field_parse(f, header, check_string(L, owner, f, index), &err))
        raise_error(L, &err);
}

static void set_bytes(lua_State *L, struct packet *p, size_t layer, const struct field *f,
                      int index)
{
    struct error err;
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING)
        wrong_type(L, p->layers[layer].proto->name, f, index);
    const char *bytes = lua_tolstring(L, index, &length);
    if (!packet_set_bytes(p, layer, f, bytes, length, &err))
        raise_error(L, &err);
}

void set_field(lua_State *L, struct packet *p, size_t layer, const struct field *f, int index)
{
    if (!packet_has(p, layer, f))
        raise_mistake(L, "the packet is cut off before %s.%s", p->layers[layer].proto->name,
                      f->name);
    struct error err;
    if (lua_isnil(L, index)) { /* as if it had never been set */
        if (!packet_reset(p, layer, f, &err))
            raise_error(L, &err);
        return;
    }
    const char *owner = p->layers[layer].proto->name;
    if (f->kind == FIELD_OPTIONS)
        set_options(L, p, layer, f, index);
    else if (f->kind == FIELD_BYTES)
        set_bytes(L, p, layer, f, index);
    else if (!is_text(L, f, index))
        packet_set_number(p, layer, f, check_value(L, owner, f, index));
    else if (packet_set_text(p, layer, f, check_string(L, owner, f, index), &err))
        return;
    else if (is_moving(L, f, index)) /* a prefix */
        wrong_type(L, owner, f, index);
    else
        raise_error(L, &err);
}

void set_payload(lua_State *L, struct packet *p, int index)
{
    struct error err;
    size_t length = 0;
    const char *bytes = "";
    if (!lua_isnil(L, index)) {
        if (is_generator(L, index))
            raise_mistake(L, "the payload cannot change from packet to packet of a set");
        if (lua_type(L, index) != LUA_TSTRING)
            raise_mistake(L, "payload takes a string of bytes, not %s", luaL_typename(L, index));
        bytes = lua_tolstring(L, index, &length);
    }
    if (!packet_set_payload(p, bytes, length, &err))
        raise_error(L, &err);
}

/* --- the object -------------------------------------------------------------------------------
 */

void add_pinned(lua_State *L, const struct packet *p, size_t layer)
{
    const struct proto *proto = p->layers[layer].proto;
    for (size_t i = 0; i < proto->count; i++)
        if (p->layers[layer].pins >> i & 1 && field_is_computed(&proto->fields[i])) {
            lua_pushfstring(L, "%s.%s", proto->name, proto->fields[i].name);
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
}

static struct part *check_layer(lua_State *L)
{
    return check_class(L, 1, CLASS_LAYER);
}

static const struct field *check_field(lua_State *L, const struct packet *p, size_t layer,
                                       int index)
{
    const struct proto *proto = p->layers[layer].proto;
    const struct field *f =
        lua_type(L, index) == LUA_TSTRING ? proto_field(proto, lua_tostring(L, index)) : NULL;
    if (!f)
        raise_no_field(L, proto, index);
    return f;
}

/* layer.seq; layer.payload is everything behind its header; methods are in upvalue 1 */
static int layer_index(lua_State *L)
{
    const struct part *part = check_layer(L);
    const struct packet *p = part_packet(part);
    const struct layer *layer = &p->layers[part->layer];
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    const struct field *f = proto_field(layer->proto, name);
    if (f) {
        push_field(L, p, part->layer, f);
        return 1;
    }
    if (strcmp(name, "payload") == 0) {
        uint32_t at = layer->offset + layer->header;
        lua_pushlstring(L, (const char *)p->bytes + at, layer->end - at);
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        check_field(L, p, part->layer, 2);
    return 1;
}

/* layer.seq = 7; nil means as if it had never been set, so that computed fields are computed */
static int layer_newindex(lua_State *L)
{
    const struct part *part = check_layer(L);
    struct packet *p = push_packet_of(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    const struct proto *proto = p->layers[part->layer].proto;
    if (strcmp(name, "payload") == 0 && !proto_field(proto, name)) {
        if (part->layer + 1 < p->count)
            return raise_mistake(L, "the payload of %s is made of layers: set their fields",
                                 proto->name);
        set_payload(L, p, 3);
    } else {
        set_field(L, p, part->layer, check_field(L, p, part->layer, 2), 3);
    }
    return 0;
}

/* layer:name() -> "tcp" */
static int layer_name(lua_State *L)
{
    const struct part *part = check_layer(L);
    lua_pushstring(L, part->packet->layers[part->layer].proto->name);
    return 1;
}

/* layer:packet() -> the packet it is a layer of */
static int layer_packet(lua_State *L)
{
    check_layer(L);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/* layer:raw(name) -> the bytes of a field that begins on a byte; layer:raw() -> of the header */
static int layer_raw(lua_State *L)
{
    const struct part *part = check_layer(L);
    lua_settop(L, 2);
    const struct packet *p = part_packet(part);
    const struct layer *layer = &p->layers[part->layer];
    if (lua_isnil(L, 2)) {
        lua_pushlstring(L, (const char *)p->bytes + layer->offset, layer->header);
        return 1;
    }
    const struct field *f = check_field(L, p, part->layer, 2);
    size_t length;
    if (f->bit % 8 != 0 || f->width % 8 != 0)
        return luaL_argerror(L, 2, "this field is not made of whole bytes");
    if (!packet_has(p, part->layer, f))
        return 0;
    const uint8_t *bytes = packet_bytes(p, part->layer, f, &length);
    lua_pushlstring(L, (const char *)bytes, length);
    return 1;
}

/* layer:pinned() -> {"tcp.checksum"} */
static int layer_pinned(lua_State *L)
{
    const struct part *part = check_layer(L);
    lua_newtable(L);
    add_pinned(L, part->packet, part->layer);
    return 1;
}

/* layer:checksum_ok() -> true | false | nil (none, or not to be known), and "good", "partial" (left
 * to the network card: not wrong), "bad", "none" or "unknown", and after "bad" the right one */
static int layer_checksum_ok(lua_State *L)
{
    static const char *const words[] = {[SUM_NONE] = "none",
                                        [SUM_GOOD] = "good",
                                        [SUM_BAD] = "bad",
                                        [SUM_PARTIAL] = "partial",
                                        [SUM_UNKNOWN] = "unknown"};
    const struct part *part = check_layer(L);
    uint16_t right;
    enum packet_sum sum = packet_checksum(part_packet(part), part->layer, &right);
    if (sum == SUM_NONE || sum == SUM_UNKNOWN)
        lua_pushnil(L);
    else
        lua_pushboolean(L, sum != SUM_BAD);
    lua_pushstring(L, words[sum]);
    if (sum != SUM_BAD)
        return 2;
    lua_pushinteger(L, right);
    return 3;
}

static int layer_tostring(lua_State *L)
{
    const struct part *part = check_layer(L);
    lua_pushfstring(L, "layer %d (%s) of ", (int)part->layer + 1,
                    part->packet->layers[part->layer].proto->name);
    lua_getiuservalue(L, 1, 1);
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    lua_concat(L, 2);
    return 1;
}

void open_layers(lua_State *L)
{
    static const luaL_Reg layer_methods[] = {
        {"name", layer_name},     {"packet", layer_packet},           {"raw", layer_raw},
        {"pinned", layer_pinned}, {"checksum_ok", layer_checksum_ok}, {NULL, NULL},
    };
    static const luaL_Reg layer_meta[] = {
        {"__newindex", layer_newindex},
        {"__tostring", layer_tostring},
        {NULL, NULL},
    };
    open_indexed(L, CLASS_LAYER, layer_index, layer_methods, layer_meta);
}
