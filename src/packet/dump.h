/* dump: packets for people: one line in tcpdump's words, a tree of all fields, the bytes.
 *
 * What is printed is printable ASCII whatever the packet holds. All functions write at most
 * `size` bytes, NUL included, and return the length that the whole text has, as snprintf does. */
#ifndef TCPLUA_PACKET_DUMP_H
#define TCPLUA_PACKET_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/option.h"
#include "packet/packet.h"

/* What to take off the numbers of a TCP segment so that a SYN is 0. SACK blocks count from `ack`,
 * as the peer's data does. */
struct dump_base {
    bool has_seq, has_ack;
    uint32_t seq, ack;
};

/* "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [S], seq 100, win 64240, options [mss 1460], length
 * 0". `base` may be NULL: absolute numbers. The packet must be finished: packet_finish(). */
size_t dump_line(char *out, size_t size, const struct packet *packet, const struct dump_base *base);

/* "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7". */
size_t dump_options(char *out, size_t size, struct option_walk *walk);

/* A line a layer, under it a line a field: computed and pinned ones are marked, and a checksum
 * that is wrong says what would be right. Ends with the payload. */
size_t dump_tree(char *out, size_t size, const struct packet *packet);

/* Offset, bytes in hexadecimal, and as text: what text2pcap and Wireshark import. */
size_t dump_hex(char *out, size_t size, const uint8_t *bytes, size_t length);

#endif
