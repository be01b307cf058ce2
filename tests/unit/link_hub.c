/* hub: datagrams go to whom they are for, by the paths of both ends, and links may come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "link/hub.h"

#include <cmocka.h> /* last: its fail() is a macro */

struct world {
    struct clock clock;
    struct hub *hub;
    struct hub_host *hosts[2];
    struct link *links[2]; /* 192.0.2.1 and .2 */
};

static struct addr address(uint32_t low)
{
    uint8_t bytes[4];
    put32(bytes, 0xc0000200 + low);
    return addr_from(ADDR_IP4, bytes);
}

static void world_open(struct world *w)
{
    struct error err;
    w->clock = (struct clock){.virtual = true, .now = NS_PER_S};
    assert_non_null(w->hub = hub_open(&w->clock, 1, 1500, &err));
    for (uint32_t i = 0; i < 2; i++) {
        struct addr addr = address(i + 1);
        assert_non_null(w->hosts[i] = hub_host(w->hub, &err));
        assert_non_null(w->links[i] = hub_link(w->hosts[i], &addr, &err));
    }
}

static void world_close(struct world *w)
{
    hub_release(w->hub); /* the links keep it */
    link_close(w->links[0]);
    link_close(w->links[1]);
}

static void change(struct world *w, int host, enum hub_way way, struct fault fault)
{
    path_change(hub_path(w->hosts[host], way), &fault, w->clock.now);
}

static void send_to(struct link *link, uint32_t low, size_t length)
{
    uint8_t ip[1500] = {0x45, [6] = 0x40, [9] = 6, [12] = 192, 0, 2, 1, 192, 0, 2, (uint8_t)low};
    struct error err;
    put16(ip + 2, (uint32_t)length);
    struct frame frame = {.bytes = ip, .length = length};
    assert_true(link_send(link, &frame, &err));
}

static bool received(struct link *link, struct frame *frame)
{
    struct error err;
    return link_recv(link, frame, &err) == 1;
}

static void it_goes_to_whom_it_is_for(void **state)
{
    (void)state;
    struct world w;
    struct frame in;
    struct error err;
    struct addr three = address(3), one = address(1);
    world_open(&w);
    struct link *third = hub_link(w.hosts[1], &three, &err); /* the same host */
    assert_non_null(third);
    assert_null(hub_link(w.hosts[1], &one, &err));
    assert_string_equal(err.code, "EADDRINUSE");

    send_to(w.links[0], 2, 100);
    send_to(w.links[0], 3, 200);
    send_to(w.links[0], 77, 300);
    assert_false(received(w.links[0], &in));
    assert_true(link_deadline(w.links[1]) <= w.clock.now);
    assert_true(received(w.links[1], &in));
    assert_int_equal(in.length, 100);
    assert_false(received(w.links[1], &in));
    assert_true(received(third, &in));
    assert_int_equal(in.length, 200);
    assert_int_equal(link_deadline(third), TIME_NEVER);
    link_close(third);
    send_to(w.links[0], 3, 200);
    assert_false(received(w.links[1], &in));

    uint8_t junk[19] = {0};
    assert_true(link_send(w.links[0], &(struct frame){.bytes = junk, .length = 19}, &err));
    uint8_t big[1501] = {0};
    assert_false(link_send(w.links[0], &(struct frame){.bytes = big, .length = 1501}, &err));
    assert_string_equal(err.code, "EMSGSIZE");
    world_close(&w);
}

static void both_paths_take_their_time(void **state)
{
    (void)state;
    struct world w;
    struct frame in;
    world_open(&w);
    change(&w, 0, HUB_SENDING, (struct fault){.delay = 3 * NS_PER_MS});
    change(&w, 1, HUB_RECEIVING, (struct fault){.delay = 4 * NS_PER_MS, .duplicate = 1});
    send_to(w.links[0], 2, 100);
    clock_advance(&w.clock, link_deadline(w.links[1]));
    assert_false(received(w.links[1], &in));
    clock_advance(&w.clock, link_deadline(w.links[0]));
    assert_int_equal(w.clock.now, NS_PER_S + 7 * NS_PER_MS);
    assert_true(received(w.links[1], &in));
    assert_true(received(w.links[1], &in));
    assert_false(received(w.links[1], &in));
    assert_int_equal(hub_path(w.hosts[1], HUB_RECEIVING)->counts.duplicated, 1);
    change(&w, 1, HUB_RECEIVING, (struct fault){.down = true});
    send_to(w.links[0], 2, 100);
    clock_advance(&w.clock, 2 * NS_PER_S);
    assert_false(received(w.links[1], &in));
    world_close(&w);
}

/* On either path, and the answer takes the sender's way back. */
static void too_big_comes_back(void **state)
{
    (void)state;
    for (int host = 0; host < 2; host++) {
        struct world w;
        struct frame in;
        world_open(&w);
        change(&w, host, host ? HUB_RECEIVING : HUB_SENDING, (struct fault){.mtu = 1000});
        change(&w, 0, HUB_RECEIVING, (struct fault){.delay = 5 * NS_PER_MS, .mtu = 68});
        send_to(w.links[0], 2, 1000);
        assert_true(received(w.links[1], &in));
        send_to(w.links[0], 2, 1001);
        assert_false(received(w.links[1], &in));
        assert_false(received(w.links[0], &in)); /* the answer itself was too big for 68 */
        change(&w, 0, HUB_RECEIVING, (struct fault){.delay = 5 * NS_PER_MS});
        send_to(w.links[0], 2, 1001);
        assert_false(received(w.links[0], &in));
        clock_advance(&w.clock, NS_PER_S + 5 * NS_PER_MS);
        assert_true(received(w.links[0], &in));
        assert_int_equal(in.bytes[20], 3);
        assert_int_equal(get16(in.bytes + 26), 1000);
        world_close(&w);
    }
}

/* What is on its way to a link that is closed is lost with it, and the rest keeps its order. */
static void a_link_closes_under_way(void **state)
{
    (void)state;
    struct world w;
    struct frame in;
    struct error err;
    struct addr three = address(3);
    world_open(&w);
    struct link *third = hub_link(w.hosts[1], &three, &err);
    change(&w, 1, HUB_RECEIVING, (struct fault){.delay = NS_PER_MS});
    for (int i = 0; i < 100; i++) {
        send_to(w.links[0], 3, 50);
        send_to(w.links[0], 2, (size_t)(100 + i));
    }
    link_close(third);
    clock_advance(&w.clock, 2 * NS_PER_S);
    for (size_t i = 0; i < 100; i++) {
        assert_true(received(w.links[1], &in));
        assert_int_equal(in.length, 100 + i);
    }
    assert_false(received(w.links[1], &in));
    send_to(w.links[0], 2, 100); /* and stays there */
    world_close(&w);
}

static void who_does_not_read_loses(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    for (int i = 0; i < 70000; i++)
        send_to(w.links[0], 2, 40);
    assert_int_equal(link_drops(w.links[1]), 70000 - 65536);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_to_whom_it_is_for), cmocka_unit_test(both_paths_take_their_time),
        cmocka_unit_test(too_big_comes_back),        cmocka_unit_test(a_link_closes_under_way),
        cmocka_unit_test(who_does_not_read_loses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
