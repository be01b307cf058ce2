/* setup: the steps in which the interfaces of a private network are made, each one question to the
 * kernel about the namespace that the process is in.
 *
 * Errors: environment, "the lab was refused at …". */
#ifndef TCPLUA_HOST_SETUP_H
#define TCPLUA_HOST_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "host/netlink.h"

/* Sends a request with NLM_F_ACK; `step` completes the sentence of the error. */
bool setup_ask(struct netlink *request, const char *step, struct error *err);

/* Writes a setting of the kernel's, a file of /proc. */
bool setup_write(const char *path, const char *value, struct error *err);

bool setup_bring_up(uint32_t index, struct error *err);

/* Keeps the kernel from giving an interface a link-local address, and so from asking for routers.
 * One without IPv6 refuses that, and needs it not. */
void setup_no_link_local(uint32_t index);

/* With the offload on, the kernel leaves TCP checksums to a wire that a veth pair has not. */
bool setup_whole_sums(const char *iface, struct error *err);

/* An interface that is up drops what is sent until the kernel has seen, in its own time, that the
 * other end is up too. To ask for the link state makes it look now. */
void setup_look(const char *iface);

/* The interface gets an address, usable at once: without the wait for duplicates (RFC 4862), which
 * is 1 s. */
bool setup_address(uint32_t index, const struct addr *addr, uint8_t bits, struct error *err);

/* Waits until the kernel, which makes an IPv6 address its own in a work queue, has done so. A
 * link-local one has no route by itself that could be asked for, and nobody is told to use it. */
void setup_await_address(const struct addr *addr);

#endif
