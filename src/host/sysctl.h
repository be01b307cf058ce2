/* sysctl: the settings that each network namespace has for itself, by their names in sysctl(8):
 * "net.ipv4.tcp_sack", or with slashes, where a name has a dot in it: "net/ipv4/conf/eth0.7/mtu".
 *
 * They are those of the namespace that the process is in. Only names under "net" are taken: all
 * others are the whole machine's. Errors: usage, EINVAL, for such a name; environment with the
 * kernel's code, ENOENT where it has no such setting, EINVAL where the value is none for it. */
#ifndef TCPLUA_HOST_SYSCTL_H
#define TCPLUA_HOST_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define SYSCTL_TEXT 1024 /* enough for a value, and a zero */

bool sysctl_write(const char *name, const char *value, struct error *err);

/* The value without the line's end; several numbers have tabs between them. */
bool sysctl_read(const char *name, char text[static SYSCTL_TEXT], struct error *err);

#endif
