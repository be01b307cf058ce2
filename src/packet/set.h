/* set: many packets from one: a template, and fields whose value moves from packet to packet.
 *
 * A generator says how a field moves. Ranges and lists multiply: the packets of a set are every
 * combination of their values, the last field (in the order of layers, then of fields) moving
 * fastest. Random values, counters and cycles are endless: they move with every packet and
 * multiply nothing; a set that has only those has no end. All packets of a set have the same length
 * and the same layers.
 *
 *     set_init(&set);
 *     set_vary(&set, &packet, 1, field, &generator, &err)   for each field that moves
 *     set_prepare(&set, &packet);                           the packet stays as it is from here on
 *     set_start(&set, &cursor, seed);
 *     memcpy(buffer, set.bytes, set.length);                once for each buffer
 *     while (set_next(&cursor, buffer))                     writes what moves, and the checksums
 *         send(buffer, set.length);
 *
 * A set holds no memory of its own: the packet, and the values of lists, are the caller's. */
#ifndef TCPLUA_PACKET_SET_H
#define TCPLUA_PACKET_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "packet/packet.h"

#define SET_ROWS 32 /* fields of a packet that can move */

/* A number of 128 bits, which any field but bytes and options holds; addresses are the number that
 * their bytes make. */
struct wide {
    uint64_t high, low;
};

/* The value of a field as it stands in its header. */
struct wide wide_get(const struct field *f, const uint8_t *header);

enum generator_kind {
    GENERATE_RANGE,   /* multiply */
    GENERATE_LIST,    /* */
    GENERATE_COUNTER, /* endless; modulo the field's width */
    GENERATE_CYCLE,   /* */
    GENERATE_RANDOM,  /* */
};

/* Made by the functions below. */
struct generator {
    enum generator_kind kind;
    struct wide first, step; /* a step down is a number that wraps to less */
    struct wide span;        /* of a random value: the greatest less the least (`first`) */
    uint64_t count;          /* of values; UINT64_MAX if there are more than that */
    double size;             /* the same, rounded */
    const struct wide *values;
};

/* first, first + step, … up to `last` at most. Of a sequence number (FIELD_SEQ) the range may wrap.
 * Errors: usage, EINVAL for a step of 0, or one that leads away from `last`. */
bool generator_range(struct generator *g, const struct field *f, struct wide first,
                     struct wide last, int64_t step, struct error *err);

/* `count` values, which the caller keeps. Errors: usage, EINVAL if there is none. */
bool generator_list(struct generator *g, enum generator_kind list_or_cycle,
                    const struct wide *values, size_t count, struct error *err);

/* first, first + step, …, modulo the field's width. */
void generator_counter(struct generator *g, struct wide first, int64_t step);

/* Anything from `least` to `most`; sequence numbers go round. Errors: usage, EINVAL if most <
 * least.
 */
bool generator_random(struct generator *g, const struct field *f, struct wide least,
                      struct wide most, struct error *err);

/* A field that moves, and the bytes in which it lies. */
struct set_row {
    struct generator generator;
    const struct field *field;
    uint32_t at; /* set_prepare(): its first byte */
    uint8_t layer;
    uint8_t size, shift; /* bytes it touches, and bits behind it in the last one */
    bool whole;          /* no other field has a bit in them */
    struct wide mask;    /* of its width */
};

/* A checksum that moves with the rows, and with checksums inside, that it covers. */
struct set_sum {
    uint32_t at;
    bool never_zero; /* UDP's */
    uint8_t count;
    uint64_t base; /* what all the rest of it adds up to */
    struct {
        uint8_t part;  /* i: row i; SET_ROWS + i: sum i */
        uint8_t shift; /* 8 if it ends in the middle of a word */
    } parts[SET_ROWS + PACKET_LAYERS];
};

struct set {
    const uint8_t *bytes; /* set_prepare(): the template, the packet's own */
    size_t length;
    uint8_t count, sum_count;
    struct set_row rows[SET_ROWS]; /* in the order of layers and fields */
    struct set_sum sums[PACKET_LAYERS];
};

void set_init(struct set *set);

/* Whether field `f` of layer `i` can move at all. Errors: usage, EINVAL for options, bytes and
 * tails, and for what decides which address a pseudo-header has. */
bool set_takes(const struct packet *packet, size_t i, const struct field *f, struct error *err);

/* Lets field `f` of layer `i` of `packet` move. The packet gets the first value (so the field is
 * pinned, if it is one that is computed). Errors: those of set_takes(), and usage, EINVAL, for bits
 * that move already and above SET_ROWS. */
bool set_vary(struct set *set, struct packet *packet, size_t i, const struct field *f,
              const struct generator *g, struct error *err);

/* Adds the rows of `inner`, for a packet in which its layers stand behind `layers` others. Errors:
 * usage, EINVAL above SET_ROWS. */
bool set_append(struct set *set, const struct set *inner, size_t layers, struct error *err);

/* Finds the bytes of the rows and the checksums that follow them; finishes the packet. The packet
 * is the template until the set is not used any more. Again after any change. */
void set_prepare(struct set *set, struct packet *packet);

/* How many packets it has: 1 without rows, HUGE_VAL if nothing multiplies. Rounded above 2^53. */
double set_count(const struct set *set);

struct set_cursor {
    const struct set *set;
    uint64_t random; /* state of splitmix64 */
    bool over;
    struct {
        struct wide value;
        uint64_t index;
        uint64_t word; /* as it stands in the row's bytes, of more than eight the low half */
    } rows[SET_ROWS];
    uint64_t parts[SET_ROWS + PACKET_LAYERS]; /* what rows and sums add to the sums around them */
};

/* Stands the cursor before the first packet of a set that is prepared. */
void set_start(const struct set *set, struct set_cursor *cursor, uint64_t seed);

/* Makes the next packet in `bytes`, which hold the template or any packet of the set: writes the
 * fields that move and the checksums that follow them, in a time that does not depend on the length
 * of the packet. False, and `bytes` as they were, after the last one; the next call then begins
 * again, while counters, cycles and random values go on. */
bool set_next(struct set_cursor *cursor, uint8_t *bytes);

#endif
