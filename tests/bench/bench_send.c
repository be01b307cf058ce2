/* How many frames a second leave, counted where they arrive.
 *
 *     bench_send TCPLUA SCRIPT PYTHON ROUNDS MILLISECONDS
 *
 * Senders run in the namespace near, one after the other, ROUNDS times in turn; each sends frames
 * of 60 bytes for as long as it lives, which is until MILLISECONDS were counted of what the
 * interface far received. Starting up does not count: the watch starts when frames have come for a
 * while. Nobody takes them in there: they are for another MAC address.
 *
 * One line a sender: median, smallest and greatest, in thousands a second, and the ratio to the C
 * loop (send_loop.c) that does the same work; the same for a second of its CPU time, which is what
 * counts where others use the machine too. Senders that are not installed, or that the kernel
 * refuses, are left out with a line. Fails only if ours or the loop sends nothing. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "networks.h"

enum { ROUNDS_MAX = 1000, START_SECONDS = 10, SETTLE_MS = 30 };

struct sender {
    const char *name, *argv[24];
    const struct sender *loop; /* the one it is compared with; NULL: it is one */
    bool needed;
    bool absent;
    double *rates, *work; /* frames a second, and a second of CPU time; 0: none */
};

static double read_clock(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        return 0;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Frames that the interface far has received. */
static uint64_t received(void)
{
    char line[512];
    unsigned long long bytes, frames = 0;
    FILE *file = fopen("/proc/self/net/dev", "re");
    if (!file)
        fail("/proc/self/net/dev");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, " far: %llu %llu", &bytes, &frames) == 2)
            break;
    fclose(file);
    return frames;
}

static pid_t start(const struct sender *sender, int near)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(null, STDERR_FILENO);
    if (setns(near, CLONE_NEWNET) != 0)
        fail("setns");
    setpgid(0, 0);
    become(sender->argv, null);
}

/* One run. False if nothing came. */
static bool measure(struct sender *sender, int near, long round, long ms)
{
    int status;
    clockid_t clock;
    double begin = seconds();
    uint64_t first = received(), now;
    pid_t child = start(sender, near);
    if (child < 0)
        fail("fork");
    while ((now = received()) < first + 200 && seconds() - begin < START_SECONDS &&
           waitpid(child, &status, WNOHANG) == 0)
        sleep_ms(1);
    bool came = now >= first + 200 && clock_getcpuclockid(child, &clock) == 0;
    if (came) {
        sleep_ms(SETTLE_MS);
        begin = seconds();
        double work = read_clock(clock);
        now = received();
        sleep_ms(ms);
        double frames = (double)(received() - now);
        work = read_clock(clock) - work;
        sender->rates[round] = frames / (seconds() - begin);
        sender->work[round] = work > 0 ? frames / work : 0;
    }
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    while (waitpid(-child, &status, 0) > 0 || errno == EINTR)
        ;
    return came;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static bool print(struct sender *sender, long rounds)
{
    if (sender->absent) {
        printf("%-20s not here\n", sender->name);
        return !sender->needed;
    }
    double rate = median(sender->rates, rounds), work = median(sender->work, rounds);
    printf("%-20s %8.1f k/s (%.1f to %.1f)", sender->name, rate / 1e3, sender->rates[0] / 1e3,
           sender->rates[rounds - 1] / 1e3);
    if (sender->loop)
        printf("  ratio %.3f", rate / median(sender->loop->rates, rounds));
    if (work > 0) { /* not for one whose children do the work */
        printf("; of CPU %8.1f k/s (%.1f to %.1f)", work / 1e3, sender->work[0] / 1e3,
               sender->work[rounds - 1] / 1e3);
        if (sender->loop)
            printf("  ratio %.3f", work / median(sender->loop->work, rounds));
    }
    putchar('\n');
    return true;
}

static void write_trafgen(const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        fail(path);
    fputs("{ 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 6,"
          " 0xf6, 0xc8, 192, 0, 2, 1, 192, 0, 2, 3, fill(0, 26) }\n",
          file);
    fclose(file);
}

int main(int argc, char **argv)
{
    long rounds = argc == 6 ? strtol(argv[4], NULL, 10) : 0;
    long ms = argc == 6 ? strtol(argv[5], NULL, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX || ms < 1 || ms > 60000) {
        fputs("usage: bench_send TCPLUA SCRIPT PYTHON ROUNDS MILLISECONDS\n", stderr);
        return 2;
    }
    char self[PATH_MAX] = "", loop[PATH_MAX + 16], trafgen[] = "/tmp/tcplua-bench-XXXXXX";
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        fail("/proc/self/exe");
    snprintf(loop, sizeof loop, "%s/send_loop", dirname(self));
    int far = make_networks(), near = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    ip(near, "neigh add 192.0.2.3 lladdr 02:00:00:00:00:02 dev near");
    if (near < 0 || setns(far, CLONE_NEWNET) != 0)
        fail("setns");
    int file = mkstemp(trafgen);
    if (file < 0)
        fail(trafgen);
    close(file);
    write_trafgen(trafgen);

    static const char scapy[] =
        "from scapy.all import Ether, IP, TCP, sendp\n"
        "sendp(Ether(src='02:00:00:00:00:01', dst='02:00:00:00:00:02')"
        "/IP(src='192.0.2.1', dst='192.0.2.3')/TCP()/(b'x' * 6), iface='near', loop=1, verbose=0)";
    struct sender senders[] = {
        {.name = "C loop, fixed", .argv = {loop, "near", "fixed"}, .needed = true},
        {.name = "tcplua, fixed",
         .argv = {argv[1], argv[2], "near", "fixed", "packet"},
         .loop = &senders[0],
         .needed = true},
        {.name = "tcplua XDP, fixed",
         .argv = {argv[1], argv[2], "near", "fixed", "xdp"},
         .loop = &senders[0]},
        {.name = "C loop, varying", .argv = {loop, "near", "vary"}, .needed = true},
        {.name = "tcplua, varying",
         .argv = {argv[1], argv[2], "near", "vary", "packet"},
         .loop = &senders[3],
         .needed = true},
        {.name = "tcplua XDP, varying",
         .argv = {argv[1], argv[2], "near", "vary", "xdp"},
         .loop = &senders[3]},
        {.name = "trafgen",
         .argv = {"trafgen", "--dev", "near", "--conf", trafgen, "--cpus", "1"},
         .loop = &senders[0]},
        {.name = "masscan",
         .argv = {"masscan", "192.0.2.3", "--ports", "1-60000", "--infinite", "--rate", "10000000",
                  "--wait", "0", "--adapter", "near", "--adapter-ip", "192.0.2.1", "--adapter-mac",
                  "02:00:00:00:00:01", "--router-mac", "02:00:00:00:00:02"},
         .loop = &senders[0]},
        {.name = "hping3 --flood",
         .argv = {"hping3", "--flood", "-q", "-n", "-S", "-p", "80", "-d", "6", "-I", "near",
                  "192.0.2.3"},
         .loop = &senders[0]},
        {.name = "scapy", .argv = {argv[3], "-c", scapy}, .loop = &senders[0]},
    };
    size_t count = sizeof senders / sizeof *senders;
    for (size_t i = 0; i < count; i++)
        if (!(senders[i].rates = calloc((size_t)rounds, sizeof(double))) ||
            !(senders[i].work = calloc((size_t)rounds, sizeof(double))))
            fail("calloc");
    for (long round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++)
            senders[i].absent = senders[i].absent || !measure(&senders[i], near, round, ms);
    unlink(trafgen);
    bool right = true;
    for (size_t i = 0; i < count; i++)
        right = print(&senders[i], rounds) && right;
    for (size_t i = 0; i < count; i++) {
        free(senders[i].rates);
        free(senders[i].work);
    }
    return right ? 0 : 1;
}
