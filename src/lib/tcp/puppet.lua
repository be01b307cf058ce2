--- tcplua.tcp.puppet: a connection's dial, its hooks, and segments made by hand.
--
--     local conn = assert(tcp.connect { dst = dst, port = 80, mode = "assist" })
--     conn:inject { data = "GET " }                  -- what is left out fits the connection
--     conn:inject { seq = 100, data = "far away" }   -- what is given is sent as given
--     conn:mode "auto"                               -- from here on by itself
--
--     conn:on_send(function(s)                       -- every segment on its way out
--       if s.retransmission and s.seq == 1 then s.data = "WRONG" end
--     end)
--
-- The modes say who sends:
--
--     auto     the engine, as ever
--     assist   it opens the connection, acknowledges and answers; the script sends data and FIN
--     manual   the script sends everything; the engine keeps the numbers
--
-- In assist and manual, send and shutdown make their segments at once and wait for nothing; close
-- goes back to auto from assist, and resets from manual.
--
-- A hook sees each segment before it goes on, in order, in any mode. It may change the segment in
-- place, and says by what it returns, or by a method of it, what happens: nothing, and the segment
-- goes on; false, or s:drop(), and it does not; a list of segments or packets, and those go instead
-- ({ s, s } sends it twice); s:delay(seconds); s:hold(), until s:release(). A hook is part of the
-- network: what it changes, the engine does not know, and its timers go on. It may wait, and then
-- later segments of that direction wait too. What it raises ends the script.
local check = require "tcplua.check"
local core = require "tcplua.core"
local segment = require "tcplua.tcp.segment" -- loads tcplua.packet, which raw_held makes
local task = require "tcplua.task"
local verdict = require "tcplua.verdict"
require "tcplua.tcp" -- whose stand-ins are replaced here

local conn = core.conn_class.__index

-- Called for each segment: not looked up each time.
local raw_held, raw_receive, raw_transmit = conn.raw_held, conn.raw_receive, conn.raw_transmit
local next, rawget, running, setmetatable = next, rawget, coroutine.running, setmetatable

local puppet = {}
puppet.__index = puppet

local LIMIT = 64 << 20 -- bytes of segments that are kept

local puppets = setmetatable({}, { __mode = "k" }) -- by connection

local MASK, HALF = 0xffffffff, 0x7fffffff

local HOOKS = { out = "on_send", ["in"] = "on_receive" }

local LETTERS = { F = 1, S = 2, R = 4, P = 8, ["."] = 16, U = 32, E = 64, W = 128, e = 256 }

-- What belongs to the initial sequence numbers; once both are known they stay.
function puppet:base()
  local base = self.bases
  if base.irs or self.conn:closed() then return base end
  local info = self.conn:info()
  base.iss = info.iss
  if info.heard then base.irs = info.irs end
  return base
end

-- Sends, or takes in, what the hook has let go on; segment:release() does it later.
local function pass(self, direction, packet)
  if self.gone then return end
  if direction == "out" then
    local sent, err = raw_transmit(self.conn, packet)
    if not sent then error(err, 0) end
  else
    raw_receive(self.conn, packet)
  end
end

puppet.pass = pass

-- The packet of what a hook says should go on; nil if it is none.
local function packet_of(value)
  local meta = getmetatable(value)
  if meta == segment then return value.packet end
  return type(meta) == "table" and meta.__name == "tcplua.packet" and value or nil
end

-- What a hook has returned: a list of packets; nil if it is none.
local function packets_of(said)
  local one = packet_of(said)
  if one then return { one } end
  if type(said) ~= "table" then return nil end
  local packets, count = {}, 0
  for _ in pairs(said) do count = count + 1 end
  for i = 1, count do
    packets[i] = packet_of(said[i])
    if not packets[i] then return nil end
  end
  return packets
end

local function shown(value)
  if type(value) == "string" then return verdict.quote(value, 20) end
  if type(value) ~= "table" then return tostring(value) end
  return next(value) == nil and "an empty table" or "a table that is no such list"
end

-- Follows what the hook `f` has said about one segment.
local function follow(self, s, said, f)
  local fate = rawget(s, "fate")
  if fate == "hold" then rawset(s, "fate", "held") end
  if fate == "drop" or fate == "hold" or said == false then return end
  if fate == "delay" then
    local delayed
    delayed = task.spawn(function()
      task.sleep(s.seconds)
      self.delayed[delayed] = nil
      pass(self, s.direction, s.packet)
    end)
    self.delayed[delayed] = true
    return
  end
  if said == nil or said == true then return pass(self, s.direction, s.packet) end
  local packets = packets_of(said)
  if not packets then
    local at = debug.getinfo(f, "S")
    error(("%s:%d: %s: this hook returned %s; it returns nothing, false, or a list of segments"
      .. " and packets"):format(at.short_src, at.linedefined, HOOKS[s.direction],
      core.escape(shown(said))), 0)
  end
  for _, packet in ipairs(packets) do pass(self, s.direction, packet) end
end

-- Whether a segment with all of its numbers was seen before: the `span` of them from `first` on.
-- What lies ahead of a hole is known by where it begins; `next` is where the first hole does.
local function again(history, direction, first, span)
  if span == 0 then return false end
  local seen = history[direction]
  if not seen then
    seen = { next = first, starts = {} }
    history[direction] = seen
  end
  local starts = seen.starts
  local known = (seen.next - first) & MASK
  if known > HALF then known = 0 end
  if span <= known or (starts[first] or 0) >= span then return true end
  if first == seen.next and next(starts) == nil then -- as nearly all are
    seen.next = (first + span) & MASK
    return false
  end
  starts[first] = span
  while starts[seen.next] do -- the hole is filled, and perhaps more
    local more = starts[seen.next]
    starts[seen.next] = nil
    seen.next = (seen.next + more) & MASK
  end
  if known > 0 then
    seen.next = (first + span) & MASK
    starts[first] = nil
  end
  return false
end

-- Hands what waits in a direction to its hook, and what comes while that waits.
local function serve(self, direction)
  local this, hooks, passed, came = self.conn, self.hooks, self.passed, self.came
  local more = true
  while (more or came[direction]) and not self.gone do
    came[direction] = false
    local packet, first, span
    packet, first, span, more = raw_held(this, direction)
    if not packet then break end
    local s = setmetatable({ puppet = self, packet = packet, direction = direction,
      retransmission = again(passed, direction, first, span) }, segment)
    local hook = hooks[direction]
    local said = hook and hook(s)
    if said == nil and not rawget(s, "fate") then
      pass(self, direction, packet)
    else
      follow(self, s, said, hook)
    end
  end
end

-- Whether somebody does: a thread in which a hook has raised is dead, and does no more.
local function is_served(self, direction)
  local thread = self.serving[direction]
  return thread ~= nil and coroutine.status(thread) ~= "dead"
end

-- The same at once, in the thread that asks for it, unless somebody does already.
local function serve_here(self, direction)
  if is_served(self, direction) then return end
  self.serving[direction] = running()
  local ok, err = pcall(serve, self, direction)
  self.serving[direction] = nil
  if not ok then error(err, 0) end
end

-- Something waits for the hooks: they are served by tasks, so that they may wait.
local function rouse(self, direction)
  self.came[direction] = true
  local made = self.servants[direction]
  if not made or made.done then
    made = task.servant(function()
      if self.gone or is_served(self, direction) then return end
      self.serving[direction] = running()
      serve(self, direction)
      self.serving[direction] = nil
    end)
    self.servants[direction] = made
  end
  made:rouse()
end

-- The state before the first segment, if that is the one which opens the connection.
local function before(s)
  if s.tcp and s.flags:find "S" then return s.direction == "out" and "CLOSED" or "LISTEN" end
end

-- Moves what was seen into the list. Hooked segments were looked at before they were sent.
function puppet:drain()
  if self.conn:closed() then return end
  while true do
    local packet, first, span, dropped, state = self.conn:raw_seen()
    if not packet then break end
    self.bytes = self.bytes + #packet
    if self.bytes > LIMIT then self.unkept = self.unkept + 1 end
    self.dropped = dropped + self.unkept
    if self.bytes <= LIMIT then
      local s = segment.new(self, packet, packet.direction)
      local list = self.list
      rawset(s, "index", #list + 1)
      if not self.bases.irs and packet.direction == "in" and s.tcp and s.flags:find "S" then
        self.bases.irs = s.tcp.seq
      end
      rawset(s, "retransmission", again(self.seen, packet.direction, first, span))
      rawset(s, "was", self.state or before(s) or state)
      rawset(s, "state", state)
      self.state = state
      list[#list + 1] = s
    end
  end
  self:base()
end

--- The strings of a connection, made by the first thing that pulls them.
function puppet.of(self)
  local strings = puppets[self]
  if not strings then
    if getmetatable(self) ~= core.conn_class then
      check.fail(("a connection expected, got %s"):format(type(self)))
    end
    strings = setmetatable({
      conn = self, bases = {}, hooks = {}, servants = {}, serving = {}, came = {}, passed = {},
      delayed = {},
      seen = {}, list = {}, bytes = 0, unkept = 0, dropped = 0,
      gone = false, ended = "the connection is closed",
    }, puppet)
    puppets[self] = strings
    strings:base()
  end
  return strings
end

-- Ends what would go on with a segment later: those that are delayed, and hooks that wait, but for
-- the one that runs.
local function end_tasks(strings)
  for delayed in pairs(strings.delayed) do delayed:cancel() end
  strings.delayed = {}
  for _, made in pairs(strings.servants) do
    if made.thread ~= running() then made:cancel() end
  end
  strings.servants = {}
end

--- Before a connection is let go of: what was seen stays, and where it ended; what waits for a hook
-- that does not wait itself goes on. Raises what such a hook raises, when that is done.
function puppet.let_go(self)
  local strings = puppets[self]
  if not strings or self:closed() then return end
  local ok, err = true, nil
  for direction in pairs(HOOKS) do
    if ok and strings.hooks[direction] then ok, err = pcall(serve_here, strings, direction) end
  end
  strings:drain()
  local i = self:info()
  local file, line = verdict.place()
  strings.flow = ("%s.%d > %s.%d"):format(i.src, i.sport, i.dst, i.dport)
  strings.gone = true
  strings.ended = ("the script has closed the connection%s"):format(
    file and (" at %s:%d"):format(file, line) or "")
  end_tasks(strings)
  if not ok then error(err, 0) end
end

--- Who sends: "auto", "assist" or "manual". With a name it is that from now on; returns it.
function conn:mode(...)
  local mode, name = self:raw_mode(), ...
  if select("#", ...) == 0 then return mode end
  if type(name) ~= "string" then
    check.fail('mode: "auto", "assist" or "manual" expected, got ' .. type(name))
  end
  return self:raw_mode(name)
end

local function hook(self, direction, f)
  if f ~= nil and type(f) ~= "function" then
    check.fail(("%s: a function expected, got %s"):format(HOOKS[direction], type(f)))
  end
  local strings = puppet.of(self)
  if not f and strings.hooks[direction] then
    serve_here(strings, direction) -- what waits goes on
  end
  strings.hooks[direction] = f
  self:raw_hook(direction, f ~= nil)
  task.serve(self, function(out, back)
    if out then rouse(strings, "out") end
    if back then rouse(strings, "in") end
  end)
end

--- Calls `f` with each segment on its way out, from now on; nil ends that.
function conn:on_send(f) hook(self, "out", f) end

--- Calls `f` with each segment that has come in, before the engine sees it; nil ends that.
function conn:on_receive(f) hook(self, "in", f) end

--- Every segment of the connection so far, in both directions, in the order of the wire: those
-- sent as they left, those received as they came, bad checksums and ICMP errors about it too. Kept
-- from the SYN on if the connection was opened with `watched`, or in assist or manual; else from
-- the first call on. The second result is how many did not fit into memory.
function conn:segments()
  local strings = puppet.of(self)
  if not self:closed() then self:raw_watch(true) end
  strings:drain()
  return strings.list, strings.dropped
end

local function flag_bits(text)
  if type(text) ~= "string" then
    check.fail("flags: a string such as \"P.\" expected, got " .. type(text))
  end
  local bits = 0
  for letter in text:gmatch(".") do
    if not LETTERS[letter] then
      check.fail(("flags: '%s' is none of FSRP.UEWe"):format(core.escape(letter)))
    end
    bits = bits | LETTERS[letter]
  end
  return bits
end

-- What a segment is by default: the next one of the handshake, or one that acknowledges.
local function usual_flags(self, data)
  local info = self:info()
  local begun, heard = info.snd_nxt ~= info.iss, info.heard
  if not begun then return heard and "S." or "S" end
  return type(data) == "string" and #data > 0 and "P." or "."
end

-- What stands on the connection for the fields that were left out.
local function make(self, fields)
  local flags = fields.flags or usual_flags(self, fields.data)
  local packet = self:raw_draft(flag_bits(flags))
  local s = segment.new(puppet.of(self), packet, "out")
  for name, value in pairs(fields) do
    if fields.absolute and (name == "seq" or name == "ack") then
      s.tcp[name] = segment.number(name, value)
    elseif name ~= "flags" and name ~= "absolute" then
      segment.set(s, name, value)
    end
  end
  return s
end

-- The segment that has just left says which line of the script made it. Returns it; nil if it waits
-- for a hook.
local function mark_by_hand(strings, bytes)
  strings:drain()
  local last = strings.list[#strings.list]
  if last and last.direction == "out" and last.packet:bytes() == bytes then
    local file, line = verdict.place()
    rawset(last, "by_hand", ("%s:%d"):format(file or "?", line or 0))
    return last
  end
end

--- Sends a segment made by hand, and returns it. A table of fields: flags ("P." with data, else
-- "."; the handshake's at the beginning), seq, ack (relative; with absolute = true as they are),
-- win, data, options, and any other field of the TCP or the IP header; what is left out comes from
-- the connection's state. Or a string, as "P. 1:5(4) ack 1 win 500 <mss 1460>"; or a packet.
function conn:inject(what, data)
  local s
  if type(what) == "userdata" then
    s = segment.new(puppet.of(self), what, "out")
  else
    if type(what) == "string" then
      what = require "tcplua.expect.notation".fields(what)
      what.data = data or what.data
    end
    s = make(self, check.options(what))
  end
  local strings = puppet.of(self)
  local thread = running()
  local inside = strings.serving.out == thread or strings.serving["in"] == thread
  local send = inside and self.raw_transmit or self.raw_inject -- no hook sees its own
  local packet_bytes = check.packet(s.packet)
  local ok, err = send(self, packet_bytes)
  if not ok then return nil, err end
  -- Expectations measure from here.
  local sent = mark_by_hand(strings, packet_bytes)
  strings.event = sent and sent.time or core.wall()
  rawset(s, "time", strings.event)
  rawset(s, "index", sent and sent.index)
  return s
end

--- Sends data by hand, in as many segments as the peer's MSS asks for.
function puppet.send(self, data)
  local most = self:info().snd_mss
  for at = 1, #data, most do
    local last = at + most > #data
    local ok, err = self:inject { flags = last and "P." or ".", data = data:sub(at, at + most - 1) }
    if not ok then return nil, err end
  end
  return true
end

return puppet
