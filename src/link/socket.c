/* socket: see socket.h. */
#include "link/socket.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

int socket_open(int family, int type, int protocol, struct error *err)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        if (errno == EPERM || errno == EACCES)
            fail(err, ERROR_ENVIRONMENT, "EPERM",
                 "handling packets by hand needs CAP_NET_RAW, which this process does not have: "
                 "start it with `sudo`, or stay in a private network with `tcplua --lab`");
        else if (errno == EAFNOSUPPORT && family == AF_INET6)
            fail(err, ERROR_ENVIRONMENT, "EAFNOSUPPORT", "this host has no IPv6");
        else if (errno == EAFNOSUPPORT && family == AF_XDP)
            fail(err, ERROR_ENVIRONMENT, "EAFNOSUPPORT", "this kernel was built without AF_XDP");
        else
            fail_errno(err, errno, "cannot open a socket for packets");
        return -1;
    }
    return fd;
}

bool socket_filter(int fd, struct sock_filter *rows, size_t count, struct error *err)
{
    const struct sock_fprog program = {.len = (unsigned short)count, .filter = rows};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        return fail_errno(err, errno, "the kernel does not take a socket filter");
    return true;
}

#define RECEIVE_BUFFER (4 << 20)
#define SEND_BUFFER    (4 << 20)

/* Both are improvements only: without the first, times are taken when a frame is read. */
void socket_tune(int fd)
{
    const int yes = 1, room = RECEIVE_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
}

void socket_room(int fd)
{
    const int room = SEND_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

void socket_drain(int fd)
{
    char byte;
    size_t most = RECEIVE_BUFFER / 256; /* more than a buffer holds: it ends, whatever comes */
    while (most-- > 0 && recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0)
        ;
}

void socket_batch(struct socket_batch *batch, const struct frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        batch->pieces[i] = (struct iovec){.iov_base = (void *)(uintptr_t)frames[i].bytes,
                                          .iov_len = frames[i].length};
        batch->messages[i] =
            (struct mmsghdr){.msg_hdr.msg_iov = &batch->pieces[i], .msg_hdr.msg_iovlen = 1};
    }
}

/* What stops a message in the middle is told by the kernel only when that message is sent again, as
 * the first one. */
int socket_send_batch(int fd, struct socket_batch *batch, size_t count, size_t *sent)
{
    *sent = 0;
    while (*sent < count) {
        int n = sendmmsg(fd, batch->messages + *sent, (unsigned)(count - *sent), MSG_NOSIGNAL);
        if (n > 0)
            *sent += (size_t)n;
        else if (n == 0 || errno == EAGAIN || errno == ENOBUFS)
            return 0;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

const void *socket_control(struct msghdr *message, int level, int type, size_t size)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len >= CMSG_LEN(size))
            return CMSG_DATA(c);
    return NULL;
}

int socket_recv(int fd, struct msghdr *message, size_t *original, int64_t *time)
{
    ssize_t n;
    do
        n = recvmsg(fd, message, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    *original = (size_t)n;

    struct timespec now;
    const struct timespec *stamp =
        socket_control(message, SOL_SOCKET, SO_TIMESTAMPNS, sizeof *stamp);
    if (!stamp) {
        clock_gettime(CLOCK_REALTIME, &now);
        stamp = &now;
    }
    *time = (int64_t)stamp->tv_sec * NS_PER_S + stamp->tv_nsec;
    return 1;
}
