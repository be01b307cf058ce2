/* kernel_peer: an ordinary program on kernel sockets, the system under test of the scenarios.
 *
 *     kernel_peer serve               listens on port $TCPLUA_PORT, IPv4 and IPv6
 *     kernel_peer call SRC DST PORT   connects to DST from SRC
 *
 * In both roles the peer obeys: the first line that it reads is its commands, "set nodelay 1; say
 * 9; echo". They are carried out in turn, and then it closes. A process of its own
 * has each connection, so one that waits holds up no other. tests/scenarios/peer.lua is the same on
 * our engine; what a command does stands in the table at the end of this file. */
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

enum { LINE_MAX_BYTES = 512, CHUNK = 65536, BACKLOG = 128, ALPHABET = 26 };

/* A connection, how far the pattern that `say` sends has come, and what stands behind the name of
 * the command that is carried out: NULL where there is nothing. */
struct peer {
    int fd;
    size_t said;
    const char *word, *value;
};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* A connection that breaks is the test's doing: the process ends, and nobody complains. */
static _Noreturn void leave(void)
{
    exit(0);
}

static size_t receive(const struct peer *peer, char *bytes, size_t most)
{
    ssize_t got = recv(peer->fd, bytes, most, 0);
    if (got < 0)
        leave();
    return (size_t)got;
}

static void send_all(const struct peer *peer, const char *bytes, size_t length, int flags)
{
    while (length > 0) {
        ssize_t sent = send(peer->fd, bytes, length, MSG_NOSIGNAL | flags);
        if (sent < 0)
            leave();
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* --- the commands ---------------------------------------------------------------------------- */

static size_t count_of(const struct peer *peer)
{
    return peer->word ? strtoul(peer->word, NULL, 10) : 0;
}

static void do_abort(struct peer *peer)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    leave();
}

static void do_drain(struct peer *peer)
{
    char bytes[CHUNK];
    while (receive(peer, bytes, sizeof bytes) > 0) {
    }
}

static void do_echo(struct peer *peer)
{
    char bytes[CHUNK];
    for (size_t got; (got = receive(peer, bytes, sizeof bytes)) > 0;)
        send_all(peer, bytes, got, 0);
}

static void do_idle(struct peer *peer)
{
    struct pollfd gone = {.fd = peer->fd, .events = POLLRDHUP};
    poll(&gone, 1, -1);
}

static void do_read(struct peer *peer)
{
    char bytes[CHUNK];
    for (size_t left = count_of(peer); left > 0;) {
        size_t got = receive(peer, bytes, left < sizeof bytes ? left : sizeof bytes);
        if (got == 0)
            return;
        left -= got;
    }
}

static void say(struct peer *peer, size_t count, int flags)
{
    char bytes[CHUNK];
    while (count > 0) {
        size_t length = count < sizeof bytes ? count : sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)('a' + (peer->said + i) % ALPHABET);
        send_all(peer, bytes, length, flags);
        peer->said += length;
        count -= length;
    }
}

static void do_say(struct peer *peer)
{
    say(peer, count_of(peer), 0);
}

static void do_urgent(struct peer *peer)
{
    say(peer, count_of(peer), MSG_OOB);
}

static void do_shutdown(struct peer *peer)
{
    shutdown(peer->fd, SHUT_WR);
}

static void do_wait(struct peer *peer)
{
    poll(NULL, 0, (int)count_of(peer));
}

/* What `set` can set; a text where the option takes one, else a number. */
static const struct setting {
    const char *name;
    int level, option;
    bool text;
} settings[] = {
    {"congestion", IPPROTO_TCP, TCP_CONGESTION, true},
    {"keepalive", SOL_SOCKET, SO_KEEPALIVE, false},
    {"keepalive_count", IPPROTO_TCP, TCP_KEEPCNT, false},
    {"keepalive_idle", IPPROTO_TCP, TCP_KEEPIDLE, false},
    {"keepalive_interval", IPPROTO_TCP, TCP_KEEPINTVL, false},
    {"maxseg", IPPROTO_TCP, TCP_MAXSEG, false},
    {"nodelay", IPPROTO_TCP, TCP_NODELAY, false},
    {"quickack", IPPROTO_TCP, TCP_QUICKACK, false},
    {"rcvbuf", SOL_SOCKET, SO_RCVBUF, false},
    {"sndbuf", SOL_SOCKET, SO_SNDBUF, false},
    {"user_timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, false},
};

static void do_set(struct peer *peer)
{
    const char *word = peer->word, *value = peer->value;
    for (size_t i = 0; word && value && i < sizeof settings / sizeof *settings; i++) {
        const struct setting *setting = &settings[i];
        if (strcmp(word, setting->name) != 0)
            continue;
        int number = atoi(value);
        const void *data = setting->text ? (const void *)value : &number;
        socklen_t length = setting->text ? (socklen_t)strlen(value) : sizeof number;
        if (setsockopt(peer->fd, setting->level, setting->option, data, length) != 0)
            give_up(setting->name);
        return;
    }
    fprintf(stderr, "set: no such setting: %s\n", word ? word : "");
    exit(1);
}

static const struct command {
    const char *name;
    void (*obey)(struct peer *peer);
} commands[] = {
    {"abort", do_abort},       /* ends with a reset */
    {"drain", do_drain},       /* reads until the end */
    {"echo", do_echo},         /* sends what it reads, until the end */
    {"idle", do_idle},         /* reads nothing and writes nothing until the other side goes */
    {"read", do_read},         /* N: reads N bytes */
    {"say", do_say},           /* N: sends N bytes, the alphabet over and over, in one call */
    {"set", do_set},           /* NAME VALUE: sets an option of the socket */
    {"shutdown", do_shutdown}, /* sends no more */
    {"urgent", do_urgent},     /* N: as say, and the last byte is urgent */
    {"wait", do_wait},         /* MS: milliseconds */
};

/* --- the connection -------------------------------------------------------------------------- */

static void obey_one(struct peer *peer, char *text)
{
    char *rest = NULL;
    char *name = strtok_r(text, " ", &rest);
    if (!name)
        return;
    peer->word = strtok_r(NULL, " ", &rest);
    peer->value = strtok_r(NULL, " ", &rest);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0) {
            commands[i].obey(peer);
            return;
        }
    fprintf(stderr, "no such command: %s\n", name);
    exit(1);
}

/* Reads a line and no byte more. */
static void obey(int fd)
{
    struct peer peer = {.fd = fd};
    int on = 1;
    char line[LINE_MAX_BYTES];
    size_t length = 0;
    /* Urgent data stays in line, as RFC 6093 wants it. */
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    do {
        if (length == sizeof line || receive(&peer, line + length, 1) == 0)
            leave();
    } while (line[length++] != '\n');
    line[length - 1] = '\0';
    char *rest = NULL;
    for (char *one = strtok_r(line, ";", &rest); one; one = strtok_r(NULL, ";", &rest))
        obey_one(&peer, one);
}

/* Fast Open for servers is off unless somebody turns it on; only where we may. */
static void allow_fast_open(void)
{
    FILE *setting = fopen("/proc/sys/net/ipv4/tcp_fastopen", "w");
    if (setting) {
        fputs("3", setting);
        fclose(setting);
    }
}

static void serve(void)
{
    const char *port = getenv("TCPLUA_PORT");
    struct sockaddr_in6 any = {.sin6_family = AF_INET6,
                               .sin6_port = htons(port ? (uint16_t)atoi(port) : 9000)};
    int on = 1, queue = BACKLOG;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&any, sizeof any) != 0)
        give_up("serve");
    allow_fast_open();
    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue);
    if (listen(fd, BACKLOG) != 0)
        give_up("listen");
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int accepted = accept(fd, NULL, NULL);
        if (accepted >= 0 && fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(fd);
            obey(accepted);
            leave();
        }
        close(accepted);
    }
}

static socklen_t read_address(struct sockaddr_storage *out, const char *host, uint16_t port)
{
    struct sockaddr_in ip = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &ip.sin_addr) == 1) {
        memcpy(out, &ip, sizeof ip);
        return sizeof ip;
    }
    memcpy(out, &ip6, sizeof ip6);
    if (inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)out)->sin6_addr) != 1) {
        fprintf(stderr, "not an address: %s\n", host);
        exit(2);
    }
    return sizeof ip6;
}

static void call(const char *src, const char *dst, const char *port)
{
    struct sockaddr_storage from, to;
    socklen_t from_length = read_address(&from, src, 0);
    socklen_t to_length = read_address(&to, dst, (uint16_t)atoi(port));
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, from_length) != 0 ||
        connect(fd, (struct sockaddr *)&to, to_length) != 0)
        give_up("call");
    obey(fd);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        serve();
    } else if (argc == 5 && strcmp(argv[1], "call") == 0) {
        call(argv[2], argv[3], argv[4]);
        return 0;
    }
    fputs("usage: kernel_peer serve | kernel_peer call SRC DST PORT\n", stderr);
    return 2;
}
