/* hub: a network in memory. Any number of hosts hang on it, each by two paths (path.h): one for
 * what it sends, one for what it receives; in the middle nothing is lost and nothing takes time.
 *
 *     hub_link(a) -- sending --> (hub) -- receiving --> hub_link(b)
 *
 * A host has as many addresses as it likes, each a link of its own, and what is sent goes to the
 * link that has its destination address: there are no frames and no neighbours, and what is for
 * nobody is lost, broadcasts too. A datagram that is too big for a path is answered by ICMP,
 * through the path on which its sender receives. Nothing in a hub happens by itself: whoever
 * touches one of its links moves all that is due. */
#ifndef TCPLUA_LINK_HUB_H
#define TCPLUA_LINK_HUB_H

#include "base/addr.h"
#include "link/link.h"

struct hub;
struct hub_host; /* lives as long as its hub */

enum hub_way { HUB_SENDING, HUB_RECEIVING };

/* An empty network, whose links have this MTU; every path draws its seed from `seed`. `clock` must
 * outlive it. NULL with `err` if memory is short, as for the other two. */
struct hub *hub_open(const struct clock *clock, uint64_t seed, uint32_t mtu, struct error *err);

/* The owner lets go: it is freed when the last of its links is closed. NULL is allowed. */
void hub_release(struct hub *hub);

/* One more host, on perfect paths. */
struct hub_host *hub_host(struct hub *hub, struct error *err);

/* The path of a host, to be read; path_change() makes it another one. */
struct path *hub_path(struct hub_host *host, enum hub_way way);

/* An address appears at the host. Errors: EADDRINUSE. */
struct link *hub_link(struct hub_host *host, const struct addr *addr, struct error *err);

#endif
