/* hand: see hand.h, and tcp.h for the calls that are public. */
#include "tcp/hand.h"

static bool is_opening(const struct tcp *tcp)
{
    return tcp->state == TCPS_SYN_SENT || tcp->state == TCPS_SYN_RECEIVED;
}

void hand_hold_back(struct tcp *tcp)
{
    tcp->hand_end = seq_max(tcp->hand_end, tcp->snd_nxt); /* never so old that it seems new */
    if (tcp->mode == TCP_AUTO || tcp->state == TCPS_CLOSED)
        return; /* the reset of a connection that is given up goes out in any mode */
    if (tcp->mode == TCP_ASSIST && is_opening(tcp))
        return;
    for (int i = 0; i < TIMERS; i++)
        if (i != TIMER_TIME_WAIT && (i != TIMER_ACK || tcp->mode == TCP_MANUAL))
            tcb_disarm(tcp, (enum timer)i);
    tcp->keepalive = tcp->resend_first = tcp->probe = tcp->override = false;
    tcp->rack.probe_due = false;
    if (tcp->mode != TCP_MANUAL)
        return;
    tcp->rst.pending = tcp->ack_now = false;
    tcp->dup_acks = 0;
    tcp->ack_debt = 0;
}

enum tcp_mode tcp_mode(const struct tcp *tcp)
{
    return tcp->mode;
}

/* What opens the connection is out: unless all is the script's, it is sent again like any other. */
static void watch_opening(struct tcp *tcp, int64_t now)
{
    bool ours = tcp->mode != TCP_MANUAL && is_opening(tcp) && tcp->snd_una != tcp->snd_nxt;
    if (ours && !tcb_is_armed(tcp, TIMER_RETRANSMIT))
        tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));
}

void tcp_set_mode(struct tcp *tcp, enum tcp_mode mode, int64_t now)
{
    if (mode == tcp->mode)
        return;
    tcp->mode = mode;
    tcp->dirty = true;
    if (is_opening(tcp))
        tcp->opened = now; /* the time in the script's hands does not count */
    watch_opening(tcp, now);
    /* The peer may have been told another window, or nothing at all. */
    if (mode != TCP_MANUAL && tcb_is_open(tcp))
        tcp->ack_now = true;
    if (mode != TCP_AUTO)
        return;
    tcp->waited = tcp->heard_at = now;
    tcp->probes = tcp->timeouts = tcp->keepalives = 0;
    if (tcp->config.keepalive && tcb_is_open(tcp))
        tcb_arm(tcp, TIMER_KEEPALIVE, tcb_later(now, tcp->config.keepalive));
}

void tcp_draft(const struct tcp *tcp, uint16_t flags, struct segment *s, int64_t now)
{
    const struct flow *flow = &tcp->config.flow;
    *s = (struct segment){
        .src = flow->local,
        .dst = flow->remote,
        .sport = flow->lport,
        .dport = flow->rport,
        .seq = tcp->snd_nxt,
        .ack = tcp->heard ? tcb_rcv_nxt(tcp) : 0,
        .flags = flags,
        .ttl = tcp->config.ttl,
        .tos = tcp->config.tos,
        .id = (uint16_t)(tcp->id + 1),
    };
    uint32_t edge = seq_max(tcb_window_edge(tcp), tcp->rcv_adv);
    uint32_t room = tcp->heard ? seq_beyond(edge, tcb_rcv_nxt(tcp)) : tcp->recv.limit;
    if (!(flags & TCP_SYN))
        room >>= tcp->rcv_wscale;
    s->window = (uint16_t)(room < WINDOW_MAX ? room : WINDOW_MAX);
    if (tcp->timestamps && (tcp->heard || flags & TCP_SYN)) {
        s->options.has_timestamp = true;
        s->options.tsval = tcb_timestamp(tcp, now);
        s->options.tsecr = tcp->ts_recent;
    }
    if (!(flags & TCP_SYN))
        return;
    s->options.has_mss = true;
    s->options.mss = tcp->config.mss;
    s->options.sack_permitted = tcp->sack;
    s->options.has_wscale = tcp->wscale;
    s->options.wscale = tcp->rcv_wscale;
}

/* What was acknowledged and offered by hand is so, as far as there is room for it. The right edge
 * that was offered once is never taken back here, whatever the script tells the peer. */
static void acknowledged(struct tcp *tcp, const struct segment *s)
{
    uint32_t window = s->flags & TCP_SYN ? s->window : (uint32_t)s->window << tcp->rcv_wscale;
    if (!tcp->heard || s->ack != tcb_rcv_nxt(tcp) || s->flags & TCP_RST)
        return;
    tcp->last_ack_sent = s->ack;
    if (!is_opening(tcp)) /* a SYN-ACK that follows could not say as much */
        tcp->rcv_adv = seq_max(tcp->rcv_adv, seq_min(s->ack + window, tcb_window_edge(tcp)));
    tcp->ack_now = false;
    tcp->ack_debt = 0;
    tcb_disarm(tcp, TIMER_ACK);
}

/* A SYN by hand offers what its options say, and no more; one that answers a SYN, no more than that
 * one did. */
static void offered(struct tcp *tcp, const struct segment *s)
{
    const struct segment_options *o = &s->options;
    tcp->config.wscale = o->has_wscale;
    tcp->config.timestamps = o->has_timestamp;
    tcp->config.sack = o->sack_permitted;
    tcp->wscale = o->has_wscale && (tcp->wscale || !tcp->heard);
    tcp->timestamps = o->has_timestamp && (tcp->timestamps || !tcp->heard);
    tcp->sack = o->sack_permitted && (tcp->sack || !tcp->heard);
    tcp->rcv_wscale = !tcp->wscale ? 0 : o->wscale < WSCALE_MAX ? o->wscale : WSCALE_MAX;
    if (!tcp->wscale)
        tcp->snd_wscale = 0;
    tcp->snd_nxt = tcp->iss + 1;
}

/* The bytes from SND.NXT on are these now, though others may have waited to be sent there; those
 * before it stay what they were when they were sent first. */
static bool kept(struct tcp *tcp, const struct segment *s)
{
    size_t again = tcp->snd_nxt - s->seq - (s->flags & TCP_SYN ? 1 : 0);
    if (tcp->fin_queued ||
        !sendbuf_put(&tcp->send, tcp->snd_nxt, s->payload + again, s->length - again))
        return false;
    tcp->snd_nxt += (uint32_t)(s->length - again);
    return true;
}

static void ended(struct tcp *tcp, int64_t now)
{
    if (tcp->state == TCPS_SYN_SENT || sendbuf_end(&tcp->send) != tcp->snd_nxt)
        return;
    tcp_shutdown(tcp, now); /* unless the application has, and its FIN still waits */
    if (tcp->fin_queued)
        tcp->snd_nxt++;
}

/* SND.NXT was `before`, and nothing was outstanding if `idle`. */
static void advanced(struct tcp *tcp, uint32_t before, bool idle, int64_t now)
{
    tcp->cursor = tcp->snd_nxt;
    tcp->last_sent = now;
    if (idle)
        tcp->waited = now;
    rto_sent(&tcp->rto, tcp->snd_nxt, now);
    if (tcb_is_open(tcp))
        rack_sent(tcp, before, tcp->snd_nxt, now);
    watch_opening(tcp, now);
}

void hand_believe(struct tcp *tcp, uint32_t ack, int64_t now)
{
    uint32_t before = tcp->snd_nxt;
    bool idle = tcp->snd_una == before;
    if (!seq_gt(ack, before) || seq_gt(ack, tcp->hand_end) || tcp->fin_queued ||
        !sendbuf_pad(&tcp->send, ack))
        return;
    tcp->snd_nxt = ack;
    advanced(tcp, before, idle, now);
}

void tcp_sent(struct tcp *tcp, const struct segment *s, int64_t now)
{
    bool first = s->flags & TCP_SYN, idle = tcp->snd_una == tcp->snd_nxt;
    uint32_t before = tcp->snd_nxt, end = s->seq + (uint32_t)s->length;
    tcp->dirty = tcp->by_hand = true;
    tcp->segs_out++;
    tcp->id = s->id;
    if (s->flags & TCP_ACK)
        acknowledged(tcp, s);
    if (tcp->state == TCPS_CLOSED || tcp->state == TCPS_TIME_WAIT ||
        first != (tcp->snd_nxt == tcp->iss))
        return;
    if (s->length && !first && seq_beyond(end, before) <= tcp->send.limit)
        tcp->hand_end = seq_max(tcp->hand_end, end);
    bool longer = s->length && seq_lt(s->seq, tcp->snd_nxt) && seq_gt(end, tcp->snd_nxt);
    if (s->seq != tcp->snd_nxt && (!longer || s->flags & TCP_RST))
        return;
    if (s->flags & TCP_RST) {
        tcb_fail(tcp, TCP_ABORTED, now);
        return;
    }
    if (first)
        offered(tcp, s);
    if ((s->length == 0 || kept(tcp, s)) && s->flags & TCP_FIN)
        ended(tcp, now);
    if (tcp->snd_nxt == before)
        return;
    advanced(tcp, before, idle, now);
}
