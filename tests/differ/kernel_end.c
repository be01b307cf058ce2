/* kernel_end: an application on kernel sockets that does what it is told, for tests that compare
 * the kernel's TCP with ours. kernel_end ADDRESS PORT listens there and says so; each connection to
 * it is served by a process of its own with one socket under test. A command is a line, its answer
 * is another:
 *
 *     listen              a new listening socket; its port
 *     accept MS           "yes", or "no" if there is no connection within MS milliseconds
 *     connect ADDRESS PORT   begins to connect; the local port
 *     write N             the next N letters of the stream; "yes" or the error
 *     keepalive S INTERVAL   probes after S seconds without a word, two more each INTERVAL seconds
 *     shutdown            no more data from this side
 *     state               the state by its number in TCP_INFO, 0 without a socket
 *     read                what has come, in hexadecimal, and "open", "eof" or "error"
 *     reset               closes all with a reset; so does the end of the control connection
 *
 * It ends when its standard input does. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOTHING = -1 };

struct application {
    struct sockaddr_storage address; /* of its sockets, port 0 */
    socklen_t length;
    int listening, connection;
    unsigned written; /* letters so far */
};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* The length of the address; 0 if it is none. */
static socklen_t address_read(struct sockaddr_storage *address, const char *host, const char *port)
{
    struct sockaddr_in ip = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = ip.sin_port};
    if (inet_pton(AF_INET, host, &ip.sin_addr) == 1) {
        memcpy(address, &ip, sizeof ip);
        return sizeof ip;
    }
    memcpy(address, &ip6, sizeof ip6);
    if (inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)address)->sin6_addr) != 1)
        return 0;
    return sizeof ip6;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        give_up("getsockname");
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static int open_socket(const struct application *a, int type)
{
    int on = 1;
    int fd = socket(a->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | type, 0);
    /* Urgent data stays in line, as RFC 6093 wants it and as ours does. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&a->address, a->length) != 0)
        give_up("socket");
    return fd;
}

static int open_listener(const struct application *a)
{
    int fd = open_socket(a, 0);
    if (listen(fd, 128) != 0)
        give_up("listen");
    return fd;
}

static void reset(struct application *a)
{
    struct linger now = {.l_onoff = 1};
    if (a->connection >= 0) {
        setsockopt(a->connection, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(a->connection);
    }
    if (a->listening >= 0)
        close(a->listening);
    a->connection = a->listening = NOTHING;
    a->written = 0;
}

static void do_listen(struct application *a, FILE *out)
{
    reset(a);
    a->listening = open_listener(a);
    fprintf(out, "%d\n", port_of(a->listening));
}

static void do_accept(struct application *a, FILE *out, int patience)
{
    struct pollfd ready = {.fd = a->listening, .events = POLLIN};
    if (a->listening >= 0 && a->connection < 0 && poll(&ready, 1, patience) == 1)
        a->connection = accept4(a->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    fputs(a->connection >= 0 ? "yes\n" : "no\n", out);
}

static void do_connect(struct application *a, FILE *out, const char *host, const char *port)
{
    struct sockaddr_storage remote;
    socklen_t length = address_read(&remote, host, port);
    reset(a);
    a->connection = open_socket(a, SOCK_NONBLOCK);
    if (length == 0 ||
        (connect(a->connection, (struct sockaddr *)&remote, length) != 0 && errno != EINPROGRESS))
        give_up("connect");
    fprintf(out, "%d\n", port_of(a->connection));
}

static void do_write(struct application *a, FILE *out, int count)
{
    char letters[256];
    int length = count < (int)sizeof letters ? count : (int)sizeof letters;
    for (int i = 0; i < length; i++)
        letters[i] = (char)('a' + (a->written + (unsigned)i) % 26);
    ssize_t sent = send(a->connection, letters, (size_t)length, MSG_NOSIGNAL);
    if (sent > 0)
        a->written += (unsigned)sent;
    fprintf(out, "%s\n", sent == length ? "yes" : strerror(errno));
}

static void do_keepalive(const struct application *a, FILE *out, int idle, int interval)
{
    int on = 1, count = 3;
    if (setsockopt(a->connection, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0 ||
        setsockopt(a->connection, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) != 0 ||
        setsockopt(a->connection, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) != 0 ||
        setsockopt(a->connection, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) != 0)
        give_up("keepalive");
    fputs("yes\n", out);
}

static void do_state(const struct application *a, FILE *out)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (a->connection >= 0)
        getsockopt(a->connection, IPPROTO_TCP, TCP_INFO, &info, &length);
    fprintf(out, "%d\n", info.tcpi_state);
}

static void do_read(const struct application *a, FILE *out)
{
    unsigned char bytes[4096];
    ssize_t got;
    while ((got = recv(a->connection, bytes, sizeof bytes, 0)) > 0)
        for (ssize_t i = 0; i < got; i++)
            fprintf(out, "%02x", bytes[i]);
    fprintf(out, " %s\n", got == 0 ? "eof" : errno == EAGAIN ? "open" : "error");
}

static void serve(struct application *a, int control)
{
    FILE *in = fdopen(control, "r"), *out = fdopen(dup(control), "w");
    char line[128], word[16], first[64], second[16];
    if (!in || !out)
        give_up("fdopen");
    while (fgets(line, sizeof line, in)) {
        first[0] = second[0] = '\0';
        if (sscanf(line, "%15s %63s %15s", word, first, second) < 1)
            break;
        if (strcmp(word, "listen") == 0)
            do_listen(a, out);
        else if (strcmp(word, "accept") == 0)
            do_accept(a, out, atoi(first));
        else if (strcmp(word, "connect") == 0)
            do_connect(a, out, first, second);
        else if (strcmp(word, "write") == 0)
            do_write(a, out, atoi(first));
        else if (strcmp(word, "keepalive") == 0)
            do_keepalive(a, out, atoi(first), atoi(second));
        else if (strcmp(word, "shutdown") == 0)
            fprintf(out, "%d\n", shutdown(a->connection, SHUT_WR));
        else if (strcmp(word, "state") == 0)
            do_state(a, out);
        else if (strcmp(word, "read") == 0)
            do_read(a, out);
        else {
            reset(a);
            fputs("yes\n", out);
        }
        fflush(out);
    }
    reset(a);
}

int main(int argc, char **argv)
{
    struct application application = {.listening = NOTHING, .connection = NOTHING};
    application.length = argc == 3 ? address_read(&application.address, argv[1], argv[2]) : 0;
    if (application.length == 0) {
        fputs("usage: kernel_end ADDRESS PORT\n", stderr);
        return 2;
    }
    signal(SIGCHLD, SIG_IGN);
    struct pollfd ready[2] = {{.fd = open_listener(&application), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    address_read(&application.address, argv[1], "0");
    puts("listening");
    fflush(stdout);
    while (poll(ready, 2, -1) > 0 && !ready[1].revents) {
        int control = accept(ready[0].fd, NULL, NULL);
        if (control < 0 || fork() != 0) {
            close(control);
            continue;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0].fd);
        serve(&application, control);
        return 0;
    }
    return 0;
}
