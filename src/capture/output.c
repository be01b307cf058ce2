/* output: see output.h. */
#include "capture/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* A file that cannot be written is this machine's fault, whatever the errno. */
static bool fail_file(struct error *err, int cause, const char *doing, const char *shown)
{
    return fail(err, ERROR_ENVIRONMENT, errno_name(cause), "cannot %s %s: %s", doing, shown,
                strerror(cause));
}

/* What is there already: a pipe or a device is no file that could be lost. */
static int open_there(const char *path)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &status) < 0 || S_ISREG(status.st_mode))) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    return fd;
}

static int open_path(const char *path, bool over)
{
    int fd, flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
    do {
        fd = open(path, flags | (over ? O_TRUNC : O_EXCL), S_IRUSR | S_IWUSR);
        if (fd < 0 && errno == EEXIST)
            fd = open_there(path);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

bool output_open(struct output *output, const char *path, bool over, struct error *err)
{
    *output = (struct output){.fd = -1};
    if (strcmp(path, "-") == 0) {
        memcpy(output->shown, "standard output", sizeof "standard output");
        output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (output->fd < 0)
            return fail_file(err, errno, "write to", output->shown);
    } else {
        text_escape(output->shown, sizeof output->shown, path, strlen(path));
        output->fd = open_path(path, over);
    }
    if (output->fd < 0 && errno == ELOOP)
        return fail(err, ERROR_ENVIRONMENT, "ELOOP",
                    "cannot write %s: it is a symbolic link, and those are not followed; name the "
                    "file itself, or - for standard output",
                    output->shown);
    if (output->fd < 0 && errno == EEXIST)
        return fail(err, ERROR_ENVIRONMENT, "EEXIST",
                    "%s is there already; choose another name, or write over it with --force",
                    output->shown);
    if (output->fd < 0)
        return fail_file(err, errno, "write", output->shown);
    struct stat status;
    bool file = fstat(output->fd, &status) == 0 && S_ISREG(status.st_mode);
    output->regular = file && strcmp(path, "-") != 0;
    output->patient = !file;
    return true;
}

static bool write_file(struct output *output, const uint8_t *bytes, size_t length,
                       struct error *err)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = write(output->fd, bytes + done, length - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            fail_file(err, n == 0 ? EIO : errno, "write", output->shown);
            if (output->regular && ftruncate(output->fd, output->whole) < 0)
                output->regular = false; /* the tail stays: readers say that it is cut */
            return false;
        }
    }
    output->whole += (off_t)length;
    return true;
}

/* Puts the bytes behind those that wait. */
static bool queue(struct output *output, const uint8_t *bytes, size_t length, struct error *err)
{
    if (length == 0)
        return true;
    if (output->waiting + length > OUTPUT_WAITING)
        return fail(err, ERROR_ENVIRONMENT, "ENOBUFS",
                    "%s does not read: %u MiB of the capture wait for it, and it ends here",
                    output->shown, OUTPUT_WAITING >> 20);
    if (output->from > 0) {
        memmove(output->bytes, output->bytes + output->from, output->waiting);
        output->from = 0;
    }
    if (output->waiting + length > output->room) {
        size_t room = 2 * (output->waiting + length);
        uint8_t *more = realloc(output->bytes, room);
        if (!more)
            return fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for what waits for %s",
                        output->shown);
        output->bytes = more;
        output->room = room;
    }
    memcpy(output->bytes + output->waiting, bytes, length);
    output->waiting += length;
    return true;
}

/* Hands on what waits, as far as that needs no more than `patience` milliseconds (-1: forever). A
 * pipe that is said to be writable takes PIPE_BUF bytes at once, blocking or not. */
static bool hand_on(struct output *output, int patience, struct error *err)
{
    while (output->waiting > 0) {
        struct pollfd room = {.fd = output->fd, .events = POLLOUT};
        if (poll(&room, 1, patience) <= 0)
            return true; /* a signal ends the patience */
        size_t most = output->waiting < PIPE_BUF ? output->waiting : PIPE_BUF;
        ssize_t n = write(output->fd, output->bytes + output->from, most);
        if (n > 0) {
            output->from += (size_t)n;
            output->waiting -= (size_t)n;
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            output->waiting = 0;
            return fail_file(err, n == 0 ? EIO : errno, "write", output->shown);
        }
    }
    output->from = 0;
    return true;
}

bool output_write(struct output *output, const uint8_t *bytes, size_t length, struct error *err)
{
    if (!output->patient)
        return write_file(output, bytes, length, err);
    return queue(output, bytes, length, err) && hand_on(output, 0, err);
}

bool output_push(struct output *output, bool wait, struct error *err)
{
    return hand_on(output, wait ? -1 : 0, err);
}

bool output_close(struct output *output, bool wait, struct error *err)
{
    int fd = output->fd;
    bool done = hand_on(output, wait ? -1 : 0, err);
    if (done && output->waiting > 0)
        done = fail(err, ERROR_ENVIRONMENT, "EAGAIN",
                    "%zu bytes of the capture are missing: %s did not read them", output->waiting,
                    output->shown);
    free(output->bytes);
    output->bytes = NULL;
    output->waiting = output->room = output->from = 0;
    output->fd = -1;
    if (fd >= 0 && close(fd) < 0 && errno != EINTR && done)
        done = fail_file(err, errno, "write", output->shown);
    return done;
}
