/* flight: what is in the network, segment by segment: when each was last sent, and what is believed
 * of it. Loss detection by time (rack.h) needs that; the scoreboard, which knows ranges, does not.
 *
 *     una      end[0]   end[1]           end[2]   end[3] = SND.NXT, when all is told
 *      |  held   |  lost  |     again      |        |
 *
 * Each entry begins where the one before it ends. What is sent again keeps its place and is cut
 * where the new segment begins and ends, so the entries are in order of sequence numbers, and in
 * order of time too, beyond the last that was sent again. A ring: entries come at the end and go in
 * front. The first few lie in the struct, so that a question and its answer take no memory, and
 * what was taken goes back when nothing is in flight.
 *
 * There are at most FLIGHT_SEGMENTS; beyond that, or when memory is short, the newest entry grows
 * instead, and what cannot be cut counts as sent again as a whole. Both are later with a loss, and
 * the retransmission timer is still behind them. */
#ifndef TCPLUA_TCP_FLIGHT_H
#define TCPLUA_TCP_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define FLIGHT_FEW      2U         /* entries in the struct, */
#define FLIGHT_FIRST    64U        /* when memory is first taken, */
#define FLIGHT_SEGMENTS (1U << 16) /* and at most: powers of two */

enum {
    FLIGHT_HELD = 1,  /* reported by SACK */
    FLIGHT_LOST = 2,  /* and not sent again since */
    FLIGHT_AGAIN = 4, /* sent more than once */
};

struct flight_segment {
    int64_t sent;   /* when last */
    uint32_t end;   /* the number after its last */
    uint32_t marks; /* FLIGHT_… */
};

struct flight {
    struct flight_segment *heap; /* NULL: they are in `few` */
    uint32_t room, first, count;
    uint32_t una;       /* where the first one begins */
    uint32_t held;      /* entries marked so */
    uint32_t lost;      /* bytes marked so */
    uint32_t lost_from; /* none before this is */
    uint32_t again_to;  /* none after this was sent again */
    struct flight_segment few[FLIGHT_FEW];
};

/* Nothing is in flight; the next to be sent is `una`. */
void flight_init(struct flight *f, uint32_t una);
void flight_free(struct flight *f);

/* [seq, end) leaves, again as far as it was sent before. */
void flight_sent(struct flight *f, uint32_t seq, uint32_t end, int64_t now);

/* Everything before `una` is acknowledged, and what `segment` was is gone: ask until false. A
 * segment that is acknowledged in part stays. */
bool flight_acked(struct flight *f, uint32_t una, struct flight_segment *segment);

/* The entry that holds `seq`; `count` if there is none. */
uint32_t flight_find(const struct flight *f, uint32_t seq);

/* Entry `i` of those there are. */
struct flight_segment *flight_at(struct flight *f, uint32_t i);

/* Where entry `i` begins. */
uint32_t flight_begin(const struct flight *f, uint32_t i);

void flight_hold(struct flight *f, uint32_t i);
void flight_lose(struct flight *f, uint32_t i);

/* The peer takes back what it held. */
void flight_unhold(struct flight *f);

/* Where the first one that is lost begins; false if none is. */
bool flight_lost(struct flight *f, uint32_t *seq);

#endif
