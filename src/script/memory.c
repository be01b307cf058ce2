/* memory: see memory.h. */
#include "script/memory.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 65536

#if defined(__SANITIZE_ADDRESS__)
#define POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOLED 0
#endif
#endif
#ifndef POOLED
#define POOLED 1
#endif

static size_t units(size_t size)
{
    return (size + MEMORY_UNIT - 1) / MEMORY_UNIT;
}

static void *pop(void **list)
{
    void *block = *list;
    memcpy(list, block, sizeof *list);
    return block;
}

static void push(void **list, void *block)
{
    memcpy(block, list, sizeof *list);
    *list = block;
}

/* What is left of the old chunk becomes a free block. */
static void *cut(struct memory *m, size_t size)
{
    if (m->rest_size < size) {
        unsigned char *chunk = malloc(CHUNK);
        if (!chunk)
            return NULL;
        if (m->rest_size > 0)
            push(&m->free[m->rest_size / MEMORY_UNIT], m->rest);
        push(&m->chunks, chunk);
        m->rest = chunk + MEMORY_UNIT;
        m->rest_size = CHUNK - MEMORY_UNIT;
    }
    void *block = m->rest;
    m->rest += size;
    m->rest_size -= size;
    return block;
}

static void *take(struct memory *m, size_t size)
{
    if (size > MEMORY_SMALL || !POOLED)
        return malloc(size);
    void **list = &m->free[units(size)];
    return *list ? pop(list) : cut(m, units(size) * MEMORY_UNIT);
}

static void give(struct memory *m, void *block, size_t size)
{
    if (size > MEMORY_SMALL || !POOLED)
        free(block);
    else if (block)
        push(&m->free[units(size)], block);
}

void *memory_allocate(void *self, void *block, size_t old, size_t size)
{
    struct memory *m = self;
    if (!block)
        return size > 0 ? take(m, size) : NULL;
    if (size == 0) {
        give(m, block, old);
        return NULL;
    }
    if ((old > MEMORY_SMALL && size > MEMORY_SMALL) || !POOLED)
        return realloc(block, size);
    if (units(old) == units(size))
        return block;
    void *moved = take(m, size);
    if (moved) {
        memcpy(moved, block, old < size ? old : size);
        give(m, block, old);
    }
    return moved;
}

void memory_free(struct memory *m)
{
    while (m->chunks)
        free(pop(&m->chunks));
}
