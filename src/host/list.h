/* list: what the kernel has of one kind (interfaces, addresses, routes, neighbours), as an array.
 *
 *     struct host_list list = {0};
 *     if (iface_list(&list, &err))
 *         for (size_t i = 0; i < list.count; i++)
 *             use((struct iface *)list.rows + i);
 *     host_list_free(&list);
 *
 * The rows are a state of one moment: a list that changed while the kernel told it is asked for
 * again. */
#ifndef TCPLUA_HOST_LIST_H
#define TCPLUA_HOST_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define HOST_LIST_MAX 262144 /* rows; a router with all routes of the Internet has more */

struct netlink;

struct host_list {
    void *rows; /* `count` of `size` bytes each */
    size_t size, count, room;
};

/* One more row, zeroed; NULL when memory is short or the list is full. */
void *host_list_add(struct host_list *list);

/* Frees the rows; the list is empty then. */
void host_list_free(struct host_list *list);

/* Sends the request, a dump, and lets `read` add rows of `size` bytes for each message of the
 * reply, which has `fixed` bytes before its attributes; what `list` held is freed. `read` gives
 * false where host_list_add() gave NULL. On failure the list is empty and `err` says that the
 * kernel does not list its `what` ("routes", …). */
bool host_list_ask(struct host_list *list, struct netlink *request, size_t fixed, size_t size,
                   bool (*read)(struct host_list *list, const struct netlink *message),
                   const char *what, struct error *err);

#endif
