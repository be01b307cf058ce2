/* burst: see burst.h.
 *
 * Packets pass through a row of LINK_BATCH slots. A slot of a set keeps that set's last packet, so
 * that only the fields that move are written; fixed packets are sent from where they are kept. A
 * batch is for one link: a packet for another one first sends what is there. */
#include "stack/burst.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "stack/outlet.h"
#include "stack/stack.h"

#define ETHER_HEADER 14
#define SLICE        (4 * NS_PER_MS) /* of sending, then others have their turn */
#define SLICE_FRAMES 4096U
#define CATCH_UP     (5 * NS_PER_MS) /* lateness beyond this is forgiven */
#define FULL_PAUSE   NS_PER_MS       /* a send buffer of 4 MiB does not run dry meanwhile */
#define PARKED       48              /* fewer than NEIGHBOURS: none pushes another out */
#define PATIENCE     (3 * NS_PER_S)  /* a next hop that was silent is not asked again before */

struct item {
    size_t at, length;     /* in the arena, behind room for an Ethernet header */
    const struct set *set; /* NULL: the bytes in the arena; else its template is not there */
    struct set_cursor cursor;
};

/* A datagram that waits for the MAC address of its next hop. */
struct parked {
    struct stack *stack;
    struct addr hop;
    size_t length;
    uint8_t *bytes; /* a frame, its header still open */
};

struct burst {
    struct network *network;
    uint64_t closed; /* the network's, when the burst began: while it is the same, stacks live */
    struct burst_options options;
    struct burst_report report;
    struct item *items;
    size_t count, room;
    uint8_t *arena;
    size_t used, arena_room, longest;

    bool began;
    int64_t start, end; /* of the schedule; of the time there is */
    uint64_t taken;     /* packets that came from the items */
    size_t at;          /* the item whose turn it is */
    bool idle;          /* no item had a packet since the first one's turn */
    bool over;

    uint8_t *slots;
    size_t stride;
    const struct item *holds[LINK_BATCH]; /* whose packet is in the slot */
    struct frame frames[LINK_BATCH];      /* [first, last): filled, and not sent yet */
    size_t first, last;
    struct stack *stack; /* theirs; NULL: the caller's link */
    struct frame held;   /* the packet after them, which has another stack; bytes NULL: none */
    struct stack *held_stack;
    size_t held_slot;

    struct outlet outlet;
    struct link *xdp;
    uint32_t xdp_ifindex;
    struct parked parked[PARKED];
    size_t waiting;
};

struct burst *burst_new(struct network *network, const struct burst_options *options)
{
    struct burst *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->network = network;
    b->closed = network->closed;
    b->options = *options;
    b->outlet = (struct outlet){.network = network, .exact = options->exact || options->xdp};
    memcpy(b->outlet.iface, options->iface, sizeof b->outlet.iface);
    return b;
}

static struct item *add_item(struct burst *b, size_t length)
{
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 1;
        struct item *items = realloc(b->items, room * sizeof *items);
        if (!items)
            return NULL;
        b->items = items;
        b->room = room;
    }
    struct item *item = &b->items[b->count++];
    item->set = NULL;
    item->at = 0;
    item->length = length;
    if (length > b->longest)
        b->longest = length;
    return item;
}

bool burst_add(struct burst *b, const uint8_t *bytes, size_t length)
{
    size_t need = b->used + ETHER_HEADER + length;
    if (need > b->arena_room) {
        size_t room = need > 2 * b->arena_room ? need : 2 * b->arena_room;
        uint8_t *arena = realloc(b->arena, room);
        if (!arena)
            return false;
        b->arena = arena;
        b->arena_room = room;
    }
    struct item *item = add_item(b, length);
    if (!item)
        return false;
    item->at = b->used + ETHER_HEADER;
    if (length)
        memcpy(b->arena + item->at, bytes, length);
    b->used = need;
    return true;
}

bool burst_add_set(struct burst *b, const struct set *set, const struct set_cursor *cursor)
{
    struct item *item = add_item(b, set->length);
    if (!item)
        return false;
    item->set = set;
    item->cursor = *cursor;
    return true;
}

const struct burst_report *burst_report(const struct burst *b)
{
    return &b->report;
}

static void drop_parked(struct burst *b, size_t i)
{
    free(b->parked[i].bytes);
    b->parked[i] = b->parked[--b->waiting];
}

void burst_free(struct burst *b)
{
    if (!b)
        return;
    while (b->waiting)
        drop_parked(b, 0);
    link_close(b->xdp);
    free(b->slots);
    free(b->arena);
    free(b->items);
    free(b);
}

/* --- what goes wrong ----------------------------------------------------------------------------
 */

void burst_refuse(struct burst *b, uint64_t count, const struct error *why)
{
    if (b->report.refused == 0)
        b->report.first = *why;
    b->report.refused += count;
}

static void refuse(struct burst *b, const struct error *why)
{
    burst_refuse(b, 1, why);
}

/* Whether nothing will go any more, whatever the packet. */
static bool is_final(const struct error *why)
{
    return strcmp(why->code, "ENETDOWN") == 0 || strcmp(why->code, "ENODEV") == 0 ||
           strcmp(why->code, "EBADF") == 0 || strcmp(why->code, "ENOMEM") == 0;
}

/* --- the next packet ----------------------------------------------------------------------------
 */

/* When packet `i` is due. */
static int64_t due(const struct burst *b, uint64_t i)
{
    return b->options.rate > 0 ? b->start + (int64_t)((double)i * (1e9 / b->options.rate))
                               : b->start;
}

/* Room for a packet of a set in slot `i`, which has one of that set in it already. */
static uint8_t *slot_for(struct burst *b, size_t i, const struct item *item)
{
    uint8_t *bytes = b->slots + i * b->stride + ETHER_HEADER;
    if (b->holds[i] != item) {
        memcpy(bytes, item->set->bytes, item->length);
        b->holds[i] = item;
    }
    return bytes;
}

/* Takes the next packet out of the items, into slot `i` if it is one of a set. False: there is none
 * any more, and the burst is over. */
static bool take(struct burst *b, size_t i, struct frame *frame)
{
    while (!b->over) {
        if (b->at == b->count) { /* all had their turn */
            b->at = 0;
            b->over = b->options.count == 0 || b->idle;
            b->idle = true;
            continue;
        }
        struct item *item = &b->items[b->at];
        *frame = (struct frame){.length = item->length, .original = item->length};
        if (!item->set) {
            frame->bytes = b->arena + item->at;
            b->at++;
        } else {
            uint8_t *bytes = slot_for(b, i, item);
            if (!set_next(&item->cursor, bytes)) {
                b->at++;
                continue;
            }
            frame->bytes = bytes;
        }
        b->idle = false;
        b->taken++;
        b->over = b->taken == b->options.count;
        return true;
    }
    return false;
}

/* --- the way of a datagram ----------------------------------------------------------------------
 */

/* The header in front of a datagram: every one has room for it, in its slot or in the arena. */
static void put_header(struct frame *frame, const struct addr *mac, const struct link *link)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)frame->bytes - ETHER_HEADER;
    uint16_t type = frame->bytes[0] >> 4 == 6 ? 0x86dd : 0x0800;
    memcpy(bytes, mac->bytes, 6);
    memcpy(bytes + 6, link->mac.bytes, 6);
    put16(bytes + 12, type);
    frame->bytes = bytes;
    frame->length += ETHER_HEADER;
    frame->original = frame->length;
}

static bool park(struct burst *b, const struct frame *frame, struct error *err)
{
    struct parked *p = &b->parked[b->waiting];
    *p = (struct parked){.stack = b->outlet.stack, .hop = b->outlet.hop, .length = frame->length};
    p->bytes = malloc(ETHER_HEADER + frame->length);
    if (!p->bytes)
        return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for packets that wait");
    memcpy(p->bytes + ETHER_HEADER, frame->bytes, frame->length);
    b->waiting++;
    return true;
}

static bool nobody_there(const struct addr *hop, struct error *err)
{
    char text[ADDR_TEXT];
    return fail(err, ERROR_NETWORK, "EHOSTUNREACH", "nobody answers for %s",
                addr_format(hop, text));
}

enum fate { FATE_READY, FATE_PARKED, FATE_REFUSED };

static enum neighbour_state resolve(struct stack *stack, const struct addr *hop, struct addr *mac,
                                    int64_t now)
{
    return neighbour_resolve(&stack->neighbours, stack->link, &stack->local, hop, mac, PATIENCE,
                             now);
}

static enum fate find_way(struct burst *b, struct frame *frame, int64_t now, struct error *err)
{
    struct addr mac;
    if (!outlet_find(&b->outlet, frame->bytes, frame->length, err))
        return FATE_REFUSED;
    struct stack *stack = b->outlet.stack;
    if (stack->link->medium == LINK_IP)
        return FATE_READY;
    switch (resolve(stack, &b->outlet.hop, &mac, now)) {
    case NEIGHBOUR_KNOWN:
        put_header(frame, &mac, stack->link);
        return FATE_READY;
    case NEIGHBOUR_SILENT:
        nobody_there(&b->outlet.hop, err);
        return FATE_REFUSED;
    default:
        return park(b, frame, err) ? FATE_PARKED : FATE_REFUSED;
    }
}

/* --- sending ------------------------------------------------------------------------------------
 */

/* The link of the frames that are filled. NULL with `err`: AF_XDP cannot be had. */
static struct link *link_of(struct burst *b, struct link *given, struct error *err)
{
    if (!b->options.datagrams)
        return given;
    if (!b->options.xdp)
        return b->stack->link;
    if (!b->xdp || b->xdp_ifindex != b->stack->ifindex) {
        link_close(b->xdp);
        b->xdp = link_open_xdp(b->stack->link->iface, err);
        b->xdp = b->xdp ? network_wrap(b->network, b->xdp, err) : NULL;
        b->xdp_ifindex = b->stack->ifindex;
    }
    return b->xdp;
}

enum progress { ALL_SENT, WIRE_FULL, WIRE_GONE };

/* Sends what is filled. */
static enum progress flush(struct burst *b, struct link *given, struct error *err)
{
    struct link *link = b->first < b->last ? link_of(b, given, err) : NULL;
    if (b->first < b->last && !link)
        return WIRE_GONE;
    size_t header =
        link && b->options.datagrams && link->medium == LINK_ETHERNET ? ETHER_HEADER : 0;
    while (b->first < b->last) {
        size_t sent, wanted = b->last - b->first;
        struct error why;
        bool went = link_send_many(link, b->frames + b->first, wanted, &sent, &why);
        for (size_t i = b->first; i < b->first + sent; i++)
            b->report.bytes += b->frames[i].length - header;
        b->report.sent += sent;
        b->first += sent;
        if (sent)
            b->report.ended = clock_now(&b->network->clock);
        if (went && sent < wanted)
            return WIRE_FULL;
        if (!went) {
            if (is_final(&why)) {
                if (err)
                    *err = why;
                return WIRE_GONE;
            }
            refuse(b, &why);
            b->first++;
        }
    }
    b->first = b->last = 0;
    return ALL_SENT;
}

/* Appends the held packet to the batch, after what is there has gone if that is for another link.
 */
static enum progress place_held(struct burst *b, struct link *link, struct error *err)
{
    if (b->last > b->first && b->stack != b->held_stack) {
        enum progress p = flush(b, link, err);
        if (p != ALL_SENT)
            return p;
    }
    if (b->first == b->last)
        b->first = b->last = b->held_slot; /* frames[i] never lies in another slot than i */
    b->stack = b->held_stack;
    b->frames[b->last++] = b->held;
    b->held.bytes = NULL;
    return ALL_SENT;
}

/* Sends the datagrams whose next hop is known by now, and refuses those whose hop is silent. They
 * take no slot: each is sent from its own memory. */
static enum progress serve_parked(struct burst *b, int64_t now, struct error *err)
{
    for (size_t i = 0; i < b->waiting;) {
        struct parked *p = &b->parked[i];
        struct frame frame = {.bytes = p->bytes + ETHER_HEADER, .length = p->length};
        struct error why;
        struct addr mac;
        enum neighbour_state state = resolve(p->stack, &p->hop, &mac, now);
        if (state == NEIGHBOUR_KNOWN) {
            enum progress progress = flush(b, NULL, err); /* the batch may be another stack's */
            if (progress != ALL_SENT)
                return progress;
            put_header(&frame, &mac, p->stack->link);
            b->stack = p->stack;
            b->frames[b->last++] = frame;
            progress = flush(b, NULL, err);
            if (progress == WIRE_FULL)
                b->first = b->last = 0; /* it stays parked */
            if (progress != ALL_SENT)
                return progress;
        } else if (state == NEIGHBOUR_SILENT) {
            nobody_there(&p->hop, &why);
            refuse(b, &why);
        } else {
            i++;
            continue;
        }
        drop_parked(b, i);
    }
    return ALL_SENT;
}

/* --- a slice of time ----------------------------------------------------------------------------
 */

static bool begin(struct burst *b, int64_t now, struct error *err)
{
    b->began = true;
    b->idle = true;
    b->start = b->report.began = b->report.ended = now;
    b->end = b->options.timeout < TIME_NEVER - now ? now + b->options.timeout : TIME_NEVER;
    b->stride = (ETHER_HEADER + b->longest + 15) & ~(size_t)15;
    bool sets = false;
    double all = 0;
    for (size_t i = 0; i < b->count; i++) {
        sets |= b->items[i].set != NULL;
        all += b->items[i].set ? set_count(b->items[i].set) : 1;
    }
    if (b->options.count == 0 && all < 0x1p53)
        b->options.count = (uint64_t)all; /* so that the last one is known to be the last */
    b->over = b->count == 0;
    b->slots = sets ? malloc(LINK_BATCH * b->stride) : NULL;
    return b->slots || !sets ||
           fail(err, ERROR_ENVIRONMENT, "ENOMEM", "out of memory for packets on their way");
}

/* Fills the batch with what is due. */
static enum progress fill(struct burst *b, struct link *link, int64_t now, struct error *err)
{
    if (b->held.bytes) {
        enum progress p = place_held(b, link, err);
        if (p != ALL_SENT)
            return p;
    }
    while (b->last < LINK_BATCH && !b->over && b->waiting < PARKED && due(b, b->taken) <= now) {
        struct error why;
        b->held_slot = b->last;
        if (!take(b, b->last, &b->held))
            break;
        if (b->options.datagrams) {
            enum fate fate = find_way(b, &b->held, now, &why);
            if (fate != FATE_READY)
                b->held.bytes = NULL;
            if (fate == FATE_REFUSED) {
                if (is_final(&why) || (!b->outlet.stack && why.kind == ERROR_ENVIRONMENT)) {
                    if (err)
                        *err = why;
                    return WIRE_GONE;
                }
                refuse(b, &why);
            }
            if (fate != FATE_READY)
                continue;
            b->held_stack = b->outlet.stack;
        }
        enum progress p = place_held(b, link, err);
        if (p != ALL_SENT)
            return p;
    }
    return ALL_SENT;
}

/* Late by more than a little: the schedule moves, so that what was missed is not made up for. */
static void forgive(struct burst *b, int64_t now)
{
    int64_t late = now - due(b, b->taken);
    if (b->options.rate > 0 && late > CATCH_UP)
        b->start += late - CATCH_UP;
}

static enum burst_state slice(struct burst *b, struct link *link, int64_t *when, struct error *err)
{
    int64_t began = clock_now(&b->network->clock), now = began;
    uint64_t first = b->taken;
    forgive(b, now);
    for (;;) {
        *when = now;
        enum progress p = serve_parked(b, now, err);
        if (p == ALL_SENT && now < b->end)
            p = fill(b, link, now, err);
        if (p == ALL_SENT)
            p = flush(b, link, err);
        if (p == WIRE_GONE)
            return BURST_FAILED;
        now = clock_now(&b->network->clock);
        if (now >= b->end || (b->over && !b->waiting && b->first == b->last && !b->held.bytes))
            return BURST_DONE;
        if (p == WIRE_FULL || b->over || b->waiting == PARKED) {
            *when = now + FULL_PAUSE;
            return BURST_MORE;
        }
        *when = due(b, b->taken);
        if (*when > now || now - began >= SLICE || b->taken - first >= SLICE_FRAMES)
            return BURST_MORE;
    }
}

enum burst_state burst_step(struct burst *b, struct link *link, int64_t *when, struct error *err)
{
    int64_t now = clock_now(&b->network->clock);
    if (b->network->closed != b->closed) {
        fail(err, ERROR_ENVIRONMENT, "EBADF", "the network of this burst is closed");
        return BURST_FAILED;
    }
    if (!b->began && !begin(b, now, err))
        return BURST_FAILED;
    enum burst_state state = slice(b, link, when, err);
    if (*when > b->end)
        *when = b->end;
    if (state != BURST_MORE)
        for (; b->waiting; drop_parked(b, 0)) {
            struct error why;
            nobody_there(&b->parked[0].hop, &why);
            refuse(b, &why);
        }
    return state;
}
