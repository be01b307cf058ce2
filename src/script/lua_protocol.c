/* lua_protocol: the protocols of a state, and their tables of fields as seen from Lua. */
#include <string.h>

#include "packet/option.h"
#include "script/lua_packet.h"
#include "script/script.h"
#include "script/util.h"

static const char registry_key; /* registry[&registry_key] keeps the protocols of this state */

const struct registry *protocols_of(lua_State *L)
{
    return script_of(L)->protocols;
}

static const char *const spaces[NUMBER_SPACES] = {[SPACE_ETHERTYPE] = "ethertype",
                                                  [SPACE_IP] = "ip",
                                                  [SPACE_IP6] = "ip6",
                                                  [SPACE_ICMP] = "icmp",
                                                  [SPACE_ICMP6] = "icmp6",
                                                  [SPACE_TCP] = "tcp",
                                                  [SPACE_UDP] = "udp",
                                                  [SPACE_FAMILY] = "family"};

static const char *kind_name(enum field_kind kind)
{
    static const char *const names[] = {
        [FIELD_NUMBER] = "number", [FIELD_HEX] = "number",  [FIELD_SEQ] = "sequence number",
        [FIELD_FLAGS] = "flags",   [FIELD_MAC] = "MAC",     [FIELD_IP4] = "IPv4",
        [FIELD_IP6] = "IPv6",      [FIELD_BYTES] = "bytes", [FIELD_OPTIONS] = "options",
    };
    return names[kind];
}

/* [-0, +1, m] Names of the options, in the order in which they are written. */
static void push_option_names(lua_State *L, const struct option_table *table)
{
    lua_createtable(L, (int)table->count, 0);
    for (size_t i = 0; i < table->count; i++) {
        lua_pushstring(L, table->rows[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

const struct proto *check_proto(lua_State *L, int index)
{
    const char *name = check_text(L, index);
    const struct proto *proto = registry_named(protocols_of(L), name);
    if (!proto)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "there is no layer '%s'; p.help() lists them", name));
    return proto;
}

int raise_no_field(lua_State *L, const struct proto *proto, int index)
{
    return luaL_error(L, "%s has no field '%s'; p.help '%s' lists its fields", proto->name,
                      luaL_tolstring(L, index, NULL), proto->name);
}

/* [-0, +1, m] What a script may know of a field; `initial` is a header of its protocol before
 * anything is set. */
static void push_row(lua_State *L, const struct field *f, const uint8_t *initial)
{
    char text[FIELD_TEXT];
    lua_createtable(L, 0, 12);
    set_text(L, "name", f->name);
    set_integer(L, "bit", f->bit);
    set_integer(L, "width", f->width);
    set_text(L, "kind", kind_name(f->kind));
    set_boolean(L, "computed", field_is_computed(f));
    set_boolean(L, "alias", f->alias);
    set_boolean(L, "hex", f->kind == FIELD_HEX);
    set_boolean(L, "little", f->little);
    set_boolean(L, "next", f->role == ROLE_NEXT);
    if (f->when) {
        lua_createtable(L, f->when[0], 0);
        for (int i = 1; i <= f->when[0]; i++) {
            lua_pushinteger(L, f->when[i]);
            lua_rawseti(L, -2, i);
        }
        lua_setfield(L, -2, "when");
    }
    if (f->options) {
        push_option_names(L, f->options);
        lua_setfield(L, -2, "options");
    }
    if (f->kind == FIELD_FLAGS)
        set_text(L, "default", field_format(f, initial, text));
    else if (field_is_number(f) && !field_is_computed(f))
        set_integer(L, "default", (lua_Integer)field_get(f, initial));
}

/* fields(layer) -> a list of {name=, bit=, width=, kind=, computed=, alias=, hex=, default=,
 * little=, next=, when = {first bytes}, options = {names}} */
static int packet_fields(lua_State *L)
{
    const struct proto *proto = check_proto(L, 1);
    uint8_t initial[PROTO_HEADER];
    proto_initial(proto, initial);
    lua_createtable(L, (int)proto->count, 0);
    for (size_t i = 0; i < proto->count; i++) {
        push_row(L, &proto->fields[i], initial);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* protocols() -> {"eth", …} */
static int packet_protocols(lua_State *L)
{
    const struct registry *registry = protocols_of(L);
    lua_createtable(L, (int)registry->count, 0);
    for (size_t i = 0; i < registry->count; i++) {
        lua_pushstring(L, registry->protos[i]->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* numbers(layer) -> {{"udp", 53}, …}: by which numbers the protocol is known, and of what kind */
static int packet_numbers(lua_State *L)
{
    const struct proto *proto = check_proto(L, 1);
    lua_newtable(L);
    for (const struct proto_number *n = proto->numbers; n && n->space != SPACE_NONE; n++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, spaces[n->space]);
        lua_rawseti(L, -2, 1);
        lua_pushinteger(L, n->number);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, n - proto->numbers + 1);
    }
    return 1;
}

/* --- declaring ----------------------------------------------------------------------------------
 * A declared protocol is one userdata with all of its tables, kept by the registry's user value;
 * the user value of the protocol keeps the strings. */

enum { DECLARED_FIELDS = 64, DECLARED_NUMBERS = 64, DECLARED_NAMES = 64 };

struct declared {
    struct proto proto;
    struct proto_number numbers[DECLARED_NUMBERS + 1];
    struct field fields[DECLARED_FIELDS];
    const char *names[DECLARED_FIELDS + DECLARED_NAMES]; /* of bits, ends with NULL each */
    size_t number_count, name_count;
};

/* [-1, +0, v] The string on top, kept alive with the protocol whose strings are at `keep`. */
static const char *keep_string(lua_State *L, int keep, const char *what)
{
    if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) == 0 ||
        strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
        raise_mistake(L, "declare: %s is a string that is not empty, not %s", what,
                      luaL_tolstring(L, -1, NULL));
    const char *text = lua_tostring(L, -1);
    lua_rawseti(L, keep, (lua_Integer)lua_rawlen(L, keep) + 1);
    return text;
}

/* A word that can stand behind a dot in Lua, and that `taken` (a class) has no method for. */
static void check_word(lua_State *L, const char *word, enum class class)
{
    bool good = strspn(word, "0123456789") == 0 && strlen(word) <= 32;
    for (const char *c = word; *c; c++)
        good = good && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '_');
    push_class(L, class);
    lua_getfield(L, -1, "methods");
    if (!good || strcmp(word, "payload") == 0 || lua_getfield(L, -1, word) != LUA_TNIL)
        raise_mistake(L, "declare: '%s' cannot be a name here", word);
    lua_pop(L, 3);
}

/* The integer `name` of the table at `index`, `otherwise` if there is none. */
static lua_Integer integer_field(lua_State *L, int index, const char *name, lua_Integer least,
                                 lua_Integer most, lua_Integer otherwise)
{
    int good = 1;
    lua_Integer value = otherwise;
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        value = lua_tointegerx(L, -1, &good);
        if (lua_type(L, -1) != LUA_TNUMBER || !good || value < least || value > most)
            raise_mistake(L, "declare: %s is a number from %I to %I, not %s", name,
                          (LUAI_UACINT)least, (LUAI_UACINT)most, luaL_tolstring(L, -1, NULL));
    }
    lua_pop(L, 1);
    return value;
}

/* Raises for the value on top of the stack, which is none of `words`. */
static void no_such_word(lua_State *L, const char *name, const char *const *words, size_t count)
{
    const char *value = luaL_tolstring(L, -1, NULL);
    raise_mistake(L, "declare: there is no %s '%s'; there are %s", name, value,
                  push_words(L, words, count));
}

/* What the string `name` of the table at `index` is among `words`, the first if there is none. */
static size_t word_field(lua_State *L, int index, const char *name, const char *const *words,
                         size_t count)
{
    size_t i = 0;
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        for (const char *word = lua_tostring(L, -1); i < count; i++)
            if (word && words[i] && strcmp(word, words[i]) == 0)
                break;
        if (i == count)
            no_such_word(L, name, words, count);
    }
    lua_pop(L, 1);
    return i;
}

/* The names of the bits of a field; bits that have none get "bit0" and so on, so that every value
 * has a text that can be read back. */
static void declare_names(lua_State *L, struct declared *d, struct field *f, int index, int keep)
{
    if (d->name_count + f->width >= DECLARED_FIELDS + DECLARED_NAMES)
        raise_mistake(L, "declare: too many names of bits");
    f->names = &d->names[d->name_count];
    f->joint = ",";
    if (lua_getfield(L, index, "joint") != LUA_TNIL)
        f->joint =
            lua_rawlen(L, -1) > 0 ? (lua_pushvalue(L, -1), keep_string(L, keep, "joint")) : "";
    lua_pop(L, 1);
    bool table = lua_getfield(L, index, "names") == LUA_TTABLE;
    for (int bit = 0; bit < f->width; bit++) {
        if (!table || lua_rawgeti(L, -1, bit + 1) == LUA_TNIL) {
            lua_pop(L, table ? 1 : 0);
            lua_pushfstring(L, "bit%d", bit);
        }
        d->names[d->name_count++] = keep_string(L, keep, "the name of a bit");
    }
    lua_pop(L, 1);
    d->names[d->name_count++] = NULL;
}

/* The bits of the field `name` that begins at `bit`: the second item of the table at `index`, which
 * may be left out where the kind says it. */
static uint16_t declared_width(lua_State *L, int index, enum field_kind kind, size_t bit,
                               const char *name)
{
    static const uint16_t widths[] = {
        [FIELD_MAC] = 48, [FIELD_IP4] = 32, [FIELD_IP6] = 128, [FIELD_BYTES] = 0};
    bool whole = kind >= FIELD_MAC;
    int good = 1;
    lua_Integer width = widths[kind];
    if (lua_rawgeti(L, index, 2) != LUA_TNIL)
        width = lua_tointegerx(L, -1, &good);
    lua_pop(L, 1);
    if (!good || width < (kind == FIELD_BYTES ? 0 : 1) || width > 8 * PROTO_HEADER ||
        (widths[kind] > 0 && width != widths[kind]) || (whole && (width % 8 || bit % 8)))
        raise_mistake(L, "declare: field '%s' cannot have %I bits there", name, (LUAI_UACINT)width);
    return (uint16_t)width;
}

/* {"vni", 24, kind = "hex", default = 0, role = "next", …} at `index`, the next one of `d`. */
static void declare_field(lua_State *L, struct declared *d, int index, int keep, size_t *bit)
{
    static const char *const kinds[] = {"number", "hex",  "sequence number", "flags", "MAC", "IPv4",
                                        "IPv6",   "bytes"};
    static const char *const roles[] = {"",     "header_length", "length", "payload_length",
                                        "next", "checksum"};
    static const enum field_role role_of[] = {ROLE_PLAIN,        ROLE_HEADER_LENGTH,
                                              ROLE_TOTAL_LENGTH, ROLE_PAYLOAD_LENGTH,
                                              ROLE_NEXT,         ROLE_CHECKSUM};
    if (!lua_istable(L, index))
        raise_mistake(L, "declare: a field is a table, {name, bits}, not %s",
                      luaL_typename(L, index));
    if (d->proto.count == DECLARED_FIELDS)
        raise_mistake(L, "declare: more than %d fields", DECLARED_FIELDS);
    if (d->proto.count > 0 && d->fields[d->proto.count - 1].width == 0)
        raise_mistake(L, "declare: nothing can stand behind %s, which takes the rest of the header",
                      d->fields[d->proto.count - 1].name);
    struct field *f = &d->fields[d->proto.count];
    lua_rawgeti(L, index, 1);
    const char *name = keep_string(L, keep, "the name of a field");
    check_word(L, name, CLASS_LAYER);
    if (proto_field(&d->proto, name))
        raise_mistake(L, "declare: there are two fields '%s'", name);
    size_t kind = word_field(L, index, "kind", kinds, sizeof kinds / sizeof kinds[0]);
    size_t role = word_field(L, index, "role", roles, sizeof roles / sizeof roles[0]);
    bool whole = kind >= FIELD_MAC;
    uint16_t width = declared_width(L, index, (enum field_kind)kind, *bit, name);
    *f = (struct field){.name = name, .bit = (uint16_t)*bit, .width = width};
    f->kind = (enum field_kind)kind;
    f->role = role_of[role];
    f->unit = (uint8_t)integer_field(L, index, "unit", 1, 255, 1);
    f->bias = (uint8_t)integer_field(L, index, "bias", 0, 255, 0);
    lua_getfield(L, index, "little");
    f->little = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if ((f->role != ROLE_PLAIN || f->little) && (whole || (f->little && (width % 8 || *bit % 8))))
        raise_mistake(L, "declare: field '%s' is not a number of whole bytes", name);
    if (f->role == ROLE_CHECKSUM && (width != 16 || *bit % 16 != 0 || f->little))
        raise_mistake(
            L, "declare: checksum '%s' has 16 bits, begins on an even byte, and is not little",
            name);
    if (!whole && width <= 64)
        f->initial = (uint32_t)integer_field(
            L, index, "default", 0, width < 32 ? (lua_Integer)field_max(f) : UINT32_MAX, 0);
    if (kind == FIELD_FLAGS)
        declare_names(L, d, f, index, keep);
    *bit += width;
    d->proto.count++;
}

static void add_number(lua_State *L, struct declared *d, enum number_space space)
{
    int good;
    lua_Integer number = lua_tointegerx(L, -1, &good);
    if (!good || lua_type(L, -1) != LUA_TNUMBER || number < 0 || number > UINT32_MAX ||
        d->number_count == DECLARED_NUMBERS)
        raise_mistake(L, "declare: over takes up to %d numbers, not %s", DECLARED_NUMBERS,
                      luaL_tolstring(L, -1, NULL));
    d->numbers[d->number_count++] = (struct proto_number){space, (uint32_t)number};
}

/* {udp = 4789, ip = {4, 41}} on top of the stack. */
static void declare_numbers(lua_State *L, struct declared *d)
{
    if (!lua_istable(L, -1))
        raise_mistake(L, "declare: over is a table like {udp = 53}, not %s", luaL_typename(L, -1));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        size_t space = 1;
        const char *word = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        while (space < NUMBER_SPACES && strcmp(spaces[space], word) != 0)
            space++;
        if (space == NUMBER_SPACES) {
            lua_pop(L, 1);
            no_such_word(L, "numbering", spaces, NUMBER_SPACES);
        }
        if (!lua_istable(L, -1)) {
            add_number(L, d, (enum number_space)space);
            continue;
        }
        lua_Unsigned count = lua_rawlen(L, -1);
        for (lua_Unsigned i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            add_number(L, d, (enum number_space)space);
            lua_pop(L, 1);
        }
    }
}

/* declare{name =, fields = {{name, bits, …}}, over = {udp = port}, next = "ip"} -> the function
 * that makes the layer; upvalue 1 is the module */
static int packet_declare(lua_State *L)
{
    static const char *const allowed[] = {"name", "fields", "over", "next", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_fields(L, 1, allowed);
    struct declared *d = lua_newuserdatauv(L, sizeof *d, 1);
    memset(d, 0, sizeof *d);
    lua_newtable(L);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 2, 1);
    d->proto.fields = d->fields;
    d->proto.numbers = d->numbers;
    lua_getfield(L, 1, "name");
    d->proto.name = keep_string(L, 3, "name");
    check_word(L, d->proto.name, CLASS_PACKET);
    if (lua_getfield(L, 1, "fields") != LUA_TTABLE)
        return raise_mistake(L, "declare: fields is a list of {name, bits}");
    size_t bit = 0;
    lua_Unsigned count = lua_rawlen(L, -1);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        declare_field(L, d, lua_gettop(L), 3, &bit);
        lua_pop(L, 1);
    }
    if (bit == 0 || bit % 8 != 0)
        return raise_mistake(L, "declare: the fields of '%s' have %d bits: whole bytes are needed",
                             d->proto.name, (int)bit);
    d->proto.minimum = bit / 8;
    if (lua_getfield(L, 1, "over") != LUA_TNIL)
        declare_numbers(L, d);
    d->proto.next = (enum number_space)word_field(L, 1, "next", spaces, NUMBER_SPACES);
    if (lua_getfield(L, lua_upvalueindex(1), d->proto.name) != LUA_TNIL)
        return raise_mistake(L, "declare: '%s' is taken", d->proto.name);
    struct error err;
    if (!registry_add((struct registry *)protocols_of(L), &d->proto, &err))
        return raise_error(L, &err);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    lua_getiuservalue(L, -1, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    push_maker(L, &d->proto);
    lua_pushvalue(L, -1);
    lua_setfield(L, lua_upvalueindex(1), d->proto.name);
    return 1;
}

void open_protocols(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"fields", packet_fields},
        {"protocols", packet_protocols},
        {"numbers", packet_numbers},
        {NULL, NULL},
    };
    struct registry *registry = lua_newuserdatauv(L, sizeof *registry, 1);
    registry_init(registry);
    lua_newtable(L); /* keeps what is declared */
    lua_setiuservalue(L, -2, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    script_of(L)->protocols = registry;
    luaL_setfuncs(L, functions, 0);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, packet_declare, 1);
    lua_setfield(L, -2, "declare");
    for (size_t i = 0; i < registry->count; i++) {
        push_maker(L, registry->protos[i]);
        lua_setfield(L, -2, registry->protos[i]->name);
    }
}
