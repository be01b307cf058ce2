/* The generic packet: every field of every protocol set, built, parsed and got; what is computed
 * and what is pinned; packets that are cut off or lie. */
#include "packet/packet.h"
#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct registry registry;

static int setup(void **state)
{
    (void)state;
    registry_init(&registry);
    return 0;
}

static void push(struct packet *p, const struct proto *proto)
{
    struct error err;
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

static void set(struct packet *p, size_t i, const char *name, uint64_t value)
{
    packet_set_number(p, i, field(p, i, name), value);
}

static void set_text(struct packet *p, size_t i, const char *name, const char *text)
{
    struct error err;
    if (!packet_set_text(p, i, field(p, i, name), text, &err))
        fail_msg("%s", err.message);
}

static void set_tail(struct packet *p, size_t i, const char *name, const void *bytes, size_t length)
{
    struct error err;
    if (!packet_set_bytes(p, i, field(p, i, name), bytes, length, &err))
        fail_msg("%s", err.message);
}

static void payload(struct packet *p, const void *bytes, size_t length)
{
    struct error err;
    if (!packet_set_payload(p, bytes, length, &err))
        fail_msg("%s", err.message);
}

static uint64_t get(const struct packet *p, size_t i, const char *name)
{
    assert_true(packet_has(p, i, field(p, i, name)));
    return field_get(field(p, i, name), packet_header(p, i));
}

/* Parses a copy of exactly these bytes. */
static void parse(struct packet *p, const uint8_t *bytes, size_t length, const struct proto *first)
{
    struct error err;
    packet_init(p, &registry);
    assert_true(packet_reserve(p, length > 0 ? length : 1, &err));
    if (length > 0)
        memcpy(p->bytes, bytes, length);
    p->size = (uint32_t)length;
    packet_parse(p, first);
}

static void check_invariants(const struct packet *p)
{
    uint32_t at = 0, end = p->size;
    assert_true(p->size <= p->room && p->count <= PACKET_LAYERS);
    for (size_t i = 0; i < p->count; i++) {
        const struct layer *l = &p->layers[i];
        assert_int_equal(l->offset, at);
        at += l->header;
        assert_true(at <= l->end && l->end <= end);
        end = l->end;
    }
}

/* eth / ip / tcp or eth / ip6 / tcp, with a payload. */
static void make_tcp(struct packet *p, bool ip6)
{
    packet_init(p, &registry);
    push(p, &proto_eth);
    push(p, ip6 ? &proto_ip6 : &proto_ip);
    set_text(p, 1, "src", ip6 ? "2001:db8::1" : "192.0.2.1");
    set_text(p, 1, "dst", ip6 ? "2001:db8::2" : "192.0.2.2");
    push(p, &proto_tcp);
    set(p, 2, "sport", 40000);
    set(p, 2, "dport", 9000);
    set(p, 2, "seq", 100);
    set_text(p, 2, "flags", "P.");
    payload(p, "hello", 5);
    packet_finish(p);
}

/* What is built is what the strict reader takes, and what the engine's writer writes. */
static void test_built_is_what_segment_writes(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        struct packet p;
        struct segment s;
        uint8_t bytes[SEGMENT_HEADERS + 5];
        make_tcp(&p, ip6);
        set_tail(&p, 2, "options", "\2\4\5\xb4\1\3\3\7", 8);
        packet_finish(&p);
        check_invariants(&p);
        assert_int_equal(get(&p, 0, "type"), ip6 ? 0x86dd : 0x0800);
        assert_int_equal(segment_read(&s, p.bytes + 14, p.size - 14, false), SEGMENT_OK);
        assert_int_equal(s.sport, 40000);
        assert_int_equal(s.options.mss, 1460);
        assert_int_equal(s.length, 5);
        assert_false(s.checksum_partial);
        size_t length = segment_write(&s, bytes, sizeof bytes);
        if (!ip6) { /* the writer always sets DF */
            set_text(&p, 1, "flags", "DF");
            packet_finish(&p);
        }
        assert_int_equal(length, p.size - 14);
        assert_memory_equal(bytes, p.bytes + 14, length);
        packet_free(&p);
    }
}

/* Every field of every protocol takes every pattern of bits, keeps it through packet_finish(), and
 * comes back from its bytes; no other field that is not computed changes. */
static void test_every_field(void **state)
{
    (void)state;
    static const uint64_t patterns[] = {
        0, UINT64_MAX, UINT64_C(0xaaaaaaaaaaaaaaaa), UINT64_C(0x5555555555555555), 1, 0x1234567};
    for (size_t r = 0; r < registry.count; r++) {
        const struct proto *proto = registry.protos[r];
        for (size_t j = 0; j < proto->count; j++)
            for (size_t k = 0; k < sizeof patterns / sizeof patterns[0]; k++) {
                const struct field *f = &proto->fields[j];
                struct packet p, back;
                struct error err;
                packet_init(&p, &registry);
                push(&p, proto);
                if (field_is_number(f)) {
                    packet_set_number(&p, 0, f, patterns[k]);
                } else {
                    uint8_t bytes[128];
                    size_t length = f->width > 0 ? f->width / 8 : 16;
                    memset(bytes, (int)patterns[k], sizeof bytes);
                    assert_true(packet_set_bytes(&p, 0, f, bytes, length, &err));
                }
                assert_int_equal(packet_pinned(&p, 0, f),
                                 field_is_computed(f) || (f->alias && p.layers[0].pins != 0));
                payload(&p, "data", 4);
                packet_finish(&p);
                check_invariants(&p);
                parse(&back, p.bytes, p.size, proto);
                check_invariants(&back);
                assert_int_equal(back.size, p.size);
                assert_memory_equal(back.bytes, p.bytes, p.size); /* parsing changes nothing */
                packet_finish(&back);
                assert_memory_equal(back.bytes, p.bytes, p.size);
                if (field_is_number(f)) {
                    assert_int_equal(field_get(f, packet_header(&p, 0)),
                                     patterns[k] & field_max(f));
                    assert_int_equal(field_get(f, packet_header(&back, 0)),
                                     patterns[k] & field_max(f));
                } else {
                    size_t length;
                    const uint8_t *bytes = packet_bytes(&back, 0, f, &length);
                    assert_true(length >= (f->width > 0 ? f->width / 8U : 16U));
                    for (size_t i = 0; i < (f->width > 0 ? f->width / 8U : 14U); i++)
                        assert_int_equal(bytes[i], patterns[k] & 0xff);
                }
                packet_free(&back);
                packet_free(&p);
            }
    }
}

static void test_computed(void **state)
{
    (void)state;
    struct packet p;
    make_tcp(&p, false);
    assert_int_equal(get(&p, 1, "ihl"), 5);
    assert_int_equal(get(&p, 1, "length"), 45);
    assert_int_equal(get(&p, 1, "proto"), 6);
    assert_int_equal(get(&p, 2, "offset"), 5);
    assert_int_equal(packet_checksum(&p, 1, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&p, 2, NULL), SUM_GOOD);

    /* an edit makes what depends on it be computed again */
    uint64_t before = get(&p, 2, "checksum");
    set(&p, 2, "seq", 101);
    set(&p, 1, "ttl", 63);
    packet_finish(&p);
    assert_int_not_equal(get(&p, 2, "checksum"), before);
    assert_int_equal(packet_checksum(&p, 1, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&p, 2, NULL), SUM_GOOD);
    set_text(&p, 1, "src", "198.51.100.9"); /* the pseudo-header's too */
    packet_finish(&p);
    assert_int_equal(packet_checksum(&p, 2, NULL), SUM_GOOD);
    payload(&p, "longer than before", 18);
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "length"), 58);
    assert_int_equal(packet_checksum(&p, 2, NULL), SUM_GOOD);
    packet_free(&p);
}

static void test_pinned(void **state)
{
    (void)state;
    struct packet p;
    make_tcp(&p, false);
    uint16_t right;
    set(&p, 2, "checksum", 0xbeef);
    set(&p, 1, "length", 9999);
    set(&p, 2, "offset", 15);
    set(&p, 1, "proto", 200);
    set(&p, 2, "seq", 7);
    packet_finish(&p);
    assert_int_equal(get(&p, 2, "checksum"), 0xbeef);
    assert_int_equal(get(&p, 1, "length"), 9999);
    assert_int_equal(get(&p, 2, "offset"), 15);
    assert_int_equal(get(&p, 1, "proto"), 200);
    assert_int_equal(packet_checksum(&p, 1, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&p, 2, &right), SUM_BAD);
    assert_true(packet_pinned(&p, 2, field(&p, 2, "checksum")));
    assert_false(packet_pinned(&p, 2, field(&p, 2, "seq")));

    /* and lets go */
    packet_unpin(&p, 2, field(&p, 2, "checksum"));
    packet_finish(&p);
    assert_int_equal(get(&p, 2, "checksum"), right);
    packet_unpin(&p, 1, field(&p, 1, "length"));
    packet_unpin(&p, 2, field(&p, 2, "offset"));
    packet_unpin(&p, 1, field(&p, 1, "proto"));
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "length"), 45);
    assert_int_equal(get(&p, 2, "offset"), 5);
    assert_int_equal(get(&p, 1, "proto"), 6);
    packet_free(&p);
}

/* As if it had never been set. */
static void test_reset(void **state)
{
    (void)state;
    struct packet p;
    struct error err;
    make_tcp(&p, true);
    set(&p, 1, "ttl", 3);
    set(&p, 1, "dscp", 63);
    set(&p, 1, "ecn", 3);
    set_tail(&p, 2, "options", "\1\1\1\1", 4);
    assert_true(packet_reset(&p, 1, field(&p, 1, "ttl"), &err));
    assert_true(packet_reset(&p, 1, field(&p, 1, "dscp"), &err));
    assert_true(packet_reset(&p, 1, field(&p, 1, "src"), &err));
    assert_true(packet_reset(&p, 2, field(&p, 2, "options"), &err));
    packet_finish(&p);
    check_invariants(&p);
    assert_int_equal(get(&p, 1, "hlim"), 64);
    assert_int_equal(get(&p, 1, "class"), 3);
    assert_int_equal(packet_header(&p, 1)[8], 0);
    assert_int_equal(get(&p, 2, "offset"), 5);
    packet_free(&p);

    /* another name of a computed field pins it too */
    make_tcp(&p, true);
    set(&p, 1, "proto", 99);
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "next"), 99);
    assert_true(packet_pinned(&p, 1, field(&p, 1, "next")));
    assert_true(packet_reset(&p, 1, field(&p, 1, "proto"), &err));
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "next"), 6);
    packet_free(&p);
}

static void test_next_numbers(void **state)
{
    (void)state;
    struct packet p;
    packet_init(&p, &registry);
    push(&p, &proto_eth);
    push(&p, &proto_qinq);
    push(&p, &proto_vlan);
    push(&p, &proto_ip6);
    push(&p, &proto_ip6_hop);
    push(&p, &proto_ip6_route);
    push(&p, &proto_ip6_frag);
    push(&p, &proto_ip6_dest);
    push(&p, &proto_icmp6);
    push(&p, &proto_ns);
    packet_finish(&p);
    assert_int_equal(get(&p, 0, "type"), 0x88a8);
    assert_int_equal(get(&p, 1, "type"), 0x8100);
    assert_int_equal(get(&p, 2, "type"), 0x86dd);
    assert_int_equal(get(&p, 3, "next"), 0);
    assert_int_equal(get(&p, 4, "next"), 43);
    assert_int_equal(get(&p, 5, "next"), 44);
    assert_int_equal(get(&p, 6, "next"), 60);
    assert_int_equal(get(&p, 7, "next"), 58);
    assert_int_equal(get(&p, 8, "type"), 135);
    assert_int_equal(get(&p, 3, "length"), p.size - 14 - 8 - 40);
    struct packet back;
    parse(&back, p.bytes, p.size, &proto_eth);
    assert_int_equal(back.count, p.count);
    assert_int_equal(back.stop, PACKET_WHOLE);
    for (size_t i = 0; i < p.count; i++)
        assert_ptr_equal(back.layers[i].proto, p.layers[i].proto);
    packet_free(&back);

    /* a number that names the next protocol is left as it is, pinned or not */
    field_set(field(&p, 0, "type"), packet_header(&p, 0), 0x9100);
    set(&p, 1, "vlan", 5);
    packet_finish(&p);
    assert_int_equal(get(&p, 0, "type"), 0x9100);
    packet_free(&p);

    packet_init(&p, &registry); /* nothing follows: the default */
    push(&p, &proto_ip6);
    packet_finish(&p);
    assert_int_equal(get(&p, 0, "next"), 59);
    packet_free(&p);
}

/* What an outer layer has behind an inner one is of nobody's length but its own. */
static void test_trailer(void **state)
{
    (void)state;
    struct packet p;
    struct error err;
    size_t length;
    make_tcp(&p, false);
    payload(&p, "data", 4);
    assert_true(packet_set_trailer(&p, 1, "12345678", 8, &err));
    assert_true(packet_set_trailer(&p, 0, "xyz", 3, &err));
    assert_true(packet_set_trailer(&p, 2, "ip", 2, &err));
    packet_finish(&p);
    check_invariants(&p);
    assert_int_equal(p.size, 14 + 20 + p.layers[2].header + 4 + 2 + 8 + 3);
    assert_int_equal(get(&p, 1, "length"), 20 + p.layers[2].header + 4 + 2);
    assert_memory_equal(packet_trailer(&p, 1, &length), "12345678", 8);
    assert_int_equal(length, 8);
    assert_memory_equal(packet_payload(&p, &length), "data", 4);
    assert_memory_equal(p.bytes + p.size - 13, "ip12345678xyz", 13);
    payload(&p, "d", 1);
    assert_true(packet_set_trailer(&p, 1, "", 0, &err));
    packet_finish(&p);
    check_invariants(&p);
    assert_memory_equal(p.bytes + p.size - 6, "dipxyz", 6);
    assert_int_equal(packet_checksum(&p, 1, NULL), SUM_GOOD);
    packet_free(&p);
}

/* What goes by a port: by either, filled in where none was set, and only if all of it is there. */
static void test_ports(void **state)
{
    (void)state;
    static const struct field fields[] = {{"kind", 0, 16, .kind = FIELD_NUMBER}};
    static const struct proto_number numbers[] = {
        {SPACE_UDP, 4000}, {SPACE_UDP, 4001}, {SPACE_NONE, 0}};
    static const struct proto mine = {
        .name = "mine", PROTO_FIELDS(fields), .minimum = 2, .numbers = numbers};
    struct registry with = registry;
    struct error err;
    struct packet p, back;
    assert_true(registry_add(&with, &mine, &err));
    packet_init(&p, &with);
    push(&p, &proto_ip);
    push(&p, &proto_udp);
    push(&p, &mine);
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "dport"), 4000);
    set(&p, 1, "sport", 4001);
    assert_true(packet_reset(&p, 1, field(&p, 1, "dport"), &err));
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "dport"), 4000);
    assert_false(packet_pinned(&p, 1, field(&p, 1, "dport")));
    for (int i = 0; i < 2; i++) {
        packet_init(&back, &with);
        assert_true(packet_reserve(&back, p.size, &err));
        memcpy(back.bytes, p.bytes, p.size);
        back.size = p.size;
        packet_parse(&back, &proto_ip);
        assert_int_equal(back.count, 3);
        assert_ptr_equal(back.layers[2].proto, &mine);
        packet_free(&back);
        set(&p, 1, "sport", 1);
        set(&p, 1, "dport", 4001);
        packet_finish(&p);
        assert_int_equal(get(&p, 1, "dport"), 4001);
    }
    set(&p, 1, "dport", 0); /* by hand */
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "dport"), 0);
    set(&p, 1, "sport", 4000);
    set(&p, 1, "length", 9);
    set(&p, 0, "length", 29);
    packet_finish(&p);
    packet_parse(&p, &proto_ip);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.stop, PACKET_WHOLE);
    packet_free(&p);
}

/* RFC 768: a computed 0 is sent as all ones, and a 0 means that there is none. */
static void test_udp_zero(void **state)
{
    (void)state;
    struct packet p;
    packet_init(&p, &registry);
    push(&p, &proto_ip);
    push(&p, &proto_udp);
    packet_finish(&p);
    uint16_t sum = (uint16_t)get(&p, 1, "checksum");
    set(&p, 1, "sport", sum); /* then everything adds up to 0xffff */
    packet_finish(&p);
    assert_int_equal(get(&p, 1, "checksum"), 0xffff);
    assert_int_equal(packet_checksum(&p, 1, NULL), SUM_GOOD);
    set(&p, 1, "checksum", 0);
    packet_finish(&p);
    assert_int_equal(packet_checksum(&p, 1, NULL), SUM_NONE);
    packet_free(&p);
}

static void test_checksum_verdicts(void **state)
{
    (void)state;
    struct packet p, back;
    make_tcp(&p, false);
    struct addr src = addr_from(ADDR_IP4, p.bytes + 26), dst = addr_from(ADDR_IP4, p.bytes + 30);
    set(&p, 2, "checksum", checksum_fold(checksum_pseudo(0, &src, &dst, 6, 25)));
    packet_finish(&p);
    assert_int_equal(packet_checksum(&p, 2, NULL), SUM_PARTIAL);
    assert_int_equal(packet_checksum(&p, 0, NULL), SUM_NONE);
    parse(&back, p.bytes, p.size - 1, &proto_eth);
    assert_int_equal(packet_checksum(&back, 1, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&back, 2, NULL), SUM_UNKNOWN);
    packet_free(&back);
    set_text(&p, 1, "flags", "+");
    packet_finish(&p);
    assert_int_equal(packet_checksum(&p, 2, NULL), SUM_UNKNOWN);
    packet_free(&p);

    packet_init(&p, &registry);
    push(&p, &proto_tcp); /* no addresses */
    packet_finish(&p);
    assert_int_equal(packet_checksum(&p, 0, NULL), SUM_NONE);
    assert_int_equal(get(&p, 0, "checksum"), 0);
    packet_free(&p);
}

/* Cut after each byte: the layers that are there, the missing bytes counted, and the same bytes
 * back after an edit and its undoing. */
static void test_cut(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        struct packet p;
        make_tcp(&p, ip6);
        uint32_t ip_end = ip6 ? 54 : 34;
        for (uint32_t length = 0; length < p.size; length++) {
            struct packet cut;
            parse(&cut, p.bytes, length, &proto_eth);
            check_invariants(&cut);
            assert_int_equal(cut.stop, PACKET_CUT);
            assert_int_equal(cut.count, length == 0        ? 0
                                        : length <= 14     ? 1
                                        : length <= ip_end ? 2
                                                           : 3);
            assert_int_equal(cut.missing, length >= ip_end ? p.size - length : 0);
            if (length >= 14 + 9) { /* TTL and hop limit are both in */
                const char *name = ip6 ? "class" : "tos";
                set(&cut, 1, name, 0x55);
                packet_finish(&cut);
                set(&cut, 1, name, 0);
                packet_finish(&cut);
                assert_memory_equal(cut.bytes, p.bytes, length);
            }
            if (length >= ip_end + 20) { /* a checksum over bytes that are not here stays */
                struct packet copy;
                struct error err;
                set(&cut, 2, "seq", 7);
                packet_finish(&cut);
                assert_int_equal(get(&cut, 2, "checksum"), get(&p, 2, "checksum"));
                packet_init(&copy, &registry);
                assert_true(packet_append(&copy, &cut, &err));
                assert_int_equal(copy.missing, cut.missing);
                assert_int_equal(copy.stop, PACKET_CUT);
                packet_free(&copy);
            }
            packet_free(&cut);
        }
        packet_free(&p);
    }
}

/* An edit mends what depends on it and no more: a wrong checksum further in outlives it. */
static void test_edit_reaches_outward(void **state)
{
    (void)state;
    struct packet p, back, framed;
    struct error err;
    make_tcp(&p, false);
    p.bytes[p.size - 1] ^= 1;
    parse(&back, p.bytes + 14, p.size - 14, &proto_ip);
    set(&back, 0, "ttl", 3);
    packet_finish(&back);
    assert_int_equal(packet_checksum(&back, 0, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&back, 1, NULL), SUM_BAD);

    set(&back, 0, "ttl", 4);
    packet_init(&framed, &registry); /* a header around it changes nothing in it */
    push(&framed, &proto_eth);
    assert_true(packet_append(&framed, &back, &err));
    packet_finish(&framed);
    assert_int_equal(get(&framed, 0, "type"), 0x0800);
    packet_finish(&back);
    assert_memory_equal(framed.bytes + 14, back.bytes, back.size);
    assert_int_equal(packet_checksum(&framed, 2, NULL), SUM_BAD);
    packet_free(&framed);

    packet_init(&framed, &registry); /* neither does copying */
    assert_true(packet_append(&framed, &back, &err));
    packet_finish(&framed);
    assert_int_equal(framed.size, back.size);
    assert_memory_equal(framed.bytes, back.bytes, back.size);
    packet_free(&framed);

    set(&back, 1, "seq", 3);
    packet_finish(&back);
    assert_int_equal(packet_checksum(&back, 1, NULL), SUM_GOOD);
    packet_free(&back);
    packet_free(&p);

    packet_init(&p, &registry); /* what was finished alone takes the addresses it comes to */
    push(&p, &proto_tcp);
    packet_finish(&p);
    packet_init(&framed, &registry);
    push(&framed, &proto_ip);
    assert_true(packet_append(&framed, &p, &err));
    packet_finish(&framed);
    assert_int_equal(packet_checksum(&framed, 1, NULL), SUM_GOOD);
    packet_free(&framed);
    packet_free(&p);
}

static void test_padding_is_kept(void **state)
{
    (void)state;
    struct packet p, back;
    struct error err;
    make_tcp(&p, false);
    uint8_t bytes[60] = {0};
    memcpy(bytes, p.bytes, p.size);
    bytes[59] = 0xee;
    parse(&back, bytes, sizeof bytes, &proto_eth);
    check_invariants(&back);
    size_t length;
    assert_memory_equal(packet_payload(&back, &length), "hello", 5);
    assert_int_equal(length, 5);
    assert_int_equal(back.stop, PACKET_WHOLE);
    assert_true(packet_append_bytes(&back, " you", 4, &err));
    packet_finish(&back);
    check_invariants(&back);
    assert_int_equal(back.size, 64);
    assert_int_equal(back.bytes[63], 0xee);
    assert_int_equal(get(&back, 1, "length"), 49);
    assert_memory_equal(packet_payload(&back, &length), "hello you", 9);
    assert_int_equal(packet_checksum(&back, 2, NULL), SUM_GOOD);
    packet_free(&back);
    packet_free(&p);
}

/* Every value of every length field: no byte is lost, and a lie outlives an edit elsewhere. */
static void test_lies(void **state)
{
    (void)state;
    static const struct {
        size_t layer;
        const char *field;
        bool ip6;
    } rows[] = {{1, "ihl", false},
                {1, "length", false},
                {2, "offset", false},
                {1, "length", true},
                {2, "offset", true}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct packet p;
        make_tcp(&p, rows[r].ip6);
        const struct field *f = field(&p, rows[r].layer, rows[r].field);
        uint64_t honest = field_get(f, packet_header(&p, rows[r].layer));
        for (uint64_t value = 0; value <= field_max(f); value++) {
            struct packet back;
            field_set(f, packet_header(&p, rows[r].layer), value);
            parse(&back, p.bytes, p.size, &proto_eth);
            check_invariants(&back);
            assert_memory_equal(back.bytes, p.bytes, p.size);
            if (value == honest)
                assert_int_equal(back.stop, PACKET_WHOLE);
            if (r == 2 && value > 10) /* more than the 25 bytes that are here */
                assert_int_equal(back.stop, PACKET_LIE);
            set(&back, 1, "ttl", 1);
            back.stale = back.count; /* all that can be computed */
            packet_finish(&back);
            check_invariants(&back);
            assert_int_equal(back.size, p.size);
            assert_int_equal(field_get(f, back.bytes + p.layers[rows[r].layer].offset), value);
            packet_free(&back);
        }
        packet_free(&p);
    }
}

static void test_stops(void **state)
{
    (void)state;
    struct packet p, back;
    make_tcp(&p, false);
    set(&p, 1, "ihl", 3);
    parse(&back, p.bytes, p.size, &proto_eth);
    assert_int_equal(back.stop, PACKET_LIE);
    assert_int_equal(back.stop_offset, 34);
    packet_free(&back);
    packet_unpin(&p, 1, field(&p, 1, "ihl"));
    set(&p, 1, "offset", 100);
    packet_finish(&p);
    parse(&back, p.bytes, p.size, &proto_eth);
    assert_int_equal(back.stop, PACKET_FRAGMENT);
    assert_int_equal(back.count, 2);
    assert_string_equal(packet_stop_name(back.stop), "fragment");
    packet_free(&back);
    packet_free(&p);

    uint8_t nested[20 * 20];
    for (size_t i = 0; i < 20; i++) {
        static const uint8_t ip[20] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4};
        memcpy(nested + 20 * i, ip, 20);
        put16(nested + 20 * i + 2, (uint32_t)(sizeof nested - 20 * i));
    }
    parse(&back, nested, sizeof nested, &proto_ip);
    check_invariants(&back);
    assert_int_equal(back.stop, PACKET_DEEP);
    assert_int_equal(back.count, PACKET_LAYERS);
    packet_free(&back);
}

/* An ICMP error: the quote ends early and is part of a packet that is whole. */
static void test_quote(void **state)
{
    (void)state;
    struct packet p, quoted, back;
    struct error err;
    make_tcp(&quoted, false);
    packet_init(&p, &registry);
    push(&p, &proto_ip);
    push(&p, &proto_icmp);
    set(&p, 1, "type", 11);
    payload(&p, quoted.bytes + 14, 28);
    packet_finish(&p);
    parse(&back, p.bytes, p.size, &proto_ip);
    check_invariants(&back);
    assert_int_equal(back.count, 4);
    assert_int_equal(back.stop, PACKET_WHOLE);
    assert_int_equal(back.missing, 0);
    assert_int_equal(get(&back, 3, "dport"), 9000);
    assert_int_equal(get(&back, 3, "seq"), 100);
    assert_false(packet_has(&back, 3, field(&back, 3, "ack")));
    assert_int_equal(packet_checksum(&back, 1, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&back, 2, NULL), SUM_GOOD);
    assert_int_equal(packet_checksum(&back, 3, NULL), SUM_UNKNOWN);
    set(&back, 2, "ttl", 9); /* the quote is bytes: nothing in it is computed */
    packet_finish(&back);
    assert_int_equal(get(&back, 2, "length"), 45);
    assert_int_equal(packet_checksum(&back, 2, NULL), SUM_BAD);
    assert_int_equal(packet_checksum(&back, 1, NULL), SUM_GOOD);
    packet_free(&back);
    packet_free(&p);

    packet_init(&p, &registry); /* built from layers, the type follows */
    push(&p, &proto_ip);
    push(&p, &proto_icmp);
    quoted.layers[0] = quoted.layers[1];
    struct packet inner;
    parse(&inner, quoted.bytes + 14, quoted.size - 14, &proto_ip);
    assert_true(packet_append(&p, &inner, &err));
    packet_finish(&p);
    check_invariants(&p);
    assert_int_equal(get(&p, 1, "type"), 3);
    assert_int_equal(p.count, 4);
    packet_free(&inner);
    packet_free(&p);
    packet_free(&quoted);
}

static void test_refusals(void **state)
{
    (void)state;
    struct packet p;
    struct error err;
    make_tcp(&p, false);
    assert_false(packet_push(&p, &proto_udp, &err));
    assert_string_equal(err.message, "a layer cannot stand behind a payload");
    uint8_t options[48] = {0};
    const struct field *f = field(&p, 2, "options");
    assert_true(packet_set_bytes(&p, 2, f, options, 40, &err));
    assert_false(packet_set_bytes(&p, 2, f, options, 41, &err));
    assert_string_equal(err.message, "options of 41 bytes do not fit: tcp has room for 40");
    set(&p, 2, "offset", 15); /* who pins the length may */
    assert_true(packet_set_bytes(&p, 2, f, options, 48, &err));
    packet_finish(&p);
    check_invariants(&p);
    assert_int_equal(p.size, 14 + 20 + 20 + 48 + 5);
    assert_false(packet_set_bytes(&p, 1, field(&p, 1, "src"), options, 5, &err));
    assert_string_equal(err.message, "src has 4 bytes, not 5");
    assert_false(packet_set_payload(&p, options, PACKET_MAX + 1, &err));
    assert_string_equal(err.code, "EMSGSIZE");
    assert_false(packet_append_bytes(&p, options, SIZE_MAX, &err));
    assert_false(packet_append_bytes(&p, options, PACKET_MAX, &err));
    check_invariants(&p);
    packet_free(&p);

    packet_init(&p, &registry);
    for (int i = 0; i < PACKET_LAYERS; i++)
        push(&p, &proto_vlan);
    assert_false(packet_push(&p, &proto_vlan, &err));
    assert_string_equal(err.message, "a packet has no more than 16 layers");
    packet_free(&p);
}

/* Tails grow and shrink with layers and payload behind them. */
static void test_tails(void **state)
{
    (void)state;
    struct packet p;
    uint8_t options[40];
    memset(options, 1, sizeof options);
    make_tcp(&p, false);
    for (size_t n = 0; n <= 40; n++) {
        size_t length, other = 40 - n;
        set_tail(&p, 1, "options", options, n);
        set_tail(&p, 2, "options", options, other);
        packet_finish(&p);
        check_invariants(&p);
        assert_int_equal(get(&p, 1, "ihl"), 5 + (n + 3) / 4);
        assert_int_equal(get(&p, 2, "offset"), 5 + (other + 3) / 4);
        assert_memory_equal(packet_payload(&p, &length), "hello", 5);
        assert_int_equal(length, 5);
        assert_int_equal(get(&p, 2, "seq"), 100);
        assert_int_equal(packet_checksum(&p, 1, NULL), SUM_GOOD);
        assert_int_equal(packet_checksum(&p, 2, NULL), SUM_GOOD);
        const uint8_t *tail = packet_bytes(&p, 2, field(&p, 2, "options"), &length);
        assert_int_equal(length, (other + 3) / 4 * 4);
        for (size_t i = 0; i < length; i++)
            assert_int_equal(tail[i], i < other);
    }
    packet_free(&p);
}

/* Noise over good packets, from each protocol on: it ends, stays inside, and loses nothing. */
static void test_noise(void **state)
{
    (void)state;
    uint32_t random = 99;
    struct packet good[2];
    make_tcp(&good[0], false);
    make_tcp(&good[1], true);
    for (unsigned round = 0; round < 60000; round++) {
        uint8_t bytes[128];
        const struct packet *from = &good[round & 1];
        const struct proto *first = &proto_eth;
        size_t length = from->size;
        memcpy(bytes, from->bytes, length);
        if (round % 3 == 0) {
            first = registry.protos[round / 3 % registry.count];
            for (size_t i = 0; i < length; i++) {
                random = random * 1664525 + 1013904223;
                bytes[i] = (uint8_t)(random >> 24);
            }
        }
        for (unsigned i = 0; i < round % 7; i++) {
            random = random * 1664525 + 1013904223;
            bytes[(random >> 8) % length] = (uint8_t)(random >> 24);
        }
        random = random * 1664525 + 1013904223;
        length = random >> 31 ? length : (random >> 8) % length;
        struct packet p;
        parse(&p, bytes, length, first);
        check_invariants(&p);
        packet_finish(&p);
        assert_memory_equal(p.bytes, bytes, length);
        for (size_t i = 0; i < p.count; i++)
            packet_checksum(&p, i, NULL);
        p.stale = p.count; /* computing anew keeps the structure */
        packet_finish(&p);
        check_invariants(&p);
        payload(&p, "x", 1);
        packet_finish(&p);
        check_invariants(&p);
        packet_free(&p);
    }
    packet_free(&good[0]);
    packet_free(&good[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_is_what_segment_writes),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_computed),
        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_next_numbers),
        cmocka_unit_test(test_trailer),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_udp_zero),
        cmocka_unit_test(test_checksum_verdicts),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_edit_reaches_outward),
        cmocka_unit_test(test_padding_is_kept),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
