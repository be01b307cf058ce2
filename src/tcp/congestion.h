/* congestion: how much may be in the network at once.
 *
 * What every algorithm shares is here: the window, slow start up to ssthresh, the initial and the
 * restart window. An algorithm (struct congestion_ops) says how the window grows after that and
 * what is left of it after a loss: NewReno here, CUBIC in cubic.c. Detecting losses is the sender's
 * work, not done here.
 *
 * The window is not inflated during recovery: the sender subtracts what is known to have left the
 * network from what it has sent (tcb.h), which comes to the same and needs no correction later. */
#ifndef TCPLUA_TCP_CONGESTION_H
#define TCPLUA_TCP_CONGESTION_H

#include <stdbool.h>
#include <stdint.h>

#define CWND_MAX (1U << 30) /* bytes: the largest window that a header can express */

struct congestion {
    const struct congestion_ops *ops;
    uint32_t mss;
    uint32_t cwnd;     /* bytes */
    uint32_t ssthresh; /* bytes */
    uint32_t credit;   /* NewReno: bytes acknowledged since the window last grew */
    int64_t rtt;       /* smoothed, as last measured; 0: not yet */
    struct {
        bool begun;     /* avoidance, since the last reduction, */
        int64_t epoch;  /* at this time */
        double w_max;   /* bytes: the window before the last reduction */
        double k;       /* seconds from the epoch until it is reached again */
        double w_est;   /* bytes: what Reno would have by now */
        double w_prior; /* bytes: the window when that began to count */
    } cubic;
};

struct congestion_ops {
    const char *name;
    /* `bytes` more are acknowledged, above ssthresh. */
    void (*avoid)(struct congestion *c, uint32_t bytes, int64_t now);
    /* Something was lost with `flight` bytes outstanding: the new ssthresh. */
    uint32_t (*reduce)(struct congestion *c, uint32_t flight, int64_t now);
    /* Nothing was sent for a while: time that does not count. NULL if time is nothing to it. */
    void (*idle)(struct congestion *c);
};

extern const struct congestion_ops congestion_newreno; /* RFC 5681 */
extern const struct congestion_ops congestion_cubic;   /* RFC 9438 */

/* The handshake is done. The initial window is that of RFC 6928, ten segments, or one segment if
 * the SYN was `lost` (RFC 5681 3.1). */
void congestion_init(struct congestion *c, const struct congestion_ops *ops, uint32_t mss,
                     bool lost);

/* New data is acknowledged that was sent while the window was the limit. In slow start one ACK
 * opens it by one segment at most, however many bytes or ACKs the peer makes of a segment. */
void congestion_acked(struct congestion *c, uint32_t bytes, int64_t now);

/* Three duplicate ACKs: the window becomes ssthresh. */
void congestion_loss(struct congestion *c, uint32_t flight, int64_t now);

/* The retransmission timer expired: the window becomes one segment. The second and later times
 * (`again`) for the same data leave ssthresh alone (RFC 5681 3.1). */
void congestion_timeout(struct congestion *c, uint32_t flight, bool again, int64_t now);

/* Nothing was sent for an RTO: back to the initial window (RFC 5681 4.1). */
void congestion_idle(struct congestion *c);

/* Segments are `mss` long from now on. */
void congestion_mss(struct congestion *c, uint32_t mss);

#endif
