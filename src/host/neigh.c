/* neigh: one entry of the kernel's neighbour table, by RTM_GETNEIGH (Linux 5.0). See route.h. */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host/netlink.h"
#include "host/route.h"

/* STALE and the states after it still hold the address that was last known to answer. */
#define GOOD (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

bool neigh_get(uint32_t ifindex, const struct addr *ip, struct addr *mac)
{
    struct ndmsg neigh = {.ndm_family = ip->kind == ADDR_IP4 ? AF_INET : AF_INET6,
                          .ndm_ifindex = (int)ifindex};
    struct netlink m;
    netlink_begin(&m, RTM_GETNEIGH, 0, &neigh, sizeof neigh);
    netlink_put(&m, NDA_DST, ip->bytes, addr_length(ip->kind));
    if (netlink_ask(&m, sizeof neigh))
        return false;
    memcpy(&neigh, netlink_fixed(&m), sizeof neigh);
    size_t length;
    const uint8_t *known = netlink_find(&m, NDA_LLADDR, &length);
    if (!(neigh.ndm_state & GOOD) || !known || length != 6)
        return false;
    *mac = addr_from(ADDR_MAC, known);
    return true;
}
