/* Sends frames in bursts, as fast as one core can or at a rate: what sniffers are tried with.
 *
 *     bench_frames IFACE COUNT [RATE [BURST = 64]]
 *
 * Each is 60 bytes of Ethernet, IPv4 and UDP from 192.0.2.1 port 4000 to 192.0.2.2; the port it is
 * for runs from 1 to 65535, again and again. RATE is in frames a second, 0 for as many as can be;
 * bursts leave at absolute times. It prints how many the interface took, and the seconds. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BURST_MAX = 1024, LENGTH = 60, DPORT = 36 };

static const uint8_t template[LENGTH] = {
    0xff,       0xff,       0xff, 0xff, 0xff, 0xff, 2, 0, 0,  0,  0,    0x77, 8, 0, /* Ethernet */
    0x45,       0,          0,    46,   0,    1,    0, 0, 64, 17, 0xf6, 0xbc,       /* IPv4 */
    192,        0,          2,    1,    192,  0,    2, 2,                           /* */
    4000 / 256, 4000 % 256, 0,    0,    0,    26, /* UDP, no checksum */
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_frames: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_interface(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    const struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                        .sll_ifindex = (int)if_nametoindex(name)};
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        fail(name);
    return fd;
}

int main(int argc, char **argv)
{
    static uint8_t frames[BURST_MAX][LENGTH];
    static struct iovec parts[BURST_MAX];
    static struct mmsghdr messages[BURST_MAX];
    long count = argc > 2 ? atol(argv[2]) : 0, rate = argc > 3 ? atol(argv[3]) : 0;
    long burst = argc > 4 ? atol(argv[4]) : 64, sent = 0;
    if (count < 1 || rate < 0 || burst < 1 || burst > BURST_MAX) {
        fprintf(stderr, "usage: bench_frames IFACE COUNT [RATE [BURST]]\n");
        return 2;
    }
    int fd = open_interface(argv[1]);
    for (int i = 0; i < BURST_MAX; i++) {
        memcpy(frames[i], template, LENGTH);
        parts[i] = (struct iovec){frames[i], LENGTH};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int64_t began = now();
    while (sent < count) {
        long n = count - sent < burst ? count - sent : burst;
        for (long i = 0; i < n; i++) {
            long port = (sent + i) % 65535 + 1;
            frames[i][DPORT] = (uint8_t)(port >> 8);
            frames[i][DPORT + 1] = (uint8_t)port;
        }
        while (rate > 0 && now() - began < sent * (1000000000 / rate))
            ;
        for (long i = 0; i < n;) {
            int done = sendmmsg(fd, messages + i, (unsigned)(n - i), 0);
            if (done < 0 && errno != ENOBUFS && errno != EAGAIN)
                fail("sendmmsg");
            i += done > 0 ? done : 0;
        }
        sent += n;
    }
    printf("%ld %.6f\n", sent, (double)(now() - began) / 1e9);
    return close(fd);
}
