/* ip: IPv4 (RFC 791). */
#include "packet/option.h"
#include "packet/proto.h"

static const char *const flags[] = {"+", "DF", "rsvd", NULL}; /* tcpdump's words; + is MF */

static const struct field fields[] = {
    {"version", 0, 4, .initial = 4},
    {"ihl", 4, 4, .role = ROLE_HEADER_LENGTH, .unit = 4},
    {"tos", 8, 8, .kind = FIELD_HEX},
    {"length", 16, 16, .role = ROLE_TOTAL_LENGTH},
    {"id", 32, 16, .initial = 1}, /* the kernel replaces a 0 */
    {"flags", 48, 3, .kind = FIELD_FLAGS, .names = flags, .joint = ", "},
    {"offset", 51, 13, .role = ROLE_FRAGMENT}, /* of eight bytes */
    {"ttl", 64, 8, .initial = 64},
    {"proto", 72, 8, .role = ROLE_NEXT},
    {"checksum", 80, 16, .kind = FIELD_HEX, .role = ROLE_CHECKSUM_HEADER},
    {"src", 96, 32, .kind = FIELD_IP4, .role = ROLE_SRC},
    {"dst", 128, 32, .kind = FIELD_IP4, .role = ROLE_DST},
    {"options", 160, 0, .kind = FIELD_OPTIONS, .role = ROLE_ROUTE, .options = &ip_options},
    {"dscp", 8, 6, .alias = true}, /* RFC 2474 */
    {"ecn", 14, 2, .alias = true}, /* RFC 3168 */
    {"df", 49, 1, .alias = true},
    {"mf", 50, 1, .role = ROLE_MORE, .alias = true},
};

const struct proto proto_ip = {
    .name = "ip",
    PROTO_FIELDS(fields),
    .minimum = 20,
    .next = SPACE_IP,
    .numbers = (const struct proto_number[]){{SPACE_ETHERTYPE, 0x0800},
                                             {SPACE_FAMILY, 2},
                                             {SPACE_IP, 4}, /* RFC 2003 */
                                             /* the packet that an error quotes (RFC 792) */
                                             {SPACE_ICMP, 3},
                                             {SPACE_ICMP, 4},
                                             {SPACE_ICMP, 5},
                                             {SPACE_ICMP, 11},
                                             {SPACE_ICMP, 12},
                                             {SPACE_NONE, 0}},
};

/* The routes: `pointer` is where the next address goes, counted from the kind as 1. */
static const struct field route[] = {
    {"pointer", 0, 8, .initial = 4},
    {"addresses", 8, 0, .kind = FIELD_IP4},
};

static const struct field stamps[] = {
    {"pointer", 0, 8, .initial = 5},
    {"overflow", 8, 4, .kind = FIELD_NUMBER},
    {"flag", 12, 4, .kind = FIELD_NUMBER}, /* 0: times; 1: addresses and times; 3: asked ones */
    {"data", 16, 0, .kind = FIELD_BYTES},
};

/* tcpdump's words. */
static const struct option_row rows[] = {
    {"nop", 1, .form = OPTION_BARE},         /* RFC 791 */
    {"eol", 0, .form = OPTION_BARE},         /* */
    {"RR", 7, OPTION_VALUE(route)},          /* record route */
    {"TS", 68, OPTION_VALUE(stamps)},        /* time stamps */
    {"security", 130, .form = OPTION_BYTES}, /* */
    {"LSRR", 131, OPTION_VALUE(route)},      /* loose source route */
    {"SSRR", 137, OPTION_VALUE(route)},      /* strict source route */
    {"RA", 148, .form = OPTION_U16},         /* router alert (RFC 2113) */
};

const struct option_table ip_options = {rows,
                                        sizeof rows / sizeof rows[0],
                                        .unit = 1,
                                        .head = 2,
                                        .singles = true,
                                        .nop = OPTION_NOP,
                                        .end = OPTION_END};
