/* The Lua modules of src/lib, carried inside the program so that it runs from anywhere.
 *
 * embed.cmake writes the table at build time. It ends with a row whose name is NULL. */
#ifndef TCPLUA_SCRIPT_EMBEDDED_H
#define TCPLUA_SCRIPT_EMBEDDED_H

#include <stddef.h>

struct embedded {
    const char *name;   /* what require takes: "tcplua.tcp"; lib/init.lua is "tcplua" */
    const char *chunk;  /* what a traceback shows: "@tcplua/tcp.lua" */
    const char *source; /* the text, NUL-terminated behind its length */
    size_t length;
};

extern const struct embedded embedded_modules[];

#endif
