/* line: frames under way, each with the time at which it is due; the earliest comes first, and of
 * two that are due together the one that was put in first. A heap. */
#ifndef TCPLUA_LINK_LINE_H
#define TCPLUA_LINK_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "link/link.h"

struct held {
    int64_t due;
    uint64_t order;
    void *at; /* the user's: where it is on its way; NULL at first */
    size_t length, original;
    uint8_t bytes[];
};

struct line {
    struct held **heap;
    size_t frames, room, bytes;
    uint64_t order;
};

/* A copy of the frame, to be taken out at `due`. NULL if the line is full (65,536 frames or 64 MiB)
 * or memory is short: then the frame is lost, as it would be on a wire. */
struct held *line_hold(struct line *line, const struct frame *frame, int64_t due);

/* The earliest, for the caller to free(), if it is due by `now`; else NULL. */
struct held *line_take(struct line *line, int64_t now);

/* When the earliest is due; TIME_NEVER if there is none. */
int64_t line_due(const struct line *line);

/* Frees what is on its way to `at`. */
void line_forget(struct line *line, const void *at);

/* Frees all that is in it. */
void line_clear(struct line *line);

#endif
