/* lua_hash: require "tcplua.hash": hash.sha256(string) -> digest, with digest:hex(),
 * digest:bytes().
 */
#include <string.h>

#include "crypto/crypto.h"
#include "script/modules.h"
#include "script/util.h"

#define DIGEST "tcplua.digest"

struct digest {
    uint8_t bytes[SHA256_SIZE];
};

/* sha256(string) -> digest | nil, error */
static int hash_sha256(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    struct error err;
    struct digest *digest = lua_newuserdatauv(L, sizeof *digest, 0);
    if (!sha256(bytes, length, digest->bytes, &err))
        return push_failure(L, &err);
    luaL_setmetatable(L, DIGEST);
    return 1;
}

/* hex() -> 64 lower-case digits; also tostring() */
static int digest_hex(lua_State *L)
{
    static const char digits[] = "0123456789abcdef";
    const struct digest *digest = luaL_checkudata(L, 1, DIGEST);
    char hex[2 * SHA256_SIZE];
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        hex[2 * i] = digits[digest->bytes[i] >> 4];
        hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    lua_pushlstring(L, hex, sizeof hex);
    return 1;
}

/* bytes() -> 32 bytes */
static int digest_bytes(lua_State *L)
{
    const struct digest *digest = luaL_checkudata(L, 1, DIGEST);
    lua_pushlstring(L, (const char *)digest->bytes, sizeof digest->bytes);
    return 1;
}

static int digest_equal(lua_State *L)
{
    const struct digest *a = luaL_testudata(L, 1, DIGEST), *b = luaL_testudata(L, 2, DIGEST);
    lua_pushboolean(L, a && b && memcmp(a->bytes, b->bytes, SHA256_SIZE) == 0);
    return 1;
}

int luaopen_tcplua_hash(lua_State *L)
{
    static const luaL_Reg methods[] = {{"hex", digest_hex}, {"bytes", digest_bytes}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__tostring", digest_hex}, {"__eq", digest_equal}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"sha256", hash_sha256}, {NULL, NULL}};
    new_class(L, DIGEST, methods, meta);
    luaL_newlib(L, functions);
    return 1;
}
