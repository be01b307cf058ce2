/* output: a file that is written piece by piece, and is whole up to the last piece at any moment.
 */
#ifndef TCPLUA_CAPTURE_OUTPUT_H
#define TCPLUA_CAPTURE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct output {
    int fd;
    bool regular;    /* a file of ours, from which half a piece can be cut off again */
    off_t whole;     /* its length up to the last whole piece */
    char shown[120]; /* its name, escaped */
};

/* capture_create() says how a file is opened. */
bool output_open(struct output *output, const char *path, struct error *err);

/* Writes all of it, in one system call where the kernel takes it in one. After a failure what was
 * written of the piece is taken back. */
bool output_write(struct output *output, const uint8_t *bytes, size_t length, struct error *err);

bool output_close(struct output *output, struct error *err);

#endif
