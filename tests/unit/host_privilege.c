/* What is left of root after sudo. Each case runs in a child, because there is no way back. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/privilege.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define NOBODY         65534
#define UNKNOWN_USER   54321 /* in no passwd file */
#define EXPECT(fact)   expect(fact, #fact, __LINE__)
#define SUDO(uid, gid) (setenv("SUDO_UID", uid, 1), setenv("SUDO_GID", gid, 1))

static void expect(bool fact, const char *text, int line)
{
    if (fact)
        return;
    fprintf(stderr, "line %d: not true: %s (errno %s)\n", line, text, strerror(errno));
    _exit(1);
}

static void in_child(void (*body)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A line of /proc/self/status as a child that is executed sees it, as a hexadecimal number. */
static uint64_t childs_set(const char *name)
{
    char command[80], text[64] = "";
    snprintf(command, sizeof command, "grep '^%s:' /proc/self/status", name);
    FILE *pipe = popen(command, "r"); /* NOLINT: the command is ours */
    EXPECT(pipe && fgets(text, sizeof text, pipe));
    pclose(pipe);
    return strtoull(text + strlen(name) + 1, NULL, 16);
}

static void drop_to_nobody(void)
{
    struct error err;
    bool dropped = false;
    uid_t u[3];
    gid_t g[3];
    SUDO("65534", "65534");
    setenv("HOME", "/root", 1);
    EXPECT(privilege_drop_sudo(&dropped, &err));
    EXPECT(dropped);
    EXPECT(getresuid(&u[0], &u[1], &u[2]) == 0);
    EXPECT(u[0] == NOBODY && u[1] == NOBODY && u[2] == NOBODY);
    EXPECT(getresgid(&g[0], &g[1], &g[2]) == 0);
    EXPECT(g[0] == NOBODY && g[1] == NOBODY && g[2] == NOBODY);
    gid_t groups[64];
    int count = getgroups(64, groups);
    EXPECT(count >= 0);
    for (int i = 0; i < count; i++)
        EXPECT(groups[i] != 0);

    EXPECT(privilege_has(CAP_NET_RAW));
    EXPECT(privilege_has(CAP_NET_ADMIN));
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        if (capability != CAP_NET_RAW && capability != CAP_NET_ADMIN)
            EXPECT(!privilege_has(capability));
    EXPECT(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP) >= 0);

    EXPECT(setuid(0) != 0 && setgid(0) != 0 && setgroups(0, NULL) != 0);
    EXPECT(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
    EXPECT(open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC) >= 0);
    EXPECT(strcmp(getenv("HOME"), "/root") != 0);
    EXPECT(strcmp(getenv("USER"), "nobody") == 0 && strcmp(getenv("LOGNAME"), "nobody") == 0);

    uint64_t network = UINT64_C(1) << CAP_NET_RAW | UINT64_C(1) << CAP_NET_ADMIN;
    EXPECT(childs_set("CapEff") == 0);
    EXPECT(childs_set("CapPrm") == 0);
    EXPECT(childs_set("CapInh") == 0);
    EXPECT(childs_set("CapAmb") == 0);
    EXPECT((childs_set("CapBnd") & network) == 0);
}

static void drop_to_unknown(void)
{
    struct error err;
    bool dropped = false;
    gid_t group;
    SUDO("54321", "54322");
    EXPECT(privilege_drop_sudo(&dropped, &err));
    EXPECT(dropped);
    EXPECT(getuid() == UNKNOWN_USER && getegid() == UNKNOWN_USER + 1);
    EXPECT(getgroups(1, &group) == 1 && group == UNKNOWN_USER + 1);
    EXPECT(!getenv("USER") && !getenv("LOGNAME") && strcmp(getenv("HOME"), "/") == 0);
    EXPECT(privilege_has(CAP_NET_RAW));
}

static void keep_root(void)
{
    struct error err;
    bool dropped = true;
    unsetenv("SUDO_UID");
    unsetenv("SUDO_GID");
    EXPECT(privilege_drop_sudo(&dropped, &err) && !dropped && getuid() == 0);
    SUDO("0", "0"); /* root who called sudo */
    dropped = true;
    EXPECT(privilege_drop_sudo(&dropped, &err) && !dropped && getuid() == 0);
    EXPECT(privilege_has(CAP_SYS_ADMIN));
}

static void refuse_what_is_no_number(void)
{
    static const char *const wrong[] = {"",     "x",          "-1",
                                        "12 ",  "4294967295", "4294967296",
                                        "0x10", "\033[2J",    "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err;
        bool dropped = true;
        SUDO(wrong[i], "65534");
        EXPECT(!privilege_drop_sudo(&dropped, &err) && !dropped);
        EXPECT(err.kind == ERROR_ENVIRONMENT && !strchr(err.message, '\033'));
        SUDO("65534", wrong[i]);
        EXPECT(!privilege_drop_sudo(&dropped, &err) && !dropped);
        EXPECT(getuid() == 0);
    }
}

/* The variables mean nothing to one who is not root. */
static void ignore_as_user(void)
{
    struct error err;
    bool dropped = true;
    EXPECT(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    SUDO("54321", "54321");
    EXPECT(privilege_drop_sudo(&dropped, &err) && !dropped && getuid() == NOBODY);
    EXPECT(!privilege_has(CAP_NET_RAW));
}

/* A container's root may lack CAP_NET_ADMIN: what is not there is not kept, and no error. */
static void drop_from_less(void)
{
    struct error err;
    bool dropped = false;
    EXPECT(prctl(PR_CAPBSET_DROP, (unsigned long)CAP_NET_ADMIN, 0L, 0L, 0L) == 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct half[2];
    EXPECT(syscall(SYS_capget, &header, half) == 0);
    half[0].permitted &= ~(UINT32_C(1) << CAP_NET_ADMIN);
    half[0].effective = half[0].permitted;
    EXPECT(syscall(SYS_capset, &header, half) == 0);
    SUDO("65534", "65534");
    EXPECT(privilege_drop_sudo(&dropped, &err) && dropped);
    EXPECT(privilege_has(CAP_NET_RAW) && !privilege_has(CAP_NET_ADMIN));
}

static void run_in_child(void **state)
{
    void (*const *body)(void) = *state;
    in_child(*body);
}

static void not_secure(void **state)
{
    (void)state;
    assert_false(privilege_secure());
}

int main(void)
{
    if (getuid() != 0 || !privilege_has(CAP_SETUID) || !privilege_has(CAP_SYS_ADMIN)) {
        printf("skipped: only root can give up being root\n");
        return 77;
    }
    static void (*bodies[])(void) = {drop_to_nobody,           drop_to_unknown, keep_root,
                                     refuse_what_is_no_number, ignore_as_user,  drop_from_less};
#define CASE(i, what)                                                                              \
    {                                                                                              \
        what, run_in_child, NULL, NULL, &bodies[i]                                                 \
    }
    const struct CMUnitTest tests[] = {
        CASE(0, "drop_to_nobody"),           CASE(1, "drop_to_unknown"), CASE(2, "keep_root"),
        CASE(3, "refuse_what_is_no_number"), CASE(4, "ignore_as_user"),  CASE(5, "drop_from_less"),
        cmocka_unit_test(not_secure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
