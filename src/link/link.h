/* link: where frames leave and arrive.
 *
 * A link is a const struct of functions and its state behind it. Every kind of wire is one file:
 *
 *     raw      raw IP sockets, in and out: SRC is an address of this host, loopback included
 *     packet   one packet socket without a ring: SRC is nobody's address yet, layer 2 is ours
 *     xdp      an AF_XDP socket, for sending much
 *     pcap     libpcap, for sniffing only
 *     pair     two ends in memory: simulations and tests
 *     hub      any number of hosts in memory, each behind paths of its own (hub.h)
 *
 * and a wrapper is a link around a link: record (every frame into a capture), trace (a line for
 * every frame), fault (a bad path, from a seed: path.h). Closing the outermost closes all.
 *
 * Descriptors are non-blocking: link_recv() never waits. */
#ifndef TCPLUA_LINK_LINK_H
#define TCPLUA_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/error.h"
#include "link/path.h"

/* What a frame starts with. */
enum link_medium { LINK_IP, LINK_ETHERNET };

enum {
    FRAME_OUT = 1, /* seen leaving this host, and not sent through this link: the kernel's own */
    FRAME_REBUILT = 2,  /* its IP header was not delivered, but put together from ancillary data */
    FRAME_PARTIAL = 4,  /* the kernel says that its checksum is not filled in yet */
    FRAME_VLAN = 8,     /* had a VLAN tag, which the kernel took off: not for us */
    FRAME_NOT_MINE = 16 /* its destination MAC address is somebody else's */
};

struct frame {
    const uint8_t *bytes; /* valid until the next call on the link */
    size_t length;        /* bytes that are there */
    size_t original;      /* bytes there were on the wire; more than `length` if it was cut */
    int64_t time;         /* wall clock, nanoseconds since 1970, taken by the kernel if it can; 0 in
                             one to be sent stands for now */
    unsigned flags;       /* FRAME_… */
    uint16_t segment; /* to be sent in pieces of so many bytes of TCP payload, with an unfinished
                         checksum (segment_append()): for links with `gso`. 0: as it is */
};

#define LINK_FDS   4  /* the most descriptors a link has */
#define LINK_BATCH 64 /* frames in one system call */

struct link;

/* NULL stands for: cannot send, nothing ever arrives, no descriptors, no deadline, nothing held
 * back, no filter, no drops. `close` must be there. */
struct link_ops {
    const char *name; /* "raw", "packet", … */
    bool (*send)(struct link *link, const struct frame *frame, struct error *err);
    bool (*send_many)(struct link *link, const struct frame *frames, size_t count, size_t *sent,
                      struct error *err); /* NULL: one send after the other */
    int (*recv)(struct link *link, struct frame *frame, struct error *err);
    int (*fds)(struct link *link, int fds[static LINK_FDS]);
    int64_t (*deadline)(struct link *link);
    int64_t (*push)(struct link *link, int64_t now);
    bool (*ports)(struct link *link, uint16_t low, uint16_t high, struct error *err);
    uint64_t (*drops)(struct link *link);
    void (*close)(struct link *link);
};

/* The first member of every kind's own struct. */
struct link {
    const struct link_ops *ops;
    enum link_medium medium;
    char iface[16];  /* interface name; "" where there is none or any */
    struct addr mac; /* of this end; kind ADDR_NONE on a LINK_IP link */
    uint32_t mtu;    /* bytes of IP datagram a frame can carry */
    bool whole_sums; /* nobody leaves checksums to hardware: what looks like that is damaged */
    uint32_t gso;    /* and to be cut, if it can cut (generic segmentation offload); else 0, and
                        around a wrapper too: what it records is what is on the wire */
};

/* Hands one frame to the wire. A wire that is full for the moment (ENOBUFS, EAGAIN) counts as sent
 * and lost, as on a real wire. Errors: EMSGSIZE, ENETUNREACH, ENETDOWN, EPERM (a firewall) and the
 * like, with a sentence; EOPNOTSUPP for a link that cannot send. */
bool link_send(struct link *link, struct frame *frame, struct error *err);

/* The same for a frame that a script wants to know about: a wire that is full for the moment is an
 * error of code ENOBUFS. */
bool link_send_one(struct link *link, struct frame *frame, struct error *err);

/* Hands `count` frames to the wire in order, in as few system calls as it takes. `*sent` is how
 * many went: all of them; fewer, with true, from a wire that is full for the moment (the rest is
 * the caller's to send later); fewer, with false, because frames[*sent] was refused: errors of
 * link_send(). */
bool link_send_many(struct link *link, struct frame *frames, size_t count, size_t *sent,
                    struct error *err);

/* Takes the next frame that has arrived: 1, none now: 0, the wire is gone: -1 with `err`. */
int link_recv(struct link *link, struct frame *frame, struct error *err);

/* Descriptors to poll for input; returns how many. */
int link_fds(struct link *link, int fds[static LINK_FDS]);

/* The clock's time at which a frame held back will arrive without any descriptor saying so;
 * TIME_NEVER for real wires, "now" or earlier for a pair whose queue is not empty. */
int64_t link_deadline(struct link *link);

/* Sends on what was held back until now, whether or not anybody receives from this link; returns
 * when there is more to send on, TIME_NEVER if nothing is held. */
int64_t link_push(struct link *link, int64_t now);

/* Narrows what is received to TCP segments for local ports low..high, where the wire has a filter,
 * and ICMP errors. Called before the first segment leaves, and again when the range grows. */
bool link_ports(struct link *link, uint16_t low, uint16_t high, struct error *err);

/* Frames the kernel dropped because we were too slow, since the link was opened. */
uint64_t link_drops(struct link *link);

/* Closes and frees; NULL is allowed. */
void link_close(struct link *link);

/* --- kinds: each returns NULL with `err` filled on failure ------------------------------------ */

/* Raw IP sockets for `family` of `local` (decision: SRC is this host's): IPPROTO_RAW out, routed by
 * the kernel with `local` as source (IP_PKTINFO / IPV6_PKTINFO) and through interface `ifindex`
 * unless 0; IPPROTO_TCP and ICMP in, filtered to `local`. The first link_ports() must come before
 * anything is sent; until then no segment is received. EPERM names CAP_NET_RAW, sudo and --lab. */
struct link *link_open_raw(const struct addr *local, uint32_t ifindex, struct error *err);

/* The name of the field that the kernel would write over if the IPv4 datagram went out of such a
 * socket ("length", "id", "checksum", "src"), or that keeps it from going at all ("ihl"); NULL if
 * it arrives as it is. IPv6 always does. */
const char *link_raw_mends(const uint8_t *ip, size_t length);

/* One packet socket bound to an interface, receiving IPv4, IPv6 and ARP, and what the kernel itself
 * sends (FRAME_OUT). link_ports() narrows TCP to what has such a port at either end; everything
 * else still comes in. `filter` is NULL, or a libpcap expression that replaces all this. The
 * interface must be Ethernet-like, else EPROTONOSUPPORT naming its type; a tun (no link header)
 * makes a LINK_IP link. Errors: environment, ENODEV, ENETDOWN, EPERM; usage for the filter. */
struct link *link_open_packet(const char *iface, const char *filter, struct error *err);

/* The same for sending only: nothing ever arrives, and the kernel has nothing to match for it. */
struct link *link_open_sender(const char *iface, struct error *err);

/* Keeps what this host sends from a packet socket's link. */
bool link_packet_incoming(struct link *link, struct error *err);

/* An AF_XDP socket on queue 0 of an interface (Ethernet), for sending only: faster than a packet
 * socket, past the queueing discipline and unseen by captures on this host. Frames of 2,048 bytes
 * at most. Errors: environment, with what the kernel has against it. */
struct link *link_open_xdp(const char *iface, struct error *err);

/* How a capture is set up; zeros stand for the usual. */
struct pcap_setup {
    const char *filter; /* a libpcap expression */
    bool promiscuous;   /* frames for other MAC addresses too, where the hardware leaves them out */
    bool immediate;     /* each frame at once: in a slot as long as `snaplen`, so few fit */
    int gather_ms;      /* else in blocks, that long after the first one or twice that; 100 */
    int snaplen;        /* bytes of a frame that are kept; 262144 */
    int buffer;         /* bytes; 32 MiB, which is 220,000 of the shortest frames, and 64 MiB where
                           they take slots. The kernel takes all of it when the capture opens, or
                           as much as it has */
};

/* A capture by libpcap that is armed, filter included, when this returns. On the interface "any" it
 * makes a LINK_IP link (and only IP comes in), elsewhere what the interface is. FRAME_OUT and
 * FRAME_NOT_MINE are worked out from MAC addresses; nothing says FRAME_PARTIAL. Cannot send. Errors
 * as for link_open_packet(). */
struct link *link_open_pcap(const char *iface, const struct pcap_setup *setup, struct error *err);

/* Two ends in memory, joined; `clock` gives the frames' times and must outlive them. Each end can
 * be closed on its own; a frame to a closed end is lost, and so is one that finds 16 MiB or 65,536
 * frames waiting (link_drops() of the end it was meant for counts those). */
bool link_open_pair(struct link *ends[static 2], enum link_medium medium, uint32_t mtu,
                    const struct clock *clock, struct error *err);

/* --- wrappers: own `inner` from here on; on failure `inner` is closed and NULL returned ---------
 */

/* Faults on frames that are sent through it, and none on those received: wrap both ends, with two
 * seeds. path.h says what can happen; lengths are those of the datagrams. What is too big for the
 * path is answered by ICMP, which this link receives. An error in passing on a frame that was held
 * is returned by the next link_send(). Errors: usage, EINVAL, as fault_check() says. */
struct link *link_fault(struct link *inner, const struct fault *fault, const struct clock *clock,
                        struct error *err);

/* The path of such a link, to be read; path_change() makes it another one. NULL for any other. */
struct path *link_fault_path(struct link *link);

struct capture_writer;

/* Every frame sent and received goes into `writer` too, with its direction. The writer stays the
 * caller's. The first failure to write is kept in writer (capture.h); frames go on. */
struct link *link_record(struct link *inner, struct capture_writer *writer,
                         const struct clock *clock, struct error *err);

/* Every frame sent and received is given to `see` after it was sent or before it is returned.
 * `sent`: by this link's user. It must not call back into the link. */
typedef void link_observer(void *self, const struct link *link, const struct frame *frame,
                           bool sent);
struct link *link_trace(struct link *inner, link_observer *see, void *self,
                        const struct clock *clock, struct error *err);

#endif
