/* clock: time as 64-bit nanoseconds.
 *
 * Time is an argument everywhere below `stack`: a function that depends on it takes `now`. The one
 * struct here is where `now` comes from: the machine's monotonic clock, or a virtual clock that a
 * simulation moves by hand. */
#ifndef TCPLUA_BASE_CLOCK_H
#define TCPLUA_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_US  INT64_C(1000)
#define NS_PER_MS  INT64_C(1000000)
#define NS_PER_S   INT64_C(1000000000)
#define TIME_NEVER INT64_MAX /* a deadline that never comes */

struct clock {
    bool virtual; /* if set, `now` is the time and nothing but clock_advance() moves it */
    int64_t now;
};

/* Monotonic nanoseconds, or the virtual time. */
int64_t clock_now(const struct clock *clock);

/* Nanoseconds since 1970 for time stamps in captures. A virtual clock counts from 2000-01-01. */
int64_t clock_wall(const struct clock *clock);

/* Moves a virtual clock forward to `when`; an earlier `when` is ignored. */
void clock_advance(struct clock *clock, int64_t when);

/* Nanoseconds since the machine booted, suspension included: the same for every process. */
int64_t clock_boot(void);

#endif
