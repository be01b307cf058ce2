/* Captures: whatever the file, reading ends, with frames that can be read and a sentence that can
 * be printed. libpcap is not instrumented: of pcap this is a fuzzer of how we use it, of pcapng one
 * of our own reader. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/reader.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct error err = {.message = ""};
    int fd = memfd_create("capture", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct reader *reader = reader_open(path, &err);
    if (reader) {
        struct reading reading;
        size_t frames = 0;
        int got;
        CHECK(reader_linktype(reader) >= 0);
        while ((got = reader_next(reader, &reading, &err)) == 1) {
            volatile uint8_t sum = 0; /* so that every byte is read */
            CHECK(reading.original >= reading.length && ++frames <= size);
            for (size_t i = 0; i < reading.length; i++)
                sum = sum ^ reading.bytes[i];
            CHECK(reading.linktype == reader_linktype(reader) && reading.time >= 0);
            CHECK(!reading.iface || strlen(reading.iface) <= size);
            size_t comments = 0;
            while (reading.comments && reading.comments[comments])
                CHECK(strlen(reading.comments[comments++]) <= size);
            CHECK(comments <= READING_COMMENTS);
        }
        CHECK(got == reader_next(reader, &reading, &err));
        reader_close(reader);
    }
    CHECK(fuzz_printable(err.message, false));
    close(fd);
    return 0;
}
