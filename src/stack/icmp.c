/* icmp: see icmp.h. */
#include "stack/icmp.h"

#include "base/bytes.h"
#include "packet/checksum.h"

#define IPPROTO_ICMP4 1
#define IPPROTO_TCP4  6
#define IPPROTO_ICMP6 58
#define IP6_HEADER    40

/* The first eight bytes of a quoted TCP segment: ports and sequence number. */
static bool read_quote(struct icmp_error *error, enum addr_kind kind, const uint8_t *ip,
                       size_t length)
{
    size_t header, src, dst;
    if (kind == ADDR_IP4) {
        if (length < 20 || ip[0] >> 4 != 4 || ip[9] != IPPROTO_TCP4)
            return false;
        header = (size_t)(ip[0] & 15) * 4;
        if (header < 20 || (get16(ip + 6) & 0x1fff) != 0)
            return false;
        src = 12;
        dst = 16;
    } else {
        if (length < IP6_HEADER || ip[0] >> 4 != 6 || ip[6] != IPPROTO_TCP4)
            return false; /* we send no extension headers, so a quote of ours has none */
        header = IP6_HEADER;
        src = 8;
        dst = 24;
    }
    if (length < header + 8)
        return false;
    const uint8_t *tcp = ip + header;
    error->flow = (struct flow){.local = addr_from(kind, ip + src),
                                .remote = addr_from(kind, ip + dst),
                                .lport = get16(tcp),
                                .rport = get16(tcp + 2)};
    error->seq = get32(tcp + 4);
    return true;
}

static bool read_icmp4(struct icmp_error *error, const uint8_t *icmp, size_t length)
{
    static const char *const unreachable[] = {
        "network unreachable",
        "host unreachable",
        "protocol unreachable",
        "port unreachable",
        "fragmentation needed",
        "source route failed",
        "network unknown",
        "host unknown",
        "source host isolated",
        "network prohibited",
        "host prohibited",
        "network unreachable for this type of service",
        "host unreachable for this type of service",
        "administratively prohibited",
        "host precedence violation",
        "precedence cutoff in effect",
    };
    uint8_t type = icmp[0], code = icmp[1];
    switch (type) {
    case 3:
        if (code >= sizeof unreachable / sizeof unreachable[0])
            return false;
        error->text = unreachable[code];
        error->too_big = code == 4;
        error->mtu = code == 4 ? get16(icmp + 6) : 0;
        /* RFC 1122 4.2.3.9: protocol and port are hard; the prohibitions are as final. A router
         * that wants a fragment of a segment with DF is a matter of the MTU. */
        error->hard = code == 2 || code == 3 || code == 9 || code == 10 || code == 13;
        break;
    case 11:
        error->text = code == 0 ? "time to live exceeded" : "reassembly time exceeded";
        break;
    case 12:
        error->text = "parameter problem";
        break;
    default:
        return false;
    }
    return read_quote(error, ADDR_IP4, icmp + 8, length - 8);
}

static bool read_icmp6(struct icmp_error *error, const uint8_t *icmp, size_t length)
{
    static const char *const unreachable[] = {
        "no route",         "administratively prohibited",  "beyond scope",   "address unreachable",
        "port unreachable", "source address failed policy", "route rejected",
    };
    uint8_t type = icmp[0], code = icmp[1];
    switch (type) {
    case 1:
        if (code >= sizeof unreachable / sizeof unreachable[0])
            return false;
        error->text = unreachable[code];
        error->hard = code == 1 || code == 4 || code == 5 || code == 6;
        break;
    case 2:
        error->text = "packet too big";
        error->too_big = true;
        error->mtu = get32(icmp + 4);
        break;
    case 3:
        error->text = code == 0 ? "hop limit exceeded" : "reassembly time exceeded";
        break;
    case 4:
        error->text = "parameter problem";
        break;
    default:
        return false;
    }
    return read_quote(error, ADDR_IP6, icmp + 8, length - 8);
}

bool icmp_read(struct icmp_error *error, const uint8_t *bytes, size_t length)
{
    *error = (struct icmp_error){.text = ""};
    if (length >= 28 && bytes[0] >> 4 == 4 && bytes[9] == IPPROTO_ICMP4) {
        size_t header = (size_t)(bytes[0] & 15) * 4, total = get16(bytes + 2);
        if (header < 20 || total > length || total < header + 8 || (get16(bytes + 6) & 0x3fff))
            return false;
        if (checksum_finish(checksum_add(0, bytes, header)) != 0 ||
            checksum_finish(checksum_add(0, bytes + header, total - header)) != 0)
            return false;
        struct addr dst = addr_from(ADDR_IP4, bytes + 16);
        error->from = addr_from(ADDR_IP4, bytes + 12);
        return read_icmp4(error, bytes + header, total - header) &&
               addr_equal(&error->flow.local, &dst);
    }
    if (length >= IP6_HEADER + 8 && bytes[0] >> 4 == 6 && bytes[6] == IPPROTO_ICMP6) {
        size_t said = get16(bytes + 4);
        if (said > length - IP6_HEADER || said < 8)
            return false;
        struct addr dst = addr_from(ADDR_IP6, bytes + 24);
        error->from = addr_from(ADDR_IP6, bytes + 8);
        uint64_t sum = checksum_pseudo(0, &error->from, &dst, IPPROTO_ICMP6, (uint32_t)said);
        if (checksum_finish(checksum_add(sum, bytes + IP6_HEADER, said)) != 0)
            return false;
        return read_icmp6(error, bytes + IP6_HEADER, said) && addr_equal(&error->flow.local, &dst);
    }
    return false;
}
