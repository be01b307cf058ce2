/* scoreboard: see scoreboard.h. */
#include "tcp/scoreboard.h"

#include <stdlib.h>
#include <string.h>

#include "tcp/seq.h"

bool scoreboard_add(struct scoreboard *b, uint32_t left, uint32_t right)
{
    if (!b->range && !(b->range = calloc(SCOREBOARD_RANGES, sizeof *b->range)))
        return false;
    unsigned first = 0;
    while (first < b->ranges && seq_lt(b->range[first].right, left))
        first++;
    unsigned last = first; /* one past the last that is touched */
    while (last < b->ranges && seq_le(b->range[last].left, right))
        last++;
    if (first == last) {
        if (b->ranges == SCOREBOARD_RANGES)
            return false;
    } else {
        if (last == first + 1 && seq_le(b->range[first].left, left) &&
            seq_ge(b->range[first].right, right))
            return false;
        left = seq_min(left, b->range[first].left);
        right = seq_max(right, b->range[last - 1].right);
    }
    memmove(&b->range[first + 1], &b->range[last], (b->ranges - last) * sizeof b->range[0]);
    b->ranges = b->ranges - (last - first) + 1;
    b->range[first].left = left;
    b->range[first].right = right;
    return true;
}

void scoreboard_acked(struct scoreboard *b, uint32_t una)
{
    unsigned gone = 0;
    while (gone < b->ranges && seq_le(b->range[gone].right, una))
        gone++;
    b->ranges -= gone;
    if (b->ranges == 0) {
        scoreboard_clear(b);
        return;
    }
    memmove(&b->range[0], &b->range[gone], b->ranges * sizeof b->range[0]);
    if (seq_lt(b->range[0].left, una))
        b->range[0].left = una;
}

void scoreboard_clear(struct scoreboard *b)
{
    free(b->range);
    *b = (struct scoreboard){0};
}

uint32_t scoreboard_bytes(const struct scoreboard *b, uint32_t to)
{
    uint32_t bytes = 0;
    for (unsigned i = 0; i < b->ranges && seq_lt(b->range[i].left, to); i++)
        bytes += seq_min(b->range[i].right, to) - b->range[i].left;
    return bytes;
}

uint32_t scoreboard_lost(const struct scoreboard *b, uint32_t una, uint32_t mss)
{
    uint32_t bytes = 0;
    for (unsigned i = b->ranges; i-- > 0;) {
        bytes += b->range[i].right - b->range[i].left;
        if (bytes > (DUP_THRESH - 1) * mss || b->ranges - i >= DUP_THRESH)
            return b->range[i].left;
    }
    return una;
}

uint32_t scoreboard_hole(const struct scoreboard *b, uint32_t seq, uint32_t limit, uint32_t *end)
{
    *end = limit;
    for (unsigned i = 0; i < b->ranges; i++) {
        if (seq_lt(seq, b->range[i].left)) {
            *end = b->range[i].left;
            break;
        }
        if (seq_lt(seq, b->range[i].right))
            seq = b->range[i].right;
    }
    return seq;
}
