/* pcapng: the blocks byte by byte, and what Wireshark's command line makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "capture/capture.h"
#include "capture_folder.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* 2023-11-14T22:13:20.123456789Z */
#define TIME (INT64_C(1700000000) * NS_PER_S + 123456789)
#define TIME_WORDS                                                                                 \
    0xfe, 0x9c, 0x97, 0x17, 0x15, 0xcd, 0x85, 0x3d /* the upper half first, each little-endian */

static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct capture_writer *create(const char *path, const char *application, const char *comment)
{
    struct error err = {0};
    struct capture_writer *writer =
        capture_create(path, CAPTURE_PCAPNG, application, comment, &err);
    if (!writer)
        fail_msg("%s", err.message);
    return writer;
}

static void write_frame(struct capture_writer *writer, int linktype, const char *iface, bool sent,
                        const uint8_t *bytes, size_t length, size_t original, const char *comment)
{
    struct error err = {0};
    if (!capture_write(writer,
                       &(struct capture_frame){.linktype = linktype,
                                               .iface = iface,
                                               .time = TIME,
                                               .bytes = bytes,
                                               .length = length,
                                               .original = original,
                                               .direction = sent ? CAPTURE_SENT : CAPTURE_RECEIVED,
                                               .comments = (const char *[]){comment, NULL}},
                       &err))
        fail_msg("%s", err.message);
}

/* The value of an option of the block at `block`, whose options begin at `offset`; -1 if it is not
 * there. */
static int option(const uint8_t *block, size_t offset, unsigned code, char *text, size_t size)
{
    size_t end = little32(block + 4) - 4;
    while (offset + 4 <= end) {
        unsigned found = block[offset] | (unsigned)block[offset + 1] << 8;
        unsigned length = block[offset + 2] | (unsigned)block[offset + 3] << 8;
        if (found == 0)
            return -1;
        if (found == code) {
            assert_true(length < size);
            memcpy(text, block + offset + 4, length);
            text[length] = '\0';
            return (int)length;
        }
        offset += 4 + (length + 3) / 4 * 4;
    }
    return -1;
}

static void begins_with_a_section(void **state)
{
    (void)state;
    static const uint8_t begin[] = {0x0a, 0x0d, 0x0d, 0x0a};
    static const uint8_t rest[] = {0x4d, 0x3c, 0x2b, 0x1a, 1,    0,    0,    0,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t bytes[1000];
    char text[100];
    const char *path = folder_file("section.pcapng");
    struct capture_writer *writer = create(path, "tcplua 0.1.0", "tcplua -w x \xc3\xa4.lua");
    /* Already there: a file is whole at any moment. */
    size_t length = file_read(path, bytes, sizeof bytes);
    assert_in_range(length, 28, sizeof bytes - 1);
    assert_int_equal(length % 4, 0);
    assert_memory_equal(bytes, begin, 4);
    assert_int_equal(little32(bytes + 4), length);
    assert_int_equal(little32(bytes + length - 4), length);
    assert_memory_equal(bytes + 8, rest, sizeof rest);
    assert_int_equal(option(bytes, 24, 1, text, sizeof text), 18);
    assert_string_equal(text, "tcplua -w x \xc3\xa4.lua");
    assert_int_equal(option(bytes, 24, 4, text, sizeof text), 12);
    assert_string_equal(text, "tcplua 0.1.0");
    assert_true(option(bytes, 24, 3, text, sizeof text) > 0);
    assert_memory_equal(text, "Linux ", 6);
    assert_true(capture_close(writer, NULL));

    writer = create(path, NULL, NULL);
    file_read(path, bytes, sizeof bytes);
    assert_int_equal(option(bytes, 24, 1, text, sizeof text), -1);
    assert_int_equal(option(bytes, 24, 4, text, sizeof text), -1);
    assert_true(capture_close(writer, NULL));
}

static void is_right_byte_by_byte(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t golden[] = {
        /* interface 0: raw IP, no name */
        1, 0, 0, 0, 32, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, /* type, length, link type, limit */
        9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0,   /* nanoseconds, end, length */
        /* five bytes of nine, received, with a comment */
        6, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0,               /* type, length, interface */
        TIME_WORDS,
        5, 0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0,    /* lengths, bytes */
        1, 0, 2, 0, 'h', 'i', 0, 0, 2, 0, 4, 0, 1, 0, 0, 0, /* comment, inbound */
        0, 0, 0, 0, 60, 0, 0, 0,                           /* end, length */
        /* interface 1: Ethernet, "eth0" */
        1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 4, 0, 'e', 't', 'h', '0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0,
        /* four bytes, sent */
        6, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, TIME_WORDS,
        4, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4, 2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0,
        /* no bytes, sent, on interface 0 again */
        6, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, TIME_WORDS,
        0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0,
    };
    /* clang-format on */
    static const uint8_t five[] = {1, 2, 3, 4, 5};
    uint8_t bytes[1000];
    const char *path = folder_file("golden.pcapng");
    struct capture_writer *writer = create(path, NULL, NULL);
    write_frame(writer, CAPTURE_RAW_IP, "", false, five, 5, 9, "hi");
    write_frame(writer, CAPTURE_ETHERNET, "eth0", true, five, 4, 4, NULL);
    write_frame(writer, CAPTURE_RAW_IP, "", true, NULL, 0, 0, "");
    size_t length = file_read(path, bytes, sizeof bytes); /* before it is closed */
    assert_true(capture_close(writer, NULL));
    size_t section = little32(bytes + 4);
    assert_int_equal(length, section + sizeof golden);
    assert_memory_equal(bytes + section, golden, sizeof golden);
}

/* An interface is its name and its link type. */
static void tells_interfaces_apart(void **state)
{
    (void)state;
    static uint8_t bytes[4000];
    const char *path = folder_file("interfaces.pcapng");
    struct capture_writer *writer = create(path, NULL, NULL);
    static const struct {
        int linktype;
        const char *name;
    } rows[] = {{1, "a"}, {101, "a"}, {1, "b"}, {101, "a"}, {1, "a"}, {1, "b"}, {1, ""}};
    static const uint32_t numbers[] = {0, 1, 2, 1, 0, 2, 3};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        write_frame(writer, rows[i].linktype, rows[i].name, true, NULL, 0, 0, NULL);
    assert_true(capture_close(writer, NULL));
    size_t length = file_read(path, bytes, sizeof bytes), frames = 0, interfaces = 0;
    for (size_t at = 0; at < length; at += little32(bytes + at + 4)) {
        uint32_t type = little32(bytes + at);
        interfaces += type == 1;
        if (type == 6)
            assert_int_equal(little32(bytes + at + 8), numbers[frames++]);
    }
    assert_int_equal(frames, 7);
    assert_int_equal(interfaces, 4);
}

/* The blocks of a file from its first interface on. */
static const uint8_t *blocks_of(const char *path, uint8_t *bytes, size_t size, size_t *length)
{
    *length = file_read(path, bytes, size);
    size_t section = little32(bytes + 4);
    *length -= section;
    return bytes + section;
}

static void says_more_of_interfaces(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t golden[] = {
        1, 0, 0, 0, 76, 0, 0, 0, 113, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 3, 0, 'a', 'n', 'y', 0, 3, 0, 9, 0, 'a', 'l', 'l', ' ', 'o', 'f', ' ', 'i', 't',
        0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 11, 0, 4, 0, 0, 't', 'c', 'p',
        12, 0, 5, 0, 'L', 'i', 'n', 'u', 'x', 0, 0, 0,
        0, 0, 0, 0, 76, 0, 0, 0,
        /* a frame of it, without a direction, with two comments */
        6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, TIME_WORDS, 0, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 1, 0, 'a', 0, 0, 0, 1, 0, 1, 0, 'b', 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0,
        /* names */
        4, 0, 0, 0, 36, 0, 0, 0, 1, 0, 11, 0, 192, 0, 2, 2, 's', 'e', 'r', 'v', 'e', 'r', 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 36, 0, 0, 0,
        4, 0, 0, 0, 44, 0, 0, 0, 2, 0, 18, 0,
        0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0,
        /* 7 + 2^32 dropped on it, one frame of it here */
        5, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, TIME_WORDS,
        5, 0, 8, 0, 7, 0, 0, 0, 1, 0, 0, 0, 8, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 52, 0, 0, 0,
    };
    /* clang-format on */
    uint8_t bytes[1000];
    struct error err;
    struct addr address;
    size_t length;
    const char *path = folder_file("more.pcapng");
    struct capture_writer *writer = create(path, NULL, NULL);
    const struct capture_interface more = {"all of it", "tcp", "Linux"};
    assert_true(capture_describe(writer, 113, "any", &more, &err));
    assert_false(capture_describe(writer, 113, "any", &more, &err));
    assert_string_equal(err.code, "EEXIST");
    assert_true(capture_write(writer,
                              &(struct capture_frame){.linktype = 113,
                                                      .iface = "any",
                                                      .time = TIME,
                                                      .comments = (const char *[]){"a", "b", NULL}},
                              &err));
    assert_true(addr_parse(&address, "192.0.2.2", "address", &err));
    assert_true(capture_name(writer, &address, "server", &err));
    assert_true(addr_parse(&address, "2001:db8::1", "address", &err));
    assert_true(capture_name(writer, &address, "x", &err));
    assert_false(capture_name(writer, &address, "", &err));
    capture_drops(writer, 113, "any", 7);
    capture_drops(writer, 113, "any", UINT64_C(1) << 32);
    capture_drops(writer, 113, "other", 0); /* not in the file, and nothing to say */
    assert_true(capture_close(writer, &err));
    const uint8_t *blocks = blocks_of(path, bytes, sizeof bytes, &length);
    assert_int_equal(length, sizeof golden);
    for (size_t i = 0; i < length; i++)
        if (blocks[i] != golden[i])
            fail_msg("byte %zu is %d, not %d", i, blocks[i], golden[i]);
}

static void cuts_a_long_comment(void **state)
{
    (void)state;
    static char comment[100000], text[70000];
    static uint8_t bytes[200000];
    memset(comment, 'x', 65531);
    memset(comment + 65531, '\xc3', 1); /* begins a character of two bytes */
    memset(comment + 65532, '\xa4', 1);
    memset(comment + 65533, 'y', sizeof comment - 65534);
    const char *path = folder_file("long.pcapng");
    struct capture_writer *writer = create(path, NULL, comment);
    assert_true(capture_close(writer, NULL));
    size_t length = file_read(path, bytes, sizeof bytes);
    assert_int_equal(little32(bytes + 4), length - 32); /* behind it the interface */
    assert_int_equal(option(bytes, 24, 1, text, sizeof text), 65531);
}

static void tshark_reads_it(void **state)
{
    (void)state;
    static const uint8_t udp[] = {0x45, 0, 0,   28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0,
                                  2,    1, 192, 0,  2, 2, 0, 7, 0,  9,  0, 8, 0,   0};
    char text[4000], command[600];
    if (!command_exists("tshark")) {
        print_message("skipped: tshark is not installed\n");
        skip();
    }
    const char *path = folder_file("tshark.pcapng");
    struct capture_writer *writer = create(path, "tcplua 0.1.0", "the command line");
    write_frame(writer, CAPTURE_RAW_IP, "wire0", true, udp, sizeof udp, sizeof udp, "x.lua:14");
    write_frame(writer, CAPTURE_RAW_IP, "wire0", false, udp, sizeof udp, 1000, NULL);
    assert_true(capture_close(writer, NULL));
    snprintf(command, sizeof command,
             "tshark -n -r %s -T fields -E separator=, -e frame.time_epoch -e frame.interface_name "
             "-e frame.p2p_dir -e frame.len -e frame.cap_len -e frame.comment -e udp.dstport "
             "-e frame.packet_flags_direction",
             path);
    command_output(command, text, sizeof text);
    if (!strstr(text, "1700000000.123456789,wire0,0,28,28,x.lua:14,9,0x00000002\n") ||
        !strstr(text, "1700000000.123456789,wire0,1,1000,28,,9,0x00000001\n"))
        fail_msg("tshark says: %s", text);
}

static void tshark_reads_more(void **state)
{
    (void)state;
    static const uint8_t udp[] = {0x45, 0, 0,   28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0,
                                  2,    1, 192, 0,  2, 2, 0, 7, 0,  9,  0, 8, 0,   0};
    char text[4000], command[600];
    struct error err;
    struct addr server;
    if (!command_exists("tshark")) {
        print_message("skipped: tshark is not installed\n");
        skip();
    }
    const char *path = folder_file("more.pcapng");
    struct capture_writer *writer = create(path, NULL, NULL);
    const struct capture_interface more = {"the first wire", "udp port 9", "Linux"};
    assert_true(addr_parse(&server, "192.0.2.2", "address", &err));
    assert_true(capture_name(writer, &server, "echo.test", &err));
    assert_true(capture_describe(writer, CAPTURE_RAW_IP, "wire0", &more, &err));
    struct capture_frame frame = {.linktype = CAPTURE_RAW_IP,
                                  .iface = "wire0",
                                  .time = TIME,
                                  .bytes = udp,
                                  .length = sizeof udp,
                                  .original = sizeof udp,
                                  .comments = (const char *[]){"first", "second", NULL}};
    assert_true(capture_write(writer, &frame, &err));
    frame.iface = "a second wire with a long name";
    frame.comments = NULL;
    assert_true(capture_write(writer, &frame, &err));
    capture_drops(writer, CAPTURE_RAW_IP, "wire0", 42);
    assert_true(capture_close(writer, &err));
    snprintf(command, sizeof command,
             "tshark -N n -r %s -T fields -E separator=, -E 'aggregator=;' -e frame.interface_name "
             "-e frame.interface_description -e frame.comment -e ip.dst_host",
             path);
    command_output(command, text, sizeof text);
    if (!strstr(text, "wire0,the first wire,first;second,echo.test\n") ||
        !strstr(text, "a second wire with a long name,,,echo.test\n"))
        fail_msg("tshark says: %s", text);
    snprintf(command, sizeof command, "capinfos -I %s", path);
    command_output(command, text, sizeof text);
    if (!strstr(text, "Filter string = udp port 9") || !strstr(text, "Operating system = Linux") ||
        !strstr(text, "Number of stat entries = 1"))
        fail_msg("capinfos says: %s", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_a_section),  cmocka_unit_test(is_right_byte_by_byte),
        cmocka_unit_test(tells_interfaces_apart), cmocka_unit_test(cuts_a_long_comment),
        cmocka_unit_test(tshark_reads_it),        cmocka_unit_test(says_more_of_interfaces),
        cmocka_unit_test(tshark_reads_more),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
