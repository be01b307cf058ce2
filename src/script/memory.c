/* memory: see memory.h. Every block is one of malloc()'s, so any may be freed or made greater. */
#include "script/memory.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define KEPT 0
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define KEPT 0
#endif
#endif
#ifndef KEPT
#define KEPT MEMORY_KEPT
#endif

/* The least i for which room(i) is enough. */
static size_t units(size_t size)
{
    return (size + MEMORY_UNIT - 1 - MEMORY_ODD) / MEMORY_UNIT;
}

static size_t room(size_t i)
{
    return i * MEMORY_UNIT + MEMORY_ODD;
}

static void *pop(struct memory *m, size_t i)
{
    void *block = m->kept[i].first;
    memcpy(&m->kept[i].first, block, sizeof block);
    m->kept[i].bytes -= room(i);
    return block;
}

static void drop(struct memory *m, void *block, size_t size)
{
    size_t i = units(size);
    if (!block || size > MEMORY_SMALL || m->kept[i].bytes + room(i) > KEPT) {
        free(block);
        return;
    }
    memcpy(block, &m->kept[i].first, sizeof block);
    m->kept[i].first = block;
    m->kept[i].bytes += room(i);
}

void *memory_allocate(void *self, void *block, size_t old, size_t size)
{
    struct memory *m = self;
    if (size == 0) {
        drop(m, block, old);
        return NULL;
    }
    if (size > MEMORY_SMALL)
        return realloc(block, size);
    size_t i = units(size);
    if (!block && m->kept[i].first)
        return pop(m, i);
    return realloc(block, room(i));
}

void memory_free(struct memory *m)
{
    for (size_t i = 0; i < sizeof m->kept / sizeof m->kept[0]; i++)
        while (m->kept[i].first)
            free(pop(m, i));
}
