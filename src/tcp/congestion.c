/* congestion: slow start and the windows that all algorithms share; NewReno. */
#include "tcp/congestion.h"

#include <stddef.h>

/* RFC 6928 2: min(10*MSS, max(2*MSS, 14600)). */
static uint32_t initial_window(uint32_t mss)
{
    uint32_t most = 2 * mss > 14600 ? 2 * mss : 14600;
    return 10 * mss < most ? 10 * mss : most;
}

void congestion_init(struct congestion *c, const struct congestion_ops *ops, uint32_t mss,
                     bool lost)
{
    *c = (struct congestion){
        .ops = ops, .mss = mss, .cwnd = lost ? mss : initial_window(mss), .ssthresh = CWND_MAX};
}

void congestion_acked(struct congestion *c, uint32_t bytes, int64_t now)
{
    if (c->cwnd < c->ssthresh)
        c->cwnd += bytes < c->mss ? bytes : c->mss;
    else
        c->ops->avoid(c, bytes, now);
    if (c->cwnd > CWND_MAX)
        c->cwnd = CWND_MAX;
}

void congestion_loss(struct congestion *c, uint32_t flight, int64_t now)
{
    c->ssthresh = c->ops->reduce(c, flight, now);
    c->cwnd = c->ssthresh;
}

void congestion_timeout(struct congestion *c, uint32_t flight, bool again, int64_t now)
{
    if (!again)
        c->ssthresh = c->ops->reduce(c, flight, now);
    c->cwnd = c->mss;
}

void congestion_idle(struct congestion *c)
{
    uint32_t window = initial_window(c->mss);
    if (c->cwnd > window)
        c->cwnd = window;
    if (c->ops->idle)
        c->ops->idle(c);
}

void congestion_mss(struct congestion *c, uint32_t mss)
{
    c->mss = mss;
    if (c->cwnd < mss)
        c->cwnd = mss;
}

/* One segment more for each window of bytes acknowledged: RFC 5681 3.1 with the byte counting that
 * it recommends, so that it is the bytes that count and not the number of ACKs. */
static void newreno_avoid(struct congestion *c, uint32_t bytes, int64_t now)
{
    (void)now;
    c->credit += bytes;
    if (c->credit >= c->cwnd) {
        c->credit -= c->cwnd;
        c->cwnd += c->mss;
    }
}

/* RFC 5681 equation 4. */
static uint32_t newreno_reduce(struct congestion *c, uint32_t flight, int64_t now)
{
    (void)now;
    c->credit = 0;
    return flight / 2 > 2 * c->mss ? flight / 2 : 2 * c->mss;
}

const struct congestion_ops congestion_newreno = {
    .name = "newreno", .avoid = newreno_avoid, .reduce = newreno_reduce, .idle = NULL};
