/* format: what a file format does, turned to capture.c. Each appends to a buffer what the file gets
 * next; it does no input or output. */
#ifndef TCPLUA_CAPTURE_FORMAT_H
#define TCPLUA_CAPTURE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/capture.h"

/* Bytes that grow. `failed` is set when there was no memory, and appending goes on to do nothing:
 * one question at the end is enough. */
struct buffer {
    uint8_t *bytes;
    size_t length, room;
    bool failed;
};

/* Room for `length` bytes at the end, zeroed, or NULL. */
uint8_t *buffer_add(struct buffer *buffer, size_t length);

struct format_ops {
    /* The format's own state, and what the file begins with; NULL with `err`. */
    void *(*begin)(struct buffer *out, const char *application, const char *comment,
                   struct error *err);
    /* frame->iface is never NULL, and the link type one that the file can have. */
    bool (*frame)(void *state, struct buffer *out, const struct capture_frame *frame,
                  struct error *err);
    /* The one link type that the file has, -1 while it has none. NULL: it may have several. */
    int (*linktype)(const void *state);
    /* NULL: the format has no place for it. */
    bool (*describe)(void *state, struct buffer *out, int linktype, const char *iface,
                     const struct capture_interface *interface, struct error *err);
    void (*name)(void *state, struct buffer *out, const struct addr *address, const char *name);
    bool (*drops)(void *state, struct buffer *out, int linktype, const char *iface, uint64_t drops,
                  struct error *err);
    bool (*end)(void *state, struct buffer *out, struct error *err); /* the file is to be closed */
    void (*free)(void *state);
};

extern const struct format_ops pcapng_format, pcap_format;

#endif
