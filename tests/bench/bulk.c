/* Bulk data on kernel sockets, the other end of tests/net/bulk.sh:
 *
 *     bench_bulk listen|connect ADDRESS PORT send|receive BYTES [CONGESTION]
 *
 * sends BYTES random bytes, or receives until the end of the stream, and says how many there were,
 * the SHA-256 of them, and the seconds that it took. It says "listening" first if it listens.
 * CONGESTION is the kernel's word for an algorithm that this host may not have as its usual one. */
#include "job.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <psa/crypto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

static psa_hash_operation_t hash = {0};
static char piece[PIECE];
static uint64_t total;

/* xorshift64: what may not repeat within any window. */
static void random_piece(void)
{
    static uint64_t state = UINT64_C(0x2545f4914f6cdd1d);
    for (size_t i = 0; i < PIECE; i += sizeof state) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(piece + i, &state, sizeof state);
    }
}

static void count(size_t length)
{
    if (psa_hash_update(&hash, (unsigned char *)piece, length) != PSA_SUCCESS)
        job_fail("psa_hash_update");
    total += length;
}

static void send_bytes(int fd, uint64_t bytes)
{
    while (total < bytes) {
        size_t length = bytes - total < PIECE ? (size_t)(bytes - total) : (size_t)PIECE;
        random_piece();
        job_write(fd, piece, length);
        count(length);
    }
    if (shutdown(fd, SHUT_WR) != 0 || read(fd, piece, 1) != 0) /* until the peer has all of it */
        job_fail("shutdown");
}

static void receive_bytes(int fd)
{
    ssize_t got;
    while ((got = read(fd, piece, PIECE)) > 0)
        count((size_t)got);
    if (got < 0)
        job_fail("read");
}

static int open_peer(bool listens, const char *host, const char *port, const char *congestion)
{
    struct sockaddr_storage address;
    socklen_t length = job_address(host, port, &address);
    int on = 1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        job_fail("socket");
    if (congestion &&
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion)) != 0)
        job_fail(congestion);
    if (!listens) {
        if (connect(fd, (struct sockaddr *)&address, length) != 0)
            job_fail("connect");
        return fd;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 1) != 0)
        job_fail("listen");
    puts("listening");
    fflush(stdout);
    int peer = accept(fd, NULL, NULL);
    if (peer < 0)
        job_fail("accept");
    close(fd);
    return peer;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7) {
        fputs("usage: bench_bulk listen|connect ADDRESS PORT send|receive BYTES "
              "[CONGESTION]\n",
              stderr);
        return 2;
    }
    if (psa_crypto_init() != PSA_SUCCESS || psa_hash_setup(&hash, PSA_ALG_SHA_256) != PSA_SUCCESS)
        job_fail("psa_hash_setup");
    int fd = open_peer(strcmp(argv[1], "listen") == 0, argv[2], argv[3], argv[6]);
    double begin = now();
    if (strcmp(argv[4], "send") == 0)
        send_bytes(fd, strtoull(argv[5], NULL, 10));
    else
        receive_bytes(fd);
    close(fd);
    double seconds = now() - begin;

    unsigned char digest[32];
    size_t length;
    if (psa_hash_finish(&hash, digest, sizeof digest, &length) != PSA_SUCCESS)
        job_fail("psa_hash_finish");
    printf("%llu ", (unsigned long long)total);
    for (size_t i = 0; i < length; i++)
        printf("%02x", digest[i]);
    printf(" %.3f\n", seconds);
    return 0;
}
