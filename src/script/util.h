/* util: what every binding needs: errors, options from tables, classes of userdata.
 *
 * A binding is four moves: check self, check arguments, one call into C, push. Failures of the
 * world are returned as nil and an error object; mistakes of the caller are raised. */
#ifndef TCPLUA_SCRIPT_UTIL_H
#define TCPLUA_SCRIPT_UTIL_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

struct network;

/* [-0, +2, m] Returns 2: nil and an error object {code, kind, message}, whose tostring() is the
 * message. */
int push_failure(lua_State *L, const struct error *err);

/* [-0, +(1|2), m] What a function returns that can fail and has nothing else to tell: true, or what
 * push_failure() pushes. Returns how many that are. */
int push_outcome(lua_State *L, bool good, const struct error *err);

/* [-0, +1, m] The error object alone. */
void push_error(lua_State *L, const struct error *err);

/* [-0, +0, v] Raises it. */
int raise_error(lua_State *L, const struct error *err);

/* [-0, +0, -] Whether the value at `index` is an error object. */
bool is_error(lua_State *L, int index);

/* [-0, +1, m] Makes the metatable of a class and leaves it on the stack: `methods` go into
 * __index, `meta` into the metatable itself. */
void new_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta);

/* Classes whose objects are made and looked at for every packet: their metatables are found by
 * number, which takes a third of the time that a name does. */
enum class { CLASS_PACKET, CLASS_LAYER, CLASS_OPTIONS, CLASS_SET, CLASS_CONN, CLASSES };

void open_class(lua_State *L, enum class class); /* [-0, +1, m] Makes the metatable. */
void push_class(lua_State *L, enum class class); /* [-0, +1, -] Pushes it. */
void set_class(lua_State *L, enum class class);  /* [-0, +0, -] As luaL_setmetatable(). */
void *test_class(lua_State *L, int index, enum class class);  /* [-0, +0, -] luaL_testudata(). */
void *check_class(lua_State *L, int index, enum class class); /* [-0, +0, v] luaL_checkudata(). */

/* [-0, +0, -] The script's own line, behind those of our modules: `at` has short_src and
 * currentline. False where no script runs. */
bool find_script(lua_State *L, lua_Debug *at);

/* [-0, +0, v] Raises as luaL_error() does, a mistake of the script: at the script's own line, which
 * is behind those of our modules (as check.fail() of tcplua.check). */
int raise_mistake(lua_State *L, const char *format, ...);

/* [-0, +0, m] Sets a field of the table on top of the stack: a text of NULL and an address of no
 * kind leave it out, a time becomes seconds. */
void set_integer(lua_State *L, const char *name, lua_Integer value);
void set_number(lua_State *L, const char *name, lua_Number value);
void set_boolean(lua_State *L, const char *name, bool value);
void set_text(lua_State *L, const char *name, const char *text);
void set_seconds(lua_State *L, const char *name, int64_t ns);
void set_addr(lua_State *L, const char *name, const struct addr *addr);

/* [-0, +0, v] An argument that is text for C: a string without a zero byte; NULL (opt_text) where
 * there is none. */
const char *check_text(lua_State *L, int index);
const char *opt_text(lua_State *L, int index);

/* [-0, +1, m] The words as a list to be read, "ip, udp"; those that are NULL or empty are left out.
 * Returns it. */
const char *push_words(lua_State *L, const char *const *words, size_t count);

/* [-0, +0, v] The table at `index` must have no field but `names` (NULL-terminated); else raises,
 * naming the field and what there is. */
void check_fields(lua_State *L, int index, const char *const *names);

/* Reads an IP address: addr_parse() without MAC addresses. */
bool parse_ip(struct addr *addr, const char *text, const char *what, struct error *err);

/* Fields of the table at `index`. A value of the wrong Lua type raises, naming the field; a string
 * or number that means nothing gives false with `err` (kind usage). An absent field leaves the
 * target as it is. */
bool field_addr(lua_State *L, int index, const char *name, struct addr *addr, struct error *err);
bool field_port(lua_State *L, int index, const char *name, uint16_t *port, struct error *err);
bool field_range(lua_State *L, int index, const char *name, lua_Integer low, lua_Integer high,
                 lua_Integer *value, struct error *err);
const char *field_string(lua_State *L, int index, const char *name, const char *otherwise);
double field_number(lua_State *L, int index, const char *name, double otherwise);
bool field_boolean(lua_State *L, int index, const char *name, bool otherwise);

/* Seconds as a Lua number from and to nanoseconds; infinite and huge values are TIME_NEVER. */
int64_t to_ns(lua_Number seconds);
lua_Number to_seconds(int64_t ns);

/* The one network of this state. */
struct network *the_network(lua_State *L);

/* Raises in a simulation: what asks for this host or its interfaces has none there. */
void check_host(lua_State *L);

/* registry[source] = object, weakly: so that a poll finds the object of a source again. */
struct source;
void remember_source(lua_State *L, struct source *source, int index);
bool push_source(lua_State *L, struct source *source); /* [-0, +(0|1), m] */
void forget_source(lua_State *L, struct source *source);
void forget_sources(lua_State *L); /* all, and the room they took: a table never shrinks */

#endif
