/* tcp: RFC 9293. */
#include "packet/option.h"
#include "packet/proto.h"

/* tcpdump's letters, from FIN up; the last is AE of RFC 9768. */
static const char *const flags[] = {"F", "S", "R", "P", ".", "U", "E", "W", "e", NULL};

static const struct field fields[] = {
    {"sport", 0, 16, .role = ROLE_SPORT},
    {"dport", 16, 16, .role = ROLE_DPORT},
    {"seq", 32, 32, .kind = FIELD_SEQ},
    {"ack", 64, 32, .kind = FIELD_SEQ},
    {"offset", 96, 4, .role = ROLE_HEADER_LENGTH, .unit = 4},
    {"reserved", 100, 3, .kind = FIELD_NUMBER},
    {"flags", 103, 9, .kind = FIELD_FLAGS, .names = flags, .joint = ""},
    {"win", 112, 16, .initial = 65535},
    {"checksum", 128, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM_PSEUDO},
    {"urg", 144, 16, .kind = FIELD_NUMBER},
    {"options", 160, 0, .kind = FIELD_OPTIONS, .options = &tcp_options},
    {"ace", 103, 3, .alias = true}, /* the counter of AccECN (RFC 9768) */
};

const struct proto proto_tcp = {
    .name = "tcp",
    PROTO_FIELDS(fields),
    .minimum = 20,
    .next = SPACE_TCP,
    .numbers = (const struct proto_number[]){{SPACE_IP, 6}, {SPACE_NONE, 0}},
};

static const struct field ao[] = {
    {"keyid", 0, 8, .kind = FIELD_NUMBER},
    {"rnextkeyid", 8, 8, .kind = FIELD_NUMBER},
    {"mac", 16, 0, .kind = FIELD_BYTES},
};

static const struct field uto[] = {
    {"granularity", 0, 1, .kind = FIELD_NUMBER}, /* 1: minutes */
    {"timeout", 1, 15, .kind = FIELD_NUMBER},
};

/* As many as there is room for, in either order: for 172 E0B, CEB, E1B; for 174 E1B, CEB, E0B. */
static const struct field accecn[] = {
    {"counters", 0, 0, .kind = FIELD_NUMBER, .unit = 3},
};

/* In the order in which Linux writes them, tcpdump's words. */
static const struct option_row rows[] = {
    {"mss", 2, .form = OPTION_U16},                 /* RFC 9293 */
    {"sackOK", 4, .form = OPTION_BARE},             /* RFC 2018 */
    {"ts", 8, .form = OPTION_PAIR, .align = 2},     /* RFC 7323: value, echo reply */
    {"nop", 1, .form = OPTION_BARE},                /* RFC 9293 */
    {"wscale", 3, .form = OPTION_U8, .align = 1},   /* RFC 7323 */
    {"sack", 5, .form = OPTION_RANGES, .align = 2}, /* RFC 2018 */
    {"md5", 19, .form = OPTION_BYTES, .align = 2},  /* RFC 2385 */
    {"ao", 29, OPTION_VALUE(ao)},                   /* RFC 5925 */
    {"uto", 28, OPTION_VALUE(uto)},                 /* RFC 5482 */
    {"mptcp", 30, .form = OPTION_BYTES},            /* RFC 8684 */
    {"tfo", 34, .form = OPTION_BYTES},              /* RFC 7413 */
    {"accecn0", 172, OPTION_VALUE(accecn)},         /* RFC 9768 */
    {"accecn1", 174, OPTION_VALUE(accecn)},         /* */
    {"eol", 0, .form = OPTION_BARE},                /* RFC 9293 */
};

const struct option_table tcp_options = {rows,
                                         sizeof rows / sizeof rows[0],
                                         .unit = 1,
                                         .head = 2,
                                         .singles = true,
                                         .nop = OPTION_NOP,
                                         .end = OPTION_END};
