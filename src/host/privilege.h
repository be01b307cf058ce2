/* privilege: what the process may do, and giving up what it does not need. */
#ifndef TCPLUA_HOST_PRIVILEGE_H
#define TCPLUA_HOST_PRIVILEGE_H

#include <stdbool.h>

#include "base/error.h"

/* Whether a capability (CAP_NET_RAW, CAP_NET_ADMIN, CAP_SYS_ADMIN of <linux/capability.h>) is in
 * the effective set. */
bool privilege_has(int capability);

/* Whether the program runs with rights that its caller does not have, by set-user-ID, set-group-ID
 * or file capabilities (AT_SECURE): then the environment is not to be trusted. */
bool privilege_secure(void);

/* Started through sudo (real uid 0, SUDO_UID and SUDO_GID set): takes on the caller's groups, gid
 * and uid for good, keeps CAP_NET_RAW and CAP_NET_ADMIN in the effective and permitted sets, and
 * leaves the inheritable, ambient and bounding sets without them, so that no child has them. Sets
 * HOME, USER and LOGNAME to the caller's. Not through sudo: nothing happens. False with `err` if it
 * could not be done: then the program must end. `*dropped` says whether it did. */
bool privilege_drop_sudo(bool *dropped, struct error *err);

#endif
