/* The reassembly alone: datagrams of any size in pieces of any size and order come out as they
 * were, and what strangers send takes no more than its share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/segment.h"
#include "stack/reassembly.h"

#include <cmocka.h> /* last: its fail() is a macro */

static uint8_t payload[65535];

static unsigned draw(unsigned below)
{
    return (unsigned)rand() % below;
}

static struct addr address(enum addr_kind kind, uint8_t last)
{
    struct addr a = {.kind = kind, .bytes = {192, 0, 2}};
    a.bytes[addr_length(kind) - 1] = last;
    return a;
}

/* A segment with `length` bytes of data; returns the datagram's length. */
static size_t make(uint8_t *bytes, size_t size, enum addr_kind kind, size_t length)
{
    const struct segment s = {
        .src = address(kind, 2),
        .dst = address(kind, 1),
        .sport = 7,
        .dport = 8,
        .flags = TCP_ACK,
        .ttl = 64,
        .id = 9,
        .payload = payload,
        .length = length,
    };
    return segment_write(&s, bytes, size);
}

/* The piece of `length` bytes at `offset` behind the IP header of a datagram; its length. */
static size_t cut(uint8_t *out, const uint8_t *whole, size_t total, size_t offset, size_t length)
{
    bool ip4 = whole[0] >> 4 == 4;
    size_t header = ip4 ? 20 : 40, at = ip4 ? 20 : 48;
    bool more = header + offset + length < total;
    memcpy(out, whole, header);
    if (ip4) {
        put16(out + 2, (uint32_t)(at + length));
        put16(out + 6, (more ? 0x2000U : 0U) | (uint32_t)offset / 8);
        put16(out + 10, 0);
        put16(out + 10, checksum_finish(checksum_add(0, out, 20)));
    } else {
        put16(out + 4, (uint32_t)(8 + length));
        out[6] = 44;
        memset(out + 40, 0, 8);
        out[40] = 6;
        put16(out + 42, (uint32_t)offset | (more ? 1U : 0U));
        put32(out + 44, 9);
    }
    memcpy(out + at, whole + header + offset, length);
    return at + length;
}

static void f1_comes_out_as_it_was(void **state)
{
    (void)state;
    static uint8_t whole[65600], piece[65600];
    struct reassembly r = {0};
    for (int round = 0; round < 2000; round++) {
        enum addr_kind kind = round % 2 ? ADDR_IP4 : ADDR_IP6;
        const struct addr local = address(kind, 1);
        size_t header = kind == ADDR_IP4 ? 20 : 40;
        size_t total = make(whole, sizeof whole, kind, 30 + draw(round % 10 ? 1000 : 60000));
        size_t offsets[64], count = 0, step = 24 + 8 * draw((unsigned)total / 8);
        while (step * 60 < total)
            step *= 2;
        for (size_t at = 0; header + at < total; at += step)
            offsets[count++] = at;
        if (count < 2)
            continue;
        for (size_t i = count - 1; i > 0; i--) {
            size_t j = draw((unsigned)i + 1), kept = offsets[i];
            offsets[i] = offsets[j];
            offsets[j] = kept;
        }
        size_t marked = draw(2) ? draw((unsigned)count) : count, got = 0;
        const uint8_t *joined = NULL;
        for (size_t i = 0; i < count; i++) {
            assert_null(joined);
            size_t rest = total - header - offsets[i];
            size_t length = cut(piece, whole, total, offsets[i], rest < step ? rest : step);
            if (i == marked && kind == ADDR_IP4) {
                piece[1] |= 3;
                put16(piece + 10, 0);
                put16(piece + 10, checksum_finish(checksum_add(0, piece, 20)));
            } else if (i == marked) {
                piece[1] |= 0x30;
            }
            for (int twice = draw(4) == 0 && i + 1 < count; twice >= 0; twice--)
                joined = reassembly_add(&r, &local, piece, length, round, &got);
        }
        assert_non_null(joined);
        assert_int_equal(got, total);
        struct segment s;
        assert_int_equal(segment_read(&s, joined, got, false), SEGMENT_OK);
        assert_int_equal(s.tos & 3, marked < count ? 3 : 0);
        assert_memory_equal(joined + header, whole + header, total - header);
        assert_int_equal(r.memory, 0);
    }
    reassembly_clear(&r);
}

/* Noise around a fragment header: no piece is read beyond its end (the sanitizer sees that), and
 * the bound holds after each. */
static void f5_memory_is_bounded(void **state)
{
    (void)state;
    struct reassembly r = {0};
    static uint8_t whole[2000];
    size_t most = 0;
    for (int round = 0; round < 100000; round++) {
        enum addr_kind kind = round % 2 ? ADDR_IP4 : ADDR_IP6;
        const struct addr local = address(kind, 1);
        size_t total = make(whole, sizeof whole, kind, 1000), got;
        size_t at = 8 * draw(100), length = 8 * draw(20), header = kind == ADDR_IP4 ? 20 : 48;
        uint8_t *piece = malloc(header + length + 48);
        assert_non_null(piece);
        length = cut(piece, whole, total, at, length);
        put32(piece + (kind == ADDR_IP4 ? 4 : 44), draw(3) ? draw(5000) << 16 | 0x2000 : draw(50));
        if (kind == ADDR_IP4) {
            put16(piece + 6, 0x2000 | draw(200));
            put16(piece + 10, 0);
            put16(piece + 10, checksum_finish(checksum_add(0, piece, 20)));
        } else if (draw(10) == 0) {
            piece[draw((unsigned)length)] = (uint8_t)draw(256);
        }
        uint8_t *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, piece, length);
        reassembly_add(&r, &local, exact, length, round, &got);
        most = r.memory > most ? r.memory : most;
        assert_true(r.memory <= REASSEMBLY_MEMORY);
        free(exact);
        free(piece);
    }
    assert_true(most > REASSEMBLY_MEMORY / 2); /* it was reached, or nothing is shown */
    reassembly_clear(&r);
    assert_int_equal(r.memory, 0);
}

int main(void)
{
    srand(1);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + (i >> 8));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f1_comes_out_as_it_was),
        cmocka_unit_test(f5_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
