/* Whole tables of a private network: the lab's, with more in them than one datagram holds. */
#include <errno.h>
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

#include "base/bytes.h"
#include "host/lab.h"
#include "host/list.h"
#include "host/netlink.h"
#include "host/route.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { MANY = 600 }; /* addresses: about 50 KB */

static uint32_t index_of(const char *name)
{
    struct iface iface;
    struct error err;
    assert_true(iface_by_name(name, &iface, &err));
    return iface.index;
}

/* 10.8.0.0 + `n` on the server's end. */
static void add_address(uint32_t n)
{
    uint8_t ip[4];
    struct ifaddrmsg to = {
        .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = index_of(LAB_SERVER)};
    struct netlink m;
    put32(ip, 0x0a080000u + n);
    netlink_begin(&m, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &to, sizeof to);
    netlink_put(&m, IFA_LOCAL, ip, sizeof ip);
    netlink_put(&m, IFA_ADDRESS, ip, sizeof ip);
    assert_int_equal(netlink_ask(&m, 0), 0);
}

static void interfaces_of_the_lab(void **state)
{
    (void)state;
    struct host_list list = {0};
    struct error err;
    assert_true(iface_list(&list, &err));
    const struct iface *rows = list.rows;
    assert_int_equal(list.count, 3);
    assert_string_equal(rows[0].name, "lo");
    assert_true(rows[0].loopback && rows[0].up);
    for (size_t i = 0; i < list.count; i++) {
        struct iface same;
        assert_true(iface_by_index(rows[i].index, &same, &err));
        assert_string_equal(rows[i].name, same.name);
        assert_int_equal(rows[i].mtu, same.mtu);
        assert_true(rows[i].mac.kind == same.mac.kind && addr_equal(&rows[i].mac, &same.mac));
    }
    host_list_free(&list);
    assert_null(list.rows);
}

/* How often the address is among the list's; `bits` of its prefix. */
static size_t times_listed(const struct host_list *list, const char *text, uint8_t bits)
{
    struct addr addr;
    struct error err;
    const struct iface_address *rows = list->rows;
    size_t times = 0;
    assert_true(addr_parse(&addr, text, "address", &err));
    for (size_t i = 0; i < list->count; i++)
        times += addr_equal(&rows[i].addr, &addr) && rows[i].bits == bits;
    return times;
}

static void addresses_of_many_datagrams(void **state)
{
    (void)state;
    struct host_list list = {0};
    struct error err;
    assert_true(address_list(&list, &err));
    assert_int_equal(list.count, 4);
    assert_int_equal(times_listed(&list, "127.0.0.1", 8), 1);
    assert_int_equal(times_listed(&list, "::1", 128), 1);
    assert_int_equal(times_listed(&list, LAB_DST, 24), 1);
    assert_int_equal(times_listed(&list, LAB_DST6, 64), 1);
    for (uint32_t i = 0; i < MANY; i++)
        add_address(i);
    assert_true(address_list(&list, &err)); /* what it held is freed */
    assert_int_equal(list.count, 4 + MANY);
    const struct iface_address *rows = list.rows;
    uint32_t server = index_of(LAB_SERVER);
    for (size_t i = 0; i < list.count; i++)
        assert_true(rows[i].addr.kind == ADDR_IP6 || rows[i].ifindex == server ||
                    rows[i].addr.bytes[0] == 127);
    host_list_free(&list);
}

/* While the kernel tells of the addresses, there comes one more: at first, or each time. */
static uint32_t changes, calls;

static bool disturb(struct host_list *list, const struct netlink *m)
{
    (void)m;
    if (list->count == 0 && changes > 0) {
        changes--;
        add_address(MANY + calls++);
    }
    return host_list_add(list) != NULL;
}

static bool ask_disturbed(struct host_list *list, struct error *err)
{
    struct ifaddrmsg info = {.ifa_family = AF_INET};
    struct netlink m;
    netlink_begin(&m, RTM_GETADDR, 0, &info, sizeof info);
    return host_list_ask(list, &m, sizeof info, 1, disturb, "addresses", err);
}

static void a_list_that_changed_is_asked_for_again(void **state)
{
    (void)state;
    struct host_list list = {0};
    struct error err;
    changes = 1;
    assert_true(ask_disturbed(&list, &err));
    assert_int_equal(list.count, 2 + MANY + 1);
    changes = 1000;
    assert_false(ask_disturbed(&list, &err));
    assert_string_equal(err.code, "EAGAIN");
    assert_null(list.rows);
    assert_true(calls > 2 && calls < 100);
}

static bool refuse(struct host_list *list, const struct netlink *m)
{
    (void)m;
    list->count = HOST_LIST_MAX;
    return host_list_add(list) != NULL;
}

static void a_list_is_bounded(void **state)
{
    (void)state;
    struct host_list list = {0};
    struct error err;
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    struct netlink m;
    netlink_begin(&m, RTM_GETLINK, 0, &info, sizeof info);
    assert_false(host_list_ask(&list, &m, sizeof info, 1, refuse, "interfaces", &err));
    assert_string_equal(err.code, "EMSGSIZE");
    assert_non_null(strstr(err.message, "more than 262144 interfaces"));
    assert_null(list.rows);
    /* A request that the kernel refuses. */
    netlink_begin(&m, RTM_GETLINK, 0, &info, 4);
    assert_false(host_list_ask(&list, &m, sizeof info, 1, refuse, "interfaces", &err));
}

/* Adds a route to 10.9.0.0/16 that names two gateways. */
static void add_two_hops(void)
{
    static const uint8_t dst[4] = {10, 9, 0, 0};
    static const uint8_t via[2][4] = {{192, 0, 2, 253}, {192, 0, 2, 254}};
    struct rtmsg route = {.rtm_family = AF_INET,
                          .rtm_dst_len = 16,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = RTPROT_STATIC,
                          .rtm_type = RTN_UNICAST};
    struct netlink m;
    netlink_begin(&m, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, &route, sizeof route);
    netlink_put(&m, RTA_DST, dst, sizeof dst);
    netlink_put32(&m, RTA_PRIORITY, 77);
    size_t hops = netlink_nest(&m, RTA_MULTIPATH);
    for (size_t i = 0; i < 2; i++) {
        struct rtnexthop hop = {.rtnh_len = sizeof hop + 8,
                                .rtnh_ifindex = (int)index_of(LAB_SERVER)};
        netlink_put_raw(&m, &hop, sizeof hop);
        netlink_put(&m, RTA_GATEWAY, via[i], sizeof via[i]);
    }
    netlink_end(&m, hops);
    assert_int_equal(netlink_ask(&m, 0), 0);
}

static void routes_and_their_hops(void **state)
{
    (void)state;
    struct host_list list = {0};
    struct error err;
    add_two_hops();
    assert_true(route_list(&list, &err));
    const struct route_entry *rows = list.rows;
    uint32_t server = index_of(LAB_SERVER);
    size_t direct = 0, six = 0, hops = 0;
    for (size_t i = 0; i < list.count; i++) {
        char dst[ADDR_TEXT], via[ADDR_TEXT], src[ADDR_TEXT];
        addr_format(&rows[i].dst, dst);
        addr_format(&rows[i].gateway, via);
        addr_format(&rows[i].source, src);
        assert_int_equal(rows[i].table, RT_TABLE_MAIN);
        assert_int_equal(rows[i].type, RTN_UNICAST);
        assert_int_equal(rows[i].ifindex, server);
        direct += strcmp(dst, "192.0.2.0") == 0 && rows[i].bits == 24 && strcmp(src, LAB_DST) == 0;
        six += strcmp(dst, "2001:db8::") == 0 && rows[i].bits == 64;
        hops += strcmp(dst, "10.9.0.0") == 0 && rows[i].bits == 16 && rows[i].metric == 77 &&
                strcmp(via, hops ? "192.0.2.254" : "192.0.2.253") == 0;
    }
    assert_int_equal(direct, 1);
    assert_int_equal(six, 1);
    assert_int_equal(hops, 2);
    assert_int_equal(list.count, 4);
    host_list_free(&list);
}

static void add_neighbour(const char *text, uint16_t neighbour_state)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x77};
    struct addr ip;
    struct error err;
    assert_true(addr_parse(&ip, text, "address", &err));
    struct ndmsg neigh = {.ndm_family = ip.kind == ADDR_IP4 ? AF_INET : AF_INET6,
                          .ndm_ifindex = (int)index_of(LAB_SERVER),
                          .ndm_state = neighbour_state};
    struct netlink m;
    netlink_begin(&m, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &neigh, sizeof neigh);
    netlink_put(&m, NDA_DST, ip.bytes, addr_length(ip.kind));
    if (neighbour_state != NUD_FAILED)
        netlink_put(&m, NDA_LLADDR, mac, sizeof mac);
    assert_int_equal(netlink_ask(&m, 0), 0);
}

static void neighbours(void **state)
{
    (void)state;
    struct host_list list = {0};
    struct error err;
    static const struct {
        const char *ip;
        uint16_t state;
    } known[] = {{"192.0.2.77", NUD_REACHABLE},
                 {"192.0.2.78", NUD_FAILED},
                 {"2001:db8::77", NUD_PERMANENT},
                 {"192.0.2.79", NUD_NOARP}};
    for (size_t i = 0; i < 4; i++)
        add_neighbour(known[i].ip, known[i].state);
    assert_true(neigh_list(&list, &err));
    assert_int_equal(list.count, 3); /* the last needs no asking */
    const struct neighbour_entry *rows = list.rows;
    for (size_t i = 0; i < list.count; i++) {
        char ip[ADDR_TEXT];
        size_t j = 0;
        addr_format(&rows[i].ip, ip);
        while (j < 3 && strcmp(known[j].ip, ip) != 0)
            j++;
        assert_true(j < 3);
        assert_int_equal(rows[i].state, known[j].state);
        assert_int_equal(rows[i].mac.kind, known[j].state == NUD_FAILED ? ADDR_NONE : ADDR_MAC);
        assert_int_equal(rows[i].ifindex, index_of(LAB_SERVER));
        struct neighbour_entry same;
        assert_true(neigh_ask(rows[i].ifindex, &rows[i].ip, &same, &err));
        assert_int_equal(same.state, rows[i].state);
    }
    struct addr stranger = rows[0].ip;
    struct neighbour_entry none;
    assert_false(neigh_ask(index_of(LAB_IFACE), &stranger, &none, &err));
    assert_string_equal(err.code, "ENOENT");
    host_list_free(&list);
}

int main(void)
{
    struct error err;
    if (!lab_enter(&err)) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interfaces_of_the_lab),
        cmocka_unit_test(routes_and_their_hops),
        cmocka_unit_test(addresses_of_many_datagrams),
        cmocka_unit_test(a_list_that_changed_is_asked_for_again),
        cmocka_unit_test(a_list_is_bounded),
        cmocka_unit_test(neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
