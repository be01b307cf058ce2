/* recvbuf: the bytes that came in, put in order.
 *
 * A ring. In front lie `ready` bytes in order that the application has not read; the byte with
 * sequence number `next` + k has its place right behind them, at distance k, whether the bytes
 * before it have come or not. So data out of order is written once, where it will be read from, and
 * a short list of ranges says what is there:
 *
 *        head                next
 *         |ready ready ready  |  hole  [range 0)  hole  [range 1)      ...
 *
 * Where data overlaps, what came first stays. The ranges are sorted, apart from each other and
 * beyond `next`; at most RECVBUF_RANGES are kept, and what would need one more is dropped, so a
 * peer that sends islands costs no memory. The ring takes memory with the first byte and doubles as
 * needed, up to `limit`; a small one gives it back when it is empty, so that idle connections have
 * none. */
#ifndef TCPLUA_TCP_RECVBUF_H
#define TCPLUA_TCP_RECVBUF_H

#include <stddef.h>
#include <stdint.h>

#define RECVBUF_RANGES 64

struct recvbuf_range {
    uint32_t left, right; /* sequence numbers, [left, right) */
};

struct recvbuf {
    uint8_t *bytes;
    uint32_t size;               /* of the ring: 0 or a power of two */
    uint32_t head;               /* where the first unread byte lies */
    uint32_t ready;              /* bytes in order and unread */
    uint32_t limit;              /* most bytes to hold, holes included */
    uint32_t next;               /* sequence number expected next: RCV.NXT, a FIN left aside */
    unsigned ranges;             /* ranges out of order */
    uint64_t overlaps;           /* bytes that came again with another value */
    struct recvbuf_range *range; /* RECVBUF_RANGES and a spare one, since what is in order is always
                                    taken; NULL as long as nothing came out of order */
};

enum recvbuf_result {
    RECVBUF_DROPPED,      /* nothing new, too many ranges, or memory is short */
    RECVBUF_OUT_OF_ORDER, /* kept beyond a hole */
    RECVBUF_IN_ORDER,     /* `next` has advanced */
};

void recvbuf_init(struct recvbuf *b, uint32_t limit, uint32_t next);
void recvbuf_free(struct recvbuf *b);

/* Takes `length` bytes that begin at `seq`, which may lie before `next`. The caller has cut them to
 * its window: seq + length - next is at most limit - ready. */
enum recvbuf_result recvbuf_insert(struct recvbuf *b, uint32_t seq, const uint8_t *bytes,
                                   size_t length);

/* Moves up to `length` bytes in order to `out`, none after the first `stop` (-1: no such). Returns
 * how many. */
size_t recvbuf_read(struct recvbuf *b, uint8_t *out, size_t length, int stop);

/* The sequence number after the last byte held, in order or not. */
uint32_t recvbuf_end(const struct recvbuf *b);

#endif
