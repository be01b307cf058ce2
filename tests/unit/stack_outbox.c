/* The outbox: what follows in a row leaves as one frame, and what arrives when that is cut again is
 * to the byte what would have been sent one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "stack/demux.h"

#include <cmocka.h> /* last: its fail() is a macro, (fail)() is ours */

enum { PIECE = 1000 };

static uint8_t data[PIECE + 1];

/* A link that takes a number of frames and refuses the next. */
static struct {
    size_t takes, taken, calls;
    size_t lengths[LINK_BATCH];
} wire;

static bool wire_takes(struct link *link, const struct frame *frame, struct error *err)
{
    (void)link;
    wire.calls++;
    if (wire.taken == wire.takes)
        return (fail)(err, ERROR_NETWORK, "EMSGSIZE", "too long for this wire");
    wire.lengths[wire.taken++] = frame->length;
    return true;
}

static bool wire_takes_many(struct link *link, const struct frame *frames, size_t count,
                            size_t *sent, struct error *err)
{
    for (*sent = 0; *sent < count; ++*sent)
        if (!wire_takes(link, &frames[*sent], err))
            return false;
    return true;
}

static const struct link_ops ops = {
    .name = "test", .send = wire_takes, .send_many = wire_takes_many};
static struct link link_;
static struct stack *stack;
static struct outbox *box;
static struct endpoint endpoint;

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    link_ = (struct link){.ops = &ops, .medium = LINK_IP, .mtu = 1500, .gso = 65535};
    memset(&wire, 0, sizeof wire);
    wire.takes = LINK_BATCH;
    stack = calloc(1, sizeof *stack);
    if (!stack)
        return -1;
    stack->link = &link_;
    box = &stack->outbox;
    endpoint = (struct endpoint){.stack = stack, .gso = true};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(stack);
    return 0;
}

static struct segment full(enum addr_kind kind)
{
    return (struct segment){
        .src = {.kind = kind, .bytes = {192, 0, 2, 1}},
        .dst = {.kind = kind, .bytes = {192, 0, 2, 2}},
        .sport = 40000,
        .dport = 80,
        .seq = 0xfffffc00, /* it wraps soon */
        .ack = 7,
        .flags = TCP_ACK,
        .window = 1000,
        .ttl = 64,
        .id = 0xffff,
        .payload = data,
        .length = PIECE,
        .options = {.has_timestamp = true, .tsval = 5, .tsecr = 6},
    };
}

/* What goes on where `s` ends. */
static struct segment after(const struct segment *s)
{
    struct segment next = *s;
    next.seq += (uint32_t)s->length;
    next.id++;
    next.length = PIECE;
    next.flags = TCP_ACK;
    return next;
}

static void add(const struct segment *s)
{
    assert_true(outbox_add(box, &endpoint, s));
}

/* Whether two in a row are one frame. */
static bool joined(const struct segment *a, const struct segment *b)
{
    box->count = box->used = 0;
    add(a);
    add(b);
    assert_in_range(box->count, 1, 2);
    assert_int_equal(box->frames[0].segment, box->count == 1 ? a->length : 0);
    return box->count == 1;
}

/* The next piece of a frame, finished as a card would: its length, 0 behind the last. */
static size_t cut(const struct frame *frame, size_t skip, size_t *at, uint8_t *out)
{
    const uint8_t *whole = frame->bytes + skip;
    size_t length = frame->length - skip;
    bool ip4 = whole[0] >> 4 == 4;
    size_t ip = ip4 ? 20 : 40, head = ip + (size_t)(whole[ip + 12] >> 4) * 4;
    struct segment s;
    assert_int_equal(segment_read(&s, whole, length, false), SEGMENT_OK);
    assert_int_equal(frame->length, frame->original);
    assert_int_equal(s.checksum_partial, frame->segment != 0);
    if (*at > 0 && head + *at >= length)
        return 0;
    size_t size = length - head - *at;
    bool last = !frame->segment || size <= frame->segment;
    if (!last)
        size = frame->segment;
    memcpy(out, whole, head);
    memcpy(out + head, whole + head + *at, size);
    if (ip4) {
        put16(out + 2, (uint32_t)(head + size));
        put16(out + 4, get16(whole + 4) + (frame->segment ? (uint32_t)*at / frame->segment : 0));
        put16(out + 10, 0);
        put16(out + 10, checksum_finish(checksum_add(0, out, 20)));
    } else {
        put16(out + 4, (uint32_t)(head + size - 40));
    }
    uint8_t *tcp = out + ip;
    put32(tcp + 4, s.seq + (uint32_t)*at);
    if (!last)
        tcp[13] &= (uint8_t) ~(TCP_PSH | TCP_FIN);
    if (*at > 0)
        tcp[13] &= (uint8_t)~TCP_CWR;
    size_t span = head - ip + size;
    put16(tcp + 16, 0);
    put16(tcp + 16, checksum_finish(checksum_add(
                        checksum_pseudo(0, &s.src, &s.dst, 6, (uint32_t)span), tcp, span)));
    *at += size ? size : 1; /* an empty one is a piece too */
    return head + size;
}

/* Everything in it arrives as it was added. */
static void arrives(const struct segment *segments, size_t count)
{
    static uint8_t piece[2000], wanted[2000];
    size_t skip = link_.medium == LINK_ETHERNET ? STACK_ETHER : 0, i = 0;
    for (size_t k = 0; k < box->count; k++) {
        size_t at = 0, length;
        assert_int_equal(box->seqs[k], segments[i].seq);
        while ((length = cut(&box->frames[k], skip, &at, piece)) > 0) {
            assert_true(i < count);
            assert_int_equal(length, segment_write(&segments[i], wanted, sizeof wanted));
            assert_memory_equal(piece, wanted, length);
            i++;
        }
    }
    assert_int_equal(i, count);
}

static void o1_a_row_is_one_frame(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        struct segment s[12];
        link_.medium = round & 1 ? LINK_ETHERNET : LINK_IP;
        s[0] = full(round & 2 ? ADDR_IP4 : ADDR_IP6);
        s[0].options.has_timestamp = round & 4;
        for (size_t i = 1; i < 12; i++)
            s[i] = after(&s[i - 1]);
        s[11].length = 17;
        s[11].flags |= TCP_PSH;
        box->count = box->used = 0;
        for (size_t i = 0; i < 12; i++)
            add(&s[i]);
        assert_int_equal(box->count, 1);
        assert_int_equal(box->frames[0].segment, PIECE);
        arrives(s, 12);
    }
}

/* What differs in anything that is said only once goes by itself. */
static void o2_what_differs_is_not_joined(void **state)
{
    (void)state;
    static const uint8_t nops[4] = {1, 1, 1, 1};
    const struct segment a = full(ADDR_IP4), b = after(&a);
    assert_true(joined(&a, &b));
    struct segment c = b;
    c.flags |= TCP_PSH;
    assert_true(joined(&a, &c));
    static const uint16_t flags[] = {TCP_FIN, TCP_SYN, TCP_RST, TCP_URG, TCP_ECE, TCP_CWR, TCP_AE};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct segment first = a;
        c = b;
        c.flags |= flags[i];
        assert_false(joined(&a, &c)); /* the second */
        first.flags |= flags[i];
        assert_false(joined(&first, &b)); /* the first */
        assert_false(joined(&first, &c)); /* both: CWR is not for each piece */
    }
    struct segment d[14];
    for (size_t i = 0; i < 14; i++)
        d[i] = b;
    d[0].flags = 0;
    d[1].seq++;
    d[2].ack++;
    d[3].window++;
    d[4].ttl--;
    d[5].tos = 2; /* ECT: a repeated segment has none */
    d[6].id++;
    d[7].options.has_timestamp = false;
    d[8].options.tsval++;
    d[9].options.tsecr++;
    d[10].options.sacks = 1;
    d[11].options.first = nops;
    d[11].options.first_length = sizeof nops;
    d[12].length = 0;
    d[13].length = PIECE + 1;
    for (size_t i = 0; i < 14; i++)
        assert_false(joined(&a, &d[i]));
    struct segment first = a; /* what only the first has */
    first.flags |= TCP_PSH;
    assert_false(joined(&first, &b));
    first = a;
    first.options.first = nops;
    first.options.first_length = sizeof nops;
    assert_false(joined(&first, &b));
    first = a;
    first.options.sacks = 1;
    assert_false(joined(&first, &b));
    first = a;
    first.length = 0;
    c = after(&first);
    c.length = 0;
    assert_false(joined(&first, &c));
}

static void o3_nothing_follows_a_short_one(void **state)
{
    (void)state;
    struct segment s[4];
    s[0] = full(ADDR_IP6);
    s[1] = after(&s[0]);
    s[1].length = PIECE - 1;
    s[2] = after(&s[1]);
    s[2].length = 5;
    s[3] = after(&s[2]);
    s[3].length = 5;
    for (size_t i = 0; i < 4; i++)
        add(&s[i]);
    assert_int_equal(box->count, 2); /* 1000 + 999, 5 + 5 */
    arrives(s, 4);
}

static void o4_only_where_something_cuts(void **state)
{
    (void)state;
    const struct segment a = full(ADDR_IP4), b = after(&a);
    link_.gso = 0;
    assert_false(joined(&a, &b));
    link_.gso = 65535;
    endpoint.gso = false;
    assert_false(joined(&a, &b));
    endpoint.gso = true;
    struct error err;
    const struct auth_config config = {.kind = AUTH_MD5, .md5 = {.length = 1, .bytes = "k"}};
    endpoint.auth = auth_new(&config, &auth_digests, &err);
    assert_non_null(endpoint.auth);
    assert_false(joined(&a, &b)); /* each has a signature of its own */
    auth_free(endpoint.auth);
}

static void o5_limits_hold(void **state)
{
    (void)state;
    struct segment s = full(ADDR_IP4);
    size_t count = 0;
    link_.gso = 2500; /* two, and their headers */
    for (; outbox_add(box, &endpoint, &s); count++)
        s = after(&s);
    assert_int_equal(count, 2 * LINK_BATCH);
    assert_int_equal(box->count, LINK_BATCH);
    for (size_t i = 0; i < box->count; i++)
        assert_true(box->frames[i].length <= 2500);
    /* The room, before the frames: the last byte written is within it. */
    assert_true(outbox_send(stack, &s.dst, 0, NULL).sent);
    wire.taken = 0;
    link_.gso = 65535;
    for (count = 0; outbox_add(box, &endpoint, &s); count++)
        s = after(&s);
    assert_true(box->used <= OUTBOX_ROOM && box->used > OUTBOX_ROOM - 2 * PIECE);
    assert_in_range(count, OUTBOX_ROOM / (PIECE + 10), OUTBOX_ROOM / PIECE);
    for (size_t i = 0; i < box->count; i++)
        assert_true(box->frames[i].length <= 65535);
    assert_true(box->count < 10);
    /* Empty again, there is room for what was refused. */
    assert_true(outbox_send(stack, &s.dst, 0, NULL).sent);
    add(&s);
    assert_int_equal(box->count, 1);
}

/* Any segments in any order: whether joined or not, they arrive as they were. */
static void o6_any_segments_arrive_as_they_were(void **state)
{
    (void)state;
    srand(1);
    size_t frames = 0, segments = 0;
    for (int round = 0; round < 3000; round++) {
        struct segment s[40];
        size_t count = 0;
        link_.medium = rand() % 2 ? LINK_ETHERNET : LINK_IP;
        s[0] = full(rand() % 2 ? ADDR_IP4 : ADDR_IP6);
        box->count = box->used = 0;
        while (outbox_add(box, &endpoint, &s[count]) && ++count < 40) {
            struct segment *next = &s[count];
            *next = after(&s[count - 1]);
            switch (rand() % 80) {
            case 0:
                next->flags = (uint16_t)(rand() % 0x200);
                break;
            case 1:
                next->length = (size_t)rand() % PIECE;
                break;
            case 2:
                next->seq -= PIECE;
                break;
            case 3:
                next->options.tsval++;
                break;
            case 4:
                next->ack++;
                break;
            case 5:
                next->window ^= 1;
                break;
            case 6:
                next->id++;
                break;
            case 7:
                next->tos ^= 2;
                break;
            case 8:
                next->options.sacks ^= 1;
                break;
            case 9:
                next->flags |= TCP_PSH;
                break;
            case 10:
                next->options.has_timestamp ^= 1;
                break;
            case 11:
                next->options.tsecr--;
                break;
            case 12:
                next->ttl ^= 1;
                break;
            case 13:
                next->flags |= TCP_CWR;
                break;
            default:
                break;
            }
        }
        arrives(s, count);
        segments += count;
        frames += box->count;
    }
    assert_true(frames < segments / 2); /* it was worth it */
}

static void o7_what_the_wire_refuses_is_named(void **state)
{
    (void)state;
    struct segment s[4];
    struct error err;
    link_.gso = 0;
    for (size_t refused = 0; refused < 4; refused++) {
        memset(&wire, 0, sizeof wire);
        wire.takes = refused;
        s[0] = full(ADDR_IP4);
        for (size_t i = 0; i < 4; i++) {
            if (i > 0)
                s[i] = after(&s[i - 1]);
            s[i].length = 100 * (i + 1);
            add(&s[i]);
        }
        struct outbox_result result = outbox_send(stack, &s[0].dst, 0, &err);
        assert_false(result.sent);
        assert_int_equal(result.seq, s[refused].seq);
        assert_int_equal(result.length, 20 + 32 + s[refused].length);
        assert_string_equal(err.code, "EMSGSIZE");
        for (size_t i = 0; i < refused; i++) /* in order */
            assert_int_equal(wire.lengths[i], 20 + 32 + s[i].length);
        assert_int_equal(box->count, 0); /* and the rest is for the connection to make again */
        assert_true(outbox_send(stack, &s[0].dst, 0, &err).sent);
        assert_int_equal(wire.calls, refused + 1);
    }
}

static void o8_a_dead_stack_sends_nothing(void **state)
{
    (void)state;
    struct error err;
    const struct segment s = full(ADDR_IP4);
    add(&s);
    stack->dead = true;
    (fail)(&stack->error, ERROR_ENVIRONMENT, "ENETDOWN", "the link is gone");
    struct outbox_result result = outbox_send(stack, &s.dst, 0, &err);
    assert_false(result.sent);
    assert_string_equal(err.code, "ENETDOWN");
    assert_int_equal(wire.calls, 0);
    assert_int_equal(box->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(o1_a_row_is_one_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(o2_what_differs_is_not_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(o3_nothing_follows_a_short_one, setup, teardown),
        cmocka_unit_test_setup_teardown(o4_only_where_something_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(o5_limits_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(o6_any_segments_arrive_as_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(o7_what_the_wire_refuses_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(o8_a_dead_stack_sends_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
