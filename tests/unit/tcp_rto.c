/* The retransmission timeout, by the formulas of RFC 6298. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/clock.h"
#include "tcp/rto.h"

#include <cmocka.h>

#define MS NS_PER_MS

static struct rto rto;

static int setup(void **state)
{
    (void)state;
    rto_init(&rto, 1000 * MS, 200 * MS, 120000 * MS);
    return 0;
}

/* A segment and its ACK `rtt` later. */
static void exchange(int64_t rtt)
{
    static uint32_t seq = 0xfffffff0;
    seq += 100;
    rto_sent(&rto, seq, 5000 * MS);
    rto_acked(&rto, seq, 5000 * MS + rtt);
}

/* RFC 6298 2.1, RFC 6298 2.2 */
static void first_sample_is_srtt_and_half_of_it_the_variance(void **state)
{
    (void)state;
    assert_true(rto.value == 1000 * MS);
    exchange(400 * MS);
    assert_true(rto.srtt == 400 * MS);
    assert_true(rto.rttvar == 200 * MS);
    assert_true(rto.value == 1200 * MS);
}

/* RFC 6298 2.3 */
static void later_samples_move_by_an_eighth_and_a_quarter(void **state)
{
    (void)state;
    exchange(400 * MS);
    exchange(480 * MS);
    assert_true(rto.rttvar == 200 * MS + (80 - 200) * MS / 4); /* before srtt: RFC 6298 2.3 */
    assert_true(rto.srtt == 410 * MS);
    assert_true(rto.value == rto.srtt + 4 * rto.rttvar);
}

/* RFC 6298 2.4 */
static void the_floor_lies_under_the_variance(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        exchange(10 * MS);
    assert_true(rto.value == rto.srtt + 200 * MS);
    assert_true(rto.srtt == 10 * MS);
}

/* RFC 6298 2.5, RFC 6298 5.5 */
static void backoff_doubles_up_to_the_limit(void **state)
{
    (void)state;
    static const int64_t seconds[] = {2, 4, 8, 16, 32, 64, 120, 120};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        rto_backoff(&rto);
        assert_true(rto.value == seconds[i] * NS_PER_S);
    }
}

/* MUST-18 */
static void karn_a_retransmitted_segment_is_no_sample(void **state)
{
    (void)state;
    rto_sent(&rto, 100, 0);
    rto_backoff(&rto);
    rto_resent(&rto);
    rto_acked(&rto, 100, 1005 * MS);
    assert_false(rto.sampled);
    assert_true(rto.value == 2000 * MS); /* and the backoff stays until there is one */
    rto_sent(&rto, 200, 2000 * MS);
    rto_acked(&rto, 200, 2010 * MS);
    assert_true(rto.srtt == 10 * MS);
    assert_true(rto.value < 1000 * MS);
}

static void one_segment_is_timed_at_a_time(void **state)
{
    (void)state;
    rto_sent(&rto, 100, 0);
    rto_sent(&rto, 200, 50 * MS);
    rto_acked(&rto, 99, 60 * MS);
    assert_false(rto.sampled);
    rto_acked(&rto, 200, 80 * MS);
    assert_true(rto.srtt == 80 * MS);
}

/* RFC 6298 5.7 */
static void after_a_lost_syn_data_starts_with_three_seconds(void **state)
{
    (void)state;
    rto_backoff(&rto);
    rto_syn_lost(&rto);
    assert_true(rto.value == 3000 * MS);
    exchange(10 * MS);
    rto_syn_lost(&rto);
    assert_true(rto.value < 1000 * MS);
}

static void a_clock_that_jumps_does_no_harm(void **state)
{
    (void)state;
    rto_sent(&rto, 100, 0);
    rto_acked(&rto, 100, INT64_MAX);
    assert_true(rto.value == 120000 * MS);
    rto_sent(&rto, 200, 100 * MS);
    rto_acked(&rto, 200, 0);
    assert_true(rto.value > 0 && rto.value <= 120000 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_sample_is_srtt_and_half_of_it_the_variance, setup),
        cmocka_unit_test_setup(later_samples_move_by_an_eighth_and_a_quarter, setup),
        cmocka_unit_test_setup(the_floor_lies_under_the_variance, setup),
        cmocka_unit_test_setup(backoff_doubles_up_to_the_limit, setup),
        cmocka_unit_test_setup(karn_a_retransmitted_segment_is_no_sample, setup),
        cmocka_unit_test_setup(one_segment_is_timed_at_a_time, setup),
        cmocka_unit_test_setup(after_a_lost_syn_data_starts_with_three_seconds, setup),
        cmocka_unit_test_setup(a_clock_that_jumps_does_no_harm, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
