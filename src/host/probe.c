/* probe: see probe.h. */
#include "host/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/lab.h"
#include "host/route.h"

#define SAY(text, ...) snprintf(text, sizeof(text), __VA_ARGS__)

/* Opens a socket and closes it; 0 or the errno of the refusal. */
static int try_socket(int family, int protocol)
{
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void tell_socket(struct probe *probe, int refused, const char *use)
{
    probe->ok = refused == 0;
    if (probe->ok) {
        SAY(probe->detail, "granted: %s", use);
        return;
    }
    SAY(probe->detail, "%s (%s)", strerror(refused), use);
    if (refused != EPERM && refused != EACCES)
        return;
    if (geteuid() == 0)
        SAY(probe->fix, "give the container CAP_NET_RAW (docker run --cap-add=NET_RAW)");
    else
        SAY(probe->fix,
            "start it with sudo, or try scripts with tcplua --lab, which needs no root");
}

static void probe_raw(struct probe *probe)
{
    int four = try_socket(AF_INET, IPPROTO_RAW), six = try_socket(AF_INET6, IPPROTO_RAW);
    bool only_four = four == 0 && six == EAFNOSUPPORT;
    probe->name = "raw IP sockets";
    tell_socket(probe,
                four        ? four
                : only_four ? 0
                            : six,
                only_four ? "TCP from an address of this host, without IPv6, which the kernel lacks"
                          : "TCP from an address of this host");
}

static void probe_packet(struct probe *probe)
{
    probe->name = "packet sockets";
    tell_socket(probe, try_socket(AF_PACKET, 0), "sniffing, ARP, TCP from an address of one's own");
}

static void probe_guard(struct probe *probe)
{
    static const struct {
        unsigned way;
        const char *name;
    } ways[] = {
        {GUARD_FILTER, "socket filter"}, {GUARD_MD5, "TCP-MD5 key"}, {GUARD_TTL, "minimum TTL"}};
    const struct addr loopback = {.kind = ADDR_IP4, .bytes = {127, 0, 0, 1}};
    struct error err;
    probe->name = "guard against the kernel's resets";
    struct guard *guard = guard_open(&loopback, 0, GUARD_ALL, &err);
    if (!guard) {
        SAY(probe->detail, "%s", err.message);
        return;
    }
    unsigned held = guard_ways(guard);
    guard_close(guard);
    probe->ok = true;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        size_t used = strlen(probe->detail);
        if (held & ways[i].way)
            snprintf(probe->detail + used, sizeof probe->detail - used, "%s %s",
                     used ? "," : "holds by", ways[i].name);
    }
    if (held == GUARD_TTL)
        SAY(probe->detail, "holds by minimum TTL alone; a peer that sends 255 gets past it");
}

static void probe_resets(struct probe *probe)
{
    int64_t resets = kernel_resets();
    probe->name = "count of the kernel's resets";
    probe->ok = resets >= 0;
    if (probe->ok)
        SAY(probe->detail, "%" PRId64 " so far", resets);
    else
        SAY(probe->detail, "/proc/net/snmp does not tell; a reset by the kernel is not recognized");
}

/* Whether a file of /proc/sys holds `value`. */
static bool sysctl_is(const char *path, char value)
{
    char text[2] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, text, sizeof text) > 0 && text[0] == value &&
              (text[1] == '\0' || text[1] == '\n');
    if (fd >= 0)
        close(fd);
    return is;
}

static void probe_lab(struct probe *probe)
{
    struct error err;
    probe->name = "lab";
    probe->ok = lab_possible(&err);
    if (probe->ok) {
        SAY(probe->detail, "a private network can be made");
        return;
    }
    SAY(probe->detail, "%.320s; demo and --lab run in a simulation instead", err.message);
    if (sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1'))
        SAY(probe->fix, "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0");
    else if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", '0'))
        SAY(probe->fix, "sudo sysctl kernel.unprivileged_userns_clone=1");
    else if (sysctl_is("/proc/sys/user/max_user_namespaces", '0'))
        SAY(probe->fix, "sudo sysctl user.max_user_namespaces=10000");
    else
        SAY(probe->fix, "run it as root, or let the container make user namespaces "
                        "(docker run --security-opt seccomp=unconfined)");
}

void probe_all(struct probe probes[static PROBE_COUNT])
{
    memset(probes, 0, PROBE_COUNT * sizeof probes[0]);
    probe_raw(&probes[PROBE_RAW]);
    probe_packet(&probes[PROBE_PACKET]);
    probe_guard(&probes[PROBE_GUARD]);
    probe_resets(&probes[PROBE_RESETS]);
    probe_lab(&probes[PROBE_LAB]);
}
