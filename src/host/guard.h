/* guard: keeps the kernel from answering for a port that user space owns.
 *
 * The kernel resets a connection that it knows nothing of. A guard is a kernel socket that listens
 * on the port, so that segments for it find a socket, and that drops every one of them unanswered.
 * It reserves the port, and it ends with the process, however that ends: no rule is ever left.
 *
 * It drops in several ways, because each has a case in which it fails: a TCP-MD5 key for every
 * address (needs a kernel with TCP-MD5), a minimum TTL of 255 (fails for a peer on the link that
 * sends 255), and, where there is no key, a socket filter that takes nothing (needs CAP_NET_ADMIN
 * since June 2026, and costs as much as all the rest of a guard). */
#ifndef TCPLUA_HOST_GUARD_H
#define TCPLUA_HOST_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

enum { GUARD_FILTER = 1, GUARD_MD5 = 2, GUARD_TTL = 4, GUARD_ALL = 7 };

struct guard;

/* Guards `addr`:`port`, or a free port that the kernel chooses if `port` is 0, by those of the
 * `ways` (GUARD_ALL but in tests) that this kernel grants and that are of use. NULL with `err`:
 * EADDRINUSE when the port is taken (environment), EADDRNOTAVAIL when `addr` is not this host's
 * (usage), EPERM (environment) when no way holds, listing what was tried; EMFILE when
 * this process has all the descriptors it may. */
struct guard *guard_open(const struct addr *addr, uint16_t port, unsigned ways, struct error *err);

/* The same for UDP, where the kernel would answer a datagram for a port that nobody has with an
 * ICMP error: a socket that is bound to the port, takes nothing and so reads nothing. */
struct guard *guard_open_udp(const struct addr *addr, uint16_t port, struct error *err);

uint16_t guard_port(const struct guard *guard);
unsigned guard_ways(const struct guard *guard); /* those that hold; of TCP only */

/* The same guard once more, for another that needs the port: it ends with the last guard_close().
 * NULL is allowed. */
struct guard *guard_share(struct guard *guard);

/* Frees the port, unless somebody else shares the guard. NULL is allowed. */
void guard_close(struct guard *guard);

#endif
