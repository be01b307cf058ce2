/* tcp_input: a segment arrives (RFC 9293 3.10.7), with the checks of RFC 5961.
 *
 * The order is the RFC's: sequence number, RST, SYN, ACK, text, FIN. Nothing is sent from here;
 * what is owed is marked and tcp_output() sends it. */
#include "tcp/hand.h"
#include "tcp/tcb.h"

#define HALF_OPEN_DELAY                                                                            \
    (10 * NS_PER_MS) /* from our RST of a half-open connection to the next SYN */

#define PAWS_IDLE (24 * 86400 * NS_PER_S) /* RFC 7323 5.5: TS.Recent is of no use after 24 days */

static void owe_ack(struct tcp *tcp)
{
    tcp->ack_now = true;
}

/* RFC 5961: an ACK that the real peer answers with the right RST, and a forger never sees. */
static void owe_challenge(struct tcp *tcp, int64_t now)
{
    if (!limiter_allow(&tcp->challenges, tcp->config.challenge_max, now))
        return;
    tcp->challenge_acks++;
    owe_ack(tcp);
}

/* The ACK of a segment that is not acceptable, or says what cannot be. */
static void owe_answer(struct tcp *tcp, int64_t now)
{
    if (limiter_allow(&tcp->answers, tcp->config.challenge_max, now))
        owe_ack(tcp);
}

/* The RST of an ACK for something never sent, while opening. */
static void owe_refusal(struct tcp *tcp, uint32_t seq, int64_t now)
{
    if (!limiter_allow(&tcp->refusals, tcp->config.challenge_max, now))
        return;
    tcp->rst.pending = true;
    tcp->rst.with_ack = false;
    tcp->rst.seq = seq;
}

static void owe_duplicate_ack(struct tcp *tcp)
{
    if (tcp->dup_acks < DUP_ACKS_MAX)
        tcp->dup_acks++;
}

/* In-order data was taken: at least every second full segment is acknowledged at once, the rest
 * within the delay (RFC 9293 3.8.6.3). */
static void owe_delayed_ack(struct tcp *tcp, uint32_t bytes, int64_t now)
{
    tcp->ack_debt += bytes;
    bool quick = tcp->quick_acks > 0;
    tcp->quick_acks -= quick;
    if (quick || tcp->config.delayed_ack <= 0 || tcp->ack_debt >= 2U * tcp->rcv_mss)
        owe_ack(tcp);
    else if (!tcb_is_armed(tcp, TIMER_ACK))
        tcb_arm(tcp, TIMER_ACK, tcb_later(now, tcp->config.delayed_ack));
}

/* The peer's FIN, when everything before it is in. */
static void take_fin(struct tcp *tcp, int64_t now)
{
    if (!tcp->fin_known || tcp->fin_received || tcp->recv.next != tcp->fin_seq)
        return;
    switch (tcp->state) {
    case TCPS_ESTABLISHED:
        tcb_enter(tcp, TCPS_CLOSE_WAIT, now);
        break;
    case TCPS_FIN_WAIT_1:
        tcb_enter(tcp, TCPS_CLOSING, now);
        break;
    case TCPS_FIN_WAIT_2:
        tcb_enter(tcp, TCPS_TIME_WAIT, now);
        break;
    default: /* a FIN with the SYN waits for the end of the handshake */
        return;
    }
    tcp->fin_received = true;
    tcp->events |= TCP_EVENT_READABLE;
    owe_ack(tcp);
}

/* Notes where the stream ends. What was accepted first stays true: neither a second FIN elsewhere
 * nor one before data that is already in counts. */
static void note_fin(struct tcp *tcp, uint32_t seq)
{
    if (tcp->fin_known || seq_lt(seq, recvbuf_end(&tcp->recv)))
        return;
    tcp->fin_known = true;
    tcp->fin_seq = seq;
}

/* What of [seq, end) is there already, for a peer that wants to know (RFC 2883). */
static void note_twice(struct tcp *tcp, uint32_t seq, uint32_t end)
{
    const struct recvbuf *b = &tcp->recv;

    if (!tcp->sack || !seq_lt(seq, end))
        return;
    if (seq_lt(seq, b->next)) {
        sack_twice(&tcp->report, seq, seq_min(end, b->next));
        return;
    }
    for (unsigned i = 0; i < b->ranges; i++)
        if (seq_lt(seq, b->range[i].right) && seq_lt(b->range[i].left, end)) {
            sack_twice(&tcp->report, seq_max(seq, b->range[i].left),
                       seq_min(end, b->range[i].right));
            return;
        }
}

void tcb_take_text(struct tcp *tcp, const struct segment *s, int64_t now)
{
    uint32_t seq = s->seq + (s->flags & TCP_SYN ? 1U : 0U);
    uint32_t end = seq + (uint32_t)s->length;
    bool fin = s->flags & TCP_FIN;

    if (s->length == 0 && !fin)
        return;
    if (s->length > tcp->rcv_mss)
        tcp->rcv_mss = s->length < tcp->config.mss ? (uint16_t)s->length : tcp->config.mss;

    if (seq_gt(end + (fin ? 1U : 0U), tcp->rcv_adv)) {
        fin = false; /* its number is the last, so it lies beyond the edge */
        end = seq_min(end, tcp->rcv_adv);
    }
    if (fin)
        note_fin(tcp, end);
    if (tcp->fin_known)
        end = seq_min(end, tcp->fin_seq);

    uint32_t before = tcp->recv.next;
    note_twice(tcp, seq, end);
    bool holes = tcp->recv.ranges > 0;
    enum recvbuf_result result = RECVBUF_DROPPED;
    if (seq_lt(seq, end))
        result = recvbuf_insert(&tcp->recv, seq, s->payload, end - seq);
    if (result == RECVBUF_IN_ORDER) {
        tcp->bytes_received += tcp->recv.next - before;
        tcp->events |= TCP_EVENT_READABLE;
        tcp->dup_acks = 0;
    }

    if (result == RECVBUF_IN_ORDER && !holes && !fin) {
        owe_delayed_ack(tcp, tcp->recv.next - before, now);
    } else if (seq_gt(seq, tcp->recv.next)) {
        tcp->out_of_order += result == RECVBUF_OUT_OF_ORDER;
        if (result == RECVBUF_OUT_OF_ORDER)
            sack_kept(&tcp->report, seq);
        owe_duplicate_ack(tcp); /* RFC 5681 4.2: at once, and so is what fills a hole */
    } else {
        owe_ack(tcp);
    }
    take_fin(tcp, now);
}

/* RFC 9293 3.10.7.4, sixth: the urgent pointer only goes on. It counts whether or not the data that
 * it points to is in yet (MUST-32), and points behind the last urgent byte (MUST-62). */
static void note_urgent(struct tcp *tcp, const struct segment *s)
{
    uint32_t up = s->seq + s->urgent;
    if (!(s->flags & TCP_URG) || s->urgent == 0 || (tcp->urged && seq_le(up, tcp->rcv_up)) ||
        seq_le(up, tcp->recv.next))
        return;
    tcp->urged = true;
    tcp->rcv_up = up;
    tcp->events |= TCP_EVENT_URGENT | TCP_EVENT_READABLE;
}

/* RFC 9293 3.4, the four rows of the table, a little wider in two places, as BSD and Linux are. A
 * segment that begins before the window and ends behind it is taken and trimmed. A bare ACK at the
 * right edge is what a peer sends that has filled the window, and its ACK is needed. */
static bool is_acceptable(const struct tcp *tcp, const struct segment *s)
{
    uint32_t next = tcb_rcv_nxt(tcp), window = tcb_rcv_wnd(tcp), span = segment_span(s);

    if (span == 0)
        return seq_within(s->seq, next, window + 1);
    return window > 0 && seq_lt(s->seq, next + window) && seq_gt(s->seq + span, next);
}

/* PAWS (RFC 7323 5.3 R1): a segment older than the one whose timestamp is echoed is an old
 * duplicate, unless that one is so old that the clock may have gone round. A segment that came
 * without the option although it was agreed is taken, as Linux does: somebody on the way has
 * removed it. */
static bool is_outdated(const struct tcp *tcp, const struct segment *s, int64_t now)
{
    return tcp->timestamps && s->options.has_timestamp &&
           seq_lt(s->options.tsval, tcp->ts_recent) && now - tcp->ts_recent_at < PAWS_IDLE;
}

/* R3: the timestamp to echo is that of the segment at the left edge of what was acknowledged. */
static void note_timestamp(struct tcp *tcp, const struct segment *s, int64_t now)
{
    if (!tcp->timestamps || !s->options.has_timestamp || seq_gt(s->seq, tcp->last_ack_sent))
        return;
    tcp->ts_recent = s->options.tsval;
    tcp->ts_recent_at = now;
}

/* RFC 3168 6.1.3: a mark is echoed in every ACK until the peer says that it has heard. */
static void note_mark(struct tcp *tcp, const struct segment *s)
{
    if (!tcp->ecn)
        return;
    if (s->flags & TCP_CWR)
        tcp->ece = false;
    if ((s->tos & ECN_BITS) == ECN_CE) {
        tcp->marks++;
        tcp->ece = true;
    }
}

/* RFC 3168 6.1.2: an echo is a loss without a loss, once in a round trip and not on top of one. */
static void take_ecn_echo(struct tcp *tcp, const struct segment *s, int64_t now)
{
    if (tcp->ecn_reduced && seq_ge(tcp->snd_una, tcp->ecn_point))
        tcp->ecn_reduced = false;
    if (!tcp->ecn || !(s->flags & TCP_ECE) || tcp->ecn_reduced || tcp->recovery.active ||
        tcb_flight(tcp) == 0)
        return;
    congestion_loss(&tcp->congestion, recovery_flight(tcp), now);
    tcp->ecn_reduced = true;
    tcp->ecn_point = tcp->snd_nxt;
    tcp->cwr_due = true;
}

/* SND.WND follows the newest segment only (RFC 9293 3.10.7.4: WL1 and WL2). The RFC takes the one
 * with the higher sequence number for newer, which a retransmission is not: its ACK would move
 * SND.UNA and leave the window as wide as before, and so the edge beyond what was offered. So the
 * higher ACK decides, and only between equal ones the sequence number. */
static void take_window(struct tcp *tcp, const struct segment *s, int64_t now)
{
    if (!seq_lt(tcp->snd_wl2, s->ack) && !(tcp->snd_wl2 == s->ack && seq_le(tcp->snd_wl1, s->seq)))
        return;
    bool opens = tcp->snd_wnd == 0 && s->window > 0;
    tcp->snd_wnd = tcb_window_of(tcp, s);
    tcp->snd_wl1 = s->seq;
    tcp->snd_wl2 = s->ack;
    if (tcp->snd_wnd > tcp->max_snd_wnd)
        tcp->max_snd_wnd = tcp->snd_wnd;
    if (opens) {
        /* A probe, or what a shrinking window left outside, was most likely not kept. */
        tcb_disarm(tcp, TIMER_PERSIST);
        tcp->probe = false;
        tcp->waited = now;
        if (tcb_flight(tcp))
            recovery_restart(tcp);
    }
}

static void enter_established(struct tcp *tcp, const struct segment *s, int64_t now)
{
    tcp->snd_wnd = tcp->max_snd_wnd = tcb_window_of(tcp, s);
    tcp->snd_wl1 = s->seq;
    tcp->snd_wl2 = s->ack;
    rto_acked(&tcp->rto, tcp->iss + 1, now);
    tcp->snd_una = tcp->limited = tcp->iss + 1;
    if (!tcp->early)
        fast_open_acked(tcp, s->ack);
    tcp->cursor = tcp->snd_nxt;
    tcp->waited = now;
    tcp->timeouts = 0;
    if (tcp->syn_lost)
        rto_syn_lost(&tcp->rto);
    tcb_disarm(tcp, TIMER_RETRANSMIT);
    if (tcb_flight(tcp)) /* answers that went before this ACK */
        tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));
    congestion_init(&tcp->congestion, tcp->config.congestion, tcp->snd_mss, tcp->syn_lost);
    recovery_init(tcp);
    if (tcp->early && tcp->syn_lost) /* and with it, it seems, the answers that followed */
        recovery_restart(tcp);

    if (tcp->config.keepalive > 0)
        tcb_arm(tcp, TIMER_KEEPALIVE, tcb_later(now, tcp->config.keepalive));

    tcb_enter(tcp, tcp->fin_queued ? TCPS_FIN_WAIT_1 : TCPS_ESTABLISHED, now);
    tcp->events |= TCP_EVENT_OPEN | TCP_EVENT_WRITABLE;
    if (tcp->recv.ready)
        tcp->events |= TCP_EVENT_READABLE;
    take_fin(tcp, now);
}

/* RFC 9293 3.10.7.3. */
static void input_syn_sent(struct tcp *tcp, const struct segment *s, int64_t now)
{
    bool ack = s->flags & TCP_ACK;

    if (ack && (seq_le(s->ack, tcp->iss) || seq_gt(s->ack, tcb_sent_end(tcp)))) {
        if (s->flags & TCP_RST)
            return;
        owe_refusal(tcp, s->ack, now);
        /* An ACK without SYN comes from a connection that the peer still has from before. Our RST
         * ends it there, and the SYN need not wait for a whole timeout. */
        if (!(s->flags & TCP_SYN) && !tcp->syn_lost && !tcp->syn_hastened &&
            tcb_is_armed(tcp, TIMER_RETRANSMIT)) {
            tcp->syn_hastened = true;
            tcb_arm(tcp, TIMER_RETRANSMIT, now + HALF_OPEN_DELAY);
        }
        return;
    }
    if (s->flags & TCP_RST) {
        if (ack)
            tcb_fail(tcp, TCP_REFUSED, now);
        return;
    }
    if (!(s->flags & TCP_SYN))
        return;

    fast_open_heard(tcp, s);
    tcb_take_syn(tcp, s, now);
    if (ack) {
        enter_established(tcp, s, now);
        owe_ack(tcp);
    } else { /* simultaneous open */
        tcb_enter(tcp, TCPS_SYN_RECEIVED, now);
        tcp->cursor = tcp->iss;
    }
}

/* RFC 5961 3: only a RST at exactly RCV.NXT is believed. */
static void input_rst(struct tcp *tcp, const struct segment *s, int64_t now)
{
    if (tcp->state == TCPS_TIME_WAIT) /* RFC 1337 */
        return;
    if (s->seq != tcb_rcv_nxt(tcp)) {
        if (seq_within(s->seq, tcb_rcv_nxt(tcp), tcb_rcv_wnd(tcp)))
            owe_challenge(tcp, now);
        return;
    }
    switch (tcp->state) {
    case TCPS_SYN_RECEIVED:
        tcb_fail(tcp, TCP_REFUSED, now);
        break;
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
        /* Their FIN is in; if all our data is there too, nothing is lost but the ACK of our FIN. */
        tcb_fail(tcp, tcp->send.length == 0 ? TCP_FINE : TCP_RESET, now);
        break;
    default:
        tcb_fail(tcp, TCP_RESET, now);
        break;
    }
}

/* A SYN in SYN-RECEIVED. Returns true if it is the peer's own SYN again, with the ACK that ends a
 * simultaneous open: then it goes on like a segment without SYN. */
static bool input_syn_again(struct tcp *tcp, const struct segment *s, int64_t now)
{
    if (s->seq != tcp->irs) {
        owe_challenge(tcp, now);
        return false;
    }
    if (s->flags & TCP_ACK)
        return true;
    /* Our SYN-ACK was lost: only another one helps a peer in SYN-SENT. */
    if (limiter_allow(&tcp->answers, tcp->config.challenge_max, now))
        tcp->cursor = tcp->iss;
    return false;
}

/* RFC 2883 4: the first block tells of what came twice where the ACK, or the second one, covers it.
 */
static bool is_dsack(const struct segment_options *o, uint32_t ack)
{
    uint32_t left = o->sack[0].left, right = o->sack[0].right;
    return o->sacks && seq_lt(left, right) &&
           (seq_le(right, ack) ||
            (o->sacks > 1 && seq_ge(left, o->sack[1].left) && seq_le(right, o->sack[1].right)));
}

/* SACK blocks: those that lie within what is outstanding count. */
static void take_sack(struct tcp *tcp, const struct segment_options *o, uint32_t ack,
                      struct rack_ack *said)
{
    if (tcp->sack && is_dsack(o, ack)) {
        tcp->dsacks++;
        said->dsack = true;
        said->dsack_end = o->sack[0].right;
    }
    for (unsigned i = 0; tcp->sack && i < o->sacks; i++) {
        uint32_t left = o->sack[i].left, right = o->sack[i].right;
        if (!seq_lt(left, right) || !seq_gt(left, ack) || seq_gt(right, tcp->snd_nxt) ||
            !scoreboard_add(&tcp->scoreboard, left, right))
            continue;
        said->left = said->news ? seq_min(said->left, left) : left;
        said->right = said->news ? seq_max(said->right, right) : right;
        said->news = true;
    }
}

/* A timestamp that comes back may be of a retransmission: all that is known when none is timed. */
static void take_echo(struct tcp *tcp, const struct segment_options *o, int64_t now)
{
    if (!tcp->timestamps || !o->has_timestamp || tcp->rto.timing)
        return;
    uint32_t ms = tcb_timestamp(tcp, now) - o->tsecr;
    if (ms <= (uint64_t)(now - tcp->opened) / NS_PER_MS)
        rto_echoed(&tcp->rto, (int64_t)ms * NS_PER_MS);
}

/* What came before, and not longer than a window ago, comes again because its ACK was lost: if its
 * timestamp were not the one to be echoed (RFC 7323 4.3), the sender would take all the time since
 * it sent this for the first time, timeouts included, for a round trip. */
static bool came_lately(const struct tcp *tcp, const struct segment *s)
{
    uint32_t window = tcb_window_max(tcp);
    return segment_span(s) > 0 && seq_within(s->seq, tcb_rcv_nxt(tcp) - window, window);
}

/* New data is acknowledged. */
static void input_new_ack(struct tcp *tcp, const struct segment *s, int64_t now)
{
    uint32_t ack = s->ack;
    uint32_t bytes = ack - tcp->snd_una;
    uint32_t data = seq_min(ack, sendbuf_end(&tcp->send)) - tcp->send.seq;

    take_echo(tcp, &s->options, now);
    rto_acked(&tcp->rto, ack, now);
    tcp->congestion.rtt = tcp->rto.srtt;
    scoreboard_acked(&tcp->scoreboard, ack);
    sendbuf_drop(&tcp->send, data);
    tcp->bytes_acked += data;
    tcp->snd_una = ack;
    tcp->urging = tcp->urging && seq_lt(ack, tcp->snd_up);
    tcp->cursor = seq_max(tcp->cursor, ack);
    tcp->waited = now;
    tcp->timeouts = 0;
    tcp->probes = 0;
    tcp->resend_first = false;
    tcp->events |= TCP_EVENT_WRITABLE;

    bool restart = recovery_acked(tcp, bytes, now);
    if (tcp->snd_una == tcp->snd_nxt)
        tcb_disarm(tcp, TIMER_RETRANSMIT);
    else if (restart && tcb_is_armed(tcp, TIMER_RETRANSMIT))
        tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));

    if (!tcb_fin_acked(tcp))
        return;
    if (tcp->state == TCPS_FIN_WAIT_1)
        tcb_enter(tcp, TCPS_FIN_WAIT_2, now);
    else if (tcp->state == TCPS_CLOSING)
        tcb_enter(tcp, TCPS_TIME_WAIT, now);
    else if (tcp->state == TCPS_LAST_ACK)
        tcb_enter(tcp, TCPS_CLOSED, now);
}

/* The fifth check of RFC 9293 3.10.7.4; false if the segment goes no further. */
static bool input_ack(struct tcp *tcp, const struct segment *s, int64_t now)
{
    if (tcp->state == TCPS_SYN_RECEIVED) {
        if (!seq_gt(s->ack, tcp->snd_una) || seq_gt(s->ack, tcb_sent_end(tcp))) {
            owe_refusal(tcp, s->ack, now);
            return false;
        }
        enter_established(tcp, s, now);
        if (!tcp->early || s->ack == tcp->snd_una)
            return true;
    }
    hand_believe(tcp, s->ack, now);
    /* RFC 5961 5: neither of what was never sent nor older than any window ever was. */
    if (seq_gt(s->ack, tcp->snd_nxt) || seq_lt(s->ack, tcp->snd_una - tcp->max_snd_wnd)) {
        owe_challenge(tcp, now);
        return false;
    }
    if (seq_lt(s->ack, tcp->snd_una))
        return true;
    if (tcp->snd_wnd == 0)
        tcp->waited = now; /* a window may stay closed for as long as the peer answers probes */

    /* RFC 5681 2: a duplicate ACK has no data and changes nothing. */
    take_ecn_echo(tcp, s, now);
    bool empty = segment_span(s) == 0 && tcb_window_of(tcp, s) == tcp->snd_wnd && s->window > 0;
    bool duplicate = tcb_flight(tcp) && empty;
    struct rack_ack said = {.duplicate = empty && s->ack == tcp->snd_una,
                            .bare = s->options.sacks == 0,
                            .echoes = tcp->timestamps && s->options.has_timestamp,
                            .echo = s->options.tsecr};
    take_sack(tcp, &s->options, s->ack, &said);
    if (s->ack != tcp->snd_una)
        input_new_ack(tcp, s, now);
    else if (tcp->sack ? said.news : duplicate) /* RFC 6675 2: what counts is what it says */
        recovery_duplicate(tcp, now);
    if (rack_is_on(tcp) && tcb_is_open(tcp))
        rack_acked(tcp, &said, now);
    if (tcp->state != TCPS_CLOSED)
        take_window(tcp, s, now);
    return tcp->state != TCPS_CLOSED;
}

/* RFC 9293 3.10.7.4, for SYN-RECEIVED and the synchronised states. */
static void input_segment(struct tcp *tcp, const struct segment *s, int64_t now)
{
    struct segment trimmed;

    if (s->flags & TCP_RST) {
        input_rst(tcp, s, now);
        return;
    }
    if (s->flags & TCP_SYN) {
        if (tcp->state != TCPS_SYN_RECEIVED) {
            owe_challenge(tcp, now); /* RFC 5961 4, wherever it lies */
            return;
        }
        if (!input_syn_again(tcp, s, now))
            return;
        trimmed = *s;
        trimmed.seq++;
        trimmed.flags &= (uint16_t)~TCP_SYN;
        trimmed.window =
            (uint16_t)(s->window >> tcp->snd_wscale); /* as a SYN's it was not scaled */
        s = &trimmed;
    }

    if (is_outdated(tcp, s, now)) {
        tcp->paws++;
        owe_answer(tcp, now);
        return;
    }
    if (!is_acceptable(tcp, s)) {
        uint32_t end = s->seq + segment_span(s);
        if (tcp->state == TCPS_TIME_WAIT && s->flags & TCP_FIN && end == tcb_rcv_nxt(tcp))
            tcb_arm(tcp, TIMER_TIME_WAIT, tcb_later(now, tcp->config.time_wait));
        /* While our window is closed, data at its edge is refused but its ACK counts, or two sides
         * with closed windows would wait for each other (RFC 9293 3.10.7.4). So does that of a
         * segment that came before and ends where we are: a FIN sent again may be the first to
         * acknowledge ours, and a SYN-ACK the first to acknowledge what our SYN carried, though
         * what theirs carried is in already. */
        bool edge = tcb_rcv_wnd(tcp) == 0 && s->seq == tcb_rcv_nxt(tcp);
        bool again = segment_span(s) > 0 && end == tcb_rcv_nxt(tcp);
        if ((edge || again || s == &trimmed) && s->flags & TCP_ACK) {
            if (!input_ack(tcp, s, now))
                return;
            note_timestamp(tcp, s, now);
            if (edge && tcb_is_receiving(tcp)) /* MUST-66: URG counts as well */
                note_urgent(tcp, s);
        } else if (came_lately(tcp, s)) {
            note_timestamp(tcp, s, now);
        }
        note_twice(tcp, s->seq, s->seq + (uint32_t)s->length);
        if (tcp->state != TCPS_CLOSED)
            owe_answer(tcp, now);
        return;
    }
    if (!(s->flags & TCP_ACK) || !input_ack(tcp, s, now))
        return;
    note_timestamp(tcp, s, now);
    note_mark(tcp, s);
    if (s == &trimmed)
        owe_answer(tcp, now); /* the SYN's own number was not acceptable */
    if (tcb_is_receiving(tcp)) {
        note_urgent(tcp, s);
        tcb_take_text(tcp, s, now);
    } else if (s->flags & TCP_FIN)
        owe_answer(tcp, now); /* a second FIN, beyond the first */
}

void tcp_input(struct tcp *tcp, const struct segment *segment, int64_t now)
{
    if (tcp->state == TCPS_CLOSED)
        return;
    tcp->segs_in++;
    tcp->dirty = true;
    tcp->heard_at = now;
    if (tcp->keepalives && tcb_is_armed(tcp, TIMER_KEEPALIVE))
        tcb_arm(tcp, TIMER_KEEPALIVE, tcb_later(now, tcp->config.keepalive));
    tcp->keepalives = 0;
    if (tcp->state == TCPS_SYN_SENT)
        input_syn_sent(tcp, segment, now);
    else
        input_segment(tcp, segment, now);
}
