/* pcapng_reader: the blocks of a pcapng file, block by block from a stream
 * (draft-ietf-opsawg-pcapng): several sections, each in its own byte order, with interfaces of any
 * link types, which libpcap does not read; frames in enhanced, simple and obsolete packet blocks.
 * Other blocks are passed over.
 *
 * Nothing is believed that is not there: a block that is kept takes at most 16 MiB and memory only
 * as its bytes come, a file has at most 262,144 interfaces. */
#ifndef TCPLUA_CAPTURE_PCAPNG_READER_H
#define TCPLUA_CAPTURE_PCAPNG_READER_H

#include <stdbool.h>
#include <stdio.h>

#include "capture/reader.h"

#define PCAPNG_FIRST 0x0a /* the first byte of every pcapng file, and of no pcap file */

struct pcapng_reader;

/* Reads from `file`, which the caller closes after it; NULL if there is no memory. */
struct pcapng_reader *pcapng_reader_new(FILE *file);

/* Reads up to the first interface, and says its link type in `linktype`; one that has none, which
 * has no frames, is CAPTURE_ETHERNET. False if it is no pcapng file, or damaged already. */
bool pcapng_reader_begin(struct pcapng_reader *reader, int *linktype);

/* The next frame as reader_next() gives it: 1, the end of the file: 0, damage: -1. */
int pcapng_reader_next(struct pcapng_reader *reader, struct reading *reading);

/* What was wrong; printable, and valid as long as the reader. */
const char *pcapng_reader_reason(const struct pcapng_reader *reader);

void pcapng_reader_free(struct pcapng_reader *reader); /* NULL is allowed */

#endif
