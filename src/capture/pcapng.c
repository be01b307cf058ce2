/* pcapng: blocks of little-endian 32-bit words (draft-ietf-opsawg-pcapng).
 *
 *     type | length | body, padded to 4 | options | length again
 *
 * A file is one section header, and from then on an interface block before the first frame of each
 * interface and an enhanced packet block for each frame. Times count nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "capture/format.h"

enum { SECTION_HEADER = 0x0a0d0d0a, INTERFACE = 1, ENHANCED_PACKET = 6 };

enum {
    OPTION_END = 0,
    OPTION_COMMENT = 1,
    OPTION_IFACE_NAME = 2,
    OPTION_PACKET_FLAGS = 2,
    OPTION_OS = 3,
    OPTION_APPLICATION = 4,
    OPTION_TIME_RESOLUTION = 9,
};

enum { INBOUND = 1, OUTBOUND = 2 }; /* the lowest bits of the packet flags */

#define OPTION_MAX 65532 /* the longest text whose padded length 16 bits can say */

struct interface {
    int linktype;
    char name[16];
};

struct pcapng {
    struct interface *interfaces;
    size_t count;
};

static void add16(struct buffer *out, uint32_t v)
{
    uint8_t *p = buffer_add(out, 2);
    if (p) {
        p[0] = (uint8_t)v;
        p[1] = (uint8_t)(v >> 8);
    }
}

static void add32(struct buffer *out, uint32_t v)
{
    add16(out, v & 0xffff);
    add16(out, v >> 16);
}

static void add_padded(struct buffer *out, const void *bytes, size_t length)
{
    uint8_t *p = buffer_add(out, (length + 3) & ~(size_t)3);
    if (p && length)
        memcpy(p, bytes, length);
}

static void add_option(struct buffer *out, uint32_t code, const void *bytes, size_t length)
{
    add16(out, code);
    add16(out, (uint32_t)length);
    add_padded(out, bytes, length);
}

/* Nothing for no text. A text that is too long is cut, between characters of UTF-8. */
static void add_text(struct buffer *out, uint32_t code, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length > OPTION_MAX)
        for (length = OPTION_MAX; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
            length--;
    if (length > 0)
        add_option(out, code, text, length);
}

static size_t block_begin(struct buffer *out, uint32_t type)
{
    size_t start = out->length;
    add32(out, type);
    add32(out, 0); /* block_end() puts the length here */
    return start;
}

static void block_end(struct buffer *out, size_t start)
{
    add_option(out, OPTION_END, NULL, 0);
    size_t length = out->length + 4 - start;
    add32(out, (uint32_t)length);
    if (!out->failed)
        memcpy(out->bytes + start + 4, out->bytes + out->length - 4, 4);
}

static void *pcapng_begin(struct buffer *out, const char *application, const char *comment,
                          struct error *err)
{
    struct pcapng *self = calloc(1, sizeof *self);
    if (!self) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a capture file");
        return NULL;
    }
    struct utsname system;
    char os[sizeof system.sysname + sizeof system.release + 2] = "";
    if (uname(&system) == 0)
        snprintf(os, sizeof os, "%s %s", system.sysname, system.release);

    size_t block = block_begin(out, SECTION_HEADER);
    add32(out, 0x1a2b3c4d); /* tells the byte order */
    add16(out, 1);
    add16(out, 0);
    add32(out, UINT32_MAX); /* the section's length is not known */
    add32(out, UINT32_MAX);
    add_text(out, OPTION_COMMENT, comment);
    add_text(out, OPTION_OS, os);
    add_text(out, OPTION_APPLICATION, application);
    block_end(out, block);
    return self;
}

/* The number of the frame's interface, described in the file the first time it is met. */
static bool find_interface(struct pcapng *self, struct buffer *out,
                           const struct capture_frame *frame, uint32_t *number, struct error *err)
{
    struct interface wanted = {.linktype = frame->linktype};
    snprintf(wanted.name, sizeof wanted.name, "%s", frame->iface);
    for (*number = 0; *number < self->count; ++*number)
        if (self->interfaces[*number].linktype == wanted.linktype &&
            strcmp(self->interfaces[*number].name, wanted.name) == 0)
            return true;
    struct interface *grown = realloc(self->interfaces, (self->count + 1) * sizeof *grown);
    if (!grown)
        return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for another interface");
    self->interfaces = grown;
    self->interfaces[self->count++] = wanted;

    const uint8_t nanoseconds = 9;
    size_t block = block_begin(out, INTERFACE);
    add16(out, (uint32_t)wanted.linktype);
    add16(out, 0);
    add32(out, 0); /* no limit to a frame's length */
    add_text(out, OPTION_IFACE_NAME, wanted.name);
    add_option(out, OPTION_TIME_RESOLUTION, &nanoseconds, sizeof nanoseconds);
    block_end(out, block);
    return true;
}

static bool pcapng_frame(void *state, struct buffer *out, const struct capture_frame *frame,
                         struct error *err)
{
    uint32_t interface;
    if (!find_interface(state, out, frame, &interface, err))
        return false;
    uint64_t time = frame->time > 0 ? (uint64_t)frame->time : 0;
    size_t block = block_begin(out, ENHANCED_PACKET);
    add32(out, interface);
    add32(out, (uint32_t)(time >> 32));
    add32(out, (uint32_t)time);
    add32(out, (uint32_t)frame->length);
    add32(out, (uint32_t)frame->original);
    add_padded(out, frame->bytes, frame->length);
    add_text(out, OPTION_COMMENT, frame->comment);
    add16(out, OPTION_PACKET_FLAGS);
    add16(out, 4);
    add32(out, frame->sent ? OUTBOUND : INBOUND);
    block_end(out, block);
    return true;
}

static bool pcapng_end(void *state, struct buffer *out, struct error *err)
{
    (void)state, (void)out, (void)err;
    return true;
}

static void pcapng_free(void *state)
{
    struct pcapng *self = state;
    free(self->interfaces);
    free(self);
}

const struct format_ops pcapng_format = {
    .begin = pcapng_begin,
    .frame = pcapng_frame,
    .end = pcapng_end,
    .free = pcapng_free,
};
