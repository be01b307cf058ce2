/* icmp6: ICMPv6 (RFC 4443), and neighbour discovery (RFC 4861) as what follows its first eight
 * bytes. */
#include "packet/option.h"
#include "packet/proto.h"

static const uint8_t echo[] = {2, 128, 129};
static const uint8_t too_big[] = {1, 2};
static const uint8_t parameter[] = {1, 4};
static const uint8_t quoting[] = {2, 1, 3};
static const uint8_t router[] = {1, 134};
static const uint8_t advertisement[] = {1, 136};

static const struct field fields[] = {
    {"type", 0, 8, .role = ROLE_NEXT, .initial = 128}, /* echo request */
    {"code", 8, 8, .kind = FIELD_NUMBER},
    {"checksum", 16, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM_PSEUDO},
    {"id", 32, 16, .when = echo},
    {"seq", 48, 16, .when = echo},
    {"length", 32, 8, .role = ROLE_QUOTED, .unit = 8,
     .when = quoting}, /* of the quote, in eight bytes (RFC 4884); 0: all */
    {"mtu", 32, 32, .when = too_big},
    {"pointer", 32, 32, .when = parameter},
    {"hlim", 32, 8, .when = router},
    {"managed", 40, 1, .when = router},
    {"other", 41, 1, .when = router},
    {"home", 42, 1, .when = router},  /* RFC 6275 */
    {"prf", 43, 2, .when = router},   /* RFC 4191 */
    {"proxy", 45, 1, .when = router}, /* RFC 4389 */
    {"lifetime", 48, 16, .when = router},
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

static const struct field rs_fields[] = {
    {"options", 0, 0, .kind = FIELD_OPTIONS, .options = &nd_options},
};

const struct proto proto_rs = {
    .name = "rs",
    PROTO_FIELDS(rs_fields),
    .numbers = (const struct proto_number[]){{SPACE_ICMP6, 133}, {SPACE_NONE, 0}},
};

static const struct field ra_fields[] = {
    {"reachable", 0, 32, .kind = FIELD_NUMBER}, /* milliseconds */
    {"retrans", 32, 32, .kind = FIELD_NUMBER},  /* */
    {"options", 64, 0, .kind = FIELD_OPTIONS, .options = &nd_options},
};

const struct proto proto_ra = {
    .name = "ra",
    PROTO_FIELDS(ra_fields),
    .minimum = 8,
    .numbers = (const struct proto_number[]){{SPACE_ICMP6, 134}, {SPACE_NONE, 0}},
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

static const struct field redirect_fields[] = {
    {"target", 0, 128, .kind = FIELD_IP6},
    {"dst", 128, 128, .kind = FIELD_IP6},
    {"options", 256, 0, .kind = FIELD_OPTIONS, .options = &nd_options},
};

const struct proto proto_redirect = {
    .name = "redirect",
    PROTO_FIELDS(redirect_fields),
    .minimum = 32,
    .numbers = (const struct proto_number[]){{SPACE_ICMP6, 137}, {SPACE_NONE, 0}},
};

static const struct field prefix[] = {
    {"length", 0, 8, .initial = 64},
    {"onlink", 8, 1, .kind = FIELD_NUMBER},
    {"autonomous", 9, 1, .kind = FIELD_NUMBER},
    {"reserved", 10, 6, .kind = FIELD_HEX},
    {"valid", 16, 32, .kind = FIELD_NUMBER}, /* seconds */
    {"preferred", 48, 32, .kind = FIELD_NUMBER},
    {"reserved2", 80, 32, .kind = FIELD_HEX},
    {"prefix", 112, 128, .kind = FIELD_IP6},
};

static const struct field redirected[] = {
    {"reserved", 0, 48, .kind = FIELD_HEX},
    {"packet", 48, 0, .kind = FIELD_BYTES},
};

static const struct field mtu[] = {
    {"reserved", 0, 16, .kind = FIELD_HEX},
    {"mtu", 16, 32, .kind = FIELD_NUMBER},
};

static const struct field route[] = {
    {"length", 0, 8, .kind = FIELD_NUMBER},
    {"reserved", 8, 3, .kind = FIELD_HEX},
    {"prf", 11, 2, .kind = FIELD_NUMBER},
    {"reserved2", 13, 3, .kind = FIELD_HEX},
    {"lifetime", 16, 32, .kind = FIELD_NUMBER},
    {"prefix", 48, 0, .kind = FIELD_BYTES}, /* as many bytes as needed, in eights */
};

static const struct field rdnss[] = {
    {"reserved", 0, 16, .kind = FIELD_HEX},
    {"lifetime", 16, 32, .kind = FIELD_NUMBER},
    {"addresses", 48, 0, .kind = FIELD_IP6},
};

static const struct field dnssl[] = {
    {"reserved", 0, 16, .kind = FIELD_HEX},
    {"lifetime", 16, 32, .kind = FIELD_NUMBER},
    {"domains", 48, 0, .kind = FIELD_BYTES},
};

static const struct option_row rows[] = {
    {"sll", 1, .form = OPTION_MAC}, /* source link-layer address */
    {"tll", 2, .form = OPTION_MAC}, /* target link-layer address */
    {"prefix", 3, OPTION_VALUE(prefix)},  {"redirected", 4, OPTION_VALUE(redirected)},
    {"mtu", 5, OPTION_VALUE(mtu)},        {"nonce", 14, .form = OPTION_BYTES}, /* RFC 3971 */
    {"route", 24, OPTION_VALUE(route)},                                        /* RFC 4191 */
    {"rdnss", 25, OPTION_VALUE(rdnss)},                                        /* RFC 8106 */
    {"dnssl", 31, OPTION_VALUE(dnssl)},                                        /* */
    {"portal", 37, .form = OPTION_BYTES},                                      /* RFC 8910 */
};

const struct option_table nd_options = {rows, sizeof rows / sizeof rows[0], .unit = 8, .head = 2};
