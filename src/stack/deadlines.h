/* deadlines: which of thousands of deadlines comes first: a binary heap. */
#ifndef TCPLUA_STACK_DEADLINES_H
#define TCPLUA_STACK_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Part of what has a deadline. */
struct deadline {
    int64_t due;
    size_t at; /* its place in the heap */
};

struct deadlines {
    struct deadline **heap;
    size_t count, room;
};

/* Puts one in, due never; false when memory is short. */
bool deadlines_add(struct deadlines *deadlines, struct deadline *deadline);
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);

/* It is due at another time from now on. */
void deadlines_move(struct deadlines *deadlines, struct deadline *deadline, int64_t due);

/* The one due first; NULL if there is none. */
static inline struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count ? deadlines->heap[0] : NULL;
}

void deadlines_free(struct deadlines *deadlines);

#endif
