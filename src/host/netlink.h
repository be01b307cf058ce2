/* netlink: one request to the kernel's rtnetlink and its reply, one message or a list of them (RFC
 * 3549).
 *
 *     struct netlink m;
 *     netlink_begin(&m, RTM_GETLINK, 0, &ifinfo, sizeof ifinfo);
 *     netlink_put(&m, IFLA_IFNAME, name, strlen(name) + 1);
 *     int refused = netlink_ask(&m, sizeof(struct ifinfomsg));
 *     const uint32_t *mtu = netlink_get(&m, IFLA_MTU, 4);
 *
 * The reply takes the place of the request. Every question opens its own socket: that costs a few
 * microseconds, and nothing has to be kept or to be made anew after a change of namespace. */
#ifndef TCPLUA_HOST_NETLINK_H
#define TCPLUA_HOST_NETLINK_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_ROOM 8192 /* an interface with all its attributes takes about 1.5 KiB */

struct netlink {
    alignas(8) uint8_t bytes[NETLINK_ROOM];
    size_t length;
    size_t fixed; /* of a reply: where its attributes begin */
};

/* Begins a request of `type` (RTM_…) with `flags` (NLM_F_…; NLM_F_REQUEST is added) and the fixed
 * part of that type. */
void netlink_begin(struct netlink *m, uint16_t type, uint16_t flags, const void *fixed,
                   size_t length);

/* Appends an attribute. Requests are small and made here: there is always room. */
void netlink_put(struct netlink *m, uint16_t type, const void *value, size_t length);
void netlink_put32(struct netlink *m, uint16_t type, uint32_t value);

/* Appends bytes as they are, inside of a nest: the fixed part of a message within an attribute. */
void netlink_put_raw(struct netlink *m, const void *bytes, size_t length);

/* Attributes that are put between the two go inside of one attribute of `type`. */
size_t netlink_nest(struct netlink *m, uint16_t type);
void netlink_end(struct netlink *m, size_t nest);

/* Sends the request and takes the reply, whose fixed part must have `fixed` bytes; a request with
 * NLM_F_ACK has no reply but yes or no. Returns 0 or an errno. */
int netlink_ask(struct netlink *m, size_t fixed);

/* Sends the request, as a dump (NLM_F_DUMP is added), and calls `take` with each message of the
 * reply that has its `fixed` bytes. Returns 0 or an errno: EINTR if the list changed while the
 * kernel told it, so that what came may be wrong; ECANCELED if `take` gave false, which ends it. */
int netlink_dump(const struct netlink *request, size_t fixed,
                 bool (*take)(void *self, const struct netlink *message), void *self);

/* The fixed part of the reply. */
const void *netlink_fixed(const struct netlink *m);

/* The value of the first attribute of `type` in the reply if it has `length` bytes or more, else
 * NULL. netlink_find() says how many. */
const void *netlink_get(const struct netlink *m, uint16_t type, size_t length);
const void *netlink_find(const struct netlink *m, uint16_t type, size_t *length);

/* The same within `size` bytes of attributes: the value of a nest. */
const void *netlink_find_in(const void *attributes, size_t size, uint16_t type, size_t *length);

#endif
