/* script: see script.h. */
#include "script/script.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/text.h"
#include "script/embedded.h"
#include "script/modules.h"
#include "script/util.h"

#define MESSAGE  600
#define GRACE_US 500000 /* between asking a script to end and ending it */

void complain(const char *format, ...)
{
    char line[MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "tcplua: %s\n", line);
}

struct script *script_of(lua_State *L)
{
    return *(struct script **)lua_getextraspace(L);
}

/* --- modules ------------------------------------------------------------------------------------
 */

static int load_embedded(lua_State *L, const char *name)
{
    for (const struct embedded *e = embedded_modules; e->name; e++) {
        if (strcmp(e->name, name) != 0)
            continue;
        if (luaL_loadbufferx(L, e->source, e->length, e->chunk, "t") != LUA_OK)
            lua_error(L);
        return 1;
    }
    return 0;
}

/* package.searchers[2]: modules that are part of the program. */
static int search_embedded(lua_State *L)
{
    if (load_embedded(L, luaL_checkstring(L, 1)))
        return 1;
    lua_pushliteral(L, "no embedded module");
    return 1;
}

/* package.searchers[3]: Lua files on package.path, as text. */
static int search_path(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchpath");
    lua_pushvalue(L, 1);
    lua_getfield(L, -3, "path");
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        return 1; /* the list of files that are not there */
    lua_pop(L, 1);
    const char *path = lua_tostring(L, -1);
    if (luaL_loadfilex(L, path, "t") != LUA_OK)
        return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", lua_tostring(L, 1),
                          path, lua_tostring(L, -1));
    lua_pushvalue(L, -2);
    return 2;
}

/* load, loadfile: as ever, but text only: a precompiled chunk can crash the interpreter. The
 * original is the upvalue; the mode is argument 3 of load and 2 of loadfile. */
static int text_only(lua_State *L, int mode)
{
    int arguments = lua_gettop(L);
    const char *asked = luaL_optstring(L, mode, "t");
    if (!strchr(asked, 't')) {
        lua_pushnil(L);
        lua_pushliteral(L, "only text chunks can be loaded (mode 't')");
        return 2;
    }
    if (arguments < mode)
        lua_settop(L, arguments = mode);
    lua_pushliteral(L, "t");
    lua_replace(L, mode);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, arguments, LUA_MULTRET);
    return lua_gettop(L);
}

static int text_load(lua_State *L)
{
    return text_only(L, 3);
}

static int text_loadfile(lua_State *L)
{
    return text_only(L, 2);
}

static int text_dofile(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, NULL);
    lua_settop(L, 1);
    if (luaL_loadfilex(L, path, "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, LUA_MULTRET);
    return lua_gettop(L) - 1;
}

/* print: as ever, but raises where nobody reads it any more, or a script whose pipe was closed
 * would go on for ever. The original is the upvalue. */
static int checked_print(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    errno = 0;
    lua_call(L, lua_gettop(L) - 1, 0);
    if (errno != EPIPE || !ferror(stdout))
        return 0;
    struct error err;
    fail_errno(&err, EPIPE, "cannot write to standard output");
    push_error(L, &err);
    return lua_error(L);
}

int script_flush(int status)
{
    bool written = fflush(stdout) == 0;
    if ((written && !ferror(stdout)) || status != STATUS_OK)
        return status;
    complain("cannot write to standard output%s%s", written ? "" : ": ",
             written ? "" : strerror(errno));
    return STATUS_FAILED;
}

/* os.exit: closes the state unless told not to, so that no connection is left hanging, and goes the
 * way that the end of a script goes: nothing that failed there is lost here. */
static int closing_exit(lua_State *L)
{
    struct script *script = script_of(L);
    int status = lua_isnoneornil(L, 1) ? STATUS_OK
                 : lua_isboolean(L, 1) ? lua_toboolean(L, 1) ? STATUS_OK : STATUS_FAILED
                                       : (int)luaL_checkinteger(L, 1);
    if (lua_isnoneornil(L, 2) || lua_toboolean(L, 2))
        lua_close(L);
    exit(script->leave ? script->leave(script->self, status) : script_flush(status));
}

/* [-0, +0, e] library[name] = wrapper, with the original as its upvalue. */
static void wrap(lua_State *L, const char *library, const char *name, lua_CFunction wrapper)
{
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, wrapper, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* The state that signals stop, while there is one: a handler has no argument to carry it. */
static lua_State *volatile running;

static int network_gc(lua_State *L)
{
    running = NULL; /* the state goes away now */
    network_close(the_network(L));
    return 0;
}

/* An error that nobody catches: nothing that can raise runs outside the one protected call, but for
 * a few words in a state without memory. */
static int panic(lua_State *L)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no text";
    char shown[MESSAGE];
    complain("an error outside the script: %s",
             text_printable(shown, sizeof shown, text, strlen(text)));
    _exit(STATUS_BUG);
}

static int open_all(lua_State *L)
{
    /* Finalizers run in the reverse order of their making: so the network's is the last. */
    lua_newuserdatauv(L, 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, network_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, "tcplua.network");

    luaL_openlibs(L);
    wrap(L, "_G", "print", checked_print);
    wrap(L, "_G", "load", text_load);
    wrap(L, "_G", "loadfile", text_loadfile);
    wrap(L, "_G", "dofile", text_dofile);
    lua_getglobal(L, "os");
    lua_pushcfunction(L, closing_exit);
    lua_setfield(L, -2, "exit");
    lua_getglobal(L, "string");
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");

    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    for (const luaL_Reg *module = core_modules; module->name; module++) {
        lua_pushcfunction(L, module->func);
        lua_setfield(L, -2, module->name);
    }
    lua_pop(L, 1);
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search_embedded);
    lua_rawseti(L, -2, 2);
    lua_pushcfunction(L, search_path);
    lua_rawseti(L, -2, 3);
    return 0;
}

/* warn() as the lua program has it: off at first, "@on" and "@off". */
static void print_warning(void *self, const char *piece, int more)
{
    struct script *script = self;
    bool begins = !script->warned_half;
    script->warned_half = more;
    if (begins && !more && piece[0] == '@') {
        if (strcmp(piece, "@on") == 0 || strcmp(piece, "@off") == 0)
            script->warns = piece[2] == 'n';
    } else if (script->warns) {
        fprintf(stderr, "%s%s%s", begins ? "Lua warning: " : "", piece, more ? "" : "\n");
    }
}

struct script *script_new(const struct network_options *options, bool secure, struct error *err)
{
    struct script *script = calloc(1, sizeof *script);
    lua_State *L = script ? lua_newstate(memory_allocate, &script->memory) : NULL;
    if (!L) {
        free(script);
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for Lua");
        return NULL;
    }
    script->L = L;
    lua_atpanic(L, panic);
    lua_setwarnf(L, print_warning, script);
    *(struct script **)lua_getextraspace(L) = script;
    network_init(&script->network, options);
    if (secure) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    lua_pushcfunction(L, open_all);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "Lua cannot start: %s", lua_tostring(L, -1));
        script_free(script);
        return NULL;
    }
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    lua_close(script->L);
    memory_free(&script->memory);
    network_close(&script->network);
    free(script);
}

/* --- signals ------------------------------------------------------------------------------------
 */

static volatile sig_atomic_t caught, caught_signal, told; /* told: of the time limit */
static char limit_place[LUA_IDSIZE + 16];                 /* where that found the script */
static volatile sig_atomic_t deferring;

void script_defer_signals(void)
{
    deferring = 1;
}

int script_take_signal(void)
{
    int number = caught ? caught_signal : 0;
    caught = 0;
    return number;
}

int script_signal(void)
{
    return caught_signal;
}

static void stop_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct error err;
    if (caught_signal == SIGALRM)
        fail(&err, ERROR_NETWORK, "ETIME", "the time limit has passed");
    else
        fail(&err, ERROR_NETWORK, "EINTR", "interrupted by signal %d", (int)caught_signal);
    push_error(L, &err);
    lua_error(L);
}

static void end_now(int number)
{
    if (number == SIGALRM) {
        static const char line[] = "tcplua: the time limit has passed\n";
        ssize_t ignored = told ? 0 : write(STDERR_FILENO, line, sizeof line - 1);
        (void)ignored;
        _exit(STATUS_TIMEOUT);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void on_signal(int number)
{
    int saved = errno;
    if (caught) {
        if (number == SIGALRM || number == caught_signal)
            end_now(caught_signal);
        errno = saved;
        return;
    }
    caught_signal = number;
    caught = 1;
    if (deferring && number != SIGALRM) {
        deferring = 0;
        errno = saved;
        return;
    }
    if (running)
        lua_sethook(running, stop_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
                    1);
    struct itimerval grace = {.it_value.tv_usec = GRACE_US};
    setitimer(ITIMER_REAL, &grace, NULL);
    errno = saved;
}

/* A write to nobody is an error of that write, and not the end. */
static void on_broken_pipe(int number)
{
    (void)number;
}

void script_catch_signals(struct script *script, int64_t timeout)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
    running = script->L;
    script->network.options.interrupted = &caught;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action = {.sa_handler = on_signal}, old;
        sigfillset(&action.sa_mask);
        sigaction(numbers[i], NULL, &old);
        if (old.sa_handler != SIG_IGN || numbers[i] == SIGALRM) /* nohup stays in force */
            sigaction(numbers[i], &action, NULL);
    }
    /* Not SIG_IGN, which programs that a script starts would inherit. */
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = on_broken_pipe}, NULL);
    if (timeout > 0) {
        struct itimerval limit = {.it_value.tv_sec = timeout / NS_PER_S,
                                  .it_value.tv_usec = timeout % NS_PER_S / NS_PER_US};
        if (limit.it_value.tv_sec == 0 && limit.it_value.tv_usec == 0)
            limit.it_value.tv_usec = 1;
        setitimer(ITIMER_REAL, &limit, NULL);
    }
}

/* --- running ------------------------------------------------------------------------------------
 */

/* The message handler: an error object stays what it is; anything else becomes text with a
 * traceback. */
static int handle_error(lua_State *L)
{
    lua_Debug at;
    if (caught && caught_signal == SIGALRM && find_script(L, &at))
        snprintf(limit_place, sizeof limit_place, " at %s:%d", at.short_src, at.currentline);
    if (is_error(L, 1))
        return 1;
    const char *message = lua_tostring(L, 1);
    if (!message) {
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
            message = lua_tostring(L, -1);
        else
            message = lua_pushfstring(L, "error object is a %s value", luaL_typename(L, 1));
    }
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* Prints several lines, each made printable on its own: an error text may carry a peer's bytes. */
static void complain_lines(const char *text, size_t length)
{
    const char *prefix = "tcplua: ";
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t n = end ? (size_t)(end - text) : length;
        char line[4 * MESSAGE], *out = line;
        size_t tabs = 0;
        while (tabs < n && text[tabs] == '\t')
            tabs++;
        text_printable(out, sizeof line, text + tabs, n - tabs);
        fprintf(stderr, "%s%s%s\n", prefix, tabs ? "    " : "", line);
        prefix = "";
        text += end ? n + 1 : n;
        length -= end ? n + 1 : n;
    }
}

/* [-0, +1, m] A field of the error object on top of the stack, which scripts may have changed. */
static const char *raw_text(lua_State *L, const char *name, size_t *length)
{
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    return lua_tolstring(L, -1, length);
}

static int status_of_error(lua_State *L)
{
    if (!is_error(L, -1)) {
        size_t length;
        const char *text = lua_tolstring(L, -1, &length);
        if (text)
            complain_lines(text, length);
        else
            complain("error object is a %s value", luaL_typename(L, -1));
        return STATUS_FAILED;
    }
    size_t length;
    const char *message = raw_text(L, "message", &length);
    complain_lines(message ? message : "unknown error", message ? length : 13);
    lua_pop(L, 1);
    const char *kind = raw_text(L, "kind", NULL);
    int status = !kind                              ? STATUS_FAILED
                 : strcmp(kind, "environment") == 0 ? STATUS_ENVIRONMENT
                 : strcmp(kind, "usage") == 0       ? STATUS_USAGE
                                                    : STATUS_FAILED;
    lua_pop(L, 1);
    return status;
}

struct run {
    const struct script *script;                 /* for its prelude; NULL for none */
    int (*load)(lua_State *L, const char *what); /* [-0, +1, e] */
    const char *what;
    int argc;
    char **argv;
};

static void push_arguments(lua_State *L, const struct run *run)
{
    for (int i = 0; i < run->argc; i++)
        lua_pushstring(L, run->argv[i]);
}

/* Runs under the one protected call: everything that can raise is in here. */
static int run_protected(lua_State *L)
{
    const struct run *run = lua_touserdata(L, 1);
    luaL_checkstack(L, run->argc + 6, "too many arguments");
    lua_createtable(L, run->argc, 2);
    lua_pushstring(L, run->what);
    lua_rawseti(L, -2, 0);
    lua_pushliteral(L, "tcplua");
    lua_rawseti(L, -2, -1);
    for (int i = 0; i < run->argc; i++) {
        lua_pushstring(L, run->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setglobal(L, "arg");
    bool prelude = run->script && run->script->prelude;
    if (prelude) {
        lua_getglobal(L, "require");
        lua_pushstring(L, run->script->prelude);
        lua_call(L, 1, 1);
        lua_pushstring(L, run->script->settings);
        lua_pushinteger(L, (lua_Integer)run->script->network.options.seed);
        push_arguments(L, run);
        lua_call(L, run->argc + 2, 1);
    }
    run->load(L, run->what);
    push_arguments(L, run);
    lua_call(L, run->argc, 0);
    if (prelude)
        lua_call(L, 0, 0);
    return 0;
}

static int run_script(struct script *script, const struct run *run)
{
    lua_State *L = script->L;
    lua_pushcfunction(L, handle_error);
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, (void *)run);
    int result = lua_pcall(L, 1, 0, -3);
    if (result == LUA_OK) {
        script->status = STATUS_OK;
    } else if (caught) {
        script->status = caught_signal == SIGALRM ? STATUS_TIMEOUT : 128 + caught_signal;
        if (caught_signal == SIGALRM) {
            told = 1;
            complain("the time limit has passed%s", limit_place);
        }
    } else {
        script->status = status_of_error(L);
    }
    lua_settop(L, 0);
    return script->status = script_flush(script->status);
}

/* Raises an error object of kind usage with status 2: there is no script to run. */
static int no_script(lua_State *L, const char *path, const char *why)
{
    char shown[200];
    struct error err;
    fail(&err, ERROR_USAGE, "ENOENT", "cannot run '%s': %s",
         text_escape(shown, sizeof shown, path, strlen(path)), why);
    push_error(L, &err);
    return lua_error(L);
}

/* The script's folder comes before Lua's own places, as people expect of node and python. */
static void add_folder(lua_State *L, const char *path)
{
    const char *slash = strrchr(path, '/');
    lua_getglobal(L, "package");
    if (slash)
        lua_pushlstring(L, path, (size_t)(slash - path) + 1);
    else
        lua_pushliteral(L, "./");
    const char *folder = lua_tostring(L, -1);
    lua_getfield(L, -2, "path");
    lua_pushfstring(L, "%s?.lua;%s?/init.lua;%s", folder, folder, lua_tostring(L, -1));
    lua_setfield(L, -4, "path");
    lua_pop(L, 3);
}

static int load_file(lua_State *L, const char *path)
{
    bool standard_input = strcmp(path, "-") == 0;
    if (!standard_input) {
        struct stat status;
        if (stat(path, &status) != 0)
            return no_script(L, path, strerror(errno));
        if (S_ISDIR(status.st_mode))
            return no_script(L, path, "it is a directory");
        if (access(path, R_OK) != 0)
            return no_script(L, path, strerror(errno));
        add_folder(L, path);
    }
    int result = luaL_loadfilex(L, standard_input ? NULL : path, "t");
    if (result == LUA_OK)
        return 1;
    struct error err;
    fail(&err, ERROR_USAGE, "EINVAL", "%s", lua_tostring(L, -1));
    push_error(L, &err);
    return lua_error(L);
}

static int load_chunk(lua_State *L, const char *chunk)
{
    if (luaL_loadbufferx(L, chunk, strlen(chunk), "=(command line)", "t") == LUA_OK)
        return 1;
    struct error err;
    fail(&err, ERROR_USAGE, "EINVAL", "%s", lua_tostring(L, -1));
    push_error(L, &err);
    return lua_error(L);
}

static int load_module(lua_State *L, const char *module)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_remove(L, -2);
    return 1;
}

int script_run_file(struct script *script, const char *path, int argc, char **argv)
{
    return run_script(script, &(struct run){script, load_file, path, argc, argv});
}

int script_run_chunk(struct script *script, const char *chunk, int argc, char **argv)
{
    return run_script(script, &(struct run){script, load_chunk, chunk, argc, argv});
}

int script_run_embedded(struct script *script, const char *name, int argc, char **argv)
{
    return run_script(script, &(struct run){script, load_embedded, name, argc, argv});
}

int script_run_module(struct script *script, const char *module, int argc, char **argv)
{
    return run_script(script, &(struct run){NULL, load_module, module, argc, argv});
}
