/* Initial sequence numbers: RFC 6528's promises, and a value computed with another tool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/crypto.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define KNOWN UINT32_C(0xdc371b0f)

static struct flow flow_of(const char *local, uint16_t lport, const char *remote, uint16_t rport)
{
    struct flow flow = {.lport = lport, .rport = rport};
    struct error err;
    assert_true(addr_parse(&flow.local, local, "local", &err));
    assert_true(addr_parse(&flow.remote, remote, "remote", &err));
    return flow;
}

/* MUST-8, SHLD-1, RFC 6528: the number is M + F: with the secret 00 01 … 1f, the first 32 bits of
 * the hash are those that sha256sum gives for the 70 bytes. */
static void known_value(void **state)
{
    (void)state;
    uint8_t secret[SHA256_SIZE];
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)i;
    struct flow flow = flow_of("192.0.2.1", 40001, "192.0.2.2", 9000);
    assert_int_equal(isn(&flow, 0, secret), KNOWN);
    assert_int_equal(isn(&flow, 3999, secret), KNOWN);
    assert_int_equal(isn(&flow, 4000, secret), (uint32_t)(KNOWN + 1));
    assert_int_equal(isn(&flow, NS_PER_S, secret), (uint32_t)(KNOWN + 250000));
}

static void clock_wraps(void **state)
{
    (void)state;
    uint8_t secret[SHA256_SIZE] = {1};
    struct flow flow = flow_of("192.0.2.1", 40001, "192.0.2.2", 9000);
    int64_t turn = (INT64_C(1) << 32) * 4000; /* 4.77 hours */
    assert_int_equal(isn(&flow, turn + 8000, secret), isn(&flow, 8000, secret));
    assert_int_equal((uint32_t)(isn(&flow, turn, secret) - isn(&flow, turn - 4000, secret)), 1);
}

/* MUST-9, RFC 6528 */
static void every_part_counts(void **state)
{
    (void)state;
    uint8_t secret[SHA256_SIZE] = {0}, other[SHA256_SIZE] = {[31] = 1};
    struct flow flows[] = {
        flow_of("192.0.2.1", 40001, "192.0.2.2", 9000),
        flow_of("192.0.2.3", 40001, "192.0.2.2", 9000),
        flow_of("192.0.2.1", 40002, "192.0.2.2", 9000),
        flow_of("192.0.2.1", 40001, "192.0.2.4", 9000),
        flow_of("192.0.2.1", 40001, "192.0.2.2", 9001),
        flow_of("192.0.2.2", 9000, "192.0.2.1", 40001),
        flow_of("2001:db8::1", 40001, "2001:db8::2", 9000),
        flow_of("2001:db8::1", 40001, "2001:db8::3", 9000),
        flow_of("c000:201::", 40001, "c000:202::", 9000), /* as IPv4's, padded with zeros */
    };
    size_t count = sizeof flows / sizeof flows[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(isn(&flows[i], 0, secret), isn(&flows[j], 0, secret));
        assert_int_not_equal(isn(&flows[i], 0, secret), isn(&flows[i], 0, other));
    }
}

static void zone_does_not_count(void **state)
{
    (void)state;
    uint8_t secret[SHA256_SIZE] = {0};
    struct flow a = flow_of("2001:db8::1", 40001, "2001:db8::2", 9000), b = a;
    b.remote.scope = 7;
    assert_int_equal(isn(&a, 0, secret), isn(&b, 0, secret));
}

/* MUST-9 */
static void secrets(void **state)
{
    (void)state;
    uint8_t boot[SHA256_SIZE], again[SHA256_SIZE], one[SHA256_SIZE], two[SHA256_SIZE];
    uint64_t seed = 1;
    struct error err;
    assert_true(isn_secret(boot, NULL, &err));
    assert_true(isn_secret(again, NULL, &err));
    assert_memory_equal(boot, again, sizeof boot);
    assert_true(isn_secret(one, &seed, &err));
    assert_memory_not_equal(boot, one, sizeof one);
    assert_true(isn_secret(again, &seed, &err));
    assert_memory_equal(one, again, sizeof one);
    seed = UINT64_C(1) << 32 | 1;
    assert_true(isn_secret(two, &seed, &err));
    assert_memory_not_equal(one, two, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_value),       cmocka_unit_test(clock_wraps),
        cmocka_unit_test(every_part_counts), cmocka_unit_test(zone_does_not_count),
        cmocka_unit_test(secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
