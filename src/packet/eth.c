/* eth: Ethernet (IEEE 802.3) and its tags (802.1Q, 802.1ad). A `type` below 1536 is the length of
 * an 802.3 frame; no protocol here goes by such a number, so what follows it is payload. */
#include "packet/proto.h"

static const struct field eth_fields[] = {
    {"dst", 0, 48, .kind = FIELD_MAC},
    {"src", 48, 48, .kind = FIELD_MAC},
    {"type", 96, 16, .kind = FIELD_HEX, .role = ROLE_NEXT},
};

const struct proto proto_eth = {
    .name = "eth",
    PROTO_FIELDS(eth_fields),
    .minimum = 14,
    .next = SPACE_ETHERTYPE,
};

static const struct field vlan_fields[] = {
    {"p", 0, 3, .kind = FIELD_NUMBER},
    {"dei", 3, 1, .kind = FIELD_NUMBER},
    {"vlan", 4, 12, .kind = FIELD_NUMBER},
    {"type", 16, 16, .kind = FIELD_HEX, .role = ROLE_NEXT},
};

const struct proto proto_vlan = {
    .name = "vlan",
    PROTO_FIELDS(vlan_fields),
    .minimum = 4,
    .next = SPACE_ETHERTYPE,
    .numbers = (const struct proto_number[]){{SPACE_ETHERTYPE, 0x8100}, {SPACE_NONE, 0}},
};

/* The provider's tag, outside the customer's. */
const struct proto proto_qinq = {
    .name = "qinq",
    PROTO_FIELDS(vlan_fields),
    .minimum = 4,
    .next = SPACE_ETHERTYPE,
    .numbers = (const struct proto_number[]){{SPACE_ETHERTYPE, 0x88a8},
                                             {SPACE_ETHERTYPE, 0x9100}, /* before the standard */
                                             {SPACE_NONE, 0}},
};
