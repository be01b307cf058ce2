/* too_big: what a router says of a datagram that does not fit into the next link: ICMP
 * "fragmentation needed" (RFC 1191 4), ICMPv6 "packet too big" (RFC 4443 3.2). */
#ifndef TCPLUA_LINK_TOO_BIG_H
#define TCPLUA_LINK_TOO_BIG_H

#include <stddef.h>
#include <stdint.h>

#define TOO_BIG_MAX 576 /* bytes of the answer, at most */

/* Writes the answer to the datagram `ip`, from the router 192.0.2.254 or 2001:db8::fffe to its
 * source, and returns its length. 0 if there is none: it is no IP datagram, may be fragmented (no
 * DF), is a fragment but the first, or an ICMP error itself (RFC 1122 3.2.2). */
size_t too_big_write(uint8_t out[static TOO_BIG_MAX], const uint8_t *ip, size_t length,
                     uint32_t mtu);

#endif
