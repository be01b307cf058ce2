/* The boundary between Lua and C: script.lua makes calls of the bytes, in a state of their own with
 * a simulated network and a virtual clock. The state has its limits: of memory, of instructions,
 * and the program may ask that an allocation fails. Whatever a script does, it ends by returning or
 * by an error that says what was wrong, and once the state is closed nothing is left. */
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "script/memory.h"
#include "script/script.h"
#include "script/util.h"

#define BYTES  1024               /* of an input that are looked at */
#define MEMORY ((size_t)64 << 20) /* what Lua's objects may take, bytes */
#define PERIOD 1000               /* instructions between two looks at how many there were */
#define LOOKS  1000

static struct {
    struct script *script;
    size_t used, countdown; /* bytes; allocations until some fail, 0 for never */
    unsigned failures;      /* how many will */
    int looks;
    char path[32]; /* of the one file that there is */
} state;

/* Lua collects its garbage and asks again when there is no memory: so it is refused twice. */
static void *allocate(void *self, void *block, size_t old, size_t size)
{
    size_t had = block ? old : 0;
    if (size > had) {
        if (state.countdown > 0 && --state.countdown == 0)
            state.failures = 2;
        if (state.failures > 0) {
            state.failures--;
            return NULL;
        }
        if (size - had > MEMORY - state.used)
            return NULL;
    }
    void *got = memory_allocate(self, block, old, size);
    if (got || size == 0)
        state.used = state.used - had + size;
    return got;
}

static void count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (++state.looks > LOOKS)
        luaL_error(L, "enough");
}

static int is_spent(lua_State *L)
{
    lua_pushboolean(L, state.looks > LOOKS);
    return 1;
}

/* refuse(n): the n-th allocation from here on fails */
static int refuse(lua_State *L)
{
    state.countdown = (size_t)luaL_checkinteger(L, 1);
    return 0;
}

/* broken(text): ends it all */
static int broken(lua_State *L)
{
    fprintf(stderr, "not so: %s\n", luaL_checkstring(L, 1));
    abort();
}

static int panic(lua_State *L)
{
    fprintf(stderr, "an error outside of the protected call: %s\n", lua_tostring(L, -1));
    abort();
}

struct bytes {
    const uint8_t *data;
    size_t size;
};

static int run(lua_State *L)
{
    const struct bytes *bytes = lua_touserdata(L, 1);
    if (luaL_loadfile(L, FUZZ_PROGRAM) != LUA_OK)
        lua_error(L);
    lua_pushlstring(L, (const char *)bytes->data, bytes->size);
    lua_pushstring(L, state.path);
    lua_pushcfunction(L, is_spent);
    lua_pushcfunction(L, refuse);
    lua_pushcfunction(L, broken);
    lua_call(L, 5, 0);
    return 0;
}

static void remove_file(void)
{
    unlink(state.path);
}

static void make_file(void)
{
    strcpy(state.path, "/tmp/fuzz_script_XXXXXX");
    int fd = mkstemp(state.path);
    CHECK(fd >= 0);
    close(fd);
    atexit(remove_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BYTES)
        return 0;
    if (!state.path[0])
        make_file();
    CHECK(truncate(state.path, 0) == 0);
    struct error err;
    struct network_options options = {.has_seed = true, .seed = 1};
    struct script *script = script_new(&options, true, &err);
    CHECK(script);
    state.script = script;
    lua_State *L = script->L;
    state.used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
    state.looks = 0;
    lua_setallocf(L, allocate, &script->memory);
    lua_atpanic(L, panic);
    lua_sethook(L, count, LUA_MASKCOUNT, PERIOD);

    struct bytes bytes = {data, size};
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, &bytes);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK && state.looks <= LOOKS) {
        const char *text = luaL_tolstring(L, -1, NULL);
        if (!strstr(text, "not enough memory")) {
            fprintf(stderr, "not so: %s\n", text);
            abort();
        }
    }
    lua_sethook(L, NULL, 0, 0);
    state.countdown = state.failures = 0;
    state.looks = LOOKS + 1; /* finalizers get nothing new, which Lua would never finalize */
    script_free(script);
    return 0;
}
