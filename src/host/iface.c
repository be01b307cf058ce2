/* iface: interfaces, by RTM_GETLINK, and their addresses, by RTM_GETADDR. See route.h. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/text.h"
#include "host/netlink.h"
#include "host/route.h"

static bool read_iface(struct iface *iface, const struct netlink *m)
{
    struct ifinfomsg info;
    memcpy(&info, netlink_fixed(m), sizeof info);
    *iface = (struct iface){
        .index = (uint32_t)info.ifi_index,
        .up = info.ifi_flags & IFF_UP,
        .running = info.ifi_flags & IFF_RUNNING,
        .loopback = info.ifi_flags & IFF_LOOPBACK,
        .type = info.ifi_type,
    };
    size_t length;
    const char *name = netlink_find(m, IFLA_IFNAME, &length);
    if (!name || length == 0)
        return false;
    memcpy(iface->name, name, length < IFNAMSIZ ? length : IFNAMSIZ - 1);
    const void *mtu = netlink_get(m, IFLA_MTU, sizeof iface->mtu);
    if (mtu)
        memcpy(&iface->mtu, mtu, sizeof iface->mtu);
    const uint8_t *mac = netlink_find(m, IFLA_ADDRESS, &length);
    if (mac && length == 6 && iface->type == ARPHRD_ETHER)
        iface->mac = addr_from(ADDR_MAC, mac);
    return true;
}

/* Sends the begun request and reads the interface from the reply; 0 or an errno. */
static int ask(struct netlink *m, struct iface *iface)
{
    netlink_put32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    int refused = netlink_ask(m, sizeof(struct ifinfomsg));
    return refused ? refused : read_iface(iface, m) ? 0 : EPROTO;
}

bool iface_by_name(const char *name, struct iface *iface, struct error *err)
{
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct netlink m;
    size_t length = strlen(name);
    int refused = ENODEV;
    if (length > 0 && length < IFNAMSIZ) {
        netlink_begin(&m, RTM_GETLINK, 0, &info, sizeof info);
        netlink_put(&m, IFLA_IFNAME, name, length + 1);
        refused = ask(&m, iface);
    }
    if (refused == 0)
        return true;
    char shown[ADDR_TEXT];
    text_escape(shown, sizeof shown, name, length);
    if (refused == ENODEV || refused == EINVAL)
        return fail(err, ERROR_ENVIRONMENT, "ENODEV", "there is no interface '%s' on this host",
                    shown);
    return fail_errno(err, refused, "the kernel does not describe interface '%s'", shown);
}

bool iface_by_index(uint32_t index, struct iface *iface, struct error *err)
{
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
    struct netlink m;
    int refused = ENODEV;
    if (index > 0 && index <= INT32_MAX) {
        netlink_begin(&m, RTM_GETLINK, 0, &info, sizeof info);
        refused = ask(&m, iface);
    }
    if (refused == 0)
        return true;
    if (refused == ENODEV)
        return fail(err, ERROR_ENVIRONMENT, "ENODEV", "there is no interface number %u here",
                    index);
    return fail_errno(err, refused, "the kernel does not describe interface number %u", index);
}

static bool add_iface(struct host_list *list, const struct netlink *m)
{
    struct iface iface, *row;
    if (!read_iface(&iface, m))
        return true; /* one without a name cannot be spoken of */
    row = host_list_add(list);
    if (row)
        *row = iface;
    return row != NULL;
}

bool iface_list(struct host_list *list, struct error *err)
{
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct netlink m;
    netlink_begin(&m, RTM_GETLINK, 0, &info, sizeof info);
    netlink_put32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return host_list_ask(list, &m, sizeof info, sizeof(struct iface), add_iface, "interfaces", err);
}

/* On a point-to-point interface IFA_ADDRESS is the other end, and ours is IFA_LOCAL, which IPv6 has
 * only there. */
static bool add_address(struct host_list *list, const struct netlink *m)
{
    struct ifaddrmsg info;
    memcpy(&info, netlink_fixed(m), sizeof info);
    if (info.ifa_family != AF_INET && info.ifa_family != AF_INET6)
        return true;
    enum addr_kind kind = info.ifa_family == AF_INET ? ADDR_IP4 : ADDR_IP6;
    const uint8_t *bytes = netlink_get(m, IFA_LOCAL, addr_length(kind));
    if (!bytes)
        bytes = netlink_get(m, IFA_ADDRESS, addr_length(kind));
    if (!bytes)
        return true;
    struct iface_address *row = host_list_add(list);
    if (row)
        *row = (struct iface_address){
            .ifindex = info.ifa_index, .addr = addr_from(kind, bytes), .bits = info.ifa_prefixlen};
    return row != NULL;
}

bool address_list(struct host_list *list, struct error *err)
{
    struct ifaddrmsg info = {.ifa_family = AF_UNSPEC};
    struct netlink m;
    netlink_begin(&m, RTM_GETADDR, 0, &info, sizeof info);
    return host_list_ask(list, &m, sizeof info, sizeof(struct iface_address), add_address,
                         "addresses", err);
}
