/* netns: see netns.h. Everything is done by system calls, without a program such as ip. */
#include "host/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>

#include "base/clock.h"
#include "host/netlink.h"
#include "host/route.h"

#define OUR_NAMESPACE "/proc/self/ns/net"

enum { LOOPBACK = 1 };

static bool ask(struct netlink *m, const char *step, struct error *err)
{
    int refused = netlink_ask(m, 0);
    return refused == 0 || fail_errno(err, refused, "the private network was refused at %s", step);
}

static bool bring_up(uint32_t index, struct error *err)
{
    struct ifinfomsg link = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct netlink m;
    netlink_begin(&m, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
    return ask(&m, "bringing an interface up", err);
}

/* A setting of the kernel, in the namespace of the process. */
static bool write_setting(const char *path, const char *value, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    int refused = errno;
    if (fd >= 0)
        close(fd);
    return written ||
           fail_errno(err, refused, "the private network was refused at writing %s", path);
}

void netns_free_ports(void)
{
    write_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", NULL);
}

int netns_new(struct error *err)
{
    int back = open(OUR_NAMESPACE, O_RDONLY | O_CLOEXEC), netns = -1;
    if (back < 0 || unshare(CLONE_NEWNET)) {
        fail_errno(err, errno, "the private network was refused a network namespace");
        if (back >= 0)
            close(back);
        return -1;
    }
    netns = open(OUR_NAMESPACE, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        fail_errno(err, errno, "the private network has no descriptor for a namespace");
    bool good = netns >= 0 && bring_up(LOOPBACK, err);
    netns_free_ports();
    netns_leave(back);
    if (!good && netns >= 0)
        close(netns);
    return good ? netns : -1;
}

int netns_enter(int netns, struct error *err)
{
    int back = open(OUR_NAMESPACE, O_RDONLY | O_CLOEXEC);
    if (back >= 0 && setns(netns, CLONE_NEWNET) == 0)
        return back;
    fail_errno(err, errno, "a namespace of the private network cannot be entered");
    if (back >= 0)
        close(back);
    return -1;
}

void netns_leave(int back)
{
    if (setns(back, CLONE_NEWNET))
        abort();
    close(back);
}

int netns_ethtool(const char *iface, uint32_t command, uint32_t value)
{
    struct ethtool_value request = {.cmd = command, .data = value};
    struct ifreq ifr = {.ifr_data = (char *)&request};
    memcpy(ifr.ifr_name, iface, strlen(iface));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ioctl(fd, SIOCETHTOOL, &ifr);
    int refused = errno;
    close(fd);
    errno = refused;
    return result;
}

static void put_name(struct netlink *m, const char *name)
{
    netlink_put(m, IFLA_IFNAME, name, strlen(name) + 1);
}

static bool make_pair(const int netns[static 2], const char *const names[static 2], uint32_t mtu,
                      struct error *err)
{
    struct ifinfomsg none = {0};
    struct netlink m;
    netlink_begin(&m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &none, sizeof none);
    put_name(&m, names[0]);
    netlink_put32(&m, IFLA_MTU, mtu);
    netlink_put32(&m, IFLA_NET_NS_FD, (uint32_t)netns[0]);
    size_t info = netlink_nest(&m, IFLA_LINKINFO);
    netlink_put(&m, IFLA_INFO_KIND, "veth", 4);
    size_t data = netlink_nest(&m, IFLA_INFO_DATA);
    size_t peer = netlink_nest(&m, VETH_INFO_PEER);
    netlink_put_raw(&m, &none, sizeof none);
    put_name(&m, names[1]);
    netlink_put32(&m, IFLA_MTU, mtu);
    netlink_put32(&m, IFLA_NET_NS_FD, (uint32_t)netns[1]);
    netlink_end(&m, peer);
    netlink_end(&m, data);
    netlink_end(&m, info);
    return ask(&m, "making a veth pair", err);
}

/* One end, in its namespace. Without a link-local address there is no router solicitation; a kernel
 * without IPv6 refuses that, and needs it not. */
static bool set_up(const char *name, struct error *err)
{
    uint32_t index = if_nametoindex(name);
    struct ifinfomsg link = {.ifi_index = (int)index};
    uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    struct netlink m;
    netlink_begin(&m, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
    size_t spec = netlink_nest(&m, IFLA_AF_SPEC);
    size_t family = netlink_nest(&m, AF_INET6);
    netlink_put(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
    netlink_end(&m, family);
    netlink_end(&m, spec);
    netlink_ask(&m, 0);
    if (netns_ethtool(name, ETHTOOL_STXCSUM, 0))
        return fail_errno(err, errno,
                          "the private network was refused at turning checksum offload off");
    return bring_up(index, err);
}

bool netns_join(const int netns[static 2], const char *const names[static 2], uint32_t mtu,
                struct error *err)
{
    if (!make_pair(netns, names, mtu, err))
        return false;
    for (int i = 0; i < 4; i++) { /* twice: asked for its state, an end sees that both are up */
        int back = netns_enter(netns[i % 2], err);
        bool good = back >= 0 && (i >= 2 || set_up(names[i], err));
        if (good && i >= 2)
            netns_ethtool(names[i % 2], ETHTOOL_GLINK, 0);
        if (back >= 0)
            netns_leave(back);
        if (!good)
            return false;
    }
    return true;
}

/* The kernel makes an IPv6 address its own in a work queue. A link-local one has no route by itself
 * that could be asked for, and nobody is told to use it. */
static void await_address(const struct addr *addr)
{
    struct route route;
    if (addr->kind == ADDR_IP6 && addr->bytes[0] == 0xfe)
        return;
    for (int i = 0; i < 1000; i++) {
        if (route_get(addr, NULL, 0, &route, NULL) && route.local)
            return;
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    }
}

static uint8_t family_of(const struct addr *addr)
{
    return addr->kind == ADDR_IP4 ? AF_INET : AF_INET6;
}

bool netns_address(int netns, const char *iface, const struct addr *addr, uint8_t bits,
                   struct error *err)
{
    int back = netns_enter(netns, err);
    if (back < 0)
        return false;
    struct ifaddrmsg to = {.ifa_family = family_of(addr),
                           .ifa_prefixlen = bits,
                           .ifa_flags = IFA_F_NODAD,
                           .ifa_index = if_nametoindex(iface)};
    struct netlink m;
    netlink_begin(&m, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &to, sizeof to);
    netlink_put(&m, IFA_LOCAL, addr->bytes, addr_length(addr->kind));
    netlink_put(&m, IFA_ADDRESS, addr->bytes, addr_length(addr->kind));
    bool good = ask(&m, "giving a host an address", err);
    if (good)
        await_address(addr);
    netns_leave(back);
    return good;
}

bool netns_route(int netns, const struct addr *dst, uint8_t bits, const struct addr *via,
                 struct error *err)
{
    int back = netns_enter(netns, err);
    if (back < 0)
        return false;
    struct rtmsg route = {.rtm_family = family_of(dst),
                          .rtm_dst_len = bits,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = RTPROT_STATIC,
                          .rtm_scope = RT_SCOPE_UNIVERSE,
                          .rtm_type = RTN_UNICAST};
    struct netlink m;
    netlink_begin(&m, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
    if (bits)
        netlink_put(&m, RTA_DST, dst->bytes, addr_length(dst->kind));
    netlink_put(&m, RTA_GATEWAY, via->bytes, addr_length(via->kind));
    bool good = ask(&m, "giving a host a route", err);
    netns_leave(back);
    return good;
}

bool netns_forward(int netns, struct error *err)
{
    int back = netns_enter(netns, err);
    if (back < 0)
        return false;
    bool good = write_setting("/proc/sys/net/ipv4/ip_forward", "1", err) &&
                (access("/proc/sys/net/ipv6", F_OK) ||
                 write_setting("/proc/sys/net/ipv6/conf/all/forwarding", "1", err));
    netns_leave(back);
    return good;
}
