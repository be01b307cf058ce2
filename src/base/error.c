/* error: see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct error *err, enum error_kind kind, const char *code, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void fill(struct error *err, enum error_kind kind, const char *code, const char *format,
                 va_list args)
{
    err->kind = kind;
    snprintf(err->code, sizeof err->code, "%s", code);
    vsnprintf(err->message, sizeof err->message, format, args);
}

bool fail(struct error *err, enum error_kind kind, const char *code, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    fill(err, kind, code, format, args);
    va_end(args);
    return false;
}

static enum error_kind errno_kind(int errnum)
{
    switch (errnum) {
    case EPERM:
    case EACCES:
    case ENODEV:
    case ENXIO:
    case EADDRINUSE:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOENT:
    case EEXIST:
    case EISDIR:
    case ENOSPC:
    case EROFS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENOSYS:
        return ERROR_ENVIRONMENT;
    default:
        return ERROR_NETWORK;
    }
}

bool fail_errno(struct error *err, int errnum, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    fill(err, errno_kind(errnum), errno_name(errnum), format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(errnum));
    return false;
}

const char *errno_name(int errnum)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
#define NAME(e) {e, #e}
        NAME(EPERM),           NAME(ENOENT),      NAME(EINTR),        NAME(EIO),
        NAME(ENXIO),           NAME(EBADF),       NAME(EAGAIN),       NAME(ENOMEM),
        NAME(EACCES),          NAME(EBUSY),       NAME(EEXIST),       NAME(ENODEV),
        NAME(ENOTDIR),         NAME(EISDIR),      NAME(EINVAL),       NAME(ENFILE),
        NAME(EMFILE),          NAME(EFBIG),       NAME(ENOSPC),       NAME(EROFS),
        NAME(EPIPE),           NAME(ENOSYS),      NAME(ELOOP),        NAME(EPROTO),
        NAME(EMSGSIZE),        NAME(ENOPROTOOPT), NAME(EOPNOTSUPP),   NAME(EAFNOSUPPORT),
        NAME(EADDRINUSE),      NAME(ENETDOWN),    NAME(ENETUNREACH),  NAME(ECONNABORTED),
        NAME(ECONNRESET),      NAME(ENOBUFS),     NAME(ENOTCONN),     NAME(ETIMEDOUT),
        NAME(ECONNREFUSED),    NAME(EHOSTDOWN),   NAME(EHOSTUNREACH), NAME(EADDRNOTAVAIL),
        NAME(EPROTONOSUPPORT),
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == errnum)
            return names[i].name;
    return "EOTHER";
}

const char *error_kind_name(enum error_kind kind)
{
    switch (kind) {
    case ERROR_NETWORK:
        return "network";
    case ERROR_PROTOCOL:
        return "protocol";
    case ERROR_ENVIRONMENT:
        return "environment";
    case ERROR_USAGE:
        return "usage";
    }
    return "unknown";
}
