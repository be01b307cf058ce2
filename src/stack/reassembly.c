/* reassembly: see reassembly.h. The pieces of a datagram are a list in the order of their offsets,
 * without overlaps; it is complete when they add up to its length. */
#include "stack/reassembly.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"

enum {
    IP4_HEADER = 20,
    IP6_HEADER = 40,
    TCP_HEADER = 20,
    MOST = 65535,       /* bytes of a datagram, or over IPv6 behind its header */
    EXTENSIONS_MAX = 8, /* as many as segment.h reads */
    PROTO_TCP = 6,
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    DESTINATION = 60,
    ECN_CE = 3,
};

/* A fragment, taken apart. */
struct fragment {
    struct addr src;
    uint32_t id;
    const uint8_t *header; /* what stands before the data in the whole datagram: */
    size_t header_length;
    size_t next_at; /* IPv6: where in it the number of what follows stands, */
    uint8_t next;   /* and that number */
    size_t offset;  /* in the datagram, in bytes */
    const uint8_t *data;
    size_t length;
    bool more, ce;
};

struct piece {
    struct piece *next;
    size_t offset, length;
    uint8_t bytes[];
};

/* A datagram that is on its way. */
struct parts {
    struct parts *newer;
    struct addr src;
    uint32_t id;
    int64_t since;
    bool spoiled; /* nothing comes of it any more */
    bool ended;   /* its last fragment is in, */
    size_t end;   /* and so is its length known; before, how far it goes at least */
    size_t have;  /* bytes in its pieces */
    bool ce;
    struct piece *pieces;
    uint8_t *header; /* of the first fragment; NULL before that is in */
    size_t header_length;
};

static bool read_ip4(struct fragment *f, const struct addr *local, const uint8_t *ip, size_t length)
{
    size_t header = length < IP4_HEADER ? 0 : (size_t)(ip[0] & 15) * 4;
    size_t total = header ? get16(ip + 2) : 0;
    if (length == 0 || ip[0] >> 4 != 4 || header < IP4_HEADER || total < header || total > length ||
        memcmp(ip + 16, local->bytes, 4) != 0 || ip[9] != PROTO_TCP ||
        checksum_fold(checksum_add(0, ip, header)) != 0xffff)
        return false;
    unsigned place = get16(ip + 6);
    *f = (struct fragment){
        .src = addr_from(ADDR_IP4, ip + 12),
        .id = get16(ip + 4),
        .header = ip,
        .header_length = header,
        .next = PROTO_TCP,
        .offset = (size_t)(place & 0x1fff) * 8,
        .data = ip + header,
        .length = total - header,
        .more = place & 0x2000,
        .ce = (ip[1] & ECN_CE) == ECN_CE,
    };
    return place & 0x3fff && header + f->offset + f->length <= MOST;
}

/* Up to the fragment header; what follows that is data here. */
static bool read_ip6(struct fragment *f, const struct addr *local, const uint8_t *ip, size_t length)
{
    size_t total = length < IP6_HEADER ? 0 : IP6_HEADER + (size_t)get16(ip + 4);
    if (total == 0 || ip[0] >> 4 != 6 || total > length || memcmp(ip + 24, local->bytes, 16) != 0)
        return false;
    size_t at = IP6_HEADER, next_at = 6;
    for (int i = 0; ip[next_at] != FRAGMENT; i++) {
        uint8_t next = ip[next_at];
        if (i == EXTENSIONS_MAX || total - at < 8 ||
            (next != HOP_BY_HOP && next != ROUTING && next != DESTINATION))
            return false;
        size_t size = 8 + (size_t)ip[at + 1] * 8;
        if (size > total - at)
            return false;
        next_at = at;
        at += size;
    }
    if (total - at < 8)
        return false;
    unsigned place = get16(ip + at + 2);
    *f = (struct fragment){
        .src = addr_from(ADDR_IP6, ip + 8),
        .id = get32(ip + at + 4),
        .header = ip,
        .header_length = at,
        .next_at = next_at,
        .next = ip[at],
        .offset = place & 0xfff8,
        .data = ip + at + 8,
        .length = total - at - 8,
        .more = place & 1,
        .ce = (get16(ip) >> 4 & ECN_CE) == ECN_CE,
    };
    return (f->more || f->offset > 0) && at - IP6_HEADER + f->offset + f->length <= MOST;
}

static size_t size_of(const struct piece *piece)
{
    return sizeof *piece + piece->length;
}

static void drop_pieces(struct reassembly *r, struct parts *parts)
{
    while (parts->pieces) {
        struct piece *piece = parts->pieces;
        parts->pieces = piece->next;
        r->memory -= size_of(piece);
        free(piece);
    }
    r->memory -= parts->header_length;
    free(parts->header);
    parts->header = NULL;
    parts->header_length = 0;
}

static void forget(struct reassembly *r, struct parts *parts)
{
    struct parts *before = NULL, **at = &r->oldest;
    for (; *at != parts; at = &(*at)->newer)
        before = *at;
    *at = parts->newer;
    if (r->newest == parts)
        r->newest = before;
    drop_pieces(r, parts);
    r->memory -= sizeof *parts;
    free(parts);
}

/* It stays, without its pieces, so that those that still come do not begin another one. */
static void spoil(struct reassembly *r, struct parts *parts)
{
    drop_pieces(r, parts);
    parts->spoiled = true;
}

void reassembly_clear(struct reassembly *r)
{
    while (r->oldest)
        forget(r, r->oldest);
    free(r->whole);
    r->whole = NULL;
}

/* The datagram of the fragment: one that is known, or a new one. */
static struct parts *parts_of(struct reassembly *r, const struct fragment *f, int64_t now)
{
    while (r->oldest && now - r->oldest->since >= REASSEMBLY_TIME)
        forget(r, r->oldest);
    for (struct parts *p = r->oldest; p; p = p->newer)
        if (p->id == f->id && addr_equal(&p->src, &f->src))
            return p;
    struct parts *parts = calloc(1, sizeof *parts);
    if (!parts)
        return NULL;
    parts->src = f->src;
    parts->id = f->id;
    parts->since = now;
    if (r->newest)
        r->newest->newer = parts;
    else
        r->oldest = parts;
    r->newest = parts;
    r->memory += sizeof *parts;
    return parts;
}

/* The first fragment has all of the headers that a filter on the way may want to see. */
static bool is_tiny(const struct fragment *f)
{
    return f->offset == 0 && f->next == PROTO_TCP && f->length < TCP_HEADER;
}

/* Whether the fragment contradicts what is known of the datagram's end. */
static bool is_past_end(const struct parts *parts, const struct fragment *f)
{
    size_t end = f->offset + f->length;
    if (f->more)
        return parts->ended && end >= parts->end;
    return parts->ended ? end != parts->end : end < parts->end;
}

/* Puts the data in its place. False: it overlaps what is there. */
static bool insert(struct reassembly *r, struct parts *parts, const struct fragment *f)
{
    struct piece **at = &parts->pieces;
    while (*at && (*at)->offset + (*at)->length <= f->offset)
        at = &(*at)->next;
    struct piece *there = *at;
    if (there && there->offset < f->offset + f->length)
        return there->offset == f->offset && there->length == f->length &&
               memcmp(there->bytes, f->data, f->length) == 0;
    struct piece *piece = malloc(sizeof *piece + f->length);
    if (!piece)
        return true; /* as if it had been lost */
    piece->next = there;
    piece->offset = f->offset;
    piece->length = f->length;
    memcpy(piece->bytes, f->data, f->length);
    *at = piece;
    parts->have += f->length;
    r->memory += size_of(piece);
    return true;
}

/* Keeps the headers of the first fragment, with the number of what follows them. */
static void keep_header(struct reassembly *r, struct parts *parts, const struct fragment *f)
{
    if (f->offset > 0 || parts->header || !(parts->header = malloc(f->header_length)))
        return;
    memcpy(parts->header, f->header, f->header_length);
    parts->header_length = f->header_length;
    if (f->src.kind == ADDR_IP6)
        parts->header[f->next_at] = f->next;
    r->memory += f->header_length;
}

static void mend_ip4(uint8_t *ip, size_t header, size_t total, bool ce)
{
    put16(ip + 2, (uint32_t)total);
    put16(ip + 6, 0);
    if (ce)
        ip[1] |= ECN_CE;
    put16(ip + 10, 0);
    put16(ip + 10, checksum_finish(checksum_add(0, ip, header)));
}

static void mend_ip6(uint8_t *ip, size_t total, bool ce)
{
    put16(ip + 4, (uint32_t)(total - IP6_HEADER));
    if (ce)
        ip[1] |= ECN_CE << 4;
}

/* Makes the datagram of pieces that are all there, which are then forgotten. */
static const uint8_t *join(struct reassembly *r, struct parts *parts, size_t *length)
{
    size_t header = parts->header_length, total = header + parts->end;
    bool ip4 = parts->src.kind == ADDR_IP4, fits = total <= MOST + (ip4 ? 0U : IP6_HEADER);
    free(r->whole);
    r->whole = fits ? malloc(total) : NULL;
    if (r->whole) {
        memcpy(r->whole, parts->header, header);
        for (const struct piece *p = parts->pieces; p; p = p->next)
            memcpy(r->whole + header + p->offset, p->bytes, p->length);
        if (ip4)
            mend_ip4(r->whole, header, total, parts->ce);
        else
            mend_ip6(r->whole, total, parts->ce);
        *length = total;
    }
    forget(r, parts);
    return r->whole;
}

const uint8_t *reassembly_add(struct reassembly *r, const struct addr *local, const uint8_t *bytes,
                              size_t length, int64_t now, size_t *whole)
{
    struct fragment f;
    if (length == 0 || !(local->kind == ADDR_IP4 ? read_ip4(&f, local, bytes, length)
                                                 : read_ip6(&f, local, bytes, length)))
        return NULL;
    struct parts *parts = parts_of(r, &f, now);
    if (!parts || parts->spoiled)
        return NULL;
    if (f.length == 0 || (f.more && f.length % 8 != 0) || is_tiny(&f) || is_past_end(parts, &f) ||
        !insert(r, parts, &f)) {
        spoil(r, parts);
    } else {
        size_t end = f.offset + f.length;
        parts->ended |= !f.more;
        parts->end = end > parts->end ? end : parts->end;
        parts->ce |= f.ce;
        keep_header(r, parts, &f);
        if (parts->ended && parts->header && parts->have == parts->end)
            return join(r, parts, whole);
    }
    while (r->oldest && r->memory > REASSEMBLY_MEMORY)
        forget(r, r->oldest);
    return NULL;
}
