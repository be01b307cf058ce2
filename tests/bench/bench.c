/* What the main job costs, beside the same job in C on a kernel socket.
 *
 *     bench TCPLUA SCRIPT PAIRS [LUA]
 *
 * Two network namespaces of its own, joined by a veth:
 *
 *     near: bench, the clients        far: the server
 *     192.0.2.1 ------- veth ------- 192.0.2.2
 *
 * and a second server on near's loopback. On each path tcplua and the reference client
 * (bench_client) run in turn against the same server, in alternating order, PAIRS times; each run
 * is timed from fork to wait, so start-up and closing count, and its ru_maxrss is what the kernel
 * saw. A process left behind is a wrong result: work handed to it would not have been timed.
 *
 * One line a row: medians, their ratio, the largest resident size. It fails for wrong results (a
 * client's status, an answer the server did not expect), never for a slow one; 77 where namespaces
 * are refused. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
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
#include <time.h>
#include <unistd.h>

#include "networks.h"

enum { PAIRS_MAX = 10000, SECONDS = 600 };
#define PORT "9000"

struct path {
    const char *name;
    const char *src, *dst;
    bool far; /* where the server is */
};

static const struct path paths[] = {
    {"veth", "192.0.2.1", "192.0.2.2", true},
    {"loopback", "127.0.0.1", "127.0.0.1", false},
};

/* One program of a pair, and what its runs cost. */
struct runner {
    const char *name;
    const char *const *argv;
    int64_t *times; /* ns */
    long rss;       /* KiB, the largest */
};

/* --- the server ------------------------------------------------------------------------------ */

struct server {
    pid_t pid;
    FILE *out;
};

static struct server server_start(const char *program, const struct path *path, int far, long count)
{
    char number[32], seconds[32], line[64];
    int ends[2];
    snprintf(number, sizeof number, "%ld", count);
    snprintf(seconds, sizeof seconds, "%d", SECONDS);
    const char *argv[] = {program, path->dst, PORT, number, seconds, NULL};
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail("pipe2");
    struct server server = {.pid = fork(), .out = fdopen(ends[0], "r")};
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (path->far && setns(far, CLONE_NEWNET) != 0)
            fail("setns");
        become(argv, ends[1]);
    }
    close(ends[1]);
    if (server.pid < 0 || !server.out || !fgets(line, sizeof line, server.out))
        fail("the server did not start");
    return server;
}

/* Waits for its end; true if it served all, and each answer was right. Where the clients already
 * went wrong it has nothing to add and is ended. */
static bool server_end(struct server *server, bool right)
{
    char line[64] = "no word\n";
    int status;
    if (!right)
        kill(server->pid, SIGTERM);
    bool said = fgets(line, sizeof line, server->out) != NULL;
    bool well = waitpid(server->pid, &status, 0) == server->pid && ended_well(status);
    fclose(server->out);
    if (right && !(said && well))
        fprintf(stderr, "bench: server: %s", line);
    return right && said && well;
}

/* --- measuring ------------------------------------------------------------------------------- */

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool run(struct runner *runner, long index)
{
    struct rusage usage;
    int status;
    int64_t start = now();
    pid_t child = fork();
    if (child == 0)
        become(runner->argv, open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        fail("fork");
    runner->times[index] = now() - start;
    if (usage.ru_maxrss > runner->rss)
        runner->rss = usage.ru_maxrss;
    if (!ended_well(status))
        fprintf(stderr, "bench: %s: run %ld ended with status 0x%x\n", runner->name, index,
                (unsigned)status);
    return ended_well(status);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double median_ms(int64_t *times, long count)
{
    qsort(times, (size_t)count, sizeof *times, compare);
    long low = (count - 1) / 2, high = count / 2;
    return (double)(times[low] + times[high]) / 2e6;
}

/* Runs both in turn, one pair to warm up and then `pairs`, and prints the row. */
static bool compare_runners(const char *row, struct runner *ours, struct runner *other, long pairs)
{
    bool right = true;
    ours->times = calloc((size_t)pairs, sizeof *ours->times);
    other->times = calloc((size_t)pairs, sizeof *other->times);
    if (!ours->times || !other->times)
        fail("calloc");
    right = run(ours, 0) && run(other, 0);
    for (long i = 0; right && i < pairs; i++) {
        struct runner *first = i % 2 == 0 ? ours : other;
        right = run(first, i) && run(first == ours ? other : ours, i);
    }
    if (right) {
        double a = median_ms(ours->times, pairs), b = median_ms(other->times, pairs);
        printf("%-9s %s %.2f ms, %s %.2f ms, ratio %.2f (medians of %ld); "
               "max RSS %ld and %ld KiB\n",
               row, ours->name, a, other->name, b, a / b, pairs, ours->rss, other->rss);
        fflush(stdout);
    }
    free(ours->times);
    free(other->times);
    return right;
}

static bool nothing_left(void)
{
    int status;
    if (waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD)
        return true;
    fputs("bench: a client left a process behind\n", stderr);
    return false;
}

int main(int argc, char **argv)
{
    long pairs = argc < 4 ? 0 : strtol(argv[3], NULL, 10);
    if (argc > 5 || pairs < 1 || pairs > PAIRS_MAX) {
        fputs("usage: bench TCPLUA SCRIPT PAIRS [LUA]\n", stderr);
        return 2;
    }
    char self[PATH_MAX] = "", client[PATH_MAX + 16], server[PATH_MAX + 16];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        fail("/proc/self/exe");
    const char *folder = dirname(self);
    snprintf(client, sizeof client, "%s/bench_client", folder);
    snprintf(server, sizeof server, "%s/bench_server", folder);

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what a client forks off comes to us */
    int far = make_networks();
    bool right = true;
    for (size_t i = 0; right && i < sizeof paths / sizeof *paths; i++) {
        const struct path *path = &paths[i];
        const char *ours_argv[] = {argv[1], argv[2], path->src, path->dst, PORT, NULL};
        const char *client_argv[] = {client, path->src, path->dst, PORT, NULL};
        struct runner ours = {.name = "tcplua", .argv = ours_argv};
        struct runner other = {.name = "C client", .argv = client_argv};
        struct server peer = server_start(server, path, far, 2 * (pairs + 1));
        right = compare_runners(path->name, &ours, &other, pairs);
        right = server_end(&peer, right);
        right = nothing_left() && right;
    }
    if (right && argc == 5) {
        const char *ours_argv[] = {argv[1], "-e", "", NULL};
        const char *lua_argv[] = {argv[4], "-e", "", NULL};
        struct runner ours = {.name = "tcplua -e ''", .argv = ours_argv};
        struct runner other = {.name = "lua -e ''", .argv = lua_argv};
        right = compare_runners("start-up", &ours, &other, pairs);
    }
    return right ? 0 : 1;
}
