/* stack: see stack.h. Here: which wire, what comes in, what goes out, which ports are ours. */
#include "stack/stack.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "host/lab.h"
#include "link/hub.h"
#include "stack/demux.h"
#include "stack/icmp.h"
#include "stack/puppet.h"

#define RECEIVE_BUDGET    512 /* frames taken in before timers and sending get their turn */
#define REFUSALS_A_SECOND 100

/* --- which wire ---------------------------------------------------------------------------------
 */

/* A stack on `link` as it is. */
static struct stack *put_stack(struct network *network, struct link *link, struct error *err)
{
    struct stack *stack = calloc(1, sizeof *stack);
    if (!stack) {
        link_close(link);
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a stack");
        return NULL;
    }
    stack->network = network;
    stack->link = link;
    stack->number = ++network->made;
    stack->next = network->stacks;
    network->stacks = stack;
    return stack;
}

/* The same, seen by -v and -w; `link` may be NULL, with `err` filled. */
static struct stack *add_stack(struct network *network, struct link *link, struct error *err)
{
    link = network_wrap(network, link, err);
    return link ? put_stack(network, link, err) : NULL;
}

struct stack *stack_attach(struct network *network, struct link *link, const struct addr *local,
                           bool unseen, struct error *err)
{
    struct stack *stack = unseen ? put_stack(network, link, err) : add_stack(network, link, err);
    if (stack) {
        stack->unseen = unseen;
        stack->attached = true;
        if (local)
            stack->local = *local;
    }
    return stack;
}

void stack_route(struct stack *stack, uint8_t bits, const struct addr *gateway)
{
    stack->bits = bits;
    stack->gateway = *gateway;
}

void stack_detach(struct network *network, uint64_t number)
{
    struct stack *stack = network->stacks;
    while (stack && stack->number != number)
        stack = stack->next;
    if (!stack)
        return;
    network->closed++;
    stack_free(stack);
}

/* The interface `name`, which must exist and be up; "" gives one with index 0. */
static bool chosen_iface(const char *name, struct iface *iface, struct error *err)
{
    *iface = (struct iface){.index = 0};
    if (!name[0])
        return true;
    if (!iface_by_name(name, iface, err))
        return false;
    if (!iface->up)
        return fail(err, ERROR_ENVIRONMENT, "ENETDOWN",
                    "interface %s is down; bring it up with 'ip link set %s up'", iface->name,
                    iface->name);
    return true;
}

/* The lab's interface, if there is a lab; to a loopback address no wire leads. */
static bool lab_iface(const struct network *network, const struct addr *dst, struct iface *iface,
                      struct error *err)
{
    return chosen_iface(dst && addr_is_loopback(dst) ? "" : network->options.lab, iface, err);
}

/* SRC is nobody's address here: the interface on the way to `dst`, unless there is one already. */
static bool foreign_iface(struct network *network, const struct addr *src, const struct addr *dst,
                          struct iface *iface, struct error *err)
{
    char text[ADDR_TEXT];
    struct route route;
    if (iface->index == 0 && !lab_iface(network, dst, iface, err))
        return false;
    if (iface->index != 0)
        return true;
    addr_format(src, text);
    if (!dst)
        return fail(err, ERROR_USAGE, "EADDRNOTAVAIL",
                    "%s is not an address of this host; name the interface it should appear on "
                    "with -i",
                    text);
    if (!route_get(dst, NULL, 0, &route, err) || !iface_by_index(route.ifindex, iface, err))
        return false;
    if (route.local || iface->loopback)
        return fail(err, ERROR_USAGE, "EADDRNOTAVAIL",
                    "%s is not an address of this host, but the destination is: choose a source "
                    "address of this host, or the interface with -i",
                    text);
    return true;
}

/* There the packet socket of that interface is the wire. */
static struct stack *open_foreign(struct network *network, const struct addr *src,
                                  const struct addr *dst, struct iface *iface, struct error *err)
{
    if (!foreign_iface(network, src, dst, iface, err))
        return NULL;
    struct stack *stack = add_stack(network, link_open_packet(iface->name, NULL, err), err);
    if (stack)
        stack->ifindex = iface->index;
    return stack;
}

/* In a simulated network addresses appear at the script's own host, if it has one. */
static struct stack *open_simulated(struct network *network, const struct addr *src,
                                    struct error *err)
{
    char text[ADDR_TEXT];
    if (!network->home.host) {
        fail(err, ERROR_USAGE, "EADDRNOTAVAIL", "the simulation has no link with the address %s",
             addr_format(src, text));
        return NULL;
    }
    struct link *link = hub_link(network->home.host, src, err);
    return link ? stack_attach(network, link, src, false, err) : NULL;
}

struct stack *stack_for(struct network *network, const struct addr *src, const struct addr *dst,
                        struct error *err)
{
    struct stack *spare = NULL;
    for (struct stack *stack = network->stacks; stack; stack = stack->next) {
        if (stack->dead || stack->exact)
            continue;
        if (stack->local.kind != ADDR_NONE && addr_equal(&stack->local, src))
            return stack;
        if (stack->local.kind == ADDR_NONE)
            spare = stack;
    }
    if (spare) {
        spare->local = *src;
        return spare;
    }
    if (network->clock.virtual)
        return open_simulated(network, src, err);
    struct iface iface;
    if (!chosen_iface(network->options.iface, &iface, err))
        return NULL;
    struct stack *stack;
    if (addr_is_local(src)) {
        stack = add_stack(network, link_open_raw(src, iface.index, err), err);
        if (stack) {
            stack->host_address = true;
            stack->ifindex = iface.index;
        }
    } else {
        stack = open_foreign(network, src, dst, &iface, err);
    }
    if (stack)
        stack->local = *src;
    return stack;
}

/* The interface for stack_exact(): the one that was named, else the one on the way. */
static bool exact_iface(struct network *network, const char *name, const struct addr *src,
                        const struct addr *dst, struct iface *iface, struct error *err)
{
    struct route route;
    bool owned = addr_is_local(src) && !addr_is_zero(src) && !addr_is_loopback(src);
    if (!chosen_iface(name[0] ? name : network->options.iface, iface, err))
        return false;
    if (iface->index == 0 && !owned && !lab_iface(network, dst, iface, err))
        return false;
    return iface->index || (route_get(dst, owned ? src : NULL, 0, &route, err) &&
                            iface_by_index(route.ifindex, iface, err));
}

struct stack *stack_exact(struct network *network, const char *name, const struct addr *src,
                          const struct addr *dst, struct error *err)
{
    struct iface iface;
    char text[ADDR_TEXT];
    if (network->clock.virtual) {
        fail(err, ERROR_USAGE, "EOPNOTSUPP", "a simulation has no interfaces of this host");
        return NULL;
    }
    if (!exact_iface(network, name, src, dst, &iface, err))
        return NULL;
    if (iface.loopback) {
        fail(err, ERROR_USAGE, "EOPNOTSUPP",
             "%s is an address of this host, to which frames made by hand do not lead",
             addr_format(dst, text));
        return NULL;
    }
    for (struct stack *stack = network->stacks; stack; stack = stack->next)
        if (stack->exact && !stack->dead && stack->ifindex == iface.index &&
            addr_equal(&stack->local, src))
            return stack;
    struct link *link = link_open_packet(iface.name, "arp or icmp6", err);
    struct stack *stack = link ? add_stack(network, link, err) : NULL;
    if (!stack)
        return NULL;
    stack->local = *src;
    stack->ifindex = iface.index;
    stack->exact = true;
    stack->host_address = addr_is_local(src);
    stack->neighbours.quiet = stack->host_address;
    return stack;
}

/* The address of the lab's kernel end becomes that of ours, unless that is asked for. */
static bool our_end(const struct addr *dst, struct addr *src, struct error *err)
{
    bool ip4 = src->kind == ADDR_IP4;
    struct addr kernel, ours;
    if (!addr_parse(&kernel, ip4 ? LAB_DST : LAB_DST6, "address", err) ||
        !addr_parse(&ours, ip4 ? LAB_SRC : LAB_SRC6, "address", err))
        return false;
    if (addr_equal(src, &kernel) && !addr_equal(dst, &ours))
        *src = ours;
    return true;
}

bool network_source(struct network *network, const struct addr *dst, struct addr *src,
                    struct error *err)
{
    if (network->home.host) {
        *src = dst->kind == ADDR_IP4 ? network->home.ip4 : network->home.ip6;
        return true;
    }
    for (struct stack *stack = network->stacks; stack; stack = stack->next)
        if (stack->attached && stack->bits == 0 && stack->local.kind == dst->kind &&
            !addr_equal(&stack->local, dst)) {
            *src = stack->local;
            return true;
        }
    struct route route;
    if (!route_get(dst, NULL, 0, &route, err))
        return false;
    *src = route.source;
    return !network->options.lab[0] || network->options.iface[0] || our_end(dst, src, err);
}

static bool port_taken(const struct stack *stack, uint16_t port)
{
    for (const struct listener *l = stack->listeners; l; l = l->next)
        if (l->port == port)
            return true;
    for (const struct wire *w = stack->wires; w; w = w->next)
        if (w->port == port)
            return true;
    return stack->ports[port] > 0;
}

bool network_claimed(const struct network *network, const struct addr *addr, uint16_t port)
{
    for (const struct stack *stack = network->stacks; stack; stack = stack->next)
        if (addr_equal(&stack->local, addr) && port_taken(stack, port))
            return true;
    return false;
}

bool network_way(struct network *network, const struct addr *src, const struct addr *dst,
                 struct iface *iface, bool *broadcast, struct error *err)
{
    struct route route;
    *broadcast = false;
    if (!chosen_iface(network->options.iface, iface, err))
        return false;
    if (!addr_is_local(src))
        return foreign_iface(network, src, dst, iface, err);
    if (!route_get(dst, src, iface->index, &route, err))
        return false;
    *broadcast = route.broadcast;
    return iface_by_index(route.ifindex, iface, err);
}

static bool one_host(const char *what, const struct addr *addr, struct error *err)
{
    char text[ADDR_TEXT];
    if (!addr_is_multicast(addr) && !addr_is_broadcast(addr) && !addr_is_zero(addr))
        return true;
    return fail(err, ERROR_USAGE, "EINVAL", "%s %s is not the address of one host", what,
                addr_format(addr, text));
}

bool addresses_fit(const struct addr *src, const struct addr *dst, struct error *err)
{
    char s[ADDR_TEXT], d[ADDR_TEXT];
    if (dst && src->kind != dst->kind)
        return fail(err, ERROR_USAGE, "EAFNOSUPPORT",
                    "source %s and destination %s are not of one family; take two IPv4 or two IPv6 "
                    "addresses",
                    addr_format(src, s), addr_format(dst, d));
    return one_host(dst ? "source" : "address", src, err) &&
           (!dst || one_host("destination", dst, err));
}

void stack_free(struct stack *stack)
{
    struct network *network = stack->network;
    while (stack->wires)
        wire_detach(stack->wires);
    while (stack->listeners)
        listener_detach(stack->listeners);
    for (size_t i = 0; i < STACK_BUCKETS; i++)
        while (stack->buckets[i])
            endpoint_detach(stack->buckets[i]);
    neighbour_clear(&stack->neighbours);
    reassembly_clear(&stack->reassembly);
    deadlines_free(&stack->deadlines);
    link_close(stack->link);
    struct stack **at = &network->stacks;
    while (*at != stack)
        at = &(*at)->next;
    *at = stack->next;
    free(stack);
}

/* --- routes and ports ---------------------------------------------------------------------------
 */

bool stack_hop(struct stack *stack, const struct addr *dst, struct addr *hop, uint32_t *mtu,
               struct route *route, struct error *err)
{
    struct route found = {.ifindex = 0};
    *hop = *dst;
    *mtu = stack->link->mtu;
    if (stack->gateway.kind == dst->kind && !addr_is_broadcast(dst) && !addr_is_multicast(dst) &&
        !addr_same_prefix(&stack->local, dst, stack->bits))
        *hop = stack->gateway;
    if (!stack->attached) {
        bool routed = stack->host_address && !stack->exact;
        bool anywhere = addr_is_zero(&stack->local) || addr_is_loopback(&stack->local);
        bool from =
            stack->host_address && (routed || !anywhere); /* else the routing table objects */
        const struct addr *src = from ? &stack->local : NULL;
        struct error why;
        if (route_get(dst, src, stack->ifindex, &found, &why)) {
            if (found.mtu)
                *mtu = found.mtu;
            if (!found.local && found.gateway.kind != ADDR_NONE)
                *hop = found.gateway;
            if (found.broadcast && hop->kind == ADDR_IP4)
                memset(hop->bytes, 0xff, 4);
        } else if (why.kind == ERROR_ENVIRONMENT || (routed && !addr_is_loopback(&stack->local))) {
            if (err)
                *err = why;
            return false;
        } else if (routed) {
            char here[ADDR_TEXT], there[ADDR_TEXT];
            return fail(err, ERROR_NETWORK, "ENETUNREACH",
                        "%s cannot reach %s: a loopback address stays on this host",
                        addr_format(&stack->local, here), addr_format(dst, there));
        } else {
            /* SRC is on this interface by our word alone, and so is whom it can reach. */
            found = (struct route){.ifindex = stack->ifindex};
        }
        struct addr mac;
        if (stack->link->medium == LINK_ETHERNET && !addr_is_broadcast(hop) &&
            !addr_is_multicast(hop) && neigh_get(stack->ifindex, hop, &mac))
            neighbour_set(&stack->neighbours, hop, &mac, clock_now(&stack->network->clock));
    }
    if (route)
        *route = found;
    return true;
}

static struct way *way_of(struct stack *stack, const struct addr *dst)
{
    size_t last = addr_length(dst->kind) - 1;
    return &stack->ways[(dst->bytes[last] ^ dst->bytes[last - 1]) % WAYS];
}

bool stack_way(struct stack *stack, const struct addr *dst, struct addr *hop, uint32_t *mtu,
               struct route *route, struct error *err)
{
    struct way *way = way_of(stack, dst);
    int64_t now = clock_now(&stack->network->clock);
    if (stack->attached)
        return stack_hop(stack, dst, hop, mtu, route, err);
    if (way->asked == 0 || now - way->asked > WAY_FRESH || !addr_equal(&way->dst, dst) ||
        way->dst.scope != dst->scope) {
        way->asked = 0;
        if (!stack_hop(stack, dst, &way->hop, &way->mtu, &way->route, err))
            return false;
        way->asked = now;
        way->dst = *dst;
    }
    *hop = way->hop;
    *mtu = way->mtu;
    if (route)
        *route = way->route;
    return true;
}

/* A free port of the dynamic range, unpredictable (RFC 6056 3.3.1). */
static bool random_port(struct stack *stack, uint16_t *port, struct error *err)
{
    enum { LOW = 32768, COUNT = 28232 };
    uint16_t bits;
    if (!network_random(stack->network, &bits, sizeof bits, err))
        return false;
    for (unsigned i = 0; i < COUNT; i++) {
        *port = (uint16_t)(LOW + (bits + i) % COUNT);
        if (!port_taken(stack, *port))
            return true;
    }
    return fail(err, ERROR_ENVIRONMENT, "EADDRNOTAVAIL", "every dynamic port is taken");
}

bool stack_claim(struct stack *stack, uint16_t port, uint16_t *claimed, struct guard **guard,
                 struct error *err)
{
    *guard = NULL;
    *claimed = port;
    if (port && port_taken(stack, port)) {
        char text[ADDR_TEXT];
        return fail(err, ERROR_ENVIRONMENT, "EADDRINUSE", "port %u of %s is already in use", port,
                    addr_format(&stack->local, text));
    }
    if (stack->host_address) {
        struct error why;
        *guard = guard_open(&stack->local, port, GUARD_ALL, &why);
        if (*guard) {
            *claimed = guard_port(*guard);
        } else if (!stack->network->options.no_guard || strcmp(why.code, "EPERM") != 0) {
            if (err)
                *err = why;
            return false;
        }
    }
    if (*claimed == 0 && !random_port(stack, claimed, err))
        return false;
    uint16_t low = stack->port_low, high = stack->port_high;
    if (low == 0 || *claimed < low)
        low = *claimed;
    if (*claimed > high)
        high = *claimed;
    if (low != stack->port_low || high != stack->port_high) {
        if (!link_ports(stack->link, low, high, err)) {
            guard_close(*guard);
            *guard = NULL;
            return false;
        }
        stack->port_low = low;
        stack->port_high = high;
    }
    return true;
}

/* --- out ----------------------------------------------------------------------------------------
 */

bool stack_transmit(struct stack *stack, const struct addr *hop, size_t length, int64_t now,
                    struct error *err)
{
    if (stack->dead) {
        if (err)
            *err = stack->error;
        return false;
    }
    if (stack->link->medium == LINK_ETHERNET)
        return neighbour_send(&stack->neighbours, stack->link, &stack->local, hop, stack->frame,
                              STACK_ETHER + length, now, err);
    struct frame frame = {
        .bytes = stack->frame + STACK_ETHER, .length = length, .original = length};
    return link_send(stack->link, &frame, err);
}

/* A segment for nobody draws a reset, signed as the segment was. */
static void refuse(struct stack *stack, const struct segment *segment, struct auth *auth,
                   int64_t now)
{
    struct segment rst;
    struct addr hop;
    uint32_t mtu;
    if (now - stack->refuse_window >= NS_PER_S) {
        stack->refuse_window = now;
        stack->refused = 0;
    }
    if (stack->refused >= REFUSALS_A_SECOND || !tcp_refuse(segment, &rst))
        return;
    stack->refused++;
    size_t length = auth_write(auth, &rst, stack->frame + STACK_ETHER, 65535);
    if (length && stack_hop(stack, &segment->src, &hop, &mtu, NULL, NULL))
        stack_transmit(stack, &hop, length, now, NULL);
}

/* --- in -----------------------------------------------------------------------------------------
 */

/* Whose a datagram is, as far as a wire or a puppet must know it: judged by nobody, so only what is
 * needed to find the ports is looked at. An ICMP error belongs to the flow that it quotes. */
static bool peek_flow(const struct stack *stack, const uint8_t *ip, size_t length,
                      struct flow *flow)
{
    struct icmp_error icmp;
    size_t header;
    if (length >= 20 && ip[0] >> 4 == 4 && ip[9] == 6) {
        header = (size_t)(ip[0] & 15) * 4;
        flow->remote = addr_from(ADDR_IP4, ip + 12);
        flow->local = addr_from(ADDR_IP4, ip + 16);
    } else if (length >= 40 && ip[0] >> 4 == 6 && ip[6] == 6) {
        header = 40;
        flow->remote = addr_from(ADDR_IP6, ip + 8);
        flow->local = addr_from(ADDR_IP6, ip + 24);
    } else if (icmp_read(&icmp, ip, length)) {
        *flow = icmp.flow;
        return true;
    } else {
        return false;
    }
    if (length < header + 4)
        return false;
    flow->remote.scope = stack->local.scope;
    flow->rport = get16(ip + header);
    flow->lport = get16(ip + header + 2);
    return true;
}

static bool to_wire(struct stack *stack, const struct flow *flow, const uint8_t *ip, size_t length,
                    int64_t time)
{
    if (!addr_equal(&flow->local, &stack->local))
        return false;
    for (struct wire *wire = stack->wires; wire; wire = wire->next)
        if (wire->port == flow->lport) {
            wire_deliver(wire, ip, length, time);
            return true;
        }
    return false;
}

/* Whether a script takes it, before anybody has judged it. */
static bool to_script(struct stack *stack, const uint8_t *ip, size_t length, int64_t time)
{
    struct flow flow;
    if ((!stack->wires && !stack->puppets) || !peek_flow(stack, ip, length, &flow))
        return false;
    return to_wire(stack, &flow, ip, length, time) ||
           (!stack->exact && puppet_input(stack, &flow, ip, length, time));
}

static void icmp_input(struct stack *stack, const uint8_t *ip, size_t length, int64_t now)
{
    struct icmp_error icmp;
    if (!icmp_read(&icmp, ip, length))
        return;
    struct endpoint *endpoint = endpoint_find(stack, &icmp.flow);
    if (endpoint)
        endpoint_icmp(endpoint, &icmp, now);
}

static void segment_input(struct stack *stack, const struct segment *segment, int64_t now)
{
    if (!addr_equal(&segment->dst, &stack->local))
        return;
    struct flow flow = {.local = segment->dst,
                        .remote = segment->src,
                        .lport = segment->dport,
                        .rport = segment->sport};
    flow.remote.scope = stack->local.scope;
    struct endpoint *endpoint = endpoint_find(stack, &flow);
    struct listener *listener = listener_find(stack, segment->dport);
    bool renews = endpoint && listener && tcp_may_renew(endpoint->tcp, segment);
    struct auth *auth = endpoint && !renews ? endpoint->auth : listener ? listener->auth : NULL;
    if (!auth_verify(auth, segment))
        return;
    if (renews) {
        endpoint_end(endpoint);
        endpoint = NULL;
    }
    if (endpoint) {
        auth_heard(endpoint->auth, segment);
        if (endpoint->listener && !endpoint->established)
            listener_segment(endpoint, segment, now);
        else
            tcp_input(endpoint->tcp, segment, now);
        if (endpoint->puppet)
            puppet_judged(endpoint->puppet);
        endpoint_dirty(endpoint);
        return;
    }
    if (listener && listener_input(listener, segment, now))
        return;
    /* For the other ports of an address of the host its kernel answers; that of a listener is ours,
     * and the guard keeps the kernel quiet there. A SYN-ACK for a port that nobody has here may be
     * meant for another process that uses the same address. */
    if (listener ||
        (!stack->host_address && (segment->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK)))
        refuse(stack, segment, auth, now);
}

void stack_take(struct stack *stack, const uint8_t *ip, size_t length, int64_t now)
{
    struct segment segment;
    enum segment_verdict verdict = segment_read(&segment, ip, length, false);
    if (verdict == SEGMENT_OK && segment.checksum_partial && stack->link->whole_sums)
        verdict = SEGMENT_BAD_CHECKSUM;
    stack->verdicts[verdict]++;
    if (verdict == SEGMENT_FRAGMENT && !stack->network->refuse_fragments) {
        ip = reassembly_add(&stack->reassembly, &stack->local, ip, length, now, &length);
        if (!ip)
            return;
        verdict = segment_read(&segment, ip, length, false);
        stack->verdicts[verdict]++;
    }
    if (verdict == SEGMENT_OK)
        segment_input(stack, &segment, now);
    else if (verdict == SEGMENT_NOT_TCP)
        icmp_input(stack, ip, length, now);
}

static void datagram_input(struct stack *stack, const uint8_t *ip, size_t length, int64_t time,
                           int64_t now)
{
    if (to_script(stack, ip, length, time) || stack->exact)
        return;
    stack->arrival = (struct arrival){ip, length, time};
    stack_take(stack, ip, length, now);
    stack->arrival = (struct arrival){.bytes = NULL};
}

/* A reset of one of our flows that this host's kernel sent: the guard did not hold. */
static void kernel_frame(struct stack *stack, const uint8_t *ip, size_t length)
{
    struct segment segment;
    if (segment_read(&segment, ip, length, true) != SEGMENT_OK || !(segment.flags & TCP_RST))
        return;
    struct flow flow = {.local = segment.src,
                        .remote = segment.dst,
                        .lport = segment.sport,
                        .rport = segment.dport};
    struct endpoint *endpoint = endpoint_find(stack, &flow);
    if (endpoint)
        endpoint_fail(endpoint, ERROR_ENVIRONMENT, "ECONNRESET",
                      "this host's kernel reset the connection; no guard kept it from doing so");
}

static void frame_input(struct stack *stack, const struct frame *frame, int64_t now)
{
    const uint8_t *ip = frame->bytes;
    size_t length = frame->length;
    if (frame->flags & (FRAME_VLAN | FRAME_NOT_MINE))
        return;
    if (stack->link->medium == LINK_ETHERNET) {
        if (length < STACK_ETHER) {
            stack->verdicts[SEGMENT_CUT]++;
            return;
        }
        uint16_t type = get16(ip + 12);
        ip += STACK_ETHER;
        length -= STACK_ETHER;
        if (frame->flags & FRAME_OUT) {
            if (type == 0x0800 || type == 0x86dd)
                kernel_frame(stack, ip, length);
            return;
        }
        if (neighbour_input(&stack->neighbours, stack->link, &stack->local, frame->bytes,
                            frame->length, now) ||
            (type != 0x0800 && type != 0x86dd))
            return;
        if (length > 0 && ip[0] >> 4 != (type == 0x0800 ? 4 : 6)) {
            stack->verdicts[SEGMENT_BAD_IP]++; /* the type and the version disagree */
            return;
        }
    }
    if (frame->length < frame->original)
        stack->verdicts[SEGMENT_CUT]++;
    else
        datagram_input(stack, ip, length, frame->time, now);
}

void stack_receive(struct stack *stack, int64_t now)
{
    struct frame frame;
    int got = 0;
    for (int i = 0; i < RECEIVE_BUDGET && !stack->dead; i++) {
        got = link_recv(stack->link, &frame, &stack->error);
        if (got <= 0)
            break;
        frame_input(stack, &frame, now);
    }
    if (got < 0 && !stack->dead) {
        stack->dead = true;
        for (size_t i = 0; i < STACK_BUCKETS; i++)
            for (struct endpoint *e = stack->buckets[i]; e; e = e->next)
                endpoint_fail(e, stack->error.kind, stack->error.code, "%s", stack->error.message);
    }
}

/* --- time ---------------------------------------------------------------------------------------
 */

void stack_serve(struct stack *stack, int64_t now)
{
    if (stack->link->medium == LINK_ETHERNET) {
        neighbour_serve(&stack->neighbours, stack->link, &stack->local, now);
        if (stack->neighbours.news) {
            stack->neighbours.news = false;
            for (size_t i = 0; i < STACK_BUCKETS; i++)
                for (struct endpoint *e = stack->buckets[i]; e; e = e->next)
                    endpoint_neighbour(e);
        }
    }
    for (struct deadline *first;
         (first = deadlines_first(&stack->deadlines)) && first->due <= now;) {
        deadlines_move(&stack->deadlines, first,
                       TIME_NEVER); /* it is told again by the next step */
        endpoint_dirty((struct endpoint *)((char *)first - offsetof(struct endpoint, deadline)));
    }
    while (stack->dirty) {
        struct endpoint *endpoint = stack->dirty;
        stack->dirty = endpoint->next_dirty;
        endpoint->dirty = false;
        endpoint_step(endpoint, now);
    }
}

int64_t stack_deadline(const struct stack *stack)
{
    const struct deadline *first = deadlines_first(&stack->deadlines);
    int64_t when = first ? first->due : TIME_NEVER;
    if (stack->dead)
        return when;
    int64_t other = link_deadline(stack->link);
    if (stack->dirty)
        when = 0;
    if (other < when)
        when = other;
    if (stack->link->medium == LINK_ETHERNET) {
        other = neighbour_deadline(&stack->neighbours);
        if (other < when)
            when = other;
    }
    return when;
}
