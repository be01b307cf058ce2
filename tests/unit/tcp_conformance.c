/* Rules of RFC 9293 and its companions that no other table of tests comes to: each test names the
 * ids that it shows (tests/conformance/page.lua). */
#include "tcp_conversation.h"

/* The one segment that goes out now. */
static const struct segment *one(struct talk *t)
{
    assert_int_equal(talk_count(t), 1);
    return &t->last;
}

/* A life with every kind of segment: SYN, the same again, ACK, data, the same again, a duplicate
 * ACK, FIN, and at last a RST. `seen` looks at each. */
static void live(struct talk *t, void (*seen)(const struct segment *))
{
    talk_connect(t);
    seen(one(t));
    t->now = tcp_deadline(t->tcp);
    seen(one(t));
    give(t, "S. 0 ack 1 mss 1000");
    seen(one(t));
    talk_write(t, 10);
    seen(one(t));
    t->now = tcp_deadline(t->tcp);
    seen(one(t));
    give(t, ". 11:21 ack 11");
    seen(one(t));
    tcp_shutdown(t->tcp, t->now);
    seen(one(t));
    assert_true(t->last.flags & TCP_FIN);
    tcp_abort(t->tcp, t->now);
    seen(one(t));
    assert_true(t->last.flags & TCP_RST);
    talk_free(t);
}

static void has_ttl_and_tos(const struct segment *s)
{
    assert_int_equal(s->ttl, 3);
    assert_int_equal(s->tos, 0xb8);
}

/* MUST-48, MUST-49: in every segment, a RST too. */
static void ttl_and_dscp_are_those_asked_for(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.ttl = 3;
    t->config.tos = 0xb8;
    live(t, has_ttl_and_tos);
}

static void has_mss_if_syn(const struct segment *s)
{
    assert_int_equal(s->options.has_mss, (s->flags & TCP_SYN) != 0);
    if (s->options.has_mss)
        assert_int_equal(s->options.mss, 1000);
}

/* MUST-65, SHLD-5 */
static void mss_is_in_every_syn_and_nowhere_else(void **state)
{
    (void)state;
    live(talk_new(), has_mss_if_syn);

    struct talk *t = talk_new();
    t->tcp = tcp_new(&t->config);
    struct segment syn = talk_parse(t, "S 0");
    tcp_accept(t->tcp, &syn, t->now);
    has_mss_if_syn(one(t));
    t->now = tcp_deadline(t->tcp);
    has_mss_if_syn(one(t));
    talk_free(t);
}

/* MUST-66: a peer with urgent data can say so while we take none. */
static void urgency_is_heard_while_the_window_is_closed(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 1:10001 ack 1");
    expect(t, ". 1 ack 10001");
    assert_int_equal(t->last.window, 0);
    tcp_events(t->tcp);
    give(t, "U. 10001:10002 ack 1 urg 500"); /* its probe */
    expect(t, ". 1 ack 10001");
    assert_true(tcp_events(t->tcp) & TCP_EVENT_URGENT);
    assert_int_equal(tcp_urgent(t->tcp), 10500);
    give(t, "U. 10001 ack 1 urg 600"); /* and without data */
    assert_int_equal(tcp_urgent(t->tcp), 10600);
    give(t, "U. 5001:5002 ack 1 urg 60000"); /* what is old says nothing */
    assert_int_equal(tcp_urgent(t->tcp), 10600);
    talk_free(t);
}

/* SHLD-17: what was sent before the window closed stays unacknowledged for an hour, and the peer
 * may have it so. */
static void what_lies_beyond_the_edge_does_not_time_out(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 2000);
    assert_int_equal(talk_count(t), 2);
    give(t, ". 1 ack 1 win 0");
    expect(t, "");
    for (int64_t end = t->now + 3600 * S; t->now < end;) {
        t->now = tcp_deadline(t->tcp);
        if (talk_count(t))
            give(t, ". 1 ack 1 win 0");
        assert_int_equal(talk_count(t), 0);
    }
    expect_state(t, TCPS_ESTABLISHED);
    give(t, ". 1 ack 1 win 5000");
    expect(t, ". 1:1001 ack 1\nP. 1001:2001 ack 1");
    talk_free(t);
}

/* RFC 6928: ten segments, or 14600 bytes if they are long, but two in any case. */
static void the_initial_window(void **state)
{
    (void)state;
    static const struct {
        uint16_t mss;
        int segments;
    } cases[] = {{64, 10}, {536, 10}, {1460, 10}, {2190, 6}, {7300, 2}, {9000, 2}, {30000, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk *t = talk_new();
        char synack[64];
        t->config.mss = cases[i].mss;
        t->config.sndbuf = 1 << 17;
        snprintf(synack, sizeof synack, "S. 0 ack 1 win 65535 mss %u", cases[i].mss);
        talk_establish(t, synack);
        talk_write(t, 1 << 17);
        assert_int_equal(talk_count(t), cases[i].segments);
        assert_int_equal(t->last.length, cases[i].mss);
        talk_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ttl_and_dscp_are_those_asked_for),
        cmocka_unit_test(mss_is_in_every_syn_and_nowhere_else),
        cmocka_unit_test(urgency_is_heard_while_the_window_is_closed),
        cmocka_unit_test(what_lies_beyond_the_edge_does_not_time_out),
        cmocka_unit_test(the_initial_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
