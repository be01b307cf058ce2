/* outlet: the way out for a datagram that a script made: by which stack, and to which next hop.
 *
 * The bytes arrive as they stand. The raw IPv4 socket, the first choice where SRC is this host's,
 * writes over some fields that the script may have meant; what it would not leave alone goes by a
 * packet socket, and where that cannot be, on the way to this host itself, the error names the
 * field. A source of 0.0.0.0 or :: goes out as it is, too.
 *
 * An outlet is kept for the datagrams that follow: as long as their addresses are the same, nothing
 * is asked again. */
#ifndef TCPLUA_STACK_OUTLET_H
#define TCPLUA_STACK_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

struct network;
struct stack;

/* All but the first four is set by outlet_find(). */
struct outlet {
    struct network *network;
    struct stack *own; /* the stack to prefer, or NULL: the one that suits the source */
    char iface[16];    /* leave by a packet socket on this interface, or "" */
    bool exact;        /* leave by a packet socket in any case */
    struct stack *stack;
    struct addr src, dst, hop;
    bool found;  /* the stack for `src` is `stack` */
    bool hopped; /* the next hop to `dst` is `hop` */
};

/* Finds the way for a datagram. Errors: usage, EINVAL for bytes that are no datagram, EOPNOTSUPP
 * where its bytes cannot arrive as they are; what stack_for(), stack_exact() and stack_hop() say.
 */
bool outlet_find(struct outlet *outlet, const uint8_t *ip, size_t length, struct error *err);

/* Sends it that way; while the next hop's MAC address is not known, it waits in the stack. Errors:
 * those of link_send_one(). */
bool outlet_send(struct outlet *outlet, const uint8_t *ip, size_t length, struct error *err);

/* Whether outlet_send() would have it wait; its next hop is asked for from now on. */
bool outlet_waits(struct outlet *outlet);

#endif
