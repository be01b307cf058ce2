/* setup: see setup.h. Everything is done by system calls, without a program such as ip. */
#include "host/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "base/clock.h"
#include "host/route.h"

bool setup_ask(struct netlink *request, const char *step, struct error *err)
{
    int refused = netlink_ask(request, 0);
    return refused == 0 || fail_errno(err, refused, "the lab was refused at %s", step);
}

bool setup_write(const char *path, const char *value, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    int refused = errno;
    if (fd >= 0)
        close(fd);
    return written || fail_errno(err, refused, "the lab was refused at writing %s", path);
}

bool setup_bring_up(uint32_t index, struct error *err)
{
    struct ifinfomsg link = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct netlink m;
    netlink_begin(&m, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
    return setup_ask(&m, "bringing an interface up", err);
}

void setup_no_link_local(uint32_t index)
{
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
}

/* One ETHTOOL_… command with a value; -1 with errno. */
static int ethtool(const char *iface, uint32_t command, uint32_t value)
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

bool setup_whole_sums(const char *iface, struct error *err)
{
    return ethtool(iface, ETHTOOL_STXCSUM, 0) == 0 ||
           fail_errno(err, errno, "the lab was refused at turning checksum offload off");
}

void setup_look(const char *iface)
{
    ethtool(iface, ETHTOOL_GLINK, 0);
}

bool setup_address(uint32_t index, const struct addr *addr, uint8_t bits, struct error *err)
{
    struct ifaddrmsg to = {.ifa_family = addr->kind == ADDR_IP4 ? AF_INET : AF_INET6,
                           .ifa_prefixlen = bits,
                           .ifa_flags = IFA_F_NODAD,
                           .ifa_index = index};
    struct netlink m;
    netlink_begin(&m, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &to, sizeof to);
    netlink_put(&m, IFA_LOCAL, addr->bytes, addr_length(addr->kind));
    netlink_put(&m, IFA_ADDRESS, addr->bytes, addr_length(addr->kind));
    return setup_ask(&m, "giving a host an address", err);
}

void setup_await_address(const struct addr *addr)
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
