/* process: see process.h.
 *
 * We and the keeper share a pair of connected sockets. Signals go down, and up comes a message when
 * the program runs (or cannot) and one when it has ended. The pair breaks when we end or close our
 * side; the keeper has let go of every other descriptor, so nothing else of ours lives on in it. */
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "host/descriptors.h"

enum { STARTED, REFUSED, ENDED, SIGNAL };

struct message {
    int32_t kind;
    int32_t value; /* process id, errno, status, number of the signal */
};

struct process {
    pid_t keeper, program;
    int control;
    bool ended;
    int status;
};

/* --- the program, before it is one --------------------------------------------------------------
 */

/* Descriptors from here on are in nobody's way while 0 to 3 get theirs. */
#define CLEAR 10

static _Noreturn void become(const struct process_options *options, const int fds[PROCESS_STREAMS],
                             pid_t keeper, int report)
{
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0L, 0L, 0L);
    bool ready = getppid() == keeper && setpgid(0, 0) == 0 &&
                 (options->netns < 0 || setns(options->netns, CLONE_NEWNET) == 0) &&
                 (!options->cwd || chdir(options->cwd) == 0);
    for (int i = 0; i < PROCESS_STREAMS && ready; i++)
        ready = fds[i] < 0 || dup2(fds[i], i) == i;
    if (ready) {
        sigprocmask(SIG_SETMASK, &none, NULL);
        execvpe(options->file, options->argv, options->env ? options->env : environ);
    }
    int why = errno;
    ssize_t ignored = write(report, &why, sizeof why);
    (void)ignored;
    _exit(127);
}

/* --- the keeper ---------------------------------------------------------------------------------
 */

static void tell(int control, int kind, int value)
{
    struct message message = {kind, value};
    send(control, &message, sizeof message, MSG_NOSIGNAL);
}

/* Sends a signal to every child of ours: the program, and orphans of what it started. */
static void signal_children(int number)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return;
    text[got] = '\0';
    for (char *at = text, *end; *at; at = end) {
        long id = strtol(at, &end, 10);
        if (end == at || *end != ' ') /* the last may have been cut off */
            break;
        kill((pid_t)id, number);
    }
}

/* Takes in children that have ended. Returns whether any is left. */
static bool reap(int control, pid_t *program)
{
    int status;
    pid_t id;
    while ((id = waitpid(-1, &status, WNOHANG)) > 0)
        if (id == *program) {
            *program = -1; /* the group's number may be given to others from now on */
            tell(control, ENDED, status);
        }
    return id == 0;
}

/* Kills all there is until nothing is left, or three seconds have shown that something cannot be
 * killed. */
static _Noreturn void end_all(int control, pid_t program)
{
    for (int tries = 0; tries < 60; tries++) {
        struct timespec pause = {.tv_nsec = tries < 10 ? 300000L << (tries / 2) : 50000000L};
        if (program > 0)
            kill(-program, SIGKILL);
        signal_children(SIGKILL);
        if (!reap(control, &program))
            break;
        nanosleep(&pause, NULL);
    }
    _exit(0);
}

static _Noreturn void watch(int control, int children, pid_t program)
{
    struct pollfd ends[2] = {{.fd = control, .events = POLLIN}, {.fd = children, .events = POLLIN}};
    for (;;) {
        poll(ends, 2, -1);
        struct signalfd_siginfo info;
        if (ends[1].revents && read(children, &info, sizeof info) > 0)
            reap(control, &program);
        if (!ends[0].revents)
            continue;
        struct message message;
        ssize_t got = recv(control, &message, sizeof message, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got != sizeof message)
            end_all(control, program);
        if (program > 0)
            kill(-program, message.value);
        else
            signal_children(message.value);
    }
}

/* Starts the program and stays with it. `fds` are the program's ends, or -1. */
static _Noreturn void keep(const struct process_options *options, int fds[PROCESS_STREAMS],
                           int control)
{
    sigset_t all, child;
    int report[2] = {-1, -1}, high = -1, why = 0;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* what a terminal sends is for our parent to judge */
    prctl(PR_SET_NAME, "tcplua-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGCHLD, SIG_DFL);
    int children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    bool good = children >= 0 && pipe2(report, O_CLOEXEC) == 0 &&
                (high = fcntl(report[1], F_DUPFD_CLOEXEC, CLEAR)) >= 0;
    for (int i = 0; i < PROCESS_STREAMS && good; i++)
        if (fds[i] >= 0)
            good = (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CLEAR)) >= 0;
    pid_t keeper = getpid(), program = good ? fork() : -1;
    if (program == 0)
        become(options, fds, keeper, high);
    if (program < 0) {
        tell(control, REFUSED, errno);
        _exit(0);
    }
    close(report[1]);
    close(high);
    ssize_t got = read(report[0], &why, sizeof why); /* ends when the program runs */
    descriptors_close_but(control, children);
    if (got == sizeof why) {
        waitpid(program, NULL, 0);
        tell(control, REFUSED, why);
        _exit(0);
    }
    tell(control, STARTED, program);
    watch(control, children, program);
}

/* --- ours ---------------------------------------------------------------------------------------
 */

/* The program's end of one stream in fds[i], ours in ends[i]. */
static bool open_stream(const struct process_options *options, int i, int fds[PROCESS_STREAMS],
                        int ends[PROCESS_STREAMS])
{
    int pair[2];
    switch (options->streams[i]) {
    case PROCESS_PIPE:
        if (pipe2(pair, O_CLOEXEC))
            return false;
        fds[i] = pair[i == PROCESS_STDIN ? 0 : 1];
        ends[i] = pair[i == PROCESS_STDIN ? 1 : 0];
        return fcntl(ends[i], F_SETFL, O_NONBLOCK) == 0;
    case PROCESS_INHERIT:
        return (fds[i] = fcntl(i, F_DUPFD_CLOEXEC, 3)) >= 0;
    case PROCESS_JOIN:
        return (fds[i] = fcntl(fds[PROCESS_STDOUT], F_DUPFD_CLOEXEC, 3)) >= 0;
    case PROCESS_NULL:
        break;
    }
    return i == PROCESS_EXTRA || (fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0;
}

static void close_streams(int fds[PROCESS_STREAMS])
{
    for (int i = 0; i < PROCESS_STREAMS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Returns 1 with a message, 0 if there is none yet, -1 if the keeper is gone. */
static int hear(const struct process *process, struct message *message, int flags)
{
    ssize_t got;
    do
        got = recv(process->control, message, sizeof *message, flags);
    while (got < 0 && errno == EINTR);
    return got == sizeof *message ? 1 : got < 0 && errno == EAGAIN ? 0 : -1;
}

static bool start(struct process *process, const struct process_options *options,
                  int fds[PROCESS_STREAMS], int ends[PROCESS_STREAMS], struct error *err)
{
    int pair[2];
    char shown[200];
    struct message message = {REFUSED, EIO};
    if (options->cwd && access(options->cwd, X_OK))
        return fail_errno(err, errno, "cannot run anything in '%s'",
                          text_escape(shown, sizeof shown, options->cwd, strlen(options->cwd)));
    text_escape(shown, sizeof shown, options->file, strlen(options->file));
    for (int i = 0; i < PROCESS_STREAMS; i++)
        if (!open_stream(options, i, fds, ends))
            return fail_errno(err, errno, "no pipe for '%s'", shown);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return fail_errno(err, errno, "no sockets for '%s'", shown);
    process->control = pair[0];
    process->keeper = fork();
    if (process->keeper == 0)
        keep(options, fds, pair[1]);
    int failed = errno;
    close(pair[1]);
    if (process->keeper < 0)
        return fail_errno(err, failed, "cannot start '%s'", shown);
    hear(process, &message, 0);
    if (message.kind != STARTED)
        return fail_errno(err, message.value, "cannot start '%s'", shown);
    process->program = message.value;
    return true;
}

struct process *process_start(const struct process_options *options, int ends[PROCESS_STREAMS],
                              struct error *err)
{
    int fds[PROCESS_STREAMS] = {-1, -1, -1, -1};
    memcpy(ends, fds, sizeof fds);
    struct process *process = malloc(sizeof *process);
    if (!process) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a process");
        return NULL;
    }
    *process = (struct process){.keeper = -1, .program = -1, .control = -1};
    bool started = start(process, options, fds, ends, err);
    close_streams(fds);
    if (started)
        return process;
    if (err)
        err->kind = ERROR_ENVIRONMENT; /* whatever its errno */
    close_streams(ends);
    for (int i = 0; i < PROCESS_STREAMS; i++)
        ends[i] = -1;
    process_free(process);
    return NULL;
}

int process_fd(const struct process *process)
{
    return process->control;
}

pid_t process_id(const struct process *process)
{
    return process->program;
}

bool process_ended(struct process *process, int *status)
{
    struct message message;
    while (!process->ended) {
        int heard = hear(process, &message, MSG_DONTWAIT);
        if (heard == 0)
            return false;
        if (heard > 0 && message.kind != ENDED)
            continue;
        process->ended = true; /* a keeper that was killed has taken the program with it */
        process->status = heard > 0 ? message.value : SIGKILL;
    }
    *status = process->status;
    return true;
}

void process_signal(struct process *process, int number)
{
    tell(process->control, SIGNAL, number);
}

void process_free(struct process *process)
{
    if (!process)
        return;
    if (process->control >= 0)
        close(process->control);
    if (process->keeper > 0)
        while (waitpid(process->keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    free(process);
}
