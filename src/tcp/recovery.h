/* recovery: finding out from ACKs what is lost, and sending it again without waiting for the timer:
 * fast retransmit and fast recovery (RFC 5681 3.2), by the scoreboard where the peer sends SACK
 * (RFC 6675), else NewReno's (RFC 6582), with limited transmit before it (RFC 3042).
 *
 * Where the RFCs inflate the congestion window by a segment for every duplicate ACK, `left` counts
 * the same bytes as gone from the network: what may be sent is the same, and cwnd stays what it
 * says. With SACK the scoreboard knows what is gone, and `left` is not used.
 *
 * Where RACK (rack.h) is in use, it alone says what is lost, also after a timeout: then what it
 * does not believe lost stays in the network, and nothing goes back to SND.UNA. */
#ifndef TCPLUA_TCP_RECOVERY_H
#define TCPLUA_TCP_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

struct tcp;

struct recovery {
    bool active;       /* in fast recovery */
    bool partial;      /* and a partial ACK has been seen */
    bool growing;      /* and yet the window grows: after a timeout, with RACK */
    bool rescued;      /* and the end of what is outstanding was sent again for want of better */
    unsigned dupacks;  /* duplicate ACKs in a row */
    uint32_t point;    /* no new recovery before an ACK beyond this: "recover" in RFC 6582 */
    uint32_t left;     /* bytes believed to have left the network out of order */
    uint32_t flight;   /* what was outstanding before this batch of ACKs */
    uint32_t high_rxt; /* with SACK: what is before this was sent again in this recovery */
};

/* The handshake is done: nothing is known to be lost. */
void recovery_init(struct tcp *tcp);

/* An ACK repeated the last one while data is outstanding; with SACK, one that brought news. */
void recovery_duplicate(struct tcp *tcp, int64_t now);

/* `bytes` were acknowledged and snd_una has moved. Also lets the congestion window grow, where that
 * is due. Returns whether the retransmission timer starts again. */
bool recovery_acked(struct tcp *tcp, uint32_t bytes, int64_t now);

/* RACK has found something lost. */
void recovery_lost(struct tcp *tcp, int64_t now);

/* With SACK: where the next retransmission of this recovery begins, NextSeg() of RFC 6675 4: what
 * is lost; and with `any`, when there is nothing new to send either, what may be. With RACK
 * only what it has found lost. */
bool recovery_hole(struct tcp *tcp, uint32_t *seq, bool any);

/* What may be sent has been: the ACKs of one batch are answered. */
void recovery_sent(struct tcp *tcp);

/* FlightSize where a loss reduces the window (RFC 5681 3.1, RFC 9438 4.6): what was outstanding
 * before the batch of ACKs that tells of it, for had those before it come alone, what they took
 * from SND.NXT - SND.UNA would have been sent anew. cwnd at most: neither limited transmit (RFC
 * 5681 3.2) nor what the peer holds behind a hole makes it more. */
uint32_t recovery_flight(const struct tcp *tcp);

/* [seq, end) was sent again by fast retransmission. */
void recovery_resent(struct tcp *tcp, uint32_t seq, uint32_t end);

/* The retransmission timer expired: everything outstanding is held to be lost. */
void recovery_timeout(struct tcp *tcp, int64_t now);

/* Everything outstanding is to be sent again, though not for congestion. */
void recovery_restart(struct tcp *tcp);

/* Bytes that the congestion window allows beyond those in the network. */
uint32_t recovery_room(const struct tcp *tcp);

#endif
