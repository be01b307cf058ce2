/* The server of the main job on kernel sockets: a random line, the answer checked, its own FIN
 * first. bench_server ADDRESS PORT COUNT SECONDS serves one connection after the other, ends after
 * COUNT of them or SECONDS, says "N served, N wrong", and fails if any was wrong. */
#include "job.h"

#include <fcntl.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int listen_on(const char *host, const char *port)
{
    struct sockaddr_storage address;
    socklen_t length = job_address(host, port, &address);
    int on = 1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 128) != 0)
        job_fail("listen");
    return fd;
}

static bool serve(int fd)
{
    const struct timeval limit = {.tv_sec = 10};
    unsigned char seed[16];
    char line[2 * sizeof seed + 1], right[ANSWER_LENGTH], answer[ANSWER_LENGTH];
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        getrandom(seed, sizeof seed, 0) != sizeof seed)
        job_fail("serve");
    for (size_t i = 0; i < sizeof seed; i++)
        snprintf(line + 2 * i, 3, "%02x", seed[i]);
    line[sizeof line - 1] = '\n';
    job_write(fd, line, sizeof line);
    job_answer(line, sizeof line, right);
    bool same = job_read_line(fd, answer, sizeof answer) == sizeof answer &&
                memcmp(answer, right, sizeof right) == 0;
    close(fd);
    return same;
}

static long seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: bench_server ADDRESS PORT COUNT SECONDS\n", stderr);
        return 2;
    }
    long count = strtol(argv[3], NULL, 10);
    long end = seconds_now() + strtol(argv[4], NULL, 10);
    if (psa_crypto_init() != PSA_SUCCESS)
        job_fail("psa_crypto_init");
    int listener = listen_on(argv[1], argv[2]);
    puts("listening");
    fflush(stdout);

    long served = 0, wrong = 0;
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    while (served < count && seconds_now() < end) {
        if (poll(&waiting, 1, 1000) != 1)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        wrong += !serve(fd);
        served++;
    }
    printf("%ld served, %ld wrong\n", served, wrong);
    return wrong == 0 && served == count ? 0 : 1;
}
