/* pcapng_block: the numbers of the file format that its writer and its reader share
 * (draft-ietf-opsawg-pcapng).
 *
 * A file is a row of blocks, of 32-bit words in the byte order of their section:
 *
 *     type | length | body, padded to 4 | options | length again
 *
 * Options are code | length | value, padded to 4, up to the one that ends them. */
#ifndef TCPLUA_CAPTURE_PCAPNG_BLOCK_H
#define TCPLUA_CAPTURE_PCAPNG_BLOCK_H

enum pcapng_block {
    BLOCK_SECTION = 0x0a0d0d0a, /* the same in either byte order */
    BLOCK_INTERFACE = 1,
    BLOCK_OBSOLETE_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_NAMES = 4,
    BLOCK_STATISTICS = 5,
    BLOCK_ENHANCED_PACKET = 6,
};

#define PCAPNG_MAGIC 0x1a2b3c4d /* in a section's header: tells the byte order */

/* Codes of options mean something else in each type of block, but for the first two. */
enum pcapng_option {
    OPTION_END = 0,
    OPTION_COMMENT = 1,
    OPTION_SECTION_OS = 3,
    OPTION_SECTION_APPLICATION = 4,
    OPTION_IFACE_NAME = 2,
    OPTION_IFACE_DESCRIPTION = 3,
    OPTION_IFACE_TIME_RESOLUTION = 9,
    OPTION_IFACE_FILTER = 11,
    OPTION_IFACE_OS = 12,
    OPTION_IFACE_TIME_OFFSET = 14,
    OPTION_PACKET_FLAGS = 2,
    OPTION_STATISTICS_DROPPED = 5,
    OPTION_STATISTICS_DELIVERED = 8,
};

/* The length of a body or value with its padding. */
#define PCAPNG_PADDED(length) (((size_t)(length) + 3) & ~(size_t)3)

#endif
