/* refuse: memory that runs out. A test NAME_refused.c is linked so that the layers' calls of
 * malloc(), calloc() and realloc() come here; refuse_each() runs a job again and again, each time
 * with another of them refused, until it asks for no more. */
#ifndef TCPLUA_TESTS_UNIT_REFUSE_H
#define TCPLUA_TESTS_UNIT_REFUSE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t refuse_at; /* the how many-th call from here on fails; 0: none */

static bool refused(void)
{
    return refuse_at > 0 && --refuse_at == 0 && (errno = ENOMEM) != 0;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refused() ? NULL : __real_realloc(old, size);
}

/* `job` returns whether it was done, and frees what it has made. It must fail whenever memory is
 * refused. Returns how many calls there are to refuse. */
static size_t refuse_each(bool (*job)(void))
{
    for (size_t n = 1;; n++) {
        refuse_at = n;
        bool done = job();
        bool asked = refuse_at == 0;
        refuse_at = 0;
        assert_int_equal(done, !asked);
        if (!asked)
            return n - 1;
    }
}

#endif
