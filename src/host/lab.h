/* lab: a private network made of one network namespace, in which the process itself moves.
 *
 *     tcplua  tap0 ------------- srv0  kernel: 192.0.2.2/24, 2001:db8::2/64
 *
 * A veth pair; the kernel has an address on the far end only, so any other address of the two
 * prefixes can be SRC, answered for by us. Nothing of it is visible outside, and it is gone when
 * the last process in it ends. */
#ifndef TCPLUA_HOST_LAB_H
#define TCPLUA_HOST_LAB_H

#include <stdbool.h>

#include "base/error.h"

#define LAB_IFACE  "tap0"      /* our end */
#define LAB_SERVER "srv0"      /* the kernel's end */
#define LAB_SRC    "192.0.2.1" /* what a script is given without arguments */
#define LAB_DST    "192.0.2.2"
#define LAB_SRC6   "2001:db8::1"
#define LAB_DST6   "2001:db8::2"
#define LAB_PORT   9000

/* Enters a new network namespace (with CAP_SYS_ADMIN) or a new user and network namespace, and
 * builds the pair. Checksum offload is off on the kernel's end, so that captures look as on a real
 * wire. Children are born into it. Errors: environment, EPERM or ENOSYS, saying which step was
 * refused. After a failure the process may be in a half-made namespace: only use this where that
 * is harmless (a child that probes, or before anything else). lab_possible() asks first. */
bool lab_enter(struct error *err);

/* Tries lab_enter() in a child, which ends at once. */
bool lab_possible(struct error *err);

#endif
