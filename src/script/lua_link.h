/* lua_link: links as seen from Lua, for those that send through them. */
#ifndef TCPLUA_SCRIPT_LUA_LINK_H
#define TCPLUA_SCRIPT_LUA_LINK_H

#include <lua.h>
#include <stdbool.h>

struct error;
struct fault;
struct link;
struct path;
struct path_counts;

/* [-0, +0, v] The link of the object at `index`; raises if that is something else, or closed. */
struct link *link_at(lua_State *L, int index);

/* The names of a path's settings (link/path.h), times in seconds. */
#define FAULT_FIELDS                                                                               \
    "loss", "duplicate", "reorder", "corrupt", "burst_every", "burst_length", "burst_loss",        \
        "delay", "jitter", "rate", "queue", "path_mtu", "silent", "down"

/* [-0, +0, v] Reads them from the table at `index`; what is absent stays as it is. A value of the
 * wrong Lua type raises, one that cannot be gives false with `err` (kind usage). */
bool field_fault(lua_State *L, int index, struct fault *fault, struct error *err);

/* [-0, +1 or 2, v] Makes the path what the table at `index` says, from now on; what is left out is
 * none. Pushes what a function returns: true | nil, error. Returns how many. */
int change_path(lua_State *L, struct path *path, int index);

/* [-0, +1, m] {sent =, lost =, …} */
void push_path_counts(lua_State *L, const struct path_counts *counts);

#endif
