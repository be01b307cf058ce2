/* sockaddr: an address and a port as the kernel's sockets name them. */
#ifndef TCPLUA_HOST_SOCKADDR_H
#define TCPLUA_HOST_SOCKADDR_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"

/* Fills `name` from an ADDR_IP4 or ADDR_IP6, zone included; returns its length. */
socklen_t sockaddr_from(struct sockaddr_storage *name, const struct addr *addr, uint16_t port);

uint16_t sockaddr_port(const struct sockaddr_storage *name);

#endif
