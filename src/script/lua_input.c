/* lua_input: descriptors as something that can be waited for: standard input (tcplua.input), and
 * the pipes of processes. */
#include "script/lua_input.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "script/modules.h"
#include "script/util.h"
#include "stack/network.h"

#define INPUT "tcplua.input"

struct reading {
    struct input *input; /* NULL: closed */
    bool owned;          /* its descriptor is closed with it */
};

static struct input *check_input(lua_State *L)
{
    const struct reading *reading = luaL_checkudata(L, 1, INPUT);
    if (!reading->input)
        luaL_error(L, "attempt to use a closed input");
    return reading->input;
}

struct reading *push_input(lua_State *L)
{
    struct reading *reading = lua_newuserdatauv(L, sizeof *reading, 0);
    *reading = (struct reading){.input = NULL};
    luaL_setmetatable(L, INPUT);
    return reading;
}

bool input_hold(lua_State *L, struct reading *reading, int index, int fd, bool writes, bool owned,
                struct error *err)
{
    reading->input = input_new(the_network(L), fd, writes);
    if (!reading->input) {
        if (owned)
            close(fd);
        return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for an input");
    }
    reading->owned = owned;
    remember_source(L, &reading->input->source, index);
    return true;
}

/* open_input([fd]) -> standard input, or descriptor `fd` of this process, which is not for programs
 * that it starts and is closed with the object | nil, error */
static int core_open_input(lua_State *L)
{
    struct error err;
    lua_Integer number = luaL_optinteger(L, 1, STDIN_FILENO);
    luaL_argcheck(L, number == STDIN_FILENO || (number > STDERR_FILENO && number <= INT_MAX), 1,
                  "0 or a descriptor above 2 expected: the program needs its output");
    int fd = (int)number;
    bool own = fd != STDIN_FILENO;
    if (!own)
        check_host(L);
    struct reading *reading = push_input(L);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (own && fcntl(fd, F_SETFD, FD_CLOEXEC))) {
        fail(&err, ERROR_USAGE, "EBADF", "there is no descriptor %d", fd);
        return push_failure(L, &err);
    }
    if (!input_hold(L, reading, -1, fd, (flags & O_ACCMODE) == O_WRONLY, own, &err))
        return push_failure(L, &err);
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

/* raw_write(string, from) -> how many bytes from number `from` on were taken | nil, error */
static int input_raw_write(lua_State *L)
{
    struct input *input = check_input(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, from >= 1 && (lua_Unsigned)from <= length + 1, 3, "outside the string");
    struct error err;
    ptrdiff_t put = input_write(input, bytes + from - 1, length - (size_t)(from - 1), &err);
    if (put < 0)
        return push_failure(L, &err);
    lua_pushinteger(L, put);
    return 1;
}

/* raw_await(): the next poll may report it once it can be read, or written to */
static int input_raw_await(lua_State *L)
{
    check_input(L)->waiting = true;
    return 0;
}

/* raw_free(): closes the object, and its descriptor if it is its own; may be repeated */
static int input_gc(lua_State *L)
{
    struct reading *reading = luaL_checkudata(L, 1, INPUT);
    struct input *input = reading->input;
    reading->input = NULL;
    if (input) {
        forget_source(L, &input->source);
        if (reading->owned)
            close(input->fd);
        input_free(input);
    }
    return 0;
}

void open_input(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_read", input_raw_read},
        {"raw_write", input_raw_write},
        {"raw_await", input_raw_await},
        {"raw_free", input_gc},
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
