/* neigh: the kernel's neighbour table, by RTM_GETNEIGH (one entry: Linux 5.0). See route.h. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host/netlink.h"
#include "host/route.h"

/* STALE and the states after it still hold the address that was last known to answer. */
#define GOOD (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

/* A link-layer address of another length than Ethernet's is one we cannot say. */
static bool read_entry(struct neighbour_entry *entry, const struct netlink *m)
{
    struct ndmsg neigh;
    memcpy(&neigh, netlink_fixed(m), sizeof neigh);
    if (neigh.ndm_family != AF_INET && neigh.ndm_family != AF_INET6)
        return false;
    enum addr_kind kind = neigh.ndm_family == AF_INET ? ADDR_IP4 : ADDR_IP6;
    const uint8_t *ip = netlink_get(m, NDA_DST, addr_length(kind));
    if (!ip)
        return false;
    *entry = (struct neighbour_entry){.ifindex = (uint32_t)neigh.ndm_ifindex,
                                      .state = neigh.ndm_state,
                                      .ip = addr_from(kind, ip)};
    if (addr_is_linklocal(&entry->ip))
        entry->ip.scope = entry->ifindex;
    size_t length;
    const uint8_t *mac = netlink_find(m, NDA_LLADDR, &length);
    if (mac && length == 6)
        entry->mac = addr_from(ADDR_MAC, mac);
    return true;
}

bool neigh_ask(uint32_t ifindex, const struct addr *ip, struct neighbour_entry *entry,
               struct error *err)
{
    struct ndmsg neigh = {.ndm_family = ip->kind == ADDR_IP4 ? AF_INET : AF_INET6,
                          .ndm_ifindex = (int)ifindex};
    struct netlink m;
    netlink_begin(&m, RTM_GETNEIGH, 0, &neigh, sizeof neigh);
    netlink_put(&m, NDA_DST, ip->bytes, addr_length(ip->kind));
    int refused = netlink_ask(&m, sizeof neigh);
    if (!refused && read_entry(entry, &m))
        return true;
    char text[ADDR_TEXT];
    addr_format(ip, text);
    if (refused == ENOENT)
        return fail(err, ERROR_NETWORK, "ENOENT", "the kernel knows nothing of neighbour %s", text);
    return fail_errno(err, refused ? refused : EPROTO, "the kernel does not tell of neighbour %s",
                      text);
}

bool neigh_get(uint32_t ifindex, const struct addr *ip, struct addr *mac)
{
    struct neighbour_entry entry = {0};
    if (!neigh_ask(ifindex, ip, &entry, NULL) || !(entry.state & GOOD) || !entry.mac.kind)
        return false;
    *mac = entry.mac;
    return true;
}

static bool add_entry(struct host_list *list, const struct netlink *m)
{
    struct neighbour_entry entry, *row;
    if (!read_entry(&entry, m) || !(entry.state & ~NUD_NOARP))
        return true;
    row = host_list_add(list);
    if (row)
        *row = entry;
    return row != NULL;
}

bool neigh_list(struct host_list *list, struct error *err)
{
    struct ndmsg neigh = {.ndm_family = AF_UNSPEC};
    struct netlink m;
    netlink_begin(&m, RTM_GETNEIGH, 0, &neigh, sizeof neigh);
    return host_list_ask(list, &m, sizeof neigh, sizeof(struct neighbour_entry), add_entry,
                         "neighbours", err);
}
