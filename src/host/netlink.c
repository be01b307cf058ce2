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

/* Sends the request; the reply takes its place. */
static int exchange(struct netlink *m)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK}, from = {0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return errno;
    int refused = 0;
    ssize_t got = sendto(fd, m->bytes, m->length, 0, (struct sockaddr *)&kernel, sizeof kernel);
    if (got < 0)
        refused = errno;
    while (!refused) {
        struct iovec part = {.iov_base = m->bytes, .iov_len = sizeof m->bytes};
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
        got = recvmsg(fd, &message, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            refused = errno;
        else if (from.nl_pid != 0)
            continue; /* another process; only the kernel is believed */
        else if (message.msg_flags & MSG_TRUNC)
            refused = EMSGSIZE;
        else
            break;
    }
    close(fd);
    m->length = refused ? 0 : (size_t)got;
    return refused;
}

int netlink_ask(struct netlink *m, size_t fixed)
{
    struct nlmsghdr header;
    memcpy(&header, m->bytes, sizeof header);
    bool acknowledged = header.nlmsg_flags & NLM_F_ACK;
    header.nlmsg_len = (uint32_t)m->length;
    memcpy(m->bytes, &header, sizeof header);

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
