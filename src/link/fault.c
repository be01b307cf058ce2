/* fault: a bad wire, the same one every time it is made from the same seed: a path (path.h) and the
 * frames that are under way on it. Whenever somebody touches the link, those that are due are
 * passed on. */
#include <stdlib.h>
#include <string.h>

#include "link/line.h"
#include "link/too_big.h"
#include "link/wrapper.h"

#define ETHERNET_HEADER 14U

struct fault_link {
    struct wrapper wrapper;
    struct path path;
    const struct clock *clock;
    struct line line;    /* under way to the other end */
    struct line answers; /* what the path itself sends back */
    struct held *taken;  /* what the last link_recv() pointed into */
    bool failed;         /* a held frame could not be passed on, and nobody was told yet */
    struct error error;
};

/* Passes on what is due. */
static void flush(struct fault_link *self, int64_t now)
{
    struct held *held;
    while ((held = line_take(&self->line, now)) != NULL) {
        struct frame frame = {
            .bytes = held->bytes, .length = held->length, .original = held->original};
        struct error err;
        if (!link_send(self->wrapper.inner, &frame, &err) && !self->failed) {
            self->failed = true;
            self->error = err;
        }
        free(held);
    }
}

/* The path says that a frame of its sender was too big. */
static void answer(struct fault_link *self, const struct frame *frame, int64_t now)
{
    uint8_t bytes[ETHERNET_HEADER + TOO_BIG_MAX];
    size_t header = self->wrapper.link.medium == LINK_ETHERNET ? ETHERNET_HEADER : 0;
    if (frame->length < header)
        return;
    size_t length = too_big_write(bytes + header, frame->bytes + header, frame->length - header,
                                  self->path.fault.mtu);
    if (!length)
        return;
    if (header) {
        memcpy(bytes, frame->bytes + 6, 6);
        memcpy(bytes + 6, frame->bytes, 6);
        memcpy(bytes + 12, frame->bytes + 12, 2);
    }
    struct frame back = {.bytes = bytes, .length = header + length, .original = header + length};
    line_hold(&self->answers, &back, now);
}

static bool fault_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct fault_link *self = (struct fault_link *)link;
    int64_t now = clock_now(self->clock);
    size_t header = link->medium == LINK_ETHERNET ? ETHERNET_HEADER : 0;
    size_t length = frame->length > header ? frame->length - header : 0;
    struct path_fate fate = path_enter(&self->path, length, now);

    if (fate.what == PATH_TOO_BIG)
        answer(self, frame, now);
    if (fate.what == PATH_PASSES) {
        struct held *held = line_hold(&self->line, frame, fate.due);
        if (held && fate.corrupted && frame->length) {
            uint64_t bit = fate.bit % (8 * frame->length);
            held->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        if (held && fate.twice)
            line_hold(&self->line, frame, fate.due);
    }
    flush(self, now);

    if (self->failed) {
        self->failed = false;
        if (err)
            *err = self->error;
        return false;
    }
    return true;
}

static int fault_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct fault_link *self = (struct fault_link *)link;
    flush(self, clock_now(self->clock));
    free(self->taken);
    self->taken = line_take(&self->answers, TIME_NEVER);
    if (!self->taken)
        return link_recv(self->wrapper.inner, frame, err);
    *frame = (struct frame){.bytes = self->taken->bytes,
                            .length = self->taken->length,
                            .original = self->taken->original,
                            .time = clock_wall(self->clock)};
    return 1;
}

static int64_t earliest(const struct fault_link *self, int64_t inner)
{
    int64_t due = line_due(&self->line);
    return due < inner ? due : inner;
}

static int64_t fault_deadline(struct link *link)
{
    struct fault_link *self = (struct fault_link *)link;
    int64_t when = earliest(self, wrapper_deadline(link)), answer = line_due(&self->answers);
    return answer < when ? answer : when;
}

static int64_t fault_push(struct link *link, int64_t now)
{
    struct fault_link *self = (struct fault_link *)link;
    flush(self, now);
    return earliest(self, wrapper_push(link, now));
}

static void fault_close(struct link *link)
{
    struct fault_link *self = (struct fault_link *)link;
    line_clear(&self->line);
    line_clear(&self->answers);
    free(self->taken);
    wrapper_close(link);
}

static const struct link_ops fault_ops = {
    .name = "fault",
    .send = fault_send,
    .recv = fault_recv,
    .fds = wrapper_fds,
    .deadline = fault_deadline,
    .push = fault_push,
    .ports = wrapper_ports,
    .drops = wrapper_drops,
    .close = fault_close,
};

struct link *link_fault(struct link *inner, const struct fault *fault, const struct clock *clock,
                        struct error *err)
{
    if (!fault_check(fault, err)) {
        link_close(inner);
        return NULL;
    }
    struct fault_link *self = wrapper_open(sizeof *self, &fault_ops, inner, err);
    if (!self)
        return NULL;
    path_init(&self->path, fault);
    self->clock = clock;
    return &self->wrapper.link;
}

struct path *link_fault_path(struct link *link)
{
    return link->ops == &fault_ops ? &((struct fault_link *)link)->path : NULL;
}
