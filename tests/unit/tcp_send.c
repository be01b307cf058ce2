/* Sending: retransmission, windows, congestion; rows C of hostile peers. */
#include "tcp_conversation.h"

/* The peer's window is closed, and so much waits for it to open. */
static struct talk *talk_stopped(size_t length)
{
    struct talk *t = talk_open();
    give(t, ". 1 ack 1 win 0");
    talk_write(t, length);
    expect(t, "");
    return t;
}

/* Whether `t->last` is the segment of `length` bytes at `seq`. */
static void expect_last(const struct talk *t, uint32_t seq, size_t length)
{
    assert_int_equal(t->last.seq - t->config.iss, seq);
    assert_int_equal(t->last.length, length);
}

/* SM-9, MAY-12, RFC 5961 5 */
static void c1_ack_of_what_was_not_sent(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    give(t, ". 1 ack 67");
    expect(t, ". 66 ack 1");
    give(t, "P. 1:66 ack 100000"); /* its data is not taken either */
    expect(t, ". 66 ack 1");
    assert_int_equal(talk_info(t).unacked, 65);
    assert_int_equal(tcp_readable(t->tcp), 0);
    talk_free(t);
}

/* SM-9, MAY-12, RFC 5961 5 */
static void c2_ack_older_than_any_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "P. 1:11 ack -9999");
    expect(t, ". 1 ack 11"); /* old, but within the largest window: ignored, its data is not */
    give(t, "P. 11:21 ack -10000");
    expect(t, ". 1 ack 11");
    assert_int_equal(talk_info(t).challenge_acks, 1);
    talk_free(t);
}

/* RFC 5961 7 */
static void sm10_challenges_are_limited(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    int acks = 0;
    for (int i = 0; i < 10000; i++) {
        give(t, i % 3 == 0 ? "R 100" : i % 3 == 1 ? "S 77" : ". 1 ack 5000");
        acks += talk_count(t);
        pass(t, 90 * NS_PER_US);
    }
    assert_int_equal(acks, 10);
    assert_int_equal(talk_info(t).challenge_acks, 10);
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

/* MUST-20, SHLD-11, RFC 6298 5.5 */
static void c3_unanswered_data_backs_off_and_gives_up(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    int64_t begin = t->now;
    for (int64_t rto = 210; rto * 2 < 180000; rto *= 2) {
        expect_deadline(t, (rto < 120000 ? rto : 120000) * MS);
        expect(t, "P. 1:66 ack 1");
    }
    talk_wait(t);
    assert_int_equal((t->now - begin) / MS, 180000);
    expect_reason(t, TCP_TIMED_OUT);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    talk_free(t);
}

static void must21_user_timeout(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.user_timeout = 2 * S;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    pass(t, 3600 * S); /* idleness is not silence */
    expect(t, "");
    talk_write(t, 65);
    int64_t begin = t->now;
    while (tcp_deadline(t->tcp) != TIME_NEVER) {
        talk_count(t);
        if (tcp_deadline(t->tcp) != TIME_NEVER)
            t->now = tcp_deadline(t->tcp);
    }
    assert_int_equal((t->now - begin) / MS, 2000);
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);
}

static void c4_the_unacknowledged_half_is_sent_again(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    give(t, ". 1 ack 31");
    expect(t, "");
    expect_deadline(t, 210 * MS);
    expect(t, "P. 31:66 ack 1");
    give(t, ". 1 ack 66");
    expect(t, "");
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    talk_free(t);
}

/* MUST-36, SHLD-29, SHLD-30 */
static void c5_zero_window_is_probed(void **state)
{
    (void)state;
    struct talk *t = talk_stopped(65);
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:2 ack 1");
    expect_deadline(t, 420 * MS);
    expect(t, ". 1:2 ack 1");
    give(t, ". 1 ack 1 win 0"); /* still closed */
    expect(t, "");
    expect_deadline(t, 840 * MS);
    expect(t, ". 1:2 ack 1");
    give(t, ". 1 ack 1 win 5000"); /* opens: all of it at once */
    expect(t, "P. 1:66 ack 1");
    give(t, ". 1 ack 66");
    expect(t, "");
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    talk_free(t);
}

/* MUST-60 */
static void c5_probe_may_be_taken(void **state)
{
    (void)state;
    struct talk *t = talk_stopped(65);
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:2 ack 1");
    give(t, ". 1 ack 2 win 3");
    expect(t, ""); /* 3 bytes are a silly window */
    expect_deadline(t, 200 * MS);
    expect(t, ". 2:5 ack 1"); /* but it may stay that small */
    give(t, ". 1 ack 5 win 1000");
    expect(t, "P. 5:66 ack 1");
    talk_free(t);
}

static void must37_zero_window_is_legal_for_ever_while_probes_are_answered(void **state)
{
    (void)state;
    struct talk *t = talk_stopped(65);
    int64_t end = t->now + 24 * 3600 * S;
    int probes = 0;
    while (t->now < end) {
        t->now = tcp_deadline(t->tcp);
        probes += talk_count(t);
        give(t, ". 1 ack 1 win 0");
        assert_int_equal(talk_count(t), 0);
    }
    expect_state(t, TCPS_ESTABLISHED);
    assert_true(probes > 700 && probes < 800); /* one in two minutes in the end */
    give(t, ". 1 ack 1 win 1000");
    expect(t, "P. 1:66 ack 1");
    talk_free(t);
}

static void zero_window_without_answers_ends_at_r2(void **state)
{
    (void)state;
    struct talk *t = talk_stopped(65);
    int64_t begin = t->now;
    talk_wait(t);
    assert_int_equal((t->now - begin) / S, 180);
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);
}

static void fin_probes_a_zero_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 1 ack 1 win 0");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "");
    expect_deadline(t, 210 * MS);
    expect(t, "F. 1 ack 1");
    give(t, ". 1 ack 2 win 0");
    expect(t, "");
    expect_state(t, TCPS_FIN_WAIT_2);
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    talk_free(t);
}

/* While the window is closed an ACK of ours must lie where the peer takes it: not behind a probe.
 */
static void acks_during_probing_are_acceptable(void **state)
{
    (void)state;
    struct talk *t = talk_stopped(65);
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:2 ack 1");
    give(t, "P. 1:66 ack 1 win 0");
    expect(t, ". 1 ack 66");
    talk_free(t);
}

static void c6_must38_no_silly_segments(void **state)
{
    (void)state;
    struct talk *t = talk_stopped(5000);
    int segments = 0, acks = 0;
    uint32_t edge = 1, una = 1;
    /* The window opens byte by byte, with a new ACK for each. */
    while (edge < 5001) {
        char text[64];
        edge++;
        snprintf(text, sizeof text, ". 1 ack %u win %u", una, edge - una);
        give(t, text);
        acks++;
        int n = talk_count(t);
        segments += n;
        if (n)
            assert_true(t->last.length == 1000 || edge == 5001);
        una += n ? (uint32_t)t->last.length : 0;
    }
    assert_int_equal(segments, 5);
    assert_int_equal(talk_info(t).unsent, 0);
    talk_free(t);
}

/* MUST-35, SHLD-15, SHLD-16 */
static void c7_must34_a_shrinking_window_does_no_harm(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 5000);
    expect(t, ". 1:1001 ack 1\n. 1001:2001 ack 1\n. 2001:3001 ack 1\n. 3001:4001 ack 1\n"
              "P. 4001:5001 ack 1");
    give(t, ". 1 ack 1001 win 500"); /* the edge goes from 10001 back to 1501 */
    expect(t, "");
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 1001:1501 ack 1");
    give(t, ". 1 ack 1501 win 0");
    expect(t, "");
    assert_true(tcp_deadline(t->tcp) < t->now + 5 * S);
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 1501:1502 ack 1");
    give(t, ". 1 ack 1501 win 9000");
    assert_true(talk_count(t) > 0);
    give(t, ". 1 ack 2501 win 9000");
    assert_true(talk_count(t) > 0);
    give(t, ". 1 ack 5001 win 9000");
    expect(t, "");
    assert_int_equal(talk_info(t).unacked + talk_info(t).unsent, 0);
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

/* SND.WND comes with the newest ACK. A retransmission has it, and an old sequence number (RFC 9293
 * 3.10.7.4 would go by that): the edge must not move beyond what was offered. */
static void a_window_is_that_of_the_newest_ack(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 2000);
    assert_int_equal(talk_count(t), 2);
    give(t, ". 101:201 ack 1 win 10000");
    give(t, ". 1:101 ack 1001 win 9000"); /* again */
    assert_int_equal(talk_info(t).snd_una, t->config.iss + 1001);
    assert_int_equal(talk_info(t).snd_wnd, 9000);
    give(t, ". 201:301 ack 1 win 10000"); /* late */
    assert_int_equal(talk_info(t).snd_wnd, 9000);
    give(t, ". 301 ack 1001 win 8000"); /* between equals the sequence number decides */
    assert_int_equal(talk_info(t).snd_wnd, 8000);
    give(t, ". 201 ack 1001 win 7000");
    assert_int_equal(talk_info(t).snd_wnd, 8000);
    talk_free(t);
}

/* RFC 5681 3.2 */
static void c8_three_duplicates_start_one_fast_retransmit(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 5000);
    assert_int_equal(talk_count(t), 5);
    give(t, ". 1 ack 1");
    give(t, ". 1 ack 1");
    expect(t, "");
    give(t, ". 1 ack 1");
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 1");
    give(t, ". 1 ack 1");
    expect(t, "");
    assert_int_equal(talk_info(t).ssthresh, 2500);
    give(t, ". 1 ack 5001"); /* all of it: recovery is over */
    expect(t, "");
    assert_int_equal(talk_info(t).cwnd, 2000);
    assert_int_equal(talk_info(t).retransmits, 1);
    talk_free(t);
}

/* RFC 6582 */
static void newreno_a_partial_ack_repairs_the_next_hole(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 8000);
    assert_int_equal(talk_count(t), 8);
    for (int i = 0; i < 5; i++)
        give(t, ". 1 ack 1");
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 3001"); /* the segment at 3001 was lost too */
    expect(t, ". 3001:4001 ack 1");
    give(t, ". 1 ack 8001");
    expect(t, "");
    assert_int_equal(talk_info(t).retransmits, 2);
    talk_free(t);
}

/* RFC 5681 3.2 */
static void newreno_recovery_sends_new_data_for_what_has_left(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 20000);
    assert_int_equal(talk_count(t), 10); /* the initial window and the peer's */
    for (int i = 0; i < 3; i++)
        give(t, ". 1 ack 1");
    expect(t, ". 1:1001 ack 1");
    assert_int_equal(talk_info(t).cwnd, 5000);
    for (int i = 0; i < 6; i++)
        give(t, ". 1 ack 1");
    expect(t, ""); /* the peer's window is full */
    give(t, ". 1 ack 10001 win 20000");
    expect(t, ". 10001:11001 ack 1\n. 11001:12001 ack 1");
    talk_free(t);
}

/* RFC 6582 */
static void newreno_no_second_recovery_for_the_same_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 4000);
    assert_int_equal(talk_count(t), 4);
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:1001 ack 1"); /* a timeout: one segment */
    for (int i = 0; i < 5; i++)
        give(t, ". 1 ack 1"); /* echoes of what the peer had already */
    expect(t, "");
    assert_int_equal(talk_info(t).cwnd, 1000);
    talk_free(t);
}

static void a_fast_retransmit_starts_the_timer_again(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 5000);
    assert_int_equal(talk_count(t), 5);
    pass(t, 150 * MS);
    for (int i = 0; i < 3; i++)
        give(t, ". 1 ack 1");
    expect(t, ". 1:1001 ack 1");
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:1001 ack 1");
    talk_free(t);
}

/* RFC 6582: the ACK must cover more than what the last timeout had
 * outstanding. */
static void newreno_duplicates_right_after_a_timeout_prove_nothing(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct talk *t = talk_open();
        talk_write(t, 1000);
        assert_int_equal(talk_count(t), 1);
        expect_deadline(t, 210 * MS);
        expect(t, "P. 1:1001 ack 1");
        const char *ack = ". 1 ack 1001";
        give(t, ack);
        if (more) {
            talk_write(t, 1000);
            expect(t, "P. 1001:2001 ack 1");
            ack = ". 1 ack 2001";
            give(t, ack);
        }
        talk_write(t, 1000);
        assert_int_equal(talk_count(t), 1);
        for (int i = 0; i < 3; i++)
            give(t, ack);
        expect(t, more ? "P. 2001:3001 ack 1" : "");
        talk_free(t);
    }
}

/* RFC 5681 2 */
static void c9_not_every_repeated_ack_is_a_duplicate(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 5000);
    assert_int_equal(talk_count(t), 5);
    for (int i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, ". 1 ack 1 win %d", 9999 - i); /* the window changes */
        give(t, text);
    }
    expect(t, "");
    for (int i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %d:%d ack 1 win 9980", i + 1, i + 2); /* with data */
        give(t, text);
    }
    expect(t, ". 5001 ack 21");
    assert_int_equal(talk_info(t).retransmits, 0);
    give(t, ". 21 ack 5001 win 9980");
    for (int i = 0; i < 20; i++)
        give(t, ". 21 ack 5001 win 9980"); /* nothing outstanding */
    expect(t, "");
    assert_int_equal(talk_info(t).retransmits, 0);
    talk_free(t);
}

/* RFC 5681 3.1 */
static void c10_cwnd_does_not_outgrow_what_was_sent(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    /* The application is the limit: however often it is acknowledged, nothing is learnt. */
    for (int i = 0; i < 100; i++) {
        char text[64];
        talk_write(t, 1000);
        assert_int_equal(talk_count(t), 1);
        snprintf(text, sizeof text, ". 1 ack %d win 60000", i * 1000 + 1001);
        give(t, text);
        expect(t, "");
    }
    assert_int_equal(talk_info(t).cwnd, 10000);
    /* One segment acknowledged byte by byte opens the window by that segment. */
    talk_write(t, 30000);
    assert_int_equal(talk_count(t), 10);
    for (int i = 1; i <= 1000; i++) {
        char text[64];
        snprintf(text, sizeof text, ". 1 ack %d win 60000", 100001 + i);
        give(t, text);
    }
    assert_int_equal(talk_info(t).cwnd, 11000);
    talk_free(t);
}

/* RFC 5681 3.1 */
static void must19_slow_start_then_congestion_avoidance(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.sndbuf = 1 << 20;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    give(t, ". 1 ack 1 win 65535");
    talk_write(t, 100000);
    uint32_t acked = 1;
    for (int flight = 10; flight <= 40; flight *= 2) { /* doubles with every round trip */
        assert_int_equal(talk_count(t), flight);
        pass(t, 10 * MS);
        char text[64];
        for (int i = 0; i < flight; i++) {
            acked += 1000;
            snprintf(text, sizeof text, ". 1 ack %u win 65535", acked);
            give(t, text);
        }
    }
    /* A timeout halves what was outstanding and starts again with one segment. */
    uint32_t flight = (uint32_t)talk_count(t);
    assert_true(flight > 2);
    flight *= 1000;
    t->now = tcp_deadline(t->tcp);
    assert_int_equal(talk_count(t), 1);
    assert_int_equal(talk_info(t).cwnd, 1000);
    assert_int_equal(talk_info(t).ssthresh, flight / 2 > 2000 ? flight / 2 : 2000);
    talk_free(t);
}

/* MUST-19, RFC 5681 3.1 */
static void congestion_avoidance_grows_by_one_segment_a_window(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.sndbuf = 1 << 20;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    give(t, ". 1 ack 1 win 65535");
    talk_write(t, 130000);
    assert_int_equal(talk_count(t), 10);
    for (int i = 0; i < 3; i++)
        give(t, ". 1 ack 1 win 65535");
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 10001 win 65535");
    uint32_t acked = 10001;
    assert_int_equal(talk_info(t).cwnd, 2000); /* no burst after recovery */
    assert_int_equal(talk_info(t).ssthresh, 5000);
    int flight = talk_count(t);
    static const int flights[] = {2, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < sizeof flights / sizeof *flights; i++) {
        assert_int_equal(flight, flights[i]);
        flight = 0;
        for (int n = flights[i]; n; n--) {
            char text[64];
            acked += 1000;
            snprintf(text, sizeof text, ". 1 ack %u win 65535", acked);
            give(t, text);
            flight += talk_count(t);
        }
    }
    talk_free(t);
}

static void must18_karn_a_retransmitted_segment_is_not_timed(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    int64_t srtt = talk_info(t).srtt;
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    expect_deadline(t, 210 * MS);
    expect(t, "P. 1:66 ack 1");
    pass(t, 5 * MS);
    give(t, ". 1 ack 66");
    expect(t, "");
    assert_true(talk_info(t).srtt == srtt);
    assert_true(talk_info(t).rto == 420 * MS); /* backed off until there is a sample */
    talk_write(t, 10);
    expect(t, "P. 66:76 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 76");
    expect(t, "");
    assert_true(talk_info(t).rto < 250 * MS);
    talk_free(t);
}

/* Row 5 of the traps: only an ACK of new data starts the timer again. */
static void other_acks_do_not_start_the_timer_again(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    int64_t deadline = tcp_deadline(t->tcp);
    for (int i = 0; i < 2; i++) {
        pass(t, 50 * MS);
        give(t, ". 1 ack 1 win 9000");
        expect(t, "");
        assert_true(tcp_deadline(t->tcp) == deadline);
    }
    talk_write(t, 10);
    expect(t, "P. 66:76 ack 1");
    assert_true(tcp_deadline(t->tcp) == deadline);
    talk_free(t);
}

static void c15_a_round_trip_of_10_s_is_learnt(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    uint32_t sent = 1;
    uint64_t before = 0;
    for (int i = 0; i < 10; i++) {
        char text[64];
        talk_write(t, 10);
        int64_t answer = t->now + 10 * S;
        for (talk_count(t); tcp_deadline(t->tcp) < answer; talk_count(t))
            t->now = tcp_deadline(t->tcp);
        t->now = answer;
        sent += 10;
        snprintf(text, sizeof text, ". 1 ack %u", sent);
        give(t, text);
        expect(t, "");
        if (i == 1)
            before = talk_info(t).retransmits;
    }
    assert_int_equal(talk_info(t).retransmits, before); /* none after the first two */
    assert_true(talk_info(t).rto > 10 * S && talk_info(t).rto < 60 * S);
    talk_free(t);
}

static void a_timeout_sends_everything_again_as_acks_allow(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 4000);
    assert_int_equal(talk_count(t), 4);
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 1001");
    expect(t, ". 1001:2001 ack 1\n. 2001:3001 ack 1");
    give(t, ". 1 ack 4001"); /* the rest had arrived after all */
    expect(t, "");
    assert_int_equal(talk_info(t).unacked, 0);
    talk_free(t);
}

/* MUST-60 */
static void must61_push_ends_what_was_written(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 2500);
    expect(t, ". 1:1001 ack 1\n. 1001:2001 ack 1\nP. 2001:2501 ack 1");
    talk_free(t);
}

static void must17_without_nagle_each_write_leaves_at_once(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 1);
    expect(t, "P. 1:2 ack 1");
    talk_write(t, 1);
    expect(t, "P. 2:3 ack 1");
    talk_free(t);
}

static void shld7_nagle_holds_back_small_segments(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.nagle = true;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    talk_write(t, 1);
    expect(t, "P. 1:2 ack 1");
    talk_write(t, 1);
    expect(t, "");
    talk_write(t, 1000);
    expect(t, ". 2:1002 ack 1"); /* a full one may go */
    give(t, ". 1 ack 1002");
    expect(t, "P. 1002:1003 ack 1");
    talk_write(t, 5);
    expect(t, "");
    tcp_shutdown(t->tcp, t->now); /* nothing will follow: no reason to wait */
    expect(t, "FP. 1003:1008 ack 1");
    talk_free(t);
}

static void the_send_buffer_is_bounded(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.sndbuf = 3000;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    talk_write(t, 5000);
    assert_int_equal(t->written, 3000);
    expect(t, ". 1:1001 ack 1\n. 1001:2001 ack 1\nP. 2001:3001 ack 1");
    tcp_events(t->tcp);
    give(t, ". 1 ack 1001");
    assert_true(tcp_events(t->tcp) & TCP_EVENT_WRITABLE);
    talk_write(t, 5000);
    assert_int_equal(t->written, 4000);
    talk_free(t);
}

static void must1_a_window_of_65535_is_used(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.sndbuf = 1 << 17;
    talk_establish(t, "S. 0 ack 1 win 65535 mss 1000");
    talk_write(t, 1 << 17);
    uint32_t acked = 1;
    while (talk_info(t).unsent) {
        char text[64];
        assert_true(talk_count(t) > 0);
        assert_true(talk_info(t).unacked <= 65535);
        acked = talk_info(t).snd_nxt - t->config.iss;
        snprintf(text, sizeof text, ". 1 ack %u win 65535", acked);
        give(t, text);
    }
    talk_free(t);
}

/* RFC 5681 4.1 */
static void idleness_closes_the_congestion_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 1 ack 1 win 65535");
    talk_write(t, 20000);
    assert_int_equal(talk_count(t), 10);
    for (uint32_t ack = 1001; ack <= 20001; ack += 1000) {
        char text[64];
        snprintf(text, sizeof text, ". 1 ack %u win 65535", ack);
        give(t, text);
        talk_count(t);
    }
    assert_true(talk_info(t).cwnd > 10000);
    pass(t, 10 * S);
    talk_write(t, 20000);
    assert_int_equal(talk_count(t), 10);
    expect_last(t, 29001, 1000);
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c1_ack_of_what_was_not_sent),
        cmocka_unit_test(c2_ack_older_than_any_window),
        cmocka_unit_test(sm10_challenges_are_limited),
        cmocka_unit_test(c3_unanswered_data_backs_off_and_gives_up),
        cmocka_unit_test(must21_user_timeout),
        cmocka_unit_test(c4_the_unacknowledged_half_is_sent_again),
        cmocka_unit_test(c5_zero_window_is_probed),
        cmocka_unit_test(c5_probe_may_be_taken),
        cmocka_unit_test(must37_zero_window_is_legal_for_ever_while_probes_are_answered),
        cmocka_unit_test(zero_window_without_answers_ends_at_r2),
        cmocka_unit_test(fin_probes_a_zero_window),
        cmocka_unit_test(acks_during_probing_are_acceptable),
        cmocka_unit_test(c6_must38_no_silly_segments),
        cmocka_unit_test(c7_must34_a_shrinking_window_does_no_harm),
        cmocka_unit_test(a_window_is_that_of_the_newest_ack),
        cmocka_unit_test(c8_three_duplicates_start_one_fast_retransmit),
        cmocka_unit_test(newreno_a_partial_ack_repairs_the_next_hole),
        cmocka_unit_test(newreno_recovery_sends_new_data_for_what_has_left),
        cmocka_unit_test(newreno_no_second_recovery_for_the_same_window),
        cmocka_unit_test(a_fast_retransmit_starts_the_timer_again),
        cmocka_unit_test(newreno_duplicates_right_after_a_timeout_prove_nothing),
        cmocka_unit_test(c9_not_every_repeated_ack_is_a_duplicate),
        cmocka_unit_test(c10_cwnd_does_not_outgrow_what_was_sent),
        cmocka_unit_test(must19_slow_start_then_congestion_avoidance),
        cmocka_unit_test(congestion_avoidance_grows_by_one_segment_a_window),
        cmocka_unit_test(must18_karn_a_retransmitted_segment_is_not_timed),
        cmocka_unit_test(other_acks_do_not_start_the_timer_again),
        cmocka_unit_test(c15_a_round_trip_of_10_s_is_learnt),
        cmocka_unit_test(a_timeout_sends_everything_again_as_acks_allow),
        cmocka_unit_test(must61_push_ends_what_was_written),
        cmocka_unit_test(must17_without_nagle_each_write_leaves_at_once),
        cmocka_unit_test(shld7_nagle_holds_back_small_segments),
        cmocka_unit_test(the_send_buffer_is_bounded),
        cmocka_unit_test(must1_a_window_of_65535_is_used),
        cmocka_unit_test(idleness_closes_the_congestion_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
