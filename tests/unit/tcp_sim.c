/* tcp_sim: two engines and a bad network between them, on a virtual clock.
 *
 * A seed decides everything: loss, delay, duplication, reordering, buffers, the applications'
 * habits, who closes first, where the sequence numbers start. Whatever the network does, both
 * streams must arrive byte for byte, both ends must close, and the invariants must hold after every
 * call. A failing seed is printed and replays alone, with every segment shown:
 *
 *     test_tcp_sim                  the quick set
 *     TCPLUA_SEEDS=10000 test_tcp_sim
 *     test_tcp_sim 4711             this seed only, traced
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/congestion.h"
#include "tcp/tcp_check.h"

#include <cmocka.h> /* after ours: it has a macro named fail */

#define SEEDS_DEFAULT 300
#define DROPS_MAX     2
#define DAY           (24 * 3600 * NS_PER_S)

/* What the two applications and the network do in one run. */
struct plan {
    struct {
        int64_t delay, jitter;          /* of a segment, one way */
        unsigned loss, duplicate, late; /* of 1000 segments; `late` ones take 2 jitters more */
        unsigned drop[DROPS_MAX];       /* the n-th segment of all is lost, from 1 */
        int64_t dark_from, dark_to;     /* nothing passes in this time */
    } path;
    struct {
        struct tcp_config config;
        size_t total;   /* bytes to send */
        size_t chunk;   /* most bytes in one write */
        size_t sip;     /* most bytes in one read */
        int64_t pause;  /* between two looks at the connection; 0: at every event */
        bool after_eof; /* closes only when the peer has */
    } side[2];
    bool both_connect; /* simultaneous open */
};

struct flying {
    int64_t when;
    uint64_t order;
    int to;
    struct segment segment;
    uint8_t payload[];
};

struct end {
    struct tcp *tcp;
    struct tcp_watch watch;
    size_t written, read;
    bool eof, shut;
    int64_t wake;
};

struct sim {
    const struct plan *plan;
    uint64_t seed, random;
    bool trace;
    int64_t now;
    struct end end[2];
    struct flying **heap;
    size_t flying, room;
    uint64_t sent;
    const char *failed;
};

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t draw_below(uint64_t *state, uint64_t n)
{
    return n ? draw(state) % n : 0;
}

/* What each side sends. */
static uint8_t streams[2][300000];

static int fill_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams[0]; i++) {
        streams[0][i] = (uint8_t)(i * 31 + (i >> 8) * 7);
        streams[1][i] = (uint8_t)(i * 29 + (i >> 8) * 5 + 0x55);
    }
    return 0;
}

static void sim_fail(struct sim *sim, const char *why)
{
    if (!sim->failed)
        sim->failed = why;
}

static void sim_show(const struct sim *sim, int from, const struct segment *s, const char *fate)
{
    if (!sim->trace)
        return;
    uint32_t iss = sim->plan->side[from].config.iss, peer = sim->plan->side[!from].config.iss;
    printf("%12.6f %c %s%s%s%s%s seq %u:%u ack %u win %u%s\n", (double)sim->now / 1e9,
           from ? 'B' : 'A', s->flags & TCP_SYN ? "S" : "", s->flags & TCP_FIN ? "F" : "",
           s->flags & TCP_RST ? "R" : "", s->flags & TCP_PSH ? "P" : "",
           s->flags & TCP_ACK ? "." : "", s->seq - iss, s->seq - iss + (uint32_t)s->length,
           s->ack - peer, s->window, fate);
}

static bool flies_before(const struct flying *a, const struct flying *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void heap_push(struct sim *sim, struct flying *f)
{
    if (sim->flying == sim->room) {
        sim->room = sim->room ? 2 * sim->room : 64;
        sim->heap = realloc(sim->heap, sim->room * sizeof *sim->heap);
        assert_non_null(sim->heap);
    }
    size_t i = sim->flying++;
    for (; i && flies_before(f, sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        sim->heap[i] = sim->heap[(i - 1) / 2];
    sim->heap[i] = f;
}

static struct flying *heap_pop(struct sim *sim)
{
    struct flying *top = sim->heap[0], *last = sim->heap[--sim->flying];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < sim->flying; i = child) {
        if (child + 1 < sim->flying && flies_before(sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!flies_before(sim->heap[child], last))
            break;
        sim->heap[i] = sim->heap[child];
    }
    sim->heap[i] = last;
    return top;
}

static void path_fly(struct sim *sim, int from, const struct segment *s)
{
    const struct plan *plan = sim->plan;
    struct flying *f = malloc(sizeof *f + s->length);
    assert_non_null(f);

    *f = (struct flying){.order = sim->sent, .to = !from, .segment = *s};
    if (s->length)
        memcpy(f->payload, s->payload, s->length);
    f->segment.payload = f->payload;
    f->when = sim->now + plan->path.delay +
              (int64_t)draw_below(&sim->random, (uint64_t)plan->path.jitter + 1);
    if (draw_below(&sim->random, 1000) < plan->path.late)
        f->when += 2 * plan->path.jitter + plan->path.delay;
    heap_push(sim, f);
}

static void path_send(struct sim *sim, int from, const struct segment *s)
{
    const struct plan *plan = sim->plan;
    bool lost = draw_below(&sim->random, 1000) < plan->path.loss;

    sim->sent++;
    for (int i = 0; i < DROPS_MAX; i++)
        lost |= sim->sent == plan->path.drop[i];
    lost |= sim->now >= plan->path.dark_from && sim->now < plan->path.dark_to;
    sim_show(sim, from, s, lost ? " lost" : "");
    if (lost)
        return;
    path_fly(sim, from, s);
    if (draw_below(&sim->random, 1000) < plan->path.duplicate)
        path_fly(sim, from, s);
}

static void end_check(struct sim *sim, int side)
{
    const char *broken = tcp_check(sim->end[side].tcp, &sim->end[side].watch);
    if (broken)
        sim_fail(sim, broken);
}

static void end_output(struct sim *sim, int side)
{
    struct end *end = &sim->end[side];
    struct segment out;

    for (int i = 0; tcp_output(end->tcp, &out, sim->now); i++) {
        const char *broken = tcp_check_segment(end->tcp, &out);
        if (broken)
            sim_fail(sim, broken);
        if (out.flags & TCP_RST)
            sim_fail(sim, "an engine reset the connection");
        path_send(sim, side, &out);
        end_check(sim, side);
        if (i > 10000) {
            sim_fail(sim, "no end of segments");
            return;
        }
    }
    end_check(sim, side);
}

static void end_read(struct sim *sim, int side)
{
    struct end *end = &sim->end[side];
    static uint8_t bytes[65536];
    size_t most = sim->plan->side[side].sip;

    while (most && tcp_readable(end->tcp)) {
        size_t want = most < sizeof bytes ? most : sizeof bytes;
        size_t got = tcp_read(end->tcp, bytes, want, -1, sim->now);
        if (got > sim->plan->side[!side].total - end->read) {
            sim_fail(sim, "more was read than was sent");
            return;
        }
        if (memcmp(bytes, streams[!side] + end->read, got) != 0)
            sim_fail(sim, "a byte has changed");
        end->read += got;
        most -= got;
    }
    if (tcp_eof(end->tcp) && !end->eof) {
        end->eof = true;
        if (end->read != sim->plan->side[!side].total)
            sim_fail(sim, "the stream ended early");
    }
}

static void end_write(struct sim *sim, int side)
{
    struct end *end = &sim->end[side];

    while (end->written < sim->plan->side[side].total) {
        size_t left = sim->plan->side[side].total - end->written;
        size_t most = sim->plan->side[side].chunk;
        size_t want = left < most ? left : most;
        size_t got = tcp_write(end->tcp, streams[side] + end->written, want);
        end->written += got;
        if (got < want || sim->plan->side[side].pause)
            break;
    }
}

/* The application looks at its connection. */
static void end_act(struct sim *sim, int side)
{
    struct end *end = &sim->end[side];
    enum tcp_state state = tcp_state(end->tcp);

    tcp_events(end->tcp);
    end_read(sim, side);
    if (state >= TCPS_ESTABLISHED) {
        end_write(sim, side);
        if (!end->shut && end->written == sim->plan->side[side].total &&
            (end->eof || !sim->plan->side[side].after_eof)) {
            end->shut = true;
            tcp_shutdown(end->tcp, sim->now);
        }
    }
    end_check(sim, side);
    int64_t pause = sim->plan->side[side].pause;
    bool over = end->shut && end->eof;
    end->wake = pause && !over ? sim->now + pause : TIME_NEVER;
}

/* A segment arrives; with the first SYN the passive end comes to be, as at a listener. */
static void end_input(struct sim *sim, int side, const struct segment *s)
{
    struct end *end = &sim->end[side];
    struct segment rst;

    sim_show(sim, !side, s, " arrives");
    if (tcp_state(end->tcp) != TCPS_CLOSED) {
        tcp_input(end->tcp, s, sim->now);
    } else if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && !end->watch.receiving) {
        tcp_accept(end->tcp, s, sim->now);
    } else if (end->watch.receiving && tcp_refuse(s, &rst)) {
        path_send(sim, side, &rst);
    }
    end_check(sim, side);
}

static bool end_is_done(const struct sim *sim, int side)
{
    const struct end *end = &sim->end[side];
    return end->shut && end->eof && tcp_state(end->tcp) == TCPS_CLOSED;
}

static void sim_step(struct sim *sim)
{
    int64_t next = sim->flying ? sim->heap[0]->when : TIME_NEVER;
    for (int side = 0; side < 2; side++) {
        int64_t deadline = tcp_deadline(sim->end[side].tcp);
        next = deadline < next ? deadline : next;
        next = sim->end[side].wake < next ? sim->end[side].wake : next;
    }
    if (next == TIME_NEVER) {
        sim_fail(sim, "everything waits for ever");
        return;
    }
    sim->now = next > sim->now ? next : sim->now;

    while (sim->flying && sim->heap[0]->when <= sim->now) {
        struct flying *f = heap_pop(sim);
        int to = f->to;
        end_input(sim, to, &f->segment);
        free(f);
        /* Most segments are answered one by one, some in batches. */
        if (draw_below(&sim->random, 4))
            end_output(sim, to);
    }
    for (int side = 0; side < 2; side++) {
        end_output(sim, side);
        if (!sim->plan->side[side].pause || sim->end[side].wake <= sim->now) {
            end_act(sim, side);
            end_output(sim, side);
        }
        enum tcp_reason reason = tcp_reason(sim->end[side].tcp);
        if (reason == TCP_TIMED_OUT)
            sim_fail(sim, "timed out");
        else if (reason != TCP_FINE)
            sim_fail(sim, "reset or refused");
    }
}

/* What a run cost. */
struct cost {
    uint64_t segments, retransmits;
};

/* Runs the plan; NULL, or what went wrong. */
static const char *sim_run(const struct plan *plan, uint64_t seed, bool trace, struct cost *cost)
{
    struct sim sim = {.plan = plan, .seed = seed, .random = seed ^ 0x5eed, .trace = trace};
    int64_t end_of_time = 5 * DAY;

    for (int side = 0; side < 2; side++) {
        sim.end[side].tcp = tcp_new(&plan->side[side].config);
        assert_non_null(sim.end[side].tcp);
        sim.end[side].wake = plan->side[side].pause ? 0 : TIME_NEVER;
    }
    tcp_connect(sim.end[0].tcp, sim.now);
    if (plan->both_connect)
        tcp_connect(sim.end[1].tcp, sim.now);

    while (!sim.failed && !(end_is_done(&sim, 0) && end_is_done(&sim, 1))) {
        sim_step(&sim);
        if (sim.now > end_of_time)
            sim_fail(&sim, "no end in sight");
    }
    *cost = (struct cost){.segments = sim.sent};
    for (int side = 0; side < 2; side++) {
        struct tcp_info info;
        tcp_info(sim.end[side].tcp, &info);
        cost->retransmits += info.retransmits;
        tcp_free(sim.end[side].tcp);
    }
    while (sim.flying)
        free(heap_pop(&sim));
    free(sim.heap);
    return sim.failed;
}

/* Loss-free, 10 ms away, the assignment's habits; 20 kB each way. */
static struct plan plan_plain(void)
{
    struct plan plan = {.path = {.delay = 10 * NS_PER_MS}};
    for (int side = 0; side < 2; side++) {
        uint8_t host = (uint8_t)(side + 1);
        plan.side[side].config = (struct tcp_config){
            .flow = {.local = {.kind = ADDR_IP4, .bytes = {192, 0, 2, host}},
                     .remote = {.kind = ADDR_IP4, .bytes = {192, 0, 2, (uint8_t)(3 - host)}},
                     .lport = (uint16_t)(1000 + side),
                     .rport = (uint16_t)(1001 - side)},
            .iss = side ? 0x7ffff000 : 0xfffff000,
            .mss = 1000,
            .syn_timeout = 10 * DAY,
            .user_timeout = 10 * DAY,
            .time_wait = DAY, /* or a peer with bad luck and a long RTO finds nobody there */
        };
        plan.side[side].total = 20000;
        plan.side[side].chunk = 4000;
        plan.side[side].sip = SIZE_MAX;
    }
    plan.side[0].after_eof = true;
    return plan;
}

static const uint32_t buffers[] = {1000, 2048, 5000, 16384, 65535, 65535, 200000, 1000000};
static const unsigned losses[] = {0, 0, 1, 10, 20, 50, 100, 200, 300};
static const uint16_t sizes[] = {64, 100, 536, 1000, 1460, 1460, 8960};

#define ONE_OF(random, list) (list)[draw_below(random, sizeof(list) / sizeof *(list))]

static struct plan plan_from(uint64_t seed)
{
    uint64_t random = seed;
    struct plan plan = plan_plain();

    plan.path.loss = ONE_OF(&random, losses);
    plan.path.delay = (int64_t)draw_below(&random, 1U << draw_below(&random, 9)) * NS_PER_MS;
    if (draw_below(&random, 2))
        plan.path.jitter = (int64_t)draw_below(&random, 1U << draw_below(&random, 10)) * NS_PER_MS;
    if (draw_below(&random, 3) == 0)
        plan.path.duplicate = (unsigned)draw_below(&random, 500);
    if (draw_below(&random, 3) == 0)
        plan.path.late = (unsigned)draw_below(&random, 200);
    if (draw_below(&random, 8) == 0) {
        plan.path.dark_from = (int64_t)draw_below(&random, 3000) * NS_PER_MS;
        plan.path.dark_to = plan.path.dark_from + 60 * NS_PER_S;
    }
    plan.both_connect = draw_below(&random, 6) == 0;

    size_t most = plan.path.loss >= 100 ? 20000 : 150000;
    for (int side = 0; side < 2; side++) {
        struct tcp_config *c = &plan.side[side].config;
        uint32_t corner = draw_below(&random, 2) ? 0 : 0x80000000;
        c->iss = draw_below(&random, 2) ? (uint32_t)draw(&random)
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
    return plan;
}

static struct cost must_succeed(const struct plan *plan, uint64_t seed, const char *what)
{
    struct cost cost;
    const char *failed = sim_run(plan, seed, false, &cost);
    if (failed)
        fail_msg("%s %" PRIu64 ": %s", what, seed, failed);
    return cost;
}

static void every_seed_arrives_and_closes(void **state)
{
    (void)state;
    const char *text = getenv("TCPLUA_SEEDS");
    uint64_t seeds = text ? strtoull(text, NULL, 10) : SEEDS_DEFAULT;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct plan plan = plan_from(seed);
        must_succeed(&plan, seed, "seed");
    }
}

/* Row H7: any one and any two of the first twenty segments are lost. */
static void h7_each_and_each_pair_of_20_lost(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 20; i++)
        for (unsigned j = i; j <= 20; j++) {
            struct plan plan = plan_plain();
            plan.path.drop[0] = i;
            plan.path.drop[1] = j;
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
                struct plan plan = plan_plain();
                plan.side[0].total = plan.side[1].total = 65;
                plan.side[0].after_eof = i % 2;
                plan.side[0].config.delayed_ack = delayed * 40 * NS_PER_MS;
                plan.path.drop[0] = i;
                plan.path.drop[1] = j;
                must_succeed(&plan, i * 100 + j, "segments lost (100 * first + second)");
            }
}

/* Row H6. */
static void h6_a_minute_of_darkness(void **state)
{
    (void)state;
    for (int64_t from = 0; from < 500; from += 20) {
        struct plan plan = plan_plain();
        plan.side[0].config.user_timeout = 0; /* the default */
        plan.side[1].config.user_timeout = 0;
        plan.path.dark_from = from * NS_PER_MS;
        plan.path.dark_to = plan.path.dark_from + 60 * NS_PER_S;
        must_succeed(&plan, (uint64_t)from, "dark from ms");
    }
}

/* Row H2: every fifth segment is late by up to fifty others. */
static void h2_reordering_costs_less_than_twice_the_segments(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct plan plan = plan_plain();
        plan.side[0].total = plan.side[1].total = sizeof streams[0];
        struct cost calm = must_succeed(&plan, seed, "seed");
        plan.path.late = 200;
        plan.path.jitter = 5 * NS_PER_MS;
        struct cost rough = must_succeed(&plan, seed, "seed");
        assert_true(rough.segments < 2 * calm.segments);
    }
}

/* Row H4: a round trip of up to six seconds that changes all the time. */
static void h4_jitter_causes_few_retransmits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct plan plan = plan_plain();
        plan.side[0].total = plan.side[1].total = sizeof streams[0];
        plan.path.delay = 1500 * NS_PER_MS;
        plan.path.jitter = NS_PER_S;
        struct cost cost = must_succeed(&plan, seed, "seed");
        assert_true(cost.retransmits < cost.segments / 10);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        fill_streams(NULL);
        uint64_t seed = strtoull(argv[1], NULL, 10);
        struct plan plan = plan_from(seed);
        struct cost cost;
        const char *failed = sim_run(&plan, seed, true, &cost);
        printf("seed %" PRIu64 ": %s\n", seed, failed ? failed : "ok");
        return failed != NULL;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_arrives_and_closes),
        cmocka_unit_test(h7_each_and_each_pair_of_20_lost),
        cmocka_unit_test(h7_each_and_each_pair_of_a_short_exchange_lost),
        cmocka_unit_test(h2_reordering_costs_less_than_twice_the_segments),
        cmocka_unit_test(h4_jitter_causes_few_retransmits),
        cmocka_unit_test(h6_a_minute_of_darkness),
    };
    return cmocka_run_group_tests(tests, fill_streams, NULL);
}
