/* lua_core: require "tcplua.core", the primitives under the Lua modules: time, the one blocking
 * call, (open_conn, open_wire, open_link, open_input, open_process) the things that it waits for,
 * and (open_host) what the kernel knows. Scripts use the modules above: tcplua.tcp, tcplua.net,
 * tcplua.task. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "script/embedded.h"
#include "script/modules.h"
#include "script/script.h"
#include "script/util.h"
#include "stack/network.h"
#include "stack/puppet.h"
#include "stack/stack.h"
#include "stack/trace.h"

/* now() -> seconds on the network's clock */
static int core_now(lua_State *L)
{
    lua_pushnumber(L, to_seconds(clock_now(&the_network(L)->clock)));
    return 1;
}

/* monotonic() -> seconds on the machine's clock, in a simulation too */
static int core_monotonic(lua_State *L)
{
    lua_pushnumber(L, to_seconds(clock_now(&(struct clock){0})));
    return 1;
}

/* wall() -> seconds since 1970 */
static int core_wall(lua_State *L)
{
    lua_pushnumber(L, to_seconds(clock_wall(&the_network(L)->clock)));
    return 1;
}

/* lateness([begin]) -> seconds by which this program itself was late, at worst, since it was last
 * told to begin */
static int core_lateness(lua_State *L)
{
    struct network *network = the_network(L);
    lua_pushnumber(L, to_seconds(network->lateness));
    if (lua_toboolean(L, 1))
        network->lateness = 0;
    return 1;
}

/* make_folder(path) -> true | nil, error: and those above it, where there are none */
static int core_make_folder(lua_State *L)
{
    const char *path = check_text(L, 1);
    size_t length = strlen(path);
    char *part = lua_newuserdatauv(L, length + 1, 0);
    struct error err;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST) {
            fail_errno(&err, errno, "the folder '%s' cannot be made", part);
            return push_failure(L, &err);
        }
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int interrupted(lua_State *L)
{
    struct error err;
    fail(&err, ERROR_NETWORK, "EINTR", "interrupted");
    return raise_error(L, &err);
}

/* defer_signals(): what ends a program interrupts polls, once, and take_signal() tells which it was
 */
static int core_defer_signals(lua_State *L)
{
    (void)L;
    script_defer_signals();
    return 0;
}

/* take_signal() -> its number | nil */
static int core_take_signal(lua_State *L)
{
    int number = script_take_signal();
    if (number == 0)
        return 0;
    lua_pushinteger(L, number);
    return 1;
}

/* [-0, +3, -] Whether there is news of a source, and whether something waits for its hooks, out and
 * in. */
static void push_reasons(lua_State *L, struct source *source)
{
    lua_pushboolean(L, source->news);
    lua_pushboolean(L, source->held & 1U << DIRECTION_OUT);
    lua_pushboolean(L, source->held & 1U << DIRECTION_IN);
    source->news = false;
    source->held = 0;
}

/* poll(deadline) -> object, whether there is news of it, whether something waits for its hooks on
 * its way out, and in | nil, "timeout" | nil, "stalled"; raises when interrupted */
static int core_poll(lua_State *L)
{
    int64_t deadline = to_ns(luaL_checknumber(L, 1));
    struct source *source;
    for (;;) {
        switch (network_poll(the_network(L), deadline, &source)) {
        case POLL_SOURCE:
            if (push_source(L, source)) {
                push_reasons(L, source);
                return 4;
            }
            break; /* nobody holds it any more */
        case POLL_TIMEOUT:
            lua_pushnil(L);
            lua_pushliteral(L, "timeout");
            return 2;
        case POLL_STALLED:
            lua_pushnil(L);
            lua_pushliteral(L, "stalled");
            return 2;
        case POLL_INTERRUPTED:
            return interrupted(L);
        }
    }
}

/* work(): does what is due, without waiting */
static int core_work(lua_State *L)
{
    network_work(the_network(L));
    return 0;
}

/* simulate(): a virtual clock from here on; raises once there is a stack or a link on the other */
static int core_simulate(lua_State *L)
{
    struct network *network = the_network(L);
    if (network->stacks || network->taps)
        return luaL_error(L, "a network that is in use cannot become virtual");
    network->clock = (struct clock){.virtual = true, .now = NS_PER_S};
    return 0;
}

/* simulated() -> whether the clock is virtual */
static int core_simulated(lua_State *L)
{
    lua_pushboolean(L, the_network(L)->clock.virtual);
    return 1;
}

/* reset(): closes every connection, link and wire; their objects stay, and say that they are closed
 */
static int core_reset(lua_State *L)
{
    network_close(the_network(L));
    forget_sources(L);
    return 0;
}

/* seed(integer): makes random choices from here on repeatable */
static int core_seed(lua_State *L)
{
    struct network *network = the_network(L);
    network->options.has_seed = true;
    network->options.seed = network->random = (uint64_t)luaL_checkinteger(L, 1);
    network->ready_secret = false;
    return 0;
}

/* random() -> 32 random bits of the kernel's, or of the seed's | nil, error */
static int core_random(lua_State *L)
{
    struct error err;
    uint32_t bits;
    if (!network_random(the_network(L), &bits, sizeof bits, &err))
        return push_failure(L, &err);
    lua_pushinteger(L, bits);
    return 1;
}

/* error{code=, kind=, message=} -> error object */
static int core_error(lua_State *L)
{
    static const char *const kinds[] = {"network", "protocol", "environment", "usage", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *kind = field_string(L, 1, "kind", "network");
    int i = 0;
    while (kinds[i] && strcmp(kinds[i], kind) != 0)
        i++;
    luaL_argcheck(L, kinds[i], 1, "kind is none of network, protocol, environment, usage");
    struct error err;
    fail(&err, (enum error_kind)i, field_string(L, 1, "code", "EOTHER"), "%s",
         field_string(L, 1, "message", "unknown error"));
    push_error(L, &err);
    return 1;
}

/* is_error(value) -> boolean */
static int core_is_error(lua_State *L)
{
    lua_pushboolean(L, is_error(L, 1));
    return 1;
}

/* [-0, +1, m] Argument 1, made printable by `make`. */
static int push_made(lua_State *L,
                     const char *make(char *out, size_t size, const void *bytes, size_t length))
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, 4 * length + 1);
    make(out, 4 * length + 1, bytes, length);
    luaL_pushresultsize(&b, strlen(out));
    return 1;
}

/* escape(string) -> the same, printable: a backslash is doubled */
static int core_escape(lua_State *L)
{
    return push_made(L, text_escape);
}

/* printable(string) -> the same, printable: for what was escaped, in part, before */
static int core_printable(lua_State *L)
{
    return push_made(L, text_printable);
}

/* address(string) -> "ip" | "ip6" | "mac", the address as it is usually written | nil, error */
static int core_address(lua_State *L)
{
    struct addr addr;
    struct error err;
    char text[ADDR_TEXT];
    const char *const kinds[] = {
        [ADDR_NONE] = "none", [ADDR_MAC] = "mac", [ADDR_IP4] = "ip", [ADDR_IP6] = "ip6"};
    if (!addr_parse(&addr, check_text(L, 1), luaL_optstring(L, 2, "address"), &err))
        return push_failure(L, &err);
    lua_pushstring(L, kinds[addr.kind]);
    lua_pushstring(L, addr_format(&addr, text));
    return 2;
}

/* frames() -> {{time =, sent =, kernel =, medium =, bytes =}, ...}: what the trace kept */
static int core_frames(lua_State *L)
{
    struct network *network = the_network(L);
    size_t count = 0;
    const struct trace_frame *frames = network->trace ? trace_kept(network->trace, &count) : NULL;
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 5);
        set_seconds(L, "time", frames[i].time);
        set_boolean(L, "sent", frames[i].sent);
        set_boolean(L, "kernel", frames[i].flags & FRAME_OUT);
        set_text(L, "medium", frames[i].medium == LINK_ETHERNET ? "eth" : "ip");
        lua_pushlstring(L, (const char *)frames[i].bytes, frames[i].length);
        lua_setfield(L, -2, "bytes");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* verdicts() -> {fine = 3, ["bad checksum"] = 1, …}: datagrams that came, by what was made of them
 */
static int core_verdicts(lua_State *L)
{
    uint64_t sums[SEGMENT_VERDICTS] = {0};
    for (const struct stack *stack = the_network(L)->stacks; stack; stack = stack->next)
        for (size_t i = 0; i < SEGMENT_VERDICTS; i++)
            sums[i] += stack->verdicts[i];
    lua_newtable(L);
    for (size_t i = 0; i < SEGMENT_VERDICTS; i++)
        if (sums[i]) {
            lua_pushinteger(L, (lua_Integer)sums[i]);
            lua_setfield(L, -2, segment_verdict_name((enum segment_verdict)i));
        }
    return 1;
}

/* fragments("reassemble" | "refuse"): what becomes of IP fragments from now on */
static int core_fragments(lua_State *L)
{
    static const char *const modes[] = {"reassemble", "refuse", NULL};
    the_network(L)->refuse_fragments = luaL_checkoption(L, 1, NULL, modes) == 1;
    return 0;
}

/* terminal(1|2) -> whether standard output or error is one */
static int core_terminal(lua_State *L)
{
    lua_Integer fd = luaL_checkinteger(L, 1);
    luaL_argcheck(L, fd >= 0 && fd <= 2, 1, "0, 1 or 2 expected");
    lua_pushboolean(L, isatty((int)fd));
    return 1;
}

/* source(name) -> the text of a module that is part of the program | nil */
static int core_source(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (const struct embedded *e = embedded_modules; e->name; e++)
        if (strcmp(e->name, name) == 0) {
            lua_pushlstring(L, e->source, e->length);
            return 1;
        }
    return 0;
}

int luaopen_tcplua_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"make_folder", core_make_folder},
        {"lateness", core_lateness},
        {"now", core_now},
        {"wall", core_wall},
        {"monotonic", core_monotonic},
        {"poll", core_poll},
        {"defer_signals", core_defer_signals},
        {"take_signal", core_take_signal},
        {"work", core_work},
        {"simulate", core_simulate},
        {"simulated", core_simulated},
        {"reset", core_reset},
        {"seed", core_seed},
        {"random", core_random},
        {"error", core_error},
        {"is_error", core_is_error},
        {"escape", core_escape},
        {"printable", core_printable},
        {"address", core_address},
        {"frames", core_frames},
        {"verdicts", core_verdicts},
        {"terminal", core_terminal},
        {"source", core_source},
        {"fragments", core_fragments},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    open_conn(L);
    open_wire(L);
    open_link(L);
    open_input(L);
    open_process(L);
    open_way(L);
    open_burst(L);
    open_census(L);
    open_sim(L);
    open_lab(L);
    open_host(L);
    return 1;
}

const luaL_Reg core_modules[] = {
    {"tcplua.core", luaopen_tcplua_core},
    {"tcplua.hash.core", luaopen_tcplua_hash_core},
    {"tcplua.capture.core", luaopen_tcplua_capture_core},
    {"tcplua.packet.core", luaopen_tcplua_packet_core},
    {NULL, NULL},
};
