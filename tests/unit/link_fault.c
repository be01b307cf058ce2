/* fault: a bad wire is bad in the way that was asked for, and the same way every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "link/link.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { SENT = 10000 };

/* A pair with the fault on what ends[0] sends. */
struct wire {
    struct clock clock;
    struct link *ends[2];
};

static void wire_open(struct wire *wire, const struct fault *fault)
{
    struct error err;
    wire->clock = (struct clock){.virtual = true, .now = NS_PER_S};
    assert_true(link_open_pair(wire->ends, LINK_IP, 1500, &wire->clock, &err));
    wire->ends[0] = link_fault(wire->ends[0], fault, &wire->clock, &err);
    assert_non_null(wire->ends[0]);
}

static void wire_close(struct wire *wire)
{
    link_close(wire->ends[0]);
    link_close(wire->ends[1]);
}

static void send_number(struct wire *wire, uint32_t number)
{
    uint8_t bytes[32] = {0};
    struct error err;
    put32(bytes, number);
    struct frame frame = {.bytes = bytes, .length = sizeof bytes};
    assert_true(link_send(wire->ends[0], &frame, &err));
}

/* Runs the clock to the end and returns what arrived, in order, as the numbers of the frames; a
 * corrupted frame counts in `*bad` only. `times` (may be NULL) gets when each arrived. */
static size_t drain(struct wire *wire, uint32_t *numbers, int64_t *times, size_t room, size_t *bad)
{
    size_t count = 0;
    struct frame frame;
    struct error err;
    *bad = 0;
    for (;;) {
        assert_int_equal(link_recv(wire->ends[0], &frame, &err), 0); /* passes on what is due */
        while (link_recv(wire->ends[1], &frame, &err) == 1) {
            int bits = 0;
            for (size_t i = 4; i < frame.length; i++)
                bits += __builtin_popcount(frame.bytes[i]);
            if (bits || get32(frame.bytes) >= SENT) {
                assert_true(bits <= 1);
                ++*bad;
                continue;
            }
            assert_true(count < room);
            if (times)
                times[count] = wire->clock.now;
            numbers[count++] = get32(frame.bytes);
        }
        int64_t next = link_deadline(wire->ends[0]);
        if (next == TIME_NEVER)
            return count;
        assert_true(next > wire->clock.now);
        clock_advance(&wire->clock, next);
    }
}

static size_t run(const struct fault *fault, uint32_t numbers[static 2 * SENT], size_t *bad)
{
    struct wire wire;
    wire_open(&wire, fault);
    for (uint32_t i = 0; i < SENT; i++)
        send_number(&wire, i);
    size_t count = drain(&wire, numbers, NULL, 2 * SENT, bad);
    wire_close(&wire);
    return count;
}

static void none_is_a_wire(void **state)
{
    (void)state;
    static uint32_t numbers[2 * SENT];
    size_t bad;
    struct fault fault = {.seed = 1};
    assert_int_equal(run(&fault, numbers, &bad), SENT);
    assert_int_equal(bad, 0);
    for (uint32_t i = 0; i < SENT; i++)
        assert_int_equal(numbers[i], i);
}

static void loses_by_seed(void **state)
{
    (void)state;
    static uint32_t first[2 * SENT], second[2 * SENT], other[2 * SENT];
    size_t bad;
    struct fault fault = {.seed = 7, .loss = 0.1};
    size_t count = run(&fault, first, &bad);
    assert_in_range(count, SENT * 88 / 100, SENT * 92 / 100);
    assert_int_equal(run(&fault, second, &bad), count);
    assert_memory_equal(first, second, count * sizeof first[0]);
    fault.seed = 8;
    size_t others = run(&fault, other, &bad);
    assert_true(others != count || memcmp(first, other, count * sizeof first[0]) != 0);
    fault.loss = 1;
    assert_int_equal(run(&fault, first, &bad), 0);
}

static void duplicates_right_behind(void **state)
{
    (void)state;
    static uint32_t numbers[2 * SENT];
    size_t bad;
    struct fault fault = {.seed = 3, .duplicate = 0.2, .delay = NS_PER_MS, .jitter = NS_PER_MS};
    size_t count = run(&fault, numbers, &bad);
    assert_in_range(count, SENT * 118 / 100, SENT * 122 / 100);
    for (size_t i = 1; i < count; i++)
        assert_true(numbers[i] == numbers[i - 1] || numbers[i] == numbers[i - 1] + 1);
}

/* One kind of fault does not change what another does. */
static void kinds_are_independent(void **state)
{
    (void)state;
    static uint32_t plain[2 * SENT], lossy[2 * SENT];
    size_t bad, at = 0;
    struct fault fault = {.seed = 9, .duplicate = 0.2};
    size_t plains = run(&fault, plain, &bad);
    fault.loss = 0.5;
    size_t lossies = run(&fault, lossy, &bad);
    assert_in_range(lossies, plains * 48 / 100, plains * 52 / 100);
    for (size_t i = 0; i < lossies; i++) { /* what arrives is a subsequence of what did */
        while (at < plains && plain[at] != lossy[i])
            at++;
        assert_true(at < plains);
        at++;
    }
}

static void flips_one_bit(void **state)
{
    (void)state;
    static uint32_t numbers[2 * SENT];
    size_t bad;
    struct fault fault = {.seed = 4, .corrupt = 0.1, .duplicate = 0.1};
    size_t count = run(&fault, numbers, &bad);
    assert_in_range(count + bad, SENT * 108 / 100, SENT * 112 / 100);
    /* 13 of the 256 bits that can be flipped leave a number that looks good. */
    assert_in_range(bad, SENT * 8 / 100, SENT * 11 / 100);
}

static void jitter_keeps_the_order(void **state)
{
    (void)state;
    static uint32_t numbers[SENT];
    static int64_t times[SENT];
    size_t bad;
    struct wire wire;
    struct fault fault = {.seed = 5, .delay = 20 * NS_PER_MS, .jitter = 10 * NS_PER_MS};
    wire_open(&wire, &fault);
    int64_t start = wire.clock.now;
    send_number(&wire, 0);
    assert_true(link_deadline(wire.ends[0]) >= start + 20 * NS_PER_MS);
    assert_true(link_deadline(wire.ends[0]) <= start + 30 * NS_PER_MS);
    for (uint32_t i = 1; i < 1000; i++)
        send_number(&wire, i);
    assert_int_equal(drain(&wire, numbers, times, SENT, &bad), 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(numbers[i], i);
        assert_true(times[i] >= start + 20 * NS_PER_MS);
        assert_true(times[i] <= start + 30 * NS_PER_MS);
    }
    assert_true(times[0] < times[999]);
    wire_close(&wire);
}

static void reorders_by_holding(void **state)
{
    (void)state;
    static uint32_t numbers[2 * SENT];
    size_t bad, late = 0;
    struct fault fault = {.seed = 6, .reorder = 0.1};
    assert_int_equal(run(&fault, numbers, &bad), SENT);
    for (uint32_t i = 1; i < SENT; i++)
        late += numbers[i] < numbers[i - 1];
    assert_true(late > 0);
    /* Everything was sent at once: those held come last, in their own order. */
    assert_int_equal(late, 1);
    uint32_t held = 0;
    for (uint32_t i = SENT - 1; i > 0 && numbers[i] > numbers[i - 1]; i--)
        held++;
    assert_in_range(held, SENT * 8 / 100, SENT * 12 / 100);
}

static void reports_a_late_failure(void **state)
{
    (void)state;
    struct wire wire;
    struct error err;
    static uint8_t big[1501];
    struct fault fault = {.delay = NS_PER_MS};
    struct frame frame = {.bytes = big, .length = sizeof big}, in;
    wire_open(&wire, &fault);
    assert_true(link_send(wire.ends[0], &frame, &err));
    clock_advance(&wire.clock, 2 * NS_PER_S);
    assert_int_equal(link_recv(wire.ends[0], &in, &err), 0);
    frame.length = frame.original = 100;
    assert_false(link_send(wire.ends[0], &frame, &err));
    assert_string_equal(err.code, "EMSGSIZE");
    assert_true(link_send(wire.ends[0], &frame, &err)); /* said once */
    wire_close(&wire);                                  /* frees what is still held */
}

static void refuses_nonsense(void **state)
{
    (void)state;
    const struct fault bad[] = {
        {.loss = -0.1}, {.loss = 1.1}, {.duplicate = 2}, {.reorder = -1},
        {.corrupt = 5}, {.delay = -1}, {.jitter = -1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct clock clock = {.virtual = true};
        struct link *ends[2];
        struct error err;
        assert_true(link_open_pair(ends, LINK_IP, 1500, &clock, &err));
        assert_null(link_fault(ends[0], &bad[i], &clock, &err));
        assert_string_equal(err.code, "EINVAL");
        assert_int_equal(err.kind, ERROR_USAGE);
        link_close(ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_a_wire),          cmocka_unit_test(loses_by_seed),
        cmocka_unit_test(duplicates_right_behind), cmocka_unit_test(kinds_are_independent),
        cmocka_unit_test(flips_one_bit),           cmocka_unit_test(jitter_keeps_the_order),
        cmocka_unit_test(reorders_by_holding),     cmocka_unit_test(reports_a_late_failure),
        cmocka_unit_test(refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
