/* Opening a connection: RFC 9293 3.10.7.2 and 3.10.7.3, rows A of hostile peers, rows G of ICMP. */
#include "tcp_conversation.h"

static struct talk *syn_sent(void)
{
    struct talk *t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    expect_state(t, TCPS_SYN_SENT);
    return t;
}

/* A good SYN-ACK still opens the connection. */
static void answer_and_finish(struct talk *t)
{
    give(t, "S. 0 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    give(t, "P. 1:66 ack 1");
    expect(t, ". 1 ack 66");
    talk_read(t, 65);
    talk_free(t);
}

/* A connection made by the peer's SYN; nothing sent yet. */
static struct talk *accepted(const char *syn)
{
    struct talk *t = talk_new();
    t->tcp = tcp_new(&t->config);
    assert_non_null(t->tcp);
    struct segment s = talk_parse(t, syn);
    tcp_accept(t->tcp, &s, t->now);
    talk_check(t);
    return t;
}

static void the_main_job(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    talk_connect(t);
    expect(t, "S 0 mss 1000");
    assert_int_equal(t->last.window, 10000);
    assert_int_equal(t->last.sport, 40000);
    assert_int_equal(t->last.dport, 8080);
    assert_int_equal(t->last.ttl, 64);
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

/* SM-1 */
static void a1_synack_ack_is_iss(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "S. 0 ack 0");
    expect(t, "R 0");
    expect_state(t, TCPS_SYN_SENT);
    answer_and_finish(t);
}

/* SM-1 */
static void a2_synack_ack_is_beyond_the_syn(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "S. 0 ack 2");
    expect(t, "R 2");
    expect_state(t, TCPS_SYN_SENT);
    answer_and_finish(t);
}

/* SM-2 */
static void a3_synack_with_rst_refuses(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "SR. 0 ack 1");
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    expect_reason(t, TCP_REFUSED);
    talk_free(t);
}

/* SM-2 */
static void a4_rst_refuses_at_once(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "R. 0 ack 1");
    expect(t, "");
    expect_reason(t, TCP_REFUSED);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_CLOSED);
    assert_true(tcp_deadline(t->tcp) == TIME_NEVER);
    talk_free(t);
}

/* SM-2 */
static void a5_rst_without_right_ack_is_dropped(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "R 0");
    give(t, "R. 0 ack 0");
    give(t, "R. 0 ack 2");
    expect(t, "");
    expect_state(t, TCPS_SYN_SENT);
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000");
    answer_and_finish(t);
}

static void a6_synack_again_is_acknowledged(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "S. 0 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    assert_false(tcp_events(t->tcp) & TCP_EVENT_OPEN);
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

static void a7_synack_with_other_isn_is_challenged(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    give(t, "S. 5000 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    assert_int_equal(talk_info(t).challenge_acks, 1);
    give(t, "P. 1:66 ack 1");
    expect(t, ". 1 ack 66");
    talk_read(t, 65);
    talk_free(t);
}

/* SM-3 */
static void a8_segments_without_syn_are_dropped(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, ". 1 ack 1");
    give(t, "P. 1:66 ack 1");
    give(t, "F. 1 ack 1");
    give(t, "P 1:66");
    give(t, "- 1");
    expect(t, "");
    expect_state(t, TCPS_SYN_SENT);
    answer_and_finish(t);
}

/* SM-4 */
static void a9_line_in_the_synack(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "SP. 0:65 ack 1 mss 1000");
    expect(t, ". 1 ack 66");
    assert_true(tcp_events(t->tcp) & TCP_EVENT_READABLE);
    talk_read(t, 65);
    talk_free(t);
}

/* SM-4 */
static void a9_line_and_fin_in_the_synack(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "SFP. 0:65 ack 1 mss 1000");
    expect(t, ". 1 ack 67");
    expect_state(t, TCPS_CLOSE_WAIT);
    talk_read(t, 65);
    assert_true(tcp_eof(t->tcp));
    talk_free(t);
}

static void a10_data_right_behind_the_synack(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "S. 0 ack 1 mss 1000");
    give(t, "P. 1:66 ack 1");
    expect(t, ". 1 ack 66");
    talk_read(t, 65);
    talk_free(t);
}

/* MUST-22 */
static void a11_syn_is_repeated_with_backoff(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    for (int64_t wait = 1; wait <= 16; wait *= 2) {
        expect_deadline(t, wait * S);
        expect(t, "S 0 mss 1000");
    }
    answer_and_finish(t);
}

/* MUST-10 */
static void a12_simultaneous_open(void **state)
{
    (void)state;
    static const char *const answers[] = {"S. 0 ack 1 mss 1000", ". 1 ack 1", "P. 1:66 ack 1"};
    static const char *const acks[] = {". 1 ack 1", "", ". 1 ack 66"};
    for (size_t i = 0; i < 3; i++) {
        struct talk *t = syn_sent();
        give(t, "S 0 mss 500");
        expect(t, "S. 0 ack 1 mss 1000");
        expect_state(t, TCPS_SYN_RECEIVED);
        give(t, answers[i]);
        expect(t, acks[i]);
        expect_state(t, TCPS_ESTABLISHED);
        assert_int_equal(talk_info(t).snd_mss, 500);
        talk_write(t, 10);
        expect(t, i == 2 ? "P. 1:11 ack 66" : "P. 1:11 ack 1");
        talk_free(t);
    }
}

static void must11_rst_after_simultaneous_open_is_refusal(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, "R 1");
    expect_reason(t, TCP_REFUSED);
    talk_free(t);
}

/* SM-18: the peer still has our old connection. Its ACK shows it, our RST ends it there, and the
 * SYN comes again without waiting for the timeout. */
static void a13_half_open_connection_recovers(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, ". 5000 ack 3000");
    expect(t, "R 3000");
    expect_state(t, TCPS_SYN_SENT);
    expect_deadline(t, 10 * MS);
    expect(t, "S 0 mss 1000");
    give(t, ". 5000 ack 3000"); /* once is enough: then the usual timeout */
    expect(t, "R 3000");
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000");
    answer_and_finish(t);
}

/* MUST-22, MUST-23 */
static void a17_syn_gives_up_180_s_after_the_first(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    int64_t begin = t->now;
    int syns = 1 + talk_wait(t);
    assert_int_equal((t->now - begin) / MS, 180000);
    assert_int_equal(syns, 8); /* at 0, 1, 3, 7, 15, 31, 63 and 127 s */
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);
}

/* SM-1 */
static void a18_forged_synacks_draw_few_rsts(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    char text[64];
    int rsts = 0;
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "S. %u ack %u", i * 77777, 2 + i * 30011 % 0x7ffffff0);
        give(t, text);
        rsts += talk_count(t);
        pass(t, 9 * NS_PER_US);
    }
    assert_true(rsts > 0 && rsts <= 10);
    answer_and_finish(t);
}

static void a19_synack_with_window_0(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    talk_establish(t, "S. 0 ack 1 win 0 mss 1000");
    talk_write(t, 65);
    expect(t, "");
    expect_deadline(t, 210 * MS);
    expect(t, ". 1:2 ack 1");
    give(t, ". 1 ack 1 win 1000");
    expect(t, "P. 1:66 ack 1");
    talk_free(t);
}

/* MUST-14, MUST-15 */
static void a20_mss_of_the_synack(void **state)
{
    (void)state;
    static const struct {
        const char *synack;
        unsigned mss;
    } cases[] = {
        {"S. 0 ack 1", 536},       {"S. 0 ack 1 mss 0", 536},      {"S. 0 ack 1 mss 1", 64},
        {"S. 0 ack 1 mss 47", 64}, {"S. 0 ack 1 mss 65535", 1000}, {"S. 0 ack 1 mss 700", 700},
        {"S. 0 ack 1 mss 64", 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk *t = talk_new();
        talk_establish(t, cases[i].synack);
        assert_int_equal(talk_info(t).snd_mss, cases[i].mss);
        talk_write(t, 1500);
        assert_true(talk_count(t) > 1);
        talk_free(t);
    }
}

static void must15_default_mss_over_ipv6_is_1220(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.flow.local.kind = t->config.flow.remote.kind = ADDR_IP6;
    t->config.mss = 1440;
    talk_establish(t, "S. 0 ack 1");
    assert_int_equal(talk_info(t).snd_mss, 1220);
    talk_free(t);
}

/* SHLD-8, RFC 3168 */
static void a21_ecn_flags_are_ignored(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "SEW. 0 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

/* RFC 6298 5.7 and RFC 5681 3.1. */
static void after_a_lost_syn_data_starts_slowly(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000");
    give(t, "S. 0 ack 1 mss 1000");
    expect(t, ". 1 ack 1");
    talk_write(t, 3000);
    expect(t, ". 1:1001 ack 1");
    expect_deadline(t, 3 * S);
    talk_free(t);
}

static void data_written_while_opening_follows_the_handshake(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    talk_write(t, 65);
    expect(t, "");
    give(t, "S. 0 ack 1 mss 1000");
    expect(t, "P. 1:66 ack 1");
    talk_free(t);
}

static void passive_open(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0 mss 700");
    expect_state(t, TCPS_SYN_RECEIVED);
    expect(t, "S. 0 ack 1 mss 1000");
    assert_int_equal(t->last.window, 10000);
    pass(t, 20 * MS);
    give(t, ". 1 ack 1");
    expect(t, "");
    expect_state(t, TCPS_ESTABLISHED);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_OPEN);
    assert_int_equal(talk_info(t).srtt / MS, 20);
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    talk_free(t);
}

/* MUST-22 */
static void passive_open_synack_is_repeated(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, "S 0"); /* theirs came again: only a SYN-ACK helps */
    expect(t, "S. 0 ack 1 mss 1000");
    expect_deadline(t, 1 * S);
    expect(t, "S. 0 ack 1 mss 1000");
    expect_deadline(t, 2 * S);
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, "P. 1:66 ack 1"); /* their ACK was lost, their data completes the handshake */
    expect(t, ". 1 ack 66");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

/* MUST-23 */
static void passive_open_gives_up(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0");
    int64_t begin = t->now;
    while (tcp_deadline(t->tcp) != TIME_NEVER) {
        talk_count(t);
        if (tcp_deadline(t->tcp) != TIME_NEVER)
            t->now = tcp_deadline(t->tcp);
    }
    assert_int_equal((t->now - begin) / S, 180);
    expect_reason(t, TCP_TIMED_OUT);
    talk_free(t);
}

static void passive_open_wrong_ack_is_reset(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, ". 1 ack 2");
    expect(t, "R 2");
    give(t, ". 1 ack 0");
    expect(t, "R 0");
    give(t, ". 1");
    give(t, "- 1");
    expect_state(t, TCPS_SYN_RECEIVED);
    give(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

static void passive_open_rst(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, "R 5");
    expect(t, ". 1 ack 1");
    give(t, "R 1");
    expect(t, "");
    expect_reason(t, TCP_REFUSED);
    talk_free(t);
}

static void passive_open_other_syn_is_challenged(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, "S 500");
    expect(t, ". 1 ack 1");
    expect_state(t, TCPS_SYN_RECEIVED);
    talk_free(t);
}

/* SM-4 */
static void data_and_fin_on_the_syn_wait_for_the_handshake(void **state)
{
    (void)state;
    struct talk *t = accepted("SF 0:65");
    expect(t, "S. 0 ack 66 mss 1000");
    assert_int_equal(tcp_readable(t->tcp), 0);
    expect_state(t, TCPS_SYN_RECEIVED);
    tcp_events(t->tcp);
    give(t, ". 67 ack 1");
    expect(t, ". 1 ack 67");
    expect_state(t, TCPS_CLOSE_WAIT);
    assert_true(tcp_events(t->tcp) & TCP_EVENT_READABLE);
    talk_read(t, 65);
    assert_true(tcp_eof(t->tcp));
    talk_free(t);
}

static void shutdown_in_syn_received_sends_fin_afterwards(void **state)
{
    (void)state;
    struct talk *t = accepted("S 0");
    expect(t, "S. 0 ack 1 mss 1000");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "");
    give(t, ". 1 ack 1");
    expect(t, "F. 1 ack 1");
    expect_state(t, TCPS_FIN_WAIT_1);
    talk_free(t);
}

/* MUST-56 */
static void g1_soft_icmp_while_opening(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    assert_true(tcp_unreachable(t->tcp, t->config.iss, false, t->now));
    expect_state(t, TCPS_SYN_SENT);
    pass(t, 180 * S);
    expect(t, "");
    expect_reason(t, TCP_UNREACHABLE);
    talk_free(t);
}

/* SHLD-26, RFC 5927 */
static void g2_hard_icmp_while_opening(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    assert_false(tcp_unreachable(t->tcp, t->config.iss + 1, true, t->now)); /* G8: not in flight */
    assert_false(tcp_unreachable(t->tcp, t->config.iss - 1, true, t->now));
    expect_state(t, TCPS_SYN_SENT);
    assert_true(tcp_unreachable(t->tcp, t->config.iss, true, t->now));
    expect_reason(t, TCP_UNREACHABLE);
    expect(t, "");
    talk_free(t);
}

/* SHLD-26 */
static void g3_hard_icmp_never_ends_an_open_connection(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    assert_true(tcp_unreachable(t->tcp, t->config.iss + 1, true, t->now));
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);
}

/* RFC 1191, RFC 5927 */
static void g5_fragmentation_needed_resends_in_smaller_pieces(void **state)
{
    (void)state;
    struct talk *t = talk_open();
    talk_write(t, 2000);
    expect(t, ". 1:1001 ack 1\nP. 1001:2001 ack 1");
    assert_false(tcp_path_mtu(t->tcp, t->config.iss + 2001, 800, t->now));
    expect(t, "");
    assert_true(tcp_path_mtu(t->tcp, t->config.iss + 1, 840, t->now));
    expect(t, ". 1:801 ack 1\n. 801:1601 ack 1\nP. 1601:2001 ack 1");
    assert_true(tcp_path_mtu(t->tcp, t->config.iss + 1, 1500, t->now)); /* never grows */
    expect(t, "");
    assert_int_equal(talk_info(t).snd_mss, 800);
    talk_free(t);
}

/* RFC 1191 */
static void g6_absurd_mtus_are_bounded(void **state)
{
    (void)state;
    static const struct {
        uint32_t mtu;
        unsigned mss;
    } cases[] = {{68, 512}, {1, 512}, {551, 512}, {552, 512}, {0, 966}, {65535, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk *t = talk_open();
        talk_write(t, 65);
        expect(t, "P. 1:66 ack 1");
        tcp_path_mtu(t->tcp, t->config.iss + 1, cases[i].mtu, t->now);
        assert_int_equal(talk_info(t).snd_mss, cases[i].mss);
        talk_free(t);
    }
}

/* RFC 8201 */
static void g7_packet_too_big_stops_at_1280(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.flow.local.kind = t->config.flow.remote.kind = ADDR_IP6;
    t->config.mss = 1440;
    talk_establish(t, "S. 0 ack 1 mss 1440");
    talk_write(t, 65);
    expect(t, "P. 1:66 ack 1");
    tcp_path_mtu(t->tcp, t->config.iss + 1, 600, t->now);
    assert_int_equal(talk_info(t).snd_mss, 1220);
    talk_free(t);
}

static void a_connection_opens_once(void **state)
{
    (void)state;
    struct talk *t = syn_sent();
    give(t, "S. 0 ack 1");
    give(t, "F. 1 ack 1");
    tcp_shutdown(t->tcp, t->now);
    expect(t, "F. 1 ack 2");
    give(t, ". 2 ack 2");
    expect_state(t, TCPS_CLOSED);
    tcp_connect(t->tcp, t->now);
    struct segment syn = talk_parse(t, "S 0");
    tcp_accept(t->tcp, &syn, t->now);
    tcp_shutdown(t->tcp, t->now);
    expect(t, "");
    expect_state(t, TCPS_CLOSED);
    assert_int_equal(tcp_write(t->tcp, "x", 1), 0);
    talk_free(t);
}

/* RFC 6298 2.1 */
static void defaults_are_those_of_the_header(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->config.mss = 0;
    t->config.sndbuf = t->config.rcvbuf = UINT32_MAX;
    talk_connect(t);
    expect(t, "S 0 mss 536");
    assert_int_equal(t->last.window, 65535);
    assert_int_equal(t->last.ttl, 64);
    assert_true(talk_info(t).rto == 1 * S);
    assert_true(flow_equal(tcp_flow(t->tcp), &t->config.flow));
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_main_job),
        cmocka_unit_test(a1_synack_ack_is_iss),
        cmocka_unit_test(a2_synack_ack_is_beyond_the_syn),
        cmocka_unit_test(a3_synack_with_rst_refuses),
        cmocka_unit_test(a4_rst_refuses_at_once),
        cmocka_unit_test(a5_rst_without_right_ack_is_dropped),
        cmocka_unit_test(a6_synack_again_is_acknowledged),
        cmocka_unit_test(a7_synack_with_other_isn_is_challenged),
        cmocka_unit_test(a8_segments_without_syn_are_dropped),
        cmocka_unit_test(a9_line_in_the_synack),
        cmocka_unit_test(a9_line_and_fin_in_the_synack),
        cmocka_unit_test(a10_data_right_behind_the_synack),
        cmocka_unit_test(a11_syn_is_repeated_with_backoff),
        cmocka_unit_test(a12_simultaneous_open),
        cmocka_unit_test(must11_rst_after_simultaneous_open_is_refusal),
        cmocka_unit_test(a13_half_open_connection_recovers),
        cmocka_unit_test(a17_syn_gives_up_180_s_after_the_first),
        cmocka_unit_test(a18_forged_synacks_draw_few_rsts),
        cmocka_unit_test(a19_synack_with_window_0),
        cmocka_unit_test(a20_mss_of_the_synack),
        cmocka_unit_test(must15_default_mss_over_ipv6_is_1220),
        cmocka_unit_test(a21_ecn_flags_are_ignored),
        cmocka_unit_test(after_a_lost_syn_data_starts_slowly),
        cmocka_unit_test(data_written_while_opening_follows_the_handshake),
        cmocka_unit_test(passive_open),
        cmocka_unit_test(passive_open_synack_is_repeated),
        cmocka_unit_test(passive_open_gives_up),
        cmocka_unit_test(passive_open_wrong_ack_is_reset),
        cmocka_unit_test(passive_open_rst),
        cmocka_unit_test(passive_open_other_syn_is_challenged),
        cmocka_unit_test(data_and_fin_on_the_syn_wait_for_the_handshake),
        cmocka_unit_test(shutdown_in_syn_received_sends_fin_afterwards),
        cmocka_unit_test(a_connection_opens_once),
        cmocka_unit_test(defaults_are_those_of_the_header),
        cmocka_unit_test(g1_soft_icmp_while_opening),
        cmocka_unit_test(g2_hard_icmp_while_opening),
        cmocka_unit_test(g3_hard_icmp_never_ends_an_open_connection),
        cmocka_unit_test(g5_fragmentation_needed_resends_in_smaller_pieces),
        cmocka_unit_test(g6_absurd_mtus_are_bounded),
        cmocka_unit_test(g7_packet_too_big_stops_at_1280),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
