/* memory: what Lua's objects live in.
 *
 * A script that looks at packets makes and drops objects of a few sizes, millions of them, and the
 * C library would join their blocks and split them again each time. So some dropped blocks of each
 * size up to MEMORY_SMALL bytes are kept for the next object of that size. All others, and what is
 * above MEMORY_KEPT, go back to the C library: memory that a script needed once is given back.
 *
 * A build with AddressSanitizer keeps none, so that it sees the end of each block. */
#ifndef TCPLUA_SCRIPT_MEMORY_H
#define TCPLUA_SCRIPT_MEMORY_H

#include <stddef.h>

#define MEMORY_SMALL 1032   /* bytes: a packet of the usual size, a table of 16 fields */
#define MEMORY_UNIT  16     /* sizes up to that are multiples of this */
#define MEMORY_ODD   8      /* and this: so are the C library's, without their own 8 bytes */
#define MEMORY_KEPT  262144 /* bytes of one size: most of what Lua drops between two collections */

struct memory {
    struct {
        void *first; /* each block begins with the address of the next */
        size_t bytes;
    } kept[MEMORY_SMALL / MEMORY_UNIT + 1]; /* [i]: blocks of i units and a half */
};

/* A lua_Alloc; `self` is a struct memory, all zeros at first. */
void *memory_allocate(void *self, void *block, size_t old, size_t size);

/* Frees what is kept; the state is closed. */
void memory_free(struct memory *memory);

#endif
