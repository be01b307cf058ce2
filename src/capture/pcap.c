/* pcap: the old format, by libpcap's hand: it writes into memory, and we take it from there, so
 * that both formats go the same way into a file. Times count nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/format.h"
#include "capture/pcap_library.h"

struct pcap_file {
    struct pcap_library pcap;
    int linktype;          /* of the first frame; -1 before it */
    pcap_t *dead;          /* NULL before the first frame, as are: */
    pcap_dumper_t *dumper; /* owns `memory` */
    FILE *memory;
    char *bytes; /* what was written into `memory` */
    size_t length;
};

static void *pcap_begin(struct buffer *out, const char *application, const char *comment,
                        struct error *err)
{
    (void)out, (void)application, (void)comment; /* the format has no place for them */
    struct pcap_file *self = calloc(1, sizeof *self);
    if (!self) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a capture file");
        return NULL;
    }
    self->linktype = -1;
    if (!pcap_library_load(&self->pcap, err)) {
        free(self);
        return NULL;
    }
    return self;
}

/* Opens the dumper, which writes the file header. */
static bool open_dumper(struct pcap_file *self, int linktype, struct error *err)
{
    self->linktype = linktype;
    /* For raw IP the library's own number differs from the one in files, which it writes. */
    self->dead =
        self->pcap.open_dead_with_tstamp_precision(linktype == CAPTURE_RAW_IP ? DLT_RAW : linktype,
                                                   CAPTURE_SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
    self->memory = self->dead ? open_memstream(&self->bytes, &self->length) : NULL;
    self->dumper = self->memory ? self->pcap.dump_fopen(self->dead, self->memory) : NULL;
    if (!self->dumper)
        return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "libpcap cannot begin a capture file: %s",
                    self->dead ? self->pcap.geterr(self->dead) : "no memory");
    return true;
}

/* Moves what the dumper has written to `out`, and the dumper back to the beginning. */
static bool take(struct pcap_file *self, struct buffer *out, struct error *err)
{
    if (self->pcap.dump_flush(self->dumper) < 0)
        return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a frame");
    uint8_t *p = buffer_add(out, self->length);
    if (p)
        memcpy(p, self->bytes, self->length);
    rewind(self->memory);
    return true;
}

static bool pcap_frame(void *state, struct buffer *out, const struct capture_frame *frame,
                       struct error *err)
{
    struct pcap_file *self = state;
    if (!self->dumper && !open_dumper(self, frame->linktype, err))
        return false;
    int64_t time = frame->time > 0 ? frame->time : 0;
    const struct pcap_pkthdr header = {
        /* With nanosecond precision tv_usec holds nanoseconds. */
        .ts = {.tv_sec = (time_t)(time / 1000000000), .tv_usec = (suseconds_t)(time % 1000000000)},
        .caplen = (bpf_u_int32)frame->length,
        .len = (bpf_u_int32)frame->original,
    };
    self->pcap.dump((u_char *)self->dumper, &header, frame->bytes);
    return take(self, out, err);
}

static int pcap_linktype(const void *state)
{
    return ((const struct pcap_file *)state)->linktype;
}

/* A file without frames gets its header now: an empty file is none. */
static bool pcap_end(void *state, struct buffer *out, struct error *err)
{
    struct pcap_file *self = state;
    return self->dumper || (open_dumper(self, DLT_EN10MB, err) && take(self, out, err));
}

static void pcap_free(void *state)
{
    struct pcap_file *self = state;
    if (self->dumper)
        self->pcap.dump_close(self->dumper);
    else if (self->memory)
        fclose(self->memory);
    if (self->dead)
        self->pcap.close(self->dead);
    free(self->bytes);
    free(self);
}

const struct format_ops pcap_format = {
    .begin = pcap_begin,
    .frame = pcap_frame,
    .linktype = pcap_linktype,
    .end = pcap_end,
    .free = pcap_free,
};
