/* tcp_ecn: explicit congestion notification (RFC 3168): asked for, answered, echoed, obeyed. */
#include "tcp_conversation.h"

static struct talk *talk_ecn(enum tcp_ecn ecn, const char *synack)
{
    struct talk *t = talk_new();
    t->config.ecn = ecn;
    talk_connect(t);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, synack);
    expect(t, ". 1 ack 1");
    return t;
}

/* SHLD-8, RFC 3168 6.1.1: both bits ask, one answers; any other answer is none. */
static void it_is_asked_for_and_answered(void **state)
{
    (void)state;
    static const struct {
        const char *synack;
        bool agreed;
    } rows[] = {{"SE. 0 ack 1 mss 1000", true},
                {"S. 0 ack 1 mss 1000", false},
                {"SEW. 0 ack 1 mss 1000", false}, /* an echo of what we sent */
                {"SW. 0 ack 1 mss 1000", false}};
    for (size_t i = 0; i < 4; i++) {
        struct talk *t = talk_ecn(TCP_ECN_ASK, rows[i].synack);
        assert_int_equal(talk_info(t).ecn, rows[i].agreed);
        talk_write(t, 10);
        expect(t, rows[i].agreed ? "P. 1:11 ack 1 ect" : "P. 1:11 ack 1");
        talk_free(t);
    }
    struct talk *t = talk_ecn(TCP_ECN_ANSWER, "SE. 0 ack 1 mss 1000"); /* nobody asked */
    assert_false(talk_info(t).ecn);
    talk_free(t);
}

static void the_syn_asks_but_not_again(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.ecn = TCP_ECN_ASK;
    talk_connect(t);
    expect(t, "SEW 0 mss 1000");
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000"); /* 6.1.1.1: its flags may have been what it was lost for */
    give(t, "SE. 0 ack 1 mss 1000");
    assert_false(talk_info(t).ecn);
    talk_free(t);
}

static void a_listener_answers_who_asks(void **state)
{
    (void)state;
    static const struct {
        enum tcp_ecn ecn;
        const char *syn, *synack;
    } rows[] = {{TCP_ECN_ANSWER, "SEW 0 mss 1000", "SE. 0 ack 1 mss 1000"},
                {TCP_ECN_ASK, "SEW 0 mss 1000", "SE. 0 ack 1 mss 1000"},
                {TCP_ECN_OFF, "SEW 0 mss 1000", "S. 0 ack 1 mss 1000"},
                {TCP_ECN_ANSWER, "SE 0 mss 1000", "S. 0 ack 1 mss 1000"},
                {TCP_ECN_ASK, "S 0 mss 1000", "S. 0 ack 1 mss 1000"}};
    for (size_t i = 0; i < 5; i++) {
        struct talk *t = talk_new();
        t->config.ecn = rows[i].ecn;
        t->tcp = tcp_new(&t->config);
        struct segment syn = talk_parse(t, rows[i].syn);
        tcp_accept(t->tcp, &syn, t->now);
        expect(t, rows[i].synack);
        talk_free(t);
    }
}

/* RFC 3168 6.1.3: in every ACK, until the peer has reduced its window. */
static void a_mark_is_echoed_until_it_is_heard(void **state)
{
    (void)state;
    struct talk *t = talk_ecn(TCP_ECN_ASK, "SE. 0 ack 1 mss 1000");
    give(t, ". 1:11 ack 1");
    expect(t, ". 1 ack 11");
    give(t, ". 11:21 ack 1 ce");
    expect(t, "E. 1 ack 21");
    give(t, ". 21:31 ack 1");
    expect(t, "E. 1 ack 31");
    give(t, "W. 31:41 ack 1");
    expect(t, ". 1 ack 41");
    give(t, "W. 41:51 ack 1 ce"); /* heard of the last one, and here is the next */
    expect(t, "E. 1 ack 51");
    assert_int_equal(talk_info(t).marks, 2);
    talk_free(t);

    t = talk_ecn(TCP_ECN_ASK, "S. 0 ack 1 mss 1000"); /* not agreed: not looked at */
    give(t, ". 1:11 ack 1 ce");
    expect(t, ". 1 ack 11");
    talk_free(t);
}

/* RFC 3168 6.1.2: like a loss, once in a round trip; and the peer is told with the next new data.
 */
static void an_echo_reduces_the_window_once(void **state)
{
    (void)state;
    struct talk *t = talk_ecn(TCP_ECN_ASK, "SE. 0 ack 1 mss 1000 win 60000");
    talk_write(t, 12000);
    assert_int_equal(talk_count(t), 10);
    give(t, "E. 1 ack 1001 win 60000");
    assert_int_equal(talk_info(t).cwnd, 5000);
    give(t, "E. 1 ack 2001 win 60000");
    give(t, "E. 1 ack 7001 win 60000");
    uint32_t cwnd = talk_info(t).cwnd;
    assert_in_range(cwnd, 5000, 7000);
    assert_int_equal(talk_info(t).ssthresh, 5000);
    expect(t, "W. 10001:11001 ack 1 ect\nP. 11001:12001 ack 1 ect");
    give(t, "E. 1 ack 10001 win 60000"); /* all of that round trip is in: another mark */
    assert_true(talk_info(t).cwnd <= cwnd + 1000);
    give(t, "E. 1 ack 11001 win 60000");
    assert_true(talk_info(t).ssthresh < 5000);
    talk_free(t);
}

/* RFC 3168 6.1.5, RFC 3168 6.1.4: what is sent again is not marked as able, and neither is an ACK.
 */
static void only_new_data_is_able(void **state)
{
    (void)state;
    struct talk *t = talk_ecn(TCP_ECN_ASK, "SE. 0 ack 1 mss 1000");
    talk_write(t, 10);
    expect(t, "P. 1:11 ack 1 ect");
    t->now = tcp_deadline(t->tcp);
    expect(t, "P. 1:11 ack 1");
    give(t, ". 1 ack 11");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 11 ack 1");
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_asked_for_and_answered),
        cmocka_unit_test(the_syn_asks_but_not_again),
        cmocka_unit_test(a_listener_answers_who_asks),
        cmocka_unit_test(a_mark_is_echoed_until_it_is_heard),
        cmocka_unit_test(an_echo_reduces_the_window_once),
        cmocka_unit_test(only_new_data_is_able),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
