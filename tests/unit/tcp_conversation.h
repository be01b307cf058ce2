/* tcp_conversation: tests of the engine as conversations: this comes in, exactly that goes out.
 *
 *     struct talk *t = talk_open();                       the handshake is done
 *     give(t, "P. 1:66 ack 1");                           the peer sends 65 bytes
 *     expect(t, ". 1 ack 66");                            one ACK, and nothing else
 *
 * Segments are written in tcpdump's words with relative numbers: flags, the sequence number (or
 * first:end with data), then any of "ack N", "win N", "mss N", "urg N", "xor N" (spoils the data),
 * "sackOK", "ce" (marked on the way), "ts VAL ECR", "wscale N", "sack FIRST:END", "tfo COOKIE" (its
 * letters, or "-" for none). Sent segments are
 * printed the same way, without the window, which tests read from t->last; their TSval is in
 * milliseconds since the beginning. The byte at every position of either stream is known, so data
 * is checked wherever it shows. After every call the invariants are checked. */
#ifndef TCPLUA_TESTS_TCP_CONVERSATION_H
#define TCPLUA_TESTS_TCP_CONVERSATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/tcp_check.h"

#include <cmocka.h> /* after ours: it has a macro named fail */

#define MS NS_PER_MS
#define S  NS_PER_S

#define BEGIN (1000 * S) /* on the engine's clock */

struct talk {
    struct tcp *tcp;
    struct tcp_config config;
    struct tcp_watch watch;
    int64_t now;
    uint32_t irs;        /* the peer's ISS */
    struct segment last; /* sent */
    size_t written;      /* bytes the application has written */
    size_t read;         /* and read */
    uint8_t bytes[1 << 17];
};

/* The byte at position `n` of the peer's stream, and of ours. */
static inline uint8_t theirs(size_t n)
{
    return (uint8_t)(n * 7 + (n >> 8) + 1);
}

static inline uint8_t ours(size_t n)
{
    return (uint8_t)(n * 11 + (n >> 8) + 5);
}

static inline void talk_check(struct talk *t)
{
    const char *broken = tcp_check(t->tcp, &t->watch);
    if (broken)
        fail_msg("invariant broken: %s", broken);
}

static inline struct talk *talk_new(void)
{
    struct talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->config = (struct tcp_config){
        .flow = {.local = {.kind = ADDR_IP4, .bytes = {192, 0, 2, 1}},
                 .remote = {.kind = ADDR_IP4, .bytes = {192, 0, 2, 2}},
                 .lport = 40000,
                 .rport = 8080},
        .iss = 0xfffffff0, /* our numbers wrap after 15 bytes */
        .mss = 1000,
        .rcvbuf = 10000,
    };
    t->irs = 0x7ffffff0; /* theirs pass 2^31 */
    t->now = BEGIN;
    return t;
}

static inline void talk_free(struct talk *t)
{
    tcp_free(t->tcp);
    free(t);
}

/* The first word of `text`, which moves behind it; "" at the end. */
static inline const char *talk_word(const char **text, char word[static 24])
{
    int used = 0;
    word[0] = 0;
    sscanf(*text, " %23s%n", word, &used);
    *text += used;
    return word;
}

static inline uint16_t talk_flags(const char *text)
{
    unsigned flags = 0;
    for (; *text; text++)
        switch (*text) {
        case 'S':
            flags |= TCP_SYN;
            break;
        case 'F':
            flags |= TCP_FIN;
            break;
        case 'R':
            flags |= TCP_RST;
            break;
        case 'P':
            flags |= TCP_PSH;
            break;
        case 'U':
            flags |= TCP_URG;
            break;
        case 'E':
            flags |= TCP_ECE;
            break;
        case 'W':
            flags |= TCP_CWR;
            break;
        case '.':
            flags |= TCP_ACK;
            break;
        case '-':
            break;
        default:
            fail_msg("no flag: %c", *text);
        }
    return (uint16_t)flags;
}

/* Our TSval that many milliseconds after the beginning. */
static inline uint32_t talk_timestamp(const struct talk *t, int64_t ms)
{
    return t->config.ts_offset + (uint32_t)(BEGIN / MS + ms);
}

/* Reads the notation above; the payload lies in t->bytes. */
static inline struct segment talk_parse(struct talk *t, const char *text)
{
    char word[24], *end;
    struct segment s = {.src = t->config.flow.remote,
                        .dst = t->config.flow.local,
                        .sport = t->config.flow.rport,
                        .dport = t->config.flow.lport,
                        .window = 10000,
                        .ttl = 64,
                        .payload = t->bytes};
    uint8_t spoil = 0;

    s.flags = talk_flags(talk_word(&text, word));
    int64_t seq = strtoll(talk_word(&text, word), &end, 10);
    s.seq = t->irs + (uint32_t)seq;
    if (*end == ':')
        s.length = (size_t)(strtoll(end + 1, NULL, 10) - seq);
    while (*talk_word(&text, word)) {
        char value[24];
        if (!strcmp(word, "sackOK")) {
            s.options.sack_permitted = true;
            continue;
        }
        if (!strcmp(word, "ce")) {
            s.tos = 3;
            continue;
        }
        int64_t n = strtoll(talk_word(&text, value), NULL, 10);
        if (!strcmp(word, "tfo")) {
            s.options.has_fast_open = true;
            s.options.cookie_length = (uint8_t)(*value == '-' ? 0 : strlen(value));
            memcpy(s.options.cookie, value, s.options.cookie_length);
            continue;
        }
        if (!strcmp(word, "ack")) {
            s.ack = t->config.iss + (uint32_t)n;
        } else if (!strcmp(word, "win")) {
            s.window = (uint16_t)n;
        } else if (!strcmp(word, "mss")) {
            s.options.has_mss = true;
            s.options.mss = (uint16_t)n;
        } else if (!strcmp(word, "urg")) {
            s.urgent = (uint16_t)n;
        } else if (!strcmp(word, "wscale")) {
            s.options.has_wscale = true;
            s.options.wscale = (uint8_t)n;
        } else if (!strcmp(word, "ts")) {
            s.options.has_timestamp = true;
            s.options.tsval = (uint32_t)n;
            s.options.tsecr = talk_timestamp(t, strtoll(talk_word(&text, value), NULL, 10));
        } else if (!strcmp(word, "sack")) {
            s.options.sack[s.options.sacks].left = t->config.iss + (uint32_t)n;
            s.options.sack[s.options.sacks++].right =
                t->config.iss + (uint32_t)strtoll(strchr(value, ':') + 1, NULL, 10);
        } else if (!strcmp(word, "xor")) {
            spoil = (uint8_t)n;
        } else {
            fail_msg("no word of the notation: %s", word);
        }
    }
    /* The byte behind the SYN has position 0. */
    size_t first = (size_t)(seq - (s.flags & TCP_SYN ? 0 : 1));
    assert_true(s.length <= sizeof t->bytes);
    for (size_t i = 0; i < s.length; i++)
        t->bytes[i] = theirs(first + i) ^ spoil;
    return s;
}

static inline void give(struct talk *t, const char *text)
{
    struct segment s = talk_parse(t, text);
    tcp_input(t->tcp, &s, t->now);
    talk_check(t);
}

static inline int talk_format(const struct talk *t, const struct segment *s, char *text,
                              size_t size)
{
    static const char letters[] = "FSRP.UEW";
    char flags[12] = "", *f = flags;
    const char order[] = {1, 0, 2, 3, 5, 6, 7, 4}; /* tcpdump prints the dot last */
    uint32_t seq = s->seq - t->config.iss;
    int n;

    for (size_t i = 0; i < sizeof order; i++)
        if (s->flags & 1U << order[i])
            *f++ = letters[(int)order[i]];
    *f = 0;
    n = snprintf(text, size, "%s %u", flags, seq);
    if (s->length)
        n += snprintf(text + n, size - (size_t)n, ":%u", seq + (uint32_t)s->length);
    if (s->flags & TCP_ACK)
        n += snprintf(text + n, size - (size_t)n, " ack %u", s->ack - t->irs);
    if (s->options.has_mss)
        n += snprintf(text + n, size - (size_t)n, " mss %u", s->options.mss);
    if (s->options.sack_permitted)
        n += snprintf(text + n, size - (size_t)n, " sackOK");
    if (s->options.has_timestamp)
        n += snprintf(text + n, size - (size_t)n, " ts %u %u",
                      s->options.tsval - talk_timestamp(t, 0), s->options.tsecr);
    if (s->options.has_wscale)
        n += snprintf(text + n, size - (size_t)n, " wscale %u", s->options.wscale);
    if (s->options.has_fast_open)
        n += snprintf(text + n, size - (size_t)n, " tfo %.*s",
                      s->options.cookie_length ? s->options.cookie_length : 1,
                      s->options.cookie_length ? (const char *)s->options.cookie : "-");
    if (s->tos & 3)
        n += snprintf(text + n, size - (size_t)n, " ect");
    for (unsigned i = 0; i < s->options.sacks; i++)
        n += snprintf(text + n, size - (size_t)n, " sack %u:%u", s->options.sack[i].left - t->irs,
                      s->options.sack[i].right - t->irs);
    return n + snprintf(text + n, size - (size_t)n, "\n");
}

/* Everything the engine has to say now, one line a segment. */
static inline const char *talk_take(struct talk *t, char *text, size_t size)
{
    struct segment out;
    size_t n = 0;

    text[0] = 0;
    for (int i = 0; tcp_output(t->tcp, &out, t->now); i++) {
        const char *broken = tcp_check_segment(t->tcp, &out);
        if (broken)
            fail_msg("segment broken: %s", broken);
        assert_true(i < 1000);
        for (size_t k = 0; k < out.length; k++)
            assert_int_equal(out.payload[k],
                             ours(out.seq + k - t->config.iss - (out.flags & TCP_SYN ? 0 : 1)));
        if (n + 200 < size)
            n += (size_t)talk_format(t, &out, text + n, size - n);
        t->last = out;
        talk_check(t);
    }
    talk_check(t);
    return text;
}

/* Time passes up to the engine's next deadline, which lies `delay` ahead (to a microsecond). */
#define expect_deadline(t, delay)                                                                  \
    do {                                                                                           \
        assert_int_equal((tcp_deadline((t)->tcp) - (t)->now) / NS_PER_US, (delay) / NS_PER_US);    \
        (t)->now = tcp_deadline((t)->tcp);                                                         \
    } while (0)

/* Exactly these segments go out, in this order: lines joined by "\n", "" for silence. */
#define expect(t, wanted)                                                                          \
    do {                                                                                           \
        char text_[8192], wanted_[8192];                                                           \
        snprintf(wanted_, sizeof wanted_, "%s%s", wanted, *(wanted) ? "\n" : "");                  \
        assert_string_equal(talk_take(t, text_, sizeof text_), wanted_);                           \
    } while (0)

/* How many segments go out now. */
static inline int talk_count(struct talk *t)
{
    static char text[1 << 16];
    int n = 0;
    for (const char *p = talk_take(t, text, sizeof text); *p; p++)
        n += *p == '\n';
    return n;
}

/* Time passes from deadline to deadline until there is none; how many segments go out. */
static inline int talk_wait(struct talk *t)
{
    int n = 0;
    while (tcp_deadline(t->tcp) != TIME_NEVER) {
        t->now = tcp_deadline(t->tcp);
        n += talk_count(t);
    }
    return n;
}

static inline void talk_write(struct talk *t, size_t length)
{
    static uint8_t bytes[1 << 17];
    assert_true(length <= sizeof bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = ours(t->written + i);
    t->written += tcp_write(t->tcp, bytes, length);
    talk_check(t);
}

/* Reads exactly `length` bytes and compares them. */
static inline void talk_read(struct talk *t, size_t length)
{
    static uint8_t bytes[1 << 17];
    size_t got = tcp_read(t->tcp, bytes, length, -1, t->now);
    assert_int_equal(got, length);
    for (size_t i = 0; i < got; i++)
        assert_int_equal(bytes[i], theirs(t->read + i));
    t->read += got;
    talk_check(t);
}

/* Time passes. */
static inline void pass(struct talk *t, int64_t delay)
{
    t->now += delay;
}

static inline void expect_state(const struct talk *t, enum tcp_state state)
{
    assert_string_equal(tcp_state_name(tcp_state(t->tcp)), tcp_state_name(state));
}

static inline void expect_reason(const struct talk *t, enum tcp_reason reason)
{
    assert_int_equal(tcp_reason(t->tcp), reason);
}

static inline struct tcp_info talk_info(const struct talk *t)
{
    struct tcp_info info;
    tcp_info(t->tcp, &info);
    return info;
}

/* The engine, its SYN sent. */
static inline void talk_connect(struct talk *t)
{
    t->tcp = tcp_new(&t->config);
    assert_non_null(t->tcp);
    talk_check(t);
    tcp_connect(t->tcp, t->now);
    talk_check(t);
}

/* The handshake with `t->config`, seen through `synack`. */
static inline void talk_establish(struct talk *t, const char *synack)
{
    talk_connect(t);
    assert_int_equal(talk_count(t), 1);
    pass(t, 10 * MS);
    give(t, synack);
    expect(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_OPEN);
}

static inline struct talk *talk_open(void)
{
    struct talk *t = talk_new();
    talk_establish(t, "S. 0 ack 1 mss 1000");
    return t;
}

#endif
