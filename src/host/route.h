/* route: where this host would send a datagram, asked of the kernel by rtnetlink, one question at a
 * time and never a dump of a table. */
#ifndef TCPLUA_HOST_ROUTE_H
#define TCPLUA_HOST_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

struct iface {
    uint32_t index;
    char name[16];
    struct addr mac; /* ADDR_NONE where it has none */
    uint32_t mtu;
    bool up, running, loopback;
    uint16_t type; /* ARPHRD_… */
};

struct route {
    uint32_t ifindex;
    struct addr source;  /* the address the kernel would use */
    struct addr gateway; /* next hop, of either family; ADDR_NONE if `dst` is on the link */
    uint32_t mtu;        /* of the path as the kernel knows it, else of the interface */
    bool local;          /* the destination is this host */
    bool broadcast;      /* the destination is a broadcast address of an interface */
};

/* The route to `dst`, from `src` unless NULL, through interface `ifindex` unless 0 (a zone of `dst`
 * or `src` counts as one). `src` is an address of this host; for another one, which user space
 * answers for, ask with NULL. Errors: network, ENETUNREACH "no route to …", ENETDOWN, EHOSTUNREACH,
 * EINVAL for a prohibited one; environment, ENODEV; usage, EADDRNOTAVAIL for `src`. */
bool route_get(const struct addr *dst, const struct addr *src, uint32_t ifindex,
               struct route *route, struct error *err);

/* An interface by name or by index. Errors: environment, ENODEV, naming it escaped. */
bool iface_by_name(const char *name, struct iface *iface, struct error *err);
bool iface_by_index(uint32_t index, struct iface *iface, struct error *err);

/* The MAC address that the kernel knows for `ip` on an interface, if it knows one that is still
 * good. */
bool neigh_get(uint32_t ifindex, const struct addr *ip, struct addr *mac);

/* Whether `addr` is an address of this host: whether a socket can be bound to it. */
bool addr_is_local(const struct addr *addr);

/* TcpOutRsts of this network namespace: resets that the kernel has sent; -1 if it does not say. */
int64_t kernel_resets(void);

#endif
