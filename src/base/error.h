/* error: what went wrong, in one sentence for a person and one word for a program.
 *
 * A function that can fail takes a `struct error *err` last, fills it and returns false (or NULL).
 * The sentence names the thing, says what was found, and what to do; text that came from a peer or
 * a command line goes through text_escape() before it gets into a sentence. */
#ifndef TCPLUA_BASE_ERROR_H
#define TCPLUA_BASE_ERROR_H

#include <stdbool.h>

/* Whose fault it is; the program's exit status follows from it. */
enum error_kind {
    ERROR_NETWORK,     /* the path or the peer's host: refused, reset, timed out, unreachable */
    ERROR_PROTOCOL,    /* the peer spoke, but not as agreed: early end, line too long */
    ERROR_ENVIRONMENT, /* this machine cannot do it: no right, no such interface */
    ERROR_USAGE,       /* the caller asked for something that cannot be */
};

struct error {
    enum error_kind kind;
    char code[20];     /* "ECONNREFUSED", "ETIMEDOUT", "EOF", …: an errno's name where one fits */
    char message[400]; /* one sentence without a full stop or a line end */
};

/* Fills `err` (which may be NULL) and returns false, so that `return fail(err, …);` reads well. */
bool fail(struct error *err, enum error_kind kind, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for a failed system call: the code is the name of `errnum` and the sentence ends with
 * its description. The kind is ERROR_ENVIRONMENT for EPERM, EACCES, ENODEV, EADDRINUSE and
 * EMFILE-like exhaustion of this machine, else ERROR_NETWORK. */
bool fail_errno(struct error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "ECONNRESET" for ECONNRESET; "EOTHER" for one without a name here (static storage). */
const char *errno_name(int errnum);

/* "network", "protocol", "environment" or "usage". */
const char *error_kind_name(enum error_kind kind);

#endif
