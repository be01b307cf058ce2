/* capture: see capture.h. A format makes the bytes, an output takes them. */
#include "capture/capture.h"

#include <stdlib.h>
#include <string.h>

#include "capture/format.h"
#include "capture/output.h"

struct capture_writer {
    const struct format_ops *format;
    void *state;
    struct output output;
    struct buffer buffer;
    int64_t left_out; /* frames of another link type than that of the file */
    bool hurried;     /* no reader is waited for */
    bool failed;
    struct error error; /* the first failure */
};

uint8_t *buffer_add(struct buffer *buffer, size_t length)
{
    if (buffer->failed)
        return NULL;
    if (length > buffer->room - buffer->length) {
        size_t room = 2 * (buffer->length + length);
        uint8_t *bytes = realloc(buffer->bytes, room);
        if (!bytes) {
            buffer->failed = true;
            return NULL;
        }
        buffer->bytes = bytes;
        buffer->room = room;
    }
    uint8_t *added = buffer->bytes + buffer->length;
    memset(added, 0, length);
    buffer->length += length;
    return added;
}

enum capture_format capture_format_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".pcap") == 0 || strcmp(dot, ".cap") == 0) ? CAPTURE_PCAP
                                                                          : CAPTURE_PCAPNG;
}

/* Hands the buffer to the output, if making it went well. */
static bool flush(struct capture_writer *writer, bool made, struct error *err)
{
    struct buffer *buffer = &writer->buffer;
    if (made && buffer->failed)
        made = fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a frame of %s",
                    writer->output.shown);
    bool done = made && output_write(&writer->output, buffer->bytes, buffer->length, err);
    buffer->length = 0;
    buffer->failed = false;
    return done;
}

static void release(struct capture_writer *writer)
{
    if (writer->state)
        writer->format->free(writer->state);
    free(writer->buffer.bytes);
    free(writer);
}

static struct capture_writer *create(const char *path, bool over, enum capture_format format,
                                     const char *application, const char *comment,
                                     struct error *err)
{
    struct capture_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a capture file");
        return NULL;
    }
    writer->format = format == CAPTURE_PCAP ? &pcap_format : &pcapng_format;
    /* The format first: a file is not emptied for a library that is not there. */
    writer->state = writer->format->begin(&writer->buffer, application, comment, err);
    if (!writer->state || !output_open(&writer->output, path, over, err)) {
        release(writer);
        return NULL;
    }
    if (!flush(writer, true, err)) {
        output_close(&writer->output, false, NULL);
        release(writer);
        return NULL;
    }
    return writer;
}

struct capture_writer *capture_create(const char *path, enum capture_format format,
                                      const char *application, const char *comment,
                                      struct error *err)
{
    return create(path, true, format, application, comment, err);
}

struct capture_writer *capture_create_new(const char *path, enum capture_format format,
                                          const char *application, const char *comment,
                                          struct error *err)
{
    return create(path, false, format, application, comment, err);
}

/* Keeps the first failure. */
static bool note(struct capture_writer *writer, const struct error *failure, struct error *err)
{
    writer->failed = true;
    writer->error = *failure;
    if (err)
        *err = *failure;
    return false;
}

/* Writes what was made; a failure is kept. */
static bool commit(struct capture_writer *writer, bool made, struct error *failure,
                   struct error *err)
{
    return flush(writer, made, failure) || note(writer, failure, err);
}

/* Turns a frame into one of another link type, if that loses nothing that matters. */
static bool convert(struct capture_frame *frame, int linktype)
{
    enum { HEADER = 14 };
    if (linktype != CAPTURE_RAW_IP || frame->linktype != CAPTURE_ETHERNET ||
        frame->length <= HEADER)
        return false;
    unsigned type = (unsigned)frame->bytes[12] << 8 | frame->bytes[13];
    unsigned version = frame->bytes[HEADER] >> 4;
    if (!(type == 0x0800 && version == 4) && !(type == 0x86dd && version == 6))
        return false;
    frame->linktype = linktype;
    frame->bytes += HEADER;
    frame->length -= HEADER;
    frame->original -= HEADER;
    return true;
}

bool capture_write(struct capture_writer *writer, const struct capture_frame *frame,
                   struct error *err)
{
    if (writer->failed)
        return true;
    struct capture_frame whole = *frame;
    if (!whole.iface)
        whole.iface = "";
    if (whole.original < whole.length)
        whole.original = whole.length;
    if (whole.length > CAPTURE_SNAPLEN)
        whole.length = CAPTURE_SNAPLEN;
    int linktype = writer->format->linktype ? writer->format->linktype(writer->state) : -1;
    if (linktype >= 0 && linktype != whole.linktype && !convert(&whole, linktype)) {
        writer->left_out++;
        return fail(err, ERROR_USAGE, "EINVAL",
                    "a pcap file has one link type, %d in %s, and this frame has %d: write a "
                    ".pcapng file, which can have several",
                    linktype, writer->output.shown, whole.linktype);
    }
    struct error failure;
    bool made = writer->format->frame(writer->state, &writer->buffer, &whole, &failure);
    return commit(writer, made, &failure, err);
}

bool capture_describe(struct capture_writer *writer, int linktype, const char *iface,
                      const struct capture_interface *interface, struct error *err)
{
    if (writer->failed || !writer->format->describe)
        return true;
    struct error failure;
    if (!writer->format->describe(writer->state, &writer->buffer, linktype, iface, interface,
                                  err ? err : &failure))
        return false; /* nothing was made, and nothing is broken */
    return commit(writer, true, &failure, err);
}

bool capture_name(struct capture_writer *writer, const struct addr *address, const char *name,
                  struct error *err)
{
    size_t length = strlen(name);
    if (length == 0 || length > 255)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "a name for an address has 1 to 255 bytes, and this one has %zu", length);
    if (writer->failed || !writer->format->name)
        return true;
    struct error failure;
    writer->format->name(writer->state, &writer->buffer, address, name);
    return commit(writer, true, &failure, err);
}

void capture_drops(struct capture_writer *writer, int linktype, const char *iface, uint64_t drops)
{
    if (writer->failed || !writer->format->drops)
        return;
    struct error failure;
    bool made =
        writer->format->drops(writer->state, &writer->buffer, linktype, iface, drops, &failure);
    commit(writer, made, &failure, NULL);
}

const struct error *capture_failure(const struct capture_writer *writer)
{
    return writer->failed ? &writer->error : NULL;
}

bool capture_complete(const struct capture_writer *writer, struct error *err)
{
    if (writer->left_out == 0)
        return true;
    return fail(err, ERROR_USAGE, "EINVAL",
                "%lld frame%s of another link type %s not in %s: a pcap holds one, a pcapng all",
                (long long)writer->left_out, writer->left_out == 1 ? "" : "s",
                writer->left_out == 1 ? "is" : "are", writer->output.shown);
}

bool capture_push(struct capture_writer *writer, bool wait)
{
    struct error failure;
    if (!writer->failed && writer->output.waiting > 0 &&
        !output_push(&writer->output, wait, &failure))
        note(writer, &failure, NULL);
    return writer->output.waiting == 0;
}

void capture_hurry(struct capture_writer *writer)
{
    writer->hurried = true;
}

bool capture_close(struct capture_writer *writer, struct error *err)
{
    struct error failure;
    if (!writer->failed) {
        bool made = writer->format->end(writer->state, &writer->buffer, &failure);
        commit(writer, made, &failure, NULL);
    }
    if (!output_close(&writer->output, !writer->hurried, &failure) && !writer->failed)
        note(writer, &failure, NULL);
    bool whole = !writer->failed;
    if (!whole && err)
        *err = writer->error;
    release(writer);
    return whole;
}
