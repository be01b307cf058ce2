/* guard: see guard.h.
 *
 * All options are set before bind() and listen(), so there is no moment at which the socket could
 * answer. SO_REUSEADDR and SO_REUSEPORT stay off: nobody else gets the port, and a port in the
 * kernel's TIME-WAIT is not chosen. */
#include "host/guard.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/sockaddr.h"

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

struct guard {
    int fd;
    uint16_t port;
    unsigned ways;
    unsigned shared; /* how many others have it */
};

/* Each way is 0 or the errno with which the kernel refused it. */

static int drop_by_filter(int fd)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &nothing};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ? errno : 0;
}

/* A prefix of length 0 covers every peer: with a key for one peer, a stranger could connect. */
static int drop_by_md5(int fd, sa_family_t family)
{
    struct tcp_md5sig md5 = {.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX, .tcpm_keylen = 32};
    md5.tcpm_addr.ss_family = family;
    if (getrandom(md5.tcpm_key, md5.tcpm_keylen, 0) != md5.tcpm_keylen)
        return EAGAIN;
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &md5, sizeof md5) ? errno : 0;
}

static int drop_by_ttl(int fd, sa_family_t family)
{
    int most = 255;
    if (family == AF_INET)
        return setsockopt(fd, IPPROTO_IP, IP_MINTTL, &most, sizeof most) ? errno : 0;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &most, sizeof most) ? errno : 0;
}

static bool silence(struct guard *guard, sa_family_t family, unsigned ways, struct error *err)
{
    static const unsigned order[] = {GUARD_MD5, GUARD_TTL, GUARD_FILTER};
    char tried[200] = "";
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        unsigned way = order[i];
        if (!(ways & way) || (way == GUARD_FILTER && guard->ways & GUARD_MD5))
            continue;
        const char *name = way == GUARD_FILTER ? "socket filter"
                           : way == GUARD_MD5  ? "TCP-MD5 key"
                                               : "minimum TTL";
        int refused = way == GUARD_FILTER ? drop_by_filter(guard->fd)
                      : way == GUARD_MD5  ? drop_by_md5(guard->fd, family)
                                          : drop_by_ttl(guard->fd, family);
        if (refused == 0) {
            guard->ways |= way;
            continue;
        }
        size_t used = strlen(tried);
        snprintf(tried + used, sizeof tried - used, "%s%s: %s", used ? ", " : "", name,
                 strerror(refused));
    }
    return guard->ways || fail(err, ERROR_ENVIRONMENT, "EPERM",
                               "the kernel would reset our connections, and no way to keep it from "
                               "that is granted (%s)",
                               tried);
}

static bool reserve(struct guard *guard, int type, const struct addr *addr, uint16_t port,
                    struct error *err)
{
    char text[ADDR_TEXT];
    struct sockaddr_storage name;
    socklen_t length = sockaddr_from(&name, addr, port);
    addr_format(addr, text);
    if (bind(guard->fd, (struct sockaddr *)&name, length) ||
        (type == SOCK_STREAM && listen(guard->fd, 1))) {
        if (errno == EADDRNOTAVAIL)
            return fail(err, ERROR_USAGE, "EADDRNOTAVAIL", "%s is not an address of this host",
                        text);
        if (errno == EADDRINUSE && port == 0)
            return fail(err, ERROR_ENVIRONMENT, "EADDRINUSE", "no port of %s is free", text);
        if (errno == EADDRINUSE)
            return fail(err, ERROR_ENVIRONMENT, "EADDRINUSE",
                        "port %u of %s is in use; choose another one, or none for a free one", port,
                        text);
        return fail_errno(err, errno, "cannot reserve port %u of %s", port, text);
    }
    if (getsockname(guard->fd, (struct sockaddr *)&name, &length))
        return fail_errno(err, errno, "cannot tell the port reserved on %s", text);
    guard->port = sockaddr_port(&name);
    return true;
}

static void too_many(struct error *err)
{
    struct rlimit limit = {.rlim_cur = 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    fail(
        err, ERROR_ENVIRONMENT, "EMFILE",
        "this process may have %llu descriptors open, and each port takes one for its guard: raise "
        "the hard limit (`ulimit -Hn`), or connect from an address that nobody has",
        (unsigned long long)limit.rlim_cur);
}

/* A socket for the address that is not bound yet. */
static struct guard *open_socket(const struct addr *addr, int type, struct error *err)
{
    sa_family_t family = addr->kind == ADDR_IP4 ? AF_INET : AF_INET6;
    struct guard *guard = calloc(1, sizeof *guard);
    if (!guard) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a guard");
        return NULL;
    }
    guard->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (guard->fd < 0) {
        if (errno == EMFILE)
            too_many(err);
        else
            fail_errno(err, errno, "cannot open a %s socket", type == SOCK_STREAM ? "TCP" : "UDP");
        free(guard);
        return NULL;
    }
    int one = 1;
    if (family == AF_INET6)
        setsockopt(guard->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    return guard;
}

struct guard *guard_open(const struct addr *addr, uint16_t port, unsigned ways, struct error *err)
{
    struct guard *guard = open_socket(addr, SOCK_STREAM, err);
    if (guard && (!silence(guard, addr->kind == ADDR_IP4 ? AF_INET : AF_INET6, ways, err) ||
                  !reserve(guard, SOCK_STREAM, addr, port, err))) {
        guard_close(guard);
        return NULL;
    }
    return guard;
}

struct guard *guard_open_udp(const struct addr *addr, uint16_t port, struct error *err)
{
    struct guard *guard = open_socket(addr, SOCK_DGRAM, err);
    if (!guard)
        return NULL;
    /* Where filters are refused, what comes fills the smallest buffer and is dropped then. */
    int least = 0;
    if (drop_by_filter(guard->fd))
        setsockopt(guard->fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    if (!reserve(guard, SOCK_DGRAM, addr, port, err)) {
        guard_close(guard);
        return NULL;
    }
    return guard;
}

uint16_t guard_port(const struct guard *guard)
{
    return guard->port;
}

unsigned guard_ways(const struct guard *guard)
{
    return guard->ways;
}

struct guard *guard_share(struct guard *guard)
{
    if (guard)
        guard->shared++;
    return guard;
}

void guard_close(struct guard *guard)
{
    if (!guard || guard->shared-- > 0)
        return;
    close(guard->fd);
    free(guard);
}
