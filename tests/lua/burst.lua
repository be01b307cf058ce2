--- Many packets from one call: how many, when, within which bounds, and what is reported. On links
-- in memory and a virtual clock, so every time is exact; tests/net has the real ones.
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"

local ETH <const> = p.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
local IP <const> = p.ip { src = "192.0.2.1", dst = "192.0.2.2" }

local function frame(n)
  return ETH / IP / p.udp { sport = 1, dport = n }
end

-- All that is at the far end: a list of packets, and when each came (seconds after `start`).
local function drain(far, start)
  local list, times = {}, {}
  while true do
    local packet = far:recv(0)
    if not packet then return list, times end
    list[#list + 1] = packet
    times[#times + 1] = start and packet.time - start
  end
end

local function ports(list)
  local all = {}
  for i, packet in ipairs(list) do all[i] = packet.udp.dport end
  return table.concat(all, " ")
end

local function near(got, wanted, what)
  t.within(got, wanted - 1e-6, wanted + 1e-6, what)
end

t.test("a list goes out once and in order, and the report says so", function()
  local a, b = net.pair { medium = "eth" }
  local report = assert(net.sendp({ frame(1), frame(2):bytes(), frame(3) }, { link = a }))
  local list = drain(b)
  t.equal(ports(list), "1 2 3", "ports")
  t.equal(list[2]:bytes(), frame(2):bytes(), "bytes")
  t.equal(report.sent, 3, "sent")
  t.equal(report.bytes, 3 * #frame(1), "bytes")
  t.equal(report.refused, 0, "refused")
  t.equal(report.seconds, 0, "seconds")
end)

t.test("a count goes through a list as often as it takes", function()
  local a, b = net.pair { medium = "eth" }
  t.equal(assert(net.sendp({ frame(1), frame(2) }, { link = a, count = 5 })).sent, 5, "sent")
  t.equal(ports(drain(b)), "1 2 1 2 1", "ports")
  t.equal(assert(net.sendp({ frame(1), frame(2) }, { link = a, count = 1 })).sent, 1, "sent")
  t.equal(ports(drain(b)), "1", "ports")
  t.equal(assert(net.sendp({}, { link = a })).sent, 0, "nothing at all")
  t.equal(assert(net.sendp({}, { link = a, count = 7 })).sent, 0, "nothing at all, seven times")
end)

t.test("sets are filled in, and take turns with packets", function()
  local a, b = net.pair { medium = "eth" }
  local set = ETH / IP / p.udp { sport = p.counter(7), dport = p.range(10, 12) }
  assert(net.sendp({ frame(1), set, frame(2) }, { link = a, count = 9 }))
  local list = drain(b)
  t.equal(ports(list), "1 10 11 12 2 1 10 11 12", "ports")
  t.equal(list[9].udp.sport, 12, "a counter goes on")
  for i, packet in ipairs(list) do
    t.equal(packet.udp:checksum_ok(), true, "checksum " .. i)
    t.equal(packet.ip:checksum_ok(), true, "header checksum " .. i)
  end
  t.equal(assert(net.sendp(set, { link = a })).sent, 3, "a set alone")
end)

t.test("more than a batch and more than a slice arrive whole", function()
  local a, b = net.pair { medium = "eth" }
  local set = ETH / IP / p.udp { sport = p.counter(0), dport = 9 }
  assert(net.sendp(set, { link = a, count = 10000 }))
  local list = drain(b)
  t.equal(#list, 10000, "packets")
  for i = 1, #list, 37 do t.equal(list[i].udp.sport, i - 1, "packet " .. i) end
end)

t.test("packet i is due at start + i / rate", function()
  local a, b = net.pair { medium = "eth" }
  local start = core.wall()
  local report = assert(net.sendp(frame(1), { link = a, count = 31, rate = 3 }))
  local _, times = drain(b, start)
  for i = 0, 30 do near(times[i + 1], i / 3, "packet " .. i) end
  near(report.seconds, 10, "seconds")
  near(report.rate, 3, "rate")
end)

t.test("a set of n packets lasts as long as n packets", function()
  local a, b = net.pair { medium = "eth" }
  local before = core.now()
  local report = assert(net.sendp(ETH / IP / p.udp { sport = 1, dport = p.range(1, 5) },
    { link = a, rate = 2 }))
  near(core.now() - before, 2, "time passed")
  t.equal(report.sent, 5, "sent")
  t.equal(#drain(b), 5, "seen")
end)

t.test("time ends what has no other end", function()
  local a, b = net.pair { medium = "eth" }
  local before = core.now()
  local report = assert(net.sendp(frame(1), { link = a, count = math.huge, rate = 10,
    timeout = 2 }))
  near(core.now() - before, 2, "time passed")
  t.equal(report.sent, 20, "sent")
  t.equal(#drain(b), 20, "seen")
  local endless = ETH / IP / p.udp { sport = p.random(), dport = 1 }
  t.equal(assert(net.sendp(endless, { link = a, rate = 10, timeout = 1 })).sent, 10, "a set")
  t.equal(assert(net.sendp(endless, { link = a, count = 4, rate = 10, timeout = 1 })).sent, 4,
    "a count that comes first")
end)

t.test("others have their turn, and two bursts share the time", function()
  local a, b = net.pair { medium = "eth" }
  local ticks = 0
  local ticker = task.spawn(function()
    for _ = 1, 10 do task.sleep(0.1); ticks = ticks + 1 end
  end)
  local other = task.spawn(function()
    return net.sendp(frame(2), { link = b, count = 10, rate = 10 })
  end)
  assert(net.sendp(frame(1), { link = a, count = 5, rate = 10 }))
  t.within(ticks, 3, 4, "ticks when the first is done")
  t.equal(assert(other:join()).sent, 10, "sent by the other")
  ticker:join()
  t.equal(#drain(a), 10, "from the other")
end)

t.test("a packet that is refused is counted, the rest goes", function()
  local a, b = net.pair { medium = "eth", mtu = 100 }
  local long = ETH / IP / p.udp() / ("x"):rep(100)
  local report = assert(net.sendp({ frame(1), long, frame(2), long }, { link = a }))
  t.equal(ports(drain(b)), "1 2", "ports")
  t.equal(report.sent, 2, "sent")
  t.equal(report.refused, 2, "refused")
  t.equal(report.why.code, "EMSGSIZE", "why")
  local none, err, last = net.sendp({ long }, { link = a })
  t.equal(none, nil, "nothing went")
  t.equal(err.code, "EMSGSIZE", "error")
  t.equal(last.refused, 1, "refused")
end)

t.test("at layer 3 a link in memory under a stack takes a burst", function()
  local a, b = net.pair()
  assert(net.attach(a, "192.0.2.1"))
  local set = p.ip { dst = "198.51.100.0/29" } / p.udp { sport = 5, dport = 6 }
  local report = assert(net.send(set))
  local list = drain(b)
  t.equal(report.sent, 8, "sent")
  t.equal(#list, 8, "seen")
  for i, packet in ipairs(list) do
    t.equal(packet.ip.dst, "198.51.100." .. i - 1, "destination")
    t.equal(packet.ip.src, "192.0.2.1", "the source that was left out")
    t.equal(packet.udp:checksum_ok(), true, "checksum")
  end
  assert(net.send({ IP / "x" }))
  t.equal(#drain(b), 1, "a packet of a list")
  local none, err = net.send { p.ip { src = "192.0.2.9", dst = "192.0.2.2" } / "x" }
  t.equal(none, nil, "an address that is on no link")
  t.equal(err.code, "EADDRNOTAVAIL", "error")
end)

-- 192.0.2.1 on a network whose other end answers ARP for the addresses in `alive`, after a while,
-- and lists the UDP that it gets there. Returns what answers.
local function neighbours(alive, delay)
  local a, far = net.pair { medium = "eth" }
  assert(net.attach(a, "192.0.2.1"))
  return task.spawn(function()
    while true do
      local packet = far:recv(60)
      if not packet then return end
      local arp = packet.arp
      if arp and alive[arp.tpa] then
        task.sleep(delay)
        far:send(p.eth { dst = packet.eth.src, src = "02:00:00:00:00:02" } / p.arp { op = 2,
          sha = "02:00:00:00:00:02", spa = arp.tpa, tha = arp.sha, tpa = arp.spa })
      elseif packet.udp then
        alive[#alive + 1] = packet
      end
    end
  end)
end

t.test("no packet is lost while its next hop is asked for", function()
  local seen = { ["192.0.2.2"] = true }
  local peer = neighbours(seen, 0.5)
  local report = assert(net.send(IP / p.udp { sport = 1, dport = p.range(1, 200) }))
  t.equal(report.sent, 200, "sent")
  task.sleep(1)
  local ports_seen = {}
  for _, packet in ipairs(seen) do ports_seen[packet.udp.dport] = true end
  for port = 1, 200 do t.equal(ports_seen[port], true, "port " .. port) end
  t.equal(#seen, 200, "seen, each once")
  peer:cancel()
end)

t.test("one packet waits for its next hop, too", function()
  local seen = { ["192.0.2.2"] = true }
  local peer = neighbours(seen, 0.5)
  local before = core.now()
  t.equal(net.send(IP / p.udp()), true, "sent")
  t.within(core.now() - before, 0.5, 0.6, "seconds")
  t.equal(net.send(IP / p.udp()), true, "sent again")
  t.within(core.now() - before, 0.5, 0.6, "seconds, when it is known")
  local sent, err = net.send(p.ip { src = "192.0.2.1", dst = "192.0.2.3" } / p.udp())
  t.equal(sent, nil, "to nobody")
  t.equal(err.code, "EHOSTUNREACH", "error")
  t.contains(err.message, "192.0.2.3", "error")
  t.equal(#seen, 2, "seen")
  peer:cancel()
end)

t.test("hosts that do not answer cost themselves only", function()
  local seen = { ["192.0.2.2"] = true, ["192.0.2.130"] = true, ["192.0.2.254"] = true }
  local peer = neighbours(seen, 0.01)
  local before = core.now()
  local hosts = p.ip { src = "192.0.2.1", dst = p.range("192.0.2.2", "192.0.2.254") }
  local report = assert(net.send(hosts / p.udp { sport = 1, dport = 2 }))
  t.equal(report.sent, 3, "sent")
  t.equal(report.refused, 250, "refused")
  t.equal(report.why.code, "EHOSTUNREACH", "why")
  t.contains(report.why.message, "192.0.2.", "why")
  t.within(core.now() - before, 3, 20, "seconds")
  task.sleep(0.1)
  t.equal(#seen, 3, "seen")
  peer:cancel()
end)

t.test("a broadcast and a group need no asking", function()
  local a, b = net.pair { medium = "eth" }
  assert(net.attach(a, "192.0.2.1"))
  assert(net.send { p.ip { src = "192.0.2.1", dst = "255.255.255.255" } / "x",
    p.ip { src = "192.0.2.1", dst = "239.129.2.3" } / "x" })
  local list = drain(b)
  t.equal(#list, 2, "frames")
  t.equal(list[1].eth.dst, "ff:ff:ff:ff:ff:ff", "broadcast")
  t.equal(list[2].eth.dst, "01:00:5e:01:02:03", "group")
end)

t.test("a link that closes ends the burst by an error", function()
  local a = net.pair { medium = "eth" }
  local sender = task.spawn(function()
    return pcall(net.sendp, frame(1), { link = a, count = 100, rate = 10 })
  end)
  task.sleep(1)
  a:close()
  local ok, err = sender:join()
  t.equal(ok, false, "sendp")
  t.contains(err, "closed link", "error")
  local c = net.pair()
  assert(net.attach(c, "192.0.2.1"))
  sender = task.spawn(function() return net.send(IP / "x", { count = 100, rate = 10 }) end)
  task.sleep(0.95)
  core.reset()
  local none, why, report = sender:join()
  t.equal(none, nil, "send")
  t.equal(why.code, "EBADF", "error")
  t.equal(report.sent, 10, "sent before")
end)

t.test("a task that is cancelled in a burst lets go of it", function()
  local a, b = net.pair { medium = "eth" }
  local sender = task.spawn(function()
    net.sendp(frame(1), { link = a, count = math.huge, timeout = 1000, rate = 10 })
  end)
  task.sleep(0.95)
  sender:cancel()
  task.sleep(5)
  t.equal(#drain(b), 10, "sent before")
end)

t.test("mistakes are raised where they are made", function()
  local a, b = net.pair { medium = "eth" }
  local function raises(text, what, options)
    local ok, err = pcall(net.sendp, what, options)
    t.equal(ok, false, text)
    t.contains(tostring(err), text, text)
  end
  local one = frame(1)
  local endless = ETH / IP / p.udp { sport = p.random(), dport = 1 }
  raises("unknown option 'counts'", one, { link = a, counts = 1 })
  raises("rate: ", one, { link = a, rate = 0 })
  raises("rate: ", one, { link = a, rate = "fast" })
  raises("rate: ", one, { link = a, rate = 0 / 0 })
  raises("count: ", one, { link = a, count = 0 })
  raises("count: ", one, { link = a, count = 1.5 })
  raises("timeout: ", one, { link = a, timeout = "1" })
  raises("needs a bound", one, { link = a, count = math.huge })
  raises("needs a bound", endless, { link = a })
  raises("needs a bound", { one, endless }, { link = a })
  raises("via: ", one, { via = "pigeon" })
  raises("link: ", one, { link = a, via = "xdp" })
  raises("packet: ", { 7 }, { link = a })
  raises("interfaces of this host", one, { via = "xdp", iface = "lo" })
  local ok, err = pcall(net.send, IP / "x", { link = b })
  t.equal(ok, false, "a link with Ethernet headers")
  t.contains(tostring(err), "sendp", "a link with Ethernet headers")
end)

t.done()
