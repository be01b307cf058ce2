/* lua_input: descriptors that a script can wait for, for those that open them. */
#ifndef TCPLUA_SCRIPT_LUA_INPUT_H
#define TCPLUA_SCRIPT_LUA_INPUT_H

#include <lua.h>
#include <stdbool.h>

#include "base/error.h"

struct reading;

/* [-0, +1, m] A closed input object. */
struct reading *push_input(lua_State *L);

/* [-0, +0, m] Gives `fd`, to be read or written, to the object at `index`; with `owned` it is
 * closed with the object, and on failure. False with `err` when memory is short. */
bool input_hold(lua_State *L, struct reading *reading, int index, int fd, bool writes, bool owned,
                struct error *err);

#endif
