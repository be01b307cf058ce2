/* reader: see reader.h. */
#include "capture/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "capture/capture.h"
#include "capture/pcap_library.h"
#include "capture/pcapng_reader.h"

struct reader {
    struct pcap_library library;
    pcap_t *pcap;                 /* owns its file; NULL for a pcapng file: */
    struct pcapng_reader *pcapng; /* reads from */
    FILE *file;
    int linktype;
    int64_t count;
    int state; /* 1: goes on; else what reader_next() returns for good: libpcap would read on */
    struct error error; /* damage, and this is what it was */
    char shown[120];    /* the path, escaped */
};

static bool cannot_read(struct error *err, const char *shown, int cause)
{
    return fail(err, ERROR_ENVIRONMENT, errno_name(cause), "cannot read %s: %s", shown,
                strerror(cause));
}

static FILE *open_file(const char *path, const char *shown, struct error *err)
{
    int fd;
    bool input = strcmp(path, "-") == 0;
    do
        fd = input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                   : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        cannot_read(err, shown, errno);
    } else if (S_ISDIR(status.st_mode)) {
        cannot_read(err, shown, EISDIR);
    } else if (S_ISREG(status.st_mode) && status.st_size == 0) {
        fail(err, ERROR_ENVIRONMENT, "EOF", "cannot read %s: the file is empty", shown);
    } else {
        FILE *file = fdopen(fd, "rb");
        if (file)
            return file;
        cannot_read(err, shown, errno);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* For raw IP libpcap's own number differs from the one in files, and has been in some. */
static int linktype_of(int number)
{
    return number == DLT_RAW ? CAPTURE_RAW_IP : number;
}

/* Begins to read the file: with the reason if it is no capture; NULL if it is one. */
static const char *begin(struct reader *reader, FILE *file, char reason[static PCAP_ERRBUF_SIZE])
{
    int first = getc(file);
    if (first != EOF)
        ungetc(first, file);
    if (first != PCAPNG_FIRST) {
        reader->pcap = reader->library.fopen_offline_with_tstamp_precision(
            file, PCAP_TSTAMP_PRECISION_NANO, reason);
        if (!reader->pcap)
            return reason;
        reader->linktype = linktype_of(reader->library.datalink(reader->pcap));
        return NULL;
    }
    reader->pcapng = pcapng_reader_new(file);
    if (!reader->pcapng)
        return "no memory";
    if (!pcapng_reader_begin(reader->pcapng, &reader->linktype))
        return pcapng_reader_reason(reader->pcapng);
    reader->linktype = linktype_of(reader->linktype);
    reader->file = file;
    return NULL;
}

struct reader *reader_open(const char *path, struct error *err)
{
    char buffer[PCAP_ERRBUF_SIZE] = "", why[PCAP_ERRBUF_SIZE];
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for reading a capture file");
        return NULL;
    }
    if (strcmp(path, "-") == 0)
        snprintf(reader->shown, sizeof reader->shown, "standard input");
    else
        text_escape(reader->shown, sizeof reader->shown, path, strlen(path));
    FILE *file = NULL;
    if (pcap_library_load(&reader->library, err) && (file = open_file(path, reader->shown, err))) {
        const char *reason = begin(reader, file, buffer);
        reader->state = 1;
        if (!reason)
            return reader;
        fail(err, ERROR_PROTOCOL, "EPROTO", "%s is no capture file that can be read: %s",
             reader->shown, text_escape(why, sizeof why, reason, strlen(reason)));
        pcapng_reader_free(reader->pcapng);
        fclose(file);
    }
    free(reader);
    return NULL;
}

int reader_linktype(const struct reader *reader)
{
    return reader->linktype;
}

bool reader_mixes(const struct reader *reader)
{
    return reader->pcapng;
}

const char *reader_linktype_name(const struct reader *reader)
{
    int linktype = reader->linktype;
    return reader->library.datalink_val_to_name(linktype == CAPTURE_RAW_IP ? DLT_RAW : linktype);
}

/* A pcap file may give more than a second of parts, and its seconds are unsigned, 32 bits wide:
 * libpcap takes them, and the parts, for signed. */
static int64_t time_of(const struct timeval *stamp)
{
    int64_t time, seconds = stamp->tv_sec;
    if (seconds < 0 && seconds >= INT32_MIN)
        seconds = (uint32_t)seconds;
    if (__builtin_mul_overflow(seconds, INT64_C(1000000000), &time) ||
        __builtin_add_overflow(time, (int64_t)stamp->tv_usec, &time))
        return INT64_MAX;
    return time > 0 ? time : 0;
}

static int end(struct reader *reader, struct error *err)
{
    if (reader->state < 0 && err)
        *err = reader->error;
    return reader->state;
}

/* The next frame of a pcap file: as reader_next(), with the reason for -1. */
static int next_of_pcap(struct reader *reader, struct reading *reading, const char **reason)
{
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int got = reader->library.next_ex(reader->pcap, &header, &bytes);
    if (got == PCAP_ERROR_BREAK)
        return 0;
    if (got != 1) {
        *reason = reader->library.geterr(reader->pcap);
        return -1;
    }
    *reading = (struct reading){
        .bytes = bytes,
        .length = header->caplen,
        .original = header->len > header->caplen ? header->len : header->caplen,
        .time = time_of(&header->ts),
        .linktype = reader->linktype,
    };
    return 1;
}

static int next_of_pcapng(struct reader *reader, struct reading *reading, const char **reason)
{
    int got = pcapng_reader_next(reader->pcapng, reading);
    if (got == 1)
        reader->linktype = reading->linktype = linktype_of(reading->linktype);
    else
        *reason = pcapng_reader_reason(reader->pcapng);
    return got;
}

int reader_next(struct reader *reader, struct reading *reading, struct error *err)
{
    const char *reason = "";
    if (reader->state != 1)
        return end(reader, err);
    reader->state = reader->pcapng ? next_of_pcapng(reader, reading, &reason)
                                   : next_of_pcap(reader, reading, &reason);
    if (reader->state == 1) {
        reader->count++;
        return 1;
    }
    char why[PCAP_ERRBUF_SIZE];
    if (reader->state < 0)
        fail(&reader->error, ERROR_PROTOCOL, "EPROTO", "%s cannot be read behind frame %lld: %s",
             reader->shown, (long long)reader->count,
             text_escape(why, sizeof why, reason, strlen(reason)));
    return end(reader, err);
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    if (reader->pcapng) {
        pcapng_reader_free(reader->pcapng);
        fclose(reader->file);
    } else {
        reader->library.close(reader->pcap);
    }
    free(reader);
}
