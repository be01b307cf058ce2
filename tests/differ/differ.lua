--- differ: the same segments to the kernel's TCP and to ours, side by side.
--
--     tcplua --lab tests/differ/differ.lua KERNEL_END
--     TCPLUA_CASES=3000 TCPLUA_SEED=7                  so many, drawn by this seed
--     TCPLUA_ONLY='fin-wait-2 full S. at nxt ts 10'    one, with all that was seen
--     TCPLUA_ROWS=1                                    which case shows which row
--
-- A case is a state and one segment that comes in it: flags, sequence number, acknowledgment
-- number, options, length; one in four goes by IPv6. A scripted peer brings either side into the
-- state, sends the segment, writes down every segment that comes back until it is quiet, and then
-- goes on as if nothing had been: good data or the FIN again, and the application reads and writes.
-- What is written down must be the same, or rows of differences.lua say why not. The cases are
-- drawn from the product of all values by a printed seed.
--
-- Not compared: windows and the time that an ACK is delayed, for both are free choices, and the
-- receiver's own timestamp. Retransmissions are put off so far that none is seen, and no limit on
-- how many answers a stranger gets is met, for each case has a connection of its own.
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local task = require "tcplua.task"
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local differences = dofile(here .. "differences.lua")
local applications = dofile(here .. "applications.lua")
local kernel, ours, ALPHABET = applications.kernel, applications.ours, applications.ALPHABET

local CASES <const> = tonumber(os.getenv("TCPLUA_CASES") or 2000)
local SEED <const> = tonumber(os.getenv("TCPLUA_SEED") or 1)
local ONLY <const> = os.getenv("TCPLUA_ONLY")
local WORKERS <const> = 80
-- No retransmission and no tail loss probe in the time of a case: the kernel's are put off as well.
local LATE <const> = { initial_rto = 5, min_rto = 5, rack = false }
local QUIET <const> = 0.08    -- longer than either side delays an ACK
local PATIENCE <const> = 3    -- for what must come
local PROGRAM <const> = ...

local function skip(reason)
  print("skipped: " .. reason)
  os.exit(77)
end

-- --- the peer ---------------------------------------------------------------------------------

local peer = {}
peer.__index = peer

local next_port = 1024

local function distance(a, b)
  local d = (a - b) & 0xffffffff
  return d < 0x80000000 and d or d - 0x100000000
end

local function peer_new(application, case)
  next_port = next_port < 60000 and next_port + 1 or 1024
  return setmetatable({
    app = application, sport = next_port, full = case.setup == "full",
    wire = assert(net.open { src = application.peer, dst = application.addr, sport = next_port }),
    iss = case.wrap and 0xfffffff0 or 1000000,
    irs = 5000,             -- until the other side has shown its own
    nxt = 0,                -- RCV.NXT of the other side
    una = 0, rcv = 0,       -- its SND.UNA, its SND.NXT
    acked = 0, edge = 65535, -- the highest number that it has acknowledged, its window's right edge
    shift = 0, time = 1000, log = {},
  }, peer)
end

-- The peer's stream: the letter at relative number `seq`.
local function stream(seq, length)
  local from = seq % 26
  return ALPHABET:upper():rep(length // 26 + 2):sub(from + 1, from + length)
end

function peer:timestamp(back)
  self.time = self.time + 1
  return { self.time - (back or 0), self.echo or 0 }
end

function peer:options_for(kind, seq_rcv)
  if kind == "ts" then return { "nop", "nop", { "ts", self:timestamp() } } end
  if kind == "old" then return { "nop", "nop", { "ts", self:timestamp(500) } } end
  local left = self.irs + self.una
  local block = { "sack", { { left + 5 & 0xffffffff, left + 10 & 0xffffffff } } }
  if kind == "sack" then return { "nop", "nop", block } end
  if kind == "ts,sack" then
    return { "nop", "nop", { "ts", self:timestamp() }, "nop", "nop", block }
  end
end

function peer:send(o)
  local kind = o.options
  if kind == nil then kind = self.full and "ts" or "none" end
  local options = type(kind) == "table" and kind or self:options_for(kind)
  local segment = p.tcp {
    sport = self.sport, dport = self.port, flags = o.flags, win = 65535,
    seq = self.iss + o.seq & 0xffffffff,
    ack = o.ack and self.irs + o.ack & 0xffffffff or 0,
    urg = o.flags:find("U", 1, true) and 5 or 0, options = options,
  }
  local ip = self.app.addr:find ":" and p.ip6 or p.ip
  assert(self.wire:send(ip { src = self.app.peer, dst = self.app.addr } / segment
    / stream(o.seq, o.length or 0)))
end

-- A number of the peer's as text: near the window's edge it is counted from there.
function peer:place(number)
  local from = number - (self.mark or 0)
  if self.mark and self.mark > 1000 and from > -300 and from < 300 then
    return ("edge%+d"):format(from)
  end
  return tostring(number)
end

local function options_text(self, segment)
  local list = {}
  for name, value in pairs(segment.options) do
    if name == "ts" then
      list[#list + 1] = value[2] == 0 and "ts" or ("ts ecr %d"):format(value[2])
    elseif name == "sack" then
      local blocks = {}
      for i, block in ipairs(value) do
        blocks[i] = self:place(distance(block[1], self.iss)) .. "+" .. distance(block[2], block[1])
      end
      list[#list + 1] = "sack " .. table.concat(blocks, " ")
    elseif name ~= "nop" and name ~= "wscale" then
      list[#list + 1] = tostring(name)
    elseif name == "wscale" then
      list[#list + 1] = "wscale"
    end
  end
  return #list > 0 and " <" .. table.concat(list, ",") .. ">" or ""
end

-- The next segment as it is written down, or nil.
function peer:recv(timeout)
  local packet = self.wire:recv(timeout)
  if not packet then return nil end
  local segment, length = packet.tcp, #packet.payload
  local flags = segment.flags
  local has = function(flag) return flags:find(flag, 1, true) ~= nil end
  if has "S" then
    if segment.seq ~= self.irs then -- another connection
      self.irs, self.rcv, self.acked, self.finished = segment.seq, 0, -math.huge, nil
    end
    self.shift = self.full and segment.options.wscale or 0
  end
  local seq, ack = distance(segment.seq, self.irs), distance(segment.ack, self.iss)
  if not has "R" then
    local span = length + (has "S" and 1 or 0) + (has "F" and 1 or 0)
    if seq == self.rcv then self.rcv = seq + span end
    if has "." then
      if ack > self.acked then self.acked = ack end
      self.edge = math.max(self.edge, ack + (segment.win << (has "S" and 0 or self.shift)))
    end
    -- Until the connection is open, that of the SYN-ACK: Linux wants no other.
    local ts = segment.options.ts
    if ts and (self.open or has "S") then self.echo = ts[1] end
  end
  local place = segment.seq == 0 and "none" or seq -- a reset of what acknowledges nothing
  return ("%s %s+%d%s%s"):format(flags, place, length,
    has "." and " ack " .. self:place(ack) or "", options_text(self, segment))
end

-- Waits until `done()`, for what the other side must send to get into the state.
function peer:await(what, done)
  local deadline = core.now() + PATIENCE
  while not done() do
    if not self:recv(math.max(0, deadline - core.now())) and core.now() >= deadline then
      error({ setup = what }, 0)
    end
  end
end

function peer:await_rcv(number)
  self:await("number " .. number, function() return self.rcv >= number end)
end

function peer:await_ack(number)
  self:await("the ACK of " .. number, function() return self.acked >= number end)
end

function peer:note(name, ...)
  self.log[#self.log + 1] = name .. ": " .. table.concat({ ... }, " ")
end

-- Writes down all that comes until it is quiet.
function peer:observe(name)
  while true do
    local text = self:recv(QUIET)
    if not text then return end
    self:note(name, text)
  end
end

-- --- into the states --------------------------------------------------------------------------

local SYN_OPTIONS <const> = {
  plain = function() return { { "mss", 1460 } } end,
  full = function(self)
    return { { "mss", 1460 }, "sackOK", { "ts", self:timestamp() }, "nop", { "wscale", 7 } }
  end,
}

function peer:syn_options() return SYN_OPTIONS[self.full and "full" or "plain"](self) end

local function listen(self)
  self.port = self.app:listen()
end

local function syn_received(self)
  listen(self)
  self.edge = 0
  self:send { flags = "S", seq = 0, options = self:syn_options() }
  self:await_rcv(1)
  self.nxt = 1
end

-- Both sides have sent 20 bytes.
local function established(self)
  syn_received(self)
  self:send { flags = ".", seq = 1, ack = 1 }
  if not self.app:accept(2) then error({ setup = "a connection to accept" }, 0) end
  self.open = true
  self:send { flags = "P.", seq = 1, ack = 1, length = 20 }
  self:await_ack(21)
  self.app:read()
  self.app:write(20)
  self:await_rcv(21)
  self:send { flags = ".", seq = 21, ack = 21 }
  self.nxt, self.una = 21, 21
end

local function unread(self)
  established(self)
  self:send { flags = "P.", seq = 21, ack = 21, length = 100 }
  self:await_ack(121)
  self.nxt = 121
end

local function outstanding(self)
  established(self)
  self.app:write(20)
  self:await_rcv(41)
end

local function fin_wait_1(self)
  established(self)
  self.app:shutdown()
  self:await_rcv(22)
end

local function fin_wait_1_data(self)
  outstanding(self)
  self.app:shutdown()
  self:await_rcv(42)
end

local function fin_wait_2(self)
  fin_wait_1(self)
  self:send { flags = ".", seq = 21, ack = 22 }
  self.una = 22
  self:await("FIN-WAIT-2", function()
    task.sleep(0.001)
    return self.app:state() == "FIN-WAIT-2"
  end)
end

local function fin(self, ack)
  self:send { flags = "F.", seq = 21, ack = ack }
  self:await_ack(22)
  self.nxt, self.finished = 22, true
end

local function close_wait(self)
  established(self)
  fin(self, 21)
end

local function close_wait_data(self)
  close_wait(self)
  self.app:write(20)
  self:await_rcv(41)
end

local function last_ack(self)
  close_wait(self)
  self.app:shutdown()
  self:await_rcv(22)
end

local function closing(self)
  fin_wait_1(self)
  fin(self, 21)
end

local function time_wait(self)
  fin_wait_1(self)
  fin(self, 22)
  self.una = 22
end

local function closed(self)
  listen(self)
  self.app:reset()
  self.nxt = 21
end

local function syn_sent(self)
  self.port = self.app:connect(self.sport)
  self:await_rcv(1)
end

local states <const> = {
  { "listen", listen }, { "syn-sent", syn_sent }, { "syn-received", syn_received },
  { "established", established }, { "unread", unread }, { "outstanding", outstanding },
  { "fin-wait-1", fin_wait_1 }, { "fin-wait-1-data", fin_wait_1_data },
  { "fin-wait-2", fin_wait_2 }, { "close-wait", close_wait },
  { "close-wait-data", close_wait_data }, { "closing", closing }, { "last-ack", last_ack },
  { "time-wait", time_wait }, { "closed", closed },
}

-- --- afterwards -------------------------------------------------------------------------------

-- Good segments go on where the other side says that it is; its application reads and writes.
local function go_on(self, state)
  if state == "listen" or state == "closed" then
    self:send { flags = "S", seq = 0, options = self:syn_options() }
    self:observe "then"
  elseif state == "syn-sent" then
    self:send { flags = "S.", seq = 0, ack = 1, options = self:syn_options() }
    self:observe "then"
  end
  if state == "closed" then return end
  if self.finished then
    self:send { flags = "F.", seq = self.nxt - 1, ack = self.rcv }
  else
    self:send { flags = "P.", seq = math.max(self.acked, 1), ack = self.rcv, length = 20 }
  end
  self:observe "then"
  if state == "listen" or state == "syn-received" then
    self:note("accepted", tostring(self.app:accept(0)))
  end
  self:note("read", self.app:read())
  self:note("state", self.app:state())
  self:note("write", tostring(self.app:write(5)))
  self:observe "then"
end

local SEQS <const> = {
  far = function(s) return s.nxt - 100000 end,
  before = function(s) return s.nxt - 5 end,
  one = function(s) return s.nxt - 1 end,
  at = function(s) return s.nxt end,
  inside = function(s) return s.nxt + 50 end,
  last = function(s) return s.edge - 1 end,
  edge = function(s) return s.edge end,
  behind = function(s) return s.edge + 100 end,
}

local ACKS <const> = {
  ancient = function(s) return s.una - 100000000 end,
  old = function(s) return s.una - 5 end,
  una = function(s) return s.una end,
  inside = function(s) return s.una + (s.rcv - s.una) // 2 end,
  nxt = function(s) return s.rcv end,
  beyond = function(s) return s.rcv + 1 end,
  far = function(s) return s.rcv + 100000 end,
}

local function play(application, case)
  local self = peer_new(application, case)
  local ok, err = pcall(function()
    case.enter(self)
    self.mark = self.edge
    self:send { flags = case.flags, seq = SEQS[case.seq](self), ack = ACKS[case.ack](self),
      length = case.length, options = case.options }
    self:observe "answer"
    self:note("state", application:state())
    go_on(self, case.state)
  end)
  application:reset()
  self.wire:close()
  if not ok then
    if type(err) ~= "table" or not err.setup then error(err, 0) end
    self:note("the state was not reached, for want of", err.setup)
  end
  return self.log
end

-- --- cases ------------------------------------------------------------------------------------

local VALUES <const> = {
  setup = { "plain", "full" },
  flags = {
    "", ".", "P.", "S", "S.", "F", "F.", "FP.", "R", "R.", "P", "U", "U.", "FS", "FS.", "SR", "SR.",
    "FR", "FR.", "SP", "SP.", "FPU", "FSRPU", "FSRPU.", "FSRP.UEWe", ".E", ".W", ".EW", ".e", "SEW",
    "S.E",
  },
  seq = { "far", "before", "one", "at", "inside", "last", "edge", "behind" },
  ack = { "ancient", "old", "una", "inside", "nxt", "beyond", "far" },
  options = { plain = { "none", "ts", "sack" }, full = { "ts", "old", "none", "ts,sack" } },
  length = { 0, 1, 10 },
}

-- Half of the values are those of a good segment: with everything wrong only the first check
-- speaks.
local GOOD <const> = { flags = ".", seq = "at", ack = "nxt" }

local function pick(list, good)
  if good and math.random(2) == 1 then return good end
  return list[math.random(#list)]
end

local function describe(case)
  return ("%s %s %s %s %s %s %d%s"):format(case.state, case.setup,
    case.flags == "" and "none" or case.flags, case.seq, case.ack, case.options, case.length,
    (case.wrap and " wrap" or "") .. (case.six and " IPv6" or ""))
end

local function canonical(flags)
  local packet = p.tcp { flags = flags }
  return packet.tcp.flags
end

local function draw(number)
  local state = states[(number - 1) % #states + 1]
  local setup = pick(VALUES.setup)
  return {
    state = state[1], enter = state[2], setup = setup,
    flags = canonical(pick(VALUES.flags, math.random(3) == 1 and GOOD.flags)),
    seq = pick(VALUES.seq, GOOD.seq), ack = pick(VALUES.ack, GOOD.ack),
    options = pick(VALUES.options[setup], VALUES.options[setup][1]),
    length = pick(VALUES.length), wrap = math.random(4) == 1,
    six = math.random(4) == 1,
  }
end

-- The case that describe() has said.
local function parse(name)
  local state, setup, flags, seq, ack, options, length, rest = name:match(
    "^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%d+)(.*)$")
  for _, row in ipairs(states) do
    if row[1] == state then
      return {
        state = state, enter = row[2], setup = setup, flags = flags == "none" and "" or flags,
        seq = seq, ack = ack, options = options, length = tonumber(length),
        wrap = rest:find " wrap" ~= nil, six = rest:find " IPv6" ~= nil,
        name = name,
      }
    end
  end
  error("no state has the name in: " .. name)
end

-- Each row's own case, and what is drawn.
local function draw_all()
  math.randomseed(SEED)
  local cases, seen, number = {}, {}, 0
  if ONLY then return { parse(ONLY) } end
  for _, row in ipairs(differences) do
    cases[#cases + 1] = parse(row.case)
    seen[row.case] = true
  end
  while #cases < CASES do
    number = number + 1
    local case = draw(number)
    case.name = describe(case)
    if not seen[case.name] then cases[#cases + 1] = case end
    seen[case.name] = true
  end
  return cases
end

-- --- the run ----------------------------------------------------------------------------------

local function setting(name, value)
  local file = io.open("/proc/sys/net/ipv4/" .. name, "w")
  if not file or not file:write(value) or not file:close() then
    skip(("net.ipv4.%s cannot be set here"):format(name))
  end
end

local function prepare()
  if not net.interface "srv0" then skip("no namespace to be had here") end
  setting("tcp_invalid_ratelimit", 0)
  setting("tcp_early_retrans", 0) -- no tail loss probe
  for _, route in ipairs { "192.0.2.0/24 src 192.0.2.2", "2001:db8::/64 metric 256" } do
    if not os.execute(("ip route change %s dev srv0 rto_min 5s"):format(route)) then
      skip "no program ip to put retransmissions off"
    end
  end
  return applications.start(PROGRAM)
end

-- Applies the rows in turn; true when both are alike then.
local function apply(rows, case)
  local linux, engine = table.move(case.kernel, 1, #case.kernel, 1, {}), table.move(case.ours, 1,
    #case.ours, 1, {})
  for _, row in ipairs(rows) do row.mend(case, linux, engine) end
  return table.concat(linux, "\n") == table.concat(engine, "\n")
end

local function is_alike(case)
  return table.concat(case.kernel, "\n") == table.concat(case.ours, "\n")
end

-- The rows that explain how a case differs, none of which can be left out; nil if they do not.
local function explain(case)
  if not apply(differences, case) then return nil end
  local rows = table.move(differences, 1, #differences, 1, {})
  for i = #rows, 1, -1 do
    local row = table.remove(rows, i)
    if not apply(rows, case) then table.insert(rows, i, row) end
  end
  return rows
end

local function run(cases, workers)
  local at, tasks = 0, {}
  for i = 1, math.min(workers, #cases) do
    tasks[i] = task.spawn(function()
      local linux, linux6 = kernel.new(), kernel.new(true)
      local engine, engine6 = ours.new(LATE), ours.new(LATE, true)
      while at < #cases do
        at = at + 1
        local case = cases[at]
        case.kernel = play(case.six and linux6 or linux, case)
        case.ours = play(case.six and engine6 or engine, case)
      end
      linux.control:close()
      linux6.control:close()
    end)
  end
  for _, one in ipairs(tasks) do one:join() end
end

-- What differs for no known reason, again and with less going on: a machine that was too busy
-- to keep the time is no difference.
local function doubtful(cases)
  local list = {}
  for _, case in ipairs(cases) do
    if not is_alike(case) and not explain(case) then list[#list + 1] = case end
  end
  return list
end

local program = prepare()
local cases = draw_all()
local began = core.now()
run(cases, WORKERS)
local left = doubtful(cases)
local again = #left
if #left > 0 then
  run(left, 4)
  left = doubtful(left)
end
program:close()

local LINUX <const> = "6.18" -- whose differences have been judged

local function show(case)
  return ("%s\n  Linux\n    %s\n  ours\n    %s"):format(case.name,
    table.concat(case.kernel, "\n    "), table.concat(case.ours, "\n    "))
end

local same = 0
for _, case in ipairs(cases) do
  if is_alike(case) then same = same + 1 end
  for _, row in ipairs(not is_alike(case) and explain(case) or {}) do
    row.cases = (row.cases or 0) + 1
    if os.getenv("TCPLUA_ROWS") then print(row.what, case.name) end
  end
  if ONLY then print(show(case)) end
end
print(("%d cases with seed %d in %.1f s: %d alike, %d looked at again"):format(#cases, SEED,
  core.now() - began, same, again))
local failed = #left
for _, row in ipairs(differences) do
  print(("%5d  %s"):format(row.cases or 0, row.what))
  if not row.cases and not ONLY then
    print("       no case shows it any more: take the row out of differences.lua")
    failed = failed + 1
  end
end
for i = 1, math.min(#left, 400) do print("differs: " .. show(left[i])) end
print(("%d differences without a reason"):format(#left))

-- Another kernel may differ in other ways, which says nothing of us: they are shown, to be judged.
local release <close> = assert(io.open "/proc/sys/kernel/osrelease")
local version = release:read "a":match "^%d+%.%d+"
if failed > 0 and version ~= LINUX then
  print(("skipped: the reasons are those of Linux %s, and this is %s"):format(LINUX, version))
  os.exit(77)
end
os.exit(failed == 0 and 0 or 1)
