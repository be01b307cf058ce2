/* The heap of deadlines: whatever is put in, moved and taken out, the earliest comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "stack/deadlines.h"

#include <cmocka.h> /* last: its fail() is a macro */

enum { MANY = 300 };

/* Each knows its place, and nobody is due later than a child. */
static void check(const struct deadlines *d)
{
    assert_true(d->count <= d->room);
    for (size_t i = 0; i < d->count; i++) {
        assert_int_equal(d->heap[i]->at, i);
        if (i > 0)
            assert_true(d->heap[(i - 1) / 2]->due <= d->heap[i]->due);
    }
    assert_ptr_equal(deadlines_first(d), d->count ? d->heap[0] : NULL);
}

static void the_earliest_is_first(void **state)
{
    (void)state;
    struct deadlines d = {0};
    static struct deadline all[MANY];
    static int64_t due[MANY]; /* 0: not in it */
    srand(1);
    for (int round = 0; round < 20000; round++) {
        /* More go in than come out, then fewer: it fills and it empties. */
        size_t i = (size_t)rand() % MANY;
        if (!due[i]) {
            if (round / 5000 % 2 && rand() % 4)
                continue;
            assert_true(deadlines_add(&d, &all[i]));
            assert_true(all[i].due == TIME_NEVER);
            due[i] = TIME_NEVER;
        } else if (rand() % 4 == 0) {
            deadlines_remove(&d, &all[i]);
            due[i] = 0;
        } else {
            due[i] = rand() % 8 ? 1 + rand() % 200 : TIME_NEVER; /* few numbers: many are equal */
            deadlines_move(&d, &all[i], due[i]);
        }
        check(&d);
        size_t count = 0;
        int64_t earliest = TIME_NEVER;
        for (size_t k = 0; k < MANY; k++) {
            if (!due[k])
                continue;
            count++;
            assert_true(all[k].due == due[k]);
            if (due[k] < earliest)
                earliest = due[k];
        }
        assert_int_equal(d.count, count);
        if (count)
            assert_true(deadlines_first(&d)->due == earliest);
    }
    deadlines_free(&d);
    assert_null(deadlines_first(&d));
}

static void they_come_out_in_order(void **state)
{
    (void)state;
    struct deadlines d = {0};
    static struct deadline all[MANY];
    for (size_t i = 0; i < MANY; i++) {
        assert_true(deadlines_add(&d, &all[i]));
        deadlines_move(&d, &all[i], (int64_t)(i * 7919 % MANY));
    }
    for (int64_t i = 0; i < MANY; i++) {
        assert_true(deadlines_first(&d)->due == i);
        deadlines_remove(&d, deadlines_first(&d));
        check(&d);
    }
    assert_null(deadlines_first(&d));
    deadlines_free(&d);
}

/* The last leaf takes the place of one that goes; it may belong nearer the root than that. */
static void a_leaf_rises_in_another_branch(void **state)
{
    (void)state;
    static const int64_t due[] = {1, 10, 2, 11, 12, 3, 4};
    struct deadlines d = {0};
    struct deadline all[7];
    for (size_t i = 0; i < 7; i++) {
        assert_true(deadlines_add(&d, &all[i]));
        deadlines_move(&d, &all[i], due[i]);
    }
    deadlines_remove(&d, &all[3]); /* 4 stands below 10 now, unless it rises */
    check(&d);
    deadlines_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_is_first),
        cmocka_unit_test(they_come_out_in_order),
        cmocka_unit_test(a_leaf_rises_in_another_branch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
