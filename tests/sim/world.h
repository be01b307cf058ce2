/* world: two engines, the paths between them (link/path.h) and a virtual clock.
 *
 * A plan says what the two applications and the network do; the same plan always runs the same way.
 * Segments travel as structs: only what the network corrupts is made bytes. After every call of an
 * engine its invariants are checked (tcp/tcp_check.h), and what only somebody who sees both ends
 * can know: that a byte read is the byte written there, that nothing is sent beyond what the other
 * end has offered, or longer than it takes, that no reset answers a reset, and that there is an
 * end.
 */
#ifndef TCPLUA_TESTS_SIM_WORLD_H
#define TCPLUA_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/path.h"
#include "tcp/tcp.h"

#define WORLD_STREAM  (1U << 20) /* the most that a side can send */
#define WORLD_DROPS   2
#define WORLD_CHANGES 4

/* From `at` on, the path from side `from` is another one. */
struct world_change {
    int64_t at; /* 0: there is none */
    int from;
    struct fault fault;
};

struct world_side {
    struct tcp_config config;
    size_t total;   /* bytes to send */
    size_t chunk;   /* most bytes in one write */
    size_t sip;     /* most bytes in one read */
    int64_t pause;  /* between two looks at the connection; 0: at every event */
    bool after_eof; /* closes only when the peer has */
};

struct world_plan {
    struct fault path[2]; /* from side 0, and from side 1; seeds are drawn from `seed` */
    uint64_t seed;
    struct world_change changes[WORLD_CHANGES]; /* in order of time */
    unsigned drop[WORLD_DROPS];                 /* the n-th segment of all is lost, from 1 */
    struct world_side side[2];
    bool both_connect; /* simultaneous open */
    bool may_time_out; /* an end may give up; then what was delivered must be a prefix */
    bool trace;        /* every segment is printed */
};

struct world_result {
    const char *failed; /* NULL: all is well */
    bool timed_out;     /* an end gave up */
    int64_t lasted;     /* until both ends had read all, in virtual time */
    uint64_t segments;  /* sent */
    uint64_t delivered; /* segments taken in by an engine */
    uint64_t retransmits;
    struct tcp_info info[2]; /* at the end */
    struct path_counts path[2];
};

/* What side `side` sends: WORLD_STREAM bytes. */
const uint8_t *world_stream(int side);

/* A plan on a perfect path of 10 ms each way: 20,000 bytes each way, side 0 closes when side 1 has,
 * nobody ever gives up, and who is in TIME-WAIT stays there for a day. */
struct world_plan world_plain(void);

void world_run(const struct world_plan *plan, struct world_result *result);

#endif
