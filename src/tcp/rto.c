/* rto: SRTT and RTTVAR by the gains of RFC 6298 2.3, alpha = 1/8 and beta = 1/4. */
#include "tcp/rto.h"

#include "base/clock.h"
#include "tcp/seq.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

void rto_init(struct rto *rto, int64_t initial, int64_t min, int64_t max)
{
    *rto = (struct rto){.min = min, .max = max, .value = clamp(initial, 1, max)};
}

void rto_sent(struct rto *rto, uint32_t end, int64_t now)
{
    if (rto->timing)
        return;
    rto->timing = true;
    rto->timed_end = end;
    rto->timed_at = now;
}

void rto_resent(struct rto *rto)
{
    rto->timing = false;
}

static void rto_sample(struct rto *rto, int64_t rtt)
{
    if (!rto->sampled) {
        rto->sampled = true;
        rto->srtt = rtt;
        rto->rttvar = rtt / 2;
    } else {
        int64_t error = rto->srtt > rtt ? rto->srtt - rtt : rtt - rto->srtt;
        rto->rttvar += (error - rto->rttvar) / 4;
        rto->srtt += (rtt - rto->srtt) / 8;
    }
    int64_t spread = 4 * rto->rttvar;
    rto->value = clamp(rto->srtt + (spread > rto->min ? spread : rto->min), 1, rto->max);
}

void rto_acked(struct rto *rto, uint32_t ack, int64_t now)
{
    if (!rto->timing || seq_lt(ack, rto->timed_end))
        return;
    rto->timing = false;
    /* A clock that stood still measures 0 and one that jumped may measure days: neither may
     * overflow the sums above. */
    rto_sample(rto, clamp(now - rto->timed_at, 0, 3600 * NS_PER_S));
}

void rto_echoed(struct rto *rto, int64_t rtt)
{
    rto_sample(rto, clamp(rtt, 0, 3600 * NS_PER_S));
}

void rto_backoff(struct rto *rto)
{
    rto->value = rto->value > rto->max / 2 ? rto->max : rto->value * 2;
}

void rto_syn_lost(struct rto *rto)
{
    if (!rto->sampled)
        rto->value = clamp(3 * NS_PER_S, 1, rto->max);
}
