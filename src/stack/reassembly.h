/* reassembly: IP datagrams out of their fragments (RFC 791 3.2, RFC 815, RFC 8200 4.5), for links
 * that hand over fragments as they come: packet sockets and those in memory. Behind raw sockets the
 * kernel has done it.
 *
 * What strangers send is kept for others, so all of it is bounded: REASSEMBLY_MEMORY bytes in a
 * stack, the oldest datagram goes first; REASSEMBLY_TIME for each. A fragment that overlaps
 * another, or contradicts what is known of the end, spoils its datagram (RFC 5722), and so does a
 * first one without the whole TCP header (RFC 3128, RFC 7112); the same one twice does not. */
#ifndef TCPLUA_STACK_REASSEMBLY_H
#define TCPLUA_STACK_REASSEMBLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"

#define REASSEMBLY_MEMORY (256U << 10)
#define REASSEMBLY_TIME   (30 * NS_PER_S) /* Linux's ip_frag_time; the RFCs say up to 60 s */

struct reassembly {
    struct parts *oldest, *newest; /* datagrams of which something is missing */
    size_t memory;                 /* bytes that they take */
    uint8_t *whole;                /* the last one that was complete */
};

/* Takes a fragment for `local`. When it completes its datagram, returns that, without any trace of
 * having been in pieces, and its length; it is valid until the next call. NULL: it is not, or
 * `bytes` is no fragment that can be used. */
const uint8_t *reassembly_add(struct reassembly *r, const struct addr *local, const uint8_t *bytes,
                              size_t length, int64_t now, size_t *whole);

/* Frees everything. */
void reassembly_clear(struct reassembly *r);

#endif
