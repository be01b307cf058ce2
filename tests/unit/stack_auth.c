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

/* --- TCP-AO -------------------------------------------------------------------------------------
 */

/* The packets of RFC 9235, by its sections; the server's port is 179. Not all of their checksums
 * are right. */
static const struct {
    const char *section;
    uint32_t client, server; /* initial numbers */
    enum ao_algorithm algorithm;
    bool without_options;
    const char *packets[5];
} vectors[] = {
    {"4.1",
     0xfbfbab5a,
     0x11c14261,
     AO_HMAC_SHA1,
     false,
     {"45e0004cdd0f4000ff06bf6b0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000e002ffffcac40000"
      "020405b4010303080402080a00155ab7000000001d103d542ee437c6f8ede6d7c4d602e7",
      "45e0004c65064000ff063775ac1b1c1d0a0b0c0d00b3e9d711c14261fbfbab5be012ffff37760000"
      "020405b4010303080402080a84a50beb00155ab71d10543deeab0fe24c3010815116b3be",
      "45e0008736a14000ff06659f0a0b0c0dac1b1c1de9d700b3fbfbab5b11c14262c0180104a1620000"
      "0101080a00155ac184a50beb1d103d547064cf998cc6c315c2c2e2bfffffffffffffffffffffffff"
      "ffffffff00430104dabf00b40a0b0c0d260206010400010001020280000202020002024200020641"
      "040000dabf02084006006400010100",
      "45e000871fa94000ff067c97ac1b1c1d0a0b0c0d00b3e9d711c14262fbfbab9ec0180100400c0000"
      "0101080a84a50bf500155ac11d10543da63f0ecbbb2e635c954deac7ffffffffffffffffffffffff"
      "ffffffff00430104dac000b4ac1b1c1d260206010400010001020280000202020002024200020641"
      "040000dac002084006006400010100"}},
    {"4.2",
     0xcb0efbee,
     0xacd5b5e1,
     AO_HMAC_SHA1,
     true,
     {"45e0004c53994000ff0648e20a0b0c0dac1b1c1dff1200b3cb0efbee00000000e002ffff541f0000"
      "020405b4010303080402080a00024cce000000001d103d5480af3cfeb85368937b8f9ec2",
      "45e0004c32844000ff0669f7ac1b1c1d0a0b0c0d00b3ff12acd5b5e1cb0efbefe012ffff388e0000"
      "020405b4010303080402080a576772f300024cce1d10543d09306f9acea63a8c68cb9a70",
      "45e00087a8f54000ff06f34a0a0b0c0dac1b1c1dff1200b3cb0efbefacd5b5e2c01801046c450000"
      "0101080a00024cce576772f31d103d54710608cc696c03a271c93aa5ffffffffffffffffffffffff"
      "ffffffff00430104dabf00b40a0b0c0d260206010400010001020280000202020002024200020641"
      "040000dabf02084006006400010100",
      "45e0008754374000ff064809ac1b1c1d0a0b0c0d00b3ff12acd5b5e2cb0efc32c018010046b60000"
      "0101080a576772f300024cce1d10543d97766e48ac262de9ae61b4f9ffffffffffffffffffffffff"
      "ffffffff00430104dac000b4ac1b1c1d260206010400010001020280000202020002024200020641"
      "040000dac002084006006400010100"}},
    {"5.1",
     0x787a1ddf,
     0,
     AO_AES_CMAC,
     false,
     {"45e0004c7b9f4000ff0620dc0a0b0c0dac1b1c1dc4fa00b3787a1ddf00000000e002ffff5a0f0000"
      "020405b4010303080402080a00017ed0000000001d103d54e477e99c8040765498e55091"}},
    {"6.1",
     0x176a833f,
     0x3f51994b,
     AO_HMAC_SHA1,
     false,
     {"6e0891dc00380640fd000000000000000000000000000001fd000000000000000000000000000002"
      "f7e400b3176a833f00000000e002ffff47210000020405a0010303080402080a0041d08700000000"
      "1d103d549033ec3d7334b64c5edd039f",
      "6e01009e00380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f7e43f51994b176a8340e012ffffbfec0000020405a0010303080402080abd33129b0041d087"
      "1d10543df1cba346c3526163f71f1f55"}},
    {"6.2",
     0x020c1e69,
     0xeba3734d,
     AO_HMAC_SHA1,
     true,
     {"6e0a7e1f00380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3c6cdeba3734d020c1e6ae012ffff774d0000020405a0010303080402080a5ec99b70009db95b"
      "1d10543d3c546bad9743f12df8b8010d",
      "6e0a7e1f00730640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3c6cdeba3734e020c1eadc0180100716a00000101080a5ec99b7a009db9651d10543d559a8194"
      "45b4fde98d9e1317ffffffffffffffffffffffffffffffff00430104fde800b40101017a26020601"
      "0400010001020280000202020002024200020641040000fde802084006006400010100"}},
    {"7.1",
     0x193cccec,
     0xa6744ecb,
     AO_AES_CMAC,
     false,
     {"6e06152000380640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f85aa6744ecb193cccede012ffffeabb0000020405a0010303080402080a71daabc813e4ab99"
      "1d10543ddc2843a84e78a6bcfdc5ed80",
      "6e06152000730640fd000000000000000000000000000002fd000000000000000000000000000001"
      "00b3f85aa6744ecc193ccd30c018010052f400000101080a71daabd313e4aba31d10543dc1069b7d"
      "fd3d693a6df3f289ffffffffffffffffffffffffffffffff00430104fde800b40101017a26020601"
      "0400010001020280000202020002024200020641040000fde802084006006400010100"}},
};

static struct auth_config with_ao(bool client, enum ao_algorithm algorithm, bool without_options)
{
    return (struct auth_config){
        .kind = AUTH_AO,
        .count = 1,
        .mkt = {{.key = {.length = 10, .bytes = "testvector"},
                 .send_id = client ? 61 : 84,
                 .recv_id = client ? 84 : 61,
                 .algorithm = algorithm,
                 .without_options = without_options}},
    };
}

static size_t unhex(const char *text, uint8_t *bytes)
{
    size_t length = strlen(text) / 2;
    for (size_t i = 0; i < length; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return length;
}

/* RFC 5925, RFC 5926, RFC 9235: each packet is what its receiver takes, if not a bit is changed. */
static void ao_packets_of_rfc_9235(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++) {
        struct auth_config configs[2];
        struct auth *auth[2]; /* the server's, the client's */
        for (int i = 0; i < 2; i++) {
            configs[i] = with_ao(i, vectors[v].algorithm, vectors[v].without_options);
            auth[i] = make(&configs[i]);
        }
        bool begun[2] = {false, false};
        for (size_t k = 0; vectors[v].packets[k]; k++) {
            uint8_t bytes[200], scratch[200];
            size_t length = unhex(vectors[v].packets[k], bytes);
            struct segment s;
            assert_int_equal(segment_read(&s, bytes, length, true), SEGMENT_OK);
            int to = s.sport == 179;
            struct segment own = {.src = s.dst,
                                  .dst = s.src,
                                  .sport = s.dport,
                                  .dport = s.sport,
                                  .flags = to ? TCP_SYN : TCP_SYN | TCP_ACK,
                                  .seq = to ? vectors[v].client : vectors[v].server};
            if (!begun[to] && (to || !(s.flags & TCP_SYN))) { /* it knows its own number */
                assert_true(auth_write(auth[to], &own, scratch, sizeof scratch) > 0);
                begun[to] = true;
            }
            assert_true(auth_verify(auth[to], &s));
            assert_false(auth_verify(auth[!to], &s));
            bytes[length - 1] ^= 1;
            assert_false(verifies(auth[to], bytes, length));
            bytes[length - 1] ^= 1;
            auth_heard(auth[to], &s);
        }
        auth_free(auth[0]);
        auth_free(auth[1]);
    }
}

/* A pair that has shaken hands, with numbers that begin just below a wrap. */
static struct segment ao_open(struct auth *auth[2], uint32_t isn)
{
    struct segment s = a_segment(ADDR_IP4), back;
    uint8_t bytes[200];
    for (int i = 0; i < 2; i++) {
        struct auth_config config = with_ao(!i, AO_HMAC_SHA1, false);
        auth[i] = make(&config);
    }
    s.flags = TCP_SYN;
    s.seq = isn;
    s.length = 0;
    for (int i = 0; i < 2; i++) {
        size_t length = auth_write(auth[i], &s, bytes, sizeof bytes);
        assert_int_equal(segment_read(&back, bytes, length, false), SEGMENT_OK);
        assert_true(auth_verify(auth[!i], &back));
        auth_heard(auth[!i], &back);
        struct segment other = s;
        s.src = other.dst;
        s.dst = other.src;
        s.sport = other.dport;
        s.dport = other.sport;
        s.flags = i ? TCP_ACK : TCP_SYN | TCP_ACK;
    }
    s.seq++;
    s.length = 6;
    return s;
}

/* RFC 5925 6.2: sequence numbers come round, and a segment of the round before does not pass. */
static void ao_a_replay_of_another_round_is_dropped(void **state)
{
    (void)state;
    struct auth *auth[2];
    struct segment s = ao_open(auth, 0xf0000000), back;
    uint8_t old[200], bytes[200];
    size_t length = auth_write(auth[0], &s, old, sizeof old);
    assert_true(verifies(auth[1], old, length));
    for (int i = 0; i < 9; i++) { /* a little more than once around */
        assert_int_equal(auth_write(auth[0], &s, bytes, sizeof bytes), length);
        assert_int_equal(segment_read(&back, bytes, length, false), SEGMENT_OK);
        assert_true(auth_verify(auth[1], &back));
        auth_heard(auth[1], &back);
        if (i < 3) /* not yet half a round ahead */
            assert_true(verifies(auth[1], old, length));
        s.seq += 0x20000000;
    }
    assert_false(verifies(auth[1], old, length)); /* all of it is as it was, but for the SNE */
    /* What comes late, from before the wrap, still passes. */
    s.seq = 0x08000000;
    auth_write(auth[0], &s, bytes, sizeof bytes);
    assert_int_equal(segment_read(&back, bytes, length, false), SEGMENT_OK);
    assert_true(auth_verify(auth[1], &back));
    auth_free(auth[0]);
    auth_free(auth[1]);
}

/* Another connection's segment does not pass, though all but the initial numbers are the same. */
static void ao_keys_are_those_of_one_connection(void **state)
{
    (void)state;
    struct auth *first[2], *second[2];
    struct segment s = ao_open(first, 1000);
    ao_open(second, 999);
    uint8_t bytes[200];
    size_t length = auth_write(first[0], &s, bytes, sizeof bytes);
    assert_true(verifies(first[1], bytes, length));
    assert_false(verifies(second[1], bytes, length));
    for (int i = 0; i < 2; i++) {
        auth_free(first[i]);
        auth_free(second[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_signature_is_right),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(options_of_any_bytes),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(ao_packets_of_rfc_9235),
        cmocka_unit_test(ao_a_replay_of_another_round_is_dropped),
        cmocka_unit_test(ao_keys_are_those_of_one_connection),
        cmocka_unit_test(a_digest_that_is_missing_is_said_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
