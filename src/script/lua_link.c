/* lua_link: links that a script holds itself: packet sockets and captures for layer 2, and pairs in
 * memory for simulations, which can be put under a stack. */
#include <stdlib.h>
#include <string.h>

#include "host/netns.h"
#include "script/lua_link.h"
#include "script/lua_packet.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"

#define LINK "tcplua.link"

struct linking {
    struct tap *tap;        /* NULL: closed, or given to a stack */
    uint64_t frames, bytes; /* taken by the script, and their lengths on the wire */
};

/* luaL_error() is not declared as what it is: it does not return. */
static _Noreturn void raise_closed(lua_State *L)
{
    luaL_error(L, "attempt to use a closed link");
    abort();
}

static struct linking *check_open(lua_State *L, int index)
{
    struct linking *linking = luaL_checkudata(L, index, LINK);
    if (!linking->tap || !linking->tap->link)
        raise_closed(L);
    return linking;
}

static struct tap *check_link(lua_State *L)
{
    return check_open(L, 1)->tap;
}

struct link *link_at(lua_State *L, int index)
{
    return check_open(L, index)->tap->link;
}

/* [-0, +1, m] A closed link object. */
static struct linking *push_closed(lua_State *L)
{
    struct linking *linking = lua_newuserdatauv(L, sizeof *linking, 0);
    *linking = (struct linking){.tap = NULL};
    luaL_setmetatable(L, LINK);
    return linking;
}

/* [-0, +0, -] Gives `link`, or NULL with `err`, to the object. */
static bool hold(lua_State *L, struct linking *linking, struct link *link, struct error *err)
{
    if (!link)
        return false;
    linking->tap = tap_new(the_network(L), link);
    return linking->tap || fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a link");
}

/* The same for the object on top of the stack, which is what the caller returns. */
static int fill(lua_State *L, struct linking *linking, struct link *link, struct error *err)
{
    if (!hold(L, linking, link, err))
        return push_failure(L, err);
    remember_source(L, &linking->tap->source, -1);
    return 1;
}

/* The interface of -i, or the lab's. */
static const char *default_iface(lua_State *L)
{
    const struct network_options *options = &the_network(L)->options;
    return options->iface[0] ? options->iface : options->lab;
}

/* open_link{iface=, filter=, incoming=, traced=} -> link for whole frames | nil, error; `incoming`:
 * without what this host sends; `traced` = false: neither -v nor -w knows of it */
static int core_open_link(lua_State *L)
{
    static const char *const names[] = {"iface", "filter", "incoming", "traced", NULL};
    struct error err;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    const char *iface = field_string(L, 1, "iface", default_iface(L));
    const char *filter = field_string(L, 1, "filter", NULL);
    bool incoming = field_boolean(L, 1, "incoming", false);
    bool traced = field_boolean(L, 1, "traced", true);
    check_host(L);
    struct linking *linking = push_closed(L);
    struct link *link = link_open_packet(iface, filter, &err);
    if (link && incoming && !link_packet_incoming(link, &err)) {
        link_close(link);
        link = NULL;
    }
    if (link && traced)
        link = network_wrap(the_network(L), link, &err);
    return fill(L, linking, link, &err);
}

/* open_sender{iface=, via= "packet" | "xdp"} -> link for whole frames that only sends | nil, error
 */
static int core_open_sender(lua_State *L)
{
    static const char *const names[] = {"iface", "via", NULL};
    struct error err;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    const char *iface = field_string(L, 1, "iface", default_iface(L));
    const char *via = field_string(L, 1, "via", "packet");
    check_host(L);
    struct linking *linking = push_closed(L);
    struct link *link =
        strcmp(via, "xdp") == 0 ? link_open_xdp(iface, &err) : link_open_sender(iface, &err);
    return fill(L, linking, link ? network_wrap(the_network(L), link, &err) : NULL, &err);
}

/* open_capture{iface=, filter=, immediate=, gather=, promiscuous=, snaplen=, buffer=} -> link that
 * only receives | nil, error; gather in seconds: see pcap_setup in link.h */
static int core_open_capture(lua_State *L)
{
    static const char *const names[] = {"iface",       "filter",  "immediate", "gather",
                                        "promiscuous", "snaplen", "buffer",    NULL};
    struct error err;
    lua_Integer snaplen = 0, buffer = 0;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    const char *iface = field_string(L, 1, "iface", default_iface(L));
    struct pcap_setup setup = {
        .filter = field_string(L, 1, "filter", NULL),
        .immediate = field_boolean(L, 1, "immediate", false),
        .promiscuous = field_boolean(L, 1, "promiscuous", false),
        .gather_ms = (int)(field_number(L, 1, "gather", 0) * 1000),
    };
    if (!field_range(L, 1, "snaplen", 1, 1 << 20, &snaplen, &err) ||
        !field_range(L, 1, "buffer", 1 << 20, 1 << 30, &buffer, &err))
        return push_failure(L, &err);
    setup.snaplen = (int)snaplen;
    setup.buffer = (int)buffer;
    check_host(L);
    struct linking *linking = push_closed(L);
    return fill(L, linking, link_open_pcap(iface, &setup, &err), &err);
}

/* Seconds, as nanoseconds that fault_check() refuses if they are too many. */
static int64_t field_seconds(lua_State *L, int index, const char *name, int64_t otherwise)
{
    return to_ns(field_number(L, index, name, to_seconds(otherwise)));
}

bool field_fault(lua_State *L, int index, struct fault *f, struct error *err)
{
    lua_Integer queue = f->queue, mtu = f->mtu;
    f->loss = field_number(L, index, "loss", f->loss);
    f->duplicate = field_number(L, index, "duplicate", f->duplicate);
    f->reorder = field_number(L, index, "reorder", f->reorder);
    f->corrupt = field_number(L, index, "corrupt", f->corrupt);
    f->burst_every = field_seconds(L, index, "burst_every", f->burst_every);
    f->burst_length = field_seconds(L, index, "burst_length", f->burst_length);
    f->burst_loss = field_number(L, index, "burst_loss", f->burst_loss);
    f->delay = field_seconds(L, index, "delay", f->delay);
    f->jitter = field_seconds(L, index, "jitter", f->jitter);
    f->rate = field_number(L, index, "rate", f->rate);
    f->silent = field_boolean(L, index, "silent", f->silent);
    f->down = field_boolean(L, index, "down", f->down);
    if (!field_range(L, index, "queue", 0, UINT32_MAX, &queue, err) ||
        !field_range(L, index, "path_mtu", 0, 65535, &mtu, err))
        return false;
    f->queue = (uint32_t)queue;
    f->mtu = (uint32_t)mtu;
    return fault_check(f, err);
}

int change_path(lua_State *L, struct path *path, int index)
{
    static const char *const names[] = {FAULT_FIELDS, NULL};
    struct fault fault = {.seed = path->fault.seed};
    struct error err;
    luaL_checktype(L, index, LUA_TTABLE);
    check_fields(L, index, names);
    if (!field_fault(L, index, &fault, &err))
        return push_failure(L, &err);
    path_change(path, &fault, clock_now(&the_network(L)->clock));
    lua_pushboolean(L, 1);
    return 1;
}

void push_path_counts(lua_State *L, const struct path_counts *c)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"sent", c->sent},
        {"bytes", c->bytes},
        {"lost", c->lost},
        {"overflowed", c->overflowed},
        {"too_big", c->too_big},
        {"dark", c->dark},
        {"duplicated", c->duplicated},
        {"reordered", c->reordered},
        {"corrupted", c->corrupted},
    };
    lua_createtable(L, 0, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lua_pushinteger(L, (lua_Integer)rows[i].value);
        lua_setfield(L, -2, rows[i].name);
    }
}

/* --- ends of wires in a lab ---------------------------------------------------------------------
 */

/* open_end(netns, iface, seed) -> link | nil, error: what comes out of an interface of another
 * namespace, and a path, perfect so far, that leads into it */
static int core_open_end(lua_State *L)
{
    struct error err;
    int netns = (int)luaL_checkinteger(L, 1);
    const char *iface = luaL_checkstring(L, 2);
    const struct fault fault = {.seed = (uint64_t)luaL_checkinteger(L, 3)};
    check_host(L);
    struct linking *linking = push_closed(L);
    int back = netns_enter(netns, &err);
    if (back < 0)
        return push_failure(L, &err);
    struct link *link = link_open_packet(iface, "ip or ip6 or arp", &err);
    netns_leave(back);
    if (link && !link_packet_incoming(link, &err)) {
        link_close(link);
        link = NULL;
    }
    if (link)
        link = link_fault(link, &fault, &the_network(L)->clock, &err);
    return fill(L, linking, link, &err);
}

static struct path *check_end(lua_State *L, int index)
{
    struct path *path = link_fault_path(link_at(L, index));
    luaL_argcheck(L, path, index, "no path leads into this link");
    return path;
}

/* raw_set({loss = …}) -> true | nil, error */
static int link_raw_set(lua_State *L)
{
    return change_path(L, check_end(L, 1), 2);
}

/* raw_counts() -> {sent =, lost =, …} */
static int link_raw_counts(lua_State *L)
{
    push_path_counts(L, &check_end(L, 1)->counts);
    return 1;
}

/* raw_forward(to) -> how many frames, 64 at most, went from this link to the other one | nil, error
 * when this one is gone. What the other one refuses is lost, as on a wire. */
static int link_raw_forward(lua_State *L)
{
    struct link *from = link_at(L, 1), *to = link_at(L, 2);
    struct frame frame;
    struct error err;
    int count = 0, got = 0;
    while (count < LINK_BATCH && (got = link_recv(from, &frame, &err)) > 0) {
        frame.flags = 0;
        link_send(to, &frame, NULL);
        count++;
    }
    if (got < 0)
        return push_failure(L, &err);
    lua_pushinteger(L, count);
    return 1;
}

/* pair{medium=, mtu=, seed=, and the settings of a path} -> link, link */
static int core_pair(lua_State *L)
{
    static const char *const names[] = {"medium", "mtu", "seed", FAULT_FIELDS, NULL};
    struct error err;
    struct link *ends[2];
    struct network *network = the_network(L);
    lua_Integer mtu = 1500, seed = 1;
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    lua_settop(L, 1);
    check_fields(L, 1, names);
    const char *medium = field_string(L, 1, "medium", "ip");
    luaL_argcheck(L, strcmp(medium, "ip") == 0 || strcmp(medium, "eth") == 0, 1,
                  "medium is neither 'ip' nor 'eth'");
    if (!field_range(L, 1, "mtu", 68, 65535, &mtu, &err) ||
        !field_range(L, 1, "seed", LUA_MININTEGER, LUA_MAXINTEGER, &seed, &err))
        return push_failure(L, &err);
    struct fault fault = {.seed = (uint64_t)seed};
    if (!field_fault(L, 1, &fault, &err))
        return push_failure(L, &err);
    struct linking *first = push_closed(L), *second = push_closed(L);
    if (!link_open_pair(ends, strcmp(medium, "eth") == 0 ? LINK_ETHERNET : LINK_IP, (uint32_t)mtu,
                        &network->clock, &err))
        return push_failure(L, &err);
    if (!hold(L, first, link_fault(ends[0], &fault, &network->clock, &err), &err)) {
        link_close(ends[1]);
        return push_failure(L, &err);
    }
    fault.seed ^= UINT64_C(0x5bd1e995a5a5a5a5); /* each way has its own luck */
    if (!hold(L, second, link_fault(ends[1], &fault, &network->clock, &err), &err))
        return push_failure(L, &err);
    remember_source(L, &first->tap->source, 2);
    remember_source(L, &second->tap->source, 3);
    return 2;
}

/* attach(link [, address]) -> true | nil, error: a stack of its own on the link, which is the
 * stack's from here on; without an address it takes the first source that a script names */
static int core_attach(lua_State *L)
{
    struct linking *linking = luaL_checkudata(L, 1, LINK);
    struct tap *tap = check_link(L);
    struct network *network = the_network(L);
    struct error err;
    struct addr local;
    bool named = !lua_isnoneornil(L, 2);
    if (named && !parse_ip(&local, check_text(L, 2), "address", &err))
        return push_failure(L, &err);
    struct link *link = tap_release(tap);
    linking->tap = NULL;
    if (!stack_attach(network, link, named ? &local : NULL, false, &err))
        return push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* raw_send(string [, original]) -> true | nil, error; `original` is how long the frame was before
 * it was cut, as a capture may cut it: for links in memory */
static int link_raw_send(lua_State *L)
{
    struct tap *tap = check_link(L);
    struct frame frame = {.length = 0};
    struct error err;
    frame.bytes = (const uint8_t *)luaL_checklstring(L, 2, &frame.length);
    lua_Integer original = luaL_optinteger(L, 3, (lua_Integer)frame.length);
    luaL_argcheck(L, original >= (lua_Integer)frame.length, 3, "not less than there is");
    frame.original = (size_t)original;
    if (!link_send_one(tap->link, &frame, &err))
        return push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* The next frame of an open link, as link_recv() has it; one that came later than the wall clock's
 * `until` (0: any) is thrown away: 2. */
static int take_frame(struct linking *linking, struct frame *frame, int64_t until,
                      struct error *err)
{
    int got = link_recv(linking->tap->link, frame, err);
    if (got != 1)
        return got;
    if (until != 0 && frame->time > until)
        return 2;
    linking->frames++;
    linking->bytes += frame->original;
    return 1;
}

static int64_t check_until(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? 0 : to_ns(luaL_checknumber(L, index));
}

/* raw_packet([until]) -> packet | nil: none now | false: what comes next came after `until`,
 * seconds since 1970 | nil, error. The next frame, made a packet here because a string on the way
 * there would cost as much as all of the rest; tcplua.packet must be loaded */
static int link_raw_packet(lua_State *L)
{
    struct linking *linking = check_open(L, 1);
    const struct tap *tap = linking->tap;
    struct frame frame;
    struct error err;
    int got = take_frame(linking, &frame, check_until(L, 2), &err);
    if (got < 0)
        return push_failure(L, &err);
    if (got == 2)
        lua_pushboolean(L, 0);
    if (got != 1)
        return got == 2;
    struct origin origin = {
        .time = frame.time,
        .original = (uint32_t)frame.original,
        .direction = frame.flags & FRAME_OUT ? "out" : "in",
    };
    memcpy(origin.iface, tap->link->iface, sizeof origin.iface);
    push_parsed(L, tap->link->medium == LINK_ETHERNET ? &proto_eth : &proto_ip, frame.bytes,
                frame.length, &origin);
    return 1;
}

/* raw_count(most [, until]) -> how many frames were taken and thrown away, which is less than
 * `most` if there are no more now; behind it true, where the next came after `until`, or nil and an
 * error */
static int link_raw_count(lua_State *L)
{
    struct linking *linking = check_open(L, 1);
    lua_Integer most = luaL_checkinteger(L, 2), count = 0;
    int64_t until = check_until(L, 3);
    struct frame frame;
    struct error err;
    int got = 1;
    while (count < most && (got = take_frame(linking, &frame, until, &err)) == 1)
        count++;
    lua_pushinteger(L, count);
    if (got < 0)
        return 1 + push_failure(L, &err);
    lua_pushboolean(L, got == 2);
    return 2;
}

/* raw_taken() -> frames that were taken, and the sum of their lengths on the wire */
static int link_raw_taken(lua_State *L)
{
    const struct linking *linking = luaL_checkudata(L, 1, LINK);
    lua_pushinteger(L, (lua_Integer)linking->frames);
    lua_pushinteger(L, (lua_Integer)linking->bytes);
    return 2;
}

/* iface() -> the name of its interface | nil */
static int link_iface(lua_State *L)
{
    const char *iface = check_link(L)->link->iface;
    lua_pushstring(L, iface[0] ? iface : NULL);
    return 1;
}

/* raw_await(): the next poll may report this link once it has a frame */
static int link_raw_await(lua_State *L)
{
    check_link(L)->waiting = true;
    return 0;
}

/* medium() -> "eth" | "ip": what its frames begin with */
static int link_medium(lua_State *L)
{
    lua_pushstring(L, check_link(L)->link->medium == LINK_ETHERNET ? "eth" : "ip");
    return 1;
}

/* mac() -> the MAC address of this end | nil */
static int link_mac(lua_State *L)
{
    char text[ADDR_TEXT];
    const struct addr *mac = &check_link(L)->link->mac;
    if (mac->kind == ADDR_NONE)
        return 0;
    lua_pushstring(L, addr_format(mac, text));
    return 1;
}

/* drops() -> frames the kernel dropped because nobody read them in time */
static int link_raw_drops(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)link_drops(check_link(L)->link));
    return 1;
}

/* close(): may be repeated */
static int link_object_close(lua_State *L)
{
    struct linking *linking = luaL_checkudata(L, 1, LINK);
    struct tap *tap = linking->tap;
    linking->tap = NULL;
    if (tap) {
        forget_source(L, &tap->source);
        tap_free(tap);
    }
    return 0;
}

static int link_tostring(lua_State *L)
{
    struct linking *linking = luaL_checkudata(L, 1, LINK);
    if (!linking->tap || !linking->tap->link)
        lua_pushliteral(L, "link (closed)");
    else
        lua_pushfstring(L, "link %s %s", linking->tap->link->ops->name, linking->tap->link->iface);
    return 1;
}

void open_link(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_send", link_raw_send},
        {"raw_packet", link_raw_packet},
        {"raw_count", link_raw_count},
        {"raw_taken", link_raw_taken},
        {"iface", link_iface},
        {"raw_await", link_raw_await},
        {"raw_forward", link_raw_forward},
        {"raw_set", link_raw_set},
        {"raw_counts", link_raw_counts},
        {"medium", link_medium},
        {"mac", link_mac},
        {"drops", link_raw_drops},
        {"close", link_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", link_object_close},
        {"__close", link_object_close},
        {"__tostring", link_tostring},
        {NULL, NULL},
    };
    new_class(L, LINK, methods, meta);
    lua_setfield(L, -2, "link_class");
    static const luaL_Reg functions[] = {
        {"open_link", core_open_link},
        {"open_capture", core_open_capture},
        {"open_sender", core_open_sender},
        {"pair", core_pair},
        {"attach", core_attach},
        {"open_end", core_open_end},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
