/* Fast Open (RFC 7413), both ends. */
#include "tcp_conversation.h"

static struct talk *talk_with(const char *cookie)
{
    struct talk *t = talk_new();
    t->config.fast_open = true;
    t->config.cookie.length = (uint8_t)strlen(cookie);
    memcpy(t->config.cookie.bytes, cookie, strlen(cookie));
    return t;
}

/* The client's end, with `length` bytes to send and its SYN not yet out. */
static struct talk *talk_client(const char *cookie, uint16_t mss, size_t length)
{
    struct talk *t = talk_with(cookie);
    t->config.cookie.mss = mss;
    talk_connect(t);
    talk_write(t, length);
    return t;
}

/* The server's end, after the client's SYN. */
static struct talk *talk_server(const char *syn)
{
    struct talk *t = talk_with("abcdefgh");
    t->tcp = tcp_new(&t->config);
    assert_non_null(t->tcp);
    struct segment s = talk_parse(t, syn);
    tcp_accept(t->tcp, &s, t->now);
    talk_check(t);
    return t;
}

static void assert_cookie(const struct talk *t, const char *wanted)
{
    const struct tcp_cookie *cookie = tcp_cookie(t->tcp);
    assert_int_equal(cookie->length, strlen(wanted));
    assert_memory_equal(cookie->bytes, wanted, cookie->length);
}

/* RFC 7413 3.1: a SYN without data asks for a cookie. */
static void a_client_asks_for_a_cookie(void **state)
{
    (void)state;
    struct talk *t = talk_client("", 0, 50);
    expect(t, "S 0 mss 1000 tfo -");
    pass(t, 10 * MS);
    give(t, "S. 0 ack 1 mss 900 tfo qrstuvwx");
    expect(t, "P. 1:51 ack 1");
    assert_cookie(t, "qrstuvwx");
    assert_int_equal(tcp_cookie(t->tcp)->mss, 900);
    assert_false(talk_info(t).syn_data);
    talk_free(t);
}

/* RFC 7413 4.2.1: what the SYN carried is acknowledged with it. */
static void a_client_sends_data_in_its_syn(void **state)
{
    (void)state;
    struct talk *t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    pass(t, 10 * MS);
    give(t, "S. 0 ack 101 mss 900");
    expect(t, ". 101 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    assert_cookie(t, "abcdefgh");
    assert_true(talk_info(t).syn_data);
    assert_int_equal(talk_info(t).bytes_acked, 100);
    assert_int_equal(talk_info(t).srtt, 10 * MS);
    assert_int_equal(talk_info(t).retransmits, 0);
    talk_write(t, 10);
    expect(t, "P. 101:111 ack 1");
    give(t, "P. 1:11 ack 111");
    talk_read(t, 10);
    talk_free(t);
}

/* RFC 7413 4.2.1: of the data only what fits into the segment that the server takes; without its
 * MSS that is the default. */
static void a_syn_is_not_larger_than_a_segment(void **state)
{
    (void)state;
    struct talk *t = talk_client("abcdefgh", 0, 5000);
    expect(t, "S 0:520 mss 1000 tfo abcdefgh"); /* 536 less the options */
    talk_free(t);
    t = talk_client("abcdefgh", 800, 5000);
    expect(t, "S 0:784 mss 1000 tfo abcdefgh");
    give(t, "S. 0 ack 785 mss 1000");
    expect(t, ". 785:1785 ack 1\n. 1785:2785 ack 1\n. 2785:3785 ack 1\n. 3785:4785 ack 1\nP. "
              "4785:5001 ack 1");
    talk_free(t);
    t = talk_client("abcdefgh", 2000, 5000);
    expect(t, "S 0:984 mss 1000 tfo abcdefgh");
    talk_free(t);
}

/* RFC 7413 4.2.1: what is not acknowledged is sent again at once, from where the ACK stands. */
static void data_that_a_server_leaves_is_sent_again(void **state)
{
    (void)state;
    struct talk *t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    give(t, "S. 0 ack 1 mss 900");
    expect(t, "P. 1:101 ack 1");
    assert_cookie(t, ""); /* it is of no use any more */
    assert_false(talk_info(t).syn_data);
    give(t, ". 1 ack 101");
    expect(t, "");
    assert_int_equal(talk_info(t).bytes_acked, 100);
    talk_free(t);

    t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    give(t, "S. 0 ack 41 mss 900 tfo zyxwvuts");
    expect(t, "P. 41:101 ack 1");
    assert_cookie(t, "zyxwvuts");
    talk_free(t);
}

/* RFC 7413 4.1.3.1, 4.2.1: after a timeout neither option nor data, but an ACK of the first SYN's
 * data still counts. */
static void a_syn_that_is_repeated_is_plain(void **state)
{
    (void)state;
    struct talk *t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000");
    assert_int_equal(talk_info(t).retransmits, 1);
    give(t, "S. 0 ack 101 mss 900");
    expect(t, ". 101 ack 1");
    assert_true(talk_info(t).syn_data);
    talk_free(t);

    t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    expect_deadline(t, 1 * S);
    expect(t, "S 0 mss 1000");
    give(t, "S. 0 ack 1 mss 900");
    expect(t, "P. 1:101 ack 1");
    talk_free(t);
}

static void an_ack_beyond_the_syns_data_is_refused(void **state)
{
    (void)state;
    struct talk *t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    give(t, "S. 0 ack 102 mss 900");
    expect(t, "R 102");
    expect_state(t, TCPS_SYN_SENT);
    talk_free(t);
    t = talk_client("", 0, 100); /* nothing went with this SYN */
    expect(t, "S 0 mss 1000 tfo -");
    give(t, "S. 0 ack 2 mss 900");
    expect(t, "R 2");
    talk_free(t);
}

/* Two SYNs with data that cross; the other side takes ours with its SYN-ACK. */
static void syns_with_data_cross(void **state)
{
    (void)state;
    struct talk *t = talk_client("abcdefgh", 0, 100);
    expect(t, "S 0:100 mss 1000 tfo abcdefgh");
    give(t, "S 0 mss 900 tfo -");
    expect(t, "S. 0 ack 1 mss 1000");
    give(t, "S. 0 ack 101 mss 900");
    expect_state(t, TCPS_ESTABLISHED);
    expect(t, ". 101 ack 1");
    assert_int_equal(talk_info(t).bytes_acked, 100);
    talk_free(t);
}

/* RFC 7413 4.2.2: who asks gets one; the data of who shows another does not count. */
static void a_server_gives_cookies(void **state)
{
    (void)state;
    struct talk *t = talk_server("S 0 mss 1000 tfo -");
    assert_false(tcp_is_early(t->tcp));
    expect(t, "S. 0 ack 1 mss 1000 tfo abcdefgh");
    give(t, ". 1 ack 1");
    expect_state(t, TCPS_ESTABLISHED);
    talk_free(t);

    static const char *const wrong[] = {"abcdefgi", "abcdef", "abcdefghij", "-"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char syn[60];
        snprintf(syn, sizeof syn, "SF 0:20 mss 1000 tfo %s", wrong[i]);
        t = talk_server(syn);
        assert_false(tcp_is_early(t->tcp));
        expect(t, "S. 0 ack 1 mss 1000 tfo abcdefgh");
        assert_int_equal(tcp_readable(t->tcp), 0);
        give(t, "P. 1:21 ack 1");
        talk_read(t, 20);
        assert_false(talk_info(t).syn_data);
        talk_free(t);
    }
}

/* RFC 7413 4.2.2: with the right cookie the data is there, and is answered before the ACK. */
static void a_server_answers_before_the_ack(void **state)
{
    (void)state;
    struct talk *t = talk_server("S 0:20 mss 1000 tfo abcdefgh");
    assert_true(tcp_is_early(t->tcp));
    assert_true(talk_info(t).syn_data);
    talk_read(t, 20);
    talk_write(t, 2500);
    expect(t, "S. 0 ack 21 mss 1000\n. 1:1001 ack 21\n. 1001:2001 ack 21\nP. 2001:2501 ack 21");
    expect_state(t, TCPS_SYN_RECEIVED);
    pass(t, 10 * MS);
    give(t, ". 21 ack 1"); /* the SYN-ACK's, and the answer is on its way */
    expect_state(t, TCPS_ESTABLISHED);
    expect(t, "");
    give(t, ". 21 ack 2501");
    expect(t, "");
    assert_int_equal(talk_info(t).bytes_acked, 2500);
    assert_int_equal(talk_info(t).retransmits, 0);
    talk_free(t);

    t = talk_server("S 0:20 mss 1000 tfo abcdefgh"); /* and one ACK for all of it */
    talk_write(t, 300);
    expect(t, "S. 0 ack 21 mss 1000\nP. 1:301 ack 21");
    give(t, "P. 21:31 ack 301");
    expect(t, ". 301 ack 31");
    talk_read(t, 30);
    assert_int_equal(talk_info(t).bytes_acked, 300);
    talk_free(t);
}

/* A cookie without data opens as well: the server may speak first. */
static void a_cookie_alone_opens(void **state)
{
    (void)state;
    struct talk *t = talk_server("S 0 mss 1000 tfo abcdefgh");
    assert_true(tcp_is_early(t->tcp));
    assert_false(talk_info(t).syn_data);
    talk_write(t, 10);
    expect(t, "S. 0 ack 1 mss 1000\nP. 1:11 ack 1");
    talk_free(t);
}

/* A lost SYN-ACK is sent again alone; what followed it goes when the handshake is done. */
static void lost_early_answers_wait_for_the_ack(void **state)
{
    (void)state;
    struct talk *t = talk_server("S 0:20 mss 1000 tfo abcdefgh");
    talk_write(t, 300);
    expect(t, "S. 0 ack 21 mss 1000\nP. 1:301 ack 21");
    expect_deadline(t, 1 * S);
    expect(t, "S. 0 ack 21 mss 1000");
    give(t, "S 0 mss 1000"); /* and the client's plain SYN draws another */
    expect(t, "S. 0 ack 21 mss 1000");
    talk_write(t, 100);
    expect(t, "");
    give(t, ". 21 ack 1");
    expect(t, "P. 1:401 ack 21");
    give(t, ". 21 ack 401");
    expect(t, "");
    talk_free(t);
}

/* Our FIN waits for the handshake, the peer's is heard when it is done. */
static void an_early_close_waits_for_the_ack(void **state)
{
    (void)state;
    struct talk *t = talk_server("SF 0:20 mss 1000 tfo abcdefgh");
    talk_read(t, 20);
    assert_false(tcp_eof(t->tcp));
    talk_write(t, 100);
    tcp_shutdown(t->tcp, t->now);
    expect(t, "S. 0 ack 21 mss 1000\nP. 1:101 ack 21");
    give(t, ". 22 ack 1");
    talk_free(t);

    t = talk_server("S 0:20 mss 1000 tfo abcdefgh");
    talk_write(t, 100);
    tcp_shutdown(t->tcp, t->now);
    expect(t, "S. 0 ack 21 mss 1000\nP. 1:101 ack 21");
    give(t, ". 21 ack 101");
    expect(t, "F. 101 ack 21");
    expect_state(t, TCPS_FIN_WAIT_1);
    talk_free(t);
}

static void an_early_connection_can_be_reset(void **state)
{
    (void)state;
    struct talk *t = talk_server("S 0:20 mss 1000 tfo abcdefgh");
    expect(t, "S. 0 ack 21 mss 1000");
    give(t, "R 21");
    expect_state(t, TCPS_CLOSED);
    expect(t, "");
    talk_free(t);

    t = talk_server("S 0:20 mss 1000 tfo abcdefgh");
    expect(t, "S. 0 ack 21 mss 1000");
    tcp_abort(t->tcp, t->now);
    expect(t, "R. 1 ack 21");
    talk_free(t);
}

/* A window that is closed in the SYN is probed when the handshake is done, not before. */
static void an_early_answer_keeps_to_the_window(void **state)
{
    (void)state;
    struct talk *t = talk_server("S 0:20 mss 1000 win 0 tfo abcdefgh");
    talk_write(t, 300);
    expect(t, "S. 0 ack 21 mss 1000");
    give(t, ". 21 ack 1 win 100");
    expect(t, ". 1:101 ack 21");
    talk_free(t);
}

/* Without fast_open the option means nothing, on either side. */
static void without_it_the_option_is_ignored(void **state)
{
    (void)state;
    struct talk *t = talk_new();
    t->tcp = tcp_new(&t->config);
    struct segment syn = talk_parse(t, "S 0:20 mss 1000 tfo abcdefgh");
    tcp_accept(t->tcp, &syn, t->now);
    assert_false(tcp_is_early(t->tcp));
    expect(t, "S. 0 ack 21 mss 1000");
    assert_int_equal(tcp_readable(t->tcp), 0);
    talk_free(t);

    t = talk_new();
    talk_connect(t);
    talk_write(t, 100);
    expect(t, "S 0 mss 1000");
    give(t, "S. 0 ack 1 mss 1000 tfo abcdefgh");
    expect(t, "P. 1:101 ack 1");
    assert_cookie(t, "");
    talk_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_asks_for_a_cookie),
        cmocka_unit_test(a_client_sends_data_in_its_syn),
        cmocka_unit_test(a_syn_is_not_larger_than_a_segment),
        cmocka_unit_test(data_that_a_server_leaves_is_sent_again),
        cmocka_unit_test(a_syn_that_is_repeated_is_plain),
        cmocka_unit_test(an_ack_beyond_the_syns_data_is_refused),
        cmocka_unit_test(syns_with_data_cross),
        cmocka_unit_test(a_server_gives_cookies),
        cmocka_unit_test(a_server_answers_before_the_ack),
        cmocka_unit_test(a_cookie_alone_opens),
        cmocka_unit_test(lost_early_answers_wait_for_the_ack),
        cmocka_unit_test(an_early_close_waits_for_the_ack),
        cmocka_unit_test(an_early_connection_can_be_reset),
        cmocka_unit_test(an_early_answer_keeps_to_the_window),
        cmocka_unit_test(without_it_the_option_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
