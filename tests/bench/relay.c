#include "relay.h"

#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "networks.h"

enum { BUFFER = 64 << 20, TURN = 64 };

static int open_interface(const char *name)
{
    const int room = BUFFER, yes = 1;
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail(name);
    return fd;
}

/* splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void carry(int from, int to, double percent, uint64_t *seed)
{
    static char frame[1 << 16];
    for (int i = 0; i < TURN; i++) {
        ssize_t got = recv(from, frame, sizeof frame, MSG_DONTWAIT);
        if (got <= 0)
            return;
        if ((double)(next_random(seed) >> 11) * 0x1p-53 * 100 >= percent)
            send(to, frame, (size_t)got, 0);
    }
}

static _Noreturn void relay(int ready, double percent)
{
    int ends[] = {open_interface("mid1"), open_interface("mid2")};
    uint64_t seeds[] = {1, 2};
    struct pollfd waiting[] = {{.fd = ends[0], .events = POLLIN},
                               {.fd = ends[1], .events = POLLIN}};
    if (write(ready, "", 1) != 1)
        fail("pipe");
    for (;;) {
        poll(waiting, 2, -1);
        carry(ends[0], ends[1], percent, &seeds[0]);
        carry(ends[1], ends[0], percent, &seeds[1]);
    }
}

void relay_start(int near, int far, double percent)
{
    char link[80], byte;
    int made[2], joined[2], ready[2];
    if (pipe(made) != 0 || pipe(joined) != 0 || pipe(ready) != 0)
        fail("pipe");
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWNET) != 0 || write(made[1], "", 1) != 1 ||
            read(joined[0], &byte, 1) != 1)
            fail("unshare");
        relay(ready[1], percent);
    }
    if (child < 0 || read(made[0], &byte, 1) != 1)
        fail("the relay did not start");
    int mid = open_process_namespace(child);
    snprintf(link, sizeof link, "link add near1 type veth peer name mid1 netns %d", (int)child);
    ip(near, link);
    snprintf(link, sizeof link, "link add far1 type veth peer name mid2 netns %d", (int)child);
    ip(far, link);
    ip(near, "address add 198.51.100.1/24 dev near1");
    ip(far, "address add 198.51.100.2/24 dev far1");
    /* What a relay on packet sockets passes on must be finished: checksums, and with them
     * segments of the MSS. */
    offload(near, "near1", ETHTOOL_STXCSUM, false);
    offload(far, "far1", ETHTOOL_STXCSUM, false);
    ip(near, "link set near1 up");
    ip(far, "link set far1 up");
    ip(mid, "link set mid1 up");
    ip(mid, "link set mid2 up");
    if (write(joined[1], "", 1) != 1 || read(ready[0], &byte, 1) != 1)
        fail("the relay did not start");
    for (int i = 0; i < 2; i++) {
        close(made[i]);
        close(joined[i]);
        close(ready[i]);
    }
    close(mid);
}
