/* tcp_idle: keepalive, urgent data, and what may follow TIME-WAIT. */
#include "tcp_conversation.h"

/* --- keepalive (RFC 9293 3.8.4) ----------------------------------------------------------------
 */

static struct talk *talk_alive(int64_t idle)
{
    struct talk *t = talk_new();
    t->config.keepalive = idle;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    return t;
}

/* MUST-25 */
static void without_it_silence_is_for_ever(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    expect(t, "");
    assert_int_equal(tcp_deadline(t->tcp), TIME_NEVER);
    pass(t, 365 * 86400 * S);
    expect(t, "");
    talk_free(t);
}

/* MUST-26, MUST-27: after the time given, and a peer that answers may be silent for ever. */
static void an_idle_peer_is_probed(void **state)
{
    (void)state;
    struct talk *t = talk_alive(7200 * S);
    expect(t, "");
    for (int i = 0; i < 100; i++) {
        expect_deadline(t, 7200 * S);
        expect(t, ". 0 ack 1");
        give(t, ". 1 ack 1");
        expect(t, "");
    }
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

/* MUST-29: eight lost probes are nothing; nine are the end. */
static void a_dead_peer_is_given_up(void **state)
{
    (void)state;
    struct talk *t = talk_alive(100 * S);
    expect(t, "");
    expect_deadline(t, 100 * S);
    expect(t, ". 0 ack 1");
    for (int i = 0; i < 8; i++) {
        expect_deadline(t, 75 * S);
        expect(t, ". 0 ack 1");
    }
    give(t, ". 1 ack 1"); /* the last one arrived */
    expect(t, "");
    expect_deadline(t, 100 * S);
    for (int i = 0; i < 9; i++) {
        expect(t, ". 0 ack 1");
        expect_deadline(t, 75 * S);
    }
    expect(t, "R. 1 ack 1");
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);
}

/* MUST-26: while data is outstanding its own timer watches. */
static void who_sends_is_not_probed(void **state)
{
    (void)state;
    struct talk *t = talk_alive(1 * S);
    talk_write(t, 10);
    expect(t, "P. 1:11 ack 1");
    for (int i = 0, again = 0; again < 5; i++) {
        t->now = tcp_deadline(t->tcp);
        char text[1000];
        talk_take(t, text, sizeof text);
        again += *text != 0;
        assert_true(!*text || !strcmp(text, "P. 1:11 ack 1\n"));
        assert_true(i < 50);
    }
    talk_free(t);
}

/* --- urgent data (RFC 9293 3.8.5, RFC 6093) ----------------------------------------------------
 */

/* MUST-30, MUST-33, RFC 6093 */
static void urgent_data_stays_in_line(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "PU. 1:11 ack 1 urg 6");
    assert_true(tcp_events(t->tcp) & TCP_EVENT_URGENT);
    assert_int_equal(tcp_urgent(t->tcp), 6); /* MUST-33 */
    talk_read(t, 4);
    assert_int_equal(tcp_urgent(t->tcp), 2);
    talk_read(t, 6);
    assert_int_equal(tcp_urgent(t->tcp), 0);
    talk_free(t);
}

/* MUST-31, MUST-32, MUST-33: told before it is all in, of any length, and it only grows. */
static void urgent_data_is_announced(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "U. 1:101 ack 1 urg 300");
    assert_int_equal(tcp_urgent(t->tcp), 300);
    give(t, "U. 101:201 ack 1 urg 100");
    assert_int_equal(tcp_urgent(t->tcp), 300);
    give(t, "U. 201:202 ack 1 urg 65535");
    assert_int_equal(tcp_urgent(t->tcp), 200 + 65535);
    tcp_events(t->tcp);
    give(t, "U. 1:101 ack 1 urg 300"); /* old */
    assert_false(tcp_events(t->tcp) & TCP_EVENT_URGENT);
    give(t, ". 202:203 ack 1 urg 65535"); /* without the flag the pointer means nothing */
    assert_int_equal(tcp_urgent(t->tcp), 200 + 65535);
    talk_read(t, 202);
    assert_int_equal(tcp_urgent(t->tcp), 65535 - 2);
    talk_free(t);
}

/* RFC 6093, MUST-62: the pointer is of the byte behind, from each segment's own number. */
static void ours_points_behind_its_end(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 1500);
    tcp_urge(t->tcp);
    expect(t, "U. 1:1001 ack 1\nPU. 1001:1501 ack 1");
    assert_int_equal(t->last.urgent, 500);
    talk_write(t, 100);
    expect(t, "P. 1501:1601 ack 1");
    talk_free(t);
}

/* --- after TIME-WAIT ---------------------------------------------------------------------------
 */

static bool may_renew(struct talk *t, const char *syn)
{
    struct segment s = talk_parse(t, syn);
    return tcp_may_renew(t->tcp, &s);
}

/* RFC 9293 MAY-2 */
static void a_later_number_may_follow(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    assert_false(may_renew(t, "S 100000"));
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 1 ack 1");
    give(t, "F. 1 ack 2");
    expect_state(t, TCPS_TIME_WAIT);
    assert_false(may_renew(t, "S 2")); /* RCV.NXT */
    assert_true(may_renew(t, "S 3"));
    assert_false(may_renew(t, "S -5"));
    assert_false(may_renew(t, "S. 3 ack 1"));
    assert_false(may_renew(t, "R 3"));
    assert_false(may_renew(t, ". 3 ack 1"));
    talk_free(t);
}

/* SHLD-4, RFC 6191: or a later timestamp, whatever the number. */
static void a_later_timestamp_may_follow(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.timestamps = true;
    talk_connect(t);
    talk_count(t);
    give(t, "S. 0 ack 1 mss 1000 ts 500 0");
    tcp_shutdown(t->tcp, t->now);
    talk_count(t);
    give(t, "F. 1 ack 2 ts 600 0");
    expect_state(t, TCPS_TIME_WAIT);
    assert_true(may_renew(t, "S -5 ts 601 0"));
    assert_false(may_renew(t, "S 3 ts 599 0"));
    assert_true(may_renew(t, "S 3 ts 600 0"));
    assert_false(may_renew(t, "S 2 ts 600 0"));
    assert_true(may_renew(t, "S 3"));
    talk_free(t);
}

/* The process was stopped, or the machine slept: the clock is far beyond every timer. What is due
 * is done once, not once for each time that it was missed. */
static void j16_a_minute_is_missed(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 500);
    expect(t, "P. 1:501 ack 1");
    pass(t, 60 * S);
    expect(t, "P. 1:501 ack 1");
    assert_true(tcp_deadline(t->tcp) > t->now);
    give(t, ". 1 ack 501");
    expect(t, "");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

static void j20_an_hour_is_missed(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 500);
    expect(t, "P. 1:501 ack 1");
    pass(t, 3600 * S);
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);

    t = talk_open(); /* nothing was awaited, so nothing is over */
    pass(t, 3600 * S);
    expect(t, "");
    give(t, "P. 1:66 ack 1");
    expect(t, ". 1 ack 66");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(j16_a_minute_is_missed),
        cmocka_unit_test(j20_an_hour_is_missed),
        cmocka_unit_test(without_it_silence_is_for_ever),
        cmocka_unit_test(an_idle_peer_is_probed),
        cmocka_unit_test(a_dead_peer_is_given_up),
        cmocka_unit_test(who_sends_is_not_probed),
        cmocka_unit_test(urgent_data_stays_in_line),
        cmocka_unit_test(urgent_data_is_announced),
        cmocka_unit_test(ours_points_behind_its_end),
        cmocka_unit_test(a_later_number_may_follow),
        cmocka_unit_test(a_later_timestamp_may_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
