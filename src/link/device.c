/* device: see device.h. */
#include "link/device.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

static bool ask(int fd, const char *name, struct device *device)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, name, strlen(name));
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
        return false;
    device->index = request.ifr_ifindex;
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return false;
    device->up = request.ifr_flags & IFF_UP;
    device->loopback = request.ifr_flags & IFF_LOOPBACK;
    if (ioctl(fd, SIOCGIFMTU, &request) < 0)
        return false;
    device->mtu = (uint32_t)request.ifr_mtu;
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        return false;
    device->type = request.ifr_hwaddr.sa_family;
    if (device->type == ARPHRD_ETHER || device->type == ARPHRD_LOOPBACK)
        device->mac = addr_from(ADDR_MAC, (const uint8_t *)request.ifr_hwaddr.sa_data);
    return true;
}

bool device_read(const char *name, struct device *device, struct error *err)
{
    char shown[80];
    text_escape(shown, sizeof shown, name, strlen(name));
    *device = (struct device){0};
    if (!*name)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "which interface? The option 'iface' names it, or -i for the whole script");
    if (strlen(name) >= IFNAMSIZ)
        return fail(err, ERROR_ENVIRONMENT, "ENODEV",
                    "there is no interface %s: a name has at most 15 characters", shown);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(err, errno, "cannot ask for interface %s", shown);
    bool known = ask(fd, name, device);
    int cause = errno;
    close(fd);
    if (known)
        return true;
    if (cause == ENODEV)
        return fail(err, ERROR_ENVIRONMENT, "ENODEV",
                    "there is no interface %s: `ip link` lists those there are", shown);
    return fail_errno(err, cause, "cannot ask for interface %s", shown);
}
