/* route: what the kernel knows of the network, asked by rtnetlink. What the program itself needs is
 * one question with one answer; whole tables are for scripts that ask for one. */
#ifndef TCPLUA_HOST_ROUTE_H
#define TCPLUA_HOST_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "host/list.h"

struct iface {
    uint32_t index;
    char name[16];
    struct addr mac; /* ADDR_NONE where it has none */
    uint32_t mtu;
    bool up, running, loopback;
    uint16_t type; /* ARPHRD_… */
};

/* An address of this host. */
struct iface_address {
    uint32_t ifindex;
    struct addr addr;
    uint8_t bits; /* of its prefix */
};

/* Where a datagram would go. */
struct route {
    uint32_t ifindex;
    struct addr source;  /* the address the kernel would use */
    struct addr gateway; /* next hop, of either family; ADDR_NONE if `dst` is on the link */
    uint32_t mtu;        /* of the path as the kernel knows it, else of the interface */
    bool local;          /* the destination is this host */
    bool broadcast;      /* the destination is a broadcast address of an interface */
};

/* A row of a routing table; of a route with several next hops, one of them. */
struct route_entry {
    struct addr dst;
    uint8_t bits;                /* of `dst`; the default route has none */
    uint8_t type;                /* RTN_UNICAST, RTN_BLACKHOLE, … */
    uint32_t table;              /* RT_TABLE_MAIN (254), … */
    uint32_t ifindex;            /* 0: goes nowhere */
    struct addr gateway, source; /* ADDR_NONE where the route does not say */
    uint32_t mtu, metric;        /* 0 where the route does not say */
};

/* An entry of the kernel's ARP cache or its like for IPv6. */
struct neighbour_entry {
    uint32_t ifindex;
    uint16_t state;      /* NUD_REACHABLE, … */
    struct addr ip, mac; /* `mac` is ADDR_NONE while it is not known */
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

/* What the kernel knows of neighbour `ip` on an interface. Errors: network, ENOENT "…knows nothing
 * of…". */
bool neigh_ask(uint32_t ifindex, const struct addr *ip, struct neighbour_entry *entry,
               struct error *err);

/* The MAC address that the kernel knows for `ip` on an interface, if it knows one that is still
 * good. */
bool neigh_get(uint32_t ifindex, const struct addr *ip, struct addr *mac);

/* Lists (list.h) of struct iface, iface_address, route_entry and neighbour_entry. Left out are the
 * routes that the kernel keeps for its own addresses and for broadcast (RT_TABLE_LOCAL), and
 * neighbours that need no asking (multicast, loopback). */
bool iface_list(struct host_list *list, struct error *err);
bool address_list(struct host_list *list, struct error *err);
bool route_list(struct host_list *list, struct error *err);
bool neigh_list(struct host_list *list, struct error *err);

/* Whether `addr` is an address of this host: whether a socket can be bound to it. */
bool addr_is_local(const struct addr *addr);

/* TcpOutRsts of this network namespace: resets that the kernel has sent; -1 if it does not say. */
int64_t kernel_resets(void);

#endif
