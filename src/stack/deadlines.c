/* deadlines: see deadlines.h. */
#include "stack/deadlines.h"

#include <stdlib.h>

#include "base/clock.h"

static void place(struct deadlines *deadlines, struct deadline *deadline, size_t at)
{
    deadlines->heap[at] = deadline;
    deadline->at = at;
}

/* Moves what is due earlier than its parent towards the root, and what is due later than a child
 * away from it. */
static void settle(struct deadlines *deadlines, struct deadline *deadline)
{
    size_t at = deadline->at;
    while (at > 0 && deadlines->heap[(at - 1) / 2]->due > deadline->due) {
        place(deadlines, deadlines->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < deadlines->count &&
            deadlines->heap[child + 1]->due < deadlines->heap[child]->due)
            child++;
        if (child >= deadlines->count || deadlines->heap[child]->due >= deadline->due)
            break;
        place(deadlines, deadlines->heap[child], at);
        at = child;
    }
    place(deadlines, deadline, at);
}

bool deadlines_add(struct deadlines *deadlines, struct deadline *deadline)
{
    if (deadlines->count == deadlines->room) {
        size_t room = deadlines->room ? 2 * deadlines->room : 16;
        struct deadline **heap = realloc(deadlines->heap, room * sizeof(struct deadline *));
        if (!heap)
            return false;
        deadlines->heap = heap;
        deadlines->room = room;
    }
    deadline->due = TIME_NEVER;
    place(deadlines, deadline, deadlines->count++);
    return true;
}

void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    struct deadline *last = deadlines->heap[--deadlines->count];
    if (last == deadline)
        return;
    place(deadlines, last, deadline->at);
    settle(deadlines, last);
}

void deadlines_move(struct deadlines *deadlines, struct deadline *deadline, int64_t due)
{
    if (deadline->due == due)
        return;
    deadline->due = due;
    settle(deadlines, deadline);
}

void deadlines_free(struct deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (struct deadlines){0};
}
