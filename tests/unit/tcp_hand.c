/* tcp_hand: the dial: what the engine sends, and what it knows of what a script has sent. */
#include "tcp_conversation.h"

/* Tells the engine of a segment of ours with relative numbers. */
static void sent(struct talk *t, uint16_t flags, uint32_t seq, uint32_t ack, size_t length)
{
    static uint8_t bytes[4096];
    for (size_t i = 0; i < length; i++)
        bytes[i] = ours(seq - 1 + i);
    struct segment s = {.seq = t->config.iss + seq,
                        .ack = t->irs + ack,
                        .flags = flags,
                        .window = 1000,
                        .payload = bytes,
                        .length = length};
    tcp_sent(t->tcp, &s, t->now);
}

static void manual_sends_nothing(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    talk_write(t, 100);
    expect(t, "");
    give(t, "P. 1:66 ack 1");
    expect(t, "");
    give(t, "P. 200:266 ack 1"); /* a hole */
    expect(t, "");
    give(t, "S 500"); /* would be challenged */
    expect(t, "");
    assert_int_equal(tcp_readable(t->tcp), 65);
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    tcp_set_mode(t->tcp, TCP_AUTO, t->now);
    expect(t, "P. 1:101 ack 66");
    talk_free(t);
}

static void assist_acknowledges_and_no_more(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_ASSIST, t->now);
    expect(t, ". 1 ack 1"); /* the peer may have been told anything */
    talk_write(t, 100);
    tcp_shutdown(t->tcp, t->now);
    expect(t, "");
    give(t, "P. 1:66 ack 1");
    expect(t, ". 1 ack 66");
    talk_free(t);
}

static void what_was_sent_by_hand_is_looked_after_in_auto(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    sent(t, TCP_ACK | TCP_PSH, 1, 1, 50);
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 51);
    pass(t, 10 * S); /* nothing is sent again */
    expect(t, "");
    tcp_set_mode(t->tcp, TCP_AUTO, t->now);
    expect(t, ". 51 ack 1");
    pass(t, 1 * S);
    expect(t, "P. 1:51 ack 1");
    give(t, ". 1 ack 51");
    expect(t, "");
    talk_free(t);
}

static void what_is_out_of_place_changes_nothing(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    sent(t, TCP_ACK | TCP_PSH, 2, 1, 50);   /* ahead */
    sent(t, TCP_ACK, (uint32_t)-10, 1, 10); /* behind */
    sent(t, TCP_RST, 7, 0, 0);              /* a reset elsewhere */
    sent(t, TCP_SYN, 1, 0, 0);              /* a SYN where none belongs */
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 1);
    assert_int_equal(tcp_state(t->tcp), TCPS_ESTABLISHED);
    sent(t, TCP_RST, 1, 0, 0);
    assert_int_equal(tcp_state(t->tcp), TCPS_CLOSED);
    assert_int_equal(tcp_reason(t->tcp), TCP_ABORTED);
    talk_free(t);
}

/* The first half again, perhaps with other bytes, and the second: the peer has all of it. */
static void what_overlaps_counts_as_far_as_it_is_new(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_ASSIST, t->now);
    expect(t, ". 1 ack 1");
    sent(t, TCP_ACK | TCP_PSH, 1, 1, 50);
    sent(t, TCP_ACK | TCP_PSH, 21, 1, 80);
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 101);
    give(t, "P. 1:66 ack 101");
    expect(t, ". 101 ack 66");
    assert_int_equal(talk_info(t).snd_una, t->config.iss + 101);
    talk_free(t);
}

/* Out of order: what lies ahead is outstanding only when the peer says that it has it. */
static void what_was_sent_ahead_counts_when_it_is_acknowledged(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_ASSIST, t->now);
    expect(t, ". 1 ack 1");
    sent(t, TCP_ACK | TCP_PSH, 51, 1, 50);
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 1);
    sent(t, TCP_ACK | TCP_PSH, 1, 1, 50);
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 51);
    give(t, ". 1 ack 102"); /* more than all of it */
    assert_int_equal(talk_info(t).snd_una, t->config.iss + 1);
    give(t, "P. 1:66 ack 101");
    assert_int_equal(talk_info(t).snd_una, t->config.iss + 101);
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 101);
    assert_int_equal(tcp_readable(t->tcp), 65);
    talk_free(t);
}

static void a_fin_by_hand_closes(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    sent(t, TCP_ACK | TCP_FIN, 1, 1, 20);
    assert_int_equal(tcp_state(t->tcp), TCPS_FIN_WAIT_1);
    give(t, ". 1 ack 22");
    assert_int_equal(tcp_state(t->tcp), TCPS_FIN_WAIT_2);
    tcp_set_mode(t->tcp, TCP_AUTO, t->now);
    give(t, "F. 1 ack 22");
    expect(t, ". 22 ack 2");
    assert_int_equal(tcp_state(t->tcp), TCPS_TIME_WAIT);
    talk_free(t);
}

static void a_handshake_by_hand(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    struct segment s, draft;
    t->config.wscale = t->config.timestamps = t->config.sack = true;
    t->tcp = tcp_new(&t->config);
    tcp_connect(t->tcp, t->now);
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    expect(t, "");
    tcp_draft(t->tcp, TCP_SYN, &draft, t->now);
    assert_int_equal(draft.seq, t->config.iss);
    assert_int_equal(draft.ack, 0);
    assert_true(draft.options.has_mss && draft.options.has_wscale && draft.options.has_timestamp &&
                draft.options.sack_permitted);
    draft.options.has_timestamp = draft.options.has_wscale = false; /* offers less */
    tcp_sent(t->tcp, &draft, t->now);
    give(t, "S. 0 ack 1 mss 1000 sackOK wscale 7 ts 5 0");
    assert_int_equal(tcp_state(t->tcp), TCPS_ESTABLISHED);
    expect(t, "");
    struct tcp_info i = talk_info(t);
    assert_true(i.sack && !i.wscale && !i.timestamps);
    tcp_draft(t->tcp, TCP_ACK, &s, t->now);
    assert_int_equal(s.seq, t->config.iss + 1);
    assert_int_equal(s.ack, t->irs + 1);
    assert_false(s.options.has_mss || s.options.has_timestamp);
    talk_free(t);
}

static void a_syn_with_data_by_hand(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    struct segment syn;
    t->tcp = tcp_new(&t->config);
    tcp_connect(t->tcp, t->now);
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    tcp_draft(t->tcp, TCP_SYN, &syn, t->now);
    syn.payload = (const uint8_t *)"hello";
    syn.length = 5;
    tcp_sent(t->tcp, &syn, t->now);
    assert_int_equal(talk_info(t).snd_nxt, t->config.iss + 6);
    give(t, "S. 0 ack 6 mss 1000");
    assert_int_equal(talk_info(t).snd_una, t->config.iss + 6);
    talk_free(t);
}

static void a_syn_by_hand_is_sent_again_in_auto(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    struct segment syn;
    t->tcp = tcp_new(&t->config);
    tcp_connect(t->tcp, t->now);
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    tcp_draft(t->tcp, TCP_SYN, &syn, t->now);
    tcp_sent(t->tcp, &syn, t->now);
    pass(t, 500 * S); /* longer than a SYN is tried by the engine */
    expect(t, "");
    tcp_set_mode(t->tcp, TCP_AUTO, t->now);
    expect(t, "");
    pass(t, 1 * S);
    expect(t, "S 0 mss 1000");
    talk_free(t);
}

/* Bytes that the application has queued and that the script has sent others for. */
static void the_script_s_bytes_replace_those_that_wait(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    struct segment s = {.seq = t->config.iss + 1,
                        .flags = TCP_ACK,
                        .payload = (const uint8_t *)"HAND",
                        .length = 4};
    struct segment out;
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    tcp_write(t->tcp, "abcdefgh", 8);
    tcp_sent(t->tcp, &s, t->now);
    tcp_set_mode(t->tcp, TCP_AUTO, t->now);
    assert_true(tcp_output(t->tcp, &out, t->now));
    while (out.length == 0)
        assert_true(tcp_output(t->tcp, &out, t->now));
    assert_int_equal(out.seq, t->config.iss + 5);
    assert_memory_equal(out.payload, "efgh", 4);
    talk_free(t);
}

static void an_abort_resets_in_every_mode(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_set_mode(t->tcp, TCP_MANUAL, t->now);
    tcp_abort(t->tcp, t->now);
    expect(t, "R. 1 ack 1");
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manual_sends_nothing),
        cmocka_unit_test(assist_acknowledges_and_no_more),
        cmocka_unit_test(what_was_sent_by_hand_is_looked_after_in_auto),
        cmocka_unit_test(what_is_out_of_place_changes_nothing),
        cmocka_unit_test(what_overlaps_counts_as_far_as_it_is_new),
        cmocka_unit_test(what_was_sent_ahead_counts_when_it_is_acknowledged),
        cmocka_unit_test(a_fin_by_hand_closes),
        cmocka_unit_test(a_handshake_by_hand),
        cmocka_unit_test(a_syn_with_data_by_hand),
        cmocka_unit_test(a_syn_by_hand_is_sent_again_in_auto),
        cmocka_unit_test(the_script_s_bytes_replace_those_that_wait),
        cmocka_unit_test(an_abort_resets_in_every_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
