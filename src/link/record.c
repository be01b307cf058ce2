/* record: every frame that passes goes into a capture too. */
#include "capture/capture.h"
#include "link/wrapper.h"

struct record {
    struct wrapper wrapper;
    struct capture_writer *writer;
    const struct clock *clock;
};

static int linktype_of(const struct link *link)
{
    return link->medium == LINK_IP ? CAPTURE_RAW_IP : CAPTURE_ETHERNET;
}

/* A failure to write is kept in the writer, for whoever owns it. */
static void keep(struct record *self, const struct frame *frame, bool sent)
{
    const struct link *link = &self->wrapper.link;
    capture_write(self->writer,
                  &(struct capture_frame){.linktype = linktype_of(link),
                                          .iface = link->iface,
                                          .time = frame->time,
                                          .bytes = frame->bytes,
                                          .length = frame->length,
                                          .original = frame->original,
                                          .direction = sent ? CAPTURE_SENT : CAPTURE_RECEIVED},
                  NULL);
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

static void keep_sent(struct link *link, const struct frame *frame)
{
    keep((struct record *)link, frame, true);
}

static bool record_send_many(struct link *link, const struct frame *frames, size_t count,
                             size_t *sent, struct error *err)
{
    return wrapper_send_many(link, frames, count, sent, ((struct record *)link)->clock, keep_sent,
                             err);
}

static int record_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct record *self = (struct record *)link;
    int got = link_recv(self->wrapper.inner, frame, err);
    if (got == 1)
        keep(self, frame, frame->flags & FRAME_OUT);
    return got;
}

static void record_close(struct link *link)
{
    struct record *self = (struct record *)link;
    capture_drops(self->writer, linktype_of(link), link->iface, link_drops(self->wrapper.inner));
    wrapper_close(link);
}

static const struct link_ops record_ops = {
    .name = "record",
    .send = record_send,
    .send_many = record_send_many,
    .recv = record_recv,
    .fds = wrapper_fds,
    .deadline = wrapper_deadline,
    .push = wrapper_push,
    .ports = wrapper_ports,
    .drops = wrapper_drops,
    .close = record_close,
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
