/* tcp: a connection's life and the application's calls (RFC 9293 3.10.1 to 3.10.6). */
#include "tcp/tcp.h"

#include <stdlib.h>

#include "tcp/tcb.h"

#define MSS_DEFAULT_IP4 536U /* RFC 9293 MUST-15 */
#define MSS_DEFAULT_IP6 1220U
#define MSS_FLOOR       64U /* a peer that asks for less would drown both sides in headers */

const char *tcp_state_name(enum tcp_state state)
{
    static const char *const names[] = {
        [TCPS_CLOSED] = "CLOSED",
        [TCPS_SYN_SENT] = "SYN-SENT",
        [TCPS_SYN_RECEIVED] = "SYN-RECEIVED",
        [TCPS_ESTABLISHED] = "ESTABLISHED",
        [TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
        [TCPS_FIN_WAIT_2] = "FIN-WAIT-2",
        [TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
        [TCPS_CLOSING] = "CLOSING",
        [TCPS_LAST_ACK] = "LAST-ACK",
        [TCPS_TIME_WAIT] = "TIME-WAIT",
    };
    return state <= TCPS_TIME_WAIT ? names[state] : "?";
}

static uint16_t mss_default(const struct tcp_config *config)
{
    return config->flow.local.kind == ADDR_IP6 ? MSS_DEFAULT_IP6 : MSS_DEFAULT_IP4;
}

static void config_complete(struct tcp_config *c)
{
    if (!c->mss)
        c->mss = mss_default(c);
    if (!c->sndbuf)
        c->sndbuf = 65536;
    if (!c->rcvbuf)
        c->rcvbuf = WINDOW_MAX;
    /* Buffers stay far below half of the sequence space, which comparisons rely on. */
    if (c->sndbuf > 1U << 30)
        c->sndbuf = 1U << 30;
    if (c->rcvbuf > 1U << 30)
        c->rcvbuf = 1U << 30;
    if (!c->initial_rto)
        c->initial_rto = NS_PER_S;
    if (!c->min_rto)
        c->min_rto = 200 * NS_PER_MS;
    if (!c->max_rto)
        c->max_rto = 120 * NS_PER_S;
    if (!c->syn_timeout)
        c->syn_timeout = 180 * NS_PER_S;
    if (!c->user_timeout)
        c->user_timeout = 180 * NS_PER_S;
    if (!c->time_wait)
        c->time_wait = 240 * NS_PER_S;
    if (!c->keepalive_interval)
        c->keepalive_interval = 75 * NS_PER_S;
    if (!c->keepalive_probes)
        c->keepalive_probes = 9;
    if (!c->congestion)
        c->congestion = &congestion_newreno;
    if (!c->ttl)
        c->ttl = 64;
    if (!c->challenge_max)
        c->challenge_max = 10;
}

struct tcp *tcp_new(const struct tcp_config *config)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);
    if (!tcp)
        return NULL;

    tcp->config = *config;
    config_complete(&tcp->config);
    const struct tcp_config *c = &tcp->config;
    tcp->iss = tcp->snd_una = tcp->snd_nxt = tcp->cursor = tcp->limited = tcp->hand_end = c->iss;
    tcp->id = (uint16_t)(c->iss ^ c->iss >> 16);
    for (int i = 0; i < TIMERS; i++)
        tcb_disarm(tcp, (enum timer)i);
    sendbuf_init(&tcp->send, c->sndbuf, c->iss + 1);
    recvbuf_init(&tcp->recv, c->rcvbuf, 0);
    if (c->wscale)
        while (tcp->rcv_wscale < WSCALE_MAX && WINDOW_MAX << tcp->rcv_wscale < c->rcvbuf)
            tcp->rcv_wscale++;
    tcp->quick_acks = c->quick_acks;
    tcp->wscale = c->wscale;
    tcp->timestamps = c->timestamps;
    tcp->sack = c->sack;
    rto_init(&tcp->rto, c->initial_rto, c->min_rto, c->max_rto);
    uint16_t mss = c->fast_open && c->cookie.mss ? c->cookie.mss : mss_default(c);
    tcp->snd_mss = mss < c->mss ? mss : c->mss;
    tcp->rcv_mss = tcp->snd_mss;
    congestion_init(&tcp->congestion, c->congestion, tcp->snd_mss, false);
    recovery_init(tcp);
    return tcp;
}

void tcp_free(struct tcp *tcp)
{
    if (!tcp)
        return;
    sendbuf_free(&tcp->send);
    recvbuf_free(&tcp->recv);
    scoreboard_clear(&tcp->scoreboard);
    flight_free(&tcp->rack.flight);
    free(tcp);
}

void tcb_enter(struct tcp *tcp, enum tcp_state state, int64_t now)
{
    if (tcp->state == state)
        return;
    bool ended = tcp->state == TCPS_TIME_WAIT; /* and said so when it was entered */
    tcp->state = state;
    tcp->events |= TCP_EVENT_STATE;
    tcp->dirty = true;
    if (state != TCPS_TIME_WAIT && state != TCPS_CLOSED)
        return;

    if (!ended)
        tcp->events |= TCP_EVENT_CLOSED | TCP_EVENT_WRITABLE;
    for (int i = 0; i < TIMERS; i++)
        tcb_disarm(tcp, (enum timer)i);
    if (state == TCPS_TIME_WAIT) {
        tcb_arm(tcp, TIMER_TIME_WAIT, tcb_later(now, tcp->config.time_wait));
        return;
    }
    tcp->ack_now = false;
    tcp->dup_acks = 0;
    tcp->ack_debt = 0;
    tcp->rst.pending = false;
}

void tcb_fail(struct tcp *tcp, enum tcp_reason reason, int64_t now)
{
    tcp->reason = reason;
    tcp->events |= TCP_EVENT_READABLE;
    tcb_enter(tcp, TCPS_CLOSED, now);
}

void tcb_reset(struct tcp *tcp, enum tcp_reason reason, int64_t now)
{
    uint32_t seq = tcb_bare_seq(tcp);
    tcb_fail(tcp, reason, now);
    tcp->rst.pending = tcp->rst.with_ack = true;
    tcp->rst.seq = seq;
}

/* Not yet opened: a connection is one life, and a second needs a new one. */
static bool is_fresh(const struct tcp *tcp)
{
    return tcp->state == TCPS_CLOSED && tcp->reason == TCP_FINE && tcp->snd_nxt == tcp->iss;
}

void tcp_connect(struct tcp *tcp, int64_t now)
{
    if (!is_fresh(tcp))
        return;
    tcp->opened = now;
    tcb_enter(tcp, TCPS_SYN_SENT, now);
}

void tcp_accept(struct tcp *tcp, const struct segment *syn, int64_t now)
{
    if (!is_fresh(tcp))
        return;
    tcp->opened = now;
    tcp->segs_in++;
    tcb_enter(tcp, TCPS_SYN_RECEIVED, now);
    struct segment first = *syn;
    if (!fast_open_admit(tcp, syn)) {
        first.length = 0;
        first.flags &= (uint16_t)~TCP_FIN;
    }
    tcb_take_syn(tcp, &first, now);
}

void tcb_set_mss(struct tcp *tcp, uint16_t mss)
{
    tcp->snd_mss = mss;
    congestion_mss(&tcp->congestion, mss);
}

/* What both sides have offered holds; the rest is as if nobody had (RFC 7323 1.3). */
static void agree(struct tcp *tcp, const struct segment *syn, int64_t now)
{
    const struct segment_options *o = &syn->options;
    tcp->wscale = tcp->config.wscale && o->has_wscale;
    tcp->timestamps = tcp->config.timestamps && o->has_timestamp;
    tcp->sack = tcp->config.sack && o->sack_permitted;
    if (!tcp->wscale)
        tcp->rcv_wscale = 0;
    else
        tcp->snd_wscale = o->wscale < WSCALE_MAX ? o->wscale : WSCALE_MAX;
    uint16_t echo = syn->flags & (TCP_ECE | TCP_CWR);
    if (tcp->state == TCPS_SYN_SENT && syn->flags & TCP_ACK)
        tcp->ecn = tcp->config.ecn == TCP_ECN_ASK && !tcp->syn_lost && echo == TCP_ECE;
    else /* RFC 3168 6.1.1: asked by both bits, answered by one */
        tcp->ecn = tcp->config.ecn != TCP_ECN_OFF && echo == (TCP_ECE | TCP_CWR);
    tcp->ts_recent = o->tsval;
    tcp->ts_recent_at = now;
    tcp->heard = true;
}

void tcb_take_syn(struct tcp *tcp, const struct segment *syn, int64_t now)
{
    agree(tcp, syn, now);
    tcp->irs = syn->seq;
    recvbuf_init(&tcp->recv, tcp->config.rcvbuf, syn->seq + 1);
    tcp->rcv_adv = tcp->recv.next + (tcp->recv.limit < WINDOW_MAX ? tcp->recv.limit : WINDOW_MAX);
    tcp->snd_wnd = tcp->max_snd_wnd = syn->window;
    tcp->snd_wl1 = syn->seq;
    tcp->snd_wl2 = syn->flags & TCP_ACK ? syn->ack : tcp->iss;

    uint32_t mss = mss_default(&tcp->config);
    if (syn->options.has_mss && syn->options.mss)
        mss = syn->options.mss > MSS_FLOOR ? syn->options.mss : MSS_FLOOR;
    mss = mss < tcp->config.mss ? mss : tcp->config.mss;
    tcb_set_mss(tcp, (uint16_t)(mss - tcb_overhead(tcp)));
    tcb_take_text(tcp, syn, now);
}

uint32_t tcb_window_edge(const struct tcp *tcp)
{
    uint32_t space = tcp->recv.limit - tcp->recv.ready, most = tcb_window_max(tcp);
    return tcp->recv.next + (space < most ? space : most);
}

uint32_t tcb_window_step(const struct tcp *tcp)
{
    uint32_t half = tcp->recv.limit / 2;
    uint32_t step = tcp->config.mss < half ? tcp->config.mss : half;
    return step ? step : 1;
}

int64_t tcb_give_up(const struct tcp *tcp)
{
    if (tcp->mode == TCP_MANUAL)
        return TIME_NEVER;
    if (tcp->state == TCPS_SYN_SENT || tcp->state == TCPS_SYN_RECEIVED)
        return tcb_later(tcp->opened, tcp->config.syn_timeout);
    /* The persist timer with an open window only overrides SWS avoidance: nobody owes anything. */
    if (tcb_is_armed(tcp, TIMER_RETRANSMIT) ||
        (tcb_is_armed(tcp, TIMER_PERSIST) && tcp->snd_wnd == 0))
        return tcb_later(tcp->waited, tcp->config.user_timeout);
    return TIME_NEVER;
}

int64_t tcp_deadline(const struct tcp *tcp)
{
    if (tcp->dirty)
        return 0;
    int64_t deadline = tcb_give_up(tcp);
    for (int i = 0; i < TIMERS; i++)
        if (tcp->timers[i] < deadline)
            deadline = tcp->timers[i];
    return deadline;
}

size_t tcp_write(struct tcp *tcp, const void *bytes, size_t length)
{
    bool writable = tcp->state != TCPS_CLOSED && tcp->state != TCPS_TIME_WAIT;
    if (!writable || tcp->fin_queued)
        return 0;
    size_t taken = sendbuf_append(&tcp->send, bytes, length);
    if (taken)
        tcp->dirty = true;
    else if (length && tcp->send.length < tcp->send.limit)
        tcp_abort(tcp, tcp->waited); /* no memory: whoever waits for room would wait for ever */
    return taken;
}

size_t tcp_readable(const struct tcp *tcp)
{
    /* What came with a SYN belongs to nobody until the handshake is done, or a cookie is shown. */
    return tcp->state == TCPS_SYN_RECEIVED && !tcp->early ? 0 : tcp->recv.ready;
}

size_t tcp_read(struct tcp *tcp, void *bytes, size_t length, int stop, int64_t now)
{
    (void)now;
    size_t taken = length < tcp_readable(tcp) ? length : tcp_readable(tcp);
    taken = recvbuf_read(&tcp->recv, bytes, taken, stop);

    /* A window that has become small is opened again at once; a large one with the next ACK. */
    if (taken && tcb_is_receiving(tcp) && tcb_rcv_wnd(tcp) <= tcb_window_max(tcp) / 2 &&
        seq_beyond(tcb_window_edge(tcp), tcp->rcv_adv) >= tcb_window_step(tcp)) {
        tcp->ack_now = true;
        tcp->dirty = true;
    }
    return taken;
}

bool tcp_eof(const struct tcp *tcp)
{
    return tcp->fin_received && tcp->recv.ready == 0;
}

void tcp_urge(struct tcp *tcp)
{
    if (tcp->send.length == 0)
        return;
    tcp->urging = true;
    tcp->snd_up = sendbuf_end(&tcp->send);
}

uint32_t tcp_urgent(const struct tcp *tcp)
{
    return tcp->urged ? seq_beyond(tcp->rcv_up, tcp->recv.next - tcp->recv.ready) : 0;
}

bool tcp_may_renew(const struct tcp *tcp, const struct segment *syn)
{
    if (tcp->state != TCPS_TIME_WAIT || (syn->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return false;
    if (tcp->timestamps && syn->options.has_timestamp && syn->options.tsval != tcp->ts_recent)
        return seq_gt(syn->options.tsval, tcp->ts_recent);
    return seq_gt(syn->seq, tcb_rcv_nxt(tcp));
}

void tcp_shutdown(struct tcp *tcp, int64_t now)
{
    if (tcp->fin_queued)
        return;
    switch (tcp->state) {
    case TCPS_SYN_SENT: /* RFC 9293 3.10.4: nothing to close in order yet */
        tcb_fail(tcp, TCP_ABORTED, now);
        break;
    case TCPS_SYN_RECEIVED: /* FIN-WAIT-1 follows when the handshake is done */
        tcp->fin_queued = true;
        break;
    case TCPS_ESTABLISHED:
        tcp->fin_queued = true;
        tcb_enter(tcp, TCPS_FIN_WAIT_1, now);
        break;
    case TCPS_CLOSE_WAIT:
        tcp->fin_queued = true;
        tcb_enter(tcp, TCPS_LAST_ACK, now);
        break;
    default:
        break;
    }
}

void tcp_abort(struct tcp *tcp, int64_t now)
{
    switch (tcp->state) {
    case TCPS_CLOSED:
        return;
    case TCPS_TIME_WAIT: /* both sides have closed in order */
        tcb_enter(tcp, TCPS_CLOSED, now);
        return;
    case TCPS_SYN_SENT:
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
        tcb_fail(tcp, TCP_ABORTED, now);
        return;
    default:
        break;
    }
    tcb_reset(tcp, TCP_ABORTED, now);
}

unsigned tcp_events(struct tcp *tcp)
{
    unsigned events = tcp->events;
    tcp->events = 0;
    return events;
}

enum tcp_state tcp_state(const struct tcp *tcp)
{
    return tcp->state;
}

bool tcp_is_early(const struct tcp *tcp)
{
    return tcp->state == TCPS_SYN_RECEIVED && tcp->early;
}

const struct tcp_cookie *tcp_cookie(const struct tcp *tcp)
{
    return &tcp->config.cookie;
}

enum tcp_reason tcp_reason(const struct tcp *tcp)
{
    return tcp->reason;
}

const struct flow *tcp_flow(const struct tcp *tcp)
{
    return &tcp->config.flow;
}

void tcp_info(const struct tcp *tcp, struct tcp_info *info)
{
    uint32_t sent = seq_min(tcp->snd_nxt, sendbuf_end(&tcp->send));
    size_t unacked = seq_beyond(sent, tcp->send.seq);
    int64_t min_rtt = rack_min_rtt(&tcp->rack);

    *info = (struct tcp_info){
        .iss = tcp->iss,
        .snd_una = tcp->snd_una,
        .snd_nxt = tcp->snd_nxt,
        .snd_wnd = tcp->snd_wnd,
        .irs = tcp->irs,
        .rcv_nxt = tcb_rcv_nxt(tcp),
        .rcv_wnd = tcb_rcv_wnd(tcp),
        .snd_mss = tcp->snd_mss,
        .rcv_mss = tcp->rcv_mss,
        .snd_wscale = tcp->snd_wscale,
        .rcv_wscale = tcp->heard ? tcp->rcv_wscale : 0,
        .wscale = tcp->heard && tcp->wscale,
        .timestamps = tcp->heard && tcp->timestamps,
        .sack = tcp->heard && tcp->sack,
        .ecn = tcp->ecn,
        .syn_data = tcp->syn_data,
        .marks = tcp->marks,
        .congestion = tcp->congestion.ops->name,
        .cwnd = tcp->congestion.cwnd,
        .ssthresh = tcp->congestion.ssthresh,
        .rto = tcp->rto.value,
        .srtt = tcp->rto.srtt,
        .rttvar = tcp->rto.rttvar,
        .segs_in = tcp->segs_in,
        .segs_out = tcp->segs_out,
        .bytes_received = tcp->bytes_received,
        .bytes_acked = tcp->bytes_acked,
        .retransmits = tcp->retransmits,
        .stalled = tcp->timeouts >= TCP_R1,
        .heard = tcp->heard,
        .out_of_order = tcp->out_of_order,
        .overlaps = tcp->recv.overlaps,
        .challenge_acks = tcp->challenge_acks,
        .paws = tcp->paws,
        .dsacks = tcp->dsacks,
        .sacked = scoreboard_bytes(&tcp->scoreboard, tcp->snd_nxt),
        .rack = tcp->heard && rack_is_on(tcp),
        .reord_seen = tcp->rack.reordering_seen,
        .min_rtt = min_rtt == TIME_NEVER ? 0 : min_rtt,
        .reo_wnd = rack_reo_wnd(tcp),
        .lost = tcp->rack.flight.lost,
        .loss_probes = tcp->rack.probes,
        .timeouts = tcp->total_timeouts,
        .unsent = tcp->send.length - unacked,
        .unacked = unacked,
        .fin_acked = tcb_fin_acked(tcp),
        .fin_received = tcp->fin_received,
    };
}

bool tcp_refuse(const struct segment *segment, struct segment *rst)
{
    if (segment->flags & TCP_RST)
        return false;
    *rst = (struct segment){
        .src = segment->dst,
        .dst = segment->src,
        .sport = segment->dport,
        .dport = segment->sport,
        .flags = TCP_RST,
        .ttl = 64,
        .id = (uint16_t)(segment->id + 1),
    };
    if (segment->flags & TCP_ACK) {
        rst->seq = segment->ack;
    } else {
        rst->flags |= TCP_ACK;
        rst->ack = segment->seq + segment_span(segment);
    }
    return true;
}

bool limiter_allow(struct limiter *limiter, uint32_t most, int64_t now)
{
    if (limiter->count == 0 || now - limiter->since >= NS_PER_S) {
        limiter->since = now;
        limiter->count = 0;
    }
    if (limiter->count >= most)
        return false;
    limiter->count++;
    return true;
}
