/* lua_conn: connections and listeners as userdata. What is here never waits; tcplua.tcp adds the
 * methods that do (their names are without "raw_").
 *
 * The object is made closed first and gets its endpoint last; __gc and raw_free are one function
 * and may be repeated. */
#include <string.h>

#include "script/lua_auth.h"
#include "script/lua_conn.h"
#include "script/modules.h"
#include "script/util.h"
#include "stack/stack.h"
#include "tcp/congestion.h"

#define LISTENER "tcplua.listener"

struct conn {
    struct endpoint *endpoint; /* NULL: closed */
};

struct listening {
    struct listener *listener; /* NULL: closed */
};

/* NULL if it was closed. */
static struct endpoint *conn_endpoint(lua_State *L)
{
    return ((struct conn *)check_class(L, 1, CLASS_CONN))->endpoint;
}

struct endpoint *check_conn(lua_State *L)
{
    struct endpoint *endpoint = conn_endpoint(L);
    if (!endpoint)
        raise_mistake(L, "attempt to use a closed connection");
    return endpoint;
}

/* [-0, +1, m] A closed connection object. */
static struct conn *push_closed(lua_State *L)
{
    struct conn *conn = lua_newuserdatauv(L, sizeof *conn, 1);
    conn->endpoint = NULL;
    set_class(L, CLASS_CONN);
    return conn;
}

#define SHARED_OPTIONS                                                                             \
    "mss", "sndbuf", "rcvbuf", "ttl", "tos", "user_timeout", "time_wait", "wscale", "timestamps",  \
        "sack", "nagle", "delayed_ack", "initial_rto", "min_rto", "max_rto", "keepalive",          \
        "keepalive_interval", "keepalive_probes", "congestion", "ecn", "rack", "gso", "md5", "ao", \
        "fast_open", "mode", "watched"

/* What a connection is like unless its script says otherwise: as Linux's are. */
enum { BUFFER = 1 << 20, QUICK_ACKS = 16 };
#define DELAYED_ACK 0.04 /* seconds */

enum tcp_mode check_mode(lua_State *L, const char *name)
{
    static const char *const names[] = {"auto", "assist", "manual"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum tcp_mode)i;
    raise_mistake(L, "mode is \"auto\", \"assist\" or \"manual\", not \"%s\"", name);
    return TCP_AUTO;
}

/* keepalive = true leaves the time to RFC 9293: two hours (MUST-28). */
static int64_t read_keepalive(lua_State *L, int index)
{
    bool chosen = lua_getfield(L, index, "keepalive") != LUA_TBOOLEAN;
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (chosen)
        return to_ns(field_number(L, index, "keepalive", 0));
    return on ? 7200 * NS_PER_S : 0;
}

/* fast_open = true, or with a cookie of the script's own (RFC 7413). */
static bool read_fast_open(lua_State *L, int index, struct tcp_config *tcp, struct error *err)
{
    bool given = lua_getfield(L, index, "fast_open") == LUA_TSTRING;
    size_t length;
    const char *bytes = given ? lua_tolstring(L, -1, &length) : NULL;
    lua_pop(L, 1); /* the table still holds it */
    if (!given) {
        tcp->fast_open = field_boolean(L, index, "fast_open", false);
        return true;
    }
    if (length < 4 || length > SEGMENT_COOKIE_MAX || length % 2 != 0)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "the cookie 'fast_open' has %zu bytes; it can have an even number from 4 to %d",
                    length, SEGMENT_COOKIE_MAX);
    tcp->fast_open = true;
    tcp->cookie.length = (uint8_t)length;
    memcpy(tcp->cookie.bytes, bytes, length);
    return true;
}

/* Options that connect and listen share; seconds become nanoseconds. */
static bool read_options(lua_State *L, int index, struct endpoint_options *options,
                         struct error *err)
{
    lua_Integer keepalive_probes = 0;
    lua_Integer mss = 0, sndbuf = BUFFER, rcvbuf = BUFFER, ttl = 0, tos = 0;
    struct tcp_config *tcp = &options->tcp;
    if (!read_auth(L, index, &options->auth, err))
        return false;
    if (!field_range(L, index, "mss", 64, 65495, &mss, err) ||
        !field_range(L, index, "sndbuf", 1, 1 << 30, &sndbuf, err) ||
        !field_range(L, index, "rcvbuf", 1, 1 << 30, &rcvbuf, err) ||
        !field_range(L, index, "keepalive_probes", 1, 1000, &keepalive_probes, err) ||
        !field_range(L, index, "ttl", 1, 255, &ttl, err) ||
        !field_range(L, index, "tos", 0, 255, &tos, err))
        return false;
    const char *congestion = field_string(L, index, "congestion", congestion_cubic.name);
    bool newreno = strcmp(congestion, congestion_newreno.name) == 0;
    if (!newreno && strcmp(congestion, congestion_cubic.name) != 0)
        raise_mistake(L, "option 'congestion' is \"cubic\" or \"newreno\", not \"%s\"", congestion);
    options->mode = check_mode(L, field_string(L, index, "mode", "auto"));
    options->watched = field_boolean(L, index, "watched", options->mode != TCP_AUTO);
    options->gso = field_boolean(L, index, "gso", true);
    enum tcp_ecn ecn = field_boolean(L, index, "ecn", false) ? TCP_ECN_ASK : TCP_ECN_ANSWER;
    *tcp = (struct tcp_config){
        .ecn = ecn,
        .congestion = newreno ? &congestion_newreno : &congestion_cubic,
        .mss = (uint16_t)mss,
        .sndbuf = (uint32_t)sndbuf,
        .rcvbuf = (uint32_t)rcvbuf,
        .ttl = (uint8_t)ttl,
        .tos = (uint8_t)tos,
        .user_timeout = to_ns(field_number(L, index, "user_timeout", 0)),
        .time_wait = to_ns(field_number(L, index, "time_wait", 0)),
        .initial_rto = to_ns(field_number(L, index, "initial_rto", 0)),
        .min_rto = to_ns(field_number(L, index, "min_rto", 0)),
        .max_rto = to_ns(field_number(L, index, "max_rto", 0)),
        .keepalive = read_keepalive(L, index),
        .keepalive_interval = to_ns(field_number(L, index, "keepalive_interval", 0)),
        .keepalive_probes = (uint32_t)keepalive_probes,
        .delayed_ack = to_ns(field_number(L, index, "delayed_ack", DELAYED_ACK)),
        .wscale = field_boolean(L, index, "wscale", true),
        .timestamps = field_boolean(L, index, "timestamps", options->auth.kind != AUTH_MD5),
        .sack = field_boolean(L, index, "sack", true),
        .rack = field_boolean(L, index, "rack", true),
        .nagle = field_boolean(L, index, "nagle", true),
        .quick_acks = QUICK_ACKS,
    };
    if (tcp->user_timeout < 0 || tcp->time_wait < 0 || tcp->initial_rto < 0 || tcp->min_rto < 0 ||
        tcp->max_rto < 0 || tcp->delayed_ack < 0 || tcp->keepalive < 0 ||
        tcp->keepalive_interval < 0)
        return fail(err, ERROR_USAGE, "EINVAL", "a time that is less than 0 makes no sense");
    if (!read_fast_open(L, index, tcp, err))
        return false;
    if (tcp->fast_open && options->auth.kind != AUTH_NONE)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "fast_open does not go together with a key: one SYN has no room for both");
    return true;
}

static bool missing(struct error *err, const char *what)
{
    return fail(err, ERROR_USAGE, "EINVAL", "%s is missing", what);
}

/* connect{dst=, port=, src=, sport=, data=, …} -> conn, nil, how much of data it took | nil, error
 */
static int core_connect(lua_State *L)
{
    static const char *const names[] = {"src",     "dst",  "port",         "sport",
                                        "timeout", "data", SHARED_OPTIONS, NULL};
    struct endpoint_options options = {.sport = 0};
    struct error err;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    bool good = read_options(L, 1, &options, &err) && field_addr(L, 1, "src", &options.src, &err) &&
                field_addr(L, 1, "dst", &options.dst, &err) &&
                field_port(L, 1, "port", &options.dport, &err) &&
                field_port(L, 1, "sport", &options.sport, &err);
    if (good && options.dst.kind == ADDR_NONE)
        good = missing(&err, "the destination address (dst)");
    if (good && options.dport == 0)
        good = missing(&err, "the destination port (port)");
    if (good && options.src.kind == ADDR_NONE)
        good = network_source(the_network(L), &options.dst, &options.src, &err);
    if (!good)
        return push_failure(L, &err);
    struct tcp_info info;
    if (lua_getfield(L, 1, "data") == LUA_TSTRING) /* which the table still holds */
        options.data = lua_tolstring(L, -1, &options.length);
    else if (!lua_isnil(L, -1))
        raise_mistake(L, "option 'data': a string expected, got %s", luaL_typename(L, -1));
    lua_pop(L, 1);
    struct conn *conn = push_closed(L);
    conn->endpoint = endpoint_connect(the_network(L), &options, &err);
    if (!conn->endpoint)
        return push_failure(L, &err);
    remember_source(L, &conn->endpoint->source, -1);
    tcp_info(conn->endpoint->tcp, &info);
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)info.unsent + (lua_Integer)info.unacked);
    return 3;
}

/* raw_read(max [, stop]) -> string: what is there, up to and with the byte `stop` */
static int conn_raw_read(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    lua_Integer max = luaL_checkinteger(L, 2);
    size_t stop_length = 0;
    const char *stop = luaL_optlstring(L, 3, NULL, &stop_length);
    luaL_argcheck(L, max >= 0, 2, "not negative");
    luaL_argcheck(L, !stop || stop_length == 1, 3, "one byte");
    size_t length = tcp_readable(endpoint->tcp);
    if (length > (size_t)max)
        length = (size_t)max;
    luaL_Buffer b;
    char *bytes = luaL_buffinitsize(L, &b, length);
    length = tcp_read(endpoint->tcp, bytes, length, stop ? (unsigned char)stop[0] : -1,
                      clock_now(&the_network(L)->clock));
    luaL_pushresultsize(&b, length);
    endpoint_serve(endpoint); /* a window update may be due */
    return 1;
}

/* raw_write(string [, from [, urgent]]) -> how many bytes, from position `from` on, were taken */
static int conn_raw_write(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, from >= 1 && (size_t)from <= length + 1, 3, "inside the string");
    size_t taken = tcp_write(endpoint->tcp, bytes + (from - 1), length - (size_t)(from - 1));
    if (lua_toboolean(L, 4))
        tcp_urge(endpoint->tcp);
    endpoint_serve(endpoint);
    lua_pushinteger(L, (lua_Integer)taken);
    return 1;
}

/* urgent() -> bytes up to the end of the peer's urgent data, which is in line with the rest; 0 for
 * none */
static int conn_urgent(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tcp_urgent(check_conn(L)->tcp));
    return 1;
}

/* raw_shutdown(): no more data from us */
static int conn_raw_shutdown(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    tcp_shutdown(endpoint->tcp, clock_now(&the_network(L)->clock));
    endpoint_serve(endpoint);
    return 0;
}

/* raw_abort(): reset */
static int conn_raw_abort(lua_State *L)
{
    endpoint_abort(check_conn(L));
    return 0;
}

/* raw_free(): lets go, with a reset unless the connection is over; may be repeated */
static int conn_raw_free(lua_State *L)
{
    struct conn *conn = check_class(L, 1, CLASS_CONN);
    struct endpoint *endpoint = conn->endpoint;
    conn->endpoint = NULL;
    if (endpoint) {
        forget_source(L, &endpoint->source);
        endpoint_free(endpoint);
    }
    return 0;
}

/* raw_error() -> error | nil */
static int conn_raw_error(lua_State *L)
{
    const struct error *err = endpoint_error(check_conn(L));
    if (err)
        push_error(L, err);
    else
        lua_pushnil(L);
    return 1;
}

/* trouble() -> what was last heard or said against the connection without ending it | nil */
static int conn_trouble(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    if (!endpoint->soft_error)
        return 0;
    lua_pushstring(L, endpoint->soft_error);
    return 1;
}

/* rekey(recv_id): asks the peer to sign with that key of TCP-AO from now on -> whether there is one
 */
static int conn_rekey(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    lua_Integer id = luaL_checkinteger(L, 2);
    luaL_argcheck(L, id >= 0 && id <= 255, 2, "an ID from 0 to 255 expected");
    lua_pushboolean(L, endpoint->auth && auth_ask(endpoint->auth, (uint8_t)id));
    return 1;
}

/* closed() -> whether the object was closed */
static int conn_closed(lua_State *L)
{
    lua_pushboolean(L, !conn_endpoint(L));
    return 1;
}

/* stalled() -> whether R1 is reached (RFC 9293 3.8.3) and no answer has come since */
static int conn_stalled(lua_State *L)
{
    struct tcp_info info;
    tcp_info(check_conn(L)->tcp, &info);
    lua_pushboolean(L, info.stalled);
    return 1;
}

/* readable() -> bytes that a read would return at once */
static int conn_readable(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tcp_readable(check_conn(L)->tcp));
    return 1;
}

/* eof() -> whether the peer has closed its side and all before it was read */
static int conn_eof(lua_State *L)
{
    lua_pushboolean(L, tcp_eof(check_conn(L)->tcp));
    return 1;
}

/* state() -> "ESTABLISHED", … */
static int conn_state(lua_State *L)
{
    lua_pushstring(L, tcp_state_name(tcp_state(check_conn(L)->tcp)));
    return 1;
}

/* info() -> the numbers of the connection, in the words of RFC 9293 and tcp_info */
static int conn_info(lua_State *L)
{
    struct endpoint *endpoint = check_conn(L);
    const struct flow *flow = tcp_flow(endpoint->tcp);
    struct tcp_info i;
    tcp_info(endpoint->tcp, &i);
    lua_createtable(L, 0, 46);
    set_text(L, "state", tcp_state_name(tcp_state(endpoint->tcp)));
    set_addr(L, "src", &flow->local);
    set_addr(L, "dst", &flow->remote);
    set_integer(L, "sport", flow->lport);
    set_integer(L, "dport", flow->rport);
    set_integer(L, "iss", i.iss);
    set_integer(L, "snd_una", i.snd_una);
    set_integer(L, "snd_nxt", i.snd_nxt);
    set_integer(L, "snd_wnd", i.snd_wnd);
    set_integer(L, "irs", i.irs);
    set_integer(L, "rcv_nxt", i.rcv_nxt);
    set_integer(L, "rcv_wnd", i.rcv_wnd);
    set_integer(L, "snd_mss", i.snd_mss);
    set_integer(L, "rcv_mss", i.rcv_mss);
    set_integer(L, "snd_wscale", i.snd_wscale);
    set_integer(L, "rcv_wscale", i.rcv_wscale);
    set_boolean(L, "stalled", i.stalled);
    set_boolean(L, "heard", i.heard);
    set_boolean(L, "wscale", i.wscale);
    set_boolean(L, "timestamps", i.timestamps);
    set_boolean(L, "sack", i.sack);
    set_boolean(L, "rack", i.rack);
    set_boolean(L, "ecn", i.ecn);
    set_text(L, "congestion", i.congestion);
    set_integer(L, "cwnd", i.cwnd);
    set_integer(L, "ssthresh", i.ssthresh);
    set_seconds(L, "rto", i.rto);
    set_seconds(L, "srtt", i.srtt);
    set_seconds(L, "rttvar", i.rttvar);
    set_integer(L, "segs_in", (lua_Integer)i.segs_in);
    set_integer(L, "segs_out", (lua_Integer)i.segs_out);
    set_integer(L, "bytes_received", (lua_Integer)i.bytes_received);
    set_integer(L, "bytes_acked", (lua_Integer)i.bytes_acked);
    set_integer(L, "retransmits", (lua_Integer)i.retransmits);
    set_integer(L, "out_of_order", (lua_Integer)i.out_of_order);
    set_integer(L, "overlaps", (lua_Integer)i.overlaps);
    set_integer(L, "challenge_acks", (lua_Integer)i.challenge_acks);
    set_integer(L, "marks", (lua_Integer)i.marks);
    set_integer(L, "paws", (lua_Integer)i.paws);
    set_integer(L, "dsacks", (lua_Integer)i.dsacks);
    set_integer(L, "sacked", (lua_Integer)i.sacked);
    set_integer(L, "lost", (lua_Integer)i.lost);
    set_boolean(L, "reord_seen", i.reord_seen);
    set_seconds(L, "min_rtt", i.min_rtt);
    set_seconds(L, "reo_wnd", i.reo_wnd);
    set_integer(L, "loss_probes", (lua_Integer)i.loss_probes);
    set_integer(L, "timeouts", (lua_Integer)i.timeouts);
    set_integer(L, "unsent", (lua_Integer)i.unsent);
    set_integer(L, "unacked", (lua_Integer)i.unacked);
    set_auth(L, endpoint->auth);
    set_boolean(L, "syn_data", i.syn_data);
    const struct tcp_cookie *cookie = tcp_cookie(endpoint->tcp);
    if (endpoint->asks && cookie->length > 0) {
        lua_pushlstring(L, (const char *)cookie->bytes, cookie->length);
        lua_setfield(L, -2, "cookie");
    }
    set_boolean(L, "fin_acked", i.fin_acked);
    set_boolean(L, "fin_received", i.fin_received);
    return 1;
}

static int conn_tostring(lua_State *L)
{
    struct conn *conn = check_class(L, 1, CLASS_CONN);
    if (!conn->endpoint) {
        lua_pushliteral(L, "connection (closed)");
        return 1;
    }
    const struct flow *flow = tcp_flow(conn->endpoint->tcp);
    char local[ADDR_TEXT], remote[ADDR_TEXT];
    lua_pushfstring(L, "connection %s.%d > %s.%d %s", addr_format(&flow->local, local), flow->lport,
                    addr_format(&flow->remote, remote), flow->rport,
                    tcp_state_name(tcp_state(conn->endpoint->tcp)));
    return 1;
}

/* --- listeners ----------------------------------------------------------------------------------
 */

static struct listener *check_listener(lua_State *L)
{
    struct listening *listening = luaL_checkudata(L, 1, LISTENER);
    if (!listening->listener)
        raise_mistake(L, "attempt to use a closed listener");
    return listening->listener;
}

/* listen{addr=, port=, backlog=, …} -> listener | nil, error */
static int core_listen(lua_State *L)
{
    static const char *const names[] = {"addr", "port", "backlog", SHARED_OPTIONS, NULL};
    struct endpoint_options options = {.sport = 0};
    struct error err;
    lua_Integer backlog = 128;
    lua_settop(L, 1);
    check_fields(L, 1, names);
    bool good = read_options(L, 1, &options, &err) &&
                field_addr(L, 1, "addr", &options.src, &err) &&
                field_port(L, 1, "port", &options.sport, &err) &&
                field_range(L, 1, "backlog", 1, 65535, &backlog, &err);
    if (good && options.src.kind == ADDR_NONE)
        good = missing(&err, "the address to listen on (addr)");
    if (!good)
        return push_failure(L, &err);
    struct listening *listening = lua_newuserdatauv(L, sizeof *listening, 0);
    listening->listener = NULL;
    luaL_setmetatable(L, LISTENER);
    listening->listener = listener_open(the_network(L), &options, (uint32_t)backlog, &err);
    if (!listening->listener)
        return push_failure(L, &err);
    remember_source(L, &listening->listener->source, -1);
    return 1;
}

/* raw_accept() -> conn | nil */
static int listener_raw_accept(lua_State *L)
{
    struct listener *listener = check_listener(L);
    struct conn *conn = push_closed(L);
    conn->endpoint = listener_accept(listener);
    if (!conn->endpoint)
        return 0;
    remember_source(L, &conn->endpoint->source, -1);
    return 1;
}

/* port() -> the port it listens on */
static int listener_port(lua_State *L)
{
    lua_pushinteger(L, check_listener(L)->port);
    return 1;
}

/* close(): may be repeated; connections that were not accepted are reset */
static int listener_close(lua_State *L)
{
    struct listening *listening = luaL_checkudata(L, 1, LISTENER);
    struct listener *listener = listening->listener;
    listening->listener = NULL;
    if (listener) {
        forget_source(L, &listener->source);
        listener_free(listener);
    }
    return 0;
}

static int listener_tostring(lua_State *L)
{
    struct listening *listening = luaL_checkudata(L, 1, LISTENER);
    if (listening->listener)
        lua_pushfstring(L, "listener on port %d", listening->listener->port);
    else
        lua_pushliteral(L, "listener (closed)");
    return 1;
}

void open_conn(lua_State *L)
{
    static const luaL_Reg conn_methods[] = {
        {"raw_read", conn_raw_read},
        {"raw_write", conn_raw_write},
        {"raw_shutdown", conn_raw_shutdown},
        {"raw_abort", conn_raw_abort},
        {"raw_free", conn_raw_free},
        {"raw_error", conn_raw_error},
        {"raw_mode", conn_raw_mode},
        {"raw_hook", conn_raw_hook},
        {"raw_watch", conn_raw_watch},
        {"raw_held", conn_raw_held},
        {"raw_seen", conn_raw_seen},
        {"raw_draft", conn_raw_draft},
        {"raw_transmit", conn_raw_transmit},
        {"raw_inject", conn_raw_inject},
        {"raw_receive", conn_raw_receive},
        {"trouble", conn_trouble},
        {"urgent", conn_urgent},
        {"rekey", conn_rekey},
        {"closed", conn_closed},
        {"readable", conn_readable},
        {"eof", conn_eof},
        {"stalled", conn_stalled},
        {"state", conn_state},
        {"info", conn_info},
        {NULL, NULL},
    };
    static const luaL_Reg conn_meta[] = {
        {"__gc", conn_raw_free},
        {"__close", conn_raw_free},
        {"__tostring", conn_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg listener_methods[] = {
        {"raw_accept", listener_raw_accept},
        {"port", listener_port},
        {"close", listener_close},
        {NULL, NULL},
    };
    static const luaL_Reg listener_meta[] = {
        {"__gc", listener_close},
        {"__close", listener_close},
        {"__tostring", listener_tostring},
        {NULL, NULL},
    };
    new_class(L, "tcplua.conn", conn_methods, conn_meta);
    lua_setfield(L, -2, "conn_class");
    open_class(L, CLASS_CONN);
    lua_pop(L, 1);
    new_class(L, LISTENER, listener_methods, listener_meta);
    lua_setfield(L, -2, "listener_class");
    lua_pushcfunction(L, core_connect);
    lua_setfield(L, -2, "connect");
    lua_pushcfunction(L, core_listen);
    lua_setfield(L, -2, "listen");
}
