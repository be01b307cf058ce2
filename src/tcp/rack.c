/* rack: see rack.h. Numbers in comments are sections of RFC 8985. */
#include "tcp/rack.h"

#include "tcp/tcb.h"

#define MIN_RTT_PERIOD (150 * NS_PER_S) /* 6.2: minutes, so that a longer path is noticed */
#define PERSIST        16               /* recoveries that a wider window outlasts */
#define MULT_MAX       UINT8_MAX
#define PTO_UNKNOWN    NS_PER_S        /* 7.2 */
#define PTO_MIN        (2 * NS_PER_MS) /* less would be the noise of a busy machine */

bool rack_is_on(const struct tcp *tcp)
{
    return tcp->config.rack && tcp->sack;
}

void rack_init(struct tcp *tcp)
{
    struct rack *r = &tcp->rack;

    flight_free(&r->flight);
    *r = (struct rack){
        .xmit_ts = INT64_MIN,
        .end_seq = tcp->snd_una,
        .min_rtt = {TIME_NEVER, TIME_NEVER},
        .fack = tcp->snd_una,
        .reo_wnd_mult = 1,
    };
    flight_init(&r->flight, tcp->snd_una);
    if (tcp->snd_una != tcp->iss && tcp->snd_una != tcp->snd_nxt) /* on the SYN, by hand */
        rack_sent(tcp, tcp->snd_una, tcp->snd_nxt, tcp->last_sent);
}

void rack_sent(struct tcp *tcp, uint32_t seq, uint32_t end, int64_t now)
{
    if (rack_is_on(tcp))
        flight_sent(&tcp->rack.flight, seq, end, now);
}

int64_t rack_min_rtt(const struct rack *r)
{
    return r->min_rtt[0] < r->min_rtt[1] ? r->min_rtt[0] : r->min_rtt[1];
}

/* Step 1. */
static void sample(struct rack *r, int64_t rtt, int64_t now)
{
    if (r->min_rtt[0] == TIME_NEVER || now - r->period >= MIN_RTT_PERIOD) {
        r->min_rtt[1] = now - r->period < 2 * MIN_RTT_PERIOD ? r->min_rtt[0] : TIME_NEVER;
        r->min_rtt[0] = rtt;
        r->period = now;
    } else if (rtt < r->min_rtt[0]) {
        r->min_rtt[0] = rtt;
    }
}

static bool sent_after(int64_t t1, uint32_t seq1, int64_t t2, uint32_t seq2)
{
    return t1 > t2 || (t1 == t2 && seq_gt(seq1, seq2));
}

/* Steps 2 and 3 for a segment that the peer has said to hold for the first time. Of one that was
 * sent again it may be the first copy that arrived: then its time says nothing. */
static void delivered(struct tcp *tcp, const struct flight_segment *s, const struct rack_ack *ack,
                      int64_t now)
{
    struct rack *r = &tcp->rack;
    int64_t rtt = now - s->sent;
    bool again = s->marks & FLIGHT_AGAIN;

    if (seq_gt(s->end, r->fack))
        r->fack = s->end;
    else if (seq_lt(s->end, r->fack) && !again)
        r->reordering_seen = true;

    if (!again)
        sample(r, rtt, now);
    else if ((ack->echoes && seq_lt(ack->echo, tcb_timestamp(tcp, s->sent))) ||
             rtt < rack_min_rtt(r))
        return;
    r->rtt = rtt;
    if (sent_after(s->sent, s->end, r->xmit_ts, r->end_seq)) {
        r->xmit_ts = s->sent;
        r->end_seq = s->end;
    }
}

/* What SACK blocks have told, in order of sequence numbers, so that the order of the blocks does
 * not look like reordering. A segment counts when all of it is there. */
static void take_news(struct tcp *tcp, const struct rack_ack *ack, int64_t now)
{
    struct flight *f = &tcp->rack.flight;
    uint32_t hole, end;

    for (uint32_t i = flight_find(f, ack->left); i < f->count; i++) {
        uint32_t begin = flight_begin(f, i);
        struct flight_segment *s = flight_at(f, i);
        if (seq_ge(begin, ack->right))
            break;
        hole = scoreboard_hole(&tcp->scoreboard, begin, s->end, &end);
        if (s->marks & FLIGHT_HELD || seq_lt(hole, s->end))
            continue;
        delivered(tcp, s, ack, now);
        flight_hold(f, i);
    }
}

/* Step 4: once in a round trip the window grows when something was sent again for nothing. What a
 * probe has sent twice says nothing of the order on the path. */
static void take_dsack(struct tcp *tcp, const struct rack_ack *ack)
{
    struct rack *r = &tcp->rack;

    if (r->in_dsack_round && seq_ge(tcp->snd_una, r->dsack_round))
        r->in_dsack_round = false;
    bool of_probe = r->probing && r->probe_again && ack->dsack_end == r->probe_end;
    if (!ack->dsack || of_probe || r->in_dsack_round)
        return;
    r->in_dsack_round = true;
    r->dsack_round = tcp->snd_nxt;
    if (r->reo_wnd_mult < MULT_MAX)
        r->reo_wnd_mult++;
    r->reo_wnd_persist = PERSIST;
}

void rack_recovered(struct tcp *tcp)
{
    struct rack *r = &tcp->rack;
    if (r->reo_wnd_persist > 0 && --r->reo_wnd_persist == 0)
        r->reo_wnd_mult = 1;
}

int64_t rack_reo_wnd(const struct tcp *tcp)
{
    const struct rack *r = &tcp->rack;
    int64_t least = rack_min_rtt(r);

    if (!r->reordering_seen && (tcp->recovery.active || r->flight.held >= DUP_THRESH))
        return 0;
    if (least == TIME_NEVER)
        return 0;
    int64_t window = r->reo_wnd_mult * least / 4;
    return window < tcp->rto.srtt ? window : tcp->rto.srtt;
}

/* Step 5: marks what is overdue. Returns how long until the last of the rest is, 0 if there is no
 * rest. Beyond what was sent again entries are in order of time, and the first that was sent later
 * ends it. */
static int64_t detect(struct tcp *tcp, int64_t now)
{
    struct rack *r = &tcp->rack;
    struct flight *f = &r->flight;
    int64_t overdue = r->rtt + rack_reo_wnd(tcp), timeout = 0;

    for (uint32_t i = 0; i < f->count; i++) {
        const struct flight_segment *s = flight_at(f, i);
        if (!sent_after(r->xmit_ts, r->end_seq, s->sent, s->end)) {
            if (seq_gt(s->end, f->again_to))
                break;
            continue;
        }
        if (s->marks & (FLIGHT_HELD | FLIGHT_LOST))
            continue;
        int64_t remaining = s->sent + overdue - now;
        if (remaining <= 0)
            flight_lose(f, i);
        else if (remaining > timeout)
            timeout = remaining;
    }
    return timeout;
}

void rack_look_again(struct tcp *tcp, int64_t now)
{
    /* What a window that has closed left outside was not kept, and that is no congestion. */
    int64_t timeout = tcp->snd_wnd > 0 ? detect(tcp, now) : 0;

    if (timeout)
        tcb_arm(tcp, TIMER_REORDER, tcb_later(now, timeout));
    else
        tcb_disarm(tcp, TIMER_REORDER);
    /* Also what was found lost in the last recovery, but was sent after that had begun. */
    if (tcp->rack.flight.lost > 0 && tcp->snd_wnd > 0)
        recovery_lost(tcp, now);
}

/* 7.4.2: what has become of the probe. */
static void take_probe(struct tcp *tcp, const struct rack_ack *ack, int64_t now)
{
    struct rack *r = &tcp->rack;

    if (!r->probing || seq_lt(tcp->snd_una, r->probe_end))
        return;
    bool twice = ack->dsack && ack->dsack_end == r->probe_end;
    if (!r->probe_again || twice || (ack->duplicate && ack->bare)) {
        r->probing = false;
    } else if (seq_gt(tcp->snd_una, r->probe_end)) {
        r->probing = false; /* it has repaired a loss of which nobody else knows */
        if (!tcp->recovery.active)
            congestion_loss(&tcp->congestion, recovery_flight(tcp), now);
    }
}

void rack_acked(struct tcp *tcp, const struct rack_ack *ack, int64_t now)
{
    struct flight_segment gone;
    uint32_t before = tcp->rack.flight.una;

    while (flight_acked(&tcp->rack.flight, tcp->snd_una, &gone))
        if (!(gone.marks & FLIGHT_HELD))
            delivered(tcp, &gone, ack, now);
    if (ack->news)
        take_news(tcp, ack, now);
    take_dsack(tcp, ack);
    take_probe(tcp, ack, now);
    rack_look_again(tcp, now);
    if (ack->news || tcp->snd_una != before)
        rack_schedule(tcp, now);
}

void rack_timeout(struct tcp *tcp, int64_t now)
{
    struct rack *r = &tcp->rack;
    int64_t overdue = r->rtt + rack_reo_wnd(tcp);

    for (uint32_t i = 0; i < r->flight.count; i++)
        if (i == 0 || flight_at(&r->flight, i)->sent + overdue <= now)
            flight_lose(&r->flight, i);
    r->probing = r->probe_due = false;
    tcb_disarm(tcp, TIMER_REORDER);
    tcb_disarm(tcp, TIMER_PROBE);
}

void rack_lose_all(struct tcp *tcp)
{
    struct rack *r = &tcp->rack;

    for (uint32_t i = 0; i < r->flight.count; i++)
        flight_lose(&r->flight, i);
    r->probe_due = false;
    tcb_disarm(tcp, TIMER_REORDER);
    tcb_disarm(tcp, TIMER_PROBE);
}

void rack_schedule(struct tcp *tcp, int64_t now)
{
    struct rack *r = &tcp->rack;
    int64_t pto = PTO_UNKNOWN;

    tcb_disarm(tcp, TIMER_PROBE);
    if (!rack_is_on(tcp) || !tcb_is_open(tcp) || tcp->recovery.active || r->flight.held ||
        r->probing || tcp->snd_una == tcp->snd_nxt || tcp->snd_wnd == 0)
        return;
    if (tcp->rto.sampled) {
        pto = 2 * tcp->rto.srtt;
        if (r->flight.count == 1)
            pto += tcp->config.min_rto; /* as long as a peer may hold an ACK back */
        if (pto < PTO_MIN)
            pto = PTO_MIN;
    }
    int64_t due = tcb_later(now, pto);
    if (due > tcp->timers[TIMER_RETRANSMIT])
        due = tcp->timers[TIMER_RETRANSMIT];
    tcb_arm(tcp, TIMER_PROBE, due);
}

void rack_probe(struct tcp *tcp, int64_t now)
{
    tcb_disarm(tcp, TIMER_PROBE);
    if (tcp->snd_una == tcp->snd_nxt)
        return;
    tcp->rack.probe_due = true;
    tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));
}

void rack_probed(struct tcp *tcp, bool again)
{
    struct rack *r = &tcp->rack;

    r->probing = true;
    r->probe_again = again;
    r->probe_end = tcp->snd_nxt;
    r->probes++;
    tcb_disarm(tcp, TIMER_PROBE);
}
