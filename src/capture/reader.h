/* reader: capture files, read one frame at a time: pcap and pcapng in either byte order, of any
 * link type, with times in nanoseconds. libpcap reads pcap; pcapng, of which it takes no file with
 * two link types, is read by pcapng_reader.
 *
 * A file is as hostile as a peer. Nothing is believed that is not there: memory is bounded by the
 * longest frame that is taken (256 KiB of what people capture in pcap, 16 MiB in pcapng), not by
 * what a length says, and a file of any size is streamed. */
#ifndef TCPLUA_CAPTURE_READER_H
#define TCPLUA_CAPTURE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "capture/capture.h"

struct reader;

#define READING_COMMENTS 64 /* of a frame; more are passed over */

/* A frame as it stands in the file. */
struct reading {
    const uint8_t *bytes; /* valid until the next call */
    size_t length;        /* bytes that are there */
    size_t original;      /* bytes there were on the wire; never less than `length` */
    int64_t time;         /* nanoseconds since 1970; INT64_MAX for one that does not fit, 0 for one
                             before it or none */
    int linktype;         /* its number in files: CAPTURE_ETHERNET, CAPTURE_RAW_IP, … */
    /* What only pcapng can say; as valid as `bytes`, and as foreign. */
    const char *iface; /* NULL: it has no name */
    enum capture_direction direction;
    const char *const *comments; /* none of them empty; the list ends with NULL; NULL: none */
};

/* Opens a file, a FIFO or, for "-", standard input, and reads its header; waits for it where it has
 * to be waited for. Errors: environment for what cannot be opened or is empty or a directory;
 * protocol, EPROTO, for what is no capture. */
struct reader *reader_open(const char *path, struct error *err);

/* The link type of the frame read last, before it that of the first interface. */
int reader_linktype(const struct reader *reader);

/* Whether frames of other link types may follow. */
bool reader_mixes(const struct reader *reader);

/* libpcap's word for it, "EN10MB"; NULL for one without. */
const char *reader_linktype_name(const struct reader *reader);

/* The next frame: 1, the end of the file: 0, a file that is damaged or cannot be read on: -1. */
int reader_next(struct reader *reader, struct reading *reading, struct error *err);

void reader_close(struct reader *reader); /* NULL is allowed */

#endif
