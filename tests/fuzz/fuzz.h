/* fuzz: what the drivers have in common. A driver is one function that takes bytes; libFuzzer calls
 * it with bytes it makes up, replay.c with those of files. */
#ifndef TCPLUA_TESTS_FUZZ_H
#define TCPLUA_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run at once, in a way that a fuzzer and a debugger notice. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Whether a text is what may go to a terminal: printable ASCII and, with `lines`, line ends. */
static inline bool fuzz_printable(const char *text, bool lines)
{
    for (; *text; text++)
        if ((*text < ' ' || *text > '~') && !(lines && *text == '\n'))
            return false;
    return true;
}

#endif
