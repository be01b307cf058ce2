/* One line for each kind of packet, as tcpdump 4.99.3 -nS prints it (where it does not, the reason
 * stands beside the row), the tree, the hex dump, and that nothing unprintable gets out. */
#include "packet/dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct registry registry;

static int setup(void **state)
{
    (void)state;
    registry_init(&registry);
    return 0;
}

/* Builds a packet from words: a protocol's name makes a layer, "field=value" sets a number, an
 * address or flags in the last one, "field;hex" sets bytes, "+n" is n zeros of payload. */
static void build(struct packet *p, const char *words)
{
    char copy[600];
    struct error err;
    packet_init(p, &registry);
    snprintf(copy, sizeof copy, "%s", words);
    for (char *rest = copy, *word; (word = strtok_r(rest, " ", &rest));) {
        static const uint8_t zeros[256];
        bool good = true;
        char *value = strpbrk(word, "=;");
        if (word[0] == '+') {
            good = packet_append_bytes(p, zeros, (size_t)atoi(word + 1), &err);
        } else if (!value) {
            const struct proto *proto = registry_named(&registry, word);
            if (!proto)
                fail_msg("no protocol %s", word);
            good = packet_push(p, proto, &err);
        } else {
            size_t i = p->count - 1U;
            bool hex = *value == ';';
            *value++ = '\0';
            const struct field *f = proto_field(p->layers[i].proto, word);
            if (!f)
                fail_msg("no field %s", word);
            if (hex) {
                uint8_t bytes[64];
                size_t length = strlen(value) / 2;
                for (size_t k = 0; k < length; k++)
                    bytes[k] =
                        (uint8_t)strtoul((char[]){value[2 * k], value[2 * k + 1], 0}, NULL, 16);
                good = packet_set_bytes(p, i, f, bytes, length, &err);
            } else if (field_is_number(f) && f->kind != FIELD_FLAGS) {
                packet_set_number(p, i, f, strtoul(value, NULL, 0));
            } else {
                good = packet_set_text(p, i, f, value, &err);
            }
        }
        if (!good)
            fail_msg("%s: %s", words, err.message);
    }
    packet_finish(p);
}

#define IP4 "ip src=192.0.2.1 dst=192.0.2.2 "
#define IP6 "ip6 src=2001:db8::1 dst=2001:db8::2 "
#define TCP "tcp sport=40000 dport=9000 "
/* the packet that an error quotes */
#define Q4 "ip src=192.0.2.2 dst=192.0.2.1 tcp sport=1 dport=9000"
#define Q6 "ip6 src=2001:db8::2 dst=2001:db8::1 tcp sport=1 dport=9000"

static const struct row {
    const char *words, *line;
    unsigned cut; /* bytes taken off the end before parsing */
} rows[] = {
    {IP4 TCP "seq=100 win=64240 flags=S options;020405b40402080a000000010000000001030307",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [S], seq 100, win 64240, options [mss "
     "1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0",
     0},
    {"eth " IP4 TCP "seq=1 ack=7 flags=P. +64",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [P.], seq 1:65, ack 7, win 65535, length 64", 0},
    {IP6 TCP "seq=1 ack=7 flags=F. +1",
     "IP6 2001:db8::1.40000 > 2001:db8::2.9000: Flags [F.], seq 1:2, ack 7, win 65535, length 1",
     0},
    {IP4 TCP "seq=4294967295 flags=. ack=4294967295",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [.], ack 4294967295, win 65535, length 0", 0},
    {IP4 TCP "seq=1 ack=7 flags=. options;010105120000000a000000140000001e00000028",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [.], ack 7, win 65535, options [nop,nop,sack 2 "
     "{10:20}{30:40}], length 0",
     0},
    {IP4 TCP "flags=FSRP.UEWe urg=5 seq=5 options;0101fd0401020000",
     /* 4.99.3 has no letter for AE */
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [FSRP.UEWe], seq 5, ack 0, win 65535, urg 5, "
     "options [nop,nop,unknown-253 0x0102,eol], length 0",
     0},
    {IP4 TCP "options;0204ffff03",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [none], win 65535, options [mss 65535[bad opt]], "
     "length 0",
     0},
    {IP4 TCP "flags=S offset=9",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [S] [bad hdr length 36 - too long, > 20]", 0},
    {IP4 TCP "flags=S offset=2",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: [bad hdr length 8 - too short, < 20]", 0},
    {IP4 TCP "flags=. +100",
     "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [.], seq 0:100, ack 0, win 65535, length 100", 60},
    {IP4 TCP "flags=. +100", "IP 192.0.2.1.40000 > 192.0.2.2.9000: [|tcp]", 110},
    {IP4 "udp sport=40000 dport=9001 +5", "IP 192.0.2.1.40000 > 192.0.2.2.9001: UDP, length 5", 0},
    {IP6 "udp sport=40000 dport=9001 +5", "IP6 2001:db8::1.40000 > 2001:db8::2.9001: UDP, length 5",
     0},
    {IP4 "icmp id=1 seq=2 +56",
     "IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 2, length 64", 0},
    {IP4 "icmp type=0 id=1 seq=2 +56",
     "IP 192.0.2.1 > 192.0.2.2: ICMP echo reply, id 1, seq 2, length 64", 0},
    {IP4 "icmp type=3 code=0 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP net 192.0.2.1 unreachable, length 48", 0},
    {IP4 "icmp type=3 code=1 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP host 192.0.2.1 unreachable, length 48", 12},
    {IP4 "icmp type=3 code=2 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP 192.0.2.1 protocol 6 unreachable, length 48", 0},
    {IP4 "icmp type=3 code=3 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP 192.0.2.1 tcp port 9000 unreachable, length 48", 12},
    {IP4 "icmp type=3 code=4 mtu=1400 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP 192.0.2.1 unreachable - need to frag (mtu 1400), length 48",
     0},
    {IP4 "icmp type=3 code=10 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP host 192.0.2.1 unreachable - admin prohibited, length 48", 0},
    {IP4 "icmp type=3 code=16 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP 192.0.2.1 unreachable - #16, length 48", 0},
    {IP4 "icmp type=11 " Q4, "IP 192.0.2.1 > 192.0.2.2: ICMP time exceeded in-transit, length 48",
     0},
    {IP4 "icmp type=5 code=1 gateway=192.0.2.9 " Q4,
     "IP 192.0.2.1 > 192.0.2.2: ICMP redirect 192.0.2.1 to host 192.0.2.9, length 48", 0},
    {IP4 "icmp type=12 pointer=9 ip",
     "IP 192.0.2.1 > 192.0.2.2: ICMP parameter problem - octet 9, length 28", 0},
    {IP4 "icmp type=42", "IP 192.0.2.1 > 192.0.2.2: ICMP type-#42, length 8", 0},
    {IP6 "icmp6 id=1 seq=2 +56",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, echo request, id 1, seq 2, length 64", 0},
    {IP6 "icmp6 type=129 id=1 seq=2 +56",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, echo reply, id 1, seq 2, length 64", 0},
    {"eth " IP6 "icmp6 ns target=2001:db8::2 options;0101020000000001",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, neighbor solicitation, who has 2001:db8::2, length 32",
     0},
    {IP6 "icmp6 na target=2001:db8::2 options;0201020000000001",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, neighbor advertisement, tgt is 2001:db8::2, length 32",
     0},
    {IP6 "icmp6 type=1 code=4 " Q6,
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, destination unreachable, unreachable port, 2001:db8::1 "
     "tcp port 9000, length 68",
     0},
    {IP6 "icmp6 type=1 code=3 " Q6,
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, destination unreachable, unreachable address "
     "2001:db8::1, length 68",
     0},
    {IP6 "icmp6 type=2 mtu=1280 " Q6,
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, packet too big, mtu 1280, length 68", 0},
    {IP6 "icmp6 type=3 " Q6,
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, time exceeded in-transit for 2001:db8::1, length 68",
     0},
    {IP6 "ip6_hop data;010400000000 " TCP "flags=S",
     "IP6 2001:db8::1 > 2001:db8::2: HBH 40000 > 9000: Flags [S], seq 0, win 65535, length 0", 0},
    {IP6 "ip6_dest data;010400000000 udp sport=1 dport=2",
     "IP6 2001:db8::1 > 2001:db8::2: DSTOPT 1 > 2: UDP, length 0", 0},
    {IP6 "ip6_frag id=4660 mf=1 udp sport=1 dport=2",
     "IP6 2001:db8::1 > 2001:db8::2: frag (0|8) 1 > 2: UDP, length 0", 0},
    {IP6 "ip6_frag offset=100 next=6 +30",
     /* from here to the end we say more than tcpdump does, or say it on one line */
     "IP6 2001:db8::1 > 2001:db8::2: frag (800|30) ip-proto-6 30", 0},
    {IP4 "proto=6 offset=100 +30", "IP 192.0.2.1 > 192.0.2.2: frag (800|30) ip-proto-6", 0},
    {IP4 "proto=253 +30", "IP 192.0.2.1 > 192.0.2.2: ip-proto-253 30", 0},
    {IP6 "+30", "IP6 2001:db8::1 > 2001:db8::2: no next header", 0},
    {IP4 IP6 "udp dport=9",
     "IP 192.0.2.1 > 192.0.2.2: IP6 2001:db8::1.0 > 2001:db8::2.9: UDP, length 0", 0},
    {IP4 "length=10 " TCP, "IP 192.0.2.1 > 192.0.2.2: [bad length]", 0},
    {"eth arp sha=02:00:00:00:00:01 spa=192.0.2.1 tpa=192.0.2.2",
     "ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28", 0},
    {"eth arp spa=192.0.2.1 tpa=192.0.2.2 tha=02:00:00:00:00:03",
     "ARP, Request who-has 192.0.2.2 (02:00:00:00:00:03) tell 192.0.2.1, length 28", 0},
    {"eth arp op=2 sha=02:00:00:00:00:01 spa=192.0.2.1 +18",
     "ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:01, length 46", 0},
    {"eth arp", "[|arp]", 10},
    {"eth vlan vlan=5 p=3 " IP4 "udp", "vlan 5, p 3, IP 192.0.2.1.0 > 192.0.2.2.0: UDP, length 0",
     0},
    {"eth qinq vlan=5 vlan vlan=6 " IP4 "udp",
     "vlan 5, p 0, vlan 6, p 0, IP 192.0.2.1.0 > 192.0.2.2.0: UDP, length 0", 0},
    {"sll pkttype=4 " IP4 "udp", "IP 192.0.2.1.0 > 192.0.2.2.0: UDP, length 0", 0},
    {"sll protocol=0x1234 +3", "ethertype 0x1234, length 3", 0},
    {"sll2 pkttype=4 ifindex=3 " IP4 "udp", "#3 Out IP 192.0.2.1.0 > 192.0.2.2.0: UDP, length 0",
     0},
    {"sll2 pkttype=9 arp op=2 spa=192.0.2.1",
     "#0 ? ARP, Reply 192.0.2.1 is-at 00:00:00:00:00:00, length 28", 0},
    {"sll", "[|sll]", 1},
    {"null " IP4 "udp", "IP 192.0.2.1.0 > 192.0.2.2.0: UDP, length 0", 0},
    {"loop " IP6 "udp", "IP6 2001:db8::1.0 > 2001:db8::2.0: UDP, length 0", 0},
    {"null family=77 +3", "AF 77, length 3", 0},
    {IP6 "icmp6 rs options;0101020000000001",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, router solicitation, length 16", 0},
    {IP6 "icmp6 hlim=64 ra reachable=5",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, router advertisement, length 16", 0},
    {IP6 "icmp6 redirect target=fe80::9 dst=2001:db8::7",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, redirect, 2001:db8::7 to fe80::9, length 40", 0},
    {IP6 "icmp6 type=4 code=1 pointer=6 " Q6,
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, parameter problem, next header - octet 6, length 68",
     0},
    {IP6 "icmp6 type=4 code=4",
     "IP6 2001:db8::1 > 2001:db8::2: ICMP6, parameter problem, code-#4, length 8", 0},
    {"eth src=02:00:00:00:00:01 dst=02:00:00:00:00:02 type=0x1234 +30",
     "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x1234, length 30", 0},
    {IP4 "icmp type=13 id=1 seq=2 icmp_time originate=5",
     "IP 192.0.2.1 > 192.0.2.2: ICMP time stamp query id 1 seq 2, length 20", 0},
    {IP4 "icmp type=14 icmp_time originate=3723004 receive=86400000 transmit=0x80000001",
     "IP 192.0.2.1 > 192.0.2.2: ICMP time stamp reply id 0 seq 0: org 01:02:03.004, "
     "recv 24:00:00.000, xmit 596:31:23.649, length 20",
     0},
    {IP4 "icmp type=15", "IP 192.0.2.1 > 192.0.2.2: ICMP information request, length 8", 0},
    {IP4 "icmp type=16", "IP 192.0.2.1 > 192.0.2.2: ICMP information reply, length 8", 0},
    {IP4 "icmp type=17 icmp_mask", "IP 192.0.2.1 > 192.0.2.2: ICMP address mask request, length 12",
     0},
    {IP4 "icmp type=18 icmp_mask mask=255.255.255.0",
     "IP 192.0.2.1 > 192.0.2.2: ICMP address mask is 0xffffff00, length 12", 0},
    /* Of DNS the headers; the rest is in tests/lua/packet_dns.lua. */
    {IP4 "udp sport=4000 dns id=7 qdcount=1 cd=1",
     "IP 192.0.2.1.4000 > 192.0.2.2.53: 7+% [|domain]", 0},
    {IP4 "udp sport=53 dport=4 dns id=7 qr=1 aa=1 tc=1 ad=1 rcode=3 arcount=2",
     "IP 192.0.2.1.53 > 192.0.2.2.4: 7 NXDomain*-|$ [0q] 0/0/2 (12)", 0},
    {IP4 "udp sport=4 dns id=7 opcode=8 rd=0 z=1 qdcount=1 +5",
     "IP 192.0.2.1.4 > 192.0.2.2.53: 7 op8 [b2&3=0x4040] Type0 (Class 0)? . (17)", 0},
    {IP4 "udp sport=68 dhcp mac=02:00:00:00:00:01",
     "IP 192.0.2.1.68 > 192.0.2.2.67: BOOTP/DHCP, Request from 02:00:00:00:00:01, length 240", 0},
    {IP4 "udp sport=67 dport=68 dhcp op=2",
     "IP 192.0.2.1.67 > 192.0.2.2.68: BOOTP/DHCP, Reply, length 240", 0},
    {"eth", "[|eth]", 5},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct packet built, p;
        char line[400];
        build(&built, rows[i].words);
        p = built;
        p.size -= rows[i].cut;
        packet_parse(&p, built.layers[0].proto);
        size_t length = dump_line(line, sizeof line, &p, NULL);
        assert_string_equal(line, rows[i].line);
        assert_int_equal(length, strlen(line));
        packet_free(&built);
    }
}

static void test_relative_numbers(void **state)
{
    (void)state;
    struct packet p;
    char line[400];
    struct dump_base base = {true, true, 4294967295, 1000};
    build(&p, IP4 TCP "seq=0 ack=1001 flags=P. options;0101050a000003ea000003eb +64");
    dump_line(line, sizeof line, &p, &base);
    assert_string_equal(line, "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [P.], seq 1:65, ack 1, "
                              "win 65535, options [nop,nop,sack 1 {2:3}], length 64");
    base.has_ack = false;
    dump_line(line, sizeof line, &p, &base);
    assert_string_equal(line, "IP 192.0.2.1.40000 > 192.0.2.2.9000: Flags [P.], seq 1:65, ack "
                              "1001, win 65535, options [nop,nop,sack 1 {1002:1003}], length 64");
    packet_free(&p);
}

/* Any size: what fits is written, the rest counted, and the NUL is there. */
static void test_any_size(void **state)
{
    (void)state;
    struct packet p;
    char whole[400];
    build(&p, rows[0].words);
    size_t length = dump_line(whole, sizeof whole, &p, NULL);
    for (size_t size = 0; size <= length + 1; size++) {
        char *exact = malloc(size + 1);
        exact[0] = 'x';
        assert_int_equal(dump_line(exact, size, &p, NULL), length);
        if (size > 0) {
            assert_int_equal(strlen(exact), size - 1);
            assert_memory_equal(exact, whole, size - 1);
        } else {
            assert_int_equal(exact[0], 'x');
        }
        free(exact);
    }
    packet_free(&p);
}

static void test_tree(void **state)
{
    (void)state;
    struct packet p;
    char tree[2000];
    struct error err;
    build(&p, IP4 TCP "flags=S checksum=0xbeef options;020405b4");
    assert_true(packet_append_bytes(&p, "a\x1b[2J", 5, &err));
    packet_finish(&p);
    size_t length = dump_tree(tree, sizeof tree, &p);
    assert_int_equal(length, strlen(tree));
    assert_string_equal(tree, "ip\n"
                              "  version   4\n"
                              "  ihl       5 (computed)\n"
                              "  tos       0x00\n"
                              "  length    49 (computed)\n"
                              "  id        1\n"
                              "  flags     none\n"
                              "  offset    0\n"
                              "  ttl       64\n"
                              "  proto     6 (computed)\n"
                              "  checksum  0xf6c2 (computed)\n"
                              "  src       192.0.2.1\n"
                              "  dst       192.0.2.2\n"
                              "  options   []\n"
                              "tcp\n"
                              "  sport     40000\n"
                              "  dport     9000\n"
                              "  seq       0\n"
                              "  ack       0\n"
                              "  offset    6 (computed)\n"
                              "  reserved  0\n"
                              "  flags     S\n"
                              "  win       65535\n"
                              "  checksum  0xbeef (pinned, wrong: 0x4e67 would be right)\n"
                              "  urg       0\n"
                              "  options   [mss 1460]\n"
                              "payload \"a\\x1b[2J\" (5 bytes)\n");
    packet_free(&p);
}

static void test_hex(void **state)
{
    (void)state;
    char text[200];
    dump_hex(text, sizeof text, (const uint8_t *)"0123456789abcdefgh\x1b", 19);
    assert_string_equal(text,
                        "0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n"
                        "0010  67 68 1b                                         gh.\n");
}

/* Noise through all printers: printable ASCII and line ends only. */
static void test_alphabet(void **state)
{
    (void)state;
    static char text[20000];
    uint32_t random = 5;
    for (unsigned round = 0; round < 20000; round++) {
        struct packet p;
        struct error err;
        packet_init(&p, &registry);
        assert_true(packet_reserve(&p, 120, &err));
        for (p.size = 0; p.size < round % 120; p.size++) {
            random = random * 1664525 + 1013904223;
            p.bytes[p.size] = (uint8_t)(random >> 24);
        }
        if (p.size > 24 && round & 1) { /* something that goes on */
            p.bytes[0] = 0x45;
            p.bytes[6] = p.bytes[7] = 0;
            p.bytes[9] = (uint8_t[]){1, 6, 17, 41}[round / 2 % 4];
        } else if (p.size > 50) {
            p.bytes[0] = 0x60;
            p.bytes[6] = (uint8_t[]){0, 6, 44, 58}[round / 2 % 4];
        }
        packet_parse(&p, round % 5 ? packet_ip_proto(p.bytes, p.size)
                                   : registry.protos[round / 5 % registry.count]);
        size_t length = dump_line(text, sizeof text, &p, NULL);
        assert_true(length > 0 && length < sizeof text);
        for (size_t i = 0; i < length; i++)
            assert_true(text[i] >= 0x20 && text[i] <= 0x7e);
        length = dump_tree(text, sizeof text, &p);
        assert_true(length < sizeof text);
        for (size_t i = 0; i < length; i++)
            assert_true(text[i] == '\n' || (text[i] >= 0x20 && text[i] <= 0x7e));
        packet_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_relative_numbers),
        cmocka_unit_test(test_any_size), cmocka_unit_test(test_tree),
        cmocka_unit_test(test_hex),      cmocka_unit_test(test_alphabet),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
