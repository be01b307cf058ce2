/* The lab, seen from our end of the wire: the kernel at the other one answers the first packet. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/lab.h"
#include "host/privilege.h"
#include "host/route.h"
#include "host/sockaddr.h"

#include <cmocka.h> /* last: its fail() is a macro */

static ino_t network_namespace(void)
{
    struct stat status;
    assert_int_equal(stat("/proc/self/ns/net", &status), 0);
    return status.st_ino;
}

/* Sends a frame on our end and waits for an answer of `size` bytes and the same EtherType: the
 * kernel may just then report the IPv6 groups that it has joined. */
static void exchange(const uint8_t *frame, size_t length, uint8_t *answer, size_t size)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct sockaddr_ll name = {.sll_family = AF_PACKET,
                               .sll_protocol = htons(ETH_P_ALL),
                               .sll_ifindex = (int)if_nametoindex(LAB_IFACE)};
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(send(fd, frame, length, 0), length);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (;;) {
        struct sockaddr_ll from;
        socklen_t room = sizeof from;
        assert_int_equal(poll(&readable, 1, 5000), 1);
        ssize_t got = recvfrom(fd, answer, size, 0, (struct sockaddr *)&from, &room);
        if (from.sll_pkttype == PACKET_OUTGOING || memcmp(answer + 12, frame + 12, 2) != 0)
            continue;
        assert_int_equal(got, size);
        break;
    }
    close(fd);
}

static void first_packet_is_answered(void **state)
{
    (void)state;
    const uint8_t request[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   1, 8, 6,
                                 0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0, 0, 1,
                                 192,  0,    2,    1,    0,    0,    0, 0, 0, 0, 192, 0, 2, 2};
    const uint8_t reply[28] = {0,   1, 8, 0, 6, 4, 0, 2, 2, 0, 0,   0, 0, 2,
                               192, 0, 2, 2, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1};
    uint8_t answer[42];
    exchange(request, sizeof request, answer, sizeof answer);
    assert_memory_equal(answer + 14, reply, sizeof reply);
}

/* The sum over the pseudo-header and a segment of `length` bytes, in an Ethernet frame with an IPv4
 * header of 20: 0 if its checksum is right. */
static uint32_t tcp_sum(const uint8_t *frame, uint32_t length)
{
    uint32_t sum = IPPROTO_TCP + length;
    for (size_t i = 26; i < 34 + length; i += 2)
        sum += get16(frame + i);
    return sum % 0xffff;
}

/* A SYN-ACK is what a kernel leaves unfinished first. (That 192.0.2.1 is at our MAC address is
 * known from the test before.) */
static void checksums_are_finished(void **state)
{
    (void)state;
    struct addr addr;
    struct error err;
    struct sockaddr_storage name;
    assert_true(addr_parse(&addr, LAB_DST, "address", &err));
    socklen_t room = sockaddr_from(&name, &addr, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, room), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &room), 0);

    uint8_t syn[54] = {2, 0, 0, 0, 0,  2, 2, 0, 0,   0, 0,    1, 8,    0,    0x45, 0, 0, 40,
                       0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2,    1, 192,  0,    2,    2, 0, 99,
                       0, 0, 0, 0, 0,  1, 0, 0, 0,   0, 0x50, 2, 0xff, 0xff, 0,    0, 0, 0};
    uint32_t ip = 0;
    for (size_t i = 14; i < 34; i += 2)
        ip += get16(syn + i);
    put16(syn + 24, ~(ip % 0xffff));
    put16(syn + 36, sockaddr_port(&name));
    put16(syn + 50, ~tcp_sum(syn, 20));
    uint8_t answer[14 + 20 + 24]; /* with <mss 1460> */
    exchange(syn, sizeof syn, answer, sizeof answer);
    assert_int_equal(answer[23], IPPROTO_TCP);
    assert_int_equal(answer[47], 0x12); /* S. */
    assert_int_equal(tcp_sum(answer, 24), 0);
    close(fd);
}

static void ends(void **state)
{
    (void)state;
    struct error err;
    struct iface ours, servers;
    struct addr mac, addr;
    assert_true(iface_by_name(LAB_IFACE, &ours, &err));
    assert_true(iface_by_name(LAB_SERVER, &servers, &err));
    assert_true(ours.up && ours.running && servers.up && servers.running);
    assert_true(addr_parse(&mac, "02:00:00:00:00:01", "mac", &err));
    assert_true(addr_equal(&ours.mac, &mac));
    assert_true(addr_parse(&mac, "02:00:00:00:00:02", "mac", &err));
    assert_true(addr_equal(&servers.mac, &mac));
    const char *local[] = {LAB_DST, LAB_DST6, "127.0.0.1", "::1"}, *free[] = {LAB_SRC, LAB_SRC6};
    for (size_t i = 0; i < 4; i++) {
        assert_true(addr_parse(&addr, local[i], "address", &err));
        assert_true(addr_is_local(&addr));
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(addr_parse(&addr, free[i], "address", &err));
        assert_false(addr_is_local(&addr));
    }
}

static void user_and_rights(void **state)
{
    const uid_t *uid = *state;
    assert_int_equal(geteuid(), *uid);
    assert_true(privilege_has(CAP_NET_RAW));
    assert_true(privilege_has(CAP_NET_ADMIN));
}

/* As a user without rights, in a child, because there is no way back. */
static void without_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* then the other tests have shown it */
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error err = {.message = "no error"};
        ino_t before = network_namespace();
        bool good = setgid(65534) == 0 && setuid(65534) == 0 && !privilege_has(CAP_NET_ADMIN) &&
                    prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L) == 0 && /* as if started by that user */
                    lab_enter(&err) && network_namespace() != before && geteuid() == 65534 &&
                    getegid() == 65534 && if_nametoindex(LAB_IFACE) != 0;
        int raw = good ? socket(AF_PACKET, SOCK_RAW, 0) : -1;
        (void)!write(ends[1], err.message, sizeof err.message);
        _exit(raw >= 0 ? 0 : 1);
    }
    char message[sizeof((struct error *)0)->message] = "";
    int status;
    close(ends[1]);
    (void)!read(ends[0], message, sizeof message);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0 && strstr(message, "refused")) {
        print_message("skipped: %s\n", message);
        skip();
    }
    assert_int_equal(status, 0);
}

static void possible_leaves_no_trace(void **state)
{
    (void)state;
    struct error err;
    ino_t before = network_namespace();
    assert_true(lab_possible(&err));
    assert_true(network_namespace() == before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    struct error err;
    uid_t uid = geteuid();
    if (!lab_possible(&err)) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    const struct CMUnitTest outside[] = {
        cmocka_unit_test(without_root),
        cmocka_unit_test(possible_leaves_no_trace),
    };
    int failed = cmocka_run_group_tests(outside, NULL, NULL);
    ino_t before = network_namespace();
    if (!lab_enter(&err) || network_namespace() == before) {
        printf("cannot enter the lab: %s\n", err.message);
        return 1;
    }
    const struct CMUnitTest inside[] = {
        cmocka_unit_test(first_packet_is_answered),
        cmocka_unit_test(checksums_are_finished),
        cmocka_unit_test(ends),
        cmocka_unit_test_prestate(user_and_rights, &uid),
    };
    return failed + cmocka_run_group_tests(inside, NULL, NULL);
}
