/* xdp: what goes into the ring arrives at the far end of a veth, and all of it is counted. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "host_namespace.h"
#include "link/link.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { BATCH = 100, BATCHES = 100, SIZE = 60, SECONDS = 5 }; /* more than there are slots */

static int next_frame(struct link *link, struct frame *frame)
{
    struct error err;
    int fds[LINK_FDS];
    assert_int_equal(link_fds(link, fds), 1);
    struct pollfd polled = {.fd = fds[0], .events = POLLIN};
    poll(&polled, 1, SECONDS * 1000);
    return link_recv(link, frame, &err);
}

static void sends_all_in_order(void **state)
{
    struct link *near = *state;
    static uint8_t bytes[BATCH][SIZE];
    struct frame frames[BATCH], frame;
    struct error err = {0};
    struct link *far = link_open_packet("srv0", "ether proto 0x88b5", &err);
    assert_non_null(far);
    for (uint32_t i = 0; i < BATCHES; i++) {
        size_t sent;
        for (uint32_t k = 0; k < BATCH; k++) {
            memset(bytes[k], 0xff, 6);
            put16(bytes[k] + 12, 0x88b5); /* IEEE 802's for experiments */
            put32(bytes[k] + SIZE - 4, i * BATCH + k);
            frames[k] = (struct frame){.bytes = bytes[k], .length = SIZE};
        }
        assert_true(link_send_many(near, frames, BATCH, &sent, &err));
        assert_int_equal(sent, BATCH);
        for (uint32_t k = 0; k < BATCH; k++) {
            assert_int_equal(next_frame(far, &frame), 1);
            assert_int_equal(frame.length, SIZE);
            assert_int_equal(get32(frame.bytes + SIZE - 4), i * BATCH + k);
        }
    }
    assert_true(link_send(near, &frames[0], &err));
    assert_int_equal(next_frame(far, &frame), 1);
    link_close(far);
}

static void refuses_what_does_not_fit(void **state)
{
    struct link *near = *state;
    static uint8_t bytes[3000];
    struct error err = {0};
    struct frame frames[] = {{.bytes = bytes, .length = 60}, {.bytes = bytes, .length = 3000}};
    size_t sent;
    assert_false(link_send_many(near, frames, 2, &sent, &err));
    assert_int_equal(sent, 1);
    assert_string_equal(err.code, "EMSGSIZE");
    frames[0].length = 13;
    assert_false(link_send(near, &frames[0], &err));
    assert_string_equal(err.code, "EINVAL");
    assert_int_equal(near->medium, LINK_ETHERNET);
    assert_int_equal(near->mtu, 1500);
}

static void says_why_not(void **state)
{
    (void)state;
    struct error err;
    assert_null(link_open_xdp("none0", &err));
    assert_string_equal(err.code, "ENODEV");
    assert_null(link_open_xdp("tap0", &err)); /* the queue is taken */
    assert_string_equal(err.code, "EBUSY");
    assert_null(link_open_xdp("down0", &err));
    assert_string_equal(err.code, "ENETDOWN");
}

/* An interface whose other end is down drops all: that is told, and nothing is counted. */
static void notices_a_dead_end(void **state)
{
    struct link *near = *state;
    static uint8_t bytes[60];
    struct frame frames[40];
    struct error err = {0};
    size_t sent;
    for (size_t i = 0; i < 40; i++)
        frames[i] = (struct frame){.bytes = bytes, .length = sizeof bytes};
    assert_int_equal(system("ip link set srv0 down"), 0);
    assert_false(link_send_many(near, frames, 40, &sent, &err));
    assert_int_equal(sent, 0);
    assert_string_equal(err.code, "ENETDOWN");
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_all_in_order),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(says_why_not),
        cmocka_unit_test(notices_a_dead_end),
    };
    int refused = namespace_enter();
    if (refused)
        return refused;
    if (system("ip link add tap0 type veth peer name srv0 && ip link set tap0 up && "
               "ip link set srv0 up && ip link add down0 type veth peer name down1") != 0) {
        printf("skipped: no veth pair to be had here (needs ip of iproute2, and veth)\n");
        return 77;
    }
    struct error err = {0};
    struct link *near = link_open_xdp("tap0", &err);
    if (!near) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tests[i].initial_state = near;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    link_close(near);
    return failed;
}
