/* listener: a port that takes connections in: LISTEN of RFC 9293. Each SYN makes an endpoint, which
 * is handed out once its handshake is done. */
#include <stdlib.h>
#include <string.h>

#include "stack/demux.h"
#include "stack/stack.h"

/* Connections from a port do not keep it from listening (RFC 9293 MUST-42), and what guards it for
 * them does so for a listener. False if there are none, or if it has another owner. */
static bool join_connections(const struct stack *stack, uint16_t port, struct listener *listener)
{
    if (listener_find(stack, port))
        return false;
    for (const struct wire *w = stack->wires; w; w = w->next)
        if (w->port == port)
            return false;
    for (size_t i = 0; i < STACK_BUCKETS; i++)
        for (const struct endpoint *e = stack->buckets[i]; e; e = e->next)
            if (tcp_flow(e->tcp)->lport == port) {
                listener->port = port;
                listener->guard = guard_share(e->guard);
                return true;
            }
    return false;
}

struct listener *listener_open(struct network *network, const struct endpoint_options *options,
                               uint32_t backlog, struct error *err)
{
    if (!addresses_fit(&options->src, NULL, err))
        return NULL;
    struct stack *stack = stack_for(network, &options->src, NULL, err);
    if (!stack)
        return NULL;
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a listener");
        return NULL;
    }
    *listener = (struct listener){
        .source.kind = SOURCE_LISTENER, .stack = stack, .backlog = backlog, .options = *options};
    if (options->auth.kind != AUTH_NONE &&
        !(listener->auth = auth_new(&options->auth, &auth_digests, err))) {
        free(listener);
        return NULL;
    }
    if (!join_connections(stack, options->sport, listener) &&
        !stack_claim(stack, options->sport, &listener->port, &listener->guard, err)) {
        auth_free(listener->auth);
        free(listener);
        return NULL;
    }
    listener->next = stack->listeners;
    stack->listeners = listener;
    return listener;
}

struct listener *listener_find(const struct stack *stack, uint16_t port)
{
    struct listener *listener = stack->listeners;
    while (listener && listener->port != port)
        listener = listener->next;
    return listener;
}

/* It can be accepted, in the order in which the handshakes ended. */
static void opened(struct listener *listener, struct endpoint *endpoint)
{
    endpoint->established = true;
    endpoint->next_accept = NULL;
    listener->opening--;
    listener->ready++;
    if (listener->last)
        listener->last->next_accept = endpoint;
    else
        listener->first = endpoint;
    listener->last = endpoint;
    source_ready(listener->stack->network, &listener->source);
}

static void begin(struct listener *listener, const struct segment *syn, int64_t now)
{
    struct endpoint *endpoint = endpoint_accept(listener->stack, listener, syn, now);
    if (!endpoint)
        return;
    listener->opening++;
    /* Nobody but the script will answer the SYN, or it has its cookie. */
    if (listener->options.mode == TCP_MANUAL || endpoint->early)
        opened(listener, endpoint);
}

bool listener_input(struct listener *listener, const struct segment *segment, int64_t now)
{
    /* RFC 9293 3.10.7.2: a reset is ignored, an ACK is refused, a SYN opens, the rest is dropped.
     */
    if (segment->flags & TCP_RST)
        return true;
    if (segment->flags & TCP_ACK)
        return false;
    if (!(segment->flags & TCP_SYN))
        return true;
    uint32_t most = listener->backlog > LISTENER_OPENING ? listener->backlog : LISTENER_OPENING;
    if (listener->ready < listener->backlog && listener->opening < most)
        begin(listener, segment, now);
    return true; /* where there is no room the SYN is dropped: the peer tries again */
}

/* As in Linux: where the backlog is full, the segment that would open one more is as if lost. The
 * SYN-ACK is repeated, and so is what the peer sends; one of them finds room. */
void listener_segment(struct endpoint *endpoint, const struct segment *segment, int64_t now)
{
    struct listener *listener = endpoint->listener;
    if (listener->ready >= listener->backlog && !(segment->flags & TCP_RST))
        return;
    tcp_input(endpoint->tcp, segment, now);
    enum tcp_state state = tcp_state(endpoint->tcp);
    if (state != TCPS_SYN_RECEIVED && state != TCPS_CLOSED)
        opened(listener, endpoint);
}

void listener_lost(struct listener *listener)
{
    listener->opening--;
}

struct endpoint *listener_accept(struct listener *listener)
{
    struct endpoint *endpoint = listener->first;
    if (!endpoint)
        return NULL;
    listener->first = endpoint->next_accept;
    if (!listener->first)
        listener->last = NULL;
    listener->ready--;
    endpoint->listener = NULL;
    if (endpoint->stack)
        source_ready(endpoint->stack->network, &endpoint->source);
    return endpoint;
}

void listener_detach(struct listener *listener)
{
    struct stack *stack = listener->stack;
    for (size_t i = 0; i < STACK_BUCKETS; i++)
        for (struct endpoint *e = stack->buckets[i], *next; e; e = next) {
            next = e->next;
            if (e->listener == listener)
                endpoint_detach(e);
        }
    listener->first = listener->last = NULL;
    struct listener **at = &stack->listeners;
    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    source_forget(stack->network, &listener->source);
    guard_close(listener->guard);
    listener->guard = NULL;
    listener->stack = NULL;
}

void listener_free(struct listener *listener)
{
    if (listener->stack)
        listener_detach(listener);
    auth_free(listener->auth);
    explicit_bzero(&listener->options.auth, sizeof listener->options.auth);
    free(listener);
}
