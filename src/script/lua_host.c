/* lua_host: require "tcplua.host": what this machine allows, for `tcplua doctor`. */
#include "script/modules.h"
#include "script/util.h"

int luaopen_tcplua_host(lua_State *L)
{
    lua_newtable(L);
    return 1;
}
