/* lua_auth: see lua_auth.h. */
#include "script/lua_auth.h"

#include <string.h>

#include "script/util.h"

/* The field as a key, any bytes in it. False with `err` if it is too long or empty. */
static bool read_key(lua_State *L, int index, const char *name, struct auth_key *key,
                     struct error *err)
{
    size_t length;
    if (lua_getfield(L, index, name) != LUA_TSTRING)
        raise_mistake(L, "option '%s': a string expected, got %s", name, luaL_typename(L, -1));
    const char *bytes = lua_tolstring(L, -1, &length);
    lua_pop(L, 1); /* the table still holds it */
    if (length == 0 || length > AUTH_KEY_MAX)
        return fail(err, ERROR_USAGE, "EINVAL", "the key '%s' has %zu bytes; it can have 1 to %d",
                    name, length, AUTH_KEY_MAX);
    key->length = (uint8_t)length;
    memcpy(key->bytes, bytes, length);
    return true;
}

bool read_auth(lua_State *L, int index, struct auth_config *config, struct error *err)
{
    bool md5 = lua_getfield(L, index, "md5") != LUA_TNIL;
    lua_pop(L, 1);
    if (!md5)
        return true;
    config->kind = AUTH_MD5;
    return read_key(L, index, "md5", &config->md5, err);
}

void set_auth(lua_State *L, const struct auth *auth)
{
    if (!auth)
        return;
    struct auth_info info;
    auth_info(auth, &info);
    set_text(L, "auth", info.name);
    set_integer(L, "auth_unsigned", (lua_Integer)info.unsigned_);
    set_integer(L, "auth_bad", (lua_Integer)info.bad);
}
