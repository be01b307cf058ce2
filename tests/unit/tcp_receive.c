/* Receiving: acceptability, reassembly, windows and ACKs; rows B of hostile peers. */
#include "tcp_conversation.h"

/* A connection whose application does not read: its window of 10000 is used up. */
static struct talk *closed_window(void)
{
    struct talk *t = talk_open();
    for (int i = 0; i < 10; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %d:%d ack 1", i * 1000 + 1, i * 1000 + 1001);
        give(t, text);
    }
    expect(t, ". 1 ack 10001");
    assert_int_equal(t->last.window, 0);
    return t;
}

/* The four rows of the table, at the edges and around them, wherever the numbers lie. What is not
 * acceptable is answered by an ACK and leaves no trace. */
static void sm5_acceptability(void **state)
{
    (void)state;
    static const struct {
        bool window;    /* 10000, else 0 */
        const char *in; /* relative to an edge that follows */
        int64_t seq;
        unsigned length;
        bool acceptable;
    } cases[] = {
        {true, "before", 0, 0, false},
        {true, "left edge", 1, 0, true},
        {true, "inside", 5000, 0, true},
        {true, "right edge - 1", 10000, 0, true},
        {true, "right edge", 10001, 0, true}, /* wider than the RFC, as BSD and Linux */
        {true, "after", 10002, 0, false},
        {true, "before", 0, 1, false},
        {true, "left edge", 1, 1, true},
        {true, "inside", 5000, 1, true},
        {true, "right edge - 1", 10000, 1, true},
        {true, "right edge", 10001, 1, false},
        {true, "after", 10002, 1, false},
        {true, "across the left edge", -5, 10, true},
        {true, "across the right edge", 9999, 10, true},
        {true, "up to the left edge", -9, 10, false},
        {false, "before", 10000, 0, false},
        {false, "at the edge", 10001, 0, true},
        {false, "after", 10002, 0, false},
        {false, "far after", 20000, 0, false},
        {false, "before", 10000, 1, false},
        {false, "at the edge", 10001, 1, false},
        {false, "after", 10002, 1, false},
        {false, "across the edge", 10000, 10, false},
        {false, "far after", 20000, 1, false},
    };
    static const uint32_t starts[] = {0, 0xffffffff, 0xffffd8ee, 0xfffff000, 0x7ffff000};

    for (size_t k = 0; k < sizeof starts / sizeof *starts; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct talk *t = talk_new();
            char text[64];
            t->irs = starts[k];
            talk_establish(t, "S. 0 ack 1 mss 1000");
            if (!cases[i].window)
                for (int j = 0; j < 10; j++) {
                    snprintf(text, sizeof text, ". %d:%d ack 1", j * 1000 + 1, j * 1000 + 1001);
                    give(t, text);
                }
            talk_count(t);
            struct tcp_info before = talk_info(t);
            snprintf(text, sizeof text, ". %d:%d ack 1", (int)cases[i].seq,
                     (int)(cases[i].seq + cases[i].length));
            give(t, text);
            struct tcp_info after = talk_info(t);
            int answers = talk_count(t);
            bool taken = after.bytes_received != before.bytes_received ||
                         after.out_of_order != before.out_of_order;
            if (taken != (cases[i].acceptable && cases[i].length > 0))
                fail_msg("%s, length %u: taken or not", cases[i].in, cases[i].length);
            if (answers != (!cases[i].acceptable || cases[i].length > 0))
                fail_msg("%s, length %u: %d answers", cases[i].in, cases[i].length, answers);
            expect_state(t, TCPS_ESTABLISHED);
            talk_free(t);
        }
}

static void b1_every_two_way_split(void **state)
{
    (void)state;
    for (int cut = 1; cut < 65; cut++) {
        struct talk *t = talk_open();
        char text[64];
        snprintf(text, sizeof text, ". 1:%d ack 1", cut + 1);
        give(t, text);
        snprintf(text, sizeof text, "P. %d:66 ack 1", cut + 1);
        give(t, text);
        expect(t, ". 1 ack 66");
        talk_read(t, 65);
        talk_free(t);
    }
}

static void b1_one_byte_at_a_time(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    for (int i = 1; i <= 65; i++) {
        char text[64];
        snprintf(text, sizeof text, "P. %d:%d ack 1", i, i + 1);
        give(t, text);
        assert_int_equal(talk_count(t), 1);
        assert_int_equal(t->last.ack - t->irs, (uint32_t)i + 1);
    }
    talk_read(t, 65);
    talk_free(t);
}

/* SHLD-31 */
static void b2_reversed_segments_draw_duplicate_acks(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 41:66 ack 1");
    expect(t, ". 1 ack 1");
    give(t, ". 21:41 ack 1");
    expect(t, ". 1 ack 1");
    assert_int_equal(tcp_readable(t->tcp), 0);
    give(t, ". 1:21 ack 1");
    expect(t, ". 1 ack 66");
    talk_read(t, 65);
    assert_int_equal(talk_info(t).out_of_order, 2);
    talk_free(t);
}

/* RFC 5681 4.2: as many duplicates as start the peer's fast retransmit, however many segments came
 * at once. */
static void out_of_order_batch_draws_three_duplicate_acks(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    for (int i = 1; i < 9; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %d:%d ack 1", i * 100 + 1, i * 100 + 101);
        give(t, text);
    }
    expect(t, ". 1 ack 1\n. 1 ack 1\n. 1 ack 1");
    give(t, ". 1:101 ack 1");
    expect(t, ". 1 ack 901");
    talk_read(t, 900);
    talk_free(t);
}

static void b3_b4_overlaps_first_wins(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 21:41 ack 1");
    give(t, ". 11:51 ack 1 xor 0");
    assert_int_equal(talk_info(t).overlaps, 0);
    give(t, ". 11:51 ack 1 xor 255");
    assert_int_equal(talk_info(t).overlaps, 40);
    give(t, "P. 1:66 ack 1");
    talk_count(t);
    talk_read(t, 65);
    talk_free(t);
}

static void b5_b6_only_the_new_part_is_used(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 1:21 ack 1");
    expect(t, ". 1 ack 21");
    talk_read(t, 20);
    give(t, ". 1:41 ack 1");
    expect(t, ". 1 ack 41");
    give(t, ". 11:66 ack 1");
    expect(t, ". 1 ack 66");
    talk_read(t, 45);
    talk_free(t);
}

/* SM-6 */
static void b7_segments_outside_the_window_are_answered_rarely(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    int acks = 0;
    for (int i = 0; i < 10000; i++) {
        give(t, i % 2 ? ". -500:-400 ack 1" : ". 30000:30100 ack 1");
        acks += talk_count(t);
        pass(t, 90 * NS_PER_US);
    }
    assert_int_equal(acks, 10);
    pass(t, 1 * S);
    give(t, ". -500:-400 ack 1");
    expect(t, ". 1 ack 1");
    talk_free(t);
}

static void b8_what_crosses_the_right_edge_is_cut(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 1:9001 ack 1"); /* unread: 1000 left */
    expect(t, ". 1 ack 9001");
    assert_int_equal(t->last.window, 1000);
    give(t, "F. 9001:10002 ack 1");
    expect(t, ". 1 ack 10001");
    assert_int_equal(t->last.window, 0);
    expect_state(t, TCPS_ESTABLISHED); /* the FIN lay beyond the edge */
    talk_read(t, 10000);
    expect(t, ". 1 ack 10001");
    give(t, "F. 10001:10002 ack 1");
    expect(t, ". 1 ack 10003");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_read(t, 1);
    assert_true(tcp_eof(t->tcp));
    talk_free(t);
}

static void b8_fin_right_at_the_edge_waits(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "F. 1:10000 ack 1"); /* the last number inside is still the FIN's */
    expect(t, ". 1 ack 10001");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_free(t);

    t = talk_open();
    give(t, "F. 1:10001 ack 1");
    expect(t, ". 1 ack 10001");
    expect_state(t, TCPS_ESTABLISHED);
    talk_read(t, 10000);
    expect(t, ". 1 ack 10001");
    give(t, "F. 10001 ack 1");
    expect(t, ". 1 ack 10002");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_free(t);
}

static void b9_b10_lines_across_the_wrap(void **state)
{
    (void)state;
    for (uint32_t k = 0; k <= 64; k++)
        for (uint32_t corner = 0;; corner = 0x80000000) {
            struct talk *t = talk_new();
            t->irs = corner - 1 - k;
            t->config.iss = corner - 1 - k;
            talk_establish(t, "S. 0 ack 1 mss 1000");
            give(t, ". 31:66 ack 1");
            give(t, ". 1:31 ack 1");
            talk_count(t);
            talk_read(t, 65);
            talk_write(t, 65);
            expect(t, "P. 1:66 ack 66");
            give(t, ". 66 ack 33");
            expect(t, "");
            expect_deadline(t, 210 * MS);
            expect(t, "P. 33:66 ack 66");
            give(t, ". 66 ack 66");
            expect(t, "");
            assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
            talk_free(t);
            if (corner)
                break;
        }
}

static void b11_thousandfold_duplicates_draw_few_acks(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    int acks = 0;
    for (int i = 0; i < 1000; i++) {
        give(t, "P. 1:66 ack 1");
        acks += talk_count(t);
    }
    assert_true(acks <= 11);
    talk_read(t, 65);
    talk_free(t);
}

static void b12_islands_across_the_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    for (int i = 2; i < 10000; i += 2) {
        char text[64];
        snprintf(text, sizeof text, ". %d:%d ack 1", i, i + 1);
        give(t, text);
        assert_true(talk_count(t) <= 1);
    }
    give(t, ". 1:5001 ack 1");
    give(t, ". 5001:10001 ack 1");
    expect(t, ". 1 ack 10001");
    talk_read(t, 10000);
    talk_free(t);
}

static void b14_segments_far_bigger_than_the_mss(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.rcvbuf = 65535;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    give(t, "P. 1:36001 ack 1");
    expect(t, ". 1 ack 36001");
    talk_read(t, 36000);
    assert_int_equal(talk_info(t).rcv_mss, 1000);
    talk_free(t);
}

static void b17_pure_acks_draw_nothing(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    for (int i = 0; i < 100000; i++) {
        give(t, ". 1 ack 1");
        assert_int_equal(talk_count(t), 0);
    }
    talk_free(t);
}

static void b18_keepalive_probe_is_answered(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, ". 0 ack 1");
    expect(t, ". 1 ack 1");
    give(t, ". 0:1 ack 1");
    expect(t, ". 1 ack 1");
    assert_int_equal(tcp_readable(t->tcp), 0);
    talk_free(t);
}

/* MUST-30 */
static void b19_urgent_data_is_in_line(void **state)
{
    (void)state;
    static const unsigned pointers[] = {0, 1, 65, 66, 0xffff};
    for (size_t i = 0; i < 5; i++) {
        struct talk *t = talk_open();
        char text[64];
        snprintf(text, sizeof text, "U. 1 ack 1 urg %u", pointers[i]);
        give(t, text);
        expect(t, "");
        snprintf(text, sizeof text, "UP. 1:66 ack 1 urg %u", pointers[i]);
        give(t, text);
        snprintf(text, sizeof text, "P. 66:131 ack 1 urg %u", pointers[i]);
        give(t, text);
        expect(t, ". 1 ack 131");
        talk_read(t, 130);
        talk_free(t);
    }
}

static void b20_data_needs_no_push(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    tcp_events(t->tcp);
    give(t, ". 1:66 ack 1");
    assert_true(tcp_events(t->tcp) & TCP_EVENT_READABLE);
    talk_read(t, 65);
    talk_free(t);
}

/* MUST-39, SHLD-14 */
static void b22_b23_window_closes_and_opens(void **state)
{
    (void)state;
    struct talk *t = closed_window();
    give(t, ". 10001:10002 ack 1"); /* the peer's probe */
    expect(t, ". 1 ack 10001");
    assert_int_equal(t->last.window, 0);
    talk_read(t, 999);
    expect(t, ""); /* less than a segment is not worth an update */
    talk_read(t, 1);
    expect(t, ". 1 ack 10001");
    assert_int_equal(t->last.window, 1000);
    talk_read(t, 9000);
    expect(t, ". 1 ack 10001");
    assert_int_equal(t->last.window, 10000);
    give(t, ". 10001:10002 ack 1"); /* the update was lost, another probe */
    expect(t, ". 1 ack 10002");
    talk_free(t);
}

static void must39_reading_single_bytes_opens_the_window_in_steps(void **state)
{
    (void)state;
    struct talk *t = closed_window();
    uint32_t window = 0;
    int updates = 0;
    for (int i = 0; i < 10000; i++) {
        talk_read(t, 1);
        if (talk_count(t) == 0)
            continue;
        updates++;
        assert_true(t->last.window >= window + 1000);
        window = t->last.window;
    }
    assert_true(updates > 0 && updates <= 10);
    talk_free(t);
}

static void must39_a_small_buffer_opens_by_halves(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.rcvbuf = 100;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    give(t, "P. 1:101 ack 1");
    expect(t, ". 1 ack 101");
    talk_read(t, 49);
    expect(t, "");
    talk_read(t, 1);
    expect(t, ". 1 ack 101");
    assert_int_equal(t->last.window, 50);
    talk_free(t);
}

/* SHLD-18, SHLD-19, RFC 5681 4.2 */
static void must40_acks_are_delayed_but_not_for_two_segments(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.delayed_ack = 40 * MS;
    talk_establish(t, "S. 0 ack 1 mss 1000");
    give(t, ". 1:1001 ack 1");
    expect(t, "");
    expect_deadline(t, 40 * MS);
    expect(t, ". 1 ack 1001");
    give(t, ". 1001:2001 ack 1");
    expect(t, "");
    give(t, ". 2001:3001 ack 1"); /* the second full segment */
    expect(t, ". 1 ack 3001");
    give(t, ". 4001:5001 ack 1"); /* out of order: at once */
    expect(t, ". 1 ack 3001");
    give(t, ". 3001:4001 ack 1"); /* fills the hole: at once */
    expect(t, ". 1 ack 5001");
    give(t, "P. 5001:5066 ack 1");
    expect(t, "");
    talk_write(t, 10); /* data carries the ACK */
    expect(t, "P. 1:11 ack 5066");
    give(t, ". 5066 ack 11");
    expect(t, "");
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    give(t, "F. 5066 ack 11");
    expect(t, ". 11 ack 5067");
    talk_free(t);
}

/* MUST-59 */
static void must58_a_batch_is_acknowledged_once(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    for (int i = 0; i < 10; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %d:%d ack 1", i * 100 + 1, i * 100 + 101);
        give(t, text);
    }
    expect(t, ". 1 ack 1001");
    talk_free(t);
}

static void sm11_an_old_segment_does_not_change_the_window(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "P. 11:21 ack 1 win 5000");
    give(t, "P. 1:11 ack 1 win 1");
    assert_int_equal(talk_info(t).snd_wnd, 5000);
    give(t, ". 21 ack 1 win 6000");
    assert_int_equal(talk_info(t).snd_wnd, 6000);
    talk_free(t);
}

static void sm12_without_ack_nothing_is_taken(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "P 1:66");
    give(t, "F 1");
    give(t, "- 1:66");
    expect(t, "");
    assert_int_equal(tcp_readable(t->tcp), 0);
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

static void must66_zero_window_still_takes_rst_and_acks(void **state)
{
    (void)state;
    struct talk *t = closed_window();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 10001");
    give(t, "P. 10001:10101 ack 66"); /* its data is refused, its ACK counts */
    expect(t, ". 66 ack 10001");
    assert_int_equal(talk_info(t).unacked, 0);
    give(t, "R 10002");
    expect_state(t, TCPS_ESTABLISHED);
    give(t, "R 10001");
    expect_reason(t, TCP_RESET);
    talk_read(t, 10000); /* what came in before is still there */
    talk_free(t);
}

static void read_stops_at_the_line_end(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    uint8_t line[100];
    give(t, "P. 1:66 ack 1");
    size_t n = tcp_read(t->tcp, line, sizeof line, theirs(20), t->now);
    assert_int_equal(n, 21);
    assert_int_equal(tcp_readable(t->tcp), 44);
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sm5_acceptability),
        cmocka_unit_test(b1_every_two_way_split),
        cmocka_unit_test(b1_one_byte_at_a_time),
        cmocka_unit_test(b2_reversed_segments_draw_duplicate_acks),
        cmocka_unit_test(out_of_order_batch_draws_three_duplicate_acks),
        cmocka_unit_test(b3_b4_overlaps_first_wins),
        cmocka_unit_test(b5_b6_only_the_new_part_is_used),
        cmocka_unit_test(b7_segments_outside_the_window_are_answered_rarely),
        cmocka_unit_test(b8_what_crosses_the_right_edge_is_cut),
        cmocka_unit_test(b8_fin_right_at_the_edge_waits),
        cmocka_unit_test(b9_b10_lines_across_the_wrap),
        cmocka_unit_test(b11_thousandfold_duplicates_draw_few_acks),
        cmocka_unit_test(b12_islands_across_the_window),
        cmocka_unit_test(b14_segments_far_bigger_than_the_mss),
        cmocka_unit_test(b17_pure_acks_draw_nothing),
        cmocka_unit_test(b18_keepalive_probe_is_answered),
        cmocka_unit_test(b19_urgent_data_is_in_line),
        cmocka_unit_test(b20_data_needs_no_push),
        cmocka_unit_test(b22_b23_window_closes_and_opens),
        cmocka_unit_test(must39_reading_single_bytes_opens_the_window_in_steps),
        cmocka_unit_test(must39_a_small_buffer_opens_by_halves),
        cmocka_unit_test(must40_acks_are_delayed_but_not_for_two_segments),
        cmocka_unit_test(must58_a_batch_is_acknowledged_once),
        cmocka_unit_test(sm11_an_old_segment_does_not_change_the_window),
        cmocka_unit_test(sm12_without_ack_nothing_is_taken),
        cmocka_unit_test(must66_zero_window_still_takes_rst_and_acks),
        cmocka_unit_test(read_stops_at_the_line_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
