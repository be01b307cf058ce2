/* lab_server: a server on kernel sockets for a client to be tried on, in a child process.
 *
 * It sends a line of words and numbers, ended by LF; expects the SHA-256 of that line, LF included,
 * as 64 lower-case hex digits and LF; tells this process what came; and closes first. Connections
 * are served one after another, those that wait are queued. The child ends with this process,
 * however that ends, and holds none of its descriptors. */
#ifndef TCPLUA_HOST_LAB_SERVER_H
#define TCPLUA_HOST_LAB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define LAB_LINE   96   /* room for the longest line */
#define LAB_ANSWER 65   /* 64 hex digits and LF */
#define LAB_WAIT   5000 /* milliseconds for which it awaits an answer */

struct lab_report {
    bool good;                  /* the answer is the right one */
    bool late;                  /* no whole answer within LAB_WAIT */
    uint32_t line_length;       /* of what was sent */
    uint32_t answer_length;     /* of what came before a LF (included), the end or the limit */
    uint8_t line[LAB_LINE];     /* as sent, LF included */
    uint8_t answer[LAB_ANSWER]; /* as received: anybody's bytes */
};

/* SHA-256, which comes from a layer beside this one. */
typedef bool lab_digest(const void *bytes, size_t length, uint8_t digest[static 32]);

struct lab_server;

/* Listens on `port` of every address of this host, of both families (a free one if 0); when this
 * returns, connections are taken. NULL with `err`: environment, EADDRINUSE and the like. */
struct lab_server *lab_server_start(uint16_t port, lab_digest *digest, struct error *err);

uint16_t lab_server_port(const struct lab_server *server);
int lab_server_fd(const struct lab_server *server); /* readable when there is a report */

/* Waits `timeout` nanoseconds at most for the report of a connection. It is there before the FIN
 * of that connection is sent. Returns 1; 0 if none came in time; -1 if the server has ended. */
int lab_server_report(struct lab_server *server, struct lab_report *report, int64_t timeout);

/* How many connections have had their report, and how many of those were not good. Reports that
 * nobody reads are dropped after some hundred; these go on. */
void lab_server_counts(const struct lab_server *server, uint64_t *served, uint64_t *wrong);

/* Ends the child, whatever it is doing, and frees. NULL is allowed. */
void lab_server_stop(struct lab_server *server);

#endif
