/* Sets of packets: what each generator gives and in which order, and that every packet of a set is
 * the one that packet_finish() would have made of the same values. */
#include "packet/set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

/* Five bytes, so that what it carries stands at odd offsets, all of it under one checksum. */
static const struct field odd_fields[] = {
    {"tag", 0, 8, .kind = FIELD_HEX},
    {"next", 8, 8, .role = ROLE_NEXT},
    {"sum", 16, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM},
    {"turned", 32, 8, .little = true},
};
static const struct proto proto_odd = {
    .name = "odd",
    PROTO_FIELDS(odd_fields),
    .minimum = 5,
    .next = SPACE_IP,
    .numbers = (const struct proto_number[]){{SPACE_IP, 253}, {SPACE_NONE, 0}},
};

/* Numbers of unusual widths and order. */
static const struct field wide_fields[] = {
    {"a", 0, 64, .kind = FIELD_NUMBER},
    {"b", 64, 3, .kind = FIELD_NUMBER},
    {"c", 67, 18, .kind = FIELD_NUMBER},
    {"d", 85, 3, .kind = FIELD_NUMBER},
    {"e", 88, 24, .kind = FIELD_NUMBER, .little = true},
    {"f", 112, 48, .kind = FIELD_SEQ},
};
static const struct proto proto_wide = {
    .name = "wide",
    PROTO_FIELDS(wide_fields),
    .minimum = 20,
    .numbers = (const struct proto_number[]){{SPACE_IP, 252}, {SPACE_NONE, 0}},
};

static struct registry registry;
static struct error err;
static struct set_cursor cursor;

static int setup(void **state)
{
    (void)state;
    registry_init(&registry);
    return !registry_add(&registry, &proto_odd, &err) ||
           !registry_add(&registry, &proto_wide, &err);
}

static void push(struct packet *p, const struct proto *proto)
{
    if (!packet_push(p, proto, &err))
        fail_msg("%s", err.message);
}

static const struct field *field(const struct packet *p, size_t i, const char *name)
{
    const struct field *f = proto_field(p->layers[i].proto, name);
    if (!f)
        fail_msg("no field %s", name);
    return f;
}

static struct wide wide(uint64_t low)
{
    return (struct wide){0, low};
}

static void vary(struct set *set, struct packet *p, size_t i, const char *name,
                 const struct generator *g)
{
    if (!set_vary(set, p, i, field(p, i, name), g, &err))
        fail_msg("%s", err.message);
}

static void vary_range(struct set *set, struct packet *p, size_t i, const char *name,
                       uint64_t first, uint64_t last, int64_t step)
{
    struct generator g;
    if (!generator_range(&g, field(p, i, name), wide(first), wide(last), step, &err))
        fail_msg("%s", err.message);
    vary(set, p, i, name, &g);
}

static void vary_list(struct set *set, struct packet *p, size_t i, const char *name,
                      enum generator_kind kind, const struct wide *values, size_t count)
{
    struct generator g;
    assert_true(generator_list(&g, kind, values, count, &err));
    vary(set, p, i, name, &g);
}

/* ip / udp or ip6 / udp */
static void make_udp(struct packet *p, bool ip6)
{
    packet_init(p, &registry);
    push(p, ip6 ? &proto_ip6 : &proto_ip);
    push(p, &proto_udp);
}

/* Prepares the set and copies its template. */
static void begin(struct set *set, struct packet *p, uint8_t *bytes, uint64_t seed)
{
    set_prepare(set, p);
    assert_true(set->length <= 512);
    memcpy(bytes, set->bytes, set->length);
    set_start(set, &cursor, seed);
}

static struct wide value_in(const struct packet *p, size_t i, const char *name,
                            const uint8_t *bytes)
{
    return wide_get(field(p, i, name), bytes + p->layers[i].offset);
}

/* Takes packets until the set ends: their values of a field must be these. */
static void check_all(struct set *set, struct packet *p, size_t i, const char *name,
                      const uint64_t *values, size_t count)
{
    uint8_t bytes[512];
    begin(set, p, bytes, 1);
    assert_true(set_count(set) == (double)count);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t n = 0; n < count; n++) {
            assert_true(set_next(&cursor, bytes));
            assert_int_equal(value_in(p, i, name, bytes).low, values[n]);
        }
        assert_false(set_next(&cursor, bytes));
    }
}

static void test_range(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        uint64_t first, last;
        int64_t step;
        uint64_t values[5];
        size_t count;
    } rows[] = {
        {"win", 5, 5, 1, {5}, 1},
        {"win", 65533, 65535, 1, {65533, 65534, 65535}, 3},
        {"win", 1, 10, 4, {1, 5, 9}, 3},
        {"win", 3, 0, -1, {3, 2, 1, 0}, 4},
        {"win", 10, 1, -4, {10, 6, 2}, 3},
        {"win", 7, 9, 1000, {7}, 1},
        {"reserved", 6, 7, 1, {6, 7}, 2},
        {"flags", 0, 511, 256, {0, 256}, 2},
        /* the numbers of a stream wrap */
        {"seq", 0xfffffffe, 1, 1, {0xfffffffe, 0xffffffff, 0, 1}, 4},
        {"seq", 1, 0xffffffff, -1, {1, 0, 0xffffffff}, 3},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct packet p;
        struct set set;
        packet_init(&p, &registry);
        push(&p, &proto_tcp);
        set_init(&set);
        vary_range(&set, &p, 0, rows[r].field, rows[r].first, rows[r].last, rows[r].step);
        check_all(&set, &p, 0, rows[r].field, rows[r].values, rows[r].count);
        packet_free(&p);
    }
}

static void test_list_and_without_end(void **state)
{
    (void)state;
    static const struct wide values[] = {{0, 80}, {0, 22}, {0, 80}};
    static const uint64_t numbers[] = {80, 22, 80};
    uint8_t bytes[512];
    struct packet p;
    struct set set;
    struct generator g;
    make_udp(&p, false);
    set_init(&set);
    vary_list(&set, &p, 1, "dport", GENERATE_LIST, values, 3);
    check_all(&set, &p, 1, "dport", numbers, 3);
    packet_free(&p);

    make_udp(&p, false);
    set_init(&set);
    vary_list(&set, &p, 1, "dport", GENERATE_CYCLE, values, 3);
    generator_counter(&g, wide(65530), 3);
    vary(&set, &p, 1, "sport", &g);
    generator_counter(&g, wide(1), -1);
    vary(&set, &p, 0, "dscp", &g);
    begin(&set, &p, bytes, 1);
    assert_true(set_count(&set) == HUGE_VAL);
    for (unsigned n = 0; n < 100000; n++) {
        assert_true(set_next(&cursor, bytes));
        assert_int_equal(value_in(&p, 1, "dport", bytes).low, numbers[n % 3]);
        assert_int_equal(value_in(&p, 1, "sport", bytes).low, (65530 + 3 * n) % 65536);
        assert_int_equal(value_in(&p, 0, "dscp", bytes).low, (1 - n) % 64);
        assert_int_equal(value_in(&p, 0, "ecn", bytes).low, 0);
    }
    packet_free(&p);

    /* what is endless goes on when the rest begins again */
    make_udp(&p, false);
    set_init(&set);
    vary_range(&set, &p, 1, "dport", 1, 3, 1);
    generator_counter(&g, wide(0), 1);
    vary(&set, &p, 1, "sport", &g);
    begin(&set, &p, bytes, 1);
    assert_true(set_count(&set) == 3);
    for (unsigned n = 0; n < 100; n++) {
        if (n > 0 && n % 3 == 0)
            assert_false(set_next(&cursor, bytes));
        assert_true(set_next(&cursor, bytes));
        assert_int_equal(value_in(&p, 1, "dport", bytes).low, 1 + n % 3);
        assert_int_equal(value_in(&p, 1, "sport", bytes).low, n);
    }
    packet_free(&p);

    /* nothing moves: one packet */
    make_udp(&p, false);
    set_init(&set);
    begin(&set, &p, bytes, 1);
    assert_true(set_count(&set) == 1);
    assert_true(set_next(&cursor, bytes));
    assert_memory_equal(bytes, p.bytes, p.size);
    assert_false(set_next(&cursor, bytes));
    assert_true(set_next(&cursor, bytes));
    packet_free(&p);
}

static void test_random(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        struct wide least, most;
    } rows[] = {
        {"hlim", {0, 3}, {0, 6}},
        {"flowlabel", {0, 0}, {0, 0xfffff}},
        {"src", {0x20010db800000000, 0}, {0x20010db8ffffffff, UINT64_MAX}},
        {"src", {0, UINT64_MAX - 1}, {1, 1}},
        {"dst", {0, 0}, {UINT64_MAX, UINT64_MAX}},
        {"dst", {5, 0}, {5, 0x4fffffffffffffff}},
        {"dst", {5, 5}, {5, 5}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct packet p;
        struct set set;
        struct generator g;
        uint8_t bytes[512];
        struct wide values[1000], ones = {0, 0};
        unsigned seen = 0;
        make_udp(&p, true);
        set_init(&set);
        assert_true(
            generator_random(&g, field(&p, 0, rows[r].field), rows[r].least, rows[r].most, &err));
        vary(&set, &p, 0, rows[r].field, &g);
        for (int pass = 0; pass < 2; pass++) {
            begin(&set, &p, bytes, 7);
            for (size_t n = 0; n < 1000; n++) {
                assert_true(set_next(&cursor, bytes));
                struct wide v = value_in(&p, 0, rows[r].field, bytes);
                assert_true(v.high > rows[r].least.high ||
                            (v.high == rows[r].least.high && v.low >= rows[r].least.low));
                assert_true(v.high < rows[r].most.high ||
                            (v.high == rows[r].most.high && v.low <= rows[r].most.low));
                ones = (struct wide){ones.high | v.high, ones.low | v.low};
                seen |= 1U << v.low % 32;
                if (pass == 0) /* the same seed, the same packets */
                    values[n] = v;
                else
                    assert_memory_equal(&values[n], &v, sizeof v);
            }
        }
        if (r == 0)
            assert_int_equal(seen, 0x78); /* all four */
        if (r == 4)
            assert_true(ones.high == UINT64_MAX && ones.low == UINT64_MAX);
        begin(&set, &p, bytes, 8); /* and another, others */
        bool same = true;
        for (size_t n = 0; n < 1000; n++) {
            set_next(&cursor, bytes);
            struct wide v = value_in(&p, 0, rows[r].field, bytes);
            same = same && memcmp(&values[n], &v, sizeof v) == 0;
        }
        assert_int_equal(same, r == 6);
        packet_free(&p);
    }
}

static void test_product(void **state)
{
    (void)state;
    static const struct wide ports[] = {{0, 9}, {0, 7}};
    uint8_t bytes[512];
    struct packet p;
    struct set set;
    make_udp(&p, false);
    set_init(&set); /* given in any order: that of the layers and fields counts */
    vary_list(&set, &p, 1, "dport", GENERATE_LIST, ports, 2);
    vary_range(&set, &p, 0, "dst", 0xc0000201, 0xc0000203, 1);
    vary_range(&set, &p, 1, "sport", 1, 4, 1);
    vary_range(&set, &p, 0, "ttl", 64, 63, -1);
    begin(&set, &p, bytes, 1);
    assert_true(set_count(&set) == 48);
    for (size_t n = 0; n < 48; n++) {
        assert_true(set_next(&cursor, bytes));
        assert_int_equal(value_in(&p, 1, "dport", bytes).low, ports[n % 2].low);
        assert_int_equal(value_in(&p, 1, "sport", bytes).low, 1 + n / 2 % 4);
        assert_int_equal(value_in(&p, 0, "dst", bytes).low, 0xc0000201 + n / 8 % 3);
        assert_int_equal(value_in(&p, 0, "ttl", bytes).low, 64 - n / 24);
    }
    assert_false(set_next(&cursor, bytes));
    packet_free(&p);
}

/* Fields of every width and order keep to their bits. */
static void test_widths(void **state)
{
    (void)state;
    static const uint64_t starts[] = {UINT64_MAX - 70, 6, 0x3fff0, 3, 0xfffff0, 0xfffffffffff0};
    uint8_t bytes[512];
    struct packet p;
    struct set set;
    struct generator g;
    packet_init(&p, &registry);
    push(&p, &proto_wide);
    set_init(&set);
    for (size_t j = 0; j < proto_wide.count; j++) {
        generator_counter(&g, wide(starts[j]), (int64_t)j + 1);
        assert_true(set_vary(&set, &p, 0, &wide_fields[j], &g, &err));
    }
    begin(&set, &p, bytes, 1);
    for (unsigned n = 0; n < 1000; n++) {
        assert_true(set_next(&cursor, bytes));
        for (size_t j = 0; j < proto_wide.count; j++)
            assert_int_equal(field_get(&wide_fields[j], bytes),
                             (starts[j] + n * (j + 1)) & field_max(&wide_fields[j]));
    }
    packet_free(&p);
}

/* More addresses than 64 bits count. */
static void test_wide(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct packet p;
    struct set set;
    struct generator g;
    make_udp(&p, true);
    const struct field *src = field(&p, 0, "src"), *dst = field(&p, 0, "dst");
    set_init(&set);
    assert_true(generator_range(&g, dst, (struct wide){0x20010db8, UINT64_MAX - 1},
                                (struct wide){0x20010db9, 2}, 1, &err));
    vary(&set, &p, 0, "dst", &g);
    assert_true(
        generator_range(&g, src, (struct wide){2, 1}, (struct wide){0, 0}, INT64_MIN, &err));
    vary(&set, &p, 0, "src", &g);
    begin(&set, &p, bytes, 1);
    assert_true(set_count(&set) == 25);
    for (uint64_t n = 0; n < 25; n++) {
        uint64_t slow = n / 5, fast = n % 5;
        assert_true(set_next(&cursor, bytes));
        struct wide v = value_in(&p, 0, "dst", bytes);
        assert_int_equal(v.low, UINT64_MAX - 1 + fast);
        assert_int_equal(v.high, fast < 2 ? 0x20010db8 : 0x20010db9);
        v = value_in(&p, 0, "src", bytes);
        assert_int_equal(v.low, 1 + (slow % 2 ? (uint64_t)INT64_MIN : 0));
        assert_int_equal(v.high, 2 - (slow + 1) / 2);
    }
    assert_false(set_next(&cursor, bytes));
    packet_free(&p);

    make_udp(&p, true);
    set_init(&set);
    assert_true(generator_range(&g, dst, wide(0), (struct wide){UINT64_MAX, UINT64_MAX}, 1, &err));
    assert_true(g.count == UINT64_MAX);
    assert_true(g.size == 0x1p128);
    assert_true(generator_range(&g, dst, wide(0), (struct wide){UINT32_MAX, UINT64_MAX}, 1, &err));
    vary(&set, &p, 0, "dst", &g);
    assert_true(set_count(&set) == 0x1p96);
    packet_free(&p);
}

/* Each checksum is 0 for one of the ports: RFC 768 writes 0xffff, and ICMP leaves it. */
static void test_zero(void **state)
{
    (void)state;
    for (int udp = 0; udp < 2; udp++) {
        uint8_t bytes[512];
        struct packet p;
        struct set set;
        struct generator g;
        unsigned zeros = 0, ones = 0;
        packet_init(&p, &registry);
        push(&p, &proto_ip);
        push(&p, udp ? &proto_udp : &proto_icmp);
        set_init(&set);
        generator_counter(&g, wide(0), 1);
        vary(&set, &p, 1, udp ? "sport" : "id", &g);
        begin(&set, &p, bytes, 1);
        for (unsigned n = 0; n < 65536; n++) {
            assert_true(set_next(&cursor, bytes));
            uint64_t sum = value_in(&p, 1, "checksum", bytes).low;
            zeros += sum == 0;
            ones += sum == 0xffff;
        }
        assert_int_equal(zeros, udp ? 0 : 1);
        assert_int_equal(ones, udp ? 1 : 0);
        packet_free(&p);
    }
}

/* What packet_finish() makes of the template with the values that `bytes` have. */
static void check_packet(const struct set *set, const struct packet *from, const uint8_t *bytes)
{
    struct packet p;
    packet_init(&p, &registry);
    assert_true(packet_append(&p, from, &err));
    for (size_t r = 0; r < set->count; r++) {
        const struct set_row *row = &set->rows[r];
        const uint8_t *header = bytes + from->layers[row->layer].offset;
        if (row->field->width <= 64)
            packet_set_number(&p, row->layer, row->field, field_get(row->field, header));
        else
            assert_true(packet_set_bytes(&p, row->layer, row->field, header + row->field->bit / 8,
                                         16, &err));
    }
    p.stale = p.count;
    packet_finish(&p);
    assert_int_equal(p.size, set->length);
    assert_memory_equal(p.bytes, bytes, p.size);
    packet_free(&p);
}

/* The sum of nothing but zeros is 0, and its checksum 0xffff; that of 0xffff is 0. */
static void test_nothing_but_zeros(void **state)
{
    (void)state;
    for (int inner = 0; inner < 2; inner++) {
        uint8_t bytes[512];
        struct packet p;
        struct set set;
        struct generator g;
        packet_init(&p, &registry);
        push(&p, &proto_icmp);
        packet_set_number(&p, 0, field(&p, 0, "type"), 0);
        if (inner)
            push(&p, &proto_odd);
        packet_set_number(&p, 0, field(&p, 0, "type"), 0);
        assert_true(packet_append_bytes(&p, "\0\0", 2, &err));
        set_init(&set);
        generator_counter(&g, wide(0), 1);
        vary(&set, &p, 0, "id", &g);
        generator_counter(&g, wide(0), 0);
        vary(&set, &p, 0, "code", &g);
        if (inner)
            vary(&set, &p, 1, "tag", &g);
        begin(&set, &p, bytes, 1);
        for (unsigned n = 0; n < 65536; n++) {
            assert_true(set_next(&cursor, bytes));
            if (!inner)
                assert_int_equal(value_in(&p, 0, "checksum", bytes).low, 0xffff - n);
            check_packet(&set, &p, bytes);
        }
        packet_free(&p);
    }
}

/* What a source route or segments are left of is not in the checksum by its next hop. */
static void test_routes(void **state)
{
    (void)state;
    for (int left = 0; left < 2; left++) {
        uint8_t bytes[512];
        struct packet p;
        struct set set;
        struct generator g;
        packet_init(&p, &registry);
        push(&p, &proto_ip6);
        push(&p, &proto_ip6_route);
        uint8_t data[20] = {0, 0, 0, 0, 0x20, 1, [19] = 7};
        assert_true(packet_set_bytes(&p, 1, field(&p, 1, "data"), data, sizeof data, &err));
        packet_set_number(&p, 1, field(&p, 1, "segleft"), (uint64_t)left);
        push(&p, &proto_udp);
        set_init(&set);
        vary_range(&set, &p, 0, "hlim", 1, 2, 1);
        assert_true(generator_range(&g, field(&p, 0, "dst"), wide(1), wide(9), 1, &err));
        vary(&set, &p, 0, "dst", &g);
        assert_false(set_vary(&set, &p, 1, field(&p, 1, "segleft"), &g, &err));
        begin(&set, &p, bytes, 1);
        assert_int_equal(set.sum_count, left ? 0 : 1);
        for (unsigned n = 0; n < 18; n++) {
            assert_true(set_next(&cursor, bytes));
            check_packet(&set, &p, bytes);
        }
        packet_free(&p);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    struct packet p;
    struct set set, other;
    struct generator g;
    packet_init(&p, &registry);
    push(&p, &proto_ip);
    push(&p, &proto_tcp);
    const struct field *tos = field(&p, 0, "tos"), *seq = field(&p, 1, "seq");
    assert_false(generator_range(&g, tos, wide(2), wide(1), 1, &err));
    assert_string_equal(err.message,
                        "the range for tos is empty: steps of 1 lead away from its end");
    assert_false(generator_range(&g, tos, wide(1), wide(2), -1, &err));
    assert_false(generator_range(&g, seq, wide(1), wide(2), 0, &err));
    assert_false(generator_list(&g, GENERATE_LIST, NULL, 0, &err));
    assert_false(generator_random(&g, tos, wide(2), wide(1), &err));
    assert_true(generator_random(&g, seq, wide(2), wide(1), &err)); /* it goes round */

    set_init(&set);
    generator_counter(&g, wide(0), 1);
    assert_false(set_vary(&set, &p, 1, field(&p, 1, "options"), &g, &err));
    assert_non_null(strstr(err.message, "tcp.options"));
    vary(&set, &p, 0, "dscp", &g);
    vary(&set, &p, 0, "ecn", &g);
    assert_false(set_vary(&set, &p, 0, tos, &g, &err));
    assert_string_equal(err.message, "ip.dscp and ip.tos have bits in common: only one of them can "
                                     "change from packet to packet");
    assert_int_equal(set.count, 2);
    packet_free(&p);

    packet_init(&p, &registry);
    set_init(&set);
    for (size_t i = 0; i < 15; i++) {
        push(&p, &proto_vlan);
        vary(&set, &p, i, "vlan", &g);
        vary(&set, &p, i, "p", &g);
    }
    set_init(&other);
    push(&p, &proto_vlan);
    vary(&other, &p, 15, "vlan", &g);
    vary(&other, &p, 15, "p", &g);
    vary(&other, &p, 15, "dei", &g);
    assert_false(set_append(&set, &other, 0, &err));
    assert_int_equal(set.count, 30);
    vary(&set, &p, 15, "vlan", &g);
    vary(&set, &p, 15, "p", &g);
    assert_false(set_vary(&set, &p, 15, field(&p, 15, "dei"), &g, &err));
    assert_string_equal(err.message, "more than 32 fields of one packet move");
    uint8_t bytes[512];
    begin(&set, &p, bytes, 1);
    for (unsigned n = 0; n < 10; n++)
        assert_true(set_next(&cursor, bytes));
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(value_in(&p, i, "vlan", bytes).low, 9);
    packet_free(&p);
}

/* --- every packet of many sets ------------------------------------------------------------------
 */

static uint64_t dice_state;

static uint64_t dice(uint64_t sides)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (dice_state >> 33) % sides;
}

#define STACKS 18

static const struct proto *const stacks[STACKS][8] = {
    {&proto_eth, &proto_ip, &proto_tcp},
    {&proto_eth, &proto_qinq, &proto_vlan, &proto_ip6, &proto_tcp},
    {&proto_ip, &proto_udp},
    {&proto_ip6, &proto_udp},
    {&proto_ip, &proto_icmp},
    {&proto_ip6, &proto_icmp6},
    {&proto_ip6, &proto_ip6_hop, &proto_ip6_route, &proto_ip6_dest, &proto_udp},
    {&proto_ip, &proto_ip, &proto_udp},
    {&proto_ip, &proto_ip6, &proto_tcp},
    {&proto_ip, &proto_icmp, &proto_ip, &proto_udp}, /* a quote whose sums move too */
    {&proto_ip6, &proto_icmp6, &proto_ip6, &proto_ip6_frag, &proto_tcp},
    {&proto_sll2, &proto_ip, &proto_udp, &proto_dns},
    {&proto_null, &proto_ip, &proto_udp, &proto_dhcp},
    {&proto_ip6, &proto_icmp6, &proto_ns},
    {&proto_eth, &proto_arp},
    {&proto_ip, &proto_odd, &proto_ip, &proto_udp}, /* at odd offsets, under one more sum */
    {&proto_ip, &proto_odd, &proto_odd, &proto_ip6, &proto_icmp6},
    {&proto_ip6, &proto_odd, &proto_wide},
};

static struct wide any_value(const struct field *f)
{
    struct wide v = {0, dice(UINT32_MAX) << 32 ^ dice(UINT32_MAX)};
    if (dice(3) == 0)
        v.low = dice(4) - 2; /* around 0 and the greatest */
    if (f->width <= 64)
        v.low &= field_max(f);
    else
        v.high = dice(3) == 0 ? 0 : v.low * 3;
    return v;
}

static struct wide list_values[SET_ROWS][5];

/* Gives the field some generator; false if it cannot have one. */
static bool vary_somehow(struct set *set, struct packet *p, size_t i, const struct field *f)
{
    struct generator g;
    struct wide first = any_value(f), last = any_value(f);
    struct wide *values = list_values[set->count];
    int64_t step = 1 - (int64_t)dice(3) * 1000;
    switch (dice(5)) {
    case 0:
        last = (struct wide){first.high, first.low + 3};
        if (f->width > 64 || last.low <= first.low || last.low > field_max(f))
            last = first;
        if (!generator_range(&g, f, first, last, 1, &err))
            fail_msg("%s", err.message);
        break;
    case 1:
    case 2:
        for (size_t n = 0; n < 5; n++)
            values[n] = any_value(f);
        assert_true(generator_list(&g, dice(2) ? GENERATE_LIST : GENERATE_CYCLE, values,
                                   1 + dice(5), &err));
        break;
    case 3:
        generator_counter(&g, first, step);
        break;
    default:
        if (!generator_random(&g, f, first, last, &err) &&
            !generator_random(&g, f, last, first, &err))
            fail_msg("%s", err.message);
    }
    return set_vary(set, p, i, f, &g, &err);
}

static void test_every_packet_is_finished(void **state)
{
    (void)state;
    unsigned sums = 0, packets = 0;
    for (unsigned n = 0; n < 6000; n++) {
        uint8_t bytes[2][512];
        struct packet p;
        struct set set;
        dice_state = n;
        packet_init(&p, &registry);
        set_init(&set);
        for (size_t i = 0; i < 8 && stacks[n % STACKS][i]; i++) {
            const struct proto *proto = stacks[n % STACKS][i];
            push(&p, proto);
            for (size_t j = 0; j < proto->count; j++) {
                const struct field *f = &proto->fields[j];
                if (f->width > 0 && f->width <= 64 && dice(6) == 0)
                    packet_set_number(&p, i, f,
                                      field_is_computed(f) && dice(4)
                                          ? field_get(f, packet_header(&p, i))
                                          : any_value(f).low);
                else if (dice(8) == 0)
                    vary_somehow(&set, &p, i, f);
            }
            if (dice(4) > 0) { /* mostly computed all the same */
                const struct field *f = proto_field(proto, "checksum");
                bool moves = false;
                for (size_t r = 0; f && r < set.count; r++)
                    moves = moves || (set.rows[r].layer == i && set.rows[r].field == f);
                if (f && !moves)
                    packet_unpin(&p, i, f);
            }
        }
        uint8_t payload[9];
        memset(payload, (int)n, sizeof payload);
        assert_true(packet_append_bytes(&p, payload, dice(10), &err));
        begin(&set, &p, bytes[0], n);
        memcpy(bytes[1], bytes[0], set.length);
        sums += set.sum_count;
        for (unsigned k = 0; k < 40; k++) {
            uint8_t *to = bytes[dice(2)], before[512]; /* it does not matter what packet is there */
            memcpy(before, to, set.length);
            if (set_next(&cursor, to)) {
                check_packet(&set, &p, to);
                packets++;
            } else {
                assert_memory_equal(before, to, set.length);
                break;
            }
        }
        packet_free(&p);
    }
    assert_true(sums > 6000 && packets > 50000);
}

/* Sets as `/` makes them: of parts, one behind the other. */
static void test_append(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct packet outer, inner;
    struct set set, tail;
    packet_init(&outer, &registry);
    push(&outer, &proto_eth);
    push(&outer, &proto_ip);
    set_init(&set);
    vary_range(&set, &outer, 1, "dst", 1, 2, 1);
    set_prepare(&set, &outer);
    packet_init(&inner, &registry);
    push(&inner, &proto_tcp);
    set_init(&tail);
    vary_range(&tail, &inner, 0, "dport", 1, 3, 1);
    set_prepare(&tail, &inner); /* without addresses there is no checksum to follow */
    assert_int_equal(tail.sum_count, 0);
    assert_true(packet_append(&outer, &inner, &err));
    assert_true(set_append(&set, &tail, 2, &err));
    begin(&set, &outer, bytes, 1);
    assert_int_equal(set.sum_count, 2);
    for (unsigned n = 0; n < 6; n++) {
        assert_true(set_next(&cursor, bytes));
        assert_int_equal(value_in(&outer, 1, "dst", bytes).low, 1 + n / 3);
        assert_int_equal(value_in(&outer, 2, "dport", bytes).low, 1 + n % 3);
        check_packet(&set, &outer, bytes);
    }
    assert_false(set_next(&cursor, bytes));
    packet_free(&inner);
    packet_free(&outer);
}

/* A checksum that is set by hand stays; one that is given as a generator is what it says. */
static void test_pinned(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct packet p;
    struct set set;
    make_udp(&p, false);
    set_init(&set);
    vary_range(&set, &p, 1, "sport", 1, 3, 1);
    vary_range(&set, &p, 0, "checksum", 0x100, 0x101, 1);
    packet_set_number(&p, 1, field(&p, 1, "checksum"), 0xbeef);
    begin(&set, &p, bytes, 1);
    assert_int_equal(set.sum_count, 0);
    for (unsigned n = 0; n < 6; n++) {
        assert_true(set_next(&cursor, bytes));
        assert_int_equal(value_in(&p, 1, "checksum", bytes).low, 0xbeef);
        assert_int_equal(value_in(&p, 0, "checksum", bytes).low, 0x100 + n / 3);
    }
    packet_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_list_and_without_end),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_zero),
        cmocka_unit_test(test_nothing_but_zeros),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_every_packet_is_finished),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_pinned),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
