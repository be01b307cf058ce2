/* tcp_sack: selective acknowledgment, both ways: what we report (RFC 2018, 2883), what we make of
 * reports (RFC 6675), and limited transmit without them (RFC 3042). */
#include "tcp/scoreboard.h"
#include "tcp_conversation.h"

static struct talk *talk_sacking(bool timestamps)
{
    struct talk *t = talk_new();
    t->config.sack = true;
    t->config.timestamps = timestamps;
    talk_connect(t);
    talk_count(t);
    pass(t, 10 * MS);
    give(t, timestamps ? "S. 0 ack 1 mss 1000 win 60000 sackOK ts 1 0"
                       : "S. 0 ack 1 mss 1000 win 60000 sackOK");
    talk_count(t);
    expect_state(t, TCPS_ESTABLISHED);
    return t;
}

/* --- the receiver ------------------------------------------------------------------------------
 */

/* RFC 2018 4: the newest first, then those of the segments before. */
static void blocks_are_reported_newest_first(void **state)
{
    (void)state;
    struct talk *t = talk_sacking(false);
    give(t, ". 1001:1101 ack 1");
    expect(t, ". 1 ack 1 sack 1001:1101");
    give(t, ". 2001:2101 ack 1");
    expect(t, ". 1 ack 1 sack 2001:2101 sack 1001:1101");
    give(t, ". 1101:1201 ack 1");
    expect(t, ". 1 ack 1 sack 1001:1201 sack 2001:2101");
    give(t, ". 3001:3101 ack 1");
    give(t, ". 4001:4101 ack 1");
    expect(t, ". 1 ack 1 sack 4001:4101 sack 3001:3101 sack 1001:1201 sack 2001:2101\n"
              ". 1 ack 1 sack 4001:4101 sack 3001:3101 sack 1001:1201 sack 2001:2101");
    give(t, ". 5001:5101 ack 1"); /* a fifth has no room */
    expect(t, ". 1 ack 1 sack 5001:5101 sack 4001:4101 sack 3001:3101 sack 1001:1201");
    give(t, ". 1:1001 ack 1");
    expect(t, ". 1 ack 1201 sack 5001:5101 sack 4001:4101 sack 3001:3101 sack 2001:2101");
    give(t, ". 1201:4001 ack 1");
    expect(t, ". 1 ack 4101 sack 2001:2101 sack 5001:5101"); /* the first that it had already */
    give(t, ". 4101:5001 ack 1");
    expect(t, ". 1 ack 5101");
    talk_free(t);
}

/* RFC 2018 4: in all ACKs, and every segment with data is one; as far as there is room. */
static void data_carries_blocks_too(void **state)
{
    (void)state;
    struct talk *t = talk_sacking(false);
    give(t, ". 1001:1101 ack 1");
    give(t, ". 2001:2101 ack 1");
    talk_count(t);
    talk_write(t, 5);
    expect(t, "P. 1:6 ack 1 sack 2001:2101 sack 1001:1101");
    talk_write(t, 1000);
    expect(t, "P. 6:1006 ack 1");
    give(t, ". 1 ack 1006");
    talk_write(t, 985); /* 1000 is the MSS: a block with its head is 12 */
    expect(t, "P. 1006:1991 ack 1 sack 2001:2101");
    talk_free(t);
}

static void timestamps_leave_room_for_three(void **state)
{
    (void)state;
    struct talk *t = talk_sacking(true);
    for (int i = 1; i <= 4; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %d:%d ack 1 ts 1 0", i * 1000, i * 1000 + 10);
        give(t, text);
    }
    talk_count(t);
    assert_int_equal(t->last.options.sacks, 3);
    assert_int_equal(segment_options_length(&t->last.options), 40);
    talk_free(t);
}

static void nothing_is_reported_to_who_did_not_ask(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.sack = true;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    give(t, ". 1001:1101 ack 1");
    expect(t, ". 1 ack 1");
    talk_free(t);
}

/* RFC 2883 4: first what came twice, once, and then the range it lies in. */
static void what_came_twice_is_reported_once(void **state)
{
    (void)state;
    struct talk *t = talk_sacking(false);
    give(t, ". 1:101 ack 1");
    expect(t, ". 1 ack 101");
    give(t, ". 1:101 ack 1"); /* 4.1: all of it acknowledged before */
    expect(t, ". 1 ack 101 sack 1:101");
    give(t, ". 301:401 ack 1");
    expect(t, ". 1 ack 101 sack 301:401");
    give(t, ". 301:401 ack 1"); /* 4.2: reported before */
    expect(t, ". 1 ack 101 sack 301:401 sack 301:401");
    give(t, ". 351:451 ack 1"); /* 4.3: in part */
    expect(t, ". 1 ack 101 sack 351:401 sack 301:451");
    give(t, ". 51:201 ack 1");
    expect(t, ". 1 ack 201 sack 51:101 sack 301:451");
    talk_free(t);
}

/* --- the scoreboard ----------------------------------------------------------------------------
 */

static void the_scoreboard_joins_and_bounds(void **state)
{
    (void)state;
    struct scoreboard b = {0};
    uint32_t end, una = 0xffffff00;
    assert_true(scoreboard_add(&b, una + 300, una + 400));
    assert_true(scoreboard_add(&b, una + 100, una + 200));
    assert_false(scoreboard_add(&b, una + 120, una + 180));
    assert_int_equal(b.ranges, 2);
    assert_int_equal(scoreboard_bytes(&b, una + 350), 150);
    assert_int_equal(scoreboard_hole(&b, una, una + 1000, &end), una);
    assert_int_equal(end, una + 100);
    assert_int_equal(scoreboard_hole(&b, una + 150, una + 1000, &end), una + 200);
    assert_int_equal(end, una + 300);
    assert_int_equal(scoreboard_hole(&b, una + 300, una + 1000, &end), una + 400);
    assert_int_equal(end, una + 1000);
    assert_true(scoreboard_add(&b, una + 200, una + 300)); /* across 2^32, and touching both */
    assert_int_equal(b.ranges, 1);
    scoreboard_acked(&b, una + 150);
    assert_int_equal(b.range[0].left, una + 150);
    scoreboard_acked(&b, una + 400);
    assert_int_equal(b.ranges, 0);
    assert_int_equal(scoreboard_end(&b, una), una);

    for (uint32_t i = 0; i < 2 * SCOREBOARD_RANGES; i++)
        scoreboard_add(&b, una + 10 * i + 1, una + 10 * i + 5);
    assert_int_equal(b.ranges, SCOREBOARD_RANGES);
    assert_true(scoreboard_add(&b, una + 1, una + 5000)); /* what joins needs no room */
    assert_int_equal(b.ranges, 1);
    scoreboard_clear(&b);
}

/* RFC 6675 4, IsLost(): three ranges beyond, or more than two segments' bytes. */
static void lost_is_what_enough_is_known_beyond(void **state)
{
    (void)state;
    struct scoreboard b = {0};
    assert_int_equal(scoreboard_lost(&b, 1, 1000), 1);
    scoreboard_add(&b, 1001, 3001);
    assert_int_equal(scoreboard_lost(&b, 1, 1000), 1);
    scoreboard_add(&b, 3001, 3002);
    assert_int_equal(scoreboard_lost(&b, 1, 1000), 1001);
    scoreboard_clear(&b);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(scoreboard_lost(&b, 1, 1000), 1);
        scoreboard_add(&b, i * 100, i * 100 + 1);
    }
    assert_int_equal(scoreboard_lost(&b, 1, 1000), 100);
    scoreboard_clear(&b);
}

/* --- the sender --------------------------------------------------------------------------------
 */

/* Ten segments outstanding. */
static struct talk *talk_ten(void)
{
    struct talk *t = talk_sacking(false);
    talk_write(t, 10000);
    assert_int_equal(talk_count(t), 10);
    return t;
}

/* RFC 6675 4, RFC 6675 5 */
static void only_the_holes_are_sent_again(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 sack 1001:2001");
    give(t, ". 1 ack 1 sack 1001:2001 sack 3001:4001");
    expect(t, "");
    give(t, ". 1 ack 1 sack 1001:2001 sack 3001:5001");
    expect(t, ". 1:1001 ack 1"); /* three reports */
    assert_int_equal(talk_info(t).cwnd, 5000);
    give(t, ". 1 ack 1 sack 1001:2001 sack 3001:6001");
    expect(t, ""); /* lost, but the pipe is full with five segments */
    give(t, ". 1 ack 1 sack 1001:2001 sack 3001:7001");
    expect(t, ". 2001:3001 ack 1");
    give(t, ". 1 ack 2001 sack 3001:10001");
    expect(t, "");
    give(t, ". 1 ack 10001");
    assert_int_equal(talk_info(t).retransmits, 2);
    assert_int_equal(talk_info(t).sacked, 0);
    talk_free(t);
}

/* RFC 6675 5, step 1 of the second case: one ACK can say enough. */
static void one_report_of_much_is_enough(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 sack 1001:4001");
    expect(t, ". 1:1001 ack 1");
    talk_free(t);
}

/* Rules 2 and 3: new data before what may not be lost. */
static void new_data_goes_before_a_doubtful_hole(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    talk_write(t, 1000);
    give(t, ". 1 ack 1 sack 1001:4001 win 60000");
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 1 sack 1001:8001 sack 9001:10001 win 60000"); /* 8001:9001 may be on its way */
    expect(t, "P. 10001:11001 ack 1\n. 8001:9001 ack 1");
    talk_free(t);
}

/* Rule 1: but not before one that is lost. */
static void what_is_lost_goes_before_new_data(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    talk_write(t, 1000);
    give(t, ". 1 ack 1 sack 1001:2001 sack 3001:6001 win 60000");
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 1 sack 1001:2001 sack 3001:8001 win 60000");
    expect(t, ". 2001:3001 ack 1\nP. 10001:11001 ack 1");
    talk_free(t);
}

/* Rule 4: nothing shows that the end was lost. */
static void the_end_is_rescued_once(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 sack 1001:9001");
    expect(t, ". 1:1001 ack 1\nP. 9001:10001 ack 1");
    give(t, ". 1 ack 9001");
    expect(t, "");
    give(t, ". 1 ack 10001");
    assert_int_equal(talk_info(t).retransmits, 2);
    talk_free(t);
}

/* RFC 2018 5 and RFC 6675 5: blocks outside of what is outstanding are nonsense, or D-SACK. */
static void nonsense_is_not_believed(void **state)
{
    (void)state;
    const char *const nonsense[] = {
        ". 1 ack 1 sack 4001:3001",   /* the wrong way round */
        ". 1 ack 1 sack 9001:10002",  /* never sent */
        ". 1 ack 1 sack -2000:-1000", /* long acknowledged: a D-SACK */
        ". 1 ack 1 sack 1:1001",      /* it would have been acknowledged */
        ". 1 ack 1 sack 2001:2001",   /* empty */
    };
    struct talk *t = talk_ten();
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        for (int k = 0; k < 5; k++) {
            give(t, nonsense[i]);
            assert_int_equal(talk_info(t).sacked, 0);
        }
    expect(t, "");
    assert_int_equal(talk_info(t).dsacks, 5);
    talk_free(t);
}

/* After a timeout what the peer holds is left out; if it stands still, nothing is believed. */
static void a_timeout_leaves_out_what_is_held(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 sack 1001:3001");
    expect(t, "");
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 1:1001 ack 1");
    give(t, ". 1 ack 3001");
    expect(t, ". 3001:4001 ack 1\n. 4001:5001 ack 1");
    talk_free(t);

    t = talk_ten();
    give(t, ". 1 ack 1 sack 1001:3001");
    expect(t, "");
    for (int i = 0; i < 2; i++) {
        t->now = tcp_deadline(t->tcp);
        expect(t, ". 1:1001 ack 1");
    }
    assert_int_equal(talk_info(t).sacked, 0); /* RFC 2018 8 */
    give(t, ". 1 ack 1001");
    expect(t, ". 1001:2001 ack 1\n. 2001:3001 ack 1");
    talk_free(t);
}

/* RFC 2018 8: who held what follows SND.UNA would acknowledge it. */
static void a_peer_may_take_its_word_back(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 sack 2001:3001");
    give(t, ". 1 ack 2001");
    expect(t, "");
    assert_int_equal(talk_info(t).sacked, 1000);
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 2001:3001 ack 1");
    talk_free(t);
}

/* It holds all that its window allows, and yet does not acknowledge it: only time can help. */
static void a_peer_that_holds_all_of_its_window(void **state)
{
    (void)state;
    struct talk *t = talk_ten();
    give(t, ". 1 ack 1 win 0 sack 601:3001");
    expect(t, "");
    give(t, ". 1 ack 601 win 256");
    expect(t, "");
    t->now = tcp_deadline(t->tcp);
    expect(t, ". 601:857 ack 1");
    talk_free(t);
}

/* RFC 3042: a new segment for each of the first two duplicate ACKs, and the window as it was. */
static void limited_transmit(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    talk_establish(t, "S. 0 ack 1 mss 1000 win 60000");
    talk_write(t, 20000);
    assert_int_equal(talk_count(t), 10);
    give(t, ". 1 ack 1 win 60000");
    expect(t, ". 10001:11001 ack 1");
    give(t, ". 1 ack 1 win 60000");
    expect(t, ". 11001:12001 ack 1");
    assert_int_equal(talk_info(t).cwnd, 10000);
    give(t, ". 1 ack 1 win 60000");
    expect(t, ". 1:1001 ack 1");
    assert_int_equal(talk_info(t).ssthresh, 5000); /* of ten segments, not of twelve */
    talk_free(t);

    t = talk_new(); /* no loss after all: back to what the window says */
    talk_establish(t, "S. 0 ack 1 mss 1000 win 60000");
    talk_write(t, 20000);
    talk_count(t);
    give(t, ". 1 ack 1 win 60000");
    expect(t, ". 10001:11001 ack 1");
    give(t, ". 1 ack 1001 win 60000"); /* slow start: eleven may be out, ten are */
    expect(t, ". 11001:12001 ack 1");
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_reported_newest_first),
        cmocka_unit_test(data_carries_blocks_too),
        cmocka_unit_test(timestamps_leave_room_for_three),
        cmocka_unit_test(nothing_is_reported_to_who_did_not_ask),
        cmocka_unit_test(what_came_twice_is_reported_once),
        cmocka_unit_test(the_scoreboard_joins_and_bounds),
        cmocka_unit_test(lost_is_what_enough_is_known_beyond),
        cmocka_unit_test(only_the_holes_are_sent_again),
        cmocka_unit_test(one_report_of_much_is_enough),
        cmocka_unit_test(new_data_goes_before_a_doubtful_hole),
        cmocka_unit_test(what_is_lost_goes_before_new_data),
        cmocka_unit_test(the_end_is_rescued_once),
        cmocka_unit_test(nonsense_is_not_believed),
        cmocka_unit_test(a_timeout_leaves_out_what_is_held),
        cmocka_unit_test(a_peer_may_take_its_word_back),
        cmocka_unit_test(a_peer_that_holds_all_of_its_window),
        cmocka_unit_test(limited_transmit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
