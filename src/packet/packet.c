/* packet: see packet.h. */
#include "packet/packet.h"

#include <stdlib.h>
#include <string.h>

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

static void make_stale(struct packet *p, size_t layers)
{
    if (layers > p->stale)
        p->stale = (uint8_t)layers;
}

static uint32_t payload_offset(const struct packet *p)
{
    return p->count > 0 ? layer_payload(&p->layers[p->count - 1]) : 0;
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

/* The fields that are filled in and share a bit with `f`, as pins. */
static uint64_t filled_under(const struct proto *proto, const struct field *f)
{
    uint64_t pins = 0;
    for (size_t i = 0; i < proto->count; i++) {
        const struct field *g = &proto->fields[i];
        if (field_is_filled(g) && field_overlaps(f, g))
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
    if (field_is_filled(f) || f->role == ROLE_SRC)
        l->pins |= layer_pin(l, f);
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
        p->layers[i].pins &= ~layer_pin(&p->layers[i], f);
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
