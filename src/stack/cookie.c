/* cookie: see cookie.h. */
#include "stack/cookie.h"

#include <string.h>

#include "base/clock.h"
#include "crypto/crypto.h"

#define AVOID (3600 * NS_PER_S)

enum { COOKIE_LENGTH = 8 }; /* of those we make; as Linux's */

static size_t find(const struct cookie_jar *jar, const struct flow *flow)
{
    size_t i = 0;
    while (i < COOKIE_JAR && !(addr_equal(&jar->entry[i].local, &flow->local) &&
                               addr_equal(&jar->entry[i].remote, &flow->remote)))
        i++;
    return i;
}

bool cookie_find(const struct cookie_jar *jar, const struct flow *flow, int64_t now,
                 struct tcp_cookie *cookie)
{
    size_t i = find(jar, flow);
    *cookie = i < COOKIE_JAR ? jar->entry[i].cookie : (struct tcp_cookie){.length = 0};
    return i == COOKIE_JAR || now >= jar->entry[i].avoid;
}

void cookie_keep(struct cookie_jar *jar, const struct flow *flow, const struct tcp_cookie *cookie,
                 bool lost, int64_t now)
{
    size_t i = find(jar, flow);
    if (i == COOKIE_JAR) {
        i = jar->next;
        jar->next = (jar->next + 1) % COOKIE_JAR;
    }
    jar->entry[i].local = flow->local;
    jar->entry[i].remote = flow->remote;
    jar->entry[i].cookie = *cookie;
    jar->entry[i].avoid = lost ? now + AVOID : 0;
}

bool cookie_make(const uint8_t secret[static 32], const struct flow *flow,
                 struct tcp_cookie *cookie)
{
    static const char salt[] = "tcplua fast open";
    uint8_t input[sizeof salt + 32 + 32] = {0}, digest[SHA256_SIZE];
    uint8_t *addresses = input + sizeof salt + 32;
    memcpy(input, salt, sizeof salt);
    memcpy(input + sizeof salt, secret, 32);
    memcpy(addresses, flow->remote.bytes, addr_length(flow->remote.kind));
    memcpy(addresses + 16, flow->local.bytes, addr_length(flow->local.kind));
    *cookie = (struct tcp_cookie){.length = COOKIE_LENGTH};
    if (!sha256(input, sizeof input, digest, NULL))
        return false;
    memcpy(cookie->bytes, digest, COOKIE_LENGTH);
    return true;
}
