/* pcap_live: on a veth pair and on lo, in a network namespace of its own. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "host_namespace.h"
#include "link/link.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { SECONDS = 5, ODD = 0x88b5 }; /* an Ethernet type for experiments: nobody else sends it */

static struct link *open_pcap(const char *iface, const char *filter, bool immediate, int snaplen)
{
    struct error err = {0};
    const struct pcap_setup setup = {.filter = filter, .immediate = immediate, .snaplen = snaplen};
    struct link *link = link_open_pcap(iface, &setup, &err);
    if (!link)
        print_error("%s\n", err.message);
    assert_non_null(link);
    return link;
}

static int next_frame(struct link *link, struct frame *frame)
{
    struct error err;
    int fds[LINK_FDS], got;
    assert_int_equal(link_fds(link, fds), 1);
    struct pollfd polled = {.fd = fds[0], .events = POLLIN};
    while ((got = link_recv(link, frame, &err)) == 0)
        if (poll(&polled, 1, SECONDS * 1000) <= 0)
            return 0;
    return got;
}

static void send_ethernet(struct link *link, const uint8_t *dst, uint16_t type, uint8_t mark,
                          size_t length)
{
    uint8_t bytes[1500] = {0};
    struct error err;
    memcpy(bytes, dst, 6);
    memcpy(bytes + 6, link->mac.bytes, 6);
    put16(bytes + 12, type);
    bytes[14] = mark;
    struct frame frame = {.bytes = bytes, .length = length};
    assert_true(link_send(link, &frame, &err));
}

static void hears_at_once(void **state)
{
    (void)state;
    static const uint8_t stranger[6] = {2, 0, 0, 0, 0, 99}, all[6] = {255, 255, 255, 255, 255, 255};
    struct error err;
    struct frame frame;
    struct link *tap = link_open_packet("tap0", NULL, &err);
    struct link *srv = link_open_packet("srv0", NULL, &err);
    assert_non_null(tap);
    assert_non_null(srv);
    struct link *pcap = open_pcap("srv0", "ether proto 0x88b5", true, 0);
    assert_int_equal(pcap->medium, LINK_ETHERNET);
    assert_true(addr_equal(&pcap->mac, &srv->mac));
    assert_int_equal(pcap->mtu, 1500);
    assert_string_equal(pcap->iface, "srv0");
    send_ethernet(tap, srv->mac.bytes, 0x88b6, 0, 60); /* not for the filter */
    send_ethernet(tap, srv->mac.bytes, ODD, 1, 60);
    send_ethernet(tap, stranger, ODD, 2, 60);
    send_ethernet(tap, all, ODD, 3, 60);
    send_ethernet(srv, tap->mac.bytes, ODD, 4, 60);
    static const unsigned flags[] = {0, 0, FRAME_NOT_MINE, 0, FRAME_OUT};
    for (uint8_t mark = 1; mark <= 4; mark++) {
        assert_int_equal(next_frame(pcap, &frame), 1);
        assert_int_equal(frame.length, 60);
        assert_int_equal(frame.original, 60);
        assert_int_equal(frame.bytes[14], mark);
        assert_int_equal(frame.flags, flags[mark]);
        assert_true(frame.time > INT64_C(1600000000) * NS_PER_S);
        assert_true(frame.time < INT64_C(9000000000) * NS_PER_S);
    }
    assert_int_equal(link_recv(pcap, &frame, &err), 0);

    /* At once: twenty questions and answers would take two seconds in blocks. */
    const struct clock clock = {0};
    int64_t began = clock_now(&clock);
    for (int i = 0; i < 20; i++) {
        send_ethernet(tap, all, ODD, 5, 60);
        assert_int_equal(next_frame(pcap, &frame), 1);
    }
    assert_true(clock_now(&clock) - began < NS_PER_S);
    assert_int_equal(link_drops(pcap), 0);
    assert_false(link_send(pcap, &frame, &err));
    assert_string_equal(err.code, "EOPNOTSUPP");
    link_close(tap);
    link_close(srv);
    link_close(pcap);
}

static void hears_in_blocks(void **state)
{
    (void)state;
    struct error err;
    struct frame frame;
    struct link *tap = link_open_packet("tap0", NULL, &err);
    struct link *pcap = open_pcap("srv0", "ether proto 0x88b5", false, 100);
    assert_non_null(tap);
    for (uint8_t mark = 1; mark <= 100; mark++)
        send_ethernet(tap, pcap->mac.bytes, ODD, mark, 1000);
    for (uint8_t mark = 1; mark <= 100; mark++) {
        assert_int_equal(next_frame(pcap, &frame), 1);
        assert_int_equal(frame.bytes[14], mark);
        assert_int_equal(frame.length, 100);
        assert_int_equal(frame.original, 1000);
    }
    link_close(tap);
    link_close(pcap);
}

static struct link *loopback(void)
{
    struct error err;
    static const struct addr local = {.kind = ADDR_IP4, .bytes = {127, 0, 0, 1}};
    struct link *raw = link_open_raw(&local, 0, &err);
    assert_non_null(raw);
    return raw;
}

/* A datagram of protocol 253, which is for experiments. */
static void send_datagram(struct link *raw)
{
    struct error err;
    uint8_t bytes[28] = {0x45, [8] = 64, [9] = 253, [12] = 127, [15] = 1, [16] = 127, [19] = 2};
    struct frame frame = {.bytes = bytes, .length = sizeof bytes};
    assert_true(link_send(raw, &frame, &err));
}

static void hears_loopback_once(void **state)
{
    (void)state;
    struct link *raw = loopback(), *pcap = open_pcap("lo", "ip proto 253", true, 0);
    struct frame frame;
    struct error err;
    send_datagram(raw);
    assert_int_equal(next_frame(pcap, &frame), 1);
    assert_int_equal(frame.flags, 0);
    assert_int_equal(frame.length, 42);
    assert_int_equal(link_recv(pcap, &frame, &err), 0);
    link_close(raw);
    link_close(pcap);
}

static void g19_takes_the_cooked_header_off(void **state)
{
    (void)state;
    struct link *raw = loopback(), *pcap = open_pcap("any", "ip proto 253", true, 0);
    struct frame frame;
    assert_int_equal(pcap->medium, LINK_IP);
    assert_int_equal(pcap->mac.kind, ADDR_NONE);
    send_datagram(raw);
    assert_int_equal(next_frame(pcap, &frame), 1);
    assert_int_equal(frame.length, 28);
    assert_int_equal(frame.original, 28);
    assert_int_equal(frame.bytes[0], 0x45);
    assert_int_equal(frame.bytes[9], 253);
    link_close(raw);
    link_close(pcap);

    /* ARP has no place on a link of datagrams: what follows it comes first. */
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    struct error err;
    struct link *tap = link_open_packet("tap0", NULL, &err);
    raw = loopback();
    pcap = open_pcap("any", "arp or ip proto 253", true, 0);
    send_ethernet(tap, all, 0x0806, 0, 60);
    send_datagram(raw);
    assert_int_equal(next_frame(pcap, &frame), 1);
    assert_int_equal(frame.bytes[9], 253);
    link_close(tap);
    link_close(raw);
    link_close(pcap);
}

static void assert_fails(const char *iface, const char *filter, const char *code, const char *says)
{
    struct error err;
    const struct pcap_setup setup = {.filter = filter};
    assert_null(link_open_pcap(iface, &setup, &err));
    assert_string_equal(err.code, code);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void says_why_not(void **state)
{
    (void)state;
    assert_fails("nosuch0", NULL, "ENODEV", "nosuch0");
    assert_fails("a\x1b[2Jb", NULL, "ENODEV", "a\\x1b[2Jb");
    assert_fails("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, "ENODEV", "15 characters");
    assert_fails("down0", NULL, "ENETDOWN", "ip link set down0 up");
    assert_fails("lo", "tcp port", "EINVAL", "syntax error");
    assert_fails("lo", "host www.example.com", "EINVAL", "not looked up");
}

static void g18_notices_the_end(void **state)
{
    (void)state;
    struct link *pcap = open_pcap("down1", NULL, true, 0);
    struct frame frame;
    struct error err;
    int fds[LINK_FDS], got;
    assert_int_equal(system("ip link del down1"), 0);
    while ((got = next_frame(pcap, &frame)) == 1)
        ;
    assert_int_equal(got, -1);
    assert_int_equal(link_recv(pcap, &frame, &err), -1); /* and stays so */
    assert_string_equal(err.code, "ENETDOWN");
    assert_non_null(strstr(err.message, "down1"));
    assert_int_equal(link_fds(pcap, fds), 0);
    link_close(pcap);

    pcap = open_pcap("srv0", NULL, true, 0);
    assert_int_equal(system("ip link set srv0 down"), 0);
    while ((got = next_frame(pcap, &frame)) == 1)
        ;
    assert_int_equal(got, -1);
    assert_int_equal(link_recv(pcap, &frame, &err), -1);
    assert_string_equal(err.code, "ENETDOWN");
    assert_non_null(strstr(err.message, "srv0"));
    link_close(pcap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hears_at_once),       cmocka_unit_test(hears_in_blocks),
        cmocka_unit_test(hears_loopback_once), cmocka_unit_test(g19_takes_the_cooked_header_off),
        cmocka_unit_test(says_why_not),        cmocka_unit_test(g18_notices_the_end),
    };
    int refused = namespace_enter();
    if (refused)
        return refused;
    if (system("ip link add tap0 type veth peer name srv0 && ip link set tap0 up && "
               "ip link set srv0 up && ip link add down0 type veth peer name down1 && "
               "ip link set down1 up") != 0) {
        printf("skipped: no veth pair to be had here (needs ip of iproute2, and veth)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
