/* lua_conn: a connection's userdata, for the files that give it methods. */
#ifndef TCPLUA_SCRIPT_LUA_CONN_H
#define TCPLUA_SCRIPT_LUA_CONN_H

#include <lua.h>

#include "tcp/tcp.h"

struct endpoint;

/* [-0, +0, v] The connection at index 1; raises if it was closed. */
struct endpoint *check_conn(lua_State *L);

/* [-0, +0, v] "auto", "assist", "manual". */
enum tcp_mode check_mode(lua_State *L, const char *name);

/* lua_puppet.c: what a script bends a connection by. */
int conn_raw_mode(lua_State *L);
int conn_raw_hook(lua_State *L);
int conn_raw_watch(lua_State *L);
int conn_raw_held(lua_State *L);
int conn_raw_seen(lua_State *L);
int conn_raw_draft(lua_State *L);
int conn_raw_transmit(lua_State *L);
int conn_raw_inject(lua_State *L);
int conn_raw_receive(lua_State *L);

#endif
