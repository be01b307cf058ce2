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
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "host/netlink.h"
#include "host/setup.h"

#define OUR_NAMESPACE "/proc/self/ns/net"

enum { LOOPBACK = 1 };

void netns_free_ports(void)
{
    setup_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", NULL);
}

void netns_forget_peers(void)
{
    setup_write("/proc/sys/net/ipv4/tcp_no_metrics_save", "1", NULL);
}

int netns_new(struct error *err)
{
    int back = open(OUR_NAMESPACE, O_RDONLY | O_CLOEXEC), netns = -1;
    if (back < 0 || unshare(CLONE_NEWNET)) {
        fail_errno(err, errno, "the lab was refused a network namespace");
        if (back >= 0)
            close(back);
        return -1;
    }
    netns = open(OUR_NAMESPACE, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        fail_errno(err, errno, "the lab has no descriptor for a namespace");
    bool good = netns >= 0 && setup_bring_up(LOOPBACK, err);
    netns_free_ports();
    netns_forget_peers();
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
    fail_errno(err, errno, "a namespace of the lab cannot be entered");
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
    return setup_ask(&m, "making a veth pair", err);
}

/* One end, in its namespace. */
static bool set_up(const char *name, struct error *err)
{
    uint32_t index = if_nametoindex(name);
    setup_no_link_local(index);
    return setup_whole_sums(name, err) && setup_bring_up(index, err);
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
            setup_look(names[i % 2]);
        if (back >= 0)
            netns_leave(back);
        if (!good)
            return false;
    }
    return true;
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
    bool good = setup_address(if_nametoindex(iface), addr, bits, err);
    if (good)
        setup_await_address(addr);
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
    bool good = setup_ask(&m, "giving a host a route", err);
    netns_leave(back);
    return good;
}

bool netns_forward(int netns, struct error *err)
{
    int back = netns_enter(netns, err);
    if (back < 0)
        return false;
    bool good = setup_write("/proc/sys/net/ipv4/ip_forward", "1", err) &&
                (access("/proc/sys/net/ipv6", F_OK) ||
                 setup_write("/proc/sys/net/ipv6/conf/all/forwarding", "1", err));
    netns_leave(back);
    return good;
}
