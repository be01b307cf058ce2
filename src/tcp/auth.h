/* auth: segments that are signed with a key both ends know: TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925
 * with the algorithms of RFC 5926).
 *
 * A signature stands in an option and covers the addresses, the TCP header and the data, so it is
 * made of a datagram, not of what the engine says it is to hold: whoever sends for the engine calls
 * auth_write() in the place of segment_write(), and asks auth_verify() about what comes in before
 * the engine sees it. So everything is signed that the engine sends in any state, resets too, and
 * what has no right signature changes nothing and is answered by nothing.
 *
 * TCP-AO has keys of its own for each connection and direction, made of the one both ends know and
 * of the initial sequence numbers, and counts on where sequence numbers wrap (SNE), so that nothing
 * of another connection or of 2^32 bytes ago passes. With several keys the newest in use is the one
 * that the peer asks for (RNextKeyID).
 *
 * The digests themselves come from outside. */
#ifndef TCPLUA_TCP_AUTH_H
#define TCPLUA_TCP_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "packet/segment.h"

#define AUTH_KEY_MAX   80 /* bytes; what Linux takes */
#define AUTH_MD5_SIZE  16
#define AUTH_SHA1_SIZE 20
#define AUTH_CMAC_SIZE 16
#define AUTH_KEYS_MAX  4

/* Digests of `count` parts, one after the other; false with `err` if one cannot be computed. */
struct auth_ops {
    bool (*hmac_sha1)(const struct span *key, const struct span *parts, size_t count,
                      uint8_t code[static AUTH_SHA1_SIZE], struct error *err);
    bool (*aes_cmac)(const uint8_t key[static AUTH_CMAC_SIZE], const struct span *parts,
                     size_t count, uint8_t code[static AUTH_CMAC_SIZE], struct error *err);
    bool (*md5)(const struct span *parts, size_t count, uint8_t digest[static AUTH_MD5_SIZE],
                struct error *err);
};

struct auth_key {
    uint8_t length;
    uint8_t bytes[AUTH_KEY_MAX];
};

enum auth_kind { AUTH_NONE, AUTH_MD5, AUTH_AO };

enum ao_algorithm { AO_HMAC_SHA1, AO_AES_CMAC }; /* of 96 bits each (RFC 5926 3.2) */

/* A master key tuple of TCP-AO (RFC 5925 3.1). */
struct auth_mkt {
    struct auth_key key;
    uint8_t send_id, recv_id; /* KeyID of what we sign with it, and of what the peer does */
    enum ao_algorithm algorithm;
    bool without_options; /* only the option of the signature itself is covered */
};

struct auth_config {
    enum auth_kind kind;
    struct auth_key md5;
    struct auth_mkt mkt[AUTH_KEYS_MAX]; /* of TCP-AO; the first is used first */
    size_t count;
};

/* What the option of a signature takes from every segment, for tcp_config's `signature`. */
uint8_t auth_overhead(const struct auth_config *config);

/* The keys of one connection, or of a listener. `ops` stays the caller's. NULL with `err`: the
 * digest cannot be computed here; no memory. */
struct auth;
struct auth *auth_new(const struct auth_config *config, const struct auth_ops *ops,
                      struct error *err);

/* Frees it and wipes the keys; NULL is allowed. */
void auth_free(struct auth *auth);

/* segment_write(), and the signature; with an `auth` of NULL only that. */
size_t auth_write(struct auth *auth, const struct segment *s, uint8_t *bytes, size_t size);

/* A segment that auth_verify() has passed is for this connection: its numbers, and the key that it
 * asks for, are taken note of. */
void auth_heard(struct auth *auth, const struct segment *s);

/* TCP-AO: asks the peer to sign with the key of that recv_id from now on. False if there is none.
 */
bool auth_ask(struct auth *auth, uint8_t recv_id);

/* Whether a segment that segment_read() has read is signed as it should be; with an `auth` of NULL
 * it always is. Counts those that are not. */
bool auth_verify(struct auth *auth, const struct segment *s);

struct auth_info {
    const char *name;         /* "md5", "ao" */
    uint64_t unsigned_, bad;  /* segments that had no signature, or not the right one */
    uint8_t send_id, recv_id; /* of TCP-AO: of the key in use, and of the one asked for */
};

void auth_info(const struct auth *auth, struct auth_info *info);

#endif
