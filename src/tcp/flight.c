/* flight: see flight.h. */
#include "tcp/flight.h"

#include <stdlib.h>
#include <string.h>

#include "tcp/seq.h"

void flight_init(struct flight *f, uint32_t una)
{
    *f = (struct flight){.room = FLIGHT_FEW, .una = una, .lost_from = una, .again_to = una};
}

void flight_free(struct flight *f)
{
    free(f->heap);
    f->heap = NULL;
    f->count = 0;
}

struct flight_segment *flight_at(struct flight *f, uint32_t i)
{
    return (f->heap ? f->heap : f->few) + ((f->first + i) & (f->room - 1));
}

static const struct flight_segment *peek(const struct flight *f, uint32_t i)
{
    return (f->heap ? f->heap : f->few) + ((f->first + i) & (f->room - 1));
}

uint32_t flight_begin(const struct flight *f, uint32_t i)
{
    return i ? peek(f, i - 1)->end : f->una;
}

static uint32_t length_of(const struct flight *f, uint32_t i)
{
    return peek(f, i)->end - flight_begin(f, i);
}

/* The number after everything that was ever sent. */
static uint32_t end_of(const struct flight *f)
{
    return flight_begin(f, f->count);
}

/* Makes room for one more entry. */
static bool reserve(struct flight *f)
{
    if (f->count < f->room)
        return true;
    if (f->room >= FLIGHT_SEGMENTS)
        return false;
    uint32_t room = 2 * f->room > FLIGHT_FIRST ? 2 * f->room : FLIGHT_FIRST;
    struct flight_segment *heap = malloc(room * sizeof *heap);
    if (!heap)
        return false;
    for (uint32_t i = 0; i < f->count; i++)
        heap[i] = *flight_at(f, i);
    free(f->heap);
    f->heap = heap;
    f->room = room;
    f->first = 0;
    return true;
}

/* Cuts at `seq`, where that is inside an entry and there is room for one more. */
static void cut(struct flight *f, uint32_t seq)
{
    uint32_t i = flight_find(f, seq);
    if (i == f->count || flight_begin(f, i) == seq || !reserve(f))
        return;
    for (uint32_t k = f->count++; k > i; k--)
        *flight_at(f, k) = *flight_at(f, k - 1);
    flight_at(f, i)->end = seq;
    if (flight_at(f, i)->marks & FLIGHT_HELD)
        f->held++;
}

/* Not lost any more: there, or on its way again. */
static void found(struct flight *f, uint32_t i)
{
    struct flight_segment *s = flight_at(f, i);
    if (s->marks & FLIGHT_LOST)
        f->lost -= length_of(f, i);
    s->marks &= ~(unsigned)FLIGHT_LOST;
}

void flight_sent(struct flight *f, uint32_t seq, uint32_t end, int64_t now)
{
    uint32_t edge = end_of(f);
    if (seq_lt(seq, edge)) {
        cut(f, seq);
        cut(f, seq_min(end, edge));
        for (uint32_t i = flight_find(f, seq); i < f->count && seq_lt(flight_begin(f, i), end);
             i++) {
            struct flight_segment *s = flight_at(f, i);
            found(f, i);
            s->marks |= FLIGHT_AGAIN;
            s->sent = now;
            f->again_to = seq_max(f->again_to, s->end);
        }
    }
    if (seq_le(end, edge))
        return;
    if (!reserve(f)) {
        struct flight_segment *last = flight_at(f, f->count - 1);
        found(f, f->count - 1);
        f->held -= last->marks & FLIGHT_HELD ? 1 : 0;
        last->marks &= ~(unsigned)FLIGHT_HELD;
        last->end = end;
        last->sent = now;
        if (last->marks & FLIGHT_AGAIN)
            f->again_to = end;
        return;
    }
    *flight_at(f, f->count++) = (struct flight_segment){.sent = now, .end = end};
}

bool flight_acked(struct flight *f, uint32_t una, struct flight_segment *segment)
{
    bool whole = f->count && seq_le(flight_at(f, 0)->end, una);
    uint32_t to = whole ? flight_at(f, 0)->end : una;

    if (f->count) {
        const struct flight_segment *s = flight_at(f, 0);
        *segment = *s;
        if (s->marks & FLIGHT_LOST)
            f->lost -= to - f->una;
    }
    f->una = to;
    f->lost_from = seq_max(f->lost_from, to);
    f->again_to = seq_max(f->again_to, to);
    if (!whole)
        return false;
    f->held -= segment->marks & FLIGHT_HELD ? 1 : 0;
    f->first = (f->first + 1) & (f->room - 1);
    if (--f->count == 0 && f->heap) {
        free(f->heap);
        f->heap = NULL;
        f->room = FLIGHT_FEW;
        f->first = 0;
    }
    return true;
}

uint32_t flight_find(const struct flight *f, uint32_t seq)
{
    uint32_t low = 0, high = f->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (seq_gt(peek(f, middle)->end, seq))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void flight_hold(struct flight *f, uint32_t i)
{
    struct flight_segment *s = flight_at(f, i);
    found(f, i);
    f->held += s->marks & FLIGHT_HELD ? 0 : 1;
    s->marks |= FLIGHT_HELD;
}

void flight_lose(struct flight *f, uint32_t i)
{
    struct flight_segment *s = flight_at(f, i);
    if (s->marks & (FLIGHT_HELD | FLIGHT_LOST))
        return;
    s->marks |= FLIGHT_LOST;
    f->lost_from = f->lost ? seq_min(f->lost_from, flight_begin(f, i)) : flight_begin(f, i);
    f->lost += length_of(f, i);
}

void flight_unhold(struct flight *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        flight_at(f, i)->marks &= ~(unsigned)FLIGHT_HELD;
    f->held = 0;
}

bool flight_lost(struct flight *f, uint32_t *seq)
{
    if (f->lost == 0)
        return false;
    for (uint32_t i = flight_find(f, f->lost_from); i < f->count; i++)
        if (flight_at(f, i)->marks & FLIGHT_LOST) {
            f->lost_from = *seq = flight_begin(f, i);
            return true;
        }
    return false;
}
