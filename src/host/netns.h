/* netns: network namespaces as hosts of a private network, and the wires between them.
 *
 * A namespace is a descriptor; it lives as long as somebody has one, runs in it, or holds a socket
 * of it. The process visits it for a system call and comes back: sockets that it opens there stay
 * there. Everything takes CAP_SYS_ADMIN and CAP_NET_ADMIN, as a process in the lab has them.
 * Errors: environment, saying which step was refused. */
#ifndef TCPLUA_HOST_NETNS_H
#define TCPLUA_HOST_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

/* A new namespace whose loopback interface is up: a descriptor, the caller's; or -1. */
int netns_new(struct error *err);

/* Moves the process into a namespace: what netns_leave() takes to come back; or -1. The program
 * ends if there is no way back, because nothing could be trusted then. */
int netns_enter(int netns, struct error *err);
void netns_leave(int back);

/* A veth pair with one end in each namespace, up, without checksum offload and without addresses of
 * their own. */
bool netns_join(const int netns[static 2], const char *const names[static 2], uint32_t mtu,
                struct error *err);

/* The interface gets an address, usable when this returns. */
bool netns_address(int netns, const char *iface, const struct addr *addr, uint8_t bits,
                   struct error *err);

/* What is for a prefix goes to a gateway. */
bool netns_route(int netns, const struct addr *dst, uint8_t bits, const struct addr *via,
                 struct error *err);

/* The namespace forwards: it is a router. */
bool netns_forward(int netns, struct error *err);

/* Lets every program in the namespace of the process listen on every port, as one without rights
 * could not on those below 1024. Where that is refused, it is as before. */
void netns_free_ports(void);

/* Lets no connection of the namespace's kernel begin with what it learnt from those before it: a
 * slow start threshold, a round trip time. Where that is refused, it is as before. */
void netns_forget_peers(void);

#endif
