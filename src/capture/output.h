/* output: a file that is written piece by piece, and is whole up to the last piece at any moment.
 *
 * A pipe is another matter: its reader may stall, and must not stop a connection whose timers run.
 * So nothing here waits for one before the end: what it does not take is kept, up to a bound. */
#ifndef TCPLUA_CAPTURE_OUTPUT_H
#define TCPLUA_CAPTURE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define OUTPUT_WAITING (64U << 20) /* bytes that a reader may be behind */

struct output {
    int fd;
    bool regular;   /* a file of ours, from which half a piece can be cut off again */
    bool patient;   /* no file: whoever reads may take their time */
    off_t whole;    /* its length up to the last whole piece */
    uint8_t *bytes; /* what waits for the reader: */
    size_t from, waiting, room;
    char shown[120]; /* its name, escaped */
};

/* capture_create() says how a file is opened; `over`: in the place of one that is there. */
bool output_open(struct output *output, const char *path, bool over, struct error *err);

/* Writes all of it to a file, in one system call where the kernel takes it in one. After a failure
 * what was written of the piece is taken back. Anybody else gets as much as they take at once. */
bool output_write(struct output *output, const uint8_t *bytes, size_t length, struct error *err);

/* Hands on what waits, if there is room for it now, or with `wait` when there is; a signal ends the
 * waiting. */
bool output_push(struct output *output, bool wait, struct error *err);

/* The same, and the end. What nobody has read is said to be missing. */
bool output_close(struct output *output, bool wait, struct error *err);

#endif
