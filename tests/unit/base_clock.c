/* The clock of the machine, whose wall clock somebody sets: what timers run on does not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define YEAR (365 * 86400)

static long jump; /* seconds by which the wall clock is wrong */

/* In the place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *time)
{
    if (syscall(SYS_clock_gettime, id, time))
        return -1;
    if (id == CLOCK_REALTIME)
        time->tv_sec += jump;
    return 0;
}

static void j19_the_wall_clock_jumps(void **state)
{
    (void)state;
    const struct clock machine = {0};
    static const long jumps[] = {0, YEAR, -YEAR, 0};
    int64_t now = clock_now(&machine), boot = clock_boot(), wall = clock_wall(&machine);
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        jump = jumps[i];
        assert_in_range(clock_now(&machine) - now, 0, 60 * NS_PER_S);
        assert_in_range(clock_boot() - boot, 0, 60 * NS_PER_S);
        assert_in_range(clock_wall(&machine) - wall - jump * NS_PER_S, 0, 60 * NS_PER_S);
        now = clock_now(&machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(j19_the_wall_clock_jumps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
