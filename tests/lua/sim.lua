--- Simulated networks as scripts have them: hosts, paths whose settings change at their time, one
-- clock, and one seed that says it all.
local core = require "tcplua.core"
local sim = require "tcplua.sim"
local t = require "harness"
local task, tcp = require "tcplua.task", require "tcplua.tcp"

local A <const>, B <const>, PORT <const> = "192.0.2.1", "192.0.2.2", 80
local A6 <const>, B6 <const> = "2001:db8::1", "2001:db8::2"
local LONG <const> = { max = 1 << 20, timeout = 1e5 }

-- Listens at `dst` and sends `data` to who connects from `src`: what that reads, how long it took,
-- and the client's and the server's numbers.
local function transfer(data, src, dst, options)
  local plain = options or {}
  local listener = assert(tcp.listen { addr = dst, port = PORT, mss = plain.mss })
  local server = task.spawn(function()
    local conn <close> = assert(listener:accept())
    assert(conn:send(data, 1e5))
    conn:shutdown()
    conn:read(1, 1e5)
    return conn:info()
  end)
  local start = task.now()
  local conn <close> = assert(tcp.connect { src = src, dst = dst, port = PORT, timeout = 1e5 })
  local got = assert(conn:read_all(LONG.max, LONG.timeout))
  local seconds, info = task.now() - start, conn:info()
  conn:close(1e5)
  local theirs = server:join()
  listener:close()
  return got, seconds, info, theirs
end

local function pair_of(settings)
  local net = sim.network(settings)
  return net, net:host(A, A6), net:host(B, B6)
end

t.test("two hosts talk over IPv4 and IPv6, and time is the path's", function()
  local net <close>, a, b = pair_of { seed = 1, delay = 0.5 }
  for _, ends in ipairs { { A, B }, { A6, B6 } } do
    local got, seconds = transfer("hello\n", ends[1], ends[2])
    t.equal(got, "hello\n")
    t.within(seconds, 1.5, 2.1, "three ways")
  end
  t.equal(net.seed, 1)
  t.equal(#net.hosts, 2)
  t.equal(a.addresses[2], A6)
  t.equal(b.sending:counts().lost, 0)
end)

t.test("a source that is left out is the other host's", function()
  local net <close> = pair_of { seed = 1 }
  t.equal(transfer("x", nil, B), "x")
  t.equal(#net.hosts, 2)
end)

t.test("three hosts, and what is for one is for no other", function()
  local net <close>, _, b = pair_of { seed = 1, delay = 0.01 }
  local c = net:host "192.0.2.3"
  t.equal(transfer("to b", "192.0.2.3", B), "to b")
  t.equal(transfer("to c", A, "192.0.2.3"), "to c")
  t.equal(b.receiving:counts().sent + b.sending:counts().sent > 0, true)
  local before = b.receiving:counts().sent
  transfer("to c", A, "192.0.2.3")
  t.equal(b.receiving:counts().sent, before)
  assert(c:add "192.0.2.33")
  t.equal(transfer("to the other", A, "192.0.2.33"), "to the other")
end)

t.test("one seed is one run, another is another", function()
  local data = ("x"):rep(100000)
  local function run(seed)
    local net <close>, a, b = pair_of {
      seed = seed, delay = 0.02, jitter = 0.01, loss = 0.05, reorder = 0.05, duplicate = 0.05,
      corrupt = 0.01, burst_every = 1, burst_length = 0.02,
    }
    local got, seconds, info, theirs = transfer(data, A, B)
    t.equal(got, data)
    local out, back = b.sending:counts(), a.sending:counts()
    t.equal(net.seed, seed)
    return ("%.9f %d %d %d %d %d %d %d"):format(seconds, info.sport, theirs.retransmits, out.sent,
      out.lost, out.duplicated, back.reordered, back.lost)
  end
  local first = run(7)
  t.equal(run(7), first)
  t.equal(run(8) ~= first, true)
end)

t.test("a rate is kept, and its queue overflows", function()
  local net <close>, _, b = pair_of { seed = 1, delay = 0.01, rate = 1e6, queue = 20000 }
  local data = ("x"):rep(250000)
  local got, seconds = transfer(data, A, B)
  t.equal(got, data)
  t.within(seconds, 2, 4, "two megabits at one a second")
  t.equal(b.sending:counts().overflowed > 0, true)
  assert(net:set { rate = 100e6 })
  t.within(select(2, transfer(data, A, B)), 0, 0.5, "at a hundred")
end)

t.test("settings that change at their time: ten seconds of darkness", function()
  local net <close>, _, b = pair_of { seed = 1, delay = 0.01, rate = 10e6 }
  net:at(0.05, { down = true })
  net:at(10.05, { down = false })
  local data = ("x"):rep(200000)
  local got, seconds = transfer(data, A, B)
  t.equal(got, data)
  t.within(seconds, 10, 25)
  t.equal(b.sending:counts().dark > 0, true)
end)

t.test("a host that is cut off, and each of its ways", function()
  local net <close>, a = pair_of { seed = 1, delay = 0.01 }
  a.sending:down()
  local conn, err = tcp.connect { src = A, dst = B, port = PORT, timeout = 10 }
  t.equal(conn, nil)
  t.equal(err.code, "ETIMEDOUT")
  t.equal(a.sending:counts().dark > 1, true)
  a.sending:up()
  a.receiving:down()
  t.equal(select(2, tcp.connect { src = A, dst = B, port = PORT, timeout = 10 }).code, "ETIMEDOUT")
  t.equal(a.receiving:counts().dark > 1, true) -- the resets
  a:down()
  a:up()
  t.equal(select(2, tcp.connect { src = A, dst = B, port = PORT }).code, "ECONNREFUSED")
  net:down()
  net:up()
  t.equal(transfer("x", A, B), "x")
end)

t.test("a smaller MTU of the path is found by ICMP, over IPv4 and IPv6", function()
  for _, ends in ipairs { { A, B }, { A6, B6 } } do
    local net <close>, _, b = pair_of { seed = 1, delay = 0.01, rate = 10e6 }
    net:at(0.05, { path_mtu = 1280 })
    local data = ("x"):rep(200000)
    local got, seconds, _, theirs = transfer(data, ends[1], ends[2])
    t.equal(got, data)
    t.equal(b.sending:counts().too_big > 0, true)
    t.equal(theirs.snd_mss, 1280 - (ends[1] == A and 40 or 60) - 12)
    t.within(seconds, 0.1, 3)
  end
end)

t.test("without ICMP it ends in a timeout, unless the segments are small", function()
  local net <close> = pair_of { seed = 1, delay = 0.01, path_mtu = 1280, silent = true }
  local listener = assert(tcp.listen { addr = B, port = PORT })
  local server = task.spawn(function()
    local conn <close> = assert(listener:accept())
    assert(conn:send(("x"):rep(10000)))
    return select(2, conn:read(1, 1e5)).code
  end)
  local conn <close> = assert(tcp.connect { src = A, dst = B, port = PORT })
  t.equal(server:join(), "ETIMEDOUT")
  conn:abort()
  listener:close()
  t.equal(#transfer(("x"):rep(10000), A, B, { mss = 1200 }), 10000)
  net:close()
end)

t.test("a closed network ends its connections, and another may follow", function()
  local net <close> = pair_of { seed = 1, delay = 0.01 }
  local listener = assert(tcp.listen { addr = B, port = PORT })
  local conn = assert(tcp.connect { src = A, dst = B, port = PORT })
  t.equal(sim.current(), net)
  net:close()
  net:close()
  t.equal(sim.current(), nil)
  t.equal(conn:raw_error() ~= nil, true)
  t.equal(select(2, tcp.listen { addr = B, port = PORT }).code, "EADDRNOTAVAIL")
  t.equal(pcall(net.host, net, A), false)
  listener:close()
  local next_one <close> = pair_of {}
  t.equal(sim.current(), next_one)
  t.equal(transfer("again", A, B), "again")
end)

t.test("what cannot be is refused", function()
  local function refused(f, part, ...)
    local results = table.pack(pcall(f, ...))
    local why = results[1] and results[3] or results[2]
    t.contains(tostring(why), part)
  end
  refused(sim.network, "loss", { loss = 2 })
  refused(sim.network, "burst_length", { burst_every = 1 })
  refused(sim.network, "unknown option 'los'", { los = 0.1 })
  refused(sim.network, "delay", { delay = "fast" })
  refused(sim.network, "mtu", { mtu = 5 })
  local net <close>, a = pair_of { seed = 1 }
  refused(sim.network, "already")
  refused(net.host, "192.0.2.1", net, A)
  refused(net.host, "not the address of one host", net, "224.0.0.1")
  refused(net.host, "x.y", net, "x.y")
  refused(net.set, "rate", net, { rate = 1 })
  refused(a.sending.set, "unknown option", a.sending, { seed = 1 })
  refused(net.at, "unknown option", net, 1, { lost = 1 })
  t.equal(a.sending:counts().sent, 0)
end)

t.test("settings as text", function()
  local first, changes = assert(sim.parse "delay=20ms,rate=1.5M,loss=1%,queue=64K,mtu=1400,silent")
  t.equal(first.delay, 0.02)
  t.equal(first.rate, 1.5e6)
  t.equal(first.loss, 0.01)
  t.equal(first.queue, 65536)
  t.equal(first.mtu, 1400)
  t.equal(first.silent, true)
  t.equal(#changes, 0)
  first, changes = assert(sim.parse "@500ms,down,@2m,up,delay=1")
  t.equal(next(first), nil)
  t.equal(changes[1].at, 0.5)
  t.equal(changes[1].settings.down, true)
  t.equal(changes[2].at, 120)
  t.equal(changes[2].settings.down, false)
  t.equal(changes[2].settings.delay, 1)
  for text, part in pairs {
    ["los=1"] = "no setting 'los'", ["delay"] = "wants a value like delay=20ms",
    ["delay=1x"] = "not '1x'", ["loss=1ms"] = "not '1ms'", ["down=1"] = "stands alone",
    ["@x"] = "wants a time", ["@1s,mtu=1"] = "cannot change", ["rate=1.2.3"] = "not '1.2.3'",
    ["\27=1"] = "\\x1b",
  } do
    local none, err = sim.parse(text)
    t.equal(none, nil, text)
    t.equal(err.kind, "usage")
    t.contains(err, part)
  end
end)

t.test("damage that looks like a checksum left to hardware is damage", function()
  local p = require "tcplua.packet"
  local net = require "tcplua.net"
  local near, far = net.pair {}
  assert(net.attach(far, B))
  local syn = p.ip { src = A, dst = B } / p.tcp { sport = 5, dport = PORT, flags = "S" }
  local bytes = syn:bytes()
  local sum = 6 + #bytes - 20 -- the pseudo-header's, unfinished
  for at = 13, 20, 2 do sum = sum + string.unpack(">I2", bytes, at) end
  sum = (sum & 0xffff) + (sum >> 16)
  near:send(bytes:sub(1, 36) .. string.pack(">I2", sum) .. bytes:sub(39))
  core.work()
  t.equal(net.verdicts()["bad checksum"], 1)
end)

t.done()
