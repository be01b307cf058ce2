/* network: everything a script can reach, and the one place where it waits.
 *
 * A network holds stacks: each puts one IP address on one link. Stacks appear by themselves: the
 * first connection from an address opens the wire that suits it (stack.h says which), and later
 * ones share it. A simulation attaches its links by hand instead.
 *
 *     network_poll()  receive all that has arrived -> engines -> send all that is due -> sleep
 *
 * until some source has news: a connection, a listener, a wire, a link that a script reads, or a
 * descriptor. C never calls the script: sources queue up, and each poll hands out one. Where many
 * have news at once, the wires are looked at again when all of it is handed out or a millisecond
 * has passed, and what the script sends meanwhile leaves then.
 *
 * The clock is the machine's, or a virtual one that jumps to the next deadline when nothing can
 * happen before; a virtual network holds links in memory only. */
#ifndef TCPLUA_STACK_NETWORK_H
#define TCPLUA_STACK_NETWORK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/error.h"
#include "link/link.h"
#include "stack/cookie.h"

struct hub_host;
struct stack;
struct trace;
struct capture_writer;

struct network_options {
    char iface[16]; /* -i: the interface to use, or "" to ask the routing table */
    char lab[16];   /* the lab's interface, on which addresses that nobody has appear, or "" */
    bool no_guard;  /* do not insist on a guard against the kernel's resets */
    bool has_seed;  /* make random choices (ISNs, ports) repeatable */
    uint64_t seed;
    volatile sig_atomic_t *interrupted; /* set by a signal handler: polls return at once; or NULL */
};

/* Anything a script can wait for: the first member of endpoint, listener, wire, tap and input. */
enum source_kind { SOURCE_ENDPOINT, SOURCE_LISTENER, SOURCE_WIRE, SOURCE_TAP, SOURCE_INPUT };

struct source {
    enum source_kind kind;
    bool queued;
    bool news;    /* since the last poll: for who waits for it, */
    uint8_t held; /* and in which directions something waits for the script's hooks: bits,
                   * 1 << enum direction (puppet.h) */
    struct source *next;
};

struct network {
    struct network_options options;
    struct clock clock;
    struct stack *stacks;
    uint64_t made;   /* how many stacks there have been */
    uint64_t closed; /* how often stacks were: pointers to any from before are of no use */
    struct tap *taps;
    struct input *inputs;
    struct source *ready_first, *ready_last;
    struct {
        struct hub_host *host; /* of a simulated network (link/hub.h): addresses that nobody has
                                  appear there; or NULL */
        struct addr ip4, ip6;  /* which of them a script has that names none */
    } home;
    struct trace *trace;             /* -v and the ladder; NULL for none */
    struct capture_writer *recorder; /* -w; NULL for none */
    bool refuse_fragments;           /* as the reassembly of a stack would take them */
    bool behind;                     /* its reader has not taken all yet */
    bool ready_secret;
    uint8_t secret[32]; /* of the initial sequence numbers */
    uint64_t random;    /* state of the generator that a seed gives */
    int64_t worked;     /* when the wires were last looked at */
    int64_t lateness;   /* by how much a timer or an arrived segment was served late, at worst */
    struct cookie_jar cookies;
};

enum poll_result {
    POLL_SOURCE,      /* *source has news */
    POLL_TIMEOUT,     /* the deadline came */
    POLL_INTERRUPTED, /* a signal asks to end */
    POLL_STALLED,     /* virtual clock, and nothing is due, ever */
};

/* A network without stacks; nothing of the host is touched until a connection needs it. */
void network_init(struct network *network, const struct network_options *options);

/* Ends every connection that is still open with a reset, then closes the links. The objects stay
 * until they are freed, of no more use. The network can be used again. */
void network_close(struct network *network);

/* The one blocking primitive: works until a source has news or the clock reaches `deadline`. */
enum poll_result network_poll(struct network *network, int64_t deadline, struct source **source);

/* Does what is due without waiting: so that a script that only computes still keeps its timers. */
void network_work(struct network *network);

/* Something that was due at `due` is done at `now`: whoever judges times wants to know. */
void network_late(struct network *network, int64_t due, int64_t now);

/* Queues a source to be handed out by a poll, for there is news; a queued one stays where it is.
 * Whoever polls clears its `news` and `held`. */
void source_ready(struct network *network, struct source *source);

/* Whether polls will hand out more before they look at the wires again; never on a virtual clock,
 * where no time passes meanwhile. */
bool network_has_news(const struct network *network);

/* source_ready() where nobody is meant but the hooks of a direction. */
void source_held(struct network *network, struct source *source, unsigned direction);

/* Takes a source out of the queue, before it is freed. */
void source_forget(struct network *network, struct source *source);

/* Wraps a link in the network's trace and recorder. Owns `link`; NULL with `err` on failure. */
struct link *network_wrap(struct network *network, struct link *link, struct error *err);

/* Random bits: the kernel's, or the seed's. */
bool network_random(struct network *network, void *bytes, size_t length, struct error *err);

/* The initial sequence number for a flow, now. */
bool network_isn(struct network *network, const struct flow *flow, uint32_t *isn,
                 struct error *err);

/* What the timestamps of a connection start from (RFC 7323 5.4): one number for two hosts, so that
 * the clock that a peer sees goes on from one connection to the next (RFC 6191). */
bool network_timestamp(struct network *network, const struct flow *flow, uint32_t *offset,
                       struct error *err);

/* The Fast Open cookie that the remote host of the flow has to show. */
bool network_cookie(struct network *network, const struct flow *flow, struct tcp_cookie *cookie);

/* --- tap: a link that a script reads and writes itself -----------------------------------------
 */

struct tap {
    struct source source;
    struct network *network;
    struct link *link; /* owned; NULL once the network is closed */
    bool waiting;      /* a script waits for a frame: poll its descriptors */
    struct tap *next;
};

/* Puts a link under the network's poll. Owns `link`. NULL only when memory is short. */
struct tap *tap_new(struct network *network, struct link *link);
void tap_free(struct tap *tap);

/* Closes the link; the tap itself stays until tap_free(). */
void tap_detach(struct tap *tap);

/* Frees the tap and gives its link back to the caller. */
struct link *tap_release(struct tap *tap);

/* --- input: a descriptor that a script reads, such as standard input, or writes to --------------
 */

struct input {
    struct source source;
    struct network *network;
    int fd;       /* the caller's */
    bool writes;  /* a script writes to it */
    bool waiting; /* a script waits for it to be readable, or to take more: poll it */
    struct input *next;
};

/* Puts a descriptor under the network's poll. NULL only when memory is short. */
struct input *input_new(struct network *network, int fd, bool writes);
void input_free(struct input *input);

/* Takes what is there, whether or not reads of the descriptor wait: how many bytes, 0 if there are
 * none now, -1 at the end of the input, -2 with `err`. */
ptrdiff_t input_read(struct input *input, void *bytes, size_t length, struct error *err);

/* Writes what there is room for: how many bytes, 0 if there is none now, -1 with `err`. */
ptrdiff_t input_write(struct input *input, const void *bytes, size_t length, struct error *err);

#endif
