/* refuse: a library for LD_PRELOAD that lets one call fail: REFUSE names a function, REFUSE_AT says
 * which of its calls, from 1. When that call comes, a byte is written to descriptor 9, so that
 * whoever counts up knows when to stop. What fails says what it would in earnest: no memory, no
 * more descriptors, no such device. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool refused(const char *name)
{
    static const char *which;
    static long at, count;
    if (!which) {
        which = getenv("REFUSE");
        at = which ? atol(getenv("REFUSE_AT")) : 0;
        if (!which)
            which = "";
    }
    if (strcmp(which, name) != 0 || ++count != at)
        return false;
    return syscall(SYS_write, 9, "x", 1) == 1;
}

/* The function of that name that would have been called; kept after the first look. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

#define REFUSING(type, name, parameters, arguments, failure, cause)                                \
    type name parameters                                                                           \
    {                                                                                              \
        REAL(name);                                                                                \
        if (!refused(#name))                                                                       \
            return real arguments;                                                                 \
        errno = (cause);                                                                           \
        return failure;                                                                            \
    }

/* dlsym() itself allocates, so memory is taken from glibc by its other names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return refused("malloc") ? (errno = ENOMEM, NULL) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refused("calloc") ? (errno = ENOMEM, NULL) : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return refused("realloc") ? (errno = ENOMEM, NULL) : __libc_realloc(old, size);
}

REFUSING(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, EMFILE)
REFUSING(int, bind, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), -1,
         EADDRINUSE)
REFUSING(int, listen, (int fd, int backlog), (fd, backlog), -1, EADDRINUSE)
REFUSING(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
         (fd, level, name, value, size), -1, ENOPROTOOPT)
REFUSING(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
         (fd, level, name, value, size), -1, ENOPROTOOPT)
REFUSING(ssize_t, sendto,
         (int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to,
          socklen_t size),
         (fd, bytes, length, flags, to, size), -1, ENOBUFS)
REFUSING(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
         -1, ENOBUFS)
REFUSING(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1,
         ENOMEM)
REFUSING(ssize_t, recv, (int fd, void *bytes, size_t length, int flags), (fd, bytes, length, flags),
         -1, ENOMEM)
REFUSING(int, ppoll,
         (struct pollfd * fds, nfds_t count, const struct timespec *wait, const sigset_t *mask),
         (fds, count, wait, mask), -1, EINTR)
REFUSING(ssize_t, write, (int fd, const void *bytes, size_t length), (fd, bytes, length), -1,
         ENOSPC)
REFUSING(ssize_t, read, (int fd, void *bytes, size_t length), (fd, bytes, length), -1, EIO)
REFUSING(int, unshare, (int flags), (flags), -1, EPERM)
REFUSING(pid_t, fork, (void), (), -1, EAGAIN)
REFUSING(int, dup2, (int from, int to), (from, to), -1, EBUSY)

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    REAL(open);
    return refused("open") ? (errno = EMFILE, -1) : real(path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    REAL(ioctl);
    return refused("ioctl") ? (errno = ENODEV, -1) : real(fd, request, argument);
}
