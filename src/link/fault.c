/* fault: a bad wire, the same one every time it is made from the same seed.
 *
 * Every frame goes into a heap of held frames, ordered by the time at which it is due and then by
 * the order of sending; whenever somebody touches the link, those that are due are passed on. */
#include <stdlib.h>
#include <string.h>

#include "link/wrapper.h"

/* A wire holds what is under way and no more; what comes on top is lost. */
#define HELD_FRAMES 65536U
#define HELD_BYTES  (64U << 20)

struct held {
    int64_t due;
    uint64_t order;
    size_t length, original;
    uint8_t bytes[];
};

enum stream { LOSS, DUPLICATE, REORDER, CORRUPT, JITTER, STREAMS };

struct fault_link {
    struct wrapper wrapper;
    struct fault fault;
    const struct clock *clock;
    uint64_t streams[STREAMS]; /* states of the random number generators */
    struct held **heap;
    size_t frames, room, bytes;
    uint64_t order;
    int64_t last_due; /* of the frames that keep their order */
    bool failed;      /* a held frame could not be passed on, and nobody was told yet */
    struct error error;
};

/* splitmix64 (Steele, Lea, Flood 2014): one word of state, and every seed is a good one. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 <= x < 1. */
static double draw_unit(uint64_t *state)
{
    return (double)(draw(state) >> 11) * 0x1p-53;
}

static bool earlier(const struct held *a, const struct held *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_push(struct fault_link *self, struct held *held)
{
    size_t i = self->frames++;
    for (; i > 0 && earlier(held, self->heap[(i - 1) / 2]); i = (i - 1) / 2)
        self->heap[i] = self->heap[(i - 1) / 2];
    self->heap[i] = held;
}

static struct held *heap_pop(struct fault_link *self)
{
    struct held *top = self->heap[0], *moved = self->heap[--self->frames];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < self->frames; i = child) {
        if (child + 1 < self->frames && earlier(self->heap[child + 1], self->heap[child]))
            child++;
        if (!earlier(self->heap[child], moved))
            break;
        self->heap[i] = self->heap[child];
    }
    self->heap[i] = moved;
    return top;
}

/* A copy of the frame, to be passed on at `due`; NULL if the wire is full. */
static struct held *hold(struct fault_link *self, const struct frame *frame, int64_t due)
{
    if (self->frames >= HELD_FRAMES || self->bytes + frame->length > HELD_BYTES)
        return NULL;
    if (self->frames == self->room) {
        size_t room = self->room ? 2 * self->room : 64;
        struct held **heap = realloc(self->heap, room * sizeof *heap);
        if (!heap)
            return NULL;
        self->heap = heap;
        self->room = room;
    }
    struct held *held = malloc(sizeof *held + frame->length);
    if (!held)
        return NULL;
    held->due = due;
    held->order = self->order++;
    held->length = frame->length;
    held->original = frame->original;
    if (frame->length)
        memcpy(held->bytes, frame->bytes, frame->length);
    self->bytes += held->length;
    heap_push(self, held);
    return held;
}

/* Passes on what is due. */
static void flush(struct fault_link *self, int64_t now)
{
    while (self->frames > 0 && self->heap[0]->due <= now) {
        struct held *held = heap_pop(self);
        self->bytes -= held->length;
        struct frame frame = {
            .bytes = held->bytes, .length = held->length, .original = held->original};
        struct error err;
        if (!link_send(self->wrapper.inner, &frame, &err) && !self->failed) {
            self->failed = true;
            self->error = err;
        }
        free(held);
    }
}

/* When a frame sent now arrives. */
static int64_t due_time(struct fault_link *self, int64_t now, bool reordered)
{
    const struct fault *f = &self->fault;
    int64_t added = (int64_t)(draw_unit(&self->streams[JITTER]) * (double)f->jitter);
    int64_t due = now + f->delay + added;
    if (due < self->last_due)
        due = self->last_due;
    if (reordered)
        return due + (f->jitter ? f->jitter : f->delay ? f->delay : NS_PER_MS);
    self->last_due = due;
    return due;
}

static bool fault_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct fault_link *self = (struct fault_link *)link;
    const struct fault *f = &self->fault;
    int64_t now = clock_now(self->clock);

    bool lost = draw_unit(&self->streams[LOSS]) < f->loss;
    bool doubled = draw_unit(&self->streams[DUPLICATE]) < f->duplicate;
    bool corrupted = draw_unit(&self->streams[CORRUPT]) < f->corrupt;
    uint64_t bit = draw(&self->streams[CORRUPT]);
    bool reordered = draw_unit(&self->streams[REORDER]) < f->reorder;
    int64_t due = due_time(self, now, reordered);

    if (!lost) {
        struct held *held = hold(self, frame, due);
        if (held && corrupted && frame->length) {
            bit %= 8 * frame->length;
            held->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        if (held && doubled)
            hold(self, frame, due);
    }
    flush(self, now);

    if (self->failed) {
        self->failed = false;
        if (err)
            *err = self->error;
        return false;
    }
    return true;
}

static int fault_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct fault_link *self = (struct fault_link *)link;
    flush(self, clock_now(self->clock));
    return link_recv(self->wrapper.inner, frame, err);
}

static int64_t fault_deadline(struct link *link)
{
    struct fault_link *self = (struct fault_link *)link;
    int64_t inner = wrapper_deadline(link);
    int64_t due = self->frames ? self->heap[0]->due : TIME_NEVER;
    return due < inner ? due : inner;
}

static int64_t fault_push(struct link *link, int64_t now)
{
    struct fault_link *self = (struct fault_link *)link;
    flush(self, now);
    int64_t inner = wrapper_push(link, now);
    int64_t due = self->frames ? self->heap[0]->due : TIME_NEVER;
    return due < inner ? due : inner;
}

static void fault_close(struct link *link)
{
    struct fault_link *self = (struct fault_link *)link;
    for (size_t i = 0; i < self->frames; i++)
        free(self->heap[i]);
    free(self->heap);
    wrapper_close(link);
}

static const struct link_ops fault_ops = {
    .name = "fault",
    .send = fault_send,
    .recv = fault_recv,
    .fds = wrapper_fds,
    .deadline = fault_deadline,
    .push = fault_push,
    .ports = wrapper_ports,
    .drops = wrapper_drops,
    .close = fault_close,
};

static bool probability(double p)
{
    return p >= 0 && p <= 1; /* false for a NaN */
}

struct link *link_fault(struct link *inner, const struct fault *fault, const struct clock *clock,
                        struct error *err)
{
    const int64_t longest = 3600 * NS_PER_S;
    if (!probability(fault->loss) || !probability(fault->duplicate) ||
        !probability(fault->reorder) || !probability(fault->corrupt)) {
        fail(err, ERROR_USAGE, "EINVAL",
             "loss, duplicate, reorder and corrupt are probabilities: give each from 0 to 1");
        link_close(inner);
        return NULL;
    }
    if (fault->delay < 0 || fault->delay > longest || fault->jitter < 0 ||
        fault->jitter > longest) {
        fail(err, ERROR_USAGE, "EINVAL", "a delay or jitter of a link is from 0 to 3600 seconds");
        link_close(inner);
        return NULL;
    }
    struct fault_link *self = wrapper_open(sizeof *self, &fault_ops, inner, err);
    if (!self)
        return NULL;
    self->fault = *fault;
    self->clock = clock;
    uint64_t seeds = fault->seed;
    for (int i = 0; i < STREAMS; i++)
        self->streams[i] = draw(&seeds);
    return &self->wrapper.link;
}
