/* The yardstick: the main job in C on a kernel socket. bench_client SRC DST PORT reads a line,
 * sends its SHA-256 back, waits for the server's FIN and closes. */
#include "job.h"

#include <psa/crypto.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: bench_client SRC DST PORT\n", stderr);
        return 2;
    }
    struct sockaddr_storage src, dst;
    socklen_t src_length = job_address(argv[1], "0", &src);
    socklen_t dst_length = job_address(argv[2], argv[3], &dst);
    if (psa_crypto_init() != PSA_SUCCESS)
        job_fail("psa_crypto_init");

    int fd = socket(dst.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&src, src_length) != 0)
        job_fail("bind");
    if (connect(fd, (struct sockaddr *)&dst, dst_length) != 0)
        job_fail("connect");

    char line[LINE_MAX_LENGTH], answer[ANSWER_LENGTH];
    size_t length = job_read_line(fd, line, sizeof line);
    if (length == 0)
        job_fail("read");
    job_answer(line, length, answer);
    job_write(fd, answer, sizeof answer);
    while (read(fd, line, sizeof line) > 0)
        ;
    return close(fd) == 0 ? 0 : 1;
}
