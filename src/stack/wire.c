/* wire: a local port that a script drives by hand: every segment for it lands in an inbox, and
 * whatever the script makes is sent. */
#include <stdlib.h>
#include <string.h>

#include "stack/demux.h"
#include "stack/outlet.h"
#include "stack/stack.h"

struct wire *wire_open(struct network *network, const struct addr *src, const struct addr *dst,
                       uint16_t port, struct error *err)
{
    struct stack *stack = stack_for(network, src, dst, err);
    if (!stack)
        return NULL;
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a wire");
        return NULL;
    }
    *wire = (struct wire){.source.kind = SOURCE_WIRE, .stack = stack};
    if (!stack_claim(stack, port, &wire->port, &wire->guard, err)) {
        free(wire);
        return NULL;
    }
    wire->next = stack->wires;
    stack->wires = wire;
    return wire;
}

void wire_deliver(struct wire *wire, const uint8_t *bytes, size_t length, int64_t time)
{
    struct wire_datagram *d = NULL;
    if (wire->waiting + length <= WIRE_LIMIT)
        d = malloc(sizeof *d + length);
    if (!d) {
        wire->dropped++;
        return;
    }
    d->next = NULL;
    d->time = time;
    d->length = length;
    memcpy(d->bytes, bytes, length);
    if (wire->last)
        wire->last->next = d;
    else
        wire->first = d;
    wire->last = d;
    wire->waiting += length;
    source_ready(wire->stack->network, &wire->source);
}

struct wire_datagram *wire_take(struct wire *wire)
{
    struct wire_datagram *d = wire->first;
    if (!d)
        return NULL;
    wire->first = d->next;
    if (!wire->first)
        wire->last = NULL;
    wire->waiting -= d->length;
    return d;
}

bool wire_send(struct wire *wire, const uint8_t *bytes, size_t length, struct error *err)
{
    struct outlet outlet = {.network = NULL};
    if (!wire->stack)
        return fail(err, ERROR_ENVIRONMENT, "EBADF", "the wire's network is closed");
    outlet.network = wire->stack->network;
    outlet.own = wire->stack;
    return outlet_find(&outlet, bytes, length, err) && outlet_send(&outlet, bytes, length, err);
}

void wire_detach(struct wire *wire)
{
    struct stack *stack = wire->stack;
    struct wire **at = &stack->wires;
    while (*at != wire)
        at = &(*at)->next;
    *at = wire->next;
    source_forget(stack->network, &wire->source);
    guard_close(wire->guard);
    wire->guard = NULL;
    wire->stack = NULL;
}

void wire_free(struct wire *wire)
{
    if (wire->stack)
        wire_detach(wire);
    for (struct wire_datagram *d; (d = wire_take(wire)) != NULL;)
        free(d);
    free(wire);
}
