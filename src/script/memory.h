/* memory: what Lua's objects live in.
 *
 * A script that looks at packets makes and drops objects of a few sizes, millions of them. Blocks
 * up to MEMORY_SMALL bytes come from lists of free ones by size, cut from chunks; the C library
 * would join and split them again each time. Greater blocks are the C library's. A chunk is kept
 * until the state is closed.
 *
 * A build with AddressSanitizer has no lists, so that it sees each block. */
#ifndef TCPLUA_SCRIPT_MEMORY_H
#define TCPLUA_SCRIPT_MEMORY_H

#include <stddef.h>

#define MEMORY_SMALL 1024 /* bytes: a packet of the usual size, a table of 16 fields */
#define MEMORY_UNIT  16   /* sizes are multiples of this */

struct memory {
    void *free[MEMORY_SMALL / MEMORY_UNIT + 1]; /* [i]: blocks of i units; each begins with the
                                                   address of the next */
    void *chunks;                               /* likewise */
    unsigned char *rest;                        /* of the newest chunk, not cut yet */
    size_t rest_size;
};

/* A lua_Alloc; `self` is a struct memory, all zeros at first. */
void *memory_allocate(void *self, void *block, size_t old, size_t size);

/* Gives all chunks back; the state is closed. */
void memory_free(struct memory *memory);

#endif
