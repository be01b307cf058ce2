--- tcplua.net.sniffer on links in memory: what its fields mean, and misuse. tests/lab/sniffing.lua
-- and tests/net/sniffing.sh have real interfaces.
local core = require "tcplua.core"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"

local function datagram(port)
  return p.ip { src = "192.0.2.1", dst = "192.0.2.2" } / p.udp { sport = 4000, dport = port } / "x"
end

-- A link that has these ports waiting in it.
local function waiting(first, last)
  local left, right = net.pair()
  for port = first, last do assert(left:send(datagram(port))) end
  return right, left
end

local function ports(list)
  local out = {}
  for i, packet in ipairs(list) do out[i] = packet.udp.dport end
  return table.concat(out, " ")
end

local function raises(text, f, ...)
  local ok, err = pcall(f, ...)
  t.equal(ok, false, text)
  t.contains(tostring(err), text)
end

t.test("sniff gives what came within its time, and a report", function()
  local link = waiting(1, 3)
  local began = core.now()
  local list, report = assert(net.sniff { link = link, timeout = 2 })
  t.equal(ports(list), "1 2 3")
  t.equal(report.packets, 3)
  t.equal(report.matched, 3)
  t.equal(report.bytes, 87)
  t.equal(report.dropped, 0)
  t.within(report.seconds, 1.999, 2.001)
  t.within(core.now() - began, 1.999, 2.001)
  t.equal(list[1].direction, "in")
end)

t.test("what came after the end stays out", function()
  local link, left = waiting(1, 1)
  task.spawn(function()
    task.sleep(0.5)
    assert(left:send(datagram(2)))
    task.sleep(1)
    assert(left:send(datagram(3)))
  end)
  t.equal(ports(assert(net.sniff { link = link, timeout = 1 })), "1 2")
  task.sleep(1)
  t.equal(ports(assert(net.sniff { link = link, timeout = 0 })), "3")
end)

t.test("where says which, count says how many, and the rest stays where it is", function()
  local link = waiting(1, 9)
  local list, report = assert(net.sniff { link = link, count = 2, where = function(packet)
    return packet.udp.dport % 2 == 0
  end })
  t.equal(ports(list), "2 4")
  t.equal(report.packets, 4)
  t.equal(report.matched, 2)
  t.equal(ports(assert(net.sniff { link = link, timeout = 0 })), "5 6 7 8 9")
end)

t.test("stop ends it with the packet that it was asked about", function()
  local asked = {}
  local list = assert(net.sniff { link = waiting(1, 9), stop = function(packet)
    asked[#asked + 1] = packet
    return packet.udp.dport == 4
  end })
  t.equal(ports(list), "1 2 3 4")
  t.equal(ports(asked), "1 2 3 4")
end)

t.test("each is called in order, and keeps nothing unless told to", function()
  for _, keep in ipairs { false, true } do
    local seen = {}
    local list, report = assert(net.sniff { link = waiting(1, 300), count = 300, keep = keep or nil,
      each = function(packet) seen[#seen + 1] = packet.udp.dport end })
    t.equal(#seen, 300)
    for i = 1, 300 do t.equal(seen[i], i) end
    t.equal(#list, keep and 300 or 0)
    t.equal(report.matched, 300)
  end
  t.equal(#assert(net.sniff { link = waiting(1, 3), count = 3, keep = false }), 0)
end)

t.test("of several links the list is in order of time", function()
  local a, to_a = waiting(1, 1)
  local b, to_b = net.pair()
  task.spawn(function()
    for port = 2, 20 do
      task.sleep(0.01)
      local to = port % 3 == 0 and to_a or to_b
      assert(to:send(datagram(port)))
    end
  end)
  local list = assert(net.sniff { link = { a, to_a, b }, timeout = 1 })
  t.equal(ports(list), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20")
end)

t.test("packets of one time stay in their order", function()
  local left, right = net.pair()
  local other = net.pair()
  for port = 1, 200 do assert(left:send(datagram(port))) end
  local list = assert(net.sniff { link = { other, right }, timeout = 0 })
  for i = 1, 200 do t.equal(list[i].udp.dport, i) end
end)

t.test("a started sniffer collects while the script does other things", function()
  local link, left = waiting(1, 2)
  local sniffer = assert(net.sniffer { link = link }):start()
  task.sleep(1)
  assert(left:send(datagram(3)))
  task.sleep(1)
  assert(left:send(datagram(4))) -- it has had no turn since
  local list, report = assert(sniffer:stop())
  t.equal(ports(list), "1 2 3 4")
  t.equal(report.packets, 4)
  assert(left:send(datagram(5)))
  local again, same = assert(sniffer:stop())
  t.equal(again, list)
  t.equal(same, report)
  t.equal(sniffer:drops(), 0)
  t.equal(link:recv(1).udp.dport, 5, "the link is not closed")
end)

t.test("stop without start gives what has come", function()
  local sniffer = assert(net.sniffer { link = waiting(1, 2) })
  t.equal(ports(assert(sniffer:stop())), "1 2")
end)

t.test("join waits for the end, or so long", function()
  local link, left = waiting(1, 1)
  local sniffer = assert(net.sniffer { link = link, count = 2 }):start()
  local none, err = sniffer:join(1)
  t.equal(none, nil)
  t.equal(err.code, "ETIMEDOUT")
  task.spawn(function()
    task.sleep(1)
    assert(left:send(datagram(2)))
  end)
  t.equal(ports(assert(sniffer:join(5))), "1 2")

  local began = core.now()
  sniffer = assert(net.sniffer { link = link, timeout = 3 }):start()
  t.equal(#assert(sniffer:join()), 0)
  t.within(core.now() - began, 2.999, 3.001)
end)

t.test("recv gives one that is wanted, and waits for it", function()
  local link, left = waiting(1, 3)
  local sniffer <close> = assert(net.sniffer { link = link, where = function(packet)
    return packet.udp.dport ~= 2
  end })
  local packet, time, direction = assert(sniffer:recv())
  t.equal(packet.udp.dport, 1)
  t.equal(time, packet.time)
  t.equal(direction, "in")
  t.equal(assert(sniffer:recv()).udp.dport, 3)
  local none, err = sniffer:recv(0.5)
  t.equal(none, nil)
  t.equal(err.code, "ETIMEDOUT")
  task.spawn(function() assert(left:send(datagram(7))) end)
  t.equal(assert(sniffer:recv()).udp.dport, 7)
end)

t.test("recv takes from each link in turn", function()
  local a, b = waiting(1, 3), waiting(11, 13)
  local sniffer <close> = assert(net.sniffer { link = { a, b } })
  local list = {}
  for i = 1, 6 do list[i] = assert(sniffer:recv()) end
  t.equal(ports(list), "1 11 2 12 3 13")
end)

t.test("count looks at nothing", function()
  local link = waiting(1, 6000)
  local report = assert(net.count { link = link, count = 5000 })
  t.equal(report.packets, 5000)
  t.equal(report.matched, 5000)
  t.equal(report.bytes, 5000 * 29)
  report = assert(net.count { link = link, timeout = 1 })
  t.equal(report.packets, 1000)
  t.within(report.seconds, 0.999, 1.001)
end)

t.test("what a link drops is in the report, and said once unless quiet", function()
  local link, left = waiting(1, 65535)
  for _ = 1, 10 do assert(left:send(datagram(1))) end -- the last nine do not fit
  local sniffer = assert(net.sniffer { link = link, quiet = true, keep = false })
  t.equal(sniffer:drops(), 0, "those of before")
  for _ = 1, 5 do assert(left:send(datagram(1))) end
  t.equal(sniffer:drops(), 5)
  local _, report = assert(sniffer:stop())
  t.equal(report.packets, 65536)
  t.equal(report.dropped, 5)
end)

t.test("ten sniffers and ten senders side by side", function()
  local tasks = {}
  for i = 1, 10 do
    local left, right = net.pair()
    local sniffer = assert(net.sniffer { link = right, count = 100 }):start()
    task.spawn(function()
      for port = 1, 100 do
        assert(left:send(datagram(1000 * i + port)))
        task.sleep(0.001 * i)
      end
    end)
    tasks[i] = sniffer
  end
  for i, sniffer in ipairs(tasks) do
    local list = assert(sniffer:join(10))
    t.equal(#list, 100)
    t.equal(list[100].udp.dport, 1000 * i + 100)
  end
end)

t.test("an error of a function is raised where the packets are asked for", function()
  local function bad() error "spilt milk" end
  for _, name in ipairs { "where", "each", "stop" } do
    raises("spilt milk", net.sniff, { link = waiting(1, 2), [name] = bad })
    local sniffer = assert(net.sniffer { link = waiting(1, 2), [name] = bad }):start()
    raises("spilt milk", sniffer.join, sniffer)
    raises("spilt milk", sniffer.stop, sniffer)
  end
end)

t.test("a function may wait", function()
  local link, left = waiting(1, 3)
  local sniffer = assert(net.sniffer { link = link, each = function() task.sleep(1) end,
    keep = true }):start()
  task.sleep(1.5)
  assert(left:send(datagram(4)))
  t.equal(ports(assert(sniffer:stop())), "1 2 3 4")
end)

t.test("a closed one says so", function()
  local link = waiting(1, 3)
  local sniffer = assert(net.sniffer { link = link })
  sniffer:close()
  sniffer:close()
  for _, name in ipairs { "recv", "start", "stop" } do
    raises("closed sniffer", sniffer[name], sniffer)
  end
  raises("not been started", sniffer.join, sniffer)
  sniffer = assert(net.sniffer { link = link }):start()
  raises("takes its packets itself", sniffer.recv, sniffer)
  raises("already", sniffer.start, sniffer)
  sniffer:close()
  raises("closed sniffer", sniffer.stop, sniffer)
  t.equal(tostring(sniffer), "sniffer on a link")
end)

t.test("misuse is raised, naming the field, at the caller's line", function()
  local link = waiting(1, 1)
  for _, case in ipairs {
    { "unknown option 'nosuch'", { nosuch = 1 } }, { "unknown option '1'", { "eth0" } },
    { "where: a function", { where = 1 } }, { "each: a function", { each = {} } },
    { "stop: a function", { stop = true } }, { "keep: a boolean", { keep = 1 } },
    { "quiet: a boolean", { quiet = "yes" } }, { "filter: a string", { filter = {} } },
    { "promiscuous: a boolean", { promiscuous = 1 } }, { "snaplen: a number", { snaplen = "x" } },
    { "buffer: a number", { buffer = {} } }, { "immediate: a boolean", { immediate = 1 } },
    { "count: a whole number", { link = link, count = 0 } },
    { "count: a whole number", { link = link, count = 1.5 } },
    { "timeout: a number", { link = link, timeout = "soon" } },
    { "iface: a name or a list", { iface = 7 } }, { "iface: a name or a list", { iface = { 7 } } },
    { "iface: the list is empty", { iface = {} } }, { "link: the list is empty", { link = {} } },
    { "link: a link or a list", { link = "eth0" } }, { "link: a link or a list", { link = { 1 } } },
    { "twice", { link = { link, link } } },
    { "does not go with", { link = link, iface = "eth0" } },
    { "does not go with", { link = link, filter = "tcp" } },
    { "no interfaces", { iface = "lo" } }, { "no interfaces", {} },
  } do
    for _, f in ipairs { net.sniff, net.sniffer } do
      raises(case[1], f, case[2])
    end
  end
  for _, name in ipairs { "where", "each", "stop" } do
    raises("unknown option '" .. name, net.count, { link = link, [name] = print })
  end
  raises("unknown option 'keep'", net.count, { link = link, keep = true })
  raises("options: a table", net.sniff, 7)
  local _, err = pcall(function() net.sniff { keep = 1 } end)
  t.contains(err, "tests/lua/sniffer.lua:")
  _, err = pcall(function() net.sniff { link = link, count = {} } end)
  t.contains(err, "tests/lua/sniffer.lua:")
  _, err = pcall(function() net.count { iface = 3 } end)
  t.contains(err, "tests/lua/sniffer.lua:")
  t.equal(link:recv(0).udp.dport, 1, "nothing was taken")
end)

t.done()
