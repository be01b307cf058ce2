/* pair: two links in memory, joined. Each end has a queue of the frames that the other end sent. */
#include <stdlib.h>
#include <string.h>

#include "link/link.h"

/* An end that nobody reads must not eat the machine. */
#define QUEUE_BYTES  (16U << 20)
#define QUEUE_FRAMES 65536U

#define ETHERNET_HEADER 14U

struct queued {
    struct queued *next;
    size_t length, original;
    int64_t time;  /* wall clock */
    int64_t since; /* it is here for whoever asks later: on the clock of deadlines */
    uint8_t bytes[];
};

struct pair_end {
    struct link link;
    struct pair *pair;
    bool open;
    struct queued *first, **last; /* waiting, oldest first */
    struct queued *taken;         /* what the last link_recv() pointed into */
    size_t frames, bytes;         /* waiting */
    uint64_t drops;
};

struct pair {
    struct pair_end ends[2];
    const struct clock *clock;
};

static struct pair_end *end_of(struct link *link)
{
    return (struct pair_end *)link;
}

static bool pair_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct pair_end *self = end_of(link);
    struct pair_end *peer = &self->pair->ends[self == &self->pair->ends[0]];
    size_t room = link->mtu + (link->medium == LINK_ETHERNET ? ETHERNET_HEADER : 0);
    if (frame->length > room)
        return fail(err, ERROR_NETWORK, "EMSGSIZE",
                    "a frame of %zu bytes is too long for this link, which takes %zu",
                    frame->length, room);
    if (!peer->open)
        return true;
    struct queued *q = NULL;
    if (peer->frames < QUEUE_FRAMES && peer->bytes + frame->length <= QUEUE_BYTES)
        q = malloc(sizeof *q + frame->length);
    if (!q) {
        peer->drops++;
        return true;
    }
    q->next = NULL;
    q->length = frame->length;
    q->original = frame->original;
    q->since = clock_now(self->pair->clock);
    q->time = frame->time ? frame->time : clock_wall(self->pair->clock);
    if (frame->length)
        memcpy(q->bytes, frame->bytes, frame->length);
    *peer->last = q;
    peer->last = &q->next;
    peer->frames++;
    peer->bytes += q->length;
    return true;
}

/* Whether the frame is for another MAC address: a pair shows it nevertheless, as a hub does. */
static bool for_another(const struct link *link, const struct queued *q)
{
    bool group = q->length > 0 && q->bytes[0] & 1;
    return link->medium == LINK_ETHERNET && q->length >= ETHERNET_HEADER && !group &&
           memcmp(q->bytes, link->mac.bytes, 6) != 0;
}

static int pair_recv(struct link *link, struct frame *frame, struct error *err)
{
    (void)err;
    struct pair_end *self = end_of(link);
    free(self->taken);
    struct queued *q = self->taken = self->first;
    if (!q)
        return 0;
    self->first = q->next;
    if (!self->first)
        self->last = &self->first;
    self->frames--;
    self->bytes -= q->length;
    *frame = (struct frame){.bytes = q->bytes,
                            .length = q->length,
                            .original = q->original,
                            .time = q->time,
                            .flags = for_another(link, q) ? FRAME_NOT_MINE : 0};
    return 1;
}

static int64_t pair_deadline(struct link *link)
{
    struct pair_end *self = end_of(link);
    return self->first ? self->first->since : TIME_NEVER;
}

static uint64_t pair_drops(struct link *link)
{
    return end_of(link)->drops;
}

static void pair_close(struct link *link)
{
    struct pair_end *self = end_of(link);
    struct pair *pair = self->pair;
    self->open = false;
    free(self->taken);
    self->taken = NULL;
    while (self->first) {
        struct queued *q = self->first;
        self->first = q->next;
        free(q);
    }
    if (!pair->ends[0].open && !pair->ends[1].open)
        free(pair);
}

static const struct link_ops pair_ops = {
    .name = "pair",
    .send = pair_send,
    .recv = pair_recv,
    .deadline = pair_deadline,
    .drops = pair_drops,
    .close = pair_close,
};

bool link_open_pair(struct link *ends[static 2], enum link_medium medium, uint32_t mtu,
                    const struct clock *clock, struct error *err)
{
    /* Locally administered addresses, so that a simulated Ethernet has its own to answer for. */
    static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a simulated link");
    pair->clock = clock;
    for (int i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[i];
        end->link.ops = &pair_ops;
        end->link.medium = medium;
        end->link.mtu = mtu;
        end->link.whole_sums = true;
        if (medium == LINK_ETHERNET)
            end->link.mac = addr_from(ADDR_MAC, macs[i]);
        end->pair = pair;
        end->open = true;
        end->last = &end->first;
        ends[i] = &end->link;
    }
    return true;
}
