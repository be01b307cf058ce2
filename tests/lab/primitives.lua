-- Packets by hand on a real wire: the lab's. The kernel is the other end.
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local OURS, KERNEL = "192.0.2.1", "192.0.2.2"

local function echo_request(id)
  return p.ip { src = OURS, dst = KERNEL } / p.icmp { type = 8, id = id, seq = 1 } / "data"
end

t.test("a sniffer is armed when it returns: the first packet sent is seen", function()
  local capture <close> = assert(net.sniffer { iface = "srv0", filter = "icmp[icmptype] == 8" })
  assert(net.send(echo_request(7)))
  local packet = assert(capture:recv(2))
  t.equal(packet.ip.src, OURS, "source")
  t.equal(packet.icmp.id, 7, "id")
  t.equal(packet.payload, "data", "payload")
  t.equal(packet.direction, "in", "direction")
  t.equal(packet.iface, "srv0", "interface")
  t.within(packet.time, core.wall() - 60, core.wall(), "time")
end)

t.test("a filter keeps out what it does not name", function()
  local capture <close> = assert(net.sniffer { iface = "srv0", filter = "udp port 53" })
  assert(net.send(echo_request(8)))
  local dns = p.ip { src = OURS, dst = KERNEL } / p.udp { sport = 4000, dport = 53 } / "x"
  assert(net.send(dns))
  t.equal(assert(capture:recv(2)).udp.dport, 53, "destination port")
end)

t.test("a filter that is none is refused with its text", function()
  local capture, err = net.sniffer { iface = "srv0", filter = "tcp porridge 80" }
  t.equal(capture, nil, "capture")
  t.equal(err.kind, "usage", "kind")
  t.contains(err.message, "porridge", "message")
end)

t.test("an interface that is not there is named", function()
  local capture, err = net.sniffer { iface = "nope0" }
  t.equal(capture, nil, "capture")
  t.equal(err.kind, "environment", "kind")
  t.contains(err.message, "nope0", "message")
end)

t.test("sniff gives a list, bounded by count", function()
  local sender = task.spawn(function()
    for id = 1, 3 do assert(net.send(echo_request(id))) end
  end)
  local list = assert(net.sniff { iface = "srv0", filter = "icmp[icmptype] == 8", count = 3,
    timeout = 2 })
  sender:join()
  t.equal(#list, 3, "packets")
  t.equal(list[3].icmp.id, 3, "id of the third")
end)

t.test("a frame of any kind goes out at layer 2 as it was written", function()
  local capture <close> = assert(net.sniffer { iface = "srv0", filter = "ether proto 0x88b5" })
  local frame = p.eth { dst = "02:00:00:00:00:02", src = "02:00:00:00:00:77", type = 0x88b5 }
    / "an experiment"
  assert(net.sendp(frame, "tap0"))
  t.equal(assert(capture:recv(2)):bytes(), frame:bytes(), "frame")
end)

t.test("the kernel answers an echo request made by hand", function()
  local link <close> = assert(net.link { iface = "tap0", filter = "icmp[icmptype] == 0" })
  assert(net.send(echo_request(99)))
  local reply = assert(link:recv(2))
  t.equal(reply.icmp.id, 99, "id")
  t.equal(reply.ip.src, KERNEL, "source")
end)

t.test("N2 a reset that this host's kernel sends is named, not blamed on the peer", function()
  -- The kernel's own address on a wire without a guard, and a peer that answers.
  assert(net.attach(assert(net.link { iface = "srv0" }), KERNEL))
  local peer <close> = assert(net.open { src = "192.0.2.66", dst = KERNEL, sport = 9000 })
  task.spawn(function()
    local syn = assert(peer:recv(2))
    assert(peer:send(p.ip { src = "192.0.2.66", dst = KERNEL } / p.tcp {
      sport = 9000, dport = syn.tcp.sport, flags = "S.", seq = 1, ack = syn.tcp.seq + 1,
    }))
  end)
  local conn, err = tcp.connect { src = KERNEL, dst = "192.0.2.66", port = 9000, timeout = 3 }
  if conn then
    local _
    _, err = conn:read_line { timeout = 2 }
  end
  t.equal(err.kind, "environment", "kind")
  t.contains(err.message, "this host's kernel reset the connection", "message")
end)

t.done()
