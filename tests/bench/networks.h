/* networks: two network namespaces of the benchmark's own, joined by a veth:
 *
 *     near 192.0.2.1 ------ veth ------ 192.0.2.2 far
 */
#ifndef TCPLUA_BENCH_NETWORKS_H
#define TCPLUA_BENCH_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>

/* Makes both, the interfaces being called near and far; this process stays in near. Returns far.
 * Ends the program with 77 where namespaces are refused. */
int make_networks(void);

/* Runs "ip ARGUMENTS" in a namespace, or ends the program. */
void ip(int namespace, const char *arguments);

/* Sets one of an interface's offloads, by its command (ETHTOOL_STSO, …). */
void offload(int namespace, const char *interface, uint32_t command, bool on);

/* Writes a file of /proc/sys/net as that namespace sees it. */
void tune(int namespace, const char *path, const char *value);

/* The network namespace of this process, of another one. */
int open_namespace(void);
int open_process_namespace(int pid);

/* Execs argv in a child, with `out` as its stdout. */
_Noreturn void become(const char *const *argv, int out);

/* Whether a child's status is that of success. */
bool ended_well(int status);

/* Prints "bench: what: errno" and ends the program with 1. */
_Noreturn void fail(const char *what);

#endif
