/* lua_capture: require "tcplua.capture.core": capture files, and filters on what stands in them.
 * Frames are strings here, and link types the numbers of files; tcplua.capture makes packets of
 * them. */
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/reader.h"
#include "link/filter.h"
#include "script/lua_packet.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/network.h"

#define READER "tcplua.capture.reader"
#define WRITER "tcplua.capture.writer"
#define FILTER "tcplua.filter"

static int no_memory(lua_State *L, const char *what)
{
    return luaL_error(L, "out of memory for %s", what);
}

static int check_linktype(lua_State *L, int index)
{
    lua_Integer linktype = luaL_checkinteger(L, index);
    luaL_argcheck(L, linktype >= 0 && linktype <= 65535, index, "no link type has this number");
    return (int)linktype;
}

/* --- programs -----------------------------------------------------------------------------------
 */

#define PROGRAMS 8 /* link types that a filter is compiled for at a time */

/* An expression, compiled for each link type that it is asked for. */
struct programs {
    size_t count; /* of all that were made */
    struct {
        int linktype;
        struct filter *filter; /* NULL: it means nothing there, and this is why: */
        struct error refusal;
    } list[PROGRAMS];
    char expression[];
};

static struct programs *programs_new(const char *expression)
{
    size_t size = strlen(expression) + 1;
    struct programs *self = calloc(1, sizeof *self + size);
    if (self)
        memcpy(self->expression, expression, size);
    return self;
}

/* The program for a link type; NULL with `err`, which may be NULL. */
static const struct filter *program_for(struct programs *self, int linktype, struct error *err)
{
    size_t slot = 0, made = self->count < PROGRAMS ? self->count : PROGRAMS;
    while (slot < made && self->list[slot].linktype != linktype)
        slot++;
    if (slot == made) {
        slot = self->count++ % PROGRAMS; /* the oldest gives way */
        filter_free(self->list[slot].filter);
        self->list[slot].linktype = linktype;
        self->list[slot].filter =
            filter_compile_linktype(self->expression, linktype, &self->list[slot].refusal);
    }
    if (!self->list[slot].filter && err)
        *err = self->list[slot].refusal;
    return self->list[slot].filter;
}

static void programs_free(struct programs *self)
{
    for (size_t i = 0; self && i < PROGRAMS; i++)
        filter_free(self->list[i].filter);
    free(self);
}

/* --- reading ------------------------------------------------------------------------------------
 */

struct reading_object {
    struct reader *reader;     /* NULL: closed */
    struct programs *programs; /* of the filter; NULL: none */
    bool takes;                /* it means something for a frame that was read, */
    bool refused;              /* or nothing, for: */
    struct error refusal;
};

/* Whether a filter means something for what a file begins with. One that may go on with other link
 * types gets the benefit of the doubt, if it means something for what is common. */
static bool may_take(struct programs *programs, const struct reader *reader, struct error *err)
{
    return program_for(programs, reader_linktype(reader), err) ||
           (reader_mixes(reader) && (program_for(programs, CAPTURE_ETHERNET, NULL) ||
                                     program_for(programs, CAPTURE_RAW_IP, NULL)));
}

/* open(path [, filter]) -> reader | nil, error */
static int capture_open(lua_State *L)
{
    struct error err;
    const char *path = check_text(L, 1);
    const char *expression = opt_text(L, 2);
    struct reading_object *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (struct reading_object){.reader = NULL};
    luaL_setmetatable(L, READER);
    if (expression && !filter_check(expression, &err))
        return push_failure(L, &err);
    self->reader = reader_open(path, &err);
    if (!self->reader)
        return push_failure(L, &err);
    if (expression) {
        self->programs = programs_new(expression);
        if (!self->programs)
            return no_memory(L, "a filter");
        if (!may_take(self->programs, self->reader, &err))
            return push_failure(L, &err);
    }
    return 1;
}

static struct reading_object *check_reader(lua_State *L)
{
    struct reading_object *self = luaL_checkudata(L, 1, READER);
    if (!self->reader)
        luaL_error(L, "attempt to use a closed capture");
    return self;
}

/* Whether the filter takes a frame: it does not where it means nothing for its link type. */
static bool takes(struct reading_object *self, const struct reading *reading)
{
    if (!self->programs)
        return true;
    const struct filter *filter =
        program_for(self->programs, reading->linktype, self->refused ? NULL : &self->refusal);
    if (!filter) {
        self->refused = true;
        return false;
    }
    self->takes = true;
    return filter_match(filter, reading->bytes, reading->length, reading->original);
}

/* [-0, +1, m] A string, a list of more than one, or nil. */
static void push_comments(lua_State *L, const char *const *comments)
{
    if (!comments || !comments[1]) {
        lua_pushstring(L, comments ? comments[0] : NULL);
        return;
    }
    lua_newtable(L);
    for (int i = 0; comments[i]; i++) {
        lua_pushstring(L, comments[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* raw_next() -> bytes, seconds since 1970, the same in nanoseconds, original length, link type,
 * interface | nil, whether it was sent | nil, comments | nil; or nil; or nil, error */
static int reader_raw_next(lua_State *L)
{
    struct reading_object *self = check_reader(L);
    struct reading reading;
    struct error err;
    int got;
    do
        got = reader_next(self->reader, &reading, &err);
    while (got == 1 && !takes(self, &reading));
    if (got < 0)
        return push_failure(L, &err);
    if (got == 0 && self->refused && !self->takes)
        return push_failure(L, &self->refusal);
    if (got == 0)
        return 0;
    lua_pushlstring(L, (const char *)reading.bytes, reading.length);
    lua_pushnumber(L, to_seconds(reading.time));
    lua_pushinteger(L, reading.time);
    lua_pushinteger(L, (lua_Integer)reading.original);
    lua_pushinteger(L, reading.linktype);
    lua_pushstring(L, reading.iface); /* NULL: nil */
    if (reading.direction == CAPTURE_UNKNOWN)
        lua_pushnil(L);
    else
        lua_pushboolean(L, reading.direction == CAPTURE_SENT);
    push_comments(L, reading.comments);
    return 8;
}

/* linktype() -> number, libpcap's word for it | nil */
static int reader_raw_linktype(lua_State *L)
{
    const struct reading_object *self = check_reader(L);
    lua_pushinteger(L, reader_linktype(self->reader));
    lua_pushstring(L, reader_linktype_name(self->reader)); /* NULL: nil */
    return 2;
}

/* close(): may be repeated */
static int reader_object_close(lua_State *L)
{
    struct reading_object *self = luaL_checkudata(L, 1, READER);
    reader_close(self->reader);
    programs_free(self->programs);
    *self = (struct reading_object){.reader = NULL};
    return 0;
}

/* --- writing ------------------------------------------------------------------------------------
 */

struct writing_object {
    struct capture_writer *writer; /* NULL: closed */
};

/* create(path [, comment]) -> writer | nil, error */
static int capture_new(lua_State *L)
{
    struct error err;
    const char *path = check_text(L, 1);
    const char *comment = opt_text(L, 2);
    struct writing_object *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->writer = NULL;
    luaL_setmetatable(L, WRITER);
    self->writer = capture_create(path, capture_format_of(path), "tcplua", comment, &err);
    return self->writer ? 1 : push_failure(L, &err);
}

static struct capture_writer *check_writer(lua_State *L)
{
    struct writing_object *self = luaL_checkudata(L, 1, WRITER);
    if (!self->writer)
        luaL_error(L, "attempt to use a closed capture");
    return self->writer;
}

/* What a call on the writer came to; the first failure is repeated by those after it. */
static int outcome(lua_State *L, const struct capture_writer *writer, bool done, struct error *err)
{
    const struct error *first = capture_failure(writer);
    if (!done || first)
        return push_failure(L, first ? first : err);
    lua_pushboolean(L, 1);
    return 1;
}

#define COMMENTS READING_COMMENTS /* on one packet */

/* The field `comment` of the table at `index`: a string or a list of them. */
static void field_comments(lua_State *L, int index, const char *list[static COMMENTS + 1])
{
    size_t count = 0;
    int type = lua_getfield(L, index, "comment");
    if (type == LUA_TSTRING) {
        list[count++] = field_string(L, index, "comment", NULL);
    } else if (type == LUA_TTABLE) {
        lua_Unsigned length = lua_rawlen(L, -1);
        if (length > COMMENTS)
            raise_mistake(L, "option 'comment': at most %d of them", COMMENTS);
        for (lua_Unsigned i = 1; i <= length; i++) {
            size_t size;
            lua_rawgeti(L, -1, (lua_Integer)i);
            if (lua_type(L, -1) != LUA_TSTRING)
                raise_mistake(L, "option 'comment': strings expected, got %s",
                              luaL_typename(L, -1));
            list[count] = lua_tolstring(L, -1, &size); /* stays valid: the table holds it */
            if (strlen(list[count++]) != size)
                raise_mistake(L, "option 'comment': it has a zero byte in it");
            lua_pop(L, 1);
        }
    } else if (type != LUA_TNIL) {
        raise_mistake(L, "option 'comment': a string or a list expected, got %s",
                      luaL_typename(L, -1));
    }
    list[count] = NULL;
    lua_pop(L, 1);
}

/* The fields `time` in seconds and `ns`, the same with all digits; `otherwise` without them. */
static int64_t field_time(lua_State *L, int index, int64_t otherwise)
{
    bool has_time = lua_getfield(L, index, "time") != LUA_TNIL;
    int type = lua_getfield(L, index, "ns");
    lua_Integer ns = 0;
    if (type != LUA_TNIL) {
        int whole;
        ns = lua_tointegerx(L, -1, &whole);
        if (type != LUA_TNUMBER || !whole || ns < 0)
            raise_mistake(L, "option 'ns': a whole number of nanoseconds since 1970 expected");
    }
    lua_pop(L, 2);
    double time = field_number(L, index, "time", 0);
    if (!(time >= 0))
        raise_mistake(L, "option 'time': seconds since 1970 expected");
    if (type == LUA_TNIL)
        return has_time ? to_ns(time) : otherwise;
    if (has_time && time != to_seconds(ns))
        luaL_error(L, "options 'time' and 'ns' say different things: leave one out");
    return ns;
}

/* raw_write(bytes, linktype, {time=, ns=, original=, sent=, comment=, iface=} [, packet]) -> true |
 * nil, error: what the table leaves out, a packet that was seen somewhere knows */
static int writer_raw_write(lua_State *L)
{
    static const char *const names[] = {"time",    "ns",    "original", "sent",
                                        "comment", "iface", "linktype", NULL};
    struct capture_writer *writer = check_writer(L);
    const char *comments[COMMENTS + 1];
    struct error err;
    luaL_checktype(L, 2, LUA_TSTRING);
    struct capture_frame frame = {.linktype = check_linktype(L, 3), .comments = comments};
    check_fields(L, 4, names);
    frame.bytes = (const uint8_t *)lua_tolstring(L, 2, &frame.length);
    const struct origin here = {.time = clock_wall(&the_network(L)->clock)};
    const struct origin *origin = origin_of(L, 5);
    if (!origin)
        origin = &here;
    lua_Integer original = origin->original > frame.length ? origin->original : 0;
    if (!field_range(L, 4, "original", 0, UINT32_MAX, &original, &err))
        return raise_mistake(L, "option 'original': %s", err.message);
    frame.original = (size_t)original;
    frame.iface = field_string(L, 4, "iface", origin->iface);
    frame.time = field_time(L, 4, origin->time);
    field_comments(L, 4, comments);
    if (lua_getfield(L, 4, "sent") != LUA_TNIL)
        frame.direction = field_boolean(L, 4, "sent", false) ? CAPTURE_SENT : CAPTURE_RECEIVED;
    else if (origin->direction)
        frame.direction = origin->direction[0] == 'o' ? CAPTURE_SENT : CAPTURE_RECEIVED;
    return outcome(L, writer, capture_write(writer, &frame, &err), &err);
}

/* raw_describe(linktype, iface, {description=, filter=, os=}) -> true | nil, error */
static int writer_raw_describe(lua_State *L)
{
    struct capture_writer *writer = check_writer(L);
    struct error err;
    int linktype = check_linktype(L, 2);
    const char *iface = check_text(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    const struct capture_interface interface = {
        .description = field_string(L, 4, "description", NULL),
        .filter = field_string(L, 4, "filter", NULL),
        .os = field_string(L, 4, "os", NULL),
    };
    return outcome(L, writer, capture_describe(writer, linktype, iface, &interface, &err), &err);
}

/* name(address, name) -> true | nil, error */
static int writer_name(lua_State *L)
{
    struct capture_writer *writer = check_writer(L);
    struct error err;
    struct addr address;
    if (!addr_parse(&address, check_text(L, 2), "address", &err))
        return push_failure(L, &err);
    luaL_argcheck(L, address.kind != ADDR_MAC, 2, "an IP address expected");
    return outcome(L, writer, capture_name(writer, &address, check_text(L, 3), &err), &err);
}

/* raw_drops(linktype, iface, count) -> true | nil, error */
static int writer_raw_drops(lua_State *L)
{
    struct capture_writer *writer = check_writer(L);
    int linktype = check_linktype(L, 2);
    const char *iface = check_text(L, 3);
    lua_Integer count = luaL_checkinteger(L, 4);
    luaL_argcheck(L, count >= 0, 4, "not negative");
    capture_drops(writer, linktype, iface, (uint64_t)count);
    return outcome(L, writer, true, NULL);
}

/* close() -> true | nil, error: whether the file is whole; may be repeated */
static int writer_close(lua_State *L)
{
    struct writing_object *self = luaL_checkudata(L, 1, WRITER);
    struct capture_writer *writer = self->writer;
    struct error err, failure;
    self->writer = NULL;
    bool complete = !writer || capture_complete(writer, &err);
    if (writer && !capture_close(writer, &failure))
        return push_failure(L, &failure);
    return push_outcome(L, complete, &err);
}

/* --- filters ------------------------------------------------------------------------------------
 */

struct filter_object {
    struct programs *programs; /* NULL: gone */
};

/* filter(expression) -> filter | nil, error */
static int filter_new(lua_State *L)
{
    struct error err;
    const char *expression = check_text(L, 1);
    struct filter_object *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->programs = NULL;
    luaL_setmetatable(L, FILTER);
    self->programs = programs_new(expression);
    if (!self->programs)
        return no_memory(L, "a filter");
    return program_for(self->programs, CAPTURE_ETHERNET, &err) ? 1 : push_failure(L, &err);
}

static struct programs *check_filter(lua_State *L)
{
    struct filter_object *self = luaL_checkudata(L, 1, FILTER);
    if (!self->programs)
        luaL_error(L, "attempt to use a filter that is gone");
    return self->programs;
}

/* raw_matches(bytes, linktype [, original]) -> boolean; raises where the expression means nothing
 * for this link type */
static int filter_raw_matches(lua_State *L)
{
    struct programs *self = check_filter(L);
    struct error err;
    size_t length;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *bytes = lua_tolstring(L, 2, &length);
    lua_Integer original = luaL_optinteger(L, 4, (lua_Integer)length);
    luaL_argcheck(L, original >= (lua_Integer)length, 4, "not less than there is");
    const struct filter *filter = program_for(self, check_linktype(L, 3), &err);
    if (!filter)
        return raise_error(L, &err);
    lua_pushboolean(L, filter_match(filter, (const uint8_t *)bytes, length, (size_t)original));
    return 1;
}

static int filter_tostring(lua_State *L)
{
    lua_pushstring(L, check_filter(L)->expression);
    return 1;
}

static int filter_gc(lua_State *L)
{
    struct filter_object *self = luaL_checkudata(L, 1, FILTER);
    programs_free(self->programs);
    self->programs = NULL;
    return 0;
}

int luaopen_tcplua_capture_core(lua_State *L)
{
    static const luaL_Reg reader_methods[] = {
        {"raw_next", reader_raw_next},
        {"linktype", reader_raw_linktype},
        {"close", reader_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg reader_meta[] = {
        {"__gc", reader_object_close},
        {"__close", reader_object_close},
        {NULL, NULL},
    };
    static const luaL_Reg writer_methods[] = {
        {"raw_write", writer_raw_write}, {"raw_describe", writer_raw_describe},
        {"raw_drops", writer_raw_drops}, {"name", writer_name},
        {"close", writer_close},         {NULL, NULL},
    };
    static const luaL_Reg writer_meta[] = {
        {"__gc", writer_close},
        {"__close", writer_close},
        {NULL, NULL},
    };
    static const luaL_Reg filter_methods[] = {
        {"raw_matches", filter_raw_matches},
        {NULL, NULL},
    };
    static const luaL_Reg filter_meta[] = {
        {"__gc", filter_gc},
        {"__tostring", filter_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"open", capture_open},
        {"create", capture_new},
        {"filter", filter_new},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    new_class(L, READER, reader_methods, reader_meta);
    lua_setfield(L, -2, "reader_class");
    new_class(L, WRITER, writer_methods, writer_meta);
    lua_setfield(L, -2, "writer_class");
    new_class(L, FILTER, filter_methods, filter_meta);
    lua_setfield(L, -2, "filter_class");
    return 1;
}
