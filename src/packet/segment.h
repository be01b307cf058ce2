/* segment: an IP datagram that carries TCP, as the engine speaks it.
 *
 * The generic packet (packet.h) is bytes first: it takes any nonsense and judges nothing. This is
 * the other half: a strict, allocation-free reader of what arrived, which checks every length
 * before it uses it, and the writer of what the engine sends. */
#ifndef TCPLUA_PACKET_SEGMENT_H
#define TCPLUA_PACKET_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum {
    TCP_FIN = 0x001,
    TCP_SYN = 0x002,
    TCP_RST = 0x004,
    TCP_PSH = 0x008,
    TCP_ACK = 0x010,
    TCP_URG = 0x020,
    TCP_ECE = 0x040,
    TCP_CWR = 0x080,
    TCP_AE = 0x100, /* RFC 9768; once NS */
};

#define SEGMENT_SACK_MAX   4
#define SEGMENT_COOKIE_MAX 16

/* The options that RFC 9293, 7323, 2018 and 7413 define. The first of a kind counts; one with a
 * length that is wrong for its kind is as if absent. */
struct segment_options {
    bool has_mss, has_wscale, has_timestamp, sack_permitted, has_fast_open;
    uint16_t mss;
    uint8_t wscale; /* as received, not yet clamped to 14 */
    uint32_t tsval, tsecr;
    uint8_t cookie_length; /* of Fast Open; 0 asks for one, else an even number from 4 on */
    uint8_t cookie[SEGMENT_COOKIE_MAX];
    uint8_t sacks; /* number of SACK blocks */
    struct {
        uint32_t left, right;
    } sack[SEGMENT_SACK_MAX];
    const uint8_t *first; /* write only: these go before all others as they are, */
    uint8_t first_length; /* a multiple of four bytes */
};

struct segment {
    struct addr src, dst;
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint16_t flags; /* TCP_FIN … TCP_AE */
    uint16_t window, urgent;
    struct segment_options options;
    uint8_t ttl, tos;      /* hop limit and traffic class over IPv6 */
    uint16_t id;           /* IPv4 identification; DF is always set on what we send */
    const uint8_t *header; /* read only: the TCP header, which ends where the payload begins */
    const uint8_t *payload;
    size_t length;         /* of the payload */
    bool checksum_partial; /* read only: the sum was the unfinished one of a local sender */
};

/* SEG.LEN: the sequence numbers the segment takes up, SYN and FIN included. */
static inline uint32_t segment_span(const struct segment *s)
{
    return (uint32_t)s->length + (s->flags & TCP_SYN ? 1U : 0U) + (s->flags & TCP_FIN ? 1U : 0U);
}

/* Why a datagram was not taken. The order is that of segment_verdict_name(). */
enum segment_verdict {
    SEGMENT_OK,
    SEGMENT_NOT_TCP,      /* another protocol, ESP, no next header, … */
    SEGMENT_CUT,          /* shorter than its headers say */
    SEGMENT_BAD_IP,       /* version, IHL or total length is impossible, header checksum wrong */
    SEGMENT_FRAGMENT,     /* a real fragment (an atomic IPv6 one is taken, RFC 6946) */
    SEGMENT_BAD_OFFSET,   /* TCP data offset below 5 or past the end */
    SEGMENT_BAD_CHECKSUM, /* neither right nor the sender's unfinished partial sum */
    SEGMENT_LAND,         /* source and destination address and port are the same */
    SEGMENT_BAD_PORT,     /* a port of 0 */
    SEGMENT_BAD_ADDRESS,  /* source is multicast, broadcast or unspecified (RFC 9293 MUST-63) or
                             destination multicast or broadcast (MUST-57) */
    SEGMENT_VERDICTS,
};

/* Reads one IPv4 or IPv6 datagram of `length` bytes; bytes past the IP total length (Ethernet
 * padding) are left out. IPv4 options are skipped by IHL, IPv6 extension headers (hop-by-hop,
 * destination, routing, atomic fragment) up to eight of them. `s->payload` points into `bytes`.
 * With `trust`, checksums (IPv4 header and TCP) are not looked at: for links on which the kernel
 * checked them or rebuilt the header, and for fuzzing. On any verdict but SEGMENT_OK, `s` is
 * undefined. A TCP checksum that equals the folded pseudo-header sum is the unfinished sum of a
 * local sender with checksum offload (veth, loopback): accepted and marked in checksum_partial. */
enum segment_verdict segment_read(struct segment *s, const uint8_t *bytes, size_t length,
                                  bool trust);

/* "bad checksum", …, for counters and traces. */
const char *segment_verdict_name(enum segment_verdict verdict);

/* Room that segment_write() needs besides the payload: IPv6 header, TCP header, 40 of options. */
#define SEGMENT_HEADERS 100

/* Writes the datagram, IPv4 or IPv6 by the kind of `s->src`, with all lengths and checksums, and
 * returns its length; 0 if `size` is too small or the options do not fit. Options are written in
 * Linux's order: MSS, SACK permitted, timestamps, NOP, window scale, Fast Open cookie, SACK
 * blocks. */
size_t segment_write(const struct segment *s, uint8_t *bytes, size_t size);

/* Whether `next` goes on where `s` ends and is like it in all but data, PSH and what is counted for
 * each segment: then both can leave as one, to be cut on the way (segmentation offload). */
bool segment_continues(const struct segment *s, const struct segment *next);

/* Lengthens a datagram of `length` bytes, which segment_write() has made of what `next` continues,
 * by the payload of `next`, for which there must be room; returns the new length, at most 65535.
 * Its TCP checksum is now that of the pseudo-header alone, to be finished in each piece. */
size_t segment_append(uint8_t *bytes, size_t length, const struct segment *next);

/* Length of the TCP options that segment_write() would write, padding included. */
size_t segment_options_length(const struct segment_options *o);

#endif
