/* checksum: the Internet checksum (RFC 1071) and the pseudo-headers of RFC 9293 and RFC 8200. */
#ifndef TCPLUA_PACKET_CHECKSUM_H
#define TCPLUA_PACKET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Adds `length` bytes to a running sum. Every piece but the last must have an even length. */
uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t length);

/* Adds the pseudo-header for `length` bytes of `protocol` from `src` to `dst` (both IPv4 or both
 * IPv6). */
uint64_t checksum_pseudo(uint64_t sum, const struct addr *src, const struct addr *dst,
                         uint8_t protocol, uint32_t length);

/* Folds to 16 bits, not yet complemented: what a sender with checksum offload leaves in the field.
 */
uint16_t checksum_fold(uint64_t sum);

/* The checksum as it stands in a header: the complement of the folded sum. */
static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}

#endif
