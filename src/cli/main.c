/* main: from the command line to the exit status.
 *
 * The order matters: rights that sudo lent are given back before any file is opened, the lab is
 * entered before that (it may need them), and the network is closed before the capture. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "capture/capture.h"
#include "cli/doctor.h"
#include "cli/lab.h"
#include "cli/options.h"
#include "cli/version.h"
#include "crypto/crypto.h"
#include "host/privilege.h"
#include "script/script.h"
#include "stack/trace.h"

static int status_of(const struct error *err)
{
    complain("%s", err->message);
    switch (err->kind) {
    case ERROR_ENVIRONMENT:
        return STATUS_ENVIRONMENT;
    case ERROR_USAGE:
        return STATUS_USAGE;
    case ERROR_NETWORK:
    case ERROR_PROTOCOL:
        break;
    }
    return STATUS_FAILED;
}

/* The command line as one line, for the capture's comment. */
static void join_arguments(char *out, size_t size, int argc, char **argv)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < argc && used + 4 < size; i++) {
        if (i > 0)
            out[used++] = ' ';
        text_escape(out + used, size - used, argv[i], strlen(argv[i]));
        used += strlen(out + used);
    }
}

/* With "-w -" the capture has standard output to itself: what the script prints goes to standard
 * error. */
static struct capture_writer *open_capture(const char *path, bool force, int argc, char **argv,
                                           struct error *err)
{
    char comment[500];
    join_arguments(comment, sizeof comment, argc, argv);
    struct capture_writer *writer = (force ? capture_create : capture_create_new)(
        path, capture_format_of(path), "tcplua " TCPLUA_VERSION, comment, err);
    if (writer && strcmp(path, "-") == 0 && dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        fail_errno(err, errno, "cannot move standard output out of the capture's way");
        capture_close(writer, NULL);
        return NULL;
    }
    return writer;
}

/* What is there beside the script's state, to be closed after it. */
struct program {
    const struct options *options;
    struct lab *lab;
    struct trace *trace;
    struct capture_writer *capture;
};

/* What the lab's server says about a run that went well. */
static int verdict(const struct program *program, int status)
{
    return program->lab && status == STATUS_OK
               ? lab_verdict(program->lab, program->options->command == COMMAND_DEMO)
               : status;
}

/* From a closed state to the exit status. A signal that ended the run ends the program too: the
 * caller must see that. */
static int leave(const struct program *program, int status)
{
    struct error err;
    trace_free(program->trace);
    lab_stop(program->lab);
    if (program->capture && !capture_complete(program->capture, &err))
        complain("%s", err.message);
    if (program->capture && script_signal())
        capture_hurry(program->capture);
    if (program->capture && !capture_close(program->capture, &err)) {
        complain("%s", err.message);
        if (status == STATUS_OK)
            status = STATUS_FAILED;
    }
    status = script_flush(status);
    if (script_signal() && script_signal() != SIGALRM) {
        signal(script_signal(), SIG_DFL);
        raise(script_signal());
    }
    return status;
}

static int leave_by_exit(void *self, int status)
{
    return leave(self, verdict(self, status));
}

static int run(struct script *script, const struct options *options, struct lab *lab)
{
    int status;
    switch (options->command) {
    case COMMAND_CHUNK:
        status = script_run_chunk(script, options->chunk, options->argc, options->argv);
        break;
    case COMMAND_DUMP:
        status = script_run_module(script, "tcplua.dump", options->argc, options->argv);
        break;
    case COMMAND_REFERENCE:
        status = script_run_module(script, "tcplua.reference", options->argc, options->argv);
        break;
    case COMMAND_TEST:
        status = script_run_module(script, "tcplua.test.main", options->argc, options->argv);
        break;
    case COMMAND_TEST_FILE:
        status = script_run_module(script, "tcplua.test.file", options->argc, options->argv);
        break;
    case COMMAND_DEMO:
        status = script_run_embedded(script, "tcplua.scripts.sha_client", 3, lab_arguments);
        if (status == STATUS_OK)
            status = script_run_module(script, "tcplua.ladder", 0, NULL);
        break;
    default: {
        bool defaults = lab && options->argc == 1;
        status = script_run_file(script, options->argv[0], defaults ? 3 : options->argc - 1,
                                 defaults ? lab_arguments : options->argv + 1);
    }
    }
    return status;
}

/* Each connection of an address of this host holds one descriptor, its guard, until TIME-WAIT is
 * over: more than the usual 1,024 where a script closes often. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Everything between the options and the exit status. */
static int start(const struct options *options, int argc, char **argv)
{
    struct error err;
    struct lab *lab = NULL;
    bool dropped, in_lab = options->lab || options->sim || options->command == COMMAND_DEMO;
    struct network_options network = {
        .no_guard = options->no_guard, .has_seed = options->has_seed, .seed = options->seed};
    snprintf(network.iface, sizeof network.iface, "%s", options->iface);
    if (in_lab && !(lab = lab_start(options, &network, &err)))
        return status_of(&err);
    bool serve = lab && options->command != COMMAND_TEST_FILE; /* it brings its own servers */
    if (!privilege_drop_sudo(&dropped, &err) || (serve && !lab_serve(lab, &err))) {
        lab_stop(lab);
        return status_of(&err);
    }

    int status = STATUS_ENVIRONMENT;
    struct program program = {.options = options, .lab = lab};
    struct script *script = NULL;
    if (options->write &&
        !(program.capture = open_capture(options->write, options->force, argc, argv, &err))) {
        status = status_of(&err);
    } else if ((options->verbose || options->command == COMMAND_DEMO) &&
               !(program.trace = trace_new(options->verbose ? stderr : NULL,
                                           options->command == COMMAND_DEMO))) {
        complain("out of memory");
    } else if (!(script = script_new(&network, privilege_secure(), &err))) {
        status = status_of(&err);
    } else {
        script->network.trace = program.trace;
        script->network.recorder = program.capture;
        script->leave = leave_by_exit;
        script->self = &program;
        allow_descriptors();
        script->prelude = lab ? lab_prelude(lab) : NULL;
        script->settings = options->serve ? options->serve : options->sim_settings;
        script_catch_signals(script, options->timeout);
        if (options->command == COMMAND_REFERENCE)
            signal(SIGPIPE, SIG_DFL); /* whoever has read enough of it has nothing to be told */
        status = verdict(&program, run(script, options, lab));
    }
    script_free(script);
    return leave(&program, status);
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc == 0 || !argv[0])
        return STATUS_USAGE;
    /* A closed descriptor 0, 1 or 2 would be given to a socket. What takes its place cannot be
     * used either, so that output which nobody gets is an error and not a success. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return STATUS_ENVIRONMENT;
    if (!options_read(&options, argc, argv))
        return STATUS_USAGE;
    if (getuid() != geteuid() || getgid() != getegid()) {
        complain("it must not be set-user-ID or set-group-ID: scripts are programs; use sudo");
        return STATUS_ENVIRONMENT;
    }
    switch (options.command) {
    case COMMAND_HELP:
        options_help(stdout);
        return script_flush(STATUS_OK);
    case COMMAND_VERSION:
        version_print(stdout);
        return script_flush(STATUS_OK);
    case COMMAND_DOCTOR:
        return script_flush(doctor());
    default:
        return start(&options, argc, argv);
    }
}
