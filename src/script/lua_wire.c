/* lua_wire: a local port driven by hand, as userdata: send and take whole IP datagrams. */
#include <stdlib.h>

#include "script/lua_packet.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"

#define WIRE "tcplua.wire"

struct wiring {
    struct wire *wire; /* NULL: closed */
};

static struct wire *check_wire(lua_State *L)
{
    struct wiring *wiring = luaL_checkudata(L, 1, WIRE);
    if (!wiring->wire)
        luaL_error(L, "attempt to use a closed wire");
    return wiring->wire;
}

/* wire{src=, dst=, sport=} -> wire | nil, error */
static int core_wire(lua_State *L)
{
    static const char *const names[] = {"src", "dst", "sport", NULL};
    struct addr src = {.kind = ADDR_NONE}, dst = {.kind = ADDR_NONE};
    uint16_t sport = 0;
    struct error err;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    bool good = field_addr(L, 1, "src", &src, &err) && field_addr(L, 1, "dst", &dst, &err) &&
                field_port(L, 1, "sport", &sport, &err);
    bool toward = dst.kind != ADDR_NONE;
    if (good && !toward && src.kind == ADDR_NONE)
        good = fail(&err, ERROR_USAGE, "EINVAL", "the destination address (dst) is missing");
    if (good && src.kind == ADDR_NONE)
        good = network_source(the_network(L), &dst, &src, &err);
    if (good && toward)
        good = addresses_fit(&src, &dst, &err);
    if (!good)
        return push_failure(L, &err);
    struct wiring *wiring = lua_newuserdatauv(L, sizeof *wiring, 0);
    wiring->wire = NULL;
    luaL_setmetatable(L, WIRE);
    wiring->wire = wire_open(the_network(L), &src, toward ? &dst : NULL, sport, &err);
    if (!wiring->wire)
        return push_failure(L, &err);
    remember_source(L, &wiring->wire->source, -1);
    return 1;
}

/* raw_send(string) -> true | nil, error */
static int wire_raw_send(lua_State *L)
{
    struct wire *wire = check_wire(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct error err;
    if (!wire_send(wire, (const uint8_t *)bytes, length, &err))
        return push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* raw_packet() -> packet | nil; tcplua.packet must be loaded */
static int wire_raw_packet(lua_State *L)
{
    struct wire *wire = check_wire(L);
    if (!wire->first)
        return 0;
    const struct wire_datagram *d = wire->first;
    const struct origin origin = {
        .time = d->time, .original = (uint32_t)d->length, .direction = "in"};
    push_parsed(L, &proto_ip, d->bytes, d->length, &origin);
    free(wire_take(wire));
    return 1;
}

/* sport() -> the local port it holds */
static int wire_sport(lua_State *L)
{
    lua_pushinteger(L, check_wire(L)->port);
    return 1;
}

/* src() -> its address */
static int wire_src(lua_State *L)
{
    char text[ADDR_TEXT];
    struct wire *wire = check_wire(L);
    lua_pushstring(L, wire->stack ? addr_format(&wire->stack->local, text) : "none");
    return 1;
}

/* dropped() -> datagrams that did not fit into the inbox */
static int wire_dropped(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_wire(L)->dropped);
    return 1;
}

/* close(): may be repeated */
static int wire_close(lua_State *L)
{
    struct wiring *wiring = luaL_checkudata(L, 1, WIRE);
    struct wire *wire = wiring->wire;
    wiring->wire = NULL;
    if (wire) {
        forget_source(L, &wire->source);
        wire_free(wire);
    }
    return 0;
}

static int wire_tostring(lua_State *L)
{
    struct wiring *wiring = luaL_checkudata(L, 1, WIRE);
    if (wiring->wire)
        lua_pushfstring(L, "wire on port %d", wiring->wire->port);
    else
        lua_pushliteral(L, "wire (closed)");
    return 1;
}

void open_wire(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"raw_send", wire_raw_send},
        {"raw_packet", wire_raw_packet},
        {"sport", wire_sport},
        {"src", wire_src},
        {"dropped", wire_dropped},
        {"close", wire_close},
        {NULL, NULL},
    };
    static const luaL_Reg meta[] = {
        {"__gc", wire_close},
        {"__close", wire_close},
        {"__tostring", wire_tostring},
        {NULL, NULL},
    };
    new_class(L, WIRE, methods, meta);
    lua_setfield(L, -2, "wire_class");
    lua_pushcfunction(L, core_wire);
    lua_setfield(L, -2, "wire");
}
