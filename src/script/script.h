/* script: a Lua state with the network in it, and how a script is run and ended.
 *
 * C below never calls Lua, and Lua errors never leave this folder: everything runs under one
 * protected call, and what it ended with becomes the exit status:
 *
 *     0    it returned                          4    an error object of kind "environment"
 *     1    any other error                      124  the time limit passed
 *     2    kind "usage", no or broken script    128+n  a signal, raised again after cleaning up
 *     3    a bug in tcplua, or no memory left to tell of an error
 */
#ifndef TCPLUA_SCRIPT_SCRIPT_H
#define TCPLUA_SCRIPT_SCRIPT_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "script/memory.h"
#include "script/util.h"
#include "stack/network.h"

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_BUG = 3,
    STATUS_ENVIRONMENT = 4,
    STATUS_TIMEOUT = 124,
};

struct registry;

struct script {
    lua_State *L;
    struct memory memory;    /* of the state */
    bool warns, warned_half; /* warn("@on") was said; a warning goes on in the next piece */
    struct network network;  /* closed when the state is */
    int status;              /* of the run so far */
    int (*leave)(void *self, int status); /* called by os.exit when the state is closed: what else
                                             there is to close; returns the exit status */
    void *self;
    const struct registry *protocols; /* kept by the state; NULL without tcplua.packet */
    int classes[CLASSES];             /* references to their metatables, */
    const void *metatables[CLASSES];  /* and which these are */
    const char *prelude;  /* a module that is required first, or NULL; what it returns is called
                             before the script is, with `settings`, the network's seed and the
                             script's arguments, and what that returns after it */
    const char *settings; /* or NULL */
};

/* A state with the standard library, tcplua's modules, and an unopened network. NULL with `err`
 * when memory is short. With `secure`, LUA_PATH and its like are not read. */
struct script *script_new(const struct network_options *options, bool secure, struct error *err);

/* Runs a file ("-" is standard input), a chunk of text, an embedded file as if it were one on disk,
 * or a module's function `main(...)`, which has no prelude, with arguments argv[0..argc), printing
 * an error to stderr. Returns the status. */
int script_run_file(struct script *script, const char *path, int argc, char **argv);
int script_run_chunk(struct script *script, const char *chunk, int argc, char **argv);
int script_run_embedded(struct script *script, const char *name, int argc, char **argv);
int script_run_module(struct script *script, const char *module, int argc, char **argv);

/* Flushes standard output. Returns `status`, or STATUS_FAILED instead of STATUS_OK when any of what
 * was printed so far could not be written. */
int script_flush(int status);

/* Closes the state, and with it every connection, link and guard. */
void script_free(struct script *script);

/* From now on the first of these signals ends no run: polls are interrupted by it, and the script
 * asks which it was, for what it has to say first. Another one ends the program at once. */
void script_defer_signals(void);

/* The signal that was deferred, once; 0 if none was. The program ends by it all the same. */
int script_take_signal(void);

/* Ends the run from now on at SIGINT, SIGTERM and SIGHUP, and after `timeout` nanoseconds unless 0:
 * at first by a Lua error, so that whatever a script opened is closed in order, and half a second
 * later for good. */
void script_catch_signals(struct script *script, int64_t timeout);

/* The signal that ended the run, or 0; SIGALRM for the time limit. */
int script_signal(void);

/* The script whose state this is. */
struct script *script_of(lua_State *L);

/* "no such file", "is a directory", …: prints one line on stderr, "tcplua: " before it. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
