/* tcp_output: what there is to send, and when (RFC 9293 3.8 and 3.10.8).
 *
 * Every call serves the timers that have expired and then makes at most one segment, the most
 * urgent one: a RST, the SYN, duplicate ACKs, data and FIN, a bare ACK. */
#include "tcp/hand.h"
#include "tcp/tcb.h"

#define SWS_OVERRIDE (200 * NS_PER_MS) /* RFC 9293 3.8.6.2.1: 0.1 to 1 s */
#define OPTIONS_MAX  40                /* bytes in a header */
#define SACK_HEAD    4                 /* kind and length, and what aligns them; 8 more a block */

/* The right edge of the window moves only in steps that are worth a segment to the peer. A scaled
 * window is rounded up, so that the edge does not shrink, as long as the buffer has room for that;
 * else down, which moves the edge by less than one unit (RFC 7323 2.4), and what was offered once
 * is still taken. */
static uint16_t window_offer(struct tcp *tcp)
{
    uint32_t edge = tcb_window_edge(tcp), next = tcb_rcv_nxt(tcp);
    if (tcp->state == TCPS_SYN_RECEIVED) /* a SYN-ACK that follows could not say as much */
        edge = tcp->rcv_adv;
    if (seq_beyond(edge, tcp->rcv_adv) >= tcb_window_step(tcp))
        tcp->rcv_adv = edge;
    uint32_t unit = 1U << tcp->rcv_wscale;
    uint32_t up = (tcb_rcv_wnd(tcp) + unit - 1) & ~(unit - 1);
    if (up <= seq_beyond(edge, next))
        tcp->rcv_adv = next + up;
    return (uint16_t)(tcb_rcv_wnd(tcp) >> tcp->rcv_wscale);
}

static void begin(struct tcp *tcp, struct segment *out, uint32_t seq, uint16_t flags, int64_t now)
{
    const struct flow *flow = &tcp->config.flow;

    *out = (struct segment){
        .src = flow->local,
        .dst = flow->remote,
        .sport = flow->lport,
        .dport = flow->rport,
        .seq = seq,
        .flags = flags,
        .ttl = tcp->config.ttl,
        .tos = tcp->config.tos,
        .id = ++tcp->id ? tcp->id : ++tcp->id, /* raw sockets replace an ID of 0 */
    };
    tcp->segs_out++;
    if (tcp->timestamps && (tcp->heard || flags & TCP_SYN)) {
        out->options.has_timestamp = true;
        out->options.tsval = tcb_timestamp(tcp, now);
        out->options.tsecr = tcp->ts_recent;
    }
    if (!(flags & TCP_ACK))
        return;
    out->ack = tcb_rcv_nxt(tcp);
    if (flags & TCP_RST)
        return;
    if (tcp->ece && !(flags & TCP_SYN))
        out->flags |= TCP_ECE;
    tcp->last_ack_sent = out->ack;
    uint32_t window = tcb_rcv_wnd(tcp) < WINDOW_MAX ? tcb_rcv_wnd(tcp) : WINDOW_MAX;
    out->window = flags & TCP_SYN ? (uint16_t)window : window_offer(tcp);
    tcp->ack_now = false;
    tcp->ack_debt = 0;
    tcb_disarm(tcp, TIMER_ACK);
}

static void arm_retransmission(struct tcp *tcp, int64_t now)
{
    if (!tcb_is_armed(tcp, TIMER_RETRANSMIT))
        tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));
}

/* One more timeout without an answer: the application hears of the R1th. */
static void count_timeout(struct tcp *tcp)
{
    tcp->timeouts++;
    if (tcp->timeouts == TCP_R1)
        tcp->events |= TCP_EVENT_STALLED;
}

static void serve_retransmission(struct tcp *tcp, int64_t now)
{
    tcb_disarm(tcp, TIMER_RETRANSMIT);
    tcp->total_timeouts++;
    if (tcb_is_open(tcp)) {
        recovery_timeout(tcp, now);
        count_timeout(tcp);
        rto_backoff(&tcp->rto);
        return;
    }
    tcp->cursor = tcp->iss;
    if (tcp->syn_hastened && !tcp->timeouts) {
        tcp->timeouts++; /* it came early because of a half-open connection: no loss */
        return;
    }
    tcp->syn_lost = true;
    count_timeout(tcp);
    rto_backoff(&tcp->rto);
}

/* RFC 9293 3.8.4: only an idle connection is probed (MUST-26), and one lost probe proves nothing
 * (MUST-29). */
static void serve_keepalive(struct tcp *tcp, int64_t now)
{
    const struct tcp_config *c = &tcp->config;
    int64_t due = tcp->keepalives ? tcb_later(tcp->probed_at, c->keepalive_interval)
                                  : tcb_later(tcp->heard_at, c->keepalive);
    if (tcp->snd_una != tcp->snd_nxt) { /* the retransmission timer watches over it */
        due = tcb_later(now, c->keepalive);
    } else if (now >= due) {
        if (tcp->keepalives == c->keepalive_probes) {
            tcb_reset(tcp, TCP_TIMED_OUT, now); /* as Linux does: it may be there, and silent */
            return;
        }
        tcp->keepalives++;
        tcp->probed_at = now;
        tcp->keepalive = true;
        due = tcb_later(now, c->keepalive_interval);
    }
    tcb_arm(tcp, TIMER_KEEPALIVE, due);
}

static void serve_timers(struct tcp *tcp, int64_t now)
{
    if (tcp->state == TCPS_CLOSED)
        return;
    if (now >= tcb_give_up(tcp)) {
        bool opening = tcp->state == TCPS_SYN_SENT || tcp->state == TCPS_SYN_RECEIVED;
        tcb_fail(tcp, opening && tcp->softly ? TCP_UNREACHABLE : TCP_TIMED_OUT, now);
        return;
    }
    if (now >= tcp->timers[TIMER_TIME_WAIT]) {
        tcb_enter(tcp, TCPS_CLOSED, now);
        return;
    }
    if (now >= tcp->timers[TIMER_ACK]) {
        tcb_disarm(tcp, TIMER_ACK);
        tcp->ack_now = true;
    }
    if (now >= tcp->timers[TIMER_PERSIST]) {
        tcb_disarm(tcp, TIMER_PERSIST);
        tcp->probe = tcp->snd_wnd == 0;
        tcp->override = tcp->snd_wnd > 0;
    }
    if (now >= tcp->timers[TIMER_KEEPALIVE])
        serve_keepalive(tcp, now);
    if (now >= tcp->timers[TIMER_REORDER])
        rack_look_again(tcp, now);
    if (now >= tcp->timers[TIMER_PROBE]) /* before the next, which it puts off */
        rack_probe(tcp, now);
    if (now >= tcp->timers[TIMER_RETRANSMIT])
        serve_retransmission(tcp, now);
}

static bool output_rst(struct tcp *tcp, struct segment *out, int64_t now)
{
    if (!tcp->rst.pending)
        return false;
    tcp->rst.pending = false;
    begin(tcp, out, tcp->rst.seq, tcp->rst.with_ack ? TCP_RST | TCP_ACK : TCP_RST, now);
    return true;
}

static bool output_syn(struct tcp *tcp, struct segment *out, int64_t now)
{
    bool active = tcp->state == TCPS_SYN_SENT;
    /* A SYN that was lost may have been so for its flags (RFC 3168 6.1.1.1). */
    uint16_t ask = tcp->config.ecn == TCP_ECN_ASK && !tcp->syn_lost ? TCP_ECE | TCP_CWR : 0;
    uint16_t answer = tcp->ecn ? TCP_ECE : 0;
    if ((!active && tcp->state != TCPS_SYN_RECEIVED) || tcp->cursor != tcp->iss)
        return false;

    begin(tcp, out, tcp->iss, (uint16_t)(active ? TCP_SYN | ask : TCP_SYN | TCP_ACK | answer), now);
    if (active)
        out->window = (uint16_t)(tcp->recv.limit < WINDOW_MAX ? tcp->recv.limit : WINDOW_MAX);
    out->options.has_mss = true;
    out->options.mss = tcp->config.mss;
    out->options.sack_permitted = tcp->sack;
    out->options.has_wscale = tcp->wscale;
    out->options.wscale = tcp->rcv_wscale;
    if (active)
        fast_open_ask(tcp, out);
    else
        fast_open_answer(tcp, out);
    if (tcp->snd_nxt == tcp->iss) {
        tcp->snd_nxt = tcp->iss + 1;
        rto_sent(&tcp->rto, tcp->snd_nxt, now);
    } else {
        rto_resent(&tcp->rto);
        tcp->retransmits++;
    }
    tcp->cursor = tcp->snd_nxt;
    arm_retransmission(tcp, now);
    return true;
}

/* What came out of order is said in every ACK (RFC 2018 4), on data as far as there is `room`. */
static void report_sack(struct tcp *tcp, struct segment *out, uint32_t room)
{
    uint32_t left = OPTIONS_MAX - tcb_overhead(tcp);
    uint32_t most = left < SACK_HEAD ? 0 : (left - SACK_HEAD) / 8;
    uint32_t fit = room < SACK_HEAD ? 0 : (room - SACK_HEAD) / 8;
    if (fit && most && tcp->sack && sack_is_due(&tcp->report, &tcp->recv))
        sack_report(&tcp->report, &tcp->recv, fit < most ? fit : most, &out->options);
}

/* Sends `length` bytes that begin at `seq`, and the FIN behind them if `fin`. */
static void output_text(struct tcp *tcp, struct segment *out, uint32_t seq, uint32_t length,
                        bool fin, int64_t now)
{
    uint32_t end = seq + length + (fin ? 1U : 0U);
    bool last = length && seq + length == sendbuf_end(&tcp->send);

    begin(tcp, out, seq, (uint16_t)(TCP_ACK | (last ? TCP_PSH : 0) | (fin ? TCP_FIN : 0)), now);
    out->length = length;
    out->payload = length ? sendbuf_at(&tcp->send, seq) : NULL;
    report_sack(tcp, out, tcp->snd_mss - length);

    if (tcp->urging && seq_lt(seq, tcp->snd_up)) {
        uint32_t ahead = tcp->snd_up - seq;
        out->flags |= TCP_URG;
        out->urgent = (uint16_t)(ahead < UINT16_MAX ? ahead : UINT16_MAX);
    }
    if (seq_lt(seq, tcp->snd_nxt)) {
        tcp->retransmits++;
        rto_resent(&tcp->rto);
    } else {
        rto_sent(&tcp->rto, end, now);
        if (tcp->ecn && length > 0) { /* never a retransmission (RFC 3168 6.1.5) */
            out->tos = (uint8_t)((out->tos & ~ECN_BITS) | ECN_ECT);
            out->flags |= tcp->cwr_due ? TCP_CWR : 0;
            tcp->cwr_due = false;
        }
    }
    if (tcp->snd_una == tcp->snd_nxt)
        tcp->waited = now;
    tcp->snd_nxt = seq_max(tcp->snd_nxt, end);
    rack_sent(tcp, seq, end, now);
    tcp->last_sent = now;
}

/* What a segment that begins at `seq` may hold when `room` numbers are allowed. It ends where the
 * peer holds what follows. */
static uint32_t text_length(const struct tcp *tcp, uint32_t seq, uint32_t room, bool *fin)
{
    uint32_t length = seq_beyond(sendbuf_end(&tcp->send), seq), end;

    if (tcp->scoreboard.ranges) {
        scoreboard_hole(&tcp->scoreboard, seq, seq + room, &end);
        room = end - seq < room ? end - seq : room;
    }

    if (length > tcp->snd_mss)
        length = tcp->snd_mss;
    if (length > room)
        length = room;
    *fin = tcp->fin_queued && tcb_is_open(tcp) && seq + length == sendbuf_end(&tcp->send) &&
           length < room;
    return length;
}

/* The peer's window is closed: one octet into it, again and again (RFC 9293 3.8.6.1). What is
 * outstanding lies outside the window too, so the probe takes its place. */
static bool output_probe(struct tcp *tcp, struct segment *out, int64_t now)
{
    bool fin;

    tcb_disarm(tcp, TIMER_RETRANSMIT);
    tcb_disarm(tcp, TIMER_REORDER);
    tcb_disarm(tcp, TIMER_PROBE);
    tcp->rack.probe_due = false;
    if (tcp->snd_una == tcb_send_end(tcp)) {
        tcb_disarm(tcp, TIMER_PERSIST);
        return false;
    }
    if (!tcp->probe) {
        if (!tcb_is_armed(tcp, TIMER_PERSIST)) {
            tcp->probes = 0;
            tcp->waited = now;
            tcb_arm(tcp, TIMER_PERSIST, tcb_later(now, tcp->rto.value));
        }
        return false;
    }
    tcp->probe = false;
    tcp->cursor = tcp->snd_una;
    uint32_t length = text_length(tcp, tcp->snd_una, 1, &fin);
    int64_t waited = tcp->waited;
    output_text(tcp, out, tcp->snd_una, length, length == 0, now);
    tcp->waited = waited; /* R2 counts from the peer's last answer, not from the probe */

    tcp->probes++;
    int64_t wait = tcp->rto.value;
    for (unsigned i = 0; i < tcp->probes && wait < tcp->config.max_rto; i++)
        wait *= 2;
    if (wait > tcp->config.max_rto)
        wait = tcp->config.max_rto;
    tcb_arm(tcp, TIMER_PERSIST, tcb_later(now, wait));
    return true;
}

/* Sender SWS avoidance and Nagle's algorithm (RFC 9293 3.8.6.2.1, 3.7.4): whether a segment of new
 * data is worth sending. */
static bool worth_sending(const struct tcp *tcp, uint32_t length, bool fin)
{
    bool idle = tcp->snd_una == tcp->snd_nxt || tcp->snd_nxt == tcp->iss + 1;
    bool all = tcp->cursor + length == sendbuf_end(&tcp->send);

    if (length == tcp->snd_mss || fin || tcp->override)
        return true;
    return (idle || !tcp->config.nagle) && (all || length >= tcp->max_snd_wnd / 2);
}

/* Fast retransmission: one segment of what is outstanding. */
static bool output_again(struct tcp *tcp, struct segment *out, uint32_t seq, int64_t now)
{
    bool fin;
    uint32_t edge = seq_min(tcp->snd_una + tcp->snd_wnd, tcp->snd_nxt);
    uint32_t length = text_length(tcp, seq, seq_beyond(edge, seq), &fin);
    output_text(tcp, out, seq, length, fin, now);
    recovery_resent(tcp, seq, seq + length + (fin ? 1U : 0U));
    arm_retransmission(tcp, now);
    return true;
}

/* A tail loss probe (RFC 8985 7.3): new data whatever Nagle and cwnd say, or else the last segment
 * again. It is to draw an ACK, and a single new segment is what a peer would wait with: PSH makes
 * Linux acknowledge it once it is read, where the probe would else cost a delayed ACK's 40 ms. */
static bool output_loss_probe(struct tcp *tcp, struct segment *out, uint32_t edge, int64_t now)
{
    bool fin, fresh;
    uint32_t from = tcp->snd_nxt;
    uint32_t length = text_length(tcp, from, seq_beyond(edge, from), &fin);

    fresh = length > 0 || fin;
    if (!fresh) {
        const struct flight *f = &tcp->rack.flight;
        from = f->count ? flight_begin(f, f->count - 1) : tcp->snd_una;
        from = seq_max(from, tcp->snd_nxt - tcp->snd_mss);
        length = text_length(tcp, from, seq_beyond(seq_min(edge, tcp->snd_nxt), from), &fin);
        if (length == 0 && !fin)
            return false;
    }
    output_text(tcp, out, from, length, fin, now);
    out->flags |= length ? TCP_PSH : 0;
    tcp->cursor = tcp->snd_nxt;
    rack_probed(tcp, !fresh);
    return true;
}

static bool output_data(struct tcp *tcp, struct segment *out, int64_t now)
{
    if (!tcb_is_open(tcp) && !tcb_is_early(tcp))
        return false;
    if (tcp->snd_wnd == 0)
        return output_probe(tcp, out, now);
    /* Also where a window has opened onto nothing that may be sent again: the timer must end that.
     */
    if (tcp->snd_una != tcp->snd_nxt)
        arm_retransmission(tcp, now);

    uint32_t edge = tcp->snd_una + tcp->snd_wnd, hole;
    bool fin;
    if (tcp->resend_first) {
        tcp->resend_first = false;
        if (!rack_is_on(tcp))
            return output_again(tcp, out, tcp->snd_una, now);
        if (recovery_hole(tcp, &hole, false) && seq_lt(hole, edge))
            return output_again(tcp, out, hole, now);
    }
    if (tcp->rack.probe_due) {
        tcp->rack.probe_due = false;
        if (!tcp->recovery.active && output_loss_probe(tcp, out, edge, now))
            return true;
    }
    if (recovery_hole(tcp, &hole, false) && recovery_room(tcp) >= tcp->snd_mss &&
        seq_lt(hole, edge))
        return output_again(tcp, out, hole, now);

    if (seq_lt(tcp->cursor, tcp->snd_nxt)) /* what is held already is not sent again */
        tcp->cursor = seq_min(scoreboard_hole(&tcp->scoreboard, tcp->cursor, tcp->snd_nxt, &hole),
                              tcp->snd_nxt);
    bool again = seq_lt(tcp->cursor, tcp->snd_nxt);
    uint32_t length = text_length(tcp, tcp->cursor, seq_beyond(edge, tcp->cursor), &fin);
    if (length == 0 && !fin) {
        tcp->override = false;
        return recovery_hole(tcp, &hole, true) && recovery_room(tcp) >= tcp->snd_mss &&
               seq_lt(hole, edge) && output_again(tcp, out, hole, now);
    }
    if (!again && !worth_sending(tcp, length, fin)) {
        /* With nothing outstanding no ACK will come to change this; time must. */
        if (tcp->snd_una == tcp->snd_nxt && !tcb_is_armed(tcp, TIMER_PERSIST))
            tcb_arm(tcp, TIMER_PERSIST, now + SWS_OVERRIDE);
        return false;
    }
    if (tcp->snd_una == tcp->snd_nxt && now - tcp->last_sent > tcp->rto.value)
        congestion_idle(&tcp->congestion);
    if (recovery_room(tcp) < length) {
        tcp->limited = tcp->snd_nxt;
        return false;
    }

    tcp->override = false;
    tcb_disarm(tcp, TIMER_PERSIST);
    output_text(tcp, out, tcp->cursor, length, fin, now);
    tcp->cursor += length + (fin ? 1U : 0U);
    arm_retransmission(tcp, now);
    rack_schedule(tcp, now);
    return true;
}

static bool output_ack(struct tcp *tcp, struct segment *out, int64_t now)
{
    begin(tcp, out, tcb_bare_seq(tcp), TCP_ACK, now);
    report_sack(tcp, out, UINT32_MAX);
    return true;
}

bool tcp_output(struct tcp *tcp, struct segment *out, int64_t now)
{
    if (tcp->mode != TCP_AUTO)
        hand_hold_back(tcp);
    serve_timers(tcp, now);
    if (output_rst(tcp, out, now) || (tcp->mode != TCP_MANUAL && output_syn(tcp, out, now)))
        return true;
    if (tcp->dup_acks) {
        tcp->dup_acks--;
        return output_ack(tcp, out, now);
    }
    if (tcp->mode == TCP_AUTO && output_data(tcp, out, now))
        return true;
    if (tcp->ack_now)
        return output_ack(tcp, out, now);
    if (tcp->keepalive) {
        /* A number that was acknowledged before: the peer must answer it. */
        tcp->keepalive = false;
        begin(tcp, out, tcp->snd_una - 1, TCP_ACK, now);
        return true;
    }
    recovery_sent(tcp);
    tcp->dirty = false;
    return false;
}
