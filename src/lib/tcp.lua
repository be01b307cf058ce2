--- tcplua.tcp: connections.
--
--     local tcp = require "tcplua.tcp"
--     local conn <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
--     assert(conn:send("hello\n"))
--     print(conn:read_line())
--
-- Every call that can fail returns nil and an error object: code ("ECONNREFUSED", …), kind
-- ("network", "protocol", "environment", "usage"), message (its tostring too), op. A read adds, as
-- a third result, what had come before. Timeouts are in seconds, for the whole call.
--
--     conn:state()      "ESTABLISHED", …: the state in RFC 9293's words
--     conn:info()       a table of numbers: src, dst, sport, dport, and in the words of the RFC and
--                       of Linux's tcp_info: iss, snd_una, snd_nxt, snd_wnd, irs, rcv_nxt, rcv_wnd,
--                       snd_mss, rcv_mss, cwnd, ssthresh, rto, srtt, rttvar (seconds), segs_in,
--                       segs_out, bytes_received, bytes_acked, retransmits, out_of_order, sacked,
--                       lost (bytes), min_rtt, reo_wnd (seconds), reord_seen, loss_probes,
--                       timeouts, …; heard: whether the peer's SYN is in
--     conn:readable()   how many bytes a read would return at once
--     conn:eof()        whether all was read and the peer has closed its side
--     conn:closed()     whether this object was closed
--     conn:urgent()     how many of the bytes to be read next lead up to the end of urgent data,
--                       which stays in line with the rest; 0 if there is none
--     conn:stalled()    whether three retransmissions in a row had no answer (R1 of RFC
--                       9293 3.8.3); -v says so in a line
--     conn:rekey(id)    asks the peer to sign with the key of TCP-AO that has this recv_id; whether
--                       there is one
--     conn:trouble()    what was last heard against the connection without ending it, or nil
--
-- What a connection is like is decided when it is opened or listened for, by these fields. The
-- defaults are Linux's; the numbers behind them are those of the RFCs that say why.
--
--     wscale = true         window scaling (7323)
--     timestamps = true     timestamps and PAWS (7323)
--     sack = true           selective acknowledgment, D-SACK and recovery by it (2018, 2883, 6675)
--     rack = true           losses found by time, tail loss probes; needs sack (8985)
--     ecn = false           ask for explicit congestion notification (3168); answered where asked
--     gso = true            full segments in a row leave as one, for the kernel or the card to cut,
--                           where the wire is a packet socket that nothing records or traces
--     nagle = true          small segments wait while something is outstanding (9293 3.7.4)
--     delayed_ack = 0.04    seconds that an ACK may wait, the first 16 left aside (9293 3.8.6.3)
--     congestion = "cubic"  CUBIC (9438); or "newreno" (5681, 6582)
--     mss                   from the path's MTU (9293 3.7.1)
--     rcvbuf, sndbuf        1 MiB each; memory is taken as needed
--     initial_rto = 1       seconds (6298 2.1)
--     min_rto = 0.2         seconds; 6298 2.4 would have 1
--     max_rto = 120         seconds (6298 2.5)
--     user_timeout = 180    seconds without an answer until it fails (9293 3.8.3)
--     time_wait = 240       seconds, 2 MSL (9293 3.4.2); no program waits for it at its end
--     keepalive = false     seconds of silence before the first probe; true: 7200 (9293 3.8.4)
--     keepalive_interval = 75, keepalive_probes = 9     between probes; how many go unanswered
--     ttl = 64, tos = 0     of every segment
--     fast_open = false     data in the SYN (7413). A client asks for a cookie, which is kept for
--                           the next connection to this peer: then `data` of connect goes with the
--                           SYN; or brings a cookie, see info().cookie. A listener gives and takes
--                           them, and accept() comes with the SYN. info().syn_data: it worked
--     md5                   a key: every segment is signed, and what is not is dropped (2385);
--                           timestamps are off then unless asked for. info() has auth = "md5" and
--                           auth_unsigned, auth_bad: how many were dropped for their signature
--     ao                    the same with TCP-AO (5925, 5926): { key = "k", send_id
--                           = 0, recv_id = 0, algorithm = "hmac-sha-1-96" or "aes-128-cmac-96",
--                           include_options = true }, or a list of up to four, the first in use.
--                           conn:rekey(recv_id) asks the peer to use another; info().send_id is
--                           the key we use, info().recv_id the one that we ask for
--     mode = "auto"         or "assist", "manual": who sends (tcplua.tcp.puppet); in manual,
--                           connect returns at once, and accept when the SYN is in
--     watched = false       keep every segment for conn:segments(); true where mode is not auto
--     on_send, on_receive   hooks, there before the SYN is sent; of connect alone
--
-- and without a field: an initial window of ten segments (6928), limited transmit (3042), 180 s for
-- the SYN (9293 MUST-23), ten challenge ACKs a second (5961).
--
--     listener:port()   the port it listens on
--     listener:close()  ends it; connections that were not accepted are reset
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"

local tcp = {}

local CONNECT_TIMEOUT = 60
local READ_TIMEOUT = 300 -- a person may be typing at the other end
local CLOSE_TIMEOUT = 300
local LINE_MAX = 1048576
local LINE_OPTIONS <const> = { max = true, timeout = true }
local NO_OPTIONS <const> = {}
local CHUNK = 65536
-- States in which there may be more to send; the first, where a cookie has opened a connection.
local SENDS = { ["SYN-RECEIVED"] = true, ESTABLISHED = true, ["CLOSE-WAIT"] = true }

local conn = core.conn_class.__index

-- The names stand here; the rest is loaded by the first script that takes a connection in hand.
local function strings() return require "tcplua.tcp.puppet" end
for module, names in pairs {
  ["tcplua.tcp.puppet"] = { "mode", "on_send", "on_receive", "inject", "segments" },
  ["tcplua.expect"] = { "expect", "next", "none", "any_order", "sequence", "ignore" },
} do
  for _, name in ipairs(names) do
    conn[name] = function(...)
      require(module)
      return conn[name](...)
    end
  end
end

-- What a script has bent is let go of first; an error of its hooks does not keep it.
local function free(self)
  local loaded = package.loaded["tcplua.tcp.puppet"]
  local ok, err = true, nil
  if loaded then ok, err = pcall(loaded.let_go, self) end
  self:raw_free()
  task.notify(self)
  if not ok then error(err, 0) end
end
local listener = core.listener_class.__index

local function failure(op, code, kind, message)
  local err = core.error { code = code, kind = kind, message = message }
  err.op = op
  return err
end

local function peer(self)
  local i = self:info()
  return (i.dst:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(i.dst, i.dport)
end

-- What is awaited of a peer, in words that few ever see.
local function of_peer(words)
  return function(self) return (words:format(peer(self))) end
end

local ANSWER <const> = of_peer "%s to answer the SYN"
local LINE <const> = of_peer "a line from %s"
local DATA <const> = of_peer "data from %s"
local END <const> = of_peer "%s to finish"
local ROOM <const> = of_peer "%s to take data"
local CLOSING <const> = of_peer "%s to close"
local LAST_ACK <const> = of_peer "%s to acknowledge the FIN"

-- Waits until `done(self)`. Returns true, or nil and why it never will be. `what` is one of those
-- above.
local function await(self, done, deadline, op, what)
  while not done(self) do
    local err = self:raw_error()
    if err then
      err.op = op
      return nil, err
    end
    local news = task.wait(self, deadline, what)
    if self:closed() then -- by another task
      return nil, failure(op, "ECANCELED", "usage", "this connection was closed meanwhile")
    end
    if not news and not done(self) and not self:raw_error() then
      local trouble = self:trouble()
      if trouble then
        return nil, failure(op, "EHOSTUNREACH", "network",
          ("no answer from %s: %s"):format(peer(self), trouble))
      end
      return nil, failure(op, "ETIMEDOUT", "network",
        ("timed out waiting for %s"):format(what(self)))
    end
  end
  return true
end

-- The hooks are there before the SYN is.
local function begin(options)
  local on_send, on_receive = options.on_send, options.on_receive
  if not on_send and not on_receive then return core.connect(options) end
  local bare = {}
  for name, value in pairs(options) do bare[name] = value end
  bare.on_send, bare.on_receive, bare.mode = nil, nil, "manual"
  local self, err, taken = core.connect(bare)
  if not self then return nil, err end
  self:on_send(on_send)
  self:on_receive(on_receive)
  self:raw_mode(options.mode or "auto")
  return self, nil, taken
end

local function opened(self)
  local state = self:state()
  return state ~= "SYN-SENT" and state ~= "SYN-RECEIVED" and state ~= "CLOSED"
end

--- Opens a connection. Fields: dst, port; src (default: what the routing table says), sport
-- (default: a free one), timeout (60 s), data (a string to be sent first: with fast_open, and a
-- cookie from before, in the SYN), and what the connection is like: see the table at the top.
-- Numbers may be given as strings, as a command line does.
function tcp.connect(options)
  options = check.options(options)
  local limit = check.seconds("timeout", options.timeout, CONNECT_TIMEOUT)
  local deadline = core.now() + limit
  local self, err, taken = begin(options)
  if not self then
    err.op = "connect"
    return nil, err
  end
  if self:raw_mode() == "manual" then return self end -- the script opens it
  local ok
  ok, err = await(self, opened, deadline, "connect", ANSWER)
  if not ok then
    if self:raw_error() == nil and err.code == "ETIMEDOUT" then
      err.message = ("no answer from %s within %g s"):format(peer(self), limit)
    end
    free(self)
    return nil, err
  end
  if options.data and taken < #options.data then
    ok, err = self:send(options.data:sub(taken + 1), deadline - core.now())
    if not ok then
      free(self)
      return nil, err
    end
  end
  return self
end

--- Takes connections in. Fields: addr, port, backlog (128: how many are open and not yet accepted;
-- whoever comes when it is full tries again by itself), and what its connections are like.
function tcp.listen(options)
  local self, err = core.listen(check.options(options))
  if not self then err.op = "listen" end
  return self, err
end

--- Waits for the next connection.
function listener:accept(timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, math.huge)
  while true do
    local accepted = self:raw_accept()
    if accepted then return accepted end
    if not task.wait(self, deadline, "a connection") then
      return nil, failure("accept", "ETIMEDOUT", "network", "timed out waiting for a connection")
    end
  end
end

local function has_input(self) return self:readable() > 0 or self:eof() end

-- Reads into `parts` until enough: `max` bytes, or the byte `stop`, or the end of the stream.
local function fill(self, parts, max, stop, deadline, what)
  local have = 0
  while have < max do
    local ok, err = await(self, has_input, deadline, "read", what)
    if not ok then return nil, err, have end
    if self:readable() == 0 then return "eof", nil, have end
    local piece = self:raw_read(math.min(max - have, CHUNK), stop)
    parts[#parts + 1] = piece
    have = have + #piece
    if stop and piece:byte(-1) == stop:byte() then return "stop", nil, have end
  end
  return "full", nil, have
end

--- The next line as it was sent, its LF included. Options: max (1 MiB, the LF included),
-- timeout (300 s). An end of stream before the LF is an error of code EOF.
function conn:read_line(options)
  options = check.options(options or NO_OPTIONS, LINE_OPTIONS)
  local max = check.count("max", options.max, LINE_MAX)
  local parts = {}
  local deadline = core.now() + check.seconds("timeout", options.timeout, READ_TIMEOUT)
  local how, err, have = fill(self, parts, max, "\n", deadline, LINE)
  local line = table.concat(parts)
  if how == "stop" then return line end
  if how == "eof" then
    err = failure("read", "EOF", "protocol", have == 0
      and ("%s closed the connection without sending a line"):format(peer(self))
      or ("%s closed the connection %d bytes into a line, before its end"):format(peer(self), have))
  elseif how == "full" then
    err = failure("read", "EMSGSIZE", "protocol", ("line longer than %d bytes"):format(max))
  end
  return nil, err, line
end

--- Iterates over the lines; an end of stream ends it, anything else raises.
function conn:lines(options)
  return function()
    local line, err, rest = self:read_line(options)
    if line then return line end
    if err.code == "EOF" then return rest ~= "" and rest or nil end
    error(err, 0)
  end
end

--- Between 1 and `max` bytes (64 KiB), as soon as there are any; nil and EOF at the end.
function conn:read(max, timeout)
  max = check.count("max", max, CHUNK)
  local deadline = core.now() + check.seconds("timeout", timeout, READ_TIMEOUT)
  local ok, err = await(self, has_input, deadline, "read", DATA)
  if not ok then return nil, err, "" end
  if self:readable() == 0 then
    return nil, failure("read", "EOF", "network", ("%s closed its side"):format(peer(self))), ""
  end
  return self:raw_read(max)
end

--- Everything up to the end of the stream, at most `max` bytes (1 MiB).
function conn:read_all(max, timeout)
  max = check.count("max", max, LINE_MAX)
  local parts = {}
  local deadline = core.now() + check.seconds("timeout", timeout, READ_TIMEOUT)
  local how, err = fill(self, parts, max + 1, nil, deadline, END)
  local data = table.concat(parts)
  if how == "eof" then return data end
  if how == "full" then
    err = failure("read", "EMSGSIZE", "protocol", ("more than %d bytes came"):format(max))
  end
  return nil, err, data
end

local function send(self, data, timeout, urgent)
  if type(data) ~= "string" then
    error(("data: a string expected, got %s"):format(type(data)), 3)
  end
  if self:raw_mode() ~= "auto" then return strings().send(self, data) end
  local deadline = core.now() + check.seconds("timeout", timeout, READ_TIMEOUT)
  if #data > 0 then
    local state = self:state()
    if not self:raw_error() and not SENDS[state] then
      return nil, failure("send", "EPIPE", "usage", "this side of the connection is shut down")
    end
  end
  local at = 1 + self:raw_write(data, 1, urgent)
  if at > #data then return true end
  local function more()
    at = at + self:raw_write(data, at, urgent)
    return at > #data
  end
  return await(self, more, deadline, "send", ROOM)
end

--- Hands all of `data` to the connection, waiting for room in its buffer.
function conn:send(data, timeout)
  return send(self, data, timeout)
end

--- The same, and what it ends is urgent (URG, RFC 9293 3.8.5; RFC 6093 says why not to use it).
function conn:send_urgent(data, timeout)
  return send(self, data, timeout, true)
end

--- Ends this side's stream with a FIN; the other goes on.
function conn:shutdown()
  if self:raw_mode() ~= "auto" then return self:inject { flags = "F." } and true end
  self:raw_shutdown()
  return true
end

local function over(self)
  local state = self:state()
  return state == "CLOSED" or state == "TIME-WAIT"
end

local function fine(self) return over(self) and not self:raw_error() end

-- Data that nobody will read means a reset.
local function closed_or_reset(self)
  if self:readable() > 0 then
    self:raw_abort()
    return true
  end
  return fine(self)
end

-- A close that does not come about frees the peer with a reset.
local function finish(self, ok, err)
  if not ok and not self:closed() and not self:raw_error() then self:raw_abort() end
  return ok, err
end

local function read_out(self)
  while self:readable() > 0 do self:raw_read(CHUNK) end
  return self:eof()
end

--- The close that the peer starts: waits for its FIN (which is acknowledged), sends ours, waits for
-- the acknowledgement. Data that still comes is not looked at.
function conn:passive_close(timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, CLOSE_TIMEOUT)
  local ok, err = await(self, read_out, deadline, "close", CLOSING)
  if ok then
    self:shutdown()
    ok, err = await(self, fine, deadline, "close", LAST_ACK)
  end
  return finish(self, ok, err)
end

--- Closes from this side and waits until both have: FIN out, its ACK and their FIN in. Data that
-- nobody has read means a reset instead (RFC 2525 2.17). Closing again does nothing.
function conn:close(timeout)
  if self:closed() then return true end
  local ok, err = true, nil
  local mode = self:raw_mode()
  if mode == "assist" then self:raw_mode "auto" end
  if mode == "manual" then return self:abort() end
  if not self:raw_error() and not over(self) then
    local deadline = core.now() + check.seconds("timeout", timeout, CLOSE_TIMEOUT)
    if self:readable() == 0 then self:raw_shutdown() end
    ok, err = finish(self, await(self, closed_or_reset, deadline, "close", CLOSING))
  end
  free(self)
  return ok, err
end

--- Ends the connection at once with a reset.
function conn:abort()
  if not self:closed() then
    self:raw_abort()
    free(self)
  end
  return true
end

-- A block left by an error does not wait for a peer, nor does a task that is cancelled.
function core.conn_class.__close(self, err)
  if err ~= nil or not task.can_wait() then self:abort() else self:close() end
end

return tcp
