/* pair: what goes in at one end comes out at the other, once and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "link/link.h"

#include <cmocka.h> /* last: its fail() is a macro */

static bool say(struct link *link, const char *text, struct error *err)
{
    struct frame frame = {.bytes = (const uint8_t *)text, .length = strlen(text)};
    return link_send(link, &frame, err);
}

static void assert_hears(struct link *link, const char *text)
{
    struct frame frame;
    struct error err;
    assert_int_equal(link_recv(link, &frame, &err), 1);
    assert_int_equal(frame.length, strlen(text));
    assert_int_equal(frame.original, frame.length);
    assert_int_equal(frame.flags, 0);
    assert_memory_equal(frame.bytes, text, frame.length);
}

static void assert_silent(struct link *link)
{
    struct frame frame;
    struct error err;
    assert_int_equal(link_recv(link, &frame, &err), 0);
}

static void carries_both_ways(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true};
    struct link *ends[2];
    struct error err;
    assert_true(link_open_pair(ends, LINK_IP, 1500, &clock, &err));
    char text[] = "one";
    assert_true(say(ends[0], text, &err));
    text[0] = 'X'; /* the frame was copied */
    assert_true(say(ends[0], "two", &err));
    assert_true(say(ends[1], "three", &err));
    assert_hears(ends[1], "one");
    assert_hears(ends[1], "two");
    assert_silent(ends[1]);
    assert_hears(ends[0], "three");
    assert_silent(ends[0]);
    assert_true(say(ends[0], "four", &err)); /* after it was empty */
    assert_hears(ends[1], "four");
    link_close(ends[0]);
    link_close(ends[1]);
}

static void says_when(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true, .now = 5 * NS_PER_S};
    struct link *ends[2];
    struct error err;
    struct frame frame;
    int fds[LINK_FDS];
    assert_true(link_open_pair(ends, LINK_IP, 1500, &clock, &err));
    assert_int_equal(link_fds(ends[0], fds), 0);
    assert_true(link_deadline(ends[1]) == TIME_NEVER);
    assert_true(say(ends[0], "x", &err));
    assert_true(link_deadline(ends[1]) == 5 * NS_PER_S);
    assert_true(link_deadline(ends[0]) == TIME_NEVER);
    clock_advance(&clock, 6 * NS_PER_S);
    assert_int_equal(link_recv(ends[1], &frame, &err), 1);
    clock_advance(&clock, 7 * NS_PER_S);
    assert_true(clock_wall(&clock) - frame.time == 2 * NS_PER_S); /* when it was sent */
    assert_true(link_deadline(ends[1]) == TIME_NEVER);
    link_close(ends[0]);
    link_close(ends[1]);
}

static void knows_its_mtu(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true};
    struct link *ends[2];
    struct error err;
    const char *ten = "0123456789", *header = "eeeeeesssssstt0123456789"; /* e: to a group */
    assert_true(link_open_pair(ends, LINK_IP, 10, &clock, &err));
    assert_int_equal(ends[0]->mac.kind, ADDR_NONE);
    assert_true(say(ends[0], ten, &err));
    assert_false(say(ends[0], "0123456789a", &err));
    assert_string_equal(err.code, "EMSGSIZE");
    link_close(ends[0]);
    link_close(ends[1]);
    assert_true(link_open_pair(ends, LINK_ETHERNET, 10, &clock, &err));
    assert_true(say(ends[0], header, &err));
    assert_hears(ends[1], header);
    assert_int_equal(ends[0]->mac.kind, ADDR_MAC);
    assert_false(addr_equal(&ends[0]->mac, &ends[1]->mac));
    link_close(ends[0]);
    link_close(ends[1]);
}

static void says_what_is_for_another(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true};
    struct link *ends[2];
    struct error err;
    assert_true(link_open_pair(ends, LINK_ETHERNET, 1500, &clock, &err));
    uint8_t bytes[60] = {0};
    const struct {
        uint8_t mac[6];
        unsigned flags;
    } cases[] = {
        {{0}, 0}, /* becomes its own address */
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0},
        {{0x33, 0x33, 0, 0, 0, 1}, 0},
        {{2, 0, 0, 0, 0, 0x99}, FRAME_NOT_MINE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame frame = {.bytes = bytes, .length = sizeof bytes};
        memcpy(bytes, i ? cases[i].mac : ends[1]->mac.bytes, 6);
        assert_true(link_send(ends[0], &frame, &err));
        assert_int_equal(link_recv(ends[1], &frame, &err), 1);
        assert_int_equal(frame.flags, cases[i].flags);
    }
    link_close(ends[0]);
    link_close(ends[1]);
}

static void each_end_closes_alone(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true};
    struct link *ends[2];
    struct error err;
    assert_true(link_open_pair(ends, LINK_IP, 1500, &clock, &err));
    assert_true(say(ends[0], "last words", &err));
    assert_true(say(ends[1], "unheard", &err));
    link_close(ends[0]);
    assert_hears(ends[1], "last words");
    assert_true(say(ends[1], "to nobody", &err));
    assert_silent(ends[1]);
    link_close(ends[1]);
}

static void is_bounded(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true};
    struct link *ends[2];
    struct error err;
    static uint8_t big[65536];
    struct frame frame = {.bytes = big, .length = sizeof big};
    assert_true(link_open_pair(ends, LINK_IP, sizeof big, &clock, &err));
    for (int i = 0; i < 256; i++)
        assert_true(link_send(ends[0], &frame, &err));
    assert_int_equal(link_drops(ends[1]), 0);
    assert_true(link_send(ends[0], &frame, &err));
    assert_int_equal(link_drops(ends[1]), 1);
    assert_int_equal(link_recv(ends[1], &frame, &err), 1);
    struct frame again = {.bytes = big, .length = sizeof big};
    assert_true(link_send(ends[0], &again, &err));
    assert_int_equal(link_drops(ends[1]), 1);
    link_close(ends[0]);
    link_close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_both_ways), cmocka_unit_test(says_when),
        cmocka_unit_test(knows_its_mtu),     cmocka_unit_test(each_end_closes_alone),
        cmocka_unit_test(is_bounded),        cmocka_unit_test(says_what_is_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
