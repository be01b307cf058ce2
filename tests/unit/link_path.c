/* path: rate, queue, bursts, MTU and darkness, by the figures that they were asked for; and what
 * the two answers to a datagram that is too big say. link_fault.c has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "link/link.h"
#include "link/too_big.h"
#include "packet/checksum.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* A datagram each `gap`; how many pass. */
static size_t feed(struct path *path, size_t count, size_t length, int64_t gap)
{
    size_t passed = 0;
    for (size_t i = 0; i < count; i++)
        passed += path_enter(path, length, (int64_t)i * gap).what == PATH_PASSES;
    return passed;
}

static void a_rate_spaces_what_it_lets_through(void **state)
{
    (void)state;
    struct path path;
    path_init(&path, &(struct fault){.rate = 12e6, .delay = 5 * NS_PER_MS});
    for (int i = 1; i <= 10; i++) { /* 1,500 bytes take a millisecond */
        struct path_fate fate = path_enter(&path, 1500, 0);
        assert_int_equal(fate.what, PATH_PASSES);
        assert_int_equal(fate.due, (i + 5) * NS_PER_MS);
    }
    assert_int_equal(path_enter(&path, 1500, 20 * NS_PER_MS).due, 26 * NS_PER_MS); /* was idle */
}

static void a_full_queue_drops_its_tail(void **state)
{
    (void)state;
    struct path path;
    path_init(&path, &(struct fault){.rate = 12e6, .queue = 15000});
    assert_int_equal(feed(&path, 20, 1500, 0), 10);
    assert_int_equal(path.counts.overflowed, 10);
    assert_int_equal(path_enter(&path, 1500, 2 * NS_PER_MS).what, PATH_PASSES);
    path_init(&path, &(struct fault){.rate = 12e6, .queue = 1}); /* one can always leave */
    assert_int_equal(feed(&path, 2, 1500, 0), 1);
    path_init(&path, &(struct fault){.rate = 12e6});
    assert_in_range(feed(&path, 200, 1500, 0), PATH_QUEUE / 1500 - 1, PATH_QUEUE / 1500 + 1);
}

static void bursts_have_their_share_and_length(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct path path;
    path_init(
        &path,
        &(struct fault){.seed = 5, .burst_every = 100 * NS_PER_MS, .burst_length = 10 * NS_PER_MS});
    size_t lost = 0, runs = 0;
    bool before = false;
    for (int i = 0; i < COUNT; i++) {
        bool now = path_enter(&path, 100, i * NS_PER_MS).what == PATH_LOST;
        lost += now;
        runs += now && !before;
        before = now;
    }
    /* In a burst for 1/11 of the time, for ten milliseconds or a little more. */
    assert_in_range(lost, COUNT * 8 / 100, COUNT * 10 / 100);
    assert_in_range(lost / runs, 9, 12);
    assert_int_equal(path.counts.lost, lost);

    path_init(&path, &(struct fault){.seed = 5,
                                     .burst_every = 100 * NS_PER_MS,
                                     .burst_length = 10 * NS_PER_MS,
                                     .burst_loss = 0.5});
    assert_in_range(COUNT - feed(&path, COUNT, 100, NS_PER_MS), COUNT * 4 / 100, COUNT * 5 / 100);
}

static void a_change_holds_from_then_on(void **state)
{
    (void)state;
    struct path path;
    struct fault fault = {.rate = 12e6, .delay = 2 * NS_PER_S};
    path_init(&path, &fault);
    assert_int_equal(path_enter(&path, 1500, 0).due, 2001 * NS_PER_MS);
    fault.rate = 1.2e6; /* the rest of a millisecond is ten now */
    fault.delay = 10 * NS_PER_MS;
    path_change(&path, &fault, NS_PER_MS / 2);
    assert_int_equal(path.free, NS_PER_MS / 2 + 5 * NS_PER_MS);
    /* It comes out behind the one before it, as on a wire. */
    assert_int_equal(path_enter(&path, 1500, NS_PER_MS / 2).due, 2001 * NS_PER_MS);
    fault.down = true;
    path_change(&path, &fault, NS_PER_S);
    assert_int_equal(path_enter(&path, 1500, NS_PER_S).what, PATH_LOST);
    assert_int_equal(path.counts.dark, 1);
    fault.down = false;
    path_change(&path, &fault, 3 * NS_PER_S);
    assert_int_equal(path_enter(&path, 1500, 3 * NS_PER_S).due, 3020 * NS_PER_MS);
}

static void what_is_too_big_is_told_or_silently_lost(void **state)
{
    (void)state;
    struct path path;
    struct fault fault = {.mtu = 1280};
    path_init(&path, &fault);
    assert_int_equal(path_enter(&path, 1280, 0).what, PATH_PASSES);
    assert_int_equal(path_enter(&path, 1281, 0).what, PATH_TOO_BIG);
    fault.silent = true;
    path_change(&path, &fault, 0);
    assert_int_equal(path_enter(&path, 1281, 0).what, PATH_LOST);
    assert_int_equal(path.counts.too_big, 2);
}

/* An IPv4 datagram with DF, of protocol `protocol`, with zeros for a payload. */
static size_t datagram4(uint8_t *ip, uint8_t protocol)
{
    memset(ip, 0, 1400);
    ip[0] = 0x45;
    put16(ip + 2, 1400);
    put16(ip + 6, 0x4000);
    ip[9] = protocol;
    put32(ip + 12, 0xc0000201);
    put32(ip + 16, 0xc0000202);
    return 1400;
}

static void too_big_quotes_over_ipv4(void **state)
{
    (void)state;
    uint8_t ip[1400], out[TOO_BIG_MAX];
    size_t length = datagram4(ip, 6);
    assert_int_equal(too_big_write(out, ip, length, 1280), TOO_BIG_MAX);
    assert_int_equal(checksum_finish(checksum_add(0, out, 20)), 0);
    assert_int_equal(checksum_finish(checksum_add(0, out + 20, TOO_BIG_MAX - 20)), 0);
    assert_memory_equal(out + 16, ip + 12, 4); /* to the sender */
    assert_int_equal(out[20], 3);
    assert_int_equal(out[21], 4);
    assert_int_equal(get16(out + 26), 1280);
    assert_memory_equal(out + 28, ip, TOO_BIG_MAX - 28);
}

static void too_big_quotes_over_ipv6(void **state)
{
    (void)state;
    uint8_t ip[1400] = {0x60, [6] = 6, [8] = 0x20, [23] = 1, [24] = 0x20, [39] = 2};
    uint8_t out[TOO_BIG_MAX];
    assert_int_equal(too_big_write(out, ip, sizeof ip, 1280), TOO_BIG_MAX);
    struct addr src = addr_from(ADDR_IP6, out + 8), dst = addr_from(ADDR_IP6, out + 24);
    uint64_t sum = checksum_pseudo(0, &src, &dst, 58, TOO_BIG_MAX - 40);
    assert_int_equal(checksum_finish(checksum_add(sum, out + 40, TOO_BIG_MAX - 40)), 0);
    assert_memory_equal(out + 24, ip + 8, 16);
    assert_int_equal(out[40], 2);
    assert_int_equal(get32(out + 44), 1280);
    assert_memory_equal(out + 48, ip, TOO_BIG_MAX - 48);
}

static void too_big_answers_no_error_and_nothing_that_may_be_cut(void **state)
{
    (void)state;
    uint8_t ip[1400], out[TOO_BIG_MAX];
    size_t length = datagram4(ip, 1);
    ip[20] = 8; /* an echo request is no error */
    assert_int_equal(too_big_write(out, ip, length, 576), TOO_BIG_MAX);
    ip[20] = 3;
    assert_int_equal(too_big_write(out, ip, length, 576), 0);
    datagram4(ip, 6);
    put16(ip + 6, 0); /* no DF */
    assert_int_equal(too_big_write(out, ip, length, 576), 0);
    put16(ip + 6, 0x4001); /* a later fragment */
    assert_int_equal(too_big_write(out, ip, length, 576), 0);
    for (size_t cut = 0; cut <= 20; cut++) {
        datagram4(ip, 6);
        assert_int_equal(too_big_write(out, ip, cut, 576), 0);
    }
    memset(ip, 0, sizeof ip);
    assert_int_equal(too_big_write(out, ip, length, 576), 0); /* no IP */
    ip[0] = 0x60;
    ip[6] = 58;
    ip[40] = 2;
    assert_int_equal(too_big_write(out, ip, length, 1280), 0);
}

/* The sender of a link reads the answer from it. */
static void a_link_answers_what_is_too_big(void **state)
{
    (void)state;
    for (int medium = 0; medium < 2; medium++) {
        struct clock clock = {.virtual = true, .now = NS_PER_S};
        struct link *ends[2];
        struct error err;
        size_t header = medium ? 14 : 0;
        assert_true(link_open_pair(ends, medium ? LINK_ETHERNET : LINK_IP, 1500, &clock, &err));
        struct fault fault = {.mtu = 1000};
        assert_non_null(ends[0] = link_fault(ends[0], &fault, &clock, &err));
        uint8_t bytes[1414] = {[0] = 0xaa, [6] = 0xbb, [12] = 8};
        struct frame in, frame = {.bytes = bytes, .length = datagram4(bytes + header, 6) + header};
        assert_true(link_send(ends[0], &frame, &err));
        assert_int_equal(link_recv(ends[1], &in, &err), 0);
        assert_true(link_deadline(ends[0]) <= clock.now);
        assert_int_equal(link_recv(ends[0], &in, &err), 1);
        assert_int_equal(in.length, header + TOO_BIG_MAX);
        assert_int_equal(in.bytes[header + 20], 3);
        if (medium) {
            assert_int_equal(in.bytes[0], 0xbb);
            assert_int_equal(in.bytes[6], 0xaa);
            assert_int_equal(get16(in.bytes + 12), 0x0800);
        }
        assert_int_equal(link_recv(ends[0], &in, &err), 0);
        frame.length = 5;
        assert_true(link_send(ends[0], &frame, &err));
        link_close(ends[0]);
        link_close(ends[1]);
    }
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    const struct fault bad[] = {
        {.burst_every = NS_PER_S},
        {.burst_length = NS_PER_S},
        {.burst_every = -1, .burst_length = NS_PER_S},
        {.burst_loss = 1.5},
        {.rate = -1},
        {.rate = 999},
        {.rate = 2e12},
        {.mtu = 67},
        {.mtu = 65536},
    };
    struct error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(fault_check(&bad[i], &err));
        assert_string_equal(err.code, "EINVAL");
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    assert_true(fault_check(&(struct fault){.burst_every = 1, .burst_length = 1}, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_spaces_what_it_lets_through),
        cmocka_unit_test(a_full_queue_drops_its_tail),
        cmocka_unit_test(bursts_have_their_share_and_length),
        cmocka_unit_test(a_change_holds_from_then_on),
        cmocka_unit_test(what_is_too_big_is_told_or_silently_lost),
        cmocka_unit_test(too_big_quotes_over_ipv4),
        cmocka_unit_test(too_big_quotes_over_ipv6),
        cmocka_unit_test(too_big_answers_no_error_and_nothing_that_may_be_cut),
        cmocka_unit_test(a_link_answers_what_is_too_big),
        cmocka_unit_test(refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
