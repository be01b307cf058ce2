/* checksum: see checksum.h.
 *
 * The sum of 16-bit words does not depend on the byte order in which they are added, but for one
 * swap at the end (RFC 1071 2 (B)), and adding 32 bits at a time only postpones the folding. So
 * the loop takes words as the machine has them, eight bytes a turn. */
#include "packet/checksum.h"

#include <arpa/inet.h>
#include <string.h>

uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
{
    uint64_t native = 0;
    uint32_t word[2];
    for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
        memcpy(word, bytes, sizeof word);
        native += (uint64_t)word[0] + word[1];
    }
    if (length > 0) { /* the rest, as if zeros followed it */
        memset(word, 0, sizeof word);
        memcpy(word, bytes, length);
        native += (uint64_t)word[0] + word[1];
    }
    return sum + ntohs(checksum_fold(native));
}

uint64_t checksum_pseudo(uint64_t sum, const struct addr *src, const struct addr *dst,
                         uint8_t protocol, uint32_t length)
{
    sum = checksum_add(sum, src->bytes, addr_length(src->kind));
    sum = checksum_add(sum, dst->bytes, addr_length(dst->kind));
    return sum + protocol + length;
}
