/* capture: files of frames, written for people who open them in Wireshark.
 *
 * pcap goes through libpcap; pcapng through our own writer (libpcap has none), which adds what the
 * old format cannot say: direction, interface names, a comment for a packet, the command line. */
#ifndef TCPLUA_CAPTURE_CAPTURE_H
#define TCPLUA_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum capture_format { CAPTURE_PCAPNG, CAPTURE_PCAP };

/* libpcap's numbers of the link types that we write. */
enum { CAPTURE_ETHERNET = 1, CAPTURE_RAW_IP = 101 };

struct capture_writer;

/* pcap for a name that ends in ".pcap" or ".cap", else pcapng. */
enum capture_format capture_format_of(const char *path);

/* Creates (or empties) the file, mode 0600 less umask; "-" is standard output. A symbolic link is
 * not followed. `comment` (the command line, say) and `application` ("tcplua 0.1.0") go into the
 * pcapng section header; either may be NULL. The link type of a pcap file is that of its first
 * frame; a frame of another type is an error then. Errors name the path, escaped. */
struct capture_writer *capture_create(const char *path, enum capture_format format,
                                      const char *application, const char *comment,
                                      struct error *err);

/* One frame, flushed, so that a file is whole up to the last frame at any moment. `iface` may be
 * "". `sent` is the direction. `comment` may be NULL. False with `err` on the first failure; after
 * it, calls do nothing and return true: one warning, and the job goes on. */
bool capture_write(struct capture_writer *writer, int linktype, const char *iface, int64_t time,
                   const uint8_t *bytes, size_t length, size_t original, bool sent,
                   const char *comment, struct error *err);

/* The first failure, or NULL. */
const struct error *capture_failure(const struct capture_writer *writer);

/* Writes what remains and closes; false with `err` if that, or anything before, failed. Frees in
 * any case. */
bool capture_close(struct capture_writer *writer, struct error *err);

#endif
