/* tcp_check: what is true of every connection at every moment, for tests and fuzzers. */
#ifndef TCPLUA_TCP_TCP_CHECK_H
#define TCPLUA_TCP_TCP_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/tcp.h"

/* What may never go back, as it was at the last check. Zero before the first. */
struct tcp_watch {
    bool receiving, sending;
    uint32_t rcv_nxt, rcv_adv; /* RCV.NXT and the right edge of the receive window */
    uint32_t snd_una, snd_nxt;
    uint32_t snd_edge; /* rightmost edge the peer ever offered */
};

/* NULL if all holds, else what does not, in words. To be called after every call of the engine:
 * `watch` (or NULL) carries from one check to the next what must not shrink. */
const char *tcp_check(const struct tcp *tcp, struct tcp_watch *watch);

/* NULL if the engine may send `out`, which tcp_output() has just made. */
const char *tcp_check_segment(const struct tcp *tcp, const struct segment *out);

#endif
