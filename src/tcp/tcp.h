/* tcp: one connection of RFC 9293, as a function of (state, event, now).
 *
 * The engine does no system call and keeps no clock. Segments go in with tcp_input(), the
 * application calls go in with tcp_write(), tcp_read(), tcp_shutdown() and tcp_abort(), time goes
 * in as `now` with every call; tcp_output() is asked for segments until it has none, and
 * tcp_deadline() says when to ask again. So the same engine runs on a wire, in a simulation with a
 * virtual clock, and under a fuzzer.
 *
 *     stack:   tcp_input(tcp, &seg, now);            a segment came in
 *              while (tcp_output(tcp, &seg, now))    what is there to send, timers included
 *                  send(&seg);
 *              sleep until tcp_deadline(tcp);
 *              if (tcp_events(tcp)) tell the script
 *
 * All sequence arithmetic is modulo 2^32 (seq.h). Memory is bounded by the two buffers. */
#ifndef TCPLUA_TCP_TCP_H
#define TCPLUA_TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "packet/segment.h"

/* RFC 9293 3.3.2. LISTEN has no struct tcp: a listener (stack) makes one for each SYN. The names
 * differ from the kernel's TCP_ESTABLISHED … so that both can be included. */
enum tcp_state {
    TCPS_CLOSED,
    TCPS_SYN_SENT,
    TCPS_SYN_RECEIVED,
    TCPS_ESTABLISHED,
    TCPS_FIN_WAIT_1,
    TCPS_FIN_WAIT_2,
    TCPS_CLOSE_WAIT,
    TCPS_CLOSING,
    TCPS_LAST_ACK,
    TCPS_TIME_WAIT,
};

/* "ESTABLISHED", "SYN-SENT", … as RFC 9293 writes them. */
const char *tcp_state_name(enum tcp_state state);

/* Why a connection ended before its time. */
enum tcp_reason {
    TCP_FINE,        /* it did not, or both sides closed in order */
    TCP_REFUSED,     /* RST while opening */
    TCP_RESET,       /* RST afterwards */
    TCP_TIMED_OUT,   /* R2 or the user timeout passed without an answer */
    TCP_UNREACHABLE, /* a hard ICMP error while opening */
    TCP_ABORTED,     /* tcp_abort() */
};

/* What may have changed since the last tcp_events(); a script looks again at what it waits for. */
enum {
    TCP_EVENT_OPEN = 1,     /* the handshake is done */
    TCP_EVENT_READABLE = 2, /* new data or end of stream */
    TCP_EVENT_WRITABLE = 4, /* room in the send buffer, or all of it acknowledged */
    TCP_EVENT_CLOSED = 8,   /* our FIN is acknowledged and theirs is in, or the connection failed */
    TCP_EVENT_STATE = 16,   /* the state is another one */
    TCP_EVENT_URGENT = 32,  /* there is urgent data, or more of it */
    TCP_EVENT_STALLED = 64, /* R1 is reached (RFC 9293 3.8.3): TCP_R1 timeouts in a row */
};

#define TCP_R1 3 /* SHLD-10: at least three */

struct congestion_ops;

/* Explicit congestion notification (RFC 3168): who may bring it up. */
enum tcp_ecn { TCP_ECN_OFF, TCP_ECN_ANSWER, TCP_ECN_ASK };

/* A Fast Open cookie (RFC 7413), and what the peer that gave it takes in a segment (0: unknown). */
struct tcp_cookie {
    uint8_t length; /* 0: none; else an even number from 4 on */
    uint8_t bytes[SEGMENT_COOKIE_MAX];
    uint16_t mss;
};

struct tcp_config {
    struct flow flow;
    uint32_t iss;      /* initial send sequence number (RFC 6528, from stack) */
    uint16_t mss;      /* what we announce: the link's MTU less 40 (IPv4) or 60 (IPv6) */
    uint8_t ttl, tos;  /* of every segment; ttl 0: 64 */
    uint32_t sndbuf;   /* bytes; 0: 65536 */
    uint32_t rcvbuf;   /* bytes; 0: 65535. Without window scaling no more than 65535 is offered */
    bool wscale;       /* offer window scaling (RFC 7323 2), */
    bool timestamps;   /* timestamps, with PAWS (RFC 7323 3 to 5), */
    bool sack;         /* and selective acknowledgments (RFC 2018, 2883, 6675) */
    bool rack;         /* losses are found by time, where there is SACK (RFC 8985) */
    bool nagle;        /* hold back small segments while data is outstanding (RFC 9293 3.7.4) */
    uint8_t signature; /* bytes of options that the stack adds to every segment: auth.h */
    bool fast_open;    /* of a client: ask for a cookie, or with one send data in the SYN; of who
                          accepts: take data in a SYN that has the cookie (RFC 7413) */
    struct tcp_cookie cookie;
    enum tcp_ecn ecn;
    uint32_t ts_offset;   /* what the timestamp clock starts from (RFC 7323 5.4), from stack */
    int64_t initial_rto;  /* 0: 1 s (RFC 6298 2.1) */
    int64_t min_rto;      /* 0: 200 ms (Linux; RFC 6298 2.4 SHOULDs 1 s) */
    int64_t max_rto;      /* 0: 120 s (RFC 6298 2.5: at least 60 s) */
    int64_t syn_timeout;  /* R2 for the SYN; 0: 180 s (RFC 9293 MUST-23) */
    int64_t user_timeout; /* R2 for data and FIN; 0: 180 s (RFC 9293 SHLD-11: at least 100 s) */
    int64_t time_wait;    /* 2 MSL; 0: 240 s (RFC 9293 MUST-13) */
    int64_t delayed_ack;  /* longest delay of an ACK; 0: every segment is acknowledged at once */
    uint32_t quick_acks;  /* but so many at the beginning go at once, as Linux's do */
    uint32_t keepalive_probes;  /* unanswered ones before it fails; 0: 9 */
    int64_t keepalive;          /* idle time before the first probe; 0: none (RFC 9293 3.8.4) */
    int64_t keepalive_interval; /* between probes; 0: 75 s */
    uint32_t challenge_max;     /* challenge ACKs a second (RFC 5961 7); 0: 10 */
    const struct congestion_ops *congestion; /* congestion.h; NULL: NewReno */
};

struct tcp;

/* A connection in CLOSED; NULL when memory is short. */
struct tcp *tcp_new(const struct tcp_config *config);

/* Frees everything. Nothing is sent: to end the connection first, shut down or abort it. */
void tcp_free(struct tcp *tcp);

/* Active open: SYN-SENT. */
void tcp_connect(struct tcp *tcp, int64_t now);

/* Passive open by the SYN that a listener received: SYN-RECEIVED. `syn` must have SYN and neither
 * RST nor ACK; data and FIN on it are taken like any other. */
void tcp_accept(struct tcp *tcp, const struct segment *syn, int64_t now);

/* After tcp_accept(): whether the peer has shown the right cookie. Then the connection is the
 * application's though its handshake is not over: it can read what came with the SYN, and write. */
bool tcp_is_early(const struct tcp *tcp);

/* The cookie that the peer gave, when the handshake is done; else the one of `config`. */
const struct tcp_cookie *tcp_cookie(const struct tcp *tcp);

/* A segment for this connection came in (RFC 9293 3.10.7). */
void tcp_input(struct tcp *tcp, const struct segment *segment, int64_t now);

/* The next segment to send, if any; expired timers are served first. Its payload points into the
 * engine and is valid until the next call. Ask again until false. */
bool tcp_output(struct tcp *tcp, struct segment *segment, int64_t now);

/* When tcp_output() wants to be asked again, at the latest: TIME_NEVER if only an event can help.
 */
int64_t tcp_deadline(const struct tcp *tcp);

/* An ICMP error quoting a segment of this connection with sequence number `seq` (RFC 9293 3.9.2.2,
 * RFC 5927). `hard` errors end an opening connection with TCP_UNREACHABLE; all others are only
 * remembered. Returns whether the quote was plausible: SND.UNA <= seq < SND.NXT. */
bool tcp_unreachable(struct tcp *tcp, uint32_t seq, bool hard, int64_t now);

/* The path takes datagrams of at most `mtu` bytes (ICMP fragmentation needed, packet too big): the
 * send MSS only ever shrinks, and what is outstanding is sent again in smaller pieces. */
bool tcp_path_mtu(struct tcp *tcp, uint32_t seq, uint32_t mtu, int64_t now);

/* Takes what fits of `length` bytes to send and returns how many that is; 0 after tcp_shutdown()
 * or when the connection cannot send any more. The last byte taken is pushed (PSH). What is written
 * while the connection opens is sent when it is open. When memory is short the connection is
 * aborted. */
size_t tcp_write(struct tcp *tcp, const void *bytes, size_t length);

/* Bytes that tcp_read() could return now. */
size_t tcp_readable(const struct tcp *tcp);

/* Moves up to `length` bytes in order out of the receive buffer, but none after the first `stop`
 * (a byte value, or -1 for none). Returns how many. A window update follows when RFC 9293 3.8.6.2.2
 * allows it. */
size_t tcp_read(struct tcp *tcp, void *bytes, size_t length, int stop, int64_t now);

/* True when the peer's FIN has been reached: everything before it has been read. What came in
 * before the end of a connection, however it ended, can still be read after it. */
bool tcp_eof(const struct tcp *tcp);

/* No more data from us: FIN after what is queued. Repeating it does nothing. In SYN-SENT there is
 * nothing to close in order: CLOSED with TCP_ABORTED (RFC 9293 3.10.4). Unread data does not matter
 * here: whoever wants SHLD-3 (RST when data is thrown away) calls tcp_abort(). */
void tcp_shutdown(struct tcp *tcp, int64_t now);

/* RST to the peer, where the state calls for one, and CLOSED with TCP_ABORTED. */
void tcp_abort(struct tcp *tcp, int64_t now);

/* All that is queued so far is urgent (RFC 9293 3.8.5, RFC 6093): segments say so until its end has
 * been sent. */
void tcp_urge(struct tcp *tcp);

/* The peer's urgent data, which stays in line: how many of the bytes to be read next, come or not,
 * lead up to its end; 0 if there is none, or it has been read. */
uint32_t tcp_urgent(const struct tcp *tcp);

/* Whether a SYN that finds this connection in TIME-WAIT may begin another one: its numbers, or its
 * timestamps, lie beyond all of this one's (RFC 9293 MAY-2, RFC 6191). */
bool tcp_may_renew(const struct tcp *tcp, const struct segment *syn);

/* --- the dial: who sends -------------------------------------------------------------------------
 */

enum tcp_mode {
    TCP_AUTO,   /* the engine */
    TCP_ASSIST, /* the engine opens, acknowledges and answers; a script sends data and FIN */
    TCP_MANUAL, /* a script sends everything; the engine keeps the numbers */
};

/* At any moment, from tcp_connect() and tcp_accept() on. In TCP_AUTO again, what a script has sent
 * is looked after like anything else; and the peer hears what it may have been told wrongly. */
void tcp_set_mode(struct tcp *tcp, enum tcp_mode mode, int64_t now);
enum tcp_mode tcp_mode(const struct tcp *tcp);

/* The segment with these flags that would fit the connection now: numbers, window, options. */
void tcp_draft(const struct tcp *tcp, uint16_t flags, struct segment *segment, int64_t now);

/* A script has sent `segment`. If it begins at SND.NXT, or before it and ends behind, SND.NXT
 * advances to its end and the new data is kept, to be sent again in TCP_AUTO; a RST at SND.NXT ends
 * the connection. Data further ahead counts once the peer acknowledges it, so the hole before it
 * may be filled in any way. Any other is as if it was never sent, but for what it acknowledges. */
void tcp_sent(struct tcp *tcp, const struct segment *segment, int64_t now);

/* The events since the last call; clears them. */
unsigned tcp_events(struct tcp *tcp);

enum tcp_state tcp_state(const struct tcp *tcp);
enum tcp_reason tcp_reason(const struct tcp *tcp);
const struct flow *tcp_flow(const struct tcp *tcp);

/* The numbers of a connection, in the words of RFC 9293 and Linux's tcp_info. */
struct tcp_info {
    uint32_t iss, snd_una, snd_nxt, snd_wnd;
    uint32_t irs, rcv_nxt, rcv_wnd;
    uint16_t snd_mss, rcv_mss;
    uint8_t snd_wscale, rcv_wscale;     /* shifts agreed upon; 0 for none */
    bool wscale, timestamps, sack, ecn; /* agreed upon */
    bool syn_data;                      /* what a SYN carried was taken (RFC 7413) */
    const char *congestion;             /* "cubic", "newreno" */
    uint32_t cwnd, ssthresh;            /* bytes */
    int64_t rto, srtt, rttvar;
    uint64_t segs_in, segs_out, bytes_received, bytes_acked;
    uint64_t retransmits;     /* segments sent again */
    uint64_t out_of_order;    /* segments queued out of order */
    uint64_t overlaps;        /* bytes received again with other values: the first ones count */
    uint64_t challenge_acks;  /* sent */
    uint64_t marks;           /* segments that came with CE */
    uint64_t paws;            /* segments dropped for their old timestamp */
    uint64_t dsacks;          /* reports that something came twice */
    size_t sacked;            /* bytes that the peer holds out of order */
    bool rack;                /* RACK-TLP is in use: */
    bool reord_seen;          /* the path has changed the order of segments */
    int64_t min_rtt, reo_wnd; /* 0 before the first round trip */
    size_t lost;              /* bytes believed lost and not sent again since */
    uint64_t loss_probes;     /* sent */
    uint64_t timeouts;        /* of the retransmission timer, the SYN's among them */
    size_t unsent, unacked;   /* bytes in the send buffer, by kind */
    bool stalled;             /* R1 is reached, and no answer has come since */
    bool heard;               /* the peer's SYN is in: irs and rcv_nxt count */
    bool fin_acked;           /* our FIN has been acknowledged */
    bool fin_received;        /* their FIN has been reached */
};

void tcp_info(const struct tcp *tcp, struct tcp_info *info);

/* The reset that answers a segment for which there is no connection (RFC 9293 3.10.7.1): false if
 * the segment is itself a RST, which nothing answers. */
bool tcp_refuse(const struct segment *segment, struct segment *rst);

#endif
