/* dump_text: a line or tree under construction, for the files of dump. */
#ifndef TCPLUA_PACKET_DUMP_TEXT_H
#define TCPLUA_PACKET_DUMP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
