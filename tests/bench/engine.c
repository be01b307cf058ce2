/* engine: how many segments a second the engine alone makes and takes in, on one core: two of them,
 * handed each other's segments without a wire, in virtual time. A segment counts when one end has
 * made it and the other has taken it in; applications write and read all the bytes.
 *
 *     bench_engine [SECONDS]      a line for each kind of traffic, of so much CPU time (2)
 *
 *     bulk     64 MiB at a time one way, and its ACKs
 *     both     the same both ways at once
 *     talk     100 bytes there and back, again and again
 *     lossy    bulk, with one segment of a hundred lost
 *
 * Without SECONDS the status is 1 if bulk has less than a million: what the engine is to reach. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tcp/congestion.h"
#include "tcp/tcp.h"

#define WANTED 1e6

struct traffic {
    const char *name;
    size_t total[2]; /* bytes that each side sends on one connection */
    size_t talk;     /* or so many to be answered by as many, and again; 0: as fast as they go */
    unsigned lose;   /* one of so many segments of side 0; 0: none */
};

static const struct traffic traffics[] = {
    {"bulk", {64U << 20, 0}, 0, 0},
    {"both", {64U << 20, 64U << 20}, 0, 0},
    {"talk", {2U << 20, 2U << 20}, 100, 0},
    {"lossy", {64U << 20, 0}, 0, 100},
};

struct run {
    const struct traffic *traffic;
    struct tcp *tcp[2];
    size_t written[2], read[2];
    uint64_t segments; /* delivered */
    uint64_t sent;     /* by side 0 */
    int64_t now;
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct tcp *new_end(int side)
{
    uint8_t host = (uint8_t)(side + 1);
    struct tcp_config config = {
        .flow = {.local = {.kind = ADDR_IP4, .bytes = {192, 0, 2, host}},
                 .remote = {.kind = ADDR_IP4, .bytes = {192, 0, 2, (uint8_t)(3 - host)}},
                 .lport = (uint16_t)(1000 + side),
                 .rport = (uint16_t)(1001 - side)},
        .mss = 1460,
        .sndbuf = 1 << 20,
        .rcvbuf = 1 << 20,
        .wscale = true,
        .timestamps = true,
        .sack = true,
        .nagle = true,
        .delayed_ack = 40 * NS_PER_MS,
        .congestion = &congestion_cubic,
    };
    struct tcp *tcp = tcp_new(&config);
    if (!tcp)
        abort();
    return tcp;
}

/* The application: reads all there is, and writes what it may. */
static void act(struct run *run, int side)
{
    static uint8_t bytes[65536];
    const struct traffic *traffic = run->traffic;
    struct tcp *tcp = run->tcp[side];
    while (tcp_readable(tcp))
        run->read[side] += tcp_read(tcp, bytes, sizeof bytes, -1, run->now);
    size_t may = traffic->total[side];
    if (traffic->talk) /* side 0 asks when it was answered, side 1 answers when it was asked */
        may = side ? run->read[1] : run->read[0] + traffic->talk;
    if (may > traffic->total[side])
        may = traffic->total[side];
    while (run->written[side] < may) {
        size_t left = may - run->written[side];
        size_t took = tcp_write(tcp, bytes, left < sizeof bytes ? left : sizeof bytes);
        run->written[side] += took;
        if (!took)
            break;
    }
    tcp_events(tcp);
}

/* All that a side has to send now goes to the other; false if it was nothing. */
static bool pass(struct run *run, int side)
{
    struct segment s;
    bool any = false;
    while (tcp_output(run->tcp[side], &s, run->now)) {
        any = true;
        if (side == 0 && run->traffic->lose && ++run->sent % run->traffic->lose == 0)
            continue;
        struct tcp *peer = run->tcp[!side];
        if (tcp_state(peer) == TCPS_CLOSED && s.flags & TCP_SYN)
            tcp_accept(peer, &s, run->now);
        else
            tcp_input(peer, &s, run->now);
        run->segments++;
    }
    return any;
}

/* One connection, from its SYN until all has been read. */
static uint64_t connection(const struct traffic *traffic)
{
    struct run run = {.traffic = traffic, .tcp = {new_end(0), new_end(1)}, .now = NS_PER_S};
    tcp_connect(run.tcp[0], run.now);
    while (run.read[0] < traffic->total[1] || run.read[1] < traffic->total[0]) {
        run.now += 10 * NS_PER_US;
        bool any = false;
        for (int side = 0; side < 2; side++) {
            act(&run, side);
            any |= pass(&run, side);
        }
        if (any)
            continue;
        int64_t a = tcp_deadline(run.tcp[0]), b = tcp_deadline(run.tcp[1]);
        int64_t next = a < b ? a : b;
        if (next == TIME_NEVER || tcp_reason(run.tcp[0]) || tcp_reason(run.tcp[1])) {
            fprintf(stderr, "bench_engine: %s has come to a halt\n", traffic->name);
            exit(2);
        }
        run.now = next > run.now ? next : run.now;
    }
    tcp_free(run.tcp[0]);
    tcp_free(run.tcp[1]);
    return run.segments;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    bool enough = true;
    for (size_t i = 0; i < sizeof traffics / sizeof traffics[0]; i++) {
        uint64_t segments = 0;
        double start = cpu_seconds(), took;
        do {
            segments += connection(&traffics[i]);
            took = cpu_seconds() - start;
        } while (took < seconds);
        double rate = (double)segments / took;
        printf("engine: %-6s %6.2f million segments a second of one core, %4.0f ns each\n",
               traffics[i].name, rate / 1e6, 1e9 / rate);
        enough &= i > 0 || argc > 1 || rate >= WANTED;
    }
    return !enough;
}
