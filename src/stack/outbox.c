/* outbox: see outbox.h. */
#include "stack/outbox.h"

#include "stack/stack.h"

/* What segment_write() makes of it never fails to fit. */
static bool has_room(const struct outbox *outbox, const struct segment *segment)
{
    return outbox->count < LINK_BATCH &&
           OUTBOX_ROOM - outbox->used >= STACK_ETHER + SEGMENT_HEADERS + segment->length;
}

/* A full segment and what follows it are one frame, of which the link makes pieces. */
static bool join(struct outbox *outbox, const struct link *link, const struct segment *segment)
{
    if (link->gso == 0 || outbox->count == 0)
        return false;
    struct frame *frame = &outbox->frames[outbox->count - 1];
    size_t head = link->medium == LINK_ETHERNET ? STACK_ETHER : 0;
    size_t piece = frame->segment ? frame->segment : outbox->last.length;
    if (outbox->last.length != piece || segment->length > piece ||
        frame->length - head + segment->length > link->gso ||
        OUTBOX_ROOM - outbox->used < segment->length || !segment_continues(&outbox->last, segment))
        return false;
    uint8_t *ip = outbox->bytes + outbox->used - (frame->length - head);
    frame->length = head + segment_append(ip, frame->length - head, segment);
    frame->original = frame->length;
    frame->segment = (uint16_t)piece;
    outbox->used += segment->length;
    outbox->last = *segment;
    return true;
}

bool outbox_add(struct outbox *outbox, const struct endpoint *endpoint,
                const struct segment *segment)
{
    const struct link *link = endpoint->stack->link;
    struct auth *auth = endpoint->auth;
    if (endpoint->gso && !auth && join(outbox, link, segment))
        return true;
    if (!has_room(outbox, segment))
        return false;
    uint8_t *ip = outbox->bytes + outbox->used + STACK_ETHER;
    size_t length = auth_write(auth, segment, ip, OUTBOX_ROOM - outbox->used - STACK_ETHER);
    if (length == 0)
        return true; /* nothing that a datagram can carry */
    bool ether = link->medium == LINK_ETHERNET;
    size_t whole = length + (ether ? STACK_ETHER : 0);
    outbox->frames[outbox->count] =
        (struct frame){.bytes = ether ? ip - STACK_ETHER : ip, .length = whole, .original = whole};
    outbox->seqs[outbox->count++] = segment->seq;
    outbox->used += STACK_ETHER + length;
    outbox->last = *segment;
    return true;
}

struct outbox_result outbox_send(struct stack *stack, const struct addr *hop, int64_t now,
                                 struct error *err)
{
    struct outbox *outbox = &stack->outbox;
    struct outbox_result result = {.sent = true};
    size_t sent = 0, count = outbox->count;
    outbox->count = outbox->used = 0;
    if (count == 0)
        return result;
    if (stack->dead) {
        if (err)
            *err = stack->error;
        result.sent = false;
    } else if (stack->link->medium != LINK_ETHERNET ||
               neighbour_address(&stack->neighbours, stack->link, &stack->local, hop,
                                 outbox->frames, count, now)) {
        result.sent = count == 1 ? link_send(stack->link, &outbox->frames[0], err)
                                 : link_send_many(stack->link, outbox->frames, count, &sent, err);
    } else {
        /* They wait for the answer; what would have to be cut is lost. */
        for (; result.sent && sent < count; sent += result.sent)
            result.sent = outbox->frames[sent].segment ||
                          neighbour_send(&stack->neighbours, stack->link, &stack->local, hop,
                                         (uint8_t *)(uintptr_t)outbox->frames[sent].bytes,
                                         outbox->frames[sent].length, now, err);
    }
    if (!result.sent) {
        result.seq = outbox->seqs[sent];
        result.length =
            outbox->frames[sent].length - (stack->link->medium == LINK_ETHERNET ? STACK_ETHER : 0);
    }
    return result;
}
