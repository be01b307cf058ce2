/* packet socket: on a veth pair in a network namespace of its own; the kernel has 192.0.2.2 on
 * srv0, and nobody has 192.0.2.1 on tap0. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <netinet/in.h>
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
#include "packet/segment.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { PORT = 40001, SECONDS = 5 };

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t ip1[4] = {192, 0, 2, 1}, ip2[4] = {192, 0, 2, 2};

static struct link *open_link(const char *iface, const char *filter)
{
    struct error err = {0};
    struct link *link = link_open_packet(iface, filter, &err);
    if (!link)
        print_error("%s\n", err.message);
    assert_non_null(link);
    return link;
}

/* The next frame of an Ethernet type, others (IPv6 that the kernel sends by itself) left out. */
static int next_frame(struct link *link, struct frame *frame, uint16_t type, bool wait)
{
    struct error err;
    int fds[LINK_FDS];
    assert_int_equal(link_fds(link, fds), 1);
    for (;;) {
        struct pollfd polled = {.fd = fds[0], .events = POLLIN};
        if (wait)
            poll(&polled, 1, SECONDS * 1000);
        int got = link_recv(link, frame, &err);
        if (got <= 0 || (frame->length >= 14 && get16(frame->bytes + 12) == type))
            return got;
    }
}

static void send_frame(struct link *link, const uint8_t *bytes, size_t length)
{
    struct error err = {0};
    struct frame frame = {.bytes = bytes, .length = length};
    if (!link_send(link, &frame, &err))
        fail_msg("%s", err.message);
}

static void ethernet(uint8_t *bytes, const uint8_t *dst, const struct link *src, uint16_t type)
{
    memcpy(bytes, dst, 6);
    memcpy(bytes + 6, src->mac.bytes, 6);
    put16(bytes + 12, type);
}

/* Who has 192.0.2.2? Tell 192.0.2.1: the kernel answers, and knows us from then on. */
static void ask(struct link *link)
{
    uint8_t p[42] = {[15] = 1, [16] = 8, [18] = 6, [19] = 4, [21] = 1};
    ethernet(p, broadcast, link, 0x0806);
    memcpy(p + 22, link->mac.bytes, 6);
    memcpy(p + 28, ip1, 4);
    memcpy(p + 38, ip2, 4);
    send_frame(link, p, sizeof p);
}

static size_t segment(uint8_t *bytes, size_t size, uint16_t sport, uint16_t dport)
{
    struct segment s = {.src = addr_from(ADDR_IP4, ip1),
                        .dst = addr_from(ADDR_IP4, ip2),
                        .sport = sport,
                        .dport = dport,
                        .seq = 1000,
                        .flags = TCP_SYN,
                        .ttl = 64,
                        .payload = (const uint8_t *)""};
    size_t length = segment_write(&s, bytes, size);
    assert_true(length > 0);
    return length;
}

static void send_segment(struct link *link, const uint8_t *dst, uint16_t sport, uint16_t dport)
{
    uint8_t bytes[200];
    ethernet(bytes, dst, link, 0x0800);
    send_frame(link, bytes, 14 + segment(bytes + 14, sizeof bytes - 14, sport, dport));
}

static void talks_to_the_kernel(void **state)
{
    (void)state;
    struct link *tap = open_link("tap0", NULL), *srv = open_link("srv0", NULL);
    struct frame frame;
    struct error err;
    struct segment s;
    assert_int_equal(tap->medium, LINK_ETHERNET);
    assert_int_equal(tap->mac.kind, ADDR_MAC);
    assert_int_equal(tap->mtu, 1500);
    assert_string_equal(tap->iface, "tap0");
    ask(tap);
    assert_int_equal(next_frame(tap, &frame, 0x0806, true), 1);
    assert_int_equal(frame.flags, 0);
    assert_int_equal(frame.length, frame.original);
    assert_memory_equal(frame.bytes, tap->mac.bytes, 6);
    assert_memory_equal(frame.bytes + 22, srv->mac.bytes, 6);
    assert_true(frame.time > INT64_C(1600000000) * NS_PER_S);

    /* srv0 saw the question come and the kernel's answer leave; tap0 not what it sent itself. */
    assert_int_equal(next_frame(srv, &frame, 0x0806, true), 1);
    assert_int_equal(frame.flags, 0);
    assert_int_equal(next_frame(srv, &frame, 0x0806, true), 1);
    assert_int_equal(frame.flags, FRAME_OUT);
    assert_int_equal(next_frame(tap, &frame, 0x0806, false), 0);

    /* A listener's SYN-ACK leaves with its checksum unfinished. */
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
    assert_true(link_ports(tap, PORT, PORT, &err));
    send_segment(tap, srv->mac.bytes, PORT, ntohs(name.sin_port));
    assert_int_equal(next_frame(tap, &frame, 0x0800, true), 1);
    assert_int_equal(frame.flags, FRAME_PARTIAL);
    assert_int_equal(segment_read(&s, frame.bytes + 14, frame.length - 14, false), SEGMENT_OK);
    assert_int_equal(s.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(s.ack, 1001);
    assert_true(s.checksum_partial);
    close(fd);
    assert_int_equal(link_drops(tap), 0);
    link_close(tap);
    link_close(srv);
}

static void marks_what_is_not_for_us(void **state)
{
    (void)state;
    static const uint8_t stranger[6] = {2, 0, 0, 0, 0, 99};
    struct link *tap = open_link("tap0", NULL), *srv = open_link("srv0", NULL);
    struct frame frame;
    uint8_t bytes[200], tagged[204];
    send_segment(tap, stranger, 1, 2);
    assert_int_equal(next_frame(srv, &frame, 0x0800, true), 1);
    assert_int_equal(frame.flags, FRAME_NOT_MINE);

    ethernet(bytes, srv->mac.bytes, tap, 0x0800);
    size_t length = 14 + segment(bytes + 14, sizeof bytes - 14, 1, 2);
    memcpy(tagged, bytes, 12);
    put32(tagged + 12, UINT32_C(0x81000005)); /* 802.1Q, VLAN 5 */
    memcpy(tagged + 16, bytes + 12, length - 12);
    send_frame(tap, tagged, length + 4);
    assert_int_equal(next_frame(srv, &frame, 0x0800, true), 1);
    assert_true(frame.flags & FRAME_VLAN);
    assert_int_equal(frame.length, length);
    link_close(tap);
    link_close(srv);
}

static void narrows_to_ports(void **state)
{
    (void)state;
    struct link *tap = open_link("tap0", NULL), *srv = open_link("srv0", NULL);
    struct frame frame;
    struct error err;
    struct segment s;
    uint8_t udp[60] = {0}, six[74] = {0};
    assert_true(link_ports(srv, PORT, PORT + 1, &err));
    static const uint16_t ports[][2] = {{1, PORT - 1}, {1, PORT + 2},    {PORT - 1, 1},
                                        {PORT + 2, 1}, {1, PORT},        {1, PORT + 1},
                                        {PORT, 1},     {PORT + 1, 40009}};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        send_segment(tap, srv->mac.bytes, ports[i][0], ports[i][1]);
    for (size_t i = 4; i < sizeof ports / sizeof ports[0]; i++) {
        do
            assert_int_equal(next_frame(srv, &frame, 0x0800, true), 1);
        while (frame.flags & FRAME_OUT); /* the kernel's resets */
        assert_int_equal(segment_read(&s, frame.bytes + 14, frame.length - 14, false), SEGMENT_OK);
        assert_int_equal(s.sport, ports[i][0]);
        assert_int_equal(s.dport, ports[i][1]);
    }

    /* Not TCP, or not its first fragment: comes in. */
    ethernet(udp, srv->mac.bytes, tap, 0x0800);
    udp[14] = 0x45;
    udp[23] = IPPROTO_UDP;
    send_frame(tap, udp, sizeof udp);
    udp[23] = IPPROTO_TCP;
    udp[21] = 1;
    send_frame(tap, udp, sizeof udp);
    for (int i = 0; i < 2; i++) {
        do
            assert_int_equal(next_frame(srv, &frame, 0x0800, true), 1);
        while (frame.flags & FRAME_OUT || get32(frame.bytes + 26) != 0);
        assert_int_equal(frame.bytes[23], i ? IPPROTO_TCP : IPPROTO_UDP);
    }

    /* IPv6: told apart by a byte of the flow label. */
    ethernet(six, srv->mac.bytes, tap, 0x86dd);
    six[14] = 0x60;
    six[20] = IPPROTO_TCP;
    static const struct {
        uint16_t dport;
        uint8_t next, mark;
    } rows[] = {{PORT - 1, IPPROTO_TCP, 1},
                {PORT, IPPROTO_TCP, 2},
                {PORT + 2, IPPROTO_TCP, 3},
                {1, IPPROTO_ICMPV6, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put16(six + 56, rows[i].dport);
        six[20] = rows[i].next;
        six[17] = rows[i].mark;
        send_frame(tap, six, sizeof six);
    }
    for (uint8_t mark = 2; mark <= 4; mark = (uint8_t)(mark + 2)) {
        do
            assert_int_equal(next_frame(srv, &frame, 0x86dd, true), 1);
        while (frame.bytes[17] == 0 || frame.bytes[17] > 4 || frame.flags & FRAME_OUT);
        assert_int_equal(frame.bytes[17], mark);
    }

    /* Another Ethernet type does not: what comes after it is what follows it. */
    put16(udp + 12, 0x9000);
    send_frame(tap, udp, sizeof udp);
    ask(tap);
    for (uint16_t type = 0; type != 0x0806; type = get16(frame.bytes + 12)) {
        struct pollfd polled = {.events = POLLIN};
        int fds[LINK_FDS];
        link_fds(srv, fds);
        polled.fd = fds[0];
        poll(&polled, 1, SECONDS * 1000);
        assert_int_equal(link_recv(srv, &frame, &err), 1);
        assert_int_not_equal(get16(frame.bytes + 12), 0x9000);
    }
    link_close(tap);
    link_close(srv);
}

static void takes_an_expression(void **state)
{
    (void)state;
    struct link *tap = open_link("tap0", NULL), *srv = open_link("srv0", "tcp dst port 7");
    struct frame frame;
    struct error err;
    assert_true(link_ports(srv, PORT, PORT, &err)); /* leaves it alone */
    send_segment(tap, srv->mac.bytes, 1, PORT);
    send_segment(tap, srv->mac.bytes, 1, 7);
    assert_int_equal(next_frame(srv, &frame, 0x0800, true), 1);
    assert_int_equal(get16(frame.bytes + 36), 7);
    assert_int_equal(next_frame(srv, &frame, 0x0800, false), 0);
    link_close(tap);
    link_close(srv);
    assert_null(link_open_packet("tap0", "host www.example.com", &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

static void assert_fails(const char *iface, const char *code, const char *says)
{
    struct error err;
    assert_null(link_open_packet(iface, NULL, &err));
    assert_string_equal(err.code, code);
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void says_why_not(void **state)
{
    (void)state;
    struct error err;
    static uint8_t big[3000];
    assert_fails("nosuch0", "ENODEV", "nosuch0");
    assert_fails("a\x1b[2Jb", "ENODEV", "a\\x1b[2Jb");
    assert_fails("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ENODEV", "15 characters");
    assert_fails("down0", "ENETDOWN", "ip link set down0 up");
    struct link *tap = open_link("tap0", NULL);
    struct frame frame = {.bytes = big, .length = sizeof big};
    assert_false(link_send(tap, &frame, &err));
    assert_string_equal(err.code, "EMSGSIZE");
    frame = (struct frame){.bytes = big, .length = 13};
    assert_false(link_send(tap, &frame, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    link_close(tap);
}

static void assert_quiet(struct link *link)
{
    int fds[LINK_FDS];
    link_fds(link, fds);
    struct pollfd polled = {.fd = fds[0], .events = POLLIN};
    poll(&polled, 1, 0);
    assert_false(polled.revents & POLLERR); /* nothing for a loop to spin on */
}

static void g18_notices_the_end(void **state)
{
    (void)state;
    struct link *link = open_link("down1", NULL);
    struct frame frame;
    struct error err;
    static const uint8_t bytes[60] = {0};
    assert_int_equal(system("ip link set down1 down"), 0);
    int got;
    while ((got = link_recv(link, &frame, &err)) == 1)
        ;
    assert_int_equal(got, -1);
    assert_string_equal(err.code, "ENETDOWN");
    assert_non_null(strstr(err.message, "down1"));
    assert_quiet(link);
    struct frame out = {.bytes = bytes, .length = sizeof bytes};
    assert_false(link_send(link, &out, &err));
    assert_string_equal(err.code, "ENETDOWN");

    assert_int_equal(system("ip link set down1 up"), 0);
    while (link_recv(link, &frame, &err) == 1)
        ;
    assert_int_equal(system("ip link del down1"), 0);
    while ((got = link_recv(link, &frame, &err)) == 1)
        ;
    assert_int_equal(got, -1);
    assert_string_equal(err.code, "ENODEV");
    assert_quiet(link);
    assert_false(link_send(link, &out, &err));
    assert_string_equal(err.code, "ENODEV");
    link_close(link);
}

static void g19_knows_a_tun(void **state)
{
    (void)state;
    struct ifreq request = {.ifr_name = "tun7", .ifr_flags = IFF_TUN | IFF_NO_PI};
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0) {
        print_message("skipped: no tun here: %s\n", strerror(errno));
        if (tun >= 0)
            close(tun);
        skip();
    }
    assert_int_equal(system("ip link set tun7 up"), 0);
    struct link *link = open_link("tun7", "tcp");
    uint8_t bytes[100], out[200];
    struct frame frame;
    assert_int_equal(link->medium, LINK_IP);
    assert_int_equal(link->mac.kind, ADDR_NONE);
    size_t length = segment(bytes, sizeof bytes, 1, 2);
    assert_int_equal(write(tun, bytes, length), length);
    int fds[LINK_FDS];
    link_fds(link, fds);
    struct pollfd polled = {.fd = fds[0], .events = POLLIN};
    poll(&polled, 1, SECONDS * 1000);
    struct error err;
    assert_int_equal(link_recv(link, &frame, &err), 1);
    assert_int_equal(frame.length, length);
    assert_memory_equal(frame.bytes, bytes, length);
    bytes[1] = 0x28; /* marks ours among what the kernel sends */
    send_frame(link, bytes, length);
    ssize_t n;
    do {
        polled = (struct pollfd){.fd = tun, .events = POLLIN};
        assert_int_equal(poll(&polled, 1, SECONDS * 1000), 1);
        n = read(tun, out, sizeof out);
    } while (n > 1 && out[1] != 0x28);
    assert_int_equal(n, length);
    assert_memory_equal(out, bytes, length);
    link_close(link);

    /* The same device with another type of link layer. */
    assert_int_equal(system("ip link set tun7 down"), 0);
    assert_int_equal(ioctl(tun, TUNSETLINK, ARPHRD_PPP), 0);
    assert_int_equal(system("ip link set tun7 up"), 0);
    assert_fails("tun7", "EPROTONOSUPPORT", "512");
    close(tun);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_to_the_kernel), cmocka_unit_test(marks_what_is_not_for_us),
        cmocka_unit_test(narrows_to_ports),    cmocka_unit_test(takes_an_expression),
        cmocka_unit_test(says_why_not),        cmocka_unit_test(g18_notices_the_end),
        cmocka_unit_test(g19_knows_a_tun),
    };
    int refused = namespace_enter();
    if (refused)
        return refused;
    if (system("ip link add tap0 type veth peer name srv0 && ip addr add 192.0.2.2/24 dev srv0 && "
               "ip link set tap0 up && ip link set srv0 up && "
               "ip link add down0 type veth peer name down1 && ip link set down1 up") != 0) {
        printf("skipped: no veth pair to be had here (needs ip of iproute2, and veth)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
