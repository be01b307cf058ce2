/* Option lists: every (kind, length) pair walked, written lists read back. */
#include "packet/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Walks `length` bytes in a block of exactly that size, checks that the walk advances and stays
 * inside, and writes down what it finds in `again`, which has room for as much. Returns how far it
 * came. */
static size_t walk_and_write(const struct option_table *table, const uint8_t *from, size_t length,
                             uint8_t *again)
{
    uint8_t *bytes = malloc(length + 1); /* with a byte in front, so that none is behind */
    assert_non_null(bytes);
    memcpy(bytes + 1, from, length);
    struct option_walk walk = {table, bytes + 1, length, 0, false};
    struct option_list list = {table, again, length, 0};
    struct option option;
    size_t last = 0;
    while (option_next(&walk, &option)) {
        assert_true(walk.at > last && walk.at <= length);
        assert_ptr_equal(option.value + option.length, bytes + 1 + walk.at);
        assert_ptr_equal(option.row, option_of_kind(table, option.kind));
        assert_true(option_put(&list, option.kind, option.value, option.length));
        last = walk.at;
    }
    assert_int_equal(walk.at, last);
    assert_int_equal(list.length, last);
    free(bytes);
    return last;
}

/* All 65,536 pairs of every table, among other options, as the only one, and cut by a byte: the
 * walk ends and stays inside, and what was found, written again, is the same bytes. */
static void test_every_pair(void **state)
{
    (void)state;
    static const struct option_table *const tables[] = {&tcp_options, &ip_options, &nd_options,
                                                        &dhcp_options};
    static uint8_t bytes[OPTION_LONGEST + 2], again[OPTION_LONGEST + 2];
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (unsigned kind = 0; kind < 256; kind++)
            for (unsigned length = 0; length < 256; length++) {
                bool single = option_is_single(tables[t], (uint8_t)kind);
                size_t size = (size_t)length * tables[t]->unit + 2 - tables[t]->head;
                memset(bytes, 1, sizeof bytes);
                bytes[0] = (uint8_t)kind;
                bytes[1] = (uint8_t)length;
                size_t came = walk_and_write(tables[t], bytes, 40, again);
                assert_memory_equal(again, bytes, came);
                assert_int_equal(came > 0, single || (size >= 2 && size <= 40));
                assert_true(came == 0 || single || came >= size);
                if (single || size < 2)
                    continue;
                assert_int_equal(walk_and_write(tables[t], bytes, size, again), size);
                assert_memory_equal(again, bytes, size);
                assert_int_equal(walk_and_write(tables[t], bytes, size - 1, again), 0);
            }
}

static void test_no_bytes_and_half_an_option(void **state)
{
    (void)state;
    static const uint8_t lonely[] = {2};
    struct option_walk walk = {&tcp_options, lonely, 0, 0, false};
    struct option option;
    assert_false(option_next(&walk, &option));
    assert_false(walk.bad);
    walk.length = 1;
    assert_false(option_next(&walk, &option));
    assert_true(walk.bad);
    assert_int_equal(walk.at, 0);
}

static void test_end_stops(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 0, 2, 4, 5, 0xb4};
    struct option_walk walk = {&tcp_options, bytes, sizeof bytes, 0, false};
    struct option option;
    assert_true(option_next(&walk, &option));
    assert_string_equal(option.row->name, "nop");
    assert_true(option_next(&walk, &option));
    assert_string_equal(option.row->name, "eol");
    assert_false(option_next(&walk, &option));
    assert_false(walk.bad);
}

static void test_put_and_read_back(void **state)
{
    (void)state;
    uint8_t bytes[40];
    struct option_list list = {&tcp_options, bytes, sizeof bytes, 0};
    static const uint8_t mss[] = {5, 0xb4}, ts[8] = {0, 0, 0, 1}, wscale[] = {7};
    static const uint8_t linux_syn[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0,
                                        0, 1, 0, 0,    0, 0, 1, 3,  3, 7};
    assert_true(option_put(&list, 2, mss, 2));
    assert_true(option_put(&list, 4, NULL, 0));
    const struct option_row *row = option_named(&tcp_options, "ts");
    assert_true(option_align(&list, row));
    assert_true(option_put(&list, row->kind, ts, 8));
    row = option_named(&tcp_options, "wscale");
    assert_true(option_align(&list, row));
    assert_true(option_put(&list, row->kind, wscale, 1));
    assert_int_equal(list.length, sizeof linux_syn);
    assert_memory_equal(bytes, linux_syn, sizeof linux_syn);

    for (size_t i = 0; i < tcp_options.count; i++) {
        row = &tcp_options.rows[i];
        assert_ptr_equal(option_of_kind(&tcp_options, row->kind), row);
        assert_ptr_equal(option_named(&tcp_options, row->name), row);
    }
    assert_null(option_named(&tcp_options, "MSS"));
    assert_null(option_of_kind(&tcp_options, 253));
}

static void test_put_refuses(void **state)
{
    (void)state;
    uint8_t bytes[600], value[300] = {0};
    struct option_list list = {&tcp_options, bytes, sizeof bytes, 0};
    assert_true(option_put(&list, 253, value, 253)); /* the longest */
    assert_false(option_put(&list, 253, value, 254));
    assert_false(option_put(&list, 1, value, 1)); /* a no-operation has no value */
    assert_int_equal(list.length, 255);
    list.size = 256;
    assert_false(option_put(&list, 4, NULL, 0));
    assert_true(option_put(&list, 1, NULL, 0));
    assert_false(option_put(&list, 1, NULL, 0));
    assert_false(option_align(&list, option_named(&tcp_options, "ts")));
}

/* NDP counts in units of eight bytes. */
static void test_neighbour_discovery(void **state)
{
    (void)state;
    uint8_t bytes[24];
    struct option_list list = {&nd_options, bytes, sizeof bytes, 0};
    static const uint8_t mac[] = {2, 0, 0, 0, 0, 1};
    static const uint8_t expected[] = {1, 1, 2, 0, 0, 0, 0, 1, 14, 2, 9, 9,
                                       9, 9, 9, 9, 9, 0, 0, 0, 0,  0, 0, 0};
    assert_true(option_put(&list, 1, mac, 6));
    assert_true(option_put(&list, 14, (uint8_t[]){9, 9, 9, 9, 9, 9, 9}, 7));
    assert_int_equal(list.length, 24);
    assert_memory_equal(bytes, expected, 24);
    assert_false(option_put(&list, 0, NULL, 0)); /* kind 0 is no single byte here, and no room */
    struct option_walk walk = {&nd_options, bytes, 24, 0, false};
    struct option option;
    assert_true(option_next(&walk, &option));
    assert_string_equal(option.row->name, "sll");
    assert_int_equal(option.length, 6);
    assert_true(option_next(&walk, &option));
    assert_int_equal(option.length, 14);
    assert_false(option_next(&walk, &option));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_end_stops),
        cmocka_unit_test(test_put_and_read_back),
        cmocka_unit_test(test_put_refuses),
        cmocka_unit_test(test_neighbour_discovery),
        cmocka_unit_test(test_no_bytes_and_half_an_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
