/* Lua's memory: what is in a block stays there, and what is kept of dropped ones is bounded. */
#include "script/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 512, LARGEST = MEMORY_SMALL + 64 };

static struct memory memory;

/* Blocks are made, grown, shrunk and dropped in an order at random; each is full of its number. */
static void test_blocks_hold_what_is_in_them(void **state)
{
    static struct {
        unsigned char *bytes;
        size_t size;
    } blocks[BLOCKS];
    unsigned random = 1;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        random = random * 1103515245 + 12345;
        size_t n = random >> 8 & (BLOCKS - 1), size = (random >> 17) % LARGEST;
        size_t kept = blocks[n].size < size ? blocks[n].size : size;
        unsigned char *bytes = memory_allocate(&memory, blocks[n].bytes, blocks[n].size, size);
        assert_int_equal(bytes == NULL, size == 0);
        for (size_t j = 0; bytes && j < kept; j++)
            assert_int_equal(bytes[j], n & 0xff);
        if (bytes)
            memset(bytes, (int)n, size);
        blocks[n].bytes = bytes;
        blocks[n].size = size;
    }
    for (size_t n = 0; n < BLOCKS; n++)
        memory_allocate(&memory, blocks[n].bytes, blocks[n].size, 0);
    memory_free(&memory);
}

/* A script that holds a lot and drops it all leaves a bounded part of it here, of each size. */
static void test_what_is_kept_is_bounded(void **state)
{
    enum { COUNT = 2 * MEMORY_KEPT / MEMORY_SMALL };
    static void *blocks[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = memory_allocate(&memory, NULL, 0, MEMORY_SMALL);
    for (size_t i = 0; i < COUNT; i++)
        assert_null(memory_allocate(&memory, blocks[i], MEMORY_SMALL, 0));
    assert_true(memory.kept[MEMORY_SMALL / MEMORY_UNIT].bytes <= MEMORY_KEPT);
    memory_free(&memory);
    for (size_t i = 0; i <= MEMORY_SMALL / MEMORY_UNIT; i++)
        assert_int_equal(memory.kept[i].bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_hold_what_is_in_them),
        cmocka_unit_test(test_what_is_kept_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
