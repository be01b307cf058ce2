/* Anything in any state: every combination of flags, and random segments, calls and times. The
 * oracle is the invariants, which every call checks, and that nothing answers a RST. */
#include "tcp_conversation.h"

static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random_state * below >> 32);
}

static void drive(struct talk *t, const char *const *segments)
{
    for (; *segments; segments++) {
        if (!strcmp(*segments, "shutdown"))
            tcp_shutdown(t->tcp, t->now);
        else
            give(t, *segments);
        talk_count(t);
    }
}

/* A connection in each of the states but CLOSED. */
static struct talk *in_state(enum tcp_state state)
{
    static const char *const paths[][6] = {
        [TCPS_SYN_SENT] = {NULL},
        [TCPS_SYN_RECEIVED] = {"S 0", NULL},
        [TCPS_ESTABLISHED] = {"S. 0 ack 1", NULL},
        [TCPS_FIN_WAIT_1] = {"S. 0 ack 1", "shutdown", NULL},
        [TCPS_FIN_WAIT_2] = {"S. 0 ack 1", "shutdown", ". 1 ack 2", NULL},
        [TCPS_CLOSE_WAIT] = {"S. 0 ack 1", "F. 1 ack 1", NULL},
        [TCPS_CLOSING] = {"S. 0 ack 1", "shutdown", "F. 1 ack 1", NULL},
        [TCPS_LAST_ACK] = {"S. 0 ack 1", "F. 1 ack 1", "shutdown", NULL},
        [TCPS_TIME_WAIT] = {"S. 0 ack 1", "shutdown", "F. 1 ack 2", NULL},
    };
    struct talk *t = talk_new();
    talk_connect(t);
    talk_count(t);
    drive(t, paths[state]);
    expect_state(t, state);
    return t;
}

static struct segment segment_of(const struct talk *t, uint16_t flags, uint32_t seq, uint32_t ack,
                                 size_t length)
{
    return (struct segment){.src = t->config.flow.remote,
                            .dst = t->config.flow.local,
                            .sport = t->config.flow.rport,
                            .dport = t->config.flow.lport,
                            .flags = flags,
                            .seq = seq,
                            .ack = ack,
                            .window = 5000,
                            .payload = t->bytes,
                            .length = length};
}

/* Rows E15, E16; SM-17. */
static void e15_e16_every_flag_in_every_state(void **state)
{
    (void)state;
    static const int seqs[] = {-1, 0, 1, 2, 9999, 10001, 70000};
    static const int acks[] = {-20000, 0, 1, 2, 3};

    for (int s = TCPS_SYN_SENT; s <= TCPS_TIME_WAIT; s++)
        for (uint16_t flags = 0; flags < 512; flags++)
            for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
                int ack = acks[(flags + i) % 5];
                struct talk *t = in_state((enum tcp_state)s);
                struct segment in = segment_of(t, flags, t->irs + (uint32_t)seqs[i],
                                               t->config.iss + (uint32_t)ack, flags % 3);
                tcp_input(t->tcp, &in, t->now);
                talk_check(t);
                int answers = talk_count(t);
                enum tcp_state after = tcp_state(t->tcp);
                bool rst = flags & TCP_RST;
                /* A RST ends the connection, is challenged or is ignored: nothing else. */
                if (rst && after != TCPS_CLOSED)
                    assert_int_equal(after, s);
                if (rst && answers)
                    assert_int_equal(t->last.flags, TCP_ACK);
                if (!rst && after == TCPS_CLOSED) /* only the ACK of our FIN does */
                    assert_int_equal(s, TCPS_LAST_ACK);
                assert_true(answers <= 1);
                talk_free(t);
            }
}

static void random_call(struct talk *t)
{
    static uint8_t bytes[3000];
    struct tcp_info info = talk_info(t);

    switch (draw(16)) {
    case 0: /* our stream */
        talk_write(t, draw(3000));
        break;
    case 1:
        tcp_read(t->tcp, bytes, draw(3000), draw(2) ? -1 : (int)draw(256), t->now);
        break;
    case 2:
        if (draw(40) == 0)
            tcp_shutdown(t->tcp, t->now);
        break;
    case 3:
        if (draw(400) == 0)
            tcp_abort(t->tcp, t->now);
        break;
    case 4:
        t->now += draw(1000) * MS;
        break;
    case 5: /* up to the next deadline */
        if (tcp_deadline(t->tcp) > t->now && tcp_deadline(t->tcp) != TIME_NEVER)
            t->now = tcp_deadline(t->tcp);
        break;
    case 6:
        tcp_unreachable(t->tcp, info.snd_una + draw(100), draw(2), t->now);
        tcp_path_mtu(t->tcp, info.snd_una + draw(100), draw(2) ? draw(1500) : draw(100000), t->now);
        break;
    default: { /* a segment somewhere near what is expected */
        uint32_t seq = info.rcv_nxt + (draw(2) ? 0 : draw(3000)) - (draw(4) ? 0 : draw(100));
        uint32_t ack = info.snd_una + (draw(2) ? draw(info.snd_nxt - info.snd_una + 1) : 0);
        uint16_t flags = draw(20) ? TCP_ACK : (uint16_t)draw(512);
        flags |= draw(30) ? 0 : TCP_FIN;
        if (draw(50) == 0)
            seq = draw(UINT32_MAX);
        if (draw(50) == 0)
            ack = draw(UINT32_MAX);
        struct segment in = segment_of(t, flags, seq, ack, draw(3) ? draw(1500) : 0);
        in.window = (uint16_t)(draw(4) ? 10000 : draw(10) ? draw(3000) : 0);
        in.urgent = (uint16_t)draw(65536);
        in.options.has_mss = draw(2);
        in.options.mss = (uint16_t)draw(65536);
        tcp_input(t->tcp, &in, t->now);
        break;
    }
    }
    talk_check(t);
}

static void random_segments_calls_and_times(void **state)
{
    (void)state;
    const char *text = getenv("TCPLUA_SEEDS");
    uint32_t seeds = text ? (uint32_t)strtoul(text, NULL, 10) : 1000;

    for (uint32_t seed = 1; seed <= seeds; seed++) {
        random_state = seed;
        struct talk *t = in_state((enum tcp_state)(1 + draw(TCPS_TIME_WAIT)));
        tcp_free(t->tcp);
        memset(&t->watch, 0, sizeof t->watch);
        t->written = 0;
        t->config.rcvbuf = 1 + draw(20000);
        t->config.sndbuf = 1 + draw(20000);
        t->config.nagle = draw(2);
        t->config.delayed_ack = draw(2) * 40 * MS;
        t->config.iss = draw(UINT32_MAX);
        talk_connect(t);
        talk_count(t);
        struct segment in =
            segment_of(t, TCP_SYN | TCP_ACK, draw(UINT32_MAX), t->config.iss + 1, 0);
        if (draw(8) == 0)
            in.flags = TCP_SYN;
        tcp_input(t->tcp, &in, t->now);
        for (int step = 0; step < 300 && tcp_state(t->tcp) != TCPS_CLOSED; step++) {
            random_call(t);
            if (draw(3))
                talk_count(t);
        }
        /* Left alone, nothing goes on for ever but what waits for the application or the peer. */
        for (int i = 0; i < 100 && tcp_deadline(t->tcp) != TIME_NEVER; i++) {
            if (tcp_deadline(t->tcp) > t->now)
                t->now = tcp_deadline(t->tcp);
            talk_count(t);
        }
        assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
        talk_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e15_e16_every_flag_in_every_state),
        cmocka_unit_test(random_segments_calls_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
