/* list: see list.h. */
#include "host/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/netlink.h"

#define TRIES 16 /* of a list that changes all the time */

void *host_list_add(struct host_list *list)
{
    if (list->count == HOST_LIST_MAX)
        return NULL;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        void *rows = realloc(list->rows, room * list->size);
        if (!rows)
            return NULL;
        list->rows = rows;
        list->room = room;
    }
    return memset((char *)list->rows + list->size * list->count++, 0, list->size);
}

void host_list_free(struct host_list *list)
{
    free(list->rows);
    *list = (struct host_list){0};
}

/* What netlink_dump() passes on. */
struct reading {
    struct host_list *list;
    bool (*read)(struct host_list *list, const struct netlink *message);
};

static bool take(void *self, const struct netlink *message)
{
    const struct reading *reading = self;
    return reading->read(reading->list, message);
}

bool host_list_ask(struct host_list *list, struct netlink *request, size_t fixed, size_t size,
                   bool (*read)(struct host_list *list, const struct netlink *message),
                   const char *what, struct error *err)
{
    struct reading reading = {.list = list, .read = read};
    int refused = EINTR;
    for (int i = 0; refused == EINTR && i < TRIES; i++) {
        host_list_free(list);
        list->size = size;
        refused = netlink_dump(request, fixed, take, &reading);
    }
    if (refused == 0)
        return true;
    bool full = refused == ECANCELED && list->count == HOST_LIST_MAX;
    host_list_free(list);
    if (full)
        return fail(err, ERROR_ENVIRONMENT, "EMSGSIZE",
                    "this host has more than %d %s, too many"
                    " for a list",
                    HOST_LIST_MAX, what);
    if (refused == EINTR)
        return fail(err, ERROR_ENVIRONMENT, "EAGAIN",
                    "the %s of this host changed each of the %d"
                    " times that the kernel listed them: ask again",
                    what, TRIES);
    return fail_errno(err, refused == ECANCELED ? ENOMEM : refused,
                      "the kernel does not list the %s of this host", what);
}
