/* arp: RFC 826 for IPv4 over Ethernet, with its names of the fields. */
#include "packet/proto.h"

static const struct field fields[] = {
    {"hrd", 0, 16, .initial = 1},                          /* hardware: Ethernet */
    {"pro", 16, 16, .kind = FIELD_HEX, .initial = 0x0800}, /* protocol: IPv4 */
    {"hln", 32, 8, .initial = 6},                          /* lengths of their addresses */
    {"pln", 40, 8, .initial = 4},                          /* */
    {"op", 48, 16, .initial = 1},                          /* request */
    {"sha", 64, 48, .kind = FIELD_MAC},                    /* sender */
    {"spa", 112, 32, .kind = FIELD_IP4},                   /* */
    {"tha", 144, 48, .kind = FIELD_MAC},                   /* target */
    {"tpa", 192, 32, .kind = FIELD_IP4},                   /* */
};

const struct proto proto_arp = {
    .name = "arp",
    PROTO_FIELDS(fields),
    .minimum = 28,
    .numbers = (const struct proto_number[]){{SPACE_ETHERTYPE, 0x0806}, {SPACE_NONE, 0}},
};
