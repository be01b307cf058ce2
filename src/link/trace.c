/* trace: every frame that passes is shown to an observer. */
#include "link/wrapper.h"

struct trace {
    struct wrapper wrapper;
    link_observer *see;
    void *observer;
    const struct clock *clock;
};

static bool trace_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct trace *self = (struct trace *)link;
    struct frame stamped = *frame;
    if (!stamped.time)
        stamped.time = clock_wall(self->clock);
    if (!link_send(self->wrapper.inner, &stamped, err))
        return false;
    self->see(self->observer, link, &stamped, true);
    return true;
}

static void show_sent(struct link *link, const struct frame *frame)
{
    struct trace *self = (struct trace *)link;
    self->see(self->observer, link, frame, true);
}

static bool trace_send_many(struct link *link, const struct frame *frames, size_t count,
                            size_t *sent, struct error *err)
{
    return wrapper_send_many(link, frames, count, sent, ((struct trace *)link)->clock, show_sent,
                             err);
}

static int trace_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct trace *self = (struct trace *)link;
    int got = link_recv(self->wrapper.inner, frame, err);
    if (got == 1)
        self->see(self->observer, link, frame, false);
    return got;
}

static const struct link_ops trace_ops = {
    .name = "trace",
    .send = trace_send,
    .send_many = trace_send_many,
    .recv = trace_recv,
    .fds = wrapper_fds,
    .deadline = wrapper_deadline,
    .push = wrapper_push,
    .ports = wrapper_ports,
    .drops = wrapper_drops,
    .close = wrapper_close,
};

struct link *link_trace(struct link *inner, link_observer *see, void *self,
                        const struct clock *clock, struct error *err)
{
    struct trace *trace = wrapper_open(sizeof *trace, &trace_ops, inner, err);
    if (!trace)
        return NULL;
    trace->see = see;
    trace->observer = self;
    trace->clock = clock;
    return &trace->wrapper.link;
}
