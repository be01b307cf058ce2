/* The plainest Lua binding for TCP/IP packets, to measure ours against: no table of fields, no
 * checks but the lengths, and two functions that know what they write and read.
 *
 *     bench_memory_plain SCRIPT ...
 *
 * runs a script with it, as the module `plain`:
 *
 *     plain.build { src =, dst =, ttl =, sport =, dport =, seq =, ack =, flags = }   40 bytes
 *     plain.parse(bytes)      an object with src, ttl, dport, seq and flags */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CLASS   "plain.packet"
#define LETTERS "FSRP.UEW"

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t sum(const uint8_t *bytes, size_t length, uint32_t start)
{
    for (size_t i = 0; i + 1 < length; i += 2)
        start += get16(bytes + i);
    return start;
}

static uint32_t fold(uint32_t value)
{
    value = (value & 0xffff) + (value >> 16);
    return ~((value & 0xffff) + (value >> 16));
}

static lua_Integer number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    lua_Integer value = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

static const char *text(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *value = luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table holds it */
    return value;
}

static int build(lua_State *L)
{
    uint8_t b[40] = {0x45, 0, 0, 40, 0, 1, 0, 0, 0, 6};
    b[8] = (uint8_t)number(L, "ttl");
    inet_pton(AF_INET, text(L, "src"), b + 12);
    inet_pton(AF_INET, text(L, "dst"), b + 16);
    put16(b + 20, (uint32_t)number(L, "sport"));
    put16(b + 22, (uint32_t)number(L, "dport"));
    put32(b + 24, (uint32_t)number(L, "seq"));
    put32(b + 28, (uint32_t)number(L, "ack"));
    b[32] = 0x50;
    for (const char *flag = text(L, "flags"); *flag; flag++) {
        const char *at = strchr(LETTERS, *flag);
        b[33] |= (uint8_t)(at ? 1U << (at - LETTERS) : 0U);
    }
    put16(b + 34, 65535);
    put16(b + 10, fold(sum(b, 20, 0)));
    put16(b + 36, fold(sum(b + 12, 28, 6 + 20)));
    lua_pushlstring(L, (const char *)b, sizeof b);
    return 1;
}

struct packet {
    size_t tcp; /* where its header begins */
    uint8_t bytes[];
};

static int parse(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    size_t header = length > 0 ? (size_t)(bytes[0] & 15) * 4 : 0;
    if (length < 40 || length < header + 20 || bytes[9] != 6)
        return luaL_error(L, "not a TCP packet");
    struct packet *p = lua_newuserdatauv(L, sizeof *p + length, 0);
    p->tcp = header;
    memcpy(p->bytes, bytes, length);
    luaL_setmetatable(L, CLASS);
    return 1;
}

enum field { NONE, SRC, TTL, DPORT, SEQ, FLAGS };

static void push_flags(lua_State *L, uint8_t flags)
{
    char letters[sizeof LETTERS];
    size_t length = 0;
    for (size_t i = 0; i < 8; i++)
        if (flags >> i & 1)
            letters[length++] = LETTERS[i];
    lua_pushlstring(L, letters, length);
}

/* packet.seq: upvalue 1 has the names. */
static int get(lua_State *L)
{
    const struct packet *p = luaL_checkudata(L, 1, CLASS);
    const uint8_t *tcp = p->bytes + p->tcp;
    char address[INET_ADDRSTRLEN];
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    switch ((enum field)lua_tointeger(L, -1)) {
    case SRC:
        lua_pushstring(L, inet_ntop(AF_INET, p->bytes + 12, address, sizeof address));
        return 1;
    case TTL:
        lua_pushinteger(L, p->bytes[8]);
        return 1;
    case DPORT:
        lua_pushinteger(L, get16(tcp + 2));
        return 1;
    case SEQ:
        lua_pushinteger(L, (lua_Integer)get16(tcp + 4) << 16 | get16(tcp + 6));
        return 1;
    case FLAGS:
        push_flags(L, tcp[13]);
        return 1;
    case NONE:
        break;
    }
    return luaL_error(L, "no field '%s'", luaL_tolstring(L, 2, NULL));
}

static int open_plain(lua_State *L)
{
    static const char *const names[] = {
        [SRC] = "src", [TTL] = "ttl", [DPORT] = "dport", [SEQ] = "seq", [FLAGS] = "flags"};
    static const luaL_Reg functions[] = {{"build", build}, {"parse", parse}, {NULL, NULL}};
    luaL_newmetatable(L, CLASS);
    lua_newtable(L);
    for (int i = SRC; i <= FLAGS; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, names[i]);
    }
    lua_pushcclosure(L, get, 1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    if (!L || argc < 2) {
        fputs("usage: bench_memory_plain SCRIPT ...\n", stderr);
        return 2;
    }
    luaL_openlibs(L);
    luaL_requiref(L, "plain", open_plain, 0);
    lua_settop(L, 0);
    int status = luaL_loadfile(L, argv[1]);
    for (int i = 2; i < argc; i++)
        lua_pushstring(L, argv[i]);
    if (status == LUA_OK)
        status = lua_pcall(L, argc - 2, 0, 0);
    if (status != LUA_OK)
        fprintf(stderr, "bench_memory_plain: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return status == LUA_OK ? 0 : 1;
}
