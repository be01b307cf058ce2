/* process: a program that a script starts, and the certainty that it ends.
 *
 *     tcplua ----- control ----- keeper ----- program ----- whatever that starts
 *
 * Between us and the program stands a keeper, a child that does nothing but wait: for the program
 * to end, which it tells us, and for us to end, whatever the reason, SIGKILL included. Then it
 * kills the program and all that came of it, also what has left the process group: orphans become
 * the keeper's children. What is closed here leaves nothing behind, no zombie either. */
#ifndef TCPLUA_HOST_PROCESS_H
#define TCPLUA_HOST_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Where descriptors 0, 1, 2 and 3 of the program lead. */
enum { PROCESS_STDIN, PROCESS_STDOUT, PROCESS_STDERR, PROCESS_EXTRA, PROCESS_STREAMS };

enum process_stream {
    PROCESS_NULL,    /* /dev/null; of PROCESS_EXTRA: it has none */
    PROCESS_PIPE,    /* a pipe to us */
    PROCESS_INHERIT, /* where our own leads */
    PROCESS_JOIN,    /* where the program's standard output leads; of PROCESS_STDERR only */
};

struct process_options {
    const char *file;  /* a path, or a name to be found by PATH */
    char *const *argv; /* NULL-terminated, [0] included */
    char *const *env;  /* NULL-terminated; NULL for ours */
    const char *cwd;   /* NULL for ours */
    enum process_stream streams[PROCESS_STREAMS];
    int netns; /* descriptor of the network namespace to run in, or -1 for ours */
};

struct process;

/* Starts a program, as the leader of a new process group. `ends` gets our ends of the pipes, which
 * are non-blocking and the caller's, and -1 where there is none. PROCESS_EXTRA can only be written
 * to by the program. NULL with `err` (environment): no such program, no rights, no memory. */
struct process *process_start(const struct process_options *options, int ends[PROCESS_STREAMS],
                              struct error *err);

/* Readable when there is news: process_ended() is to be asked. */
int process_fd(const struct process *process);

pid_t process_id(const struct process *process);

/* Whether the program has ended, and how: as waitpid() says it. Does not wait. */
bool process_ended(struct process *process, int *status);

/* Sends a signal to the process group. Once the program has ended, to those that it left behind. */
void process_signal(struct process *process, int number);

/* Kills whatever is left of it, and waits for that: milliseconds. NULL is allowed. */
void process_free(struct process *process);

#endif
