/* hub: see hub.h. All that is under way is in one line; `held.at` says where: NULL is on the way to
 * the middle, a link's address on the way to that link. In a link's queue it is the next one. */
#include "link/hub.h"

#include <stdlib.h>
#include <string.h>

#include "link/line.h"
#include "link/too_big.h"

/* A link that nobody reads must not eat the machine. */
#define QUEUE_BYTES  (16U << 20)
#define QUEUE_FRAMES 65536U

struct hub_host {
    struct hub *hub;
    struct hub_host *next;
    struct path paths[2]; /* by enum hub_way */
};

struct hub_end {
    struct link link;
    struct hub_host *host;
    struct addr addr;
    struct hub_end *next;
    struct held *first, *last; /* arrived, oldest first */
    struct held *taken;        /* what the last link_recv() pointed into */
    size_t frames, bytes;      /* arrived */
    uint64_t drops;
};

struct hub {
    const struct clock *clock;
    uint64_t seeds;
    uint32_t mtu;
    size_t users; /* the owner, and the links */
    struct hub_host *hosts;
    struct hub_end *ends;
    struct line line;
};

static struct hub_end *end_of(struct link *link)
{
    return (struct hub_end *)link;
}

/* Where a datagram is going, or where it comes from; ADDR_NONE if it is none. */
static struct addr address_of(const uint8_t *ip, size_t length, bool source)
{
    if (length >= 20 && ip[0] >> 4 == 4)
        return addr_from(ADDR_IP4, ip + (source ? 12 : 16));
    if (length >= 40 && ip[0] >> 4 == 6)
        return addr_from(ADDR_IP6, ip + (source ? 8 : 24));
    return (struct addr){.kind = ADDR_NONE};
}

static struct hub_end *find_end(const struct hub *hub, const struct addr *addr)
{
    for (struct hub_end *end = hub->ends; end; end = end->next)
        if (addr_equal(&end->addr, addr))
            return end;
    return NULL;
}

static void enter(struct hub *hub, struct path *path, const struct frame *frame, void *at,
                  int64_t now);

/* A router on the path tells the sender what fits. */
static void answer(struct hub *hub, const struct frame *frame, uint32_t mtu, int64_t now)
{
    uint8_t bytes[TOO_BIG_MAX];
    struct addr source = address_of(frame->bytes, frame->length, true);
    struct hub_end *end = find_end(hub, &source);
    size_t length = too_big_write(bytes, frame->bytes, frame->length, mtu);
    struct frame back = {.bytes = bytes, .length = length, .original = length};
    if (end && length)
        enter(hub, &end->host->paths[HUB_RECEIVING], &back, end, now);
}

/* A datagram enters a path at whose end it will be `at`. */
static void enter(struct hub *hub, struct path *path, const struct frame *frame, void *at,
                  int64_t now)
{
    struct path_fate fate = path_enter(path, frame->length, now);
    if (fate.what == PATH_TOO_BIG)
        answer(hub, frame, path->fault.mtu, now); /* which is never answered itself */
    if (fate.what != PATH_PASSES)
        return;
    struct held *held = line_hold(&hub->line, frame, fate.due);
    if (held)
        held->at = at;
    if (held && fate.corrupted && held->length) {
        uint64_t bit = fate.bit % (8 * held->length);
        held->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    if (fate.twice && (held = line_hold(&hub->line, frame, fate.due)) != NULL)
        held->at = at;
}

static void arrive(struct hub_end *end, struct held *held)
{
    if (end->frames >= QUEUE_FRAMES || end->bytes + held->length > QUEUE_BYTES) {
        end->drops++;
        free(held);
        return;
    }
    held->at = NULL;
    if (end->first)
        end->last->at = held;
    else
        end->first = held;
    end->last = held;
    end->frames++;
    end->bytes += held->length;
}

/* Moves all that is due. */
static void pump(struct hub *hub, int64_t now)
{
    struct held *held;
    while ((held = line_take(&hub->line, now)) != NULL) {
        if (held->at) {
            arrive(held->at, held);
            continue;
        }
        struct frame frame = {
            .bytes = held->bytes, .length = held->length, .original = held->original};
        struct addr addr = address_of(held->bytes, held->length, false);
        struct hub_end *end = find_end(hub, &addr);
        if (end)
            enter(hub, &end->host->paths[HUB_RECEIVING], &frame, end, held->due);
        free(held);
    }
}

static bool end_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct hub_end *self = end_of(link);
    struct hub *hub = self->host->hub;
    if (frame->length > link->mtu)
        return fail(err, ERROR_NETWORK, "EMSGSIZE",
                    "a datagram of %zu bytes is too long for this link, which takes %u",
                    frame->length, link->mtu);
    int64_t now = clock_now(hub->clock);
    enter(hub, &self->host->paths[HUB_SENDING], frame, NULL, now);
    pump(hub, now);
    return true;
}

static int end_recv(struct link *link, struct frame *frame, struct error *err)
{
    (void)err;
    struct hub_end *self = end_of(link);
    pump(self->host->hub, clock_now(self->host->hub->clock));
    free(self->taken);
    struct held *held = self->taken = self->first;
    if (!held)
        return 0;
    self->first = held->at;
    self->frames--;
    self->bytes -= held->length;
    *frame = (struct frame){.bytes = held->bytes,
                            .length = held->length,
                            .original = held->original,
                            .time = clock_wall(self->host->hub->clock)};
    return 1;
}

static int64_t end_deadline(struct link *link)
{
    struct hub_end *self = end_of(link);
    return self->first ? self->first->due : line_due(&self->host->hub->line);
}

static int64_t end_push(struct link *link, int64_t now)
{
    struct hub *hub = end_of(link)->host->hub;
    pump(hub, now);
    return line_due(&hub->line);
}

static uint64_t end_drops(struct link *link)
{
    return end_of(link)->drops;
}

static void end_close(struct link *link)
{
    struct hub_end *self = end_of(link);
    struct hub *hub = self->host->hub;
    struct hub_end **at = &hub->ends;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    line_forget(&hub->line, self);
    free(self->taken);
    while (self->first) {
        struct held *held = self->first;
        self->first = held->at;
        free(held);
    }
    free(self);
    hub_release(hub);
}

static const struct link_ops hub_ops = {
    .name = "hub",
    .send = end_send,
    .recv = end_recv,
    .deadline = end_deadline,
    .push = end_push,
    .drops = end_drops,
    .close = end_close,
};

static void *new_part(size_t size, struct error *err)
{
    void *part = calloc(1, size);
    if (!part)
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a simulated network");
    return part;
}

struct hub *hub_open(const struct clock *clock, uint64_t seed, uint32_t mtu, struct error *err)
{
    struct hub *hub = new_part(sizeof *hub, err);
    if (hub)
        *hub = (struct hub){.clock = clock, .seeds = seed, .mtu = mtu, .users = 1};
    return hub;
}

void hub_release(struct hub *hub)
{
    if (!hub || --hub->users > 0)
        return;
    while (hub->hosts) {
        struct hub_host *host = hub->hosts;
        hub->hosts = host->next;
        free(host);
    }
    line_clear(&hub->line);
    free(hub);
}

struct hub_host *hub_host(struct hub *hub, struct error *err)
{
    struct hub_host *host = new_part(sizeof *host, err);
    if (!host)
        return NULL;
    host->hub = hub;
    for (int way = 0; way < 2; way++)
        path_init(&host->paths[way], &(struct fault){.seed = path_draw(&hub->seeds)});
    host->next = hub->hosts;
    hub->hosts = host;
    return host;
}

struct path *hub_path(struct hub_host *host, enum hub_way way)
{
    return &host->paths[way];
}

struct link *hub_link(struct hub_host *host, const struct addr *addr, struct error *err)
{
    char text[ADDR_TEXT];
    struct hub *hub = host->hub;
    if (find_end(hub, addr)) {
        fail(err, ERROR_USAGE, "EADDRINUSE", "a host of the simulated network has the address %s",
             addr_format(addr, text));
        return NULL;
    }
    struct hub_end *end = new_part(sizeof *end, err);
    if (!end)
        return NULL;
    end->link =
        (struct link){.ops = &hub_ops, .medium = LINK_IP, .mtu = hub->mtu, .whole_sums = true};
    end->host = host;
    end->addr = *addr;
    end->next = hub->ends;
    hub->ends = end;
    hub->users++;
    return &end->link;
}
