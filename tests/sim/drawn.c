/* drawn: two engines and a bad network between them, whose every feature a seed decides: loss,
 * delay, duplication, reordering, buffers, the applications' habits, who closes first, where the
 * sequence numbers start. Whatever the network does, both streams must arrive byte for byte, both
 * ends must close, and the invariants must hold after every call (world.h). A failing seed is
 * printed and replays alone, with every segment shown:
 *
 *     sim_drawn                  the quick set
 *     TCPLUA_SEEDS=10000 sim_drawn
 *     sim_drawn 4711             this seed only, traced
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/congestion.h"
#include "world.h"

#include <cmocka.h> /* after ours: it has a macro named fail */

#define SEEDS_DEFAULT 300
#define LONG          300000 /* bytes of what is more than an exchange */

static uint64_t draw_below(uint64_t *state, uint64_t n)
{
    return n ? path_draw(state) % n : 0;
}

static const uint32_t buffers[] = {1000, 2048, 5000, 16384, 65535, 65535, 200000, 1000000};
static const double losses[] = {0, 0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3};
static const uint16_t sizes[] = {64, 100, 536, 1000, 1460, 1460, 8960};

#define ONE_OF(random, list) (list)[draw_below(random, sizeof(list) / sizeof *(list))]

/* From `from` on nothing passes for `length`, either way. */
static void dark(struct world_plan *plan, struct fault fault, int64_t from, int64_t length)
{
    struct fault down = fault;
    down.down = true;
    for (int side = 0; side < 2; side++) {
        plan->changes[side] = (struct world_change){from + 1, side, down};
        plan->changes[2 + side] = (struct world_change){from + 1 + length, side, fault};
    }
}

static struct world_plan plan_from(uint64_t seed)
{
    uint64_t random = seed;
    struct world_plan plan = world_plain();

    struct fault fault = {.loss = ONE_OF(&random, losses)};
    fault.delay = (int64_t)draw_below(&random, 1U << draw_below(&random, 9)) * NS_PER_MS;
    if (draw_below(&random, 2))
        fault.jitter = (int64_t)draw_below(&random, 1U << draw_below(&random, 10)) * NS_PER_MS;
    if (draw_below(&random, 3) == 0)
        fault.duplicate = (double)draw_below(&random, 500) / 1000;
    if (draw_below(&random, 3) == 0)
        fault.reorder = (double)draw_below(&random, 300) / 1000;
    if (draw_below(&random, 4) == 0)
        fault.corrupt = (double)draw_below(&random, 100) / 1000;
    if (draw_below(&random, 4) == 0)
        fault.rate = 1e5 * (double)(1 + draw_below(&random, 1U << draw_below(&random, 10)));
    if (draw_below(&random, 8) == 0)
        dark(&plan, fault, (int64_t)draw_below(&random, 3000) * NS_PER_MS, 60 * NS_PER_S);
    plan.path[0] = plan.path[1] = fault;
    plan.seed = path_draw(&random);
    plan.both_connect = draw_below(&random, 6) == 0;

    size_t most = fault.loss >= 0.1 ? 20000 : 150000;
    for (int side = 0; side < 2; side++) {
        struct tcp_config *c = &plan.side[side].config;
        uint32_t corner = draw_below(&random, 2) ? 0 : 0x80000000;
        c->iss = draw_below(&random, 2) ? (uint32_t)path_draw(&random)
                                        : corner - (uint32_t)draw_below(&random, 100000);
        c->mss = ONE_OF(&random, sizes);
        c->sndbuf = ONE_OF(&random, buffers);
        c->rcvbuf = ONE_OF(&random, buffers);
        c->nagle = draw_below(&random, 2);
        if (draw_below(&random, 2))
            c->delayed_ack = 40 * NS_PER_MS;
        c->congestion = draw_below(&random, 2) ? &congestion_cubic : &congestion_newreno;
        c->ecn = draw_below(&random, 2) ? TCP_ECN_ASK : TCP_ECN_ANSWER;
        c->wscale = draw_below(&random, 4);
        c->timestamps = draw_below(&random, 4);
        c->sack = draw_below(&random, 4);
        c->rack = draw_below(&random, 4);
        c->signature = draw_below(&random, 4) ? 0 : 20;
        c->ts_offset = UINT32_MAX - (uint32_t)draw_below(&random, 20000); /* wraps on the way */
        plan.side[side].total = draw_below(&random, most);
        if (c->mss < 500)
            plan.side[side].total /= 10;
        plan.side[side].chunk = 1 + draw_below(&random, 1U << draw_below(&random, 14));
        plan.side[side].after_eof = false;
        if (plan.side[side].total / plan.side[side].chunk > 400) /* time is short */
            plan.side[side].total = plan.side[side].chunk * 400;
        if (draw_below(&random, 4) == 0) { /* an application that is slow to look */
            plan.side[side].pause = (int64_t)(1 + draw_below(&random, 100)) * NS_PER_MS;
            plan.side[side].sip = 500 + draw_below(&random, 1U << draw_below(&random, 14));
        }
    }
    plan.side[draw_below(&random, 2)].after_eof = draw_below(&random, 2);
    for (int side = 0; side < 2; side++) /* a cookie of theirs, another, or none, which asks */
        if ((plan.side[side].config.fast_open = draw_below(&random, 3))) {
            struct tcp_config *c = &plan.side[side].config;
            c->signature = 0;
            c->cookie.length = side || draw_below(&random, 4) ? 8 : 0;
            c->cookie.mss = plan.side[!side].config.mss;
            c->cookie.bytes[0] = !side && !draw_below(&random, 4);
        }
    return plan;
}

static struct world_result must_succeed(const struct world_plan *plan, uint64_t seed,
                                        const char *what)
{
    struct world_result result;
    world_run(plan, &result);
    if (result.failed)
        fail_msg("%s %" PRIu64 ": %s", what, seed, result.failed);
    return result;
}

static void every_seed_arrives_and_closes(void **state)
{
    (void)state;
    const char *text = getenv("TCPLUA_SEEDS");
    uint64_t seeds = text ? strtoull(text, NULL, 10) : SEEDS_DEFAULT;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct world_plan plan = plan_from(seed);
        must_succeed(&plan, seed, "sim_drawn");
    }
}

/* Row H7: any one and any two of the first twenty segments are lost. */
static void h7_each_and_each_pair_of_20_lost(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 20; i++)
        for (unsigned j = i; j <= 20; j++) {
            struct world_plan plan = world_plain();
            plan.drop[0] = i;
            plan.drop[1] = j;
            must_succeed(&plan, i * 100 + j, "segments lost (100 * first + second)");
        }
}

/* The same for a short exchange, in which they are the whole connection, its close included. */
static void h7_each_and_each_pair_of_a_short_exchange_lost(void **state)
{
    (void)state;
    for (unsigned delayed = 0; delayed < 2; delayed++)
        for (unsigned i = 1; i <= 20; i++)
            for (unsigned j = i; j <= 20; j++) {
                struct world_plan plan = world_plain();
                plan.side[0].total = plan.side[1].total = 65;
                plan.side[0].after_eof = i % 2;
                plan.side[0].config.delayed_ack = delayed * 40 * NS_PER_MS;
                plan.drop[0] = i;
                plan.drop[1] = j;
                must_succeed(&plan, i * 100 + j, "segments lost (100 * first + second)");
            }
}

/* Row H6. */
static void h6_a_minute_of_darkness(void **state)
{
    (void)state;
    for (int64_t from = 0; from < 500; from += 20) {
        struct world_plan plan = world_plain();
        plan.side[0].config.user_timeout = 0; /* the default */
        plan.side[1].config.user_timeout = 0;
        dark(&plan, plan.path[0], from * NS_PER_MS, 60 * NS_PER_S);
        must_succeed(&plan, (uint64_t)from, "dark from ms");
    }
}

/* Row H2: every fifth segment is late by up to fifty others. */
static void h2_reordering_costs_less_than_twice_the_segments(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world_plan plan = world_plain();
        plan.seed = seed;
        plan.side[0].total = plan.side[1].total = LONG;
        struct world_result calm = must_succeed(&plan, seed, "seed");
        plan.path[0].reorder = plan.path[1].reorder = 0.2;
        plan.path[0].jitter = plan.path[1].jitter = 5 * NS_PER_MS;
        struct world_result rough = must_succeed(&plan, seed, "seed");
        assert_true(rough.segments < 2 * calm.segments);
    }
}

/* Row H4: a round trip of up to six seconds that changes all the time. */
static void h4_jitter_causes_few_retransmits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world_plan plan = world_plain();
        plan.seed = seed;
        plan.side[0].total = plan.side[1].total = LONG;
        plan.path[0].delay = plan.path[1].delay = 1500 * NS_PER_MS;
        plan.path[0].jitter = plan.path[1].jitter = NS_PER_S;
        struct world_result cost = must_succeed(&plan, seed, "seed");
        assert_true(cost.retransmits < cost.segments / 10);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        uint64_t seed = strtoull(argv[1], NULL, 10);
        struct world_plan plan = plan_from(seed);
        struct world_result result;
        plan.trace = true;
        world_run(&plan, &result);
        printf("seed %" PRIu64 ": %s\n", seed, result.failed ? result.failed : "ok");
        return result.failed != NULL;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_arrives_and_closes),
        cmocka_unit_test(h7_each_and_each_pair_of_20_lost),
        cmocka_unit_test(h7_each_and_each_pair_of_a_short_exchange_lost),
        cmocka_unit_test(h2_reordering_costs_less_than_twice_the_segments),
        cmocka_unit_test(h4_jitter_causes_few_retransmits),
        cmocka_unit_test(h6_a_minute_of_darkness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
