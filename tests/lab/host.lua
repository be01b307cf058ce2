-- What the kernel of the lab knows of its network: interfaces, routes, neighbours.
local core, net, p = require "tcplua.core", require "tcplua.net", require "tcplua.packet"
local t = require "harness"

local function names(list, field)
  local set = {}
  for _, row in ipairs(list) do set[row[field]] = row end
  return set
end

t.test("interfaces are listed with their addresses", function()
  local list = assert(net.interfaces())
  t.equal(#list, 3, "interfaces")
  local byname = names(list, "name")
  t.equal(table.concat(byname.lo.addresses, " "), "127.0.0.1/8 ::1/128", "addresses of lo")
  t.equal(byname.lo.loopback, true, "lo is a loopback")
  t.equal(byname.lo.mac, nil, "MAC of lo")
  t.equal(table.concat(byname.srv0.addresses, " "), "192.0.2.2/24 2001:db8::2/64",
    "addresses of srv0")
  t.equal(#byname.tap0.addresses, 0, "addresses of tap0")
  t.equal(byname.tap0.mac, "02:00:00:00:00:01", "MAC of tap0")
end)

t.test("the lab's kernel keeps nothing of a connection for the next", function()
  local file <close> = assert(io.open "/proc/sys/net/ipv4/tcp_no_metrics_save")
  t.equal(file:read "n", 1)
end)

t.test("one interface is asked by its name", function()
  local srv0 = assert(net.interface("srv0"))
  t.equal(srv0.mac, "02:00:00:00:00:02", "MAC")
  t.equal(srv0.mtu, 1500, "MTU")
  t.equal(srv0.up and srv0.running and not srv0.loopback, true, "up, running, no loopback")
  t.equal(table.concat(srv0.addresses, " "), "192.0.2.2/24 2001:db8::2/64", "addresses")
  local none, err = net.interface("no\27pe0")
  t.equal(none, nil, "interface")
  t.equal(err.code, "ENODEV", "code")
  t.equal(err.kind, "environment", "kind")
  t.contains(err.message, "no\\x1bpe0", "message")
end)

t.test("a route says where a datagram would go", function()
  for dst, src in pairs { ["192.0.2.9"] = "192.0.2.2", ["2001:db8::9"] = "2001:db8::2" } do
    for _, asked in ipairs { false, src } do
      local route = assert(net.route(dst, asked or nil))
      t.equal(route.dst, dst, "dst")
      t.equal(route.iface, "srv0", "iface")
      t.equal(route.src, src, "src")
      t.equal(route.via, nil, "via")
      t.equal(route.mtu, 1500, "mtu")
      t.equal(route["local"], false, "local")
    end
  end
  local here = assert(net.route("192.0.2.2"))
  t.equal(here["local"], true, "local")
  t.equal(here.iface, "lo", "iface")
  t.equal(assert(net.route("192.0.2.255")).broadcast, true, "broadcast")
end)

t.test("a route that is none is an error of the network, a wrong address one of the caller",
  function()
    local function refused(code, kind, text, ...)
      local route, err = net.route(...)
      t.equal(route, nil, "route")
      t.equal(err.code, code, "code")
      t.equal(err.kind, kind, "kind")
      t.contains(err.message, text, "message")
    end
    refused("ENETUNREACH", "network", "no route to 10.0.0.1", "10.0.0.1")
    refused("ENETUNREACH", "network", "no route to 2001:db8:1::1", "2001:db8:1::1")
    refused("EINVAL", "usage", "'wall\\x1b'", "wall\27")
    refused("EINVAL", "usage", "one family", "192.0.2.9", "2001:db8::2")
    refused("EADDRNOTAVAIL", "usage", "192.0.2.77", "192.0.2.9", "192.0.2.77")
  end)

t.test("routes are listed", function()
  local bydst = names(assert(net.routes()), "dst")
  local four, six = bydst["192.0.2.0/24"], bydst["2001:db8::/64"]
  t.equal(four.iface .. " " .. four.src .. " " .. four.type, "srv0 192.0.2.2 unicast", "IPv4")
  t.equal(four.table, 254, "table")
  t.equal(six.iface .. " " .. six.type, "srv0 unicast", "IPv6")
  t.equal(bydst["127.0.0.0/8"], nil, "a route of the local table")
end)

t.test("neighbours are those that the kernel has heard of", function()
  t.equal(#assert(net.neighbours()), 0, "neighbours of a new network")
  local none, err = net.neighbour("192.0.2.1")
  t.equal(none, nil, "neighbour")
  t.equal(err.code, "ENOENT", "code")
  local link <close> = assert(net.link { iface = "tap0" })
  assert(link:send(p.eth { dst = "02:00:00:00:00:02", src = "02:00:00:00:00:01" }
    / p.arp { op = 1, sha = "02:00:00:00:00:01", spa = "192.0.2.1", tpa = "192.0.2.2" }))
  assert(link:recv(2)) -- its reply: the kernel has learned
  local entry = assert(net.neighbour("192.0.2.1"))
  t.equal(entry.address .. " " .. entry.mac .. " " .. entry.iface,
    "192.0.2.1 02:00:00:00:00:01 srv0", "neighbour")
  t.equal(entry.state == "stale" or entry.state == "reachable" or entry.state == "delay", true,
    "state " .. entry.state)
  t.equal(assert(net.neighbour("192.0.2.1", "srv0")).mac, entry.mac, "by interface")
  t.equal(net.neighbour("192.0.2.1", "tap0"), nil, "on another interface")
  t.equal(assert(net.neighbours("srv0"))[1].address, "192.0.2.1", "listed")
  t.equal(#assert(net.neighbours("tap0")), 0, "of another interface")
  t.equal(select(2, net.neighbours("nope0")).code, "ENODEV", "of no interface")
end)

t.test("mistakes of the caller are raised", function()
  t.equal(pcall(net.route), false, "no destination")
  t.equal(pcall(net.route, {}), false, "a table")
  t.equal(pcall(net.route, "192.0.2.9\0"), false, "a zero byte")
  t.equal(pcall(net.interface), false, "no name")
  t.equal(pcall(net.neighbours, {}), false, "a table for an interface")
end)

t.test("a simulation has none of this", function()
  core.reset() -- what the tests before have opened
  core.simulate()
  for _, name in ipairs { "interfaces", "interface", "routes", "route", "neighbours",
    "neighbour" } do
    local done, why = pcall(net[name], "192.0.2.9")
    t.equal(done, false, name)
    t.contains(tostring(why), "simulation", name)
  end
end)

t.done()
