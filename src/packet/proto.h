/* proto: a protocol is a table of fields and the numbers by which others announce it.
 *
 * The registry is the list of protocols that one user of packets knows: the built-in ones, and
 * those it adds. Nothing is global, so two users with different protocols do not meet. */
#ifndef TCPLUA_PACKET_PROTO_H
#define TCPLUA_PACKET_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "packet/field.h"

/* Where protocols get their numbers from. */
enum number_space {
    SPACE_NONE,
    SPACE_ETHERTYPE,
    SPACE_IP,     /* IPv4 protocol; these are IPv6's as well, */
    SPACE_IP6,    /* which has extension headers besides (RFC 8200) */
    SPACE_ICMP,   /* type of the message: what follows its eight bytes */
    SPACE_ICMP6,  /* */
    SPACE_TCP,    /* ports */
    SPACE_UDP,    /* */
    SPACE_FAMILY, /* the address families of the BSDs */
    NUMBER_SPACES
};

struct proto_number {
    enum number_space space;
    uint32_t number;
};

#define PROTO_HEADER 256

struct proto {
    const char *name;           /* as in Lua: "tcp" */
    const struct field *fields; /* in the order in which they are shown; at most 64 */
    size_t count;
    size_t minimum;                     /* bytes of the header without its tail; <= PROTO_HEADER */
    enum number_space next;             /* what the ROLE_NEXT field counts */
    const struct proto_number *numbers; /* by which it is announced; the first of a space is
                                           written; ends with SPACE_NONE */
};

#define PROTO_FIELDS(table) .fields = (table), .count = sizeof(table) / sizeof(table)[0]

extern const struct proto proto_eth, proto_vlan, proto_qinq, proto_arp;
extern const struct proto proto_sll, proto_sll2, proto_null, proto_loop;
extern const struct proto proto_ip, proto_ip6;
extern const struct proto proto_ip6_hop, proto_ip6_route, proto_ip6_frag, proto_ip6_dest;
extern const struct proto proto_tcp, proto_udp;
extern const struct proto proto_icmp, proto_icmp_time, proto_icmp_mask, proto_icmp6;
extern const struct proto proto_dns, proto_dhcp;
extern const struct proto proto_rs, proto_ra, proto_ns, proto_na, proto_redirect;

/* The field of that name, or the (first) one with that role; NULL if there is none. */
const struct field *proto_field(const struct proto *proto, const char *name);
const struct field *proto_role(const struct proto *proto, enum field_role role);

/* The tail, NULL if all of the header is fixed. */
const struct field *proto_tail(const struct proto *proto);

/* Writes the header as it is before anything is set: proto->minimum bytes. */
void proto_initial(const struct proto *proto, uint8_t *header);

/* Whether the protocol goes by `number` in `space`; and the number it is announced with there,
 * -1 if none. */
bool proto_answers_to(const struct proto *proto, enum number_space space, uint32_t number);
int64_t proto_number_in(const struct proto *proto, enum number_space space);

/* Whether `next` behind a header of `proto` is the packet that an ICMP error quotes. */
bool proto_quotes(const struct proto *proto, const struct proto *next);

/* The fields of a protocol by what they mean to the parser; NULL where there is none. */
struct roles {
    const struct field *header, *total, *payload, *next, *fragment, *more, *quoted, *sport, *dport,
        *tail;
    uint64_t computed, checksums, source; /* as pins */
};

#define REGISTRY_MAX 128

struct registry {
    const struct proto *protos[REGISTRY_MAX]; /* the last one added is asked first */
    struct roles roles[REGISTRY_MAX];         /* of each */
    size_t count;
    unsigned spaces; /* bit s: somebody has a number in space s */
    /* By the last byte of a number, 1 + the place of the last one added that goes by such; 0: none
     * does, which is most of what a parser hears of ports. */
    uint8_t hints[NUMBER_SPACES][256];
};

/* The built-in protocols. */
void registry_init(struct registry *registry);

/* Adds one that the caller keeps alive as long as the registry. Errors: usage, EEXIST for a name
 * that is taken, ENOSPC for more than REGISTRY_MAX, EINVAL for fields outside the header or too
 * wide to be a number. */
bool registry_add(struct registry *registry, const struct proto *proto, struct error *err);

const struct proto *registry_named(const struct registry *registry, const char *name);
const struct proto *registry_numbered(const struct registry *registry, enum number_space space,
                                      uint32_t number);

/* The roles of a protocol that is in it. */
const struct roles *registry_roles(const struct registry *registry, const struct proto *proto);

#endif
