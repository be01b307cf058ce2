/* endpoint: a connection in a stack: the engine, the port it holds, and the sentence in which it
 * failed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "stack/demux.h"
#include "stack/puppet.h"
#include "stack/stack.h"
#include "stack/trace.h"

const struct auth_ops auth_digests = {.md5 = md5, .hmac_sha1 = hmac_sha1, .aes_cmac = aes_cmac};

#define IP4_OVERHEAD 40
#define IP6_OVERHEAD 60
#define RESETS_FRESH (10 * NS_PER_MS)

static size_t bucket(const struct flow *flow)
{
    size_t last = addr_length(flow->remote.kind);
    uint32_t h = (uint32_t)flow->lport * 31 + flow->rport;
    h = h * 31 + flow->remote.bytes[last - 1] + (uint32_t)flow->remote.bytes[last - 2] * 256;
    return (h ^ h >> 8) % STACK_BUCKETS;
}

/* One that is closed is no connection any more, though a script still holds it and reads. */
struct endpoint *endpoint_find(struct stack *stack, const struct flow *flow)
{
    for (struct endpoint *e = stack->buckets[bucket(flow)]; e; e = e->next)
        if (tcp_state(e->tcp) != TCPS_CLOSED && flow_equal(tcp_flow(e->tcp), flow))
            return e;
    return NULL;
}

void endpoint_dirty(struct endpoint *endpoint)
{
    if (endpoint->dirty || !endpoint->stack)
        return;
    endpoint->dirty = true;
    endpoint->next_dirty = endpoint->stack->dirty;
    endpoint->stack->dirty = endpoint;
}

/* Takes it out of its stack's tables; what it holds of the host goes back. */
static void remove_from_stack(struct endpoint *endpoint)
{
    struct stack *stack = endpoint->stack;
    struct endpoint **at = &stack->buckets[bucket(tcp_flow(endpoint->tcp))];
    while (*at != endpoint)
        at = &(*at)->next;
    *at = endpoint->next;
    deadlines_remove(&stack->deadlines, &endpoint->deadline);
    stack->ports[tcp_flow(endpoint->tcp)->lport]--;
    if (endpoint->dirty) {
        at = &stack->dirty;
        while (*at != endpoint)
            at = &(*at)->next_dirty;
        *at = endpoint->next_dirty;
        endpoint->dirty = false;
    }
    if (endpoint->puppet)
        puppet_detach(endpoint->puppet);
    if (endpoint->early)
        stack->early--;
    endpoint->early = false;
    guard_close(endpoint->guard);
    endpoint->guard = NULL;
    endpoint->stack = NULL;
    source_forget(stack->network, &endpoint->source);
}

static void dispose(struct endpoint *endpoint)
{
    if (endpoint->stack)
        remove_from_stack(endpoint);
    puppet_free(endpoint->puppet);
    tcp_free(endpoint->tcp);
    auth_free(endpoint->auth);
    free(endpoint->error);
    free(endpoint->soft_error);
    free(endpoint);
}

void endpoint_end(struct endpoint *endpoint)
{
    tcp_abort(endpoint->tcp, clock_now(&endpoint->stack->network->clock));
    if (endpoint->orphan)
        dispose(endpoint);
    else
        remove_from_stack(endpoint);
}

/* --- failure ------------------------------------------------------------------------------------
 */

static const char *peer_text(const struct endpoint *endpoint, char text[static ADDR_TEXT + 10])
{
    const struct flow *flow = tcp_flow(endpoint->tcp);
    char host[ADDR_TEXT];
    addr_format(&flow->remote, host);
    snprintf(text, ADDR_TEXT + 10, flow->remote.kind == ADDR_IP6 ? "[%s]:%u" : "%s:%u", host,
             flow->rport);
    return text;
}

void endpoint_fail(struct endpoint *endpoint, enum error_kind kind, const char *code,
                   const char *format, ...)
{
    if (endpoint->failed)
        return;
    char sentence[300], peer[ADDR_TEXT + 10];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    endpoint->failed = true;
    endpoint->error = malloc(sizeof *endpoint->error);
    fail(endpoint->error, kind, code, "%s: %s", peer_text(endpoint, peer), sentence);
    tcp_abort(endpoint->tcp, clock_now(&endpoint->stack->network->clock));
    endpoint_dirty(endpoint);
}

/* What went wrong without ending the connection: the latest of it counts. */
static void note_trouble(struct endpoint *endpoint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note_trouble(struct endpoint *endpoint, const char *format, ...)
{
    char sentence[120];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    free(endpoint->soft_error);
    endpoint->soft_error = strdup(sentence);
}

/* Whether this host's kernel has sent resets since the connection began: the one thing that can be
 * known of it on raw IP sockets, which do not show what the kernel sends. */
static void blame_kernel(const struct endpoint *endpoint, struct error *err)
{
    int64_t now = endpoint->resets < 0 ? -1 : kernel_resets();
    if (now <= endpoint->resets)
        return;
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used,
             "; this host's kernel sent %lld reset%s meanwhile, so it may not have been the peer",
             (long long)(now - endpoint->resets), now - endpoint->resets == 1 ? "" : "s");
}

const struct error *endpoint_error(struct endpoint *endpoint)
{
    static const struct error no_memory = {
        ERROR_ENVIRONMENT, "ENOMEM", "a connection failed, and there is no memory left to say why"};
    if (!endpoint->failed && tcp_reason(endpoint->tcp) == TCP_FINE)
        return NULL;
    if (!endpoint->failed)
        endpoint->error = malloc(sizeof *endpoint->error);
    if (!endpoint->error)
        return &no_memory;
    if (endpoint->failed)
        return endpoint->error;
    char peer[ADDR_TEXT + 10];
    struct error *err = endpoint->error;
    const char *soft = endpoint->soft_error;
    peer_text(endpoint, peer);
    switch (tcp_reason(endpoint->tcp)) {
    case TCP_FINE:
    case TCP_REFUSED:
        fail(err, ERROR_NETWORK, "ECONNREFUSED", "connection refused by %s", peer);
        blame_kernel(endpoint, err);
        break;
    case TCP_RESET:
        fail(err, ERROR_NETWORK, "ECONNRESET", "connection reset by %s", peer);
        blame_kernel(endpoint, err);
        break;
    case TCP_TIMED_OUT:
        if (soft)
            fail(err, ERROR_NETWORK, "EHOSTUNREACH", "no answer from %s; last heard: %s", peer,
                 soft);
        else
            fail(err, ERROR_NETWORK, "ETIMEDOUT", "no answer from %s; gave up sending", peer);
        break;
    case TCP_UNREACHABLE:
        fail(err, ERROR_NETWORK, "EHOSTUNREACH", "%s cannot be reached: %s", peer,
             soft ? soft : "an ICMP error said so");
        break;
    case TCP_ABORTED:
        fail(err, ERROR_NETWORK, "ECONNABORTED", "the connection to %s was aborted by this side",
             peer);
        break;
    }
    endpoint->failed = true;
    return err;
}

/* --- at work ------------------------------------------------------------------------------------
 */

/* The wire refused a segment. While opening there is nothing to lose, and the reason is fresh; once
 * open, a segment that did not leave is a lost one, and timers deal with those. */
static void send_failed(struct endpoint *endpoint, const struct error *why)
{
    if (tcp_state(endpoint->tcp) == TCPS_SYN_SENT) {
        endpoint_fail(endpoint, why->kind, why->code, "%s", why->message);
    } else {
        note_trouble(endpoint, "%s", why->message);
    }
}

/* The interface carries less than it did when the connection began: what could not leave goes in
 * smaller pieces, as it does after an ICMP error of a router. False if they are small already. */
static bool shrink(struct endpoint *endpoint, uint32_t seq, size_t length, int64_t now)
{
    struct tcp_info before, after;
    struct addr hop;
    uint32_t mtu;
    if (!stack_hop(endpoint->stack, &tcp_flow(endpoint->tcp)->remote, &hop, &mtu, NULL, NULL) ||
        mtu >= length)
        mtu = 0; /* it does not say */
    tcp_info(endpoint->tcp, &before);
    tcp_path_mtu(endpoint->tcp, seq, mtu, now);
    tcp_info(endpoint->tcp, &after);
    return after.snd_mss < before.snd_mss;
}

/* One that a script has strings on: they see each segment by itself before it leaves. */
static struct outbox_result send_watched(struct endpoint *endpoint, const struct segment *segment,
                                         int64_t now, struct error *err)
{
    struct stack *stack = endpoint->stack;
    struct puppet *puppet = endpoint->puppet;
    uint8_t *ip = stack->frame + STACK_ETHER;
    size_t length = auth_write(endpoint->auth, segment, ip, sizeof stack->frame - STACK_ETHER);
    struct outbox_result result = {.sent = true, .seq = segment->seq, .length = length};
    if (length == 0 || puppet_holds(puppet, ip, length))
        return result;
    puppet_sent(puppet, ip, length);
    result.sent = stack_transmit(stack, &endpoint->hop, length, now, err);
    return result;
}

static void send_all(struct endpoint *endpoint, int64_t now)
{
    struct stack *stack = endpoint->stack;
    struct outbox_result result = {.sent = true};
    struct segment segment;
    struct error err;
    while (result.sent && tcp_output(endpoint->tcp, &segment, now)) {
        if (endpoint->puppet) {
            result = send_watched(endpoint, &segment, now, &err);
        } else if (!outbox_add(&stack->outbox, endpoint, &segment)) {
            result = outbox_send(stack, &endpoint->hop, now, &err);
            outbox_add(&stack->outbox, endpoint, &segment);
        }
    }
    if (result.sent)
        result = outbox_send(stack, &endpoint->hop, now, &err);
    if (result.sent)
        return;
    stack->outbox.count = stack->outbox.used = 0;
    while (tcp_output(endpoint->tcp, &segment, now))
        ; /* one reason is enough, not one for each segment */
    if (strcmp(err.code, "EMSGSIZE") == 0 && shrink(endpoint, result.seq, result.length, now))
        endpoint_dirty(endpoint);
    else
        send_failed(endpoint, &err);
}

/* A SYN with a Fast Open option was answered, or a later one without. */
static void learn_cookie(struct endpoint *endpoint, int64_t now)
{
    struct tcp_info info;
    tcp_info(endpoint->tcp, &info);
    cookie_keep(&endpoint->stack->network->cookies, tcp_flow(endpoint->tcp),
                tcp_cookie(endpoint->tcp), info.retransmits > 0, now);
}

/* What was written so far may not have left yet: it does before the reset. */
static void reset(struct endpoint *endpoint, int64_t now)
{
    send_all(endpoint, now);
    tcp_abort(endpoint->tcp, now);
    send_all(endpoint, now);
}

void endpoint_step(struct endpoint *endpoint, int64_t now)
{
    struct stack *stack = endpoint->stack;
    send_all(endpoint, now);
    deadlines_move(&stack->deadlines, &endpoint->deadline, tcp_deadline(endpoint->tcp));
    unsigned events = tcp_events(endpoint->tcp);
    enum tcp_state state = tcp_state(endpoint->tcp);
    if (endpoint->early && state != TCPS_SYN_RECEIVED) {
        endpoint->early = false;
        stack->early--;
    }
    if (endpoint->asks && events & TCP_EVENT_OPEN)
        learn_cookie(endpoint, now);
    if (stack->network->trace && !stack->unseen && state != endpoint->traced) {
        endpoint->traced = state;
        trace_state(stack->network->trace, tcp_flow(endpoint->tcp), state,
                    clock_wall(&stack->network->clock));
    }
    if (stack->network->trace && events & TCP_EVENT_STALLED)
        trace_stalled(stack->network->trace, tcp_flow(endpoint->tcp),
                      clock_wall(&stack->network->clock));
    if (endpoint->listener) {
        if (state == TCPS_CLOSED && !endpoint->established) {
            listener_lost(endpoint->listener);
            dispose(endpoint);
        }
    } else if (endpoint->orphan) {
        if (state == TCPS_CLOSED)
            dispose(endpoint);
    } else if (events) {
        source_ready(stack->network, &endpoint->source);
    }
}

void endpoint_serve(struct endpoint *endpoint)
{
    if (!endpoint->stack)
        return;
    struct network *network = endpoint->stack->network;
    endpoint_dirty(endpoint);
    if (endpoint->puppet || !network_has_news(network))
        stack_serve(endpoint->stack, clock_now(&network->clock));
}

void endpoint_abort(struct endpoint *endpoint)
{
    if (!endpoint->stack)
        return;
    reset(endpoint, clock_now(&endpoint->stack->network->clock));
    endpoint_serve(endpoint);
}

void endpoint_icmp(struct endpoint *endpoint, const struct icmp_error *icmp, int64_t now)
{
    bool plausible = icmp->too_big ? tcp_path_mtu(endpoint->tcp, icmp->seq, icmp->mtu, now)
                                   : tcp_unreachable(endpoint->tcp, icmp->seq, icmp->hard, now);
    if (!plausible)
        return;
    char from[ADDR_TEXT];
    note_trouble(endpoint, "%s (ICMP from %s)", icmp->text, addr_format(&icmp->from, from));
    endpoint_dirty(endpoint);
}

void endpoint_neighbour(struct endpoint *endpoint)
{
    struct stack *stack = endpoint->stack;
    if (!neighbour_silent(&stack->neighbours, &endpoint->hop))
        return;
    char hop[ADDR_TEXT];
    const char *asked = endpoint->hop.kind == ADDR_IP4 ? "ARP" : "neighbour discovery";
    addr_format(&endpoint->hop, hop);
    if (tcp_state(endpoint->tcp) == TCPS_SYN_SENT) {
        const char *iface = stack->link->iface;
        endpoint_fail(endpoint, ERROR_NETWORK, "EHOSTUNREACH", "no answer to %s for %s%s%s", asked,
                      hop, iface[0] ? " on " : "", iface);
    } else {
        note_trouble(endpoint, "no answer to %s for %s", asked, hop);
    }
}

/* --- beginning and end --------------------------------------------------------------------------
 */

/* With Fast Open if there is a `cookie`. */
static struct endpoint *endpoint_new(struct stack *stack, const struct endpoint_options *options,
                                     const struct flow *flow, const struct tcp_cookie *cookie,
                                     uint32_t mtu, struct error *err)
{
    uint32_t iss, offset;
    if (!network_isn(stack->network, flow, &iss, err) ||
        !network_timestamp(stack->network, flow, &offset, err))
        return NULL;
    uint32_t overhead = flow->local.kind == ADDR_IP4 ? IP4_OVERHEAD : IP6_OVERHEAD;
    uint32_t mss = mtu > 65535 ? 65535 - overhead : mtu < overhead + 64 ? 64 : mtu - overhead;
    struct tcp_config config = options->tcp;
    config.flow = *flow;
    config.iss = iss;
    config.ts_offset = offset;
    config.signature = auth_overhead(&options->auth);
    config.fast_open = cookie;
    if (cookie)
        config.cookie = *cookie;
    if (config.mss == 0 || config.mss > mss)
        config.mss = (uint16_t)mss;
    struct auth *auth = NULL;
    if (options->auth.kind != AUTH_NONE && !(auth = auth_new(&options->auth, &auth_digests, err)))
        return NULL;
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    struct tcp *tcp = endpoint ? tcp_new(&config) : NULL;
    if (!tcp || !deadlines_add(&stack->deadlines, &endpoint->deadline)) {
        tcp_free(tcp);
        auth_free(auth);
        free(endpoint);
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a connection");
        return NULL;
    }
    endpoint->source.kind = SOURCE_ENDPOINT;
    endpoint->stack = stack;
    endpoint->tcp = tcp;
    endpoint->auth = auth;
    endpoint->gso = options->gso;
    endpoint->resets = -1;
    stack->ports[flow->lport]++;
    size_t i = bucket(flow);
    endpoint->next = stack->buckets[i];
    stack->buckets[i] = endpoint;
    return endpoint;
}

/* The kernel's count of resets as a connection begins. Reading it costs as much as a handshake, so
 * connections that begin close together share it. */
static int64_t resets_before(struct stack *stack, int64_t now)
{
    if (stack->resets_read == 0 || now - stack->resets_read > RESETS_FRESH) {
        stack->resets = kernel_resets();
        stack->resets_read = now;
    }
    return stack->resets;
}

/* A connection that a script watches or drives, from its first segment on. Without memory for the
 * strings it is one like any other, and says so when somebody pulls them. */
static void give_strings(struct endpoint *endpoint, const struct endpoint_options *options)
{
    struct puppet *puppet = options->watched ? puppet_of(endpoint) : NULL;
    if (puppet)
        puppet->watched = true;
    tcp_set_mode(endpoint->tcp, options->mode, clock_now(&endpoint->stack->network->clock));
}

struct endpoint *endpoint_connect(struct network *network, const struct endpoint_options *options,
                                  struct error *err)
{
    if (!addresses_fit(&options->src, &options->dst, err))
        return NULL;
    struct stack *stack = stack_for(network, &options->src, &options->dst, err);
    if (!stack)
        return NULL;
    struct flow flow = {.local = options->src, .remote = options->dst, .rport = options->dport};
    struct addr hop;
    struct route route;
    uint32_t mtu;
    if (!stack_way(stack, &options->dst, &hop, &mtu, &route, err))
        return NULL;
    if (route.broadcast) {
        char text[ADDR_TEXT];
        fail(err, ERROR_USAGE, "EINVAL", "destination %s is a broadcast address",
             addr_format(&options->dst, text));
        return NULL;
    }
    struct guard *guard;
    if (!stack_claim(stack, options->sport, &flow.lport, &guard, err))
        return NULL;
    struct tcp_cookie cookie;
    bool asks = options->tcp.fast_open;
    if (options->tcp.cookie.length > 0)
        cookie = options->tcp.cookie;
    else
        asks = asks && cookie_find(&network->cookies, &flow, clock_now(&network->clock), &cookie);
    struct endpoint *endpoint =
        endpoint_new(stack, options, &flow, asks ? &cookie : NULL, mtu, err);
    if (!endpoint) {
        guard_close(guard);
        return NULL;
    }
    endpoint->asks = asks;
    endpoint->guard = guard;
    endpoint->hop = hop;
    if (stack->host_address && !route.local)
        endpoint->resets = resets_before(stack, clock_now(&network->clock));
    tcp_connect(endpoint->tcp, clock_now(&network->clock));
    give_strings(endpoint, options);
    tcp_write(endpoint->tcp, options->data, options->length);
    endpoint_serve(endpoint);
    return endpoint;
}

struct endpoint *endpoint_accept(struct stack *stack, struct listener *listener,
                                 const struct segment *syn, int64_t now)
{
    struct flow flow = {
        .local = syn->dst, .remote = syn->src, .lport = syn->dport, .rport = syn->sport};
    struct addr hop;
    uint32_t mtu;
    if (!stack_way(stack, &syn->src, &hop, &mtu, NULL, NULL))
        return NULL;
    struct tcp_cookie cookie;
    bool early = listener->options.tcp.fast_open && stack->early < listener->backlog &&
                 network_cookie(stack->network, &flow, &cookie);
    struct endpoint *endpoint =
        endpoint_new(stack, &listener->options, &flow, early ? &cookie : NULL, mtu, NULL);
    if (!endpoint)
        return NULL;
    endpoint->hop = hop;
    endpoint->listener = listener;
    endpoint->guard = guard_share(listener->guard); /* a connection outlives its listener */
    auth_heard(endpoint->auth, syn);
    tcp_accept(endpoint->tcp, syn, now);
    endpoint->early = tcp_is_early(endpoint->tcp);
    stack->early += endpoint->early;
    give_strings(endpoint, &listener->options);
    const struct arrival *a = &stack->arrival;
    if (endpoint->puppet && a->bytes)
        puppet_input(stack, &flow, a->bytes, a->length, a->time);
    endpoint_dirty(endpoint);
    return endpoint;
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint->stack) {
        struct stack *stack = endpoint->stack;
        enum tcp_state state = tcp_state(endpoint->tcp);
        if (endpoint->puppet)
            puppet_let_go(endpoint->puppet);
        source_forget(stack->network, &endpoint->source);
        if (state == TCPS_TIME_WAIT) {
            endpoint->orphan = true;
            return;
        }
        reset(endpoint, clock_now(&stack->network->clock));
    }
    dispose(endpoint);
}

void endpoint_detach(struct endpoint *endpoint)
{
    struct stack *stack = endpoint->stack;
    int64_t now = clock_now(&stack->network->clock);
    enum tcp_state state = tcp_state(endpoint->tcp);
    if (endpoint->puppet)
        puppet_let_go(endpoint->puppet);
    if (state == TCPS_TIME_WAIT)
        send_all(endpoint, now);
    else
        reset(endpoint, now);
    if (endpoint->orphan || endpoint->listener)
        dispose(endpoint);
    else
        remove_from_stack(endpoint);
}
