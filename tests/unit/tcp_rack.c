/* tcp_rack: losses found by time (RFC 8985): RACK, the tail loss probe, and the record of what is
 * in flight below them. The round trip is 10 ms in all of them. */
#include "tcp/congestion.h"
#include "tcp/flight.h"
#include "tcp_conversation.h"

static struct talk *talk_racking(void)
{
    struct talk *t = talk_new();
    t->config.sack = t->config.rack = true;
    talk_connect(t);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, "S. 0 ack 1 mss 1000 win 60000 sackOK");
    talk_count(t);
    expect_state(t, TCPS_ESTABLISHED);
    assert_true(talk_info(t).rack);
    return t;
}

/* Ten segments are out, which is all that cwnd allows, and a round trip is over. */
static struct talk *talk_ten(void)
{
    struct talk *t = talk_racking();
    talk_write(t, 10000);
    assert_int_equal(talk_count(t), 10);
    pass(t, 10 * MS);
    return t;
}

/* --- RACK --------------------------------------------------------------------------------------
 */

/* RFC 8985 6.2: a quarter of the round trip is what a segment may be late by. */
static void late_within_the_window_is_not_lost(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 1001:2001");
    expect(t, "");
    assert_int_equal(talk_info(t).reo_wnd, 2500 * NS_PER_US);
    assert_false(talk_info(t).reord_seen);
    pass(t, 2 * MS);
    give(t, ". 1 ack 2001 win 60000");
    expect(t, "");
    assert_true(talk_info(t).reord_seen);
    assert_int_equal(talk_info(t).retransmits, 0);
    assert_int_equal(talk_info(t).cwnd, 10000);
    talk_free(t);
}

/* RFC 8985 6.2 */
static void overdue_is_lost(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 1001:2001");
    expect(t, "");
    expect_deadline(t, 2500 * NS_PER_US);
    expect(t, ". 1:1001 ack 1");
    assert_int_equal(talk_info(t).ssthresh, 5000);
    give(t, ". 1 ack 2001 win 60000");
    expect(t, "");
    talk_free(t);
}

/* RFC 8985 6.2: the window is 0 where three segments are reported and none was ever late. */
static void three_reports_are_enough(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 2001:4001");
    expect(t, "");
    give(t, ". 1 ack 1 win 60000 sack 2001:5001");
    expect(t, ". 1:1001 ack 1"); /* and the second when there is room */
    assert_int_equal(talk_info(t).lost, 1000);
    give(t, ". 1 ack 1 win 60000 sack 2001:7001");
    expect(t, ". 1001:2001 ack 1");
    assert_int_equal(talk_info(t).lost, 0);
    talk_free(t);
}

/* RFC 8985 6.2: but not where segments have been late before. */
static void a_path_that_reorders_is_given_time(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 1001:2001");
    give(t, ". 1 ack 2001 win 60000");
    give(t, ". 1 ack 2001 win 60000 sack 3001:8001");
    expect(t, "");
    assert_int_equal(talk_info(t).reo_wnd, 2500 * NS_PER_US);
    expect_deadline(t, 2500 * NS_PER_US);
    expect(t, ". 2001:3001 ack 1");
    talk_free(t);
}

/* RFC 8985 6.2: blocks are taken in order, or a peer that tells the newest first would seem to be
 * behind a path that reorders. */
static void the_order_of_blocks_is_no_reordering(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1001 win 60000 sack 5001:6001 sack 3001:4001");
    assert_false(talk_info(t).reord_seen);
    talk_free(t);
}

/* RFC 8985 6.2: what was sent after a retransmission has come, and the retransmission has not. */
static void a_lost_retransmission_is_found(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 1001:4001");
    expect(t, ". 1:1001 ack 1");
    pass(t, 1 * MS);
    give(t, ". 1 ack 1 win 60000 sack 1001:10001");
    talk_write(t, 1000);
    expect(t, "P. 10001:11001 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 1 win 60000 sack 1001:11001");
    expect(t, ". 1:1001 ack 1");
    assert_int_equal(talk_info(t).timeouts, 0);
    assert_int_equal(talk_info(t).ssthresh, 5000); /* one loss event is one */
    give(t, ". 1 ack 11001 win 60000");
    expect(t, "");
    talk_free(t);
}

/* RFC 8985 6.2: what was sent and lost in one recovery begins the next, and a second reduction. */
static void a_loss_in_recovery_outlasts_it(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 1001:8001");
    expect(t, ". 1:1001 ack 1");
    talk_write(t, 2000);
    expect(t, ". 10001:11001 ack 1\nP. 11001:12001 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 1 win 60000 sack 1001:10001 sack 11001:12001");
    assert_int_equal(talk_info(t).lost, 2000); /* the retransmission, and new data */
    give(t, ". 1 ack 10001 win 60000 sack 11001:12001");
    expect(t, ". 10001:11001 ack 1");
    assert_int_equal(talk_info(t).ssthresh, 2500);
    talk_free(t);
}

/* RFC 8985 6.2: an ACK sooner than a round trip after a retransmission is for the original, whose
 * time is not known any more. */
static void the_echo_of_an_original_tells_nothing(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 2001:5001");
    expect(t, ". 1:1001 ack 1");
    pass(t, 2 * MS);
    give(t, ". 1 ack 1001 win 60000 sack 2001:6001");
    expect(t, ". 1001:2001 ack 1"); /* lost already; but nothing that came later is */
    assert_int_equal(talk_info(t).lost, 0);
    talk_free(t);
}

/* RFC 8985 6.2: D-SACK says that the window was too small; once in a round trip it grows, up to
 * SRTT, and sixteen recoveries later it is forgotten. */
static void dsack_widens_the_window(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1001 win 60000");
    assert_int_equal(talk_info(t).reo_wnd, 2500 * NS_PER_US);
    give(t, ". 1 ack 2001 win 60000 sack 1:1001");
    give(t, ". 1 ack 3001 win 60000 sack 1001:2001"); /* the same round trip */
    assert_int_equal(talk_info(t).reo_wnd, 5000 * NS_PER_US);
    give(t, ". 1 ack 10001 win 60000 sack 1001:2001");
    assert_int_equal(talk_info(t).reo_wnd, 7500 * NS_PER_US);
    uint32_t at = 10001;
    for (int i = 0; i < 3; i++, at += 1000) {
        char text[80];
        talk_write(t, 1000);
        assert_int_equal(talk_count(t), 1);
        pass(t, 10 * MS);
        snprintf(text, sizeof text, ". 1 ack %u win 60000 sack 1:1001", at + 1000);
        give(t, text);
    }
    assert_int_equal(talk_info(t).reo_wnd, talk_info(t).srtt);

    for (int i = 0; i < 16; i++, at += 2000) { /* the first of two is lost */
        char text[80];
        assert_int_equal(talk_info(t).reo_wnd, talk_info(t).srtt);
        talk_write(t, 2000);
        assert_int_equal(talk_count(t), 2);
        pass(t, 10 * MS);
        snprintf(text, sizeof text, ". 1 ack %u win 60000 sack %u:%u", at, at + 1000, at + 2000);
        give(t, text);
        expect(t, "");
        t->now = tcp_deadline(t->tcp);
        assert_int_equal(talk_count(t), 1);
        pass(t, 10 * MS);
        snprintf(text, sizeof text, ". 1 ack %u win 60000", at + 2000);
        give(t, text);
    }
    assert_int_equal(talk_info(t).reo_wnd, 2500 * NS_PER_US);
    talk_free(t);
}

/* RFC 8985 6.3: what was sent just now is not lost because something else is. */
static void a_timeout_leaves_what_is_young(void **state)
{
    (void)state;
    struct talk *t = talk_racking();
    talk_write(t, 1000);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, ". 1 ack 1001 win 60000");
    talk_write(t, 1000);
    expect(t, "P. 1001:2001 ack 1");
    expect_deadline(t, 210 * MS);
    expect(t, "P. 1001:2001 ack 1"); /* the probe */
    pass(t, 205 * MS);
    talk_write(t, 1000);
    expect(t, "P. 2001:3001 ack 1");
    expect_deadline(t, 5 * MS);
    expect(t, ". 1001:2001 ack 1");
    assert_int_equal(talk_info(t).timeouts, 1);
    assert_int_equal(talk_info(t).lost, 0);
    assert_int_equal(talk_info(t).cwnd, 1000);
    pass(t, 10 * MS);
    give(t, ". 1 ack 3001 win 60000");
    expect(t, "");
    talk_free(t);
}

/* RFC 8985 6.3, RFC 5681 3.1: all is lost, and comes again in slow start. */
static void after_a_timeout_the_window_grows(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    expect_deadline(t, 10 * MS);
    expect(t, "P. 9001:10001 ack 1"); /* the probe */
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:1001 ack 1");
    assert_int_equal(talk_info(t).lost, 9000);
    pass(t, 10 * MS);
    give(t, ". 1 ack 1001 win 60000");
    expect(t, ". 1001:2001 ack 1\n. 2001:3001 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 2001 win 60000");
    give(t, ". 1 ack 3001 win 60000");
    expect(t, ". 3001:4001 ack 1\n. 4001:5001 ack 1\n. 5001:6001 ack 1\n. 6001:7001 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 9001 win 60000 sack 9001:10001");
    give(t, ". 1 ack 10001 win 60000");
    expect(t, "");
    assert_int_equal(tcp_deadline(t->tcp), TIME_NEVER);
    talk_free(t);
}

/* RFC 2018 8: the same for a peer that has thrown away what it held. */
static void a_peer_may_take_its_word_back(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 2001:10001");
    expect(t, ". 1:1001 ack 1\n. 1001:2001 ack 1");
    give(t, ". 1 ack 2001 win 60000");
    expect(t, "");
    assert_int_equal(talk_info(t).sacked, 8000);
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 2001:3001 ack 1");
    assert_int_equal(talk_info(t).sacked, 0);
    assert_int_equal(talk_info(t).lost, 7000);
    talk_free(t);
}

/* What did not fit into the window that was taken back is sent when it opens. */
static void an_opened_window_takes_everything_again(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1001 win 0");
    expect(t, "");
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 1001:1002 ack 1"); /* the window's probe */
    pass(t, 10 * MS);
    give(t, ". 1 ack 1002 win 2000");
    expect(t, ". 1002:2002 ack 1\n. 2002:3002 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 3002 win 60000");
    assert_int_equal(talk_count(t), 7);
    assert_int_equal(talk_info(t).ssthresh, CWND_MAX); /* it was no congestion */
    pass(t, 10 * MS);
    give(t, ". 1 ack 10001 win 60000");
    expect(t, "");
    assert_int_equal(talk_info(t).timeouts, 0);
    talk_free(t);
}

/* --- TLP ---------------------------------------------------------------------------------------
 */

/* RFC 8985 7.2, RFC 8985 7.3: the last two of a flight are lost; the probe's report tells. */
static void a_lost_tail_is_repaired_before_the_timeout(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 8001 win 60000");
    expect(t, "");
    expect_deadline(t, 20 * MS);
    expect(t, "P. 9001:10001 ack 1");
    assert_int_equal(talk_info(t).loss_probes, 1);
    assert_int_equal(talk_info(t).cwnd, 10000);
    pass(t, 10 * MS);
    give(t, ". 1 ack 8001 win 60000 sack 9001:10001");
    expect(t, ". 8001:9001 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 10001 win 60000");
    expect(t, "");
    assert_int_equal(talk_info(t).timeouts, 0);
    assert_int_equal(talk_info(t).ssthresh, 2000); /* two were out */
    talk_free(t);
}

/* RFC 8985 7.3: what was never sent tells as much, whatever cwnd and Nagle say. */
static void new_data_is_the_better_probe(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    talk_write(t, 5000);
    expect(t, "");
    expect_deadline(t, 10 * MS);
    expect(t, "P. 10001:11001 ack 1"); /* pushed, so that its ACK is not delayed */
    pass(t, 10 * MS);
    give(t, ". 1 ack 11001 win 60000"); /* all was there */
    assert_int_equal(talk_count(t), 4);
    assert_int_equal(talk_info(t).ssthresh, CWND_MAX);
    assert_int_equal(talk_info(t).retransmits, 0);
    talk_free(t);

    t = talk_racking();
    t->config.nagle = true;
    tcp_free(t->tcp);
    memset(&t->watch, 0, sizeof t->watch);
    talk_connect(t);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, "S. 0 ack 1 mss 1000 win 60000 sackOK");
    talk_count(t);
    t->written = 0;
    talk_write(t, 2000);
    talk_count(t);
    talk_write(t, 10);
    expect(t, "");
    expect_deadline(t, 20 * MS);
    expect(t, "P. 2001:2011 ack 1");
    talk_free(t);
}

/* RFC 8985 7.3: the window is the peer's, and no probe goes beyond it. */
static void no_probe_leaves_the_window(void **state)
{
    (void)state;
    struct talk *t = talk_racking();
    give(t, ". 1 ack 1 win 2500");
    talk_write(t, 5000);
    expect(t, ". 1:1001 ack 1\n. 1001:2001 ack 1");
    expect_deadline(t, 20 * MS);
    expect(t, "P. 2001:2501 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 2501 win 1000");
    expect(t, ". 2501:3501 ack 1");
    t->now = tcp_deadline(t->tcp);
    expect(t, "P. 2501:3501 ack 1");
    talk_free(t);
}

/* RFC 8985 7.2: the ACK of a single segment may be a delayed one; RFC 8985 7.3: behind the probe
 * the timer starts again, and there is no second probe. */
static void a_single_segment_is_probed_once(void **state)
{
    (void)state;
    struct talk *t = talk_racking();
    talk_write(t, 100);
    expect(t, "P. 1:101 ack 1");
    expect_deadline(t, 210 * MS); /* the timer's time: 220 would be later */
    expect(t, "P. 1:101 ack 1");
    assert_int_equal(talk_info(t).timeouts, 0);
    assert_int_equal(talk_info(t).cwnd, 10000);
    expect_deadline(t, 210 * MS);
    expect(t, "P. 1:101 ack 1");
    assert_int_equal(talk_info(t).timeouts, 1);
    assert_int_equal(talk_info(t).loss_probes, 1);
    assert_int_equal(talk_info(t).cwnd, 1000);
    expect_deadline(t, 420 * MS);
    talk_free(t);
}

/* RFC 8985 7.2: not where segments are reported, nor in recovery: there RACK's own timer runs. */
static void no_probe_where_reports_come(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 60000 sack 9001:10001");
    expect(t, "");
    expect_deadline(t, 2500 * NS_PER_US);
    assert_true(talk_count(t) > 0);
    expect_deadline(t, 210 * MS);
    assert_int_equal(talk_info(t).loss_probes, 0);
    talk_free(t);
}

/* RFC 8985 7.4: the peer had it all, and says so. */
static void a_probe_that_was_needless(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    expect_deadline(t, 10 * MS);
    expect(t, "P. 9001:10001 ack 1");
    give(t, ". 1 ack 10001 win 60000");
    pass(t, 5 * MS);
    give(t, ". 1 ack 10001 win 60000 sack 9001:10001");
    talk_write(t, 1000);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, ". 1 ack 11001 win 60000");
    assert_int_equal(talk_info(t).ssthresh, CWND_MAX);
    assert_int_equal(talk_info(t).reo_wnd, 2500 * NS_PER_US); /* it says nothing of the order */
    talk_free(t);

    t = talk_ten(); /* or says it without D-SACK */
    expect_deadline(t, 10 * MS);
    expect(t, "P. 9001:10001 ack 1");
    give(t, ". 1 ack 10001 win 60000");
    pass(t, 5 * MS);
    give(t, ". 1 ack 10001 win 60000");
    talk_write(t, 1000);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, ". 1 ack 11001 win 60000");
    assert_int_equal(talk_info(t).ssthresh, CWND_MAX);
    talk_free(t);
}

/* RFC 8985 7.4: one of the two was lost, and nobody else will tell. */
static void a_loss_that_the_probe_repaired_counts(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 9001 win 60000");
    expect(t, "");
    expect_deadline(t, 210 * MS); /* one segment is left */
    expect(t, "P. 9001:10001 ack 1");
    pass(t, 10 * MS);
    give(t, ". 1 ack 10001 win 60000");
    assert_int_equal(talk_info(t).ssthresh, CWND_MAX);
    talk_write(t, 8000);
    assert_int_equal(talk_count(t), 8);
    pass(t, 10 * MS);
    give(t, ". 1 ack 11001 win 60000");
    assert_int_equal(talk_info(t).ssthresh, 4000); /* of eight segments, not of seven */
    assert_int_equal(talk_info(t).cwnd, 4000);
    talk_free(t);
}

/* RFC 5681 3.1: a loss halves what was in the network when the ACKs came, not what those of them
 * that came before the news have left of it. */
static void a_batch_does_not_shrink_the_flight(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    talk_write(t, 20000);
    give(t, ". 1 ack 3001 win 60000");
    give(t, ". 1 ack 6001 win 60000");
    give(t, ". 1 ack 6001 win 60000 sack 7001:10001");
    expect(t, ". 6001:7001 ack 1\n. 10001:11001 ack 1\n. 11001:12001 ack 1\n"
              ". 12001:13001 ack 1\n. 13001:14001 ack 1");
    assert_int_equal(talk_info(t).ssthresh, 5000);
    talk_free(t);

    t = talk_ten(); /* but what nothing took the place of is gone */
    give(t, ". 1 ack 6001 win 60000");
    expect(t, "");
    give(t, ". 1 ack 6001 win 60000 sack 7001:10001");
    expect(t, ". 6001:7001 ack 1");
    assert_int_equal(talk_info(t).ssthresh, 2000);
    talk_free(t);
}

/* RFC 8985 4: without SACK, and where it is turned off, the timer is all there is for a tail. */
static void without_sack_there_is_none(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct talk *t = talk_new();
        t->config.rack = i;
        t->config.sack = true;
        talk_connect(t);
        talk_count(t);
        pass(t, 10 * MS);
        give(t, i ? "S. 0 ack 1 mss 1000 win 60000" : "S. 0 ack 1 mss 1000 win 60000 sackOK");
        talk_count(t);
        assert_false(talk_info(t).rack);
        talk_write(t, 2000);
        talk_count(t);
        expect_deadline(t, 210 * MS);
        expect(t, ". 1:1001 ack 1");
        assert_int_equal(talk_info(t).timeouts, 1);
        talk_free(t);
    }
}

/* --- the record of what is in flight -----------------------------------------------------------
 */

static void expect_flight(struct flight *f, const char *wanted)
{
    char text[400] = "";
    int n = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct flight_segment *s = flight_at(f, i);
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%d:%d@%d%s%s%s", i ? " " : "",
                      (int)flight_begin(f, i), (int)s->end, (int)s->sent,
                      s->marks & FLIGHT_HELD ? "h" : "", s->marks & FLIGHT_LOST ? "l" : "",
                      s->marks & FLIGHT_AGAIN ? "a" : "");
    }
    assert_string_equal(text, wanted);
}

/* RFC 8985 6.1: every segment has its time, and what is cut is cut where it is sent again. */
static void the_record_follows_what_is_sent(void **state)
{
    (void)state;
    struct flight f;
    struct flight_segment gone;
    uint32_t seq;
    flight_init(&f, (uint32_t)-100);
    flight_sent(&f, (uint32_t)-100, 0, 1);
    flight_sent(&f, 0, 100, 2);
    expect_flight(&f, "-100:0@1 0:100@2");
    flight_sent(&f, 100, 200, 2); /* more than a few */
    flight_sent(&f, 200, 300, 3);
    flight_lose(&f, 1);
    flight_lose(&f, 2);
    flight_hold(&f, 3);
    assert_int_equal(f.lost, 200);
    assert_true(flight_lost(&f, &seq));
    assert_int_equal(seq, 0);
    flight_sent(&f, 0, 60, 4);
    expect_flight(&f, "-100:0@1 0:60@4a 60:100@2l 100:200@2l 200:300@3h");
    assert_true(flight_lost(&f, &seq));
    assert_int_equal(seq, 60);
    flight_sent(&f, 60, 150, 5); /* over two */
    expect_flight(&f, "-100:0@1 0:60@4a 60:100@5a 100:150@5a 150:200@2l 200:300@3h");
    assert_int_equal(f.lost, 50);
    flight_sent(&f, 150, 350, 6); /* and beyond what was sent */
    expect_flight(&f, "-100:0@1 0:60@4a 60:100@5a 100:150@5a 150:200@6a 200:300@6ha 300:350@6");
    assert_false(flight_lost(&f, &seq));
    flight_lose(&f, 1);
    assert_true(flight_acked(&f, 20, &gone)); /* a part of the second too */
    assert_int_equal(gone.end, 0);
    assert_false(flight_acked(&f, 20, &gone));
    assert_int_equal(f.lost, 40);
    assert_true(flight_lost(&f, &seq));
    assert_int_equal(seq, 20);
    for (int i = 0; i < 6; i++)
        assert_true(flight_acked(&f, 350, &gone));
    assert_false(flight_acked(&f, 350, &gone));
    assert_int_equal(f.count + f.held + f.lost, 0);
    assert_null(f.heap); /* an idle connection has no such memory */
    flight_free(&f);
}

/* RFC 8985 6.1: where there are too many, the newest grows, and none is forgotten. */
static void the_record_is_bounded(void **state)
{
    (void)state;
    struct flight f;
    flight_init(&f, 0);
    for (uint32_t i = 0; i < FLIGHT_SEGMENTS + 10; i++)
        flight_sent(&f, i, i + 1, i);
    assert_int_equal(f.count, FLIGHT_SEGMENTS);
    const struct flight_segment *last = flight_at(&f, f.count - 1);
    assert_int_equal(last->end, FLIGHT_SEGMENTS + 10);
    assert_int_equal(last->sent, FLIGHT_SEGMENTS + 9);
    flight_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_within_the_window_is_not_lost),
        cmocka_unit_test(overdue_is_lost),
        cmocka_unit_test(three_reports_are_enough),
        cmocka_unit_test(a_path_that_reorders_is_given_time),
        cmocka_unit_test(the_order_of_blocks_is_no_reordering),
        cmocka_unit_test(a_lost_retransmission_is_found),
        cmocka_unit_test(a_loss_in_recovery_outlasts_it),
        cmocka_unit_test(the_echo_of_an_original_tells_nothing),
        cmocka_unit_test(dsack_widens_the_window),
        cmocka_unit_test(a_timeout_leaves_what_is_young),
        cmocka_unit_test(after_a_timeout_the_window_grows),
        cmocka_unit_test(a_peer_may_take_its_word_back),
        cmocka_unit_test(an_opened_window_takes_everything_again),
        cmocka_unit_test(a_lost_tail_is_repaired_before_the_timeout),
        cmocka_unit_test(new_data_is_the_better_probe),
        cmocka_unit_test(no_probe_leaves_the_window),
        cmocka_unit_test(a_single_segment_is_probed_once),
        cmocka_unit_test(no_probe_where_reports_come),
        cmocka_unit_test(a_probe_that_was_needless),
        cmocka_unit_test(a_loss_that_the_probe_repaired_counts),
        cmocka_unit_test(a_batch_does_not_shrink_the_flight),
        cmocka_unit_test(without_sack_there_is_none),
        cmocka_unit_test(the_record_follows_what_is_sent),
        cmocka_unit_test(the_record_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
