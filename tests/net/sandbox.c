/* sandbox ERRNO CALL... -- COMMAND...: runs a command to which the kernel refuses some calls, as a
 * container with seccomp, gVisor and WSL 1 do. A CALL is one of
 *
 *     packet, raw      socket() of family AF_PACKET, or of type SOCK_RAW
 *     unshare, setsockopt, ppoll
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(what)          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

/* Where socket() has them. */
enum {
    FAMILY = offsetof(struct seccomp_data, args),
    TYPE = FAMILY + 8,
};

/* Appends the rules for one call; returns how many. */
static unsigned short rules_for(const char *call, unsigned cause, struct sock_filter *at)
{
    const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | cause);
    bool packet = strcmp(call, "packet") == 0, raw = strcmp(call, "raw") == 0;
    long number = strcmp(call, "unshare") == 0      ? SYS_unshare
                  : strcmp(call, "setsockopt") == 0 ? SYS_setsockopt
                  : strcmp(call, "ppoll") == 0      ? SYS_ppoll
                  : packet || raw                   ? SYS_socket
                                                    : -1;
    if (number < 0) {
        fprintf(stderr, "sandbox: what is '%s'?\n", call);
        exit(77);
    }
    if (!packet && !raw) {
        const struct sock_filter rules[] = {LOAD(nr), UNLESS((unsigned)number, 1), refuse};
        memcpy(at, rules, sizeof rules);
        return 3;
    }
    const struct sock_filter rules[] = {
        LOAD(nr),
        UNLESS((unsigned)number, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, packet ? FAMILY : TYPE),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), /* without SOCK_CLOEXEC, SOCK_NONBLOCK */
        UNLESS(packet ? AF_PACKET : SOCK_RAW, 1),
        refuse,
    };
    memcpy(at, rules, sizeof rules);
    return 6;
}

int main(int argc, char **argv)
{
    struct sock_filter filter[64];
    struct sock_fprog program = {.len = 0, .filter = filter};
    int at = 2;
    for (; at < argc && at < 10 && strcmp(argv[at], "--") != 0; at++)
        program.len += rules_for(argv[at], (unsigned)atoi(argv[1]), filter + program.len);
    if (at + 1 >= argc)
        return 77;
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return 77;
    execvp(argv[at + 1], argv + at + 1);
    return 77;
}
