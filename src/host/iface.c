/* iface: one interface, by RTM_GETLINK. See route.h. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/text.h"
#include "host/netlink.h"
#include "host/route.h"

/* Sends the begun request and reads the interface from the reply; 0 or an errno. */
static int ask(struct netlink *m, struct iface *iface)
{
    netlink_put32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    int refused = netlink_ask(m, sizeof(struct ifinfomsg));
    if (refused)
        return refused;
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
        return EPROTO;
    memcpy(iface->name, name, length < IFNAMSIZ ? length : IFNAMSIZ - 1);
    const void *mtu = netlink_get(m, IFLA_MTU, sizeof iface->mtu);
    if (mtu)
        memcpy(&iface->mtu, mtu, sizeof iface->mtu);
    const uint8_t *mac = netlink_find(m, IFLA_ADDRESS, &length);
    if (mac && length == 6 && iface->type == ARPHRD_ETHER)
        iface->mac = addr_from(ADDR_MAC, mac);
    return 0;
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
