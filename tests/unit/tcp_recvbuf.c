/* The receive buffer against a model: an array that knows for each byte whether it came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/recvbuf.h"

#include <cmocka.h>

static uint8_t stream[1 << 16];

static int fill_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stream; i++)
        stream[i] = (uint8_t)(i * 13 + (i >> 8));
    return 0;
}

static void in_order_bytes_come_out_in_order(void **state)
{
    (void)state;
    struct recvbuf b;
    uint8_t out[100];

    recvbuf_init(&b, 1000, 0xfffffffc);
    assert_int_equal(recvbuf_insert(&b, 0xfffffffc, stream, 10), RECVBUF_IN_ORDER);
    assert_int_equal(b.next, 6);
    assert_int_equal(recvbuf_read(&b, out, 4, -1), 4);
    assert_int_equal(recvbuf_read(&b, out + 4, 100, -1), 6);
    assert_memory_equal(out, stream, 10);
    assert_int_equal(recvbuf_read(&b, out, 100, -1), 0);
    recvbuf_free(&b);
}

static void a_read_ends_at_the_stop_byte_even_across_the_seam(void **state)
{
    (void)state;
    struct recvbuf b;
    uint8_t out[2048], in[1024];

    for (uint32_t start = 0; start < 1024; start += 31) {
        recvbuf_init(&b, 1024, 0);
        memset(in, 'x', sizeof in);
        recvbuf_insert(&b, 0, in, 1024); /* the ring is as long as it will be */
        recvbuf_read(&b, out, start, -1);
        in[0] = '\n';
        recvbuf_insert(&b, 1024, in, start); /* and now wraps */
        size_t first = recvbuf_read(&b, out, sizeof out, '\n');
        assert_int_equal(first, 1024 - start + (start ? 1 : 0));
        assert_int_equal(recvbuf_read(&b, out, sizeof out, '\n'), start ? start - 1 : 0);
        recvbuf_free(&b);
    }
}

static void b2_segments_in_reverse_join(void **state)
{
    (void)state;
    struct recvbuf b;
    uint8_t out[64];

    recvbuf_init(&b, 100, 1000);
    for (uint32_t i = 63; i > 0; i--)
        assert_int_equal(recvbuf_insert(&b, 1000 + i, stream + i, 1), RECVBUF_OUT_OF_ORDER);
    assert_int_equal(b.ranges, 1);
    assert_int_equal(recvbuf_end(&b), 1064);
    assert_int_equal(recvbuf_insert(&b, 1000, stream, 1), RECVBUF_IN_ORDER);
    assert_int_equal(b.ranges, 0);
    assert_int_equal(recvbuf_read(&b, out, 64, -1), 64);
    assert_memory_equal(out, stream, 64);
    recvbuf_free(&b);
}

static void b4_of_two_values_the_first_stays_and_is_counted(void **state)
{
    (void)state;
    struct recvbuf b;
    uint8_t out[30], other[30];

    recvbuf_init(&b, 100, 0);
    memset(other, '?', sizeof other);
    recvbuf_insert(&b, 10, stream + 10, 10);
    recvbuf_insert(&b, 5, other, 10); /* over the left half: 5 new, 5 known */
    assert_int_equal(b.overlaps, 5);
    recvbuf_insert(&b, 0, stream, 30);
    assert_int_equal(b.overlaps, 10); /* [5, 10) is '?' now */
    recvbuf_insert(&b, 0, other, 5);  /* in order and unread: still compared */
    assert_int_equal(b.overlaps, 15);
    recvbuf_insert(&b, 20, stream + 20, 10); /* the same again is no difference */
    assert_int_equal(b.overlaps, 15);
    assert_int_equal(recvbuf_read(&b, out, 30, -1), 30);
    assert_memory_equal(out, stream, 5);
    assert_memory_equal(out + 5, other, 5);
    assert_memory_equal(out + 10, stream + 10, 20);
    recvbuf_free(&b);
}

static void b12_islands_are_bounded_and_the_stream_survives(void **state)
{
    (void)state;
    struct recvbuf b;
    uint8_t out[1000];

    recvbuf_init(&b, 1000, 0);
    for (uint32_t i = 1; i < 1000; i += 2) {
        enum recvbuf_result wanted =
            i / 2 < RECVBUF_RANGES ? RECVBUF_OUT_OF_ORDER : RECVBUF_DROPPED;
        assert_int_equal(recvbuf_insert(&b, i, stream + i, 1), wanted);
    }
    assert_int_equal(b.ranges, RECVBUF_RANGES);
    /* What touches a range needs no new one, nor does what is in order. */
    assert_int_equal(recvbuf_insert(&b, 2, stream + 2, 1), RECVBUF_OUT_OF_ORDER);
    assert_int_equal(b.ranges, RECVBUF_RANGES - 1);
    assert_int_equal(recvbuf_insert(&b, 900, stream + 900, 1), RECVBUF_OUT_OF_ORDER);
    assert_int_equal(recvbuf_insert(&b, 0, stream, 1), RECVBUF_IN_ORDER);
    assert_int_equal(b.next, 4);
    assert_int_equal(recvbuf_insert(&b, 0, stream, 1000), RECVBUF_IN_ORDER);
    assert_int_equal(b.next, 1000);
    assert_int_equal(b.ranges, 0);
    assert_int_equal(recvbuf_read(&b, out, 1000, -1), 1000);
    assert_memory_equal(out, stream, 1000);
    recvbuf_free(&b);
}

static void b6_what_is_old_is_cut_off(void **state)
{
    (void)state;
    struct recvbuf b;
    uint8_t out[20];

    recvbuf_init(&b, 100, 0xfffffff8);
    recvbuf_insert(&b, 0xfffffff8, stream, 10);
    assert_int_equal(recvbuf_read(&b, out, 10, -1), 10);
    assert_int_equal(recvbuf_insert(&b, 0xfffffff8, stream, 10), RECVBUF_DROPPED);
    assert_int_equal(recvbuf_insert(&b, 0xfffffff8, stream, 15), RECVBUF_IN_ORDER);
    assert_int_equal(recvbuf_read(&b, out, 20, -1), 5);
    assert_memory_equal(out, stream + 10, 5);
    assert_int_equal(b.overlaps, 0);
    recvbuf_free(&b);
}

/* Random pieces, right and wrong, over random reads, for many small buffers. */
static void random_pieces_agree_with_the_model(void **state)
{
    (void)state;
    enum { LENGTH = 6000 };
    static uint8_t wanted[LENGTH], known[LENGTH], out[LENGTH];
    uint32_t random = 1;

    for (unsigned round = 0; round < 300; round++) {
        uint32_t start = round % 3 ? 0xffffffffU - round * 7 : 0x80000000U - round * 5;
        uint32_t limit = 1 + round * 11 % 3000;
        size_t done = 0, next = 0;
        uint64_t differing = 0;
        struct recvbuf b;
        recvbuf_init(&b, limit, start);
        memset(known, 0, sizeof known);

        while (done < LENGTH) {
            random = random * 1103515245 + 12345;
            size_t span = next - done < limit ? limit - (next - done) : 0;
            size_t from = next + (random >> 8) % (span + 1), length = (random >> 20) % 200;
            if (random >> 30 == 0)
                from = next; /* so that it gets on */
            from -= from > 20 ? (random >> 5) % 20 : 0;
            if (from + length > done + limit)
                length = done + limit > from ? done + limit - from : 0;
            if (from + length > LENGTH)
                length = from < LENGTH ? LENGTH - from : 0;
            uint8_t piece[200], spoil = (uint8_t)(random & 0x40);
            for (size_t i = 0; i < length; i++)
                piece[i] = stream[from + i] ^ spoil;

            enum recvbuf_result result = recvbuf_insert(&b, start + (uint32_t)from, piece, length);
            bool kept = result != RECVBUF_DROPPED;
            for (size_t i = 0; i < length; i++) {
                if (from + i < done)
                    continue;
                if (known[from + i]) {
                    differing += (kept || from + i < next) && wanted[from + i] != piece[i];
                } else if (kept) {
                    known[from + i] = 1;
                    wanted[from + i] = piece[i];
                }
            }
            while (next < LENGTH && known[next])
                next++;
            assert_int_equal(b.next, start + (uint32_t)next);
            assert_int_equal(b.ready, next - done);
            assert_int_equal(b.overlaps, differing);
            assert_true(b.ranges <= RECVBUF_RANGES);
            assert_true(b.size < 2 * limit || b.size <= 1024);

            size_t got = recvbuf_read(&b, out, (random >> 11) % 300, -1);
            assert_memory_equal(out, wanted + done, got);
            done += got;
        }
        recvbuf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_bytes_come_out_in_order),
        cmocka_unit_test(a_read_ends_at_the_stop_byte_even_across_the_seam),
        cmocka_unit_test(b2_segments_in_reverse_join),
        cmocka_unit_test(b4_of_two_values_the_first_stays_and_is_counted),
        cmocka_unit_test(b6_what_is_old_is_cut_off),
        cmocka_unit_test(b12_islands_are_bounded_and_the_stream_survives),
        cmocka_unit_test(random_pieces_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, fill_stream, NULL);
}
