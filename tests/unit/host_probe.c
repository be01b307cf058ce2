/* Probes tell what is so: asked by one who may do all, and by one who may do nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/probe.h"
#include "host/route.h"
#include "host_namespace.h"

#include <cmocka.h> /* last: its fail() is a macro */

static void with_rights(void **state)
{
    (void)state;
    struct probe probes[PROBE_COUNT];
    int64_t resets = kernel_resets();
    probe_all(probes);
    for (size_t i = 0; i < PROBE_COUNT; i++) {
        assert_non_null(probes[i].name);
        assert_int_not_equal(probes[i].detail[0], '\0');
        if (i != PROBE_LAB) /* a container may refuse it to its root, too */
            assert_true(probes[i].ok);
        if (probes[i].ok)
            assert_string_equal(probes[i].fix, "");
    }
    assert_true(kernel_resets() == resets);
}

static void without_rights(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip(); /* needs root to give up */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct probe probes[PROBE_COUNT];
        if (setgid(65534) || setuid(65534))
            _exit(1);
        probe_all(probes);
        bool said = !probes[PROBE_RAW].ok && strstr(probes[PROBE_RAW].fix, "sudo") &&
                    strstr(probes[PROBE_RAW].fix, "--lab") && !probes[PROBE_PACKET].ok &&
                    strstr(probes[PROBE_PACKET].fix, "sudo") && probes[PROBE_GUARD].ok;
        _exit(said ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    int refused = namespace_enter();
    if (refused)
        return refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_rights),
        cmocka_unit_test(without_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
