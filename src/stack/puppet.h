/* puppet: the strings on one connection, for a script to pull.
 *
 * A connection that a script bends or watches has one; all others have none and pay nothing. It
 * does three things, each only if asked to:
 *
 *     hooked[]   datagrams in this direction wait in a queue until the script says what becomes
 *                of them: sent or taken in as they are, changed, later, or not at all
 *     watched    every datagram is copied: those sent as they left, those received as they came
 *     inject     what the script made by hand goes out, and the engine is told (tcp/tcp.h)
 *
 * A hook is part of the network: a segment counts as sent when it comes to the queue, and no timer
 * waits for the script. Memory is bounded: what does not fit is counted. */
#ifndef TCPLUA_STACK_PUPPET_H
#define TCPLUA_STACK_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "stack/outlet.h"
#include "tcp/tcp.h"

struct endpoint;

#define PUPPET_LIMIT (64U << 20) /* bytes waiting for the script, at most */

enum direction { DIRECTION_OUT, DIRECTION_IN };

struct puppet_datagram {
    struct puppet_datagram *next;
    int64_t time; /* wall clock, the capture's for what came in */
    enum direction direction;
    enum tcp_state state; /* of the connection, when the engine had dealt with it */
    size_t length;
    uint8_t bytes[];
};

struct puppet_queue {
    struct puppet_datagram *first, *last;
};

struct puppet {
    struct endpoint *endpoint;
    struct puppet *next; /* of its stack */
    bool hooked[2];      /* by direction */
    bool watched;
    struct puppet_queue held[2], seen;
    struct puppet_datagram *arrived; /* the last in `seen`, if it came in and was not taken yet */
    struct outlet outlet;
    size_t waiting;   /* bytes in the three */
    uint64_t dropped; /* datagrams that were let go of for want of room */
};

/* The strings of an endpoint: there already, or new. NULL if memory is short or its network is
 * closed. They go away with the endpoint. */
struct puppet *puppet_of(struct endpoint *endpoint);

/* Sends what waits to be sent, and holds nothing any more. */
void puppet_let_go(struct puppet *puppet);

/* Takes it out of its endpoint's stack, which goes away; frees it. */
void puppet_detach(struct puppet *puppet);
void puppet_free(struct puppet *puppet);

/* The oldest datagram of a queue, for the caller to free(); NULL: none. */
struct puppet_datagram *puppet_take(struct puppet *puppet, struct puppet_queue *queue);

/* The engine's next datagram: whether it waits for the script now, or is the caller's to send. */
bool puppet_holds(struct puppet *puppet, const uint8_t *bytes, size_t length);

/* A datagram leaves now. */
void puppet_sent(struct puppet *puppet, const uint8_t *bytes, size_t length);

/* A datagram came for `flow`: whether it waits for the script now, or is the stack's to take in. */
bool puppet_input(struct stack *stack, const struct flow *flow, const uint8_t *bytes, size_t length,
                  int64_t time);

/* The engine has dealt with the datagram that came. */
void puppet_judged(struct puppet *puppet);

/* Sends a datagram of the script's as it stands, past the hook. Errors: outlet.h's. */
bool puppet_transmit(struct puppet *puppet, const uint8_t *bytes, size_t length, struct error *err);

/* The same for one that the script made by hand: the engine takes note of it, and the hook, if
 * there is one, sees it first. */
bool puppet_inject(struct puppet *puppet, const uint8_t *bytes, size_t length, struct error *err);

/* Takes a datagram in as if it had come just now, past the hook. */
void puppet_receive(struct puppet *puppet, const uint8_t *bytes, size_t length);

#endif
