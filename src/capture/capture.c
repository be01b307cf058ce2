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

struct capture_writer *capture_create(const char *path, enum capture_format format,
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
    if (!writer->state || !output_open(&writer->output, path, err)) {
        release(writer);
        return NULL;
    }
    if (!flush(writer, true, err)) {
        output_close(&writer->output, NULL);
        release(writer);
        return NULL;
    }
    return writer;
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

bool capture_write(struct capture_writer *writer, int linktype, const char *iface, int64_t time,
                   const uint8_t *bytes, size_t length, size_t original, bool sent,
                   const char *comment, struct error *err)
{
    if (writer->failed)
        return true;
    const struct capture_frame frame = {
        .linktype = linktype,
        .iface = iface ? iface : "",
        .time = time,
        .bytes = bytes,
        .length = length,
        .original = original > length ? original : length,
        .sent = sent,
        .comment = comment,
    };
    struct error failure;
    bool made = writer->format->frame(writer->state, &writer->buffer, &frame, &failure);
    return flush(writer, made, &failure) || note(writer, &failure, err);
}

const struct error *capture_failure(const struct capture_writer *writer)
{
    return writer->failed ? &writer->error : NULL;
}

bool capture_close(struct capture_writer *writer, struct error *err)
{
    struct error failure;
    if (!writer->failed) {
        bool made = writer->format->end(writer->state, &writer->buffer, &failure);
        if (!flush(writer, made, &failure))
            note(writer, &failure, NULL);
    }
    if (!output_close(&writer->output, &failure) && !writer->failed)
        note(writer, &failure, NULL);
    bool whole = !writer->failed;
    if (!whole && err)
        *err = writer->error;
    release(writer);
    return whole;
}
