/* The guard against a real kernel: a segment for its port draws no reset, in each way and family.
 *
 * How to see that nothing was sent, without waiting: after the segment goes a witness, a segment
 * for a port that nobody has. One processor takes them in order, so when the witness's reset is
 * counted, a reset for the first would have been counted too. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "host/guard.h"
#include "host/route.h"
#include "host/sockaddr.h"
#include "host_namespace.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { SYN = 0x02, RST = 0x04, ACK = 0x10, FIN = 0x01, PSH = 0x08 };
enum { PEER = 9000, NOBODY = 9 };

static const struct addr loopback4 = {.kind = ADDR_IP4, .bytes = {127, 0, 0, 1}};
static const struct addr loopback6 = {.kind = ADDR_IP6, .bytes = {[15] = 1}};

static uint16_t checksum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += get16(bytes + i);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

/* Sends a TCP header from port PEER of `addr` to `port` of the same address. */
static void send_segment(const struct addr *addr, uint16_t port, uint8_t flags, int ttl)
{
    bool ip4 = addr->kind == ADDR_IP4;
    size_t size = addr_length(addr->kind);
    uint8_t bytes[32 + 8 + 20] = {0}, *tcp = bytes + 2 * size + 8; /* after the pseudo-header */
    memcpy(bytes, addr->bytes, size);
    memcpy(bytes + size, addr->bytes, size);
    put32(bytes + 2 * size, 20);
    put32(bytes + 2 * size + 4, IPPROTO_TCP);
    put16(tcp, PEER);
    put16(tcp + 2, port);
    put32(tcp + 4, 1000);
    put32(tcp + 8, flags & ACK ? 2000 : 0);
    put16(tcp + 12, 0x5000u | flags);
    put16(tcp + 14, 65535);
    put16(tcp + 16, checksum(bytes, 2 * size + 28));

    struct sockaddr_storage to;
    socklen_t length = sockaddr_from(&to, addr, 0);
    int fd = socket(to.ss_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, ip4 ? IPPROTO_IP : IPPROTO_IPV6,
                                ip4 ? IP_TTL : IPV6_UNICAST_HOPS, &ttl, sizeof ttl),
                     0);
    assert_int_equal(sendto(fd, tcp, 20, 0, (struct sockaddr *)&to, length), 20);
    close(fd);
}

/* Lets everything sent so far be answered. */
static void witness(const struct addr *addr, int64_t before)
{
    send_segment(addr, NOBODY, SYN | ACK, 64);
    const struct clock machine = {0};
    int64_t limit = clock_now(&machine) + 5 * NS_PER_S;
    while (kernel_resets() <= before && clock_now(&machine) < limit)
        sched_yield();
}

/* How many resets a segment to `port` draws. */
static int64_t resets_drawn(const struct addr *addr, uint16_t port, uint8_t flags, int ttl)
{
    int64_t before = kernel_resets();
    assert_true(before >= 0);
    send_segment(addr, port, flags, ttl);
    witness(addr, before);
    return kernel_resets() - before - 1;
}

static void assert_silent(const struct addr *addr, uint16_t port, int ttl)
{
    static const uint8_t segments[] = {SYN | ACK, SYN, ACK, PSH | ACK, FIN | ACK, FIN};
    for (size_t i = 0; i < sizeof segments; i++)
        assert_int_equal(resets_drawn(addr, port, segments[i], ttl), 0);
}

/* A stranger's SYN is never answered, so its connect() is still under way when the witness is. */
static void assert_no_connection(const struct addr *addr, uint16_t port)
{
    struct sockaddr_storage to;
    socklen_t length = sockaddr_from(&to, addr, port);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    int64_t before = kernel_resets();
    assert_int_equal(connect(fd, (struct sockaddr *)&to, length), -1);
    assert_int_equal(errno, EINPROGRESS);
    witness(addr, before);
    struct pollfd connected = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&connected, 1, 0), 0);
    close(fd);
}

static void n3_n8_each_way_is_silent(void **state)
{
    (void)state;
    const struct addr *addrs[] = {&loopback4, &loopback6};
    static const unsigned ways[] = {GUARD_FILTER, GUARD_MD5, GUARD_TTL, GUARD_ALL};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 4; j++) {
            struct error err;
            struct guard *guard = guard_open(addrs[i], 0, ways[j], &err);
            if (!guard) { /* this kernel does not grant this way */
                assert_string_equal(err.code, "EPERM");
                assert_int_not_equal(ways[j], GUARD_ALL);
                print_message("not tested: %s\n", err.message);
                continue;
            }
            assert_int_not_equal(guard_ways(guard), 0);
            assert_int_equal(guard_ways(guard) & ~ways[j], 0);
            assert_int_not_equal(guard_port(guard), 0);
            assert_silent(addrs[i], guard_port(guard), 64);
            assert_no_connection(addrs[i], guard_port(guard));
            guard_close(guard);
        }
}

/* What the tests above would see if a guard did nothing; a peer on the link may send TTL 255. */
static void n7_resets_are_seen(void **state)
{
    (void)state;
    const struct addr *addrs[] = {&loopback4, &loopback6};
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        assert_int_equal(resets_drawn(addrs[i], 40001, SYN | ACK, 64), 1);
        struct guard *guard = guard_open(addrs[i], 40001, GUARD_TTL, &err);
        assert_non_null(guard);
        assert_int_equal(resets_drawn(addrs[i], 40001, SYN | ACK, 255), 1);
        guard_close(guard);
        guard = guard_open(addrs[i], 40001, GUARD_ALL, &err);
        assert_non_null(guard);
        assert_silent(addrs[i], 40001, 255);
        guard_close(guard);
        assert_int_equal(resets_drawn(addrs[i], 40001, SYN | ACK, 64), 1);
    }
}

/* What a kernel socket hears after a datagram to `port`: errno. On loopback an ICMP error is there
 * when send() returns. */
static int udp_answer(const struct addr *addr, uint16_t port)
{
    struct sockaddr_storage to;
    socklen_t length = sockaddr_from(&to, addr, port);
    char byte = 0;
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, length), 0);
    assert_int_equal(send(fd, &byte, 1, 0), 1);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    int answer = errno;
    close(fd);
    return answer;
}

static void udp_is_silent(void **state)
{
    (void)state;
    const struct addr *addrs[] = {&loopback4, &loopback6};
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        struct guard *guard = guard_open_udp(addrs[i], 0, &err);
        assert_non_null(guard);
        uint16_t port = guard_port(guard);
        assert_int_not_equal(port, 0);
        for (int j = 0; j < 1000; j++) /* more than any buffer takes unread */
            assert_int_equal(udp_answer(addrs[i], port), EAGAIN);
        assert_null(guard_open_udp(addrs[i], port, &err));
        assert_string_equal(err.code, "EADDRINUSE");
        guard_close(guard);
        assert_int_equal(udp_answer(addrs[i], port), ECONNREFUSED);
    }
}

static void n6_port_is_reserved(void **state)
{
    (void)state;
    struct error err;
    struct guard *guard = guard_open(&loopback4, 0, GUARD_ALL, &err);
    assert_non_null(guard);
    uint16_t port = guard_port(guard);
    assert_null(guard_open(&loopback4, port, GUARD_ALL, &err));
    assert_string_equal(err.code, "EADDRINUSE");
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_non_null(strstr(err.message, "127.0.0.1"));

    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage name;
    socklen_t length = sockaddr_from(&name, &loopback4, port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, length), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fd);

    struct guard *six = guard_open(&loopback6, port, GUARD_ALL, &err); /* the families are apart */
    assert_non_null(six);
    guard_close(six);
    guard_close(guard);
    guard = guard_open(&loopback4, port, GUARD_ALL, &err);
    assert_non_null(guard);
    assert_int_equal(guard_port(guard), port);
    guard_close(guard);
    guard_close(NULL);
}

/* In a process of its own, in which setsockopt() is refused as a sandbox does it. */
static void n1_says_what_was_tried(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct sock_filter refuse[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {.len = 4, .filter = refuse};
        struct error err = {0};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            _exit(77);
        bool refused = !guard_open(&loopback4, 0, GUARD_ALL, &err) &&
                       strcmp(err.code, "EPERM") == 0 && err.kind == ERROR_ENVIRONMENT &&
                       strstr(err.message, "socket filter: ") &&
                       strstr(err.message, "TCP-MD5 key: ") && strstr(err.message, "minimum TTL: ");
        _exit(refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void sharing(void **state)
{
    (void)state;
    struct error err;
    struct guard *guard = guard_open(&loopback4, 0, GUARD_ALL, &err);
    assert_non_null(guard);
    uint16_t port = guard_port(guard);
    assert_ptr_equal(guard_share(guard), guard);
    guard_close(guard);
    assert_null(guard_open(&loopback4, port, GUARD_ALL, &err)); /* the other one still has it */
    assert_string_equal(err.code, "EADDRINUSE");
    guard_close(guard);
    guard = guard_open(&loopback4, port, GUARD_ALL, &err);
    assert_non_null(guard);
    guard_close(guard);
    assert_null(guard_share(NULL));
}

static void errors(void **state)
{
    (void)state;
    struct error err;
    struct addr elsewhere;
    assert_true(addr_parse(&elsewhere, "192.0.2.77", "address", &err));
    assert_null(guard_open(&elsewhere, 0, GUARD_ALL, &err));
    assert_string_equal(err.code, "EADDRNOTAVAIL");
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.message, "192.0.2.77 is not an address of this host");

    assert_null(guard_open(&loopback4, 0, 0, &err)); /* as if no way were granted */
    assert_string_equal(err.code, "EPERM");
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
}

static void descriptors_run_out(void **state)
{
    (void)state;
    struct rlimit before, few;
    struct guard *guards[100];
    struct error err;
    size_t count = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 60, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 100 && (guards[count] = guard_open(&loopback4, 0, GUARD_ALL, &err)) != NULL)
        count++;
    assert_in_range(count, 1, 60);
    assert_string_equal(err.code, "EMFILE");
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_non_null(strstr(err.message, "60 descriptors"));
    while (count > 0)
        guard_close(guards[--count]);
    setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    sched_setaffinity(0, sizeof here, &here);
    int refused = namespace_enter();
    if (refused)
        return refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n3_n8_each_way_is_silent),
        cmocka_unit_test(n7_resets_are_seen),
        cmocka_unit_test(udp_is_silent),
        cmocka_unit_test(n6_port_is_reserved),
        cmocka_unit_test(n1_says_what_was_tried),
        cmocka_unit_test(sharing),
        cmocka_unit_test(errors),
        cmocka_unit_test(descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
