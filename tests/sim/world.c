/* world: see world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/segment.h"
#include "tcp/seq.h"
#include "tcp/tcp_check.h"

#define DAY         (24 * 3600 * NS_PER_S)
#define END_OF_TIME (30 * DAY)
#define ICMP_LENGTH 576

struct flying {
    int64_t when;
    uint64_t order;
    int to;
    uint32_t mtu; /* not 0: an ICMP error that quotes `segment`, to its sender */
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

struct world {
    const struct world_plan *plan;
    struct world_result *result;
    uint64_t random, order;
    int64_t now;
    int changes; /* that have happened */
    struct end end[2];
    struct path path[2];
    struct flying **heap;
    size_t flying, room;
    bool over; /* nothing can happen any more */
};

const uint8_t *world_stream(int side)
{
    static uint8_t streams[2][WORLD_STREAM];
    static bool filled;
    for (uint64_t i = 0, state = 0; !filled && i < sizeof streams; i++)
        streams[i / WORLD_STREAM][i % WORLD_STREAM] = (uint8_t)path_draw(&state);
    filled = true;
    return streams[side];
}

static void broke(struct world *world, const char *why)
{
    if (!world->result->failed)
        world->result->failed = why;
}

/* --- the network --------------------------------------------------------------------------------
 */

static void show(const struct world *world, int from, const struct segment *s, const char *fate)
{
    if (!world->plan->trace)
        return;
    uint32_t iss = world->plan->side[from].config.iss, peer = world->plan->side[!from].config.iss;
    printf("%12.6f %c %s%s%s%s%s seq %u:%u ack %u win %u%s\n", (double)world->now / 1e9,
           from ? 'B' : 'A', s->flags & TCP_SYN ? "S" : "", s->flags & TCP_FIN ? "F" : "",
           s->flags & TCP_RST ? "R" : "", s->flags & TCP_PSH ? "P" : "",
           s->flags & TCP_ACK ? "." : "", s->seq - iss, s->seq - iss + (uint32_t)s->length,
           s->ack - peer, s->window, fate);
}

static bool flies_before(const struct flying *a, const struct flying *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void heap_push(struct world *world, struct flying *f)
{
    if (world->flying == world->room) {
        world->room = world->room ? 2 * world->room : 64;
        world->heap = must(realloc(world->heap, world->room * sizeof *world->heap));
    }
    size_t i = world->flying++;
    for (; i && flies_before(f, world->heap[(i - 1) / 2]); i = (i - 1) / 2)
        world->heap[i] = world->heap[(i - 1) / 2];
    world->heap[i] = f;
}

static struct flying *heap_pop(struct world *world)
{
    struct flying *top = world->heap[0], *last = world->heap[--world->flying];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < world->flying; i = child) {
        if (child + 1 < world->flying && flies_before(world->heap[child + 1], world->heap[child]))
            child++;
        if (!flies_before(world->heap[child], last))
            break;
        world->heap[i] = world->heap[child];
    }
    world->heap[i] = last;
    return top;
}

static struct flying *fly(struct world *world, int to, const struct segment *s, int64_t when)
{
    struct flying *f = must(malloc(sizeof *f + s->length));
    f->when = when;
    f->order = world->order++;
    f->to = to;
    f->mtu = 0;
    f->segment = *s;
    if (s->length)
        memcpy(f->payload, s->payload, s->length);
    f->segment.payload = f->payload;
    heap_push(world, f);
    return f;
}

/* One bit of the datagram is wrong: whether it is taken nevertheless, as `s` then. Only what no
 * checksum covers may be. (No sender leaves its checksum to hardware here: what looks like that, as
 * one in 65,536 does, is wrong as well.) */
static bool survives(struct segment *s, uint64_t bit)
{
    static uint8_t bytes[SEGMENT_HEADERS + 65536];
    size_t length = segment_write(s, bytes, sizeof bytes);
    bit %= 8 * length;
    bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    return segment_read(s, bytes, length, false) == SEGMENT_OK && !s->checksum_partial;
}

static size_t datagram_length(const struct segment *s)
{
    return (s->src.kind == ADDR_IP6 ? 60U : 40U) + segment_options_length(&s->options) + s->length;
}

static void path_send(struct world *world, int from, const struct segment *s)
{
    bool dropped = false;
    uint64_t number = ++world->result->segments;
    struct path_fate fate = path_enter(&world->path[from], datagram_length(s), world->now);

    for (int i = 0; i < WORLD_DROPS; i++)
        dropped |= number == world->plan->drop[i];
    show(world, from, s, dropped || fate.what != PATH_PASSES ? " lost" : "");
    if (fate.what == PATH_TOO_BIG) {
        struct path_fate back = path_enter(&world->path[!from], ICMP_LENGTH, world->now);
        if (back.what == PATH_PASSES)
            fly(world, from, s, back.due)->mtu = world->path[from].fault.mtu;
    }
    if (dropped || fate.what != PATH_PASSES)
        return;
    if (fate.twice)
        fly(world, !from, s, fate.due);
    struct segment bad = *s;
    if (!fate.corrupted || survives(&bad, fate.bit))
        fly(world, !from, fate.corrupted ? &bad : s, fate.due);
}

static void change_paths(struct world *world)
{
    for (; world->changes < WORLD_CHANGES; world->changes++) {
        const struct world_change *c = &world->plan->changes[world->changes];
        if (!c->at || c->at > world->now)
            return;
        path_change(&world->path[c->from], &c->fault, world->now);
    }
}

/* --- the ends -----------------------------------------------------------------------------------
 */

static void check(struct world *world, int side)
{
    const char *broken = tcp_check(world->end[side].tcp, &world->end[side].watch);
    if (broken)
        broke(world, broken);
}

/* What one end alone cannot know of the segment that it sends. */
static void check_sent(struct world *world, int side, const struct segment *out)
{
    const struct tcp_watch *peer = &world->end[!side].watch;
    if (out->flags & TCP_RST)
        broke(world, "an engine reset the connection");
    if (out->length > world->plan->side[!side].config.mss)
        broke(world, "a segment is longer than its receiver takes");
    /* One octet more may be a probe. */
    if (peer->receiving && out->length && !(out->flags & TCP_SYN) &&
        seq_gt(out->seq + (uint32_t)out->length, peer->rcv_adv + 1))
        broke(world, "a segment lies beyond what its receiver ever offered");
}

static void end_output(struct world *world, int side)
{
    struct end *end = &world->end[side];
    struct segment out;

    for (int i = 0; tcp_output(end->tcp, &out, world->now); i++) {
        const char *broken = tcp_check_segment(end->tcp, &out);
        if (broken)
            broke(world, broken);
        check_sent(world, side, &out);
        path_send(world, side, &out);
        check(world, side);
        if (i > 10000) {
            broke(world, "no end of segments");
            return;
        }
    }
    check(world, side);
}

static void end_read(struct world *world, int side)
{
    struct end *end = &world->end[side];
    static uint8_t bytes[65536];
    size_t most = world->plan->side[side].sip, total = world->plan->side[!side].total;

    while (most && tcp_readable(end->tcp)) {
        size_t want = most < sizeof bytes ? most : sizeof bytes;
        size_t got = tcp_read(end->tcp, bytes, want, -1, world->now);
        if (got > total - end->read) {
            broke(world, "more was read than was sent");
            return;
        }
        if (memcmp(bytes, world_stream(!side) + end->read, got) != 0)
            broke(world, "a byte has changed");
        end->read += got;
        most -= got;
    }
    if (tcp_eof(end->tcp) && !end->eof) {
        end->eof = true;
        if (end->read != total)
            broke(world, "the stream ended early");
    }
}

static void end_write(struct world *world, int side)
{
    struct end *end = &world->end[side];
    const struct world_side *plan = &world->plan->side[side];

    while (end->written < plan->total) {
        size_t left = plan->total - end->written;
        size_t want = left < plan->chunk ? left : plan->chunk;
        size_t got = tcp_write(end->tcp, world_stream(side) + end->written, want);
        end->written += got;
        if (got < want || plan->pause)
            break;
    }
}

/* The application looks at its connection. */
static void end_act(struct world *world, int side)
{
    struct end *end = &world->end[side];
    const struct world_side *plan = &world->plan->side[side];

    tcp_events(end->tcp);
    end_read(world, side);
    if (tcp_state(end->tcp) >= TCPS_ESTABLISHED || tcp_is_early(end->tcp)) {
        end_write(world, side);
        if (!end->shut && end->written == plan->total && (end->eof || !plan->after_eof)) {
            end->shut = true;
            tcp_shutdown(end->tcp, world->now);
        }
    }
    check(world, side);
    bool over = end->shut && end->eof;
    end->wake = plan->pause && !over ? world->now + plan->pause : TIME_NEVER;
}

/* A segment arrives; with the first SYN the passive end comes to be, as at a listener. */
static void end_input(struct world *world, int side, const struct segment *s)
{
    struct end *end = &world->end[side];
    struct segment rst;

    show(world, !side, s, " arrives");
    world->result->delivered++;
    if (tcp_state(end->tcp) != TCPS_CLOSED) {
        tcp_input(end->tcp, s, world->now);
    } else if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && !end->watch.receiving) {
        tcp_accept(end->tcp, s, world->now);
    } else if (end->watch.receiving && tcp_refuse(s, &rst)) {
        if (s->flags & TCP_RST)
            broke(world, "a reset answers a reset");
        path_send(world, side, &rst);
    }
    check(world, side);
}

static void icmp_input(struct world *world, const struct flying *f)
{
    if (world->plan->trace)
        printf("%12.6f %c is told that the path takes %u bytes\n", (double)world->now / 1e9,
               f->to ? 'B' : 'A', f->mtu);
    tcp_path_mtu(world->end[f->to].tcp, f->segment.seq, f->mtu, world->now);
    check(world, f->to);
}

static bool end_is_done(const struct world *world, int side)
{
    const struct end *end = &world->end[side];
    if (tcp_state(end->tcp) != TCPS_CLOSED)
        return false;
    bool never_opened = !end->watch.receiving && world->result->timed_out;
    return (end->shut && end->eof) || tcp_reason(end->tcp) != TCP_FINE || never_opened;
}

/* Who gives up keeps no connection and answers what still comes with a reset: so the other end may
 * say that it was reset. */
static void judge_end(struct world *world, int side)
{
    enum tcp_reason reason = tcp_reason(world->end[side].tcp);
    if (reason == TCP_TIMED_OUT) {
        world->result->timed_out = true;
        if (!world->plan->may_time_out)
            broke(world, "timed out");
    } else if (reason != TCP_FINE && !(reason == TCP_RESET && world->result->timed_out)) {
        broke(world, "reset or refused");
    }
}

/* --- time ---------------------------------------------------------------------------------------
 */

static int64_t next_event(const struct world *world)
{
    int64_t next = world->flying ? world->heap[0]->when : TIME_NEVER;
    for (int side = 0; side < 2; side++) {
        int64_t deadline = tcp_deadline(world->end[side].tcp);
        next = deadline < next ? deadline : next;
        next = world->end[side].wake < next ? world->end[side].wake : next;
    }
    if (world->changes < WORLD_CHANGES && world->plan->changes[world->changes].at) {
        int64_t change = world->plan->changes[world->changes].at;
        next = change < next ? change : next;
    }
    return next;
}

static void step(struct world *world)
{
    int64_t next = next_event(world);
    if (next == TIME_NEVER) {
        if (world->result->timed_out)
            world->over = true; /* who owes nothing never learns that the other has given up */
        else
            broke(world, "everything waits for ever");
        return;
    }
    world->now = next > world->now ? next : world->now;
    change_paths(world);

    while (world->flying && world->heap[0]->when <= world->now) {
        struct flying *f = heap_pop(world);
        int to = f->to;
        if (f->mtu)
            icmp_input(world, f);
        else
            end_input(world, to, &f->segment);
        free(f);
        /* Most segments are answered one by one, some in batches. */
        if (path_draw(&world->random) % 4)
            end_output(world, to);
    }
    for (int side = 0; side < 2; side++) {
        end_output(world, side);
        if (!world->plan->side[side].pause || world->end[side].wake <= world->now) {
            end_act(world, side);
            end_output(world, side);
        }
    }
    for (int side = 0; side < 2; side++)
        judge_end(world, side);
    if (!world->result->lasted && world->end[0].eof && world->end[1].eof)
        world->result->lasted = world->now;
}

struct world_plan world_plain(void)
{
    struct world_plan plan = {.path = {{.delay = 10 * NS_PER_MS}, {.delay = 10 * NS_PER_MS}}};
    for (int side = 0; side < 2; side++) {
        uint8_t host = (uint8_t)(side + 1);
        plan.side[side] = (struct world_side){.total = 20000, .chunk = 4000, .sip = SIZE_MAX};
        plan.side[side].config = (struct tcp_config){
            .flow = {.local = {.kind = ADDR_IP4, .bytes = {192, 0, 2, host}},
                     .remote = {.kind = ADDR_IP4, .bytes = {192, 0, 2, (uint8_t)(3 - host)}},
                     .lport = (uint16_t)(1000 + side),
                     .rport = (uint16_t)(1001 - side)},
            .iss = side ? 0x7ffff000 : 0xfffff000,
            .mss = 1000,
            .syn_timeout = END_OF_TIME,
            .user_timeout = END_OF_TIME,
            .time_wait = DAY, /* or a peer with bad luck and a long RTO finds nobody there */
        };
    }
    plan.side[0].after_eof = true;
    return plan;
}

void world_run(const struct world_plan *plan, struct world_result *result)
{
    struct world world = {.plan = plan, .result = result, .random = plan->seed};

    *result = (struct world_result){.failed = NULL};
    for (int side = 0; side < 2; side++) {
        struct fault fault = plan->path[side];
        fault.seed = path_draw(&world.random);
        path_init(&world.path[side], &fault);
        world.end[side].tcp = must(tcp_new(&plan->side[side].config));
        world.end[side].wake = plan->side[side].pause ? 0 : TIME_NEVER;
    }
    for (int side = 0; side < (plan->both_connect ? 2 : 1); side++) {
        tcp_connect(world.end[side].tcp, world.now);
        if (plan->side[side].config.fast_open)
            end_write(&world, side);
    }

    while (!result->failed && !world.over && !(end_is_done(&world, 0) && end_is_done(&world, 1))) {
        step(&world);
        if (world.now > END_OF_TIME)
            broke(&world, "no end in sight");
    }
    for (int side = 0; side < 2; side++) {
        tcp_info(world.end[side].tcp, &result->info[side]);
        result->retransmits += result->info[side].retransmits;
        result->path[side] = world.path[side].counts;
        tcp_free(world.end[side].tcp);
    }
    while (world.flying)
        free(heap_pop(&world));
    free(world.heap);
}
