-- Sniffing on a real wire: the lab's, whose other end is srv0.
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"

local ODD = "ether proto 0x88b5" -- a type for experiments: nobody else sends it
local MAC = "02:00:00:00:00:77"

local function frame(mark, dst)
  return p.eth { dst = dst or "ff:ff:ff:ff:ff:ff", src = MAC, type = 0x88b5 }
    / string.pack(">I4", mark)
end

local function mark(packet) return (string.unpack(">I4", packet.payload)) end

-- A function that sends one frame, without opening anything.
local function sender()
  local link = assert(net.link { iface = "tap0", filter = "less 1" })
  return function(packet) return assert(link:send(packet)) end
end

-- tests/net/sniffing.sh does it 1,000 times.
t.test("what is sent right after a sniffer is armed is seen", function()
  local send = sender()
  local frames = {}
  for i = 1, 20 do frames[i] = frame(i):bytes() end
  for i = 1, 20 do
    local sniffer <close> = assert(net.sniffer { iface = "srv0", filter = ODD, buffer = 1 << 20 })
    send(frames[i])
    t.equal(mark(assert(sniffer:recv(2))), i)
  end
end)

t.test("stop gives what is still in the kernel, the script having waited for nothing", function()
  local send = sender()
  for _, immediate in ipairs { false, true } do
    local sniffer = assert(net.sniffer { iface = "srv0", filter = ODD, immediate = immediate })
    for i = 1, 100 do send(frame(i)) end
    local list, report = assert(sniffer:stop())
    t.equal(#list, 100)
    for i = 1, 100 do t.equal(mark(list[i]), i) end
    t.equal(report.dropped, 0)
    t.equal(report.bytes, 1800)
  end
end)

t.test("sniff gives what came until its time was over, and no more", function()
  local send = sender()
  local times, going = {}, true
  local flood = task.spawn(function()
    while going do
      times[#times + 1] = core.wall()
      send(frame(#times))
      task.sleep(0)
    end
  end)
  local list, report = assert(net.sniff { iface = "srv0", filter = ODD, timeout = 0.3 })
  going = false
  flood:join()
  local within = 0
  while times[within + 1] < times[1] + 0.25 do within = within + 1 end
  t.equal(#list + report.dropped >= within, true, "all are there")
  t.within(list[#list].time - list[1].time, 0.25, 0.31)
end)

t.test("what the buffer has no room for is counted", function()
  local send = sender()
  local bytes = (frame(1) / ("x"):rep(1000)):bytes()
  local sniffer = assert(net.sniffer { iface = "srv0", filter = ODD, buffer = 1 << 20,
    quiet = true })
  for _ = 1, 5000 do send(bytes) end -- nothing is read meanwhile
  local list, report = assert(sniffer:stop())
  t.equal(#list + report.dropped, 5000)
  t.equal(report.packets, #list)
  t.within(#list, 300, 2000)
  t.equal(sniffer:drops(), report.dropped)
end)

t.test("counting sees all of a burst that fits into the buffer", function()
  local send = sender()
  local bytes = frame(1):bytes()
  task.spawn(function() for _ = 1, 20000 do send(bytes) end end)
  local report = assert(net.count { iface = "srv0", filter = ODD, count = 20000, timeout = 20 })
  t.equal(report.packets, 20000)
  t.equal(report.bytes, 20000 * 18)
  t.equal(report.dropped, 0)
  for _ = 1, 10 do send(bytes) end
  task.spawn(function() for _ = 1, 100 do send(bytes) end end)
  t.equal(assert(net.count { iface = "srv0", filter = ODD, count = 70 }).packets, 70)
end)

t.test("several interfaces at once, each packet with its own", function()
  local send = sender()
  local sniffer = assert(net.sniffer { iface = { "tap0", "srv0" }, filter = ODD }):start()
  t.equal(tostring(sniffer), "sniffer on tap0, srv0")
  task.sleep(0)
  for i = 1, 50 do send(frame(i)) end
  local list, report = assert(sniffer:stop())
  t.equal(report.packets, 100)
  local seen, before = { tap0 = 0, srv0 = 0 }, 0
  for _, packet in ipairs(list) do
    seen[packet.iface] = seen[packet.iface] + 1
    t.equal(mark(packet), seen[packet.iface])
    t.equal(packet.time >= before, true, "in order of time")
    before = packet.time
  end
  t.equal(seen.tap0, 50)
  t.equal(seen.srv0, 50)
end)

t.test("a packet knows whether it came or went", function()
  local link = assert(net.link { iface = "srv0", filter = "less 1" })
  local sniffer <close> = assert(net.sniffer { iface = "srv0", filter = ODD })
  local send = sender()
  send(frame(1))
  t.equal(assert(sniffer:recv(2)).direction, "in")
  assert(link:send(p.eth { dst = MAC, src = link:mac(), type = 0x88b5 } / "1234"))
  local _, time, direction = assert(sniffer:recv(2))
  t.equal(direction, "out")
  t.within(time, core.wall() - 60, core.wall())
end)

t.test("a snaplen cuts packets, which know how long they were", function()
  local send = sender()
  local sniffer <close> = assert(net.sniffer { iface = "srv0", filter = ODD, snaplen = 20,
    promiscuous = true })
  send(frame(7) / ("x"):rep(80))
  local packet = assert(sniffer:recv(2))
  t.equal(#packet, 20)
  t.equal(packet.original, 98)
end)

t.test("ten sniffers and ten senders side by side miss nothing", function()
  local sniffers, seen = {}, {}
  for i = 1, 10 do
    seen[i] = 0
    sniffers[i] = assert(net.sniffer { iface = "srv0",
      filter = ("ether proto 0x88b5 and ether[14:2] = %d"):format(i),
      each = function(packet)
        t.equal(mark(packet) & 0xffff, seen[i])
        seen[i] = seen[i] + 1
      end, count = 300, timeout = 20 }):start()
  end
  for i = 1, 10 do
    task.spawn(function()
      local send = sender()
      for n = 0, 299 do
        send(frame(i << 16 | n))
        if n % 10 == 9 then task.sleep(0.001) end
      end
    end)
  end
  for i = 1, 10 do
    local _, report = assert(sniffers[i]:join(20))
    t.equal(seen[i], 300)
    t.equal(report.dropped, 0)
  end
end)

t.test("a task that never waits for long does not keep the others from their packets", function()
  local send = sender()
  local sniffer = assert(net.sniffer { iface = "srv0", filter = ODD, count = 1 }):start()
  local busy = true
  task.spawn(function() while busy do task.sleep(0) end end)
  send(frame(1))
  local list = assert(sniffer:join(5))
  busy = false
  t.equal(#list, 1)
end)

t.test("an interface that is not there, or goes, is named", function()
  for _, f in ipairs { net.sniff, net.sniffer, net.count } do
    local none, err = f { iface = { "srv0", "nope0" } }
    t.equal(none, nil)
    t.equal(err.code, "ENODEV")
    t.contains(err.message, "nope0")
  end
  local none, err = net.sniffer { iface = "srv0", snaplen = 0 }
  t.equal(none, nil)
  t.contains(err.message, "snaplen")
  none, err = net.sniffer { iface = "srv0", buffer = 1000 }
  t.equal(none, nil)
  t.contains(err.message, "buffer")

  assert(os.execute [[ip link add gone0 type veth peer name gone1 &&
    ip link set gone0 up && ip link set gone1 up]])
  local sniffer = assert(net.sniffer { iface = { "srv0", "gone0" }, filter = ODD }):start()
  sender()(frame(5))
  task.sleep(0.1)
  assert(os.execute "ip link set gone0 down")
  local list, report
  none, err, list, report = sniffer:join(5)
  t.equal(none, nil)
  t.equal(err.code, "ENETDOWN")
  t.contains(err.message, "gone0")
  t.equal(#list, 1)
  t.equal(report.packets, 1)
  none, err = net.sniff { iface = "gone0" }
  t.equal(none, nil)
  t.equal(err.code, "ENETDOWN")
end)

t.test("what was counted before the interface went away is in the report", function()
  assert(os.execute [[ip link add lost0 type veth peer name lost1 &&
    ip link set lost0 up && ip link set lost1 up]])
  local link = assert(net.link { iface = "lost1", filter = "less 1" })
  local counter = task.spawn(net.count, { iface = "lost0", filter = ODD, timeout = 5 })
  task.sleep(0) -- it is armed now
  for i = 1, 3 do assert(link:send(frame(i))) end
  assert(os.execute "ip link del lost0")
  local none, err, report = counter:join()
  t.equal(none, nil)
  t.contains(err.message, "lost0")
  t.equal(report.packets, 3)
  t.equal(report.matched, 3)
end)

t.test("an interface in the list twice is the caller's mistake", function()
  local ok, err = pcall(net.sniff, { iface = { "srv0", "srv0" }, timeout = 0 })
  t.equal(ok, false)
  t.contains(err, "iface: srv0 is in the list twice")
end)

t.done()
