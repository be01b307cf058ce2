/* The yardstick for sending: send_loop IFACE fixed|vary sends a TCP SYN of 60 bytes by sendmmsg, 64
 * at a time, until it is killed. With `vary`, source port and sequence number are others in each,
 * and the checksum follows. As plain as it gets. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, LENGTH = 60, TCP = 34, SEGMENT = LENGTH - TCP };

static const uint8_t template[LENGTH] = {
    2, 0, 0,  0, 0, 2, 2,    0, 0, 0, 0,   1, 8, 0, 0x45, 0, 0, LENGTH - 14, 0, 1,
    0, 0, 64, 6, 0, 0, 192,  0, 2, 1, 192, 0, 2, 3, 4,    0, 0, 80,          0, 0,
    0, 0, 0,  0, 0, 0, 0x50, 2, 4, 0, 0,   0, 0, 0, 0,    0, 0, 0,           0, 0};

static uint16_t checksum(const uint8_t *bytes, size_t length, uint32_t sum)
{
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* Over the addresses, the protocol and the length. */
static void finish(uint8_t *frame)
{
    uint32_t pseudo = 6 + SEGMENT;
    for (size_t i = 26; i < TCP; i += 2)
        pseudo += (uint32_t)(frame[i] << 8 | frame[i + 1]);
    memset(frame + TCP + 16, 0, 2);
    uint16_t sum = checksum(frame + TCP, SEGMENT, pseudo);
    memcpy(frame + TCP + 16, &sum, sizeof sum);
}

static void vary(uint8_t *frame, uint32_t number)
{
    uint16_t port = htons((uint16_t)(1024 + number % 60000));
    uint32_t seq = htonl(number * UINT32_C(2654435761));
    memcpy(frame + TCP, &port, sizeof port);
    memcpy(frame + TCP + 4, &seq, sizeof seq);
    finish(frame);
}

int main(int argc, char **argv)
{
    static uint8_t frames[BATCH][LENGTH];
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    const int room = 4 << 20;
    if (argc != 3)
        return 2;
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll name = {.sll_family = AF_PACKET,
                               .sll_ifindex = (int)if_nametoindex(argv[1])};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) != 0 ||
        bind(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        perror("send_loop");
        return 1;
    }
    memset(messages, 0, sizeof messages);
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(frames[i], template, LENGTH);
        uint16_t sum = checksum(frames[i] + 14, 20, 0);
        memcpy(frames[i] + 24, &sum, sizeof sum);
        finish(frames[i]);
        pieces[i] = (struct iovec){.iov_base = frames[i], .iov_len = LENGTH};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    bool varying = strcmp(argv[2], "vary") == 0;
    for (uint32_t number = 0;; number += BATCH) {
        for (uint32_t i = 0; varying && i < BATCH; i++)
            vary(frames[i], number + i);
        sendmmsg(fd, messages, BATCH, 0);
    }
}
