/* lua_census: what of the network is in use just now, for those who look for what was forgotten. */
#include <stdio.h>

#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"

/* [-1, +1, m] Adds {kind =, id =, text =} to the list below the text on top of the stack; the id
 * tells two of a kind apart while both are there. */
static void add_row(lua_State *L, const char *kind, const void *id)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, (lua_Integer)(uintptr_t)id);
    lua_setfield(L, -2, "id");
    lua_rotate(L, -2, 1);
    lua_setfield(L, -2, "text");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static void push_end(lua_State *L, const struct addr *addr, uint16_t port)
{
    char text[ADDR_TEXT];
    lua_pushfstring(L, addr->kind == ADDR_IP6 ? "[%s]:%d" : "%s:%d", addr_format(addr, text),
                    (int)port);
}

/* Connections that a script holds and that go on; those that wait to be accepted are their
 * listener's. */
static void add_endpoints(lua_State *L, const struct stack *stack)
{
    for (size_t i = 0; i < STACK_BUCKETS; i++)
        for (struct endpoint *e = stack->buckets[i]; e; e = e->next) {
            enum tcp_state state = tcp_state(e->tcp);
            if (e->orphan || e->listener || state == TCPS_CLOSED || state == TCPS_TIME_WAIT)
                continue;
            const struct flow *flow = tcp_flow(e->tcp);
            push_end(L, &flow->local, flow->lport);
            push_end(L, &flow->remote, flow->rport);
            lua_pushfstring(L, "connection %s > %s, %s", lua_tostring(L, -2), lua_tostring(L, -1),
                            tcp_state_name(state));
            lua_replace(L, -3);
            lua_pop(L, 1);
            add_row(L, "connection", e);
        }
}

/* census() -> list of {kind =, id =, text =}, how many links were given to a stack */
static int core_census(lua_State *L)
{
    const struct network *network = the_network(L);
    lua_Integer attached = 0;
    lua_newtable(L);
    luaL_checkstack(L, 8, "a census");
    for (const struct stack *stack = network->stacks; stack; stack = stack->next) {
        attached += stack->attached;
        add_endpoints(L, stack);
        for (const struct listener *l = stack->listeners; l; l = l->next) {
            push_end(L, &stack->local, l->port);
            lua_pushfstring(L, "listener %s", lua_tostring(L, -1));
            lua_remove(L, -2);
            add_row(L, "listener", l);
        }
        for (const struct wire *wire = stack->wires; wire; wire = wire->next) {
            push_end(L, &stack->local, wire->port);
            lua_pushfstring(L, "wire %s", lua_tostring(L, -1));
            lua_remove(L, -2);
            add_row(L, "wire", wire);
        }
    }
    for (const struct tap *tap = network->taps; tap; tap = tap->next) {
        const char *iface = tap->link->iface;
        lua_pushfstring(L, "link %s", iface[0] ? iface : "in memory");
        add_row(L, "link", tap);
    }
    lua_pushinteger(L, attached);
    return 2;
}

void open_census(lua_State *L)
{
    lua_pushcfunction(L, core_census);
    lua_setfield(L, -2, "census");
}
