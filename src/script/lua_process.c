/* lua_process: programs that a script starts, as userdata; tcplua.process adds what waits. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/process.h"
#include "script/lua_input.h"
#include "script/modules.h"
#include "script/util.h"

#define PROCESS "tcplua.process"

struct running {
    struct process *process; /* NULL: closed */
};

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"BUS", SIGBUS},   {"FPE", SIGFPE},   {"ILL", SIGILL},
};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

static struct process *check_process(lua_State *L)
{
    const struct running *running = luaL_checkudata(L, 1, PROCESS);
    if (!running->process)
        luaL_error(L, "attempt to use a closed process");
    return running->process;
}

/* [-0, +1, v] Pushes a block with pointers to the strings of the list at `index`, to which `more`
 * pointers can be added; NULL-terminated. The strings are kept by the list. */
static const char **push_strings(lua_State *L, int index, const char *what, size_t more,
                                 size_t *count)
{
    *count = (size_t)lua_rawlen(L, index);
    const char **list = lua_newuserdatauv(L, (*count + more + 1) * sizeof *list, 0);
    for (size_t i = 0; i < *count; i++) {
        size_t length = 0;
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        bool string = lua_type(L, -1) == LUA_TSTRING;
        const char *text = string ? lua_tolstring(L, -1, &length) : "";
        if (!string || strlen(text) != length)
            luaL_error(L, "%s %d: a string without zero bytes expected", what, (int)i + 1);
        list[i] = text;
        lua_pop(L, 1);
    }
    list[*count] = NULL;
    return list;
}

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return strcspn(b, "=") == length && strncmp(a, b, length) == 0;
}

/* [-0, +1, v] Our environment, changed by the list at `index`: "NAME=value", or "NAME" to be left
 * out. */
static const char **push_environment(lua_State *L, int index)
{
    size_t ours = 0, count, kept = 0;
    while (environ[ours])
        ours++;
    const char **list = push_strings(L, index, "env", ours, &count);
    for (size_t i = 0; i < ours; i++) {
        bool changed = false;
        for (size_t j = 0; j < count; j++)
            changed |= same_name(environ[i], list[j]);
        if (!changed)
            list[count + kept++] = environ[i];
    }
    size_t all = 0;
    for (size_t i = 0; i < count + kept; i++)
        if (strchr(list[i], '='))
            list[all++] = list[i];
    list[all] = NULL;
    return list;
}

static enum process_stream field_stream(lua_State *L, const char *name, const char *otherwise)
{
    static const char *const kinds[] = {[PROCESS_NULL] = "null",
                                        [PROCESS_PIPE] = "pipe",
                                        [PROCESS_INHERIT] = "inherit",
                                        [PROCESS_JOIN] = "stdout"};
    const char *kind = field_string(L, 1, name, otherwise);
    for (int i = PROCESS_NULL; i <= PROCESS_JOIN; i++)
        if (strcmp(kind, kinds[i]) == 0 && (i != PROCESS_JOIN || strcmp(name, "stderr") == 0))
            return (enum process_stream)i;
    luaL_error(L, "option '%s': \"%s\" is no stream: \"null\", \"pipe\" and \"inherit\" are%s",
               name, kind, strcmp(name, "stderr") == 0 ? ", and \"stdout\"" : "");
    return PROCESS_NULL;
}

/* start_process{argv=, file=, env=, cwd=, stdin=, stdout=, stderr=, extra=, netns=}
 * -> process, {news=, stdin=, stdout=, stderr=, extra=}: inputs | nil, error */
static int core_start_process(lua_State *L)
{
    static const char *const names[] = {"argv",   "file",   "env",   "cwd",   "stdin",
                                        "stdout", "stderr", "extra", "netns", NULL};
    static const char *const ends_names[] = {"stdin", "stdout", "stderr", "extra", "news"};
    enum { NEWS = PROCESS_STREAMS };
    struct error err;
    size_t count;
    lua_Integer netns = -1;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    check_host(L);
    lua_getfield(L, 1, "argv");
    luaL_checktype(L, 2, LUA_TTABLE);
    const char **argv = push_strings(L, 2, "argv", 0, &count), **env = NULL;
    if (count == 0)
        return luaL_error(L, "argv: the program's name is missing");
    if (lua_getfield(L, 1, "env") == LUA_TTABLE)
        env = push_environment(L, lua_gettop(L));
    struct process_options options = {
        .file = field_string(L, 1, "file", argv[0]),
        .argv = (char *const *)argv,
        .env = (char *const *)env,
        .cwd = field_string(L, 1, "cwd", NULL),
        .streams = {[PROCESS_STDIN] = field_stream(L, "stdin", "null"),
                    [PROCESS_STDOUT] = field_stream(L, "stdout", "pipe"),
                    [PROCESS_STDERR] = field_stream(L, "stderr", "inherit"),
                    [PROCESS_EXTRA] =
                        field_boolean(L, 1, "extra", false) ? PROCESS_PIPE : PROCESS_NULL},
    };
    if (!field_range(L, 1, "netns", 0, 1 << 30, &netns, &err))
        return push_failure(L, &err);
    options.netns = (int)netns;

    struct running *running = lua_newuserdatauv(L, sizeof *running, 0);
    running->process = NULL;
    luaL_setmetatable(L, PROCESS);
    int object = lua_gettop(L), ends[PROCESS_STREAMS + 1];
    struct reading *inputs[PROCESS_STREAMS + 1];
    lua_newtable(L);
    for (int i = 0; i <= NEWS; i++) {
        inputs[i] = push_input(L);
        lua_setfield(L, object + 1, ends_names[i]);
    }
    running->process = process_start(&options, ends, &err);
    if (!running->process)
        return push_failure(L, &err);
    ends[NEWS] = process_fd(running->process);
    bool held = true;
    for (int i = 0; i <= NEWS; i++) {
        lua_getfield(L, object + 1, ends_names[i]);
        if (ends[i] < 0) {
            lua_pushnil(L);
            lua_setfield(L, object + 1, ends_names[i]);
        } else if (held) {
            held = input_hold(L, inputs[i], -1, ends[i], i == PROCESS_STDIN, i != NEWS, &err);
        } else if (i != NEWS) {
            close(ends[i]);
        }
        lua_pop(L, 1);
    }
    if (!held)
        return push_failure(L, &err); /* both objects are garbage, and go their way */
    return 2;
}

static const char *signal_name(int number)
{
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i].number == number)
            return signals[i].name;
    return NULL;
}

/* raw_ended() -> nil: it runs | "exit", status | "signal", number, name or nil */
static int process_raw_ended(lua_State *L)
{
    int status;
    if (!process_ended(check_process(L), &status))
        return 0;
    if (WIFSIGNALED(status)) {
        lua_pushliteral(L, "signal");
        lua_pushinteger(L, WTERMSIG(status));
        lua_pushstring(L, signal_name(WTERMSIG(status)));
        return 3;
    }
    lua_pushliteral(L, "exit");
    lua_pushinteger(L, WEXITSTATUS(status));
    return 2;
}

/* raw_kill(name or number) */
static int process_raw_kill(lua_State *L)
{
    struct process *process = check_process(L);
    int number = 0;
    if (lua_type(L, 2) == LUA_TNUMBER) {
        number = (int)luaL_checkinteger(L, 2);
    } else {
        const char *name = luaL_checkstring(L, 2);
        for (int i = 0; i < SIGNALS; i++)
            if (strcmp(name, signals[i].name) == 0)
                number = signals[i].number;
    }
    luaL_argcheck(L, number > 0 && number <= SIGRTMAX, 2, "no signal");
    process_signal(process, number);
    return 0;
}

/* raw_pid() -> its process id */
static int process_raw_pid(lua_State *L)
{
    lua_pushinteger(L, process_id(check_process(L)));
    return 1;
}

/* closed() -> boolean */
static int process_closed(lua_State *L)
{
    const struct running *running = luaL_checkudata(L, 1, PROCESS);
    lua_pushboolean(L, !running->process);
    return 1;
}

/* raw_free(): kills what is left of it; may be repeated */
static int process_gc(lua_State *L)
{
    struct running *running = luaL_checkudata(L, 1, PROCESS);
    struct process *process = running->process;
    running->process = NULL;
    process_free(process);
    return 0;
}

void open_process(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_ended", process_raw_ended}, {"raw_kill", process_raw_kill},
        {"raw_pid", process_raw_pid},     {"raw_closed", process_closed},
        {"raw_free", process_gc},         {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", process_gc},
        {NULL, NULL},
    };
    new_class(L, PROCESS, methods, meta);
    lua_setfield(L, -2, "process_class");
    lua_pushcfunction(L, core_start_process);
    lua_setfield(L, -2, "start_process");
}
