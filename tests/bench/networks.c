#include "networks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

_Noreturn void become(const char *const *argv, int out)
{
    dup2(out, STDOUT_FILENO);
    execvp(argv[0], (char *const *)argv);
    fprintf(stderr, "bench: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

bool ended_well(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail(path);
    close(fd);
}

/* A network namespace for this process, inside a user namespace where it is not root's. */
static void enter_namespace(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWNET | (uid == 0 ? 0 : CLONE_NEWUSER)) != 0) {
        fprintf(stderr, "bench: no network namespace to be had here: %s\n", strerror(errno));
        exit(77);
    }
    if (uid == 0)
        return;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_file("/proc/self/gid_map", map);
}

int open_process_namespace(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    return fd;
}

int open_namespace(void)
{
    return open_process_namespace((int)getpid());
}

void ip(int namespace, const char *arguments)
{
    char line[256];
    const char *argv[32] = {"ip"};
    int argc = 1, status;
    char *rest = NULL;
    snprintf(line, sizeof line, "%s", arguments);
    for (char *word = strtok_r(line, " ", &rest); word && argc < 31;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    pid_t child = fork();
    if (child == 0) {
        if (setns(namespace, CLONE_NEWNET) != 0)
            fail("setns");
        become(argv, STDOUT_FILENO);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !ended_well(status)) {
        fprintf(stderr, "bench: ip %s: failed\n", arguments);
        exit(1);
    }
}

/* Does what follows in another namespace; leave() goes back. */
static int enter(int namespace)
{
    int here = open_namespace();
    if (setns(namespace, CLONE_NEWNET) != 0)
        fail("setns");
    return here;
}

static void leave(int here)
{
    if (setns(here, CLONE_NEWNET) != 0)
        fail("setns");
    close(here);
}

void offload(int namespace, const char *interface, uint32_t command, bool on)
{
    int here = enter(namespace);
    struct ethtool_value value = {.cmd = command, .data = on};
    struct ifreq request = {.ifr_data = (void *)&value};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) != 0)
        fail("SIOCETHTOOL");
    close(fd);
    leave(here);
}

void tune(int namespace, const char *path, const char *value)
{
    int here = enter(namespace);
    write_file(path, value);
    leave(here);
}

int make_networks(void)
{
    char link[64];
    enter_namespace();
    int far = open_namespace();
    if (unshare(CLONE_NEWNET) != 0)
        fail("unshare");
    int near = open_namespace();
    snprintf(link, sizeof link, "link add far type veth peer name near netns %d", (int)getpid());
    ip(far, link);
    ip(far, "address add 192.0.2.2/24 dev far");
    ip(far, "link set far up");
    ip(near, "address add 192.0.2.1/24 dev near");
    ip(near, "link set near up");
    ip(near, "link set lo up");
    close(near);
    return far;
}
