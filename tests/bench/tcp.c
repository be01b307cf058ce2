/* Our TCP beside the kernel's.
 *
 *     bench_tcp TCPLUA SCRIPT TURNS [ROW]
 *
 * One job after the other (all, or those whose name begins with ROW) is done by a C client on
 * kernel sockets (bench_kernel) and by tcplua with SCRIPT (tcp.lua), in turn, over the same veth,
 * against the same program on kernel sockets at its other end (networks.h). tcplua does it from an
 * address of this host, which is raw IP sockets and guards, and from one that nobody has, which is
 * a packet socket.
 *
 * Clients time themselves, without their start. A line says, for each of ours, the median of the
 * ratios of each turn, in brackets the lowest and the highest; then the same of the processor time
 * (user and system, start included) that it took, less being better; and what is asked for. It
 * fails for wrong results, never for slow ones; 77 where namespaces are refused.
 *
 * On a busy machine the rows with loss measure how long each wake-up waits, of which ours has one
 * more in a round trip: there run it as `chrt -f 10 bench_tcp ...`. */
#include <libgen.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "networks.h"
#include "relay.h"
#include "wire.h"

enum { TURNS_MAX = 1000, ANSWERS = 300 };
#define KERNEL_PORT "9000"
#define OUR_PORT    "9001" /* one's TIME-WAIT is not in the other's way */

/* What a row compares. */
enum figure {
    RATE,      /* jobs a second: ours by the kernel's */
    HANDSHAKE, /* nanoseconds from SYN-ACK to ACK: ours by the kernel's */
    ANSWER,    /* the same from line to line */
    HOLD,      /* ours alone: bytes of memory for each connection */
};

struct row {
    const char *name;
    enum figure figure;
    const char *job; /* of the clients */
    const char *count, *parallel;
    bool uncut;   /* the kernel sends as we do: segments of the MSS, one by one */
    bool lossy;   /* by way of the relay */
    bool foreign; /* of ours only the one on a packet socket */
    const char *goal;
};

/* A quarter of a second to two seconds each. */
static const struct row rows[] = {
    {"handshake", HANDSHAKE, "one", "300", NULL, .goal = "at most 3"},
    {"answer", ANSWER, "lines", "300", NULL, .goal = "at most 10"},
    {"one at a time", RATE, "one", "5000", NULL, .goal = "at least 0.8"},
    {"1000 at once", RATE, "many", "10000", "1000", .goal = "at least 0.5"},
    {"receive", RATE, "receive", "1000000000", NULL, .goal = "at least 0.5"},
    {"send", RATE, "send", "200000000", NULL, .uncut = true, .goal = "at least 0.5"},
    {"offloaded send", RATE, "send", "500000000", NULL, .foreign = true, .goal = "at least 0.4"},
    {"receive at 1 % loss", RATE, "receive", "100000000", NULL, .lossy = true,
     .goal = "at least 0.8"},
    {"send at 1 % loss", RATE, "send", "100000000", NULL, .lossy = true, .goal = "at least 0.8"},
    {"10000 at once", HOLD, "hold", "10000", NULL, .goal = "at most 4096 bytes each"},
};

static const char *const sources[] = {"own address", "nobody's address"};
#define CLIENTS 3 /* the kernel's, ours from our own address, ours from nobody's */

struct measure {
    double value; /* the figure */
    double cpu;   /* seconds */
    double elapsed;
};

static char kernel_program[PATH_MAX + 16];
static const char *our_program, *our_script;
static int far;

/* --- one run --------------------------------------------------------------------------------- */

static pid_t start_server(const char *address, const char *port)
{
    const char *argv[] = {kernel_program, "serve", address, port, NULL};
    int ends[2];
    char line[16];
    if (pipe(ends) != 0)
        fail("pipe");
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setns(far, CLONE_NEWNET) != 0)
            fail("setns");
        become(argv, ends[1]);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], line, sizeof line) <= 0)
        fail("the server did not start");
    close(ends[0]);
    return child;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static double median_answer(int wire, bool text)
{
    static int64_t times[ANSWERS];
    double values[ANSWERS];
    size_t count = wire_answers(wire, text, times, ANSWERS);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)times[i];
    return count ? median(values, count) : 0;
}

/* Runs one client; false if it did not end well. */
static bool run(const struct row *row, int client, struct measure *measure)
{
    const char *lossy[] = {"198.51.100.1", "198.51.100.1", "198.51.100.77", "198.51.100.2"};
    const char *plain[] = {"192.0.2.1", "192.0.2.1", "192.0.2.77", "192.0.2.2"};
    const char *const *addresses = row->lossy ? lossy : plain;
    const char *port = client ? OUR_PORT : KERNEL_PORT;
    const char *argv[10] = {our_program, our_script};
    int argc = client ? 2 : 1, ends[2], status, wire = -1;
    char line[128];
    if (!client)
        argv[0] = kernel_program;
    argv[argc++] = row->job;
    argv[argc++] = addresses[client];
    argv[argc++] = addresses[3];
    argv[argc++] = port;
    argv[argc++] = row->count;
    argv[argc] = row->parallel;
    if (row->figure == HANDSHAKE || row->figure == ANSWER)
        wire = wire_open(far, "far");
    if (pipe(ends) != 0)
        fail("pipe");
    pid_t child = fork();
    if (child == 0)
        become(argv, ends[1]);
    close(ends[1]);
    ssize_t got = read(ends[0], line, sizeof line - 1);
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        fail("fork");
    close(ends[0]);
    line[got > 0 ? got : 0] = '\0';
    char *rest;
    measure->elapsed = strtod(line, &rest);
    measure->cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    measure->value = row->figure == RATE   ? strtod(row->count, NULL) / measure->elapsed
                     : row->figure == HOLD ? strtod(rest, NULL)
                                           : median_answer(wire, row->figure == ANSWER);
    if (wire >= 0)
        close(wire);
    return ended_well(status) && measure->elapsed > 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void print_ratio(const char *what, double *ratios, size_t count)
{
    double middle = median(ratios, count);
    printf("%s %.2f (%.2f to %.2f)", what, middle, ratios[0], ratios[count - 1]);
}

static void print_row(const struct row *row, struct measure (*turns)[CLIENTS], size_t count)
{
    double ratios[TURNS_MAX], values[TURNS_MAX];
    for (int client = 0; client < CLIENTS; client++) {
        if ((client == 0 && row->figure == HOLD) || (client == 1 && row->foreign))
            continue;
        for (size_t i = 0; i < count; i++)
            values[i] = turns[i][client].value;
        const char *who = client ? sources[client - 1] : "kernel";
        double value = median(values, count);
        if (row->figure == HOLD)
            printf("%s: %s: %.0f bytes each, in %.2f s", row->name, who, value,
                   turns[0][client].elapsed);
        else if (row->figure == RATE && value > 1e6)
            printf("%s: %s: %.0f MB/s", row->name, who, value / 1e6);
        else if (row->figure == RATE)
            printf("%s: %s: %.0f a second", row->name, who, value);
        else
            printf("%s: %s: %.1f us", row->name, who, value / 1e3);
        if (client && row->figure != HOLD) {
            for (size_t i = 0; i < count; i++)
                ratios[i] = turns[i][client].value / turns[i][0].value;
            print_ratio(", ratio", ratios, count);
            for (size_t i = 0; i < count; i++)
                ratios[i] = turns[i][client].cpu / turns[i][0].cpu;
            print_ratio(", processor time", ratios, count);
        }
        printf(client ? "; %s\n" : "\n", row->goal);
    }
    fflush(stdout);
}

/* Whether the kernel leaves it to the device, or to the last moment, to cut what it sends. */
static void cut_by_device(int near, bool on)
{
    offload(near, "near", ETHTOOL_STSO, on);
    offload(near, "near", ETHTOOL_SGSO, on);
}

/* With loss the kernel's sockets send with CUBIC, as ours do. The host's default may be BBR, which
 * takes no loss for congestion: that would measure the algorithms and not who runs them. For the
 * programs that are started from now on. */
static void choose_congestion(bool lossy)
{
    if (lossy)
        setenv("BENCH_CONGESTION", "cubic", 1);
    else
        unsetenv("BENCH_CONGESTION");
}

static bool measure_row(const struct row *row, int near, size_t count)
{
    static struct measure turns[TURNS_MAX][CLIENTS];
    cut_by_device(near, !row->uncut);
    choose_congestion(row->lossy);
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < CLIENTS; j++) {
            int client = i % 2 ? CLIENTS - 1 - j : j;
            if ((client == 0 && row->figure == HOLD) || (client == 1 && row->foreign))
                continue;
            if (!run(row, client, &turns[i][client])) {
                fprintf(stderr, "bench: %s: %s: turn %zu went wrong\n", row->name,
                        client ? sources[client - 1] : "kernel", i + 1);
                return false;
            }
        }
    cut_by_device(near, true);
    print_row(row, turns, count);
    return true;
}

int main(int argc, char **argv)
{
    long turns = argc < 4 ? 0 : strtol(argv[3], NULL, 10);
    if (argc > 5 || turns < 1 || turns > TURNS_MAX) {
        fputs("usage: bench_tcp TCPLUA SCRIPT TURNS [ROW]\n", stderr);
        return 2;
    }
    char self[PATH_MAX] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        fail("/proc/self/exe");
    snprintf(kernel_program, sizeof kernel_program, "%s/bench_kernel", dirname(self));
    our_program = argv[1];
    our_script = argv[2];

    far = make_networks();
    int near = open_namespace();
    relay_start(near, far, 1);
    tune(far, "/proc/sys/net/core/somaxconn", "16384");
    tune(far, "/proc/sys/net/ipv4/tcp_max_syn_backlog", "16384");
    start_server("192.0.2.2", KERNEL_PORT);
    start_server("192.0.2.2", OUR_PORT);
    choose_congestion(true);
    start_server("198.51.100.2", KERNEL_PORT);
    start_server("198.51.100.2", OUR_PORT);
    bool right = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (argc < 5 || strncmp(rows[i].name, argv[4], strlen(argv[4])) == 0)
            right = measure_row(&rows[i], near, (size_t)turns) && right;
    return right ? 0 : 1;
}
