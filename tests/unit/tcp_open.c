/* Opening a connection: RFC 9293 3.10.7.3, rows A of hostile peers. */
#include "tcp_conversation.h"

static struct talk *syn_sent(void)
{
    struct talk *t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    expect_state(t, TCPS_SYN_SENT);
    return t;
}

static void answer_and_finish(struct talk *t)
{
    give(t, "S. 0 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

static void handshake_then_data_both_ways_then_close(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    assert_int_equal(t->last.window, 10000);
    assert_int_equal(t->last.dport, 8080);
    give(t, "S. 0 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    give(t, "P. 1:66 ack 1");
    expect(t, ". 1 ack 66");
    talk_read(t, 65);
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 66");
    give(t, ". 66 ack 66");
    expect(t, "");
    give(t, "F. 66 ack 66");
    expect(t, ". 66 ack 67");
    expect_state(t, TCPS_CLOSE_WAIT);
    assert_true(tcp_eof(t->tcp));
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 66 ack 67");
    expect_state(t, TCPS_LAST_ACK);
    give(t, ". 67 ack 67");
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_FINE);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_then_data_both_ways_then_close),
    };
    (void)syn_sent;
    (void)answer_and_finish;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
