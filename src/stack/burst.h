/* burst: many packets out, filled and sent in C, by a rate and within bounds.
 *
 * A burst holds items, each of them fixed bytes or a set (packet/set.h), and goes through them in
 * order, as often as the count asks for. With a rate, packet i is due at start + i / rate; what is
 * late is caught up, but for a few milliseconds at most, so that a pause never becomes a flood. A
 * wire that is full is waited for, and what did not go is not counted.
 *
 * At layer 3 each datagram goes where outlet.h says. Those whose next hop must be asked for wait in
 * the burst until it is known, while others pass.
 *
 *     while ((state = burst_step(burst, link, &when, &err)) == BURST_MORE)
 *         let others work until `when`;
 */
#ifndef TCPLUA_STACK_BURST_H
#define TCPLUA_STACK_BURST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "link/link.h"
#include "packet/set.h"
#include "stack/network.h"

struct burst;

struct burst_options {
    bool datagrams;  /* layer 3: they find their way; else frames, for the link of burst_step() */
    bool exact;      /* datagrams leave by packet sockets */
    bool xdp;        /* datagrams leave by AF_XDP */
    char iface[16];  /* through this interface, or "" */
    double rate;     /* packets a second, 0: as many as the wire takes */
    uint64_t count;  /* packets in all, 0: every item once */
    int64_t timeout; /* nanoseconds from the first step; TIME_NEVER */
};

struct burst_report {
    uint64_t sent, bytes; /* what the wires took, without the headers that were put before it */
    uint64_t refused;     /* packets that they did not, each for a reason */
    struct error first;   /* the reason of the first */
    int64_t began, ended; /* the first step, the last packet sent; on the network's clock */
};

enum burst_state { BURST_MORE, BURST_DONE, BURST_FAILED };

/* NULL only when memory is short. */
struct burst *burst_new(struct network *network, const struct burst_options *options);

/* Adds an item: bytes, which are copied, or a set that the caller keeps. False: no memory. */
bool burst_add(struct burst *burst, const uint8_t *bytes, size_t length);
bool burst_add_set(struct burst *burst, const struct set *set, const struct set_cursor *cursor);

/* Counts packets that the caller could not add as refused. */
void burst_refuse(struct burst *burst, uint64_t count, const struct error *why);

/* Sends for a few milliseconds, through `link` unless the burst is of datagrams. BURST_MORE: call
 * it again at `*when`. BURST_FAILED: the wire is gone, or there never was one; `err` says why. A
 * packet that alone is refused (too long, no route to it) is counted, and does not end the burst.
 */
enum burst_state burst_step(struct burst *burst, struct link *link, int64_t *when,
                            struct error *err);

const struct burst_report *burst_report(const struct burst *burst);

void burst_free(struct burst *burst);

#endif
