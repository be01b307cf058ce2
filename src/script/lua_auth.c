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

static bool read_id(lua_State *L, int index, const char *name, uint8_t *id, struct error *err)
{
    lua_Integer value = 0;
    bool good = field_range(L, index, name, 0, 255, &value, err);
    *id = (uint8_t)value;
    return good;
}

/* One master key tuple, the table on top of the stack. */
static bool read_mkt(lua_State *L, struct auth_mkt *mkt, struct error *err)
{
    static const char *const names[] = {"key",       "send_id",         "recv_id",
                                        "algorithm", "include_options", NULL};
    static const char sha1[] = "hmac-sha-1-96", cmac[] = "aes-128-cmac-96";
    int index = lua_gettop(L);
    check_fields(L, index, names);
    const char *algorithm = field_string(L, index, "algorithm", sha1);
    if (strcmp(algorithm, sha1) != 0 && strcmp(algorithm, cmac) != 0)
        raise_mistake(L, "option 'algorithm' is \"%s\" or \"%s\"", sha1, cmac);
    mkt->algorithm = strcmp(algorithm, sha1) == 0 ? AO_HMAC_SHA1 : AO_AES_CMAC;
    mkt->without_options = !field_boolean(L, index, "include_options", true);
    return read_key(L, index, "key", &mkt->key, err) &&
           read_id(L, index, "send_id", &mkt->send_id, err) &&
           read_id(L, index, "recv_id", &mkt->recv_id, err);
}

/* The value on top of the stack: one tuple, or a list of them with IDs of their own. */
static bool read_ao(lua_State *L, struct auth_config *config, struct error *err)
{
    int index = lua_gettop(L);
    if (!lua_istable(L, index))
        raise_mistake(L, "option 'ao': a table expected, got %s", luaL_typename(L, index));
    size_t length = (size_t)lua_rawlen(L, index);
    if (length > AUTH_KEYS_MAX)
        return fail(err, ERROR_USAGE, "EINVAL", "'ao' has %zu keys; it can have 1 to %d", length,
                    AUTH_KEYS_MAX);
    config->count = length ? length : 1;
    if (length == 0)
        return read_mkt(L, &config->mkt[0], err);
    for (size_t i = 0; i < length; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        bool good = read_mkt(L, &config->mkt[i], err);
        lua_pop(L, 1);
        if (!good)
            return false;
        for (size_t k = 0; k < i; k++)
            if (config->mkt[k].send_id == config->mkt[i].send_id ||
                config->mkt[k].recv_id == config->mkt[i].recv_id)
                return fail(err, ERROR_USAGE, "EINVAL", "two keys of 'ao' have the same ID");
    }
    return true;
}

bool read_auth(lua_State *L, int index, struct auth_config *config, struct error *err)
{
    bool md5 = lua_getfield(L, index, "md5") != LUA_TNIL;
    bool ao = lua_getfield(L, index, "ao") != LUA_TNIL;
    bool good = true;
    if (md5 && ao)
        good = fail(err, ERROR_USAGE, "EINVAL", "a connection has keys of 'md5' or of 'ao'");
    else if (ao)
        good = read_ao(L, config, err);
    lua_pop(L, 2);
    config->kind = md5 ? AUTH_MD5 : ao ? AUTH_AO : AUTH_NONE;
    return good && (!md5 || read_key(L, index, "md5", &config->md5, err));
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
    if (strcmp(info.name, "ao") == 0) {
        set_integer(L, "send_id", info.send_id);
        set_integer(L, "recv_id", info.recv_id);
    }
}
