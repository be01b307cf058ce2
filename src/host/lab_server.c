/* lab_server: see lab_server.h.
 *
 * Parent and child share a pair of connected sockets. Reports go up through it, one message each;
 * and wherever the child waits, it also waits for the pair to break, which the kernel does when the
 * parent ends. (A death signal alone is not enough: it is not delivered if the parent has become
 * another user since.) */
#include "host/lab_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/descriptors.h"
#include "host/sockaddr.h"

/* In memory that parent and child share, for reports get lost when nobody reads them. */
struct counts {
    _Atomic uint64_t served, wrong;
};

struct lab_server {
    pid_t child;
    int reports;
    uint16_t port;
    struct counts *counts;
};

static const struct clock machine = {0};

/* --- the child --- */

/* Waits for `fd` until `deadline`; ends the process if the parent has ended. */
static bool await(int fd, short events, int parent, int64_t deadline)
{
    for (;;) {
        struct pollfd ends[2] = {{.fd = fd, .events = events}, {.fd = parent, .events = POLLIN}};
        int64_t left = deadline == TIME_NEVER ? -1 : (deadline - clock_now(&machine)) / NS_PER_MS;
        if (left < 0 && deadline != TIME_NEVER)
            return false;
        poll(ends, 2, (int)left);
        if (ends[1].revents)
            _exit(0);
        if (ends[0].revents)
            return true;
    }
}

/* One to three times a word and a number, and LF. */
static size_t make_line(char line[static LAB_LINE])
{
    static const char *const words[] = {"segment", "window", "urgent",  "socket", "packet", "octet",
                                        "stream",  "route",  "address", "header", "option", "timer",
                                        "queue",   "buffer", "client",  "server"};
    uint16_t random[7] = {0};
    if (getrandom(random, sizeof random, 0) != sizeof random)
        _exit(1);
    size_t length = 0;
    for (int i = 0; i < 1 + random[6] % 3; i++)
        length += (size_t)snprintf(line + length, LAB_LINE - length, "%s %u ",
                                   words[random[i] % 16], random[i + 3]);
    line[length - 1] = '\n';
    return length;
}

static void read_answer(int conn, int parent, struct lab_report *report)
{
    int64_t deadline = clock_now(&machine) + LAB_WAIT * NS_PER_MS;
    while (report->answer_length < LAB_ANSWER) {
        if (!await(conn, POLLIN, parent, deadline)) {
            report->late = true;
            return;
        }
        uint8_t *at = report->answer + report->answer_length;
        ssize_t got = recv(conn, at, LAB_ANSWER - report->answer_length, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return;
        uint8_t *end = memchr(at, '\n', (size_t)got);
        report->answer_length += (uint32_t)(end ? end + 1 - at : got);
        if (end)
            return;
    }
}

static bool is_right(const struct lab_report *report, lab_digest *digest)
{
    uint8_t hash[32];
    char expected[LAB_ANSWER + 1];
    if (!digest(report->line, report->line_length, hash))
        return false;
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(expected + 2 * i, 3, "%02x", hash[i]);
    expected[LAB_ANSWER - 1] = '\n';
    return report->answer_length == LAB_ANSWER && memcmp(report->answer, expected, LAB_ANSWER) == 0;
}

/* What was received and not read turns the FIN of close() into a reset, so it is read; not without
 * end, for a peer that keeps on sending. */
static void finish(int conn)
{
    uint8_t rest[4096];
    for (int i = 0; i < 64 && recv(conn, rest, sizeof rest, MSG_DONTWAIT) > 0; i++)
        ;
    close(conn);
}

static void serve(int conn, int parent, lab_digest *digest, struct counts *counts)
{
    struct lab_report report = {0};
    char line[LAB_LINE];
    report.line_length = (uint32_t)make_line(line);
    memcpy(report.line, line, report.line_length);
    if (send(conn, line, report.line_length, MSG_NOSIGNAL) == (ssize_t)report.line_length)
        read_answer(conn, parent, &report);
    report.good = is_right(&report, digest);
    counts->served++;
    counts->wrong += !report.good;
    send(parent, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
    finish(conn);
}

/* Ctrl-C reaches every process of the terminal: the parent decides what it means. */
static _Noreturn void run(int listener, int parent, pid_t parent_id, lab_digest *digest,
                          struct counts *counts)
{
    uint8_t hash[32];
    prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L);
    if (getppid() != parent_id)
        _exit(0); /* it ended before the signal was asked for */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    descriptors_close_but(listener, parent);
    digest("", 0, hash); /* what it has to initialize is not to delay the first connection */
    for (;;) {
        await(listener, POLLIN, parent, TIME_NEVER);
        int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (conn >= 0)
            serve(conn, parent, digest, counts);
    }
}

/* --- the parent --- */

/* One socket for both families, or for IPv4 where the kernel has no IPv6; -1 with errno. */
static int listen_on(uint16_t port, uint16_t *bound)
{
    struct addr any = {.kind = ADDR_IP6};
    int one = 1, zero = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    } else {
        any.kind = ADDR_IP4;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return -1;
    }
    struct sockaddr_storage name;
    socklen_t length = sockaddr_from(&name, &any, port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&name, length) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)&name, &length)) {
        int failed = errno;
        close(fd);
        errno = failed;
        return -1;
    }
    *bound = sockaddr_port(&name);
    return fd;
}

/* The listener is there before the child is, so that nobody has to wait for it. */
static bool start(struct lab_server *server, uint16_t port, lab_digest *digest)
{
    int pair[2];
    pid_t parent_id = getpid();
    void *shared = mmap(NULL, sizeof *server->counts, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return false;
    server->counts = shared;
    int listener = listen_on(port, &server->port);
    if (listener < 0)
        return false;
    bool paired = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
    if (paired) {
        server->reports = pair[0];
        server->child = fork();
        if (server->child == 0)
            run(listener, pair[1], parent_id, digest, server->counts);
    }
    int failed = errno;
    if (paired)
        close(pair[1]);
    close(listener);
    errno = failed;
    return server->child > 0;
}

struct lab_server *lab_server_start(uint16_t port, lab_digest *digest, struct error *err)
{
    struct lab_server *server = calloc(1, sizeof *server);
    if (!server) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for the lab's server");
        return NULL;
    }
    server->child = server->reports = -1;
    if (!start(server, port, digest)) {
        fail_errno(err, errno, "the lab's server cannot serve port %u", port);
        if (err)
            err->kind = ERROR_ENVIRONMENT; /* a fork that is refused is one, whatever its errno */
        lab_server_stop(server);
        return NULL;
    }
    return server;
}

uint16_t lab_server_port(const struct lab_server *server)
{
    return server->port;
}

int lab_server_fd(const struct lab_server *server)
{
    return server->reports;
}

int lab_server_report(struct lab_server *server, struct lab_report *report, int64_t timeout)
{
    int64_t deadline = clock_now(&machine) + timeout;
    for (;;) {
        ssize_t got = recv(server->reports, report, sizeof *report, MSG_DONTWAIT);
        if (got == sizeof *report)
            return 1;
        if (got >= 0 || (errno != EAGAIN && errno != EINTR))
            return -1;
        int64_t left = deadline - clock_now(&machine);
        if (left <= 0)
            return 0;
        struct timespec wait = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
        struct pollfd readable = {.fd = server->reports, .events = POLLIN};
        ppoll(&readable, 1, &wait, NULL);
    }
}

void lab_server_counts(const struct lab_server *server, uint64_t *served, uint64_t *wrong)
{
    *wrong = server->counts->wrong;
    *served = server->counts->served;
}

void lab_server_stop(struct lab_server *server)
{
    if (!server)
        return;
    if (server->reports >= 0)
        close(server->reports);
    if (server->child > 0) {
        kill(server->child, SIGKILL);
        while (waitpid(server->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (server->counts)
        munmap(server->counts, sizeof *server->counts);
    free(server);
}
