/* dump_text: a line or tree under construction, and what dump asks of a packet's layers; for the
 * files of dump alone. */
#ifndef TCPLUA_PACKET_DUMP_TEXT_H
#define TCPLUA_PACKET_DUMP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/packet.h"

struct text {
    char *out;
    size_t size, length; /* `length` may pass `size`: what does not fit is only counted */
};

/* Appends. What is not ours to write is escaped by the caller. */
void text_put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* dump_dns: a DNS message of which `length` bytes are here, the header of 12 at least, out of
 * `whole`; `multicast` has the words of mDNS (RFC 6762). */
void text_put_dns(struct text *t, const uint8_t *message, size_t length, uint32_t whole,
                  bool multicast);

/* dump_icmp: layer `i`, an ICMP or ICMPv6 header that is whole. */
void text_put_icmp(struct text *t, const struct packet *p, size_t i);
void text_put_icmp6(struct text *t, const struct packet *p, size_t i);

/* Whether there is a layer `i` of that protocol; and whether its header is cut off. */
bool dump_is(const struct packet *p, size_t i, const struct proto *proto);
bool dump_is_cut(const struct packet *p, size_t i);

/* Whether layer `i` is a whole header of IP; of TCP or UDP, as far as the ports. */
bool dump_is_ip(const struct packet *p, size_t i);
bool dump_has_ports(const struct packet *p, size_t i);

/* The field `name` of layer `i`, which is there: its number, or its text. */
uint32_t dump_number(const struct packet *p, size_t i, const char *name);
const char *dump_address(const struct packet *p, size_t i, const char *name,
                         char text[static FIELD_TEXT]);

/* All bytes of layer `i`, those included that are missing from the capture. */
uint32_t dump_whole(const struct packet *p, size_t i);

#endif
