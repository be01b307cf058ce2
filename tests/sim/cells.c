/* cells: a MiB each way at once, over every kind of bad path and with every size of buffer.
 *
 *     8 losses: 0 to 30 %  x  nothing more, reordering, duplication, bursts  x  4 buffers
 *
 * are 128 cells. A run has a number, which decides everything: run N up to 128 is the cell of that
 * number with the defaults of a connection; a later one is any cell, with its round trip, rate,
 * options and numbers drawn as well. Each must deliver both streams byte for byte, close, and keep
 * the invariants (world.h). It is run with the usual limit on retransmission first. Where that ends
 * it, which may be from 20 % on, what was delivered must be a prefix, and it is run again without a
 * limit; where it does not, both would be the same.
 *
 *     sim_cells                     the cells, 100 runs drawn (TCPLUA_RUNS), and the rows below
 *     sim_cells all 10000 [JOBS]    so many runs, in JOBS processes (2), and how long they took
 *     sim_cells run 4711            this one, every segment printed
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tcp/congestion.h"
#include "world.h"

#include <cmocka.h> /* after ours: it has a macro named fail */

#define LOSSES   8
#define KINDS    4
#define BUFFERS  4
#define CELLS    (LOSSES * KINDS * BUFFERS)
#define GIVES_UP 0.2 /* from this loss on an end may, */
#define BLIND                                                                                      \
    0.05 /* and without timestamps: what an ACK of data that was sent twice has taken              \
            is not known then, and the timeout stays as long as it was backed off to               \
            (RFC 6298 3 and 5) */
#define RUNS_DRAWN 100
#define FOR_EVER   (365 * 24 * 3600 * NS_PER_S)

static const double losses[LOSSES] = {0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3};
static const char *const kinds[KINDS] = {"nothing more", "reordering", "duplication", "bursts"};
static const uint32_t buffers[BUFFERS] = {2 << 10, 16 << 10, 64 << 10, 1 << 20};

struct cell {
    int loss, kind, buffer;
};

static struct cell cell_of(uint64_t number)
{
    int n = (int)(number % CELLS);
    return (struct cell){n % LOSSES, n / LOSSES % KINDS, n / LOSSES / KINDS};
}

static uint64_t draw_below(uint64_t *state, uint64_t n)
{
    return path_draw(state) % n;
}

static struct fault cell_fault(struct cell cell)
{
    struct fault fault = {.loss = losses[cell.loss], .delay = 10 * NS_PER_MS};
    switch (cell.kind) {
    case 1:
        fault.reorder = 0.1;
        fault.jitter = 5 * NS_PER_MS;
        break;
    case 2:
        fault.duplicate = 0.1;
        break;
    case 3:
        fault.burst_every = 500 * NS_PER_MS;
        fault.burst_length = 10 * NS_PER_MS;
        break;
    default:
        break;
    }
    return fault;
}

/* What stack and Lua give a connection that nobody has asked for anything, and no limit. */
static struct world_plan mib_each_way(struct fault fault)
{
    struct world_plan plan = world_plain();
    plan.path[0] = plan.path[1] = fault;
    for (int side = 0; side < 2; side++) {
        struct world_side *s = &plan.side[side];
        s->total = 1 << 20;
        s->chunk = 65536;
        s->after_eof = false;
        s->config.mss = 1460;
        s->config.sndbuf = s->config.rcvbuf = 1 << 20;
        s->config.wscale = s->config.timestamps = s->config.sack = s->config.nagle = true;
        s->config.rack = true;
        s->config.delayed_ack = 40 * NS_PER_MS;
        s->config.quick_acks = 16;
        s->config.congestion = &congestion_cubic;
        s->config.ecn = TCP_ECN_ANSWER;
        s->config.syn_timeout = s->config.user_timeout = FOR_EVER;
    }
    return plan;
}

static void limit(struct world_plan *plan)
{
    plan->may_time_out = true;
    for (int side = 0; side < 2; side++)
        plan->side[side].config.syn_timeout = plan->side[side].config.user_timeout = 0;
}

/* What else may differ between two connections. */
static void draw_rest(struct world_plan *plan, uint64_t *random)
{
    static const uint16_t sizes[] = {536, 1220, 1460, 1460, 8960};
    static const int64_t delays[] = {NS_PER_MS / 10, NS_PER_MS, 10 * NS_PER_MS, 100 * NS_PER_MS};
    static const double rates[] = {0, 0, 2e6, 1e8};
    int64_t delay = delays[draw_below(random, 4)];
    double rate = rates[draw_below(random, 4)];
    bool ip6 = draw_below(random, 2);
    for (int side = 0; side < 2; side++) {
        struct tcp_config *c = &plan->side[side].config;
        plan->path[side].delay = delay;
        plan->path[side].rate = rate;
        if (draw_below(random, 4) == 0)
            plan->path[side].corrupt = 0.01;
        c->iss = (uint32_t)path_draw(random);
        c->ts_offset = (uint32_t)path_draw(random);
        c->mss = sizes[draw_below(random, 5)];
        c->wscale = draw_below(random, 8);
        c->timestamps = draw_below(random, 4);
        c->sack = draw_below(random, 4);
        c->rack = draw_below(random, 4);
        c->nagle = draw_below(random, 4);
        if (draw_below(random, 4) == 0)
            c->delayed_ack = 0;
        if (draw_below(random, 4) == 0)
            c->congestion = &congestion_newreno;
        if (draw_below(random, 4) == 0)
            c->ecn = TCP_ECN_ASK;
        if (draw_below(random, 4) == 0)
            plan->side[side].after_eof = side; /* one of them must begin */
        if (ip6) {
            c->flow.local.kind = c->flow.remote.kind = ADDR_IP6;
            memcpy(c->flow.local.bytes, (uint8_t[16]){0x20, 1, 0x0d, 0xb8}, 16);
            memcpy(c->flow.remote.bytes, c->flow.local.bytes, 16);
            c->flow.local.bytes[15] = (uint8_t)(side + 1);
            c->flow.remote.bytes[15] = (uint8_t)(2 - side);
        }
    }
}

/* Runs are counted from 1. */
static struct world_plan plan_of(uint64_t number, struct cell *cell)
{
    uint64_t random = number;
    *cell = cell_of(number <= CELLS ? number - 1 : path_draw(&random));
    struct world_plan plan = mib_each_way(cell_fault(*cell));
    plan.seed = number;
    for (int side = 0; side < 2; side++) {
        plan.side[side].config.sndbuf = plan.side[side].config.rcvbuf = buffers[cell->buffer];
        if (plan.side[side].chunk > buffers[cell->buffer])
            plan.side[side].chunk = buffers[cell->buffer];
    }
    if (number > CELLS)
        draw_rest(&plan, &random);
    return plan;
}

/* What runs cost, and how many of them were given up at first. */
struct tally {
    uint64_t runs, gave_up, failed, segments, retransmits;
};

/* Does one run; false, with a line on how to repeat it, if it went wrong. */
static bool run(uint64_t number, bool trace, struct tally *tally)
{
    struct cell cell;
    struct world_plan plan = plan_of(number, &cell), limited = plan;
    struct world_result result;
    limit(&limited);
    limited.trace = plan.trace = trace;
    world_run(&limited, &result);
    double enough = result.info[0].timestamps ? GIVES_UP : BLIND;
    if (!result.failed && result.timed_out && losses[cell.loss] < enough)
        result.failed = "an end gave up at so little loss";
    tally->runs++;
    tally->segments += result.segments;
    tally->retransmits += result.retransmits;
    tally->gave_up += result.timed_out;
    if (!result.failed && result.timed_out) {
        world_run(&plan, &result);
        tally->segments += result.segments;
        tally->retransmits += result.retransmits;
    }
    if (trace || result.failed)
        printf("run %" PRIu64 " (loss %g, %s, buffers of %u): %s\n", number, losses[cell.loss],
               kinds[cell.kind], buffers[cell.buffer], result.failed ? result.failed : "ok");
    if (result.failed)
        printf("  replayed by: sim_cells run %" PRIu64 "\n", number);
    tally->failed += result.failed != NULL;
    return !result.failed;
}

/* --- the suite ----------------------------------------------------------------------------------
 */

static void each_of_the_128_cells_arrives(void **state)
{
    (void)state;
    struct tally tally = {0};
    for (uint64_t number = 1; number <= CELLS; number++)
        run(number, false, &tally);
    assert_int_equal(tally.runs, CELLS);
    assert_int_equal(tally.failed, 0);
}

static void runs_drawn_over_them_arrive(void **state)
{
    (void)state;
    const char *text = getenv("TCPLUA_RUNS");
    uint64_t runs = text ? strtoull(text, NULL, 10) : RUNS_DRAWN;
    struct tally tally = {0};
    for (uint64_t number = CELLS + 1; number <= CELLS + runs; number++)
        run(number, false, &tally);
    assert_int_equal(tally.failed, 0);
}

static struct world_result must_succeed(const struct world_plan *plan)
{
    struct world_result result;
    world_run(plan, &result);
    if (result.failed)
        fail_msg("%s", result.failed);
    return result;
}

/* From `at` on, both paths are others. */
static void change(struct world_plan *plan, int first, int64_t at, struct fault fault)
{
    for (int side = 0; side < 2; side++)
        plan->changes[first + side] = (struct world_change){at, side, fault};
}

/* A router in the middle takes less from the first second on, and says so: one segment too long is
 * lost for each end, or a flight of them, and nothing waits for a timeout longer than once. */
static void a_smaller_mtu_is_found_by_icmp(void **state)
{
    (void)state;
    const struct fault calm = {.delay = 10 * NS_PER_MS, .rate = 4e6};
    for (int shrinks = 0; shrinks < 2; shrinks++) {
        struct fault narrow = calm;
        narrow.mtu = 1280;
        struct world_plan plan = mib_each_way(shrinks ? calm : narrow);
        if (shrinks)
            change(&plan, 0, NS_PER_S, narrow);
        struct world_result result = must_succeed(&plan);
        for (int side = 0; side < 2; side++) {
            assert_in_range(result.path[side].too_big, 1, 200);
            assert_int_equal(result.info[side].snd_mss, 1280 - 40 - 12);
        }
        assert_true(result.lasted < 5 * NS_PER_S);
    }
}

/* A router that says nothing: RFC 1191's black hole. There is no PLPMTUD (RFC 4821), so the first
 * full segment is sent again and again until the connection is given up, as Linux does unless
 * tcp_mtu_probing is set; what went before has arrived. A smaller MSS is the way out. */
static void a_silent_smaller_mtu_ends_in_a_timeout(void **state)
{
    (void)state;
    struct fault narrow = {.delay = 10 * NS_PER_MS, .mtu = 1280, .silent = true};
    struct world_plan plan = mib_each_way(narrow);
    limit(&plan);
    struct world_result result = must_succeed(&plan);
    assert_true(result.timed_out);
    assert_int_equal(result.info[0].bytes_received, 0);

    plan.side[0].config.mss = 1200; /* announced, so that it holds both ways */
    result = must_succeed(&plan);
    assert_false(result.timed_out);
}

/* Nothing passes for ten seconds, both ways or one. What is lost is found again by one
 * retransmission timeout, backed off to at most as long again as the darkness. */
static void ten_seconds_of_darkness(void **state)
{
    (void)state;
    for (int ways = 1; ways <= 3; ways++) {
        struct fault fault = {.delay = 10 * NS_PER_MS, .rate = 10e6}, down = fault;
        down.down = true;
        struct world_plan plan = mib_each_way(fault);
        limit(&plan);
        for (int side = 0; side < 2; side++) {
            if (!(ways & 1 << side))
                continue;
            int first = ways == 3 ? side : 0;
            plan.changes[first] = (struct world_change){NS_PER_S / 2, side, down};
            plan.changes[first + (ways == 3 ? 2 : 1)] =
                (struct world_change){21 * NS_PER_S / 2, side, fault};
        }
        struct world_result result = must_succeed(&plan);
        assert_false(result.timed_out);
        assert_true(result.lasted > 10 * NS_PER_S);
        assert_true(result.lasted < 25 * NS_PER_S);
        assert_true(result.path[ways == 2].dark > 0);
    }
}

/* The round trip jumps from 20 ms to 4 s: every timer fires though nothing is lost. */
static void a_jump_of_the_delay(void **state)
{
    (void)state;
    struct fault near = {.delay = 10 * NS_PER_MS, .rate = 4e6}, far = near;
    far.delay = 2 * NS_PER_S;
    struct world_plan plan = mib_each_way(near);
    limit(&plan);
    change(&plan, 0, NS_PER_S, far);
    struct world_result result = must_succeed(&plan);
    assert_false(result.timed_out);
    assert_true(result.retransmits > 0);
    assert_true(result.lasted < 60 * NS_PER_S);
}

/* The rate falls to a hundredth and comes back: the queue overflows, and is filled again after. */
static void a_change_of_the_rate(void **state)
{
    (void)state;
    struct fault fast = {.delay = 10 * NS_PER_MS, .rate = 8e6, .queue = 64 << 10}, slow = fast;
    slow.rate = 8e4;
    struct world_plan plan = mib_each_way(fast);
    limit(&plan);
    change(&plan, 0, NS_PER_S / 2, slow);
    change(&plan, 2, 20 * NS_PER_S, fast);
    struct world_result result = must_succeed(&plan);
    assert_false(result.timed_out);
    assert_true(result.lasted > 20 * NS_PER_S);
    assert_true(result.lasted < 40 * NS_PER_S);
}

/* --- ten thousand -------------------------------------------------------------------------------
 */

/* Every `jobs`-th run from `first` on, in a process of its own, which writes its tally to `out`. */
static void work(uint64_t first, uint64_t last, uint64_t jobs, int out)
{
    struct tally tally = {0};
    for (uint64_t number = first; number <= last; number += jobs) {
        run(number, false, &tally);
        fflush(stdout);
    }
    _exit(write(out, &tally, sizeof tally) == sizeof tally ? 0 : 1);
}

static int run_all(uint64_t runs, uint64_t jobs)
{
    const struct clock clock = {.virtual = false};
    int64_t start = clock_now(&clock);
    int ends[2];
    struct tally sum = {0}, tally;
    if (pipe(ends) != 0)
        return 1;
    for (uint64_t job = 1; job <= jobs; job++)
        if (fork() == 0)
            work(job, runs, jobs, ends[1]);
    close(ends[1]);
    while (read(ends[0], &tally, sizeof tally) == sizeof tally) {
        sum.runs += tally.runs;
        sum.gave_up += tally.gave_up;
        sum.failed += tally.failed;
        sum.segments += tally.segments;
        sum.retransmits += tally.retransmits;
    }
    for (uint64_t job = 0; job < jobs; job++)
        wait(NULL);
    printf("%" PRIu64 " runs of a MiB each way: %" PRIu64 " failed, %" PRIu64
           " given up and run again; %.1f million segments, %.1f sent again, %.0f s in %" PRIu64
           " processes\n",
           sum.runs, sum.failed, sum.gave_up, (double)sum.segments / 1e6,
           (double)sum.retransmits / 1e6, (double)(clock_now(&clock) - start) / 1e9, jobs);
    return sum.failed || sum.runs != runs;
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        uint64_t number = strtoull(argv[2], NULL, 10);
        struct tally tally = {0};
        return strcmp(argv[1], "run") == 0
                   ? !run(number, true, &tally)
                   : run_all(number, argc > 3 ? strtoull(argv[3], NULL, 10) : 2);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_the_128_cells_arrives),
        cmocka_unit_test(runs_drawn_over_them_arrive),
        cmocka_unit_test(a_smaller_mtu_is_found_by_icmp),
        cmocka_unit_test(a_silent_smaller_mtu_ends_in_a_timeout),
        cmocka_unit_test(ten_seconds_of_darkness),
        cmocka_unit_test(a_jump_of_the_delay),
        cmocka_unit_test(a_change_of_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
