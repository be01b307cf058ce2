/* field: one row of a protocol's table, and the bits it stands for.
 *
 * The row drives everything that is done with the field: build, parse, print, access from Lua,
 * match, reference. A field knows nothing of the packet around it; where its value follows from
 * the rest of the packet, `role` says how, from a fixed list, and packet.c does it. */
#ifndef TCPLUA_PACKET_FIELD_H
#define TCPLUA_PACKET_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum field_kind {
    FIELD_NUMBER,  /* unsigned; at most 32 bits, or 64 where it begins on a byte */
    FIELD_HEX,     /* the same, shown in hexadecimal */
    FIELD_SEQ,     /* a sequence number: any integer, taken modulo 2^width */
    FIELD_FLAGS,   /* bits with names */
    FIELD_MAC,     /* addresses begin on a byte */
    FIELD_IP4,     /* */
    FIELD_IP6,     /* */
    FIELD_BYTES,   /* bytes as they are; begin on a byte */
    FIELD_OPTIONS, /* a list of options (option.h); begins on a byte */
};

/* What a field means to the packet. From ROLE_HEADER_LENGTH on they are computed where the script
 * has not set them. */
enum field_role {
    ROLE_PLAIN,
    ROLE_SRC,             /* the addresses that a pseudo-header takes */
    ROLE_DST,             /* */
    ROLE_ROUTE,           /* may say that it goes elsewhere in the end, which they take instead */
    ROLE_FRAGMENT,        /* if not 0, what follows is the middle of something, not a header */
    ROLE_MORE,            /* if not 0, what follows goes on in another packet */
    ROLE_SPORT,           /* what follows may go by either port, */
    ROLE_DPORT,           /* of which this is filled in, unless it was set by hand */
    ROLE_QUOTED,          /* length in `unit` bytes of the packet that is quoted; 0: all */
    ROLE_HEADER_LENGTH,   /* length of this header in `unit` bytes, less `bias` */
    ROLE_TOTAL_LENGTH,    /* bytes from this header to the end */
    ROLE_PAYLOAD_LENGTH,  /* bytes from behind this header to the end */
    ROLE_NEXT,            /* number of the protocol that follows */
    ROLE_CHECKSUM_HEADER, /* Internet checksum of this header */
    ROLE_CHECKSUM,        /* of this header and all that follows */
    ROLE_CHECKSUM_PSEUDO, /* the same with the pseudo-header of the addresses around it */
    ROLE_CHECKSUM_UDP,    /* the same, and 0 means that there is none */
};

struct option_table;

struct field {
    const char *name;
    uint16_t bit;   /* from the beginning of the header, most significant first */
    uint16_t width; /* in bits; 0: a tail, from `bit` to the end of the header */
    enum field_kind kind;
    enum field_role role;
    uint8_t unit, bias; /* of the roles that count in units */
    bool little;        /* least significant byte first; whole bytes */
    bool alias; /* another name, without a computed role, for bits that have one; not shown */
    const uint8_t *when;                /* shown only if the header's first byte is one of
                                           when[1..when[0]]; NULL: always */
    uint32_t initial;                   /* what it holds before anybody sets it */
    const char *const *names;           /* of FIELD_FLAGS: names[i] is bit i, ends with NULL */
    const char *joint;                  /* of FIELD_FLAGS: stands between the names */
    const struct option_table *options; /* of FIELD_OPTIONS */
};

#define FIELD_TEXT 128 /* room for any number, address or set of flags as text */

/* Whether the packet computes it. */
static inline bool field_is_computed(const struct field *f)
{
    return f->role >= ROLE_HEADER_LENGTH;
}

/* Whether the packet fills it in where it was not set by hand: what is computed, and a port. */
static inline bool field_is_filled(const struct field *f)
{
    return field_is_computed(f) || f->role == ROLE_DPORT;
}

/* Whether it holds a number (FIELD_FLAGS included). */
static inline bool field_is_number(const struct field *f)
{
    return f->kind <= FIELD_FLAGS;
}

/* Whether the field lies within the first `length` bytes of its header. */
static inline bool field_inside(const struct field *f, size_t length)
{
    return (size_t)f->bit + f->width <= length * 8;
}

/* Whether two fields of a header have bits in common. */
static inline bool field_overlaps(const struct field *f, const struct field *g)
{
    return f->bit < g->bit + g->width && g->bit < f->bit + f->width;
}

/* The greatest number it holds. */
uint64_t field_max(const struct field *f);

/* Reads and writes the number; the field lies inside `header`. Bits of `value` that do not fit are
 * left out, and no other bit of the header changes. */
uint64_t field_get(const struct field *f, const uint8_t *header);
void field_set(const struct field *f, uint8_t *header, uint64_t value);

/* The value of a field that is a number, flags or an address, in the words of field_parse().
 * Returns `text`. */
const char *field_format(const struct field *f, const uint8_t *header,
                         char text[static FIELD_TEXT]);

/* The names of the bits set in `value`, "" for none. Bits without a name are shown as a number. */
const char *field_flags(const struct field *f, uint64_t value, char text[static FIELD_TEXT]);

/* Writes what `text` says: an address, or names of flags ("S.", "none"). Any address is taken,
 * link-local ones and IPv4 in IPv6 too. Errors: usage, EINVAL, naming the field. */
bool field_parse(const struct field *f, uint8_t *header, const char *text, struct error *err);

#endif
