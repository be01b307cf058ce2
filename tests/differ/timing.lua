--- timing: when the kernel's TCP and ours send again, probe and acknowledge, side by side.
--
--     tcplua --lab tests/differ/timing.lua KERNEL_END
--
-- A scripted peer falls silent, shuts its window or sends by drops, and writes down what comes and
-- how long after the segment before. All scenarios run at once, on both, in real time. What is sent
-- must be alike, and the times those that the RFC named beside it has, within SLACK: a busy machine
-- keeps no better time. A difference that a clause allows is said there.
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local task = require "tcplua.task"
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local applications = dofile(here .. "applications.lua")
local kernel, ours = applications.kernel, applications.ours

local SLACK <const> = 0.12 -- seconds, beside 4 ms that the kernel's timers are coarse
local PROGRAM <const> = ...
local ISS <const> = 1000000

local function skip(reason)
  print("skipped: " .. reason)
  os.exit(77)
end

-- --- the peer -----------------------------------------------------------------------------------

local peer = {}
peer.__index = peer
local next_port = 2000

local function peer_new(application)
  next_port = next_port + 1
  return setmetatable({ app = application, sport = next_port, nxt = 0, rcv = 0, log = {},
    wire = assert(net.open { src = application.peer, dst = application.addr, sport = next_port }),
  }, peer)
end

function peer:send(flags, length, win)
  local ip = self.app.addr:find ":" and p.ip6 or p.ip
  assert(self.wire:send(ip { src = self.app.peer, dst = self.app.addr } / p.tcp {
    sport = self.sport, dport = self.port, flags = flags, win = win or 65535,
    seq = ISS + self.nxt, ack = flags:find("%.") and self.irs + self.rcv or 0,
    options = flags == "S" and { { "mss", 1000 } } or nil,
  } / ("x"):rep(length or 0)))
  self.nxt = self.nxt + (length or 0) + (flags:find "[SF]" and 1 or 0)
  self.last = core.now()
end

-- Writes down one segment; false if none comes in time.
function peer:take(seconds)
  local packet = self.wire:recv(seconds)
  if not packet then return false end
  local segment = packet.tcp
  local flags = segment.flags
  if flags:find "S" then self.irs = segment.seq end
  local now = core.now()
  self.log[#self.log + 1] = {
    text = ("%s %d+%d"):format(flags, segment.seq - self.irs, #packet.payload),
    after = now - (self.last or now),
  }
  self.last = now
  return true
end

-- Writes down `count` segments at most.
function peer:watch(count, seconds)
  for _ = 1, count do
    if not self:take(seconds) then return end
  end
end

function peer:open()
  self.port = self.app:listen()
  self:send "S"
  assert(self:take(2), "no SYN-ACK")
  self.rcv = 1
  self:send "."
  assert(self.app:accept(2), "no connection")
  self.log = {}
end

-- --- scenarios ----------------------------------------------------------------------------------

-- `ours` are the times from one segment to the next, each a number or { low, high }; where Linux
-- differs, `linux` are its times or `sent` what it sends, and `differ` says what allows ours.
local scenarios <const> = {
  {
    name = "a SYN without an answer", clause = "RFC 6298 2.1, 5.5: 1 s, then twice as long",
    run = function(self)
      self.port = self.app:connect(self.sport)
      self:watch(3, 5)
    end,
    ours = { 0, 1, 2 }, linux = { 0, 1, 1 },
    differ = "Linux's first four come each second (tcp_syn_linear_timeouts); RFC 6298 5.5 doubles",
  },
  {
    name = "a SYN-ACK without an answer", clause = "RFC 6298 2.1, 5.5",
    run = function(self)
      self.port = self.app:listen()
      self:send "S"
      self:watch(3, 5)
    end,
    ours = { 0, 1, 2 },
  },
  {
    name = "data without an answer", clause = "RFC 6298 5.5, with a minimum of 200 ms",
    run = function(self)
      self:open()
      self.app:write(20)
      self:watch(5, 5)
    end,
    ours = { { 0, 5 }, 0.2, 0.4, 0.8, 1.6 },
  },
  {
    name = "a FIN without an answer", clause = "RFC 6298 5.5",
    run = function(self)
      self:open()
      self.app:shutdown()
      self:watch(4, 5)
    end,
    ours = { { 0, 5 }, 0.2, 0.4, 0.8 },
  },
  {
    name = "a window of zero", clause = "RFC 9293 3.8.6.1: a probe after an RTO, then doubling",
    run = function(self)
      self:open()
      self:send(".", 0, 0)
      task.sleep(0.1)
      self.app:write(20)
      self.last = core.now()
      self:watch(4, 5)
    end,
    ours = { 0.2, 0.4, 0.8, 1.6 },
    sent = ". 0+0, . 0+0, . 0+0, . 0+0",
    differ = "Linux probes with a number that is acknowledged; ours with the next byte (3.8.6.1)",
  },
  {
    name = "nothing to say", clause = "RFC 9293 3.8.4: three probes, then a reset",
    options = { keepalive = 1, keepalive_interval = 1, keepalive_probes = 3 }, -- ours
    run = function(self)
      self:open()
      if self.app.keepalive then self.app:keepalive(1, 1) end
      self.last = core.now()
      self:watch(4, 1.5)
    end,
    ours = { 1, 1, 1, 1 },
    sent = ". 0+0, . 0+0, . 0+0, R. 1+0",
  },
  {
    name = "one segment, then another", clause = "RFC 9293 3.8.6.3: the first ACKs wait for none",
    run = function(self)
      self:open()
      for _ = 1, 3 do
        self:send("P.", 10)
        self:watch(1, 2)
      end
    end,
    ours = { 0, 0, 0 },
  },
  {
    name = "a talk of twenty, whose ACKs may wait", clause = "RFC 9293 3.8.6.3: less than 0.5 s",
    run = function(self)
      self:open()
      for _ = 1, 20 do
        self:send("P.", 10)
        self:watch(1, 2)
      end
      self.log = { self.log[#self.log] }
    end,
    ours = { { 0, 0.25 } },
  },
  {
    name = "half-closed: data, then the FIN", clause = "RFC 9293 3.6, 3.9.1",
    run = function(self)
      self:open()
      self.app:shutdown()
      self:watch(1, 2)
      self.rcv = 2
      self:send "."
      self:send("P.", 10)
      self:watch(1, 2)
      self:send "F."
      self:watch(2, 1)
    end,
    ours = { { 0, 5 }, { 0, 0.25 }, { 0, 0.25 } },
  },
}

-- --- the run ------------------------------------------------------------------------------------

local function setting(name, value)
  local file = io.open("/proc/sys/net/ipv4/" .. name, "w")
  if not file or not file:write(value) or not file:close() then
    skip(("net.ipv4.%s cannot be set here"):format(name))
  end
end

local function play(application, scenario)
  local self = peer_new(application)
  local ok, err = pcall(scenario.run, self)
  application:reset()
  self.wire:close()
  if not ok then self.log[#self.log + 1] = { text = tostring(err), after = 0 } end
  return self.log
end

-- nil, or what is wrong with the times.
local function judge(log, times)
  if #log ~= #times then return ("%d segments, not %d"):format(#log, #times) end
  for i, wanted in ipairs(times) do
    local low, high = wanted, wanted
    if type(wanted) == "table" then low, high = wanted[1], wanted[2] end
    local after = log[i].after
    if after < low - 0.01 or after > high + math.max(SLACK, high / 8) then
      return ("segment %d after %.3f s"):format(i, after)
    end
  end
end

local function text_of(log)
  local list, times = {}, {}
  for i, row in ipairs(log) do
    list[i] = row.text
    times[i] = ("%s at %.3f"):format(row.text, row.after)
  end
  return table.concat(list, ", "), table.concat(times, ", ")
end

local function attempt(scenario)
  local options = scenario.options or {}
  options.rack = false -- no probe of ours either
  local linux, engine = kernel.new(scenario.six), ours.new(options, scenario.six)
  local one = task.spawn(function() scenario.seen = play(linux, scenario) end)
  scenario.got = play(engine, scenario)
  one:join()
  linux.control:close()
  local left, left_times = text_of(scenario.seen)
  local right, right_times = text_of(scenario.got)
  scenario.times = ("Linux %s\n    ours  %s"):format(left_times, right_times)
  scenario.why = left ~= (scenario.sent or right) and "other segments"
    or judge(scenario.got, scenario.ours)
    or judge(scenario.seen, scenario.linux or scenario.ours)
end

if not net.interface "srv0" then skip "no namespace to be had here" end
setting("tcp_early_retrans", 0) -- no tail loss probe
local program = applications.start(PROGRAM)

local function all(list)
  local tasks = {}
  for i, scenario in ipairs(list) do tasks[i] = task.spawn(attempt, scenario) end
  for _, one in ipairs(tasks) do one:join() end
  local left = {}
  for _, scenario in ipairs(list) do
    if scenario.why then left[#left + 1] = scenario end
  end
  return left
end

for i = 1, #scenarios do
  local six = setmetatable({ six = true }, { __index = scenarios[i] })
  six.name = scenarios[i].name .. ", IPv6"
  scenarios[#scenarios + 1] = six
end

-- A machine that was too busy to keep the time is no difference: what failed is tried again.
local left = all(scenarios)
for _ = 1, 2 do left = #left > 0 and all(left) or left end
program:close()
for _, scenario in ipairs(scenarios) do
  print(("%s: %s (%s)\n    %s%s"):format(scenario.why and "not ok" or "ok", scenario.name,
    scenario.why or scenario.clause, scenario.times,
    scenario.differ and "\n    " .. scenario.differ or ""))
end
os.exit(#left == 0 and 0 or 1)
