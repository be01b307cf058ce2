/* The digests that sign segments, against the examples of RFC 1321, 2202 and 4493, in one piece and
 * in pieces cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "crypto/crypto.h"

#include <cmocka.h> /* last: its fail() is a macro */

static void assert_hex(const uint8_t *bytes, size_t length, const char *expected)
{
    char text[64] = "";
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

static void md5_of_examples(void **state)
{
    (void)state;
    uint8_t digest[MD5_SIZE];
    struct error err;
    const char *text = "message digest";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        const struct span parts[] = {{text, cut}, {text + cut, strlen(text) - cut}};
        assert_true(md5(parts, 2, digest, &err));
        assert_hex(digest, sizeof digest, "f96b697d7cb7938d525a2f31aaf161d0");
    }
    assert_true(md5(NULL, 0, digest, &err));
    assert_hex(digest, sizeof digest, "d41d8cd98f00b204e9800998ecf8427e");
}

static void hmac_sha1_of_examples(void **state)
{
    (void)state;
    uint8_t code[HMAC_SHA1_SIZE], eighty[80];
    struct error err;
    const char *text = "what do ya want for nothing?";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        const struct span parts[] = {{text, cut}, {text + cut, strlen(text) - cut}};
        assert_true(hmac_sha1(&(struct span){"Jefe", 4}, parts, 2, code, &err));
        assert_hex(code, sizeof code, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }
    memset(eighty, 0xaa, sizeof eighty); /* a key that is longer than a block */
    text = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert_true(hmac_sha1(&(struct span){eighty, sizeof eighty}, &(struct span){text, strlen(text)},
                          1, code, &err));
    assert_hex(code, sizeof code, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

static void aes_cmac_of_examples(void **state)
{
    (void)state;
    static const uint8_t key[] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                  0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    static const uint8_t text[] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d,
                                   0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57,
                                   0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf,
                                   0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4, 0x11};
    uint8_t code[AES_CMAC_SIZE];
    struct error err;
    assert_true(aes_cmac(key, NULL, 0, code, &err));
    assert_hex(code, sizeof code, "bb1d6929e95937287fa37d129b756746");
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        const struct span parts[] = {{text, cut}, {text + cut, sizeof text - cut}};
        assert_true(aes_cmac(key, parts, 2, code, &err));
        assert_hex(code, sizeof code, "dfa66747de9ae63030ca32611497c827");
    }
}

/* What the library refuses is said, and the key is not. */
static void refusals_are_said(void **state)
{
    (void)state;
    uint8_t code[HMAC_SHA1_SIZE];
    struct error err;
    assert_false(hmac_sha1(&(struct span){"", 0}, NULL, 0, code, &err));
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_non_null(strstr(err.message, "refused to compute HMAC-SHA-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_of_examples),
        cmocka_unit_test(hmac_sha1_of_examples),
        cmocka_unit_test(aes_cmac_of_examples),
        cmocka_unit_test(refusals_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
