/* line: see line.h. */
#include "link/line.h"

#include <stdlib.h>
#include <string.h>

/* A wire holds what is under way and no more; what comes on top is lost. */
#define HELD_FRAMES 65536U
#define HELD_BYTES  (64U << 20)

static bool earlier(const struct held *a, const struct held *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_push(struct line *line, struct held *held)
{
    size_t i = line->frames++;
    for (; i > 0 && earlier(held, line->heap[(i - 1) / 2]); i = (i - 1) / 2)
        line->heap[i] = line->heap[(i - 1) / 2];
    line->heap[i] = held;
}

static struct held *heap_pop(struct line *line)
{
    struct held *top = line->heap[0], *moved = line->heap[--line->frames];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < line->frames; i = child) {
        if (child + 1 < line->frames && earlier(line->heap[child + 1], line->heap[child]))
            child++;
        if (!earlier(line->heap[child], moved))
            break;
        line->heap[i] = line->heap[child];
    }
    line->heap[i] = moved;
    return top;
}

static bool make_room(struct line *line, size_t length)
{
    if (line->frames >= HELD_FRAMES || line->bytes + length > HELD_BYTES)
        return false;
    if (line->frames < line->room)
        return true;
    size_t room = line->room ? 2 * line->room : 64;
    struct held **heap = realloc(line->heap, room * sizeof *heap);
    if (!heap)
        return false;
    line->heap = heap;
    line->room = room;
    return true;
}

struct held *line_hold(struct line *line, const struct frame *frame, int64_t due)
{
    if (!make_room(line, frame->length))
        return NULL;
    struct held *held = malloc(sizeof *held + frame->length);
    if (!held)
        return NULL;
    held->due = due;
    held->order = line->order++;
    held->at = NULL;
    held->length = frame->length;
    held->original = frame->original;
    if (frame->length)
        memcpy(held->bytes, frame->bytes, frame->length);
    line->bytes += held->length;
    heap_push(line, held);
    return held;
}

struct held *line_take(struct line *line, int64_t now)
{
    if (line_due(line) > now || line->frames == 0)
        return NULL;
    struct held *held = heap_pop(line);
    line->bytes -= held->length;
    return held;
}

int64_t line_due(const struct line *line)
{
    return line->frames ? line->heap[0]->due : TIME_NEVER;
}

/* The heap is built again in its own place: never are more back in it than were looked at. */
void line_forget(struct line *line, const void *at)
{
    size_t frames = line->frames;
    line->frames = 0;
    for (size_t i = 0; i < frames; i++) {
        struct held *held = line->heap[i];
        if (held->at != at) {
            heap_push(line, held);
            continue;
        }
        line->bytes -= held->length;
        free(held);
    }
}

void line_clear(struct line *line)
{
    for (size_t i = 0; i < line->frames; i++)
        free(line->heap[i]);
    free(line->heap);
    *line = (struct line){.order = line->order};
}
