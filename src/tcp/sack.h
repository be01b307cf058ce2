/* sack: what we report of data that came out of order (RFC 2018 4), and of data that came twice
 * (RFC 2883).
 *
 * The first block is the range that the newest segment belongs to, then those of the segments
 * before it, so that what one lost ACK has said is said again by the next ones. The ranges
 * themselves are the receive buffer's. */
#ifndef TCPLUA_TCP_SACK_H
#define TCPLUA_TCP_SACK_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/segment.h"
#include "tcp/recvbuf.h"

struct sack {
    unsigned count;                 /* of the numbers below */
    uint32_t seq[SEGMENT_SACK_MAX]; /* where segments out of order began, the newest first */
    bool twice;                     /* this came again, and was not reported so far: */
    uint32_t left, right;
};

/* A segment that begins at `seq` was kept out of order. */
void sack_kept(struct sack *sack, uint32_t seq);

/* [left, right) came though it was there already. */
void sack_twice(struct sack *sack, uint32_t left, uint32_t right);

/* Whether there is anything to report. */
bool sack_is_due(const struct sack *sack, const struct recvbuf *recv);

/* Puts up to `most` blocks into the options. What came twice is reported once. */
void sack_report(struct sack *sack, const struct recvbuf *recv, unsigned most,
                 struct segment_options *options);

#endif
