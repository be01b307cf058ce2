/* ip6: IPv6 and its extension headers (RFC 8200). `tos`, `ttl` and `proto` name the fields as IPv4
 * does, so that a script can do with either. */
#include "packet/proto.h"

static const struct field ip6_fields[] = {
    {"version", 0, 4, .initial = 6},
    {"class", 4, 8, .kind = FIELD_HEX},
    {"flowlabel", 12, 20, .kind = FIELD_HEX},
    {"length", 32, 16, .role = ROLE_PAYLOAD_LENGTH},
    {"next", 48, 8, .role = ROLE_NEXT, .initial = 59}, /* no next header */
    {"hlim", 56, 8, .initial = 64},
    {"src", 64, 128, .kind = FIELD_IP6, .role = ROLE_SRC},
    {"dst", 192, 128, .kind = FIELD_IP6, .role = ROLE_DST},
    {"tos", 4, 8, .kind = FIELD_HEX, .alias = true},
    {"dscp", 4, 6, .alias = true},
    {"ecn", 10, 2, .alias = true},
    {"proto", 48, 8, .alias = true},
    {"ttl", 56, 8, .alias = true},
};

const struct proto proto_ip6 = {
    .name = "ip6",
    PROTO_FIELDS(ip6_fields),
    .minimum = 40,
    .next = SPACE_IP6,
    .numbers = (const struct proto_number[]){{SPACE_ETHERTYPE, 0x86dd},
                                             {SPACE_FAMILY, 24}, /* NetBSD, OpenBSD */
                                             {SPACE_FAMILY, 28}, /* FreeBSD */
                                             {SPACE_FAMILY, 30}, /* macOS */
                                             {SPACE_FAMILY, 10}, /* Linux */
                                             {SPACE_IP, 41},     /* RFC 2473 */
                                             /* the packet that an error quotes (RFC 4443) */
                                             {SPACE_ICMP6, 1},
                                             {SPACE_ICMP6, 2},
                                             {SPACE_ICMP6, 3},
                                             {SPACE_ICMP6, 4},
                                             {SPACE_NONE, 0}},
};

static const struct field options_fields[] = {
    {"next", 0, 8, .role = ROLE_NEXT, .initial = 59},
    {"length", 8, 8, .role = ROLE_HEADER_LENGTH, .unit = 8, .bias = 1},
    {"data", 16, 0, .kind = FIELD_BYTES},
};

const struct proto proto_ip6_hop = {
    .name = "ip6_hop",
    PROTO_FIELDS(options_fields),
    .minimum = 2,
    .next = SPACE_IP6,
    .numbers = (const struct proto_number[]){{SPACE_IP6, 0}, {SPACE_NONE, 0}},
};

const struct proto proto_ip6_dest = {
    .name = "ip6_dest",
    PROTO_FIELDS(options_fields),
    .minimum = 2,
    .next = SPACE_IP6,
    .numbers = (const struct proto_number[]){{SPACE_IP6, 60}, {SPACE_NONE, 0}},
};

static const struct field route_fields[] = {
    {"next", 0, 8, .role = ROLE_NEXT, .initial = 59},
    {"length", 8, 8, .role = ROLE_HEADER_LENGTH, .unit = 8, .bias = 1},
    {"type", 16, 8, .role = ROLE_ROUTE, .initial = 4}, /* segment routing (RFC 8754) */
    {"segleft", 24, 8, .role = ROLE_ROUTE},
    {"data", 32, 0, .kind = FIELD_BYTES, .role = ROLE_ROUTE},
};

const struct proto proto_ip6_route = {
    .name = "ip6_route",
    PROTO_FIELDS(route_fields),
    .minimum = 4,
    .next = SPACE_IP6,
    .numbers = (const struct proto_number[]){{SPACE_IP6, 43}, {SPACE_NONE, 0}},
};

static const struct field frag_fields[] = {
    {"next", 0, 8, .role = ROLE_NEXT, .initial = 59},
    {"reserved", 8, 8, .kind = FIELD_HEX},
    {"offset", 16, 13, .role = ROLE_FRAGMENT}, /* of eight bytes */
    {"reserved2", 29, 2, .kind = FIELD_NUMBER},
    {"mf", 31, 1, .role = ROLE_MORE},
    {"id", 32, 32, .kind = FIELD_HEX},
};

const struct proto proto_ip6_frag = {
    .name = "ip6_frag",
    PROTO_FIELDS(frag_fields),
    .minimum = 8,
    .next = SPACE_IP6,
    .numbers = (const struct proto_number[]){{SPACE_IP6, 44}, {SPACE_NONE, 0}},
};
