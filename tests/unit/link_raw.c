/* raw: against the kernel's own TCP on loopback, in a network namespace of its own. */
#include <arpa/inet.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/bytes.h"
#include "host_namespace.h"
#include "link/link.h"
#include "packet/checksum.h"
#include "packet/segment.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { PORT = 40001, SECONDS = 5 };

static struct addr address(const char *text)
{
    struct addr addr;
    struct error err;
    assert_true(addr_parse(&addr, text, "address", &err));
    return addr;
}

static struct link *open_link(const char *local, uint16_t low, uint16_t high)
{
    struct error err = {0};
    struct addr addr = address(local);
    struct link *link = link_open_raw(&addr, 0, &err);
    if (!link)
        print_error("%s\n", err.message);
    assert_non_null(link);
    if (low)
        assert_true(link_ports(link, low, high, &err));
    return link;
}

/* Waits for the next frame; 0 if none comes. Loopback delivers at once: a wait that ends without a
 * frame is a failure, or the test of one that must not come (which asks with `wait` false). */
static int next_frame(struct link *link, struct frame *frame, bool wait)
{
    struct error err;
    int fds[LINK_FDS], count = link_fds(link, fds);
    struct pollfd polled[LINK_FDS];
    for (int i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    if (wait)
        poll(polled, (nfds_t)count, SECONDS * 1000);
    return link_recv(link, frame, &err);
}

static size_t write_segment(uint8_t *bytes, size_t size, const char *src, uint16_t sport,
                            const char *dst, uint16_t dport, uint16_t flags)
{
    struct segment s = {.src = address(src),
                        .dst = address(dst),
                        .sport = sport,
                        .dport = dport,
                        .seq = 1000,
                        .flags = flags,
                        .window = 1000,
                        .ttl = 77,
                        .tos = 0x28,
                        .id = 0x1234,
                        .payload = (const uint8_t *)"",
                        .length = 0};
    size_t length = segment_write(&s, bytes, size);
    assert_true(length > 0);
    return length;
}

static void send_segment(struct link *link, const char *src, uint16_t sport, const char *dst,
                         uint16_t dport, uint16_t flags)
{
    uint8_t bytes[200];
    struct error err = {0};
    size_t length = write_segment(bytes, sizeof bytes, src, sport, dst, dport, flags);
    struct frame frame = {.bytes = bytes, .length = length};
    if (!link_send(link, &frame, &err))
        fail_msg("%s", err.message);
}

/* A kernel socket that listens on a port of its own choice. */
static int listener(const char *text, uint16_t *port)
{
    struct addr addr = address(text);
    struct sockaddr_storage name = {0};
    socklen_t length = sizeof name;
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&name;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&name;
    int fd = socket(addr.kind == ADDR_IP4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    if (addr.kind == ADDR_IP4) {
        ip4->sin_family = AF_INET;
        memcpy(&ip4->sin_addr, addr.bytes, 4);
    } else {
        ip6->sin6_family = AF_INET6;
        memcpy(&ip6->sin6_addr, addr.bytes, 16);
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
    *port = ntohs(addr.kind == ADDR_IP4 ? ip4->sin_port : ip6->sin6_port);
    return fd;
}

static void kernel_answers(const char *src, const char *dst)
{
    uint16_t port;
    int fd = listener(dst, &port);
    struct link *link = open_link(src, PORT, PORT);
    struct frame frame;
    struct segment s;
    assert_int_equal(link->medium, LINK_IP);
    send_segment(link, src, PORT, dst, port, TCP_SYN);
    assert_int_equal(next_frame(link, &frame, true), 1);
    assert_int_equal(frame.length, frame.original);
    assert_int_equal(frame.flags, strchr(src, ':') ? FRAME_REBUILT : 0);
    int64_t wall = (int64_t)time(NULL) * NS_PER_S;
    assert_true(frame.time > wall - 60 * NS_PER_S && frame.time < wall + 60 * NS_PER_S);
    assert_int_equal(segment_read(&s, frame.bytes, frame.length, false), SEGMENT_OK);
    assert_int_equal(s.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(s.ack, 1001);
    assert_int_equal(s.sport, port);
    assert_int_equal(s.ttl, 64);
    struct addr from = address(dst), to = address(src);
    assert_true(addr_equal(&s.src, &from));
    assert_true(addr_equal(&s.dst, &to));
    assert_int_equal(next_frame(link, &frame, false), 0);
    assert_int_equal(link_drops(link), 0);
    link_close(link);
    close(fd);
}

static void reaches_the_kernel(void **state)
{
    (void)state;
    kernel_answers("127.0.0.1", "127.0.0.1");
    kernel_answers("127.0.0.2", "127.0.0.1");
    kernel_answers("127.0.0.1", "127.0.0.2");
    kernel_answers("::1", "::1");
}

/* What was written is what is read, byte for byte: of IPv6 the rebuilt header too. */
static void carries_bytes(const char *src, const char *dst)
{
    struct link *from = open_link(src, 1, 1), *to = open_link(dst, PORT, PORT);
    uint8_t bytes[200];
    struct error err;
    struct frame in;
    size_t length = write_segment(bytes, sizeof bytes, src, 7, dst, PORT, TCP_ACK);
    if (from->medium == LINK_IP && bytes[0] >> 4 == 6)
        put16(bytes + 2, 0x2345); /* a flow label */
    struct frame out = {.bytes = bytes, .length = length};
    assert_true(link_send(from, &out, &err));
    assert_int_equal(next_frame(to, &in, true), 1);
    assert_int_equal(in.length, length);
    assert_memory_equal(in.bytes, bytes, length);
    link_close(from);
    link_close(to);
}

static void changes_nothing(void **state)
{
    (void)state;
    carries_bytes("127.0.0.1", "127.0.0.2");
    carries_bytes("::1", "::1");
}

static void is_deaf_until_told(void **state)
{
    (void)state;
    static const char *const locals[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2; i++) {
        struct link *from = open_link(locals[i], 1, 1), *to = open_link(locals[i], 0, 0);
        struct frame frame;
        struct error err;
        struct segment s;
        send_segment(from, locals[i], 7, locals[i], PORT, TCP_ACK);
        assert_true(link_ports(to, PORT, PORT, &err));
        assert_int_equal(next_frame(to, &frame, false), 0);

        /* What is queued stays when the range grows, and only ports in it come in. */
        send_segment(from, locals[i], 7, locals[i], PORT - 1, TCP_ACK);
        send_segment(from, locals[i], 7, locals[i], PORT + 1, TCP_ACK);
        send_segment(from, locals[i], 7, locals[i], PORT, TCP_ACK);
        assert_true(link_ports(to, PORT, PORT + 2, &err));
        send_segment(from, locals[i], 7, locals[i], PORT + 2, TCP_ACK);
        send_segment(from, locals[i], 7, locals[i], PORT + 3, TCP_ACK);
        for (uint16_t port = PORT; port <= PORT + 2; port += 2) {
            assert_int_equal(next_frame(to, &frame, true), 1);
            assert_int_equal(segment_read(&s, frame.bytes, frame.length, false), SEGMENT_OK);
            assert_int_equal(s.dport, port);
        }
        assert_int_equal(next_frame(to, &frame, false), 0);
        link_close(from);
        link_close(to);
    }
}

/* 127.0.0.3 is this host's too, and not this link's. */
static void hears_its_address_only(void **state)
{
    (void)state;
    struct link *from = open_link("127.0.0.1", 1, 1), *to = open_link("127.0.0.2", PORT, PORT);
    struct frame frame;
    send_segment(from, "127.0.0.1", 7, "127.0.0.3", PORT, TCP_ACK);
    send_segment(from, "127.0.0.1", 7, "127.0.0.2", PORT, TCP_ACK);
    assert_int_equal(next_frame(to, &frame, true), 1);
    assert_int_equal(frame.bytes[19], 2);
    assert_int_equal(next_frame(to, &frame, false), 0);
    link_close(from);
    link_close(to);
}

static void send_icmp4(struct link *link, uint8_t type)
{
    uint8_t p[20 + 8 + 28] = {0x45, 0, 0,   sizeof p, 0, 1, 0,   0, 64, 1,
                              0,    0, 127, 0,        0, 1, 127, 0, 0,  2};
    struct error err;
    p[20] = type;
    p[28] = 0x45;
    put16(p + 22, checksum_finish(checksum_add(0, p + 20, sizeof p - 20)));
    struct frame frame = {.bytes = p, .length = sizeof p};
    assert_true(link_send(link, &frame, &err));
}

static void send_icmp6(struct link *link, uint8_t type)
{
    uint8_t p[40 + 8 + 60] = {0x60, 0, 0, 0, 0, sizeof p - 40, 58, 64};
    struct addr self = address("::1");
    struct error err;
    p[23] = p[39] = 1;
    p[40] = type;
    put16(p + 42, checksum_finish(checksum_add(checksum_pseudo(0, &self, &self, 58, sizeof p - 40),
                                               p + 40, sizeof p - 40)));
    struct frame frame = {.bytes = p, .length = sizeof p};
    assert_true(link_send(link, &frame, &err));
}

static void hears_icmp_errors_only(void **state)
{
    (void)state;
    struct frame frame;
    struct link *from = open_link("127.0.0.1", 1, 1), *to = open_link("127.0.0.2", PORT, PORT);
    for (unsigned type = 0; type < 256; type++)
        send_icmp4(from, (uint8_t)type);
    static const uint8_t errors4[] = {3, 11, 12}, errors6[] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof errors4; i++) {
        assert_int_equal(next_frame(to, &frame, true), 1);
        assert_int_equal(frame.length, 56);
        assert_int_equal(frame.bytes[9], IPPROTO_ICMP);
        assert_int_equal(frame.bytes[20], errors4[i]);
    }
    assert_int_equal(next_frame(to, &frame, false), 0);
    assert_int_equal(next_frame(from, &frame, false), 0); /* they went to the other address */
    link_close(from);
    link_close(to);

    from = open_link("::1", 1, 1);
    to = open_link("::1", PORT, PORT);
    for (unsigned type = 0; type < 256; type++)
        send_icmp6(from, (uint8_t)type);
    for (size_t i = 0; i < sizeof errors6; i++) {
        assert_int_equal(next_frame(to, &frame, true), 1);
        assert_int_equal(frame.length, 108);
        assert_int_equal(frame.flags, FRAME_REBUILT);
        assert_int_equal(frame.bytes[6], IPPROTO_ICMPV6);
        assert_int_equal(get16(frame.bytes + 4), 68);
        assert_int_equal(frame.bytes[40], errors6[i]);
    }
    assert_int_equal(next_frame(to, &frame, false), 0);
    link_close(from);
    link_close(to);
}

/* ICMP errors are heard while segments pour in. */
static void keeps_an_ear_for_icmp(void **state)
{
    (void)state;
    struct frame frame;
    struct link *from = open_link("127.0.0.1", 1, 1), *to = open_link("127.0.0.2", PORT, PORT);
    for (int i = 0; i < 100; i++)
        send_segment(from, "127.0.0.1", 7, "127.0.0.2", PORT, TCP_RST);
    send_icmp4(from, 3);
    int before = 0;
    while (next_frame(to, &frame, true) == 1 && frame.bytes[9] == IPPROTO_TCP)
        before++;
    assert_int_equal(frame.bytes[9], IPPROTO_ICMP);
    assert_true(before < 20);
    link_close(from);
    link_close(to);
}

static void h8_counts_drops(void **state)
{
    (void)state;
    enum { FLOOD = 30000 };
    struct frame frame;
    uint64_t heard = 0;
    struct link *from = open_link("127.0.0.1", 1, 1), *to = open_link("127.0.0.2", PORT, PORT);
    for (int i = 0; i < FLOOD; i++)
        send_segment(from, "127.0.0.1", 7, "127.0.0.2", PORT, TCP_RST);
    while (next_frame(to, &frame, false) == 1)
        heard++;
    assert_true(link_drops(to) > 0);
    assert_int_equal(heard + link_drops(to), FLOOD);
    link_close(from);
    link_close(to);
}

static void set_mtu(const char *name, int mtu)
{
    struct ifreq request = {.ifr_mtu = mtu};
    memcpy(request.ifr_name, name, strlen(name));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(ioctl(fd, SIOCSIFMTU, &request), 0);
    close(fd);
}

static void says_why_not(void **state)
{
    (void)state;
    static uint8_t bytes[2000];
    struct error err;
    struct addr foreign = address("192.0.2.1"), foreign6 = address("2001:db8::1");
    assert_null(link_open_raw(&foreign, 0, &err));
    assert_string_equal(err.code, "EADDRNOTAVAIL");
    assert_non_null(strstr(err.message, "192.0.2.1"));
    assert_null(link_open_raw(&foreign6, 0, &err));
    assert_string_equal(err.code, "EADDRNOTAVAIL");
    struct addr lo = address("127.0.0.1");
    assert_null(link_open_raw(&lo, 999, &err));
    assert_string_equal(err.code, "ENODEV");

    struct link *link = open_link("127.0.0.1", 1, 1);
    size_t length = write_segment(bytes, sizeof bytes, "127.0.0.1", 1, "203.0.113.5", 2, TCP_SYN);
    struct frame frame = {.bytes = bytes, .length = length};
    assert_false(link_send(link, &frame, &err));
    assert_string_equal(err.code, "ENETUNREACH");
    assert_int_equal(err.kind, ERROR_NETWORK);
    assert_non_null(strstr(err.message, "203.0.113.5"));

    for (size_t n = 0; n < 20; n++) {
        frame = (struct frame){.bytes = bytes, .length = n};
        assert_false(link_send(link, &frame, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    length = write_segment(bytes, sizeof bytes, "::1", 1, "::1", 2, TCP_SYN);
    frame = (struct frame){.bytes = bytes, .length = length};
    assert_false(link_send(link, &frame, &err));
    assert_int_equal(err.kind, ERROR_USAGE);

    set_mtu("lo", 1500);
    write_segment(bytes, sizeof bytes, "127.0.0.1", 1, "127.0.0.1", 2, TCP_SYN);
    frame = (struct frame){.bytes = bytes, .length = 1501};
    assert_false(link_send(link, &frame, &err));
    assert_string_equal(err.code, "EMSGSIZE");
    link_close(link);
    link = link_open_raw(&lo, if_nametoindex("lo"), &err);
    assert_non_null(link);
    assert_string_equal(link->iface, "lo");
    assert_int_equal(link->mtu, 1500);
    link_close(link);
    set_mtu("lo", 65536);
}

/* In a child, which gives up its capabilities. */
static void names_the_capability(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[2] = {{0}};
        struct error err;
        struct addr lo = {.kind = ADDR_IP4, .bytes = {127, 0, 0, 1}};
        syscall(SYS_capset, &header, none);
        bool said = !link_open_raw(&lo, 0, &err) && strcmp(err.code, "EPERM") == 0 &&
                    err.kind == ERROR_ENVIRONMENT && strstr(err.message, "CAP_NET_RAW") &&
                    strstr(err.message, "sudo") && strstr(err.message, "tcplua --lab");
        _exit(said ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_the_kernel),     cmocka_unit_test(changes_nothing),
        cmocka_unit_test(is_deaf_until_told),     cmocka_unit_test(hears_its_address_only),
        cmocka_unit_test(hears_icmp_errors_only), cmocka_unit_test(keeps_an_ear_for_icmp),
        cmocka_unit_test(h8_counts_drops),        cmocka_unit_test(says_why_not),
        cmocka_unit_test(names_the_capability),
    };
    int refused = namespace_enter();
    if (refused)
        return refused;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
