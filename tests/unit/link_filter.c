/* filter: what is taken, what is refused, and how fast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "link/filter.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* An IPv4 SYN from 192.0.2.1:40001 to 192.0.2.2:80, behind an Ethernet header. */
static const uint8_t syn[54] = {
    2,    0,    0, 0,  0, 2, 2,    0, 0,  0, 0, 1, 8,    0, /* Ethernet */
    0x45, 0,    0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192,  0,    2,    1,    192, 0, 2, 2, /* IPv4 */
    0x9c, 0x41, 0, 80, 0, 0, 0,    1, 0,  0, 0, 0, 0x50, 0x02, 0xfa, 0xf0, 0,   0, 0, 0, /* TCP */
};

static bool matches(const char *expression)
{
    struct error err;
    struct filter *ethernet = filter_compile(expression, LINK_ETHERNET, &err);
    if (!ethernet)
        fail_msg("%s", err.message);
    bool taken = filter_match(ethernet, syn, sizeof syn, sizeof syn);
    filter_free(ethernet);
    return taken;
}

static void takes_what_it_says(void **state)
{
    (void)state;
    assert_true(matches(""));
    assert_true(matches("tcp"));
    assert_false(matches("udp"));
    assert_true(matches("tcp dst port 80"));
    assert_true(matches("tcp dst port http"));
    assert_true(matches("port ftp or http"));
    assert_false(matches("tcp src port 80"));
    assert_true(matches("host 192.0.2.1 and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"));
    assert_true(matches("net 192.0.2.0/24 and portrange 79-81 and ip[8]=0x40 and tcp[2:2]=80"));
    assert_true(matches("ether src 02:00:00:00:00:01 and not ip6 net 2001:db8::/32"));
    assert_true(matches("ip proto \\tcp and len >= 54 and 4 - 2 = 2"));
}

static void knows_both_media(void **state)
{
    (void)state;
    struct error err;
    struct filter *ip = filter_compile("tcp dst port 80", LINK_IP, &err);
    assert_non_null(ip);
    assert_true(filter_match(ip, syn + 14, sizeof syn - 14, sizeof syn - 14));
    assert_false(filter_match(ip, syn, sizeof syn, sizeof syn));
    for (size_t n = 0; n < sizeof syn - 14; n++) { /* exactly n bytes, for the sanitizer */
        uint8_t *cut = malloc(n + 1);
        assert_non_null(cut);
        memcpy(cut + 1, syn + 14, n);
        assert_int_equal(filter_match(ip, cut + 1, n, sizeof syn - 14), n >= 24);
        free(cut);
    }
    filter_free(ip);
    filter_free(NULL);
}

static void knows_other_link_types(void **state)
{
    (void)state;
    static const struct {
        int linktype;
        size_t header; /* bytes before the datagram */
        uint8_t bytes[20];
    } rows[] = {
        {0, 4, {2}},                       /* BSD loopback, AF_INET */
        {101, 0, {0}},                     /* raw IP */
        {113, 16, {0, 0, 0, 1, [14] = 8}}, /* Linux cooked */
        {228, 0, {0}},                     /* IPv4 */
        {276, 20, {8}},                    /* Linux cooked, version 2 */
    };
    struct error err;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t frame[60];
        size_t length = rows[i].header + sizeof syn - 14;
        memcpy(frame, rows[i].bytes, rows[i].header);
        memcpy(frame + rows[i].header, syn + 14, sizeof syn - 14);
        struct filter *yes = filter_compile_linktype("tcp dst port 80", rows[i].linktype, &err);
        struct filter *no = filter_compile_linktype("tcp dst port 81", rows[i].linktype, &err);
        assert_true(yes && no);
        if (!filter_match(yes, frame, length, length) || filter_match(no, frame, length, length))
            fail_msg("wrong for link type %d", rows[i].linktype);
        filter_free(yes);
        filter_free(no);
    }
    assert_null(filter_compile_linktype("ether src 02:00:00:00:00:01", 101, &err));
    assert_string_equal(err.code, "EINVAL");
}

static void assert_refused(const char *expression, const char *word)
{
    struct error err;
    struct filter *filter = filter_compile(expression, LINK_ETHERNET, &err);
    if (filter)
        fail_msg("\"%s\" was taken", expression);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.code, "EINVAL");
    if (!strstr(err.message, word))
        fail_msg("\"%s\" does not say %s", err.message, word);
}

static void refuses_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "host www.example.com",
        "www",
        "src www",
        "port 80 and src www",
        "net foo",
        "ether host foo",
        "123.be",
        "1-2.de",
        "host cafe:1",
        "tcp foo",
        "\\tcp",
        "host \\port",
        "port http and udp bar",
        "dead.beef",
        "gateway gw",
        "AND",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_refused(names[i], "host names are not looked up");
}

static void refuses_nonsense(void **state)
{
    (void)state;
    assert_refused("tcp port", "syntax error");
    assert_refused("((tcp)", "syntax error");
    assert_refused("port nosuchserviceatall", "nosuchserviceatall");
    assert_refused("tcp and \x1b[2]", "\\x1b[2]");
    assert_refused("host 1.2.3.4.5.6", "");
    assert_refused("vlan 99999", "");
}

static void is_bounded(void **state)
{
    (void)state;
    struct error err;
    static char text[1 << 20];
    memset(text, '(', sizeof text - 1);
    assert_refused(text, "characters");
    memset(text, '(', FILTER_LENGTH);
    text[FILTER_LENGTH] = '\0';
    assert_refused(text, "");
    memset(text, '!', FILTER_LENGTH - 3);
    strcpy(text + FILTER_LENGTH - 3, "tcp");
    struct filter *filter = filter_compile(text, LINK_ETHERNET, &err);
    assert_non_null(filter);
    filter_free(filter);
    memset(text, 'a', FILTER_LENGTH);
    text[FILTER_LENGTH] = '\0';
    assert_refused(text, "host names");

    /* The worst known: its time grows with the cube of the length. */
    char *end = text;
    for (int port = 1000; end - text < FILTER_LENGTH - 20; port++)
        end += snprintf(end, 20, "port %d or ", port);
    strcpy(end, "tcp");
    clock_t began = clock();
    filter = filter_compile(text, LINK_ETHERNET, &err);
    assert_non_null(filter);
    assert_true(clock() - began < 10 * CLOCKS_PER_SEC);
    filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_it_says),     cmocka_unit_test(knows_both_media),
        cmocka_unit_test(knows_other_link_types), cmocka_unit_test(refuses_names),
        cmocka_unit_test(refuses_nonsense),       cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
