/* pcap: the file that libpcap makes for us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "capture/capture.h"
#include "capture_folder.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define SECONDS 1700000000

static struct capture_writer *create(const char *path)
{
    struct error err = {0};
    struct capture_writer *writer = capture_create(path, CAPTURE_PCAP, "tcplua", "a comment", &err);
    if (!writer)
        fail_msg("%s", err.message);
    return writer;
}

static bool put(struct capture_writer *writer, int linktype, const uint8_t *bytes, size_t length,
                size_t original, struct error *err)
{
    return capture_write(writer,
                         &(struct capture_frame){.linktype = linktype,
                                                 .iface = "eth0",
                                                 .time = SECONDS * NS_PER_S + 123456789,
                                                 .bytes = bytes,
                                                 .length = length,
                                                 .original = original,
                                                 .direction = CAPTURE_SENT,
                                                 .comments = (const char *[]){"a comment", NULL}},
                         err);
}

static uint32_t word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v); /* the format has the writer's byte order */
    return v;
}

static void assert_header(const uint8_t *bytes, uint32_t linktype)
{
    assert_int_equal(word(bytes), UINT32_C(0xa1b23c4d)); /* nanoseconds */
    assert_int_equal(word(bytes + 16), 262144);
    assert_int_equal(word(bytes + 20), linktype);
}

static void is_whole_after_each_frame(void **state)
{
    (void)state;
    static const uint8_t five[] = {1, 2, 3, 4, 5};
    uint8_t bytes[1000];
    struct error err = {0};
    const char *path = folder_file("frames.pcap");
    struct capture_writer *writer = create(path);
    assert_int_equal(file_read(path, bytes, sizeof bytes), 0); /* no link type yet */
    for (size_t i = 1; i <= 3; i++) {
        assert_true(put(writer, CAPTURE_RAW_IP, five, 5, 4 + i, &err));
        assert_int_equal(file_read(path, bytes, sizeof bytes), 24 + i * 21);
    }
    assert_true(capture_close(writer, &err));
    assert_int_equal(file_read(path, bytes, sizeof bytes), 24 + 3 * 21);
    assert_header(bytes, CAPTURE_RAW_IP);
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t *record = bytes + 24 + (size_t)i * 21;
        assert_int_equal(word(record), SECONDS);
        assert_int_equal(word(record + 4), 123456789);
        assert_int_equal(word(record + 8), 5);
        assert_int_equal(word(record + 12), 5 + i);
        assert_memory_equal(record + 16, five, 5);
    }
}

/* Frames of another link type break nothing: they are left out, and counted. */
static void has_one_link_type(void **state)
{
    (void)state;
    static const uint8_t bytes[60];
    uint8_t file[1000];
    struct error err = {0};
    const char *path = folder_file("types.pcap");
    struct capture_writer *writer = create(path);
    assert_true(put(writer, CAPTURE_ETHERNET, bytes, 60, 60, &err));
    assert_true(capture_complete(writer, &err));
    for (int i = 1; i <= 2; i++) {
        assert_false(put(writer, CAPTURE_RAW_IP, bytes, 60, 60, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_non_null(strstr(err.message, ".pcapng"));
        assert_null(capture_failure(writer));
        assert_false(capture_complete(writer, &err));
        assert_non_null(strstr(err.message, i == 1 ? "1 frame of another link type is not in "
                                                   : "2 frames of another link type are not in "));
    }
    assert_true(put(writer, CAPTURE_ETHERNET, bytes, 60, 60, &err));
    assert_true(capture_close(writer, &err));
    assert_int_equal(file_read(path, file, sizeof file), 24 + 2 * 76);
    assert_header(file, CAPTURE_ETHERNET);
}

/* An IP packet of an Ethernet goes into a file of raw IP, and nothing else of an Ethernet does. */
static void takes_the_packet_out_of_a_frame(void **state)
{
    (void)state;
    static const struct {
        uint8_t type[2], first;
        size_t length;
        bool taken;
    } frames[] = {
        {{0x08, 0x00}, 0x45, 34, true},  {{0x86, 0xdd}, 0x60, 54, true},
        {{0x08, 0x00}, 0x45, 15, true},  {{0x08, 0x00}, 0x45, 14, false},
        {{0x08, 0x00}, 0x45, 0, false},  {{0x08, 0x06}, 0x00, 42, false},
        {{0x81, 0x00}, 0x45, 60, false}, {{0x08, 0x00}, 0x60, 34, false},
        {{0x86, 0xdd}, 0x45, 54, false},
    };
    uint8_t file[2000];
    struct error err = {0};
    const char *path = folder_file("raw.pcap");
    struct capture_writer *writer = create(path);
    assert_true(put(writer, CAPTURE_RAW_IP, (const uint8_t *)"E", 1, 1, &err));
    size_t length = 24 + 17;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        uint8_t bytes[60] = {0};
        memcpy(bytes + 12, frames[i].type, 2);
        bytes[14] = frames[i].first;
        size_t size = frames[i].length;
        assert_int_equal(put(writer, CAPTURE_ETHERNET, bytes, size, size + 3, &err),
                         frames[i].taken);
        if (frames[i].taken) {
            assert_int_equal(file_read(path, file, sizeof file), length + 16 + size - 14);
            assert_int_equal(word(file + length + 8), size - 14);
            assert_int_equal(word(file + length + 12), size + 3 - 14);
            assert_memory_equal(file + length + 16, bytes + 14, size - 14);
            length += 16 + size - 14;
        }
    }
    assert_true(capture_close(writer, &err));
    assert_int_equal(file_read(path, file, sizeof file), length);
}

static void is_a_file_without_frames_too(void **state)
{
    (void)state;
    uint8_t bytes[100];
    struct error err = {0};
    const char *path = folder_file("empty.pcap");
    assert_true(capture_close(create(path), &err));
    assert_int_equal(file_read(path, bytes, sizeof bytes), 24);
    assert_header(bytes, CAPTURE_ETHERNET);
}

static void tcpdump_reads_it(void **state)
{
    (void)state;
    static const uint8_t udp[] = {0x45, 0, 0,   28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0,
                                  2,    1, 192, 0,  2, 2, 0, 7, 0,  9,  0, 8, 0,   0};
    char text[2000], command[600];
    struct error err = {0};
    if (!command_exists("tcpdump")) {
        print_message("skipped: tcpdump is not installed\n");
        skip();
    }
    const char *path = folder_file("tcpdump.pcap");
    struct capture_writer *writer = create(path);
    assert_true(put(writer, CAPTURE_RAW_IP, udp, sizeof udp, sizeof udp, &err));
    assert_true(capture_close(writer, &err));
    snprintf(command, sizeof command, "tcpdump -n -tt --nano -r %s", path);
    command_output(command, text, sizeof text);
    if (!strstr(text, "1700000000.123456789 IP 192.0.2.1.7 > 192.0.2.2.9: UDP, length 0"))
        fail_msg("tcpdump says: %s", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_whole_after_each_frame),
        cmocka_unit_test(has_one_link_type),
        cmocka_unit_test(takes_the_packet_out_of_a_frame),
        cmocka_unit_test(is_a_file_without_frames_too),
        cmocka_unit_test(tcpdump_reads_it),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
