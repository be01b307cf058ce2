/* lua_set: fields that change from packet to packet, and the sets of packets that they make.
 *
 * A generator keeps the values that the script gave as they are: what they mean, an address or a
 * number or flags, only the field knows that it is given to. A set is a packet, which nobody else
 * has, and the rows of set.h; `/` makes a new one from both. */
#include "script/lua_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "packet/dump.h"
#include "script/lua_packet.h"
#include "script/util.h"
#include "stack/network.h"

#define GENERATOR_CLASS "tcplua.generator"

/* User value 1 is a list: of the values, or of the bounds. */
struct generating {
    enum generator_kind kind;
    lua_Integer step;
};

enum { TEMPLATE_VALUE = 1, LISTS_VALUE }; /* user values of a set; LISTS keeps values of lists */

struct held_set {
    struct set set;
    uint64_t seed; /* of the next pass */
    bool prepared;
};

/* --- generators ---------------------------------------------------------------------------------
 */

/* [-1, +1, m] Makes a generator of the list on top of the stack. */
static int push_generator(lua_State *L, enum generator_kind kind, lua_Integer step)
{
    struct generating *g = lua_newuserdatauv(L, sizeof *g, 1);
    *g = (struct generating){kind, step};
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, GENERATOR_CLASS);
    return 1;
}

/* [-0, +1, v] A list of the `count` arguments from the first one. */
static void push_arguments(lua_State *L, int count)
{
    lua_settop(L, count); /* what is missing is nil, not the table */
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        if (lua_type(L, i) != LUA_TSTRING && lua_type(L, i) != LUA_TNUMBER)
            luaL_typeerror(L, i, "number or address");
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
}

/* range(first, last [, step = 1]) -> generator */
static int packet_range(lua_State *L)
{
    lua_Integer step = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, step != 0, 3, "a step of 0 leads nowhere");
    push_arguments(L, 2);
    return push_generator(L, GENERATE_RANGE, step);
}

/* counter([start = 0 [, step = 1]]) -> generator */
static int packet_counter(lua_State *L)
{
    lua_Integer step = luaL_optinteger(L, 2, 1);
    push_arguments(L, lua_isnoneornil(L, 1) ? 0 : 1);
    return push_generator(L, GENERATE_COUNTER, step);
}

/* random([low, high]), random(prefix) -> generator */
static int packet_random(lua_State *L)
{
    bool one = lua_isnoneornil(L, 2), none = one && lua_isnoneornil(L, 1);
    bool prefix = one && lua_type(L, 1) == LUA_TSTRING && strchr(lua_tostring(L, 1), '/');
    luaL_argcheck(L, !one || none || prefix, 2,
                  "the greatest value expected: random(least, greatest), random(prefix), random()");
    push_arguments(L, none ? 0 : prefix ? 1 : 2);
    return push_generator(L, GENERATE_RANDOM, 0);
}

static int push_values(lua_State *L, enum generator_kind kind)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    luaL_argcheck(L, count > 0, 1, "an empty list has no value for a field");
    lua_newtable(L);
    for (lua_Integer i = 1; i <= count; i++) {
        int type = lua_rawgeti(L, 1, i);
        if (type != LUA_TSTRING && type != LUA_TNUMBER)
            return luaL_error(L, "value %I of the list is a %s, not a number or a string",
                              (LUAI_UACINT)i, lua_typename(L, type));
        lua_rawseti(L, -2, i);
    }
    return push_generator(L, kind, 0);
}

/* list{22, 80, 443}, cycle{22, 80, 443} -> generator */
static int packet_list(lua_State *L)
{
    return push_values(L, GENERATE_LIST);
}

static int packet_cycle(lua_State *L)
{
    return push_values(L, GENERATE_CYCLE);
}

static int generator_tostring(lua_State *L)
{
    static const char *const texts[] = {
        [GENERATE_RANGE] = "p.range(...)",     [GENERATE_LIST] = "p.list {...}",
        [GENERATE_COUNTER] = "p.counter(...)", [GENERATE_CYCLE] = "p.cycle {...}",
        [GENERATE_RANDOM] = "p.random(...)",
    };
    const struct generating *g = luaL_checkudata(L, 1, GENERATOR_CLASS);
    lua_pushstring(L, texts[g->kind]);
    return 1;
}

static bool is_prefix(lua_State *L, const struct field *f, int index)
{
    return f->kind >= FIELD_MAC && f->kind <= FIELD_IP6 && lua_type(L, index) == LUA_TSTRING &&
           strchr(lua_tostring(L, index), '/');
}

bool is_generator(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TUSERDATA && luaL_testudata(L, index, GENERATOR_CLASS);
}

bool is_moving(lua_State *L, const struct field *f, int index)
{
    return is_prefix(L, f, index) || is_generator(L, index);
}

/* --- a generator for a field -------------------------------------------------------------------
 */

/* The value at `index` as the field `f` of `owner` takes it. */
static struct wide check_wide(lua_State *L, const char *owner, const struct field *f, int index)
{
    uint8_t header[PROTO_HEADER] = {0};
    write_value(L, owner, f, header, index);
    return wide_get(f, header);
}

/* The first and the last address of the prefix at `index`. */
static void check_prefix(lua_State *L, const struct field *f, int index, struct wide *first,
                         struct wide *last)
{
    struct error err;
    char address[FIELD_TEXT], shown[FIELD_TEXT], *end;
    uint8_t low[PROTO_HEADER] = {0}, high[PROTO_HEADER];
    size_t size;
    const char *text = lua_tolstring(L, index, &size), *slash = strchr(text, '/');
    size_t length = (size_t)(slash - text);
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || end != text + size || bits > f->width ||
        length >= sizeof address) {
        text_escape(shown, sizeof shown, text, size);
        fail(&err, ERROR_USAGE, "EINVAL", "%s '%s' is not an address, '/' and 0 to %d bits",
             f->name, shown, f->width);
        raise_error(L, &err);
    }
    memcpy(address, text, length);
    address[length] = '\0';
    if (!field_parse(f, low, address, &err))
        raise_error(L, &err);
    memcpy(high, low, sizeof high);
    for (size_t bit = f->bit + bits; bit < (size_t)f->bit + f->width; bit++) {
        low[bit / 8] = (uint8_t)(low[bit / 8] & ~(0x80 >> bit % 8));
        high[bit / 8] = (uint8_t)(high[bit / 8] | 0x80 >> bit % 8);
    }
    *first = wide_get(f, low);
    *last = wide_get(f, high);
}

/* [-0, +1, v] Pushes the values of the list at `list` as the field takes them. */
static struct wide *push_wides(lua_State *L, const char *owner, const struct field *f, int list)
{
    size_t count = lua_rawlen(L, list);
    struct wide *values = lua_newuserdatauv(L, count * sizeof *values, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        values[i] = check_wide(L, owner, f, lua_gettop(L));
        lua_pop(L, 1);
    }
    return values;
}

/* [-0, +n, v] What the value at `index` means to the field: a generator or a prefix. Leaves what
 * has to be kept on the stack. */
static bool read_generator(lua_State *L, struct generator *g, const char *owner,
                           const struct field *f, int index, struct error *err)
{
    struct wide first = {0, 0}, last;
    if (lua_type(L, index) == LUA_TSTRING) {
        check_prefix(L, f, index, &first, &last);
        return generator_range(g, f, first, last, 1, err);
    }
    const struct generating *from = lua_touserdata(L, index);
    lua_getiuservalue(L, index, 1);
    int list = lua_gettop(L);
    size_t count = lua_rawlen(L, list);
    if (from->kind == GENERATE_LIST || from->kind == GENERATE_CYCLE)
        return generator_list(g, from->kind, push_wides(L, owner, f, list), count, err);
    lua_rawgeti(L, list, 1);
    lua_rawgeti(L, list, 2);
    if (count == 0) { /* any value */
        uint8_t ones[PROTO_HEADER];
        memset(ones, 0xff, sizeof ones);
        last = wide_get(f, ones);
    } else if (from->kind == GENERATE_RANDOM && count == 1 && is_prefix(L, f, list + 1)) {
        check_prefix(L, f, list + 1, &first, &last);
    } else {
        first = check_wide(L, owner, f, list + 1);
        last = count > 1 ? check_wide(L, owner, f, list + 2) : first;
    }
    if (from->kind == GENERATE_RANGE)
        return generator_range(g, f, first, last, from->step, err);
    if (from->kind == GENERATE_RANDOM)
        return generator_random(g, f, first, last, err);
    generator_counter(g, first, from->step);
    return true;
}

/* --- sets ---------------------------------------------------------------------------------------
 */

static struct held_set *check_set(lua_State *L, int index)
{
    return check_class(L, index, CLASS_SET);
}

/* [-0, +1, v] An empty set around the packet at `packet_index`. */
static struct held_set *new_set(lua_State *L, int packet_index)
{
    struct error err;
    packet_index = lua_absindex(L, packet_index);
    struct held_set *held = lua_newuserdatauv(L, sizeof *held, LISTS_VALUE);
    set_init(&held->set);
    held->prepared = false;
    if (!network_random(the_network(L), &held->seed, sizeof held->seed, &err))
        raise_error(L, &err);
    lua_pushvalue(L, packet_index);
    lua_setiuservalue(L, -2, TEMPLATE_VALUE);
    lua_newtable(L);
    lua_setiuservalue(L, -2, LISTS_VALUE);
    set_class(L, CLASS_SET);
    return held;
}

/* [-1, +0, m] Keeps the value on top of the stack with the set at `index`. */
static void keep(lua_State *L, int index)
{
    lua_getiuservalue(L, index, LISTS_VALUE);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

void push_set(lua_State *L, int table_index, int packet_index)
{
    struct error err;
    struct packet *p = lua_touserdata(L, packet_index);
    const struct proto *proto = p->layers[0].proto;
    struct held_set *held = new_set(L, packet_index);
    int index = lua_gettop(L);
    for (size_t i = 0; i < proto->count; i++) {
        const struct field *f = &proto->fields[i];
        struct generator g = {0};
        lua_pushstring(L, f->name);
        lua_rawget(L, table_index);
        if (is_moving(L, f, index + 1)) {
            if (!set_takes(p, 0, f, &err) ||
                !read_generator(L, &g, proto->name, f, index + 1, &err) ||
                !set_vary(&held->set, p, 0, f, &g, &err))
                raise_error(L, &err);
            if (g.values)
                keep(L, index);
        }
        lua_settop(L, index);
    }
}

/* [-0, +1, -] The packet that stands for the operand at `index`: of a set its template. */
static void push_operand(lua_State *L, int index)
{
    if (test_class(L, index, CLASS_SET))
        lua_getiuservalue(L, index, TEMPLATE_VALUE);
    else
        lua_pushvalue(L, index);
}

int set_div(lua_State *L)
{
    struct error err;
    lua_settop(L, 2);
    lua_pushcfunction(L, packet_div);
    push_operand(L, 1);
    size_t layers = 0; /* of the left operand */
    if (test_class(L, -1, CLASS_PACKET))
        layers = ((const struct packet *)lua_touserdata(L, -1))->count;
    push_operand(L, 2);
    lua_call(L, 2, 1);
    struct held_set *held = new_set(L, 3);
    for (int i = 1; i <= 2; i++) {
        const struct held_set *from = test_class(L, i, CLASS_SET);
        if (!from)
            continue;
        if (!set_append(&held->set, &from->set, i == 1 ? 0 : layers, &err))
            return raise_error(L, &err);
        lua_getiuservalue(L, i, LISTS_VALUE);
        keep(L, 4);
    }
    return 1;
}

const struct packet *set_template(lua_State *L, int index)
{
    lua_getiuservalue(L, index, TEMPLATE_VALUE);
    const struct packet *p = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return p;
}

static struct held_set *prepare(lua_State *L, int index)
{
    struct held_set *held = check_set(L, index);
    if (!held->prepared)
        set_prepare(&held->set, (struct packet *)set_template(L, index));
    held->prepared = true;
    return held;
}

const struct set *to_set(lua_State *L, int index)
{
    return test_class(L, index, CLASS_SET) ? &prepare(L, index)->set : NULL;
}

void start_set(lua_State *L, int index, struct set_cursor *cursor)
{
    struct held_set *held = prepare(L, index);
    set_start(&held->set, cursor, held->seed++);
}

/* [-0, +1, m] The next packet of the set at `index`; nil after the last. */
static int push_next(lua_State *L, int index, struct set_cursor *cursor)
{
    struct packet *p = push_copy(L, set_template(L, index));
    if (!set_next(cursor, p->bytes))
        lua_pushnil(L);
    return 1;
}

/* set:first() -> the first packet of the next pass */
static int set_first(lua_State *L)
{
    struct set_cursor cursor;
    const struct held_set *held = prepare(L, 1);
    set_start(&held->set, &cursor, held->seed);
    return push_next(L, 1, &cursor);
}

/* The iterator of packets(); upvalues: set, cursor, how many are left. */
static int packets_next(lua_State *L)
{
    lua_Integer left = lua_tointeger(L, lua_upvalueindex(3));
    if (left == 0)
        return 0;
    lua_pushinteger(L, left - 1);
    lua_replace(L, lua_upvalueindex(3));
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    return push_next(L, 1, lua_touserdata(L, lua_upvalueindex(2)));
}

/* set:packets([n]) -> iterator over (the first n of) its packets */
static int set_packets(lua_State *L)
{
    check_set(L, 1);
    lua_Integer n = luaL_optinteger(L, 2, -1);
    luaL_argcheck(L, lua_isnoneornil(L, 2) || n >= 0, 2, "a number of packets");
    lua_pushvalue(L, 1);
    start_set(L, 1, lua_newuserdatauv(L, sizeof(struct set_cursor), 0));
    lua_pushinteger(L, n);
    lua_pushcclosure(L, packets_next, 3);
    return 1;
}

/* [-0, +1, m] A whole number as an integer as long as it is one exactly. */
static void push_count(lua_State *L, const struct set *set)
{
    double count = set_count(set);
    if (count <= 0x1p53)
        lua_pushinteger(L, (lua_Integer)count);
    else
        lua_pushnumber(L, count);
}

/* set:count() -> how many packets; math.huge if there is no end */
static int set_count_of(lua_State *L)
{
    push_count(L, &check_set(L, 1)->set);
    return 1;
}

/* set:moving() -> {"ip.dst", "tcp.dport"}: the fields that change, the fastest last */
static int set_moving(lua_State *L)
{
    const struct set *set = &check_set(L, 1)->set;
    const struct packet *p = set_template(L, 1);
    lua_createtable(L, set->count, 0);
    for (size_t i = 0; i < set->count; i++) {
        const struct set_row *row = &set->rows[i];
        lua_pushfstring(L, "%s.%s", p->layers[row->layer].proto->name, row->field->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int set_tostring(lua_State *L)
{
    const struct set *set = &check_set(L, 1)->set;
    lua_settop(L, 1);
    set_first(L);
    const char *first = luaL_tolstring(L, -1, NULL);
    push_count(L, set);
    if (isinf(set_count(set)))
        lua_pushfstring(L, "%s (the first of packets without end)", first);
    else
        lua_pushfstring(L, "%s (the first of %s)", first, luaL_tolstring(L, -1, NULL));
    return 1;
}

/* set:method() from the table that is upvalue 1 */
static int set_index(lua_State *L)
{
    check_set(L, 1);
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    return luaL_error(L, "a set has no '%s', but its packets may: set:first(), set:packets()",
                      luaL_tolstring(L, 2, NULL));
}

static int set_newindex(lua_State *L)
{
    return luaL_error(L, "a set cannot be changed: make another one, or change the packets that "
                         "set:packets() gives");
}

void open_sets(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"range", packet_range}, {"list", packet_list},       {"random", packet_random},
        {"cycle", packet_cycle}, {"counter", packet_counter}, {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"first", set_first},
        {"packets", set_packets},
        {"count", set_count_of},
        {"moving", set_moving},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__div", set_div},
        {"__newindex", set_newindex},
        {"__tostring", set_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg generator_meta[] = {{"__tostring", generator_tostring}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    new_class(L, GENERATOR_CLASS, none, generator_meta);
    lua_pop(L, 1);
    open_indexed(L, CLASS_SET, set_index, methods, meta);
    push_class(L, CLASS_SET);
    lua_getfield(L, -1, "methods");
    lua_setfield(L, -3, "set_methods");
    lua_pop(L, 1);
}
