/* cubic: CUBIC congestion avoidance (RFC 9438), with its constants and names.
 *
 *     W_cubic(t) = C * (t - K)^3 + W_max
 *
 * After a reduction the window grows back towards W_max, fast at first, flat around it, and then
 * away from it in search of more; where Reno would be faster, on short or slow paths, it grows as
 * Reno does. Windows are in bytes, times in seconds. */
#include "base/clock.h"
#include "tcp/congestion.h"

#define C    0.4
#define BETA 0.7

/* Newton's method; enough steps for any window. */
static double cube_root(double x)
{
    double root = x > 1 ? x : 1;
    for (int i = 0; i < 64; i++)
        root = (2 * root + x / (root * root)) / 3;
    return root;
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* 4.2: the first ACK in congestion avoidance after a reduction. */
static void begin(struct congestion *c, int64_t now)
{
    double cwnd = c->cwnd, mss = c->mss;

    c->cubic.begun = true;
    c->cubic.epoch = now;
    c->cubic.w_est = cwnd;
    c->cubic.w_prior = c->cubic.w_max > cwnd ? c->cubic.w_max : cwnd;
    if (cwnd < c->cubic.w_max) {
        c->cubic.k = cube_root((c->cubic.w_max - cwnd) / mss / C);
    } else {
        c->cubic.k = 0;
        c->cubic.w_max = cwnd;
    }
}

static double w_cubic(const struct congestion *c, double t)
{
    double d = t - c->cubic.k;
    return C * d * d * d * c->mss + c->cubic.w_max;
}

static void cubic_avoid(struct congestion *c, uint32_t bytes, int64_t now)
{
    if (!c->cubic.begun)
        begin(c, now);
    double cwnd = c->cwnd, mss = c->mss;
    /* 4.3: Reno-friendly, slower than Reno until the window before the reduction is reached. */
    double alpha = c->cubic.w_est < c->cubic.w_prior ? 3 * (1 - BETA) / (1 + BETA) : 1;
    c->cubic.w_est += alpha * mss * bytes / cwnd;

    double t = seconds(now - c->cubic.epoch);
    if (w_cubic(c, t) < c->cubic.w_est) {
        if (c->cubic.w_est > cwnd)
            cwnd = c->cubic.w_est;
    } else { /* 4.4, 4.5: towards where it should be one round trip later */
        double target = w_cubic(c, t + seconds(c->rtt));
        target = target < cwnd ? cwnd : target > 1.5 * cwnd ? 1.5 * cwnd : target;
        cwnd += (target - cwnd) * bytes / cwnd;
    }
    c->cwnd = cwnd < CWND_MAX ? (uint32_t)cwnd : CWND_MAX;
}

/* 4.6, and 4.7: a flow that loses before it is back has company, and leaves more room for it. */
static uint32_t cubic_reduce(struct congestion *c, uint32_t flight, int64_t now)
{
    (void)now;
    double cwnd = c->cwnd;
    c->cubic.w_max = cwnd < c->cubic.w_max ? cwnd * (1 + BETA) / 2 : cwnd;
    c->cubic.begun = false;
    uint32_t window = (uint32_t)(flight * BETA);
    return window > 2 * c->mss ? window : 2 * c->mss;
}

/* 5.8: the window would jump by what it did not send. */
static void cubic_idle(struct congestion *c)
{
    c->cubic.begun = false;
}

const struct congestion_ops congestion_cubic = {
    .name = "cubic", .avoid = cubic_avoid, .reduce = cubic_reduce, .idle = cubic_idle};
