/* tcb: the transmission control block of RFC 9293 3.3.1, shared by the files of the engine.
 *
 * The send sequence space, and what the names mean here:
 *
 *     iss          snd_una            cursor            snd_nxt                una + wnd
 *      |   acked    |  sent and         |  sent, held    |  never sent          |  not allowed
 *      |            |  in the network   |  to be lost    |                      |
 *
 * snd_nxt is the highest number sent and never goes back. cursor is where the next segment begins:
 * it goes back to snd_una when what is outstanding is believed lost, and is snd_nxt otherwise. The
 * send buffer begins at snd_una (behind the SYN) and the FIN takes the number after its end.
 *
 * tcp_input() only changes this block and marks what is owed (an ACK, a RST, a retransmission);
 * tcp_output() alone makes segments. So a batch of segments is answered by one ACK. */
#ifndef TCPLUA_TCP_TCB_H
#define TCPLUA_TCP_TCB_H

#include "tcp/congestion.h"
#include "tcp/fast_open.h"
#include "tcp/rack.h"
#include "tcp/recovery.h"
#include "tcp/recvbuf.h"
#include "tcp/rto.h"
#include "tcp/sack.h"
#include "tcp/scoreboard.h"
#include "tcp/sendbuf.h"
#include "tcp/seq.h"
#include "tcp/tcp.h"

#define WINDOW_MAX   65535U /* in a header; a shift of up to 14 comes on top (RFC 7323 2.3) */
#define WSCALE_MAX   14
#define ECN_BITS     3 /* of the IP header's second byte (RFC 3168 5) */
#define ECN_ECT      2 /* sent by who knows what a mark means: ECT(0) */
#define ECN_CE       3 /* marked */
#define DUP_ACKS_MAX 3 /* duplicate ACKs for one batch: as many as start a fast retransmit */

enum timer {
    TIMER_RETRANSMIT, /* something is outstanding */
    TIMER_PERSIST,    /* something waits for the peer's window: a probe, or the SWS override */
    TIMER_ACK,        /* an ACK is delayed */
    TIMER_REORDER,    /* what was sent earlier than what has come will then be overdue */
    TIMER_PROBE,      /* the last of a flight has been without an answer for long */
    TIMER_KEEPALIVE,  /* nothing is outstanding, and nothing has come for long */
    TIMER_TIME_WAIT,
    TIMERS,
};

/* At most so many in a second, counted from the first. */
struct limiter {
    int64_t since;
    uint32_t count;
};

struct tcp {
    struct tcp_config config; /* the defaults filled in */
    enum tcp_state state;
    enum tcp_reason reason;
    enum tcp_mode mode;
    unsigned events;
    bool by_hand;                  /* a script has sent segments, which keep to no window */
    bool dirty;                    /* tcp_output() may have something */
    bool softly;                   /* an ICMP error came that was not fatal by itself */
    bool heard;                    /* the peer's SYN is in */
    bool wscale, timestamps, sack; /* offered, and once the peer's SYN is in, agreed */
    int64_t opened;                /* when the connection left CLOSED */
    int64_t waited;                /* since when the peer owes an answer: R2 counts from here */
    int64_t heard_at;              /* when the last segment came */
    int64_t timers[TIMERS];

    /* sending */
    uint32_t iss, snd_una, snd_nxt, cursor;
    uint32_t snd_wnd, snd_wl1, snd_wl2, max_snd_wnd;
    uint32_t hand_end; /* the end of all data that a script has sent by hand, or SND.NXT */
    uint32_t
        limited; /* cwnd held data back when this was snd_nxt: up to here its growth is earned */
    uint16_t snd_mss;
    uint8_t snd_wscale;  /* shift of the windows that the peer sends, outside a SYN */
    bool fin_queued;     /* the application has shut down */
    bool resend_first;   /* one segment at snd_una, whatever cwnd says */
    bool probe;          /* one octet into the zero window */
    bool override;       /* a small segment in spite of SWS avoidance */
    bool syn_lost;       /* the SYN timed out at least once */
    bool syn_hastened;   /* the next SYN comes early, after a half-open connection was reset */
    bool syn_data;       /* what a SYN carried was taken, ours or theirs */
    bool early;          /* the peer has shown its cookie: fast_open.h */
    bool cookie_due;     /* or asked for one */
    bool keepalive;      /* a probe of an idle connection is due */
    bool urging;         /* there is urgent data that ends before */
    uint32_t snd_up;     /* this number */
    uint32_t syn_text;   /* bytes that our SYN carried; not counted as sent */
    unsigned keepalives; /* unanswered probes in a row */
    unsigned probes;     /* zero-window probes in a row: the backoff */
    unsigned timeouts;   /* retransmission timeouts in a row */
    int64_t probed_at;   /* when the last probe of an idle connection was sent */
    int64_t last_sent;   /* when data was last sent */
    struct sendbuf send;
    struct rto rto;
    struct congestion congestion;
    struct recovery recovery;
    struct scoreboard scoreboard; /* with SACK */
    struct rack rack;             /* with SACK, unless turned off */
    uint16_t id;                  /* of the next IPv4 header */
    bool ecn;                     /* agreed upon */
    bool cwr_due;                 /* the peer is to hear of a reduction with the next new data */
    bool ece;                     /* the peer is to hear of a mark until it has */
    bool ecn_reduced;             /* the window was reduced for a mark, up to */
    uint32_t ecn_point;           /* this number: once in a round trip */

    /* receiving */
    uint32_t irs;
    uint32_t rcv_adv;    /* the right edge of the window as offered: it never goes back */
    uint16_t rcv_mss;    /* largest segment the peer has sent, our own MSS at most */
    uint8_t rcv_wscale;  /* and of those we send: what we offer until the peer's SYN is in */
    bool fin_known;      /* a FIN was accepted: */
    bool fin_received;   /* and everything before it is in */
    bool urged;          /* the peer has sent urgent data that ends before rcv_up */
    bool ack_now;        /* an ACK is owed, */
    unsigned dup_acks;   /* and so many before it, for segments out of order */
    uint32_t fin_seq;    /* the number of the FIN */
    uint32_t rcv_up;     /* where urgent data ends */
    uint32_t quick_acks; /* so many more ACKs are not delayed */
    uint32_t ack_debt;   /* bytes taken since the last ACK */
    uint32_t last_ack_sent;
    uint32_t ts_recent;   /* TS.Recent: to be echoed */
    int64_t ts_recent_at; /* since when */
    struct sack report;   /* with SACK: of what came out of order */
    struct recvbuf recv;

    struct {
        bool pending, with_ack;
        uint32_t seq;
    } rst;

    /* RFC 5961 7 asks for a limit on challenge ACKs; what else a stranger can make us send has one
     * of its own, so that neither can use up the other's. */
    struct limiter challenges; /* ACKs that ask whether a RST, SYN or ACK was meant */
    struct limiter answers;    /* ACKs of unacceptable segments */
    struct limiter refusals;   /* RSTs of unacceptable ACKs while opening */

    uint64_t segs_in, segs_out, bytes_received, bytes_acked;
    uint64_t retransmits, out_of_order, challenge_acks, paws, dsacks, marks, total_timeouts;
};

/* The number expected next from the peer. */
static inline uint32_t tcb_rcv_nxt(const struct tcp *tcp)
{
    return tcp->recv.next + (tcp->fin_received ? 1U : 0U);
}

/* RCV.WND: what is left of the window that was offered. */
static inline uint32_t tcb_rcv_wnd(const struct tcp *tcp)
{
    return seq_beyond(tcp->rcv_adv, tcb_rcv_nxt(tcp));
}

/* SEG.WND in bytes: a window in a SYN is never scaled (RFC 7323 2.2). */
static inline uint32_t tcb_window_of(const struct tcp *tcp, const struct segment *s)
{
    return s->flags & TCP_SYN ? s->window : (uint32_t)s->window << tcp->snd_wscale;
}

/* The largest window that we can offer. */
static inline uint32_t tcb_window_max(const struct tcp *tcp)
{
    uint32_t most = WINDOW_MAX << tcp->rcv_wscale;
    return tcp->recv.limit < most ? tcp->recv.limit : most;
}

/* What the options take from every segment with data (RFC 9293 MUST-16). */
static inline uint32_t tcb_overhead(const struct tcp *tcp)
{
    return (tcp->timestamps ? 12U : 0U) + tcp->config.signature;
}

/* TSval: a clock of milliseconds (RFC 7323 5.4). */
static inline uint32_t tcb_timestamp(const struct tcp *tcp, int64_t now)
{
    return tcp->config.ts_offset + (uint32_t)(now / NS_PER_MS);
}

/* The number after everything the application wants sent, FIN included. */
static inline uint32_t tcb_send_end(const struct tcp *tcp)
{
    return sendbuf_end(&tcp->send) + (tcp->fin_queued ? 1U : 0U);
}

static inline bool tcb_fin_acked(const struct tcp *tcp)
{
    return tcp->fin_queued && tcp->snd_una == sendbuf_end(&tcp->send) + 1;
}

static inline uint32_t tcb_flight(const struct tcp *tcp)
{
    return tcp->snd_nxt - tcp->snd_una;
}

/* The number of a segment that takes up none: SND.NXT, unless the peer has taken back that part of
 * its window, where it would not accept it. */
static inline uint32_t tcb_bare_seq(const struct tcp *tcp)
{
    return tcp->state <= TCPS_SYN_RECEIVED ? tcp->snd_nxt
                                           : seq_min(tcp->snd_nxt, tcp->snd_una + tcp->snd_wnd);
}

/* The highest number that the peer can acknowledge. */
static inline uint32_t tcb_sent_end(const struct tcp *tcp)
{
    return tcp->state <= TCPS_SYN_RECEIVED ? seq_max(tcp->snd_nxt, tcp->iss + 1 + tcp->syn_text)
                                           : tcp->snd_nxt;
}

/* The SYN-ACK is out, and answers to what came with the SYN may follow it. */
static inline bool tcb_is_early(const struct tcp *tcp)
{
    return tcp->state == TCPS_SYN_RECEIVED && tcp->early && tcp->cursor != tcp->iss &&
           !tcp->syn_lost && tcp->snd_wnd > 0;
}

/* The handshake is done and the peer may still want data from us. */
static inline bool tcb_is_open(const struct tcp *tcp)
{
    return tcp->state >= TCPS_ESTABLISHED && tcp->state != TCPS_TIME_WAIT;
}

/* The peer may still send data. */
static inline bool tcb_is_receiving(const struct tcp *tcp)
{
    return tcp->state == TCPS_ESTABLISHED || tcp->state == TCPS_FIN_WAIT_1 ||
           tcp->state == TCPS_FIN_WAIT_2;
}

/* `now` and `delay` later, or never. */
static inline int64_t tcb_later(int64_t now, int64_t delay)
{
    return delay > TIME_NEVER - now ? TIME_NEVER : now + delay;
}

static inline void tcb_arm(struct tcp *tcp, enum timer timer, int64_t when)
{
    tcp->timers[timer] = when;
}

static inline void tcb_disarm(struct tcp *tcp, enum timer timer)
{
    tcp->timers[timer] = TIME_NEVER;
}

static inline bool tcb_is_armed(const struct tcp *tcp, enum timer timer)
{
    return tcp->timers[timer] != TIME_NEVER;
}

/* The effective send MSS is `mss` from now on. */
void tcb_set_mss(struct tcp *tcp, uint16_t mss);

/* Changes the state and says so; TIME-WAIT starts its timer. */
void tcb_enter(struct tcp *tcp, enum tcp_state state, int64_t now);

/* The connection is over before its time. */
void tcb_fail(struct tcp *tcp, enum tcp_reason reason, int64_t now);

/* The same, and the peer is told by a RST. */
void tcb_reset(struct tcp *tcp, enum tcp_reason reason, int64_t now);

/* Takes the peer's SYN: its numbers and its options, and what data and FIN it carries. */
void tcb_take_syn(struct tcp *tcp, const struct segment *syn, int64_t now);

/* Takes data and FIN of a segment, the SYN set aside, as far as the window goes. */
void tcb_take_text(struct tcp *tcp, const struct segment *segment, int64_t now);

/* When R2 or the user timeout is reached (RFC 9293 3.8.3). */
int64_t tcb_give_up(const struct tcp *tcp);

/* The largest step that the right edge of the receive window waits for (RFC 9293 3.8.6.2.2). */
uint32_t tcb_window_step(const struct tcp *tcp);

/* The right edge that the free space of the receive buffer allows. */
uint32_t tcb_window_edge(const struct tcp *tcp);

bool limiter_allow(struct limiter *limiter, uint32_t most, int64_t now);

#endif
