/* rto: the retransmission timeout of RFC 6298, with Karn's rule.
 *
 * One segment at a time is timed. A retransmission ends the timing, since an acknowledgment could
 * then be for either copy; a timeout doubles the RTO, and it stays doubled until a segment that was
 * sent only once has been acknowledged.
 *
 * As in Linux, the floor is under the variance and not under the sum: with a small round trip, RTO
 * is SRTT + `min`, so that a peer that delays its ACK by `min` causes no retransmission. */
#ifndef TCPLUA_TCP_RTO_H
#define TCPLUA_TCP_RTO_H

#include <stdbool.h>
#include <stdint.h>

struct rto {
    int64_t min, max;     /* bounds, nanoseconds */
    int64_t value;        /* the RTO now, backoff included */
    int64_t srtt, rttvar; /* 0 until the first sample */
    bool sampled;         /* there was one */
    bool timing;          /* a segment is being timed: */
    uint32_t timed_end;   /* the sequence number after its last */
    int64_t timed_at;     /* when it was sent */
};

void rto_init(struct rto *rto, int64_t initial, int64_t min, int64_t max);

/* A segment that ends before `end` leaves for the first time: it is timed unless one already is. */
void rto_sent(struct rto *rto, uint32_t end, int64_t now);

/* Something is sent again: what is outstanding can no longer be timed (Karn). */
void rto_resent(struct rto *rto);

/* Everything before `ack` is acknowledged. */
void rto_acked(struct rto *rto, uint32_t ack, int64_t now);

/* A timestamp that came back says what the round trip was, whichever copy of a segment it is of
 * (RFC 7323 4): for when none is timed. */
void rto_echoed(struct rto *rto, int64_t rtt);

/* The timer expired: twice the value, up to `max`. */
void rto_backoff(struct rto *rto);

/* The SYN was lost and the handshake gave no sample: data starts with 3 s (RFC 6298 5.7). */
void rto_syn_lost(struct rto *rto);

#endif
