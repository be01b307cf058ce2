/* path: one direction of a way through a bad network, and what becomes of a datagram on it.
 *
 * A path carries nothing: it is told how long a datagram is and when it enters, and says whether
 * and when it comes out. So the links that carry frames (fault, hub) and a simulation that carries
 * segments share the one network. Everything that is left to chance comes from the seed: each kind
 * of fault has its own stream of random numbers, with one draw for every datagram, so that more
 * loss does not change which are duplicated.
 *
 *     down?  too long?  lost?  ->  queue, drop tail  ->  rate  ->  delay and jitter  ->  out
 */
#ifndef TCPLUA_LINK_PATH_H
#define TCPLUA_LINK_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What a path is like. Zeros make a perfect one. */
struct fault {
    uint64_t seed;
    double loss, duplicate, reorder, corrupt; /* probabilities, 0..1; corrupt: one bit flipped */
    int64_t burst_every, burst_length; /* Gilbert-Elliott: how long, on average, it is good until a
                                          burst of losses begins, and how long that lasts; 0: none.
                                          Counted in time, or a lonely retransmission seconds later
                                          would find itself in the same burst */
    double burst_loss;                 /* probability of loss within; 0: all is lost */
    int64_t delay, jitter;             /* one way, and what is added at most */
    double rate;                       /* bits a second; 0: no limit */
    uint32_t queue; /* bytes that wait for the rate; 0: PATH_QUEUE. What comes on top is lost */
    uint32_t mtu;   /* bytes of a datagram that fits; 0: all do */
    bool silent;    /* what does not fit is lost without an ICMP error */
    bool down;      /* nothing passes */
};

#define PATH_QUEUE (128U << 10)

struct path_counts {
    uint64_t sent, bytes; /* datagrams that entered */
    uint64_t lost;        /* by chance, bursts included */
    uint64_t overflowed;  /* lost for a full queue */
    uint64_t too_big;
    uint64_t dark; /* lost while the path was down */
    uint64_t duplicated, reordered, corrupted;
};

enum path_stream {
    PATH_LOSS,
    PATH_DUPLICATE,
    PATH_REORDER,
    PATH_CORRUPT,
    PATH_JITTER,
    PATH_BURST,
    PATH_BURST_LOSS,
    PATH_STREAMS,
};

struct path {
    struct fault fault;
    struct path_counts counts;
    uint64_t streams[PATH_STREAMS]; /* states of the random number generators */
    bool burst;                     /* within one, at */
    int64_t looked;                 /* this time */
    int64_t free;                   /* when all that waits for the rate will have left */
    int64_t last;                   /* when the last of those that keep their order comes out */
};

struct path_fate {
    enum { PATH_PASSES, PATH_LOST, PATH_TOO_BIG } what; /* too big: the sender is to be told */
    int64_t due;                                        /* when it comes out */
    bool twice;                                         /* and a copy right behind it */
    bool corrupted;                                     /* the first of them only, in */
    uint64_t bit;                                       /* this bit, modulo all there are */
};

/* False, with `err` of kind usage, if there can be no such path. */
bool fault_check(const struct fault *fault, struct error *err);

void path_init(struct path *path, const struct fault *fault);

/* Changes what the path is like from `now` on, all but its seed. What is under way stays so; what
 * waits for the rate leaves at the new one, as far as those behind it notice. Delay and jitter
 * never change the order: with less delay, those sent now still come behind those sent before. */
void path_change(struct path *path, const struct fault *fault, int64_t now);

/* A datagram of `length` bytes enters now. Those picked for reordering are held for another
 * `jitter` (if that is 0, `delay`; if that is 0 too, 1 ms) while others pass. */
struct path_fate path_enter(struct path *path, size_t length, int64_t now);

/* The next number of a seed: splitmix64. */
uint64_t path_draw(uint64_t *state);

#endif
