/* auth: segments that are signed with a key both ends know: TCP-MD5 (RFC 2385).
 *
 * A signature stands in an option and covers the addresses, the TCP header and the data, so it is
 * made of a datagram, not of what the engine says it is to hold: whoever sends for the engine calls
 * auth_write() in the place of segment_write(), and asks auth_verify() about what comes in before
 * the engine sees it. So everything is signed that the engine sends in any state, resets too, and
 * what has no right signature changes nothing and is answered by nothing.
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

#define AUTH_KEY_MAX  80 /* bytes; what Linux takes */
#define AUTH_MD5_SIZE 16

/* Digests of `count` parts, one after the other; false with `err` if one cannot be computed. */
struct auth_ops {
    bool (*md5)(const struct span *parts, size_t count, uint8_t digest[static AUTH_MD5_SIZE],
                struct error *err);
};

struct auth_key {
    uint8_t length;
    uint8_t bytes[AUTH_KEY_MAX];
};

enum auth_kind { AUTH_NONE, AUTH_MD5 };

struct auth_config {
    enum auth_kind kind;
    struct auth_key md5;
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

/* Whether a segment that segment_read() has read is signed as it should be; with an `auth` of NULL
 * it always is. Counts those that are not. */
bool auth_verify(struct auth *auth, const struct segment *s);

struct auth_info {
    const char *name;        /* "md5" */
    uint64_t unsigned_, bad; /* segments that had no signature, or not the right one */
};

void auth_info(const struct auth *auth, struct auth_info *info);

#endif
