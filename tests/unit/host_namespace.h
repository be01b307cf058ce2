/* A private network namespace for the tests of the host layer: the tests' own process moves into
 * it, so that what they send and reserve is nobody else's. */
#ifndef TCPLUA_TESTS_HOST_NAMESPACE_H
#define TCPLUA_TESTS_HOST_NAMESPACE_H

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Enters a new network namespace with its loopback interface up. If that is refused, says why, and
 * the test program ends with 77. */
static inline int namespace_enter(void)
{
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
        printf("skipped: no network namespace: %s\n", strerror(errno));
        return 77;
    }
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback)) {
        printf("skipped: cannot bring the loopback interface up: %s\n", strerror(errno));
        return 77;
    }
    close(fd);
    return 0;
}

#endif
