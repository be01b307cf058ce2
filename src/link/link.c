/* link: the functions of link.h, each with what stands for an operation that a kind leaves out. */
#include "link/link.h"

bool link_send(struct link *link, struct frame *frame, struct error *err)
{
    if (frame->original < frame->length)
        frame->original = frame->length;
    if (!link->ops->send)
        return fail(err, ERROR_USAGE, "EOPNOTSUPP", "a %s link only listens, it cannot send",
                    link->ops->name);
    return link->ops->send(link, frame, err);
}

bool link_send_one(struct link *link, struct frame *frame, struct error *err)
{
    size_t sent;
    if (!link_send_many(link, frame, 1, &sent, err))
        return false;
    return sent == 1 || fail(err, ERROR_NETWORK, "ENOBUFS",
                             "there is no room for a packet of %zu bytes just now: those before it "
                             "have not left yet",
                             frame->length);
}

bool link_send_many(struct link *link, struct frame *frames, size_t count, size_t *sent,
                    struct error *err)
{
    *sent = 0;
    if (!link->ops->send_many) {
        while (*sent < count && link_send(link, &frames[*sent], err))
            ++*sent;
        return *sent == count;
    }
    for (size_t i = 0; i < count; i++)
        if (frames[i].original < frames[i].length)
            frames[i].original = frames[i].length;
    while (*sent < count) {
        size_t now = 0, most = count - *sent < LINK_BATCH ? count - *sent : LINK_BATCH;
        bool went = link->ops->send_many(link, frames + *sent, most, &now, err);
        *sent += now;
        if (!went || now < most)
            return went;
    }
    return true;
}

int link_recv(struct link *link, struct frame *frame, struct error *err)
{
    return link->ops->recv ? link->ops->recv(link, frame, err) : 0;
}

int link_fds(struct link *link, int fds[static LINK_FDS])
{
    return link->ops->fds ? link->ops->fds(link, fds) : 0;
}

int64_t link_deadline(struct link *link)
{
    return link->ops->deadline ? link->ops->deadline(link) : TIME_NEVER;
}

int64_t link_push(struct link *link, int64_t now)
{
    return link->ops->push ? link->ops->push(link, now) : TIME_NEVER;
}

bool link_ports(struct link *link, uint16_t low, uint16_t high, struct error *err)
{
    return link->ops->ports ? link->ops->ports(link, low, high, err) : true;
}

uint64_t link_drops(struct link *link)
{
    return link->ops->drops ? link->ops->drops(link) : 0;
}

void link_close(struct link *link)
{
    if (link)
        link->ops->close(link);
}
