/* filter: libpcap's filter expressions, compiled by libpcap, run by the kernel or here.
 *
 * Two things of libpcap's are kept away. A word that it does not know it takes for a host name and
 * asks the resolver, which may take half a minute: so names of hosts and networks are refused
 * (names of ports and protocols come from files, and are taken). And its compiler's time grows
 * with the cube of the length: so an expression has at most FILTER_LENGTH characters, which take it
 * a second at worst. */
#ifndef TCPLUA_LINK_FILTER_H
#define TCPLUA_LINK_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "link/link.h"

#define FILTER_LENGTH 2048

struct filter;

/* Whether an expression may be given to libpcap at all. Errors: usage, EINVAL. */
bool filter_check(const char *expression, struct error *err);

/* What libpcap found wrong with an expression that passed filter_check(): usage, EINVAL. */
bool filter_refused(const char *expression, const char *reason, struct error *err);

/* Compiles for frames of a medium; "" takes everything. NULL with `err`: what filter_check() says,
 * what libpcap says, and what pcap_library_load() says. */
struct filter *filter_compile(const char *expression, enum link_medium medium, struct error *err);

/* The same for frames of a link type, by its number in capture files. */
struct filter *filter_compile_linktype(const char *expression, int linktype, struct error *err);

/* Puts it on a socket, in place of the filter that was there. */
bool filter_attach(const struct filter *filter, int fd, struct error *err);

/* Whether it takes a frame of `original` bytes, `length` of which are there. */
bool filter_match(const struct filter *filter, const uint8_t *bytes, size_t length,
                  size_t original);

void filter_free(struct filter *filter);

#endif
