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

uint32_t dump_number(const struct packet *p, size_t i, const char *name)
{
    return (uint32_t)field_get(proto_field(p->layers[i].proto, name), packet_header(p, i));
}

const char *dump_address(const struct packet *p, size_t i, const char *name,
                         char text[static FIELD_TEXT])
{
    return field_format(proto_field(p->layers[i].proto, name), packet_header(p, i), text);
}

bool dump_is_cut(const struct packet *p, size_t i)
{
    return p->layers[i].header < p->layers[i].proto->minimum;
}

bool dump_is(const struct packet *p, size_t i, const struct proto *proto)
{
    return i < p->count && p->layers[i].proto == proto;
}

/* A layer that the line does not mention if there is another behind it. */
static bool is_link(const struct packet *p, size_t i)
{
    return dump_is(p, i, &proto_eth) || dump_is(p, i, &proto_sll) || dump_is(p, i, &proto_sll2) ||
           dump_is(p, i, &proto_null) || dump_is(p, i, &proto_loop);
}

static bool is_tag(const struct packet *p, size_t i)
{
    return dump_is(p, i, &proto_vlan) || dump_is(p, i, &proto_qinq);
}

bool dump_is_ip(const struct packet *p, size_t i)
{
    return (dump_is(p, i, &proto_ip) || dump_is(p, i, &proto_ip6)) && !dump_is_cut(p, i);
}

bool dump_has_ports(const struct packet *p, size_t i)
{
    return (dump_is(p, i, &proto_tcp) || dump_is(p, i, &proto_udp)) && p->layers[i].header >= 4;
}

/* Bytes behind the header of layer `i`, those included that are missing from the capture. */
static uint32_t payload_length(const struct packet *p, size_t i)
{
    const struct layer *l = &p->layers[i];
    return l->end - l->offset - l->header + p->missing;
}

uint32_t dump_whole(const struct packet *p, size_t i)
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
    uint32_t length = payload_length(p, i), seq = dump_number(p, i, "seq") - zero_seq;
    uint32_t ack = dump_number(p, i, "ack") - zero_ack, bits = dump_number(p, i, "flags");
    uint32_t header = dump_number(p, i, "offset") * 4;
    if (header < 20) {
        text_put(t, "[bad hdr length %" PRIu32 " - too short, < 20]", header);
        return;
    }
    text_put(t, "Flags [%s]", bits ? dump_address(p, i, "flags", flags) : "none");
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
    text_put(t, ", win %" PRIu32, dump_number(p, i, "win"));
    if (bits & 0x20)
        text_put(t, ", urg %" PRIu32, dump_number(p, i, "urg"));
    struct option_walk walk = walk_of(p, i, proto_tail(p->layers[i].proto));
    if (walk.length > 0) {
        text_put(t, ", options [");
        put_option_list(t, &walk, zero_ack);
        text_put(t, "]");
    }
    text_put(t, ", length %" PRIu32, length);
}

static void put_arp(struct text *t, const struct packet *p, size_t i)
{
    static const uint8_t unknown[6];
    char spa[FIELD_TEXT], tpa[FIELD_TEXT], mac[FIELD_TEXT];
    uint32_t op = dump_number(p, i, "op"), length = dump_whole(p, i);
    if (dump_number(p, i, "hln") != 6 || dump_number(p, i, "pln") != 4) {
        text_put(t,
                 "ARP, Unknown Hardware (%" PRIu32 ") (len %" PRIu32
                 "), Unknown Protocol (0x%04" PRIx32 ") (len %" PRIu32 "), length %" PRIu32,
                 dump_number(p, i, "hrd"), dump_number(p, i, "hln"), dump_number(p, i, "pro"),
                 dump_number(p, i, "pln"), length);
        return;
    }
    dump_address(p, i, "spa", spa);
    dump_address(p, i, "tpa", tpa);
    if (op == 1) {
        text_put(t, "ARP, Request who-has %s", tpa);
        if (memcmp(packet_header(p, i) + 18, unknown, sizeof unknown) != 0)
            text_put(t, " (%s)", dump_address(p, i, "tha", mac));
        text_put(t, " tell %s", spa);
    } else if (op == 2) {
        text_put(t, "ARP, Reply %s is-at %s", spa, dump_address(p, i, "sha", mac));
    } else {
        text_put(t, "ARP, Unknown (%" PRIu32 ")", op);
    }
    text_put(t, ", length %" PRIu32, length);
}

static void put_vlan(struct text *t, const struct packet *p, size_t i)
{
    text_put(t, "vlan %" PRIu32 ", p %" PRIu32 "%s, ", dump_number(p, i, "vlan"),
             dump_number(p, i, "p"), dump_number(p, i, "dei") ? ", DEI" : "");
}

/* "#3 In ": tcpdump has the interface's name there, if this host has one of that number. */
static void put_sll2(struct text *t, const struct packet *p, size_t i)
{
    static const char *const words[] = {"In", "B", "M", "P", "Out"};
    uint32_t type = dump_number(p, i, "pkttype");
    text_put(t, "#%" PRIu32 " %s ", dump_number(p, i, "ifindex"),
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
                 dump_number(p, i, "length"), dump_number(p, i, "type"),
                 dump_number(p, i, "segleft"));
    else /* of a fragment: what a length within it promises is in the next ones */
        text_put(t, "frag (%" PRIu32 "|%" PRIu32 ") ", dump_number(p, i, "offset") * 8,
                 payload_length(p, i) - (dump_number(p, i, "mf") ? p->missing : 0));
}

static bool is_extension(const struct packet *p, size_t i)
{
    return dump_is(p, i, &proto_ip6_hop) || dump_is(p, i, &proto_ip6_dest) ||
           dump_is(p, i, &proto_ip6_route) || dump_is(p, i, &proto_ip6_frag);
}

/* "IP 192.0.2.1.40000 > 192.0.2.2.9000: ", or "IP6 2001:db8::1 > 2001:db8::2: HBH 40000 > 9000: "
 * with extension headers between. Returns the layer behind. */
static size_t put_ip(struct text *t, const struct packet *p, size_t i)
{
    char src[FIELD_TEXT], dst[FIELD_TEXT];
    size_t j = i + 1;
    text_put(t, "%s %s", dump_is(p, i, &proto_ip) ? "IP" : "IP6", dump_address(p, i, "src", src));
    if (dump_has_ports(p, j)) {
        text_put(t, ".%" PRIu32 " > %s.%" PRIu32 ": ", dump_number(p, j, "sport"),
                 dump_address(p, i, "dst", dst), dump_number(p, j, "dport"));
        return j;
    }
    text_put(t, " > %s: ", dump_address(p, i, "dst", dst));
    for (; is_extension(p, j) && !dump_is_cut(p, j); j++)
        put_extension(t, p, j);
    if (j > i + 1 && dump_has_ports(p, j))
        text_put(t, "%" PRIu32 " > %" PRIu32 ": ", dump_number(p, j, "sport"),
                 dump_number(p, j, "dport"));
    return j;
}

static void put_dns(struct text *t, const struct packet *p, size_t i)
{
    bool multicast = dump_has_ports(p, i - 1) && (dump_number(p, i - 1, "sport") == 5353 ||
                                                  dump_number(p, i - 1, "dport") == 5353);
    const struct layer *l = &p->layers[i];
    text_put_dns(t, packet_header(p, i), l->end - l->offset, dump_whole(p, i), multicast);
}

/* Whether the line of what UDP carries says the length itself. */
static bool speaks_for_udp(const struct packet *p, size_t i)
{
    return dump_is(p, i, &proto_dhcp) || dump_is(p, i, &proto_dns);
}

static void put_dhcp(struct text *t, const struct packet *p, size_t i)
{
    char mac[FIELD_TEXT];
    uint32_t op = dump_number(p, i, "op");
    text_put(t, "BOOTP/DHCP, ");
    if (op == 1 && dump_number(p, i, "htype") == 1 && dump_number(p, i, "hlen") == 6)
        text_put(t, "Request from %s", dump_address(p, i, "mac", mac));
    else if (op == 1 || op == 2)
        text_put(t, op == 1 ? "Request" : "Reply");
    else
        text_put(t, "unknown (0x%02" PRIx32 ")", op);
    text_put(t, ", length %" PRIu32, dump_whole(p, i));
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
    } else if (dump_is(p, i, &proto_sll) || dump_is(p, i, &proto_sll2)) {
        text_put(t, "ethertype 0x%04" PRIx32 ", length %" PRIu32, dump_number(p, i, "protocol"),
                 length);
    } else if (dump_is(p, i, &proto_null) || dump_is(p, i, &proto_loop)) {
        text_put(t, "AF %" PRIu32 ", length %" PRIu32, dump_number(p, i, "family"), length);
    } else if (dump_is(p, i, &proto_eth)) {
        text_put(t, "%s > %s, ethertype 0x%04" PRIx32 ", length %" PRIu32,
                 dump_address(p, i, "src", src), dump_address(p, i, "dst", dst),
                 dump_number(p, i, "type"), length);
    } else if (is_tag(p, i)) {
        text_put(t, "ethertype 0x%04" PRIx32 ", length %" PRIu32, dump_number(p, i, "type"),
                 length);
    } else if (dump_is(p, i, &proto_ip) && p->stop == PACKET_FRAGMENT) {
        text_put(t, "frag (%" PRIu32 "|%" PRIu32 ") ip-proto-%" PRIu32,
                 dump_number(p, i, "offset") * 8, length, dump_number(p, i, "proto"));
    } else {
        uint32_t next = dump_number(p, i, dump_is(p, i, &proto_ip) ? "proto" : "next");
        if (next == 59)
            text_put(t, "no next header");
        else
            text_put(t, "ip-proto-%" PRIu32 " %" PRIu32, next, length);
    }
}

/* What is in front of that which the line is about. Returns the layer behind it, or `i`. */
static size_t put_front(struct text *t, const struct packet *p, size_t i)
{
    if (dump_is_ip(p, i))
        return put_ip(t, p, i);
    if (is_extension(p, i))
        put_extension(t, p, i);
    else if (is_tag(p, i))
        put_vlan(t, p, i);
    else if (dump_is(p, i, &proto_sll2))
        put_sll2(t, p, i);
    else if (!is_link(p, i))
        return i;
    return i + 1;
}

static void put_layer(struct text *t, const struct packet *p, size_t i,
                      const struct dump_base *base)
{
    const struct proto *proto = p->layers[i].proto;
    if (proto == &proto_tcp)
        put_tcp(t, p, i, base);
    else if (proto == &proto_dns)
        put_dns(t, p, i);
    else if (proto == &proto_dhcp)
        put_dhcp(t, p, i);
    else if (proto == &proto_udp && !speaks_for_udp(p, i + 1))
        text_put(t, "UDP, length %" PRIu32, payload_length(p, i));
    else if (proto == &proto_icmp)
        text_put_icmp(t, p, i);
    else if (proto == &proto_icmp6)
        text_put_icmp6(t, p, i);
    else if (proto == &proto_arp)
        put_arp(t, p, i);
    else if (proto != &proto_udp)
        put_fields(t, p, i);
}

/* What stands between layer `i` and the next one; NULL if the line ends in front of that, as in
 * front of a packet that is quoted. */
static const char *joint(const struct packet *p, size_t i)
{
    const struct proto *proto = p->layers[i].proto;
    if (i + 1U >= p->count)
        return NULL;
    if (proto == &proto_udp && speaks_for_udp(p, i + 1))
        return "";
    if (proto == &proto_tcp || proto == &proto_udp)
        return ": ";
    return is_declared(proto) ? ", " : NULL;
}

size_t dump_line(char *out, size_t size, const struct packet *p, const struct dump_base *base)
{
    struct text t = {out, size, 0};
    if (size > 0)
        out[0] = '\0';
    size_t i = 0;
    while (i < p->count && !dump_is_cut(p, i)) {
        if (is_link(p, i) && i + 1U == p->count)
            break;
        size_t behind = put_front(&t, p, i);
        if (behind == i) {
            put_layer(&t, p, i, base);
            const char *between = joint(p, i);
            if (!between)
                return t.length;
            text_put(&t, "%s", between);
            behind++;
        }
        i = behind;
    }
    if (i < p->count && dump_is_cut(p, i))
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
        text_put(&t, "%s%s\n", proto->name, dump_is_cut(p, i) ? " (cut off)" : "");
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
