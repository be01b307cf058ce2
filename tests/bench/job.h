/* job: what both ends of the main job on kernel sockets need: addresses as arguments, one line, its
 * hash. The reference client is measured against tcplua, so all of it is as plain as it gets. */
#ifndef TCPLUA_BENCH_JOB_H
#define TCPLUA_BENCH_JOB_H

#include <stddef.h>
#include <sys/socket.h>

enum { ANSWER_LENGTH = 64 + 1, LINE_MAX_LENGTH = 4096 };

/* A numeric address and port as a socket address; ends the program with a sentence if it is none.
 */
socklen_t job_address(const char *host, const char *port, struct sockaddr_storage *address);

/* Reads up to and with the first LF. Returns its length, 0 if there was none in `size` bytes or
 * before the end of the stream. */
size_t job_read_line(int fd, char *line, size_t size);

/* Writes all of it, or ends the program. */
void job_write(int fd, const char *bytes, size_t length);

/* The answer to `line`: SHA-256 in lower-case hex, and LF. */
void job_answer(const char *line, size_t length, char answer[ANSWER_LENGTH]);

/* Prints "name: what: errno" and ends the program with 1. */
_Noreturn void job_fail(const char *what);

#endif
