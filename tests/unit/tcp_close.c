/* Closing, resets and challenges: rows D of hostile peers. */
#include "tcp_conversation.h"

/* The peer has closed; its FIN is acknowledged. */
static struct talk *close_wait(void)
{
    struct talk *t = talk_open();
    give(t, "FP. 1:66 ack 1");
    expect(t, ". 1 ack 67");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_read(t, 65);
    return t;
}

static struct talk *last_ack(void)
{
    struct talk *t = close_wait();
    talk_write(t, 65);
    tcp_shutdown(t->tcp, t->now);
    expect(t, "FP. 1:66 ack 67");
    expect_state(t, TCPS_LAST_ACK);
    return t;
}

static struct talk *fin_wait_1(void)
{
    struct talk *t = talk_open();
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 1 ack 1");
    expect_state(t, TCPS_FIN_WAIT_1);
    return t;
}

static struct talk *fin_wait_2(void)
{
    struct talk *t = fin_wait_1();
    give(t, ". 1 ack 2");
    expect(t, "");
    expect_state(t, TCPS_FIN_WAIT_2);
    return t;
}

static struct talk *time_wait(void)
{
    struct talk *t = fin_wait_2();
    tcp_events(t->tcp);
    give(t, "F. 1 ack 2");
    expect(t, ". 2 ack 2");
    expect_state(t, TCPS_TIME_WAIT);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    return t;
}

static struct talk *closing(void)
{
    struct talk *t = fin_wait_1();
    give(t, "F. 1 ack 1");
    expect(t, ". 2 ack 2");
    expect_state(t, TCPS_CLOSING);
    return t;
}

/* SM-14 */
static void d1_last_ack_ends_with_the_ack_of_our_fin(void **state)
{
    (void)state;
    struct talk *t = last_ack();
    tcp_events(t->tcp);
    give(t, ". 67 ack 66"); /* the data, not the FIN */
    expect(t, "");
    expect_state(t, TCPS_LAST_ACK);
    assert_false(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    give(t, ". 67 ack 67");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_FINE);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    assert_true(talk_info(t).fin_acked);
    talk_free(t);
}

/* The ACK of their FIN is a segment of its own unless we have closed before it could be sent. */
static void fin_and_ack_are_joined_only_if_shutdown_comes_first(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "F. 1 ack 1");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 1 ack 2");
    talk_free(t);
}

/* SM-14 */
static void d2_fin_is_retransmitted(void **state)
{
    (void)state;
    struct talk *t = last_ack();
    give(t, ". 67 ack 66");
    expect(t, "");
    for (int i = 0; i < 5; i++) {
        t->now = tcp_deadline(t->tcp);
        expect(t, "F. 66 ack 67");
    }
    give(t, ". 67 ack 67");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_FINE);
    talk_free(t);
}

/* SM-14, MUST-20 */
static void d2_fin_unanswered_ends_at_r2(void **state)
{
    (void)state;
    struct talk *t = fin_wait_1();
    int64_t begin = t->now;
    talk_wait(t);
    assert_int_equal((t->now - begin) / S, 180);
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);
}

/* SM-15 */
static void d3_repeated_fin_is_acknowledged_again(void **state)
{
    (void)state;
    struct talk *t = close_wait();
    give(t, "FP. 1:66 ack 1");
    expect(t, ". 1 ack 67");
    give(t, "F. 66 ack 1");
    expect(t, ". 1 ack 67");
    talk_free(t);

    t = last_ack();
    give(t, "F. 66 ack 1");
    expect(t, ". 67 ack 67");
    expect_state(t, TCPS_LAST_ACK);
    talk_free(t);

    t = closing();
    give(t, "F. 1 ack 1");
    expect(t, ". 2 ack 2");
    talk_free(t);
}

/* MUST-13, SM-15 */
static void time_wait_acknowledges_a_repeated_fin_and_starts_again(void **state)
{
    (void)state;
    struct talk *t = time_wait();
    expect_deadline(t, 240 * S);
    t->now -= 100 * S;
    give(t, "F. 1 ack 2");
    expect(t, ". 2 ack 2");
    tcp_events(t->tcp);
    expect_deadline(t, 240 * S);
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_FINE);
    assert_int_equal(tcp_events(t->tcp), TCP_EVENT_STATE);
    talk_free(t);
}

/* MUST-12, SM-7, RFC 5961 3 */
static void d4_exact_rst_resets(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "P. 1:11 ack 1");
    expect(t, ". 1 ack 11");
    give(t, "R 11");
    expect(t, "");
    expect_reason(t, TCP_RESET);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    talk_read(t, 10);
    assert_false(tcp_eof(t->tcp));
    talk_free(t);
}

/* SM-7, RFC 5961 3 */
static void d5_rst_in_window_challenged(void **state)
{
    (void)state;
    static const char *const rsts[] = {"R 2", "R 5000", "R 10000", "R. 2 ack 1"};
    for (size_t i = 0; i < 4; i++) {
        struct talk *t = talk_open();
        give(t, rsts[i]);
        expect(t, ". 1 ack 1");
        expect_state(t, TCPS_ESTABLISHED);
        give(t, "R 1"); /* what the real peer answers */
        expect_reason(t, TCP_RESET);
        talk_free(t);
    }
}

/* SM-6, SM-7, RFC 5961 3 */
static void d6_rst_outside_window_dropped(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "R 0");
    give(t, "R 10001");
    give(t, "R -5000");
    give(t, "R. 1000000 ack 1");
    expect(t, "");
    expect_state(t, TCPS_ESTABLISHED);
    assert_int_equal(talk_info(t).challenge_acks, 0);
    talk_free(t);
}

/* SM-8, RFC 5961 4 */
static void d7_syn_in_every_synchronised_state_is_challenged(void **state)
{
    (void)state;
    struct talk *(*const states[])(void) = {talk_open, fin_wait_1, fin_wait_2, close_wait,
                                            closing,   last_ack,   time_wait};
    static const char *const syns[] = {"S 0", "S 1", "S 5000", "S -70000", "S. 3 ack 1"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        for (size_t k = 0; k < sizeof syns / sizeof *syns; k++) {
            struct talk *t = states[i]();
            enum tcp_state before = tcp_state(t->tcp);
            give(t, syns[k]);
            assert_int_equal(talk_count(t), 1);
            assert_int_equal(t->last.flags, TCP_ACK);
            expect_state(t, before);
            talk_free(t);
        }
}

static void d8_fin_with_the_last_data(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "FP. 1:66 ack 1");
    expect(t, ". 1 ack 67");
    assert_false(tcp_eof(t->tcp));
    talk_read(t, 65);
    assert_true(tcp_eof(t->tcp));
    talk_free(t);
}

static void d9_fin_before_missing_data_is_held(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "F. 66 ack 1");
    expect(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    give(t, ". 31:66 ack 1");
    expect(t, ". 1 ack 1");
    give(t, ". 1:31 ack 1");
    expect(t, ". 1 ack 67");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_read(t, 65);
    assert_true(tcp_eof(t->tcp));
    talk_free(t);
}

static void d10_the_first_fin_fixes_the_end(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "F. 11 ack 1");
    expect(t, ". 1 ack 1");
    give(t, ". 6:21 ack 1"); /* data past the end: cut */
    give(t, "F. 16 ack 1");  /* another end: ignored */
    talk_count(t);
    give(t, ". 1:6 ack 1");
    expect(t, ". 1 ack 12");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_read(t, 10);
    assert_true(tcp_eof(t->tcp));
    talk_free(t);
}

static void d10_no_end_before_what_is_there(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 11:21 ack 1");
    give(t, "F. 16 ack 1");
    give(t, ". 1:11 ack 1");
    talk_count(t);
    expect_state(t, TCPS_ESTABLISHED);
    talk_read(t, 20);
    assert_false(tcp_eof(t->tcp));
    talk_free(t);
}

static void d11_simultaneous_close(void **state)
{
    (void)state;
    struct talk *t = closing();
    give(t, ". 2 ack 2");
    expect(t, "");
    expect_state(t, TCPS_TIME_WAIT);
    expect_reason(t, TCP_FINE);
    talk_free(t);

    t = fin_wait_1();
    give(t, "F. 1 ack 2"); /* FIN and the ACK of ours in one */
    expect(t, ". 2 ack 2");
    expect_state(t, TCPS_TIME_WAIT);
    talk_free(t);

    t = fin_wait_1();
    give(t, "FP. 1:66 ack 1"); /* raced with data */
    expect(t, ". 2 ack 67");
    expect_state(t, TCPS_CLOSING);
    talk_read(t, 65);
    give(t, ". 67 ack 2");
    expect_state(t, TCPS_TIME_WAIT);
    talk_free(t);

    t = fin_wait_1();
    give(t, "F. 1 ack 1"); /* both in one batch: their FIN is acknowledged all the same */
    give(t, ". 2 ack 2");
    expect(t, ". 2 ack 2");
    expect_state(t, TCPS_TIME_WAIT);
    talk_free(t);
}

/* SM-13 */
static void d12_b21_text_after_the_fin_is_ignored(void **state)
{
    (void)state;
    struct talk *t = close_wait();
    give(t, "P. 67:100 ack 1");
    expect(t, "");
    assert_int_equal(tcp_readable(t->tcp), 0);
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_free(t);
}

/* SM-13 */
static void d13_second_fin_further_on_is_only_acknowledged(void **state)
{
    (void)state;
    struct talk *t = close_wait();
    give(t, "F. 80 ack 1");
    expect(t, ". 1 ack 67");
    give(t, "F. 67:80 ack 1");
    expect(t, ". 1 ack 67");
    expect_state(t, TCPS_CLOSE_WAIT);
    assert_int_equal(tcp_readable(t->tcp), 0);
    talk_free(t);
}

static void d15_rst_in_last_ack(void **state)
{
    (void)state;
    struct talk *t = last_ack();
    give(t, "R 67");
    expect_reason(t, TCP_RESET); /* our data may not have arrived */
    talk_free(t);

    t = last_ack();
    give(t, ". 67 ack 66");
    give(t, "R 67");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_FINE);
    talk_free(t);
}

static void d15_rfc1337_rst_in_time_wait_is_ignored(void **state)
{
    (void)state;
    struct talk *t = time_wait();
    give(t, "R 2");
    give(t, "R 3");
    give(t, "R. 2 ack 2");
    expect(t, "");
    expect_state(t, TCPS_TIME_WAIT);
    talk_free(t);
}

/* SHLD-2 */
static void d17_rst_with_text(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "R. 1:40 ack 1");
    expect(t, "");
    expect_reason(t, TCP_RESET);
    assert_int_equal(tcp_readable(t->tcp), 0);
    talk_free(t);
}

static void d18_half_close_still_delivers(void **state)
{
    (void)state;
    struct talk *t = close_wait();
    talk_write(t, 3000);
    expect(t, ". 1:1001 ack 67\n. 1001:2001 ack 67\nP. 2001:3001 ack 67");
    give(t, ". 67 ack 3001");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 3001 ack 67");
    talk_free(t);
}

static void half_close_of_ours_still_receives(void **state)
{
    (void)state;
    struct talk *t = fin_wait_2();
    give(t, "P. 1:66 ack 2");
    expect(t, ". 2 ack 66");
    talk_read(t, 65);
    assert_int_equal(tcp_write(t->tcp, "x", 1), 0);
    give(t, "F. 66 ack 2");
    expect(t, ". 2 ack 67");
    expect_state(t, TCPS_TIME_WAIT);
    talk_free(t);
}

static void d19_abort_by_state(void **state)
{
    (void)state;
    static const struct {
        struct talk *(*make)(void);
        const char *rst;
        enum tcp_reason reason;
    } cases[] = {
        {talk_open, "R. 1 ack 1", TCP_ABORTED},
        {close_wait, "R. 1 ack 67", TCP_ABORTED},
        {fin_wait_1, "R. 2 ack 1", TCP_ABORTED},
        {fin_wait_2, "R. 2 ack 1", TCP_ABORTED},
        {closing, "", TCP_ABORTED},
        {last_ack, "", TCP_ABORTED},
        {time_wait, "", TCP_FINE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk *t = cases[i].make();
        tcp_abort(t->tcp, t->now);
        expect(t, cases[i].rst);
        expect_state(t, TCPS_CLOSED);
        expect_reason(t, cases[i].reason);
        tcp_abort(t->tcp, t->now);
        give(t, "P. 67:70 ack 1");
        expect(t, "");
        assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
        talk_free(t);
    }
}

static void d19_abort_while_opening(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    tcp_abort(t->tcp, t->now);
    expect(t, "");
    expect_reason(t, TCP_ABORTED);
    talk_free(t);

    t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    give(t, "S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    tcp_abort(t->tcp, t->now);
    expect(t, "R. 1 ack 1");
    talk_free(t);
}

/* The number is the one the peer expects, even with data under way or its window taken back. */
static void abort_uses_the_number_the_peer_takes(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    tcp_abort(t->tcp, t->now);
    expect(t, "R. 66 ack 1");
    talk_free(t);

    t = talk_open();
    give(t, ". 1 ack 1 win 0");
    talk_write(t, 65);
    expect(t, "");
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 1:2 ack 1");
    tcp_abort(t->tcp, t->now);
    expect(t, "R. 1 ack 1");
    talk_free(t);
}

static void shutdown_while_opening_ends_it(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    talk_free(t);
}

static void shutdown_twice_is_once(void **state)
{
    (void)state;
    struct talk *t = fin_wait_1();
    tcp_shutdown(t->tcp, t->now);
    expect(t, "");
    talk_free(t);
}

static void fin_goes_with_the_last_data_it_can(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 1500);
    tcp_shutdown(t->tcp, t->now);
    expect(t, ". 1:1001 ack 1\nFP. 1001:1501 ack 1");
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 1001");
    expect(t, "FP. 1001:1501 ack 1");
    give(t, ". 1 ack 1502");
    expect_state(t, TCPS_FIN_WAIT_2);
    talk_free(t);
}

static void fin_waits_for_room_in_the_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 1 ack 1 win 65");
    talk_write(t, 65);
    tcp_shutdown(t->tcp, t->now);
    expect(t, "P. 1:66 ack 1");
    give(t, ". 1 ack 66 win 65");
    expect(t, "F. 66 ack 1");
    talk_free(t);
}

/* SM-16 */
static void sm17_refusals(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    struct segment s = talk_parse(t, "S 0"), rst;
    assert_true(tcp_refuse(&s, &rst));
    assert_int_equal(rst.flags, TCP_RST | TCP_ACK);
    assert_int_equal(rst.seq, 0);
    assert_int_equal(rst.ack, t->irs + 1);
    assert_int_equal(rst.sport, 40000);
    assert_int_equal(rst.dport, 8080);
    assert_true(addr_equal(&rst.dst, &t->config.flow.remote));
    s = talk_parse(t, "F 5:15");
    assert_true(tcp_refuse(&s, &rst));
    assert_int_equal(rst.ack, t->irs + 16);
    s = talk_parse(t, "P. 5:15 ack 77");
    assert_true(tcp_refuse(&s, &rst));
    assert_int_equal(rst.flags, TCP_RST);
    assert_int_equal(rst.seq, t->config.iss + 77);
    s = talk_parse(t, "R 5");
    assert_false(tcp_refuse(&s, &rst));
    s = talk_parse(t, "SFR. 5 ack 1");
    assert_false(tcp_refuse(&s, &rst));
    talk_free(t);
}

static void states_have_the_names_of_the_rfc(void **state)
{
    (void)state;
    assert_string_equal(tcp_state_name(TCPS_SYN_SENT), "SYN-SENT");
    assert_string_equal(tcp_state_name(TCPS_CLOSE_WAIT), "CLOSE-WAIT");
    assert_string_equal(tcp_state_name(TCPS_TIME_WAIT), "TIME-WAIT");
}

/* A FIN that comes again has its old number, but its ACK may be the first of ours. */
static void a_repeated_fin_acknowledges_ours(void **state)
{
    (void)state;
    struct talk *t = closing();
    give(t, "F. 1 ack 2");
    expect(t, ". 2 ack 2");
    expect_state(t, TCPS_TIME_WAIT);
    talk_free(t);

    t = last_ack();
    give(t, "F. 66 ack 67");
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_FINE);
    talk_free(t);

    t = last_ack();
    give(t, "F. 60 ack 67"); /* one that ends before is from the past */
    expect(t, ". 67 ack 67");
    expect_state(t, TCPS_LAST_ACK);
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d1_last_ack_ends_with_the_ack_of_our_fin),
        cmocka_unit_test(fin_and_ack_are_joined_only_if_shutdown_comes_first),
        cmocka_unit_test(d2_fin_is_retransmitted),
        cmocka_unit_test(d2_fin_unanswered_ends_at_r2),
        cmocka_unit_test(d3_repeated_fin_is_acknowledged_again),
        cmocka_unit_test(a_repeated_fin_acknowledges_ours),
        cmocka_unit_test(time_wait_acknowledges_a_repeated_fin_and_starts_again),
        cmocka_unit_test(d4_exact_rst_resets),
        cmocka_unit_test(d5_rst_in_window_challenged),
        cmocka_unit_test(d6_rst_outside_window_dropped),
        cmocka_unit_test(d7_syn_in_every_synchronised_state_is_challenged),
        cmocka_unit_test(d8_fin_with_the_last_data),
        cmocka_unit_test(d9_fin_before_missing_data_is_held),
        cmocka_unit_test(d10_the_first_fin_fixes_the_end),
        cmocka_unit_test(d10_no_end_before_what_is_there),
        cmocka_unit_test(d11_simultaneous_close),
        cmocka_unit_test(d12_b21_text_after_the_fin_is_ignored),
        cmocka_unit_test(d13_second_fin_further_on_is_only_acknowledged),
        cmocka_unit_test(d15_rst_in_last_ack),
        cmocka_unit_test(d15_rfc1337_rst_in_time_wait_is_ignored),
        cmocka_unit_test(d17_rst_with_text),
        cmocka_unit_test(d18_half_close_still_delivers),
        cmocka_unit_test(half_close_of_ours_still_receives),
        cmocka_unit_test(d19_abort_by_state),
        cmocka_unit_test(d19_abort_while_opening),
        cmocka_unit_test(abort_uses_the_number_the_peer_takes),
        cmocka_unit_test(shutdown_while_opening_ends_it),
        cmocka_unit_test(shutdown_twice_is_once),
        cmocka_unit_test(fin_goes_with_the_last_data_it_can),
        cmocka_unit_test(fin_waits_for_room_in_the_window),
        cmocka_unit_test(sm17_refusals),
        cmocka_unit_test(states_have_the_names_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
