/* lua_puppet: the strings on a connection: who sends, what waits for the script, what was seen.
 *
 * Bare as puppet.h is; tcplua.tcp.puppet makes of it what a script uses. Packets need the module
 * tcplua.packet to be loaded. */
#include <stdlib.h>

#include "script/lua_conn.h"
#include "script/lua_packet.h"
#include "script/util.h"
#include "stack/puppet.h"
#include "stack/stack.h"

static const char *const directions[] = {"out", "in", NULL};

static struct puppet *check_puppet(lua_State *L)
{
    struct puppet *puppet = puppet_of(check_conn(L));
    if (!puppet)
        luaL_error(L, "the connection's network is closed, or memory is short");
    return puppet;
}

/* raw_mode([name]) -> name: changes it, or tells it */
int conn_raw_mode(lua_State *L)
{
    static const char *const names[] = {"auto", "assist", "manual"};
    struct endpoint *endpoint = check_conn(L);
    if (!lua_isnoneornil(L, 2)) {
        enum tcp_mode mode = check_mode(L, luaL_checkstring(L, 2));
        tcp_set_mode(endpoint->tcp, mode, clock_now(&the_network(L)->clock));
        endpoint_serve(endpoint);
    }
    lua_pushstring(L, names[tcp_mode(endpoint->tcp)]);
    return 1;
}

/* raw_hook("out" | "in", on): whether datagrams in that direction wait for raw_held() */
int conn_raw_hook(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    puppet->hooked[luaL_checkoption(L, 2, NULL, directions)] = lua_toboolean(L, 3);
    return 0;
}

/* raw_watch(on): whether datagrams are copied for raw_seen() */
int conn_raw_watch(lua_State *L)
{
    check_puppet(L)->watched = lua_toboolean(L, 2);
    return 0;
}

static int push_datagram(lua_State *L, struct puppet *puppet, struct puppet_queue *queue)
{
    const struct puppet_datagram *d = queue->first;
    if (!d)
        return 0;
    const struct origin origin = {
        .time = d->time, .original = (uint32_t)d->length, .direction = directions[d->direction]};
    push_parsed(L, &proto_ip, d->bytes, d->length, &origin);
    free(puppet_take(puppet, queue));
    return 1;
}

/* raw_held("out" | "in") -> the packet that waits longest for a verdict | nothing */
int conn_raw_held(lua_State *L)
{
    struct puppet *puppet = check_conn(L)->puppet;
    int direction = luaL_checkoption(L, 2, NULL, directions);
    return puppet ? push_datagram(L, puppet, &puppet->held[direction]) : 0;
}

/* raw_seen() -> the next packet that was sent or came, how many could not be kept, and the state of
 * the connection after it | nothing */
int conn_raw_seen(lua_State *L)
{
    struct puppet *puppet = check_conn(L)->puppet;
    if (!puppet || !puppet->seen.first)
        return 0;
    enum tcp_state state = puppet->seen.first->state;
    push_datagram(L, puppet, &puppet->seen);
    lua_pushinteger(L, (lua_Integer)puppet->dropped);
    lua_pushstring(L, tcp_state_name(state));
    return 3;
}

/* raw_draft(flags) -> the packet with these flags (a number) that would fit the connection now */
int conn_raw_draft(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    uint8_t bytes[SEGMENT_HEADERS];
    struct segment segment;
    tcp_draft(endpoint->tcp, (uint16_t)luaL_checkinteger(L, 2), &segment,
              clock_now(&the_network(L)->clock));
    size_t length = segment_write(&segment, bytes, sizeof bytes);
    const struct origin origin = {.original = (uint32_t)length, .direction = "out"};
    push_parsed(L, &proto_ip, bytes, length, &origin);
    return 1;
}

static int push_done(lua_State *L, bool done, const struct error *err)
{
    if (!done)
        return push_failure(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* raw_transmit(bytes) -> true | nil, error: out, past the hook */
int conn_raw_transmit(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct error err;
    return push_done(L, puppet_transmit(puppet, (const uint8_t *)bytes, length, &err), &err);
}

/* raw_inject(bytes) -> true | nil, error: made by hand; the engine takes note of it */
int conn_raw_inject(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct error err;
    bool done = puppet_inject(puppet, (const uint8_t *)bytes, length, &err);
    endpoint_serve(puppet->endpoint);
    return push_done(L, done, &err);
}

/* raw_receive(bytes): in, past the hook */
int conn_raw_receive(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    puppet_receive(puppet, (const uint8_t *)bytes, length);
    return 0;
}
