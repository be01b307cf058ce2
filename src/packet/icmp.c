/* icmp: RFC 792. Every message has eight bytes, whose second half means something else for each
 * type; errors then quote the packet they are about, and timestamps and address masks (RFC 950)
 * have more. */
#include "packet/proto.h"

static const uint8_t echo[] = {8, 0, 8, 13, 14, 15, 16, 17, 18}; /* 17 and 18: RFC 950 */
static const uint8_t unreachable[] = {1, 3};
static const uint8_t redirect[] = {1, 5};
static const uint8_t parameter[] = {1, 12};
static const uint8_t quoting[] = {3, 3, 11, 12};

static const struct field fields[] = {
    {"type", 0, 8, .role = ROLE_NEXT, .initial = 8}, /* echo request */
    {"code", 8, 8, .kind = FIELD_NUMBER},
    {"checksum", 16, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM},
    {"id", 32, 16, .when = echo},
    {"seq", 48, 16, .when = echo},
    {"length", 40, 8, .role = ROLE_QUOTED, .unit = 4,
     .when = quoting},                    /* of the quote, in words (RFC 4884); 0: all */
    {"mtu", 48, 16, .when = unreachable}, /* RFC 1191 */
    {"gateway", 32, 32, .kind = FIELD_IP4, .when = redirect},
    {"pointer", 32, 8, .when = parameter},
    {"rest", 32, 32, .kind = FIELD_HEX, .alias = true},
};

const struct proto proto_icmp = {
    .name = "icmp",
    PROTO_FIELDS(fields),
    .minimum = 8,
    .next = SPACE_ICMP,
    .numbers = (const struct proto_number[]){{SPACE_IP, 1}, {SPACE_NONE, 0}},
};

/* Milliseconds since midnight UT; the highest bit: of something else. */
static const struct field time_fields[] = {
    {"originate", 0, 32, .kind = FIELD_NUMBER},
    {"receive", 32, 32, .kind = FIELD_NUMBER},
    {"transmit", 64, 32, .kind = FIELD_NUMBER},
};

const struct proto proto_icmp_time = {
    .name = "icmp_time",
    PROTO_FIELDS(time_fields),
    .minimum = 12,
    .numbers = (const struct proto_number[]){{SPACE_ICMP, 13}, {SPACE_ICMP, 14}, {SPACE_NONE, 0}},
};

static const struct field mask_fields[] = {
    {"mask", 0, 32, .kind = FIELD_IP4},
};

const struct proto proto_icmp_mask = {
    .name = "icmp_mask",
    PROTO_FIELDS(mask_fields),
    .minimum = 4,
    .numbers = (const struct proto_number[]){{SPACE_ICMP, 17}, {SPACE_ICMP, 18}, {SPACE_NONE, 0}},
};
