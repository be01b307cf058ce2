/* The send buffer: contiguous, bounded, and every byte moved rarely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/sendbuf.h"

#include <cmocka.h>

static void bytes_stay_in_one_piece_and_in_order(void **state)
{
    (void)state;
    struct sendbuf b;
    uint8_t piece[700];
    size_t in = 0, out = 0;
    uint32_t start = 0xffffff00;

    sendbuf_init(&b, 5000, start);
    for (unsigned round = 0; round < 2000; round++) {
        size_t length = round * 37 % sizeof piece;
        for (size_t i = 0; i < length; i++)
            piece[i] = (uint8_t)((in + i) * 3);
        size_t room = b.limit - b.length;
        size_t taken = sendbuf_append(&b, piece, length);
        assert_int_equal(taken, length < room ? length : room);
        in += taken;
        size_t drop = b.length ? round * 53 % (b.length + 1) : 0;
        sendbuf_drop(&b, drop);
        out += drop;
        assert_int_equal(b.length, in - out);
        assert_int_equal(b.seq, start + (uint32_t)out);
        assert_int_equal(sendbuf_end(&b), start + (uint32_t)in);
        for (size_t i = 0; i < b.length; i++)
            assert_int_equal(sendbuf_at(&b, b.seq)[i], (uint8_t)((out + i) * 3));
        assert_true(b.size <= 4 * b.limit);
    }
    assert_true(out > 100000);
    sendbuf_free(&b);
}

static void nothing_is_taken_beyond_the_limit(void **state)
{
    (void)state;
    struct sendbuf b;

    sendbuf_init(&b, 10, 0);
    assert_int_equal(sendbuf_append(&b, "0123456", 7), 7);
    assert_int_equal(sendbuf_append(&b, "789abc", 6), 3);
    assert_int_equal(sendbuf_append(&b, "x", 1), 0);
    assert_memory_equal(sendbuf_at(&b, 0), "0123456789", 10);
    sendbuf_drop(&b, 4);
    assert_int_equal(sendbuf_append(&b, "abcdef", 6), 4);
    assert_memory_equal(sendbuf_at(&b, 4), "456789abcd", 10);
    sendbuf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stay_in_one_piece_and_in_order),
        cmocka_unit_test(nothing_is_taken_beyond_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
