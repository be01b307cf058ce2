-- Send and receive on real wires: the lab's, on which we have no address, and the kernel's own.
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local OURS, KERNEL, OURS6, KERNEL6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"

-- What the kernel has counted: snmp("Tcp", "OutRsts").
local function snmp(group, name)
  local names
  for line in io.lines "/proc/net/snmp" do
    local rest = line:match("^" .. group .. ": (.*)")
    if rest and not names then
      names = {}
      for word in rest:gmatch "%S+" do names[#names + 1] = word end
    elseif rest then
      local i = 0
      for word in rest:gmatch "%S+" do
        i = i + 1
        if names[i] == name then return tonumber(word) end
      end
    end
  end
  error("no " .. name)
end

-- ICMP errors that it has sent.
local function unreachables() return snmp("Icmp", "OutDestUnreachs") end

local function address(dst, src)
  return (dst:find ":" and p.ip6 or p.ip) { src = src, dst = dst }
end

local function ping(dst, src)
  return address(dst, src) / (dst:find ":" and p.icmp6 or p.icmp) { seq = 1 } / "data"
end

for _, way in ipairs {
  { "the lab", KERNEL, OURS }, { "an address that nobody has", KERNEL, "192.0.2.77" },
  { "the lab, source left out", KERNEL }, { "loopback", "127.0.0.1", "127.0.0.1" },
  { "two addresses of loopback", "127.0.0.1", "127.0.0.2" },
  { "an own address", KERNEL, KERNEL }, { "the lab, IPv6", KERNEL6, OURS6 },
  { "an address that nobody has, IPv6", KERNEL6, "2001:db8::77" },
  { "loopback, IPv6", "::1", "::1" }, { "an own address, IPv6", KERNEL6, KERNEL6 },
} do
  local name, dst, src = table.unpack(way)
  t.test(name .. ": echo, SYN to a closed port, UDP to a closed port", function()
    local reply, rtt, others = assert(net.sr1(ping(dst, src)))
    local icmp = reply.icmp or reply.icmp6
    t.equal(icmp.type, reply.icmp and 0 or 129, "echo reply")
    t.equal(reply.payload, "data", "payload")
    t.within(rtt, 0, 1.5, "rtt")
    for _, other in ipairs(others) do -- our own requests are none, through lo as well
      t.equal(tostring(other):find "echo request", nil, "others")
    end
    local reset = assert(net.sr1(address(dst, src) / p.tcp { dport = 9, flags = "S", seq = 99 }))
    t.equal(reset.tcp.flags, "R.", "flags")
    t.equal(reset.tcp.ack, 100, "ack")
    local refused = assert(net.sr1(address(dst, src) / p.udp { dport = 9 } / "x"))
    t.equal((refused.icmp or refused.icmp6).type, refused.icmp and 3 or 1, "unreachable")
    t.equal(refused.udp.dport, 9, "the port it quotes")
  end)
end

t.test("an open port: the kernel sends no reset for the port that asked", function()
  assert(tcp.listen { addr = OURS, port = 8000 })
  local before = snmp("Tcp", "OutRsts")
  for _, src in ipairs { KERNEL, KERNEL, KERNEL } do
    local reply = assert(net.sr1(address(OURS, src) / p.tcp { dport = 8000, flags = "S", seq = 5 }))
    t.equal(reply.tcp.flags, "S.", "flags")
    t.equal(reply.tcp.ack, 6, "ack")
  end
  t.equal(snmp("Tcp", "OutRsts"), before, "resets")
end)

t.test("UDP: the kernel answers no datagram for the port that asked", function()
  local link <close> = assert(net.link { iface = "tap0", filter = "udp dst port 7000" })
  local stack = task.spawn(function() -- a server at our end of the wire
    local ask = assert(link:recv(5))
    local eth, ip, udp = ask.eth, ask.ip, ask.udp
    local reply = p.eth { src = eth.dst, dst = eth.src } / p.ip { src = ip.dst, dst = ip.src }
      / p.udp { sport = 7000, dport = udp.sport } / ask.payload:upper()
    for _ = 1, 5 do assert(link:send(reply)) end
  end)
  assert(net.open { src = OURS, dst = KERNEL }) -- which makes our end answer ARP
  local before = unreachables()
  local answered, _, others = assert(net.sr(address(OURS, KERNEL) / p.udp { dport = 7000 } / "x",
    { multi = true, timeout = 0.3 }))
  stack:join()
  t.equal(#answered + #others, 5, "answers")
  t.equal(answered[1].answer.payload, "X", "payload")
  t.equal(unreachables(), before, "ICMP errors")
end)

t.test("a port that the packets name is guarded as well, for several runs at once", function()
  local before = snmp("Tcp", "OutRsts")
  local tasks = {}
  for n = 1, 10 do
    assert(tcp.listen { addr = OURS, port = 8000 + n })
    tasks[n] = task.spawn(function()
      return net.sr1(address(OURS, KERNEL)
        / p.tcp { sport = 5555, dport = 8000 + n, flags = "S", seq = 1000 * n })
    end)
  end
  for n = 1, 10 do t.equal(assert(tasks[n]:join()).tcp.ack, 1000 * n + 1, "ack") end
  t.equal(snmp("Tcp", "OutRsts"), before, "resets")
  local again <close> = assert(core.guard("tcp", KERNEL, 5555)) -- it is free again
  t.equal(again:sport(), 5555, "port")
end)

t.test("a wire's own port can ask", function()
  assert(tcp.listen { addr = OURS, port = 8000 })
  local wire <close> = assert(net.open { src = KERNEL, dst = OURS })
  local reply = assert(net.sr1(address(OURS, KERNEL)
    / p.tcp { sport = wire:sport(), dport = 8000, flags = "S" }))
  t.equal(reply.tcp.flags, "S.", "flags")
end)

t.test("ARP and neighbour discovery", function()
  local hosts, silent = assert(net.srp({ p.arp { tpa = KERNEL }, p.arp { tpa = "192.0.2.9" } },
    { timeout = 0.3 }))
  t.equal(#hosts, 1, "hosts")
  t.equal(hosts[1].answer.arp.spa, KERNEL, "address")
  t.equal(#silent, 1, "silent")
  local mac = hosts[1].answer.arp.sha
  local found = assert(net.srp1(p.eth() / p.ip6 { dst = "ff02::1:ff00:2", hlim = 255 } / p.icmp6()
    / p.ns { target = KERNEL6 }))
  t.equal(found.na.options.tll, mac, "the same host")
  local other = assert(net.srp1(p.arp { tpa = KERNEL, spa = "192.0.2.88" }, "tap0"))
  t.equal(other.arp.tpa, "192.0.2.88", "to the one that asked")
end)

t.test("frames to the next hop, whose address was left out", function()
  local frames = {}
  for i, dst in ipairs { KERNEL, KERNEL6, "192.0.2.9", "2001:db8::9" } do
    frames[i] = p.eth() / ping(dst)
  end
  local link = assert(net.srp1(p.arp { tpa = KERNEL })).arp
  local answered, unanswered, _, report = assert(net.srp(frames, { timeout = 0.3 }))
  t.equal(#answered, 2, "answered")
  for _, one in ipairs(answered) do
    t.equal(one.sent.eth.dst, link.sha, "to")
    t.equal(one.sent.eth.src, link.tha, "from")
  end
  t.equal(#unanswered, 2, "unanswered")
  t.equal(#report.errors, 2, "errors")
  t.contains(report.errors[1].error.message, "nobody answers for ")
  t.equal(frames[1].eth.dst, "00:00:00:00:00:00", "what was given stays")
end)

t.test("ten tasks at once, each its own answers", function()
  local tasks = {}
  for n = 1, 10 do
    tasks[n] = task.spawn(function()
      local list = {}
      for seq = 1, 20 do
        list[seq] = address(KERNEL, "192.0.2." .. 100 + n) / p.icmp { id = n, seq = seq }
      end
      return net.sr(list)
    end)
  end
  for n = 1, 10 do
    local answered, unanswered, others = assert(tasks[n]:join())
    t.equal(#answered, 20, "answered")
    t.equal(#unanswered + #others, 0, "the rest")
    for _, one in ipairs(answered) do
      t.equal(one.answer.ip.dst, "192.0.2." .. 100 + n, "address")
      t.equal(one.answer.icmp.seq, one.sent.icmp.seq, "seq")
    end
  end
end)

t.test("a scan of a thousand ports from an address that nobody has", function()
  local list = {}
  for port = 8001, 9000 do
    list[#list + 1] = address(KERNEL, "192.0.2.66") / p.tcp { dport = port, flags = "S" }
  end
  local answered, unanswered, others, report = assert(net.sr(list, { retry = 1, timeout = 1 }))
  t.equal(#answered, 1000, "answered")
  t.equal(#unanswered + #others + report.dropped, 0, "the rest")
  for _, one in ipairs(answered) do t.equal(one.answer.tcp.sport, one.sent.tcp.dport, "port") end
end)

t.test("silence, and no way there", function()
  local begin = core.now()
  local reply, err = net.sr1(ping("192.0.2.9", OURS), { timeout = 0.2, retry = 1 })
  t.equal(reply, nil, "reply")
  t.equal(err.code, "ETIMEDOUT", "code")
  t.within(core.now() - begin, 0.4, 2, "seconds")
  reply, err = net.sr1(ping("198.51.100.1", KERNEL))
  t.equal(reply, nil, "reply")
  t.equal(err.code, "ENETUNREACH", "code")
  reply, err = net.sr1(ping(KERNEL, OURS), { filter = "tcp porridge" })
  t.equal(reply, nil, "reply")
  t.contains(err.message, "porridge")
end)

t.test("one destination to which there is no route does not stop the others", function()
  local list = { ping("198.51.100.1"), ping(KERNEL), ping("198.51.100.2") }
  local answered, unanswered, _, report = assert(net.sr(list, { timeout = 1 }))
  t.equal(#answered, 1, "answered")
  t.equal(#unanswered, 2, "unanswered")
  t.equal(#report.errors, 2, "errors")
  t.equal(report.errors[2].error.code, "ENETUNREACH", "code")
  t.equal(report.errors[2].packet.ip.dst, "198.51.100.2", "packet")
  report = assert(net.send(list))
  t.equal(report.sent, 1, "sent")
  t.equal(report.refused, 2, "refused")
  t.equal(report.why.code, "ENETUNREACH", "why")
  report = assert(net.send(p.ip { dst = p.list { "198.51.100.1", KERNEL } } / p.icmp()))
  t.equal(report.sent, 1, "sent of a set")
  t.equal(report.refused, 1, "refused of a set")
  for _, what in ipairs { list[1], p.ip { dst = "198.51.100.0/30" } / p.icmp() } do
    local sent, err, refused = net.send({ what })
    t.equal(sent, nil, "nothing")
    t.equal(err.code, "ENETUNREACH", "code")
    t.equal(refused.refused, core.is_set(what) and 4 or 1, "refused")
  end
end)

t.test("what the kernel would mend on loopback names its field", function()
  for src, dst in pairs { ["127.0.0.1"] = "127.0.0.1", ["192.0.2.77"] = "127.0.0.2" } do
    local packet = p.ip { src = src, dst = dst, checksum = 1 } / p.udp()
    for _, what in ipairs { packet, { packet, packet } } do
      local sent, err = net.send(what)
      t.equal(sent, nil, "sent")
      t.contains(err.message, src == dst and "ip.checksum" or "but the destination is")
    end
  end
end)

t.test("destinations by several interfaces in one call", function()
  local answered, unanswered = assert(net.sr({ ping("127.0.0.1"), ping(KERNEL, OURS),
    ping(KERNEL, KERNEL) }, { timeout = 1 }))
  t.equal(#answered, 3, "answered")
  t.equal(#unanswered, 0, "unanswered")
end)

t.done()
