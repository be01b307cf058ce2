/* udp: RFC 768. */
#include "packet/proto.h"

static const struct field fields[] = {
    {"sport", 0, 16, .role = ROLE_SPORT},
    {"dport", 16, 16, .role = ROLE_DPORT},
    {"length", 32, 16, .role = ROLE_TOTAL_LENGTH},
    {"checksum", 48, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM_UDP},
};

const struct proto proto_udp = {
    .name = "udp",
    PROTO_FIELDS(fields),
    .minimum = 8,
    .next = SPACE_UDP,
    .numbers = (const struct proto_number[]){{SPACE_IP, 17}, {SPACE_NONE, 0}},
};
