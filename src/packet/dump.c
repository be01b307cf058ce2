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
#include "packet/option.h"

struct text {
    char *out;
    size_t size, length; /* `length` may pass `size`: what does not fit is only counted */
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
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
    put(t, "sack %zu ", o->length / 8);
    for (size_t at = 0; at + 8 <= o->length; at += 8)
        put(t, "{%" PRIu32 ":%" PRIu32 "}", get32(o->value + at) - base,
            get32(o->value + at + 4) - base);
}

/* "RR pointer 8 192.0.2.1 0.0.0.0": fixed fields by name, then the elements or bytes behind. */
static void put_option_fields(struct text *t, const struct option *o)
{
    const struct field *tail = option_tail(o->row);
    char text[FIELD_TEXT];
    put(t, "%s", o->row->name);
    for (size_t i = 0; i < o->row->count; i++)
        if (&o->row->fields[i] != tail)
            put(t, " %s %s", o->row->fields[i].name,
                field_format(&o->row->fields[i], o->value, text));
    if (!tail)
        return;
    size_t at = option_fixed(o->row), element = option_element(tail);
    struct field f = *tail;
    f.bit = 0;
    f.width = (uint16_t)(8 * element);
    for (; element > 0 && at < o->length; at += element)
        put(t, " %s", field_format(&f, o->value + at, text));
    for (put(t, "%s", at < o->length ? " 0x" : ""); at < o->length; at++)
        put(t, "%02x", o->value[at]);
}

static void put_option(struct text *t, const struct option *o, uint32_t base)
{
    size_t length = o->row ? option_form_length(o->row->form) : 0;
    if (!o->row) {
        put(t, "unknown-%u", o->kind);
    } else if (o->row->form == OPTION_RANGES && o->length > 0 && o->length % 8 == 0) {
        put_sack(t, o, base);
        return;
    } else if (o->row->form == OPTION_FIELDS && option_has_fields(o->row, o->length)) {
        put_option_fields(t, o);
        return;
    } else if (strcmp(o->row->name, "ts") == 0 && o->length == 8) {
        put(t, "TS val %" PRIu32 " ecr %" PRIu32, get32(o->value), get32(o->value + 4));
        return;
    } else {
        put(t, "%s", o->row->name);
    }
    if (length > 0 && o->length == length && length <= 4) {
        uint32_t value = 0;
        for (size_t i = 0; i < length; i++)
            value = value << 8 | o->value[i];
        put(t, " %" PRIu32, value);
    } else if (o->length > 0) {
        put(t, " 0x");
        for (size_t i = 0; i < o->length; i++)
            put(t, "%02x", o->value[i]);
    }
}

static void put_option_list(struct text *t, struct option_walk *walk, uint32_t base)
{
    struct option option;
    const char *comma = "";
    while (option_next(walk, &option)) {
        put(t, "%s", comma);
        put_option(t, &option, base);
        comma = ",";
    }
    put(t, "%s", walk->bad ? "[bad opt]" : "");
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
        put(t, "[bad hdr length %" PRIu32 " - too short, < 20]", header);
        return;
    }
    put(t, "Flags [%s]", bits ? address(p, i, "flags", flags) : "none");
    if (header > p->layers[i].header && p->missing == 0) {
        put(t, " [bad hdr length %" PRIu32 " - too long, > %" PRIu32 "]", header,
            p->layers[i].header);
        return;
    }
    if (length > 0)
        put(t, ", seq %" PRIu32 ":%" PRIu32, seq, seq + length);
    else if (bits & 7) /* SYN, FIN, RST */
        put(t, ", seq %" PRIu32, seq);
    if (bits & 0x10)
        put(t, ", ack %" PRIu32, ack);
    put(t, ", win %" PRIu32, number(p, i, "win"));
    if (bits & 0x20)
        put(t, ", urg %" PRIu32, number(p, i, "urg"));
    struct option_walk walk = walk_of(p, i, proto_tail(p->layers[i].proto));
    if (walk.length > 0) {
        put(t, ", options [");
        put_option_list(t, &walk, zero_ack);
        put(t, "]");
    }
    put(t, ", length %" PRIu32, length);
}

/* "192.0.2.2 tcp port 9000", of the packet quoted at layer `i`. */
static void put_quoted_port(struct text *t, const struct packet *p, size_t i, const char *dst)
{
    size_t j = i + 1;
    if (has_ports(p, j))
        put(t, "%s %s port %" PRIu32 " unreachable", dst, p->layers[j].proto->name,
            number(p, j, "dport"));
    else
        put(t, "%s protocol %" PRIu32 " port unreachable", dst, number(p, i, "proto"));
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
        put(t, "unreachable, code %" PRIu32, code);
        return;
    }
    address(p, i + 1, "dst", dst);
    switch (code) {
    case 0:
        put(t, "net %s unreachable", dst);
        break;
    case 1:
        put(t, "host %s unreachable", dst);
        break;
    case 2:
        put(t, "%s protocol %" PRIu32 " unreachable", dst, number(p, i + 1, "proto"));
        break;
    case 3:
        put_quoted_port(t, p, i + 1, dst);
        break;
    case 4:
        put(t, "%s unreachable - need to frag", dst);
        if (number(p, i, "mtu") > 0)
            put(t, " (mtu %" PRIu32 ")", number(p, i, "mtu"));
        break;
    default:
        if (code < sizeof words / sizeof words[0]) {
            const char *at = strstr(words[code], "%s");
            put(t, "%.*s%s%s", (int)(at - words[code]), words[code], dst, at + 2);
        } else {
            put(t, "%s unreachable - #%" PRIu32, dst, code);
        }
    }
}

static void put_icmp(struct text *t, const struct packet *p, size_t i)
{
    uint32_t type = number(p, i, "type"), code = number(p, i, "code");
    char text[FIELD_TEXT];
    put(t, "ICMP ");
    switch (type) {
    case 0:
    case 8:
        put(t, "echo %s, id %" PRIu32 ", seq %" PRIu32, type ? "request" : "reply",
            number(p, i, "id"), number(p, i, "seq"));
        break;
    case 3:
        put_unreachable(t, p, i, code);
        break;
    case 4:
        put(t, "source quench");
        break;
    case 5:
        put(t, "redirect");
        if (is_ip(p, i + 1))
            put(t, " %s to %s", address(p, i + 1, "dst", text), code == 0 ? "net" : "host");
        put(t, " %s", address(p, i, "gateway", text));
        break;
    case 11:
        put(t, "%s", code == 0 ? "time exceeded in-transit" : "ip reassembly time exceeded");
        break;
    case 12:
        put(t, "parameter problem - octet %" PRIu32, number(p, i, "pointer"));
        break;
    default:
        put(t, "type-#%" PRIu32, type);
    }
    put(t, ", length %" PRIu32, whole_length(p, i));
}

static void put_icmp6_unreachable(struct text *t, const struct packet *p, size_t i, uint32_t code)
{
    static const char *const words[] = {"unreachable route",  "unreachable prohibited",
                                        "beyond scope",       "unreachable address",
                                        "unreachable port",   "unreachable ingress/egress policy",
                                        "unreachable, reject"};
    char dst[FIELD_TEXT];
    put(t, "destination unreachable, ");
    if (code >= sizeof words / sizeof words[0])
        put(t, "unknown unreachable code (%" PRIu32 ")", code);
    else
        put(t, "%s", words[code]);
    if (!is_ip(p, i + 1))
        return;
    address(p, i + 1, "dst", dst);
    size_t j = i + 2;
    if (code == 4 && has_ports(p, j))
        put(t, ", %s %s port %" PRIu32, dst, p->layers[j].proto->name, number(p, j, "dport"));
    else
        put(t, " %s", dst);
}

static void put_icmp6_problem(struct text *t, uint32_t code, uint32_t pointer)
{
    static const char *const words[] = {"erroneous", "next header", "option",
                                        "incomplete header chain"};
    if (code < sizeof words / sizeof words[0])
        put(t, "parameter problem, %s - octet %" PRIu32, words[code], pointer);
    else
        put(t, "parameter problem, code-#%" PRIu32, code);
}

static void put_icmp6(struct text *t, const struct packet *p, size_t i)
{
    uint32_t type = number(p, i, "type");
    char target[FIELD_TEXT];
    bool nd = (is(p, i + 1, &proto_ns) || is(p, i + 1, &proto_na)) && !is_cut(p, i + 1);
    if (nd)
        address(p, i + 1, "target", target);
    put(t, "ICMP6, ");
    switch (type) {
    case 1:
        put_icmp6_unreachable(t, p, i, number(p, i, "code"));
        break;
    case 2:
        put(t, "packet too big, mtu %" PRIu32, number(p, i, "mtu"));
        break;
    case 3:
        put(t, "time exceeded %s", number(p, i, "code") ? "in-reassembly" : "in-transit");
        if (is_ip(p, i + 1))
            put(t, " for %s", address(p, i + 1, "dst", target));
        break;
    case 4:
        put_icmp6_problem(t, number(p, i, "code"), number(p, i, "pointer"));
        break;
    case 128:
    case 129:
        put(t, "echo %s, id %" PRIu32 ", seq %" PRIu32, type == 128 ? "request" : "reply",
            number(p, i, "id"), number(p, i, "seq"));
        break;
    case 133:
        put(t, "router solicitation");
        break;
    case 134:
        put(t, "router advertisement");
        break;
    case 135:
        put(t, "neighbor solicitation%s%s", nd ? ", who has " : "", nd ? target : "");
        break;
    case 136:
        put(t, "neighbor advertisement%s%s", nd ? ", tgt is " : "", nd ? target : "");
        break;
    case 137:
        put(t, "redirect");
        if (is(p, i + 1, &proto_redirect) && !is_cut(p, i + 1)) {
            put(t, ", %s", address(p, i + 1, "dst", target));
            put(t, " to %s", address(p, i + 1, "target", target));
        }
        break;
    default:
        put(t, "type-#%" PRIu32, type);
    }
    put(t, ", length %" PRIu32, whole_length(p, i));
}

static void put_arp(struct text *t, const struct packet *p, size_t i)
{
    static const uint8_t unknown[6];
    char spa[FIELD_TEXT], tpa[FIELD_TEXT], mac[FIELD_TEXT];
    uint32_t op = number(p, i, "op"), length = whole_length(p, i);
    if (number(p, i, "hln") != 6 || number(p, i, "pln") != 4) {
        put(t,
            "ARP, Unknown Hardware (%" PRIu32 ") (len %" PRIu32 "), Unknown Protocol (0x%04" PRIx32
            ") (len %" PRIu32 "), length %" PRIu32,
            number(p, i, "hrd"), number(p, i, "hln"), number(p, i, "pro"), number(p, i, "pln"),
            length);
        return;
    }
    address(p, i, "spa", spa);
    address(p, i, "tpa", tpa);
    if (op == 1) {
        put(t, "ARP, Request who-has %s", tpa);
        if (memcmp(packet_header(p, i) + 18, unknown, sizeof unknown) != 0)
            put(t, " (%s)", address(p, i, "tha", mac));
        put(t, " tell %s", spa);
    } else if (op == 2) {
        put(t, "ARP, Reply %s is-at %s", spa, address(p, i, "sha", mac));
    } else {
        put(t, "ARP, Unknown (%" PRIu32 ")", op);
    }
    put(t, ", length %" PRIu32, length);
}

static void put_vlan(struct text *t, const struct packet *p, size_t i)
{
    put(t, "vlan %" PRIu32 ", p %" PRIu32 "%s, ", number(p, i, "vlan"), number(p, i, "p"),
        number(p, i, "dei") ? ", DEI" : "");
}

/* "#3 In ": tcpdump has the interface's name there, if this host has one of that number. */
static void put_sll2(struct text *t, const struct packet *p, size_t i)
{
    static const char *const words[] = {"In", "B", "M", "P", "Out"};
    uint32_t type = number(p, i, "pkttype");
    put(t, "#%" PRIu32 " %s ", number(p, i, "ifindex"),
        type < sizeof words / sizeof words[0] ? words[type] : "?");
}

/* An extension header, in front of what follows it. */
static void put_extension(struct text *t, const struct packet *p, size_t i)
{
    const struct proto *proto = p->layers[i].proto;
    if (proto == &proto_ip6_hop)
        put(t, "HBH ");
    else if (proto == &proto_ip6_dest)
        put(t, "DSTOPT ");
    else if (proto == &proto_ip6_route)
        put(t, "RT6 (len=%" PRIu32 ", type=%" PRIu32 ", segleft=%" PRIu32 ") ",
            number(p, i, "length"), number(p, i, "type"), number(p, i, "segleft"));
    else
        put(t, "frag (%" PRIu32 "|%" PRIu32 ") ", number(p, i, "offset") * 8, payload_length(p, i));
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
    put(t, "%s %s", is(p, i, &proto_ip) ? "IP" : "IP6", address(p, i, "src", src));
    if (has_ports(p, j)) {
        put(t, ".%" PRIu32 " > %s.%" PRIu32 ": ", number(p, j, "sport"), address(p, i, "dst", dst),
            number(p, j, "dport"));
        return j;
    }
    put(t, " > %s: ", address(p, i, "dst", dst));
    for (; is_extension(p, j) && !is_cut(p, j); j++)
        put_extension(t, p, j);
    if (j > i + 1 && has_ports(p, j))
        put(t, "%" PRIu32 " > %" PRIu32 ": ", number(p, j, "sport"), number(p, j, "dport"));
    return j;
}

/* Only the header: the names are in the records. */
static void put_dns(struct text *t, const struct packet *p, size_t i)
{
    static const char *const ops[16] = {"", " inv_q", " stat", NULL, " notify", " update"};
    static const char *const codes[16] = {"",          " FormErr", " ServFail",
                                          " NXDomain", " NotImp",  " Refused"};
    uint32_t op = number(p, i, "opcode"), code = number(p, i, "rcode");
    uint32_t questions = number(p, i, "qdcount");
    put(t, "%" PRIu32, number(p, i, "id"));
    if (ops[op])
        put(t, "%s", ops[op]);
    else
        put(t, " op%" PRIu32, op);
    if (number(p, i, "qr")) {
        if (codes[code])
            put(t, "%s", codes[code]);
        else
            put(t, " Resp%" PRIu32, code);
        put(t, "%s%s%s%s", number(p, i, "aa") ? "*" : "", number(p, i, "ra") ? "" : "-",
            number(p, i, "tc") ? "|" : "", number(p, i, "ad") ? "$" : "");
    } else {
        put(t, "%s%s", number(p, i, "rd") ? "+" : "", number(p, i, "cd") ? "%" : "");
    }
    if (questions != 1)
        put(t, " [%" PRIu32 "q]", questions);
    if (number(p, i, "qr"))
        put(t, " %" PRIu32 "/%" PRIu32 "/%" PRIu32, number(p, i, "ancount"),
            number(p, i, "nscount"), number(p, i, "arcount"));
    put(t, " (%" PRIu32 ")", whole_length(p, i));
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
    put(t, "BOOTP/DHCP, ");
    if (op == 1 && number(p, i, "htype") == 1 && number(p, i, "hlen") == 6)
        put(t, "Request from %s", address(p, i, "mac", mac));
    else if (op == 1 || op == 2)
        put(t, op == 1 ? "Request" : "Reply");
    else
        put(t, "unknown (0x%02" PRIx32 ")", op);
    put(t, ", length %" PRIu32, whole_length(p, i));
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
    put(t, "%s", proto->name);
    for (size_t j = 0; j < proto->count; j++)
        if (packet_shows(p, i, &proto->fields[j]) && proto->fields[j].kind < FIELD_BYTES)
            put(t, ", %s %s", proto->fields[j].name,
                field_format(&proto->fields[j], packet_header(p, i), text));
}

/* What is behind the last layer, for which there is no table. */
static void put_rest(struct text *t, const struct packet *p, size_t i)
{
    char src[FIELD_TEXT], dst[FIELD_TEXT];
    if (p->count == 0) {
        put(t, "%" PRIu32 " bytes", p->size);
        return;
    }
    uint32_t length = payload_length(p, i);
    if (p->stop == PACKET_LIE) {
        put(t, "[bad length]");
    } else if (is(p, i, &proto_sll) || is(p, i, &proto_sll2)) {
        put(t, "ethertype 0x%04" PRIx32 ", length %" PRIu32, number(p, i, "protocol"), length);
    } else if (is(p, i, &proto_null) || is(p, i, &proto_loop)) {
        put(t, "AF %" PRIu32 ", length %" PRIu32, number(p, i, "family"), length);
    } else if (is(p, i, &proto_eth)) {
        put(t, "%s > %s, ethertype 0x%04" PRIx32 ", length %" PRIu32, address(p, i, "src", src),
            address(p, i, "dst", dst), number(p, i, "type"), length);
    } else if (is_tag(p, i)) {
        put(t, "ethertype 0x%04" PRIx32 ", length %" PRIu32, number(p, i, "type"), length);
    } else if (is(p, i, &proto_ip) && p->stop == PACKET_FRAGMENT) {
        put(t, "frag (%" PRIu32 "|%" PRIu32 ") ip-proto-%" PRIu32, number(p, i, "offset") * 8,
            length, number(p, i, "proto"));
    } else {
        uint32_t next = number(p, i, is(p, i, &proto_ip) ? "proto" : "next");
        if (next == 59)
            put(t, "no next header");
        else
            put(t, "ip-proto-%" PRIu32 " %" PRIu32, next, length);
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
            put(&t, "UDP, length %" PRIu32, payload_length(p, i));
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
            put(&t, "%s", proto == &proto_udp && speaks_for_udp(p, i) ? "" : port ? ": " : ", ");
            continue;
        }
        return t.length;
    }
    if (i < p->count && is_cut(p, i))
        put(&t, "[|%s]", p->layers[i].proto->name);
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
    put(t, "\"%s\" (%zu bytes)", text, length);
}

static void put_note(struct text *t, const struct packet *p, size_t i, const struct field *f)
{
    uint16_t right = 0;
    if (!field_is_computed(f))
        return;
    put(t, "%s", packet_pinned(p, i, f) ? " (pinned" : " (computed");
    if (f->role >= ROLE_CHECKSUM_HEADER) {
        enum packet_sum sum = packet_checksum(p, i, &right);
        if (sum == SUM_BAD)
            put(t, ", wrong: 0x%04x would be right", right);
        else if (sum == SUM_PARTIAL)
            put(t, ", partial: left to the network card");
    }
    put(t, ")");
}

static void put_field(struct text *t, const struct packet *p, size_t i, const struct field *f)
{
    char text[FIELD_TEXT];
    put(t, "  %-9s ", f->name);
    if (f->kind == FIELD_OPTIONS) {
        struct option_walk walk = walk_of(p, i, f);
        put(t, "[");
        put_option_list(t, &walk, 0);
        put(t, "]");
    } else if (f->kind == FIELD_BYTES) {
        size_t length;
        const uint8_t *bytes = packet_bytes(p, i, f, &length);
        put_bytes(t, bytes, length);
    } else {
        field_format(f, packet_header(p, i), text);
        put(t, "%s", text[0] ? text : "none");
    }
    put_note(t, p, i, f);
    put(t, "\n");
}

size_t dump_tree(char *out, size_t size, const struct packet *p)
{
    struct text t = {out, size, 0};
    size_t length;
    if (size > 0)
        out[0] = '\0';
    for (size_t i = 0; i < p->count; i++) {
        const struct proto *proto = p->layers[i].proto;
        put(&t, "%s%s\n", proto->name, is_cut(p, i) ? " (cut off)" : "");
        for (size_t j = 0; j < proto->count; j++)
            if (packet_shows(p, i, &proto->fields[j]))
                put_field(&t, p, i, &proto->fields[j]);
    }
    const uint8_t *payload = packet_payload(p, &length);
    if (length > 0) {
        put(&t, "payload ");
        put_bytes(&t, payload, length);
        put(&t, "\n");
    }
    if (p->count > 0 && p->layers[p->count - 1].end < p->size) {
        put(&t, "padding ");
        put_bytes(&t, p->bytes + p->layers[p->count - 1].end,
                  p->size - p->layers[p->count - 1].end);
        put(&t, "\n");
    }
    if (p->stop != PACKET_WHOLE)
        put(&t, "(%s at byte %" PRIu32 ")\n", packet_stop_name(p->stop), p->stop_offset);
    return t.length;
}

size_t dump_hex(char *out, size_t size, const uint8_t *bytes, size_t length)
{
    struct text t = {out, size, 0};
    if (size > 0)
        out[0] = '\0';
    for (size_t at = 0; at < length; at += 16) {
        size_t n = length - at < 16 ? length - at : 16;
        put(&t, "%04zx ", at);
        for (size_t i = 0; i < 16; i++)
            if (i < n)
                put(&t, " %02x", bytes[at + i]);
            else
                put(&t, "   ");
        put(&t, "  ");
        for (size_t i = 0; i < n; i++)
            put(&t, "%c", bytes[at + i] >= 0x20 && bytes[at + i] < 0x7f ? bytes[at + i] : '.');
        put(&t, "\n");
    }
    return t.length;
}
