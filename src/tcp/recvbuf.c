/* recvbuf: a ring in which every byte has its place before it comes. */
#include "tcp/recvbuf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/seq.h"

#define RECVBUF_FIRST 1024 /* memory taken for the first byte */
#define RECVBUF_SMALL 4096 /* a ring as large as this is given back when it is empty */

void recvbuf_init(struct recvbuf *b, uint32_t limit, uint32_t next)
{
    *b = (struct recvbuf){.limit = limit, .next = next};
}

void recvbuf_free(struct recvbuf *b)
{
    free(b->bytes);
    free(b->range);
    b->bytes = NULL;
    b->range = NULL;
    b->size = b->head = b->ready = 0;
    b->ranges = 0;
}

uint32_t recvbuf_end(const struct recvbuf *b)
{
    return b->ranges ? b->range[b->ranges - 1].right : b->next;
}

/* The piece of the ring that begins `offset` behind the head and has up to `length` bytes: its
 * place, and in *length how much of it lies in one piece. */
static uint8_t *recvbuf_piece(const struct recvbuf *b, uint32_t offset, size_t *length)
{
    uint32_t at = (b->head + offset) & (b->size - 1);
    if (*length > b->size - at)
        *length = b->size - at;
    return b->bytes + at;
}

/* Makes the ring at least `need` long. */
static bool recvbuf_reserve(struct recvbuf *b, uint32_t need)
{
    if (need <= b->size)
        return true;

    uint32_t size = b->size ? b->size : RECVBUF_FIRST;
    while (size < need)
        size *= 2;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return false;
    if (b->size) {
        memcpy(bytes, b->bytes + b->head, b->size - b->head);
        memcpy(bytes + (b->size - b->head), b->bytes, b->head);
    }
    free(b->bytes);
    b->bytes = bytes;
    b->size = size;
    b->head = 0;
    return true;
}

/* Writes the bytes of [from, to), which begin at `bytes`. */
static void recvbuf_store(struct recvbuf *b, uint32_t from, uint32_t to, const uint8_t *bytes)
{
    while (from != to) {
        size_t length = to - from;
        uint8_t *place = recvbuf_piece(b, b->ready + (from - b->next), &length);
        memcpy(place, bytes, length);
        bytes += length;
        from += (uint32_t)length;
    }
}

/* Counts the bytes of [from, to) that differ from those held. */
static void recvbuf_compare(struct recvbuf *b, uint32_t from, uint32_t to, const uint8_t *bytes)
{
    while (from != to) {
        size_t length = to - from;
        const uint8_t *place = recvbuf_piece(b, b->ready + (from - b->next), &length);
        if (memcmp(place, bytes, length) != 0)
            for (size_t i = 0; i < length; i++)
                b->overlaps += place[i] != bytes[i];
        bytes += length;
        from += (uint32_t)length;
    }
}

/* Puts [left, right) into the list, its bytes into the holes, and joins the ranges it touches.
 * False if the list is full. */
static bool recvbuf_merge(struct recvbuf *b, uint32_t left, uint32_t right, const uint8_t *bytes)
{
    if (!b->range && !(b->range = calloc(RECVBUF_RANGES + 1, sizeof *b->range)))
        return false;
    unsigned first = 0;
    while (first < b->ranges && seq_lt(b->range[first].right, left))
        first++;
    unsigned last = first; /* one past the last that is touched */
    while (last < b->ranges && seq_le(b->range[last].left, right))
        last++;
    if (first == last && b->ranges >= RECVBUF_RANGES && left != b->next)
        return false;

    uint32_t at = left;
    for (unsigned i = first; i < last; i++) {
        uint32_t hole = seq_min(b->range[i].left, right);
        if (seq_lt(at, hole)) {
            recvbuf_store(b, at, hole, bytes + (at - left));
            at = hole;
        }
        uint32_t known = seq_min(b->range[i].right, right);
        if (seq_lt(at, known)) {
            recvbuf_compare(b, at, known, bytes + (at - left));
            at = known;
        }
    }
    recvbuf_store(b, at, right, bytes + (at - left));

    if (first < last) {
        left = seq_min(left, b->range[first].left);
        right = seq_max(right, b->range[last - 1].right);
    }
    memmove(&b->range[first + 1], &b->range[last], (b->ranges - last) * sizeof b->range[0]);
    b->ranges = b->ranges - (last - first) + 1;
    b->range[first].left = left;
    b->range[first].right = right;
    return true;
}

static void recvbuf_advance(struct recvbuf *b, uint32_t to)
{
    b->ready += to - b->next;
    b->next = to;
}

enum recvbuf_result recvbuf_insert(struct recvbuf *b, uint32_t seq, const uint8_t *bytes,
                                   size_t length)
{
    uint32_t end = seq + (uint32_t)length;

    if (seq_lt(seq, b->next)) { /* a part is old; what is still unread of it can be compared */
        uint32_t unread = b->next - b->ready;
        uint32_t from = seq_max(seq, unread);
        uint32_t to = seq_min(end, b->next);
        if (seq_lt(from, to))
            recvbuf_compare(b, from, to, bytes + (from - seq));
        if (seq_le(end, b->next))
            return RECVBUF_DROPPED;
        bytes += b->next - seq;
        seq = b->next;
    }
    if (seq == end || !recvbuf_reserve(b, b->ready + (end - b->next)))
        return RECVBUF_DROPPED;

    if (seq == b->next && b->ranges == 0) {
        recvbuf_store(b, seq, end, bytes);
        recvbuf_advance(b, end);
        return RECVBUF_IN_ORDER;
    }
    if (!recvbuf_merge(b, seq, end, bytes))
        return RECVBUF_DROPPED;
    if (b->range[0].left != b->next)
        return RECVBUF_OUT_OF_ORDER;
    recvbuf_advance(b, b->range[0].right);
    b->ranges--;
    memmove(&b->range[0], &b->range[1], b->ranges * sizeof b->range[0]);
    return RECVBUF_IN_ORDER;
}

size_t recvbuf_read(struct recvbuf *b, uint8_t *out, size_t length, int stop)
{
    size_t done = 0;
    bool found = false;

    while (done < length && b->ready && !found) {
        size_t piece = length - done < b->ready ? length - done : b->ready;
        const uint8_t *from = recvbuf_piece(b, 0, &piece);
        const uint8_t *hit = stop >= 0 ? memchr(from, stop, piece) : NULL;
        if (hit) {
            piece = (size_t)(hit - from) + 1;
            found = true;
        }
        memcpy(out + done, from, piece);
        done += piece;
        b->ready -= (uint32_t)piece;
        b->head = (b->head + (uint32_t)piece) & (b->size - 1);
    }
    if (b->ready == 0 && b->ranges == 0) {
        b->head = 0; /* small exchanges stay in the first page */
        free(b->range);
        b->range = NULL;
        if (b->size <= RECVBUF_SMALL) {
            free(b->bytes);
            b->bytes = NULL;
            b->size = 0;
        }
    }
    return done;
}
