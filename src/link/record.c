/* record: every frame that passes goes into a capture too. */
#include "capture/capture.h"
#include "link/wrapper.h"

struct record {
    struct wrapper wrapper;
    struct capture_writer *writer;
    const struct clock *clock;
};

/* A failure to write is kept in the writer, for whoever owns it. */
static void keep(struct record *self, const struct frame *frame, bool sent)
{
    const struct link *link = &self->wrapper.link;
    capture_write(self->writer, link->medium == LINK_IP ? CAPTURE_RAW_IP : CAPTURE_ETHERNET,
                  link->iface, frame->time, frame->bytes, frame->length, frame->original, sent,
                  NULL, NULL);
}

static bool record_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct record *self = (struct record *)link;
    struct frame stamped = *frame;
    if (!stamped.time)
        stamped.time = clock_wall(self->clock); /* before the answer can have one */
    if (!link_send(self->wrapper.inner, &stamped, err))
        return false;
    keep(self, &stamped, true);
    return true;
}

static int record_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct record *self = (struct record *)link;
    int got = link_recv(self->wrapper.inner, frame, err);
    if (got == 1)
        keep(self, frame, frame->flags & FRAME_OUT);
    return got;
}

static const struct link_ops record_ops = {
    .name = "record",
    .send = record_send,
    .recv = record_recv,
    .fds = wrapper_fds,
    .deadline = wrapper_deadline,
    .ports = wrapper_ports,
    .drops = wrapper_drops,
    .close = wrapper_close,
};

struct link *link_record(struct link *inner, struct capture_writer *writer,
                         const struct clock *clock, struct error *err)
{
    struct record *self = wrapper_open(sizeof *self, &record_ops, inner, err);
    if (!self)
        return NULL;
    self->writer = writer;
    self->clock = clock;
    return &self->wrapper.link;
}
