/* lua_link: links as seen from Lua, for those that send through them. */
#ifndef TCPLUA_SCRIPT_LUA_LINK_H
#define TCPLUA_SCRIPT_LUA_LINK_H

#include <lua.h>
#include <stdbool.h>

struct error;
struct fault;
struct link;

/* [-0, +0, v] The link of the object at `index`; raises if that is something else, or closed. */
struct link *link_at(lua_State *L, int index);

/* The names of a path's settings (link/path.h), times in seconds. */
#define FAULT_FIELDS                                                                               \
    "loss", "duplicate", "reorder", "corrupt", "burst_every", "burst_length", "burst_loss",        \
        "delay", "jitter", "rate", "queue", "path_mtu", "silent", "down"

/* [-0, +0, v] Reads them from the table at `index`; what is absent stays as it is. A value of the
 * wrong Lua type raises, one that cannot be gives false with `err` (kind usage). */
bool field_fault(lua_State *L, int index, struct fault *fault, struct error *err);

#endif
