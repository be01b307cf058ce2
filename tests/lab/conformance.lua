-- Rules of RFC 9293 about addresses, which need those of a host: each test names the ids that it
-- shows (tests/conformance/page.lua).
local net = require "tcplua.net"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local OURS, KERNEL, OURS6, KERNEL6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"

-- All TCP that passes the wire while `f` runs.
local function overheard(f)
  local sniffer <close> = assert(net.sniffer { iface = "tap0", filter = "tcp", timeout = 5 })
  assert(sniffer:start())
  f()
  task.sleep(0.02)
  return assert(sniffer:stop())
end

-- MUST-43
t.test("the address that the caller names is that of every segment", function()
  for src, dst in pairs {
    ["192.0.2.77"] = KERNEL, ["192.0.2.78"] = KERNEL, [OURS] = KERNEL, [KERNEL] = OURS,
    ["2001:db8::77"] = KERNEL6, [KERNEL6] = OURS6,
  } do
    local listener <close> = dst ~= KERNEL and dst ~= KERNEL6
      and assert(tcp.listen { addr = dst, port = 8000 }) or nil
    local packets = overheard(function()
      local conn = tcp.connect { src = src, dst = dst, port = 8000 }
      t.equal(conn ~= nil, listener ~= nil, "only our own port 8000 is open")
      if conn then
        t.equal(conn:info().src, src, "src")
        conn:abort()
      end
    end)
    t.within(#packets, 2, 4, "segments")
    for _, packet in ipairs(packets) do
      local ip = packet.ip or packet.ip6
      t.equal(ip.src == src or ip.dst == src, true, "an end is " .. src)
    end
  end
end)

-- MUST-44, MUST-45
t.test("else the routing table chooses it, once and for all", function()
  local listener <close> = assert(tcp.listen { addr = OURS, port = 8000 })
  local conn = assert(tcp.connect { dst = OURS, port = 8000 })
  local server = assert(listener:accept(1))
  local src = assert(net.route(OURS)).src
  t.equal(conn:info().src, src, "src")
  t.equal(server:info().dst, src, "dst of the other end")
  -- Now the routing table would choose another one.
  if not os.execute("ip addr add 192.0.2.99/24 dev srv0 2>/dev/null && "
    .. "ip route replace 192.0.2.1/32 dev srv0 src 192.0.2.99") then
    t.skip "no right to add an address"
  end
  t.equal(assert(net.route(OURS)).src, "192.0.2.99", "the choice now")
  assert(conn:send "from the same address\n")
  t.equal(server:read_line { timeout = 2 }, "from the same address\n", "line")
  t.equal(conn:info().src, src, "src")
  assert(os.execute "ip addr del 192.0.2.99/24 dev srv0")
  conn:abort()
  server:abort()
end)

-- MUST-42: on an address of this host, where a port has a guard.
t.test("a port from which a connection was opened can be listened on", function()
  local ours = assert(tcp.listen { addr = OURS, port = 8000 })
  local conn = assert(tcp.connect { src = KERNEL, dst = OURS, port = 8000, sport = 7777 })
  local server = assert(ours:accept(1))
  local listener = assert(tcp.listen { addr = KERNEL, port = 7777 })
  conn:abort() -- the guard stays
  local other = assert(tcp.connect { src = OURS, dst = KERNEL, port = 7777, timeout = 2 })
  local accepted = assert(listener:accept(1))
  assert(other:send "through\n")
  t.equal(accepted:read_line { timeout = 2 }, "through\n", "line")
  for _, one in ipairs { other, accepted, server } do one:abort() end
  listener:close()
  ours:close()
end)

-- MUST-46
t.test("no connection is opened to all or to many, and no segment tries", function()
  local packets = overheard(function()
    for src, all in pairs {
      [KERNEL] = { "255.255.255.255", "224.0.0.1", "239.1.2.3", "0.0.0.0", "192.0.2.255" },
      [KERNEL6] = { "ff02::1", "ff0e::1", "::" },
    } do
      for _, dst in ipairs(all) do
        local conn, err = tcp.connect { src = src, dst = dst, port = 8000 }
        t.equal(conn, nil, "a connection to " .. dst)
        t.equal(err.kind, "usage", "kind")
        t.contains(err.message, dst, "message")
      end
    end
  end)
  t.equal(#packets, 0, "segments")
end)

t.done()
