/* The file under a capture: how it is made, and what happens when it cannot be written. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "capture/capture.h"
#include "capture_folder.h"

#include <cmocka.h> /* last: its fail() is a macro */

static const enum capture_format formats[] = {CAPTURE_PCAPNG, CAPTURE_PCAP};

static bool put(struct capture_writer *writer, size_t length, struct error *err)
{
    static const uint8_t bytes[2000];
    return capture_write(writer,
                         &(struct capture_frame){.linktype = CAPTURE_ETHERNET,
                                                 .iface = "eth0",
                                                 .bytes = bytes,
                                                 .length = length,
                                                 .original = length},
                         err);
}

static void knows_names(void **state)
{
    (void)state;
    assert_int_equal(capture_format_of("x.pcap"), CAPTURE_PCAP);
    assert_int_equal(capture_format_of("a.b/x.cap"), CAPTURE_PCAP);
    assert_int_equal(capture_format_of("x.pcapng"), CAPTURE_PCAPNG);
    assert_int_equal(capture_format_of("x"), CAPTURE_PCAPNG);
    assert_int_equal(capture_format_of("x.pcap/y"), CAPTURE_PCAPNG);
    assert_int_equal(capture_format_of("-"), CAPTURE_PCAPNG);
    assert_int_equal(capture_format_of(""), CAPTURE_PCAPNG);
}

static void l12_is_private(void **state)
{
    (void)state;
    static const mode_t masks[] = {0, 022, 077};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        struct stat status;
        const char *path = folder_file("mode.pcapng");
        unlink(path);
        mode_t before = umask(masks[i]);
        struct capture_writer *writer = capture_create(path, CAPTURE_PCAPNG, NULL, NULL, NULL);
        umask(before);
        assert_non_null(writer);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_true(capture_close(writer, NULL));
    }
}

static void empties_an_old_file(void **state)
{
    (void)state;
    static uint8_t bytes[4000];
    const char *path = folder_file("old.pcapng");
    FILE *old = fopen(path, "w");
    assert_non_null(old);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, old), sizeof bytes);
    assert_int_equal(fclose(old), 0);
    assert_true(capture_close(capture_create(path, CAPTURE_PCAPNG, NULL, NULL, NULL), NULL));
    assert_in_range(file_read(path, bytes, sizeof bytes), 28, 200);
}

/* Unless it is to be a new one: then no file is touched, not even an empty one. */
static void l1_leaves_an_old_file(void **state)
{
    (void)state;
    struct error err;
    uint8_t bytes[10];
    const char *path = folder_file("kept.pcapng");
    FILE *old = fopen(path, "w");
    assert_true(old && fputs("mine", old) >= 0 && fclose(old) == 0);
    assert_null(capture_create_new(path, CAPTURE_PCAPNG, NULL, NULL, &err));
    assert_string_equal(err.code, "EEXIST");
    assert_int_equal(file_read(path, bytes, sizeof bytes), 4);
    unlink(path);
    struct capture_writer *writer = capture_create_new(path, CAPTURE_PCAPNG, NULL, NULL, &err);
    assert_non_null(writer);
    assert_true(capture_close(writer, NULL));
    assert_null(capture_create_new(folder, CAPTURE_PCAPNG, NULL, NULL, &err));
    assert_string_equal(err.code, "EISDIR");
}

static void assert_refused(const char *path, const char *code, const char *says)
{
    struct error err;
    assert_null(capture_create(path, CAPTURE_PCAPNG, NULL, NULL, &err));
    assert_string_equal(err.code, code);
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    if (!strstr(err.message, says))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void l1_refuses(void **state)
{
    (void)state;
    uint8_t bytes[10];
    char target[400];
    snprintf(target, sizeof target, "%s", folder_file("target"));
    FILE *file = fopen(target, "w");
    assert_true(file && fputs("mine", file) >= 0 && fclose(file) == 0);
    const char *path = folder_file("symbolic");
    assert_int_equal(symlink(target, path), 0);
    assert_refused(path, "ELOOP", "symbolic link");
    assert_int_equal(file_read(target, bytes, sizeof bytes), 4);
    assert_refused(folder, "EISDIR", folder);
    assert_refused(folder_file("no/such\x1b"), "ENOENT", "no/such\\x1b");
    assert_refused("", "ENOENT", "");
    assert_refused("/dev/full", "ENOSPC", "/dev/full");
}

/* The disk is full in the middle of a frame: the frames before it stay readable, it is said once,
 * and the job goes on. A limit on the size of files stands for the disk. */
static void l1_survives_a_full_disk(void **state)
{
    (void)state;
    const struct rlimit small = {.rlim_cur = 2000, .rlim_max = RLIM_INFINITY};
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct rlimit before;
    static uint8_t bytes[4000];
    getrlimit(RLIMIT_FSIZE, &before);
    if (before.rlim_max != RLIM_INFINITY) {
        print_message("skipped: there is a limit on the size of files already\n");
        skip();
    }
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct error err = {0};
        const char *path = folder_file("full.pcap");
        struct capture_writer *writer = capture_create(path, formats[i], NULL, NULL, &err);
        assert_non_null(writer);
        assert_true(put(writer, 1000, &err));
        size_t whole = file_read(path, bytes, sizeof bytes);
        assert_in_range(whole, 1000, 1999);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_false(put(writer, 1000, &err));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        assert_string_equal(err.code, "EFBIG");
        assert_non_null(strstr(err.message, path));
        assert_int_equal(file_read(path, bytes, sizeof bytes), whole);
        assert_non_null(capture_failure(writer));
        err.code[0] = '\0';
        assert_true(put(writer, 10, &err)); /* there would be room again: a hole would be worse */
        assert_string_equal(err.code, "");
        assert_false(capture_close(writer, &err));
        assert_string_equal(err.code, "EFBIG");
        assert_int_equal(file_read(path, bytes, sizeof bytes), whole);
    }
    signal(SIGXFSZ, SIG_DFL);
}

/* A pipe takes what it is given, in pieces if it must, blocking or not. */
static void writes_to_a_pipe(void **state)
{
    (void)state;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        enum { FRAMES = 500 };
        int ends[2], saved = dup(STDOUT_FILENO);
        struct error err = {0};
        fflush(stdout);
        assert_int_equal(pipe(ends), 0);
        pid_t reader = fork();
        if (reader == 0) {
            static uint8_t bytes[4096];
            size_t total = 0;
            close(ends[1]);
            for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;)
                total += (size_t)n;
            _exit(total == 24 + FRAMES * 2016 ? 0 : 1);
        }
        close(ends[0]);
        if (nonblocking)
            fcntl(ends[1], F_SETFL, O_NONBLOCK);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
        struct capture_writer *writer = capture_create("-", CAPTURE_PCAP, NULL, NULL, &err);
        bool done = writer;
        for (int i = 0; done && i < FRAMES; i++)
            done = put(writer, 2000, &err);
        done = done && capture_close(writer, &err);
        dup2(saved, STDOUT_FILENO);
        close(saved);
        int status;
        assert_true(done);
        assert_int_equal(waitpid(reader, &status, 0), reader);
        assert_int_equal(status, 0);
    }
}

/* Nobody reads: nothing is waited for, all of it comes later, and what does not is counted. */
static void l11_waits_for_no_reader(void **state)
{
    (void)state;
    enum { FRAMES = 500, ALL = 24 + FRAMES * 2016 };
    static uint8_t bytes[ALL + 1];
    const char *path = folder_file("stalled");
    struct error err = {0};
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct capture_writer *writer = capture_create_new(path, CAPTURE_PCAP, NULL, NULL, &err);
    assert_non_null(writer);
    for (int i = 0; i < FRAMES; i++)
        assert_true(put(writer, 2000, &err));
    assert_false(capture_push(writer, false));
    size_t total = 0;
    while (total < ALL) {
        ssize_t n = read(reader, bytes + total, sizeof bytes - total);
        assert_true(n > 0);
        total += (size_t)n;
        capture_push(writer, false);
    }
    assert_true(capture_push(writer, false));
    for (int i = 0; i < FRAMES; i++)
        assert_true(put(writer, 2000, &err));
    capture_hurry(writer);
    assert_false(capture_close(writer, &err));
    assert_non_null(strstr(err.message, "bytes of the capture are missing"));
    close(reader);
}

static void writes_to_a_fifo(void **state)
{
    (void)state;
    uint8_t bytes[100];
    const char *path = folder_file("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct error err = {0};
    struct capture_writer *writer = capture_create(path, CAPTURE_PCAP, NULL, NULL, &err);
    assert_non_null(writer);
    assert_true(put(writer, 10, &err));
    assert_int_equal(read(reader, bytes, sizeof bytes), 24 + 26);
    close(reader);
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    assert_false(put(writer, 10, &err));
    assert_string_equal(err.code, "EPIPE");
    assert_false(capture_close(writer, &err));
    signal(SIGPIPE, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_names),         cmocka_unit_test(l12_is_private),
        cmocka_unit_test(empties_an_old_file), cmocka_unit_test(l1_leaves_an_old_file),
        cmocka_unit_test(l1_refuses),          cmocka_unit_test(l1_survives_a_full_disk),
        cmocka_unit_test(writes_to_a_pipe),    cmocka_unit_test(l11_waits_for_no_reader),
        cmocka_unit_test(writes_to_a_fifo),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
