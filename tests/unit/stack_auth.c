/* Signed segments: the signatures against ones computed by other means, and what is done to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack/demux.h"

#include <cmocka.h> /* last: its fail() is a macro */

static const struct auth_config with_md5 = {.kind = AUTH_MD5,
                                            .md5 = {.length = 8, .bytes = "a secret"}};

static struct segment a_segment(enum addr_kind kind)
{
    struct segment s = {.src = {.kind = kind, .bytes = {192, 0, 2, 1}},
                        .dst = {.kind = kind, .bytes = {192, 0, 2, 2}},
                        .sport = 40000,
                        .dport = 80,
                        .seq = 0x01020304,
                        .ack = 0x0a0b0c0d,
                        .flags = TCP_ACK | TCP_PSH,
                        .window = 1000,
                        .ttl = 64,
                        .payload = (const uint8_t *)"hello\n",
                        .length = 6};
    static const uint8_t prefix[4] = {0x20, 0x01, 0x0d, 0xb8};
    if (kind == ADDR_IP6) {
        memset(s.src.bytes, 0, sizeof s.src.bytes);
        memcpy(s.src.bytes, prefix, sizeof prefix);
        s.dst = s.src;
        s.src.bytes[15] = 1;
        s.dst.bytes[15] = 2;
    }
    return s;
}

static struct auth *make(const struct auth_config *config)
{
    struct error err;
    struct auth *auth = auth_new(config, &auth_digests, &err);
    assert_non_null(auth);
    return auth;
}

static bool verifies(struct auth *auth, const uint8_t *bytes, size_t length)
{
    struct segment s;
    assert_int_equal(segment_read(&s, bytes, length, true), SEGMENT_OK);
    return auth_verify(auth, &s);
}

/* RFC 2385: of addresses, header without options, data and key. */
static void md5_signature_is_right(void **state)
{
    (void)state;
    static const uint8_t wanted[2][16] = {{0x52, 0x0d, 0x14, 0x84, 0x83, 0x5c, 0x8a, 0xb3, 0x54,
                                           0x46, 0xbe, 0xa0, 0x32, 0xa6, 0xf9, 0x44},
                                          {0x07, 0x39, 0x6e, 0x08, 0x4d, 0x32, 0xd3, 0x54, 0x53,
                                           0xbc, 0xc8, 0x38, 0x44, 0xdb, 0x30, 0x74}};
    struct auth *auth = make(&with_md5);
    for (int i = 0; i < 2; i++) {
        struct segment s = a_segment(i ? ADDR_IP6 : ADDR_IP4), back;
        uint8_t bytes[200];
        size_t length = auth_write(auth, &s, bytes, sizeof bytes);
        const uint8_t *option = bytes + (i ? 40 : 20) + 20;
        assert_int_equal(length, (i ? 40 : 20) + 20 + 20 + 6);
        assert_memory_equal(option, "\1\1\23\22", 4);
        assert_memory_equal(option + 4, wanted[i], 16);
        assert_int_equal(segment_read(&back, bytes, length, false), SEGMENT_OK);
        assert_false(back.checksum_partial);
        assert_true(auth_verify(auth, &back));
    }
    auth_free(auth);
}

/* Whatever byte is changed, addresses included, it is noticed; what may change on the way is not.
 */
static void every_byte_counts(void **state)
{
    (void)state;
    struct auth *auth = make(&with_md5);
    struct segment s = a_segment(ADDR_IP4);
    uint8_t bytes[200];
    s.options.has_timestamp = true;
    size_t length = auth_write(auth, &s, bytes, sizeof bytes), bad = 0;
    for (size_t i = 12; i < length; i++) {
        bool checksum = i == 36 || i == 37;
        bool offset = i == 32;
        bool options = i >= 40 + 20 && i < 40 + 32; /* RFC 2385 covers none of the others, */
        bool nops = i < 42 && i >= 40;              /* nor what stands between them */
        if (offset || nops)
            continue;
        bytes[i] ^= 1;
        assert_int_equal(verifies(auth, bytes, length), checksum || options);
        bad += !checksum && !options;
        bytes[i] ^= 1;
    }
    struct auth_info info;
    auth_info(auth, &info);
    assert_string_equal(info.name, "md5");
    assert_int_equal(info.unsigned_ + info.bad, bad);
    auth_free(auth);
}

/* Options of any bytes do no harm, and never pass. */
static void options_of_any_bytes(void **state)
{
    (void)state;
    struct auth *auth = make(&with_md5);
    srand(1);
    for (int round = 0; round < 20000; round++) {
        struct segment s = a_segment(ADDR_IP4), back;
        uint8_t first[40], bytes[200];
        for (size_t i = 0; i < sizeof first; i++)
            first[i] = (uint8_t)(rand() % 4 ? rand() % 32 : rand());
        if (rand() % 2)
            first[rand() % 40] = 19;
        s.options.first = first;
        s.options.first_length = (uint8_t)(rand() % 11 * 4);
        s.length = 0;
        size_t length = segment_write(&s, bytes, sizeof bytes);
        uint8_t *copy = malloc(length); /* of just that size, for the sanitizer */
        assert_non_null(copy);
        memcpy(copy, bytes, length);
        assert_int_equal(segment_read(&back, copy, length, false), SEGMENT_OK);
        assert_false(auth_verify(auth, &back));
        free(copy);
    }
    auth_free(auth);
}

/* RFC 9293 3.1: a header has room for 40 bytes of options, and no more are written. */
static void what_does_not_fit_is_not_written(void **state)
{
    (void)state;
    struct auth *auth = make(&with_md5);
    struct segment s = a_segment(ADDR_IP4);
    uint8_t bytes[200];
    s.options = (struct segment_options){
        .has_mss = true, .has_wscale = true, .sack_permitted = true, .has_timestamp = true};
    assert_int_equal(auth_write(auth, &s, bytes, sizeof bytes), 20 + 60 + 6);
    assert_true(verifies(auth, bytes, 86));
    assert_int_equal(auth_write(auth, &s, bytes, 85), 0);
    s.options.sacks = 4;
    assert_int_equal(auth_write(auth, &s, bytes, sizeof bytes), 20 + 60 + 6);
    uint8_t first[4] = {1, 1, 1, 1};
    s.options.first = first;
    s.options.first_length = 4;
    assert_int_equal(segment_write(&s, bytes, sizeof bytes), 20 + 20 + 36 + 6);
    s.options.first_length = 20;
    s.options.first = bytes + 100;
    memset(bytes + 100, 1, 20);
    assert_int_equal(segment_write(&s, bytes, sizeof bytes), 86);
    s.options.first_length = 24;
    assert_int_equal(segment_write(&s, bytes, sizeof bytes), 0);
    auth_free(auth);
}

static bool no_md5(const struct span *parts, size_t count, uint8_t digest[static AUTH_MD5_SIZE],
                   struct error *err)
{
    (void)parts;
    (void)count;
    (void)digest;
    return (fail)(err, ERROR_ENVIRONMENT, "EIO", "there is no MD5");
}

static void a_digest_that_is_missing_is_said_at_once(void **state)
{
    (void)state;
    const struct auth_ops ops = {.md5 = no_md5};
    struct error err;
    assert_null(auth_new(&with_md5, &ops, &err));
    assert_string_equal(err.message, "there is no MD5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_signature_is_right),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(options_of_any_bytes),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(a_digest_that_is_missing_is_said_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
