/* wire: how long an answer takes, as the peer's end of the wire sees it: the kernel's time stamps
 * of what went out there and what came in, in a capture. */
#ifndef TCPLUA_BENCH_WIRE_H
#define TCPLUA_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* Begins a capture of TCP over IPv4 on interface `name` of a namespace, from now on. */
int wire_open(int namespace, const char *name);

/* Takes what was captured and fills in, one conversation after the other, the nanoseconds from each
 * SYN-ACK that went out to the first segment that came in; with `text` from each segment with data
 * to the first that came in with data. Returns how many, `most` at most. */
size_t wire_answers(int fd, int text, int64_t *times, size_t most);

#endif
