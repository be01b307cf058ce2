/* options: the command line, read. */
#ifndef TCPLUA_CLI_OPTIONS_H
#define TCPLUA_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command {
    COMMAND_RUN,
    COMMAND_CHUNK,
    COMMAND_DEMO,
    COMMAND_DUMP,
    COMMAND_REFERENCE,
    COMMAND_TEST,
    COMMAND_TEST_FILE, /* what COMMAND_TEST runs once per file */
    COMMAND_DOCTOR,
    COMMAND_HELP,
    COMMAND_VERSION
};

struct options {
    enum command command;
    const char *chunk; /* -e */
    const char *iface; /* -i, or "" */
    const char *write; /* -w, or NULL */
    const char *serve; /* --serve, or NULL */
    bool lab, sim, verbose, force, no_guard, has_seed;
    const char *sim_settings; /* of --sim, or NULL */
    uint64_t seed;
    int64_t timeout; /* nanoseconds, 0 for none */
    int argc;        /* what follows the options: the script and its arguments, or a command's */
    char **argv;
};

/* Reads the command line; prints what is wrong with it to stderr and returns false. */
bool options_read(struct options *options, int argc, char **argv);

void options_help(FILE *out);

#endif
