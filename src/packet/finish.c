/* finish: what is computed in a packet: lengths, next-protocol numbers, checksums: see packet.h. */
#include "packet/packet.h"

#include "packet/checksum.h"
#include "packet/option.h"

/* The number by which layer `i` announces the next one: the one that is there if it fits. */
static void fill_next(struct packet *p, size_t i, const struct field *f)
{
    if (i + 1 >= p->count)
        return;
    const struct layer *l = &p->layers[i];
    const struct proto *next = p->layers[i + 1].proto;
    uint8_t *header = packet_header(p, i);
    int64_t number = proto_number_in(next, l->proto->next);
    if (number >= 0 && !proto_answers_to(next, l->proto->next, (uint32_t)field_get(f, header)))
        field_set(f, header, (uint64_t)number);
}

static void fill(struct packet *p, size_t i, const struct field *f)
{
    const struct layer *l = &p->layers[i];
    uint64_t value;
    switch (f->role) {
    case ROLE_HEADER_LENGTH:
        value = (l->header + f->unit - 1U) / f->unit - f->bias;
        break;
    case ROLE_TOTAL_LENGTH:
        value = l->end - l->offset;
        break;
    case ROLE_PAYLOAD_LENGTH:
        value = l->end - layer_payload(l);
        break;
    case ROLE_NEXT:
    case ROLE_DPORT:
        fill_next(p, i, f);
        return;
    default:
        return;
    }
    field_set(f, packet_header(p, i), value);
}

/* The last address of an IPv4 source route that is not at its end yet (RFC 791), NULL if there is
 * none. */
static const uint8_t *end_of_source_route(const struct packet *p, size_t i)
{
    enum { LOOSE = 131, STRICT = 137 };
    struct option_walk walk = {.table = &ip_options};
    struct option option;
    walk.bytes = packet_bytes(p, i, proto_tail(&proto_ip), &walk.length);
    while (option_next(&walk, &option))
        if (option.kind == LOOSE || option.kind == STRICT) {
            /* a pointer to the next address, counted from the kind as 1, and the addresses */
            bool left = option.length >= 5 && option.length % 4 == 1 && option.value[0] >= 4 &&
                        option.value[0] % 4 == 0 && option.value[0] <= option.length;
            return left ? option.value + option.length - 4 : NULL;
        }
    return NULL;
}

/* The last address of a routing header that has segments left, NULL if there is none: the first
 * one of a list that is written backwards (RFC 8754), else the last one (RFC 6275). */
static const uint8_t *end_of_segments(const struct packet *p, size_t i)
{
    enum { TYPE = 2, LEFT = 3, LIST = 8, SOURCE = 0, MOBILE = 2, SEGMENTS = 4 };
    const uint8_t *header = packet_header(p, i);
    uint32_t length = p->layers[i].header;
    if (length < LIST + 16 || length % 16 != LIST % 16 || header[LEFT] == 0)
        return NULL;
    if (header[TYPE] == SEGMENTS)
        return header + LIST;
    return header[TYPE] == SOURCE || header[TYPE] == MOBILE ? header + length - 16 : NULL;
}

const uint8_t *packet_destination(const struct packet *p, size_t i, size_t j)
{
    const uint8_t *end = NULL;
    if (p->layers[j].proto == &proto_ip)
        end = end_of_source_route(p, j);
    for (size_t k = i; !end && --k > j;)
        if (p->layers[k].proto == &proto_ip6_route)
            end = end_of_segments(p, k);
    return end ? end : packet_header(p, j) + proto_role(p->layers[j].proto, ROLE_DST)->bit / 8U;
}

/* Adds the pseudo-header of layer `i`: the addresses of the nearest layer around it that has
 * some, and its own protocol number. */
static bool add_pseudo(const struct packet *p, size_t i, uint64_t *sum)
{
    const struct layer *l = &p->layers[i];
    int64_t number = proto_number_in(l->proto, SPACE_IP6);
    for (size_t j = i; j-- > 0;) {
        const struct field *src = proto_role(p->layers[j].proto, ROLE_SRC);
        const struct field *dst = proto_role(p->layers[j].proto, ROLE_DST);
        if (!src || !dst)
            continue;
        const uint8_t *header = packet_header(p, j);
        *sum = checksum_add(*sum, header + src->bit / 8, src->width / 8U);
        *sum = checksum_add(*sum, packet_destination(p, i, j), dst->width / 8U);
        *sum += (number < 0 ? 0 : (uint64_t)number) + (l->end - l->offset);
        return true;
    }
    return false;
}

/* The checksum of layer `i` as it should be, and the sum of its pseudo-header alone. False if it
 * has none, or no addresses to make it with. */
static bool sum_of(const struct packet *p, size_t i, const struct field *f, uint16_t *right,
                   uint16_t *pseudo)
{
    const struct layer *l = &p->layers[i];
    const uint8_t *header = packet_header(p, i);
    uint64_t sum = 0;
    if (f->role >= ROLE_CHECKSUM_PSEUDO && !add_pseudo(p, i, &sum))
        return false;
    *pseudo = checksum_fold(sum);
    size_t length = f->role == ROLE_CHECKSUM_HEADER ? l->header : l->end - l->offset;
    size_t at = f->bit / 8U; /* even */
    sum = checksum_add(sum, header, at);
    sum = checksum_add(sum, header + at + 2, length - at - 2);
    *right = checksum_finish(sum);
    if (f->role == ROLE_CHECKSUM_UDP && *right == 0)
        *right = 0xffff;
    return true;
}

static const struct field *checksum_field(const struct proto *proto)
{
    for (size_t i = 0; i < proto->count; i++)
        if (proto->fields[i].role >= ROLE_CHECKSUM_HEADER)
            return &proto->fields[i];
    return NULL;
}

void packet_finish(struct packet *p)
{
    for (size_t i = p->stale; i-- > 0;) {
        const struct layer *l = &p->layers[i];
        const struct field *checksum = NULL;
        uint16_t right, pseudo;
        for (size_t j = 0; j < l->proto->count; j++) {
            const struct field *f = &l->proto->fields[j];
            if (!field_is_filled(f) || l->pins >> j & 1 || !packet_has(p, i, f))
                continue;
            if (f->role >= ROLE_CHECKSUM_HEADER)
                checksum = f; /* comes last */
            else
                fill(p, i, f);
        }
        if (checksum && sum_of(p, i, checksum, &right, &pseudo))
            field_set(checksum, packet_header(p, i), right);
    }
    p->stale = 0;
}

/* Whether layer `i` is part of a fragment or of a quoted packet. */
static bool is_partial(const struct packet *p, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        const struct proto *proto = p->layers[j].proto;
        const struct field *offset = proto_role(proto, ROLE_FRAGMENT);
        const struct field *more = proto_role(proto, ROLE_MORE);
        const uint8_t *header = packet_header(p, j);
        if (proto_quotes(proto, p->layers[j + 1].proto) || (offset && field_get(offset, header)) ||
            (more && field_get(more, header)))
            return true;
    }
    return false;
}

enum packet_sum packet_checksum(const struct packet *p, size_t i, uint16_t *right)
{
    const struct layer *l = &p->layers[i];
    const struct field *f = checksum_field(l->proto);
    uint16_t should, pseudo;
    if (!f)
        return SUM_NONE;
    if (l->header < l->proto->minimum)
        return SUM_UNKNOWN;
    if (f->role != ROLE_CHECKSUM_HEADER && (p->missing > 0 || is_partial(p, i)))
        return SUM_UNKNOWN;
    if (!sum_of(p, i, f, &should, &pseudo))
        return SUM_NONE;
    if (right)
        *right = should;
    uint16_t found = (uint16_t)field_get(f, packet_header(p, i));
    if (f->role == ROLE_CHECKSUM_UDP && found == 0)
        return SUM_NONE;
    /* 0xffff is another 0 in ones' complement arithmetic; but a sum of nothing but zeros is not
     * the one that a receiver wants to find */
    if (found == should || (found == 0xffff && should == 0))
        return SUM_GOOD;
    return f->role >= ROLE_CHECKSUM_PSEUDO && found == pseudo ? SUM_PARTIAL : SUM_BAD;
}
