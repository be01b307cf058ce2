/* parse: which layers the bytes of a packet are, from the first header on: see packet.h.
 *
 * Each header moves `at` behind itself, may move `end` to where its length says that its payload
 * ends, and names the protocol that follows. Nothing that a length says is believed beyond the
 * bytes that are there. */
#include "packet/packet.h"

struct parser {
    struct packet *packet;
    uint32_t at, end; /* what no layer has taken yet */
    bool quoted;      /* in the packet that an ICMP error quotes as far as it likes */
    bool incomplete;  /* checksums cannot be known: cut off, or a fragment */
};

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
    l->pins |= layer_pin(l, r->header);
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
    uint64_t end = (r->total ? l->offset : layer_payload(l)) + field_get(f, p->bytes + l->offset);
    if (end < layer_payload(l)) {
        l->pins |= layer_pin(l, f);
        return PACKET_LIE;
    }
    if (end > l->end) {
        l->pins |= layer_pin(l, f);
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

/* The protocol that the header of `l` announces, by number or, of TCP and UDP, by port; NULL if
 * there is no table for it. */
static const struct proto *next_proto(const struct parser *s, struct layer *l,
                                      const struct roles *r)
{
    const struct registry *registry = s->packet->registry;
    const uint8_t *header = s->packet->bytes + l->offset;
    enum number_space space = l->proto->next;
    if (!r->dport)
        return r->next ? registry_numbered(registry, space, (uint32_t)field_get(r->next, header))
                       : NULL;
    l->pins |= layer_pin(l, r->dport);
    if (!(registry->spaces >> space & 1))
        return NULL;
    size_t length = s->end - s->at;
    const struct proto *next = by_port(registry, space, field_get(r->dport, header), length);
    return next ? next : by_port(registry, space, field_get(r->sport, header), length);
}

/* What there is of a header that is cut off in its fixed part. */
static enum packet_stop cut_header(struct parser *s, struct layer *l, const struct roles *r)
{
    l->header = s->end - s->at;
    l->pins |= r->computed;
    if (l->header > 0)
        s->packet->count++;
    s->at = s->end;
    return PACKET_CUT;
}

/* One layer; *proto becomes the next one's protocol. Anything but PACKET_WHOLE ends the parsing. */
static enum packet_stop parse_layer(struct parser *s, const struct proto **proto)
{
    struct packet *p = s->packet;
    if (p->count == PACKET_LAYERS)
        return PACKET_DEEP;
    size_t i = p->count;
    struct layer *l = &p->layers[i];
    const struct roles *r = registry_roles(p->registry, *proto);
    *l = (struct layer){*proto, r->source | (s->quoted ? r->computed : 0), s->at, 0, s->end};
    if (s->end - s->at < l->proto->minimum)
        return cut_header(s, l, r);
    p->count++;
    enum packet_stop stop = read_header_length(p, l, r);
    s->at = layer_payload(l);
    if (stop != PACKET_WHOLE)
        return stop;
    if (read_length(p, l, r, s->quoted) == PACKET_LIE)
        return PACKET_LIE;
    s->end = l->end;
    const uint8_t *header = packet_header(p, i);
    if (r->quoted && packet_shows(p, i, r->quoted)) {
        uint64_t length = field_get(r->quoted, header) * r->quoted->unit;
        if (length > 0 && length < s->end - s->at)
            s->end = s->at + (uint32_t)length; /* extensions of the message follow (RFC 4884) */
    }
    s->incomplete = s->incomplete || p->missing > 0 || (r->more && field_get(r->more, header) != 0);
    if (s->incomplete)
        l->pins |= r->checksums;
    if (r->fragment && field_get(r->fragment, header) != 0)
        return PACKET_FRAGMENT;
    *proto = next_proto(s, l, r);
    s->quoted = s->quoted || (*proto && proto_quotes(l->proto, *proto));
    return PACKET_WHOLE;
}

void packet_parse(struct packet *p, const struct proto *first)
{
    struct parser s = {.packet = p, .end = p->size};
    p->count = 0;
    p->missing = 0;
    p->stop = PACKET_WHOLE;
    p->stale = 0;
    for (const struct proto *proto = first; proto && p->stop == PACKET_WHOLE;)
        p->stop = parse_layer(&s, &proto);
    if (p->stop == PACKET_WHOLE && p->missing > 0)
        p->stop = PACKET_CUT;
    else if (p->stop == PACKET_CUT && p->missing == 0 && s.quoted)
        p->stop = PACKET_WHOLE; /* only the quote ends early */
    p->stop_offset = s.at;
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
