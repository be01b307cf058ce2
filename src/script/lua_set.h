/* lua_set: packet sets as seen from Lua, for those that make packets and send them. */
#ifndef TCPLUA_SCRIPT_LUA_SET_H
#define TCPLUA_SCRIPT_LUA_SET_H

#include <lauxlib.h>
#include <lua.h>

#include "packet/set.h"

/* [-0, +0, -] Whether the value at `index` is p.range(…), p.list {…}, … */
bool is_generator(lua_State *L, int index);

/* [-0, +0, -] Whether the value at `index` makes `field` change from packet to packet: a generator,
 * or for an address a prefix. */
bool is_moving(lua_State *L, const struct field *field, int index);

/* [-0, +1, v] The set whose packet of one layer is at `packet_index`; the generators are those in
 * the table at `table_index`. */
void push_set(lua_State *L, int table_index, int packet_index);

/* a / b where one is a set. */
int set_div(lua_State *L);

/* [-0, +0, v] The set at `index`, prepared; NULL if the value there is something else. It and its
 * template live as long as the object. */
const struct set *to_set(lua_State *L, int index);

/* [-0, +0, -] The packet whose bytes are the template of the set at `index`. */
const struct packet *set_template(lua_State *L, int index);

/* [-0, +0, v] Stands the cursor before the first packet of the set at `index`, whose random values
 * are others each time. */
void start_set(lua_State *L, int index, struct set_cursor *cursor);

/* [-0, +0, m] Makes the classes, and adds range(), list(), … to the module on top of the stack. */
void open_sets(lua_State *L);

#endif
