--- script: what the fuzzer of the boundary does with its bytes (script.c): a sequence of calls of
-- everything that scripts can reach, with what earlier calls returned and with nonsense, in any
-- order, from tasks and callbacks too, while objects are closed and collected at any time. What
-- there is to call is found in the modules and classes themselves.
local bytes, path, is_spent, refuse, broken = ...

-- Nothing is printed, no terminal is asked, and there is one file and a few filters.
print = function() end -- luacheck: ignore
io.write = print -- luacheck: ignore
local core = require "tcplua.core"
local files = require "tcplua.capture.core"
core.simulate()
core.seed(1)
math.randomseed(1)
core.terminal = function() return false end

local open, create, filter = files.open, files.create, files.filter
local FILTERS <const> = { "tcp", "port 80 or port 9000", "ip6 and (", "", "ether[0] & 1 = 0" }
function files.open(name, ...) return open(type(name) == "string" and path or name, ...) end
function files.create(name, ...) return create(type(name) == "string" and path or name, ...) end
function files.filter(text, ...)
  return filter(type(text) == "string" and FILTERS[#text % #FILTERS + 1] or text, ...)
end

-- Virtual time has no end, and a poll that waits for ever would see it.
local poll <const> = core.poll
function core.poll(deadline)
  if type(deadline) ~= "number" then return poll(deadline) end
  return poll(math.min(deadline, core.now() + 600))
end

local net, p = require "tcplua.net", require "tcplua.packet"
local capture, hash = require "tcplua.capture", require "tcplua.hash"
local task, tcp = require "tcplua.task", require "tcplua.tcp"

-- --- bytes ------------------------------------------------------------------------------------

local at = 0

local function take()
  at = at + 1
  return bytes:byte(at) or 0
end

local function pick(list) return list[take() % #list + 1] end

local function is_over() return at >= #bytes or is_spent() end

-- --- what there is to call --------------------------------------------------------------------

local function functions_of(module, except)
  local list = {}
  for name, value in pairs(module) do
    if type(value) == "function" and not except[name] then list[#list + 1] = name end
  end
  table.sort(list)
  for i, name in ipairs(list) do list[i] = { name, module[name] } end
  return list
end

-- Not the program's own input, other processes, nor another clock.
local EXCEPT <const> = { open_input = true, start_process = true, lab_possible = true,
  simulate = true }
local calls = {}
for _, module in ipairs { core, net, p, capture, files, hash, task, tcp } do
  table.move(functions_of(module, EXCEPT), 1, 999, #calls + 1, calls)
end

-- Methods and metamethods of an object, by its class.
local classes = {}

local function methods_of(object)
  local meta = debug.getmetatable(object)
  if not meta then return nil end
  if not classes[meta] then
    local list = functions_of(meta, {})
    local index = meta.__index
    if type(index) == "function" then
      local _, methods = debug.getupvalue(index, 1)
      index = methods
    end
    if type(index) == "table" then
      table.move(functions_of(index, {}), 1, 999, #list + 1, list)
    end
    classes[meta] = list
  end
  return classes[meta]
end

-- --- values -----------------------------------------------------------------------------------

local CLIENT <const>, SERVER <const> = "198.51.100.1", "198.51.100.2"
local CLIENT6 <const>, SERVER6 <const> = "2001:db8::1", "2001:db8::2"

local WORDS <const> = {
  "", CLIENT, SERVER, CLIENT6, SERVER6, "198.51.100.0/29", "02:00:00:00:00:01", "eth", "ip", "ip6",
  "tcp", "udp", "icmp", "S", "S.", "R", "F.", "P.", "a\0b", "line\n", "newreno", "cubic", "sackOK",
  "nop", "eol", "mss", "ts", "wscale", "sack", "md5", "*a", "9000", "-", "none", "big", "little",
  "u16", "bytes", "checksum", "payload", "next", "\xff\xfe\27[2J", ("x"):rep(2000), "be", "%s%n",
}

local NUMBERS <const> = {
  0, 1, -1, 2, 4, 7, 20, 64, 80, 255, 256, 1460, 9000, 65535, 65536, 1 << 20, (1 << 31) - 1,
  1 << 31, 1 << 32, 1 << 53, math.maxinteger, math.mininteger, 0.5, 0.001, -0.0, 1e9, 1e300, 0 / 0,
  1 / 0, -1 / 0,
}

local NAMES <const> = {
  "src", "dst", "port", "sport", "dport", "addr", "backlog", "timeout", "mss", "sndbuf", "rcvbuf",
  "wscale", "timestamps", "sack", "ecn", "nagle", "delayed_ack", "congestion", "initial_rto",
  "min_rto", "max_rto", "user_timeout", "time_wait", "keepalive", "keepalive_interval",
  "keepalive_probes", "ttl", "tos", "loss", "duplicate", "reorder", "corrupt", "delay", "jitter",
  "mtu", "medium", "seed", "seq", "ack", "flags", "win", "urg", "options", "checksum", "len", "id",
  "offset", "proto", "next", "type", "code", "payload", "max", "count", "retry", "inter", "multi",
  "filter", "where", "each", "stop", "keep", "iface", "comment", "linktype", "time", "ns", "sent",
  "original", "name", "fields", "under", "bits", "default", "kind", "message", "op", "rate", "hlim",
  "limit", "link", "chomp", "n", 1, 2, 3,
}

local OPTIONS <const> = {
  "nop", "mss", "ts", "sack", "wscale", "sackOK", "uto", "eol", "md5", "accecn0", "RR", 253, 0,
  "no",
}
local KINDS <const> = { "number", "hex", "flags", "MAC", "IPv4", "IPv6", "bytes", nil }
local ROLES <const> = { "length", "payload_length", "header_length", "checksum", "next", "" }

local SLOTS <const> = 12
local pool, last = {}, 0

local function keep(value)
  local kind = type(value)
  if kind == "userdata" or kind == "table" or kind == "thread" or kind == "function" then
    last = last % SLOTS + 1
    pool[last] = value
  end
end

local act -- one step

local function callback(depth)
  return function(...)
    for i = 1, math.min(select("#", ...), 3) do keep((select(i, ...))) end
    for _ = 1, take() % 3 do act(depth + 1) end
    return pool[take() % SLOTS + 1]
  end
end

local function value(depth)
  local b = take()
  local kind = depth > 3 and b % 9 or b % 16
  if kind == 0 then return nil end
  if kind == 1 then return b > 127 end
  if kind == 2 then return pick(NUMBERS) end
  if kind == 3 then return take() end
  if kind == 4 then return pick(WORDS) end
  if kind == 5 then
    at = at + b // 8
    return bytes:sub(at - b // 8 + 1, at)
  end
  if kind < 12 then return pool[take() % SLOTS + 1] end
  if kind == 12 then return callback(depth) end
  if kind == 13 then
    local list = {}
    for i = 1, b // 16 % 5 do list[i] = value(depth + 1) end
    return list
  end
  local options = {}
  for _ = 1, b // 16 % 8 do options[pick(NAMES)] = value(depth + 1) end
  if b > 240 then
    local f = callback(depth)
    setmetatable(options, { __index = f, __len = f, __pairs = f, __gc = f })
  end
  return options
end

local function values(depth)
  local list = { n = take() % 5 }
  for i = 1, list.n do list[i] = value(depth) end
  return list
end

-- --- calls ------------------------------------------------------------------------------------

-- An error is text or an error object, and what the modules raise names what was wrong.
local function judge(name, ok, ...)
  if is_spent() then return end
  if ok then
    for i = 1, math.min(select("#", ...), 4) do keep((select(i, ...))) end
    return
  end
  local err = ...
  if core.is_error(err) then
    local text = rawget(err, "message")
    if type(text) == "string" and text:find "[\0-\31\127]" then broken(name .. ": " .. text) end
    return
  end
end

local function call(name, f, ...) judge(name, pcall(f, ...)) end

local function addresses()
  if take() % 4 == 0 then return CLIENT6, SERVER6 end
  return CLIENT, SERVER
end

local function options(base)
  for _ = 1, take() % 4 do base[pick(NAMES)] = value(2) end
  return base
end

-- Calls as a script means them, so that the others find something to spoil.
local GOOD <const> = {
  function()
    local client, server = addresses()
    local near, far = net.pair(options {})
    keep(near)
    assert(net.attach(near, client))
    assert(net.attach(far, server))
  end,
  function()
    local _, server = addresses()
    return tcp.listen(options { addr = server, port = 9000 })
  end,
  function()
    local client, server = addresses()
    return tcp.connect(options { src = client, dst = server, port = 9000, timeout = 5 })
  end,
  function()
    local client, server = addresses()
    return core.connect(options { src = client, dst = server, port = 9000 })
  end,
  function()
    for i = 1, SLOTS do
      if debug.getmetatable(pool[i]) == core.listener_class then return pool[i]:accept(1) end
    end
  end,
  function()
    local conn = pool[take() % SLOTS + 1]
    local text = ("x"):rep(take() * take())
    return conn:send(text .. "\n", 2)
  end,
  function() return pool[take() % SLOTS + 1]:read(nil, 1) end,
  function() return pool[take() % SLOTS + 1]:read_line { timeout = 1 } end,
  function() return pool[take() % SLOTS + 1]:close() end,
  function() return pool[take() % SLOTS + 1]:abort() end,
  function() return pool[take() % SLOTS + 1]:shutdown() end,
  function() return task.spawn(callback(1), value(1)) end,
  function() return task.sleep(take() / 16) end,
  function()
    local client, server = addresses()
    return net.open { src = client, dst = server, sport = take() }
  end,
  function()
    local ip = take() % 2 == 0 and p.ip(options { src = CLIENT, dst = SERVER })
      or p.ip6(options { src = CLIENT6, dst = SERVER6 })
    return ip / p.tcp(options { sport = take(), dport = 9000, flags = "S" }) / pick(WORDS)
  end,
  function() return pool[take() % SLOTS + 1] / pool[take() % SLOTS + 1] end,
  function() return p.ip { dst = "198.51.100.0/29" } / p.tcp { dport = p.range(1, take()) } end,
  function() return p.parse(value(5), pick { "eth", "ip", "ip6", "sll", "tcp", "dns" }) end,
  function() return pool[take() % SLOTS + 1]:send(pool[take() % SLOTS + 1]) end,
  function() return net.send(pool[take() % SLOTS + 1], options {}) end,
  function() return capture.create(pick { "a.pcap", "b" }, options {}) end,
  function() return pool[take() % SLOTS + 1]:write(pool[take() % SLOTS + 1], options {}) end,
  function() return capture.read("a") end,
  function()
    local h = hash.new()
    h:update(pick(WORDS))
    return h, hash.sha256(pick(WORDS))
  end,
  function() return net.sr1(pool[take() % SLOTS + 1], options { timeout = 1 }) end,
  function() return p.tcp { options = { { pick(OPTIONS), value(2) }, pick(OPTIONS) } } end,
  function()
    local packet = pool[take() % SLOTS + 1]
    packet.tcp.options[pick(OPTIONS)] = value(2)
    return packet.tcp.options
  end,
  function()
    local fields = {}
    for i = 1, 1 + take() % 4 do
      fields[i] = { ("f%d"):format(i), 8 << take() % 4, kind = pick(KINDS), role = pick(ROLES),
        default = value(3) }
    end
    return p.declare { name = "fuzz" .. take(), fields = fields, over = { udp = take() },
      header = pick(OPTIONS) }
  end,
  function()
    local near, far = net.pair { medium = "eth" }
    keep(near)
    return net.attach(near, CLIENT), net.attach(far, SERVER)
  end,
}

local STEPS <const> = {
  function() call("good", pick(GOOD)) end,
  function() call("good", pick(GOOD)) end,
  function(depth)
    local row = pick(calls)
    local list = values(depth)
    call(row[1], row[2], table.unpack(list, 1, list.n))
  end,
  function(depth)
    local object = pool[take() % SLOTS + 1]
    local methods = methods_of(object)
    if not methods or #methods == 0 then return end
    local row = pick(methods)
    local self = take() % 8 == 0 and value(depth) or object -- now and then the wrong one
    local list = values(depth)
    call(row[1], row[2], self, table.unpack(list, 1, list.n))
  end,
  function(depth) -- a field
    local object, name = pool[take() % SLOTS + 1], pick(NAMES)
    if type(object) ~= "userdata" then return end
    if take() % 2 == 0 then return call("index", function() return object[name] end) end
    call("newindex", function(new) object[name] = new end, value(depth))
  end,
  function(depth) -- left by its block, in order or not
    local object, b = pool[take() % SLOTS + 1], take()
    call("block", function()
      local _ <close> = object
      for _ = 1, b % 3 do act(depth + 1) end
      if b > 127 then error "left" end
    end)
  end,
  function() -- let go
    for _ = 1, take() % SLOTS do pool[take() % SLOTS + 1] = nil end
    collectgarbage()
  end,
  function() collectgarbage(pick { "collect", "step", "stop", "restart", "generational",
    "incremental" }) end,
  function(depth) -- iteration
    local object = pool[take() % SLOTS + 1]
    call("pairs", function()
      local n = 0
      for key, one in pairs(object) do
        keep(one)
        keep(key)
        n = n + 1
        if n > 4 then break end
      end
    end)
    if depth < 3 then call("text", function() return tostring(object) end) end
  end,
  function(depth) -- several things at once, of which none may wait in the wrong place
    local co = coroutine.create(callback(depth))
    call("coroutine", coroutine.resume, co, value(depth))
    keep(co)
    call("coroutine", coroutine.close, co)
  end,
  function() refuse(1 + take() // 2) end,
}

function act(depth)
  if depth > 5 or is_over() then return end
  pick(STEPS)(depth)
end

call("good", GOOD[1])
call("good", GOOD[2])
while not is_over() do pcall(act, 0) end
