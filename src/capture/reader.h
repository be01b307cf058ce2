/* reader: capture files, read by libpcap one frame at a time: pcap and pcapng in either byte order,
 * of any link type, with times in nanoseconds.
 *
 * A file is as hostile as a peer. Nothing is believed that is not there: memory is bounded by the
 * longest frame that libpcap takes (256 KiB for what people capture), not by what a length says,
 * and a file of any size is streamed. */
#ifndef TCPLUA_CAPTURE_READER_H
#define TCPLUA_CAPTURE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct reader;

/* A frame as it stands in the file. */
struct reading {
    const uint8_t *bytes; /* valid until the next call */
    size_t length;        /* bytes that are there */
    size_t original;      /* bytes there were on the wire; never less than `length` */
    int64_t time;         /* nanoseconds since 1970; one that does not fit is INT64_MAX */
};

/* Opens a file, a FIFO or, for "-", standard input, and reads its header; waits for it where it has
 * to be waited for. Errors: environment for what cannot be opened or is empty or a directory;
 * protocol, EPROTO, for what is no capture. */
struct reader *reader_open(const char *path, struct error *err);

/* The link type, by its number in files: CAPTURE_ETHERNET, CAPTURE_RAW_IP, … (capture.h). */
int reader_linktype(const struct reader *reader);

/* libpcap's word for it, "EN10MB"; NULL for one without. */
const char *reader_linktype_name(const struct reader *reader);

/* The next frame: 1, the end of the file: 0, a file that is damaged or cannot be read on: -1. */
int reader_next(struct reader *reader, struct reading *reading, struct error *err);

void reader_close(struct reader *reader); /* NULL is allowed */

#endif
