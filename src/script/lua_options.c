/* lua_options: the options of a layer as a live object. Names read and write single options in the
 * packet's bytes, pairs() walks them in order, tostring() says them in tcpdump's words.
 *
 *     tcp.options = { mss = 1460, sackOK = true, ts = { 1, 0 }, wscale = 7 }   -- in Linux's order
 *     tcp.options = { "nop", { "mss", 1460 }, { 253, "bytes" } }               -- in this order
 *     tcp.options.mss = 536                                                     -- one of them
 */
#include <string.h>

#include "base/bytes.h"
#include "packet/dump.h"
#include "packet/option.h"
#include "script/lua_packet.h"
#include "script/modules.h"
#include "script/util.h"

/* A list being put together; options need not fit a header yet. */
struct draft {
    struct option_list list;
    uint8_t bytes[2048];
};

static void draft_begin(struct draft *d, const struct option_table *table)
{
    d->list = (struct option_list){table, d->bytes, sizeof d->bytes, 0};
}

static void draft_put(lua_State *L, struct draft *d, uint8_t kind, const void *value, size_t length)
{
    if (!option_put(&d->list, kind, value, length))
        raise_mistake(L, "option %d with %d bytes does not fit", (int)kind, (int)length);
}

static uint32_t check_number(lua_State *L, int index, const char *name, uint32_t most)
{
    int good;
    lua_Integer value = lua_tointegerx(L, index, &good);
    if (lua_type(L, index) != LUA_TNUMBER || !good || value < 0 || value > most)
        raise_mistake(L, "option '%s' takes a number from 0 to %I, not %s", name, (LUAI_UACINT)most,
                      luaL_tolstring(L, index, NULL));
    return (uint32_t)value;
}

/* Writes the `count` numbers of the table at `index` into `out`. */
static void check_numbers(lua_State *L, int index, const char *name, int count, uint8_t *out)
{
    if (!lua_istable(L, index))
        raise_mistake(L, "option '%s' takes a table of %d numbers, not %s", name, count,
                      luaL_typename(L, index));
    for (int i = 1; i <= count; i++, out += 4) {
        lua_rawgeti(L, index, i);
        put32(out, check_number(L, lua_gettop(L), name, UINT32_MAX));
        lua_pop(L, 1);
    }
}

static size_t check_ranges(lua_State *L, int index, const char *name, uint8_t *out, size_t size)
{
    if (!lua_istable(L, index))
        raise_mistake(L, "option '%s' takes a list of {left, right}, not %s", name,
                      luaL_typename(L, index));
    lua_Unsigned count = lua_rawlen(L, index);
    if (count > size / 8)
        raise_mistake(L, "option '%s' has too many blocks", name);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        check_numbers(L, lua_gettop(L), name, 2, out + 8 * i);
        lua_pop(L, 1);
    }
    return 8 * (size_t)count;
}

static size_t check_address(lua_State *L, int index, const char *name, enum addr_kind kind,
                            uint8_t *out)
{
    struct addr addr;
    if (lua_type(L, index) != LUA_TSTRING ||
        strlen(lua_tostring(L, index)) != lua_rawlen(L, index) ||
        !addr_parse(&addr, lua_tostring(L, index), "address", NULL) || addr.kind != kind)
        raise_mistake(L, "option '%s' takes %s address, not %s", name,
                      kind == ADDR_MAC ? "a MAC" : "an IPv4", luaL_tolstring(L, index, NULL));
    size_t length = kind == ADDR_MAC ? 6 : 4;
    memcpy(out, addr.bytes, length);
    return length;
}

/* An element of a list as a field of its own. */
static struct field element_of(const struct field *tail)
{
    struct field f = *tail;
    f.bit = 0;
    f.width = (uint16_t)(8 * option_element(tail));
    return f;
}

static size_t check_tail(lua_State *L, int index, const struct option_row *row, uint8_t *out,
                         size_t size)
{
    const struct field *tail = option_tail(row);
    size_t length = 0, element = option_element(tail);
    if (element == 0) {
        if (lua_getfield(L, index, tail->name) != LUA_TNIL) {
            const char *bytes = lua_tolstring(L, -1, &length);
            if (lua_type(L, -1) != LUA_TSTRING || length > size)
                raise_mistake(L, "%s.%s takes a string of up to %d bytes", row->name, tail->name,
                              (int)size);
            memcpy(out, bytes, length);
        }
        lua_pop(L, 1);
        return length;
    }
    struct field f = element_of(tail);
    lua_Unsigned count = lua_rawlen(L, index);
    if (count > size / element)
        raise_mistake(L, "option '%s' has too many %s", row->name, tail->name);
    for (lua_Unsigned i = 1; i <= count; i++, length += element) {
        lua_rawgeti(L, index, (lua_Integer)i);
        write_value(L, row->name, &f, out + length, lua_gettop(L));
        lua_pop(L, 1);
    }
    return length;
}

static const struct field *field_of(const struct option_row *row, const char *name)
{
    for (size_t i = 0; i < row->count; i++)
        if (strcmp(row->fields[i].name, name) == 0)
            return &row->fields[i];
    return NULL;
}

/* {pointer = 4, "192.0.2.1"}: fixed fields by name, the elements of the tail as a list. */
static size_t check_value_fields(lua_State *L, int index, const struct option_row *row,
                                 uint8_t *out, size_t size)
{
    if (!lua_istable(L, index))
        raise_mistake(L, "option '%s' takes a table or a string, not %s", row->name,
                      luaL_typename(L, index));
    const struct field *tail = option_tail(row);
    size_t fixed = option_fixed(row);
    memset(out, 0, fixed);
    for (size_t i = 0; i < row->count; i++)
        if (row->fields[i].initial != 0)
            field_set(&row->fields[i], out, row->fields[i].initial);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TNUMBER && tail && option_element(tail) > 0)
            continue;
        const struct field *f =
            lua_type(L, -2) == LUA_TSTRING ? field_of(row, lua_tostring(L, -2)) : NULL;
        if (!f || (f == tail && option_element(tail) > 0))
            raise_mistake(L, "option '%s' has no field '%s'", row->name,
                          luaL_tolstring(L, -2, NULL));
        if (f != tail)
            write_value(L, row->name, f, out, lua_gettop(L));
    }
    return tail ? fixed + check_tail(L, index, row, out + fixed, size - fixed) : fixed;
}

/* Appends option `kind` with the value at `index`; nil and false leave it out. A string is the
 * value's bytes whatever the kind, but for addresses, which have a text. */
static void draft_value(lua_State *L, struct draft *d, uint8_t kind, int index, bool align)
{
    const struct option_row *row = option_of_kind(d->list.table, kind);
    const char *name = row ? row->name : "by number";
    enum option_form form = row ? row->form : OPTION_BYTES;
    uint8_t value[256];
    size_t length = option_form_length(form);
    if (lua_isnil(L, index) || (lua_isboolean(L, index) && !lua_toboolean(L, index)))
        return;
    if (row && align && !option_align(&d->list, row))
        raise_mistake(L, "options are too long");
    if (lua_type(L, index) == LUA_TSTRING && form != OPTION_MAC && form != OPTION_IP4) {
        const char *bytes = lua_tolstring(L, index, &length);
        draft_put(L, d, kind, bytes, length);
        return;
    }
    switch (form) {
    case OPTION_BYTES:
        raise_mistake(L, "option '%s' takes a string of bytes, not %s", name,
                      luaL_typename(L, index));
        break;
    case OPTION_BARE:
        if (!lua_isboolean(L, index))
            raise_mistake(L, "option '%s' takes true or false, not %s", name,
                          luaL_typename(L, index));
        break;
    case OPTION_U8:
        value[0] = (uint8_t)check_number(L, index, name, UINT8_MAX);
        break;
    case OPTION_U16:
        put16(value, check_number(L, index, name, UINT16_MAX));
        break;
    case OPTION_U32:
        put32(value, check_number(L, index, name, UINT32_MAX));
        break;
    case OPTION_PAIR:
        check_numbers(L, index, name, 2, value);
        break;
    case OPTION_RANGES:
        length = check_ranges(L, index, name, value, sizeof value);
        break;
    case OPTION_MAC:
        length = check_address(L, index, name, ADDR_MAC, value);
        break;
    case OPTION_IP4:
        length = check_address(L, index, name, ADDR_IP4, value);
        break;
    case OPTION_FIELDS:
        length = check_value_fields(L, index, row, value, sizeof value);
        break;
    }
    draft_put(L, d, kind, value, length);
}

/* The kind that the name or number at `index` means. */
static uint8_t check_kind(lua_State *L, const struct option_table *table, int index)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        const struct option_row *row = option_named(table, lua_tostring(L, index));
        if (row)
            return row->kind;
    } else if (lua_isinteger(L, index)) {
        lua_Integer kind = lua_tointeger(L, index);
        if (kind >= 0 && kind <= 255)
            return (uint8_t)kind;
    }
    const char *names[UINT8_MAX + 1], *value = luaL_tolstring(L, index, NULL);
    for (size_t i = 0; i < table->count; i++) /* no more of them than kinds */
        names[i] = table->rows[i].name;
    raise_mistake(L, "there is no option '%s'; there are %s, and numbers from 0 to 255", value,
                  push_words(L, names, table->count));
    return 0;
}

/* {"nop", {"mss", 1460}, {253, "bytes"}, ...}: the script says where everything stands. */
static void draft_list(lua_State *L, struct draft *d, int index)
{
    lua_Unsigned count = lua_rawlen(L, index);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        if (lua_istable(L, -1)) {
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            lua_remove(L, -3);
            if (lua_isnil(L, -1))
                raise_mistake(L,
                              "options: number %d of the list has no value: {\"mss\", 1460}, "
                              "or \"nop\" by itself",
                              (int)i);
        } else {
            lua_pushboolean(L, 1);
        }
        int top = lua_gettop(L);
        draft_value(L, d, check_kind(L, d->list.table, top - 1), top, false);
        lua_pop(L, 2);
    }
}

/* {mss = 1460, [253] = "bytes"}: named ones in the order of the table, then the others by kind. */
static void draft_map(lua_State *L, struct draft *d, int index)
{
    const struct option_table *table = d->list.table;
    bool unnamed = false;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        check_kind(L, table, lua_gettop(L) - 1);
        unnamed = unnamed || lua_type(L, -2) == LUA_TNUMBER;
    }
    for (size_t i = 0; i < table->count; i++) {
        lua_pushstring(L, table->rows[i].name);
        lua_rawget(L, index);
        draft_value(L, d, table->rows[i].kind, lua_gettop(L), true);
        lua_pop(L, 1);
    }
    for (int kind = 0; unnamed && kind <= 255; kind++) {
        lua_rawgeti(L, index, kind);
        draft_value(L, d, (uint8_t)kind, lua_gettop(L), false);
        lua_pop(L, 1);
    }
}

static void store(lua_State *L, struct packet *p, size_t layer, const struct field *f,
                  const void *bytes, size_t length)
{
    struct error err;
    if (!packet_set_bytes(p, layer, f, bytes, length, &err))
        raise_error(L, &err);
}

void set_options(lua_State *L, struct packet *p, size_t layer, const struct field *f, int index)
{
    struct draft d;
    draft_begin(&d, f->options);
    if (lua_type(L, index) == LUA_TSTRING) {
        size_t length;
        const char *bytes = lua_tolstring(L, index, &length);
        store(L, p, layer, f, bytes, length);
        return;
    }
    struct part *other = test_class(L, index, CLASS_OPTIONS);
    if (other) {
        const struct packet *from = part_packet(other);
        size_t length;
        const uint8_t *bytes = packet_bytes(from, other->layer, other->field, &length);
        lua_pushlstring(L, (const char *)bytes, length); /* both may be the same packet */
        store(L, p, layer, f, lua_tostring(L, -1), length);
        lua_pop(L, 1);
        return;
    }
    if (!lua_istable(L, index))
        raise_mistake(L, "%s takes a table or a string, not %s", f->name, luaL_typename(L, index));
    lua_rawgeti(L, index, 1);
    bool list = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (list)
        draft_list(L, &d, index);
    else
        draft_map(L, &d, index);
    store(L, p, layer, f, d.bytes, d.list.length);
}

void push_options(lua_State *L, int packet_index, size_t layer, const struct field *f)
{
    struct part *part = lua_newuserdatauv(L, sizeof *part, 1);
    *part = (struct part){lua_touserdata(L, packet_index), f, layer};
    lua_pushvalue(L, packet_index);
    lua_setiuservalue(L, -2, 1);
    set_class(L, CLASS_OPTIONS);
}

static struct part *check_options(lua_State *L)
{
    return check_class(L, 1, CLASS_OPTIONS);
}

static struct option_walk walk_of(const struct part *part)
{
    struct option_walk walk = {.table = part->field->options};
    walk.bytes = packet_bytes(part_packet(part), part->layer, part->field, &walk.length);
    return walk;
}

static void push_fields(lua_State *L, const struct option *o)
{
    const struct field *tail = option_tail(o->row);
    lua_newtable(L);
    for (size_t i = 0; i < o->row->count; i++)
        if (&o->row->fields[i] != tail) {
            push_value(L, &o->row->fields[i], o->value);
            lua_setfield(L, -2, o->row->fields[i].name);
        }
    if (!tail)
        return;
    size_t at = option_fixed(o->row), element = option_element(tail);
    if (element == 0) {
        lua_pushlstring(L, (const char *)o->value + at, o->length - at);
        lua_setfield(L, -2, tail->name);
        return;
    }
    struct field f = element_of(tail);
    for (lua_Integer i = 1; at < o->length; i++, at += element) {
        push_value(L, &f, o->value + at);
        lua_rawseti(L, -2, i);
    }
}

static bool option_is_end(const struct option_table *table, uint8_t kind)
{
    return table->singles && kind == table->end;
}

/* [-0, +1, m] The value in the form that setting takes. */
static void push_option(lua_State *L, const struct option *o)
{
    enum option_form form = o->row ? o->row->form : OPTION_BYTES;
    size_t length = option_form_length(form);
    char text[ADDR_TEXT];
    if (form == OPTION_BARE && o->length == 0) {
        lua_pushboolean(L, 1);
    } else if (form == OPTION_RANGES && o->length % 8 == 0) {
        lua_createtable(L, (int)(o->length / 8), 0);
        for (size_t i = 0; i < o->length / 8; i++) {
            lua_createtable(L, 2, 0);
            lua_pushinteger(L, get32(o->value + 8 * i));
            lua_rawseti(L, -2, 1);
            lua_pushinteger(L, get32(o->value + 8 * i + 4));
            lua_rawseti(L, -2, 2);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else if (form == OPTION_FIELDS && option_has_fields(o->row, o->length)) {
        push_fields(L, o);
    } else if (length == 0 || o->length != length) {
        lua_pushlstring(L, (const char *)o->value, o->length);
    } else if (form == OPTION_MAC || form == OPTION_IP4) {
        struct addr addr = addr_from(form == OPTION_MAC ? ADDR_MAC : ADDR_IP4, o->value);
        lua_pushstring(L, addr_format(&addr, text));
    } else if (form == OPTION_PAIR) {
        lua_createtable(L, 2, 0);
        lua_pushinteger(L, get32(o->value));
        lua_rawseti(L, -2, 1);
        lua_pushinteger(L, get32(o->value + 4));
        lua_rawseti(L, -2, 2);
    } else {
        lua_Integer value = 0;
        for (size_t i = 0; i < length; i++)
            value = value << 8 | o->value[i];
        lua_pushinteger(L, value);
    }
}

/* options.mss, options[253] -> the first option of that kind | nil */
static int options_index(lua_State *L)
{
    struct part *part = check_options(L);
    uint8_t kind = check_kind(L, part->field->options, 2);
    struct option_walk walk = walk_of(part);
    struct option option;
    while (option_next(&walk, &option))
        if (option.kind == kind) {
            push_option(L, &option);
            return 1;
        }
    return 0;
}

/* options.mss = 536 replaces the first of that kind, or appends; nil takes all of it out. */
static int options_newindex(lua_State *L)
{
    struct part *part = check_options(L);
    uint8_t kind = check_kind(L, part->field->options, 2);
    struct option_walk walk = walk_of(part);
    struct option option;
    struct draft d;
    bool placed = false;
    draft_begin(&d, part->field->options);
    while (option_next(&walk, &option) && !(option_is_end(walk.table, option.kind))) {
        if (option.kind != kind) {
            draft_put(L, &d, option.kind, option.value, option.length);
        } else if (!placed) {
            draft_value(L, &d, kind, 3, false);
            placed = true;
        }
    }
    if (!placed)
        draft_value(L, &d, kind, 3, true);
    store(L, push_packet_of(L, 1), part->layer, part->field, d.bytes, d.list.length);
    return 0;
}

/* #options -> how many there are, no-operations included */
static int options_len(lua_State *L)
{
    struct part *part = check_options(L);
    struct option_walk walk = walk_of(part);
    struct option option;
    lua_Integer count = 0;
    while (option_next(&walk, &option))
        count++;
    lua_pushinteger(L, count);
    return 1;
}

/* The iterator of pairs(): the place in the bytes is upvalue 1. */
static int options_step(lua_State *L)
{
    struct part *part = check_options(L);
    struct option_walk walk = walk_of(part);
    struct option option;
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(1));
    if (at < 0 || (size_t)at > walk.length)
        return 0;
    walk.at = (size_t)at;
    if (!option_next(&walk, &option))
        return 0;
    bool end = option_is_end(walk.table, option.kind);
    lua_pushinteger(L, end ? -1 : (lua_Integer)walk.at);
    lua_replace(L, lua_upvalueindex(1));
    if (option.row)
        lua_pushstring(L, option.row->name);
    else
        lua_pushinteger(L, option.kind);
    push_option(L, &option);
    return 2;
}

/* for name, value in pairs(options): in the order of the bytes */
static int options_pairs(lua_State *L)
{
    check_options(L);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, options_step, 1);
    lua_pushvalue(L, 1);
    return 2;
}

/* "mss 1460,sackOK" */
static int options_tostring(lua_State *L)
{
    struct part *part = check_options(L);
    struct option_walk walk = walk_of(part);
    struct option_walk again = walk;
    luaL_Buffer buffer;
    size_t length = dump_options(NULL, 0, &walk);
    char *text = luaL_buffinitsize(L, &buffer, length + 1);
    dump_options(text, length + 1, &again);
    luaL_pushresultsize(&buffer, length);
    return 1;
}

void open_options(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__index", options_index}, {"__newindex", options_newindex}, {"__len", options_len},
        {"__pairs", options_pairs}, {"__tostring", options_tostring}, {NULL, NULL},
    };
    open_class(L, CLASS_OPTIONS);
    luaL_setfuncs(L, meta, 0);
    lua_pop(L, 1);
}
