/* pcap_live: a capture by libpcap, for looking on.
 *
 * libpcap gives bytes and a time. What else a frame's flags say is worked out from the bytes: on an
 * Ethernet from its MAC addresses, on the interface "any" from the cooked header, which is taken
 * off so that what remains is a datagram. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "capture/pcap_library.h"
#include "link/device.h"
#include "link/filter.h"
#include "link/link.h"

#define SNAPLEN      262144 /* segments of 64 KiB and more arrive where hardware puts them together */
#define BUFFER       (32 << 20)
#define SLOTS        (64 << 20) /* the same in immediate mode: a slot takes SNAPLEN */
#define GATHER_MS    100
#define SLL_HEADER   16 /* LINKTYPE_LINUX_SLL: type, hardware, MAC address, protocol */
#define SLL_TO_OTHER 3
#define SLL_FROM_US  4

struct pcap_live {
    struct link link;
    struct pcap_library pcap;
    pcap_t *handle;
    bool cooked;   /* LINKTYPE_LINUX_SLL */
    bool has_mac;  /* and so a direction */
    bool finished; /* it has failed: libpcap is not asked again */
    struct error error;
};

static const char *escape(char out[static 200], const char *text)
{
    return text_escape(out, 200, text, strlen(text));
}

/* --- receiving ----------------------------------------------------------------------------------
 */

static unsigned ethernet_flags(const struct pcap_live *self, const struct frame *frame)
{
    if (!self->has_mac || frame->length < 12)
        return 0;
    if (memcmp(frame->bytes + 6, self->link.mac.bytes, 6) == 0)
        return FRAME_OUT;
    bool group = frame->bytes[0] & 1;
    return group || memcmp(frame->bytes, self->link.mac.bytes, 6) == 0 ? 0 : FRAME_NOT_MINE;
}

/* False for a frame that carries no IP, which has no place on a LINK_IP link. */
static bool take_off_cooked(struct frame *frame)
{
    if (frame->length < SLL_HEADER)
        return false;
    uint16_t type = get16(frame->bytes), protocol = get16(frame->bytes + 14);
    if (protocol != 0x0800 && protocol != 0x86dd)
        return false;
    if (type == SLL_FROM_US)
        frame->flags |= FRAME_OUT;
    if (type == SLL_TO_OTHER)
        frame->flags |= FRAME_NOT_MINE;
    frame->bytes += SLL_HEADER;
    frame->length -= SLL_HEADER;
    frame->original -= SLL_HEADER;
    return true;
}

/* libpcap takes the socket's error when an interface goes down and keeps it to itself, in the hope
 * that it comes up again: so the interface is looked at whenever there are no frames left. */
static bool is_down(struct pcap_live *self)
{
    struct device device;
    char shown[200];
    if (strcmp(self->link.iface, "any") == 0)
        return false;
    if (!device_read(self->link.iface, &device, &self->error))
        return true;
    return !device.up && !fail(&self->error, ERROR_NETWORK, "ENETDOWN",
                               "the capture on %s has ended: the interface is down",
                               escape(shown, self->link.iface));
}

static int pcap_live_recv(struct link *link, struct frame *frame, struct error *err)
{
    struct pcap_live *self = (struct pcap_live *)link;
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int got = 0;
    while (!self->finished && (got = self->pcap.next_ex(self->handle, &header, &bytes)) == 1) {
        *frame = (struct frame){
            .bytes = bytes,
            .length = header->caplen,
            .original = header->len,
            /* With nanosecond precision tv_usec holds nanoseconds. */
            .time = (int64_t)header->ts.tv_sec * NS_PER_S + (int64_t)header->ts.tv_usec,
        };
        if (self->link.medium == LINK_ETHERNET)
            frame->flags = ethernet_flags(self, frame);
        if (!self->cooked || take_off_cooked(frame))
            return 1;
    }
    if (got == 0 && !self->finished)
        self->finished = is_down(self);
    if (got < 0) {
        char shown[200], why[200];
        fail(&self->error, ERROR_NETWORK, "ENETDOWN", "the capture on %s has ended: %s",
             escape(shown, link->iface), escape(why, self->pcap.geterr(self->handle)));
        self->finished = true;
    }
    if (!self->finished)
        return 0;
    if (err)
        *err = self->error;
    return -1;
}

static int pcap_live_fds(struct link *link, int fds[static LINK_FDS])
{
    struct pcap_live *self = (struct pcap_live *)link;
    fds[0] = self->pcap.get_selectable_fd(self->handle);
    return fds[0] < 0 || self->finished ? 0 : 1; /* a dead one would be ready for ever */
}

static uint64_t pcap_live_drops(struct link *link)
{
    struct pcap_live *self = (struct pcap_live *)link;
    struct pcap_stat stats = {0};
    return self->pcap.stats(self->handle, &stats) == 0 ? stats.ps_drop : 0;
}

static void pcap_live_close(struct link *link)
{
    struct pcap_live *self = (struct pcap_live *)link;
    if (self->handle)
        self->pcap.close(self->handle);
    free(self);
}

static const struct link_ops pcap_live_ops = {
    .name = "pcap",
    .recv = pcap_live_recv,
    .fds = pcap_live_fds,
    .drops = pcap_live_drops,
    .close = pcap_live_close,
};

/* --- opening ------------------------------------------------------------------------------------
 */

static bool activate(struct pcap_live *self, const struct pcap_setup *setup, struct error *err)
{
    char shown[200], why[200];
    escape(shown, self->link.iface);
    self->pcap.set_snaplen(self->handle, setup->snaplen ? setup->snaplen : SNAPLEN);
    self->pcap.set_promisc(self->handle, setup->promiscuous);
    self->pcap.set_timeout(self->handle, setup->gather_ms ? setup->gather_ms : GATHER_MS);
    self->pcap.set_immediate_mode(self->handle, setup->immediate);
    self->pcap.set_buffer_size(self->handle, setup->buffer      ? setup->buffer
                                             : setup->immediate ? SLOTS
                                                                : BUFFER);
    self->pcap.set_tstamp_precision(self->handle, PCAP_TSTAMP_PRECISION_NANO);
    int status =
        self->pcap.activate(self->handle); /* above 0: a warning about what we do not use */
    switch (status) {
    case PCAP_ERROR_PERM_DENIED:
        return fail(err, ERROR_ENVIRONMENT, "EPERM",
                    "capturing on %s needs CAP_NET_RAW, which this process does not have: start it "
                    "with `sudo`, or stay in a private network with `tcplua --lab`",
                    shown);
    case PCAP_ERROR_IFACE_NOT_UP:
        return fail(err, ERROR_ENVIRONMENT, "ENETDOWN",
                    "interface %s is down; bring it up with `ip link set %s up`", shown, shown);
    case PCAP_ERROR_NO_SUCH_DEVICE:
        return fail(err, ERROR_ENVIRONMENT, "ENODEV",
                    "there is no interface %s: `ip link` lists those there are", shown);
    default:
        if (status >= 0)
            return true;
        return fail(err, ERROR_ENVIRONMENT, "EIO", "cannot capture on %s: %s (%s)", shown,
                    self->pcap.statustostr(status), escape(why, self->pcap.geterr(self->handle)));
    }
}

/* What frames begin with. */
static bool choose_medium(struct pcap_live *self, struct error *err)
{
    int linktype = self->pcap.datalink(self->handle);
    const char *name = self->pcap.datalink_val_to_name(linktype);
    char shown[200];
    self->link.medium = LINK_IP;
    switch (linktype) {
    case DLT_EN10MB:
        self->link.medium = LINK_ETHERNET;
        return true;
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        return true;
    case DLT_LINUX_SLL:
        self->cooked = true;
        return true;
    default:
        return fail(err, ERROR_ENVIRONMENT, "EPROTONOSUPPORT",
                    "interface %s has link type %s (%d), whose frames tcplua does not know",
                    escape(shown, self->link.iface), name ? name : "unknown", linktype);
    }
}

/* What came in before the filter did, libpcap filters itself: nothing is to be thrown away here. */
static bool filter(struct pcap_live *self, const char *expression, struct error *err)
{
    struct bpf_program program;
    if (self->pcap.compile(self->handle, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0)
        return filter_refused(expression, self->pcap.geterr(self->handle), err);
    int status = self->pcap.setfilter(self->handle, &program);
    self->pcap.freecode(&program);
    return status == 0 || filter_refused(expression, self->pcap.geterr(self->handle), err);
}

static bool open_live(struct pcap_live *self, const struct pcap_setup *setup, struct error *err)
{
    char message[PCAP_ERRBUF_SIZE] = "", shown[200], why[200];
    if (setup->filter && !filter_check(setup->filter, err))
        return false;
    if (!pcap_library_load(&self->pcap, err))
        return false;
    self->handle = self->pcap.create(self->link.iface, message);
    if (!self->handle)
        return fail(err, ERROR_ENVIRONMENT, "EIO", "cannot capture on %s: %s",
                    escape(shown, self->link.iface), escape(why, message));
    if (!activate(self, setup, err) || !choose_medium(self, err) ||
        (setup->filter && !filter(self, setup->filter, err)))
        return false;
    if (self->pcap.setnonblock(self->handle, 1, message) < 0)
        return fail(err, ERROR_ENVIRONMENT, "EIO", "cannot poll the capture on %s: %s",
                    escape(shown, self->link.iface), escape(why, message));
    return true;
}

struct link *link_open_pcap(const char *iface, const struct pcap_setup *setup, struct error *err)
{
    struct device device = {.mtu = UINT16_MAX};
    if (strcmp(iface, "any") != 0 && !device_read(iface, &device, err))
        return NULL;
    struct pcap_live *self = calloc(1, sizeof *self);
    if (!self) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a capture");
        return NULL;
    }
    self->link.ops = &pcap_live_ops;
    self->link.mac = device.mac;
    self->link.mtu = device.mtu;
    self->has_mac = device.mac.kind == ADDR_MAC && !addr_is_zero(&device.mac);
    snprintf(self->link.iface, sizeof self->link.iface, "%s", iface);
    if (!open_live(self, setup, err)) {
        pcap_live_close(&self->link);
        return NULL;
    }
    return &self->link;
}
