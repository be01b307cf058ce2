/* route: the kernel's routing tables, by RTM_GETROUTE. See route.h. */
#include "host/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/netlink.h"
#include "host/sockaddr.h"

/* An address attribute; a link-local address of IPv6 gets the interface as its zone. */
static struct addr attribute_addr(enum addr_kind kind, const uint8_t *value, uint32_t ifindex)
{
    struct addr addr = addr_from(kind, value);
    if (addr_is_linklocal(&addr))
        addr.scope = ifindex;
    return addr;
}

static bool get_addr(const struct netlink *m, uint16_t type, enum addr_kind kind, uint32_t ifindex,
                     struct addr *addr)
{
    const uint8_t *value = netlink_get(m, type, addr_length(kind));
    if (value)
        *addr = attribute_addr(kind, value, ifindex);
    return value != NULL;
}

/* The gateway among `size` bytes of attributes; ADDR_NONE if the next hop is the destination. That
 * of an IPv4 route may be an IPv6 address (RFC 5549): then it is in RTA_VIA. */
static struct addr find_gateway(const void *attributes, size_t size, enum addr_kind kind,
                                uint32_t ifindex)
{
    size_t length;
    const uint8_t *value = netlink_find_in(attributes, size, RTA_GATEWAY, &length);
    if (value && length >= addr_length(kind))
        return attribute_addr(kind, value, ifindex);
    value = netlink_find_in(attributes, size, RTA_VIA, &length);
    struct rtvia head;
    if (value && length >= sizeof head + 16) {
        memcpy(&head, value, sizeof head);
        if (head.rtvia_family == AF_INET6)
            return attribute_addr(ADDR_IP6, value + sizeof head, ifindex);
    }
    return (struct addr){0};
}

/* What the route itself says of the MTU (a learned path MTU is shown here too); 0 if nothing. */
static uint32_t get_mtu(const struct netlink *m)
{
    size_t size, length;
    uint32_t mtu = 0;
    const void *metrics = netlink_find(m, RTA_METRICS, &size);
    const void *value = metrics ? netlink_find_in(metrics, size, RTAX_MTU, &length) : NULL;
    if (value && length >= sizeof mtu)
        memcpy(&mtu, value, sizeof mtu);
    return mtu;
}

static int ask(struct netlink *m, struct rtmsg *type, const struct addr *dst,
               const struct addr *src, uint32_t ifindex)
{
    uint8_t bits = (uint8_t)(8 * addr_length(dst->kind));
    *type = (struct rtmsg){.rtm_family = dst->kind == ADDR_IP4 ? AF_INET : AF_INET6,
                           .rtm_dst_len = bits,
                           .rtm_src_len = src ? bits : 0};
    netlink_begin(m, RTM_GETROUTE, 0, type, sizeof *type);
    netlink_put(m, RTA_DST, dst->bytes, addr_length(dst->kind));
    if (src)
        netlink_put(m, RTA_SRC, src->bytes, addr_length(src->kind));
    if (ifindex)
        netlink_put32(m, RTA_OIF, ifindex);
    int refused = netlink_ask(m, sizeof *type);
    if (!refused)
        memcpy(type, netlink_fixed(m), sizeof *type);
    return refused;
}

static bool refuse(int refused, const struct addr *dst, const struct addr *src, uint32_t ifindex,
                   struct error *err)
{
    char to[ADDR_TEXT], from[ADDR_TEXT];
    addr_format(dst, to);
    bool asked = refused != EMFILE && refused != ENFILE && refused != ENOMEM;
    /* For IPv4 the kernel says of a source that is not its own that there is no route. */
    if (asked && src && !addr_is_local(src))
        return fail(err, ERROR_USAGE, "EADDRNOTAVAIL", "%s is not an address of this host",
                    addr_format(src, from));
    switch (refused) {
    case ENETUNREACH:
    case ESRCH:
        return fail(err, ERROR_NETWORK, "ENETUNREACH", "no route to %s", to);
    case EHOSTUNREACH:
        return fail(err, ERROR_NETWORK, "EHOSTUNREACH",
                    "a route of this host says that %s is unreachable", to);
    case ENETDOWN:
        return fail(err, ERROR_NETWORK, "ENETDOWN", "the interface towards %s is down", to);
    case ENODEV:
        return fail(err, ERROR_ENVIRONMENT, "ENODEV", "there is no interface number %u here",
                    ifindex);
    case EACCES:
        return fail(err, ERROR_NETWORK, "EINVAL", "a route of this host prohibits %s", to);
    case EINVAL:
        return fail(err, ERROR_NETWORK, "EINVAL", "a route of this host discards what is for %s",
                    to);
    default:
        return fail_errno(err, refused, "the kernel tells no route to %s", to);
    }
}

bool route_get(const struct addr *dst, const struct addr *src, uint32_t ifindex,
               struct route *route, struct error *err)
{
    if (ifindex == 0)
        ifindex = dst->scope ? dst->scope : src ? src->scope : 0;
    struct netlink m;
    struct rtmsg type;
    int refused = ask(&m, &type, dst, src, ifindex);
    if (refused)
        return refuse(refused, dst, src, ifindex, err);

    *route = (struct route){.local = type.rtm_type == RTN_LOCAL,
                            .broadcast = type.rtm_type == RTN_BROADCAST};
    const void *out = netlink_get(&m, RTA_OIF, sizeof route->ifindex);
    if (!out)
        return refuse(type.rtm_type == RTN_PROHIBIT ? EACCES : ENETUNREACH, dst, src, ifindex, err);
    memcpy(&route->ifindex, out, sizeof route->ifindex);
    if (!get_addr(&m, RTA_PREFSRC, dst->kind, route->ifindex, &route->source) && src)
        route->source = *src;
    route->gateway = find_gateway(m.bytes + m.fixed, m.length - m.fixed, dst->kind, route->ifindex);
    route->mtu = get_mtu(&m);
    if (route->mtu == 0) {
        struct iface iface;
        if (!iface_by_index(route->ifindex, &iface, err))
            return false;
        route->mtu = iface.mtu;
    }
    return true;
}

/* bind() alone would say yes to any address where net.ipv4.ip_nonlocal_bind is set, and to
 * multicast; the routing table alone to an address whose uniqueness is still being checked. */
bool addr_is_local(const struct addr *addr)
{
    if ((addr->kind != ADDR_IP4 && addr->kind != ADDR_IP6) || addr_is_zero(addr))
        return false;
    struct sockaddr_storage name;
    socklen_t length = sockaddr_from(&name, addr, 0);
    int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool bound = bind(fd, (struct sockaddr *)&name, length) == 0;
    close(fd);
    struct netlink m;
    struct rtmsg type;
    return bound && ask(&m, &type, addr, NULL, addr->scope) == 0 && type.rtm_type == RTN_LOCAL;
}

/* --- the whole tables ---------------------------------------------------------------------------
 */

static uint32_t get32(const struct netlink *m, uint16_t type)
{
    uint32_t value = 0;
    const void *bytes = netlink_get(m, type, sizeof value);
    if (bytes)
        memcpy(&value, bytes, sizeof value);
    return value;
}

/* One row for each next hop: what they share, and an interface and a gateway of its own. */
static bool add_hops(struct host_list *list, const struct route_entry *shared, const uint8_t *at,
                     size_t size)
{
    struct rtnexthop hop;
    while (size >= sizeof hop) {
        memcpy(&hop, at, sizeof hop);
        if (hop.rtnh_len < sizeof hop || hop.rtnh_len > size)
            break;
        struct route_entry *row = host_list_add(list);
        if (!row)
            return false;
        *row = *shared;
        row->ifindex = (uint32_t)hop.rtnh_ifindex;
        row->gateway = find_gateway(at + sizeof hop, hop.rtnh_len - sizeof hop, shared->dst.kind,
                                    row->ifindex);
        size_t step = RTNH_ALIGN(hop.rtnh_len);
        if (step > size)
            break;
        at += step;
        size -= step;
    }
    return true;
}

static bool add_route(struct host_list *list, const struct netlink *m)
{
    struct rtmsg type;
    memcpy(&type, netlink_fixed(m), sizeof type);
    bool cached = type.rtm_flags & RTM_F_CLONED;
    if ((type.rtm_family != AF_INET && type.rtm_family != AF_INET6) || cached)
        return true;
    enum addr_kind kind = type.rtm_family == AF_INET ? ADDR_IP4 : ADDR_IP6;
    struct route_entry route = {.dst = {.kind = kind},
                                .bits = type.rtm_dst_len,
                                .type = type.rtm_type,
                                .table = get32(m, RTA_TABLE),
                                .ifindex = get32(m, RTA_OIF),
                                .metric = get32(m, RTA_PRIORITY),
                                .mtu = get_mtu(m)};
    if (route.table == RT_TABLE_LOCAL)
        return true;
    get_addr(m, RTA_DST, kind, 0, &route.dst);
    get_addr(m, RTA_PREFSRC, kind, 0, &route.source);
    size_t size;
    const uint8_t *hops = netlink_find(m, RTA_MULTIPATH, &size);
    if (hops)
        return add_hops(list, &route, hops, size);
    route.gateway = find_gateway(m->bytes + m->fixed, m->length - m->fixed, kind, route.ifindex);
    struct route_entry *row = host_list_add(list);
    if (row)
        *row = route;
    return row != NULL;
}

bool route_list(struct host_list *list, struct error *err)
{
    struct rtmsg type = {.rtm_family = AF_UNSPEC};
    struct netlink m;
    netlink_begin(&m, RTM_GETROUTE, 0, &type, sizeof type);
    return host_list_ask(list, &m, sizeof type, sizeof(struct route_entry), add_route, "routes",
                         err);
}
