/* reader: every shape of file that there is, and files that lie (rows L4 to L7). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "capture/capture.h"
#include "capture/reader.h"
#include "capture_folder.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define SECONDS 1700000000U
#define MICRO   0xa1b2c3d4U
#define NANO    0xa1b23c4dU

/* --- files, word by word ------------------------------------------------------------------------
 */

struct image {
    uint8_t bytes[4096];
    size_t length;
    bool big; /* endian */
};

static void word16(struct image *image, unsigned v)
{
    uint8_t *p = image->bytes + image->length;
    p[image->big ? 0 : 1] = (uint8_t)(v >> 8);
    p[image->big ? 1 : 0] = (uint8_t)v;
    image->length += 2;
}

static void word(struct image *image, uint32_t v)
{
    word16(image, image->big ? v >> 16 : v & 0xffff);
    word16(image, image->big ? v & 0xffff : v >> 16);
}

static void zeros(struct image *image, size_t length)
{
    memset(image->bytes + image->length, 0, length);
    image->length += length;
}

static struct image pcap_header(bool big, uint32_t magic, unsigned major, uint32_t snaplen,
                                uint32_t linktype)
{
    struct image image = {.big = big};
    word(&image, magic);
    word16(&image, major);
    word16(&image, 4);
    zeros(&image, 8);
    word(&image, snaplen);
    word(&image, linktype);
    return image;
}

static void record(struct image *image, uint32_t seconds, uint32_t parts, uint32_t caplen,
                   uint32_t len)
{
    word(image, seconds);
    word(image, parts);
    word(image, caplen);
    word(image, len);
}

/* A block with a body of words; `length` 0 stands for the right one. */
static void block(struct image *image, uint32_t type, uint32_t length, const uint32_t *words,
                  size_t count)
{
    uint32_t right = (uint32_t)(12 + 4 * count);
    word(image, type);
    word(image, length ? length : right);
    for (size_t i = 0; i < count; i++)
        word(image, words[i]);
    word(image, length ? length : right);
}

/* A section and an Ethernet interface, whose times count nanoseconds. */
static struct image pcapng_header(bool big)
{
    struct image image = {.big = big};
    static const uint32_t section[] = {0x1a2b3c4d, 0, UINT32_MAX, UINT32_MAX};
    size_t version = 12;
    block(&image, 0x0a0d0d0a, 0, section, 4);
    image.bytes[version + (big ? 1 : 0)] = 1; /* 1.0 */
    size_t at = image.length;
    word(&image, 1);
    word(&image, 32);
    word16(&image, 1);
    word16(&image, 0);
    word(&image, 0);
    word16(&image, 9);
    word16(&image, 1);
    zeros(&image, 4);
    image.bytes[image.length - 4] = 9;
    word(&image, 0);
    word(&image, 32);
    assert_int_equal(image.length - at, 32);
    return image;
}

static const char *put(const struct image *image, const char *name)
{
    const char *path = folder_file(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(image->bytes, 1, image->length, file), image->length);
    assert_int_equal(fclose(file), 0);
    return path;
}

static struct reader *open_good(const char *path)
{
    struct error err;
    struct reader *reader = reader_open(path, &err);
    if (!reader)
        fail_msg("%s", err.message);
    return reader;
}

static void assert_says(const struct error *err, const char *says)
{
    if (!strstr(err->message, says))
        fail_msg("\"%s\" does not say \"%s\"", err->message, says);
    for (const char *p = err->message; *p; p++)
        assert_in_range(*p, ' ', '~');
}

static void assert_refused(const char *path, const char *code, const char *says)
{
    struct error err;
    if (reader_open(path, &err))
        fail_msg("%s was taken", path);
    assert_string_equal(err.code, code);
    assert_says(&err, says);
    assert_says(&err, path);
}

/* Reads to the end; how many frames there were, and what came then. */
static size_t read_all(const char *path, int *end, struct error *err)
{
    struct reader *reader = open_good(path);
    struct reading reading;
    size_t count = 0;
    while ((*end = reader_next(reader, &reading, err)) == 1) {
        assert_true(reading.original >= reading.length);
        count++;
    }
    if (*end < 0)
        assert_int_equal(reader_next(reader, &reading, err), -1); /* it stays broken */
    reader_close(reader);
    return count;
}

static void assert_damaged(const struct image *image, size_t frames, const char *says)
{
    int end;
    struct error err = {0};
    assert_int_equal(read_all(put(image, "damaged"), &end, &err), frames);
    assert_int_equal(end, -1);
    assert_string_equal(err.code, "EPROTO");
    assert_says(&err, says);
}

/* --- good ones ----------------------------------------------------------------------------------
 */

static void reads_pcap_of_either_order_and_precision(void **state)
{
    (void)state;
    static const uint32_t magics[] = {MICRO, NANO};
    for (unsigned i = 0; i < 4; i++) {
        bool nano = i & 1, big = i & 2;
        struct image image = pcap_header(big, magics[nano], 2, 65535, 101);
        record(&image, SECONDS, nano ? 123456789 : 123456, 3, 1000);
        memcpy(image.bytes + image.length, "abc", 3);
        image.length += 3;
        record(&image, 4294967295U, 0, 0, 0);
        struct reader *reader = open_good(put(&image, "good.pcap"));
        struct reading reading;
        struct error err;
        assert_int_equal(reader_linktype(reader), CAPTURE_RAW_IP);
        assert_string_equal(reader_linktype_name(reader), "RAW");
        assert_int_equal(reader_next(reader, &reading, &err), 1);
        assert_int_equal(reading.time, SECONDS * NS_PER_S + (nano ? 123456789 : 123456000));
        assert_int_equal(reading.length, 3);
        assert_int_equal(reading.original, 1000);
        assert_memory_equal(reading.bytes, "abc", 3);
        assert_int_equal(reader_next(reader, &reading, &err), 1);
        assert_int_equal(reading.time, 4294967295 * NS_PER_S);
        assert_int_equal(reading.length, 0);
        assert_int_equal(reader_next(reader, &reading, &err), 0);
        assert_int_equal(reader_next(reader, &reading, &err), 0);
        reader_close(reader);
    }
}

static void reads_pcapng_of_either_order(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        uint64_t time = SECONDS * UINT64_C(1000000000) + 123456789;
        struct image image = pcapng_header(big);
        uint32_t frame[] = {0, (uint32_t)(time >> 32), (uint32_t)time, 4, 9, 0};
        block(&image, 6, 0, frame, 6);
        struct reader *reader = open_good(put(&image, "good.pcapng"));
        struct reading reading;
        struct error err;
        assert_int_equal(reader_linktype(reader), CAPTURE_ETHERNET);
        assert_int_equal(reader_next(reader, &reading, &err), 1);
        assert_int_equal(reading.time, time);
        assert_int_equal(reading.length, 4);
        assert_int_equal(reading.original, 9);
        assert_int_equal(reader_next(reader, &reading, &err), 0);
        reader_close(reader);
    }
}

static void reads_what_we_write(void **state)
{
    (void)state;
    static const char *const names[] = {"own.pcap", "own.pcapng"};
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        const char *path = folder_file(names[i]);
        struct capture_writer *writer =
            capture_create(path, capture_format_of(path), NULL, NULL, &err);
        assert_non_null(writer);
        assert_true(capture_write(writer,
                                  &(struct capture_frame){.linktype = CAPTURE_RAW_IP,
                                                          .time = 1234567890123456789,
                                                          .bytes = (const uint8_t *)"hello",
                                                          .length = 5,
                                                          .original = 7},
                                  &err));
        assert_true(capture_close(writer, &err));
        struct reader *reader = open_good(path);
        struct reading reading;
        assert_int_equal(reader_linktype(reader), CAPTURE_RAW_IP);
        assert_int_equal(reader_next(reader, &reading, &err), 1);
        assert_int_equal(reading.time, 1234567890123456789);
        assert_int_equal(reading.length, 5);
        assert_int_equal(reading.original, 7);
        assert_memory_equal(reading.bytes, "hello", 5);
        assert_int_equal(reader_next(reader, &reading, &err), 0);
        reader_close(reader);
    }
}

/* A file that comes through a FIFO or standard input, a byte at a time. */
static void reads_streams(void **state)
{
    (void)state;
    struct image images[] = {pcap_header(false, NANO, 2, 65535, 1), pcapng_header(false)};
    record(&images[0], 1, 2, 3, 3);
    zeros(&images[0], 3);
    block(&images[1], 6, 0, (const uint32_t[]){0, 0, 0, 3, 3, 0}, 6);
    for (int round = 0; round < 4; round++) {
        bool input = round & 1;
        const struct image *image = &images[round / 2];
        char path[400];
        snprintf(path, sizeof path, "%s", folder_file("fifo"));
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        pid_t writer = fork();
        if (writer == 0) {
            int fd = open(path, O_WRONLY);
            for (size_t i = 0; i < image->length; i++)
                if (write(fd, image->bytes + i, 1) != 1)
                    _exit(1);
            _exit(0);
        }
        int end, status, saved = dup(STDIN_FILENO);
        struct error err;
        if (input) {
            int fd = open(path, O_RDONLY);
            dup2(fd, STDIN_FILENO);
            close(fd);
        }
        size_t count = read_all(input ? "-" : path, &end, &err);
        dup2(saved, STDIN_FILENO);
        close(saved);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        assert_int_equal(count, 1);
        assert_int_equal(end, 0);
    }
}

/* --- those that are none ------------------------------------------------------------------------
 */

static void says_what_is_no_file(void **state)
{
    (void)state;
    char path[400];
    assert_refused("/no/such/file.pcap", "ENOENT", "No such file");
    assert_refused(folder, "EISDIR", "Is a directory");
    assert_refused("", "ENOENT", "No such file");
    struct error err;
    assert_null(reader_open(folder_file("no\x1b[2Jne"), &err));
    assert_says(&err, "no\\x1b[2Jne");
    struct image nothing = {.length = 0};
    assert_refused(put(&nothing, "nothing"), "EOF", "empty");
    assert_refused("/dev/null", "EPROTO", "no capture file");
    snprintf(path, sizeof path, "%s", folder_file("silent"));
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t writer = fork();
    if (writer == 0)
        _exit(open(path, O_WRONLY) < 0);
    assert_refused(path, "EPROTO", "no capture file");
    waitpid(writer, NULL, 0);
    if (geteuid() != 0) {
        const char *secret = put(&nothing, "secret");
        chmod(secret, 0);
        assert_refused(secret, "EACCES", "Permission denied");
    }
}

static void L4_headers(void **state)
{
    (void)state;
    for (size_t length = 1; length < 24; length++) {
        struct image image = pcap_header(false, MICRO, 2, 65535, 1);
        image.length = length;
        assert_refused(put(&image, "short"), "EPROTO", "no capture file");
        image = pcapng_header(false);
        image.length = length;
        assert_refused(put(&image, "short"), "EPROTO", "no capture file");
    }
    struct image image = pcap_header(false, 0xa1b2c3d5, 2, 65535, 1);
    assert_refused(put(&image, "magic"), "EPROTO", "no capture file");
    static const unsigned versions[] = {0, 1, 3, 65535};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        image = pcap_header(false, MICRO, versions[i], 65535, 1);
        assert_refused(put(&image, "version"), "EPROTO", "no capture file");
    }
    /* What a header says of lengths and types is not believed before there is a frame. */
    static const uint32_t snaplens[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    static const uint32_t linktypes[] = {0, 147, 299, 65535};
    for (size_t i = 0; i < sizeof snaplens / sizeof snaplens[0]; i++)
        for (size_t j = 0; j < sizeof linktypes / sizeof linktypes[0]; j++) {
            struct error err;
            int end;
            image = pcap_header(i & 1, MICRO, 2, snaplens[i], linktypes[j]);
            record(&image, 0, 0, 1, 1);
            zeros(&image, 1);
            assert_int_equal(read_all(put(&image, "snaplen"), &end, &err), 1);
            assert_int_equal(end, 0);
        }
}

static void L5_records(void **state)
{
    (void)state;
    int end;
    struct error err;
    struct reading reading;
    static const uint32_t lengths[] = {101, 262145, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct image image = pcap_header(false, MICRO, 2, 65535, 1);
        record(&image, 1, 1, 100, 100); /* a good one before it */
        zeros(&image, 100);
        record(&image, 1, 1, lengths[i], 100);
        zeros(&image, 100);
        assert_damaged(&image, 1, "cannot be read behind frame 1");
    }
    for (size_t cut = 1; cut < 116; cut++) {
        struct image image = pcap_header(false, MICRO, 2, 65535, 1);
        record(&image, 1, 1, 100, 100);
        zeros(&image, 100);
        image.length -= cut;
        assert_damaged(&image, 0, "cannot be read behind frame 0");
    }
    /* More is there than was on the wire; a time with a second in its parts. */
    struct image image = pcap_header(false, MICRO, 2, 65535, 1);
    record(&image, 4294967295U, 1999999, 100, 5);
    zeros(&image, 100);
    struct reader *reader = open_good(put(&image, "longer"));
    assert_int_equal(reader_next(reader, &reading, &err), 1);
    assert_int_equal(reading.length, 100);
    assert_int_equal(reading.original, 100);
    assert_int_equal(reading.time, 4294967296 * NS_PER_S + 999999000);
    reader_close(reader);
    image = pcap_header(false, NANO, 2, 65535, 1);
    record(&image, 0, UINT32_MAX, 0, 0); /* libpcap makes -1 of it */
    reader = open_good(put(&image, "early"));
    assert_int_equal(reader_next(reader, &reading, &err), 1);
    assert_int_equal(reading.time, 0);
    reader_close(reader);
    /* More than the file's own limit: libpcap gives as much as that. */
    image = pcap_header(false, MICRO, 2, 10, 1);
    record(&image, 1, 1, 100, 100);
    zeros(&image, 100);
    assert_int_equal(read_all(put(&image, "snaplen"), &end, &err), 1);
    assert_int_equal(end, 0);
}

static void L6_blocks(void **state)
{
    (void)state;
    int end;
    struct error err;
    const uint32_t frame[] = {0, 0, 0, 4, 4, 0};
    static const uint32_t lengths[] = {1, 4, 11, 13, 28, 35, 37, 40, 0x7ffffffc, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct image image = pcapng_header(i & 1);
        block(&image, 6, 0, frame, 6);
        block(&image, 6, lengths[i], frame, 6);
        assert_damaged(&image, 1, "cannot be read behind frame 1");
    }
    struct image image = pcapng_header(false);
    block(&image, 6, 0, frame, 6);
    memset(image.bytes + image.length - 32, 0, 4); /* a length of 0 */
    assert_damaged(&image, 0, "cannot be read behind frame 0");
    image = pcapng_header(false);
    block(&image, 6, 0, frame, 6);
    image.bytes[image.length - 4] ^= 4; /* the length behind is not the one before */
    assert_damaged(&image, 0, "cannot be read behind frame 0");
    image = pcapng_header(false);
    block(&image, 6, 0, (const uint32_t[]){1, 0, 0, 4, 4, 0}, 6); /* interface 1 of 1 */
    assert_damaged(&image, 0, "cannot be read behind frame 0");
    image = pcapng_header(false);
    block(&image, 6, 0, (const uint32_t[]){0, 0, 0, UINT32_MAX, 4, 0}, 6);
    assert_damaged(&image, 0, "cannot be read behind frame 0");
    image = pcapng_header(false);
    block(&image, 6, 0, (const uint32_t[]){0, UINT32_MAX, UINT32_MAX, 4, 4, 0}, 6);
    struct reader *reader = open_good(put(&image, "late"));
    struct reading reading;
    assert_int_equal(reader_next(reader, &reading, &err), 1);
    assert_int_equal(reading.time, INT64_MAX); /* the year 2554 */
    reader_close(reader);
    /* An option without end, of length 0 each, is a block like others. */
    image = pcapng_header(false);
    block(&image, 6, 0, (const uint32_t[]){0, 0, 0, 4, 4, 0, 1, 1, 1, 1, 1, 1}, 12);
    assert_int_equal(read_all(put(&image, "options"), &end, &err), 1);
    /* Cut anywhere but between two blocks. */
    image = pcapng_header(false);
    block(&image, 6, 0, frame, 6);
    for (image.length -= 1; image.length > 60; image.length--)
        assert_damaged(&image, 0, "the file ends in the middle of a block");
    static const struct {
        uint32_t type, words[6];
        size_t count;
        const char *says;
    } wrong[] = {
        {6, {0}, 4, "too short"},
        {2, {0}, 4, "too short"},
        {3, {0}, 0, "too short"},
        {1, {0}, 1, "too short"},
        {6, {0, 0, 0, 5, 5, 0}, 6, "a packet of 5 bytes in a block that has room for 4"},
        {3, {5, 0}, 2, "a packet of 5 bytes in a block that has room for 4"},
        {6, {0, 0, 0, 0, 0, 0x00010001}, 6, "an option of 1 bytes reaches beyond its block"},
        {1, {1, 0, 0x00010001}, 3, "an option of 1 bytes reaches beyond its block"},
        {2, {1, 0, 0, 0, 0, 0}, 6, "a packet of interface 1, and 1 are described"},
        {0x0a0d0d0a, {0x1a2b3c4e, 1, 0, 0}, 4, "byte-order magic"},
        {0x0a0d0d0a, {0x1a2b3c4d, 2, 0, 0}, 4, "version 2"},
        {0x0a0d0d0a, {0x1a2b3c4d, 1, 0}, 3, "a section header of 24 bytes"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        image = pcapng_header(false);
        block(&image, 6, 0, frame, 6);
        block(&image, wrong[i].type, 0, wrong[i].words, wrong[i].count);
        assert_damaged(&image, 1, wrong[i].says);
    }
    /* A section has its own interfaces. */
    image = pcapng_header(false);
    block(&image, 6, 0, frame, 6);
    block(&image, 0x0a0d0d0a, 0, (const uint32_t[]){0x1a2b3c4d, 1, 0, 0}, 4);
    block(&image, 6, 0, frame, 6);
    assert_damaged(&image, 1, "a packet of interface 0, and 0 are described");
    /* More than is kept is passed over where it need not be kept, if it is there. */
    image = pcapng_header(false);
    block(&image, 0x0bad, 0x7ffffffc, frame, 6);
    assert_damaged(&image, 0, "the file ends");
    image = pcapng_header(false);
    block(&image, 6, (16U << 20) + 4, frame, 6);
    assert_damaged(&image, 0, "at most 16777216 are taken");
}

/* --- what pcapng can say ------------------------------------------------------------------------
 */

static void text(struct image *image, unsigned code, const char *value)
{
    size_t length = strlen(value);
    word16(image, code);
    word16(image, (unsigned)length);
    memcpy(image->bytes + image->length, value, length);
    image->length += length;
    zeros(image, -length % 4);
}

/* Writes the length of the block that began at `start`, before and behind it. */
static void close_block(struct image *image, size_t start)
{
    size_t end = image->length;
    image->length = start + 4;
    word(image, (uint32_t)(end + 4 - start));
    image->length = end;
    word(image, (uint32_t)(end + 4 - start));
}

static size_t open_block(struct image *image, uint32_t type)
{
    size_t start = image->length;
    word(image, type);
    word(image, 0);
    return start;
}

static void interface(struct image *image, unsigned linktype, uint32_t snaplen, const char *name)
{
    size_t start = open_block(image, 1);
    word16(image, linktype);
    word16(image, 0);
    word(image, snaplen);
    text(image, 2, name);
    close_block(image, start);
}

/* Interfaces of three link types in two sections of different byte orders; packets in all three
 * kinds of block; and blocks of other kinds between them. */
static void reads_every_block_of_pcapng(void **state)
{
    (void)state;
    static const struct {
        size_t length, original;
        int linktype;
        const char *iface;
        enum capture_direction direction;
        const char *comments[3];
    } frames[] = {
        {4, 9, CAPTURE_ETHERNET, NULL, CAPTURE_SENT, {"one", "four"}},
        {3, 3, CAPTURE_RAW_IP, "raw0", CAPTURE_UNKNOWN, {0}},
        {5, 7, 113, "sll0", CAPTURE_RECEIVED, {"old"}},
        {6, 6, CAPTURE_ETHERNET, NULL, CAPTURE_UNKNOWN, {0}},
        {2, 8, CAPTURE_RAW_IP, "raw1", CAPTURE_UNKNOWN, {0}},
    };
    for (int big = 0; big < 2; big++) {
        struct image image = pcapng_header(big);
        interface(&image, 101, 0, "raw0");
        block(&image, 0x0bad, 0, (const uint32_t[]){1, 2, 3}, 3);
        size_t at = open_block(&image, 6);
        for (int i = 0; i < 3; i++)
            word(&image, i == 2 ? 2500 : 0);
        word(&image, 4);
        word(&image, 9);
        zeros(&image, 4);
        text(&image, 1, "one");
        text(&image, 1, ""); /* is none */
        text(&image, 1, "four");
        word16(&image, 2);
        word16(&image, 4);
        word(&image, 2); /* outbound */
        close_block(&image, at);
        block(&image, 6, 0, (const uint32_t[]){1, 0, 2, 3, 3, 0}, 6);
        interface(&image, 113, 0, "sll0");
        block(&image, 5, 0, (const uint32_t[]){0, 0, 0}, 3);
        at = open_block(&image, 2);
        word16(&image, 2);
        word16(&image, 99); /* drops */
        word(&image, 0);
        word(&image, 3);
        word(&image, 5);
        word(&image, 7);
        zeros(&image, 8);
        text(&image, 1, "old");
        word16(&image, 2);
        word16(&image, 4);
        word(&image, 1);
        close_block(&image, at);
        block(&image, 3, 0, (const uint32_t[]){6, 0, 0}, 3);
        image.big = !big;
        block(&image, 0x0a0d0d0a, 0,
              (const uint32_t[]){0x1a2b3c4d, image.big ? 0x10000 : 1, UINT32_MAX, UINT32_MAX}, 4);
        interface(&image, 101, 2, "raw1");
        block(&image, 3, 0, (const uint32_t[]){8, 0}, 2); /* cut by the interface's limit */

        struct error err;
        struct reading reading;
        struct reader *reader = open_good(put(&image, "mixed.pcapng"));
        assert_true(reader_mixes(reader));
        assert_int_equal(reader_linktype(reader), CAPTURE_ETHERNET);
        for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
            if (reader_next(reader, &reading, &err) != 1)
                fail_msg("frame %zu: %s", i, err.message);
            assert_int_equal(reading.length, frames[i].length);
            assert_int_equal(reading.original, frames[i].original);
            assert_int_equal(reading.linktype, frames[i].linktype);
            assert_int_equal(reader_linktype(reader), frames[i].linktype);
            assert_int_equal(reading.direction, frames[i].direction);
            assert_int_equal(!reading.iface, !frames[i].iface);
            if (reading.iface)
                assert_string_equal(reading.iface, frames[i].iface);
            assert_int_equal(!reading.comments, !frames[i].comments[0]);
            for (size_t j = 0; reading.comments && j < 3; j++) {
                assert_int_equal(!reading.comments[j], !frames[i].comments[j]);
                if (!reading.comments[j])
                    break;
                assert_string_equal(reading.comments[j], frames[i].comments[j]);
            }
            static const int64_t times[] = {2500, 2000, 3000, 0, 0};
            assert_int_equal(reading.time, times[i]);
        }
        assert_int_equal(reader_next(reader, &reading, &err), 0);
        reader_close(reader);
    }
}

/* More comments than are taken: the first of them. */
static void takes_so_many_comments(void **state)
{
    (void)state;
    struct image image = pcapng_header(false);
    size_t at = open_block(&image, 6);
    zeros(&image, 20);
    for (int i = 0; i < READING_COMMENTS + 10; i++)
        text(&image, 1, "c");
    close_block(&image, at);
    struct error err;
    struct reading reading;
    struct reader *reader = open_good(put(&image, "comments.pcapng"));
    assert_int_equal(reader_next(reader, &reading, &err), 1);
    size_t count = 0;
    while (reading.comments[count])
        assert_string_equal(reading.comments[count++], "c");
    assert_int_equal(count, READING_COMMENTS);
    reader_close(reader);
}

static void times_have_any_resolution(void **state)
{
    (void)state;
    static const struct {
        uint8_t digits;
        int64_t offset;
        uint64_t stamp;
        int64_t time;
    } rows[] = {
        {0, 0, 5, 5 * NS_PER_S},
        {3, 0, 1700000000123, 1700000000123000000},
        {6, 0, 1700000000123456, 1700000000123456000},
        {9, 0, 1700000000123456789, 1700000000123456789},
        {12, 0, 1234567890123, 1234567890},
        {28, 0, UINT64_MAX, 1},
        {29, 0, UINT64_MAX, 0},
        {127, 0, UINT64_MAX, 0},
        {0x80, 0, 7, 7 * NS_PER_S},
        {0x80 + 10, 0, 1536, 1500000000},
        {0x80 + 32, 0, UINT64_C(3) << 31, 1500000000},
        {0xff, 0, UINT64_MAX, 0},
        {0, 0, UINT64_MAX, INT64_MAX},
        {0x80, 0, UINT64_MAX, INT64_MAX},
        {9, 10, 5, 10 * NS_PER_S + 5},
        {9, -1, 3 * NS_PER_S, 2 * NS_PER_S},
        {9, -4, 3 * NS_PER_S, 0},
        {9, INT64_MAX, 1, INT64_MAX},
        {9, INT64_MIN, 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {.big = false};
        block(&image, 0x0a0d0d0a, 0, (const uint32_t[]){0x1a2b3c4d, 1, 0, 0}, 4);
        uint64_t offset = (uint64_t)rows[i].offset, stamp = rows[i].stamp;
        const uint32_t words[] = {1,
                                  0,
                                  0x00010009,
                                  rows[i].digits,
                                  0x0008000e,
                                  (uint32_t)offset,
                                  (uint32_t)(offset >> 32)};
        block(&image, 1, 0, words, 7);
        block(&image, 6, 0, (const uint32_t[]){0, (uint32_t)(stamp >> 32), (uint32_t)stamp, 0, 0},
              5);
        struct error err;
        struct reading reading;
        struct reader *reader = open_good(put(&image, "times.pcapng"));
        assert_int_equal(reader_next(reader, &reading, &err), 1);
        if (reading.time != rows[i].time)
            fail_msg("row %zu: %lld", i, (long long)reading.time);
        reader_close(reader);
    }
}

/* A section without an interface is a capture of nothing. */
static void reads_a_file_of_nothing(void **state)
{
    (void)state;
    struct image image = pcapng_header(false);
    image.length = 28;
    int end;
    struct error err;
    assert_int_equal(read_all(put(&image, "none.pcapng"), &end, &err), 0);
    assert_int_equal(end, 0);
}

static size_t peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss;
}

/* A million empty records, a hundred thousand interfaces, and five GiB of nothing. */
static void L7_memory_is_bounded(void **state)
{
    (void)state;
    int end;
    struct error err;
    struct image image = pcap_header(false, MICRO, 2, 65535, 1);
    const char *path = put(&image, "records");
    assert_int_equal(truncate(path, 24 + 16 * 1000000), 0);
    size_t before = peak_kib();
    assert_int_equal(read_all(path, &end, &err), 1000000);
    assert_int_equal(end, 0);
    assert_int_equal(truncate(path, INT64_C(5) << 30), 0);
    struct reader *reader = open_good(path);
    struct reading reading;
    for (int i = 0; i < 100000; i++)
        assert_int_equal(reader_next(reader, &reading, &err), 1);
    reader_close(reader);
    assert_true(peak_kib() < before + 4096);

    image = pcapng_header(false);
    path = put(&image, "interfaces");
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    for (int i = 1; i < 100000; i++)
        assert_int_equal(fwrite(image.bytes + 28, 1, 32, file), 32);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(read_all(path, &end, &err), 0);
    assert_int_equal(end, 0);
    assert_true(peak_kib() < before + 65536);
    unlink(path);

    /* A block of a GiB that is passed over, and one of 16 MiB of which nothing is there. */
    image = pcapng_header(false);
    size_t at = image.length;
    word(&image, 0x0bad);
    word(&image, 1U << 30);
    path = put(&image, "huge");
    before = peak_kib();
    assert_int_equal(truncate(path, (off_t)at + (1 << 30) - 4), 0);
    file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite("\0\0\0\x40", 1, 4, file), 4);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(read_all(path, &end, &err), 0);
    assert_int_equal(end, 0);
    assert_true(peak_kib() < before + 1024);
    unlink(path);
    image = pcapng_header(false);
    block(&image, 6, 16U << 20, (const uint32_t[]){0, 0, 0, 4, 4, 0}, 6);
    before = peak_kib();
    assert_damaged(&image, 0, "the file ends");
    assert_true(peak_kib() < before + 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_pcap_of_either_order_and_precision),
        cmocka_unit_test(reads_pcapng_of_either_order),
        cmocka_unit_test(reads_what_we_write),
        cmocka_unit_test(reads_streams),
        cmocka_unit_test(says_what_is_no_file),
        cmocka_unit_test(L4_headers),
        cmocka_unit_test(L5_records),
        cmocka_unit_test(L6_blocks),
        cmocka_unit_test(reads_every_block_of_pcapng),
        cmocka_unit_test(takes_so_many_comments),
        cmocka_unit_test(times_have_any_resolution),
        cmocka_unit_test(reads_a_file_of_nothing),
        cmocka_unit_test(L7_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
