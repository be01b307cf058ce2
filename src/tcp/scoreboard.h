/* scoreboard: which of the bytes sent the peer has reported to hold (RFC 2018), and what follows
 * from that for the others (RFC 6675).
 *
 *     una        sacked      lost edge     sacked      sacked      nxt
 *      |  hole   [======)  hole  |  hole   [======)hole[====)  hole |
 *      |<---- lost, if unsacked ->|<- may still be on its way ----->|
 *
 * Sorted ranges that do not touch, all of them beyond SND.UNA. There are at most SCOREBOARD_RANGES;
 * a report that would need one more is forgotten, which costs a retransmission and no correctness.
 */
#ifndef TCPLUA_TCP_SCOREBOARD_H
#define TCPLUA_TCP_SCOREBOARD_H

#include <stdbool.h>
#include <stdint.h>

#define SCOREBOARD_RANGES 64
#define DUP_THRESH        3 /* RFC 6675 2 */

struct scoreboard {
    unsigned ranges;
    struct scoreboard_range {
        uint32_t left, right; /* [left, right) */
    } * range;                /* NULL where there are none: most connections never have any */
};

/* The peer holds [left, right), which the caller has found to lie within what is outstanding.
 * Returns whether any of it is news. Where memory is short, nothing is. */
bool scoreboard_add(struct scoreboard *b, uint32_t left, uint32_t right);

/* Everything before `una` is acknowledged. */
void scoreboard_acked(struct scoreboard *b, uint32_t una);

/* The peer takes its word back (RFC 2018 8), or is not to be believed any more. Frees what there
 * is. */
void scoreboard_clear(struct scoreboard *b);

/* Bytes reported before `to`. */
uint32_t scoreboard_bytes(const struct scoreboard *b, uint32_t to);

/* IsLost() of RFC 6675 4 for all numbers at once: what lies before the edge and is not reported is
 * lost, since DUP_THRESH ranges, or more than DUP_THRESH - 1 segments' bytes, are reported beyond.
 * `una` if nothing is. */
uint32_t scoreboard_lost(const struct scoreboard *b, uint32_t una, uint32_t mss);

/* The first number from `seq` on that is not reported; in *end where the next range begins, or
 * `limit` if there is none. */
uint32_t scoreboard_hole(const struct scoreboard *b, uint32_t seq, uint32_t limit, uint32_t *end);

/* The number after the highest one reported; `una` if there is none. */
static inline uint32_t scoreboard_end(const struct scoreboard *b, uint32_t una)
{
    return b->ranges ? b->range[b->ranges - 1].right : una;
}

#endif
