/* The Internet checksum against RFC 1071's own example and a sum taken byte by byte. */
#include "packet/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The definition, one 16-bit word at a time. */
static uint16_t plain_sum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void test_rfc1071_example(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(checksum_fold(checksum_add(0, bytes, sizeof bytes)), 0xddf2);
    assert_int_equal(checksum_finish(checksum_add(0, bytes, sizeof bytes)), 0x220d);
}

static void test_every_length(void **state)
{
    (void)state;
    uint8_t bytes[200 + 3];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(random >> 24);
    }
    for (size_t start = 0; start < 4; start++)
        for (size_t length = 0; length < 200; length++)
            assert_int_equal(checksum_fold(checksum_add(0, bytes + start, length)),
                             plain_sum(bytes + start, length));
}

static void test_pieces_add_up(void **state)
{
    (void)state;
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 2) {
        uint64_t sum = checksum_add(0, bytes, cut);
        sum = checksum_add(sum, bytes + cut, sizeof bytes - cut);
        assert_int_equal(checksum_fold(sum), plain_sum(bytes, sizeof bytes));
    }
}

static void test_all_ones_do_not_overflow(void **state)
{
    (void)state;
    size_t length = (size_t)1 << 22;
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, 0xff, length);
    assert_int_equal(checksum_fold(checksum_add(0, bytes, length)), 0xffff);
    assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
    free(bytes);
}

static void test_pseudo_header(void **state)
{
    (void)state;
    struct addr src, dst;
    struct error err;
    assert_true(addr_parse(&src, "192.0.2.1", "source", &err));
    assert_true(addr_parse(&dst, "198.51.100.7", "destination", &err));
    static const uint8_t ip4[] = {192, 0, 2, 1, 198, 51, 100, 7, 0, 6, 0x12, 0x34};
    assert_int_equal(checksum_fold(checksum_pseudo(0, &src, &dst, 6, 0x1234)),
                     plain_sum(ip4, sizeof ip4));

    assert_true(addr_parse(&src, "2001:db8::1", "source", &err));
    assert_true(addr_parse(&dst, "2001:db8:ffff::2", "destination", &err));
    uint8_t ip6[40] = {0};
    memcpy(ip6, src.bytes, 16);
    memcpy(ip6 + 16, dst.bytes, 16);
    ip6[33] = 0x01, ip6[34] = 0x23, ip6[35] = 0x45; /* the length has 32 bits here */
    ip6[39] = 58;
    assert_int_equal(checksum_fold(checksum_pseudo(0, &src, &dst, 58, 0x12345)),
                     plain_sum(ip6, sizeof ip6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc1071_example),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_pieces_add_up),
        cmocka_unit_test(test_pseudo_header),
        cmocka_unit_test(test_all_ones_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
