/* tcp_options: window scaling, timestamps and PAWS (RFC 7323), offered, agreed upon and used. */
#include "tcp_conversation.h"

static struct talk *talk_with(uint32_t rcvbuf, bool timestamps)
{
    struct talk *t = talk_new();
    t->config.rcvbuf = rcvbuf;
    t->config.wscale = true;
    t->config.timestamps = timestamps;
    t->config.ts_offset = 0xfffffff0; /* our clock wraps after 16 ms */
    return t;
}

static void the_syn_offers_what_is_configured(void **state)
{
    (void)state;
    struct talk *t = talk_with(262140, true);
    t->config.sack = true;
    talk_connect(t);
    expect(t, "S 0 mss 1000 sackOK ts 0 0 wscale 2");
    assert_int_equal(t->last.window, 65535);
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000 sackOK ts 1000 0 wscale 2");
    talk_free(t);
}

/* RFC 7323 1.3, RFC 2018 2: only what both SYNs have holds. */
static void nothing_is_used_that_the_peer_has_not_offered(void **state)
{
    (void)state;
    struct talk *t = talk_with(1 << 20, true);
    t->config.sack = true;
    talk_connect(t);
    talk_count(t);
    give(t, "S. 0 ack 1 mss 1000 win 500");
    expect(t, ". 1 ack 1");
    assert_int_equal(t->last.window, 65535);
    give(t, ". 1 ack 1 win 600");
    talk_write(t, 2000);
    expect(t, ". 1:601 ack 1");
    struct tcp_info info = talk_info(t);
    assert_false(info.wscale || info.timestamps || info.sack);
    assert_int_equal(info.snd_wnd, 600);
    give(t, ". 11:21 ack 1 win 600"); /* out of order: a plain ACK */
    expect(t, ". 601 ack 1");
    talk_free(t);
}

static void a_syn_ack_answers_only_what_was_offered(void **state)
{
    (void)state;
    struct talk *t = talk_with(1 << 20, true);
    t->tcp = tcp_new(&t->config);
    struct segment syn = talk_parse(t, "S 0 mss 1000 wscale 0");
    tcp_accept(t->tcp, &syn, t->now);
    expect(t, "S. 0 ack 1 mss 1000 wscale 5");
    give(t, ". 1 ack 1 win 700");
    expect_state(t, TCPS_ESTABLISHED);
    assert_int_equal(talk_info(t).snd_wnd, 700);
    assert_true(talk_info(t).wscale);
    talk_free(t);

    t = talk_with(1 << 20, true);
    t->tcp = tcp_new(&t->config);
    syn = talk_parse(t, "S 0 mss 1000 ts 77 0");
    tcp_accept(t->tcp, &syn, t->now);
    expect(t, "S. 0 ack 1 mss 1000 ts 0 77");
    talk_free(t);
}

/* RFC 7323 2.2: the window of a SYN is as it stands, all later ones are shifted. */
static void windows_are_scaled_but_in_a_syn(void **state)
{
    (void)state;
    struct talk *t = talk_with(10000, false);
    talk_establish(t, "S. 0 ack 1 mss 1000 wscale 3 win 4000");
    assert_int_equal(talk_info(t).snd_wnd, 4000);
    give(t, ". 1 ack 1 win 100");
    assert_int_equal(talk_info(t).snd_wnd, 800);
    assert_int_equal(talk_info(t).rcv_wscale, 0); /* 10000 needs none */
    talk_free(t);
}

/* MUST-1, RFC 7323 2.3: more than 14 is taken for 14. */
static void a_shift_above_14_is_14(void **state)
{
    (void)state;
    const char *const synacks[] = {"S. 0 ack 1 wscale 14", "S. 0 ack 1 wscale 15",
                                   "S. 0 ack 1 wscale 255"};
    for (size_t i = 0; i < 3; i++) {
        struct talk *t = talk_with(10000, false);
        talk_establish(t, synacks[i]);
        give(t, ". 1 ack 1 win 65535"); /* MUST-1: 2^30, and unsigned */
        assert_int_equal(talk_info(t).snd_wnd, 65535U << 14);
        talk_free(t);
    }
}

/* RFC 7323 2.4, SHLD-14: the right edge never goes back by a unit, whatever the rounding, and never
 * promises more than there is room for. */
static void the_scaled_edge_holds(void **state)
{
    (void)state;
    struct talk *t = talk_with(1000000, false);
    t->config.mss = 1460;
    talk_establish(t, "S. 0 ack 1 mss 1460 wscale 0");
    unsigned shift = talk_info(t).rcv_wscale;
    assert_int_equal(shift, 4);
    uint32_t edge = 0, at = 1;
    for (int i = 0; i < 600; i++) {
        char text[64];
        uint32_t length = 1 + (uint32_t)i * 37 % 1460;
        snprintf(text, sizeof text, ". %u:%u ack 1", at, at + length);
        give(t, text);
        at += length;
        assert_int_equal(talk_count(t), 1);
        uint32_t now = t->last.ack - t->irs + ((uint32_t)t->last.window << shift);
        assert_true(now + (1U << shift) > edge);
        assert_true(now <= (uint32_t)t->read + 1 + 1000000);
        edge = now > edge ? now : edge;
        if (i % 3 == 0)
            talk_read(t, tcp_readable(t->tcp) / 2);
    }
    assert_true((uint32_t)t->last.window << shift > 900000);
    talk_free(t);
}

/* What an ACK before the end of the handshake promised, a SYN-ACK after it must not take back. */
static void a_handshake_does_not_offer_more_than_a_syn_can_say(void **state)
{
    (void)state;
    struct talk *t = talk_with(1 << 20, false);
    t->tcp = tcp_new(&t->config);
    struct segment syn = talk_parse(t, "S 0 mss 1000 wscale 5");
    tcp_accept(t->tcp, &syn, t->now);
    expect(t, "S. 0 ack 1 mss 1000 wscale 5");
    give(t, "S 500 mss 1000"); /* another SYN: challenged */
    expect(t, ". 1 ack 1");
    assert_in_range((uint32_t)t->last.window << 5, 65535 - 31, 65535);
    t->now = tcp_deadline(t->tcp);
    expect(t, "S. 0 ack 1 mss 1000 wscale 5");
    assert_int_equal(t->last.window, 65535);
    talk_free(t);
}

static struct talk *talk_stamped(void)
{
    struct talk *t = talk_with(10000, true);
    talk_connect(t);
    expect(t, "S 0 mss 1000 ts 0 0 wscale 0");
    pass(t, 10 * MS);
    give(t, "S. 0 ack 1 mss 1000 ts 5000 0");
    expect(t, ". 1 ack 1 ts 10 5000");
    return t;
}

/* RFC 7323 3.2: in every segment, the FIN and the RST too. */
static void every_segment_has_a_timestamp(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    talk_write(t, 10);
    expect(t, "P. 1:11 ack 1 ts 10 5000");
    pass(t, 5 * MS);
    give(t, ". 1 ack 11 ts 5007 10");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 11 ack 1 ts 15 5007");
    tcp_abort(t->tcp, t->now);
    expect(t, "R. 12 ack 1 ts 15 5007");
    talk_free(t);
}

/* MUST-16: the option's twelve bytes are not there for data. */
static void segments_are_shorter_by_the_option(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    talk_write(t, 2000);
    expect(t,
           ". 1:989 ack 1 ts 10 5000\n. 989:1977 ack 1 ts 10 5000\nP. 1977:2001 ack 1 ts 10 5000");
    talk_free(t);
}

/* RFC 7323 4.3: echoed is the timestamp of the segment that moved the left edge. */
static void what_comes_early_is_not_echoed(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    give(t, ". 101:201 ack 1 ts 5020 10");
    expect(t, ". 1 ack 1 ts 10 5000");
    give(t, ". 1:101 ack 1 ts 5010 10");
    expect(t, ". 1 ack 201 ts 10 5010");
    give(t, ". 201:301 ack 1 ts 5030 10");
    expect(t, ". 1 ack 301 ts 10 5030");
    talk_free(t);
}

/* RFC 7323 4.3: what comes again because the ACK was lost is answered with its own timestamp, not
 * with that of the first time, though nothing of it is new. Of what lies a window back, it is not:
 * so far anybody can guess. */
static void what_comes_again_is_echoed(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    give(t, ". 1:101 ack 1 ts 5010 10");
    give(t, ". 101:201 ack 1 ts 5011 10");
    expect(t, ". 1 ack 201 ts 10 5010");
    give(t, ". 1:101 ack 1 ts 5300 10");
    expect(t, ". 1 ack 201 ts 10 5300");
    give(t, ". -9800:-9700 ack 1 ts 5400 10");
    expect(t, ". 1 ack 201 ts 10 5300");
    talk_free(t);
}

/* RFC 7323 5.2, RFC 7323 5.3: dropped, and answered with an ACK. */
static void an_old_timestamp_is_an_old_segment(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    give(t, "P. 1:11 ack 1 ts 4999 10");
    expect(t, ". 1 ack 1 ts 10 5000");
    assert_int_equal(tcp_readable(t->tcp), 0);
    assert_int_equal(talk_info(t).paws, 1);
    give(t, "P. 1:11 ack 1 ts 5000 10");
    expect(t, ". 1 ack 11 ts 10 5000");
    give(t, "R. 11 ack 1 ts 3 10"); /* a RST is exempt */
    expect_reason(t, TCP_RESET);
    talk_free(t);
}

static void timestamps_wrap(void **state)
{
    (void)state;
    struct talk *t = talk_with(10000, true);
    talk_connect(t);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, "S. 0 ack 1 mss 1000 ts 4294967290 0");
    expect(t, ". 1 ack 1 ts 10 4294967290");
    give(t, ". 1:11 ack 1 ts 3 10");
    assert_int_equal(tcp_readable(t->tcp), 10);
    expect(t, ". 1 ack 11 ts 10 3");
    give(t, ". 11:21 ack 1 ts 4294967295 10");
    assert_int_equal(tcp_readable(t->tcp), 10);
    talk_free(t);
}

/* RFC 7323 5.5: after 24 days without news the peer's clock may have gone round. */
static void after_24_days_any_timestamp_is_new(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    pass(t, 24 * 86400 * S - 1);
    give(t, ". 1:11 ack 1 ts 4000 10");
    assert_int_equal(tcp_readable(t->tcp), 0);
    pass(t, 1);
    give(t, ". 1:11 ack 1 ts 4000 10");
    assert_int_equal(tcp_readable(t->tcp), 10);
    talk_free(t);
}

static void without_its_timestamp_a_segment_is_still_one(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    give(t, "P. 1:11 ack 1");
    assert_int_equal(tcp_readable(t->tcp), 10);
    talk_free(t);
}

/* MUST-18: Karn leaves a retransmission without a sample, its timestamp gives one (RFC 7323 4). */
static void an_echo_measures_a_retransmission(void **state)
{
    (void)state;
    struct talk *t = talk_stamped();
    int64_t srtt = talk_info(t).srtt;
    assert_int_equal(srtt, 10 * MS);
    talk_write(t, 10);
    talk_count(t);
    expect_deadline(t, talk_info(t).rto);
    expect(t, "P. 1:11 ack 1 ts 220 5000");
    pass(t, 50 * MS);
    give(t, ". 1 ack 11 ts 5300 220");
    assert_int_equal(talk_info(t).srtt, srtt + (50 * MS - srtt) / 8);
    talk_free(t);

    t = talk_stamped(); /* and one that was never sent does not */
    talk_write(t, 10);
    talk_count(t);
    expect_deadline(t, talk_info(t).rto);
    talk_count(t);
    int64_t rto = talk_info(t).rto;
    give(t, ". 1 ack 11 ts 5300 9999");
    assert_int_equal(talk_info(t).srtt, srtt);
    assert_int_equal(talk_info(t).rto, rto);
    talk_free(t);
}

/* Who has to guess numbers would else have half of the work: one timestamp from the future, and all
 * that the peer sends is old. */
static void what_acknowledges_nonsense_is_not_echoed(void **state)
{
    (void)state;
    struct talk *t = talk_with(10000, true);
    talk_connect(t);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, "S. 0 ack 1 mss 1000 ts 5000 0");
    talk_count(t);
    give(t, ". 1 ack 9 ts 1000000 10");
    expect(t, ". 1 ack 1 ts 10 5000");
    give(t, "P. 1:11 ack 1 ts 5001 10");
    expect(t, ". 1 ack 11 ts 10 5001");
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_syn_offers_what_is_configured),
        cmocka_unit_test(nothing_is_used_that_the_peer_has_not_offered),
        cmocka_unit_test(a_syn_ack_answers_only_what_was_offered),
        cmocka_unit_test(windows_are_scaled_but_in_a_syn),
        cmocka_unit_test(a_shift_above_14_is_14),
        cmocka_unit_test(the_scaled_edge_holds),
        cmocka_unit_test(a_handshake_does_not_offer_more_than_a_syn_can_say),
        cmocka_unit_test(every_segment_has_a_timestamp),
        cmocka_unit_test(segments_are_shorter_by_the_option),
        cmocka_unit_test(what_comes_early_is_not_echoed),
        cmocka_unit_test(what_acknowledges_nonsense_is_not_echoed),
        cmocka_unit_test(what_comes_again_is_echoed),
        cmocka_unit_test(an_old_timestamp_is_an_old_segment),
        cmocka_unit_test(timestamps_wrap),
        cmocka_unit_test(after_24_days_any_timestamp_is_new),
        cmocka_unit_test(without_its_timestamp_a_segment_is_still_one),
        cmocka_unit_test(an_echo_measures_a_retransmission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
