/* wrapper: a link around a link. What it does not change it passes to the inner link. */
#ifndef TCPLUA_LINK_WRAPPER_H
#define TCPLUA_LINK_WRAPPER_H

#include "link/link.h"

/* The first member of every wrapper's own struct. */
struct wrapper {
    struct link link;
    struct link *inner;
};

/* A zeroed wrapper of `size` bytes that looks like `inner` and owns it. NULL with `err`, and
 * `inner` closed, if there is no memory. */
void *wrapper_open(size_t size, const struct link_ops *ops, struct link *inner, struct error *err);

/* A send_many that stamps the frames with the time that each is handed on, and shows `see` those
 * that went. */
bool wrapper_send_many(struct link *link, const struct frame *frames, size_t count, size_t *sent,
                       const struct clock *clock,
                       void (*see)(struct link *link, const struct frame *frame),
                       struct error *err);

/* Operations for the table of a wrapper. */
int wrapper_fds(struct link *link, int fds[static LINK_FDS]);
int64_t wrapper_deadline(struct link *link);
int64_t wrapper_push(struct link *link, int64_t now);
bool wrapper_ports(struct link *link, uint16_t low, uint16_t high, struct error *err);
uint64_t wrapper_drops(struct link *link);
void wrapper_close(struct link *link);

#endif
