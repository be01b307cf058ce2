/* demux: what the files of this folder call of each other, and nobody else does. */
#ifndef TCPLUA_STACK_DEMUX_H
#define TCPLUA_STACK_DEMUX_H

#include "stack/icmp.h"
#include "stack/stack.h"

/* The digests of src/crypto. */
extern const struct auth_ops auth_digests;

/* endpoint.c */
struct endpoint *endpoint_find(struct stack *stack, const struct flow *flow);
struct endpoint *endpoint_accept(struct stack *stack, struct listener *listener,
                                 const struct segment *syn, int64_t now);
void endpoint_dirty(struct endpoint *endpoint);             /* it has something to do */
void endpoint_step(struct endpoint *endpoint, int64_t now); /* do it */
void endpoint_icmp(struct endpoint *endpoint, const struct icmp_error *icmp, int64_t now);
void endpoint_neighbour(struct endpoint *endpoint); /* its next hop may have been given up */
void endpoint_fail(struct endpoint *endpoint, enum error_kind kind, const char *code,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void endpoint_end(struct endpoint *endpoint);    /* it is in TIME-WAIT: leave that early */
void endpoint_detach(struct endpoint *endpoint); /* reset it; its stack goes away */

/* listener.c */
struct listener *listener_find(const struct stack *stack, uint16_t port); /* NULL: none */
bool listener_input(struct listener *listener, const struct segment *segment, int64_t now);
void listener_segment(struct endpoint *endpoint, const struct segment *segment, int64_t now);
void listener_lost(struct listener *listener); /* before it was open */
void listener_detach(struct listener *listener);

/* wire.c */
void wire_deliver(struct wire *wire, const uint8_t *bytes, size_t length, int64_t time);
void wire_detach(struct wire *wire);

#endif
