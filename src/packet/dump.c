/* dump: see dump.h.
 *
 * The line follows tcpdump 4.99 without -v. A layer is printed only as far as its header is here;
 * where it is cut off, the line ends in tcpdump's "[|tcp]". */
#include "packet/dump.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "packet/dump_text.h"
#include "packet/option.h"

void text_put(struct text *t, const char *format, ...)
{
    va_list args;
    bool room = t->length < t->size;
    va_start(args, format);
    int n =
        vsnprintf(room ? t->out + t->length : NULL, room ? t->size - t->length : 0, format, args);
    va_end(args);
    if (n > 0)
        t->length += (size_t)n;
}

/* The field `name` of layer `i`, which is there. */
static uint32_t number(const struct packet *p, size_t i, const char *name)
{
    return (uint32_t)field_get(proto_field(p->layers[i].proto, name), packet_header(p, i));
}

static const char *address(const struct packet *p, size_t i, const char *name,
                           char text[static FIELD_TEXT])
{
    return field_format(proto_field(p->layers[i].proto, name), packet_header(p, i), text);
}

static bool is_cut(const struct packet *p, size_t i)
{
    return p->layers[i].header < p->layers[i].proto->minimum;
}

static bool is(const struct packet *p, size_t i, const struct proto *proto)
{
    return i < p->count && p->layers[i].proto == proto;
}

/* A layer that the line does not mention if there is another behind it. */
static bool is_link(const struct packet *p, size_t i)
{
    return is(p, i, &proto_eth) || is(p, i, &proto_sll) || is(p, i, &proto_sll2) ||
           is(p, i, &proto_null) || is(p, i, &proto_loop);
}

static bool is_tag(const struct packet *p, size_t i)
{
    return is(p, i, &proto_vlan) || is(p, i, &proto_qinq);
}

static bool is_ip(const struct packet *p, size_t i)
{
    return (is(p, i, &proto_ip) || is(p, i, &proto_ip6)) && !is_cut(p, i);
}

static bool has_ports(const struct packet *p, size_t i)
{
    return (is(p, i, &proto_tcp) || is(p, i, &proto_udp)) && p->layers[i].header >= 4;
}

/* Bytes behind the header of layer `i`, those included that are missing from the capture. */
static uint32_t payload_length(const struct packet *p, size_t i)
{
    const struct layer *l = &p->layers[i];
    return l->end - l->offset - l->header + p->missing;
}

/* All bytes of layer `i`. */
static uint32_t whole_length(const struct packet *p, size_t i)
{
    return p->layers[i].end - p->layers[i].offset + p->missing;
}

static void put_sack(struct text *t, const struct option *o, uint32_t base)
{
    text_put(t, "sack %zu ", o->length / 8);
    for (size_t at = 0; at + 8 <= o->length; at += 8)
        text_put(t, "{%" PRIu32 ":%" PRIu32 "}", get32(o->value + at) - base,
                 get32(o->value + at + 4) - base);
}

/* "RR pointer 8 192.0.2.1 0.0.0.0": fixed fields by name, then the elements or bytes behind. */
static void put_option_fields(struct text *t, const struct option *o)
{
    const struct field *tail = option_tail(o->row);
    char text[FIELD_TEXT];
    text_put(t, "%s", o->row->name);
    for (size_t i = 0; i < o->row->count; i++)
        if (&o->row->fields[i] != tail)
            text_put(t, " %s %s", o->row->fields[i].name,
                     field_format(&o->row->fields[i], o->value, text));
    if (!tail)
        return;
    size_t at = option_fixed(o->row), element = option_element(tail);
    struct field f = *tail;
    f.bit = 0;
    f.width = (uint16_t)(8 * element);
    for (; element > 0 && at < o->length; at += element)
        text_put(t, " %s", field_format(&f, o->value + at, text));
    for (text_put(t, "%s", at < o->length ? " 0x" : ""); at < o->length; at++)
        text_put(t, "%02x", o->value[at]);
}

static void put_option(struct text *t, const struct option *o, uint32_t base)
{
    size_t length = o->row ? option_form_length(o->row->form) : 0;
    if (!o->row) {
        text_put(t, "unknown-%u", o->kind);
    } else if (o->row->form == OPTION_RANGES && o->length > 0 && o->length % 8 == 0) {
        put_sack(t, o, base);
        return;
    } else if (o->row->form == OPTION_FIELDS && option_has_fields(o->row, o->length)) {
        put_option_fields(t, o);
        return;
    } else if (strcmp(o->row->name, "ts") == 0 && o->length == 8) {
        text_put(t, "TS val %" PRIu32 " ecr %" PRIu32, get32(o->value), get32(o->value + 4));
        return;
    } else {
        text_put(t, "%s", o->row->name);
    }
    if (length > 0 && o->length == length && length <= 4) {
        uint32_t value = 0;
        for (size_t i = 0; i < length; i++)
            value = value << 8 | o->value[i];
        text_put(t, " %" PRIu32, value);
    } else if (o->length > 0) {
        text_put(t, " 0x");
        for (size_t i = 0; i < o->length; i++)
            text_put(t, "%02x", o->value[i]);
    }
}

static void put_option_list(struct text *t, struct option_walk *walk, uint32_t base)
{
    struct option option;
    const char *comma = "";
    while (option_next(walk, &option)) {
        text_put(t, "%s", comma);
        put_option(t, &option, base);
        comma = ",";
    }
    text_put(t, "%s", walk->bad ? "[bad opt]" : "");
}

static struct option_walk walk_of(const struct packet *p, size_t i, const struct field *f)
{
    struct option_walk walk = {.table = f->options};
    walk.bytes = packet_bytes(p, i, f, &walk.length);
    return walk;
}

static void put_tcp(struct text *t, const struct packet *p, size_t i, const struct dump_base *base)
{
    static const struct dump_base absolute = {0};
    if (!base)
        base = &absolute;
    char flags[FIELD_TEXT];
    uint32_t zero_seq = base->has_seq ? base->seq : 0, zero_ack = base->has_ack ? base->ack : 0;
    uint32_t length = payload_length(p, i), seq = number(p, i, "seq") - zero_seq;
    uint32_t ack = number(p, i, "ack") - zero_ack, bits = number(p, i, "flags");
    uint32_t header = number(p, i, "offset") * 4;
    if (header < 20) {
        text_put(t, "[bad hdr length %" PRIu32 " - too short, < 20]", header);
        return;
    }
    text_put(t, "Flags [%s]", bits ? address(p, i, "flags", flags) : "none");
    if (header > p->layers[i].header && p->missing == 0) {
        text_put(t, " [bad hdr length %" PRIu32 " - too long, > %" PRIu32 "]", header,
                 p->layers[i].header);
        return;
    }
    if (length > 0)
        text_put(t, ", seq %" PRIu32 ":%" PRIu32, seq, seq + length);
    else if (bits & 7) /* SYN, FIN, RST */
        text_put(t, ", seq %" PRIu32, seq);
    if (bits & 0x10)
        text_put(t, ", ack %" PRIu32, ack);
    text_put(t, ", win %" PRIu32, number(p, i, "win"));
    if (bits & 0x20)
        text_put(t, ", urg %" PRIu32, number(p, i, "urg"));
    struct option_walk walk = walk_of(p, i, proto_tail(p->layers[i].proto));
    if (walk.length > 0) {
        text_put(t, ", options [");
        put_option_list(t, &walk, zero_ack);
        text_put(t, "]");
    }
    text_put(t, ", length %" PRIu32, length);
}

/* "192.0.2.2 tcp port 9000", of the packet quoted at layer `i`. */
static void put_quoted_port(struct text *t, const struct packet *p, size_t i, const char *dst)
{
    size_t j = i + 1;
    if (has_ports(p, j))
        text_put(t, "%s %s port %" PRIu32 " unreachable", dst, p->layers[j].proto->name,
                 number(p, j, "dport"));
    else
        text_put(t, "%s protocol %" PRIu32 " port unreachable", dst, number(p, i, "proto"));
}

static void put_unreachable(struct text *t, const struct packet *p, size_t i, uint32_t code)
{
    static const char *const words[] = {
        [5] = "%s unreachable - source route failed",
        [6] = "net %s unreachable - unknown",
        [7] = "host %s unreachable - unknown",
        [8] = "%s unreachable - source host isolated",
        [9] = "net %s unreachable - admin prohibited",
        [10] = "host %s unreachable - admin prohibited",
        [11] = "net %s unreachable - tos prohibited",
        [12] = "host %s unreachable - tos prohibited",
        [13] = "host %s unreachable - admin prohibited filter",
        [14] = "host %s unreachable - host precedence violation",
        [15] = "host %s unreachable - precedence cutoff",
    };
    char dst[FIELD_TEXT];
    if (!is_ip(p, i + 1)) {
        text_put(t, "unreachable, code %" PRIu32, code);
        return;
    }
    address(p, i + 1, "dst", dst);
    switch (code) {
    case 0:
        text_put(t, "net %s unreachable", dst);
        break;
    case 1:
        text_put(t, "host %s unreachable", dst);
        break;
    case 2:
        text_put(t, "%s protocol %" PRIu32 " unreachable", dst, number(p, i + 1, "proto"));
        break;
    case 3:
        put_quoted_port(t, p, i + 1, dst);
        break;
    case 4:
        text_put(t, "%s unreachable - need to frag", dst);
        if (number(p, i, "mtu") > 0)
            text_put(t, " (mtu %" PRIu32 ")", number(p, i, "mtu"));
        break;
    default:
        if (code < sizeof words / sizeof words[0]) {
            const char *at = strstr(words[code], "%s");
            text_put(t, "%.*s%s%s", (int)(at - words[code]), words[code], dst, at + 2);
        } else {
            text_put(t, "%s unreachable - #%" PRIu32, dst, code);
        }
    }
}

/* Milliseconds since midnight, "01:02:03.004", behind `what`. */
static void put_clock(struct text *t, const char *what, uint32_t ms)
{
    uint32_t seconds = ms / 1000;
    text_put(t, "%s%02" PRIu32 ":%02" PRIu32 ":%02" PRIu32 ".%03" PRIu32, what, seconds / 3600,
             seconds / 60 % 60, seconds % 60, ms % 1000);
}

static void put_timestamp(struct text *t, const struct packet *p, size_t i, bool reply)
{
    text_put(t, "time stamp %s id %" PRIu32 " seq %" PRIu32, reply ? "reply" : "query",
             number(p, i, "id"), number(p, i, "seq"));
    if (!reply || !is(p, i + 1, &proto_icmp_time) || is_cut(p, i + 1))
        return;
    put_clock(t, ": org ", number(p, i + 1, "originate"));
    put_clock(t, ", recv ", number(p, i + 1, "receive"));
    put_clock(t, ", xmit ", number(p, i + 1, "transmit"));
}

static void put_icmp(struct text *t, const struct packet *p, size_t i)
{
    uint32_t type = number(p, i, "type"), code = number(p, i, "code");
    char text[FIELD_TEXT];
    text_put(t, "ICMP ");
    switch (type) {
    case 0:
    case 8:
        text_put(t, "echo %s, id %" PRIu32 ", seq %" PRIu32, type ? "request" : "reply",
                 number(p, i, "id"), number(p, i, "seq"));
        break;
    case 3:
        put_unreachable(t, p, i, code);
        break;
    case 4:
        text_put(t, "source quench");
        break;
    case 5:
        text_put(t, "redirect");
        if (is_ip(p, i + 1))
            text_put(t, " %s to %s", address(p, i + 1, "dst", text), code == 0 ? "net" : "host");
        text_put(t, " %s", address(p, i, "gateway", text));
        break;
    case 11:
        text_put(t, "%s", code == 0 ? "time exceeded in-transit" : "ip reassembly time exceeded");
        break;
    case 12:
        text_put(t, "parameter problem - octet %" PRIu32, number(p, i, "pointer"));
        break;
    case 13:
    case 14:
        put_timestamp(t, p, i, type == 14);
        break;
    case 15:
    case 16:
        text_put(t, "information %s", type == 15 ? "request" : "reply");
        break;
    case 17:
        text_put(t, "address mask request");
        break;
    case 18:
        text_put(t, "address mask");
        if (is(p, i + 1, &proto_icmp_mask) && !is_cut(p, i + 1))
            text_put(t, " is 0x%08" PRIx32, get32(packet_header(p, i + 1)));
        break;
    default:
        text_put(t, "type-#%" PRIu32, type);
    }
    text_put(t, ", length %" PRIu32, whole_length(p, i));
}

static void put_icmp6_unreachable(struct text *t, const struct packet *p, size_t i, uint32_t code)
{
    static const char *const words[] = {"unreachable route",  "unreachable prohibited",
                                        "beyond scope",       "unreachable address",
                                        "unreachable port",   "unreachable ingress/egress policy",
                                        "unreachable, reject"};
    char dst[FIELD_TEXT];
    text_put(t, "destination unreachable, ");
    if (code >= sizeof words / sizeof words[0])
        text_put(t, "unknown unreachable code (%" PRIu32 ")", code);
    else
        text_put(t, "%s", words[code]);
    if (!is_ip(p, i + 1))
        return;
    address(p, i + 1, "dst", dst);
    size_t j = i + 2;
    if (code == 4 && has_ports(p, j))
        text_put(t, ", %s %s port %" PRIu32, dst, p->layers[j].proto->name, number(p, j, "dport"));
    else
        text_put(t, " %s", dst);
}

static void put_icmp6_problem(struct text *t, uint32_t code, uint32_t pointer)
{
    static const char *const words[] = {"erroneous", "next header", "option",
                                        "incomplete header chain"};
    if (code < sizeof words / sizeof words[0])
        text_put(t, "parameter problem, %s - octet %" PRIu32, words[code], pointer);
    else
        text_put(t, "parameter problem, code-#%" PRIu32, code);
}

static void put_icmp6(struct text *t, const struct packet *p, size_t i)
{
    uint32_t type = number(p, i, "type");
    char target[FIELD_TEXT];
    bool nd = (is(p, i + 1, &proto_ns) || is(p, i + 1, &proto_na)) && !is_cut(p, i + 1);
    if (nd)
        address(p, i + 1, "target", target);
    text_put(t, "ICMP6, ");
    switch (type) {
    case 1:
        put_icmp6_unreachable(t, p, i, number(p, i, "code"));
        break;
    case 2:
        text_put(t, "packet too big, mtu %" PRIu32, number(p, i, "mtu"));
        break;
    case 3:
        text_put(t, "time exceeded %s", number(p, i, "code") ? "in-reassembly" : "in-transit");
        if (is_ip(p, i + 1))
            text_put(t, " for %s", address(p, i + 1, "dst", target));
        break;
    case 4:
        put_icmp6_problem(t, number(p, i, "code"), number(p, i, "pointer"));
        break;
    case 128:
    case 129:
        text_put(t, "echo %s, id %" PRIu32 ", seq %" PRIu32, type == 128 ? "request" : "reply",
                 number(p, i, "id"), number(p, i, "seq"));
        break;
    case 133:
        text_put(t, "router solicitation");
        break;
    case 134:
        text_put(t, "router advertisement");
        break;
    case 135:
        text_put(t, "neighbor solicitation%s%s", nd ? ", who has " : "", nd ? target : "");
        break;
    case 136:
        text_put(t, "neighbor advertisement%s%s", nd ? ", tgt is " : "", nd ? target : "");
        break;
    case 137:
        text_put(t, "redirect");
        if (is(p, i + 1, &proto_redirect) && !is_cut(p, i + 1)) {
            text_put(t, ", %s", address(p, i + 1, "dst", target));
            text_put(t, " to %s", address(p, i + 1, "target", target));
        }
        break;
    default:
        text_put(t, "type-#%" PRIu32, type);
    }
    text_put(t, ", length %" PRIu32, whole_length(p, i));
}

static void put_arp(struct text *t, const struct packet *p, size_t i)
{
    static const uint8_t unknown[6];
    char spa[FIELD_TEXT], tpa[FIELD_TEXT], mac[FIELD_TEXT];
    uint32_t op = number(p, i, "op"), length = whole_length(p, i);
    if (number(p, i, "hln") != 6 || number(p, i, "pln") != 4) {
        text_put(t,
                 "ARP, Unknown Hardware (%" PRIu32 ") (len %" PRIu32
                 "), Unknown Protocol (0x%04" PRIx32 ") (len %" PRIu32 "), length %" PRIu32,
                 number(p, i, "hrd"), number(p, i, "hln"), number(p, i, "pro"), number(p, i, "pln"),
                 length);
        return;
    }
    address(p, i, "spa", spa);
    address(p, i, "tpa", tpa);
    if (op == 1) {
        text_put(t, "ARP, Request who-has %s", tpa);
        if (memcmp(packet_header(p, i) + 18, unknown, sizeof unknown) != 0)
            text_put(t, " (%s)", address(p, i, "tha", mac));
        text_put(t, " tell %s", spa);
    } else if (op == 2) {
        text_put(t, "ARP, Reply %s is-at %s", spa, address(p, i, "sha", mac));
    } else {
        text_put(t, "ARP, Unknown (%" PRIu32 ")", op);
    }
    text_put(t, ", length %" PRIu32, length);
}

static void put_vlan(struct text *t, const struct packet *p, size_t i)
{
    text_put(t, "vlan %" PRIu32 ", p %" PRIu32 "%s, ", number(p, i, "vlan"), number(p, i, "p"),
             number(p, i, "dei") ? ", DEI" : "");
}

/* "#3 In ": tcpdump has the interface's name there, if this host has one of that number. */
static void put_sll2(struct text *t, const struct packet *p, size_t i)
{
    static const char *const words[] = {"In", "B", "M", "P", "Out"};
    uint32_t type = number(p, i, "pkttype");
    text_put(t, "#%" PRIu32 " %s ", number(p, i, "ifindex"),
             type < sizeof words / sizeof words[0] ? words[type] : "?");
}

/* An extension header, in front of what follows it. */
static void put_extension(struct text *t, const struct packet *p, size_t i)
{
    const struct proto *proto = p->layers[i].proto;
    if (proto == &proto_ip6_hop)
        text_put(t, "HBH ");
    else if (proto == &proto_ip6_dest)
        text_put(t, "DSTOPT ");
    else if (proto == &proto_ip6_route)
        text_put(t, "RT6 (len=%" PRIu32 ", type=%" PRIu32 ", segleft=%" PRIu32 ") ",
                 number(p, i, "length"), number(p, i, "type"), number(p, i, "segleft"));
    else /* of a fragment: what a length within it promises is in the next ones */
        text_put(t, "frag (%" PRIu32 "|%" PRIu32 ") ", number(p, i, "offset") * 8,
                 payload_length(p, i) - (number(p, i, "mf") ? p->missing : 0));
}

static bool is_extension(const struct packet *p, size_t i)
{
    return is(p, i, &proto_ip6_hop) || is(p, i, &proto_ip6_dest) || is(p, i, &proto_ip6_route) ||
           is(p, i, &proto_ip6_frag);
}

/* "IP 192.0.2.1.40000 > 192.0.2.2.9000: ", or "IP6 2001:db8::1 > 2001:db8::2: HBH 40000 > 9000: "
 * with extension headers between. Returns the layer behind. */
static size_t put_ip(struct text *t, const struct packet *p, size_t i)
{
    char src[FIELD_TEXT], dst[FIELD_TEXT];
    size_t j = i + 1;
    text_put(t, "%s %s", is(p, i, &proto_ip) ? "IP" : "IP6", address(p, i, "src", src));
    if (has_ports(p, j)) {
        text_put(t, ".%" PRIu32 " > %s.%" PRIu32 ": ", number(p, j, "sport"),
                 address(p, i, "dst", dst), number(p, j, "dport"));
        return j;
    }
    text_put(t, " > %s: ", address(p, i, "dst", dst));
    for (; is_extension(p, j) && !is_cut(p, j); j++)
        put_extension(t, p, j);
    if (j > i + 1 && has_ports(p, j))
        text_put(t, "%" PRIu32 " > %" PRIu32 ": ", number(p, j, "sport"), number(p, j, "dport"));
    return j;
}

static void put_dns(struct text *t, const struct packet *p, size_t i)
{
    bool multicast = has_ports(p, i - 1) &&
                     (number(p, i - 1, "sport") == 5353 || number(p, i - 1, "dport") == 5353);
    const struct layer *l = &p->layers[i];
    text_put_dns(t, packet_header(p, i), l->end - l->offset, whole_length(p, i), multicast);
}

/* Whether the line of what UDP carries says the length itself. */
static bool speaks_for_udp(const struct packet *p, size_t i)
{
    return is(p, i, &proto_dhcp) || is(p, i, &proto_dns);
}

static void put_dhcp(struct text *t, const struct packet *p, size_t i)
{
    char mac[FIELD_TEXT];
    uint32_t op = number(p, i, "op");
    text_put(t, "BOOTP/DHCP, ");
    if (op == 1 && number(p, i, "htype") == 1 && number(p, i, "hlen") == 6)
        text_put(t, "Request from %s", address(p, i, "mac", mac));
    else if (op == 1 || op == 2)
        text_put(t, op == 1 ? "Request" : "Reply");
    else
        text_put(t, "unknown (0x%02" PRIx32 ")", op);
    text_put(t, ", length %" PRIu32, whole_length(p, i));
}

/* Whether it is none of those that have a case below. */
static bool is_declared(const struct proto *proto)
{
    struct registry builtin;
    registry_init(&builtin);
    return registry_named(&builtin, proto->name) != proto;
}

/* A protocol that has no words of its own: all its fields. */
static void put_fields(struct text *t, const struct packet *p, size_t i)
{
    const struct proto *proto = p->layers[i].proto;
    char text[FIELD_TEXT];
    text_put(t, "%s", proto->name);
    for (size_t j = 0; j < proto->count; j++)
        if (packet_shows(p, i, &proto->fields[j]) && proto->fields[j].kind < FIELD_BYTES)
            text_put(t, ", %s %s", proto->fields[j].name,
                     field_format(&proto->fields[j], packet_header(p, i), text));
}

/* What is behind the last layer, for which there is no table. */
static void put_rest(struct text *t, const struct packet *p, size_t i)
{
    char src[FIELD_TEXT], dst[FIELD_TEXT];
    if (p->count == 0) {
        text_put(t, "%" PRIu32 " bytes", p->size);
        return;
    }
    uint32_t length = payload_length(p, i);
    if (p->stop == PACKET_LIE) {
        text_put(t, "[bad length]");
    } else if (is(p, i, &proto_sll) || is(p, i, &proto_sll2)) {
        text_put(t, "ethertype 0x%04" PRIx32 ", length %" PRIu32, number(p, i, "protocol"), length);
    } else if (is(p, i, &proto_null) || is(p, i, &proto_loop)) {
        text_put(t, "AF %" PRIu32 ", length %" PRIu32, number(p, i, "family"), length);
    } else if (is(p, i, &proto_eth)) {
        text_put(t, "%s > %s, ethertype 0x%04" PRIx32 ", length %" PRIu32,
                 address(p, i, "src", src), address(p, i, "dst", dst), number(p, i, "type"),
                 length);
    } else if (is_tag(p, i)) {
        text_put(t, "ethertype 0x%04" PRIx32 ", length %" PRIu32, number(p, i, "type"), length);
    } else if (is(p, i, &proto_ip) && p->stop == PACKET_FRAGMENT) {
        text_put(t, "frag (%" PRIu32 "|%" PRIu32 ") ip-proto-%" PRIu32, number(p, i, "offset") * 8,
                 length, number(p, i, "proto"));
    } else {
        uint32_t next = number(p, i, is(p, i, &proto_ip) ? "proto" : "next");
        if (next == 59)
            text_put(t, "no next header");
        else
            text_put(t, "ip-proto-%" PRIu32 " %" PRIu32, next, length);
    }
}

size_t dump_line(char *out, size_t size, const struct packet *p, const struct dump_base *base)
{
    struct text t = {out, size, 0};
    if (size > 0)
        out[0] = '\0';
    size_t i = 0;
    while (i < p->count && !is_cut(p, i)) {
        const struct proto *proto = p->layers[i].proto;
        if (is_ip(p, i)) {
            i = put_ip(&t, p, i);
            continue;
        }
        if (is_extension(p, i)) {
            put_extension(&t, p, i++);
            continue;
        }
        if (is_tag(p, i)) {
            put_vlan(&t, p, i++);
            continue;
        }
        if (is_link(p, i) && i + 1U == p->count)
            break;
        if (is_link(p, i)) {
            if (proto == &proto_sll2)
                put_sll2(&t, p, i);
            i++;
            continue;
        }
        if (proto == &proto_tcp)
            put_tcp(&t, p, i, base);
        else if (is(p, i, &proto_udp) && speaks_for_udp(p, i + 1))
            ; /* which says all */
        else if (proto == &proto_dns)
            put_dns(&t, p, i);
        else if (proto == &proto_dhcp)
            put_dhcp(&t, p, i);
        else if (proto == &proto_udp)
            text_put(&t, "UDP, length %" PRIu32, payload_length(p, i));
        else if (proto == &proto_icmp)
            put_icmp(&t, p, i);
        else if (proto == &proto_icmp6)
            put_icmp6(&t, p, i);
        else if (proto == &proto_arp)
            put_arp(&t, p, i);
        else
            put_fields(&t, p, i);
        bool port = proto == &proto_tcp || proto == &proto_udp;
        if (++i < p->count && (port || is_declared(proto))) {
            text_put(&t, "%s",
                     proto == &proto_udp && speaks_for_udp(p, i) ? ""
                     : port                                      ? ": "
                                                                 : ", ");
            continue;
        }
        return t.length;
    }
    if (i < p->count && is_cut(p, i))
        text_put(&t, "[|%s]", p->layers[i].proto->name);
    else
        put_rest(&t, p, p->count > 0 ? p->count - 1U : 0);
    return t.length;
}

size_t dump_options(char *out, size_t size, struct option_walk *walk)
{
    struct text t = {out, size, 0};
    if (size > 0)
        out[0] = '\0';
    put_option_list(&t, walk, 0);
    return t.length;
}

static void put_bytes(struct text *t, const uint8_t *bytes, size_t length)
{
    char text[4 * 60 + 4];
    text_escape(text, sizeof text, bytes, length);
    text_put(t, "\"%s\" (%zu bytes)", text, length);
}

static void put_note(struct text *t, const struct packet *p, size_t i, const struct field *f)
{
    uint16_t right = 0;
    if (!field_is_computed(f))
        return;
    text_put(t, "%s", packet_pinned(p, i, f) ? " (pinned" : " (computed");
    if (f->role >= ROLE_CHECKSUM_HEADER) {
        enum packet_sum sum = packet_checksum(p, i, &right);
        if (sum == SUM_BAD)
            text_put(t, ", wrong: 0x%04x would be right", right);
        else if (sum == SUM_PARTIAL)
            text_put(t, ", partial: left to the network card");
    }
    text_put(t, ")");
}

static void put_field(struct text *t, const struct packet *p, size_t i, const struct field *f)
{
    char text[FIELD_TEXT];
    text_put(t, "  %-9s ", f->name);
    if (f->kind == FIELD_OPTIONS) {
        struct option_walk walk = walk_of(p, i, f);
        text_put(t, "[");
        put_option_list(t, &walk, 0);
        text_put(t, "]");
    } else if (f->kind == FIELD_BYTES) {
        size_t length;
        const uint8_t *bytes = packet_bytes(p, i, f, &length);
        put_bytes(t, bytes, length);
    } else {
        field_format(f, packet_header(p, i), text);
        text_put(t, "%s", text[0] ? text : "none");
    }
    put_note(t, p, i, f);
    text_put(t, "\n");
}

size_t dump_tree(char *out, size_t size, const struct packet *p)
{
    struct text t = {out, size, 0};
    size_t length;
    if (size > 0)
        out[0] = '\0';
    for (size_t i = 0; i < p->count; i++) {
        const struct proto *proto = p->layers[i].proto;
        text_put(&t, "%s%s\n", proto->name, is_cut(p, i) ? " (cut off)" : "");
        for (size_t j = 0; j < proto->count; j++)
            if (packet_shows(p, i, &proto->fields[j]))
                put_field(&t, p, i, &proto->fields[j]);
    }
    const uint8_t *payload = packet_payload(p, &length);
    if (length > 0) {
        text_put(&t, "payload ");
        put_bytes(&t, payload, length);
        text_put(&t, "\n");
    }
    if (p->count > 0 && p->layers[p->count - 1].end < p->size) {
        text_put(&t, "padding ");
        put_bytes(&t, p->bytes + p->layers[p->count - 1].end,
                  p->size - p->layers[p->count - 1].end);
        text_put(&t, "\n");
    }
    if (p->stop != PACKET_WHOLE)
        text_put(&t, "(%s at byte %" PRIu32 ")\n", packet_stop_name(p->stop), p->stop_offset);
    return t.length;
}

size_t dump_hex(char *out, size_t size, const uint8_t *bytes, size_t length)
{
    struct text t = {out, size, 0};
    if (size > 0)
        out[0] = '\0';
    for (size_t at = 0; at < length; at += 16) {
        size_t n = length - at < 16 ? length - at : 16;
        text_put(&t, "%04zx ", at);
        for (size_t i = 0; i < 16; i++)
            if (i < n)
                text_put(&t, " %02x", bytes[at + i]);
            else
                text_put(&t, "   ");
        text_put(&t, "  ");
        for (size_t i = 0; i < n; i++)
            text_put(&t, "%c", bytes[at + i] >= 0x20 && bytes[at + i] < 0x7f ? bytes[at + i] : '.');
        text_put(&t, "\n");
    }
    return t.length;
}
