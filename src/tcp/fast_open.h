/* fast_open: data in a SYN, for a peer that has shown before that its address is its own: it shows
 * the cookie that it was given then (RFC 7413). Both ends; the cookies are the stack's business.
 *
 * As a client: what a SYN carried counts as sent once the SYN-ACK acknowledges it. If it does not,
 * it was never sent, and is sent now; and a SYN that has to be repeated is one without option or
 * data (4.1.3), for somebody on the way may take offence at either.
 *
 * As a server: with the right cookie the connection is `early` until the handshake is done: what
 * came with the SYN can be read and answered. Answers that are lost wait for the handshake's end.
 */
#ifndef TCPLUA_TCP_FAST_OPEN_H
#define TCPLUA_TCP_FAST_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/segment.h"

struct tcp;

/* Adds to our first SYN the option, and what there is to send. */
void fast_open_ask(struct tcp *tcp, struct segment *syn);

/* The SYN-ACK, or SYN, of the peer has come: a cookie in it is kept. */
void fast_open_heard(struct tcp *tcp, const struct segment *syn);

/* The handshake ends with this ACK: what it covers of the data that went with the SYN, or was sent
 * by hand behind it, has been sent. */
void fast_open_acked(struct tcp *tcp, uint32_t ack);

/* Whether the data of a SYN to our listener counts. If not, it will come again. */
bool fast_open_admit(struct tcp *tcp, const struct segment *syn);

/* Adds to our SYN-ACK the cookie that was asked for. */
void fast_open_answer(const struct tcp *tcp, struct segment *synack);

#endif
