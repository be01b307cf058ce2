/* cookie: Fast Open cookies (RFC 7413): those that peers gave us, and what those are that we give.
 *
 * A jar remembers a cookie for each pair of hosts, and for an hour also that SYNs with the option
 * got lost between them (4.1.3.1): then connections are opened without. It is small, and the oldest
 * entry gives way. */
#ifndef TCPLUA_STACK_COOKIE_H
#define TCPLUA_STACK_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "tcp/tcp.h"

#define COOKIE_JAR 64

struct cookie_jar {
    struct {
        struct addr local, remote; /* of no kind: free */
        struct tcp_cookie cookie;
        int64_t avoid; /* Fast Open until then */
    } entry[COOKIE_JAR];
    size_t next;
};

/* What a SYN from `local` to `remote` shows: a cookie, or one of no length that asks for one. False
 * if it had better do neither. */
bool cookie_find(const struct cookie_jar *jar, const struct flow *flow, int64_t now,
                 struct tcp_cookie *cookie);

/* What has become of a SYN with the option: the cookie to be shown next time (of no length: none),
 * or `lost`. */
void cookie_keep(struct cookie_jar *jar, const struct flow *flow, const struct tcp_cookie *cookie,
                 bool lost, int64_t now);

/* The cookie of a client: a keyed hash of its address, and of ours. False if it cannot be had. */
bool cookie_make(const uint8_t secret[static 32], const struct flow *flow,
                 struct tcp_cookie *cookie);

#endif
