/* sendbuf: the bytes that the application has written and the peer has not acknowledged.
 *
 * They lie in one piece, so that a segment's payload can point into them. Acknowledged bytes are
 * left behind as a gap in front; when the end of the memory is reached, the rest moves down, and
 * that only once the gap is at least as long as what moves: every byte moves about once at most.
 * Memory is taken with the first byte and doubled as needed; as long as it is little, it goes back
 * with the last one, so that idle connections have none. */
#ifndef TCPLUA_TCP_SENDBUF_H
#define TCPLUA_TCP_SENDBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sendbuf {
    uint8_t *bytes;
    uint32_t size;   /* of the memory */
    uint32_t head;   /* where the first byte lies */
    uint32_t length; /* bytes held */
    uint32_t limit;  /* most bytes to hold */
    uint32_t seq;    /* sequence number of the first byte */
};

/* `limit` is 1 GiB at most. */
void sendbuf_init(struct sendbuf *b, uint32_t limit, uint32_t seq);
void sendbuf_free(struct sendbuf *b);

/* Appends what fits of `length` bytes; returns how many. 0 with room left: memory is short. */
size_t sendbuf_append(struct sendbuf *b, const void *bytes, size_t length);

/* Makes the `length` bytes from `seq` on, which is at most the end, what `bytes` says: over those
 * held already, and behind them. False, with nothing changed, if they do not fit. */
bool sendbuf_put(struct sendbuf *b, uint32_t seq, const void *bytes, size_t length);

/* Adds zeros until the end is at `end`, if it was before it. False, with nothing changed, if they
 * do not fit. */
bool sendbuf_pad(struct sendbuf *b, uint32_t end);

/* Drops `length` bytes in front, which must be there. */
void sendbuf_drop(struct sendbuf *b, size_t length);

/* The byte with sequence number `seq`, which must be held. */
static inline const uint8_t *sendbuf_at(const struct sendbuf *b, uint32_t seq)
{
    return b->bytes + b->head + (seq - b->seq);
}

/* The sequence number after the last byte. */
static inline uint32_t sendbuf_end(const struct sendbuf *b)
{
    return b->seq + (uint32_t)b->length;
}

#endif
