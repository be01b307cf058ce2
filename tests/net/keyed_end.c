/* keyed_end: an end of one connection on a kernel socket, whose segments are signed or whose SYN
 * has data. For tests/net/keys.sh and fast_open.sh.
 *
 *     keyed_end listen ADDRESS PORT HOW…     says "listening", echoes all that comes to the end
 *     keyed_end connect ADDRESS PORT HOW…    sends a line and 300,000 bytes, compares what returns
 *
 * HOW is "plain", "md5 PEER KEY", or "ao PEER KEY SEND_ID RECV_ID ALGORITHM OPTIONS" with an
 * algorithm of the kernel ("hmac(sha1)", "cmac(aes128)") and OPTIONS "with" or "without", or "tfo".
 * At the end it says "done", and "syn data" if the SYN's data was taken. Status 77: the kernel
 * cannot do that. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BULK = 300000 };

#ifndef TCP_AO_ADD_KEY /* the headers are older than the kernel may be */
#define TCP_AO_ADD_KEY 38
struct tcp_ao_add {
    struct __kernel_sockaddr_storage addr;
    char alg_name[64];
    int32_t ifindex;
    uint32_t set_current : 1, set_rnext : 1, reserved : 30;
    uint16_t reserved2;
    uint8_t prefix, sndid, rcvid, maclen, keyflags, keylen;
    uint8_t key[80];
} __attribute__((aligned(8)));
#endif
#define AO_EXCLUDE_OPTIONS 2  /* TCP_AO_KEYF_EXCLUDE_OPT */
#define SYN_DATA           32 /* TCPI_OPT_SYN_DATA */

static _Noreturn void give_up(const char *what)
{
    int status = errno == ENOPROTOOPT || errno == EOPNOTSUPP || errno == ENOENT ? 77 : 1;
    perror(what);
    exit(status);
}

static socklen_t address_read(struct sockaddr_storage *address, const char *host, const char *port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    uint16_t number = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = number;
        return sizeof *in;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1) {
        fprintf(stderr, "no address: %s\n", host);
        exit(1);
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = number;
    return sizeof *in6;
}

static void set_md5(int fd, char **how)
{
    struct tcp_md5sig key = {.tcpm_keylen = (uint16_t)strlen(how[2])};
    struct sockaddr_storage peer;
    address_read(&peer, how[1], "0");
    memcpy(&key.tcpm_addr, &peer, sizeof peer);
    memcpy(key.tcpm_key, how[2], strlen(how[2]));
    if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) != 0)
        give_up("TCP_MD5SIG");
}

static void set_ao(int fd, char **how)
{
    struct tcp_ao_add key = {.set_current = 0};
    struct sockaddr_storage peer;
    address_read(&peer, how[1], "0");
    memcpy(&key.addr, &peer, sizeof peer);
    key.prefix = peer.ss_family == AF_INET ? 32 : 128;
    key.keylen = (uint8_t)strlen(how[2]);
    memcpy(key.key, how[2], strlen(how[2]));
    key.sndid = (uint8_t)atoi(how[3]);
    key.rcvid = (uint8_t)atoi(how[4]);
    snprintf(key.alg_name, sizeof key.alg_name, "%s", how[5]);
    key.keyflags = strcmp(how[6], "without") == 0 ? AO_EXCLUDE_OPTIONS : 0;
    if (setsockopt(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, &key, sizeof key) != 0)
        give_up("TCP_AO_ADD_KEY");
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            give_up("send");
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void echo(int fd)
{
    static char bytes[65536];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0)
        send_all(fd, bytes, (size_t)got);
    if (got < 0)
        give_up("recv");
}

static void receive(int fd, const char *wanted, size_t length)
{
    static char bytes[65536];
    while (length > 0) {
        ssize_t got = recv(fd, bytes, length < sizeof bytes ? length : sizeof bytes, 0);
        if (got <= 0 || memcmp(bytes, wanted, (size_t)got) != 0) {
            fprintf(stderr, "not what was sent\n");
            exit(1);
        }
        wanted += got;
        length -= (size_t)got;
    }
}

static void talk(int fd, size_t from)
{
    static const char line[] = "a line from the kernel\n";
    static char bulk[BULK];
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char)(i * 31 + (i >> 8));
    send_all(fd, line + from, sizeof line - 1 - from);
    receive(fd, line, sizeof line - 1);
    for (size_t at = 0; at < BULK; at += 10000) {
        send_all(fd, bulk + at, 10000);
        receive(fd, bulk + at, 10000);
    }
    shutdown(fd, SHUT_WR);
    char last;
    if (recv(fd, &last, 1, 0) != 0) {
        fprintf(stderr, "no end\n");
        exit(1);
    }
}

static void finish(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_options & SYN_DATA)
        puts("syn data");
    close(fd);
    puts("done");
}

int main(int argc, char **argv)
{
    struct sockaddr_storage address;
    int on = 1, queue = 16;
    if (argc < 5)
        return 2;
    alarm(20);
    socklen_t length = address_read(&address, argv[2], argv[3]);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        give_up("socket");
    char **how = argv + 4;
    if (strcmp(how[0], "md5") == 0 && argc == 7)
        set_md5(fd, how);
    if (strcmp(how[0], "ao") == 0 && argc == 11)
        set_ao(fd, how);
    if (strcmp(argv[1], "connect") == 0) {
        size_t sent = 0;
        if (strcmp(how[0], "tfo") == 0) {
            ssize_t some = sendto(fd, "a line", 6, MSG_FASTOPEN, to, length);
            if (some < 0)
                give_up("MSG_FASTOPEN");
            sent = (size_t)some;
        } else if (connect(fd, to, length) != 0) {
            give_up("connect");
        }
        talk(fd, sent);
        finish(fd);
        return 0;
    }
    if (strcmp(how[0], "tfo") == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue) != 0)
        give_up("TCP_FASTOPEN");
    if (bind(fd, to, length) != 0 || listen(fd, 16) != 0)
        give_up("listen");
    puts("listening");
    fflush(stdout);
    int connection = accept(fd, NULL, NULL);
    if (connection < 0)
        give_up("accept");
    echo(connection);
    finish(connection);
    return 0;
}
