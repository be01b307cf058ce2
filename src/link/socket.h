/* socket: what the raw and the packet link have in common. */
#ifndef TCPLUA_LINK_SOCKET_H
#define TCPLUA_LINK_SOCKET_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "link/link.h"

/* A frame with the largest IP datagram that is no jumbogram, and a link header with room. */
#define SOCKET_BUFFER (65535 + 65)

/* A non-blocking, close-on-exec socket. -1 with `err`; EPERM says what to do about it. */
int socket_open(int family, int type, int protocol, struct error *err);

/* Lets in what the rows of a classic BPF program say, in place of what it let in before. */
bool socket_filter(int fd, struct sock_filter *rows, size_t count, struct error *err);

/* Makes it stamp what comes in, and gives it a receive buffer of 4 MiB, where it may. */
void socket_tune(int fd);

/* Gives it room for a few thousand frames on their way out, where it may. */
void socket_room(int fd);

/* Throws away what came in before it had a filter. */
void socket_drain(int fd);

/* Reads one message into `message` (whose names, buffer and control the caller has set) and its
 * time stamp: 1; nothing there: 0; failure: -1 with errno. */
int socket_recv(int fd, struct msghdr *message, size_t *original, int64_t *time);

/* LINK_BATCH frames as the kernel takes them in one call. */
struct socket_batch {
    struct mmsghdr messages[LINK_BATCH];
    struct iovec pieces[LINK_BATCH];
};

/* Points the messages at the frames; their names and control are the caller's to set. */
void socket_batch(struct socket_batch *batch, const struct frame *frames, size_t count);

/* Sends the first `count` messages; `*sent` is how many went. Returns 0, with fewer sent if the
 * kernel has no room just now, or the errno that message `*sent` got. */
int socket_send_batch(int fd, struct socket_batch *batch, size_t count, size_t *sent);

/* The payload of a control message, or NULL if it is not there or shorter than `size`. */
const void *socket_control(struct msghdr *message, int level, int type, size_t size);

#endif
