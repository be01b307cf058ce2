/* The network: where many have news at once, what is done upon it leaves in one go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "stack/stack.h"

#include <cmocka.h> /* last: its fail() is a macro, (fail)() is ours */

enum { CONNECTIONS = 3, PORT = 80 };

static struct network network;
static struct listener *listener;
static struct endpoint *clients[CONNECTIONS], *servers[CONNECTIONS];

static struct tcp_info look(const struct endpoint *endpoint)
{
    struct tcp_info info;
    tcp_info(endpoint->tcp, &info);
    return info;
}

/* Whatever there is to do for now. */
static void settle_down(void)
{
    struct source *source;
    while (network_poll(&network, 0, &source) == POLL_SOURCE)
        ;
}

/* Both ends of a pair in one network, and connections from one to the other. */
static void join(bool virtual)
{
    static const uint8_t here[] = {192, 0, 2, 1}, there[] = {192, 0, 2, 2};
    struct addr near = addr_from(ADDR_IP4, here), far = addr_from(ADDR_IP4, there);
    struct endpoint_options options = {.src = far, .sport = PORT};
    struct link *ends[2];
    network_init(&network, &(struct network_options){.iface = ""});
    network.clock = (struct clock){.virtual = virtual, .now = NS_PER_S};
    assert_true(link_open_pair(ends, LINK_IP, 1500, &network.clock, NULL));
    assert_non_null(stack_attach(&network, ends[0], &near, false, NULL));
    assert_non_null(stack_attach(&network, ends[1], &far, false, NULL));
    listener = listener_open(&network, &options, CONNECTIONS, NULL);
    assert_non_null(listener);
    options = (struct endpoint_options){.src = near, .dst = far, .dport = PORT};
    for (int i = 0; i < CONNECTIONS; i++) {
        options.sport = (uint16_t)(40000 + i);
        clients[i] = endpoint_connect(&network, &options, NULL);
        assert_non_null(clients[i]);
        for (servers[i] = NULL; !servers[i]; servers[i] = listener_accept(listener))
            settle_down();
    }
    settle_down();
}

static int leave(void **state)
{
    (void)state;
    network_close(&network);
    for (int i = 0; i < CONNECTIONS; i++) {
        if (clients[i])
            endpoint_free(clients[i]);
        endpoint_free(servers[i]);
    }
    listener_free(listener);
    return 0;
}

/* There is news for many, and one has been handed out. */
static struct endpoint *one_of_many(void)
{
    struct source *source;
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(tcp_write(servers[i]->tcp, "news", 4), 4);
        endpoint_serve(servers[i]);
    }
    assert_int_equal(network_poll(&network, TIME_NEVER, &source), POLL_SOURCE);
    assert_non_null(network.ready_first);
    return clients[0];
}

static void what_is_written_waits_for_the_rest_of_the_news(void **state)
{
    (void)state;
    join(false);
    struct endpoint *endpoint = one_of_many();
    uint64_t sent = look(endpoint).segs_out;
    tcp_write(endpoint->tcp, "answer", 6);
    endpoint_serve(endpoint);
    assert_int_equal(look(endpoint).segs_out, sent);
    settle_down();
    assert_int_equal(tcp_readable(servers[0]->tcp), 6);
}

static void it_leaves_at_once_where_there_is_no_more(void **state)
{
    (void)state;
    join(false);
    uint64_t sent = look(clients[0]).segs_out;
    tcp_write(clients[0]->tcp, "hello", 5);
    endpoint_serve(clients[0]);
    assert_int_equal(look(clients[0]).segs_out, sent + 1);
}

static void a_virtual_clock_stands_still_meanwhile(void **state)
{
    (void)state;
    join(true);
    struct endpoint *endpoint = one_of_many();
    uint64_t sent = look(endpoint).segs_out;
    tcp_write(endpoint->tcp, "answer", 6);
    endpoint_serve(endpoint);
    assert_int_equal(look(endpoint).segs_out, sent + 1);
}

static void a_reset_comes_after_what_waits(void **state)
{
    (void)state;
    join(false);
    struct endpoint *endpoint = one_of_many();
    tcp_write(endpoint->tcp, "answer", 6);
    endpoint_serve(endpoint);
    endpoint_abort(endpoint);
    settle_down();
    assert_int_equal(look(servers[0]).bytes_received, 6);
    assert_int_equal(tcp_reason(servers[0]->tcp), TCP_RESET);
}

static void and_after_what_waits_of_one_let_go_of(void **state)
{
    (void)state;
    join(false);
    struct endpoint *endpoint = one_of_many();
    tcp_write(endpoint->tcp, "answer", 6);
    endpoint_serve(endpoint);
    endpoint_free(endpoint);
    clients[0] = NULL;
    settle_down();
    assert_int_equal(look(servers[0]).bytes_received, 6);
    assert_int_equal(tcp_reason(servers[0]->tcp), TCP_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_written_waits_for_the_rest_of_the_news, leave),
        cmocka_unit_test_teardown(it_leaves_at_once_where_there_is_no_more, leave),
        cmocka_unit_test_teardown(a_virtual_clock_stands_still_meanwhile, leave),
        cmocka_unit_test_teardown(a_reset_comes_after_what_waits, leave),
        cmocka_unit_test_teardown(and_after_what_waits_of_one_let_go_of, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
