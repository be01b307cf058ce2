/* auth: see auth.h.
 *
 * The option stands before all others, so its place in a datagram is known before the rest is. It
 * is written with zeros for the signature, of which the checksum then needs no second look at the
 * data: the signature's own sum is added. */
#include "tcp/auth.h"

#include <stdlib.h>
#include <string.h>

#include "packet/checksum.h"

enum {
    TCP_HEADER = 20,
    HEADER_MAX = 60,
    CHECKSUM_AT = 16,
    PROTO_TCP = 6,
    EOL = 0,
    NOP = 1,
    KIND_MD5 = 19,
    KIND_AO = 29,
    MD5_LENGTH = 2 + AUTH_MD5_SIZE,
    MD5_AT = TCP_HEADER + 2 + 2, /* behind two NOPs, kind and length */
    PARTS_MAX = 4,
    PSEUDO_MAX = 40,
};

struct auth {
    const struct auth_ops *ops;
    struct auth_config config;
    uint64_t unsigned_, bad;
};

/* A TCP segment as it is, or will be, on the wire. */
struct wired {
    const struct segment *s; /* its ends */
    const uint8_t *header;
    size_t header_length;
    struct span data;
};

uint8_t auth_overhead(const struct auth_config *config)
{
    return config->kind == AUTH_MD5 ? 2 + MD5_LENGTH : 0;
}

/* The pseudo-headers of RFC 9293 3.1 and RFC 8200 8.1. */
static size_t pseudo_header(const struct wired *w, uint8_t bytes[static PSEUDO_MAX])
{
    size_t length = w->header_length + w->data.length, end = addr_length(w->s->src.kind);
    memcpy(bytes, w->s->src.bytes, end);
    memcpy(bytes + end, w->s->dst.bytes, end);
    uint8_t *rest = bytes + 2 * end;
    if (w->s->src.kind == ADDR_IP4) {
        put16(rest, PROTO_TCP);
        put16(rest + 2, (uint32_t)length);
        return 2 * end + 4;
    }
    put32(rest, (uint32_t)length);
    put32(rest + 4, PROTO_TCP);
    return 2 * end + 8;
}

/* RFC 2385 2.0: pseudo-header, header without options and with a checksum of zero, data, key. */
static bool sign_md5(const struct auth *auth, const struct wired *w,
                     uint8_t digest[static AUTH_MD5_SIZE], struct error *err)
{
    uint8_t pseudo[PSEUDO_MAX], header[TCP_HEADER];
    const struct auth_key *key = &auth->config.md5;
    memcpy(header, w->header, TCP_HEADER);
    put16(header + CHECKSUM_AT, 0);
    const struct span parts[PARTS_MAX] = {{pseudo, pseudo_header(w, pseudo)},
                                          {header, TCP_HEADER},
                                          w->data,
                                          {key->bytes, key->length}};
    return auth->ops->md5(parts, PARTS_MAX, digest, err);
}

struct auth *auth_new(const struct auth_config *config, const struct auth_ops *ops,
                      struct error *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    uint8_t digest[AUTH_MD5_SIZE];
    if (!auth) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a key");
        return NULL;
    }
    auth->ops = ops;
    auth->config = *config;
    /* A library may lack a digest as old as this: better said now than by a silent connection. */
    if (!ops->md5(NULL, 0, digest, err)) {
        auth_free(auth);
        return NULL;
    }
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    explicit_bzero(auth, sizeof *auth);
    free(auth);
}

size_t auth_write(struct auth *auth, const struct segment *s, uint8_t *bytes, size_t size)
{
    if (!auth)
        return segment_write(s, bytes, size);
    static const uint8_t option[] = {NOP, NOP, KIND_MD5, [2 + MD5_LENGTH - 1] = 0};
    uint8_t first[sizeof option];
    struct segment with = *s;
    memcpy(first, option, sizeof option);
    first[3] = MD5_LENGTH;
    with.options.first = first;
    with.options.first_length = sizeof first;
    size_t length = segment_write(&with, bytes, size);
    if (length == 0)
        return 0;

    uint8_t *tcp = bytes + (s->src.kind == ADDR_IP4 ? 20 : 40);
    const struct wired w = {.s = s,
                            .header = tcp,
                            .header_length = (size_t)(bytes + length - tcp) - s->length,
                            .data = {bytes + length - s->length, s->length}};
    if (!sign_md5(auth, &w, tcp + MD5_AT, NULL))
        return 0;
    uint64_t sum = (uint16_t)~get16(tcp + CHECKSUM_AT);
    put16(tcp + CHECKSUM_AT, checksum_finish(checksum_add(sum, tcp + MD5_AT, AUTH_MD5_SIZE)));
    return length;
}

/* The one option with a signature among a segment's. `count` tells if there are more, or none, of
 * either kind: a segment has one (RFC 5925 2.2). */
static const uint8_t *find_signature(const struct segment *s, size_t *count)
{
    const uint8_t *found = NULL, *at = s->header + TCP_HEADER;
    *count = 0;
    while (at < s->payload && *at != EOL) {
        size_t rest = (size_t)(s->payload - at), length = *at == NOP ? 1 : rest < 2 ? 0 : at[1];
        if (*at != NOP && (length < 2 || length > rest))
            break;
        if (*at == KIND_MD5 || *at == KIND_AO) {
            found = at;
            ++*count;
        }
        at += length;
    }
    return found;
}

static bool is_signed(struct auth *auth, const struct segment *s, const uint8_t *option)
{
    uint8_t digest[AUTH_MD5_SIZE], differ = 0;
    const struct wired w = {.s = s,
                            .header = s->header,
                            .header_length = (size_t)(s->payload - s->header),
                            .data = {s->payload, s->length}};
    if (option[0] != KIND_MD5 || option[1] != MD5_LENGTH || !sign_md5(auth, &w, digest, NULL))
        return false;
    for (size_t i = 0; i < sizeof digest; i++) /* in a time that says nothing about where */
        differ |= (uint8_t)(digest[i] ^ option[2 + i]);
    return differ == 0;
}

bool auth_verify(struct auth *auth, const struct segment *s)
{
    if (!auth)
        return true;
    size_t count;
    const uint8_t *option = find_signature(s, &count);
    if (count == 1 && is_signed(auth, s, option))
        return true;
    auth->unsigned_ += count == 0;
    auth->bad += count > 0;
    return false;
}

void auth_info(const struct auth *auth, struct auth_info *info)
{
    *info = (struct auth_info){.name = "md5", .unsigned_ = auth->unsigned_, .bad = auth->bad};
}
