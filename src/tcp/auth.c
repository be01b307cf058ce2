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
    AO_SIZE = 12,
    AO_LENGTH = 4 + AO_SIZE,
    AO_AT = TCP_HEADER + 4, /* behind kind, length and the two IDs */
    FIRST_MAX = 2 + MD5_LENGTH,
    PARTS_MAX = 4,
    PSEUDO_MAX = 40,
    CONTEXT_MAX = 1 + 6 + 2 * 16 + 2 * 2 + 2 * 4 + 2,
};

/* The sequence numbers of one end. */
struct numbers {
    bool known;
    uint32_t isn;
    uint64_t at; /* the highest so far, with the SNE above it */
};

enum { OURS, THEIRS };

struct auth {
    const struct auth_ops *ops;
    struct auth_config config;
    uint64_t unsigned_, bad;
    struct numbers numbers[2];                         /* ours, theirs */
    bool settled;                                      /* theirs are those of this connection */
    size_t current, rnext;                             /* MKTs: ours, and asked for */
    bool ready[AUTH_KEYS_MAX][2];                      /* traffic keys of segments with both */
    uint8_t traffic[AUTH_KEYS_MAX][2][AUTH_SHA1_SIZE]; /* initial numbers in them */
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
    return config->kind == AUTH_MD5 ? 2 + MD5_LENGTH : config->kind == AUTH_AO ? AO_LENGTH : 0;
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

/* --- TCP-AO -------------------------------------------------------------------------------------
 */

/* The code of either algorithm; that of the first has four bytes more. */
static bool digest(const struct auth *auth, enum ao_algorithm algorithm, const struct span *key,
                   const struct span *parts, size_t count, uint8_t code[static AUTH_SHA1_SIZE],
                   struct error *err)
{
    uint8_t whole[AUTH_CMAC_SIZE] = {0};
    if (algorithm == AO_HMAC_SHA1)
        return auth->ops->hmac_sha1(key, parts, count, code, err);
    if (key->length == AUTH_CMAC_SIZE)
        memcpy(whole, key->at, AUTH_CMAC_SIZE);
    else if (!auth->ops->aes_cmac(whole, key, 1, whole, err)) /* RFC 5926 3.1.1.2 */
        return false;
    bool done = auth->ops->aes_cmac(whole, parts, count, code, err);
    explicit_bzero(whole, sizeof whole);
    return done;
}

static size_t traffic_size(enum ao_algorithm algorithm)
{
    return algorithm == AO_HMAC_SHA1 ? AUTH_SHA1_SIZE : AUTH_CMAC_SIZE;
}

/* RFC 5926 3.1.1: one block of i || "TCP-AO" || context || length in bits. */
static bool derive(const struct auth *auth, const struct auth_mkt *mkt, const struct segment *s,
                   uint32_t sisn, uint32_t disn, uint8_t key[static AUTH_SHA1_SIZE],
                   struct error *err)
{
    uint8_t input[CONTEXT_MAX] = {1, 'T', 'C', 'P', '-', 'A', 'O'}, *at = input + 7;
    size_t end = addr_length(s->src.kind);
    const struct span master = {mkt->key.bytes, mkt->key.length};
    memcpy(at, s->src.bytes, end);
    memcpy(at + end, s->dst.bytes, end);
    at += 2 * end;
    put16(at, s->sport);
    put16(at + 2, s->dport);
    put32(at + 4, sisn);
    put32(at + 8, disn);
    put16(at + 12, (uint32_t)traffic_size(mkt->algorithm) * 8);
    const struct span part = {input, (size_t)(at + 14 - input)};
    return digest(auth, mkt->algorithm, &master, &part, 1, key, err);
}

/* The key of a segment (RFC 5925 5.2): of a SYN by its own number alone, of a SYN-ACK by its own
 * and ours, else by both initial numbers, and then it is kept. */
static bool traffic_key(struct auth *auth, size_t which, const struct segment *s, int whose,
                        uint8_t key[static AUTH_SHA1_SIZE], struct error *err)
{
    const struct auth_mkt *mkt = &auth->config.mkt[which];
    const struct numbers *from = &auth->numbers[whose], *to = &auth->numbers[!whose];
    bool syn = s->flags & TCP_SYN, alone = syn && !(s->flags & TCP_ACK);
    if ((!syn && !from->known) || (!alone && !to->known))
        return false;
    if (syn)
        return derive(auth, mkt, s, s->seq, alone ? 0 : to->isn, key, err);
    uint8_t *kept = auth->traffic[which][whose];
    if (!auth->ready[which][whose])
        auth->ready[which][whose] = derive(auth, mkt, s, from->isn, to->isn, kept, err);
    memcpy(key, kept, AUTH_SHA1_SIZE);
    return auth->ready[which][whose];
}

/* A sequence number with the SNE above it: of those that end in it the one nearest to the last
 * (RFC 5925 6.2). */
static uint64_t extended(const struct numbers *n, const struct segment *s)
{
    if (s->flags & TCP_SYN)
        return s->seq;
    return n->at + (uint64_t)(int64_t)(int32_t)(s->seq - (uint32_t)n->at);
}

/* RFC 5925 5.1: SNE, pseudo-header, header with checksum and code of zero, with all options or this
 * one alone, data. `option` is where it begins in the header. */
static bool sign_ao(struct auth *auth, const struct wired *w, size_t which, int whose,
                    size_t option, uint8_t code[static AUTH_SHA1_SIZE], struct error *err)
{
    const struct auth_mkt *mkt = &auth->config.mkt[which];
    uint8_t sne[4], pseudo[PSEUDO_MAX], header[HEADER_MAX], key[AUTH_SHA1_SIZE];
    size_t length = w->header_length;
    if (!traffic_key(auth, which, w->s, whose, key, err))
        return false;
    memcpy(header, w->header, length);
    put16(header + CHECKSUM_AT, 0);
    memset(header + option + 4, 0, AO_SIZE);
    if (mkt->without_options) {
        memmove(header + TCP_HEADER, header + option, AO_LENGTH);
        length = TCP_HEADER + AO_LENGTH;
    }
    put32(sne, (uint32_t)(extended(&auth->numbers[whose], w->s) >> 32));
    const struct span traffic = {key, traffic_size(mkt->algorithm)};
    const struct span parts[PARTS_MAX] = {
        {sne, sizeof sne}, {pseudo, pseudo_header(w, pseudo)}, {header, length}, w->data};
    return digest(auth, mkt->algorithm, &traffic, parts, PARTS_MAX, code, err);
}

static void note_numbers(struct auth *auth, int whose, const struct segment *s)
{
    struct numbers *n = &auth->numbers[whose];
    if (s->flags & TCP_SYN) {
        if (n->known && n->isn == s->seq)
            return;
        *n = (struct numbers){.known = true, .isn = s->seq, .at = s->seq};
        memset(auth->ready, 0, sizeof auth->ready);
    } else if (n->known && (int64_t)(extended(n, s) - n->at) > 0) {
        n->at = extended(n, s);
    }
}

void auth_heard(struct auth *auth, const struct segment *s)
{
    size_t count;
    if (!auth || auth->config.kind != AUTH_AO)
        return;
    /* Of SYNs the last counts while none has been followed by anything. */
    if (!(s->flags & TCP_SYN) || !auth->settled)
        note_numbers(auth, THEIRS, s);
    auth->settled = auth->settled || !(s->flags & TCP_SYN);
    const uint8_t *option = find_signature(s, &count);
    for (size_t i = 0; option && i < auth->config.count; i++) {
        if (auth->config.mkt[i].send_id == option[3])
            auth->current = i;
        if (s->flags & TCP_SYN && auth->config.mkt[i].recv_id == option[2])
            auth->rnext = i;
    }
}

bool auth_ask(struct auth *auth, uint8_t recv_id)
{
    for (size_t i = 0; i < auth->config.count; i++)
        if (auth->config.mkt[i].recv_id == recv_id) {
            auth->rnext = i;
            return true;
        }
    return false;
}

/* --- both ---------------------------------------------------------------------------------------
 */

struct auth *auth_new(const struct auth_config *config, const struct auth_ops *ops,
                      struct error *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    uint8_t code[AUTH_SHA1_SIZE], byte = 0;
    const struct span key = {&byte, 1};
    if (!auth) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for a key");
        return NULL;
    }
    auth->ops = ops;
    auth->config = *config;
    /* A library may lack a digest as old as this: better said now than by a silent connection. */
    bool good = config->kind != AUTH_MD5 || ops->md5(NULL, 0, code, err);
    for (size_t i = 0; good && i < config->count; i++)
        good = digest(auth, config->mkt[i].algorithm, &key, NULL, 0, code, err);
    if (!good) {
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

/* The option with zeros for the signature; returns its length. */
static uint8_t write_option(const struct auth *auth, uint8_t first[static FIRST_MAX])
{
    const struct auth_mkt *mkt = auth->config.mkt;
    memset(first, 0, FIRST_MAX);
    if (auth->config.kind == AUTH_MD5) {
        first[0] = first[1] = NOP;
        first[2] = KIND_MD5;
        first[3] = MD5_LENGTH;
    } else {
        first[0] = KIND_AO;
        first[1] = AO_LENGTH;
        first[2] = mkt[auth->current].send_id;
        first[3] = mkt[auth->rnext].recv_id;
    }
    return auth_overhead(&auth->config);
}

size_t auth_write(struct auth *auth, const struct segment *s, uint8_t *bytes, size_t size)
{
    if (!auth)
        return segment_write(s, bytes, size);
    uint8_t first[FIRST_MAX], code[AUTH_SHA1_SIZE];
    bool md5 = auth->config.kind == AUTH_MD5;
    struct segment with = *s;
    with.options.first = first;
    with.options.first_length = write_option(auth, first);
    size_t length = segment_write(&with, bytes, size);
    if (length == 0)
        return 0;

    uint8_t *tcp = bytes + (s->src.kind == ADDR_IP4 ? 20 : 40);
    const struct wired w = {.s = s,
                            .header = tcp,
                            .header_length = (size_t)(bytes + length - tcp) - s->length,
                            .data = {bytes + length - s->length, s->length}};
    if (!md5)
        note_numbers(auth, OURS, s);
    if (!(md5 ? sign_md5(auth, &w, code, NULL)
              : sign_ao(auth, &w, auth->current, OURS, TCP_HEADER, code, NULL)))
        return 0;
    uint8_t *at = tcp + (md5 ? MD5_AT : AO_AT);
    memcpy(at, code, md5 ? AUTH_MD5_SIZE : AO_SIZE);
    uint64_t sum = (uint16_t)~get16(tcp + CHECKSUM_AT);
    sum = checksum_add(sum, at, md5 ? AUTH_MD5_SIZE : AO_SIZE);
    put16(tcp + CHECKSUM_AT, checksum_finish(sum));
    return length;
}

/* In a time that says nothing about where they differ. */
static bool same(const uint8_t *a, const uint8_t *b, size_t length)
{
    uint8_t differ = 0;
    for (size_t i = 0; i < length; i++)
        differ |= (uint8_t)(a[i] ^ b[i]);
    return differ == 0;
}

static bool is_signed(struct auth *auth, const struct segment *s, const uint8_t *option)
{
    uint8_t code[AUTH_SHA1_SIZE];
    const struct wired w = {.s = s,
                            .header = s->header,
                            .header_length = (size_t)(s->payload - s->header),
                            .data = {s->payload, s->length}};
    if (auth->config.kind == AUTH_MD5)
        return option[0] == KIND_MD5 && option[1] == MD5_LENGTH && sign_md5(auth, &w, code, NULL) &&
               same(code, option + 2, AUTH_MD5_SIZE);
    if (option[0] != KIND_AO || option[1] != AO_LENGTH)
        return false;
    for (size_t i = 0; i < auth->config.count; i++)
        if (auth->config.mkt[i].recv_id == option[2])
            return sign_ao(auth, &w, i, THEIRS, (size_t)(option - s->header), code, NULL) &&
                   same(code, option + 4, AO_SIZE);
    return false;
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
    *info = (struct auth_info){.name = auth->config.kind == AUTH_MD5 ? "md5" : "ao",
                               .unsigned_ = auth->unsigned_,
                               .bad = auth->bad,
                               .send_id = auth->config.mkt[auth->current].send_id,
                               .recv_id = auth->config.mkt[auth->rnext].recv_id};
}
