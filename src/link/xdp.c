/* xdp: frames out through an AF_XDP socket (Linux 4.18), past the queueing discipline.
 *
 * Memory shared with the kernel holds FRAMES slots of SLOT bytes. We put a descriptor for each
 * frame into the send ring and kick the kernel; it gives the slot's address back in the completion
 * ring. Both rings have one writer and one reader: an index is published with release and read with
 * acquire. Slots come back in any order, so those that are free are kept on a stack.
 *
 * Copy mode only: it works on any interface, and the kernel's own traffic goes on, whereas with
 * zero copy the queue of the card that a socket takes would take in nothing for anybody else. */
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_xdp.h> /* after the C library's headers, which it heeds */

#include "base/text.h"
#include "link/device.h"
#include "link/link.h"
#include "link/socket.h"

#define SLOT     2048U
#define FRAMES   4096U /* slots, and entries of each ring: none is ever full before slots run out */
#define VLAN_TAG 4
#define KICKS    64 /* system calls to wait for room in */

/* One ring as the kernel lays it out. */
struct ring {
    uint8_t *map;
    size_t size;
    uint32_t *producer, *consumer;
    void *entries;
};

struct xdp {
    struct link link;
    int fd, index;
    uint8_t *slots;
    struct ring out, done;
    uint32_t queued; /* our copy of out.producer */
    uint32_t free[FRAMES];
    uint32_t count; /* of free slots */
    bool failed;    /* what is in the ring is not to go any more */
};

/* --- rings --------------------------------------------------------------------------------------
 */

/* Takes back the slots of frames that have left. */
static void reap(struct xdp *self)
{
    uint32_t from = *self->done.consumer;
    uint32_t to = __atomic_load_n(self->done.producer, __ATOMIC_ACQUIRE);
    const uint64_t *entries = self->done.entries;
    /* No more than there are slots out, whatever the ring says. */
    for (; from != to && self->count < FRAMES; from++)
        self->free[self->count++] = (uint32_t)(entries[from % FRAMES] / SLOT) % FRAMES;
    __atomic_store_n(self->done.consumer, from, __ATOMIC_RELEASE);
}

/* Frames in the send ring that the kernel has not taken yet. */
static uint32_t behind(const struct xdp *self)
{
    return self->queued - __atomic_load_n(self->out.consumer, __ATOMIC_ACQUIRE);
}

/* Puts a copy of the last frame that the kernel took into the ring again: the interface dropped it
 * where a packet socket would have said ENOBUFS. */
static void send_again(struct xdp *self)
{
    struct xdp_desc *entries = self->out.entries;
    struct xdp_desc dropped = entries[(*self->out.consumer - 1) % FRAMES];
    reap(self);
    if (self->count == 0)
        return;
    uint32_t slot = self->free[--self->count];
    memmove(self->slots + (size_t)slot * SLOT, self->slots + dropped.addr, dropped.len);
    dropped.addr = (uint64_t)slot * SLOT;
    entries[self->queued++ % FRAMES] = dropped;
    __atomic_store_n(self->out.producer, self->queued, __ATOMIC_RELEASE);
}

/* Lets the kernel send what is in the ring, 32 frames a call. Returns 0, with frames still there if
 * it has no room just now, or an errno. */
static int kick(struct xdp *self)
{
    int drops = 0;
    for (int i = 0; i < KICKS && behind(self); i++) {
        if (sendto(self->fd, NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) >= 0 || errno == EAGAIN)
            continue;
        if (errno == ENOBUFS || errno == EINTR)
            break;
        if (errno != EBUSY)
            return errno;
        send_again(self);
        if (++drops == KICKS)
            return ENETDOWN;
    }
    return 0;
}

/* --- sending ------------------------------------------------------------------------------------
 */

static bool stopped(const struct xdp *self, int cause, struct error *err)
{
    char shown[80];
    text_escape(shown, sizeof shown, self->link.iface, strlen(self->link.iface));
    if (cause == ENETDOWN)
        return fail(err, ERROR_NETWORK, "ENETDOWN",
                    "interface %s is down, or drops what is sent: is its other end up?", shown);
    if (cause == ENXIO || cause == ENODEV)
        return fail(err, ERROR_NETWORK, "ENODEV", "interface %s is gone", shown);
    return fail_errno(err, cause, "interface %s does not send by AF_XDP any more", shown);
}

static bool fits(const struct xdp *self, const struct frame *frame, struct error *err)
{
    char shown[80];
    if (frame->length < ETHER_HDR_LEN)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "a frame of %zu bytes is shorter than the header that begins it",
                    frame->length);
    if (frame->length <= SLOT && frame->length <= self->link.mtu + ETHER_HDR_LEN + VLAN_TAG)
        return true;
    text_escape(shown, sizeof shown, self->link.iface, strlen(self->link.iface));
    return fail(err, ERROR_NETWORK, "EMSGSIZE",
                "a frame of %zu bytes is too long for interface %s by AF_XDP, which carries "
                "datagrams of %u",
                frame->length, shown, (unsigned)self->link.mtu);
}

/* What is in the ring goes before all that comes later, so it counts as sent; unless sending ends
 * there. */
static bool xdp_send_many(struct link *link, const struct frame *frames, size_t count, size_t *sent,
                          struct error *err)
{
    struct xdp *self = (struct xdp *)link;
    struct xdp_desc *entries = self->out.entries;
    bool good = true;
    size_t n = 0;
    reap(self);
    for (; n < count && self->count > 0 && (good = fits(self, &frames[n], err)); n++) {
        uint32_t slot = self->free[--self->count];
        memcpy(self->slots + (size_t)slot * SLOT, frames[n].bytes, frames[n].length);
        entries[self->queued++ % FRAMES] =
            (struct xdp_desc){.addr = (uint64_t)slot * SLOT, .len = (uint32_t)frames[n].length};
    }
    __atomic_store_n(self->out.producer, self->queued, __ATOMIC_RELEASE);
    int cause = kick(self);
    *sent = n;
    if (!cause)
        return good;
    *sent -= behind(self) < n ? behind(self) : n;
    self->failed = true;
    return stopped(self, cause, err);
}

static bool xdp_send(struct link *link, const struct frame *frame, struct error *err)
{
    size_t sent;
    return xdp_send_many(link, frame, 1, &sent, err);
}

static void unmap(struct ring *ring)
{
    if (ring->map)
        munmap(ring->map, ring->size);
}

static void xdp_close(struct link *link)
{
    struct xdp *self = (struct xdp *)link;
    if (self->queued && !self->failed)
        kick(self);
    if (self->fd >= 0)
        close(self->fd);
    unmap(&self->out);
    unmap(&self->done);
    if (self->slots)
        munmap(self->slots, (size_t)FRAMES * SLOT);
    free(self);
}

static const struct link_ops xdp_ops = {
    .name = "xdp",
    .send = xdp_send,
    .send_many = xdp_send_many,
    .close = xdp_close,
};

/* --- opening ------------------------------------------------------------------------------------
 */

static bool map_ring(struct xdp *self, struct ring *ring, const struct xdp_ring_offset *at,
                     off_t page, size_t entry)
{
    ring->size = at->desc + FRAMES * entry;
    void *map =
        mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, self->fd, page);
    if (map == MAP_FAILED)
        return false;
    ring->map = map;
    /* Both are aligned as the kernel says, for its own use. */
    ring->producer = (void *)(ring->map + at->producer);
    ring->consumer = (void *)(ring->map + at->consumer);
    ring->entries = ring->map + at->desc;
    return true;
}

static bool option(const struct xdp *self, int name, const void *value, socklen_t size)
{
    return setsockopt(self->fd, SOL_XDP, name, value, size) == 0;
}

/* The queue is whose it was for a moment after that socket was closed: the kernel tidies up later.
 */
static bool take_queue(const struct xdp *self)
{
    const struct timespec moment = {.tv_nsec = NS_PER_MS};
    const struct sockaddr_xdp queue = {
        .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY, .sxdp_ifindex = (uint32_t)self->index};
    for (int tries = 50;; tries--) {
        if (bind(self->fd, (const struct sockaddr *)&queue, sizeof queue) == 0)
            return true;
        if (errno != EBUSY || tries == 0)
            return false;
        nanosleep(&moment, NULL);
    }
}

/* Memory, rings, and the queue of the interface. False with errno. */
static bool set_up(struct xdp *self)
{
    const uint32_t entries = FRAMES;
    struct xdp_mmap_offsets at;
    socklen_t size = sizeof at;
    void *slots = mmap(NULL, (size_t)FRAMES * SLOT, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (slots == MAP_FAILED)
        return false;
    self->slots = slots;
    const struct xdp_umem_reg memory = {
        .addr = (uintptr_t)slots, .len = (uint64_t)FRAMES * SLOT, .chunk_size = SLOT};
    return option(self, XDP_UMEM_REG, &memory, sizeof memory) &&
           option(self, XDP_UMEM_FILL_RING, &entries, sizeof entries) &&
           option(self, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) &&
           option(self, XDP_TX_RING, &entries, sizeof entries) &&
           getsockopt(self->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size) == 0 && size == sizeof at &&
           map_ring(self, &self->out, &at.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)) &&
           map_ring(self, &self->done, &at.cr, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING,
                    sizeof(uint64_t)) &&
           take_queue(self);
}

static bool refused(const struct xdp *self, int cause, struct error *err)
{
    char shown[80];
    text_escape(shown, sizeof shown, self->link.iface, strlen(self->link.iface));
    switch (cause) {
    case ENETDOWN:
        return fail(err, ERROR_ENVIRONMENT, "ENETDOWN",
                    "interface %s is down; bring it up with `ip link set %s up`", shown, shown);
    case EBUSY:
        return fail(err, ERROR_ENVIRONMENT, "EBUSY",
                    "somebody else sends by AF_XDP on queue 0 of interface %s already", shown);
    case ENOBUFS:
        return fail(err, ERROR_ENVIRONMENT, "ENOBUFS",
                    "AF_XDP wants 8 MiB of locked memory: raise `ulimit -l`");
    case EOPNOTSUPP:
    case EINVAL:
        return fail(err, ERROR_ENVIRONMENT, "EOPNOTSUPP", "interface %s does not take AF_XDP",
                    shown);
    default:
        return fail_errno(err, cause, "the kernel refuses AF_XDP on interface %s", shown);
    }
}

static bool open_queue(struct xdp *self, const struct device *device, struct error *err)
{
    char shown[80];
    text_escape(shown, sizeof shown, self->link.iface, strlen(self->link.iface));
    if (device->type != ARPHRD_ETHER && device->type != ARPHRD_LOOPBACK)
        return fail(err, ERROR_ENVIRONMENT, "EPROTONOSUPPORT",
                    "interface %s is no Ethernet, and AF_XDP is for frames", shown);
    if (!device->up)
        return refused(self, ENETDOWN, err);
    if ((self->fd = socket_open(AF_XDP, SOCK_RAW, 0, err)) < 0)
        return false;
    socket_room(self->fd);
    return set_up(self) || refused(self, errno, err);
}

struct link *link_open_xdp(const char *iface, struct error *err)
{
    struct device device;
    if (!device_read(iface, &device, err))
        return NULL;
    struct xdp *self = calloc(1, sizeof *self);
    if (!self) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for an AF_XDP link");
        return NULL;
    }
    self->link.ops = &xdp_ops;
    self->link.medium = LINK_ETHERNET;
    self->link.mac = device.mac;
    self->link.mtu = device.mtu;
    memcpy(self->link.iface, iface, strlen(iface) + 1); /* device_read() has checked the length */
    self->fd = -1;
    self->index = device.index;
    for (uint32_t i = 0; i < FRAMES; i++)
        self->free[self->count++] = FRAMES - 1 - i;
    if (!open_queue(self, &device, err)) {
        xdp_close(&self->link);
        return NULL;
    }
    return &self->link;
}
