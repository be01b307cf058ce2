/* crypto: everything that comes from mbedTLS, through its PSA interface alone, which 2.28, 3.6 and
 * 4.x share. */
#ifndef TCPLUA_CRYPTO_CRYPTO_H
#define TCPLUA_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/error.h"

#define SHA256_SIZE 32

/* SHA-256 (FIPS 180-4) of `length` bytes. False with `err` (environment) if the library refuses. */
bool sha256(const void *bytes, size_t length, uint8_t digest[static SHA256_SIZE],
            struct error *err);

/* The same piece by piece: new, update any number of times, finish (which frees). */
struct sha256;
struct sha256 *sha256_new(struct error *err);
bool sha256_update(struct sha256 *hash, const void *bytes, size_t length, struct error *err);
bool sha256_finish(struct sha256 *hash, uint8_t digest[static SHA256_SIZE], struct error *err);
void sha256_free(struct sha256 *hash); /* NULL is allowed */

/* What signs TCP segments (RFC 2385, 5926), of `count` parts one after the other: MD5 (RFC 1321),
 * HMAC-SHA-1 (RFC 2104) and AES-128-CMAC (RFC 4493). A key of an HMAC has one byte or more. False
 * with `err` (environment) if the library refuses. */
#define MD5_SIZE       16
#define HMAC_SHA1_SIZE 20
#define AES_CMAC_SIZE  16 /* of its key too */
bool md5(const struct span *parts, size_t count, uint8_t digest[static MD5_SIZE],
         struct error *err);
bool hmac_sha1(const struct span *key, const struct span *parts, size_t count,
               uint8_t code[static HMAC_SHA1_SIZE], struct error *err);
bool aes_cmac(const uint8_t key[static AES_CMAC_SIZE], const struct span *parts, size_t count,
              uint8_t code[static AES_CMAC_SIZE], struct error *err);

/* Random bytes from the kernel. */
bool random_bytes(void *bytes, size_t length, struct error *err);

/* The initial sequence number of a connection (RFC 6528): ISN = M + F(flow, secret), with M the
 * 4-microsecond clock `boot_time` (nanoseconds since boot, the same for every process) and F the
 * first 32 bits of SHA-256. So the numbers of one flow move forward across processes, and those of
 * another tell nothing about them. */
uint32_t isn(const struct flow *flow, int64_t boot_time, const uint8_t secret[static SHA256_SIZE]);

/* The secret of this boot: SHA-256 of the kernel's boot id, salted; of `*seed` if not NULL, so that
 * a run can be repeated. A machine without a boot id draws it at random (then each process has its
 * own). */
bool isn_secret(uint8_t secret[static SHA256_SIZE], const uint64_t *seed, struct error *err);

/* "2.28.3", as the library says at run time. */
const char *crypto_version(void);

#endif
