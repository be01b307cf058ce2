/* trace: see trace.h. A small table remembers the first sequence number of either direction of each
 * flow, so that numbers can be printed relative to it. */
#include "stack/trace.h"

#include <stdlib.h>
#include <string.h>

#include "packet/dump.h"
#include "packet/packet.h"

#define FLOWS      64    /* remembered at a time; the oldest gives way */
#define FRAMES_MAX 10000 /* kept */
#define LINE       700

/* One direction of a connection. */
struct direction {
    bool used;
    struct addr src, dst;
    uint16_t sport, dport;
    uint32_t first;
};

struct trace {
    FILE *out;
    bool keep;
    bool begun;
    int64_t start; /* wall clock of the first line */
    struct registry registry;
    struct direction directions[2 * FLOWS];
    size_t next;
    struct trace_frame *frames;
    size_t count, room;
};

struct trace *trace_new(FILE *out, bool keep)
{
    struct trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return NULL;
    trace->out = out;
    trace->keep = keep;
    registry_init(&trace->registry);
    return trace;
}

void trace_free(struct trace *trace)
{
    if (!trace)
        return;
    for (size_t i = 0; i < trace->count; i++)
        free(trace->frames[i].bytes);
    free(trace->frames);
    free(trace);
}

const struct trace_frame *trace_kept(const struct trace *trace, size_t *count)
{
    *count = trace->count;
    return trace->frames;
}

static void keep_frame(struct trace *trace, const struct link *link, const struct frame *frame,
                       bool sent)
{
    if (trace->count == FRAMES_MAX)
        return;
    if (trace->count == trace->room) {
        size_t room = trace->room ? 2 * trace->room : 32;
        struct trace_frame *frames = realloc(trace->frames, room * sizeof *frames);
        if (!frames)
            return;
        trace->frames = frames;
        trace->room = room;
    }
    uint8_t *bytes = malloc(frame->length ? frame->length : 1);
    if (!bytes)
        return;
    memcpy(bytes, frame->bytes, frame->length);
    trace->frames[trace->count++] = (struct trace_frame){.time = frame->time,
                                                         .medium = link->medium,
                                                         .sent = sent,
                                                         .flags = frame->flags,
                                                         .length = frame->length,
                                                         .bytes = bytes};
}

/* The remembered number of the direction; a SYN begins it anew. NULL: never seen, and `first` was
 * not given. */
static const uint32_t *first_of(struct trace *trace, const struct addr *src, uint16_t sport,
                                const struct addr *dst, uint16_t dport, const uint32_t *first,
                                bool anew)
{
    for (size_t i = 0; i < 2 * FLOWS; i++) {
        struct direction *d = &trace->directions[i];
        if (d->used && d->sport == sport && d->dport == dport && addr_equal(&d->src, src) &&
            addr_equal(&d->dst, dst)) {
            if (anew)
                d->first = *first;
            return &d->first;
        }
    }
    if (!first)
        return NULL;
    struct direction *d = &trace->directions[trace->next];
    trace->next = (trace->next + 1) % (2 * FLOWS);
    *d = (struct direction){
        .used = true, .src = *src, .dst = *dst, .sport = sport, .dport = dport, .first = *first};
    return &d->first;
}

static void relate(struct trace *trace, const struct packet *packet, struct dump_base *base)
{
    struct segment s;
    int ip = packet_layer(packet, "ip");
    if (ip < 0)
        ip = packet_layer(packet, "ip6");
    *base = (struct dump_base){.has_seq = false};
    if (ip < 0 || segment_read(&s, packet_header(packet, (size_t)ip),
                               packet->size - packet->layers[ip].offset, true) != SEGMENT_OK)
        return;
    bool syn = s.flags & TCP_SYN;
    /* A segment without a SYN before it begins where it stands, a reset only refers to others. */
    const uint32_t *first = first_of(trace, &s.src, s.sport, &s.dst, s.dport,
                                     s.flags & TCP_RST && !syn ? NULL : &s.seq, syn);
    if (first) {
        base->has_seq = true;
        base->seq = *first;
    }
    const uint32_t *theirs = first_of(trace, &s.dst, s.dport, &s.src, s.sport, NULL, false);
    if (theirs) {
        base->has_ack = true;
        base->ack = *theirs;
    }
}

static double elapsed(struct trace *trace, int64_t time)
{
    if (!trace->begun) {
        trace->begun = true;
        trace->start = time;
    }
    return (double)(time - trace->start) / 1e9;
}

void trace_frame(void *self, const struct link *link, const struct frame *frame, bool sent)
{
    struct trace *trace = self;
    double seconds = elapsed(trace, frame->time);
    if (trace->keep)
        keep_frame(trace, link, frame, sent);
    if (!trace->out)
        return;
    struct packet packet;
    struct dump_base base;
    struct error err;
    packet_init(&packet, &trace->registry);
    if (!packet_append_bytes(&packet, frame->bytes, frame->length, &err)) {
        packet_free(&packet);
        return;
    }
    packet_parse(&packet, link->medium == LINK_ETHERNET
                              ? &proto_eth
                              : packet_ip_proto(frame->bytes, frame->length));
    relate(trace, &packet, &base);
    char line[LINE];
    dump_line(line, sizeof line, &packet, &base);
    fprintf(trace->out, "%c %.6f %s\n",
            sent                       ? '>'
            : frame->flags & FRAME_OUT ? '!'
                                       : '<',
            seconds, line);
    packet_free(&packet);
}

static void trace_line(struct trace *trace, const struct flow *flow, const char *what, int64_t time)
{
    char local[ADDR_TEXT], remote[ADDR_TEXT];
    double seconds = elapsed(trace, time);
    if (trace->out)
        fprintf(trace->out, "* %.6f %s %s.%u > %s.%u\n", seconds, what,
                addr_format(&flow->local, local), flow->lport, addr_format(&flow->remote, remote),
                flow->rport);
}

void trace_state(struct trace *trace, const struct flow *flow, enum tcp_state state, int64_t time)
{
    trace_line(trace, flow, tcp_state_name(state), time);
}

void trace_stalled(struct trace *trace, const struct flow *flow, int64_t time)
{
    char what[40];
    snprintf(what, sizeof what, "no answer to %d retransmissions", TCP_R1);
    trace_line(trace, flow, what, time);
}
