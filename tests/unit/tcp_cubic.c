/* tcp_cubic: the window over time, against the formulas of RFC 9438 reckoned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/clock.h"
#include "tcp/congestion.h"

#include <cmocka.h> /* after ours: it has a macro named fail */

#define MSS 1000U

/* In avoidance after a loss with `window` segments out. */
static struct congestion after_loss(uint32_t window)
{
    struct congestion c;
    congestion_init(&c, &congestion_cubic, MSS, false);
    c.cwnd = window * MSS;
    congestion_loss(&c, c.cwnd, 0);
    return c;
}

/* Time passes in round trips, each of which acknowledges a window in segments. */
static void run(struct congestion *c, int64_t *now, int64_t to, int64_t rtt)
{
    c->rtt = rtt;
    while (*now < to) {
        uint32_t segments = c->cwnd / MSS;
        for (uint32_t i = 0; i < segments; i++) {
            *now += rtt / segments;
            congestion_acked(c, MSS, *now);
        }
    }
}

static void assert_near(uint32_t got, double wanted, double part)
{
    if (got < wanted * (1 - part) || got > wanted * (1 + part))
        fail_msg("wanted %.0f, got %u", wanted, got);
}

/* RFC 9438 4.6: seven tenths are left, but never less than two segments. */
static void a_loss_leaves_seven_tenths(void **state)
{
    (void)state;
    struct congestion c = after_loss(1000);
    assert_int_equal(c.cwnd, 700 * MSS);
    assert_int_equal(c.ssthresh, 700 * MSS);
    c = after_loss(2);
    assert_int_equal(c.cwnd, 2 * MSS);
}

/* RFC 9438 4.2: K = cbrt(300 / 0.4) = 9.086 s until W_max is back; concave before it, flat there,
 * convex behind. */
static void the_window_follows_the_curve(void **state)
{
    (void)state;
    struct congestion c = after_loss(1000);
    int64_t now = 5 * NS_PER_S, rtt = 100 * NS_PER_MS, begin = now;
    static const struct {
        double t, window;
    } curve[] = {{1, 788.6},    {2, 857.7},   {4, 947.4},  {6, 988.2},
                 {9.086, 1000}, {12, 1009.9}, {15, 1082.8}};
    for (size_t i = 0; i < sizeof curve / sizeof *curve; i++) {
        run(&c, &now, begin + (int64_t)(curve[i].t * 1e9), rtt);
        assert_near(c.cwnd, curve[i].window * MSS, 0.012);
    }
}

/* RFC 9438 4.4: a window acknowledged now brings what should be there one round trip later. */
static void it_looks_a_round_trip_ahead(void **state)
{
    (void)state;
    struct congestion c = after_loss(1000);
    c.rtt = NS_PER_S;
    congestion_acked(&c, 1, 0);
    congestion_acked(&c, c.cwnd, NS_PER_S);
    assert_near(c.cwnd, 857705, 0.0001);
}

/* RFC 9438 4.3: over a short path Reno is faster: 0.53 segments a round trip until W_max is back,
 * then 1. */
static void it_is_not_slower_than_reno(void **state)
{
    (void)state;
    struct congestion c = after_loss(20);
    int64_t now = 0, rtt = NS_PER_MS;
    run(&c, &now, 11 * rtt, rtt);
    assert_near(c.cwnd, (14 + 11 * 0.529) * MSS, 0.03);
    run(&c, &now, 31 * rtt, rtt);
    assert_near(c.cwnd, (20 + 20) * MSS, 0.05);
}

/* RFC 9438 4.7 */
static void a_second_loss_on_the_way_up_gives_way(void **state)
{
    (void)state;
    struct congestion c = after_loss(1000);
    congestion_loss(&c, c.cwnd, 0);
    assert_near((uint32_t)c.cubic.w_max, 700 * 0.85 * MSS, 0.001);
    assert_near(c.cwnd, 490 * MSS, 0.001);
}

/* RFC 9438 5.8: an hour without anything to send is not an hour of growth. */
static void silence_does_not_grow(void **state)
{
    (void)state;
    struct congestion c = after_loss(20);
    int64_t now = 0;
    run(&c, &now, NS_PER_S, 100 * NS_PER_MS);
    congestion_idle(&c);
    uint32_t before = c.cwnd;
    congestion_acked(&c, MSS, now + 3600 * NS_PER_S);
    assert_true(c.cwnd <= before + MSS);
}

/* However long, and whatever the numbers: it never shrinks by itself and ends at the most. */
static void it_only_grows_and_has_an_end(void **state)
{
    (void)state;
    struct congestion c = after_loss(10);
    uint32_t before = 0;
    for (int64_t now = 0; now < 100000 * NS_PER_S; now += 7 * NS_PER_S) {
        congestion_acked(&c, c.cwnd, now);
        assert_true(c.cwnd >= before);
        before = c.cwnd;
    }
    assert_int_equal(c.cwnd, CWND_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_leaves_seven_tenths),
        cmocka_unit_test(the_window_follows_the_curve),
        cmocka_unit_test(it_looks_a_round_trip_ahead),
        cmocka_unit_test(it_is_not_slower_than_reno),
        cmocka_unit_test(a_second_loss_on_the_way_up_gives_way),
        cmocka_unit_test(silence_does_not_grow),
        cmocka_unit_test(it_only_grows_and_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
