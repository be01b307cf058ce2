/* The TCP engine, driven by a program of bytes: the first four choose what it offers and which end
 * it is, each of the others begins an event: a segment whose numbers are relative to where the
 * connection is, a call of the application, or time. After each, all invariants of tcp_check.h
 * hold, both streams are what was written to them, nothing answers a reset with a reset, and the
 * engine comes to rest. At the end it is left alone: what is outstanding must end by itself. */
#include <string.h>

#include "fuzz.h"
#include "tcp/congestion.h"
#include "tcp/tcp_check.h"

#define ISS 0xffffff00U /* ours wrap after 255 bytes, */
#define IRS 0x7fffff00U /* theirs pass 2^31 */

struct drive {
    struct tcp *tcp;
    struct tcp_watch watch;
    struct tcp_config config;
    int64_t now;
    const uint8_t *at, *end;
    size_t written, read; /* by the application */
    uint32_t tsval;       /* what the peer's last segment said */
    uint8_t bytes[4096];
};

static uint8_t take(struct drive *d)
{
    return d->at < d->end ? *d->at++ : 0;
}

/* The byte at a position of either stream; that of a SYN or FIN is never looked at. */
static uint8_t theirs(uint32_t seq)
{
    return (uint8_t)(seq * 7 + (seq >> 8));
}

static uint8_t ours(size_t n)
{
    return (uint8_t)(n * 11 + (n >> 8) + 5);
}

static void check(struct drive *d)
{
    const char *broken = tcp_check(d->tcp, &d->watch);
    if (broken) {
        fprintf(stderr, "invariant broken: %s\n", broken);
        abort();
    }
}

static void drain(struct drive *d, bool after_reset)
{
    struct segment out;
    for (int i = 0; tcp_output(d->tcp, &out, d->now); i++) {
        const char *broken = tcp_check_segment(d->tcp, &out);
        if (broken) {
            fprintf(stderr, "segment broken: %s\n", broken);
            abort();
        }
        CHECK(i < 4000);
        CHECK(!after_reset || !(out.flags & TCP_RST));
        for (size_t k = 0; k < out.length; k++)
            CHECK(out.payload[k] == ours(out.seq + k - ISS - (out.flags & TCP_SYN ? 0 : 1)));
        check(d);
    }
    check(d);
    CHECK(tcp_deadline(d->tcp) > d->now || tcp_state(d->tcp) == TCPS_CLOSED);
}

/* A number near one of those that matter. */
static uint32_t near(struct drive *d, const uint32_t *marks, size_t count)
{
    uint8_t b = take(d);
    uint32_t mark = marks[b % count];
    switch (b / count % 6) {
    case 0:
    case 1:
        return mark;
    case 2:
        return mark + 1;
    case 3:
        return mark - 1;
    case 4:
        return mark + 16U * take(d);
    default:
        return mark - 8U * take(d) + (b > 250 ? 0x40000000U : 0);
    }
}

static void give_options(struct drive *d, struct segment *s, const struct tcp_info *i)
{
    struct segment_options *o = &s->options;
    uint8_t b = take(d);
    if (s->flags & TCP_SYN) {
        o->has_mss = b & 1;
        o->mss = (uint16_t)(take(d) * 16U);
        o->has_wscale = b & 2;
        o->wscale = take(d) % 20;
        o->sack_permitted = b & 4;
        o->has_fast_open = d->config.fast_open && b & 16;
        o->cookie_length = b & 32 ? 4 : 0;
        memcpy(o->cookie, b & 64 ? "cook" : "else", 4);
    }
    if (b & 8) {
        static const int32_t steps[] = {0, 1, 10, -1, 1000, INT32_MAX, INT32_MIN, -5};
        o->has_timestamp = true;
        o->tsval = d->tsval + (uint32_t)steps[take(d) % 8];
        if (b & 128)
            d->tsval = o->tsval;
        o->tsecr = d->config.ts_offset + (uint32_t)(d->now / NS_PER_MS) - take(d);
    }
    const uint32_t marks[] = {i->snd_una, i->snd_nxt, i->snd_una + 500, i->snd_una + 1500};
    for (o->sacks = 0; o->sacks < (b >> 4) % 5; o->sacks++) {
        o->sack[o->sacks].left = near(d, marks, 4);
        o->sack[o->sacks].right = o->sack[o->sacks].left + 8U * take(d);
    }
}

static struct segment make_segment(struct drive *d, uint16_t flags)
{
    struct tcp_info i;
    tcp_info(d->tcp, &i);
    bool opening = tcp_state(d->tcp) <= TCPS_SYN_SENT;
    uint32_t next = opening ? IRS : i.rcv_nxt;
    const uint32_t seqs[] = {next, next, next + i.rcv_wnd, IRS, next + 700};
    const uint32_t acks[] = {i.snd_nxt, i.snd_nxt, i.snd_una, ISS, i.snd_una + 600};
    struct segment s = {.src = d->config.flow.remote,
                        .dst = d->config.flow.local,
                        .sport = d->config.flow.rport,
                        .dport = d->config.flow.lport,
                        .flags = flags,
                        .ttl = 64,
                        .tos = (uint8_t)(flags >> 1),
                        .payload = d->bytes};
    s.seq = near(d, seqs, 5);
    if (flags & TCP_ACK)
        s.ack = near(d, acks, 5);
    uint8_t b = take(d);
    s.window = b & 1 ? 65535 : b & 2 ? 0 : (uint16_t)(b * 64U);
    if (b & 4)
        s.length = b & 8 ? 8U * take(d) : b & 16 ? 1 : 1460;
    if (flags & TCP_URG)
        s.urgent = (uint16_t)(take(d) * 17U);
    for (size_t k = 0; k < s.length; k++)
        d->bytes[k] = theirs(s.seq + (flags & TCP_SYN ? 1U : 0U) + (uint32_t)k);
    give_options(d, &s, &i);
    return s;
}

/* What was sent by hand, or ahead and acknowledged, may be more than the application wrote. */
static void catch_up(struct drive *d)
{
    struct tcp_info info;
    tcp_info(d->tcp, &info);
    uint32_t sent = info.snd_nxt - ISS;
    if (sent > 1 && sent - 1 > d->written)
        d->written = sent - 1;
}

/* The script sends a segment by hand, and is believed where it fits. */
static void by_hand(struct drive *d)
{
    struct tcp_info before;
    tcp_info(d->tcp, &before);
    const uint32_t marks[] = {before.snd_nxt, before.snd_nxt, before.snd_una, ISS};
    struct segment s = {.seq = near(d, marks, 4), .payload = d->bytes};
    s.flags = (uint16_t)(take(d) & (TCP_SYN | TCP_FIN | TCP_PSH | TCP_ACK | TCP_RST));
    s.ack = before.rcv_nxt - (take(d) & 1);
    s.window = (uint16_t)(take(d) * 200U);
    s.length = 8U * take(d);
    s.options.has_wscale = s.flags & TCP_PSH;
    s.options.wscale = take(d) % 20;
    size_t place = s.seq + (s.flags & TCP_SYN ? 1U : 0U) - ISS - 1;
    for (size_t k = 0; k < s.length; k++)
        d->bytes[k] = ours(place + k);
    tcp_sent(d->tcp, &s, d->now);
    catch_up(d);
}

static void application(struct drive *d, uint8_t b)
{
    uint8_t bytes[4096];
    size_t length = (size_t)take(d) * 16;
    switch (b % 8) {
    case 0:
    case 1:
        catch_up(d);
        for (size_t i = 0; i < length; i++)
            bytes[i] = ours(d->written + i);
        d->written += tcp_write(d->tcp, bytes, length);
        break;
    case 2:
        length = tcp_read(d->tcp, bytes, length, -1, d->now);
        for (size_t i = 0; i < length; i++) {
            struct tcp_info info;
            tcp_info(d->tcp, &info);
            CHECK(bytes[i] == theirs(info.irs + 1 + (uint32_t)(d->read + i)));
        }
        d->read += length;
        break;
    case 3:
        tcp_shutdown(d->tcp, d->now);
        break;
    case 4:
        tcp_urge(d->tcp);
        CHECK(tcp_urgent(d->tcp) < 1U << 31);
        break;
    case 5:
        tcp_set_mode(d->tcp, (enum tcp_mode)(length / 16 % 3), d->now);
        break;
    case 6:
        by_hand(d);
        break;
    default:
        if (b > 250)
            tcp_abort(d->tcp, d->now);
        else
            tcp_unreachable(d->tcp, ISS + take(d), b & 64, d->now);
        tcp_path_mtu(d->tcp, ISS + 1, (uint32_t)length, d->now);
    }
}

static void event(struct drive *d)
{
    static const uint16_t usual[] = {TCP_ACK,           TCP_ACK,           TCP_ACK | TCP_PSH,
                                     TCP_ACK | TCP_FIN, TCP_SYN | TCP_ACK, TCP_RST,
                                     TCP_SYN,           TCP_ACK | TCP_URG};
    uint8_t b = take(d);
    bool reset = false;
    if (b < 144) { /* a segment, mostly with flags that occur */
        uint16_t flags = usual[b % 8];
        if (b >= 128)
            flags = (uint16_t)(take(d) | (b & 1) << 8);
        struct segment s = make_segment(d, flags);
        reset = s.flags & TCP_RST;
        tcp_input(d->tcp, &s, d->now);
    } else if (b < 200) {
        application(d, take(d));
    } else if (b < 240) { /* until something is due */
        int64_t deadline = tcp_deadline(d->tcp);
        if (deadline != TIME_NEVER && deadline > d->now)
            d->now = deadline;
    } else {
        d->now += (int64_t)take(d) * (b & 1 ? NS_PER_MS : 10 * NS_PER_US);
    }
    check(d);
    drain(d, reset);
    tcp_events(d->tcp);
}

static void begin(struct drive *d)
{
    static const uint32_t buffers[] = {1, 1000, 65535, 1 << 20};
    uint8_t a = take(d), b = take(d), c = take(d), e = take(d);
    struct tcp_config *config = &d->config;
    *config = (struct tcp_config){
        .flow = {.local = {.kind = ADDR_IP4, .bytes = {192, 0, 2, 1}},
                 .remote = {.kind = ADDR_IP4, .bytes = {192, 0, 2, 2}},
                 .lport = 40000,
                 .rport = 80},
        .iss = ISS,
        .mss = (uint16_t)(c & 1 ? 1460 : 64 + c),
        .sndbuf = buffers[b & 3],
        .rcvbuf = buffers[b >> 2 & 3],
        .wscale = a & 1,
        .timestamps = a & 2,
        .sack = a & 4,
        .nagle = a & 8,
        .delayed_ack = a & 16 ? 40 * NS_PER_MS : 0,
        .quick_acks = a & 32 ? 4 : 0,
        .congestion = a & 64 ? &congestion_cubic : &congestion_newreno,
        .keepalive = e & 1 ? 10 * NS_PER_S : 0,
        .ts_offset = 0xffffff00,
        .time_wait = NS_PER_S,
        .rack = !(e & 16),
        .signature = (e & 136) == 8 ? 20 : 0, /* one SYN has no room for both */
        .fast_open = e & 128,
        .cookie = {.length = e & 32 ? 4 : 0, .bytes = "cook", .mss = e & 64 ? 1000 : 0},
        .ecn = e >> 1 & 3 ? TCP_ECN_ASK : TCP_ECN_ANSWER,
    };
    d->now = NS_PER_S;
    d->tcp = tcp_new(config);
    CHECK(d->tcp);
    if (a & 128) {
        struct segment syn = make_segment(d, TCP_SYN);
        syn.seq = IRS;
        for (size_t k = 0; k < syn.length; k++)
            d->bytes[k] = theirs(IRS + 1 + (uint32_t)k);
        tcp_accept(d->tcp, &syn, d->now);
    } else {
        tcp_connect(d->tcp, d->now);
        if (config->fast_open)
            application(d, 0); /* what goes with the SYN */
    }
    check(d);
    drain(d, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct drive d; /* the payloads are large */
    if (size > 4096)
        return 0;
    memset(&d, 0, sizeof d);
    d.at = data;
    d.end = data + size;
    begin(&d);
    while (d.at < d.end)
        event(&d);

    tcp_set_mode(d.tcp, TCP_AUTO, d.now);

    /* Nobody answers any more: every timer runs out, and what waits for an answer gives up. */
    tcp_shutdown(d.tcp, d.now);
    for (int i = 0; tcp_deadline(d.tcp) != TIME_NEVER; i++) {
        CHECK(i < 2000);
        if (tcp_deadline(d.tcp) > d.now)
            d.now = tcp_deadline(d.tcp);
        drain(&d, false);
    }
    struct tcp_info info;
    tcp_info(d.tcp, &info);
    CHECK(tcp_state(d.tcp) == TCPS_CLOSED || (info.unacked == 0 && info.unsent == 0));
    tcp_free(d.tcp);
    return 0;
}
