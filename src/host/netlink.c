/* netlink: see netlink.h. */
#include "host/netlink.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void append(struct netlink *m, const void *bytes, size_t length)
{
    assert(NLMSG_ALIGN(m->length + length) <= sizeof m->bytes);
    if (length)
        memcpy(m->bytes + m->length, bytes, length);
    memset(m->bytes + m->length + length, 0, NLMSG_ALIGN(length) - length);
    m->length += NLMSG_ALIGN(length);
}

void netlink_begin(struct netlink *m, uint16_t type, uint16_t flags, const void *fixed,
                   size_t length)
{
    struct nlmsghdr header = {
        .nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST), .nlmsg_seq = 1};
    m->length = 0;
    append(m, &header, sizeof header);
    append(m, fixed, length);
}

void netlink_put(struct netlink *m, uint16_t type, const void *value, size_t length)
{
    struct rtattr header = {.rta_len = (uint16_t)(sizeof header + length), .rta_type = type};
    append(m, &header, sizeof header);
    append(m, value, length);
}

void netlink_put32(struct netlink *m, uint16_t type, uint32_t value)
{
    netlink_put(m, type, &value, sizeof value);
}

void netlink_put_raw(struct netlink *m, const void *bytes, size_t length)
{
    append(m, bytes, length);
}

size_t netlink_nest(struct netlink *m, uint16_t type)
{
    size_t nest = m->length;
    netlink_put(m, type, NULL, 0);
    return nest;
}

void netlink_end(struct netlink *m, size_t nest)
{
    uint16_t length = (uint16_t)(m->length - nest);
    memcpy(m->bytes + nest + offsetof(struct rtattr, rta_len), &length, sizeof length);
}

/* Sends the request, its length filled in. Returns the socket on which the reply comes, or -1 with
 * errno. */
static int send_request(struct netlink *m)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    uint32_t length = (uint32_t)m->length;
    memcpy(m->bytes + offsetof(struct nlmsghdr, nlmsg_len), &length, sizeof length);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 ||
        sendto(fd, m->bytes, m->length, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0)
        return fd;
    int refused = errno;
    close(fd);
    errno = refused;
    return -1;
}

/* The next datagram from the kernel; 0 or an errno. */
static int receive(int fd, void *bytes, size_t room, size_t *length)
{
    struct sockaddr_nl from = {0};
    for (;;) {
        struct iovec part = {.iov_base = bytes, .iov_len = room};
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
        ssize_t got = recvmsg(fd, &message, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (from.nl_pid != 0)
            continue; /* another process; only the kernel is believed */
        *length = (size_t)got;
        return message.msg_flags & MSG_TRUNC ? EMSGSIZE : 0;
    }
}

/* Sends the request; the reply takes its place. */
static int exchange(struct netlink *m)
{
    int fd = send_request(m);
    if (fd < 0)
        return errno;
    int refused = receive(fd, m->bytes, sizeof m->bytes, &m->length);
    close(fd);
    if (refused)
        m->length = 0;
    return refused;
}

int netlink_ask(struct netlink *m, size_t fixed)
{
    struct nlmsghdr header;
    memcpy(&header, m->bytes, sizeof header);
    bool acknowledged = header.nlmsg_flags & NLM_F_ACK;

    int refused = exchange(m);
    if (refused)
        return refused;
    if (m->length < sizeof header)
        return EPROTO;
    memcpy(&header, m->bytes, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > m->length)
        return EPROTO;
    m->length = header.nlmsg_len; /* one message; what may follow is not asked for */
    if (header.nlmsg_type == NLMSG_ERROR) {
        int32_t code; /* negative errno, or 0 for an acknowledgment */
        if (m->length < sizeof header + sizeof code)
            return EPROTO;
        memcpy(&code, m->bytes + sizeof header, sizeof code);
        return code < 0 ? -code : acknowledged ? 0 : EPROTO;
    }
    m->fixed = sizeof header + NLMSG_ALIGN(fixed);
    return m->length >= m->fixed ? 0 : EPROTO;
}

/* The messages of one datagram. Returns 0 with `done` as it is: more datagrams come; else an errno,
 * or 0 with `done`. `changed` is set where the kernel says that the list did. */
static int take_messages(const uint8_t *at, size_t size, size_t fixed,
                         bool (*take)(void *self, const struct netlink *message), void *self,
                         bool *done, bool *changed)
{
    struct nlmsghdr header;
    struct netlink m;
    while (size >= sizeof header) {
        memcpy(&header, at, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > size)
            return EPROTO;
        *changed |= (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
            int32_t code = 0; /* negative errno */
            if (header.nlmsg_len >= sizeof header + sizeof code)
                memcpy(&code, at + sizeof header, sizeof code);
            *done = true;
            return code < 0 ? -code : header.nlmsg_type == NLMSG_DONE ? 0 : EPROTO;
        }
        m.length = header.nlmsg_len;
        m.fixed = sizeof header + NLMSG_ALIGN(fixed);
        if (m.length > sizeof m.bytes)
            return EMSGSIZE;
        memcpy(m.bytes, at, m.length);
        if (m.length >= m.fixed && !take(self, &m))
            return ECANCELED;
        size_t step = NLMSG_ALIGN(header.nlmsg_len);
        if (step > size)
            break;
        at += step;
        size -= step;
    }
    return 0;
}

int netlink_dump(const struct netlink *request, size_t fixed,
                 bool (*take)(void *self, const struct netlink *message), void *self)
{
    alignas(8) uint8_t bytes[32768]; /* what the kernel puts into one datagram at most */
    struct netlink m = *request;
    struct nlmsghdr header;
    memcpy(&header, m.bytes, sizeof header);
    header.nlmsg_flags |= NLM_F_DUMP;
    memcpy(m.bytes, &header, sizeof header);
    int fd = send_request(&m);
    if (fd < 0)
        return errno;
    bool done = false, changed = false;
    int refused = 0;
    while (!refused && !done) {
        size_t length = 0;
        refused = receive(fd, bytes, sizeof bytes, &length);
        if (!refused)
            refused = take_messages(bytes, length, fixed, take, self, &done, &changed);
    }
    close(fd);
    return refused ? refused : changed ? EINTR : 0;
}

const void *netlink_fixed(const struct netlink *m)
{
    return m->bytes + NLMSG_HDRLEN;
}

const void *netlink_find_in(const void *attributes, size_t size, uint16_t type, size_t *length)
{
    const uint8_t *at = attributes;
    struct rtattr header;
    while (size >= sizeof header) {
        memcpy(&header, at, sizeof header);
        if (header.rta_len < sizeof header || header.rta_len > size)
            break;
        if ((header.rta_type & NLA_TYPE_MASK) == type) {
            *length = header.rta_len - sizeof header;
            return at + sizeof header;
        }
        size_t step = NLMSG_ALIGN(header.rta_len);
        if (step > size)
            break;
        at += step;
        size -= step;
    }
    return NULL;
}

const void *netlink_find(const struct netlink *m, uint16_t type, size_t *length)
{
    return netlink_find_in(m->bytes + m->fixed, m->length - m->fixed, type, length);
}

const void *netlink_get(const struct netlink *m, uint16_t type, size_t length)
{
    size_t have;
    const void *value = netlink_find(m, type, &have);
    return value && have >= length ? value : NULL;
}
