/* text: bytes that may be anybody's, made safe to print on a terminal or in a log (CWE-150). */
#ifndef TCPLUA_BASE_TEXT_H
#define TCPLUA_BASE_TEXT_H

#include <stddef.h>

/* Writes `length` bytes of `bytes` into `out` as printable ASCII: 0x20..0x7e stay, a backslash is
 * doubled, anything else becomes \xNN. What does not fit in `size` (NUL included) ends in "...".
 * Returns `out`. */
const char *text_escape(char *out, size_t size, const void *bytes, size_t length);

/* The same for a sentence whose foreign parts were escaped before: a backslash stays one, and so do
 * the characters of UTF-8 that can be seen. Those that steer a terminal, turn the direction of
 * writing or take no room are escaped. */
const char *text_printable(char *out, size_t size, const void *bytes, size_t length);

#endif
