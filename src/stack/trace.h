/* trace: what happens on the wire, one line a segment in tcpdump's words, or kept for a ladder.
 *
 *     > 0.000000 IP 192.0.2.1.40001 > 192.0.2.2.9000: Flags [S], seq 0, win 64240, …, length 0
 *     < 0.000214 IP 192.0.2.2.9000 > 192.0.2.1.40001: Flags [S.], seq 0, ack 1, …, length 0
 *     * 0.000215 ESTABLISHED 192.0.2.1.40001 > 192.0.2.2.9000
 *
 * ">" was sent by tcplua, "<" came in, "!" was sent by this host's kernel, "*" is a change of
 * state. Times are seconds since the first line. Numbers are relative: a SYN is 0. */
#ifndef TCPLUA_STACK_TRACE_H
#define TCPLUA_STACK_TRACE_H

#include <stdbool.h>
#include <stdio.h>

#include "link/link.h"
#include "tcp/tcp.h"

struct trace;

struct trace_frame {
    int64_t time; /* wall clock */
    enum link_medium medium;
    bool sent;
    unsigned flags; /* FRAME_… */
    size_t length;
    uint8_t *bytes;
};

/* Lines go to `out`, unless NULL; with `keep`, frames are kept (10,000 at most). */
struct trace *trace_new(FILE *out, bool keep);
void trace_free(struct trace *trace); /* NULL is allowed */

link_observer trace_frame; /* its `self` is the trace */

/* R1: "* 1.400214 no answer to 3 retransmissions 192.0.2.1.40001 > 192.0.2.2.9000". */
void trace_stalled(struct trace *trace, const struct flow *flow, int64_t time);

void trace_state(struct trace *trace, const struct flow *flow, enum tcp_state state, int64_t time);

/* The frames kept so far. */
const struct trace_frame *trace_kept(const struct trace *trace, size_t *count);

#endif
