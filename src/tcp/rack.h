/* rack: finding losses by time (RFC 8985).
 *
 * RACK: of two segments the one sent first should arrive first. When one is reported that was sent
 * later, what was sent before it and is not there is lost, once it is overdue by the reordering
 * window: a quarter of the least round trip, more where D-SACK has shown that this was too hasty,
 * and none where three segments are reported on a path that never reordered, or in recovery. That
 * finds lost retransmissions as well as lost originals. What is not yet overdue is looked at again
 * when TIMER_REORDER expires.
 *
 * TLP: of the last segments of a flight there is no later one to tell. After two round trips
 * without an answer (TIMER_PROBE) new data, or the last segment again, draws a report from the
 * peer, and RACK does the rest; the retransmission timer starts again behind it.
 *
 * Both need SACK: without it recovery is NewReno's (recovery.h). Names are the RFC's. */
#ifndef TCPLUA_TCP_RACK_H
#define TCPLUA_TCP_RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/flight.h"

struct tcp;

struct rack {
    struct flight flight;
    int64_t xmit_ts;      /* when what was sent last of all that was delivered was sent */
    int64_t rtt;          /* of what was delivered last */
    int64_t min_rtt[2];   /* the least of this period and of the one before; TIME_NEVER: none */
    int64_t period;       /* when this one began */
    uint32_t end_seq;     /* where what was sent at xmit_ts ends */
    uint32_t fack;        /* the highest number delivered */
    uint32_t dsack_round; /* D-SACKs are news again when this is acknowledged */
    uint32_t probe_end;   /* TLP.end_seq */
    uint8_t reo_wnd_mult; /* quarters of the least round trip */
    uint8_t reo_wnd_persist;
    bool reordering_seen;
    bool in_dsack_round; /* dsack_round is set */
    bool probing;        /* probe_end is set: a probe is on its way, */
    bool probe_again;    /* of what had been sent before (TLP.is_retrans) */
    bool probe_due;      /* one is to be sent */
    uint64_t probes;     /* sent */
};

/* What an ACK has said, collected as it is taken apart. */
struct rack_ack {
    bool news;            /* SACK blocks with something new */
    uint32_t left, right; /* that lies in here */
    bool dsack;           /* something came twice: */
    uint32_t dsack_end;   /* what ends here */
    bool duplicate;       /* it changes nothing, */
    bool bare;            /* nor has it a SACK option */
    bool echoes;          /* it has a timestamp, */
    uint32_t echo;        /* that of ours */
};

/* Whether it is in use: chosen, and the peer has SACK. */
bool rack_is_on(const struct tcp *tcp);

/* The handshake is done. */
void rack_init(struct tcp *tcp);

/* [seq, end) leaves. */
void rack_sent(struct tcp *tcp, uint32_t seq, uint32_t end, int64_t now);

/* After everything else has seen the ACK: finds out what it says to be lost, and starts recovery.
 */
void rack_acked(struct tcp *tcp, const struct rack_ack *ack, int64_t now);

/* Recovery is over, or begins after a timeout (6.3). */
void rack_recovered(struct tcp *tcp);
void rack_timeout(struct tcp *tcp, int64_t now);

/* Everything outstanding is to be sent again. */
void rack_lose_all(struct tcp *tcp);

/* TIMER_REORDER and TIMER_PROBE expired. */
void rack_look_again(struct tcp *tcp, int64_t now);
void rack_probe(struct tcp *tcp, int64_t now);

/* Starts TIMER_PROBE again after new data has been sent or acknowledged, where there is to be one
 * (7.2). */
void rack_schedule(struct tcp *tcp, int64_t now);

/* The probe of [seq, end) was sent, as new data or `again`. */
void rack_probed(struct tcp *tcp, bool again);

/* RACK.min_RTT; TIME_NEVER before the first. */
int64_t rack_min_rtt(const struct rack *rack);

/* The reordering window now. */
int64_t rack_reo_wnd(const struct tcp *tcp);

#endif
