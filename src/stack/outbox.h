/* outbox: the segments that a connection makes in one turn, on their way to the wire together.
 *
 * They leave in as few system calls as the link can do with. Where the link can cut (link.h: gso),
 * full segments that follow each other are one datagram until then. */
#ifndef TCPLUA_STACK_OUTBOX_H
#define TCPLUA_STACK_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/link.h"
#include "packet/segment.h"

#define OUTBOX_ROOM (192U << 10) /* bytes; more than the largest datagram */

struct outbox {
    size_t count, used;
    struct frame frames[LINK_BATCH];
    uint32_t seqs[LINK_BATCH];
    struct segment last; /* of which the last frame ends, as long as it can be joined */
    uint8_t bytes[OUTBOX_ROOM];
};

/* What became of them. */
struct outbox_result {
    bool sent;
    uint32_t seq;  /* else of the first that the wire refused, */
    size_t length; /* and the length of its datagram */
};

struct endpoint;
struct stack;

/* Puts a segment of the endpoint's in, signed where it signs; false if there is no room: it waits
 * until the others are sent. */
bool outbox_add(struct outbox *outbox, const struct endpoint *endpoint,
                const struct segment *segment);

/* Hands over what is in it, by way of `hop`, and empties it. */
struct outbox_result outbox_send(struct stack *stack, const struct addr *hop, int64_t now,
                                 struct error *err);

#endif
