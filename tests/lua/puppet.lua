-- A connection in a script's hands: the dial, hooks, segments made by hand. The peer is our own
-- engine on the other end of a simulated wire, or under "veth" nobody: these are simulated only.
local core = require "tcplua.core"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local HERE = { ip = "192.0.2.1", ip6 = "2001:db8::1" }
local THERE = { ip = "192.0.2.2", ip6 = "2001:db8::2" }

-- A server that sends each line back, and what it has read; `listen` are further fields of listen.
local function server(family, listen, pair)
  pair = pair or {}
  pair.delay = pair.delay or 0.01
  local near, far = net.pair(pair)
  assert(net.attach(near, HERE[family]))
  assert(net.attach(far, THERE[family]))
  local o = { addr = THERE[family], port = 7 }
  for k, v in pairs(listen or {}) do o[k] = v end
  local listener = assert(tcp.listen(o))
  local got = {}
  task.spawn(function()
    while true do
      local conn = assert(listener:accept())
      task.spawn(function()
        for line in conn:lines() do
          got[#got + 1] = line
          conn:send("got " .. line)
        end
        conn:close()
      end)
    end
  end)
  return got
end

local function dial(family, o)
  o = o or {}
  o.src, o.dst, o.port = HERE[family], THERE[family], 7
  return assert(tcp.connect(o))
end

local function lines(conn, direction)
  local list = {}
  for _, s in ipairs((conn:segments())) do
    if s.direction == direction then list[#list + 1] = tostring(s):gsub(" win.*", "") end
  end
  return list
end

for _, family in ipairs { "ip", "ip6" } do
  t.test("assist: the engine opens and acknowledges, the script sends, " .. family, function()
    local got = server(family)
    local conn = dial(family, { mode = "assist" })
    t.equal(conn:state(), "ESTABLISHED")
    conn:send "ping\n"
    t.equal(conn:read_line(), "got ping\n")
    task.sleep(30) -- nothing is sent again, nothing more is
    conn:shutdown()
    task.sleep(1)
    t.equal(conn:state(), "TIME-WAIT")
    t.equal(table.concat(lines(conn, "out"), "|"),
      "S seq 0|. seq 1 ack 1|P. seq 1:6 ack 1|. seq 6 ack 10|F. seq 6 ack 10|. seq 7 ack 11")
    t.equal(#got, 1)
    conn:close()
  end)

  t.test("manual: every segment is the script's, from the SYN on, " .. family, function()
    local got = server(family)
    local conn = dial(family, { mode = "manual" })
    task.sleep(10)
    t.equal(#conn:segments(), 0, "segments before the script's first")
    t.equal(tostring(conn:inject()):gsub(" win.*", ""), "S seq 0")
    task.sleep(0.1)
    conn:inject()
    conn:inject { data = "by " }
    conn:inject { data = "hand\n", ttl = family == "ip" and 9 or nil }
    t.equal(conn:read_line(), "got by hand\n")
    t.equal(got[1], "by hand\n")
    conn:inject { flags = "F." }
    task.sleep(0.1)
    t.equal(conn:state(), "TIME-WAIT")
    t.equal(table.concat(lines(conn, "out"), "|"), "S seq 0|. seq 1 ack 1|P. seq 1:4 ack 1|"
      .. "P. seq 4:9 ack 1|F. seq 9 ack 13")
  end)
end

t.test("what was sent by hand and lost is sent again once the dial is at auto", function()
  local got = server "ip"
  local conn = dial("ip", { mode = "assist" })
  conn:on_send(function() return false end)
  conn:send "lost\n"
  task.sleep(1)
  conn:on_send(nil)
  t.equal(#got, 0)
  conn:mode "auto"
  t.equal(conn:read_line(), "got lost\n")
  t.equal(conn:info().retransmits, 1)
  conn:close()
end)

t.test("what is given is sent as given, the wrong too, and the engine takes no note", function()
  server "ip"
  local conn = dial("ip", { mode = "assist" })
  local before = conn:info().snd_nxt
  local s = assert(conn:inject {
    seq = 1000, ack = 77, data = "x", checksum = 0xbeef, win = 5, urg = 3,
  })
  t.equal(s.packet.tcp.checksum, 0xbeef)
  t.equal(s.seq, 1000)
  t.equal(s.ack, 77)
  conn:inject { seq = 12345, absolute = true, flags = "" }
  local list = conn:segments()
  t.equal(list[#list].packet.tcp.seq, 12345)
  t.equal(conn:info().snd_nxt, before)
  task.sleep(1)
  conn:send "fine\n"
  t.equal(conn:read_line(), "got fine\n")
  conn:close()
end)

t.test("a line of notation makes a segment, and a packet is one", function()
  server "ip"
  local conn = dial("ip", { mode = "assist" })
  local s = conn:inject '< P. 1:6(5) ack 1 win 500 <nop,nop,TS val 7 ecr 8> "line\\n"'
  t.equal(tostring(s), "P. seq 1:6 ack 1 win 500 <nop,nop,TS val 7 ecr 8>")
  t.equal(s.data, "line\n")
  local packet = conn:inject({}).packet:copy()
  packet.tcp.win = 9
  t.equal(conn:inject(packet).win, 9)
  for _, wrong in ipairs { "> .", ". 1:5(9)", ". win *", "S <mss ...>", "X", ". 1:3(2) \"abc\"",
    ". ack", "S <mss 5", '. "open', "+1 S", "" } do
    t.contains(select(2, pcall(conn.inject, conn, wrong)), "character", wrong)
  end
end)

t.test("the bytes that the script sent are those that are sent again", function()
  local got = server("ip", nil, { loss = 0 })
  local conn = dial("ip", { watched = true })
  local seen = {}
  conn:on_send(function(s)
    if s.len == 0 then return end
    seen[#seen + 1] = s.retransmission
    if not s.retransmission then return false end
    s.data = "OTHER\n"
  end)
  conn:send "first\n"
  t.equal(conn:read_line(), "got OTHER\n")
  t.equal(got[1], "OTHER\n")
  t.equal(seen[1], false)
  t.equal(seen[2], true)
  conn:on_send(nil)
  conn:close()
end)

t.test("hooks: drop, delay, duplicate, hold, replace, in and out", function()
  local got = server "ip"
  local conn = dial("ip", { watched = true, rack = nil })
  local held
  local what = {
    function(s) s:delay(0.3) end,
    function(s) return { s, s } end,
    function(s) s:hold() held = s end,
    function(s)
      local a, b = s:copy(), s:copy()
      a.data, b.data = s.data:sub(1, 2), s.data:sub(3)
      b.seq = b.seq + 2
      return { b, a }
    end,
  }
  local n = 0
  conn:on_send(function(s)
    if s.len > 0 and not s.retransmission then
      n = n + 1
      return what[n](s)
    end
  end)
  local begun = core.now()
  conn:send "delayed\n"
  t.equal(conn:read_line(), "got delayed\n")
  t.within(core.now() - begun, 0.2, 0.4, "the delay, or the retransmission before it")
  conn:send "twice\n"
  t.equal(conn:read_line(), "got twice\n")
  conn:send "held\n"
  task.sleep(0.1)
  t.equal(#got, 2)
  held:release()
  t.equal(conn:read_line(), "got held\n")
  conn:send "split\n"
  t.equal(conn:read_line(), "got split\n")
  conn:on_send(nil)
  local count = 0
  conn:on_receive(function(s)
    count = count + 1
    if s.len > 0 then s.data = s.data:upper() end
  end)
  conn:send "up\n"
  t.equal(conn:read_line(), "GOT UP\n")
  t.equal(count > 0, true)
  conn:on_receive(nil)
  conn:close()
end)

t.test("a hook that waits delays its direction, and no timer", function()
  server "ip"
  local conn = dial("ip", { initial_rto = 0.2 })
  conn:on_send(function(s)
    if s.len > 0 and not s.retransmission then task.sleep(5) end
  end)
  local begun = core.now()
  conn:send "slow\n"
  task.sleep(4)
  t.equal(conn:info().retransmits > 2, true, "retransmissions went on meanwhile")
  t.equal(conn:read_line(), "got slow\n")
  t.within(core.now() - begun, 5, 6)
  conn:on_send(nil)
  conn:close()
end)

t.test("hooks set by connect see the SYN", function()
  server "ip"
  local flags = {}
  local conn = dial("ip", {
    on_send = function(s)
      flags[#flags + 1] = s.flags
      if s.flags == "S" then s.options = { mss = 1000 } end
    end,
    on_receive = function(s) flags[#flags + 1] = s.flags end,
  })
  task.sleep(0.1)
  t.equal(table.concat(flags, " ", 1, 3), "S S. .")
  conn:send(("x"):rep(3000) .. "\n")
  conn:read_line()
  conn:close()
end)

t.test("what a hook raises ends the script", function()
  server "ip"
  local conn = dial "ip"
  conn:on_send(function() error "a mistake in a hook" end)
  conn:send "x\n"
  local ok, err = pcall(conn.read_line, conn)
  t.equal(ok, false)
  t.contains(err, "a mistake in a hook")
end)

t.test("a hook that has raised is called again for the next segment", function()
  local got = server "ip"
  local conn = dial "ip"
  local count = 0
  conn:on_send(function(s)
    if s.len == 0 then return end
    count = count + 1
    if count == 1 then error "once" end
  end)
  conn:send "x\n"
  t.contains(select(2, pcall(conn.read_line, conn)), "once")
  t.equal(assert(conn:read_line()), "got x\n", "the retransmission")
  t.equal(#got, 1)
  conn:on_send(nil)
  conn:close()
end)

t.test("a segment that is held and released within the hook passes once", function()
  server "ip"
  local conn = dial("ip", { watched = true })
  local late
  conn:on_send(function(s)
    s:hold()
    s:release()
    late = s
  end)
  conn:send "x\n"
  t.equal(conn:read_line(), "got x\n")
  conn:on_send(nil)
  local count = 0
  for _, line in ipairs(lines(conn, "out")) do
    if line == "P. seq 1:3 ack 1" then count = count + 1 end
  end
  t.equal(count, 1, "how often it was sent")
  t.contains(select(2, pcall(late.release, late)), "not held")
  conn:close()
end)

t.test("inject in a hook goes past the hooks, whatever the other one does", function()
  server "ip"
  local conn = dial("ip", { watched = true })
  local out = 0
  conn:on_receive(function(s)
    if s.len == 0 then return end
    task.sleep(0.5) -- meanwhile the other hook comes and goes
    conn:inject { flags = ".", win = 77 }
  end)
  conn:on_send(function(s)
    if s.win == 77 then out = out + 1 end
  end)
  conn:send "x\n"
  task.sleep(0.1)
  conn:send "y\n"
  conn:read_line()
  task.sleep(1)
  t.equal(out, 0, "own segments that the hook saw")
  conn:on_send(nil)
  conn:on_receive(nil)
  conn:close()
end)

t.test("what a hook returns is a list of segments and packets, or a mistake", function()
  for _, case in ipairs { { 5, "5" }, { { 5 }, "a table that" }, { "x\27", '\"x' },
    { { seq = 5 }, "a table that" }, { io.stdout, "file (" }, { { "x" }, "a table that" } } do
    t.fresh()
    server "ip"
    local conn = dial "ip"
    local hook = function(s) if s.len > 0 then return case[1] end end
    local line = debug.getinfo(1, "l").currentline - 1
    conn:on_send(hook)
    conn:send "x\n"
    local text = select(2, pcall(conn.read_line, conn))
    t.contains(text, ("puppet.lua:%d: on_send: this hook returned %s"):format(line, case[2]))
    t.contains(text, "it returns nothing, false, or a list of segments and packets")
  end
  t.fresh()
  server "ip"
  local conn = dial "ip"
  conn:on_send(function(s) return s.len > 0 and s.packet or nil end) -- one, without a list
  conn:send "x\n"
  t.equal(conn:read_line(), "got x\n")
  conn:on_send(nil)
  conn:close()
end)

t.test("an abort goes through the hook, and what waits for it is not lost", function()
  server "ip"
  local conn = dial("ip", { watched = true })
  local flags = {}
  conn:on_send(function(s) flags[#flags + 1] = s.flags end)
  conn:send "x\n"
  conn:abort()
  t.equal(table.concat(flags, " "), "P. R.")
  t.equal(#conn:segments() >= 5, true, "segments are there after the end")
end)

t.test("a connection that is closed ends what would go on with its segments", function()
  local near, far = net.pair { delay = 0.01 }
  assert(net.attach(near, HERE.ip))
  assert(net.attach(far, THERE.ip))
  local listener <close> = assert(tcp.listen { addr = THERE.ip, port = 7 })
  local conn = dial "ip"
  conn:on_send(function(s) if s.len > 0 then s:delay(5) end end)
  conn:on_receive(function() task.sleep(9) end)
  conn:send "x\n"
  listener:accept():send "y\n"
  task.sleep(1)
  t.equal(#task.census() >= 2, true, "one that delays, and a hook")
  conn:abort()
  t.equal(#task.census(), 0)
end)

t.test("a hook that raises at the end keeps nothing open", function()
  server "ip"
  local conn = dial "ip"
  conn:on_send(function(s) if s.flags:find "R" then error "at the end" end end)
  local ok, err = pcall(conn.abort, conn)
  t.equal(ok, false)
  t.contains(err, "at the end")
  t.equal(conn:closed(), true)
end)

t.test("without its hook, what waits behind one that sleeps goes on behind it", function()
  local got = server "ip"
  local conn = dial("ip", { mode = "assist" })
  conn:on_send(function(s) if s.data == "1\n" then task.sleep(1) end end)
  conn:send "1\n"
  conn:send "2\n"
  task.sleep(0.1)
  conn:on_send(nil)
  task.sleep(5)
  t.equal(table.concat(got), "1\n2\n")
  t.equal(conn:info().out_of_order, 0)
  local first, second
  for _, s in ipairs((conn:segments())) do
    if s.data == "1\n" then first = s.index end
    if s.data == "2\n" then second = s.index end
  end
  t.equal(first < second, true, "the order in which they left")
end)

t.test("whether the peer was heard is no matter of its numbers", function()
  local near, far = net.pair { delay = 0.01 }
  assert(net.attach(near, HERE.ip))
  assert(net.attach(far, THERE.ip))
  local listener = assert(tcp.listen { addr = THERE.ip, port = 7, mode = "manual" })
  local conn = dial("ip", { mode = "manual" })
  conn:inject { flags = "S", seq = 0xffffffff, absolute = true }
  local accepted = assert(listener:accept())
  t.equal(accepted:info().rcv_nxt, 0)
  t.equal(tostring(accepted:inject()):gsub(" win.*", ""), "S. seq 0 ack 1")
end)

t.test("a listener in manual hands out the SYN, and the script makes the SYN-ACK", function()
  local near, far = net.pair { delay = 0.01 }
  assert(net.attach(near, HERE.ip))
  assert(net.attach(far, THERE.ip))
  local listener = assert(tcp.listen { addr = THERE.ip, port = 7, mode = "manual" })
  local client = task.spawn(function() return dial("ip"):read_line() end)
  local conn = assert(listener:accept(1))
  t.equal(conn:state(), "SYN-RECEIVED")
  t.equal(tostring(conn:segments()[1]):sub(1, 7), "S seq 0")
  conn:inject { options = { mss = 536 } }
  task.sleep(0.1)
  t.equal(conn:state(), "ESTABLISHED")
  conn:inject { data = "hello\n" }
  t.equal(client:join(), "hello\n")
  conn:mode "auto"
  conn:abort()
end)

t.test("a hand-driven connection that was reset is not answered for, and still sees", function()
  server "ip"
  local conn = dial("ip", { mode = "manual" })
  conn:inject()
  task.sleep(0.1)
  conn:inject { flags = "R" }
  t.equal(conn:state(), "CLOSED")
  local out = #lines(conn, "out")
  local wire = assert(net.open { src = THERE.ip, sport = 99 })
  local info = conn:info()
  wire:send(p.ip { src = THERE.ip, dst = HERE.ip }
    / p.tcp { sport = 7, dport = info.sport, flags = ".", seq = 1, ack = 1 })
  task.sleep(0.1)
  t.equal(#lines(conn, "out"), out)
  local list = conn:segments()
  t.equal(list[#list].flags, ".")
end)

t.test("segments with a bad checksum and ICMP errors are seen too", function()
  server "ip"
  local conn = dial("ip", { watched = true })
  local info = conn:info()
  local wire = assert(net.open { src = THERE.ip, sport = 99 })
  local spoilt = p.ip { src = THERE.ip, dst = HERE.ip }
    / p.tcp { sport = 7, dport = info.sport, flags = ".", seq = info.rcv_nxt, checksum = 1 } / "bad"
  wire:send(spoilt)
  wire:send(p.ip { src = THERE.ip, dst = HERE.ip } / p.icmp { type = 3, code = 1 }
    / conn:segments()[1].packet / "quoted")
  task.sleep(0.1)
  local list = conn:segments()
  t.equal(list[#list - 1].data, "bad")
  local icmp = list[#list]
  t.equal(icmp.icmp.type, 3)
  t.equal(icmp.tcp or icmp.flags or icmp.seq or icmp.win, nil, "a field of the header it quotes")
  t.equal(icmp.len .. icmp.data, "0", "what it quotes is no data")
  t.equal(conn:readable(), 0)
  conn:close()
end)

t.test("mistakes name what is wrong", function()
  server "ip"
  local conn = dial "ip"
  t.contains(select(2, pcall(conn.mode, conn, "magic")), "auto")
  t.contains(select(2, pcall(conn.on_send, conn, 5)), "function expected")
  t.contains(select(2, pcall(conn.inject, conn, { flags = "Q" })), "FSRP.UEWe")
  t.contains(select(2, pcall(conn.inject, conn, { nonsense = 1 })), "no field 'nonsense'")
  t.contains(select(2, pcall(conn.inject, conn, 7)), "table expected")
  for _, case in ipairs {
    { { flags = 5 }, "flags: a string" }, { { flags = {} }, "flags: a string" },
    { { data = 5 }, "data: a string" }, { { seq = "x" }, "seq: a whole number" },
    { { ack = 1.5 }, "ack: a whole number" }, { { seq = 0 / 0 }, "seq: a whole number" },
    { { seq = 1 << 60 }, "seq: a number of 32 bits" }, { { seq = 2 ^ 60 }, "seq: a number of 32" },
    { { seq = 1 << 60, absolute = true }, "seq: a number of 32" },
    { { win = 70000 }, "tcp.win takes" },
    { { win = "x" }, "tcp.win takes" }, { { win = -1 }, "tcp.win takes" }, { { len = 5 }, "'len'" },
    { { direction = "in" }, "'direction' cannot be set" }, { { packet = 1 }, "'packet' cannot" },
    { { options = { { "nop" } } }, "options: number 1 of the list has no value" },
    { { options = 5 }, "options takes" }, { { options = { mss = "x", nonsense = 1 } }, "nonsense" },
    { { options = { mss = 70000 } }, "option 'mss'" }, { { hlim = 5 }, "no field 'hlim'" },
    { "P. 1:1000000001(1000000000)", "more than a datagram holds (65535), at character" },
  } do
    local text = select(2, pcall(conn.inject, conn, case[1]))
    t.contains(text, case[2])
    t.contains(text, "puppet.lua:") -- this file's line, not one of ours
    t.equal(text:find("tcplua/", 1, true), nil)
  end
  for _, wrong in ipairs { "x", -1, 1 / 0, 0 / 0, false } do
    conn:on_send(function(s) s:delay(wrong or nil) end)
    conn:send "x\n"
    local text = select(2, pcall(conn.read_line, conn))
    t.contains(text, "delay: a number of seconds")
    t.contains(text, "puppet.lua:")
    t.equal(text:find("tcplua/", 1, true), nil)
    conn:on_send(nil)
  end
  for _, wrong in ipairs { false, 5, {}, "Auto" } do
    t.contains(select(2, pcall(conn.mode, conn, wrong or nil)), "mode")
  end
  conn:abort()
  for name, argument in pairs { inject = {}, mode = "auto", on_send = print, send = "x",
    read_line = {}, state = {}, info = {}, shutdown = {} } do
    local text = select(2, pcall(function() return conn[name](conn, argument) end))
    t.contains(text, "attempt to use a closed connection", name)
    t.contains(text, "puppet.lua:", name) -- this file's line
    t.equal(text:find("tcplua/", 1, true), nil, name)
  end
end)

t.done()
