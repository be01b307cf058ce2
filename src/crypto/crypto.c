/* crypto: SHA-256, random bytes and the library's version. See crypto.h.
 *
 * Every use of the library is preceded by psa_crypto_init(), which returns at once when it has
 * succeeded before. The first one seeds a random generator, a third of a millisecond: a program
 * that hashes nothing does not pay for it. */
#include "crypto/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#if __has_include(<mbedtls/version.h>)
#include <mbedtls/version.h>
#else
#include <tf-psa-crypto/version.h> /* the crypto half of mbedTLS 4, installed alone */
#endif
#include <psa/crypto.h>

#if defined(MBEDTLS_VERSION_MAJOR) && MBEDTLS_VERSION_MAJOR < 4 && !defined(MBEDTLS_PSA_CRYPTO_C)
#error "tcplua needs an mbedTLS that was built with MBEDTLS_PSA_CRYPTO_C (the default)"
#endif

struct sha256 {
    psa_hash_operation_t operation;
};

static bool refused(psa_status_t status, const char *doing, struct error *err)
{
    return fail(err, ERROR_ENVIRONMENT, status == PSA_ERROR_INSUFFICIENT_MEMORY ? "ENOMEM" : "EIO",
                "mbedTLS %s refused to %s (PSA status %d)", crypto_version(), doing, (int)status);
}

bool sha256(const void *bytes, size_t length, uint8_t digest[static SHA256_SIZE], struct error *err)
{
    size_t size;
    psa_status_t status = psa_crypto_init();
    if (status == PSA_SUCCESS)
        status = psa_hash_compute(PSA_ALG_SHA_256, bytes, length, digest, SHA256_SIZE, &size);
    return status == PSA_SUCCESS || refused(status, "compute SHA-256", err);
}

struct sha256 *sha256_new(struct error *err)
{
    psa_status_t status = psa_crypto_init();
    struct sha256 *hash = calloc(1, sizeof *hash);
    if (!hash) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a SHA-256");
        return NULL;
    }
    hash->operation = psa_hash_operation_init();
    if (status == PSA_SUCCESS)
        status = psa_hash_setup(&hash->operation, PSA_ALG_SHA_256);
    if (status != PSA_SUCCESS) {
        refused(status, "begin SHA-256", err);
        sha256_free(hash);
        return NULL;
    }
    return hash;
}

bool sha256_update(struct sha256 *hash, const void *bytes, size_t length, struct error *err)
{
    psa_status_t status = psa_hash_update(&hash->operation, bytes, length);
    return status == PSA_SUCCESS || refused(status, "continue SHA-256", err);
}

bool sha256_finish(struct sha256 *hash, uint8_t digest[static SHA256_SIZE], struct error *err)
{
    size_t size;
    psa_status_t status = psa_hash_finish(&hash->operation, digest, SHA256_SIZE, &size);
    sha256_free(hash);
    return status == PSA_SUCCESS || refused(status, "finish SHA-256", err);
}

void sha256_free(struct sha256 *hash)
{
    if (!hash)
        return;
    psa_hash_abort(&hash->operation); /* has no effect on a finished one */
    free(hash);
}

bool random_bytes(void *bytes, size_t length, struct error *err)
{
    uint8_t *at = bytes;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(err, ERROR_ENVIRONMENT, errno_name(errno),
                        "the kernel gives no random bytes");
        at += got;
        length -= (size_t)got;
    }
    return true;
}

const char *crypto_version(void)
{
#if defined(MBEDTLS_VERSION_MAJOR) && MBEDTLS_VERSION_MAJOR < 4 && defined(MBEDTLS_VERSION_C)
    static char text[sizeof "255.255.255"]; /* always filled with the same */
    unsigned number = mbedtls_version_get_number();
    snprintf(text, sizeof text, "%u.%u.%u", number >> 24 & 0xff, number >> 16 & 0xff,
             number >> 8 & 0xff);
    return text;
#elif defined(MBEDTLS_VERSION_STRING)
    return MBEDTLS_VERSION_STRING; /* 4.x keeps the function in a library that is not linked */
#else
    return TF_PSA_CRYPTO_VERSION_STRING;
#endif
}
