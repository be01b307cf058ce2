/* packet: bytes, and a stack of layers that says what they are.
 *
 *     eth         ip              tcp                 payload        trailer
 *     |<-header->|<----header--->|<------header----->|<---------->| <-padding->
 *                 layer.offset                        layer.header behind it
 *     |<------------------------------- end of eth ----------------------------->
 *                 |<-------------- end of ip and of tcp ---------->
 *
 * Headers follow each other without a gap; what is behind the last one, up to its end, is the
 * payload; where an inner layer ends before an outer one, the bytes between are the outer one's
 * trailer (Ethernet padding).
 *
 * Bytes first, judgement second: any field takes any value. Lengths, checksums, offsets and
 * next-protocol numbers are computed by packet_finish(), from the inside out, but for the fields
 * that were set by hand: those are pinned. Nothing is computed while a packet is only parsed, so
 * its bytes are what came in. */
#ifndef TCPLUA_PACKET_PACKET_H
#define TCPLUA_PACKET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "packet/proto.h"

#define PACKET_LAYERS 16
#define PACKET_MAX    (1U << 20) /* bytes; more than any wire takes */

struct layer {
    const struct proto *proto;
    uint64_t pins;   /* bit i: proto->fields[i] was set by hand, or is a lie that was parsed */
    uint32_t offset; /* of the header, from the beginning of the packet */
    uint32_t header; /* its length; less than proto->minimum if the packet is cut off in it */
    uint32_t end;    /* one past the last byte of the layer and all that it carries */
};

/* Where the header of a layer ends, and what it carries begins. */
static inline uint32_t layer_payload(const struct layer *l)
{
    return l->offset + l->header;
}

/* The bit of `pins` that is the field's. */
static inline uint64_t layer_pin(const struct layer *l, const struct field *f)
{
    return UINT64_C(1) << (f - l->proto->fields);
}

/* Why parsing ended where it did. */
enum packet_stop {
    PACKET_WHOLE,    /* at the payload, or at a protocol that has no table */
    PACKET_FRAGMENT, /* what follows is the middle of something */
    PACKET_CUT,      /* there are fewer bytes than the headers say */
    PACKET_LIE,      /* a length that cannot be: shorter than its own header, say */
    PACKET_DEEP,     /* more layers than PACKET_LAYERS */
};

struct packet {
    const struct registry *registry;
    uint8_t *bytes;
    uint32_t size, room;
    uint32_t missing;      /* bytes that the lengths promise and that are not there */
    uint32_t stop_offset;  /* where parsing ended */
    enum packet_stop stop; /* and why */
    uint8_t count;         /* of layers */
    uint8_t stale;         /* so many of them, from the outermost, wait for packet_finish() */
    /* Makes room for `room` bytes, the first `size` of them kept, and sets `bytes` and `room`.
     * NULL: the packet owns malloc'd bytes, and packet_free() is called at the end. */
    bool (*grow)(struct packet *packet, uint32_t room);
    struct layer layers[PACKET_LAYERS];
};

/* An empty packet that makes its layers from `registry`. */
void packet_init(struct packet *packet, const struct registry *registry);

/* Frees bytes that packet_reserve() took from malloc. */
void packet_free(struct packet *packet);

/* Makes sure that `room` bytes fit. Errors: usage, EMSGSIZE above PACKET_MAX; environment, ENOMEM.
 */
bool packet_reserve(struct packet *packet, size_t room, struct error *err);

/* Appends an empty layer behind the last header. Errors: usage, EINVAL if there is a payload
 * already or the stack is full. */
bool packet_push(struct packet *packet, const struct proto *proto, struct error *err);

/* Appends all layers and the payload of `inner` (which is not changed). What was parsed in it stays
 * as it is, but where it takes its pseudo-header from the layers around. Errors as above. */
bool packet_append(struct packet *packet, const struct packet *inner, struct error *err);

/* Appends bytes to the payload. */
bool packet_append_bytes(struct packet *packet, const void *bytes, size_t length,
                         struct error *err);

/* Replaces the payload. */
bool packet_set_payload(struct packet *packet, const void *bytes, size_t length, struct error *err);

/* What the first `n` layers carry behind the end of the next one, n < count. That of no layer is
 * what is behind the outermost one's end. Setting replaces it. */
const uint8_t *packet_trailer(const struct packet *packet, size_t n, size_t *length);
bool packet_set_trailer(struct packet *packet, size_t n, const void *bytes, size_t length,
                        struct error *err);

/* What is behind the last header; all bytes if there is no layer. */
const uint8_t *packet_payload(const struct packet *packet, size_t *length);

/* Reads the `size` bytes that are in packet->bytes, the first header being of `first`, as far as
 * it goes: see `stop`. A packet that is cut off in a header has it as its last layer, with the
 * fields that are there. */
void packet_parse(struct packet *packet, const struct proto *first);

/* proto_ip or proto_ip6, by the version of the first byte (IPv4 for any but 6). */
const struct proto *packet_ip_proto(const uint8_t *bytes, size_t length);

/* proto_null or proto_loop, by where the zeros are: no family has more than 16 bits. */
const struct proto *packet_null_proto(const uint8_t *bytes, size_t length);

/* "whole", "cut short", … */
const char *packet_stop_name(enum packet_stop stop);

/* The number of the first layer of that name, -1 if there is none. */
int packet_layer(const struct packet *packet, const char *name);

/* The header of layer `i`; valid until the packet changes. */
static inline uint8_t *packet_header(const struct packet *packet, size_t i)
{
    return packet->bytes + packet->layers[i].offset;
}

/* Whether the field is there at all: the header may be cut off before it. */
bool packet_has(const struct packet *packet, size_t i, const struct field *f);

/* Whether the field is shown: it is no alias and means something for this kind of message. */
bool packet_shows(const struct packet *packet, size_t i, const struct field *f);

/* Writing. A computed field is pinned by it, and unpinned by packet_unpin(). The field must be
 * there: packet_has(). */
void packet_set_number(struct packet *packet, size_t i, const struct field *f, uint64_t value);
bool packet_set_text(struct packet *packet, size_t i, const struct field *f, const char *text,
                     struct error *err);

/* Bytes of a field that begins on a byte: as many as it is wide; or a new tail, padded with zeros
 * to what the header's length can say. Errors: usage, EINVAL for a wrong length, EMSGSIZE if the
 * header's length (unless pinned) cannot say it. */
bool packet_set_bytes(struct packet *packet, size_t i, const struct field *f, const void *bytes,
                      size_t length, struct error *err);

/* As if the field had never been set: what is computed is computed again, a tail is empty. */
bool packet_reset(struct packet *packet, size_t i, const struct field *f, struct error *err);

/* The bytes of such a field. */
const uint8_t *packet_bytes(const struct packet *packet, size_t i, const struct field *f,
                            size_t *length);

/* Whether a field that would be computed is not: it was set by hand, or was a lie that was parsed.
 * packet_unpin() has it computed again. */
bool packet_pinned(const struct packet *packet, size_t i, const struct field *f);
void packet_unpin(struct packet *packet, size_t i, const struct field *f);

/* The source address of layer `i`, an IP header, if nobody has set it and it was not parsed:
 * whoever sends the packet may fill it in. `*dst` is where it goes to. Else NULL. */
const struct field *packet_open_source(const struct packet *packet, size_t i,
                                       const struct field **dst);

/* Computes what is not pinned, in the layers that depend on something that was set since the last
 * time: in that layer and those around it, and for an address in those inside too. */
void packet_finish(struct packet *packet);

/* Where the packet goes in the end that layer `i` is in and whose addresses are in layer `j`: the
 * address in that layer, or the end of a route (RFC 8200, 8.1). */
const uint8_t *packet_destination(const struct packet *packet, size_t i, size_t j);

enum packet_sum {
    SUM_NONE, /* no checksum field, or UDP without one, or addresses missing */
    SUM_GOOD,
    SUM_BAD,
    SUM_PARTIAL, /* that of the pseudo-header alone: left by a local sender with offload */
    SUM_UNKNOWN, /* the bytes are not all here: cut off, or a fragment */
};

/* The checksum of layer `i`, and what it should be (if `right` is not NULL). */
enum packet_sum packet_checksum(const struct packet *packet, size_t i, uint16_t *right);

#endif
