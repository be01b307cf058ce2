/* capture: files of frames, written for people who open them in Wireshark.
 *
 * pcap goes through libpcap; pcapng through our own writer (libpcap has none), which adds what the
 * old format cannot say, and silently leaves out: direction, interfaces, comments on packets, names
 * of addresses, drop counters, the command line. */
#ifndef TCPLUA_CAPTURE_CAPTURE_H
#define TCPLUA_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

enum capture_format { CAPTURE_PCAPNG, CAPTURE_PCAP };

/* libpcap's numbers of the link types that we write. */
enum { CAPTURE_ETHERNET = 1, CAPTURE_RAW_IP = 101 };

#define CAPTURE_SNAPLEN 262144 /* bytes of a frame: readers take no more, so the rest is cut */

struct capture_writer;

/* pcap for a name that ends in ".pcap" or ".cap", else pcapng. */
enum capture_format capture_format_of(const char *path);

/* Creates (or empties) the file, mode 0600 less umask; "-" is standard output. A symbolic link is
 * not followed. `comment` (the command line, say) and `application` ("tcplua 0.1.0") go into the
 * pcapng section header; either may be NULL. The link type of a pcap file is that of its first
 * frame. Errors name the path, escaped. */
struct capture_writer *capture_create(const char *path, enum capture_format format,
                                      const char *application, const char *comment,
                                      struct error *err);

/* The same, but a file that is there already is left as it is: EEXIST. */
struct capture_writer *capture_create_new(const char *path, enum capture_format format,
                                          const char *application, const char *comment,
                                          struct error *err);

enum capture_direction { CAPTURE_UNKNOWN, CAPTURE_RECEIVED, CAPTURE_SENT };

struct capture_frame {
    int linktype;
    const char *iface; /* NULL: "" */
    int64_t time;      /* nanoseconds since 1970 */
    const uint8_t *bytes;
    size_t length, original;
    enum capture_direction direction;
    const char *const *comments; /* the list ends with NULL; NULL: none */
};

/* One frame, flushed, so that a file is whole up to the last frame at any moment. An interface,
 * that is a name and a link type, is described in the file when its first frame comes. False with
 * `err` on the first failure; after it, calls do nothing and return true: one warning, and the job
 * goes on.
 *
 * A pcap file takes a frame of another link type where that loses nothing that matters: an IP
 * packet goes into a file of raw IP without its Ethernet header. Any other is left out and counted,
 * which breaks nothing: false with `err`, usage, EINVAL, each time. */
bool capture_write(struct capture_writer *writer, const struct capture_frame *frame,
                   struct error *err);

/* What may be said of an interface; each may be NULL. */
struct capture_interface {
    const char *description, *filter, *os;
};

/* Describes an interface before its first frame. Errors: usage, EEXIST if it is in the file
 * already; and those of capture_write(). */
bool capture_describe(struct capture_writer *writer, int linktype, const char *iface,
                      const struct capture_interface *interface, struct error *err);

/* Puts a name for an IP address into the file, which Wireshark shows on demand ("Resolve network
 * addresses"). Errors: usage, EINVAL, for an empty name or one of more than 255 bytes. */
bool capture_name(struct capture_writer *writer, const struct addr *address, const char *name,
                  struct error *err);

/* Frames of an interface that are not here because the kernel dropped them, added to those said
 * before; written when the file is closed. */
void capture_drops(struct capture_writer *writer, int linktype, const char *iface, uint64_t drops);

/* A pipe whose reader stalls stops nobody: what it does not take waits in memory, up to 64 MiB,
 * which is a failure as any other. This hands on what there is room for now (with `wait`: all of
 * it, unless a signal comes), and says whether nothing waits any more. */
bool capture_push(struct capture_writer *writer, bool wait);

/* capture_close() is not to wait for a reader. */
void capture_hurry(struct capture_writer *writer);

/* The first failure, or NULL. */
const struct error *capture_failure(const struct capture_writer *writer);

/* Whether no frame was left out for its link type; false with the sentence that says how many. */
bool capture_complete(const struct capture_writer *writer, struct error *err);

/* Writes what remains, for which it waits, and closes; false with `err` if that, or anything
 * before, failed. Frees in any case. */
bool capture_close(struct capture_writer *writer, struct error *err);

#endif
