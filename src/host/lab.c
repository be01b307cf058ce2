/* lab: see lab.h. Everything is done by system calls, without a program such as ip. */
#include "host/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "base/addr.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/privilege.h"
#include "host/setup.h"

/* Indices are fixed, because the namespace is new: the loopback interface is 1. */
enum { LOOPBACK = 1, OURS = 2, SERVERS = 3 };

#define LOCALLY_ADMINISTERED(last)                                                                 \
    {                                                                                              \
        0x02, 0, 0, 0, 0, last                                                                     \
    }
static const uint8_t our_mac[6] = LOCALLY_ADMINISTERED(1);
static const uint8_t server_mac[6] = LOCALLY_ADMINISTERED(2);

/* In a user namespace a process may do everything to what belongs to it. It keeps its own user and
 * group, so that the files it makes are as ever. */
static bool enter_as_user(struct error *err)
{
    char map[32];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return fail_errno(err, errno, "the lab was refused a user and network namespace");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (!setup_write("/proc/self/setgroups", "deny", err) ||
        !setup_write("/proc/self/uid_map", map, err))
        return false;
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    return setup_write("/proc/self/gid_map", map, err);
}

static bool enter_namespace(struct error *err)
{
    if (!privilege_has(CAP_SYS_ADMIN))
        return enter_as_user(err);
    if (unshare(CLONE_NEWNET))
        return fail_errno(err, errno, "the lab was refused a network namespace");
    return true;
}

static bool make_pair(struct error *err)
{
    struct ifinfomsg ours = {.ifi_index = OURS}, servers = {.ifi_index = SERVERS};
    struct netlink m;
    netlink_begin(&m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &ours, sizeof ours);
    netlink_put(&m, IFLA_IFNAME, LAB_IFACE, sizeof LAB_IFACE);
    netlink_put(&m, IFLA_ADDRESS, our_mac, sizeof our_mac);
    size_t info = netlink_nest(&m, IFLA_LINKINFO);
    netlink_put(&m, IFLA_INFO_KIND, "veth", 4);
    size_t data = netlink_nest(&m, IFLA_INFO_DATA);
    size_t peer = netlink_nest(&m, VETH_INFO_PEER);
    netlink_put_raw(&m, &servers, sizeof servers);
    netlink_put(&m, IFLA_IFNAME, LAB_SERVER, sizeof LAB_SERVER);
    netlink_put(&m, IFLA_ADDRESS, server_mac, sizeof server_mac);
    netlink_end(&m, peer);
    netlink_end(&m, data);
    netlink_end(&m, info);
    return setup_ask(&m, "making a veth pair", err);
}

/* Keeps the kernel from speaking on its own account: no link-local address, and so no router
 * solicitation; no multicast listener report for weeks; no forwarding, which a new namespace takes
 * over from the host; no ARP answer, at our end, for the address of the other one. What is refused
 * (a kernel without IPv6, a read-only /proc) costs a few packets more in captures. */
static void quieten(uint32_t index, const char *name)
{
    struct ifinfomsg link = {.ifi_index = (int)index};
    struct netlink m;
    netlink_begin(&m, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
    size_t spec = netlink_nest(&m, IFLA_AF_SPEC);
    size_t family = netlink_nest(&m, AF_INET);
    size_t conf = netlink_nest(&m, IFLA_INET_CONF);
    netlink_put32(&m, IPV4_DEVCONF_FORWARDING, 0);
    netlink_put32(&m, IPV4_DEVCONF_ARP_IGNORE, index == OURS ? 8 : 0);
    netlink_end(&m, conf);
    netlink_end(&m, family);
    netlink_end(&m, spec);
    netlink_ask(&m, 0);

    setup_no_link_local(index);
    char path[80];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/mldv2_unsolicited_report_interval",
             name);
    setup_write(path, "2000000000", NULL);
}

static bool add_address(const char *text, uint8_t bits, struct addr *addr, struct error *err)
{
    return addr_parse(addr, text, "lab address", err) && setup_address(SERVERS, addr, bits, err);
}

bool lab_enter(struct error *err)
{
    struct addr ip4, ip6;
    if (!enter_namespace(err) || !make_pair(err) || !setup_whole_sums(LAB_SERVER, err))
        return false;
    netns_free_ports();
    netns_forget_peers();
    quieten(OURS, LAB_IFACE);
    quieten(SERVERS, LAB_SERVER);
    if (!add_address(LAB_DST, 24, &ip4, err))
        return false;
    bool both = add_address(LAB_DST6, 64, &ip6, NULL); /* without it there is IPv4 */
    if (!setup_bring_up(LOOPBACK, err) || !setup_bring_up(OURS, err) ||
        !setup_bring_up(SERVERS, err))
        return false;
    setup_look(LAB_IFACE);
    setup_look(LAB_SERVER);
    if (both)
        setup_await_address(&ip6);
    return true;
}

bool lab_possible(struct error *err)
{
    struct error refused = {.code = ""};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return fail_errno(err, errno, "cannot try the lab");
    pid_t child = fork();
    if (child == 0) {
        bool entered = lab_enter(&refused);
        bool told = entered || write(ends[1], &refused, sizeof refused) == sizeof refused;
        _exit(entered && told ? 0 : 1);
    }
    int failed = errno, status = 1;
    close(ends[1]);
    bool told = child > 0 && read(ends[0], &refused, sizeof refused) == sizeof refused;
    close(ends[0]);
    if (child < 0)
        return fail_errno(err, failed, "cannot try the lab");
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (told && err)
        *err = refused;
    else if (status != 0)
        fail(err, ERROR_ENVIRONMENT, "EPERM", "the lab was refused: the child that tried it ended");
    return status == 0;
}
