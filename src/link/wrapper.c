/* wrapper: see wrapper.h. */
#include "link/wrapper.h"

#include <stdlib.h>

static struct link *inner_of(struct link *link)
{
    return ((struct wrapper *)link)->inner;
}

void *wrapper_open(size_t size, const struct link_ops *ops, struct link *inner, struct error *err)
{
    struct wrapper *self = calloc(1, size);
    if (!self) {
        link_close(inner);
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a %s link", ops->name);
        return NULL;
    }
    self->link = *inner;
    self->link.ops = ops;
    self->link.gso = 0;
    self->inner = inner;
    return self;
}

bool wrapper_send_many(struct link *link, const struct frame *frames, size_t count, size_t *sent,
                       const struct clock *clock,
                       void (*see)(struct link *link, const struct frame *frame), struct error *err)
{
    struct frame stamped[LINK_BATCH];
    int64_t now = clock_wall(clock);
    for (size_t i = 0; i < count; i++) {
        stamped[i] = frames[i];
        if (!stamped[i].time)
            stamped[i].time = now;
    }
    bool went = link_send_many(inner_of(link), stamped, count, sent, err);
    for (size_t i = 0; i < *sent; i++)
        see(link, &stamped[i]);
    return went;
}

int wrapper_fds(struct link *link, int fds[static LINK_FDS])
{
    return link_fds(inner_of(link), fds);
}

int64_t wrapper_deadline(struct link *link)
{
    return link_deadline(inner_of(link));
}

int64_t wrapper_push(struct link *link, int64_t now)
{
    return link_push(inner_of(link), now);
}

bool wrapper_ports(struct link *link, uint16_t low, uint16_t high, struct error *err)
{
    return link_ports(inner_of(link), low, high, err);
}

uint64_t wrapper_drops(struct link *link)
{
    return link_drops(inner_of(link));
}

void wrapper_close(struct link *link)
{
    link_close(inner_of(link));
    free(link);
}
