/* segment: see segment.h.
 *
 * Reading goes from the outside in, and each length is compared with what is left before anything
 * behind it is touched: capture, IP total length, extension headers, TCP data offset, option. */
#include "packet/segment.h"

#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"

enum {
    IP4_HEADER = 20,
    IP6_HEADER = 40,
    TCP_HEADER = 20,
    PROTO_TCP = 6,
    EXTENSIONS_MAX = 8, /* more IPv6 extension headers than anybody sends */
};

/* IPv6 next-header numbers that are skipped. */
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

/* TCP option kinds (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 7413). */
enum {
    EOL = 0,
    NOP = 1,
    MSS = 2,
    WSCALE = 3,
    SACK_OK = 4,
    SACK = 5,
    TIMESTAMP = 8,
    FAST_OPEN = 34
};

#define OPTIONS_MAX 40 /* what a data offset of 15 leaves */

static void read_sack(struct segment_options *o, const uint8_t *blocks, size_t length)
{
    if (o->sacks > 0 || length == 0 || length % 8 != 0 || length > SEGMENT_SACK_MAX * 8)
        return;
    for (; length > 0; blocks += 8, length -= 8) {
        o->sack[o->sacks].left = get32(blocks);
        o->sack[o->sacks].right = get32(blocks + 4);
        o->sacks++;
    }
}

/* Of 4 to 16 bytes, an even number; or none, which asks for one (RFC 7413 4.1.1). */
static void read_cookie(struct segment_options *o, const uint8_t *cookie, size_t length)
{
    if (o->has_fast_open || length % 2 != 0 || length == 2 || length > SEGMENT_COOKIE_MAX)
        return;
    o->has_fast_open = true;
    o->cookie_length = (uint8_t)length;
    memcpy(o->cookie, cookie, length);
}

static void read_option(struct segment_options *o, const uint8_t *option, size_t length)
{
    switch (option[0]) {
    case MSS:
        if (length == 4 && !o->has_mss) {
            o->has_mss = true;
            o->mss = get16(option + 2);
        }
        break;
    case WSCALE:
        if (length == 3 && !o->has_wscale) {
            o->has_wscale = true;
            o->wscale = option[2];
        }
        break;
    case SACK_OK:
        if (length == 2)
            o->sack_permitted = true;
        break;
    case SACK:
        read_sack(o, option + 2, length - 2);
        break;
    case TIMESTAMP:
        if (length == 10 && !o->has_timestamp) {
            o->has_timestamp = true;
            o->tsval = get32(option + 2);
            o->tsecr = get32(option + 6);
        }
        break;
    case FAST_OPEN:
        read_cookie(o, option + 2, length - 2);
        break;
    default:
        break;
    }
}

/* A length below 2 or past the end makes all that follows unreadable: the walk stops there. */
static void read_options(struct segment_options *o, const uint8_t *bytes, size_t length)
{
    *o = (struct segment_options){0};
    for (size_t at = 0; at < length && bytes[at] != EOL;) {
        if (bytes[at] == NOP) {
            at++;
            continue;
        }
        size_t rest = length - at;
        if (rest < 2 || bytes[at + 1] < 2 || bytes[at + 1] > rest)
            break;
        read_option(o, bytes + at, bytes[at + 1]);
        at += bytes[at + 1];
    }
}

static enum segment_verdict check_checksum(struct segment *s, const uint8_t *tcp, size_t length)
{
    uint64_t pseudo = checksum_pseudo(0, &s->src, &s->dst, PROTO_TCP, (uint32_t)length);
    if (checksum_fold(checksum_add(pseudo, tcp, length)) == 0xffff)
        return SEGMENT_OK;
    if (get16(tcp + 16) != checksum_fold(pseudo))
        return SEGMENT_BAD_CHECKSUM;
    s->checksum_partial = true;
    return SEGMENT_OK;
}

static enum segment_verdict check_ends(const struct segment *s)
{
    if (s->sport == s->dport && addr_equal(&s->src, &s->dst))
        return SEGMENT_LAND;
    if (s->sport == 0 || s->dport == 0)
        return SEGMENT_BAD_PORT;
    if (addr_is_zero(&s->src) || addr_is_multicast(&s->src) || addr_is_broadcast(&s->src) ||
        addr_is_multicast(&s->dst) || addr_is_broadcast(&s->dst))
        return SEGMENT_BAD_ADDRESS;
    return SEGMENT_OK;
}

static enum segment_verdict read_tcp(struct segment *s, const uint8_t *tcp, size_t length,
                                     bool trust)
{
    if (length < TCP_HEADER)
        return SEGMENT_CUT;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < TCP_HEADER || header > length)
        return SEGMENT_BAD_OFFSET;
    s->checksum_partial = false;
    if (!trust) {
        enum segment_verdict verdict = check_checksum(s, tcp, length);
        if (verdict != SEGMENT_OK)
            return verdict;
    }
    s->sport = get16(tcp);
    s->dport = get16(tcp + 2);
    s->seq = get32(tcp + 4);
    s->ack = get32(tcp + 8);
    s->flags = get16(tcp + 12) & 0x1ff;
    s->window = get16(tcp + 14);
    s->urgent = get16(tcp + 18);
    s->header = tcp;
    s->payload = tcp + header;
    s->length = length - header;
    read_options(&s->options, tcp + TCP_HEADER, header - TCP_HEADER);
    return check_ends(s);
}

static enum segment_verdict read_ip4(struct segment *s, const uint8_t *ip, size_t length,
                                     bool trust)
{
    if (length < IP4_HEADER)
        return SEGMENT_CUT;
    size_t header = (size_t)(ip[0] & 0xf) * 4, total = get16(ip + 2);
    if (header < IP4_HEADER || total < header)
        return SEGMENT_BAD_IP;
    if (total > length)
        return SEGMENT_CUT;
    if (!trust && checksum_fold(checksum_add(0, ip, header)) != 0xffff)
        return SEGMENT_BAD_IP;
    if (ip[9] != PROTO_TCP)
        return SEGMENT_NOT_TCP;
    if (get16(ip + 6) & 0x3fff) /* more fragments, or an offset */
        return SEGMENT_FRAGMENT;
    s->tos = ip[1];
    s->id = get16(ip + 4);
    s->ttl = ip[8];
    s->src = addr_from(ADDR_IP4, ip + 12);
    s->dst = addr_from(ADDR_IP4, ip + 16);
    return read_tcp(s, ip + header, total - header, trust);
}

static enum segment_verdict read_ip6(struct segment *s, const uint8_t *ip, size_t length,
                                     bool trust)
{
    if (length < IP6_HEADER)
        return SEGMENT_CUT;
    size_t total = IP6_HEADER + (size_t)get16(ip + 4);
    if (total > length)
        return SEGMENT_CUT;
    uint8_t next = ip[6];
    size_t at = IP6_HEADER;
    for (int i = 0; next != PROTO_TCP; i++) {
        if (i == EXTENSIONS_MAX ||
            (next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT && next != DESTINATION))
            return SEGMENT_NOT_TCP;
        if (total - at < 8)
            return SEGMENT_CUT;
        const uint8_t *extension = ip + at;
        size_t size = next == FRAGMENT ? 8 : 8 + (size_t)extension[1] * 8;
        if (size > total - at)
            return SEGMENT_CUT;
        if (next == FRAGMENT && get16(extension + 2) & 0xfff9)
            return SEGMENT_FRAGMENT;
        if (next == ROUTING && extension[3] != 0) /* not at its destination yet (RFC 8200 4.4) */
            return SEGMENT_BAD_IP;
        next = extension[0];
        at += size;
    }
    s->tos = (uint8_t)(get16(ip) >> 4);
    s->id = 0;
    s->ttl = ip[7];
    s->src = addr_from(ADDR_IP6, ip + 8);
    s->dst = addr_from(ADDR_IP6, ip + 24);
    return read_tcp(s, ip + at, total - at, trust);
}

enum segment_verdict segment_read(struct segment *s, const uint8_t *bytes, size_t length,
                                  bool trust)
{
    if (length == 0)
        return SEGMENT_CUT;
    switch (bytes[0] >> 4) {
    case 4:
        return read_ip4(s, bytes, length, trust);
    case 6:
        return read_ip6(s, bytes, length, trust);
    default:
        return SEGMENT_BAD_IP;
    }
}

const char *segment_verdict_name(enum segment_verdict verdict)
{
    static const char *const names[SEGMENT_VERDICTS] = {
        "fine",         "not TCP",         "cut short",    "bad IP header",
        "fragment",     "bad data offset", "bad checksum", "source is destination",
        "port is zero", "bad address",
    };
    return names[verdict];
}

/* The options come in groups that NOPs fill up to four bytes each, so that the parts of a segment
 * stand aligned, and SACK takes as many blocks as there is room for. */
static size_t sack_room(const struct segment_options *o, size_t used)
{
    size_t room = used + 4 > OPTIONS_MAX ? 0 : (OPTIONS_MAX - used - 4) / 8, blocks = o->sacks;
    if (blocks > SEGMENT_SACK_MAX)
        blocks = SEGMENT_SACK_MAX;
    return blocks < room ? blocks : room;
}

static size_t cookie_room(const struct segment_options *o)
{
    return (2U + o->cookie_length + 3U) & ~3U;
}

size_t segment_options_length(const struct segment_options *o)
{
    size_t length = o->first_length;
    if (o->has_mss)
        length += 4;
    if (o->has_timestamp)
        length += 12; /* with "SACK permitted" in the place of its NOPs */
    else if (o->sack_permitted)
        length += 4;
    if (o->has_wscale)
        length += 4;
    if (o->has_fast_open)
        length += cookie_room(o);
    size_t blocks = sack_room(o, length);
    return blocks > 0 ? length + 4 + 8 * blocks : length;
}

static uint8_t *put_option(uint8_t *at, uint8_t kind, uint8_t length)
{
    at[0] = kind;
    at[1] = length;
    return at + 2;
}

static uint8_t *put_nops(uint8_t *at, size_t count)
{
    memset(at, NOP, count);
    return at + count;
}

static void write_options(const struct segment_options *o, uint8_t *bytes)
{
    uint8_t *at = bytes;
    if (o->first_length > 0)
        memcpy(at, o->first, o->first_length);
    at += o->first_length;
    if (o->has_mss) {
        at = put_option(at, MSS, 4);
        put16(at, o->mss);
        at += 2;
    }
    if (o->sack_permitted || o->has_timestamp) {
        if (!o->sack_permitted || !o->has_timestamp)
            at = put_nops(at, 2);
        if (o->sack_permitted)
            at = put_option(at, SACK_OK, 2);
    }
    if (o->has_timestamp) {
        at = put_option(at, TIMESTAMP, 10);
        put32(at, o->tsval);
        put32(at + 4, o->tsecr);
        at += 8;
    }
    if (o->has_wscale) {
        at = put_nops(at, 1);
        at = put_option(at, WSCALE, 3);
        *at++ = o->wscale;
    }
    if (o->has_fast_open) {
        at = put_nops(at, cookie_room(o) - 2 - o->cookie_length);
        at = put_option(at, FAST_OPEN, (uint8_t)(2 + o->cookie_length));
        memcpy(at, o->cookie, o->cookie_length);
        at += o->cookie_length;
    }
    size_t blocks = sack_room(o, (size_t)(at - bytes));
    if (blocks > 0) {
        at = put_nops(at, 2);
        at = put_option(at, SACK, (uint8_t)(2 + 8 * blocks));
        for (size_t i = 0; i < blocks; i++, at += 8) {
            put32(at, o->sack[i].left);
            put32(at + 4, o->sack[i].right);
        }
    }
}

static void write_ip4(const struct segment *s, uint8_t *ip, size_t total)
{
    put16(ip, 0x4500U | s->tos);
    put16(ip + 2, (uint32_t)total);
    put16(ip + 4, s->id);
    put16(ip + 6, 0x4000); /* don't fragment */
    ip[8] = s->ttl;
    ip[9] = PROTO_TCP;
    put16(ip + 10, 0);
    memcpy(ip + 12, s->src.bytes, 4);
    memcpy(ip + 16, s->dst.bytes, 4);
    put16(ip + 10, checksum_finish(checksum_add(0, ip, IP4_HEADER)));
}

static void write_ip6(const struct segment *s, uint8_t *ip, size_t total)
{
    put32(ip, 0x60000000U | (uint32_t)s->tos << 20);
    put16(ip + 4, (uint32_t)(total - IP6_HEADER));
    ip[6] = PROTO_TCP;
    ip[7] = s->ttl;
    memcpy(ip + 8, s->src.bytes, 16);
    memcpy(ip + 24, s->dst.bytes, 16);
}

static void write_tcp(const struct segment *s, uint8_t *tcp, size_t header)
{
    put16(tcp, s->sport);
    put16(tcp + 2, s->dport);
    put32(tcp + 4, s->seq);
    put32(tcp + 8, s->ack);
    put16(tcp + 12, (uint32_t)(header / 4) << 12 | (s->flags & 0x1ff));
    put16(tcp + 14, s->window);
    put16(tcp + 16, 0);
    put16(tcp + 18, s->urgent);
    write_options(&s->options, tcp + TCP_HEADER);
    if (s->length > 0)
        memcpy(tcp + header, s->payload, s->length);
    size_t length = header + s->length;
    uint64_t sum = checksum_pseudo(0, &s->src, &s->dst, PROTO_TCP, (uint32_t)length);
    put16(tcp + 16, checksum_finish(checksum_add(sum, tcp, length)));
}

size_t segment_write(const struct segment *s, uint8_t *bytes, size_t size)
{
    bool ip4 = s->src.kind == ADDR_IP4;
    if (s->src.kind != s->dst.kind || (!ip4 && s->src.kind != ADDR_IP6))
        return 0;
    size_t ip = ip4 ? IP4_HEADER : IP6_HEADER;
    size_t tcp = TCP_HEADER + segment_options_length(&s->options);
    size_t longest = ip4 ? 65535 : 65535 + IP6_HEADER; /* by the IP length fields */
    if (tcp > TCP_HEADER + OPTIONS_MAX || s->length > longest - ip - tcp ||
        size < ip + tcp + s->length)
        return 0;
    size_t total = ip + tcp + s->length;
    if (ip4)
        write_ip4(s, bytes, total);
    else
        write_ip6(s, bytes, total);
    write_tcp(s, bytes + ip, tcp);
    return total;
}

bool segment_continues(const struct segment *s, const struct segment *next)
{
    const struct segment_options *a = &s->options, *b = &next->options;
    return s->flags == TCP_ACK && (next->flags | TCP_PSH) == (TCP_ACK | TCP_PSH) && s->length > 0 &&
           next->length > 0 && next->seq == s->seq + (uint32_t)s->length && next->ack == s->ack &&
           next->window == s->window && next->ttl == s->ttl && next->tos == s->tos &&
           next->id == (uint16_t)(s->id + 1) && a->has_timestamp == b->has_timestamp &&
           a->tsval == b->tsval && a->tsecr == b->tsecr && a->sacks == 0 && b->sacks == 0 &&
           a->first_length == 0 && b->first_length == 0;
}

size_t segment_append(uint8_t *bytes, size_t length, const struct segment *next)
{
    bool ip4 = next->src.kind == ADDR_IP4;
    uint8_t *tcp = bytes + (ip4 ? IP4_HEADER : IP6_HEADER);
    memcpy(bytes + length, next->payload, next->length);
    length += next->length;
    if (ip4) {
        put16(bytes + 2, (uint32_t)length);
        put16(bytes + 10, 0);
        put16(bytes + 10, checksum_finish(checksum_add(0, bytes, IP4_HEADER)));
    } else {
        put16(bytes + 4, (uint32_t)(length - IP6_HEADER));
    }
    tcp[13] |= (uint8_t)(next->flags & TCP_PSH);
    uint64_t sum = checksum_pseudo(0, &next->src, &next->dst, PROTO_TCP,
                                   (uint32_t)(length - (size_t)(tcp - bytes)));
    put16(tcp + 16, checksum_fold(sum));
    return length;
}
