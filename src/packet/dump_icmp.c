/* dump_icmp: a message of ICMP (RFC 792, RFC 950) or ICMPv6 (RFC 4443, RFC 4861) on one line, as
 * tcpdump 4.99 has it without -v. Of a packet that it quotes its end is named, and no more. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/dump_text.h"

/* "192.0.2.2 tcp port 9000", of the packet quoted at layer `i`. */
static void put_quoted_port(struct text *t, const struct packet *p, size_t i, const char *dst)
{
    size_t j = i + 1;
    if (dump_has_ports(p, j))
        text_put(t, "%s %s port %" PRIu32 " unreachable", dst, p->layers[j].proto->name,
                 dump_number(p, j, "dport"));
    else
        text_put(t, "%s protocol %" PRIu32 " port unreachable", dst, dump_number(p, i, "proto"));
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
    if (!dump_is_ip(p, i + 1)) {
        text_put(t, "unreachable, code %" PRIu32, code);
        return;
    }
    dump_address(p, i + 1, "dst", dst);
    switch (code) {
    case 0:
        text_put(t, "net %s unreachable", dst);
        break;
    case 1:
        text_put(t, "host %s unreachable", dst);
        break;
    case 2:
        text_put(t, "%s protocol %" PRIu32 " unreachable", dst, dump_number(p, i + 1, "proto"));
        break;
    case 3:
        put_quoted_port(t, p, i + 1, dst);
        break;
    case 4:
        text_put(t, "%s unreachable - need to frag", dst);
        if (dump_number(p, i, "mtu") > 0)
            text_put(t, " (mtu %" PRIu32 ")", dump_number(p, i, "mtu"));
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
             dump_number(p, i, "id"), dump_number(p, i, "seq"));
    if (!reply || !dump_is(p, i + 1, &proto_icmp_time) || dump_is_cut(p, i + 1))
        return;
    put_clock(t, ": org ", dump_number(p, i + 1, "originate"));
    put_clock(t, ", recv ", dump_number(p, i + 1, "receive"));
    put_clock(t, ", xmit ", dump_number(p, i + 1, "transmit"));
}

void text_put_icmp(struct text *t, const struct packet *p, size_t i)
{
    uint32_t type = dump_number(p, i, "type"), code = dump_number(p, i, "code");
    char text[FIELD_TEXT];
    text_put(t, "ICMP ");
    switch (type) {
    case 0:
    case 8:
        text_put(t, "echo %s, id %" PRIu32 ", seq %" PRIu32, type ? "request" : "reply",
                 dump_number(p, i, "id"), dump_number(p, i, "seq"));
        break;
    case 3:
        put_unreachable(t, p, i, code);
        break;
    case 4:
        text_put(t, "source quench");
        break;
    case 5:
        text_put(t, "redirect");
        if (dump_is_ip(p, i + 1))
            text_put(t, " %s to %s", dump_address(p, i + 1, "dst", text),
                     code == 0 ? "net" : "host");
        text_put(t, " %s", dump_address(p, i, "gateway", text));
        break;
    case 11:
        text_put(t, "%s", code == 0 ? "time exceeded in-transit" : "ip reassembly time exceeded");
        break;
    case 12:
        text_put(t, "parameter problem - octet %" PRIu32, dump_number(p, i, "pointer"));
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
        if (dump_is(p, i + 1, &proto_icmp_mask) && !dump_is_cut(p, i + 1))
            text_put(t, " is 0x%08" PRIx32, get32(packet_header(p, i + 1)));
        break;
    default:
        text_put(t, "type-#%" PRIu32, type);
    }
    text_put(t, ", length %" PRIu32, dump_whole(p, i));
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
    if (!dump_is_ip(p, i + 1))
        return;
    dump_address(p, i + 1, "dst", dst);
    size_t j = i + 2;
    if (code == 4 && dump_has_ports(p, j))
        text_put(t, ", %s %s port %" PRIu32, dst, p->layers[j].proto->name,
                 dump_number(p, j, "dport"));
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

void text_put_icmp6(struct text *t, const struct packet *p, size_t i)
{
    uint32_t type = dump_number(p, i, "type");
    char target[FIELD_TEXT];
    bool nd =
        (dump_is(p, i + 1, &proto_ns) || dump_is(p, i + 1, &proto_na)) && !dump_is_cut(p, i + 1);
    if (nd)
        dump_address(p, i + 1, "target", target);
    text_put(t, "ICMP6, ");
    switch (type) {
    case 1:
        put_icmp6_unreachable(t, p, i, dump_number(p, i, "code"));
        break;
    case 2:
        text_put(t, "packet too big, mtu %" PRIu32, dump_number(p, i, "mtu"));
        break;
    case 3:
        text_put(t, "time exceeded %s", dump_number(p, i, "code") ? "in-reassembly" : "in-transit");
        if (dump_is_ip(p, i + 1))
            text_put(t, " for %s", dump_address(p, i + 1, "dst", target));
        break;
    case 4:
        put_icmp6_problem(t, dump_number(p, i, "code"), dump_number(p, i, "pointer"));
        break;
    case 128:
    case 129:
        text_put(t, "echo %s, id %" PRIu32 ", seq %" PRIu32, type == 128 ? "request" : "reply",
                 dump_number(p, i, "id"), dump_number(p, i, "seq"));
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
        if (dump_is(p, i + 1, &proto_redirect) && !dump_is_cut(p, i + 1)) {
            text_put(t, ", %s", dump_address(p, i + 1, "dst", target));
            text_put(t, " to %s", dump_address(p, i + 1, "target", target));
        }
        break;
    default:
        text_put(t, "type-#%" PRIu32, type);
    }
    text_put(t, ", length %" PRIu32, dump_whole(p, i));
}
