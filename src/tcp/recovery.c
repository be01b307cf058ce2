/* recovery: NewReno. */
#include "tcp/recovery.h"

#include "tcp/tcb.h"

#define DUPACKS 3 /* RFC 5681 3.2 */

void recovery_init(struct tcp *tcp)
{
    tcp->recovery = (struct recovery){.point = tcp->iss};
}

void recovery_duplicate(struct tcp *tcp, int64_t now)
{
    struct recovery *r = &tcp->recovery;

    r->dupacks++;
    if (r->active) {
        /* More than is outstanding cannot have left, however many ACKs a peer invents. */
        if (r->left < tcb_flight(tcp))
            r->left += tcp->snd_mss;
        return;
    }
    /* Duplicates of what was sent before the last recovery or timeout may be the echo of our own
     * retransmissions (RFC 6582 3.2 step 2). */
    if (r->dupacks != DUPACKS || !seq_gt(tcp->snd_una, r->point))
        return;

    congestion_loss(&tcp->congestion, tcb_flight(tcp), now);
    r->active = true;
    r->partial = false;
    r->point = tcp->snd_nxt;
    r->left = DUPACKS * (uint32_t)tcp->snd_mss;
    tcp->resend_first = true;
    rto_resent(&tcp->rto);
    tcb_arm(tcp, TIMER_RETRANSMIT, tcb_later(now, tcp->rto.value));
}

bool recovery_acked(struct tcp *tcp, uint32_t bytes, int64_t now)
{
    struct recovery *r = &tcp->recovery;
    uint32_t flight = tcb_flight(tcp);

    r->dupacks = 0;
    if (!r->active) {
        if (seq_lt(tcp->snd_una - bytes, tcp->limited))
            congestion_acked(&tcp->congestion, bytes, now);
        /* Both marks follow, lest they come to lie in the future after 2^31 bytes. */
        tcp->limited = seq_max(tcp->limited, tcp->snd_una);
        r->point = seq_max(r->point, tcp->snd_una - 1);
        return true;
    }
    if (seq_ge(tcp->snd_una, r->point)) { /* full acknowledgment: no burst of what has piled up */
        uint32_t window = (flight > tcp->snd_mss ? flight : tcp->snd_mss) + tcp->snd_mss;
        if (tcp->congestion.cwnd > window)
            tcp->congestion.cwnd = window;
        r->active = false;
        r->left = 0;
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

void recovery_timeout(struct tcp *tcp, int64_t now)
{
    congestion_timeout(&tcp->congestion, tcb_flight(tcp), tcp->timeouts > 0, now);
    recovery_restart(tcp);
}

void recovery_restart(struct tcp *tcp)
{
    struct recovery *r = &tcp->recovery;

    r->active = false;
    r->dupacks = 0;
    r->left = 0;
    r->point = tcp->snd_nxt;
    tcp->resend_first = false;
    tcp->cursor = tcp->snd_una;
    rto_resent(&tcp->rto);
}

uint32_t recovery_room(const struct tcp *tcp)
{
    uint32_t pipe = tcp->cursor - tcp->snd_una;
    uint32_t left = tcp->recovery.left;

    pipe -= left < pipe ? left : pipe;
    return tcp->congestion.cwnd > pipe ? tcp->congestion.cwnd - pipe : 0;
}
