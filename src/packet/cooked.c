/* cooked: what captures have in place of a link's own header. Linux cooked captures
 * (LINKTYPE_LINUX_SLL and _SLL2: `tcpdump -i any`), with the names of pcap's description; and the
 * address family in four bytes of the BSDs, in the byte order of the writing host (LINKTYPE_NULL)
 * or of the network (LINKTYPE_LOOP). */
#include "packet/proto.h"

static const struct field sll_fields[] = {
    {"pkttype", 0, 16, .kind = FIELD_NUMBER}, /* to us, broadcast, multicast, to others, from us */
    {"hatype", 16, 16, .initial = 1},         /* ARPHRD_: Ethernet */
    {"halen", 32, 16, .initial = 6},
    {"addr", 48, 64, .kind = FIELD_BYTES}, /* the sender's, padded with zeros */
    {"protocol", 112, 16, .kind = FIELD_HEX, .role = ROLE_NEXT},
    {"src", 48, 48, .kind = FIELD_MAC, .alias = true},
};

const struct proto proto_sll = {
    .name = "sll",
    PROTO_FIELDS(sll_fields),
    .minimum = 16,
    .next = SPACE_ETHERTYPE,
};

static const struct field sll2_fields[] = {
    {"protocol", 0, 16, .kind = FIELD_HEX, .role = ROLE_NEXT},
    {"reserved", 16, 16, .kind = FIELD_HEX},
    {"ifindex", 32, 32, .kind = FIELD_NUMBER},
    {"hatype", 64, 16, .initial = 1},
    {"pkttype", 80, 8, .kind = FIELD_NUMBER},
    {"halen", 88, 8, .initial = 6},
    {"addr", 96, 64, .kind = FIELD_BYTES},
    {"src", 96, 48, .kind = FIELD_MAC, .alias = true},
};

const struct proto proto_sll2 = {
    .name = "sll2",
    PROTO_FIELDS(sll2_fields),
    .minimum = 20,
    .next = SPACE_ETHERTYPE,
};

static const struct field null_fields[] = {
    {"family", 0, 32, .role = ROLE_NEXT, .little = true},
};

const struct proto proto_null = {
    .name = "null",
    PROTO_FIELDS(null_fields),
    .minimum = 4,
    .next = SPACE_FAMILY,
};

static const struct field loop_fields[] = {
    {"family", 0, 32, .role = ROLE_NEXT},
};

const struct proto proto_loop = {
    .name = "loop",
    PROTO_FIELDS(loop_fields),
    .minimum = 4,
    .next = SPACE_FAMILY,
};
