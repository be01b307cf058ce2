#include "wire.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "networks.h"

enum { BUFFER = 64 << 20, SYN_ACK = 0x12 };

int wire_open(int namespace, const char *name)
{
    int here = open_namespace();
    if (setns(namespace, CLONE_NEWNET) != 0)
        fail("setns");
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 128),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {.len = sizeof rows / sizeof *rows, .filter = rows};
    const int room = BUFFER, yes = 1;
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(name)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail(name);
    if (setns(here, CLONE_NEWNET) != 0)
        fail("setns");
    close(here);
    return fd;
}

/* The next one: its IPv4 header on, when, and whether it went out; false if there is none. */
static bool take(int fd, unsigned char bytes[static 128], int64_t *time, bool *out)
{
    struct sockaddr_ll from;
    union {
        struct cmsghdr align;
        char room[64];
    } control;
    struct iovec piece = {.iov_base = bytes, .iov_len = 128};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct timespec stamp = {0};
    if (recvmsg(fd, &message, MSG_DONTWAIT) < 40)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    *time = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
    *out = from.sll_pkttype == PACKET_OUTGOING;
    return true;
}

size_t wire_answers(int fd, int text, int64_t *times, size_t most)
{
    unsigned char ip[128];
    int64_t time, asked = 0;
    bool out;
    size_t count = 0;
    while (take(fd, ip, &time, &out)) {
        size_t header = (size_t)(ip[0] & 15) * 4;
        if (header > 60)
            continue;
        const unsigned char *tcp = ip + header;
        size_t data = (size_t)ip[2] << 8 | ip[3];
        data -= header + (size_t)(tcp[12] >> 4) * 4;
        bool question = text ? data > 0 : (tcp[13] & 0x3f) == SYN_ACK;
        if (out && question) {
            asked = time;
        } else if (!out && asked && (data > 0 || !text)) {
            if (count < most)
                times[count++] = time - asked;
            asked = 0;
        }
    }
    return count;
}
