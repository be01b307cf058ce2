/* Capture files without memory: whatever is refused, the call that needed it says so. */
#include "capture/capture.h"
#include "capture/reader.h"
#include "capture_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "refuse.h"

static enum capture_format format;

static const char *path(void)
{
    return folder_file(format == CAPTURE_PCAP ? "a.pcap" : "a.pcapng");
}

static bool fill(struct capture_writer *writer, struct error *err)
{
    static const uint8_t bytes[3000] = {0x45};
    static const char *const comments[] = {"one", "two", NULL};
    struct addr address = {.kind = ADDR_IP4, .bytes = {192, 0, 2, 1}};
    struct capture_frame frame = {.linktype = CAPTURE_RAW_IP,
                                  .iface = "near",
                                  .time = 1,
                                  .bytes = bytes,
                                  .length = sizeof bytes,
                                  .original = sizeof bytes,
                                  .comments = comments};
    bool good = capture_write(writer, &frame, err);
    frame.iface = "far";
    good = good && capture_write(writer, &frame, err);
    if (format == CAPTURE_PCAPNG) {
        good = good && capture_name(writer, &address, "peer.example", err);
        if (good)
            capture_drops(writer, CAPTURE_RAW_IP, "third", 1);
    }
    return good;
}

/* What was refused, if anything was, is what `err` is about. */
static bool said(bool done, const struct error *err)
{
    if (!done)
        assert_string_equal(err->code, "ENOMEM");
    return done;
}

static bool write_file(void)
{
    struct error err = {0};
    struct capture_writer *writer = capture_create(path(), format, "test", "a line", &err);
    if (!writer)
        return said(false, &err);
    bool good = fill(writer, &err);
    struct error at_end;
    if (!capture_close(writer, &at_end))
        return said(false, &at_end);
    return said(good, &err);
}

static bool read_file(void)
{
    struct error err = {0};
    struct reader *reader = reader_open(path(), &err);
    if (!reader)
        return false;
    struct reading reading;
    int result;
    while ((result = reader_next(reader, &reading, &err)) > 0)
        assert_int_equal(reading.length, 3000);
    reader_close(reader);
    return result == 0;
}

static void test_files(void **state)
{
    (void)state;
    for (format = CAPTURE_PCAPNG; format <= CAPTURE_PCAP; format++) {
        assert_true(refuse_each(write_file) >= 2);
        assert_true(refuse_each(read_file) >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
