/* icmp: ICMP and ICMPv6 errors, read for the connection that they quote (RFC 792, RFC 4443). */
#ifndef TCPLUA_STACK_ICMP_H
#define TCPLUA_STACK_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct icmp_error {
    struct flow flow; /* of the quoted segment: local is its source */
    uint32_t seq;     /* its sequence number */
    struct addr from; /* who reports it */
    bool hard;        /* RFC 1122 4.2.3.9: ends a connection that is only opening */
    uint32_t mtu;     /* fragmentation needed, packet too big: the MTU, 0 if not said; else 0 */
    bool too_big;
    const char *text; /* "host unreachable", … */
};

/* Reads an IP datagram; false if it is no such error, is damaged or cut, quotes no TCP segment, or
 * was sent to another address than that of the quote. */
bool icmp_read(struct icmp_error *error, const uint8_t *bytes, size_t length);

#endif
