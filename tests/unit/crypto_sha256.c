/* SHA-256 against the examples of FIPS 180-4, in one piece and in pieces cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

#include <cmocka.h> /* last: its fail() is a macro */

static void assert_digest(const uint8_t digest[static SHA256_SIZE], const char *expected)
{
    char text[2 * SHA256_SIZE + 1];
    for (size_t i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, expected);
}

static void assert_sha256(const void *bytes, size_t length, const char *expected)
{
    uint8_t digest[SHA256_SIZE];
    struct error err;
    assert_true(sha256(bytes, length, digest, &err));
    assert_digest(digest, expected);
}

static void known_answers(void **state)
{
    (void)state;
    assert_sha256(NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    assert_sha256(million, 1000000,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* 200 bytes span four blocks, so that cuts fall on, before and after each edge of a block. */
static void pieces(void **state)
{
    (void)state;
    uint8_t bytes[200], whole[SHA256_SIZE], digest[SHA256_SIZE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    struct error err;
    assert_true(sha256(bytes, sizeof bytes, whole, &err));
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        struct sha256 *hash = sha256_new(&err);
        assert_non_null(hash);
        assert_true(sha256_update(hash, bytes, cut, &err));
        assert_true(sha256_update(hash, bytes + cut, sizeof bytes - cut, &err));
        assert_true(sha256_finish(hash, digest, &err));
        assert_memory_equal(digest, whole, sizeof digest);
    }
    struct sha256 *empty = sha256_new(&err);
    assert_non_null(empty);
    assert_true(sha256_finish(empty, digest, &err));
    assert_digest(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void abandoned(void **state)
{
    (void)state;
    struct error err;
    struct sha256 *hash = sha256_new(&err);
    assert_non_null(hash);
    assert_true(sha256_update(hash, "abc", 3, &err));
    sha256_free(hash); /* a leak would be the sanitizer's to report */
    sha256_free(NULL);
}

static void random_differs(void **state)
{
    (void)state;
    uint8_t a[300] = {0}, b[300] = {0};
    struct error err;
    assert_true(random_bytes(a, sizeof a, &err));
    assert_true(random_bytes(b, sizeof b, &err));
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 268, b + 268, 32); /* filled to the end */
    assert_true(random_bytes(NULL, 0, &err));
}

static void version(void **state)
{
    (void)state;
    unsigned major, minor, patch;
    char rest;
    assert_int_equal(sscanf(crypto_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);
    assert_true(major >= 1);
    assert_string_equal(crypto_version(), crypto_version());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),  cmocka_unit_test(pieces),  cmocka_unit_test(abandoned),
        cmocka_unit_test(random_differs), cmocka_unit_test(version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
