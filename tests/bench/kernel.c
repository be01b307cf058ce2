/* What tcplua's TCP is measured against: a server and clients on kernel sockets, as plain as they
 * get.
 *
 *     bench_kernel serve ADDRESS PORT
 *     bench_kernel one|many|lines|receive|send SRC DST PORT COUNT [PARALLEL]
 *
 * The first line of a connection says what its client wants of the server:
 *
 *     once          "done", and the server closes
 *     hold          "done", and the server waits until the client closes
 *     lines COUNT   as many lines, each after the answer to the one before
 *     give BYTES    as many bytes, and the server closes
 *     take BYTES    the server reads as many bytes, says "done", and closes
 *
 * A client does its job (tcp.lua says what each is) and prints the seconds that it took. */
#include "job.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 16, EVENTS = 256 };

static char piece[PIECE];

/* One that sends by the algorithm in BENCH_CONGESTION; without it, by the host's. */
static int open_socket(int family, int flags)
{
    const char *algorithm = getenv("BENCH_CONGESTION");
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 || (algorithm && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm,
                                           (socklen_t)strlen(algorithm)) != 0))
        job_fail("socket");
    return fd;
}

static void say(int fd, const char *text)
{
    job_write(fd, text, strlen(text));
}

static void give(int fd, uint64_t bytes)
{
    for (uint64_t left = bytes; left > 0;) {
        size_t length = left < PIECE ? (size_t)left : (size_t)PIECE;
        job_write(fd, piece, length);
        left -= length;
    }
}

static void take(int fd, uint64_t bytes)
{
    while (bytes > 0) {
        ssize_t got = read(fd, piece, PIECE);
        if (got <= 0)
            job_fail("the stream ended early");
        bytes -= (uint64_t)got;
    }
}

/* Descriptors are what the server may run out of first. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* --- the server ------------------------------------------------------------------------------ */

/* What takes long gets a process of its own, with a socket that waits. */
static void serve_apart(int fd, const char *request)
{
    char line[64];
    uint64_t count = strtoull(strchr(request, ' ') + 1, NULL, 10);
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strncmp(request, "give", 4) == 0) {
        give(fd, count);
    } else if (strncmp(request, "take", 4) == 0) {
        take(fd, count);
        say(fd, "done\n");
    } else {
        while (count-- > 0) {
            say(fd, "line\n");
            if (job_read_line(fd, line, sizeof line) == 0)
                job_fail("no answer");
        }
    }
    exit(0);
}

/* The line comes in one piece here, but what follows it may be there too, and is not for us.
 * Closes what is over. */
static void serve(int fd)
{
    char request[64];
    ssize_t got = recv(fd, request, sizeof request - 1, MSG_PEEK);
    char *end = got > 0 ? memchr(request, '\n', (size_t)got) : NULL;
    if (end && read(fd, request, (size_t)(end - request) + 1) > 0) {
        end[1] = '\0';
        if (strcmp(request, "once\n") == 0 || strcmp(request, "hold\n") == 0)
            say(fd, "done\n");
        else if (strchr(request, ' '))
            serve_apart(fd, request);
        if (strcmp(request, "hold\n") == 0)
            return;
    }
    close(fd);
}

static void serve_all(const char *host, const char *port)
{
    struct sockaddr_storage address;
    socklen_t length = job_address(host, port, &address);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    int on = 1, poll = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_socket(address.ss_family, SOCK_NONBLOCK);
    event.data.fd = listener;
    if (poll < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 16384) != 0 ||
        epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) != 0)
        job_fail("listen");
    signal(SIGCHLD, SIG_IGN);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                serve(fd);
                continue;
            }
            while ((event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                if (epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
                    job_fail("epoll_ctl");
        }
    }
}

/* --- the clients ----------------------------------------------------------------------------- */

struct ends {
    struct sockaddr_storage src, dst;
    socklen_t length;
};

static int connect_to(const struct ends *ends, int flags)
{
    int fd = open_socket(ends->dst.ss_family, flags);
    if (bind(fd, (const struct sockaddr *)&ends->src, ends->length) != 0 ||
        (connect(fd, (const struct sockaddr *)&ends->dst, ends->length) != 0 &&
         errno != EINPROGRESS))
        job_fail("connect");
    return fd;
}

/* Until the server's FIN. */
static void finish(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 0)
        job_fail("no end");
    close(fd);
}

static void one(const struct ends *ends, uint64_t count)
{
    char line[64];
    while (count-- > 0) {
        int fd = connect_to(ends, 0);
        say(fd, "once\n");
        if (job_read_line(fd, line, sizeof line) == 0)
            job_fail("no answer");
        finish(fd);
    }
}

/* `parallel` at a time. A socket is first writable, when it is open, then readable. */
static void many(const struct ends *ends, uint64_t count, uint64_t parallel)
{
    struct epoll_event events[EVENTS];
    int poll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t begun = 0, done = 0;
    while (done < count) {
        while (begun < count && begun - done < parallel) {
            int fd = connect_to(ends, SOCK_NONBLOCK);
            struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
            if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0)
                job_fail("epoll_ctl");
            begun++;
        }
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            char line[64];
            if (events[i].events & EPOLLOUT) {
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                say(fd, "once\n");
                epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event);
                continue;
            }
            ssize_t got;
            while ((got = read(fd, line, sizeof line)) > 0)
                ;
            if (got < 0 && errno != EAGAIN)
                job_fail("read");
            if (got == 0) {
                close(fd);
                done++;
            }
        }
    }
}

static void lines(int fd, uint64_t count)
{
    char line[64];
    snprintf(line, sizeof line, "lines %llu\n", (unsigned long long)count);
    say(fd, line);
    while (count-- > 0) {
        if (job_read_line(fd, line, sizeof line) == 0)
            job_fail("no line");
        say(fd, "answer\n");
    }
    finish(fd);
}

static void move(int fd, bool receive, uint64_t bytes)
{
    char line[64];
    snprintf(line, sizeof line, "%s %llu\n", receive ? "give" : "take", (unsigned long long)bytes);
    say(fd, line);
    if (receive) {
        take(fd, bytes);
    } else {
        give(fd, bytes);
        if (job_read_line(fd, line, sizeof line) == 0)
            job_fail("no answer");
    }
    finish(fd);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    const char *mode = argc < 4 ? "" : argv[1];
    allow_descriptors();
    if (strcmp(mode, "serve") == 0 && argc == 4)
        serve_all(argv[2], argv[3]);
    if (argc != 6 && argc != 7) {
        fputs("usage: bench_kernel serve ADDRESS PORT\n"
              "       bench_kernel one|many|lines|receive|send SRC DST PORT COUNT [PARALLEL]\n",
              stderr);
        return 2;
    }
    struct ends ends;
    uint64_t count = strtoull(argv[5], NULL, 10);
    job_address(argv[2], "0", &ends.src);
    ends.length = job_address(argv[3], argv[4], &ends.dst);
    double begin = now();
    if (strcmp(mode, "one") == 0)
        one(&ends, count);
    else if (strcmp(mode, "many") == 0)
        many(&ends, count, argc == 7 ? strtoull(argv[6], NULL, 10) : 1000);
    else if (strcmp(mode, "lines") == 0)
        lines(connect_to(&ends, 0), count);
    else
        move(connect_to(&ends, 0), strcmp(mode, "receive") == 0, count);
    printf("%.6f\n", now() - begin);
    return 0;
}
