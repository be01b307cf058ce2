/* addr: one type for the addresses of every layer: MAC, IPv4, IPv6. */
#ifndef TCPLUA_BASE_ADDR_H
#define TCPLUA_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum addr_kind { ADDR_NONE, ADDR_MAC, ADDR_IP4, ADDR_IP6 };

struct addr {
    enum addr_kind kind;
    uint8_t bytes[16]; /* network order; 6, 4 or 16 of them count */
    uint32_t scope;    /* interface index of a link-local IPv6 address, else 0 */
};

#define ADDR_TEXT 64 /* room for any address as text, zone and NUL included */

/* 6, 4, 16, or 0 for ADDR_NONE. */
size_t addr_length(enum addr_kind kind);

/* From bytes in network order; `bytes` holds addr_length(kind) of them. */
struct addr addr_from(enum addr_kind kind, const uint8_t *bytes);

/* Reads "192.0.2.1", "2001:db8::1", "fe80::1%eth0" or "02:00:00:00:00:01". The whole text must be
 * one address: no blanks, no port, no name. A v4-mapped IPv6 address is refused (write the IPv4
 * address), and so is a zone that is no interface here. Errors: usage, EINVAL, naming `what`
 * ("source address", …) and quoting the text escaped. */
bool addr_parse(struct addr *addr, const char *text, const char *what, struct error *err);

/* As addr_parse() reads it; IPv6 as RFC 5952 writes it. Returns `text`. */
const char *addr_format(const struct addr *addr, char text[static ADDR_TEXT]);

bool addr_equal(const struct addr *a,
                const struct addr *b);           /* scope counts only if both have one */
bool addr_is_zero(const struct addr *addr);      /* 0.0.0.0, ::, 00:00:00:00:00:00 */
bool addr_is_loopback(const struct addr *addr);  /* 127.0.0.0/8, ::1 */
bool addr_is_multicast(const struct addr *addr); /* 224.0.0.0/4, ff00::/8, odd first octet */
bool addr_is_broadcast(const struct addr *addr); /* 255.255.255.255, ff:ff:ff:ff:ff:ff */
bool addr_is_linklocal(const struct addr *addr); /* fe80::/10; 169.254.0.0/16 does not count */

/* Whether two addresses of one kind begin with the same `bits` bits. */
bool addr_same_prefix(const struct addr *a, const struct addr *b, unsigned bits);

/* Reads a port 1..65535: decimal digits only. Errors: usage, EINVAL, naming `what`. */
bool port_parse(uint16_t *port, const char *text, const char *what, struct error *err);

/* The two ends of a connection as this side sees it. */
struct flow {
    struct addr local, remote;
    uint16_t lport, rport;
};

bool flow_equal(const struct flow *a, const struct flow *b);

#endif
