/* dns: the header of a message (RFC 1035, and RFC 4035 for ad and cd). The records behind it are
 * payload here: names that point back into the message make no table. */
#include "packet/proto.h"

static const struct field fields[] = {
    {"id", 0, 16, .kind = FIELD_NUMBER},       {"qr", 16, 1, .kind = FIELD_NUMBER}, /* response */
    {"opcode", 17, 4, .kind = FIELD_NUMBER},   {"aa", 21, 1, .kind = FIELD_NUMBER},
    {"tc", 22, 1, .kind = FIELD_NUMBER},       {"rd", 23, 1, .initial = 1},
    {"ra", 24, 1, .kind = FIELD_NUMBER},       {"z", 25, 1, .kind = FIELD_NUMBER},
    {"ad", 26, 1, .kind = FIELD_NUMBER},       {"cd", 27, 1, .kind = FIELD_NUMBER},
    {"rcode", 28, 4, .kind = FIELD_NUMBER},    {"qdcount", 32, 16, .kind = FIELD_NUMBER},
    {"ancount", 48, 16, .kind = FIELD_NUMBER}, {"nscount", 64, 16, .kind = FIELD_NUMBER},
    {"arcount", 80, 16, .kind = FIELD_NUMBER},
};

const struct proto proto_dns = {
    .name = "dns",
    PROTO_FIELDS(fields),
    .minimum = 12,
    .numbers = (const struct proto_number[]){{SPACE_UDP, 53},
                                             {SPACE_UDP, 5353}, /* RFC 6762 */
                                             {SPACE_NONE, 0}},
};
