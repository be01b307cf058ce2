/* util: see util.h. */
#include "script/util.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "script/script.h"
#include "stack/network.h"

#define ERROR_CLASS "tcplua.error"

static const char sources_key; /* registry[&sources_key]: sources to their objects */

/* --- errors -------------------------------------------------------------------------------------
 */

static int error_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (lua_getfield(L, 1, "message") != LUA_TSTRING)
        lua_pushliteral(L, "unknown error");
    return 1;
}

static void push_error_class(lua_State *L)
{
    if (luaL_newmetatable(L, ERROR_CLASS)) {
        lua_pushcfunction(L, error_tostring);
        lua_setfield(L, -2, "__tostring");
    }
}

void push_error(lua_State *L, const struct error *err)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, err->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, error_kind_name(err->kind));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    push_error_class(L);
    lua_setmetatable(L, -2);
}

int push_failure(lua_State *L, const struct error *err)
{
    lua_pushnil(L);
    push_error(L, err);
    return 2;
}

int push_outcome(lua_State *L, bool good, const struct error *err)
{
    if (!good)
        return push_failure(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

int raise_error(lua_State *L, const struct error *err)
{
    push_error(L, err);
    return lua_error(L);
}

bool is_error(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, ERROR_CLASS);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

bool find_script(lua_State *L, lua_Debug *at)
{
    for (int level = 1; lua_getstack(L, level, at); level++) {
        lua_getinfo(L, "Sl", at);
        if (at->currentline > 0 && strncmp(at->short_src, "tcplua/", strlen("tcplua/")) != 0)
            return true;
    }
    return false;
}

int raise_mistake(lua_State *L, const char *format, ...)
{
    va_list arguments;
    lua_Debug at;
    if (find_script(L, &at))
        lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
    else
        luaL_where(L, 1);
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_concat(L, 2);
    return lua_error(L);
}

/* --- classes ------------------------------------------------------------------------------------
 */

void new_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
}

static const char *const class_names[CLASSES] = {[CLASS_PACKET] = "tcplua.packet",
                                                 [CLASS_LAYER] = "tcplua.layer",
                                                 [CLASS_OPTIONS] = "tcplua.options",
                                                 [CLASS_SET] = "tcplua.set",
                                                 [CLASS_CONN] = "tcplua.conn"};

void open_class(lua_State *L, enum class class)
{
    luaL_newmetatable(L, class_names[class]);
    lua_pushvalue(L, -1);
    script_of(L)->metatables[class] = lua_topointer(L, -1);
    script_of(L)->classes[class] = luaL_ref(L, LUA_REGISTRYINDEX);
}

void push_class(lua_State *L, enum class class)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->classes[class]);
}

void set_class(lua_State *L, enum class class)
{
    push_class(L, class);
    lua_setmetatable(L, -2);
}

void *test_class(lua_State *L, int index, enum class class)
{
    void *object = lua_touserdata(L, index);
    if (!object || !lua_getmetatable(L, index))
        return NULL;
    const void *metatable = lua_topointer(L, -1);
    lua_pop(L, 1);
    return metatable == script_of(L)->metatables[class] ? object : NULL;
}

void *check_class(lua_State *L, int index, enum class class)
{
    void *object = test_class(L, index, class);
    if (!object)
        luaL_typeerror(L, index, class_names[class]);
    return object;
}

/* --- fields and arguments -----------------------------------------------------------------------
 */

void set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

void set_number(lua_State *L, const char *name, lua_Number value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

void set_boolean(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text); /* NULL: nil */
    lua_setfield(L, -2, name);
}

void set_seconds(lua_State *L, const char *name, int64_t ns)
{
    set_number(L, name, to_seconds(ns));
}

void set_addr(lua_State *L, const char *name, const struct addr *addr)
{
    char text[ADDR_TEXT];
    if (addr->kind != ADDR_NONE)
        set_text(L, name, addr_format(addr, text));
}

const char *check_text(lua_State *L, int index)
{
    size_t length;
    luaL_checktype(L, index, LUA_TSTRING);
    const char *text = lua_tolstring(L, index, &length);
    luaL_argcheck(L, strlen(text) == length, index, "it has a zero byte in it");
    return text;
}

const char *opt_text(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? NULL : check_text(L, index);
}

/* --- options ------------------------------------------------------------------------------------
 */

const char *push_words(lua_State *L, const char *const *words, size_t count)
{
    luaL_Buffer list;
    luaL_buffinit(L, &list);
    for (size_t i = 0; i < count; i++)
        if (words[i] && words[i][0]) {
            if (luaL_bufflen(&list) > 0)
                luaL_addstring(&list, ", ");
            luaL_addstring(&list, words[i]);
        }
    luaL_pushresult(&list);
    return lua_tostring(L, -1);
}

void check_fields(lua_State *L, int index, const char *const *names)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        size_t i = 0;
        while (key && names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!key || !names[i]) {
            for (i = 0; names[i];)
                i++;
            key = luaL_tolstring(L, -1, NULL);
            raise_mistake(L, "unknown option '%s'; there are %s", key, push_words(L, names, i));
        }
    }
}

static int wrong_type(lua_State *L, const char *name, const char *wanted)
{
    return raise_mistake(L, "option '%s': %s expected, got %s", name, wanted, luaL_typename(L, -1));
}

bool parse_ip(struct addr *addr, const char *text, const char *what, struct error *err)
{
    return addr_parse(addr, text, what, err) &&
           (addr->kind != ADDR_MAC ||
            fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is a MAC address, not an IP address", what,
                 text));
}

bool field_addr(lua_State *L, int index, const char *name, struct addr *addr, struct error *err)
{
    bool good = true;
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TSTRING)
            wrong_type(L, name, "a string with an address");
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        if (strlen(text) != length) {
            char shown[ADDR_TEXT];
            good = fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not an IP address", name,
                        text_escape(shown, sizeof shown, text, length));
        } else {
            good = parse_ip(addr, text, name, err);
        }
    }
    lua_pop(L, 1);
    return good;
}

bool field_port(lua_State *L, int index, const char *name, uint16_t *port, struct error *err)
{
    bool good = true;
    int type = lua_getfield(L, index, name);
    if (type == LUA_TNUMBER) {
        int whole;
        lua_Integer value = lua_tointegerx(L, -1, &whole);
        if (!whole || value < 1 || value > 65535) {
            good = fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not a number from 1 to 65535", name,
                        luaL_tolstring(L, -1, NULL));
            lua_pop(L, 1);
        } else {
            *port = (uint16_t)value;
        }
    } else if (type == LUA_TSTRING) {
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        good = port_parse(port, strlen(text) == length ? text : "\\x00", name, err);
    } else if (type != LUA_TNIL) {
        wrong_type(L, name, "a port number");
    }
    lua_pop(L, 1);
    return good;
}

bool field_range(lua_State *L, int index, const char *name, lua_Integer low, lua_Integer high,
                 lua_Integer *value, struct error *err)
{
    bool good = true;
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        int whole;
        if (lua_type(L, -1) != LUA_TNUMBER)
            wrong_type(L, name, "a number");
        lua_Integer n = lua_tointegerx(L, -1, &whole);
        if (!whole || n < low || n > high)
            good = fail(err, ERROR_USAGE, "EINVAL", "%s is not a whole number from %lld to %lld",
                        name, (long long)low, (long long)high);
        else
            *value = n;
    }
    lua_pop(L, 1);
    return good;
}

const char *field_string(lua_State *L, int index, const char *name, const char *otherwise)
{
    const char *text = otherwise; /* stays valid: the table still holds it */
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TSTRING)
            wrong_type(L, name, "a string");
        size_t length;
        text = lua_tolstring(L, -1, &length);
        if (strlen(text) != length)
            raise_mistake(L, "option '%s': it has a zero byte in it", name);
    }
    lua_pop(L, 1);
    return text;
}

double field_number(lua_State *L, int index, const char *name, double otherwise)
{
    double number = otherwise;
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER)
            wrong_type(L, name, "a number");
        number = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    return number;
}

bool field_boolean(lua_State *L, int index, const char *name, bool otherwise)
{
    bool flag = otherwise;
    if (lua_getfield(L, index, name) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TBOOLEAN)
            wrong_type(L, name, "true or false");
        flag = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    return flag;
}

/* --- time ---------------------------------------------------------------------------------------
 */

/* Half of what fits into 64 bits, 146 years: sums of two times do not overflow. */
#define LONGEST 4.6e9

int64_t to_ns(lua_Number seconds)
{
    if (isnan(seconds) || seconds >= LONGEST)
        return TIME_NEVER;
    if (seconds < -LONGEST)
        seconds = -LONGEST;
    /* To the nearest, so that what to_seconds() gave comes back. */
    return (int64_t)(seconds * 1e9 + (seconds < 0 ? -0.5 : 0.5));
}

lua_Number to_seconds(int64_t ns)
{
    return ns == TIME_NEVER ? (lua_Number)HUGE_VAL : (lua_Number)ns / 1e9;
}

/* --- the network and its sources ----------------------------------------------------------------
 */

struct network *the_network(lua_State *L)
{
    struct script *script = script_of(L);
    return &script->network;
}

void check_host(lua_State *L)
{
    if (the_network(L)->clock.virtual)
        raise_mistake(L, "a simulation has no interfaces of this host");
}

static void push_sources(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &sources_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sources_key);
}

void remember_source(lua_State *L, struct source *source, int index)
{
    index = lua_absindex(L, index);
    push_sources(L);
    lua_pushvalue(L, index);
    lua_rawsetp(L, -2, source);
    lua_pop(L, 1);
}

bool push_source(lua_State *L, struct source *source)
{
    push_sources(L);
    lua_rawgetp(L, -1, source);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

void forget_source(lua_State *L, struct source *source)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &sources_key) == LUA_TTABLE) {
        lua_pushnil(L);
        lua_rawsetp(L, -2, source);
    }
    lua_pop(L, 1);
}

void forget_sources(lua_State *L)
{
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sources_key);
}
