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
        raise_mistake(L, "the connection's network is closed, or memory is short");
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

/* Where a datagram stands in its direction's sequence space: its first number and how many it takes
 * up; 0 for one that takes none, as an acknowledgement, a reset or an ICMP error. */
static uint32_t span_of(const struct packet *p, uint32_t *first)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct layer *layer = &p->layers[i];
        if (layer->proto == &proto_icmp || layer->proto == &proto_icmp6)
            return 0; /* what it quotes is no segment */
        if (layer->proto != &proto_tcp)
            continue;
        const uint8_t *header = p->bytes + layer->offset;
        if (layer->header < layer->proto->minimum || header[13] & TCP_RST)
            return 0;
        *first = get32(header + 4);
        uint32_t flags = (header[13] & TCP_SYN ? 1 : 0) + (header[13] & TCP_FIN ? 1 : 0);
        return layer->end - layer_payload(layer) + flags;
    }
    return 0;
}

/* [-0, +3, m] The oldest datagram: its packet, its first number and its span. */
static int push_datagram(lua_State *L, struct puppet *puppet, struct puppet_queue *queue)
{
    const struct puppet_datagram *d = queue->first;
    if (!d)
        return 0;
    const struct origin origin = {
        .time = d->time, .original = (uint32_t)d->length, .direction = directions[d->direction]};
    uint32_t first = 0;
    push_parsed(L, &proto_ip, d->bytes, d->length, &origin);
    uint32_t span = span_of(test_class(L, -1, CLASS_PACKET), &first);
    lua_pushinteger(L, first);
    lua_pushinteger(L, span);
    free(puppet_take(puppet, queue));
    return 3;
}

/* raw_held("out" | "in") -> the packet that waits longest for a verdict, its first number and its
 * span, whether there are more | nothing */
int conn_raw_held(lua_State *L)
{
    struct puppet *puppet = check_conn(L)->puppet;
    int direction = luaL_checkoption(L, 2, NULL, directions);
    if (!puppet || !push_datagram(L, puppet, &puppet->held[direction]))
        return 0;
    lua_pushboolean(L, puppet->held[direction].first != NULL);
    return 4;
}

/* raw_seen() -> the next packet that was sent or came, its first number and its span, how many
 * could not be kept, and the state of the connection after it | nothing */
int conn_raw_seen(lua_State *L)
{
    struct puppet *puppet = check_conn(L)->puppet;
    if (!puppet || !puppet->seen.first)
        return 0;
    enum tcp_state state = puppet->seen.first->state;
    push_datagram(L, puppet, &puppet->seen);
    lua_pushinteger(L, (lua_Integer)puppet->dropped);
    lua_pushstring(L, tcp_state_name(state));
    return 5;
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

/* [-0, +0, v] The bytes of the packet or of the string at index 2. */
static const uint8_t *check_bytes(lua_State *L, size_t *length)
{
    const struct packet *p = test_class(L, 2, CLASS_PACKET);
    if (!p)
        return (const uint8_t *)luaL_checklstring(L, 2, length);
    const struct part whole = {.packet = (struct packet *)p};
    p = part_packet(&whole);
    *length = p->size;
    return p->bytes;
}

/* raw_transmit(packet or bytes) -> true | nil, error: out, past the hook */
int conn_raw_transmit(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    size_t length;
    const uint8_t *bytes = check_bytes(L, &length);
    struct error err;
    return push_outcome(L, puppet_transmit(puppet, bytes, length, &err), &err);
}

/* raw_inject(packet or bytes) -> true | nil, error: made by hand; the engine takes note of it */
int conn_raw_inject(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    size_t length;
    const uint8_t *bytes = check_bytes(L, &length);
    struct error err;
    bool done = puppet_inject(puppet, bytes, length, &err);
    endpoint_serve(puppet->endpoint);
    return push_outcome(L, done, &err);
}

/* raw_receive(packet or bytes): in, past the hook */
int conn_raw_receive(lua_State *L)
{
    struct puppet *puppet = check_puppet(L);
    size_t length;
    const uint8_t *bytes = check_bytes(L, &length);
    puppet_receive(puppet, bytes, length);
    return 0;
}
