/* Whether two addresses begin alike: at whole bytes, and within one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#include <cmocka.h> /* last: its fail() is a macro */

static bool alike(const char *a, const char *b, unsigned bits)
{
    struct addr first, second;
    assert_true(addr_parse(&first, a, "address", NULL) && addr_parse(&second, b, "address", NULL));
    return addr_same_prefix(&first, &second, bits);
}

static void a_prefix_ends_at_any_bit(void **state)
{
    (void)state;
    assert_true(alike("10.0.0.1", "192.0.2.1", 0));
    assert_true(alike("192.0.2.1", "192.0.2.254", 24));
    assert_false(alike("192.0.2.1", "192.0.3.1", 24));
    assert_true(alike("192.0.2.1", "192.0.3.1", 23));
    assert_true(alike("10.0.0.5", "10.0.0.6", 30));
    assert_false(alike("10.0.0.5", "10.0.0.8", 30));
    assert_false(alike("10.0.0.5", "10.0.0.4", 32));
    assert_true(alike("2001:db8::1", "2001:db8::ffff", 64));
    assert_false(alike("2001:db8::1", "2001:db8:0:1::1", 64));
    assert_true(alike("::1", "::1", 128));
    assert_false(alike("::1", "::2", 128));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_prefix_ends_at_any_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
