/* modules: the modules that are written in C, for package.preload. */
#ifndef TCPLUA_SCRIPT_MODULES_H
#define TCPLUA_SCRIPT_MODULES_H

#include <lauxlib.h>

extern const luaL_Reg core_modules[];

int luaopen_tcplua_core(lua_State *L);         /* lua_core.c: the network, and what is below */
int luaopen_tcplua_capture_core(lua_State *L); /* lua_capture.c */
int luaopen_tcplua_hash_core(lua_State *L);    /* lua_hash.c */
int luaopen_tcplua_packet_core(lua_State *L);  /* lua_packet.c */

/* Parts of tcplua.core: each adds its functions to the table on top of the stack. */
void open_conn(lua_State *L);    /* lua_conn.c: connections and listeners */
void open_wire(lua_State *L);    /* lua_wire.c */
void open_link(lua_State *L);    /* lua_link.c */
void open_input(lua_State *L);   /* lua_input.c: standard input */
void open_process(lua_State *L); /* lua_process.c: programs */
void open_way(lua_State *L);     /* lua_way.c */
void open_burst(lua_State *L);   /* lua_burst.c: many packets at once */
void open_census(lua_State *L);  /* lua_census.c: what is in use */
void open_sim(lua_State *L);     /* lua_sim.c: simulated networks */
void open_lab(lua_State *L);     /* lua_lab.c: hosts of private networks */
void open_host(lua_State *L);    /* lua_host.c: interfaces, routes, neighbours */

#endif
