/* lua_input: standard input as something that can be waited for (tcplua.input). */
#include <unistd.h>

#include "script/modules.h"
#include "script/util.h"
#include "stack/network.h"

#define INPUT "tcplua.input"

struct reading {
    struct input *input; /* NULL: closed */
};

static struct input *check_input(lua_State *L)
{
    const struct reading *reading = luaL_checkudata(L, 1, INPUT);
    if (!reading->input)
        luaL_error(L, "attempt to use a closed input");
    return reading->input;
}

/* open_input() -> standard input | nil, error */
static int core_open_input(lua_State *L)
{
    check_host(L);
    struct reading *reading = lua_newuserdatauv(L, sizeof *reading, 0);
    reading->input = NULL;
    luaL_setmetatable(L, INPUT);
    reading->input = input_new(the_network(L), STDIN_FILENO);
    if (!reading->input) {
        struct error err;
        fail(&err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for standard input");
        return push_failure(L, &err);
    }
    remember_source(L, &reading->input->source, -1);
    return 1;
}

/* raw_read(max) -> what is there, "" if there is nothing now | false: the end | nil, error */
static int input_raw_read(lua_State *L)
{
    struct input *input = check_input(L);
    lua_Integer max = luaL_checkinteger(L, 2);
    luaL_argcheck(L, max > 0, 2, "1 or more");
    struct error err;
    luaL_Buffer b;
    char *bytes = luaL_buffinitsize(L, &b, (size_t)max);
    ptrdiff_t got = input_read(input, bytes, (size_t)max, &err);
    luaL_pushresultsize(&b, got > 0 ? (size_t)got : 0);
    if (got == -2)
        return push_failure(L, &err);
    if (got == -1)
        lua_pushboolean(L, 0);
    return 1;
}

/* raw_await(): the next poll may report it once it can be read */
static int input_raw_await(lua_State *L)
{
    check_input(L)->waiting = true;
    return 0;
}

static int input_gc(lua_State *L)
{
    struct reading *reading = luaL_checkudata(L, 1, INPUT);
    struct input *input = reading->input;
    reading->input = NULL;
    if (input) {
        forget_source(L, &input->source);
        input_free(input);
    }
    return 0;
}

void open_input(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_read", input_raw_read},
        {"raw_await", input_raw_await},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", input_gc},
        {NULL, NULL},
    };
    new_class(L, INPUT, methods, meta);
    lua_setfield(L, -2, "input_class");
    lua_pushcfunction(L, core_open_input);
    lua_setfield(L, -2, "open_input");
}
