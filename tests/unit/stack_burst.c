/* burst: what a wire does that links in memory do not: it is full, it goes away, and time passes
 * while nobody looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/link.h"
#include "stack/burst.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* A link that takes `room` frames and keeps the last byte of each. */
struct fake {
    struct link link;
    size_t room, count;
    const char *broken; /* code of the error it gives, or NULL */
    uint8_t seen[1000];
};

static bool fake_send_many(struct link *link, const struct frame *frames, size_t count,
                           size_t *sent, struct error *err)
{
    struct fake *self = (struct fake *)link;
    if (self->broken)
        return (fail)(err, ERROR_NETWORK, self->broken, "broken");
    for (*sent = 0; *sent < count && self->room > 0; ++*sent, self->room--) {
        assert_true(self->count < sizeof self->seen);
        self->seen[self->count++] = frames[*sent].bytes[frames[*sent].length - 1];
    }
    return true;
}

static void fake_close(struct link *link)
{
    (void)link;
}

static struct fake fake(size_t room)
{
    static const struct link_ops ops = {
        .name = "fake", .send_many = fake_send_many, .close = fake_close};
    return (struct fake){.link = {.ops = &ops, .medium = LINK_ETHERNET, .mtu = 1500}, .room = room};
}

static struct network network;

/* A burst of frames of 20 bytes that end in 0, 1, … */
static struct burst *open_burst(uint8_t frames, double rate, uint64_t count)
{
    static const struct network_options none;
    network_init(&network, &none);
    network.clock = (struct clock){.virtual = true, .now = NS_PER_S};
    struct burst *burst = burst_new(
        &network, &(struct burst_options){.rate = rate, .count = count, .timeout = 60 * NS_PER_S});
    assert_non_null(burst);
    for (uint8_t i = 0; i < frames; i++) {
        uint8_t bytes[20] = {[19] = i};
        assert_true(burst_add(burst, bytes, sizeof bytes));
    }
    return burst;
}

static void waits_for_a_full_wire(void **state)
{
    (void)state;
    struct fake link = fake(0);
    struct burst *burst = open_burst(100, 0, 300);
    enum burst_state next;
    int64_t when;
    struct error err;
    assert_int_equal(burst_step(burst, &link.link, &when, &err), BURST_MORE);
    assert_int_equal(burst_report(burst)->sent, 0);
    assert_true(when > clock_now(&network.clock) && when <= network.clock.now + 10 * NS_PER_MS);
    do { /* a little more room each time */
        link.room = 7;
        clock_advance(&network.clock, when);
        next = burst_step(burst, &link.link, &when, &err);
        assert_int_equal(burst_report(burst)->sent, link.count);
    } while (next == BURST_MORE);
    assert_int_equal(next, BURST_DONE);
    assert_int_equal(link.count, 300);
    for (size_t i = 0; i < link.count; i++) /* each once and in order */
        assert_int_equal(link.seen[i], i % 100);
    assert_int_equal(burst_report(burst)->bytes, 300 * 20);
    assert_int_equal(burst_report(burst)->refused, 0);
    burst_free(burst);
}

/* Nobody asked for a second: what is sent at once is what 5 ms have of the rate. */
static void forgives_a_pause(void **state)
{
    (void)state;
    struct fake link = fake(SIZE_MAX);
    struct burst *burst = open_burst(1, 1000, 500);
    int64_t when;
    struct error err;
    assert_int_equal(burst_step(burst, &link.link, &when, &err), BURST_MORE);
    assert_int_equal(link.count, 1);
    clock_advance(&network.clock, network.clock.now + 3 * NS_PER_MS);
    assert_int_equal(burst_step(burst, &link.link, &when, &err), BURST_MORE);
    assert_int_equal(link.count, 4); /* a little late: all of it */
    clock_advance(&network.clock, network.clock.now + NS_PER_S);
    assert_int_equal(burst_step(burst, &link.link, &when, &err), BURST_MORE);
    assert_in_range(link.count, 4 + 5, 4 + 6);
    assert_true(when > network.clock.now);
    burst_free(burst);
}

static void ends_with_the_wire(void **state)
{
    (void)state;
    struct fake link = fake(SIZE_MAX);
    struct burst *burst = open_burst(3, 0, 0);
    int64_t when;
    struct error err;
    link.broken = "EMSGSIZE"; /* of a packet: counted */
    assert_int_equal(burst_step(burst, &link.link, &when, &err), BURST_DONE);
    assert_int_equal(burst_report(burst)->refused, 3);
    assert_string_equal(burst_report(burst)->first.code, "EMSGSIZE");
    burst_free(burst);
    burst = open_burst(3, 0, 0);
    link.broken = "ENODEV"; /* of the wire: the end */
    assert_int_equal(burst_step(burst, &link.link, &when, &err), BURST_FAILED);
    assert_string_equal(err.code, "ENODEV");
    assert_int_equal(burst_report(burst)->sent, 0);
    burst_free(burst);
}

/* The end of time ends it though the wire is full, and what did not go is not counted. */
static void ends_with_time(void **state)
{
    (void)state;
    struct fake link = fake(10);
    struct burst *burst = open_burst(3, 0, UINT64_MAX);
    enum burst_state next;
    int64_t when, began = network.clock.now;
    struct error err;
    while ((next = burst_step(burst, &link.link, &when, &err)) == BURST_MORE)
        clock_advance(&network.clock, when);
    assert_int_equal(next, BURST_DONE);
    assert_true(network.clock.now == began + 60 * NS_PER_S);
    assert_int_equal(burst_report(burst)->sent, 10);
    burst_free(burst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_a_full_wire),
        cmocka_unit_test(forgives_a_pause),
        cmocka_unit_test(ends_with_the_wire),
        cmocka_unit_test(ends_with_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
