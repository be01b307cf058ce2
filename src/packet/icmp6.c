/* icmp6: ICMPv6 (RFC 4443), and neighbour solicitation and advertisement (RFC 4861) as what
 * follows its first eight bytes. */
#include "packet/option.h"
#include "packet/proto.h"

static const uint8_t echo[] = {2, 128, 129};
static const uint8_t too_big[] = {1, 2};
static const uint8_t parameter[] = {1, 4};
static const uint8_t advertisement[] = {1, 136};

static const struct field fields[] = {
    {"type", 0, 8, .role = ROLE_NEXT, .initial = 128}, /* echo request */
    {"code", 8, 8, .kind = FIELD_NUMBER},
    {"checksum", 16, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM_PSEUDO},
    {"id", 32, 16, .when = echo},
    {"seq", 48, 16, .when = echo},
    {"mtu", 32, 32, .when = too_big},
    {"pointer", 32, 32, .when = parameter},
    {"router", 32, 1, .when = advertisement},
    {"solicited", 33, 1, .when = advertisement},
    {"override", 34, 1, .when = advertisement},
    {"rest", 32, 32, .kind = FIELD_HEX, .alias = true},
};

const struct proto proto_icmp6 = {
    .name = "icmp6",
    PROTO_FIELDS(fields),
    .minimum = 8,
    .next = SPACE_ICMP6,
    .numbers = (const struct proto_number[]){{SPACE_IP, 58}, {SPACE_NONE, 0}},
};

static const struct field nd_fields[] = {
    {"target", 0, 128, .kind = FIELD_IP6},
    {"options", 128, 0, .kind = FIELD_OPTIONS, .options = &nd_options},
};

const struct proto proto_ns = {
    .name = "ns",
    PROTO_FIELDS(nd_fields),
    .minimum = 16,
    .numbers = (const struct proto_number[]){{SPACE_ICMP6, 135}, {SPACE_NONE, 0}},
};

const struct proto proto_na = {
    .name = "na",
    PROTO_FIELDS(nd_fields),
    .minimum = 16,
    .numbers = (const struct proto_number[]){{SPACE_ICMP6, 136}, {SPACE_NONE, 0}},
};

static const struct option_row rows[] = {
    {"sll", 1, .form = OPTION_MAC}, /* source link-layer address */
    {"tll", 2, .form = OPTION_MAC}, /* target link-layer address */
    {"mtu", 5, .form = OPTION_BYTES},
    {"nonce", 14, .form = OPTION_BYTES}, /* RFC 3971 */
};

const struct option_table nd_options = {rows, sizeof rows / sizeof rows[0], 8, false};
