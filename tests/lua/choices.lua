--- What a script may choose of a connection, seen from both ends: two of our stacks and a link.
local net = require "tcplua.net"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT <const>, SERVER <const> = "192.0.2.1", "192.0.2.66"

-- A connection, both ends of it; `theirs` are the listener's choices.
local function pair(ours, theirs, wire)
  local a, b = net.pair(wire or { delay = 0.01 })
  assert(net.attach(a, CLIENT))
  assert(net.attach(b, SERVER))
  local function with(o, more)
    for k, v in pairs(more or {}) do o[k] = v end
    return o
  end
  local listener = assert(tcp.listen(with({ addr = SERVER, port = 9 }, theirs)))
  local function open(sport)
    local client = assert(tcp.connect(with({ src = CLIENT, dst = SERVER, port = 9, sport = sport },
      ours)))
    return client, assert(listener:accept(1))
  end
  return open, listener
end

t.test("by default both ends scale windows, stamp times and acknowledge selectively", function()
  local client, server = pair()()
  for _, conn in ipairs { client, server } do
    local i = conn:info()
    t.equal(i.wscale and i.timestamps and i.sack, true)
    t.equal(i.snd_wscale, 5)
    t.equal(i.congestion, "cubic")
    t.within(i.rcv_wnd, 60000, 1 << 20)
  end
end)

-- RFC 7323 1.3, RFC 2018 2
t.test("each of them can be turned off at either end", function()
  for _, name in ipairs { "wscale", "timestamps", "sack" } do
    for _, side in ipairs { "ours", "theirs" } do
      local off = { [name] = false }
      local client, server = pair(side == "ours" and off, side == "theirs" and off)()
      for _, conn in ipairs { client, server } do
        for _, other in ipairs { "wscale", "timestamps", "sack" } do
          t.equal(conn:info()[other], other ~= name, name .. " off, " .. other)
        end
      end
      t.fresh()
    end
  end
end)

-- RFC 8985 4: each end finds its losses in its own way; without SACK not by time.
t.test("losses are found by time unless that, or SACK, is turned off", function()
  for off, by_time in pairs { rack = true, sack = false } do
    local client, server = pair({ [off] = false })()
    t.equal(client:info().rack, false)
    t.equal(server:info().rack, by_time)
    client:close()
    t.fresh()
  end
  local client, server = pair()()
  t.equal(client:info().rack and server:info().rack, true)
  assert(client:send("x"))
  assert(server:read(1))
  t.equal(client:info().timeouts, 0)
  t.within(client:info().min_rtt, 0, 1)
end)

t.test("congestion notification is used where one end asks for it", function()
  for asks, agreed in pairs { ours = true, theirs = false } do
    local ecn = { ecn = true }
    local client, server = pair(asks == "ours" and ecn, asks == "theirs" and ecn)()
    t.equal(client:info().ecn, agreed) -- it is for who opens to ask
    t.equal(server:info().ecn, agreed)
    t.fresh()
  end
end)

t.test("a choice of the wrong type or size is refused", function()
  t.equal(pair({ congestion = "newreno" })():info().congestion, "newreno")
  t.contains(select(2, pcall(tcp.connect, { dst = SERVER, port = 9, congestion = "bbr" })),
    '"cubic" or "newreno", not "bbr"')
  for _, bad in ipairs { { wscale = 1 }, { sack = "yes" }, { keepalive = "x" } } do
    bad.dst, bad.port = SERVER, 9
    t.equal(pcall(tcp.connect, bad), false)
  end
  for _, bad in ipairs { { keepalive = -1 }, { min_rto = -1 }, { keepalive_probes = 0 } } do
    bad.dst, bad.port = SERVER, 9
    local conn, err = tcp.connect(bad)
    t.equal(conn, nil)
    t.equal(err.kind, "usage")
  end
end)

t.test("a megabyte each way over a wire that loses, by SACK and without", function()
  for _, sack in ipairs { true, false } do
    local wire = { delay = 0.01, jitter = 0.002, loss = 0.02, duplicate = 0.01, reorder = 0.02,
      seed = 7 }
    local client, server = pair({ sack = sack }, nil, wire)()
    local data = ("0123456789abcdef"):rep(65536)
    local function send(conn)
      assert(conn:send(data))
      conn:shutdown()
    end
    local tasks = { task.spawn(send, client), task.spawn(send, server) }
    local got = task.spawn(function() return assert(server:read_all(1 << 20)) end)
    t.equal(assert(client:read_all(1 << 20)) == data, true)
    t.equal(got:join() == data, true)
    for _, one in ipairs(tasks) do one:join() end
    t.within(client:info().retransmits, 10, 200, "retransmissions")
    t.fresh()
  end
end)

-- MUST-30, MUST-33
t.test("urgent data is told of, and read in line", function()
  local client, server = pair()()
  assert(client:send "before ")
  assert(client:send_urgent "now!")
  assert(client:send " after\n")
  task.sleep(0.1)
  t.equal(server:urgent(), 11)
  t.equal(server:read(7), "before ")
  t.equal(server:urgent(), 4)
  t.equal(server:read_line(), "now! after\n")
  t.equal(server:urgent(), 0)
end)

-- MUST-24, MUST-25, MUST-27, MUST-29
t.test("with keepalive a peer that is gone is noticed; without it never", function()
  local wire = { delay = 0.01 }
  local client = pair({ keepalive = 10, keepalive_interval = 5, keepalive_probes = 3 }, nil, wire)()
  task.sleep(3600)
  t.equal(client:state(), "ESTABLISHED") -- it answers
  t.fresh()

  -- A peer that says nothing more: its stack drops what comes.
  local a, b = net.pair { delay = 0.01 }
  assert(net.attach(a, CLIENT))
  local opened = task.spawn(function()
    return assert(tcp.connect { src = CLIENT, dst = SERVER, port = 9, keepalive = 10,
      keepalive_interval = 5, keepalive_probes = 3 })
  end)
  local p = require "tcplua.packet"
  local syn = assert(b:recv(1))
  assert(b:send(p.ip { src = SERVER, dst = CLIENT } / p.tcp { sport = 9, dport = syn.tcp.sport,
    flags = "S.", seq = 1, ack = syn.tcp.seq + 1 }))
  local conn = opened:join()
  local began = task.now()
  local line, err = conn:read_line()
  t.equal(line, nil)
  t.equal(err.code, "ETIMEDOUT")
  t.within(task.now() - began, 24.9, 25.2, "seconds") -- 10 + 3 * 5
end)

-- MUST-24, MUST-28
t.test("keepalive = true means two hours, false none", function()
  for choice, probes in pairs { [true] = 1, [false] = 0 } do
    local client = pair({ keepalive = choice })()
    task.sleep(7199)
    local before = client:info().segs_out
    task.sleep(2)
    t.equal(client:info().segs_out - before, probes, "probes")
    t.fresh()
  end
end)

t.test("RFC 9293 MAY-2: the same ports again while the server is in TIME-WAIT", function()
  for _, timestamps in ipairs { true, false } do
    local open = pair({ timestamps = timestamps, time_wait = 0.001 })
    for _ = 1, 3 do
      local client, server = open(40000)
      local closing = task.spawn(server.close, server)
      assert(client:passive_close())
      client:close()
      closing:join()
      task.sleep(0.1)
    end
    t.fresh()
  end
end)

t.done()
