/* packet_socket: one AF_PACKET socket, frames as they stand on the interface.
 *
 * No ring: conversations need an answer at once more than they need volume, and closing a ring
 * costs the kernel 25 ms. What the socket knows beside the bytes (checksum not filled in yet, VLAN
 * tag taken off, direction) comes along as flags, since the bytes alone would be misread. */
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_packet.h> /* after the C library's headers, which it heeds */
#include <linux/virtio_net.h>

#include "base/text.h"
#include "link/device.h"
#include "link/filter.h"
#include "link/link.h"
#include "link/socket.h"

struct packet {
    struct link link;
    int fd, index;
    int cutter;      /* for frames that the kernel is to cut; -1 until there is one */
    bool bound;      /* to the interface alone: the kernel reads the protocol in the frame */
    bool expression; /* the caller has given a filter: it stays */
    uint64_t drops;
    uint8_t buffer[SOCKET_BUFFER];
};

static const char *shown_iface(const struct link *link, char text[static 80])
{
    return text_escape(text, 80, link->iface, strlen(link->iface));
}

/* --- sending and receiving ----------------------------------------------------------------------
 */

static bool gone(const struct packet *self, int cause, struct error *err)
{
    char shown[80], name[IF_NAMESIZE];
    shown_iface(&self->link, shown);
    if ((cause == ENETDOWN || cause == ENXIO || cause == ENODEV) &&
        !if_indextoname((unsigned)self->index, name))
        return fail(err, ERROR_NETWORK, "ENODEV", "interface %s is gone", shown);
    if (cause == ENETDOWN)
        return fail(err, ERROR_NETWORK, "ENETDOWN", "interface %s went down", shown);
    return fail_errno(err, cause, "interface %s does not work", shown);
}

/* Where a frame goes: the kernel wants its protocol too. */
static bool address(const struct packet *self, const struct frame *frame, struct sockaddr_ll *to,
                    struct error *err)
{
    bool ether = self->link.medium == LINK_ETHERNET;
    *to = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_ifindex = self->index};
    if (frame->length < (ether ? ETHER_HDR_LEN : 1))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "a frame of %zu bytes is shorter than the header that begins it",
                    frame->length);
    if (ether)
        memcpy(&to->sll_protocol, frame->bytes + 2 * ETHER_ADDR_LEN, sizeof to->sll_protocol);
    else
        to->sll_protocol = htons(frame->bytes[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
    return true;
}

static bool refused(const struct packet *self, int cause, const struct frame *frame,
                    struct error *err)
{
    char shown[80];
    if (cause != EMSGSIZE)
        return gone(self, cause, err);
    return fail(err, ERROR_NETWORK, "EMSGSIZE",
                "a frame of %zu bytes is too long for interface %s, which carries datagrams of %u",
                frame->length, shown_iface(&self->link, shown), (unsigned)self->link.mtu);
}

/* The socket for frames that go with a struct virtio_net_hdr. */
static bool open_cutter(struct packet *self)
{
    const int yes = 1;
    if (self->cutter < 0)
        self->cutter = socket_open(AF_PACKET, SOCK_RAW, 0, NULL);
    if (self->cutter < 0)
        return false;
    socket_room(self->cutter);
    return setsockopt(self->cutter, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes) == 0;
}

/* Leaves the cutting to the kernel, or to the card. A kernel that cannot do it loses this one frame
 * and is not asked again. */
static bool send_cut(struct packet *self, const struct frame *frame, struct error *err)
{
    struct sockaddr_ll to;
    size_t ip = self->link.medium == LINK_ETHERNET ? ETHER_HDR_LEN : 0;
    if (!address(self, frame, &to, err))
        return false;
    bool ip4 = frame->bytes[ip] >> 4 == 4;
    size_t tcp = ip + (ip4 ? 20 : 40);
    struct virtio_net_hdr head = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = ip4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
        .hdr_len = (uint16_t)(tcp + (size_t)(frame->bytes[tcp + 12] >> 4) * 4),
        .gso_size = frame->segment,
        .csum_start = (uint16_t)tcp,
        .csum_offset = 16,
    };
    struct iovec pieces[] = {
        {.iov_base = &head, .iov_len = sizeof head},
        {.iov_base = (void *)(uintptr_t)frame->bytes, .iov_len = frame->length},
    };
    struct msghdr message = {
        .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = pieces, .msg_iovlen = 2};
    ssize_t n;
    if (self->cutter < 0 && !open_cutter(self)) {
        self->link.gso = 0;
        return true;
    }
    do
        n = sendmsg(self->cutter, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EINVAL)
        self->link.gso = 0;
    return n >= 0 || errno == EAGAIN || errno == ENOBUFS || errno == EINVAL ||
           refused(self, errno, frame, err);
}

static bool packet_send(struct link *link, const struct frame *frame, struct error *err)
{
    struct packet *self = (struct packet *)link;
    struct sockaddr_ll to;
    ssize_t n;
    if (frame->segment)
        return send_cut(self, frame, err);
    if (!address(self, frame, &to, err))
        return false;
    do
        n = sendto(self->fd, frame->bytes, frame->length, MSG_NOSIGNAL, (struct sockaddr *)&to,
                   sizeof to);
    while (n < 0 && errno == EINTR);
    return n >= 0 || errno == EAGAIN || errno == ENOBUFS || refused(self, errno, frame, err);
}

/* Frames that are to go as they are. */
static bool send_batch(struct packet *self, const struct frame *frames, size_t count, size_t *sent,
                       struct error *err)
{
    struct sockaddr_ll to[LINK_BATCH];
    struct socket_batch batch;
    size_t good = 0;
    socket_batch(&batch, frames, count);
    while (good < count && address(self, &frames[good], &to[good], err)) {
        if (!self->bound) {
            batch.messages[good].msg_hdr.msg_name = &to[good];
            batch.messages[good].msg_hdr.msg_namelen = sizeof to[good];
        }
        good++;
    }
    int cause = socket_send_batch(self->fd, &batch, good, sent);
    if (cause)
        return refused(self, cause, &frames[*sent], err);
    return good == count || *sent < good;
}

static bool packet_send_many(struct link *link, const struct frame *frames, size_t count,
                             size_t *sent, struct error *err)
{
    struct packet *self = (struct packet *)link;
    *sent = 0;
    while (*sent < count) {
        size_t went = 0, run = 0;
        while (*sent + run < count && !frames[*sent + run].segment)
            run++;
        if (run == 0 && !send_cut(self, &frames[*sent], err))
            return false;
        bool good = run == 0 || send_batch(self, frames + *sent, run, &went, err);
        *sent += run ? went : 1;
        if (!good || went < run)
            return good;
    }
    return true;
}

static int packet_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct packet *self = (struct packet *)link;
    struct sockaddr_ll from = {0};
    union {
        struct cmsghdr align;
        char room[256];
    } control;
    struct iovec piece = {.iov_base = self->buffer, .iov_len = sizeof self->buffer};
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    *frame = (struct frame){.bytes = self->buffer};
    int got = socket_recv(self->fd, &message, &frame->original, &frame->time);
    if (got < 0)
        gone(self, errno, err);
    if (got <= 0)
        return got;
    frame->length = frame->original < sizeof self->buffer ? frame->original : sizeof self->buffer;
    if (from.sll_pkttype == PACKET_OUTGOING)
        frame->flags |= FRAME_OUT;
    if (from.sll_pkttype == PACKET_OTHERHOST)
        frame->flags |= FRAME_NOT_MINE;
    const struct tpacket_auxdata *aux =
        socket_control(&message, SOL_PACKET, PACKET_AUXDATA, sizeof *aux);
    if (aux && aux->tp_status & TP_STATUS_CSUMNOTREADY)
        frame->flags |= FRAME_PARTIAL;
    if (aux && aux->tp_status & TP_STATUS_VLAN_VALID)
        frame->flags |= FRAME_VLAN;
    return 1;
}

static int packet_fds(struct link *link, int fds[static LINK_FDS])
{
    fds[0] = ((struct packet *)link)->fd;
    return 1;
}

/* --- the filter ---------------------------------------------------------------------------------
 */

/* ARP and IP; of TCP only what has a port of the range at either end, so that what the kernel sends
 * from a port of ours is seen too. Fragments and IPv6 with extension headers pass: their ports are
 * for others to find. What goes out and is yet to be cut is our own, by another socket
 * (send_cut()); copies of that would cost more than it. The rows are named for their jumps. */
static bool packet_ports(struct link *link, uint16_t low, uint16_t high, struct error *err)
{
    struct packet *self = (struct packet *)link;
    if (self->expression)
        return true;
    enum {
        TYPE,
        IS_OUT,
        LENGTH,
        IS_LONG,
        PROTOCOL,
        IS_ARP,
        IS_IP6,
        IS_IP4,
        NEXT4,
        IS_TCP4,
        OFFSET,
        IS_FIRST,
        X4,
        TO_PORTS,
        NEXT6,
        IS_TCP6,
        X6,
        DPORT,
        DPORT_LOW,
        DPORT_HIGH,
        SPORT,
        SPORT_LOW,
        SPORT_HIGH,
        DROP,
        ACCEPT,
        ROWS
    };
    const uint32_t ip = link->medium == LINK_ETHERNET ? ETHER_HDR_LEN : 0;
#define TO(from, row)              ((row) - (from)-1)
#define LOAD(size, mode, offset)   BPF_STMT(BPF_LD | (size) | (mode), (offset))
#define JUMP(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, yes, no)
    struct sock_filter rows[ROWS] = {
        [TYPE] = LOAD(BPF_B, BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        [IS_OUT] = JUMP(BPF_JEQ, PACKET_OUTGOING, 0, TO(IS_OUT, PROTOCOL)),
        [LENGTH] = LOAD(BPF_W, BPF_LEN, 0),
        [IS_LONG] = JUMP(BPF_JGT, ip + link->mtu, TO(IS_LONG, DROP), 0),

        [PROTOCOL] = LOAD(BPF_W, BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
        [IS_ARP] = JUMP(BPF_JEQ, ETHERTYPE_ARP, TO(IS_ARP, ACCEPT), 0),
        [IS_IP6] = JUMP(BPF_JEQ, ETHERTYPE_IPV6, TO(IS_IP6, NEXT6), 0),
        [IS_IP4] = JUMP(BPF_JEQ, ETHERTYPE_IP, 0, TO(IS_IP4, DROP)),

        [NEXT4] = LOAD(BPF_B, BPF_ABS, ip + 9),
        [IS_TCP4] = JUMP(BPF_JEQ, IPPROTO_TCP, 0, TO(IS_TCP4, ACCEPT)),
        [OFFSET] = LOAD(BPF_H, BPF_ABS, ip + 6),
        [IS_FIRST] = JUMP(BPF_JSET, 0x1fff, TO(IS_FIRST, ACCEPT), 0),
        [X4] = BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, ip),
        [TO_PORTS] = BPF_STMT(BPF_JMP | BPF_JA, TO(TO_PORTS, DPORT)),

        [NEXT6] = LOAD(BPF_B, BPF_ABS, ip + 6),
        [IS_TCP6] = JUMP(BPF_JEQ, IPPROTO_TCP, 0, TO(IS_TCP6, ACCEPT)),
        [X6] = BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 40),

        [DPORT] = LOAD(BPF_H, BPF_IND, ip + 2),
        [DPORT_LOW] = JUMP(BPF_JGE, low, 0, TO(DPORT_LOW, SPORT)),
        [DPORT_HIGH] = JUMP(BPF_JGT, high, 0, TO(DPORT_HIGH, ACCEPT)),
        [SPORT] = LOAD(BPF_H, BPF_IND, ip),
        [SPORT_LOW] = JUMP(BPF_JGE, low, 0, TO(SPORT_LOW, DROP)),
        [SPORT_HIGH] = JUMP(BPF_JGT, high, 0, TO(SPORT_HIGH, ACCEPT)),

        [DROP] = BPF_STMT(BPF_RET | BPF_K, 0),
        [ACCEPT] = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
#undef TO
#undef LOAD
#undef JUMP
    return socket_filter(self->fd, rows, ROWS, err);
}

static uint64_t packet_drops(struct link *link)
{
    struct packet *self = (struct packet *)link;
    struct tpacket_stats stats = {0}; /* counts since it was last asked */
    socklen_t size = sizeof stats;
    if (getsockopt(self->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        self->drops += stats.tp_drops;
    return self->drops;
}

static void packet_close(struct link *link)
{
    struct packet *self = (struct packet *)link;
    if (self->fd >= 0)
        close(self->fd);
    if (self->cutter >= 0)
        close(self->cutter);
    free(self);
}

static const struct link_ops packet_ops = {
    .name = "packet",
    .send = packet_send,
    .send_many = packet_send_many,
    .recv = packet_recv,
    .fds = packet_fds,
    .ports = packet_ports,
    .drops = packet_drops,
    .close = packet_close,
};

static const struct link_ops sender_ops = {
    .name = "packet",
    .send = packet_send,
    .send_many = packet_send_many,
    .close = packet_close,
};

/* --- opening ------------------------------------------------------------------------------------
 */

static bool choose_medium(struct packet *self, const struct device *device, struct error *err)
{
    char shown[80];
    shown_iface(&self->link, shown);
    if (!device->up)
        return fail(err, ERROR_ENVIRONMENT, "ENETDOWN",
                    "interface %s is down; bring it up with `ip link set %s up`", shown, shown);
    switch (device->type) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        self->link.medium = LINK_ETHERNET;
        return true;
    case 0xFFFE: /* ARPHRD_NONE, a tun: datagrams without a header */
        self->link.medium = LINK_IP;
        return true;
    default:
        return fail(err, ERROR_ENVIRONMENT, "EPROTONOSUPPORT",
                    "interface %s is neither an Ethernet nor a tun: its ARPHRD type is %u, whose "
                    "frames tcplua does not know",
                    shown, device->type);
    }
}

static bool attach(struct packet *self, const char *expression, struct error *err)
{
    if (!expression)
        return packet_ports(&self->link, 0, UINT16_MAX, err);
    struct filter *filter = filter_compile(expression, self->link.medium, err);
    bool attached = filter && filter_attach(filter, self->fd, err);
    filter_free(filter);
    self->expression = true;
    return attached;
}

/* From bind() on frames come in, through the filter. */
static bool join(struct packet *self, struct error *err)
{
    const int yes = 1;
    const struct sockaddr_ll name = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = self->index};
    /* Questions for an IPv6 address that the kernel does not have come to a multicast address that
     * it has not joined. The kernel takes this back when the socket is closed. */
    const struct packet_mreq multicast = {.mr_ifindex = self->index, .mr_type = PACKET_MR_ALLMULTI};
    socket_tune(self->fd);
    if (setsockopt(self->fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof yes) < 0 ||
        bind(self->fd, (const struct sockaddr *)&name, sizeof name) < 0)
        return gone(self, errno, err);
    setsockopt(self->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &multicast, sizeof multicast);
    return true;
}

/* The socket of an interface, not yet bound: NULL with `err` on failure. */
static struct packet *prepare(const char *iface, struct error *err)
{
    struct device device;
    if (!device_read(iface, &device, err))
        return NULL;
    struct packet *self = calloc(1, sizeof *self);
    if (!self) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a packet link");
        return NULL;
    }
    self->fd = self->cutter = -1;
    self->index = device.index;
    self->link.ops = &packet_ops;
    self->link.mac = device.mac;
    self->link.mtu = device.mtu;
    memcpy(self->link.iface, iface, strlen(iface)); /* device_read() has checked the length */
    if (!choose_medium(self, &device, err) ||
        (self->fd = socket_open(AF_PACKET, SOCK_RAW, 0, err)) < 0) {
        packet_close(&self->link);
        return NULL;
    }
    return self;
}

struct link *link_open_packet(const char *iface, const char *filter, struct error *err)
{
    struct packet *self = prepare(iface, err);
    if (self)
        self->link.gso = UINT16_MAX;
    if (self && (!attach(self, filter, err) || !join(self, err))) {
        packet_close(&self->link);
        return NULL;
    }
    return self ? &self->link : NULL;
}

bool link_packet_incoming(struct link *link, struct error *err)
{
    struct packet *self = (struct packet *)link;
    int yes = 1;
    return !setsockopt(self->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) ||
           fail_errno(err, errno, "cannot tell what comes in on an interface from what goes out");
}

struct link *link_open_sender(const char *iface, struct error *err)
{
    struct packet *self = prepare(iface, err);
    if (!self)
        return NULL;
    self->link.ops = &sender_ops; /* bound to no protocol, it is on nobody's way */
    socket_room(self->fd);
    const struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_ifindex = self->index};
    self->bound = self->link.medium == LINK_ETHERNET &&
                  bind(self->fd, (const struct sockaddr *)&name, sizeof name) == 0;
    return &self->link;
}
