/* addr: see addr.h. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

size_t addr_length(enum addr_kind kind)
{
    switch (kind) {
    case ADDR_MAC:
        return 6;
    case ADDR_IP4:
        return 4;
    case ADDR_IP6:
        return 16;
    case ADDR_NONE:
        break;
    }
    return 0;
}

struct addr addr_from(enum addr_kind kind, const uint8_t *bytes)
{
    struct addr addr = {.kind = kind};
    memcpy(addr.bytes, bytes, addr_length(kind));
    return addr;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_mac(struct addr *addr, const char *text)
{
    if (strlen(text) != 17)
        return false;
    for (size_t i = 0; i < 6; i++) {
        int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return false;
        addr->bytes[i] = (uint8_t)(high << 4 | low);
    }
    addr->kind = ADDR_MAC;
    return true;
}

static bool parse_ip6(struct addr *addr, const char *text, const char *what, struct error *err)
{
    char shown[ADDR_TEXT], plain[INET6_ADDRSTRLEN];
    const char *zone = strchr(text, '%');
    size_t length = zone ? (size_t)(zone - text) : strlen(text);
    text_escape(shown, sizeof shown, text, strlen(text));
    if (length >= sizeof plain)
        return fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not an IP address", what, shown);
    memcpy(plain, text, length);
    plain[length] = '\0';
    if (inet_pton(AF_INET6, plain, addr->bytes) != 1)
        return fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not an IP address", what, shown);
    addr->kind = ADDR_IP6;
    if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr->bytes))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "%s '%s' is an IPv4 address in IPv6 form; write it as %d.%d.%d.%d", what, shown,
                    addr->bytes[12], addr->bytes[13], addr->bytes[14], addr->bytes[15]);
    if (zone) {
        addr->scope = if_nametoindex(zone + 1);
        if (addr->scope == 0)
            return fail(err, ERROR_USAGE, "EINVAL", "%s '%s' names no interface of this host", what,
                        shown);
    } else if (addr_is_linklocal(addr)) {
        return fail(err, ERROR_USAGE, "EINVAL",
                    "%s '%s' is link-local and needs its interface, as in %s%%eth0", what, shown,
                    shown);
    }
    return true;
}

bool addr_parse(struct addr *addr, const char *text, const char *what, struct error *err)
{
    *addr = (struct addr){.kind = ADDR_NONE};
    if (parse_mac(addr, text))
        return true;
    if (inet_pton(AF_INET, text, addr->bytes) == 1) {
        addr->kind = ADDR_IP4;
        return true;
    }
    if (strchr(text, ':'))
        return parse_ip6(addr, text, what, err);
    char shown[ADDR_TEXT];
    text_escape(shown, sizeof shown, text, strlen(text));
    return fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not an IP address", what, shown);
}

/* Scripts read addresses of every packet, and inet_ntop() goes through sprintf(). */
static void format_ip4(char *text, const uint8_t *bytes)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            *text++ = '.';
        if (bytes[i] >= 100)
            *text++ = (char)('0' + bytes[i] / 100);
        if (bytes[i] >= 10)
            *text++ = (char)('0' + bytes[i] / 10 % 10);
        *text++ = (char)('0' + bytes[i] % 10);
    }
    *text = '\0';
}

const char *addr_format(const struct addr *addr, char text[static ADDR_TEXT])
{
    const uint8_t *b = addr->bytes;
    switch (addr->kind) {
    case ADDR_MAC:
        snprintf(text, ADDR_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
                 b[5]);
        break;
    case ADDR_IP4:
        format_ip4(text, b);
        break;
    case ADDR_IP6: {
        inet_ntop(AF_INET6, b, text, ADDR_TEXT);
        char name[IF_NAMESIZE];
        size_t used = strlen(text);
        if (addr->scope && if_indextoname(addr->scope, name))
            snprintf(text + used, ADDR_TEXT - used, "%%%s", name);
        break;
    }
    case ADDR_NONE:
        snprintf(text, ADDR_TEXT, "none");
        break;
    }
    return text;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, addr_length(a->kind)) == 0 &&
           (a->scope == 0 || b->scope == 0 || a->scope == b->scope);
}

bool addr_is_zero(const struct addr *addr)
{
    static const uint8_t zero[16];
    return memcmp(addr->bytes, zero, addr_length(addr->kind)) == 0;
}

bool addr_is_loopback(const struct addr *addr)
{
    if (addr->kind == ADDR_IP4)
        return addr->bytes[0] == 127;
    return addr->kind == ADDR_IP6 && IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)addr->bytes);
}

bool addr_is_multicast(const struct addr *addr)
{
    switch (addr->kind) {
    case ADDR_MAC:
        return addr->bytes[0] & 1;
    case ADDR_IP4:
        return (addr->bytes[0] & 0xf0) == 0xe0;
    case ADDR_IP6:
        return addr->bytes[0] == 0xff;
    case ADDR_NONE:
        break;
    }
    return false;
}

bool addr_is_broadcast(const struct addr *addr)
{
    static const uint8_t ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    return (addr->kind == ADDR_MAC || addr->kind == ADDR_IP4) &&
           memcmp(addr->bytes, ones, addr_length(addr->kind)) == 0;
}

bool addr_is_linklocal(const struct addr *addr)
{
    return addr->kind == ADDR_IP6 && addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

bool addr_same_prefix(const struct addr *a, const struct addr *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    return memcmp(a->bytes, b->bytes, whole) == 0 &&
           (rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0);
}

bool port_parse(uint16_t *port, const char *text, const char *what, struct error *err)
{
    unsigned long value = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && value <= 65535; i++)
        value = value * 10 + (unsigned long)(text[i] - '0');
    if (digits == 0 || text[digits] != '\0' || value == 0 || value > 65535) {
        char shown[ADDR_TEXT];
        text_escape(shown, sizeof shown, text, strlen(text));
        return fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not a number from 1 to 65535", what,
                    shown);
    }
    *port = (uint16_t)value;
    return true;
}

bool flow_equal(const struct flow *a, const struct flow *b)
{
    return a->lport == b->lport && a->rport == b->rport && addr_equal(&a->remote, &b->remote) &&
           addr_equal(&a->local, &b->local);
}
