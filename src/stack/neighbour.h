/* neighbour: who has an IP address on an Ethernet, by ARP (RFC 826) and NDP (RFC 4861), both ways:
 * we ask for the next hop, and answer for the address that is ours.
 *
 * Datagrams wait here while the answer is out: three questions, a second apart, then the address
 * counts as unreachable for as long as nobody asks again. What is known is asked for again once a
 * minute (RFC 1122 2.3.2.1), for a host may have moved. */
#ifndef TCPLUA_STACK_NEIGHBOUR_H
#define TCPLUA_STACK_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/error.h"
#include "link/link.h"

#define NEIGHBOURS      64 /* entries; the oldest gives way */
#define NEIGHBOUR_QUEUE 16 /* datagrams that wait for one answer */
#define NEIGHBOUR_TRIES 3
#define NEIGHBOUR_FRESH (60 * NS_PER_S) /* then it is asked again, and used meanwhile */

enum neighbour_state { NEIGHBOUR_FREE, NEIGHBOUR_ASKED, NEIGHBOUR_KNOWN, NEIGHBOUR_SILENT };

struct neighbour {
    enum neighbour_state state;
    struct addr ip, mac;
    int64_t used;  /* for choosing the oldest */
    int64_t since; /* when it was last heard of, or asked whether it still is there */
    int64_t retry; /* when to ask again */
    int tries;
    size_t queued;
    struct {
        uint8_t *bytes; /* an Ethernet frame, its destination still open */
        size_t length;
    } queue[NEIGHBOUR_QUEUE];
};

struct neighbours {
    struct neighbour entries[NEIGHBOURS];
    bool news;  /* an address became known or was given up since this was last cleared */
    bool quiet; /* the kernel answers for our address, we only ask */
};

/* The MAC address of `hop` in `mac` if it is known; else it is asked for, unless nobody answered
 * and that is less than `patience` ago. Broadcast and multicast addresses need no asking. */
enum neighbour_state neighbour_resolve(struct neighbours *neighbours, struct link *link,
                                       const struct addr *local, const struct addr *hop,
                                       struct addr *mac, int64_t patience, int64_t now);

/* Sends a frame (14 bytes of room for the Ethernet header, then an IP datagram) to `hop`, now or
 * when its MAC address is known. `local` is the address that asks. Errors: EHOSTUNREACH once
 * nobody has answered; what the link says. */
bool neighbour_send(struct neighbours *neighbours, struct link *link, const struct addr *local,
                    const struct addr *hop, uint8_t *frame, size_t length, int64_t now,
                    struct error *err);

/* Writes the Ethernet headers of frames for `hop`, if its MAC address is known; else asks for it.
 */
bool neighbour_address(struct neighbours *neighbours, struct link *link, const struct addr *local,
                       const struct addr *hop, struct frame *frames, size_t count, int64_t now);

/* Looks at a received Ethernet frame: true if it was ARP or neighbour discovery, and has been dealt
 * with (a question for `local` answered, an answer noted, waiting datagrams sent). */
bool neighbour_input(struct neighbours *neighbours, struct link *link, const struct addr *local,
                     const uint8_t *frame, size_t length, int64_t now);

/* Puts in what the kernel or the user knows already. */
void neighbour_set(struct neighbours *neighbours, const struct addr *ip, const struct addr *mac,
                   int64_t now);

/* Whether the last question for `ip` went unanswered. */
bool neighbour_silent(const struct neighbours *neighbours, const struct addr *ip);

/* Asks again where it is time to. */
void neighbour_serve(struct neighbours *neighbours, struct link *link, const struct addr *local,
                     int64_t now);

int64_t neighbour_deadline(const struct neighbours *neighbours);

void neighbour_clear(struct neighbours *neighbours);

#endif
