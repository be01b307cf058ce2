/* The lab's server, met by kernel clients on the loopback interface of a private namespace. The
 * digest here is not SHA-256, which the host layer does not have, but the server cannot tell. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/lab_server.h"
#include "host/route.h"
#include "host/sockaddr.h"
#include "host_namespace.h"

#include <cmocka.h> /* last: its fail() is a macro */

static const struct addr loopback4 = {.kind = ADDR_IP4, .bytes = {127, 0, 0, 1}};
static const struct addr loopback6 = {.kind = ADDR_IP6, .bytes = {[15] = 1}};

static bool digest(const void *bytes, size_t length, uint8_t out[static 32])
{
    const uint8_t *in = bytes;
    uint32_t sum = 17;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + in[i];
    for (size_t i = 0; i < 32; i++)
        out[i] = (uint8_t)((sum >> (i % 24)) ^ i);
    return true;
}

/* A connected socket on which nothing blocks for longer than five seconds; -1 with errno. */
static int client(const struct addr *addr, uint16_t port)
{
    struct sockaddr_storage to;
    socklen_t length = sockaddr_from(&to, addr, port);
    struct timeval limit = {.tv_sec = 5};
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, length) == 0)
        return fd;
    int refused = errno;
    close(fd);
    errno = refused;
    return -1;
}

/* Reads the server's line into `line`, and makes the right answer to it. */
static size_t read_line(int fd, char line[static LAB_LINE], char answer[static LAB_ANSWER + 1])
{
    size_t length = 0;
    uint8_t hash[32];
    do {
        assert_true(length < LAB_LINE);
        assert_int_equal(recv(fd, line + length, 1, 0), 1);
    } while (line[length++] != '\n');
    digest(line, length, hash);
    for (size_t i = 0; i < 32; i++)
        snprintf(answer + 2 * i, 3, "%02x", hash[i]);
    answer[64] = '\n';
    answer[65] = '\0';
    return length;
}

static struct lab_server *start(void)
{
    struct error err = {.message = ""};
    struct lab_server *server = lab_server_start(0, digest, &err);
    if (!server)
        fail_msg("%s", err.message);
    assert_int_not_equal(lab_server_port(server), 0);
    return server;
}

static struct lab_report report_of(struct lab_server *server)
{
    struct lab_report report;
    struct pollfd readable = {.fd = lab_server_fd(server), .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1);
    assert_int_equal(lab_server_report(server, &report, 0), 1);
    return report;
}

static void right_answer(void **state)
{
    (void)state;
    struct lab_server *server = start();
    const struct addr *addrs[] = {&loopback4, &loopback6, &loopback4};
    char line[LAB_LINE], before[LAB_LINE] = "", answer[LAB_ANSWER + 1], rest;
    for (size_t i = 0; i < 3; i++) {
        int fd = client(addrs[i], lab_server_port(server));
        assert_true(fd >= 0);
        size_t length = read_line(fd, line, answer);
        assert_true(length >= 4);
        assert_null(memchr(line, '\r', length));
        assert_memory_not_equal(line, before, length);
        memcpy(before, line, length);
        assert_int_equal(send(fd, answer, 65, 0), 65);
        assert_int_equal(recv(fd, &rest, 1, 0), 0); /* it closes first */
        struct lab_report report;
        assert_int_equal(lab_server_report(server, &report, 0), 1); /* and has told before */
        assert_true(report.good);
        assert_false(report.late);
        assert_int_equal(report.line_length, length);
        assert_memory_equal(report.line, line, length);
        assert_int_equal(report.answer_length, 65);
        assert_memory_equal(report.answer, answer, 65);
        close(fd);
    }
    uint64_t served, wrong;
    lab_server_counts(server, &served, &wrong);
    assert_int_equal(served, 3);
    assert_int_equal(wrong, 0);
    lab_server_stop(server);
}

/* Sends what `bend` makes of the right answer; returns what the server says of it. */
static struct lab_report wrong_answer(struct lab_server *server, size_t (*bend)(char *answer))
{
    char line[LAB_LINE], answer[LAB_ANSWER + 16], rest;
    int fd = client(&loopback4, lab_server_port(server));
    assert_true(fd >= 0);
    read_line(fd, line, answer);
    size_t length = bend(answer);
    assert_int_equal(send(fd, answer, length, 0), length);
    shutdown(fd, SHUT_WR);
    assert_int_equal(recv(fd, &rest, 1, 0), 0);
    close(fd);
    struct lab_report report = report_of(server);
    assert_false(report.good);
    assert_false(report.late);
    assert_memory_equal(report.answer, answer, report.answer_length);
    return report;
}

static size_t other_digit(char *answer)
{
    answer[63] = answer[63] == '0' ? '1' : '0';
    return 65;
}

static size_t crlf(char *answer)
{
    memcpy(answer + 64, "\r\n", 2);
    return 66;
}

static size_t no_lf(char *answer)
{
    (void)answer;
    return 64;
}

static size_t too_long(char *answer)
{
    memcpy(answer + 64, "00000000\n", 9);
    return 73;
}

static size_t too_short(char *answer)
{
    memcpy(answer, "abc\nxyz", 7);
    return 7;
}

static size_t nothing(char *answer)
{
    (void)answer;
    return 0;
}

static void wrong_answers(void **state)
{
    (void)state;
    int64_t resets = kernel_resets();
    struct lab_server *server = start();
    assert_int_equal(wrong_answer(server, other_digit).answer_length, 65);
    assert_int_equal(wrong_answer(server, crlf).answer_length, 65);
    assert_int_equal(wrong_answer(server, no_lf).answer_length, 64);
    assert_int_equal(wrong_answer(server, too_long).answer_length, 65);
    assert_int_equal(wrong_answer(server, too_short).answer_length, 4);
    assert_int_equal(wrong_answer(server, nothing).answer_length, 0);
    uint64_t served, wrong;
    lab_server_counts(server, &served, &wrong);
    assert_int_equal(served, 6);
    assert_int_equal(wrong, 6);
    lab_server_stop(server);
    assert_true(kernel_resets() == resets);
}

/* The second connection waits for the first; and one that is never served is no obstacle. */
static void one_after_another(void **state)
{
    (void)state;
    struct lab_server *server = start();
    char line[LAB_LINE], answer[LAB_ANSWER + 1], rest;
    struct lab_report report;
    int first = client(&loopback4, lab_server_port(server));
    read_line(first, line, answer);
    int second = client(&loopback4, lab_server_port(server));
    assert_true(second >= 0);
    assert_int_equal(recv(second, &rest, 1, MSG_DONTWAIT), -1);
    assert_int_equal(lab_server_report(server, &report, 0), 0);
    assert_int_equal(lab_server_report(server, &report, NS_PER_MS), 0);
    close(first);
    read_line(second, line, answer);
    assert_int_equal(send(second, answer, 65, 0), 65);
    assert_int_equal(recv(second, &rest, 1, 0), 0);
    close(second);
    assert_false(report_of(server).good);
    assert_true(report_of(server).good);
    lab_server_stop(server);
}

/* Reports that nobody takes do not stop it. */
static void unread_reports(void **state)
{
    (void)state;
    struct lab_server *server = start();
    char line[LAB_LINE], answer[LAB_ANSWER + 1], rest;
    for (int i = 0; i < 1000; i++) {
        int fd = client(&loopback4, lab_server_port(server));
        read_line(fd, line, answer);
        assert_int_equal(send(fd, answer, 65, 0), 65);
        assert_int_equal(recv(fd, &rest, 1, 0), 0);
        close(fd);
    }
    uint64_t served, wrong;
    lab_server_counts(server, &served, &wrong);
    assert_int_equal(served, 1000);
    assert_int_equal(wrong, 0);
    lab_server_stop(server);
}

static void stop(void **state)
{
    (void)state;
    struct lab_server *server = start();
    uint16_t port = lab_server_port(server);
    struct error err;
    assert_null(lab_server_start(port, digest, &err));
    assert_string_equal(err.code, "EADDRINUSE");
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    lab_server_stop(server);
    assert_int_equal(client(&loopback4, port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    server = lab_server_start(port, digest, &err);
    assert_non_null(server);
    lab_server_stop(server);
    lab_server_stop(NULL);
}

static void holds_no_descriptors(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct lab_server *server = start();
    close(ends[1]);
    struct pollfd ended = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 5000), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    lab_server_stop(server);
}

/* Kills the server's parent, which has become `uid`, while the server serves a connection. */
static void outlives_nobody(uid_t uid)
{
    int ends[2];
    uint16_t port = 0;
    char line[LAB_LINE], answer[LAB_ANSWER + 1];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        struct error err;
        struct lab_server *server = lab_server_start(0, digest, &err);
        if (server && (uid == getuid() || setuid(uid) == 0))
            port = lab_server_port(server);
        (void)!write(ends[1], &port, sizeof port);
        if (port == 0)
            _exit(1);
        alarm(10); /* if the test should end before it kills */
        for (;;)
            pause();
    }
    assert_int_equal(read(ends[0], &port, sizeof port), sizeof port);
    assert_int_not_equal(port, 0);
    int fd = client(&loopback4, port);
    assert_true(fd >= 0);
    read_line(fd, line, answer);
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);

    const struct clock machine = {0};
    int64_t limit = clock_now(&machine) + 3 * NS_PER_S; /* less than the server's own LAB_WAIT */
    int again;
    while ((again = client(&loopback4, port)) >= 0 && clock_now(&machine) < limit) {
        close(again);
        sched_yield();
    }
    assert_int_equal(again, -1);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void ends_with_its_parent(void **state)
{
    (void)state;
    outlives_nobody(getuid());
}

static void ends_with_a_parent_that_gave_up_root(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip(); /* needs root to give up */
    outlives_nobody(65534);
}

int main(void)
{
    int refused = namespace_enter();
    if (refused)
        return refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_answer),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(one_after_another),
        cmocka_unit_test(unread_reports),
        cmocka_unit_test(stop),
        cmocka_unit_test(holds_no_descriptors),
        cmocka_unit_test(ends_with_its_parent),
        cmocka_unit_test(ends_with_a_parent_that_gave_up_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
