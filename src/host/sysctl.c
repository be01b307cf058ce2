/* sysctl: see sysctl.h. A setting is a file of /proc/sys. */
#include "host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define ROOT "/proc/sys/"

enum { PATH_ROOM = 200 };

/* Dots are slashes and slashes are dots, as sysctl(8) has it, unless a slash comes first. */
static bool path_of(const char *name, char path[static PATH_ROOM], struct error *err)
{
    char shown[PATH_ROOM];
    size_t length = strlen(name), first = strcspn(name, "./");
    bool dotted = name[first] == '.';
    text_escape(shown, sizeof shown, name, length);
    bool ours = first == 3 && strncmp(name, "net", 3) == 0 && name[3] != '\0' &&
                sizeof ROOT + length <= PATH_ROOM && !strstr(name, dotted ? "//" : "..");
    if (!ours)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "'%s' is no setting of a network, such as net.ipv4.tcp_sack", shown);
    snprintf(path, PATH_ROOM, ROOT "%s", name);
    for (char *at = path + strlen(ROOT); dotted && *at; at++)
        *at = (char)(*at == '.' ? '/' : *at == '/' ? '.' : *at);
    return true;
}

/* Opens the file of a setting: a descriptor, or -1. */
static int open_setting(const char *name, int flags, struct error *err)
{
    char path[PATH_ROOM], shown[PATH_ROOM];
    if (!path_of(name, path, err))
        return -1;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int failed = errno;
    text_escape(shown, sizeof shown, name, strlen(name));
    if (failed == ENOENT)
        fail(err, ERROR_ENVIRONMENT, "ENOENT",
             "this kernel has no setting %s for a network of its own", shown);
    else
        fail_errno(err, failed, "the kernel keeps %s to itself", shown);
    return -1;
}

bool sysctl_write(const char *name, const char *value, struct error *err)
{
    char shown[PATH_ROOM];
    size_t length = strlen(value);
    int fd = open_setting(name, O_WRONLY, err);
    if (fd < 0)
        return false;
    bool written =
        write(fd, value, length) == (ssize_t)length; /* at once: two would be two values */
    int failed = errno;
    close(fd);
    text_escape(shown, sizeof shown, value, length);
    return written || fail_errno(err, failed, "the kernel refused '%s' for %s", shown, name);
}

bool sysctl_read(const char *name, char text[static SYSCTL_TEXT], struct error *err)
{
    int fd = open_setting(name, O_RDONLY, err);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, SYSCTL_TEXT - 1);
    int failed = errno;
    close(fd);
    if (got < 0)
        return fail_errno(err, failed, "the kernel does not tell %s", name);
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}
