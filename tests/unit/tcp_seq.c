/* Sequence numbers across 2^31 and 2^32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "tcp/seq.h"

#include <cmocka.h>

static const uint32_t corners[] = {0,          1,          0x7ffffffe, 0x7fffffff, 0x80000000,
                                   0x80000001, 0xfffffffe, 0xffffffff, 12345};

static void order_holds_wherever_the_numbers_lie(void **state)
{
    (void)state;
    static const uint32_t steps[] = {1, 2, 65535, 1U << 30, 0x7fffffff};
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            uint32_t a = corners[i], b = a + steps[k];
            assert_true(seq_lt(a, b) && seq_le(a, b) && seq_gt(b, a) && seq_ge(b, a));
            assert_false(seq_lt(b, a) || seq_le(b, a) || seq_gt(a, b) || seq_ge(a, b));
            assert_int_equal(seq_min(a, b), a);
            assert_int_equal(seq_max(a, b), b);
            assert_int_equal(seq_beyond(b, a), steps[k]);
            assert_int_equal(seq_beyond(a, b), 0);
        }
}

static void a_number_equals_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
        uint32_t a = corners[i];
        assert_true(seq_le(a, a) && seq_ge(a, a));
        assert_false(seq_lt(a, a) || seq_gt(a, a));
        assert_int_equal(seq_beyond(a, a), 0);
    }
}

static void a_window_holds_its_left_and_not_its_right_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
        uint32_t left = corners[i];
        assert_true(seq_within(left, left, 100));
        assert_true(seq_within(left + 99, left, 100));
        assert_false(seq_within(left + 100, left, 100));
        assert_false(seq_within(left - 1, left, 100));
        assert_false(seq_within(left, left, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_holds_wherever_the_numbers_lie),
        cmocka_unit_test(a_number_equals_itself),
        cmocka_unit_test(a_window_holds_its_left_and_not_its_right_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
