/* pcapng: the writer of pcapng files, all little-endian: pcapng_block.h says what a block is.
 *
 * A file is one section header, and from then on an interface block before the first frame of each
 * interface, an enhanced packet block for each frame, name resolution blocks between them, and at
 * the end the statistics of interfaces that have some. Times count nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/text.h"
#include "capture/format.h"
#include "capture/pcapng_block.h"

enum { NAME_END, NAME_IP4, NAME_IP6 }; /* records of a name resolution block */

#define OPTION_MAX 65532 /* the longest text whose padded length 16 bits can say */

struct interface {
    int linktype;
    char *name;
    uint64_t frames, drops;
    int64_t last;   /* time of the latest frame */
    bool has_drops; /* somebody counted them */
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
    uint8_t *p = buffer_add(out, PCAPNG_PADDED(length));
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

static void add_count(struct buffer *out, uint32_t code, uint64_t count)
{
    add16(out, code);
    add16(out, 8);
    add32(out, (uint32_t)count);
    add32(out, (uint32_t)(count >> 32));
}

static void add_time(struct buffer *out, int64_t time)
{
    uint64_t stamp = time > 0 ? (uint64_t)time : 0;
    add32(out, (uint32_t)(stamp >> 32));
    add32(out, (uint32_t)stamp);
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

    size_t block = block_begin(out, BLOCK_SECTION);
    add32(out, PCAPNG_MAGIC);
    add16(out, 1);
    add16(out, 0);
    add32(out, UINT32_MAX); /* the section's length is not known */
    add32(out, UINT32_MAX);
    add_text(out, OPTION_COMMENT, comment);
    add_text(out, OPTION_SECTION_OS, os);
    add_text(out, OPTION_SECTION_APPLICATION, application);
    block_end(out, block);
    return self;
}

static struct interface *find_interface(struct pcapng *self, int linktype, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->interfaces[i].linktype == linktype && strcmp(self->interfaces[i].name, name) == 0)
            return &self->interfaces[i];
    return NULL;
}

/* Describes an interface in the file. NULL with `err` if there is no memory. */
static struct interface *add_interface(struct pcapng *self, struct buffer *out, int linktype,
                                       const char *name, const struct capture_interface *more,
                                       struct error *err)
{
    struct interface *grown =
        realloc(self->interfaces, (self->count + 1) * sizeof *self->interfaces);
    if (grown)
        self->interfaces = grown;
    char *kept = strdup(name);
    if (!grown || !kept) {
        free(kept);
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for another interface");
        return NULL;
    }
    struct interface *added = &self->interfaces[self->count++];
    *added = (struct interface){.linktype = linktype, .name = kept};

    const uint8_t nanoseconds = 9;
    size_t block = block_begin(out, BLOCK_INTERFACE);
    add16(out, (uint32_t)linktype);
    add16(out, 0);
    add32(out, 0); /* no limit to a frame's length */
    add_text(out, OPTION_IFACE_NAME, name);
    add_text(out, OPTION_IFACE_DESCRIPTION, more->description);
    add_option(out, OPTION_IFACE_TIME_RESOLUTION, &nanoseconds, sizeof nanoseconds);
    if (more->filter) {
        size_t length = strlen(more->filter);
        if (length > OPTION_MAX - 1)
            length = OPTION_MAX - 1;
        add16(out, OPTION_IFACE_FILTER);
        add16(out, (uint32_t)length + 1);
        uint8_t *p = buffer_add(out, PCAPNG_PADDED(length + 1));
        if (p)
            /* Behind a 0, that is: an expression of libpcap's. An option has a length, and no NUL:
             * NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
            memcpy(p + 1, more->filter, length);
    }
    add_text(out, OPTION_IFACE_OS, more->os);
    block_end(out, block);
    return added;
}

/* The interface, described in the file the first time it is met. */
static struct interface *meet_interface(struct pcapng *self, struct buffer *out, int linktype,
                                        const char *name, struct error *err)
{
    static const struct capture_interface nothing;
    struct interface *found = find_interface(self, linktype, name);
    return found ? found : add_interface(self, out, linktype, name, &nothing, err);
}

static bool pcapng_frame(void *state, struct buffer *out, const struct capture_frame *frame,
                         struct error *err)
{
    struct pcapng *self = state;
    struct interface *interface = meet_interface(self, out, frame->linktype, frame->iface, err);
    if (!interface)
        return false;
    interface->frames++;
    if (frame->time > interface->last)
        interface->last = frame->time;
    size_t block = block_begin(out, BLOCK_ENHANCED_PACKET);
    add32(out, (uint32_t)(interface - self->interfaces));
    add_time(out, frame->time);
    add32(out, (uint32_t)frame->length);
    add32(out, (uint32_t)frame->original);
    add_padded(out, frame->bytes, frame->length);
    for (size_t i = 0; frame->comments && frame->comments[i]; i++)
        add_text(out, OPTION_COMMENT, frame->comments[i]);
    if (frame->direction != CAPTURE_UNKNOWN) {
        add16(out, OPTION_PACKET_FLAGS);
        add16(out, 4);
        add32(out, frame->direction); /* the lowest two bits: 1 inbound, 2 outbound */
    }
    block_end(out, block);
    return true;
}

static bool pcapng_describe(void *state, struct buffer *out, int linktype, const char *iface,
                            const struct capture_interface *interface, struct error *err)
{
    if (find_interface(state, linktype, iface)) {
        char shown[100];
        return fail(err, ERROR_USAGE, "EEXIST",
                    "interface '%s' is in the capture already: describe it before its first frame",
                    text_escape(shown, sizeof shown, iface, strlen(iface)));
    }
    return add_interface(state, out, linktype, iface, interface, err);
}

static void pcapng_name(void *state, struct buffer *out, const struct addr *address,
                        const char *name)
{
    (void)state;
    size_t block = block_begin(out, BLOCK_NAMES);
    size_t width = address->kind == ADDR_IP6 ? 16 : 4, length = strlen(name) + 1;
    add16(out, address->kind == ADDR_IP6 ? NAME_IP6 : NAME_IP4);
    add16(out, (uint32_t)(width + length));
    uint8_t *p = buffer_add(out, PCAPNG_PADDED(width + length));
    if (p) {
        memcpy(p, address->bytes, width);
        memcpy(p + width, name, length);
    }
    add_option(out, NAME_END, NULL, 0);
    block_end(out, block);
}

static bool pcapng_drops(void *state, struct buffer *out, int linktype, const char *iface,
                         uint64_t drops, struct error *err)
{
    struct interface *interface = drops ? meet_interface(state, out, linktype, iface, err)
                                        : find_interface(state, linktype, iface);
    if (interface) {
        interface->has_drops = true;
        interface->drops += drops;
    }
    return interface || !drops;
}

/* The kernel's drops stand where dumpcap puts them, so that Wireshark shows them among the file's
 * properties; the format has a row for drops by the operating system too, which nobody reads. A
 * file without an interface is right, but libpcap, and so tcpdump, does not take it. */
static bool pcapng_end(void *state, struct buffer *out, struct error *err)
{
    struct pcapng *self = state;
    if (self->count == 0 && !meet_interface(self, out, CAPTURE_ETHERNET, "", err))
        return false;
    for (size_t i = 0; i < self->count; i++) {
        const struct interface *interface = &self->interfaces[i];
        if (!interface->has_drops)
            continue;
        size_t block = block_begin(out, BLOCK_STATISTICS);
        add32(out, (uint32_t)i);
        add_time(out, interface->last);
        add_count(out, OPTION_STATISTICS_DROPPED, interface->drops);
        add_count(out, OPTION_STATISTICS_DELIVERED, interface->frames);
        block_end(out, block);
    }
    return true;
}

static void pcapng_free(void *state)
{
    struct pcapng *self = state;
    for (size_t i = 0; i < self->count; i++)
        free(self->interfaces[i].name);
    free(self->interfaces);
    free(self);
}

const struct format_ops pcapng_format = {
    .begin = pcapng_begin,
    .frame = pcapng_frame,
    .describe = pcapng_describe,
    .name = pcapng_name,
    .drops = pcapng_drops,
    .end = pcapng_end,
    .free = pcapng_free,
};
