/* too_big: see too_big.h. */
#include "link/too_big.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"

#define IP4_HEADER  20U
#define IP6_HEADER  40U
#define ICMP_HEADER 8U
#define DF          0x4000
#define OFFSET      0x1fff

static bool quotable4(const uint8_t *ip, size_t length)
{
    if (length < IP4_HEADER)
        return false;
    size_t header = (size_t)(ip[0] & 15) * 4;
    if (header < IP4_HEADER || length <= header || !(get16(ip + 6) & DF) || get16(ip + 6) & OFFSET)
        return false;
    uint8_t type = ip[9] == 1 ? ip[header] : 0;
    return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
}

static bool quotable6(const uint8_t *ip, size_t length)
{
    return length > IP6_HEADER && !(ip[6] == 58 && ip[IP6_HEADER] < 128);
}

static size_t write4(uint8_t *out, const uint8_t *ip, size_t length, uint32_t mtu)
{
    static const uint8_t router[] = {192, 0, 2, 254};
    size_t room = TOO_BIG_MAX - IP4_HEADER - ICMP_HEADER, quote = length < room ? length : room;
    size_t total = IP4_HEADER + ICMP_HEADER + quote;
    uint8_t *icmp = out + IP4_HEADER;
    memset(out, 0, IP4_HEADER + ICMP_HEADER);
    out[0] = 0x45;
    put16(out + 2, (uint16_t)total);
    out[8] = 64;
    out[9] = 1;
    memcpy(out + 12, router, 4);
    memcpy(out + 16, ip + 12, 4);
    put16(out + 10, checksum_finish(checksum_add(0, out, IP4_HEADER)));
    icmp[0] = 3;
    icmp[1] = 4;
    put16(icmp + 6, (uint16_t)mtu);
    memcpy(icmp + ICMP_HEADER, ip, quote);
    put16(icmp + 2, checksum_finish(checksum_add(0, icmp, ICMP_HEADER + quote)));
    return total;
}

static size_t write6(uint8_t *out, const uint8_t *ip, size_t length, uint32_t mtu)
{
    static const uint8_t router[] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe};
    size_t room = TOO_BIG_MAX - IP6_HEADER - ICMP_HEADER, quote = length < room ? length : room;
    uint8_t *icmp = out + IP6_HEADER;
    memset(out, 0, IP6_HEADER + ICMP_HEADER);
    out[0] = 0x60;
    put16(out + 4, (uint16_t)(ICMP_HEADER + quote));
    out[6] = 58;
    out[7] = 64;
    memcpy(out + 8, router, 16);
    memcpy(out + 24, ip + 8, 16);
    icmp[0] = 2;
    put32(icmp + 4, mtu);
    memcpy(icmp + ICMP_HEADER, ip, quote);
    struct addr src = addr_from(ADDR_IP6, router), dst = addr_from(ADDR_IP6, ip + 8);
    uint64_t sum = checksum_pseudo(0, &src, &dst, 58, (uint32_t)(ICMP_HEADER + quote));
    put16(icmp + 2, checksum_finish(checksum_add(sum, icmp, ICMP_HEADER + quote)));
    return IP6_HEADER + ICMP_HEADER + quote;
}

size_t too_big_write(uint8_t out[static TOO_BIG_MAX], const uint8_t *ip, size_t length,
                     uint32_t mtu)
{
    if (length && ip[0] >> 4 == 4 && quotable4(ip, length))
        return write4(out, ip, length, mtu);
    if (length && ip[0] >> 4 == 6 && quotable6(ip, length))
        return write6(out, ip, length, mtu);
    return 0;
}
