/* lua_protocol: the protocols of a state, and their tables of fields as seen from Lua. */
#include "packet/option.h"
#include "script/lua_packet.h"

static const char registry_key; /* registry[&registry_key]: the protocols of this state */

const struct registry *protocols_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    const struct registry *registry = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return registry;
}

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

/* fields(layer) -> a list of {name=, bit=, width=, kind=, computed=, alias=, hex=, default=,
 * when = {first bytes}, options = {names}} */
static int packet_fields(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TSTRING);
    const struct proto *proto = registry_named(protocols_of(L), lua_tostring(L, 1));
    if (!proto)
        return luaL_argerror(L, 1,
                             lua_pushfstring(L, "there is no layer '%s'", lua_tostring(L, 1)));
    char text[FIELD_TEXT];
    uint8_t initial[PROTO_HEADER];
    proto_initial(proto, initial);
    lua_createtable(L, (int)proto->count, 0);
    for (size_t i = 0; i < proto->count; i++) {
        const struct field *f = &proto->fields[i];
        lua_createtable(L, 0, 10);
        lua_pushstring(L, f->name);
        lua_setfield(L, -2, "name");
        lua_pushinteger(L, f->bit);
        lua_setfield(L, -2, "bit");
        lua_pushinteger(L, f->width);
        lua_setfield(L, -2, "width");
        lua_pushstring(L, kind_name(f->kind));
        lua_setfield(L, -2, "kind");
        lua_pushboolean(L, field_is_computed(f));
        lua_setfield(L, -2, "computed");
        lua_pushboolean(L, f->alias);
        lua_setfield(L, -2, "alias");
        lua_pushboolean(L, f->kind == FIELD_HEX);
        lua_setfield(L, -2, "hex");
        if (f->when) {
            lua_createtable(L, f->when[0], 0);
            for (int j = 1; j <= f->when[0]; j++) {
                lua_pushinteger(L, f->when[j]);
                lua_rawseti(L, -2, j);
            }
            lua_setfield(L, -2, "when");
        }
        if (f->options) {
            push_option_names(L, f->options);
            lua_setfield(L, -2, "options");
        }
        if (f->kind == FIELD_FLAGS)
            lua_pushstring(L, field_format(f, initial, text));
        else if (field_is_number(f) && !field_is_computed(f))
            lua_pushinteger(L, (lua_Integer)field_get(f, initial));
        else
            lua_pushnil(L);
        lua_setfield(L, -2, "default");
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

void open_protocols(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"fields", packet_fields},
        {"protocols", packet_protocols},
        {NULL, NULL},
    };
    struct registry *registry = lua_newuserdatauv(L, sizeof *registry, 0);
    registry_init(registry);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    luaL_setfuncs(L, functions, 0);
    for (size_t i = 0; i < registry->count; i++) {
        push_maker(L, registry->protos[i]);
        lua_setfield(L, -2, registry->protos[i]->name);
    }
}
