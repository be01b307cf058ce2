/* tcp_check: the invariants of the control block. */
#include "tcp/tcp_check.h"

#include "tcp/tcb.h"

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static const char *check_receiver(const struct tcp *tcp)
{
    const struct recvbuf *b = &tcp->recv;
    uint32_t left = b->next;

    HOLDS(b->size == 0 || (b->size & (b->size - 1)) == 0);
    HOLDS(b->ready <= b->limit);
    HOLDS(b->size <= 1024 || b->size / 2 < b->limit);
    HOLDS(b->ranges <= RECVBUF_RANGES);
    for (unsigned i = 0; i < b->ranges; i++) {
        HOLDS(seq_gt(b->range[i].left, left));
        HOLDS(seq_gt(b->range[i].right, b->range[i].left));
        left = b->range[i].right;
    }
    HOLDS(b->ready + (left - b->next) <= b->size);
    if (tcp->state == TCPS_SYN_SENT || tcp->state == TCPS_CLOSED)
        return NULL;
    HOLDS(seq_le(left, tcp->rcv_adv));
    HOLDS(seq_le(tcb_rcv_nxt(tcp), tcp->rcv_adv));
    HOLDS(tcp->rcv_adv - b->next <= b->limit - b->ready);
    HOLDS(!tcp->fin_known || seq_le(left, tcp->fin_seq));
    HOLDS(!tcp->fin_received || (tcp->fin_known && tcp->fin_seq == b->next));
    return NULL;
}

static const char *check_sender(const struct tcp *tcp)
{
    HOLDS(tcp->send.length <= tcp->send.limit);
    HOLDS(tcp->send.size <= 4096 || tcp->send.size / 4 < tcp->send.limit);
    HOLDS(tcp->send.head + tcp->send.length <= tcp->send.size);
    HOLDS(seq_le(tcp->snd_una, tcp->cursor));
    HOLDS(seq_le(tcp->cursor, tcp->snd_nxt));
    HOLDS(seq_le(tcp->snd_nxt, tcb_send_end(tcp)));
    HOLDS(tcp->send.seq == tcp->snd_una || tcp->snd_una == tcp->iss || tcb_fin_acked(tcp));
    HOLDS(tcp->snd_mss > 0 && tcp->snd_mss <= tcp->config.mss);
    HOLDS(tcp->congestion.cwnd >= tcp->snd_mss);
    HOLDS(!tcp->recovery.active || tcp->cursor == tcp->snd_nxt || tcp->snd_wnd == 0);
    return NULL;
}

/* The entries are in order and end where what was sent ends; the sums are right. */
static const char *check_flight(const struct tcp *tcp)
{
    struct flight f = tcp->rack.flight; /* flight_at() leaves it as it is */
    uint32_t at = f.una, held = 0, lost = 0;

    HOLDS(f.count <= f.room && (f.room & (f.room - 1)) == 0);
    HOLDS(f.heap || f.room == FLIGHT_FEW);
    for (uint32_t i = 0; i < f.count; i++) {
        const struct flight_segment *s = flight_at(&f, i);
        HOLDS(seq_gt(s->end, at));
        HOLDS((s->marks & (FLIGHT_HELD | FLIGHT_LOST)) != (FLIGHT_HELD | FLIGHT_LOST));
        HOLDS(!(s->marks & FLIGHT_AGAIN) || seq_le(s->end, f.again_to));
        HOLDS(!(s->marks & FLIGHT_LOST) || seq_ge(at, f.lost_from));
        held += s->marks & FLIGHT_HELD ? 1 : 0;
        lost += s->marks & FLIGHT_LOST ? s->end - at : 0;
        at = s->end;
    }
    HOLDS(held == f.held && lost == f.lost);
    if (!rack_is_on(tcp) || !tcb_is_open(tcp))
        return NULL;
    HOLDS(f.una == tcp->snd_una && at == tcp->snd_nxt);
    HOLDS(f.lost == 0 || tcp->recovery.active || tcp->snd_wnd == 0);
    return NULL;
}

/* Something is outstanding or waits, so something must be there to end the waiting. */
static const char *check_timers(const struct tcp *tcp)
{
    if (tcp->state == TCPS_CLOSED) {
        for (int i = 0; i < TIMERS; i++)
            HOLDS(!tcb_is_armed(tcp, (enum timer)i));
        return NULL;
    }
    HOLDS((tcp->state == TCPS_TIME_WAIT) == tcb_is_armed(tcp, TIMER_TIME_WAIT));
    if (tcp->dirty || tcp->state == TCPS_TIME_WAIT)
        return NULL;
    bool waiting =
        tcp->snd_una != tcp->snd_nxt || (tcb_is_open(tcp) && tcp->snd_una != tcb_send_end(tcp));
    bool watching = tcb_is_armed(tcp, TIMER_REORDER) || tcb_is_armed(tcp, TIMER_PROBE);
    HOLDS(!watching || (rack_is_on(tcp) && tcp->snd_una != tcp->snd_nxt));
    HOLDS(!tcb_is_armed(tcp, TIMER_PROBE) ||
          tcp->timers[TIMER_PROBE] <= tcp->timers[TIMER_RETRANSMIT]);
    waiting = waiting && tcp->mode == TCP_AUTO; /* else the script ends it */
    HOLDS(!waiting || tcb_is_armed(tcp, TIMER_RETRANSMIT) || tcb_is_armed(tcp, TIMER_PERSIST));
    HOLDS(!tcp->ack_now && tcp->dup_acks == 0 && !tcp->rst.pending);
    HOLDS(tcp->ack_debt == 0 || tcb_is_armed(tcp, TIMER_ACK));
    return NULL;
}

static const char *check_progress(const struct tcp *tcp, struct tcp_watch *watch)
{
    uint32_t edge = tcp->snd_una + tcp->snd_wnd;

    if (tcp->state == TCPS_CLOSED)
        return NULL;
    if (watch->sending) {
        HOLDS(seq_ge(tcp->snd_una, watch->snd_una));
        HOLDS(seq_ge(tcp->snd_nxt, watch->snd_nxt));
        edge = seq_max(edge, watch->snd_edge);
        /* One octet more may be a probe. */
        HOLDS(tcp->by_hand || tcp->state < TCPS_ESTABLISHED || seq_le(tcp->snd_nxt, edge + 1));
    }
    watch->sending = true;
    watch->snd_una = tcp->snd_una;
    watch->snd_nxt = tcp->snd_nxt;
    watch->snd_edge = edge;

    if (tcp->state == TCPS_SYN_SENT)
        return NULL;
    if (watch->receiving) {
        HOLDS(seq_ge(tcb_rcv_nxt(tcp), watch->rcv_nxt));
        HOLDS(seq_ge(tcp->rcv_adv, watch->rcv_adv));
    }
    watch->receiving = true;
    watch->rcv_nxt = tcb_rcv_nxt(tcp);
    watch->rcv_adv = tcp->rcv_adv;
    return NULL;
}

const char *tcp_check(const struct tcp *tcp, struct tcp_watch *watch)
{
    const char *broken = check_receiver(tcp);
    if (!broken)
        broken = check_sender(tcp);
    if (!broken)
        broken = check_flight(tcp);
    if (!broken)
        broken = check_timers(tcp);
    if (!broken && watch)
        broken = check_progress(tcp, watch);
    return broken;
}

const char *tcp_check_segment(const struct tcp *tcp, const struct segment *out)
{
    HOLDS(out->flags & (TCP_SYN | TCP_RST | TCP_ACK));
    HOLDS(out->length <= tcp->snd_mss);
    HOLDS(segment_options_length(&out->options) + tcp->config.signature <= 40);
    HOLDS(!out->options.has_mss || out->flags & TCP_SYN);
    if (out->flags & TCP_RST) {
        HOLDS(out->length == 0 && !(out->flags & (TCP_SYN | TCP_FIN)));
        return NULL;
    }
    HOLDS(seq_le(out->seq + segment_span(out), tcb_sent_end(tcp)));
    HOLDS(out->length == 0 || out->payload != NULL);
    if (out->length > 1 && !(out->flags & TCP_SYN))
        HOLDS(seq_le(out->seq + segment_span(out), tcp->snd_una + tcp->snd_wnd));
    if (out->flags & TCP_ACK) {
        HOLDS(out->ack == tcb_rcv_nxt(tcp));
        /* Rounding leaves out less than one unit. */
        uint32_t window = (uint32_t)out->window << (out->flags & TCP_SYN ? 0 : tcp->rcv_wscale);
        HOLDS(tcp->rcv_adv - (out->ack + window) < 1U << tcp->rcv_wscale);
    }
    return NULL;
}
