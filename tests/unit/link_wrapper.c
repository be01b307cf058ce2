/* record and trace: what passes is seen, unchanged, and once. */
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
#include "link/link.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* A link that says what it was asked, for what a wrapper passes on. */
struct fake {
    struct link link;
    struct frame next; /* what link_recv() gives, once */
    int give;
    bool refuse;
    uint16_t low, high;
    int closed;
};

static bool fake_send(struct link *link, const struct frame *frame, struct error *err)
{
    (void)frame;
    if (((struct fake *)link)->refuse)
        return (fail)(err, ERROR_NETWORK, "ENETDOWN", "down");
    return true;
}

static int fake_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct fake *self = (struct fake *)link;
    int give = self->give;
    self->give = 0;
    if (give > 0)
        *frame = self->next;
    else if (give < 0)
        (fail)(err, ERROR_NETWORK, "ENODEV", "gone");
    return give;
}

static int fake_fds(struct link *link, int fds[static LINK_FDS])
{
    (void)link;
    fds[0] = 11;
    fds[1] = 12;
    return 2;
}

static int64_t fake_deadline(struct link *link)
{
    (void)link;
    return 77;
}

static bool fake_ports(struct link *link, uint16_t low, uint16_t high, struct error *err)
{
    (void)err;
    ((struct fake *)link)->low = low;
    ((struct fake *)link)->high = high;
    return true;
}

static uint64_t fake_drops(struct link *link)
{
    (void)link;
    return 5;
}

static void fake_close(struct link *link)
{
    ((struct fake *)link)->closed++;
}

static const struct link_ops fake_ops = {
    .name = "fake",
    .send = fake_send,
    .recv = fake_recv,
    .fds = fake_fds,
    .deadline = fake_deadline,
    .ports = fake_ports,
    .drops = fake_drops,
    .close = fake_close,
};

static struct fake fake(enum link_medium medium)
{
    return (struct fake){
        .link = {.ops = &fake_ops, .medium = medium, .iface = "wire0", .mtu = 1234}};
}

static void assert_passes_on(struct link *link, struct fake *inner)
{
    struct error err;
    struct frame frame;
    int fds[LINK_FDS];
    assert_int_equal(link->medium, inner->link.medium);
    assert_string_equal(link->iface, "wire0");
    assert_int_equal(link->mtu, 1234);
    assert_int_equal(link_fds(link, fds), 2);
    assert_int_equal(fds[1], 12);
    assert_true(link_deadline(link) == 77);
    assert_true(link_ports(link, 3, 4, &err));
    assert_int_equal(inner->low, 3);
    assert_int_equal(inner->high, 4);
    assert_int_equal(link_drops(link), 5);
    inner->give = -1;
    assert_int_equal(link_recv(link, &frame, &err), -1);
    assert_string_equal(err.code, "ENODEV");
    assert_int_equal(link_recv(link, &frame, &err), 0);
    link_close(link);
    assert_int_equal(inner->closed, 1);
}

struct seen {
    int count;
    struct frame frame;
    bool sent;
    const struct link *link;
};

static void see(void *self, const struct link *link, const struct frame *frame, bool sent)
{
    struct seen *seen = self;
    seen->count++;
    seen->frame = *frame;
    seen->sent = sent;
    seen->link = link;
}

static void assert_same(const struct frame *a, const struct frame *b)
{
    assert_ptr_equal(a->bytes, b->bytes);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->original, b->original);
    assert_true(a->time == b->time);
    assert_int_equal(a->flags, b->flags);
}

static void traces(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    struct clock clock = {.virtual = true, .now = 9};
    struct fake inner = fake(LINK_ETHERNET);
    struct seen seen = {0};
    struct error err;
    struct link *link = link_trace(&inner.link, see, &seen, &clock, &err);
    struct frame out = {.bytes = bytes, .length = 3}, in;
    assert_non_null(link);
    assert_true(link_send(link, &out, &err));
    assert_int_equal(seen.count, 1);
    assert_true(seen.sent);
    assert_ptr_equal(seen.link, link);
    assert_int_equal(seen.frame.length, 3);
    assert_true(seen.frame.time == clock_wall(&clock));
    inner.refuse = true; /* what did not leave was not sent */
    assert_false(link_send(link, &out, &err));
    assert_int_equal(seen.count, 1);
    inner.next = (struct frame){.bytes = bytes, .length = 2, .original = 3, .time = 5, .flags = 1};
    inner.give = 1;
    assert_int_equal(link_recv(link, &in, &err), 1);
    assert_same(&in, &inner.next);
    assert_int_equal(seen.count, 2);
    assert_false(seen.sent);
    assert_same(&seen.frame, &inner.next);
    assert_passes_on(link, &inner);
    assert_int_equal(seen.count, 2);
}

static uint32_t word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void records(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4};
    uint8_t file[2000];
    char path[] = "/tmp/tcplua-test-XXXXXX";
    struct clock clock = {.virtual = true, .now = 7};
    struct fake inner = fake(LINK_IP);
    struct error err;
    close(mkstemp(path));
    struct capture_writer *writer = capture_create(path, CAPTURE_PCAPNG, NULL, NULL, &err);
    assert_non_null(writer);
    struct link *link = link_record(&inner.link, writer, &clock, &err);
    assert_non_null(link);
    struct frame out = {.bytes = bytes, .length = 4}, in;
    assert_true(link_send(link, &out, &err));
    inner.refuse = true;
    assert_false(link_send(link, &out, &err));
    for (unsigned flags = 0; flags <= FRAME_OUT; flags++) {
        inner.next =
            (struct frame){.bytes = bytes, .length = 4, .original = 9, .time = 5, .flags = flags};
        inner.give = 1;
        assert_int_equal(link_recv(link, &in, &err), 1);
        assert_same(&in, &inner.next);
    }
    assert_passes_on(link, &inner);
    assert_true(capture_close(writer, &err));

    FILE *stream = fopen(path, "r");
    size_t length = fread(file, 1, sizeof file, stream), frames = 0;
    fclose(stream);
    unlink(path);
    /* As on a little-endian machine; the bytes themselves are capture_pcapng.c's matter. */
    static const uint32_t directions[] = {2, 1, 2}, originals[] = {4, 9, 9};
    for (size_t at = 0; at + 12 <= length; at += word(file + at + 4)) {
        if (word(file + at) == 1)
            assert_int_equal(word(file + at + 8), CAPTURE_RAW_IP);
        if (word(file + at) != 6)
            continue;
        assert_true(frames < 3);
        uint64_t time = (uint64_t)word(file + at + 12) << 32 | word(file + at + 16);
        assert_true(time == (frames ? 5 : (uint64_t)clock_wall(&clock)));
        assert_int_equal(word(file + at + 24), originals[frames]);
        assert_memory_equal(file + at + 28, bytes, 4);
        assert_int_equal(word(file + at + 36), directions[frames]);
        frames++;
    }
    assert_int_equal(frames, 3);
}

/* A capture that cannot be written does not stop the traffic. */
static void goes_on_without_a_file(void **state)
{
    (void)state;
    static const uint8_t bytes[4];
    struct clock clock = {.virtual = true};
    struct fake inner = fake(LINK_IP);
    struct error err;
    /* pcap writes nothing before its first frame, so opening this works. */
    struct capture_writer *writer = capture_create("/dev/full", CAPTURE_PCAP, NULL, NULL, &err);
    assert_non_null(writer);
    struct link *link = link_record(&inner.link, writer, &clock, &err);
    struct frame out = {.bytes = bytes, .length = 4};
    for (int i = 0; i < 3; i++)
        assert_true(link_send(link, &out, &err));
    assert_non_null(capture_failure(writer));
    assert_string_equal(capture_failure(writer)->code, "ENOSPC");
    link_close(link);
    assert_false(capture_close(writer, &err));
}

/* What stands for the operations that a kind leaves out. */
static void has_defaults(void **state)
{
    (void)state;
    static const struct link_ops none = {.name = "deaf", .close = fake_close};
    struct fake inner = fake(LINK_IP);
    struct frame frame = {.bytes = (const uint8_t *)"x", .length = 1};
    struct error err;
    int fds[LINK_FDS];
    inner.link.ops = &none;
    assert_false(link_send(&inner.link, &frame, &err));
    assert_string_equal(err.code, "EOPNOTSUPP");
    assert_non_null(strstr(err.message, "deaf"));
    assert_int_equal(link_recv(&inner.link, &frame, &err), 0);
    assert_int_equal(link_fds(&inner.link, fds), 0);
    assert_true(link_deadline(&inner.link) == TIME_NEVER);
    assert_true(link_ports(&inner.link, 1, 2, &err));
    assert_int_equal(link_drops(&inner.link), 0);
    link_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces),
        cmocka_unit_test(records),
        cmocka_unit_test(goes_on_without_a_file),
        cmocka_unit_test(has_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
