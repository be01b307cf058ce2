--- tcplua.net.sniffer: packets as they pass: one by one, as a list, to a function, or only counted.
--
--     local list, report = assert(net.sniff { iface = "eth0", filter = "tcp", count = 10 })
--
--     local sniffer <close> = assert(net.sniffer { iface = { "eth0", "eth1" } })
--     sniffer:start()                         -- collects whenever this script waits for anything
--     …
--     local list, report = assert(sniffer:stop())
--
-- net.sniff, net.sniffer and net.count have these fields; the functions are not for net.count:
--
--     iface        the name of an interface, or a list of names (default: that of -i)
--     link         instead of it a link, or a list of links; what is sniffed is taken from them
--     filter       in libpcap's language, done by the kernel; not with `link`
--     where        function(packet): whether it is wanted. All that follows is for wanted packets
--     each         function(packet)
--     keep         whether they go into the list (default: unless there is `each`); of several
--                  interfaces it is sorted by time at the end
--     stop         function(packet): whether this was the last one
--     count        end after so many
--     timeout      end after so many seconds (default: 10, and never for net.sniffer)
--     snaplen      bytes to keep of a packet (default: 262144, and 256 for net.count)
--     buffer       bytes that the kernel may fill while nobody reads, per interface, from 1 MiB
--                  (default: 32 MiB, which is 220,000 packets of 60 bytes)
--     promiscuous  packets for other MAC addresses too (default: false)
--     immediate    see below
--     quiet        nothing on standard error about packets that were dropped
--
-- The report has packets and bytes (what came, as long as it was on the wire, wanted or not),
-- matched (wanted), dropped (came too fast for the buffer: came and matched the filter, but nobody
-- will see them) and seconds. What was dropped is also said on standard error. When an interface
-- goes away the results are nil, an error, and then those of before.
--
-- The kernel hands packets over in blocks, for one by one it could hold only a few hundred, and a
-- burst would be lost. It closes a block when it is full, or ten to twenty milliseconds after its
-- first packet: so long a lone one waits. There are 128 blocks in 32 MiB: a script that waits for
-- nothing for a second loses none of a few packets, nor of 200,000. Where milliseconds are too
-- long: immediate = true, which has room for 256 packets in 64 MiB.
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"
require "tcplua.packet" -- which raw_packet makes

local GATHER <const> = 0.01 -- seconds until a block is closed
local TICKS <const> = 0.02 -- what the kernel's clock may add to that
local SLICE <const> = 0.005 -- seconds of work before others have their turn
local LOOK <const> = 64 -- packets between two looks at the clock
local BATCH <const> = 4096 -- packets counted between them
local HEADERS <const> = 256 -- bytes of a packet that is only counted

local sniffer = {}
sniffer.__index = sniffer

-- What each field takes; "": looked at where it is used.
local FIELDS <const> = {
  iface = "", link = "", count = "", timeout = "", filter = "string", where = "function",
  each = "function", stop = "function", keep = "boolean", snaplen = "number", buffer = "number",
  promiscuous = "boolean", immediate = "boolean", quiet = "boolean",
}
local COUNTING <const> = {} -- the fields of net.count
for name, wanted in pairs(FIELDS) do
  if wanted ~= "function" and name ~= "keep" then COUNTING[name] = wanted end
end

-- --- taking --------------------------------------------------------------------------------------
-- Each takes what is there for at most a slice, and returns true if there may be more, nil if there
-- is no more now, and false if what is there came after the end.

local function failed(self, err)
  self.failure, self.done = err, true
end

local function take(self, link, slice)
  local where, each, list, stop, limit = self.where, self.each, self.list, self.ends, self.limit
  local raw_packet = link.raw_packet
  repeat
    for _ = 1, LOOK do
      local packet, err = raw_packet(link, self.last)
      if not packet then
        if err then failed(self, err) end
        return packet
      end
      if not where or where(packet) then
        local n = self.matched + 1
        self.matched = n
        if list then list[n] = packet end
        if each then each(packet) end
        if n >= limit or (stop and stop(packet)) then
          self.done = true
          return true
        end
      end
    end
  until core.now() >= slice
  return true
end

local function tally(self, link, slice)
  repeat
    local most = math.min(BATCH, self.limit - self.matched)
    local n, past, err = link:raw_count(most, self.last)
    self.matched = self.matched + n
    if err then return failed(self, err) end
    if self.matched >= self.limit then
      self.done = true
    elseif past then
      return false
    elseif n < most then
      return nil
    end
  until self.done or core.now() >= slice
  return true
end

-- What the kernel has of before the end, it has handed over after `lag` seconds.
local function drain(self)
  local links, final = self.links, core.now() + self.lag
  repeat
    local now, rest, busy = core.now(), {}, false
    for _, link in ipairs(links) do
      local more = self.take(self, link, now + SLICE)
      if self.done then return end
      busy = busy or more
      if more ~= false then rest[#rest + 1] = link end
    end
    links = rest
    if #links > 0 and (busy or now < final) then
      task.wait(links, busy and now or final, "packets that were captured")
    end
  until #links == 0 or (now >= final and not busy)
end

-- --- the end -------------------------------------------------------------------------------------

local function sort(list)
  local times, order, sorted = {}, {}, {}
  for i, packet in ipairs(list) do times[i], order[i] = packet.time, i end
  table.sort(order, function(a, b)
    if times[a] ~= times[b] then return times[a] < times[b] end
    return a < b
  end)
  for i, at in ipairs(order) do sorted[i] = list[at] end
  return sorted
end

-- Nothing later than `at`, on core.now()'s clock, belongs to it.
local function ending(self, at)
  if self.ended then return end
  self.ended = at
  self.last = core.wall() - (core.now() - at)
end

-- Looks at the counters one last time and closes what was opened here.
local function finish(self)
  if self.report then return end
  local report = { packets = 0, bytes = 0, matched = self.matched, dropped = self:drops() }
  report.seconds = math.max(0, (self.ended or core.now()) - self.began)
  for i, link in ipairs(self.links) do
    local packets, bytes = link:raw_taken()
    report.packets = report.packets + packets - self.before[i].packets
    report.bytes = report.bytes + bytes - self.before[i].bytes
    if self.own then link:close() end
  end
  self.report = report
  if report.dropped > 0 and not self.quiet then
    io.stderr:write(("tcplua: %s: %d packets were dropped, they came faster than they were taken: "
      .. "a larger buffer or a narrower filter may help\n"):format(self, report.dropped))
  end
end

local function results(self)
  if self.counting then
    if self.failure then return nil, self.failure, self.report end
    return self.report
  end
  if self.failure then return nil, self.failure, self.list or {}, self.report end
  return self.list or {}, self.report
end

local guard = { __close = function(held) finish(held.sniffer) end }

-- Takes packets until it is told to end; ends when one of the functions raises, too.
local function collect(self)
  local _ <close> = setmetatable({ sniffer = self }, guard)
  local deadline = core.now() + self.timeout
  while not (self.done or self.ended) do
    local slice = core.now() + SLICE
    for _, link in ipairs(self.links) do
      self.take(self, link, slice)
      if self.done then break end
    end
    if not self.done and core.now() >= deadline then ending(self, deadline) end
    if not (self.done or self.ended) then task.wait(self.sources, deadline, "packets") end
  end
  if not self.done then drain(self) end
  finish(self)
  if #self.links > 1 and self.list then self.list = sort(self.list) end
  return results(self)
end

-- --- the object ----------------------------------------------------------------------------------

-- What `value` names, as a list.
local function list_of(name, value, what, good)
  local list = type(value) == "table" and not getmetatable(value) and value or { value }
  local seen = {}
  for _, one in ipairs(check.list(name, list)) do
    if not good(one) then
      check.fail(("%s: %s or a list of them expected, got %s"):format(name, what, type(one)))
    end
    if seen[one] then
      check.fail(("%s: %s is in the list twice"):format(name, core.escape(tostring(one))))
    end
    seen[one] = true
  end
  if #list == 0 then check.fail(name .. ": the list is empty") end
  return list
end

local function is_name(value) return type(value) == "string" end
local function is_link(value) return getmetatable(value) == core.link_class end

-- Opens the captures: true, or nil and an error. A name that is false is that of -i.
local function arm(self, options, names)
  self.own, self.lag = true, options.immediate and 0 or 2 * GATHER + TICKS
  for i = 1, #names do
    local link, err = core.open_capture {
      iface = names[i] or nil, filter = options.filter, promiscuous = options.promiscuous,
      immediate = options.immediate, gather = GATHER, buffer = options.buffer,
      snaplen = options.snaplen or self.counting and HEADERS or nil,
    }
    if not link then
      for _, opened in ipairs(self.links) do opened:close() end
      return nil, err
    end
    self.links[i] = link
  end
  return true
end

-- Makes a sniffer of `options` that ends after `timeout` seconds, and hands it to `use`.
local function open(options, use, timeout, counting)
  local fields = counting and COUNTING or FIELDS
  options = check.options(options, fields)
  for name, value in pairs(options) do
    local wanted = fields[name]
    if wanted ~= "" and type(value) ~= wanted then
      check.fail(("%s: a %s expected, got %s"):format(name, wanted, type(value)))
    end
  end
  local self = {
    links = {}, before = {}, names = {}, turn = 0, matched = 0, own = false, lag = 0,
    counting = counting,
    take = counting and tally or take, where = options.where, each = options.each,
    ends = options.stop, quiet = options.quiet,
    limit = check.count("count", options.count, math.huge),
    timeout = check.seconds("timeout", options.timeout, timeout),
  }
  if not counting and (options.keep or (options.keep == nil and not self.each)) then
    self.list = {}
  end
  if options.link then
    for _, name in ipairs { "iface", "filter", "snaplen", "buffer", "promiscuous", "immediate" } do
      if options[name] ~= nil then
        check.fail(name .. ": it is for a capture on an interface, and does not go with `link`")
      end
    end
    for i, link in ipairs(list_of("link", options.link, "a link", is_link)) do
      self.links[i] = link
    end
  else
    local names = options.iface == nil and { false }
      or list_of("iface", options.iface, "a name", is_name)
    local armed, err = arm(self, options, names)
    if not armed then return nil, err end
  end
  for i, link in ipairs(self.links) do
    local packets, bytes = link:raw_taken()
    self.names[i] = link:iface() or "a link"
    self.before[i] = { packets = packets, bytes = bytes, drops = self.own and 0 or link:drops() }
  end
  self.sources = table.move(self.links, 1, #self.links, 2, { self })
  self.began = core.now()
  return use(setmetatable(self, sniffer))
end

local function check_open(self)
  if self.report then error("attempt to use a closed sniffer", 3) end
end

-- The next packet of a link that is wanted; nil if there may be one behind those that were looked
-- at, false (and an error, if the link is gone) if there are no more now.
local function look(self, link)
  for _ = 1, LOOK do
    local packet, err = link:raw_packet()
    if not packet then return false, err end
    if not self.where or self.where(packet) then return packet end
  end
  return nil
end

--- The next packet that is wanted, its time and its direction; waits at most `timeout` seconds (1).
-- Of the functions only `where` is asked, and count and timeout do not matter.
function sniffer:recv(timeout)
  timeout = check.seconds("timeout", timeout, 1)
  check_open(self)
  if self.task then error("recv: a started sniffer takes its packets itself", 2) end
  local deadline = core.now() + timeout
  while true do
    local busy = false
    for _ = 1, #self.links do
      self.turn = self.turn % #self.links + 1
      local packet, err = look(self, self.links[self.turn])
      if packet then
        self.matched = self.matched + 1
        return packet, packet.time, packet.direction
      end
      if err then return nil, err end
      busy = busy or packet == nil
    end
    local now = core.now()
    local goes_on = now < deadline + SLICE
    if not busy then
      goes_on = task.wait(self.sources, deadline, "a packet")
    elseif goes_on then
      task.wait(nil, now) -- the others' turn
    end
    if not goes_on then
      return nil, core.error {
        code = "ETIMEDOUT", message = ("no packet within %g s"):format(timeout),
      }
    end
  end
end

--- Collects from here on in a task of its own, whenever the script waits for anything. Returns the
-- sniffer.
function sniffer:start()
  check_open(self)
  if self.task then error("start: it has been started already", 2) end
  self.task = task.spawn(collect, self)
  return self
end

--- Ends it, once all is taken that came before, and gives the list and the report; a sniffer that
-- was not started gives what has come so far. May be repeated.
function sniffer:stop()
  if self.closed or not self.task then check_open(self) end
  if not self.task then self:start() end
  ending(self, core.now())
  task.notify(self)
  return self.task:join()
end

--- Waits until a started one has ended by itself, and gives the same; after `timeout` seconds nil
-- and an error of code ETIMEDOUT.
function sniffer:join(timeout)
  if not self.task then error("join: it has not been started", 2) end
  return self.task:join(timeout)
end

--- Packets that were dropped so far, because they came faster than they were taken.
function sniffer:drops()
  if self.report then return self.report.dropped end
  local drops = 0
  for i, link in ipairs(self.links) do drops = drops + link:drops() - self.before[i].drops end
  return drops
end

--- Ends it without waiting for anything; may be repeated.
function sniffer:close()
  if self.task and not self.task.done then
    self.closed = true
    self.task:cancel()
  end
  finish(self)
end

sniffer.__close = sniffer.close
sniffer.__gc = sniffer.close

function sniffer:__tostring()
  return "sniffer on " .. table.concat(self.names, ", ")
end

local function as_it_is(self) return self end

return {
  sniffer = function(options) return open(options, as_it_is, math.huge) end,
  sniff = function(options) return open(options, collect, 10) end,
  count = function(options) return open(options, collect, 10, true) end,
}
