/* recovery: see recovery.h. */
#include "tcp/recovery.h"

#include "tcp/tcb.h"

void recovery_init(struct tcp *tcp)
{
    tcp->recovery = (struct recovery){.point = tcp->iss, .high_rxt = tcp->snd_una};
    scoreboard_clear(&tcp->scoreboard);
    rack_init(tcp);
}

static uint32_t lost_edge(const struct tcp *tcp)
{
    return scoreboard_lost(&tcp->scoreboard, tcp->snd_una, tcp->snd_mss);
}

void recovery_sent(struct tcp *tcp)
{
    if (tcp->recovery.dupacks == 0)
        tcp->recovery.flight = tcb_flight(tcp);
}

uint32_t recovery_flight(const struct tcp *tcp)
{
    uint32_t flight = tcp->recovery.flight, cwnd = tcp->congestion.cwnd;
    return flight < cwnd ? flight : cwnd;
}

static void enter(struct tcp *tcp, int64_t now)
{
    struct recovery *r = &tcp->recovery;

    congestion_loss(&tcp->congestion, recovery_flight(tcp), now);
    r->active = true;
    r->partial = r->rescued = r->growing = false;
    r->point = tcp->snd_nxt;
    r->high_rxt = tcp->snd_una;
    r->left = DUP_THRESH * (uint32_t)tcp->snd_mss;
    tcp->resend_first = true;
    rto_resent(&tcp->rto);
    tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));
}

void recovery_duplicate(struct tcp *tcp, int64_t now)
{
    struct recovery *r = &tcp->recovery;

    if (rack_is_on(tcp))
        return;
    r->dupacks++;
    if (r->active) {
        /* More than is outstanding cannot have left, however many ACKs a peer invents. */
        if (r->left < tcb_flight(tcp))
            r->left += tcp->snd_mss;
        return;
    }
    /* Duplicates of what was sent before the last recovery or timeout may be the echo of our own
     * retransmissions (RFC 6582 3.2 step 2). */
    if (!seq_gt(tcp->snd_una, r->point))
        return;
    if (r->dupacks >= DUP_THRESH || (tcp->sack && seq_gt(lost_edge(tcp), tcp->snd_una)))
        enter(tcp, now);
    else if (!tcp->sack)
        r->left += tcp->snd_mss; /* RFC 3042: a new segment for each of the first two */
}

void recovery_lost(struct tcp *tcp, int64_t now)
{
    if (!tcp->recovery.active)
        enter(tcp, now);
}

/* The ACK covers everything that was outstanding when recovery began. */
static void leave(struct tcp *tcp)
{
    struct recovery *r = &tcp->recovery;

    r->active = false;
    if (rack_is_on(tcp)) { /* the pipe was known all the time */
        rack_recovered(tcp);
        return;
    }
    uint32_t flight = tcb_flight(tcp);
    uint32_t window = (flight > tcp->snd_mss ? flight : tcp->snd_mss) + tcp->snd_mss;

    if (tcp->congestion.cwnd > window) /* no burst of what has piled up */
        tcp->congestion.cwnd = window;
}

bool recovery_acked(struct tcp *tcp, uint32_t bytes, int64_t now)
{
    struct recovery *r = &tcp->recovery;

    r->dupacks = 0;
    if (!r->active || seq_ge(tcp->snd_una, r->point))
        r->left = 0;
    if (!r->active) {
        if (seq_lt(tcp->snd_una - bytes, tcp->limited))
            congestion_acked(&tcp->congestion, bytes, now);
        /* Both marks follow, lest they come to lie in the future after 2^31 bytes. */
        tcp->limited = seq_max(tcp->limited, tcp->snd_una);
        r->point = seq_max(r->point, tcp->snd_una - 1);
        if (tcp->sack && !rack_is_on(tcp) && seq_gt(tcp->snd_una, r->point) &&
            seq_gt(lost_edge(tcp), tcp->snd_una))
            enter(tcp, now);
        return true;
    }
    if (r->growing)
        congestion_acked(&tcp->congestion, bytes, now);
    if (seq_ge(tcp->snd_una, r->point)) {
        leave(tcp);
        return true;
    }
    if (tcp->sack) {
        r->high_rxt = seq_max(r->high_rxt, tcp->snd_una);
        return true;
    }
    /* Partial acknowledgment: the next hole is lost as well. Only the first starts the timer again,
     * so that many holes end in slow start and not in one round trip for each. */
    bool first = !r->partial;
    r->partial = true;
    r->left -= r->left < bytes ? r->left : bytes;
    if (bytes >= tcp->snd_mss)
        r->left += tcp->snd_mss;
    tcp->resend_first = true;
    return first;
}

bool recovery_hole(struct tcp *tcp, uint32_t *seq, bool any)
{
    const struct recovery *r = &tcp->recovery;
    const struct scoreboard *b = &tcp->scoreboard;
    uint32_t end;

    if (!r->active || !tcp->sack)
        return false;
    if (rack_is_on(tcp))
        return flight_lost(&tcp->rack.flight, seq);
    uint32_t from = seq_max(r->high_rxt, tcp->snd_una);
    *seq = scoreboard_hole(b, from, tcp->snd_nxt, &end);
    if (seq_lt(*seq, any ? scoreboard_end(b, tcp->snd_una) : lost_edge(tcp)))
        return true;
    /* Nothing is known of the end, and nothing will be unless it is sent again (rule 4); new data
     * behind it would bring reports, too. */
    if (!any || r->rescued || tcp->snd_nxt != r->point)
        return false;
    uint32_t tail = seq_max(scoreboard_end(b, tcp->snd_una), tcp->snd_nxt - tcp->snd_mss);
    *seq = tail;
    return seq_lt(tail, tcp->snd_nxt) && seq_ge(tail, tcp->snd_una);
}

void recovery_resent(struct tcp *tcp, uint32_t seq, uint32_t end)
{
    struct recovery *r = &tcp->recovery;

    bool tail = seq_ge(seq, scoreboard_end(&tcp->scoreboard, tcp->snd_una));
    if (tail)
        r->rescued = true;
    if (!tail || seq == tcp->snd_una) /* else holes before it may still show */
        r->high_rxt = seq_max(r->high_rxt, end);
}

/* Everything up to SND.NXT is to be repaired: with RACK what is marked lost, else all that is not
 * held. */
static void go_back(struct tcp *tcp)
{
    struct recovery *r = &tcp->recovery;
    bool marked = rack_is_on(tcp);

    r->active = r->growing = marked;
    r->dupacks = 0;
    r->left = 0;
    r->point = tcp->snd_nxt;
    tcp->resend_first = marked;
    tcp->cursor = marked ? tcp->snd_nxt : tcp->snd_una;
    rto_resent(&tcp->rto);
}

void recovery_timeout(struct tcp *tcp, int64_t now)
{
    congestion_timeout(&tcp->congestion, recovery_flight(tcp), tcp->timeouts > 0, now);
    /* A peer that holds what follows SND.UNA would have acknowledged it: it does not any more
     * (RFC 2018 8). The second time in a row nothing that it said is believed. */
    if (tcp->timeouts > 0 ||
        (tcp->scoreboard.ranges && tcp->scoreboard.range[0].left == tcp->snd_una)) {
        scoreboard_clear(&tcp->scoreboard);
        flight_unhold(&tcp->rack.flight);
    }
    if (rack_is_on(tcp))
        rack_timeout(tcp, now);
    go_back(tcp);
}

void recovery_restart(struct tcp *tcp)
{
    if (rack_is_on(tcp))
        rack_lose_all(tcp);
    go_back(tcp);
}

/* Pipe: what is believed to be on its way. In recovery (RFC 6675 4, SetPipe) what is lost counts
 * only once it was sent again; after a timeout everything behind the cursor is lost. */
static uint32_t pipe_of(const struct tcp *tcp)
{
    const struct recovery *r = &tcp->recovery;
    uint32_t pipe = 0, end;

    if (!tcp->sack) {
        pipe = tcp->cursor - tcp->snd_una;
        return pipe - (r->left < pipe ? r->left : pipe);
    }
    if (rack_is_on(tcp)) { /* RFC 8985: what is neither held nor lost */
        pipe = tcb_flight(tcp) - scoreboard_bytes(&tcp->scoreboard, tcp->snd_nxt);
        return pipe - (tcp->rack.flight.lost < pipe ? tcp->rack.flight.lost : pipe);
    }
    if (!r->active)
        return tcp->cursor - tcp->snd_una - scoreboard_bytes(&tcp->scoreboard, tcp->cursor);
    uint32_t lost = lost_edge(tcp), sent = seq_min(r->high_rxt, lost);
    for (uint32_t at = tcp->snd_una; seq_lt(at, tcp->snd_nxt); at = end) {
        at = scoreboard_hole(&tcp->scoreboard, at, tcp->snd_nxt, &end);
        if (seq_ge(at, tcp->snd_nxt))
            break;
        pipe += seq_beyond(seq_min(end, sent), at);
        pipe += seq_beyond(end, seq_max(at, lost));
    }
    return pipe;
}

uint32_t recovery_room(const struct tcp *tcp)
{
    uint32_t pipe = pipe_of(tcp);
    return tcp->congestion.cwnd > pipe ? tcp->congestion.cwnd - pipe : 0;
}
