/* raw: raw IP sockets, one out and two in (TCP and ICMP errors).
 *
 * The kernel routes what we send and finds the neighbours, so this is the cheapest wire, and the
 * only one that works on loopback. Being bound to `local` and having a filter, the receiving
 * sockets see nothing but what is meant for us; they see it after the kernel has put fragments
 * together, and beside the kernel's own TCP, which the guard keeps quiet.
 *
 * A segment sent costs the kernel about 1.7 times what it does on a packet socket: a route is asked
 * for each, which connect() does not change, as raw sockets keep none. A packet socket would send
 * past the firewall of this host, which would then not know the answers. */
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/sock_diag.h> /* after the C library's headers, which it heeds */

#include "base/bytes.h"
#include "link/device.h"
#include "link/link.h"
#include "link/socket.h"
#include "packet/checksum.h"

#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11 /* only <linux/in6.h> has it, and the C library's header hides that */
#endif

#define IP4_HEADER 20
#define IP6_HEADER 40

#define ROWS(program) (sizeof(program) / sizeof(program)[0])

/* While segments keep coming, ICMP errors get a look once in this many frames. */
#define ICMP_TURN 16

struct raw {
    struct link link;
    struct addr local;
    uint32_t ifindex;
    int out, tcp, icmp;
    unsigned turn;
    uint8_t buffer[IP6_HEADER + SOCKET_BUFFER];
};

/* An IPv4 or IPv6 socket address with its length. */
struct sockname {
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
    };
    socklen_t length;
};

static struct sockname sockname_of(enum addr_kind kind, const uint8_t *bytes, uint32_t scope)
{
    struct sockname name = {0};
    if (kind == ADDR_IP4) {
        name.ip4.sin_family = AF_INET;
        memcpy(&name.ip4.sin_addr, bytes, sizeof name.ip4.sin_addr);
        name.length = sizeof name.ip4;
    } else {
        name.ip6.sin6_family = AF_INET6;
        memcpy(&name.ip6.sin6_addr, bytes, sizeof name.ip6.sin6_addr);
        if (IN6_IS_ADDR_LINKLOCAL(&name.ip6.sin6_addr) ||
            IN6_IS_ADDR_MC_LINKLOCAL(&name.ip6.sin6_addr))
            name.ip6.sin6_scope_id = scope;
        name.length = sizeof name.ip6;
    }
    return name;
}

/* --- sending ------------------------------------------------------------------------------------
 */

/* The destination that stands in the datagram itself. */
static const uint8_t *destination(const struct raw *self, const struct frame *frame)
{
    return frame->bytes + (self->local.kind == ADDR_IP4 ? 16 : 24);
}

static bool refused(const struct raw *self, int cause, const struct frame *frame, struct error *err)
{
    char to[ADDR_TEXT], from[ADDR_TEXT];
    struct addr peer = addr_from(self->local.kind, destination(self, frame));
    addr_format(&peer, to);
    addr_format(&self->local, from);
    switch (cause) {
    case EMSGSIZE:
        return fail(err, ERROR_NETWORK, "EMSGSIZE",
                    "a datagram of %zu bytes is larger than the MTU on the way to %s",
                    frame->length, to);
    case EPERM:
        return fail(err, ERROR_ENVIRONMENT, "EPERM",
                    "a firewall of this host does not let the datagram to %s out: look at "
                    "`nft list ruleset` or `iptables -S`",
                    to);
    case EINVAL:
        return fail(
            err, ERROR_NETWORK, "EINVAL",
            "the kernel refuses to send from %s to %s: is %s still an address of this host?", from,
            to, from);
    default:
        return fail_errno(err, cause, "cannot send from %s to %s", from, to);
    }
}

/* The source address and the interface for the route, which the kernel would otherwise choose. */
static void name_route(const struct raw *self, struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    if (self->local.kind == ADDR_IP4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)self->ifindex};
        memcpy(&info.ipi_spec_dst, self->local.bytes, sizeof info.ipi_spec_dst);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(c), &info, sizeof info);
        message->msg_controllen = CMSG_SPACE(sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = self->ifindex};
        memcpy(&info.ipi6_addr, self->local.bytes, sizeof info.ipi6_addr);
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(c), &info, sizeof info);
        message->msg_controllen = CMSG_SPACE(sizeof info);
    }
}

union route_control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static bool address(const struct raw *self, const struct frame *frame, struct sockname *to,
                    struct error *err)
{
    bool ip4 = self->local.kind == ADDR_IP4;
    if (frame->length < (ip4 ? IP4_HEADER : IP6_HEADER) || frame->bytes[0] >> 4 != (ip4 ? 4 : 6))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "these %zu bytes do not begin with an %s header, and a raw socket sends "
                    "nothing else",
                    frame->length, ip4 ? "IPv4" : "IPv6");
    *to = sockname_of(self->local.kind, destination(self, frame),
                      self->ifindex ? self->ifindex : self->local.scope);
    return true;
}

/* As Linux's raw_send_hdrinc(). An ID of 0 stays one where DF is set, for then it means nothing
 * (RFC 6864). */
const char *link_raw_mends(const uint8_t *ip, size_t length)
{
    if (length < IP4_HEADER || ip[0] >> 4 != 4)
        return NULL;
    size_t header = (size_t)(ip[0] & 15) * 4;
    if (header > length || header < IP4_HEADER)
        return "ihl";
    if (get32(ip + 12) == 0)
        return "src";
    if (get16(ip + 2) != length)
        return "length";
    if (get16(ip + 4) == 0 && !(ip[6] & 0x40))
        return "id";
    return checksum_finish(checksum_add(0, ip, header)) ? "checksum" : NULL;
}

static bool raw_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct raw *self = (struct raw *)link;
    struct sockname to;
    union route_control control = {0};
    if (!address(self, frame, &to, err))
        return false;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)frame->bytes, .iov_len = frame->length};
    struct msghdr message = {
        .msg_name = &to.any,
        .msg_namelen = to.length,
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    name_route(self, &message);
    ssize_t n;
    do
        n = sendmsg(self->out, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0 || errno == EAGAIN || errno == ENOBUFS || refused(self, errno, frame, err);
}

static bool raw_send_many(struct link *link, const struct frame *frames, size_t count, size_t *sent,
                          struct error *err)
{
    struct raw *self = (struct raw *)link;
    struct sockname to[LINK_BATCH] = {{.length = 0}};
    struct socket_batch batch;
    union route_control control = {0};
    struct msghdr route = {.msg_control = &control, .msg_controllen = sizeof control};
    size_t good = 0;
    name_route(self, &route);
    socket_batch(&batch, frames, count);
    while (good < count && address(self, &frames[good], &to[good], err)) {
        struct msghdr *message = &batch.messages[good].msg_hdr;
        message->msg_name = &to[good].any;
        message->msg_namelen = to[good].length;
        message->msg_control = route.msg_control;
        message->msg_controllen = route.msg_controllen;
        good++;
    }
    int cause = socket_send_batch(self->out, &batch, good, sent);
    if (cause)
        return refused(self, cause, &frames[*sent], err);
    return good == count || *sent < good;
}

/* --- receiving ----------------------------------------------------------------------------------
 */

/* An IPv6 raw socket delivers what follows the IPv6 header; this puts the header back. */
static void rebuild_header(const struct raw *self, struct msghdr *message, uint8_t *header,
                           size_t payload, uint8_t next)
{
    const struct sockaddr_in6 *from = message->msg_name;
    const uint8_t *flow = socket_control(message, IPPROTO_IPV6, IPV6_FLOWINFO, 4);
    const int *hops = socket_control(message, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof *hops);
    put32(header, UINT32_C(6) << 28 | (flow ? get32(flow) & 0x0fffffff : 0));
    put16(header + 4, (uint16_t)payload);
    header[6] = next;
    header[7] = hops ? (uint8_t)*hops : 0;
    memcpy(header + 8, &from->sin6_addr, 16);
    memcpy(header + 24, self->local.bytes, 16); /* the socket is bound to it */
}

static int recv_from(struct raw *self, int fd, struct frame *frame, struct error *err)
{
    bool ip4 = self->local.kind == ADDR_IP4;
    uint8_t *bytes = self->buffer + IP6_HEADER;
    struct sockaddr_storage from;
    union {
        struct cmsghdr align;
        char room[256];
    } control;
    struct iovec piece = {.iov_base = bytes, .iov_len = SOCKET_BUFFER};
    for (;;) {
        struct msghdr message = {
            .msg_name = &from,
            .msg_namelen = sizeof from,
            .msg_iov = &piece,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof control,
        };
        *frame = (struct frame){0};
        int got = socket_recv(fd, &message, &frame->original, &frame->time);
        if (got < 0)
            fail_errno(err, errno, "cannot receive from the raw socket");
        if (got <= 0)
            return got;
        frame->bytes = bytes;
        frame->length = frame->original < SOCKET_BUFFER ? frame->original : SOCKET_BUFFER;
        if (ip4)
            return 1;
        if (frame->original > UINT16_MAX)
            continue; /* a jumbogram: its length does not fit a header */
        rebuild_header(self, &message, self->buffer, frame->length,
                       fd == self->tcp ? IPPROTO_TCP : IPPROTO_ICMPV6);
        frame->bytes = self->buffer;
        frame->length += IP6_HEADER;
        frame->original += IP6_HEADER;
        frame->flags = FRAME_REBUILT;
        return 1;
    }
}

static int raw_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct raw *self = (struct raw *)link;
    bool icmp_first = ++self->turn % ICMP_TURN == 0;
    int got = recv_from(self, icmp_first ? self->icmp : self->tcp, frame, err);
    return got ? got : recv_from(self, icmp_first ? self->tcp : self->icmp, frame, err);
}

static int raw_fds(struct link *link, int fds[static LINK_FDS])
{
    struct raw *self = (struct raw *)link;
    fds[0] = self->tcp;
    fds[1] = self->icmp;
    return 2;
}

/* The address needs no row: the socket is bound to it. */
static bool raw_ports(struct link *link, uint16_t low, uint16_t high, struct error *err)
{
    struct raw *self = (struct raw *)link;
    struct sock_filter ip4[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* X = length of the IPv4 header */
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),  /* A = destination port */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, high, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), /* all of it */
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_filter ip6[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2), /* A = destination port: TCP comes first here */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, high, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    return self->local.kind == ADDR_IP4 ? socket_filter(self->tcp, ip4, ROWS(ip4), err)
                                        : socket_filter(self->tcp, ip6, ROWS(ip6), err);
}

static uint64_t drops_of(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof info;
    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size);
    return info[SK_MEMINFO_DROPS];
}

static uint64_t raw_drops(struct link *link)
{
    struct raw *self = (struct raw *)link;
    return drops_of(self->tcp) + drops_of(self->icmp);
}

static void raw_close(struct link *link)
{
    struct raw *self = (struct raw *)link;
    const int fds[] = {self->out, self->tcp, self->icmp};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(self);
}

static const struct link_ops raw_ops = {
    .name = "raw",
    .send = raw_send,
    .send_many = raw_send_many,
    .recv = raw_recv,
    .fds = raw_fds,
    .ports = raw_ports,
    .drops = raw_drops,
    .close = raw_close,
};

/* --- opening ------------------------------------------------------------------------------------
 */

static bool set(int fd, int level, int option, const void *value, socklen_t size)
{
    return setsockopt(fd, level, option, value, size) == 0;
}

/* Nothing is read from it: what others send with this protocol number must not pile up. */
static int open_out(int family, struct error *err)
{
    const int least = 0, yes = 1;
    int fd = socket_open(family, SOCK_RAW, IPPROTO_RAW, err); /* implies IP_HDRINCL */
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
        setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
    }
    return fd;
}

/* Deaf until raw_ports(). The kernel would also believe any ICMP error that quotes our packets, and
 * narrow the route for it: what is to be believed, the connection knows (RFC 5927 7). */
static int open_tcp(int family, struct error *err)
{
    const int interface4 = IP_PMTUDISC_INTERFACE, interface6 = IPV6_PMTUDISC_INTERFACE;
    struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    int fd = socket_open(family, SOCK_RAW, IPPROTO_TCP, err);
    if (fd >= 0 && family == AF_INET)
        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &interface4, sizeof interface4);
    else if (fd >= 0)
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &interface6, sizeof interface6);
    if (fd >= 0 && !socket_filter(fd, none, ROWS(none), err)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool set_up_ip4(struct raw *self, struct error *err)
{
    /* ICMP_FILTER, the option made for this, lets every type above 31 in. */
    struct sock_filter icmp4[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* X = length of the IPv4 header */
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),  /* A = ICMP type */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_DEST_UNREACH, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_TIME_EXCEEDED, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_PARAMETERPROB, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    return socket_filter(self->icmp, icmp4, ROWS(icmp4), err);
}

static bool set_up_ip6(struct raw *self, struct error *err)
{
    const int yes = 1, fds[] = {self->tcp, self->icmp};
    struct icmp6_filter errors;
    ICMP6_FILTER_SETBLOCKALL(&errors);
    ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &errors);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &errors);
    ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &errors);
    ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &errors);
    bool done = set(self->icmp, IPPROTO_ICMPV6, ICMP6_FILTER, &errors, sizeof errors);
    for (size_t i = 0; i < 2; i++)
        done = done && set(fds[i], IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &yes, sizeof yes) &&
               set(fds[i], IPPROTO_IPV6, IPV6_FLOWINFO, &yes, sizeof yes);
    return done || fail_errno(err, errno, "cannot set up raw IPv6 sockets");
}

static bool open_sockets(struct raw *self, struct error *err)
{
    bool ip4 = self->local.kind == ADDR_IP4;
    int family = ip4 ? AF_INET : AF_INET6;
    if ((self->out = open_out(family, err)) < 0 || (self->tcp = open_tcp(family, err)) < 0)
        return false;
    socket_room(self->out); /* or the kernel's queue for one silent neighbour takes up all of it */
    self->icmp = socket_open(family, SOCK_RAW, ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, err);
    return self->icmp >= 0 && (ip4 ? set_up_ip4 : set_up_ip6)(self, err);
}

static bool bind_local(struct raw *self, struct error *err)
{
    uint32_t scope = self->local.scope ? self->local.scope : self->ifindex;
    struct sockname name = sockname_of(self->local.kind, self->local.bytes, scope);
    const int fds[] = {self->tcp, self->icmp};
    bool bound = true;
    for (size_t i = 0; bound && i < 2; i++)
        bound = bind(fds[i], &name.any, name.length) == 0;
    if (bound) {
        for (size_t i = 0; i < 2; i++) {
            socket_tune(fds[i]);
            socket_drain(fds[i]);
        }
        return true;
    }
    char text[ADDR_TEXT];
    addr_format(&self->local, text);
    if (errno == EADDRNOTAVAIL)
        return fail(err, ERROR_USAGE, "EADDRNOTAVAIL", "%s is not an address of this host", text);
    return fail_errno(err, errno, "cannot receive for %s", text);
}

/* The interface's name and MTU where it is given; else those are for the routing table to say. */
static bool name_interface(struct raw *self, struct error *err)
{
    struct device device;
    self->link.mtu = UINT16_MAX;
    if (self->ifindex == 0)
        return true;
    if (!if_indextoname(self->ifindex, self->link.iface))
        return fail(err, ERROR_ENVIRONMENT, "ENODEV", "there is no interface with index %u",
                    (unsigned)self->ifindex);
    if (!device_read(self->link.iface, &device, err))
        return false;
    self->link.mtu = device.mtu;
    return true;
}

struct link *link_open_raw(const struct addr *local, uint32_t ifindex, struct error *err)
{
    if (local->kind != ADDR_IP4 && local->kind != ADDR_IP6) {
        fail(err, ERROR_USAGE, "EINVAL", "a raw link needs an IPv4 or IPv6 address to send from");
        return NULL;
    }
    struct raw *self = calloc(1, sizeof *self);
    if (!self) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a raw link");
        return NULL;
    }
    self->link.ops = &raw_ops;
    self->link.medium = LINK_IP;
    self->local = *local;
    self->ifindex = ifindex;
    self->out = self->tcp = self->icmp = -1;
    if (!open_sockets(self, err) || !bind_local(self, err) || !name_interface(self, err)) {
        raw_close(&self->link);
        return NULL;
    }
    return &self->link;
}
