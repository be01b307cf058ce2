#include "job.h"

#include <errno.h>
#include <netdb.h>
#include <psa/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void job_fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

socklen_t job_address(const char *host, const char *port, struct sockaddr_storage *address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int status = getaddrinfo(host, port, &hints, &found);
    if (status != 0) {
        fprintf(stderr, "%s %s: %s\n", host, port, gai_strerror(status));
        exit(2);
    }
    socklen_t length = found->ai_addrlen;
    memcpy(address, found->ai_addr, length);
    freeaddrinfo(found);
    return length;
}

size_t job_read_line(int fd, char *line, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, line + length, size - length);
        if (got <= 0)
            return 0;
        const char *end = memchr(line + length, '\n', (size_t)got);
        if (end)
            return (size_t)(end - line) + 1;
        length += (size_t)got;
    }
    return 0;
}

void job_write(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0)
            job_fail("send");
        bytes += sent;
        length -= (size_t)sent;
    }
}

void job_answer(const char *line, size_t length, char answer[ANSWER_LENGTH])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[32];
    size_t hash_length;
    if (psa_hash_compute(PSA_ALG_SHA_256, (const uint8_t *)line, length, hash, sizeof hash,
                         &hash_length) != PSA_SUCCESS)
        job_fail("psa_hash_compute");
    for (size_t i = 0; i < sizeof hash; i++) {
        answer[2 * i] = digits[hash[i] >> 4];
        answer[2 * i + 1] = digits[hash[i] & 15];
    }
    answer[ANSWER_LENGTH - 1] = '\n';
}
