/* The strict reader and the writer of TCP datagrams: what is taken, what is refused and why, and
 * that nothing is read past the end. Every input is copied into a block of exactly its length, so
 * that AddressSanitizer sees one byte too many. */
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

static struct addr address(const char *text)
{
    struct addr addr;
    struct error err;
    if (!addr_parse(&addr, text, "address", &err))
        fail_msg("%s", err.message);
    return addr;
}

static struct segment sample(bool ip6)
{
    return (struct segment){
        .src = address(ip6 ? "2001:db8::1" : "192.0.2.1"),
        .dst = address(ip6 ? "2001:db8::2" : "192.0.2.2"),
        .sport = 40000,
        .dport = 9000,
        .seq = 0xfffffff0,
        .ack = 0x01020304,
        .flags = TCP_ACK | TCP_PSH,
        .window = 502,
        .urgent = 0,
        .ttl = 64,
        .tos = 0x10,
        .payload = (const uint8_t *)"hello",
        .length = 5,
    };
}

static enum segment_verdict read_exactly(struct segment *s, const uint8_t *bytes, size_t length,
                                         bool trust)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    /* with no byte at all, point behind the block */
    enum segment_verdict verdict = segment_read(s, copy + (length == 0), length, trust);
    free(copy);
    return verdict;
}

static enum segment_verdict verdict_of(const uint8_t *bytes, size_t length)
{
    struct segment s;
    return read_exactly(&s, bytes, length, false);
}

static enum segment_verdict trusted(const uint8_t *bytes, size_t length)
{
    struct segment s;
    return read_exactly(&s, bytes, length, true);
}

/* Writes the TCP checksum of a datagram whose TCP header begins at `tcp`. */
static void mend_tcp(uint8_t *bytes, size_t tcp, size_t length)
{
    bool ip6 = bytes[0] >> 4 == 6;
    struct addr src = addr_from(ip6 ? ADDR_IP6 : ADDR_IP4, bytes + (ip6 ? 8 : 12));
    struct addr dst = addr_from(ip6 ? ADDR_IP6 : ADDR_IP4, bytes + (ip6 ? 24 : 16));
    uint64_t sum = checksum_pseudo(0, &src, &dst, 6, (uint32_t)(length - tcp));
    put16(bytes + tcp + 16, 0);
    put16(bytes + tcp + 16, checksum_finish(checksum_add(sum, bytes + tcp, length - tcp)));
}

static void mend_ip4(uint8_t *bytes)
{
    size_t header = (size_t)(bytes[0] & 0xf) * 4;
    put16(bytes + 10, 0);
    put16(bytes + 10, checksum_finish(checksum_add(0, bytes, header)));
}

static void assert_segments_equal(const struct segment *a, const struct segment *b)
{
    assert_true(addr_equal(&a->src, &b->src));
    assert_true(addr_equal(&a->dst, &b->dst));
    assert_int_equal(a->sport, b->sport);
    assert_int_equal(a->dport, b->dport);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->ack, b->ack);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->window, b->window);
    assert_int_equal(a->urgent, b->urgent);
    assert_int_equal(a->ttl, b->ttl);
    assert_int_equal(a->tos, b->tos);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->length, b->length);
    assert_memory_equal(a->payload, b->payload, a->length);
    const struct segment_options *o = &a->options, *p = &b->options;
    assert_int_equal(o->has_mss, p->has_mss);
    assert_int_equal(o->mss, p->mss);
    assert_int_equal(o->has_wscale, p->has_wscale);
    assert_int_equal(o->wscale, p->wscale);
    assert_int_equal(o->sack_permitted, p->sack_permitted);
    assert_int_equal(o->has_timestamp, p->has_timestamp);
    assert_int_equal(o->tsval, p->tsval);
    assert_int_equal(o->tsecr, p->tsecr);
    assert_int_equal(o->sacks, p->sacks);
    for (size_t i = 0; i < o->sacks; i++) {
        assert_int_equal(o->sack[i].left, p->sack[i].left);
        assert_int_equal(o->sack[i].right, p->sack[i].right);
    }
}

/* A SYN as Linux sends it, checked by hand: tos 0, id 0x1234, DF, ttl 64. */
static void test_syn_bytes(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0x45, 0x00, 0x00, 0x3c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0xa4, 0x84, /* IP */
        0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x02,                         /* addresses */
        0x9c, 0x40, 0x23, 0x28, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00, 0x00, /* TCP */
        0xa0, 0x02, 0xfa, 0xf0, 0x09, 0x3e, 0x00, 0x00,                         /* window 64240 */
        0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a,                         /* mss, sackOK */
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,                         /* TS val 1 ecr 0 */
        0x01, 0x03, 0x03, 0x07,                                                 /* nop, wscale 7 */
    };
    struct segment s = sample(false);
    s.seq = 100, s.ack = 0, s.flags = TCP_SYN, s.window = 64240, s.length = 0, s.tos = 0;
    s.id = 0x1234;
    s.options = (struct segment_options){.has_mss = true,
                                         .mss = 1460,
                                         .has_wscale = true,
                                         .wscale = 7,
                                         .sack_permitted = true,
                                         .has_timestamp = true,
                                         .tsval = 1};
    uint8_t bytes[SEGMENT_HEADERS];
    size_t length = segment_write(&s, bytes, sizeof bytes);
    assert_int_equal(length, sizeof expected);
    assert_memory_equal(bytes, expected, length);
}

/* Every combination of options and every payload length, v4 and v6: write, read, the same. */
static void test_round_trip(void **state)
{
    (void)state;
    uint8_t payload[67], bytes[SEGMENT_HEADERS + sizeof payload];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(255 - i);
    for (unsigned choice = 0; choice < 2 * 16 * 5; choice++) {
        struct segment s = sample(choice & 1), back;
        unsigned has = choice >> 1 & 15, sacks = choice >> 5;
        s.flags = (uint16_t)(choice * 3 % 512);
        s.urgent = (uint16_t)choice;
        s.id = choice & 1 ? 0 : (uint16_t)(choice * 77);
        s.payload = payload;
        s.length = choice % sizeof payload;
        if (has & 1)
            s.options.has_mss = true, s.options.mss = 1220;
        if (has & 2)
            s.options.has_wscale = true, s.options.wscale = 255;
        if (has & 4)
            s.options.sack_permitted = true;
        if (has & 8)
            s.options.has_timestamp = true, s.options.tsval = 0xdeadbeef, s.options.tsecr = 7;
        s.options.sacks = (uint8_t)sacks;
        for (unsigned i = 0; i < sacks; i++)
            s.options.sack[i].left = i * 100, s.options.sack[i].right = i * 100 + 50;
        size_t options = segment_options_length(&s.options);
        assert_true(options <= 40 && options % 4 == 0);
        size_t length = segment_write(&s, bytes, sizeof bytes);
        assert_int_equal(length, (choice & 1 ? 60 : 40) + options + s.length);
        assert_int_equal(read_exactly(&back, bytes, length, false), SEGMENT_OK);
        /* the payload of the copy is gone; read in place for it */
        assert_int_equal(segment_read(&back, bytes, length, false), SEGMENT_OK);
        assert_false(back.checksum_partial);
        assert_true(back.options.sacks <= sacks);
        s.options.sacks = back.options.sacks; /* what there was room for */
        assert_segments_equal(&s, &back);
        if (!(has & 8))
            assert_true(back.options.sacks >= (sacks < 3 ? sacks : 3) || (has & 7) == 7);
    }
}

static void test_write_refuses(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADERS + 5];
    for (int ip6 = 0; ip6 < 2; ip6++) {
        struct segment s = sample(ip6);
        size_t length = segment_write(&s, bytes, sizeof bytes);
        assert_int_equal(length, ip6 ? 65 : 45);
        for (size_t size = 0; size < length; size++) {
            uint8_t *exact = malloc(size + 1);
            assert_int_equal(segment_write(&s, exact, size), 0);
            free(exact);
        }
        assert_int_equal(segment_write(&s, bytes, length), length);
        s.dst = address(ip6 ? "192.0.2.2" : "2001:db8::2"); /* mixed families */
        assert_int_equal(segment_write(&s, bytes, sizeof bytes), 0);
    }
    /* The length fields of IP have 16 bits; IPv6's does not count its own header. */
    uint8_t *big = calloc(2, 65600);
    assert_non_null(big);
    struct segment s = sample(false);
    s.payload = big + 65600;
    s.length = 65535 - 40;
    assert_int_equal(segment_write(&s, big, 65600), 65535);
    assert_int_equal(verdict_of(big, 65535), SEGMENT_OK);
    s.length++;
    assert_int_equal(segment_write(&s, big, 65600), 0);
    s.length = SIZE_MAX - 10;
    assert_int_equal(segment_write(&s, big, 65600), 0);
    s = sample(true);
    s.payload = big + 65600;
    s.length = 65535 - 20;
    assert_int_equal(segment_write(&s, big, 65600), 65575);
    assert_int_equal(verdict_of(big, 65575), SEGMENT_OK);
    s.length++;
    assert_int_equal(segment_write(&s, big, 65600), 0);
    free(big);
}

/* Rows E1, E4: each shorter capture is refused, each longer one has padding that is left out. */
static void e1_e4_capture_length(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADERS + 60] = {0};
    for (int ip6 = 0; ip6 < 2; ip6++) {
        struct segment s = sample(ip6), back;
        memset(bytes, 0xaa, sizeof bytes);
        size_t length = segment_write(&s, bytes, sizeof bytes);
        for (size_t cut = 0; cut < length; cut++) {
            assert_int_equal(verdict_of(bytes, cut), SEGMENT_CUT);
            assert_int_equal(trusted(bytes, cut), SEGMENT_CUT);
        }
        for (size_t extra = 0; extra < 60; extra++) {
            assert_int_equal(segment_read(&back, bytes, length + extra, false), SEGMENT_OK);
            assert_int_equal(back.length, 5);
            assert_memory_equal(back.payload, "hello", 5);
        }
    }
}

/* Rows E2, E3, E5, E6, F10. */
static void e2_e3_e5_e6_f10_ip_header_lies(void **state)
{
    (void)state;
    uint8_t good[SEGMENT_HEADERS + 5], bytes[sizeof good];
    struct segment s = sample(false);
    size_t length = segment_write(&s, good, sizeof good);

    for (unsigned version = 0; version < 16; version++) {
        memcpy(bytes, good, length);
        bytes[0] = (uint8_t)(version << 4 | 5);
        enum segment_verdict verdict = trusted(bytes, length);
        if (version == 4)
            assert_int_equal(verdict, SEGMENT_OK);
        else if (version != 6)
            assert_int_equal(verdict, SEGMENT_BAD_IP);
        else
            assert_int_not_equal(verdict, SEGMENT_OK);
    }
    for (unsigned ihl = 0; ihl < 16; ihl++) {
        memcpy(bytes, good, length);
        bytes[0] = (uint8_t)(0x40 | ihl);
        enum segment_verdict verdict = trusted(bytes, length);
        if (ihl < 5 || ihl * 4 > length)
            assert_int_equal(verdict, SEGMENT_BAD_IP);
        else if (ihl > 6) /* fewer than 20 bytes are left for TCP */
            assert_int_equal(verdict, SEGMENT_CUT);
    }
    for (unsigned total = 0; total < 65536; total++) {
        memcpy(bytes, good, length);
        put16(bytes + 2, total);
        enum segment_verdict expected = total < 20       ? SEGMENT_BAD_IP
                                        : total > length ? SEGMENT_CUT
                                        : total < 40     ? SEGMENT_CUT
                                                         : SEGMENT_OK;
        assert_int_equal(trusted(bytes, length), expected);
    }
    for (unsigned bit = 0; bit < 160; bit++) { /* each flipped bit shows in the header checksum */
        memcpy(bytes, good, length);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(verdict_of(bytes, length), SEGMENT_OK);
    }
    for (unsigned proto = 0; proto < 256; proto++) {
        memcpy(bytes, good, length);
        bytes[9] = (uint8_t)proto;
        mend_ip4(bytes);
        assert_int_equal(verdict_of(bytes, length), proto == 6 ? SEGMENT_OK : SEGMENT_NOT_TCP);
    }
    s = sample(true);
    length = segment_write(&s, good, sizeof good);
    for (unsigned total = 0; total < 65536; total++) {
        memcpy(bytes, good, length);
        put16(bytes + 4, total);
        assert_int_equal(trusted(bytes, length),
                         total + 40 > length || total < 20 ? SEGMENT_CUT : SEGMENT_OK);
    }
}

/* Rows F1, F3: offset and MF make a fragment; DF and the reserved bit do not. */
static void f1_f3_ip4_fragments(void **state)
{
    (void)state;
    uint8_t bytes[SEGMENT_HEADERS + 5];
    struct segment s = sample(false);
    size_t length = segment_write(&s, bytes, sizeof bytes);
    for (unsigned field = 0; field < 65536; field++) {
        put16(bytes + 6, field);
        mend_ip4(bytes);
        assert_int_equal(verdict_of(bytes, length), field & 0x3fff ? SEGMENT_FRAGMENT : SEGMENT_OK);
    }
}

/* Row F11, MUST-50: options of any content are stepped over. */
static void f11_ip4_options(void **state)
{
    (void)state;
    uint8_t tcp[SEGMENT_HEADERS + 5], bytes[60 + sizeof tcp];
    struct segment s = sample(false), back;
    size_t length = segment_write(&s, tcp, sizeof tcp);
    for (size_t words = 1; words <= 10; words++) {
        memcpy(bytes, tcp, 20);
        memset(bytes + 20, 0x83, words * 4); /* a loose source route of length 131 */
        memcpy(bytes + 20 + words * 4, tcp + 20, length - 20);
        bytes[0] = (uint8_t)(0x45 + words);
        put16(bytes + 2, (uint32_t)(length + words * 4));
        mend_ip4(bytes);
        assert_int_equal(segment_read(&back, bytes, length + words * 4, false), SEGMENT_OK);
        assert_segments_equal(&s, &back);
    }
}

/* Puts IPv6 extension headers between the header and TCP. Each is written as type, length byte. */
static size_t insert(uint8_t *out, const uint8_t *datagram, size_t length, const uint8_t *types,
                     size_t count, size_t units)
{
    memcpy(out, datagram, 40);
    size_t at = 40;
    if (count > 0)
        out[6] = types[0];
    for (size_t i = 0; i < count; i++) {
        size_t size = types[i] == 44 ? 8 : 8 + 8 * units;
        memset(out + at, 0, size);
        out[at] = i + 1 < count ? types[i + 1] : 6;
        out[at + 1] = types[i] == 44 ? 0xff : (uint8_t)units; /* reserved in a fragment header */
        at += size;
    }
    memcpy(out + at, datagram + 40, length - 40);
    put16(out + 4, (uint32_t)(at + length - 80));
    return at + length - 40;
}

/* Rows F6 to F10. */
static void f6_to_f10_ip6_extensions(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {0, 60, 43, 44};
    uint8_t plain[SEGMENT_HEADERS + 5], bytes[3000];
    struct segment s = sample(true), back;
    size_t length = segment_write(&s, plain, sizeof plain);
    for (size_t count = 0; count <= 100; count++)
        for (size_t first = 0; first < 4; first++) {
            uint8_t types[100];
            for (size_t i = 0; i < count; i++)
                types[i] = kinds[(first + i) % 4];
            size_t whole = insert(bytes, plain, length, types, count, 1);
            enum segment_verdict verdict = segment_read(&back, bytes, whole, false);
            assert_int_equal(verdict, count <= 8 ? SEGMENT_OK : SEGMENT_NOT_TCP);
            if (verdict == SEGMENT_OK)
                assert_segments_equal(&s, &back);
            if (count <= 8)
                for (size_t cut = 0; cut < whole; cut++) { /* the capture, and the length field */
                    assert_int_equal(verdict_of(bytes, cut), SEGMENT_CUT);
                    if (cut < 40 || cut > whole - 25)
                        continue;
                    put16(bytes + 4, (uint32_t)(cut - 40));
                    assert_int_equal(verdict_of(bytes, whole), SEGMENT_CUT);
                    put16(bytes + 4, (uint32_t)(whole - 40));
                }
        }

    /* a header that says it is longer than the datagram, by any length byte */
    size_t whole = insert(bytes, plain, length, kinds, 1, 0);
    for (unsigned units = 1; units < 256; units++) {
        bytes[41] = (uint8_t)units;
        assert_int_not_equal(verdict_of(bytes, whole), SEGMENT_OK);
    }
    /* real fragments and the atomic one (RFC 6946) */
    whole = insert(bytes, plain, length, kinds + 3, 1, 0);
    for (unsigned field = 0; field < 65536; field++) {
        put16(bytes + 42, field);
        assert_int_equal(verdict_of(bytes, whole), field & 0xfff9 ? SEGMENT_FRAGMENT : SEGMENT_OK);
    }
    /* routing headers of any type, if nothing is left of the route */
    whole = insert(bytes, plain, length, kinds + 2, 1, 2);
    for (unsigned type = 0; type < 256; type++) {
        bytes[42] = (uint8_t)type;
        bytes[43] = 0;
        assert_int_equal(verdict_of(bytes, whole), SEGMENT_OK);
        bytes[43] = 1;
        assert_int_equal(verdict_of(bytes, whole), SEGMENT_BAD_IP);
    }
    /* ESP, AH, no next header, IP in IP, … */
    for (unsigned next = 0; next < 256; next++) {
        memcpy(bytes, plain, length);
        bytes[6] = (uint8_t)next;
        if (next == 6)
            assert_int_equal(verdict_of(bytes, length), SEGMENT_OK);
        else if (next != 0 && next != 43 && next != 44 && next != 60)
            assert_int_equal(verdict_of(bytes, length), SEGMENT_NOT_TCP);
        else
            assert_int_not_equal(verdict_of(bytes, length), SEGMENT_OK);
    }
}

/* MUST-2: every sum there is, that of zero too. */
static void every_sum_is_right(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        unsigned zero = 0;
        for (unsigned value = 0; value < 65536; value++) {
            uint8_t payload[2], bytes[SEGMENT_HEADERS + 2];
            struct segment s = sample(ip6), back;
            put16(payload, value);
            s.payload = payload;
            s.length = 2;
            size_t length = segment_write(&s, bytes, sizeof bytes);
            assert_int_equal(segment_read(&back, bytes, length, false), SEGMENT_OK);
            assert_false(back.checksum_partial);
            zero += get16(bytes + (ip6 ? 40 : 20) + 16) == 0;
        }
        assert_int_equal(zero, 1); /* unlike UDP's it is one like the others */
    }
}

/* MUST-68, MUST-69: whatever is written, a walk by the lengths ends at its end or at zeros. */
static void written_options_have_lengths_and_end_in_zeros(void **state)
{
    (void)state;
    for (unsigned choice = 0; choice < 16 * 5; choice++) {
        struct segment s = sample(false);
        uint8_t bytes[SEGMENT_HEADERS + 5];
        s.options.has_mss = choice & 1;
        s.options.has_wscale = choice & 2;
        s.options.sack_permitted = choice & 4;
        s.options.has_timestamp = choice & 8;
        s.options.sacks = (uint8_t)(choice >> 4);
        segment_write(&s, bytes, sizeof bytes);
        const uint8_t *at = bytes + 40, *end = bytes + 20 + (bytes[32] >> 4) * 4;
        unsigned found = 0;
        while (at < end && *at != 0) {
            if (*at == 1) {
                at++;
                continue;
            }
            static const uint8_t lengths[] = {[2] = 4, [3] = 3, [4] = 2, [8] = 10};
            assert_true(end - at >= 2);
            if (*at == 5)
                assert_true(at[1] > 2 && (at[1] - 2) % 8 == 0);
            else
                assert_int_equal(at[1], lengths[*at]);
            found |= 1U << *at;
            at += at[1];
        }
        assert_true(at <= end);
        for (; at < end; at++)
            assert_int_equal(*at, 0);
        assert_int_equal(found & 1U << 2, choice & 1 ? 1U << 2 : 0);
        assert_int_equal(found & 1U << 8, choice & 8 ? 1U << 8 : 0);
    }
}

/* Row E7. */
static void e7_data_offset(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++)
        for (size_t data = 0; data < 50; data++) {
            uint8_t payload[50] = {0}, bytes[SEGMENT_HEADERS + 50];
            struct segment s = sample(ip6), back;
            size_t tcp = ip6 ? 40 : 20;
            s.payload = payload;
            s.length = data;
            size_t length = segment_write(&s, bytes, sizeof bytes);
            for (unsigned offset = 0; offset < 16; offset++) {
                bytes[tcp + 12] = (uint8_t)(offset << 4);
                mend_tcp(bytes, tcp, length);
                bool bad = offset < 5 || offset * 4 > 20 + data;
                assert_int_equal(read_exactly(&back, bytes, length, false),
                                 bad ? SEGMENT_BAD_OFFSET : SEGMENT_OK);
                if (!bad)
                    assert_int_equal(back.length, 20 + data - offset * 4);
            }
        }
}

/* Row E8, MUST-3: right, partial, and everything else. */
static void e8_checksum_rule(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        uint8_t bytes[SEGMENT_HEADERS + 5];
        struct segment s = sample(ip6), back;
        size_t length = segment_write(&s, bytes, sizeof bytes), tcp = ip6 ? 40 : 20;
        uint16_t right = get16(bytes + tcp + 16);
        uint16_t partial =
            checksum_fold(checksum_pseudo(0, &s.src, &s.dst, 6, (uint32_t)(length - tcp)));
        assert_int_not_equal(right, partial);
        for (unsigned sum = 0; sum < 65536; sum++) {
            put16(bytes + tcp + 16, sum);
            enum segment_verdict verdict = segment_read(&back, bytes, length, false);
            if (sum == right || sum == partial) {
                assert_int_equal(verdict, SEGMENT_OK);
                assert_int_equal(back.checksum_partial, sum == partial);
            } else {
                assert_int_equal(verdict, SEGMENT_BAD_CHECKSUM);
            }
            assert_int_equal(segment_read(&back, bytes, length, true), SEGMENT_OK);
            assert_false(back.checksum_partial);
        }
    }
}

/* Rows E17, E18, MUST-57, MUST-63: the addresses nobody answers. */
static void e17_e18_ends(void **state)
{
    (void)state;
    static const struct {
        const char *src, *dst;
        uint16_t sport, dport;
        enum segment_verdict verdict;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", 80, 80, SEGMENT_LAND},
        {"192.0.2.1", "192.0.2.1", 80, 81, SEGMENT_OK},
        {"127.0.0.1", "127.0.0.1", 0, 0, SEGMENT_LAND},
        {"2001:db8::1", "2001:db8::1", 80, 80, SEGMENT_LAND},
        {"2001:db8::1", "2001:db8::1", 81, 80, SEGMENT_OK},
        {"192.0.2.1", "192.0.2.2", 80, 80, SEGMENT_OK},
        {"192.0.2.1", "192.0.2.2", 0, 80, SEGMENT_BAD_PORT},
        {"192.0.2.1", "192.0.2.2", 80, 0, SEGMENT_BAD_PORT},
        {"192.0.2.1", "192.0.2.2", 65535, 1, SEGMENT_OK},
        {"2001:db8::1", "2001:db8::2", 0, 1, SEGMENT_BAD_PORT},
        {"224.0.0.1", "192.0.2.2", 1, 2, SEGMENT_BAD_ADDRESS},
        {"239.255.255.255", "192.0.2.2", 1, 2, SEGMENT_BAD_ADDRESS},
        {"255.255.255.255", "192.0.2.2", 1, 2, SEGMENT_BAD_ADDRESS},
        {"0.0.0.0", "192.0.2.2", 1, 2, SEGMENT_BAD_ADDRESS},
        {"192.0.2.1", "224.0.0.1", 1, 2, SEGMENT_BAD_ADDRESS},
        {"192.0.2.1", "255.255.255.255", 1, 2, SEGMENT_BAD_ADDRESS},
        {"::", "2001:db8::2", 1, 2, SEGMENT_BAD_ADDRESS},
        {"ff02::1", "2001:db8::2", 1, 2, SEGMENT_BAD_ADDRESS},
        {"2001:db8::1", "ff02::1", 1, 2, SEGMENT_BAD_ADDRESS},
        {"127.0.0.1", "127.0.0.2", 1, 2, SEGMENT_OK},
        {"::1", "::1", 1, 2, SEGMENT_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct segment s = sample(false);
        uint8_t bytes[SEGMENT_HEADERS + 5];
        s.src = address(rows[i].src), s.dst = address(rows[i].dst);
        s.sport = rows[i].sport, s.dport = rows[i].dport;
        size_t length = segment_write(&s, bytes, sizeof bytes);
        assert_int_equal(verdict_of(bytes, length), rows[i].verdict);
    }
}

/* A datagram with these option bytes, padded with EOL, read with the checksums trusted. */
static void read_with_options(struct segment *s, const uint8_t *options, size_t length)
{
    struct segment plain = sample(false);
    uint8_t bytes[SEGMENT_HEADERS];
    size_t padded = (length + 3) / 4 * 4;
    plain.length = 0;
    segment_write(&plain, bytes, sizeof bytes);
    memset(bytes + 40, 0, padded);
    memcpy(bytes + 40, options, length);
    bytes[32] = (uint8_t)((20 + padded) / 4 << 4);
    put16(bytes + 2, (uint32_t)(40 + padded));
    assert_int_equal(read_exactly(s, bytes, 40 + padded, true), SEGMENT_OK);
}

/* Row E9, MUST-7: each kind with each length, in options of each size from 4 to 40, ending in a
 * window scale that is only seen if the walk got there in step. */
static void e9_every_option_pair(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 256; kind++)
        for (unsigned length = 0; length < 256; length++)
            for (size_t total = 4; total <= 40; total += 12) {
                uint8_t options[40];
                struct segment s;
                memset(options, 1, sizeof options);
                options[0] = (uint8_t)kind;
                options[1] = (uint8_t)length;
                bool room = length + 3 <= total && length >= 2;
                if (room)
                    memcpy(options + length, (uint8_t[]){3, 3, 9}, 3);
                read_with_options(&s, options, total);
                const struct segment_options *o = &s.options;
                if (kind < 2) { /* EOL; a NOP, and then no option of a possible length */
                    assert_false(o->has_wscale || o->has_mss || o->sack_permitted);
                    assert_false(o->has_timestamp || o->sacks > 0);
                    continue;
                }
                assert_int_equal(o->has_mss, kind == 2 && length == 4);
                assert_int_equal(o->has_wscale, room || (kind == 3 && length == 3));
                if (o->has_wscale)
                    assert_int_equal(o->wscale, kind == 3 && length == 3 ? 1 : 9);
                assert_int_equal(o->sack_permitted, kind == 4 && length == 2);
                assert_int_equal(o->has_timestamp, kind == 8 && length == 10 && total >= 10);
                if (kind == 5)
                    assert_int_equal(o->sacks, length > 2 && length <= 34 && length <= total &&
                                                       (length - 2) % 8 == 0
                                                   ? (length - 2) / 8
                                                   : 0);
            }
}

/* Rows E10, E11, E14, MUST-7, and the contract: the first well-formed one counts. */
static void e10_e11_e14_option_rules(void **state)
{
    (void)state;
    struct segment s;
    static const uint8_t twice[] = {2, 4, 0, 1, 2, 4, 0, 2, 3, 3, 1, 3, 3, 2, 1, 1};
    read_with_options(&s, twice, sizeof twice);
    assert_int_equal(s.options.mss, 1);
    assert_int_equal(s.options.wscale, 1);

    static const uint8_t wrong_first[] = {2, 3, 9, 2, 4, 5, 0xb4, 3, 4, 9, 9, 3, 3, 7};
    read_with_options(&s, wrong_first, sizeof wrong_first);
    assert_int_equal(s.options.mss, 1460);
    assert_int_equal(s.options.wscale, 7);

    static const uint8_t after_end[] = {1, 1, 1, 0, 2, 4, 5, 0xb4};
    read_with_options(&s, after_end, sizeof after_end);
    assert_false(s.options.has_mss);

    uint8_t nops[40];
    memset(nops, 1, sizeof nops);
    memcpy(nops + 37, (uint8_t[]){3, 3, 14}, 3);
    read_with_options(&s, nops, sizeof nops);
    assert_int_equal(s.options.wscale, 14);

    static const uint8_t sacks[] = {1, 1, 5,  10, 0, 0, 0, 1, 0, 0, 0,
                                    2, 5, 10, 0,  0, 0, 3, 0, 0, 0, 4};
    read_with_options(&s, sacks, sizeof sacks);
    assert_int_equal(s.options.sacks, 1);
    assert_int_equal(s.options.sack[0].left, 1);
    assert_int_equal(s.options.sack[0].right, 2);
}

/* MUST-4, MUST-6, MUST-64: any number of NOPs before each option, and what nobody knows (TCP-MD5
 * and TCP-AO among it) between them. */
static void options_begin_anywhere(void **state)
{
    (void)state;
    static const uint8_t unknown[][6] = {{253, 4, 9, 9}, {19, 4, 2, 4}, {29, 3, 2}, {255, 2}};
    for (unsigned nops = 0; nops < 4; nops++)
        for (size_t k = 0; k < sizeof unknown / sizeof *unknown; k++) {
            static const uint8_t known[4][10] = {
                {2, 4, 0x05, 0xb4}, {3, 3, 7}, {4, 2}, {8, 10, 0, 0, 0, 77, 0, 0, 0, 78}};
            for (size_t i = 0; i < 4; i++) {
                uint8_t options[40];
                size_t n = 0;
                memset(options, 1, nops);
                n += nops;
                memcpy(options + n, unknown[k], unknown[k][1]);
                n += unknown[k][1];
                memset(options + n, 1, nops);
                n += nops;
                memcpy(options + n, known[i], known[i][1]);
                n += known[i][1];
                struct segment s;
                read_with_options(&s, options, n); /* it adds the end of the list */
                const struct segment_options *o = &s.options;
                assert_int_equal(o->has_mss ? o->mss : 0, i == 0 ? 1460 : 0);
                assert_int_equal(o->has_wscale ? o->wscale : 0, i == 1 ? 7 : 0);
                assert_int_equal(o->sack_permitted, i == 2);
                assert_int_equal(o->has_timestamp ? o->tsval + o->tsecr : 0, i == 3 ? 155 : 0);
            }
        }
}

/* Row E19: noise, and noise on a good datagram. Nothing to see here but the sanitizers. */
static void e19_noise(void **state)
{
    (void)state;
    uint32_t random = 12345;
    unsigned taken = 0;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t bytes[SEGMENT_HEADERS + 5];
        struct segment s = sample(round & 1), back;
        size_t length = segment_write(&s, bytes, sizeof bytes);
        for (unsigned i = 0; i < 1 + round % 20; i++) {
            random = random * 1664525 + 1013904223;
            bytes[(random >> 8) % length] = (uint8_t)(random >> 24);
        }
        random = random * 1664525 + 1013904223;
        size_t cut = random >> 31 ? length : (random >> 8) % (length + 1);
        taken += read_exactly(&back, bytes, cut, true) == SEGMENT_OK;
        read_exactly(&back, bytes, cut, false);
    }
    assert_true(taken > 0);
}

static void test_verdict_names(void **state)
{
    (void)state;
    for (int i = 0; i < SEGMENT_VERDICTS; i++)
        assert_non_null(segment_verdict_name((enum segment_verdict)i));
    assert_string_equal(segment_verdict_name(SEGMENT_BAD_CHECKSUM), "bad checksum");
    assert_string_equal(segment_verdict_name(SEGMENT_BAD_ADDRESS), "bad address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syn_bytes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_write_refuses),
        cmocka_unit_test(e1_e4_capture_length),
        cmocka_unit_test(e2_e3_e5_e6_f10_ip_header_lies),
        cmocka_unit_test(f1_f3_ip4_fragments),
        cmocka_unit_test(f11_ip4_options),
        cmocka_unit_test(f6_to_f10_ip6_extensions),
        cmocka_unit_test(every_sum_is_right),
        cmocka_unit_test(written_options_have_lengths_and_end_in_zeros),
        cmocka_unit_test(e7_data_offset),
        cmocka_unit_test(e8_checksum_rule),
        cmocka_unit_test(e17_e18_ends),
        cmocka_unit_test(e9_every_option_pair),
        cmocka_unit_test(e10_e11_e14_option_rules),
        cmocka_unit_test(options_begin_anywhere),
        cmocka_unit_test(e19_noise),
        cmocka_unit_test(test_verdict_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
