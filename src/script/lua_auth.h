/* lua_auth: the keys of connections, as options and in what is told of one. A key is never told. */
#ifndef TCPLUA_SCRIPT_LUA_AUTH_H
#define TCPLUA_SCRIPT_LUA_AUTH_H

#include <lua.h>
#include <stdbool.h>

#include "tcp/auth.h"

/* [-0, +0, v] Reads the options `md5` and `ao` of the table at `index`. False with `err` (usage)
 * for a key that cannot be one. */
bool read_auth(lua_State *L, int index, struct auth_config *config, struct error *err);

/* [-0, +0, m] Sets in the table on top how segments are signed; nothing where `auth` is NULL. */
void set_auth(lua_State *L, const struct auth *auth);

#endif
