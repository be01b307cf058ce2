/* outlet: see outlet.h. */
#include "stack/outlet.h"

#include <string.h>

#include "stack/stack.h"

/* The addresses of an IP datagram. */
static bool read_addresses(const uint8_t *ip, size_t length, struct addr *src, struct addr *dst,
                           struct error *err)
{
    if (length >= 20 && ip[0] >> 4 == 4) {
        *src = addr_from(ADDR_IP4, ip + 12);
        *dst = addr_from(ADDR_IP4, ip + 16);
    } else if (length >= 40 && ip[0] >> 4 == 6) {
        *src = addr_from(ADDR_IP6, ip + 8);
        *dst = addr_from(ADDR_IP6, ip + 24);
    } else {
        return fail(err, ERROR_USAGE, "EINVAL",
                    "%zu bytes that are no IP datagram cannot be sent at layer 3, where the "
                    "version says how to read the rest; at layer 2 (sendp) they can",
                    length);
    }
    return true;
}

/* Whether the raw socket of the stack would not send the datagram as it is. */
static const char *mended(const struct stack *stack, const uint8_t *ip, size_t length)
{
    bool raw = stack->host_address && !stack->exact && !stack->attached;
    return raw ? link_raw_mends(ip, length) : NULL;
}

static bool find_exact(struct outlet *o, const char *field, struct error *err)
{
    struct error why;
    char text[ADDR_TEXT];
    o->stack = stack_exact(o->network, o->iface, &o->src, &o->dst, &why);
    if (o->stack)
        return true;
    if (field && strcmp(why.code, "EOPNOTSUPP") == 0)
        fail(&why, ERROR_USAGE, "EOPNOTSUPP",
             "%s is this host, and on the way to it the kernel would write over ip.%s: let it be "
             "computed, or send to another host",
             addr_format(&o->dst, text), field);
    if (err)
        *err = why;
    return false;
}

/* The stack for o->src and o->dst. */
static bool find_stack(struct outlet *o, const uint8_t *ip, size_t length, struct error *err)
{
    const char *field = NULL;
    bool zero = addr_is_zero(&o->src), simulated = o->network->clock.virtual;
    if (o->exact || o->iface[0] || (zero && !o->own && !simulated))
        return find_exact(o, zero ? "src" : NULL, err);
    o->stack = o->own ? o->own : stack_for(o->network, &o->src, &o->dst, err);
    if (!o->stack)
        return false;
    field = mended(o->stack, ip, length);
    return !field || find_exact(o, field, err);
}

bool outlet_find(struct outlet *o, const uint8_t *ip, size_t length, struct error *err)
{
    struct addr src = {.kind = ADDR_NONE}, dst = src;
    uint32_t mtu;
    if (!read_addresses(ip, length, &src, &dst, err))
        return false;
    if (length > UINT16_MAX) {
        fail(err, ERROR_USAGE, "EMSGSIZE", "a datagram of %zu bytes is too long", length);
        return false;
    }
    bool same_src = o->found && !o->stack->dead && addr_equal(&src, &o->src);
    bool same_dst = o->hopped && addr_equal(&dst, &o->dst);
    bool routed = same_src && o->stack->link->medium == LINK_IP && !o->stack->attached;
    o->src = src;
    o->dst = dst;
    /* The raw socket serves all destinations; of others the interface may be another one. */
    if (!(same_src && (same_dst || routed || o->stack->attached)) || mended(o->stack, ip, length)) {
        o->found = o->hopped = false;
        if (!find_stack(o, ip, length, err))
            return false;
        o->found = true;
        same_dst = false;
    }
    if (o->stack->dead) {
        if (err)
            *err = o->stack->error;
        return false;
    }
    if (dst.kind != o->stack->local.kind)
        return fail(err, ERROR_USAGE, "EAFNOSUPPORT",
                    "the datagram and the wire are not of one IP version");
    if (same_dst || (routed && o->hopped))
        return true;
    if (addr_is_linklocal(&dst))
        dst.scope = o->stack->local.scope;
    o->hopped = stack_hop(o->stack, &dst, &o->hop, &mtu, NULL, err);
    return o->hopped;
}

bool outlet_waits(struct outlet *o)
{
    struct addr mac;
    struct stack *stack = o->stack;
    return stack->link->medium == LINK_ETHERNET &&
           neighbour_resolve(&stack->neighbours, stack->link, &stack->local, &o->hop, &mac, 0,
                             clock_now(&o->network->clock)) != NEIGHBOUR_KNOWN;
}

bool outlet_send(struct outlet *o, const uint8_t *ip, size_t length, struct error *err)
{
    uint8_t *bytes = o->stack->frame + 14;
    memcpy(bytes, ip, length);
    if (o->stack->dead || o->stack->link->medium == LINK_ETHERNET)
        return stack_transmit(o->stack, &o->hop, length, clock_now(&o->network->clock), err);
    struct frame frame = {.bytes = bytes, .length = length, .original = length};
    return link_send_one(o->stack->link, &frame, err);
}
