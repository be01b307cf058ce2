/* output: see output.h. */
#include "capture/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

bool output_open(struct output *output, const char *path, struct error *err)
{
    *output = (struct output){.fd = -1};
    if (strcmp(path, "-") == 0) {
        memcpy(output->shown, "standard output", sizeof "standard output");
        output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return output->fd >= 0 || fail_file(err, errno, "write to", output->shown);
    }
    text_escape(output->shown, sizeof output->shown, path, strlen(path));
    do
        output->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
                          S_IRUSR | S_IWUSR);
    while (output->fd < 0 && errno == EINTR);
    if (output->fd < 0 && errno == ELOOP)
        return fail(err, ERROR_ENVIRONMENT, "ELOOP",
                    "cannot write %s: it is a symbolic link, and those are not followed; name the "
                    "file itself, or - for standard output",
                    output->shown);
    if (output->fd < 0)
        return fail_file(err, errno, "write", output->shown);
    struct stat status;
    output->regular = fstat(output->fd, &status) == 0 && S_ISREG(status.st_mode);
    return true;
}

bool output_write(struct output *output, const uint8_t *bytes, size_t length, struct error *err)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = write(output->fd, bytes + done, length - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = output->fd, .events = POLLOUT};
            poll(&room, 1, -1);
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

bool output_close(struct output *output, struct error *err)
{
    int fd = output->fd;
    output->fd = -1;
    if (fd >= 0 && close(fd) < 0 && errno != EINTR)
        return fail_file(err, errno, "write", output->shown);
    return true;
}
