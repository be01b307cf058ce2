/* lua_link: links as seen from Lua, for those that send through them. */
#ifndef TCPLUA_SCRIPT_LUA_LINK_H
#define TCPLUA_SCRIPT_LUA_LINK_H

#include <lua.h>

struct link;

/* [-0, +0, v] The link of the object at `index`; raises if that is something else, or closed. */
struct link *link_at(lua_State *L, int index);

#endif
