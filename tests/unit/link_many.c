/* link_send_many(): what goes out is what link_send() would have sent, in order, and the count is
 * of what went, on each kind of link and through each wrapper. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "capture/capture.h"
#include "host_namespace.h"
#include "link/link.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { MANY = 200, SIZE = 60, SECONDS = 5 };

/* Frames whose last four bytes are their number. */
struct frames {
    uint8_t bytes[MANY][SIZE];
    struct frame list[MANY];
};

static void number_frames(struct frames *f)
{
    memset(f, 0, sizeof *f);
    for (uint32_t i = 0; i < MANY; i++) {
        put32(f->bytes[i] + SIZE - 4, i);
        f->list[i] = (struct frame){.bytes = f->bytes[i], .length = SIZE};
    }
}

static uint32_t number_of(const struct frame *frame)
{
    return get32(frame->bytes + frame->length - 4);
}

/* A link that takes `room` frames, and refuses the one with a number. */
struct fake {
    struct link link;
    size_t room, calls, most;
    uint32_t bad;
    uint32_t next; /* the number that comes next */
};

static bool fake_send_many(struct link *link, const struct frame *frames, size_t count,
                           size_t *sent, struct error *err)
{
    struct fake *self = (struct fake *)link;
    self->calls++;
    if (count > self->most)
        self->most = count;
    for (*sent = 0; *sent < count && self->room; ++*sent, self->room--) {
        assert_int_equal(frames[*sent].original, SIZE);
        assert_int_equal(number_of(&frames[*sent]), self->next);
        if (self->next == self->bad)
            return (fail)(err, ERROR_NETWORK, "EMSGSIZE", "too long");
        self->next++;
    }
    return true;
}

static void fake_close(struct link *link)
{
    (void)link;
}

static struct fake fake(size_t room, uint32_t bad)
{
    static const struct link_ops ops = {
        .name = "fake", .send_many = fake_send_many, .close = fake_close};
    return (struct fake){.link = {.ops = &ops}, .room = room, .bad = bad};
}

static void says_how_many(void **state)
{
    (void)state;
    struct frames f;
    struct error err;
    size_t sent;
    number_frames(&f);
    struct fake link = fake(SIZE_MAX, UINT32_MAX);
    assert_true(link_send_many(&link.link, f.list, MANY, &sent, &err));
    assert_int_equal(sent, MANY);
    assert_int_equal(link.most, LINK_BATCH);
    assert_int_equal(link.calls, (MANY + LINK_BATCH - 1) / LINK_BATCH);
    for (size_t room = 0; room <= MANY; room += 40) { /* full for the moment: no error */
        link = fake(room, UINT32_MAX);
        assert_true(link_send_many(&link.link, f.list, MANY, &sent, &err));
        assert_int_equal(sent, room);
        link.room = SIZE_MAX;
        assert_true(link_send_many(&link.link, f.list + room, MANY - room, &sent, &err));
        assert_int_equal(sent, MANY - room);
    }
    link = fake(SIZE_MAX, 100);
    assert_false(link_send_many(&link.link, f.list, MANY, &sent, &err));
    assert_int_equal(sent, 100);
    assert_string_equal(err.code, "EMSGSIZE");
    assert_true(link_send_many(&link.link, f.list, 0, &sent, &err));
    assert_int_equal(sent, 0);
}

struct seen {
    uint32_t count;
    int64_t time;
};

static void see(void *self, const struct link *link, const struct frame *frame, bool sent)
{
    (void)link;
    struct seen *seen = self;
    assert_true(sent);
    assert_int_equal(number_of(frame), seen->count);
    seen->count++;
    seen->time = frame->time;
}

/* Both wrappers around one wire see what it took, and nothing that it did not. */
static void wrappers_see_all(void **state)
{
    (void)state;
    char path[] = "/tmp/tcplua-test-XXXXXX";
    struct clock clock = {.virtual = true, .now = 9};
    struct frames f;
    struct seen seen = {0};
    struct error err;
    size_t sent;
    number_frames(&f);
    close(mkstemp(path));
    struct capture_writer *writer = capture_create(path, CAPTURE_PCAPNG, NULL, NULL, &err);
    assert_non_null(writer);
    struct fake wire = fake(150, UINT32_MAX);
    struct link *link = link_trace(&wire.link, see, &seen, &clock, &err);
    link = link_record(link, writer, &clock, &err);
    assert_non_null(link);
    assert_true(link_send_many(link, f.list, MANY, &sent, &err));
    assert_int_equal(sent, 150);
    assert_int_equal(seen.count, 150);
    assert_true(seen.time == clock_wall(&clock));
    assert_true(f.list[0].time == 0); /* the caller's stay as they are, to be sent again */
    wire.room = SIZE_MAX;
    wire.bad = 180;
    assert_false(link_send_many(link, f.list + 150, MANY - 150, &sent, &err));
    assert_int_equal(sent, 30);
    assert_int_equal(seen.count, 180);
    assert_string_equal(err.code, "EMSGSIZE");
    link_close(link);
    assert_true(capture_close(writer, &err));

    FILE *file = fopen(path, "rb");
    static uint8_t text[64 * 1024];
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    unlink(path);
    assert_true(length > 180 * (SIZE + 32) && length < 181 * (SIZE + 64));
}

static void goes_one_by_one(void **state)
{
    (void)state;
    struct clock clock = {.virtual = true, .now = NS_PER_S};
    struct frames f;
    struct frame frame;
    struct link *ends[2];
    struct error err;
    size_t sent;
    number_frames(&f);
    assert_true(link_open_pair(ends, LINK_IP, 1500, &clock, &err));
    struct fault twice = {.seed = 1, .duplicate = 1};
    ends[0] = link_fault(ends[0], &twice, &clock, &err);
    assert_true(link_send_many(ends[0], f.list, MANY, &sent, &err));
    assert_int_equal(sent, MANY);
    for (uint32_t i = 0; i < 2 * MANY; i++) { /* the fault had its turn with each */
        assert_int_equal(link_recv(ends[1], &frame, &err), 1);
        assert_int_equal(number_of(&frame), i / 2);
    }
    link_close(ends[0]);
    link_close(ends[1]);

    static const uint8_t large[2000];
    assert_true(link_open_pair(ends, LINK_IP, 1500, &clock, &err));
    f.list[3] = (struct frame){.bytes = large, .length = sizeof large};
    assert_false(link_send_many(ends[0], f.list, MANY, &sent, &err));
    assert_int_equal(sent, 3);
    assert_string_equal(err.code, "EMSGSIZE");
    link_close(ends[0]);
    link_close(ends[1]);
}

/* --- wires of the host --------------------------------------------------------------------------
 */

static int next_frame(struct link *link, struct frame *frame)
{
    struct error err;
    int fds[LINK_FDS], count = link_fds(link, fds);
    struct pollfd polled[LINK_FDS];
    for (int i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    poll(polled, (nfds_t)count, SECONDS * 1000);
    return link_recv(link, frame, &err);
}

static void assert_arrive(struct link *link, size_t first, size_t count)
{
    struct frame frame;
    for (size_t i = first; i < first + count; i++) {
        assert_int_equal(next_frame(link, &frame), 1);
        assert_int_equal(number_of(&frame), i);
    }
}

static void packet_sockets(void **state)
{
    (void)state;
    struct frames f;
    struct error err = {0};
    size_t sent;
    struct link *far = link_open_packet("srv0", "ether proto 0x88b5", &err);
    assert_non_null(far);
    for (int i = 0; i < 2; i++) {
        struct link *near =
            i ? link_open_sender("tap0", &err) : link_open_packet("tap0", NULL, &err);
        if (!near)
            fail_msg("%s", err.message);
        number_frames(&f);
        for (size_t k = 0; k < MANY; k++) {
            memset(f.bytes[k], 0xff, 6);
            put16(f.bytes[k] + 12, 0x88b5); /* IEEE 802's for experiments */
        }
        assert_true(link_send_many(near, f.list, MANY, &sent, &err));
        assert_int_equal(sent, MANY);
        assert_arrive(far, 0, MANY);

        static uint8_t large[2000];
        f.list[100] = (struct frame){.bytes = large, .length = sizeof large};
        assert_false(link_send_many(near, f.list, MANY, &sent, &err));
        assert_int_equal(sent, 100);
        assert_string_equal(err.code, "EMSGSIZE");
        assert_arrive(far, 0, 100);
        f.list[2].length = 13;
        assert_false(link_send_many(near, f.list, MANY, &sent, &err));
        assert_int_equal(sent, 2);
        assert_string_equal(err.code, "EINVAL");
        assert_arrive(far, 0, 2);
        link_close(near);
    }
    link_close(far);
}

static void a_sender_hears_nothing(void **state)
{
    (void)state;
    struct frames f;
    struct frame frame;
    struct error err;
    int fds[LINK_FDS];
    struct link *near = link_open_sender("tap0", &err), *far = link_open_sender("srv0", &err);
    number_frames(&f);
    assert_true(link_send(far, &f.list[0], &err));
    assert_int_equal(link_fds(near, fds), 0);
    assert_int_equal(link_recv(near, &frame, &err), 0);
    assert_int_equal(near->medium, LINK_ETHERNET);
    assert_int_equal(near->mtu, 1500);
    link_close(near);
    link_close(far);
    assert_null(link_open_sender("none0", &err));
    assert_string_equal(err.code, "ENODEV");
}

static void raw_sockets(void **state)
{
    (void)state;
    static const uint8_t local[4] = {127, 0, 0, 1};
    struct addr addr = addr_from(ADDR_IP4, local);
    struct frames f;
    struct error err = {0};
    size_t sent;
    struct link *link = link_open_raw(&addr, 0, &err), *far = link_open_raw(&addr, 0, &err);
    if (!link || !far)
        fail_msg("%s", err.message);
    assert_true(link_ports(far, 7, 7, &err));
    number_frames(&f);
    for (size_t i = 0; i < MANY; i++) {
        uint8_t *ip = f.bytes[i];
        ip[0] = 0x45;
        put16(ip + 2, SIZE);
        ip[5] = 1;
        ip[8] = 64;
        ip[9] = 6;
        memcpy(ip + 12, local, 4);
        memcpy(ip + 16, local, 4);
        put16(ip + 22, 7);
    }
    assert_true(link_send_many(link, f.list, MANY, &sent, &err));
    assert_int_equal(sent, MANY);
    assert_arrive(far, 0, MANY);
    f.bytes[70][0] = 0x60;
    assert_false(link_send_many(link, f.list, MANY, &sent, &err));
    assert_int_equal(sent, 70);
    assert_string_equal(err.code, "EINVAL");
    assert_arrive(far, 0, 70);
    f.bytes[70][0] = 0x45;
    f.bytes[5][0] = 0x4f; /* IHL: 60 bytes, and there are fewer */
    f.list[5].length = 50;
    assert_false(link_send_many(link, f.list, MANY, &sent, &err));
    assert_int_equal(sent, 5);
    assert_arrive(far, 0, 5);
    link_close(link);
    link_close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_how_many),
        cmocka_unit_test(wrappers_see_all),
        cmocka_unit_test(goes_one_by_one),
    };
    const struct CMUnitTest host_tests[] = {
        cmocka_unit_test(packet_sockets),
        cmocka_unit_test(a_sender_hears_nothing),
        cmocka_unit_test(raw_sockets),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL), refused = namespace_enter();
    if (failed || refused)
        return failed ? failed : refused;
    if (system("ip link add tap0 type veth peer name srv0 && ip link set tap0 up && "
               "ip link set srv0 up") != 0) {
        printf("skipped: no veth pair to be had here (needs ip of iproute2, and veth)\n");
        return 77;
    }
    return cmocka_run_group_tests(host_tests, NULL, NULL);
}
