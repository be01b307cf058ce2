/* Routes, interfaces and neighbours of a private network with known ones: the lab. */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "host/lab.h"
#include "host/netlink.h"
#include "host/route.h"

#include <cmocka.h> /* last: its fail() is a macro */

static struct addr addr(const char *text)
{
    struct addr addr;
    struct error err;
    assert_true(addr_parse(&addr, text, "address", &err));
    return addr;
}

static void assert_addr(const struct addr *have, const char *expected)
{
    char text[ADDR_TEXT];
    assert_string_equal(addr_format(have, text), expected);
}

static uint32_t index_of(const char *name)
{
    struct iface iface;
    struct error err;
    assert_true(iface_by_name(name, &iface, &err));
    return iface.index;
}

/* Adds a route to `dst`/`bits` of `type` (RTN_…), by a gateway and with an MTU if they are given.
 */
static void add_route(const char *dst, uint8_t bits, uint8_t type, const char *gateway,
                      uint32_t mtu)
{
    struct addr to = addr(dst);
    struct rtmsg route = {.rtm_family = to.kind == ADDR_IP4 ? AF_INET : AF_INET6,
                          .rtm_dst_len = bits,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = RTPROT_STATIC,
                          .rtm_type = type};
    struct netlink m;
    netlink_begin(&m, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, &route, sizeof route);
    netlink_put(&m, RTA_DST, to.bytes, addr_length(to.kind));
    if (gateway) {
        struct addr via = addr(gateway);
        if (via.kind == to.kind) {
            netlink_put(&m, RTA_GATEWAY, via.bytes, addr_length(via.kind));
        } else {
            struct {
                uint16_t family;
                uint8_t bytes[16];
            } other = {.family = AF_INET6};
            memcpy(other.bytes, via.bytes, sizeof other.bytes);
            netlink_put(&m, RTA_VIA, &other, sizeof other);
        }
        netlink_put32(&m, RTA_OIF, index_of(LAB_SERVER));
    }
    if (mtu) {
        size_t metrics = netlink_nest(&m, RTA_METRICS);
        netlink_put32(&m, RTAX_MTU, mtu);
        netlink_end(&m, metrics);
    }
    assert_int_equal(netlink_ask(&m, 0), 0);
}

static struct route route_to(const char *dst, const char *src)
{
    struct addr to = addr(dst), from = src ? addr(src) : (struct addr){0};
    struct route route;
    struct error err = {.message = ""};
    if (!route_get(&to, src ? &from : NULL, 0, &route, &err))
        fail_msg("%s", err.message);
    return route;
}

static void on_the_link(void **state)
{
    (void)state;
    struct route route = route_to("192.0.2.7", NULL);
    assert_int_equal(route.ifindex, index_of(LAB_SERVER));
    assert_addr(&route.source, LAB_DST);
    assert_addr(&route.gateway, "none");
    assert_int_equal(route.mtu, 1500);
    assert_false(route.local || route.broadcast);
    route = route_to("2001:db8::7", NULL);
    assert_int_equal(route.ifindex, index_of(LAB_SERVER));
    assert_addr(&route.source, LAB_DST6);
    assert_addr(&route.gateway, "none");
    assert_int_equal(route.mtu, 1500);
    assert_false(route.local || route.broadcast);
    route = route_to("192.0.2.7", LAB_DST);
    assert_addr(&route.source, LAB_DST);
    route = route_to("2001:db8::7", LAB_DST6);
    assert_addr(&route.source, LAB_DST6);
}

static void this_host(void **state)
{
    (void)state;
    static const char *const own[] = {"127.0.0.1", "127.9.9.9", "::1", LAB_DST, LAB_DST6};
    for (size_t i = 0; i < 5; i++) {
        struct route route = route_to(own[i], NULL);
        assert_true(route.local);
        assert_false(route.broadcast);
        assert_addr(&route.gateway, "none");
        assert_int_equal(route.ifindex, index_of("lo"));
        assert_int_equal(route.mtu, 65536);
    }
    struct route route = route_to(LAB_DST, NULL);
    assert_addr(&route.source, LAB_DST);
}

static void broadcast(void **state)
{
    (void)state;
    assert_true(route_to("192.0.2.255", NULL).broadcast);
    assert_false(route_to("192.0.2.255", NULL).local);
}

static void by_a_gateway(void **state)
{
    (void)state;
    add_route("198.51.100.0", 24, RTN_UNICAST, "192.0.2.254", 1280);
    add_route("2001:db8:1::", 48, RTN_UNICAST, "2001:db8::fe", 1400);
    struct route route = route_to("198.51.100.9", NULL);
    assert_addr(&route.gateway, "192.0.2.254");
    assert_addr(&route.source, LAB_DST);
    assert_int_equal(route.mtu, 1280);
    route = route_to("2001:db8:1::9", NULL);
    assert_addr(&route.gateway, "2001:db8::fe");
    assert_addr(&route.source, LAB_DST6);
    assert_int_equal(route.mtu, 1400);
    add_route("2001:db8:2::", 48, RTN_UNICAST, "fe80::1%" LAB_SERVER, 0);
    route = route_to("2001:db8:2::9", NULL);
    assert_addr(&route.gateway, "fe80::1%" LAB_SERVER);
    add_route("203.0.113.0", 24, RTN_UNICAST, "2001:db8::fe", 0);
    route = route_to("203.0.113.9", NULL);
    assert_addr(&route.gateway, "2001:db8::fe");
}

static void assert_refused(const char *dst, const char *src, uint32_t ifindex, const char *code,
                           enum error_kind kind)
{
    struct addr to = addr(dst), from = src ? addr(src) : (struct addr){0};
    struct route route;
    struct error err = {.message = ""};
    assert_false(route_get(&to, src ? &from : NULL, ifindex, &route, &err));
    assert_string_equal(err.code, code);
    assert_int_equal(err.kind, kind);
    assert_int_not_equal(err.message[0], '\0');
}

static void refusals(void **state)
{
    (void)state;
    assert_refused("10.0.0.1", NULL, 0, "ENETUNREACH", ERROR_NETWORK);
    assert_refused("2001:db8:ffff::1", NULL, 0, "ENETUNREACH", ERROR_NETWORK);
    static const struct {
        const char *four, *six;
        uint8_t type;
        const char *code;
    } routes[] = {
        {"10.1.0.0", "2001:db8:10::", RTN_UNREACHABLE, "EHOSTUNREACH"},
        {"10.2.0.0", "2001:db8:20::", RTN_PROHIBIT, "EINVAL"},
        {"10.3.0.0", "2001:db8:30::", RTN_BLACKHOLE, "EINVAL"},
    };
    for (size_t i = 0; i < 3; i++) {
        add_route(routes[i].four, 16, routes[i].type, NULL, 0);
        add_route(routes[i].six, 48, routes[i].type, NULL, 0);
        assert_refused(routes[i].four, NULL, 0, routes[i].code, ERROR_NETWORK);
        assert_refused(routes[i].six, NULL, 0, routes[i].code, ERROR_NETWORK);
    }
    assert_refused("192.0.2.7", "192.0.2.9", 0, "EADDRNOTAVAIL", ERROR_USAGE);
    assert_refused("192.0.2.7", NULL, 4711, "ENODEV", ERROR_ENVIRONMENT);
}

static void interfaces(void **state)
{
    (void)state;
    struct iface lo, same;
    struct error err;
    assert_true(iface_by_name("lo", &lo, &err));
    assert_true(lo.loopback && lo.up && lo.running);
    assert_int_equal(lo.mac.kind, ADDR_NONE);
    assert_int_equal(lo.mtu, 65536);
    assert_true(iface_by_index(lo.index, &same, &err));
    assert_string_equal(same.name, "lo");
    assert_true(iface_by_name(LAB_IFACE, &same, &err));
    assert_false(same.loopback);
    assert_string_equal(same.name, LAB_IFACE);
    assert_addr(&same.mac, "02:00:00:00:00:01");
    assert_int_equal(same.type, 1); /* ARPHRD_ETHER */

    static const char *const wrong[] = {"nosuch0", "", "fifteen-letters!", "a/b", "\033[2J", ".."};
    for (size_t i = 0; i < 6; i++) {
        assert_false(iface_by_name(wrong[i], &same, &err));
        assert_string_equal(err.code, "ENODEV");
        assert_int_equal(err.kind, ERROR_ENVIRONMENT);
        assert_null(strchr(err.message, '\033'));
    }
    static const uint32_t none[] = {0, 4711, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        assert_false(iface_by_index(none[i], &same, &err));
        assert_string_equal(err.code, "ENODEV");
    }
}

static void add_neighbour(const char *ip, const uint8_t *mac, uint16_t neighbour_state)
{
    struct addr to = addr(ip);
    struct ndmsg neigh = {.ndm_family = to.kind == ADDR_IP4 ? AF_INET : AF_INET6,
                          .ndm_ifindex = (int)index_of(LAB_SERVER),
                          .ndm_state = neighbour_state};
    struct netlink m;
    netlink_begin(&m, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &neigh, sizeof neigh);
    netlink_put(&m, NDA_DST, to.bytes, addr_length(to.kind));
    if (mac)
        netlink_put(&m, NDA_LLADDR, mac, 6);
    assert_int_equal(netlink_ask(&m, 0), 0);
}

static void neighbours(void **state)
{
    (void)state;
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x77};
    static const uint16_t good[] = {NUD_REACHABLE, NUD_STALE, NUD_PERMANENT, NUD_NOARP};
    static const char *const ips[] = {"192.0.2.77", "2001:db8::77"};
    uint32_t server = index_of(LAB_SERVER);
    struct addr found, ip;
    for (size_t i = 0; i < 2; i++) {
        ip = addr(ips[i]);
        assert_false(neigh_get(server, &ip, &found));
        for (size_t j = 0; j < 4; j++) {
            add_neighbour(ips[i], mac, good[j]);
            found = (struct addr){0};
            assert_true(neigh_get(server, &ip, &found));
            assert_addr(&found, "02:00:00:00:00:77");
            assert_false(neigh_get(index_of(LAB_IFACE), &ip, &found));
        }
        add_neighbour(ips[i], NULL, NUD_FAILED);
        assert_false(neigh_get(server, &ip, &found));
    }
}

static void local_addresses(void **state)
{
    (void)state;
    static const char *const no[] = {"0.0.0.0",   "::",          "192.0.2.1",       "192.0.2.255",
                                     "224.0.0.1", "2001:db8::1", "255.255.255.255", "ff02::1%lo"};
    static const char *const yes[] = {"127.0.0.1", "127.1.2.3", "::1", LAB_DST, LAB_DST6};
    for (int nonlocal = 0; nonlocal <= 1; nonlocal++) {
        if (nonlocal) { /* now bind() takes any address */
            FILE *file = fopen("/proc/sys/net/ipv4/ip_nonlocal_bind", "w");
            if (!file || fputs("1", file) < 0 || fclose(file))
                break;
        }
        for (size_t i = 0; i < 8; i++) {
            struct addr ip = addr(no[i]);
            assert_false(addr_is_local(&ip));
        }
        for (size_t i = 0; i < 5; i++) {
            struct addr ip = addr(yes[i]);
            assert_true(addr_is_local(&ip));
        }
    }
    struct addr mac = addr("02:00:00:00:00:01");
    assert_false(addr_is_local(&mac));
}

/* Attributes with lengths that lie: the walk ends inside of the bytes it was given. */
static void attributes_are_bounded(void **state)
{
    (void)state;
    struct {
        uint16_t length, type;
    } attributes[3] = {{4, 1}, {4, 2}, {4, 3}};
    size_t length;
    assert_non_null(netlink_find_in(attributes, 12, 3, &length));
    assert_int_equal(length, 0);
    assert_null(netlink_find_in(attributes, 8, 3, &length));
    assert_null(netlink_find_in(attributes, 11, 3, &length));
    static const uint16_t lies[] = {0, 1, 3, 13, 0xffff};
    for (size_t i = 0; i < 5; i++) {
        attributes[1].length = lies[i];
        assert_null(netlink_find_in(attributes, 12, 3, &length));
        assert_null(netlink_find_in(attributes, 12, 2, &length));
        assert_non_null(netlink_find_in(attributes, 12, 1, &length));
    }
    attributes[1].length = 7; /* 7 is padded to 8, which is all that is left */
    assert_non_null(netlink_find_in(attributes, 12, 2, &length));
    assert_int_equal(length, 3);
    assert_null(netlink_find_in(attributes, 11, 3, &length));
}

int main(void)
{
    struct error err;
    if (!lab_enter(&err)) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_link),
        cmocka_unit_test(this_host),
        cmocka_unit_test(broadcast),
        cmocka_unit_test(by_a_gateway),
        cmocka_unit_test(refusals),
        cmocka_unit_test(interfaces),
        cmocka_unit_test(neighbours),
        cmocka_unit_test(local_addresses),
        cmocka_unit_test(attributes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
