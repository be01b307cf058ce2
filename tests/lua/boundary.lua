--- The boundary between scripts and the program: rows K3, K8, K9, K10, K12 and K14. Those that need
-- a process of their own are in command_line.lua; nonsense given to packets is in packet.lua.
local core = require "tcplua.core"
local hash = require "tcplua.hash"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local peer = require "peer"
local t = require "harness"
local verdict = require "tcplua.verdict"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT, SERVER, PORT = "192.0.2.1", "192.0.2.66", 9000

local function temporary(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- K3: no precompiled chunk by any way

-- What a compiler of Lua 5.4 puts first: that it is binary must be enough to refuse it.
local BINARY = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8" .. ("x"):rep(100)

t.test("K3 a precompiled chunk is refused however it is loaded", function()
  local f, why = load(BINARY)
  t.equal(f, nil)
  t.contains(why, "attempt to load a binary chunk (mode is 't')")
  t.equal((load(BINARY, "b", "bt")), nil, "load with mode bt")
  f, why = load(BINARY, "b", "b")
  t.equal(f, nil)
  t.contains(why, "only text chunks can be loaded")
  local parts = { BINARY:sub(1, 1), BINARY:sub(2) }
  t.equal((load(function() return table.remove(parts, 1) end)), nil, "load by pieces")
  t.equal(string.dump, nil)

  local path = temporary(BINARY)
  t.equal((loadfile(path)), nil)
  t.equal((loadfile(path, "b")), nil)
  t.equal((loadfile(path, "bt")), nil)
  t.equal(pcall(dofile, path), false, "dofile")
  local before = package.path
  package.path = path
  local ok, err = pcall(require, "any")
  package.path = before
  os.remove(path)
  t.equal(ok, false)
  t.contains(err, "binary")
end)

t.test("K3 text chunks load as ever", function()
  t.equal(load("return ...")(7), 7)
  t.equal(load("return x", "name", "bt", { x = 8 })(), 8)
  t.equal(load("return x", "name", nil, { x = 9 })(), 9)
  t.equal(select("#", load("return ...")()), 0)
  local parts = { "return ", "10" }
  t.equal(load(function() return table.remove(parts, 1) end)(), 10)
  t.contains(select(2, load("x =", "=where")), "where:1: unexpected symbol")
  local path = temporary("#!/usr/bin/env tcplua\nreturn 11, y")
  t.equal(loadfile(path)(), 11)
  t.equal(select(2, loadfile(path, "t", { y = 12 })()), 12)
  t.equal((dofile(path)), 11)
  os.remove(path)
end)

--- K8: nonsense at every argument

local function nothing() end

local nonsense = {
  false, true, 0, -1, 1, 0.5, -0.0, 0 / 0, 1 / 0, -1 / 0, 2 ^ 31, 2 ^ 53, 4.5e9, -9.3e9, 1e300,
  math.maxinteger, math.mininteger, "", "1e3", "a\0b", "192.0.2.9", "\xff\xfe\27[2J",
  ("x"):rep(70000), {}, { {} }, { [1.5] = 1 }, nothing, coroutine.create(nothing), io.stdout,
  hash.sha256 "x", core.error {},
}
local COUNT <const> = #nonsense + 1 -- the last is nil

-- A call with nonsense may raise, or return nil and why. What it raises names the argument:
-- "attempt to index a nil value" inside one of the program's modules does not.
local calls, sloppy = 0, nil

local function judge(name, ok, first, second, ...)
  if not ok then
    if type(first) ~= "string" and not core.is_error(first) and not verdict.is(first) then
      error(name .. " raised a " .. type(first), 0)
    end
    local text = tostring(first):match "^tcplua/[%w_]+%.lua:%d+: (.*)"
    if text and text:find "^attempt to" and not text:find "^attempt to use a closed" then
      sloppy[name .. ": " .. text] = true
    end
  elseif first == nil and second ~= nil and select("#", ...) == 0 then
    local word = second == "timeout" or second == "stalled"
    if not word and not core.is_error(second) then
      error(("%s returned nil, %s"):format(name, tostring(second)), 0)
    end
  end
end

local function try(name, f, ...)
  calls = calls + 1
  judge(name, pcall(f, ...))
end

-- Calls `f` with nonsense for the object that `make` returns (anew whenever the last one is spent),
-- and with that object and nonsense behind it; without `make` it is a plain function. `fields` are
-- names of options, tried alone and on top of the table `good`.
local LENIENT = { ["conn:lines"] = true, ["conn.__close"] = true } -- look later; call close

local function assail(name, f, make, fields, good)
  local object = make and make()
  local function arguments(...)
    if make then
      try(name, f, object, ...)
      if tostring(object):find "closed" then object = make() end
    else
      try(name, f, ...)
    end
  end
  if make then
    for i = 1, COUNT do
      local ok = pcall(f, nonsense[i])
      if ok and not LENIENT[name] then
        error(("%s took a %s for its object"):format(name, type(nonsense[i])), 0)
      end
    end
  end
  arguments()
  for i = 1, COUNT do
    local a = nonsense[i]
    arguments(a)
    for j = 1, COUNT do
      local b = nonsense[j]
      arguments(a, b)
      arguments(a, b, a)
    end
    for _, field in ipairs(fields or {}) do
      local o = { [field] = a }
      arguments(o)
      for k, v in pairs(good or {}) do
        if k ~= field then o[k] = v end
      end
      arguments(o)
    end
  end
end

-- A network of two hosts where every connection succeeds and everything sent is read. It is taken
-- down and made again before each function, so that one does not see what another has left.
local function fresh()
  core.reset()
  task.reset()
  local near, far = net.pair()
  assert(net.attach(near, CLIENT))
  assert(net.attach(far, SERVER))
  local listener = assert(tcp.listen { addr = SERVER, port = PORT })
  task.spawn(function()
    while true do
      local conn = assert(listener:accept())
      task.spawn(function()
        while conn:read() do end
        conn:close()
      end)
    end
  end)
end

local function connected()
  return assert(tcp.connect { src = CLIENT, dst = SERVER, port = PORT })
end

local function assail_class(class, name, make)
  local methods = class.__index
  for method, f in pairs(methods) do
    fresh()
    assail(name .. ":" .. method, f, make)
    local object <close> = make()
    local _ = object
  end
  for event, f in pairs(class) do
    if type(f) == "function" then
      fresh()
      assail(name .. "." .. event, f, make)
    end
  end
end

local function assail_module(module, name, except, fields, good)
  for entry, f in pairs(module) do
    if type(f) == "function" and not (except and except[entry]) then
      fresh()
      assail(name .. "." .. entry, f, nil, fields, good)
    end
  end
end

-- Runs `f` until all tables have their size; the last time nothing may stay behind. A weak table
-- may still have grown, by as many objects as the collector left for later: a leak grows each time.
local function without_leak(f)
  local function used()
    core.reset()
    task.reset()
    collectgarbage()
    collectgarbage()
    return collectgarbage "count"
  end
  calls, sloppy = 0, {}
  f()
  f()
  local grown, before
  for _ = 1, 3 do
    before = used()
    f()
    grown = used() - before
    if grown <= 32 then break end
  end
  assert(calls > 1000, "hardly anything was called: " .. calls)
  if grown > 32 then error(("memory grew by %.0f KiB"):format(grown), 2) end
  local list = {}
  for line in pairs(sloppy) do list[#list + 1] = line end
  table.sort(list)
  if #list > 0 then error("no word of what was wrong:\n" .. table.concat(list, "\n"), 2) end
end

local CONNECT_FIELDS = {
  "src", "dst", "port", "sport", "mss", "sndbuf", "rcvbuf", "ttl", "tos", "user_timeout",
  "time_wait", "timeout", "backlog", "addr", "bogus", 1,
}

t.test("K8 nonsense at every argument: tcplua.core and tcplua.hash", function()
  without_leak(function()
    -- lab_possible forks each time, and make_folder makes what it is given.
    assail_module(core, "core", {
      reset = true, simulate = true, lab_possible = true, make_folder = true,
    })
    for _, name in ipairs { "connect", "listen" } do
      fresh()
      assail("core." .. name, core[name], nil, CONNECT_FIELDS,
        { src = CLIENT, dst = SERVER, port = PORT })
    end
    fresh()
    assail("core.wire", core.wire, nil, { "src", "dst", "sport" }, { src = CLIENT, dst = SERVER })
    assail("core.pair", core.pair, nil, { "medium", "mtu", "seed", "loss", "duplicate", "reorder",
      "corrupt", "delay", "jitter" }, {})
    assail_module(hash, "hash")
    local digest = getmetatable(hash.sha256 "x")
    for name, f in pairs(digest.__index) do assail("digest:" .. name, f) end
    assail("digest ==", digest.__eq)
  end)
end)

t.test("K8 nonsense at every argument: connections", function()
  without_leak(function() assail_class(core.conn_class, "conn", connected) end)
end)

t.test("K8 nonsense at every argument: listeners", function()
  local port = 10000
  without_leak(function()
    assail_class(core.listener_class, "listener", function()
      port = port % 60000 + 1
      return assert(tcp.listen { addr = CLIENT, port = port })
    end)
  end)
end)

t.test("K8 nonsense at every argument: wires and links", function()
  without_leak(function()
    assail_class(core.wire_class, "wire", function()
      return assert(net.open { src = CLIENT, dst = SERVER })
    end)
    assail_class(core.link_class, "link", function() return (assert(net.pair())) end)
  end)
end)

t.test("K8 nonsense at every argument: tcplua.tcp, tcplua.net, tcplua.task", function()
  without_leak(function()
    assail_module(tcp, "tcp", nil, CONNECT_FIELDS, { src = CLIENT, dst = SERVER, port = PORT })
    assail_module(net, "net", nil, { "src", "dst", "sport", "iface", "filter", "immediate",
      "snaplen", "count", "timeout", "medium", "mtu" }, { src = CLIENT, dst = SERVER })
    assail_module(task, "task", { reset = true, wait = true, join = true, cancel = true })
    assail("task:join", task.join, function() return task.spawn(nothing) end)
    assail("task:cancel", task.cancel, function() return task.spawn(nothing) end)
    for i = 1, COUNT do try("task.wait", task.wait, nil, nonsense[i]) end
  end)
end)

--- K9: after the end

local function raises(f, ...)
  local ok, err = pcall(f, ...)
  if ok then error("nothing was raised", 2) end
  return tostring(err)
end

local OPERANDS = { send = "x", send_urgent = "x", raw_read = 1, raw_write = "x", raw_hook = "out",
  raw_held = "out", raw_draft = 1, raw_transmit = "x", raw_inject = "x",
  raw_receive = "x",
  inject = {}, expect = {}, next = {}, none = {}, any_order = { {} }, sequence = { {} } }

local HARMLESS = { close = true, abort = true, closed = true, raw_free = true, lines = true,
  segments = true, ignore = true }

t.test("K9 a closed connection says so, and may be closed again", function()
  fresh()
  local conn = connected()
  t.equal(conn:close(), true)
  t.equal(conn:closed(), true)
  t.equal(conn:close(), true, "closed twice")
  t.equal(conn:abort(), true)
  for name, f in pairs(core.conn_class.__index) do
    if not HARMLESS[name] then
      t.contains(raises(f, conn, OPERANDS[name]), "closed connection", name)
    end
  end
  local meta = getmetatable(conn)
  meta.__gc(conn)
  meta.__gc(conn)
  meta.__close(conn)
  t.equal(tostring(conn), "connection (closed)")
end)

t.test("K9 a finalizer called by hand frees once", function()
  fresh()
  local conn = connected()
  getmetatable(conn).__gc(conn)
  getmetatable(conn).__gc(conn)
  t.equal(conn:closed(), true)
  conn = nil
  collectgarbage()
  t.equal(conn, nil)
end)

t.test("K9 listeners, wires and links after their end", function()
  fresh()
  local near, far = net.pair()
  local objects = {
    { assert(tcp.listen { addr = CLIENT, port = 1 }), "listener" },
    { assert(net.open { src = CLIENT, dst = SERVER }), "wire" },
    { near, "link" },
  }
  for _, row in ipairs(objects) do
    local object, name = row[1], row[2]
    object:close()
    object:close()
    getmetatable(object).__gc(object)
    t.equal(tostring(object), name .. " (closed)")
    for method, f in pairs(getmetatable(object).__index) do
      if method ~= "close" and method ~= "raw_taken" then -- what was counted stays known
        t.contains(raises(f, object, method:find "send" and "x" or nil), "closed " .. name,
          name .. ":" .. method)
      end
    end
  end
  assert(net.attach(far, "192.0.2.77"))
  t.contains(raises(far.send, far, "x"), "closed link", "a link that a stack has")
  t.contains(raises(net.attach, far, "192.0.2.78"), "closed link")
end)

t.test("K9 everything after the network was closed under it", function()
  fresh()
  local conn, wire = connected(), assert(net.open { src = CLIENT, dst = SERVER })
  local listener = assert(tcp.listen { addr = CLIENT, port = 1 })
  local link = net.pair()
  core.reset()
  for _, object in ipairs { conn, wire, listener, link } do
    local meta = getmetatable(object)
    for name, f in pairs(meta.__index) do
      try(name, f, object)
      try(name, f, object, 1)
      try(name, f, object, "x")
    end
    tostring(object)
    meta.__gc(object)
    meta.__gc(object)
  end
end)

t.test("K9 methods of one class on objects of another", function()
  fresh()
  local objects = {
    connected(), assert(net.open { src = CLIENT, dst = SERVER }), (net.pair()),
    assert(tcp.listen { addr = CLIENT, port = 1 }), hash.sha256 "x", io.stdout,
  }
  for _, mine in ipairs(objects) do
    for name, f in pairs(getmetatable(mine).__index) do
      for _, other in ipairs { p.ip(), table.unpack(objects) } do
        if not rawequal(mine, other) and name:find "^raw_" then
          t.contains(raises(f, other, "x"), " expected, got ", name)
        end
      end
    end
  end
end)

--- K10: coroutines, and errors while connections are open

-- The client runs f(conn) with an open connection, and its next segment is returned.
local function last_segment(f)
  local s = peer.new {
    run = function(src, dst, port)
      f(function() return assert(tcp.connect { src = src, dst = dst, port = port }) end)
    end,
  }
  s:handshake()
  local segment = s:recv()
  return segment and segment.flags, s
end

t.test("K10 an error with an open connection resets it", function()
  local flags, s = last_segment(function(connect)
    local ok, err = pcall(function()
      local conn <close> = connect()
      error("left " .. conn:state())
    end)
    t.equal(ok, false)
    t.contains(err, "left")
  end)
  t.equal(flags, "R.")
  s:succeeded()
end)

t.test("K10 a connection that nobody holds is reset", function()
  local flags, s = last_segment(function(connect)
    pcall(function()
      connect()
      error("left")
    end)
    collectgarbage()
  end)
  t.equal(flags, "R.")
  s:succeeded()
end)

t.test("K10 a block that is left in peace closes with a FIN", function()
  local flags, s = last_segment(function(connect)
    local conn <close> = connect()
    local _ = conn
  end)
  t.equal(flags, "F.")
  s:send { flags = "F.", seq = 1, ack = 2 }
  s:expect { flags = ".", seq = 2, ack = 2 }
  s:succeeded()
end)

t.test("K10 a task that is cancelled resets what it holds", function()
  fresh()
  local held
  local inner = task.spawn(function()
    local conn <close> = connected()
    held = conn
    conn:read_line()
  end)
  t.equal((task.sleep(1)), nil)
  t.equal(held:state(), "ESTABLISHED")
  inner:cancel()
  inner:cancel()
  t.equal(held:closed(), true)
end)

t.test("K10 a task that fails resets what it holds", function()
  fresh()
  local conn = connected()
  local failing = task.spawn(function()
    local mine <close> = conn -- luacheck: ignore
    error({ "its own" }, 0)
  end)
  local ok, err = pcall(failing.join, failing)
  t.equal(ok, false)
  t.equal(err[1], "its own")
  t.equal(conn:closed(), true)
end)

t.test("K10 a coroutine that is no task cannot wait, and closing it resets", function()
  fresh()
  local conn = connected()
  local ok, err = coroutine.resume(coroutine.create(function() conn:read_line() end))
  t.equal(ok, false)
  t.contains(err, "a coroutine that is not a task cannot wait; use task.spawn")
  t.equal(conn:state(), "ESTABLISHED")
  local co = coroutine.create(function()
    local mine <close> = conn
    coroutine.yield(mine)
  end)
  coroutine.resume(co)
  t.equal(coroutine.close(co), true)
  t.equal(conn:closed(), true)
end)

t.test("K10 a task may yield, and a dead one is not resumed", function()
  fresh()
  local order = {}
  local a = task.spawn(function()
    order[#order + 1] = "a1"
    coroutine.yield()
    order[#order + 1] = "a2"
    return "over"
  end)
  local b = task.spawn(function() order[#order + 1] = "b" end)
  t.equal(a:join(), "over")
  b:join()
  t.equal(a:join(), "over", "joined twice")
  t.equal(table.concat(order, " "), "a1 b a2")
  t.contains(select(2, coroutine.resume(a.thread)), "dead coroutine")
  local failing = task.spawn(function() error({ "its own" }, 0) end)
  local ok, err = pcall(failing.join, failing)
  t.equal(ok, false)
  t.equal(err[1], "its own")
end)

t.test("K10 a task neither waits for itself nor cancels itself", function()
  fresh()
  local texts = { join = "cannot wait for its own end", cancel = "cannot cancel itself" }
  for method, text in pairs(texts) do
    local me
    me = task.spawn(function() me[method](me) end)
    local ok, err = pcall(me.join, me)
    t.equal(ok, false)
    t.contains(err, text)
  end
end)

t.test("K10 a task may cancel another that is about to run", function()
  fresh()
  local ran = false
  local victim
  local killer = task.spawn(function() victim:cancel() end)
  victim = task.spawn(function() ran = true end)
  killer:join()
  task.sleep(0.1)
  t.equal(ran, false)
  t.equal(victim.done, true)
end)

t.test("K10 an error in a finalizer or in __close does not stop the program", function()
  fresh()
  local conn = connected()
  local ok, err = pcall(function()
    local mine <close> = conn
    local _ <close> = setmetatable({}, { __close = function() error("in close", 0) end })
    t.equal(mine, conn)
  end)
  t.equal(ok, false)
  t.equal(err, "in close")
  t.equal(conn:closed(), true)
  warn "@off"
  setmetatable({}, { __gc = function() error("in gc") end })
  collectgarbage()
  warn "@on"
  connected():close()
end)

--- K12: programs

t.test("K12 os.execute and io.popen work as ever", function()
  local ok, how, status = os.execute "exit 3"
  t.equal(ok, nil)
  t.equal(how, "exit")
  t.equal(status, 3)
  t.equal(os.execute "true", true)
  local pipe = io.popen "echo one; echo two"
  t.equal(pipe:read "a", "one\ntwo\n")
  t.equal(pipe:close(), true)
end)

t.test("K12 a child ends at a broken pipe as ever", function()
  local signals = io.popen "grep SigIgn /proc/self/status"
  local ignored = tonumber(signals:read "a":match "SigIgn:%s*(%x+)", 16)
  signals:close()
  t.equal(ignored >> 12 & 1, 0, "SIGPIPE ignored in a child")
end)

--- K14: the collector

local LINE = "a line\n"

-- The main job against a scripted peer; returns every segment of the client as text.
local function exchange()
  core.reset()
  task.reset()
  core.seed(1)
  local list, s = {}, peer.new()
  local recv = s.recv
  function s:recv(...)
    local segment = recv(self, ...)
    list[#list + 1] = segment and segment.packet:line() or "nothing"
    return segment
  end
  s:handshake()
  s:finish(LINE)
  s:succeeded()
  return table.concat(list, "\n")
end

t.test("K14 the same segments whatever the collector does", function()
  local wanted = exchange()
  t.contains(wanted, "Flags [F.]")
  local modes = {
    stopped = function() collectgarbage "stop" end,
    incremental = function() collectgarbage("incremental", 200, 100, 13) end,
    ["always on"] = function() collectgarbage("incremental", 0, 1000, 0) end,
    generational = function() collectgarbage "generational" end,
    ["collecting at every line"] = function()
      debug.sethook(function() collectgarbage() end, "", 50)
    end,
  }
  for name, set in pairs(modes) do
    set()
    local ok, got = pcall(exchange)
    debug.sethook()
    collectgarbage "restart"
    collectgarbage("incremental", 200, 100, 13)
    t.equal(ok and got or got, wanted, name)
  end
end)

--- Mistakes

t.test("a mistake is raised at the script's line, with what there is instead", function()
  local link = net.pair()
  for text, call in pairs {
    ["unknown option 'prot'; there are src, dst, port, "] =
      function() return tcp.connect { prot = 80 }, nil end,
    ["unknown option 'prots'; there are addr, port, "] =
      function() return tcp.listen { prots = 80 }, nil end,
    ["option 'ecn': true or false expected, got number"] =
      function() return tcp.connect { dst = SERVER, ecn = 1 }, nil end,
    ["unknown option 'timout'; there are count, filter, "] =
      function() return net.sr("", { timout = 1 }), nil end,
    ["there is no kind 'octet'; there are number, hex, "] =
      function() return p.declare { name = "x", fields = { { "a", 8, kind = "octet" } } }, nil end,
    ["there is no numbering 'sctp'; there are ethertype, ip, "] =
      function() return p.declare { name = "x", fields = { { "a", 8 } }, over = { sctp = 1 } },
        nil end,
  } do
    local ok, err = pcall(call)
    t.equal(ok, false, text)
    t.contains(err, text)
    t.contains(err, "tests/lua/boundary.lua:", text)
  end
  assert(net.attach(link, CLIENT))
  local conn <close> = assert(core.connect { src = CLIENT, dst = SERVER, port = PORT })
  local ok, err = pcall(function() return (conn:read_line { timout = 1 }) end)
  t.equal(ok, false, "a time limit that would be none")
  t.contains(err, "unknown option 'timout'; there are max, timeout")
  ok, err = pcall(net.attach, net.pair(), "192.0.2.1\0")
  t.equal(ok, false, "an address with a zero byte")
  t.contains(err, "zero byte")
end)

t.done()
