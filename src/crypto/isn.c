/* isn: initial sequence numbers by RFC 6528. See crypto.h.
 *
 * The secret is a function of the boot id, not random, because numbers have to move forward from
 * one process to the next: a peer that keeps TIME-WAIT for the same four-tuple takes a SYN only if
 * its number is higher (RFC 9293, 3.6.1). Whoever can read this machine's /proc can compute it; a
 * stranger on the network cannot. */
#include "crypto/crypto.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

#define TICK (4 * NS_PER_US) /* RFC 9293, 3.4.1 */

/* One end: kind, 16 bytes of address, port. A fixed layout, so that no two flows hash alike; the
 * zone of an address is left out, for it is not on the wire. */
enum { END_SIZE = 1 + 16 + 2 };

static void put_end(uint8_t *out, const struct addr *addr, uint16_t port)
{
    out[0] = (uint8_t)addr->kind;
    memcpy(out + 1, addr->bytes, addr_length(addr->kind));
    put16(out + 17, port);
}

uint32_t isn(const struct flow *flow, int64_t boot_time, const uint8_t secret[static SHA256_SIZE])
{
    uint8_t input[2 * END_SIZE + SHA256_SIZE] = {0}, digest[SHA256_SIZE];
    uint32_t m = (uint32_t)(boot_time / TICK);
    put_end(input, &flow->local, flow->lport);
    put_end(input + END_SIZE, &flow->remote, flow->rport);
    memcpy(input + 2 * END_SIZE, secret, SHA256_SIZE);
    /* isn_secret() has hashed before; were the library to fail since, the clock alone is left. */
    if (!sha256(input, sizeof input, digest, NULL))
        return m;
    return m + get32(digest);
}

static size_t read_boot_id(uint8_t *out, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, out, size);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

bool isn_secret(uint8_t secret[static SHA256_SIZE], const uint64_t *seed, struct error *err)
{
    static const char boot_salt[] = "tcplua isn boot ", seed_salt[] = "tcplua isn seed ";
    enum { SALT = sizeof boot_salt - 1 };
    _Static_assert(sizeof seed_salt == sizeof boot_salt, "salts differ in length");
    uint8_t input[SALT + 64];
    size_t length;
    if (seed) {
        memcpy(input, seed_salt, SALT);
        put32(input + SALT, (uint32_t)(*seed >> 32));
        put32(input + SALT + 4, (uint32_t)*seed);
        length = 8;
    } else {
        memcpy(input, boot_salt, SALT);
        length = read_boot_id(input + SALT, sizeof input - SALT);
        if (length == 0)
            return random_bytes(secret, SHA256_SIZE, err);
    }
    return sha256(input, SALT + length, secret, err);
}
