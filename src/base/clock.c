/* clock: see clock.h. */
#include "base/clock.h"

#include <time.h>

#define VIRTUAL_EPOCH (INT64_C(946684800) * NS_PER_S) /* 2000-01-01T00:00:00Z */

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_now(const struct clock *clock)
{
    return clock->virtual ? clock->now : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall(const struct clock *clock)
{
    return clock->virtual ? VIRTUAL_EPOCH + clock->now : read_clock(CLOCK_REALTIME);
}

void clock_advance(struct clock *clock, int64_t when)
{
    if (clock->virtual && when > clock->now)
        clock->now = when;
}

int64_t clock_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}
