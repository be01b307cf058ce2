/* lua_hash: hashes as userdata; lib/hash.lua says what they do. */
#include <string.h>

#include "crypto/crypto.h"
#include "script/modules.h"
#include "script/util.h"

#define DIGEST "tcplua.digest"
#define HASH   "tcplua.hash"

struct digest {
    uint8_t bytes[SHA256_SIZE];
};

struct hashing {
    struct sha256 *sha256; /* NULL: finished or closed */
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

/* new() -> hash | nil, error */
static int hash_new(lua_State *L)
{
    struct error err;
    struct hashing *hash = lua_newuserdatauv(L, sizeof *hash, 0);
    hash->sha256 = NULL;
    luaL_setmetatable(L, HASH);
    hash->sha256 = sha256_new(&err);
    return hash->sha256 ? 1 : push_failure(L, &err);
}

static struct hashing *check_hash(lua_State *L)
{
    struct hashing *hash = luaL_checkudata(L, 1, HASH);
    if (!hash->sha256)
        luaL_error(L, "attempt to use a finished hash");
    return hash;
}

/* update(string) -> hash | nil, error */
static int hash_update(lua_State *L)
{
    struct hashing *hash = check_hash(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct error err;
    if (!sha256_update(hash->sha256, bytes, length, &err))
        return push_failure(L, &err);
    lua_settop(L, 1);
    return 1;
}

/* finish() -> digest | nil, error */
static int hash_finish(lua_State *L)
{
    struct hashing *hash = check_hash(L);
    struct digest *digest = lua_newuserdatauv(L, sizeof *digest, 0);
    luaL_setmetatable(L, DIGEST);
    struct error err;
    struct sha256 *sha256 = hash->sha256;
    hash->sha256 = NULL; /* finishing frees it, whatever comes of it */
    return sha256_finish(sha256, digest->bytes, &err) ? 1 : push_failure(L, &err);
}

/* close(): may be repeated */
static int hash_close(lua_State *L)
{
    struct hashing *hash = luaL_checkudata(L, 1, HASH);
    struct sha256 *sha256 = hash->sha256;
    hash->sha256 = NULL;
    sha256_free(sha256);
    return 0;
}

int luaopen_tcplua_hash_core(lua_State *L)
{
    static const luaL_Reg methods[] = {{"hex", digest_hex}, {"bytes", digest_bytes}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__tostring", digest_hex}, {"__eq", digest_equal}, {NULL, NULL}};
    static const luaL_Reg hash_methods[] = {
        {"update", hash_update}, {"finish", hash_finish}, {"close", hash_close}, {NULL, NULL}};
    static const luaL_Reg hash_meta[] = {
        {"__gc", hash_close}, {"__close", hash_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"sha256", hash_sha256}, {"new", hash_new}, {NULL, NULL}};
    new_class(L, DIGEST, methods, meta);
    new_class(L, HASH, hash_methods, hash_meta);
    luaL_newlib(L, functions);
    return 1;
}
