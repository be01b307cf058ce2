/* packet: see packet.h. */
#include "packet/packet.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "packet/checksum.h"
#include "packet/option.h"

void packet_init(struct packet *p, const struct registry *registry)
{
    memset(p, 0, offsetof(struct packet, layers));
    p->registry = registry;
}

void packet_free(struct packet *p)
{
    free(p->bytes);
    p->bytes = NULL;
    p->size = p->room = 0;
}

static bool grow_malloc(struct packet *p, uint32_t room)
{
    uint8_t *bytes = realloc(p->bytes, room);
    if (!bytes)
        return false;
    p->bytes = bytes;
    p->room = room;
    return true;
}

bool packet_reserve(struct packet *p, size_t room, struct error *err)
{
    if (room <= p->room)
        return true;
    if (room > PACKET_MAX)
        return fail(err, ERROR_USAGE, "EMSGSIZE",
                    "a packet of %zu bytes is too long; %u is the most", room, PACKET_MAX);
    if (p->grow ? p->grow(p, (uint32_t)room) : grow_malloc(p, (uint32_t)room))
        return true;
    return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a packet of %zu bytes", room);
}

static uint32_t header_end(const struct layer *l)
{
    return l->offset + l->header;
}

static void make_stale(struct packet *p, size_t layers)
{
    if (layers > p->stale)
        p->stale = (uint8_t)layers;
}

static uint32_t payload_offset(const struct packet *p)
{
    return p->count > 0 ? header_end(&p->layers[p->count - 1]) : 0;
}

static uint32_t payload_end(const struct packet *p)
{
    return p->count > 0 ? p->layers[p->count - 1].end : p->size;
}

/* Makes `length` bytes of the `old` ones at `at`, which lie in all of the first `inside` layers;
 * what follows moves. New bytes are not set. */
static bool resize(struct packet *p, size_t inside, uint32_t at, uint32_t old, size_t length,
                   struct error *err)
{
    if (length > PACKET_MAX || !packet_reserve(p, p->size - old + length, err))
        return length <= PACKET_MAX ? false
                                    : fail(err, ERROR_USAGE, "EMSGSIZE",
                                           "%zu bytes are too long for a packet", length);
    if (length != old && at + old < p->size)
        memmove(p->bytes + at + length, p->bytes + at + old, p->size - at - old);
    uint32_t delta = (uint32_t)length - old; /* modulo 2^32 */
    for (size_t i = 0; i < p->count; i++) {
        p->layers[i].end += delta;
        if (i >= inside)
            p->layers[i].offset += delta;
    }
    p->size += delta;
    make_stale(p, inside);
    return true;
}

/* A header is this long at least, and a multiple of what its length field counts. */
static size_t whole_units(const struct proto *proto, size_t length)
{
    const struct field *f = proto_role(proto, ROLE_HEADER_LENGTH);
    return f ? (length + f->unit - 1) / f->unit * f->unit : length;
}

static bool check_stackable(const struct packet *p, size_t layers, struct error *err)
{
    if (payload_offset(p) != payload_end(p))
        return fail(err, ERROR_USAGE, "EINVAL", "a layer cannot stand behind a payload");
    if (p->count + layers > PACKET_LAYERS)
        return fail(err, ERROR_USAGE, "EINVAL", "a packet has no more than %d layers",
                    PACKET_LAYERS);
    return true;
}

bool packet_push(struct packet *p, const struct proto *proto, struct error *err)
{
    uint32_t at = payload_offset(p), header = (uint32_t)whole_units(proto, proto->minimum);
    /* one byte more, so that there are bytes for a header that is empty so far */
    if (!check_stackable(p, 1, err) || !packet_reserve(p, p->size + header + 1U, err) ||
        !resize(p, p->count, at, 0, header, err))
        return false;
    memset(p->bytes + at, 0, header);
    proto_initial(proto, p->bytes + at);
    p->layers[p->count++] = (struct layer){proto, 0, at, header, at + header};
    make_stale(p, p->count);
    return true;
}

bool packet_append(struct packet *p, const struct packet *inner, struct error *err)
{
    if (inner->count == 0)
        return packet_append_bytes(p, inner->bytes, inner->size, err);
    uint32_t at = payload_offset(p);
    if (!check_stackable(p, inner->count, err) || !resize(p, p->count, at, 0, inner->size, err))
        return false;
    memcpy(p->bytes + at, inner->bytes, inner->size);
    size_t depends = 0; /* so many of its layers take their pseudo-header from what is around */
    while (p->count > 0 && depends < inner->count &&
           !proto_role(inner->layers[depends].proto, ROLE_SRC))
        depends++;
    if (depends < inner->stale)
        depends = inner->stale;
    make_stale(p, depends > 0 ? p->count + depends : 0);
    for (size_t i = 0; i < inner->count; i++) {
        struct layer *l = &p->layers[p->count++];
        *l = inner->layers[i];
        l->offset += at;
        l->end += at;
    }
    p->missing = inner->missing;
    p->stop = inner->stop;
    p->stop_offset = inner->stop_offset + at;
    return true;
}

bool packet_append_bytes(struct packet *p, const void *bytes, size_t length, struct error *err)
{
    uint32_t at = payload_end(p);
    if (!resize(p, p->count, at, 0, length, err))
        return false;
    if (length > 0)
        memcpy(p->bytes + at, bytes, length);
    return true;
}

bool packet_set_payload(struct packet *p, const void *bytes, size_t length, struct error *err)
{
    uint32_t at = payload_offset(p);
    if (!resize(p, p->count, at, payload_end(p) - at, length, err))
        return false;
    if (length > 0)
        memcpy(p->bytes + at, bytes, length);
    return true;
}

const uint8_t *packet_trailer(const struct packet *p, size_t n, size_t *length)
{
    uint32_t at = p->layers[n].end;
    *length = (n > 0 ? p->layers[n - 1].end : p->size) - at;
    return p->bytes + at;
}

bool packet_set_trailer(struct packet *p, size_t n, const void *bytes, size_t length,
                        struct error *err)
{
    size_t old;
    packet_trailer(p, n, &old);
    uint32_t at = p->layers[n].end, offset = p->layers[n].offset;
    if (!resize(p, n, at, (uint32_t)old, length, err))
        return false;
    uint32_t moved = p->layers[n].offset - offset; /* by resize(), but these are in front */
    for (size_t i = n; i < p->count; i++) {
        p->layers[i].offset -= moved;
        p->layers[i].end -= moved;
    }
    if (length > 0)
        memcpy(p->bytes + at, bytes, length);
    return true;
}

const uint8_t *packet_payload(const struct packet *p, size_t *length)
{
    static const uint8_t nothing[1]; /* an empty packet has no bytes to point into */
    *length = payload_end(p) - payload_offset(p);
    return p->bytes ? p->bytes + payload_offset(p) : nothing;
}

static void pin(struct layer *l, const struct field *f)
{
    l->pins |= UINT64_C(1) << (f - l->proto->fields);
}

/* Sets the length of a header whose fixed part is here. */
static enum packet_stop read_header_length(const struct packet *p, struct layer *l,
                                           const struct roles *r)
{
    size_t here = l->end - l->offset, length = l->proto->minimum;
    if (r->header)
        length = (size_t)(field_get(r->header, p->bytes + l->offset) + r->header->bias) *
                 r->header->unit;
    else if (r->tail)
        length = here;
    l->header = (uint32_t)length;
    if (length >= l->proto->minimum && length <= here)
        return PACKET_WHOLE;
    pin(l, r->header);
    l->header = (uint32_t)(length > here ? here : l->proto->minimum);
    return length > here && p->missing > 0 ? PACKET_CUT : PACKET_LIE;
}

/* Moves the end of the layer to where its length field says. */
static enum packet_stop read_length(struct packet *p, struct layer *l, const struct roles *r,
                                    bool quoted)
{
    const struct field *f = r->total ? r->total : r->payload;
    if (!f)
        return PACKET_WHOLE;
    uint64_t end = (r->total ? l->offset : header_end(l)) + field_get(f, p->bytes + l->offset);
    if (end < header_end(l)) {
        pin(l, f);
        return PACKET_LIE;
    }
    if (end > l->end) {
        pin(l, f);
        if (p->missing == 0 && !quoted)
            p->missing = (uint32_t)(end - l->end);
        return PACKET_CUT;
    }
    l->end = (uint32_t)end;
    return PACKET_WHOLE;
}

/* The protocol of a port, if there is a whole header of it: a port says less than a number that is
 * there for the purpose. */
static const struct proto *by_port(const struct registry *registry, enum number_space space,
                                   uint64_t port, size_t length)
{
    const struct proto *proto = registry_numbered(registry, space, (uint32_t)port);
    return proto && length > 0 && length >= proto->minimum ? proto : NULL;
}

static bool is_quoting(const struct proto *proto, const struct proto *next)
{
    return (proto->next == SPACE_ICMP || proto->next == SPACE_ICMP6) &&
           (next == &proto_ip || next == &proto_ip6);
}

void packet_parse(struct packet *p, const struct proto *first)
{
    uint32_t at = 0, end = p->size;
    bool quoted = false;     /* in the packet that an ICMP error quotes as far as it likes */
    bool incomplete = false; /* checksums cannot be known: cut off, or a fragment */
    p->count = 0;
    p->missing = 0;
    p->stop = PACKET_WHOLE;
    p->stale = 0;
    for (const struct proto *proto = first; proto;) {
        if (p->count == PACKET_LAYERS) {
            p->stop = PACKET_DEEP;
            break;
        }
        struct layer *l = &p->layers[p->count];
        const struct roles *r = registry_roles(p->registry, proto);
        *l = (struct layer){proto, r->source | (quoted ? r->computed : 0), at, 0, end};
        if (end - at < proto->minimum) {
            p->stop = PACKET_CUT;
            l->header = end - at;
            l->pins |= r->computed;
            if (l->header > 0)
                p->count++;
            at = end;
            break;
        }
        p->count++;
        p->stop = read_header_length(p, l, r);
        at = header_end(l);
        if (p->stop != PACKET_WHOLE)
            break;
        if (read_length(p, l, r, quoted) == PACKET_LIE) {
            p->stop = PACKET_LIE;
            break;
        }
        end = l->end;
        const uint8_t *header = packet_header(p, p->count - 1U);
        if (r->quoted && packet_shows(p, p->count - 1U, r->quoted)) {
            uint64_t length = field_get(r->quoted, header) * r->quoted->unit;
            if (length > 0 && length < end - at)
                end = at + (uint32_t)length; /* extensions of the message follow (RFC 4884) */
        }
        incomplete = incomplete || p->missing > 0 || (r->more && field_get(r->more, header) != 0);
        if (incomplete)
            l->pins |= r->checksums;
        if (r->fragment && field_get(r->fragment, header) != 0) {
            p->stop = PACKET_FRAGMENT;
            break;
        }
        const struct proto *next = NULL;
        if (r->next)
            next =
                registry_numbered(p->registry, proto->next, (uint32_t)field_get(r->next, header));
        if (r->dport)
            pin(l, r->dport);
        if (r->dport && p->registry->spaces >> proto->next & 1) {
            next = by_port(p->registry, proto->next, field_get(r->dport, header), end - at);
            if (!next)
                next = by_port(p->registry, proto->next, field_get(r->sport, header), end - at);
        }
        quoted = quoted || (next && is_quoting(proto, next));
        proto = next;
    }
    if (p->stop == PACKET_WHOLE && p->missing > 0)
        p->stop = PACKET_CUT;
    else if (p->stop == PACKET_CUT && p->missing == 0 && quoted)
        p->stop = PACKET_WHOLE; /* only the quote ends early */
    p->stop_offset = at;
}

const struct proto *packet_ip_proto(const uint8_t *bytes, size_t length)
{
    return length > 0 && bytes[0] >> 4 == 6 ? &proto_ip6 : &proto_ip;
}

const struct proto *packet_null_proto(const uint8_t *bytes, size_t length)
{
    return length >= 2 && bytes[0] == 0 && bytes[1] == 0 ? &proto_loop : &proto_null;
}

const char *packet_stop_name(enum packet_stop stop)
{
    static const char *const names[] = {"whole", "fragment", "cut short", "impossible length",
                                        "too many layers"};
    return names[stop];
}

int packet_layer(const struct packet *p, const char *name)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->layers[i].proto->name, name) == 0)
            return i;
    return -1;
}

bool packet_has(const struct packet *p, size_t i, const struct field *f)
{
    return field_inside(f, p->layers[i].header);
}

bool packet_shows(const struct packet *p, size_t i, const struct field *f)
{
    if (f->alias || !packet_has(p, i, f))
        return false;
    return !f->when || memchr(f->when + 1, packet_header(p, i)[0], f->when[0]) != NULL;
}

/* Whether it may change when it was not set by hand. */
static bool is_filled(const struct field *f)
{
    return field_is_computed(f) || f->role == ROLE_DPORT;
}

/* Such fields that share a bit with `f`, as pins. */
static uint64_t filled_under(const struct proto *proto, const struct field *f)
{
    uint64_t pins = 0;
    for (size_t i = 0; i < proto->count; i++) {
        const struct field *g = &proto->fields[i];
        if (is_filled(g) && f->bit < g->bit + g->width && g->bit < f->bit + f->width)
            pins |= UINT64_C(1) << i;
    }
    return pins;
}

/* Whether pseudo-headers depend on it. */
static bool is_address(const struct field *f)
{
    return f->role == ROLE_SRC || f->role == ROLE_DST || f->role == ROLE_ROUTE;
}

static void changed(struct packet *p, size_t i, const struct field *f)
{
    struct layer *l = &p->layers[i];
    if (is_filled(f) || f->role == ROLE_SRC)
        pin(l, f);
    else if (f->alias)
        l->pins |= filled_under(l->proto, f);
    make_stale(p, is_address(f) ? p->count : i + 1);
}

bool packet_pinned(const struct packet *p, size_t i, const struct field *f)
{
    return f->role != ROLE_DPORT && (p->layers[i].pins & filled_under(p->layers[i].proto, f)) != 0;
}

const struct field *packet_open_source(const struct packet *p, size_t i, const struct field **dst)
{
    const struct field *src = NULL;
    *dst = NULL;
    if (i >= p->count || (p->layers[i].proto != &proto_ip && p->layers[i].proto != &proto_ip6))
        return NULL;
    const struct layer *l = &p->layers[i];
    for (size_t j = 0; j < l->proto->count; j++) {
        const struct field *f = &l->proto->fields[j];
        if (f->role == ROLE_DST)
            *dst = f;
        if (f->role == ROLE_SRC && !(l->pins >> j & 1) && packet_has(p, i, f))
            src = f;
    }
    return src;
}

void packet_unpin(struct packet *p, size_t i, const struct field *f)
{
    p->layers[i].pins &= ~filled_under(p->layers[i].proto, f);
    if (f->role == ROLE_SRC)
        p->layers[i].pins &= ~(UINT64_C(1) << (f - p->layers[i].proto->fields));
    make_stale(p, i + 1);
}

void packet_set_number(struct packet *p, size_t i, const struct field *f, uint64_t value)
{
    field_set(f, packet_header(p, i), value);
    changed(p, i, f);
}

bool packet_set_text(struct packet *p, size_t i, const struct field *f, const char *text,
                     struct error *err)
{
    if (!field_parse(f, packet_header(p, i), text, err))
        return false;
    changed(p, i, f);
    return true;
}

static bool set_tail(struct packet *p, size_t i, const struct field *f, const void *bytes,
                     size_t length, struct error *err)
{
    struct layer *l = &p->layers[i];
    const struct field *says = proto_role(l->proto, ROLE_HEADER_LENGTH);
    size_t start = f->bit / 8U, header = whole_units(l->proto, start + length);
    if (says && !packet_pinned(p, i, says)) {
        size_t most = (size_t)(field_max(says) + says->bias) * says->unit;
        if (header > most)
            return fail(err, ERROR_USAGE, "EMSGSIZE",
                        "%s of %zu bytes do not fit: %s has room for %zu", f->name, length,
                        l->proto->name, most - start);
    }
    if (!resize(p, i + 1, l->offset + (uint32_t)start, l->header - (uint32_t)start, header - start,
                err))
        return false;
    make_stale(p, is_address(f) ? p->count : i + 1);
    uint8_t *at = p->bytes + l->offset + start;
    if (length > 0)
        memcpy(at, bytes, length);
    memset(at + length, 0, header - start - length);
    l->header = (uint32_t)header;
    return true;
}

bool packet_set_bytes(struct packet *p, size_t i, const struct field *f, const void *bytes,
                      size_t length, struct error *err)
{
    if (f->width == 0)
        return set_tail(p, i, f, bytes, length, err);
    if (length != f->width / 8U)
        return fail(err, ERROR_USAGE, "EINVAL", "%s has %d bytes, not %zu", f->name, f->width / 8,
                    length);
    memcpy(packet_header(p, i) + f->bit / 8, bytes, length);
    changed(p, i, f);
    return true;
}

bool packet_reset(struct packet *p, size_t i, const struct field *f, struct error *err)
{
    uint8_t initial[PROTO_HEADER];
    proto_initial(p->layers[i].proto, initial);
    if (field_is_number(f))
        packet_set_number(p, i, f, field_get(f, initial));
    else if (!packet_set_bytes(p, i, f, initial + f->bit / 8, f->width / 8U, err))
        return false;
    packet_unpin(p, i, f);
    return true;
}

const uint8_t *packet_bytes(const struct packet *p, size_t i, const struct field *f, size_t *length)
{
    *length = f->width > 0 ? f->width / 8U : p->layers[i].header - f->bit / 8U;
    return packet_header(p, i) + f->bit / 8;
}

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
        value = l->end - header_end(l);
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
            if (!is_filled(f) || l->pins >> j & 1 || !packet_has(p, i, f))
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
        if (is_quoting(proto, p->layers[j + 1].proto) || (offset && field_get(offset, header)) ||
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
