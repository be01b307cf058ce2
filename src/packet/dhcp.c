/* dhcp: RFC 2131, the names of its fields; the options of RFC 2132 behind the magic cookie. */
#include "packet/option.h"
#include "packet/proto.h"

static const struct field fields[] = {
    {"op", 0, 8, .initial = 1}, /* request */
    {"htype", 8, 8, .initial = 1},
    {"hlen", 16, 8, .initial = 6},
    {"hops", 24, 8, .kind = FIELD_NUMBER},
    {"xid", 32, 32, .kind = FIELD_HEX},
    {"secs", 64, 16, .kind = FIELD_NUMBER},
    {"broadcast", 80, 1, .kind = FIELD_NUMBER},
    {"zero", 81, 15, .kind = FIELD_HEX},
    {"ciaddr", 96, 32, .kind = FIELD_IP4},
    {"yiaddr", 128, 32, .kind = FIELD_IP4},
    {"siaddr", 160, 32, .kind = FIELD_IP4},
    {"giaddr", 192, 32, .kind = FIELD_IP4},
    {"chaddr", 224, 128, .kind = FIELD_BYTES},
    {"sname", 352, 512, .kind = FIELD_BYTES},
    {"file", 864, 1024, .kind = FIELD_BYTES},
    {"magic", 1888, 32, .kind = FIELD_HEX, .initial = 0x63825363},
    {"options", 1920, 0, .kind = FIELD_OPTIONS, .options = &dhcp_options},
    {"mac", 224, 48, .kind = FIELD_MAC, .alias = true},
};

const struct proto proto_dhcp = {
    .name = "dhcp",
    PROTO_FIELDS(fields),
    .minimum = 240,
    .numbers = (const struct proto_number[]){{SPACE_UDP, 67}, {SPACE_UDP, 68}, {SPACE_NONE, 0}},
};

static const struct field addresses[] = {{"addresses", 0, 0, .kind = FIELD_IP4}};
static const struct field kinds[] = {{"kinds", 0, 0, .kind = FIELD_NUMBER, .unit = 1}};

static const struct option_row rows[] = {
    {"type", 53, .form = OPTION_U8}, /* 1 discover, 2 offer, 3 request, 4 decline, 5 ack, 6 nak */
    {"client", 61, .form = OPTION_BYTES},   {"requested", 50, .form = OPTION_IP4},
    {"server", 54, .form = OPTION_IP4},     {"lease", 51, .form = OPTION_U32},
    {"t1", 58, .form = OPTION_U32},         {"t2", 59, .form = OPTION_U32},
    {"mask", 1, .form = OPTION_IP4},        {"router", 3, OPTION_VALUE(addresses)},
    {"dns", 6, OPTION_VALUE(addresses)},    {"hostname", 12, .form = OPTION_BYTES},
    {"domain", 15, .form = OPTION_BYTES},   {"mtu", 26, .form = OPTION_U16},
    {"broadcast", 28, .form = OPTION_IP4},  {"ntp", 42, OPTION_VALUE(addresses)},
    {"overload", 52, .form = OPTION_U8},    {"parameters", 55, OPTION_VALUE(kinds)},
    {"message", 56, .form = OPTION_BYTES},  {"maxsize", 57, .form = OPTION_U16},
    {"class", 60, .form = OPTION_BYTES},    {"tftp", 66, .form = OPTION_BYTES},
    {"bootfile", 67, .form = OPTION_BYTES}, {"rapid", 80, .form = OPTION_BARE}, /* RFC 4039 */
    {"relay", 82, .form = OPTION_BYTES},                                        /* RFC 3046 */
    {"search", 119, .form = OPTION_BYTES},                                      /* RFC 3397 */
    {"routes", 121, .form = OPTION_BYTES},                                      /* RFC 3442 */
    {"eol", 255, .form = OPTION_BARE},      {"pad", 0, .form = OPTION_BARE},
};

const struct option_table dhcp_options = {
    rows, sizeof rows / sizeof rows[0], .unit = 1, .singles = true, .nop = 0, .end = 255};
