/* stack: one IP address on one link, with what that takes: the wire itself, neighbours, a guard for
 * each port, and the connections.
 *
 * Which wire (in this order):
 *
 *     attached link                 a simulation, or a test: the script gave it
 *     SRC is this host's address    raw IP sockets; the kernel routes, a guard keeps it quiet
 *     SRC is nobody's               a packet socket; we answer ARP and NDP for SRC
 *     the raw socket would mend it  a packet socket for sending only; the kernel answers
 *
 * One set of sockets serves all connections of a stack. */
#ifndef TCPLUA_STACK_STACK_H
#define TCPLUA_STACK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "host/guard.h"
#include "host/route.h"
#include "link/link.h"
#include "packet/segment.h"
#include "stack/deadlines.h"
#include "stack/neighbour.h"
#include "stack/network.h"
#include "stack/outbox.h"
#include "stack/reassembly.h"
#include "tcp/auth.h"
#include "tcp/tcp.h"

#define STACK_BUCKETS 4096
#define STACK_ETHER   14 /* bytes before each IP datagram, for an Ethernet header */

/* What the kernel last said of the way to `dst`; worth nothing after WAY_FRESH. */
#define WAYS      16
#define WAY_FRESH NS_PER_S
struct way {
    int64_t asked; /* 0: never */
    struct addr dst, hop;
    struct route route;
    uint32_t mtu;
};

struct stack {
    struct network *network;
    struct stack *next;
    struct link *link;
    struct addr local;            /* ADDR_NONE until the first connection, on an attached link */
    bool host_address;            /* the kernel owns `local` too: guards are needed */
    bool exact;                   /* only sends, what a raw socket would mend: see stack_exact() */
    bool attached;                /* the link was given: what is not behind the gateway is on it */
    uint8_t bits;                 /* of `local`: what does not begin so is behind the gateway */
    struct addr gateway;          /* ADDR_NONE: there is none */
    uint64_t number;              /* no other stack of the network has had it */
    bool unseen;                  /* neither traced nor recorded: the far end of --sim */
    uint32_t ifindex;             /* 0 on raw and attached links */
    uint16_t port_low, port_high; /* what the link's filter lets in */
    struct neighbours neighbours;
    struct reassembly reassembly;
    struct way ways[WAYS];
    int64_t resets, resets_read;             /* kernel_resets(), and when it said so */
    struct endpoint *buckets[STACK_BUCKETS]; /* endpoints by flow */
    uint32_t ports[65536];                   /* endpoints by local port: how many */
    struct endpoint *dirty;                  /* endpoints with something to do now */
    struct listener *listeners;
    uint32_t early; /* connections that a Fast Open cookie has opened, and no ACK yet */
    struct wire *wires;
    struct puppet *puppets;
    struct arrival { /* the datagram that is being taken in */
        const uint8_t *bytes;
        size_t length;
        int64_t time;
    } arrival;
    struct deadlines deadlines; /* of the endpoints */
    int64_t refuse_window;      /* resets to segments of no connection: at most 100 a second */
    uint32_t refused;
    uint64_t verdicts[SEGMENT_VERDICTS]; /* datagrams by what segment_read() said of them */
    struct error error;                  /* why the link is gone */
    bool dead;                           /* the link is gone */
    uint8_t frame[STACK_ETHER + 65535];  /* one frame on its way out */
    struct outbox outbox;
};

/* The stack for connections from `src` to `dst`: one there is, or a new one on the wire that suits.
 * `dst` may be NULL (a listener). Errors: what opening the wire says; EADDRNOTAVAIL; ENETUNREACH.
 */
struct stack *stack_for(struct network *network, const struct addr *src, const struct addr *dst,
                        struct error *err);

/* A stack for sending only, whose packet socket leaves every byte as it is: on interface `iface`,
 * or if that is "" on the way to `dst`. SRC may be this host's, or unspecified. Errors: as above;
 * EOPNOTSUPP if `dst` is this host, to which only raw sockets lead. */
struct stack *stack_exact(struct network *network, const char *iface, const struct addr *src,
                          const struct addr *dst, struct error *err);

/* Puts `link` (owned from here on) into the network with the address `local`; with NULL it takes
 * the first SRC that asks for a stack. With `unseen`, -v and -w know nothing of it. */
struct stack *stack_attach(struct network *network, struct link *link, const struct addr *local,
                           bool unseen, struct error *err);

/* What does not begin with the first `bits` of an attached stack's address is reached by way of
 * `gateway`; with ADDR_NONE nothing is. Such a stack is one of several hosts, and a script that
 * means it says so by its address. */
void stack_route(struct stack *stack, uint8_t bits, const struct addr *gateway);

/* Ends the attached stack of this number, its connections with a reset, if it is still there. */
void stack_detach(struct network *network, uint64_t number);

/* The address that a connection to `dst` has when the script names none: the one stack's there is,
 * else what the routing table says, and in the lab our end's address instead of the kernel's. */
bool network_source(struct network *network, const struct addr *dst, struct addr *src,
                    struct error *err);

/* Whether a connection, listener or wire of this network has the port of the address. */
bool network_claimed(const struct network *network, const struct addr *addr, uint16_t port);

/* The interface through which datagrams from `src` leave for `dst`, and through which the answers
 * come; and whether `dst` is an interface's broadcast address. */
bool network_way(struct network *network, const struct addr *src, const struct addr *dst,
                 struct iface *iface, bool *broadcast, struct error *err);

/* Whether a connection can be from `src` to `dst` (NULL: to anybody): one family, each the address
 * of one host. */
bool addresses_fit(const struct addr *src, const struct addr *dst, struct error *err);

/* Resets every connection, then frees all. */
void stack_free(struct stack *stack);

/* Takes in what has arrived, at most some hundred frames. */
void stack_receive(struct stack *stack, int64_t now);

/* Takes in one datagram as if it had just come. */
void stack_take(struct stack *stack, const uint8_t *ip, size_t length, int64_t now);

/* Serves the connections that have something to do or whose timers have run out. */
void stack_serve(struct stack *stack, int64_t now);

/* When stack_receive() or stack_serve() wants to be called though no descriptor says so. */
int64_t stack_deadline(const struct stack *stack);

/* Sends an IP datagram of `length` bytes that stands at stack->frame + 14, by way of `hop` (ARP or
 * NDP is asked for it where the link is Ethernet; until the answer the datagram waits). */
bool stack_transmit(struct stack *stack, const struct addr *hop, size_t length, int64_t now,
                    struct error *err);

/* The next hop to `dst` and the MTU on the way; `route` (may be NULL) gets what the kernel says. */
bool stack_hop(struct stack *stack, const struct addr *dst, struct addr *hop, uint32_t *mtu,
               struct route *route, struct error *err);

/* The same for a connection, of which there may be thousands a second: what was said within the
 * last second still holds. */
bool stack_way(struct stack *stack, const struct addr *dst, struct addr *hop, uint32_t *mtu,
               struct route *route, struct error *err);

/* Reserves a local port (0: any), with a guard where one is needed, and lets its segments in. */
bool stack_claim(struct stack *stack, uint16_t port, uint16_t *claimed, struct guard **guard,
                 struct error *err);

/* --- endpoint: a connection in a stack ----------------------------------------------------------
 */

struct endpoint {
    struct source source;
    struct stack *stack; /* NULL once the network is closed */
    struct endpoint *next, *next_dirty;
    struct deadline deadline; /* tcp_deadline(), as of its last step */
    struct tcp *tcp;
    struct auth *auth; /* NULL: segments are not signed */
    struct guard *guard;
    struct listener *listener; /* that made it and has not handed it out yet */
    struct endpoint *next_accept;
    struct puppet *puppet; /* strings on it, or NULL (puppet.h) */
    struct addr hop;
    bool dirty;
    bool gso;         /* the link may cut what it sends */
    bool established; /* once: it has a place in its listener's backlog */
    bool early;       /* it is one of stack->early */
    bool asks;        /* its SYN had a Fast Open option */
    bool orphan;      /* nobody holds it: free it when it reaches CLOSED */
    bool failed;      /* `error` says why */
    enum tcp_state traced;
    int64_t resets;      /* kernel_resets() when it began, or -1 */
    struct error *error; /* if it failed and that was told; both are rare, and so elsewhere */
    char *soft_error;    /* the last ICMP error that did not end it, or NULL */
};

struct endpoint_options {
    struct addr src, dst;
    uint16_t sport, dport; /* sport 0: any */
    enum tcp_mode mode;    /* who sends from the SYN on */
    bool watched;          /* it has a puppet, which sees every datagram */
    struct tcp_config tcp; /* what the script chose; flow, iss and ts_offset are filled in, and an
                              mss that is 0 or too large for the path is its MTU's; so is the
                              room for signatures */
    struct auth_config auth;
    bool gso;         /* the link may cut what it sends */
    const void *data; /* what a client sends first, the beginning of it in the SYN if it may: as */
    size_t length;    /* much as the buffer takes */
};

/* Begins to connect; TCP_EVENT_OPEN or TCP_EVENT_CLOSED follows. NULL with `err`: usage for
 * addresses that cannot be (mixed families, multicast, broadcast, unspecified), and what
 * stack_for() and stack_claim() say. */
struct endpoint *endpoint_connect(struct network *network, const struct endpoint_options *options,
                                  struct error *err);

/* Lets go of an endpoint: aborted with a reset unless it is closed or in TIME-WAIT, in which it
 * stays by itself until its time is over. */
void endpoint_free(struct endpoint *endpoint);

/* Something was done to endpoint->tcp (write, read, shutdown): send what follows from it, at once
 * or, while the news of others waits to be handed out, together with what follows from that
 * (network.h). Who has a puppet sees it at once. */
void endpoint_serve(struct endpoint *endpoint);

/* Resets the connection, after what was written so far. */
void endpoint_abort(struct endpoint *endpoint);

/* Why it ended, or NULL if it has not failed. */
const struct error *endpoint_error(struct endpoint *endpoint);

/* --- listener -----------------------------------------------------------------------------------
 */

/* More than one backlog may open at once: those who wait for a place in it cost a round trip or
 * two, those whose SYN was dropped a second and more. */
#define LISTENER_OPENING 1024

struct listener {
    struct source source;
    struct stack *stack;
    struct listener *next;
    struct guard *guard;
    uint16_t port;
    uint32_t backlog, ready;       /* open and not yet accepted: at most, now */
    uint32_t opening;              /* in SYN-RECEIVED: at most LISTENER_OPENING, or the backlog */
    struct endpoint *first, *last; /* established, in order */
    struct endpoint_options options;
    struct auth *auth; /* judges segments of no connection; NULL as above */
};

struct listener *listener_open(struct network *network, const struct endpoint_options *options,
                               uint32_t backlog, struct error *err);
struct endpoint *listener_accept(struct listener *listener); /* NULL: none yet */
void listener_free(struct listener *listener);

/* --- wire: a local port that a script drives by hand ---------------------------------------------
 */

#define WIRE_LIMIT (64U << 20) /* bytes waiting in its inbox, at most */

struct wire_datagram {
    struct wire_datagram *next;
    int64_t time; /* wall clock */
    size_t length;
    uint8_t bytes[];
};

struct wire {
    struct source source;
    struct stack *stack;
    struct wire *next;
    struct guard *guard;
    uint16_t port;
    struct wire_datagram *first, *last;
    size_t waiting;   /* bytes in the inbox */
    uint64_t dropped; /* datagrams that did not fit */
};

/* Reserves src:port (0: any) on the stack that suits `dst`; from now on every TCP segment for it
 * goes into the inbox, judged by nobody. */
struct wire *wire_open(struct network *network, const struct addr *src, const struct addr *dst,
                       uint16_t port, struct error *err);

/* Sends an IP datagram as it is (outlet.h). */
bool wire_send(struct wire *wire, const uint8_t *bytes, size_t length, struct error *err);

/* The oldest datagram in the inbox, for the caller to free(); NULL: none. */
struct wire_datagram *wire_take(struct wire *wire);
void wire_free(struct wire *wire);

#endif
