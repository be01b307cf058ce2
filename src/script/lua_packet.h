/* lua_packet: what the bindings of packets, of their layers and of their options share. */
#ifndef TCPLUA_SCRIPT_LUA_PACKET_H
#define TCPLUA_SCRIPT_LUA_PACKET_H

#include <lauxlib.h>
#include <lua.h>

#include "packet/packet.h"
#include "script/util.h"

/* A layer, or a field with options in it, as seen from Lua. Its user value 1 keeps the packet. */
struct part {
    struct packet *packet;
    const struct field *field; /* NULL: the layer */
    size_t layer;
};

/* Where a packet was seen; `time` is 0 in one that was made here. */
struct origin {
    int64_t time;          /* nanoseconds since 1970 */
    uint32_t original;     /* its length there; more than it has if it was cut */
    const char *direction; /* "in", "out", or NULL: not known */
    char iface[16];        /* "": not known */
};

/* [-0, +0, -] The packet of a part, with all that is computed in place. */
static inline const struct packet *part_packet(const struct part *part)
{
    packet_finish(part->packet);
    return part->packet;
}

/* [-0, +1, v] Another packet with the same bytes and pins. */
struct packet *push_copy(lua_State *L, const struct packet *from);

/* a / b -> a new packet; one of the two may be a string, or a set. */
int packet_div(lua_State *L);

/* [-0, +1, -] Pushes the packet of the part at `index` to change it: what it needs of memory from
 * now on belongs to the Lua state. */
struct packet *push_packet_of(lua_State *L, int index);

/* [-0, +1, m] The packet that `length` bytes (at most PACKET_MAX) make, of which the first belong
 * to the protocol `first`. `origin` may be NULL. */
void push_parsed(lua_State *L, const struct proto *first, const void *bytes, size_t length,
                 const struct origin *origin);

/* [-0, +0, -] Where the packet at `index` was seen; NULL for one made here, and for other values.
 */
const struct origin *origin_of(lua_State *L, int index);

/* [-0, +0, v] Sets a field with options from the value at `index`: a table of names and values, a
 * list of {name, value}, a string of bytes, or options of another packet. */
void set_options(lua_State *L, struct packet *packet, size_t layer, const struct field *field,
                 int index);

/* [-0, +1, m] The options at a field of the layer of the packet at `packet_index`. */
void push_options(lua_State *L, int packet_index, size_t layer, const struct field *field);

/* [-0, +1, m] The number, address or flags of a field. */
void push_value(lua_State *L, const struct field *field, const uint8_t *header);

/* [-0, +0, v] Writes such a field from the value at `index`; the number that is there. Raise,
 * naming owner.field. */
void write_value(lua_State *L, const char *owner, const struct field *field, uint8_t *header,
                 int index);
uint64_t check_value(lua_State *L, const char *owner, const struct field *field, int index);

/* [-0, +0, v] Sets a field of a layer, or the payload, from the value at `index`; nil means as if
 * it had never been set. */
void set_field(lua_State *L, struct packet *packet, size_t layer, const struct field *field,
               int index);
void set_payload(lua_State *L, struct packet *packet, int index);

/* [-0, +0, m] Appends "tcp.checksum", … to the list on top of the stack: what is pinned. */
void add_pinned(lua_State *L, const struct packet *packet, size_t layer);

/* [-0, +0, m] Makes a class whose __index finds its methods in upvalue 1. */
void open_indexed(lua_State *L, enum class class, lua_CFunction index, const luaL_Reg *methods,
                  const luaL_Reg *meta);

/* [-0, +0, -] The protocols of this state. */
const struct registry *protocols_of(lua_State *L);

/* [-0, +0, v] The protocol that the argument at `index` names. */
const struct proto *check_proto(lua_State *L, int index);

/* [-0, +0, v] Raises for the value at `index`, which names no field of the protocol. */
int raise_no_field(lua_State *L, const struct proto *proto, int index);

/* [-0, +1, m] The function that makes a packet of one layer. */
void push_maker(lua_State *L, const struct proto *proto);

/* [-0, +0, m] Adds the protocols, and what there is to ask about them, to the module on top of the
 * stack. */
void open_protocols(lua_State *L);

/* [-0, +0, m] Make the classes of layers and of options. */
void open_layers(lua_State *L);
void open_options(lua_State *L);

#endif
