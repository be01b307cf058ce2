--- tcplua.packet: ranges, lists, random values, counters and cycles as fields: sets of packets.
local t = require "harness"
local p = require "tcplua.packet"
local core = require "tcplua.core"

local SRC, DST = "192.0.2.1", "192.0.2.2"
local SRC6, DST6 = "2001:db8::1", "2001:db8::2"

local function raises(text, f, ...)
  local good, err = pcall(f, ...)
  assert(not good, "no error was raised")
  t.contains(tostring(err), text)
end

-- The values of layer.field in the packets of a set, at most n, as text.
local function values(set, layer, field, n)
  local list = {}
  for packet in set:packets(n) do list[#list + 1] = tostring(packet[layer][field]) end
  return table.concat(list, " ")
end

t.test("each generator, for each kind of field", function()
  for _, row in ipairs {
    { p.tcp { dport = p.range(20, 23) }, "tcp", "dport", "20 21 22 23" },
    { p.tcp { dport = p.range(20, 23, 2) }, "tcp", "dport", "20 22" },
    { p.tcp { dport = p.range(23, 20, -1) }, "tcp", "dport", "23 22 21 20" },
    { p.tcp { seq = p.range(-1, 1) }, "tcp", "seq", "4294967295 0 1" },
    { p.tcp { dport = p.list { 443, 22 } }, "tcp", "dport", "443 22" },
    { p.tcp { flags = p.list { "S", "F.", 511 } }, "tcp", "flags", "S F. FSRP.UEWe" },
    { p.tcp { ace = p.range(6, 7) }, "tcp", "ace", "6 7" },
    { p.ip { ttl = p.counter(254) }, "ip", "ttl", "254 255 0 1 2", 5 },
    { p.ip { ttl = p.counter() }, "ip", "ttl", "0 1", 2 },
    { p.ip { ttl = p.counter(1, -1) }, "ip", "ttl", "1 0 255", 3 },
    { p.ip { ttl = p.cycle { 1, 9 } }, "ip", "ttl", "1 9 1 9 1", 5 },
    { p.ip { df = p.list { 1, 0 } }, "ip", "df", "1 0" },
    { p.ip { dst = p.range("192.0.2.254", "192.0.3.1") }, "ip", "dst",
      "192.0.2.254 192.0.2.255 192.0.3.0 192.0.3.1" },
    { p.ip { dst = "192.0.2.77/30" }, "ip", "dst", "192.0.2.76 192.0.2.77 192.0.2.78 192.0.2.79" },
    { p.ip { dst = "192.0.2.7/32" }, "ip", "dst", "192.0.2.7" },
    { p.ip { dst = p.list { DST, SRC } }, "ip", "dst", DST .. " " .. SRC },
    { p.ip { dst = p.counter("255.255.255.255") }, "ip", "dst", "255.255.255.255 0.0.0.0", 2 },
    { p.ip6 { dst = "2001:db8::fff/127" }, "ip6", "dst", "2001:db8::ffe 2001:db8::fff" },
    { p.ip6 { dst = p.range("2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::") }, "ip6", "dst",
      "2001:db8::ffff:ffff:ffff:ffff 2001:db8:0:1::" },
    { p.ip6 { dst = p.cycle { DST6, SRC6 } }, "ip6", "dst", DST6 .. " " .. SRC6, 2 },
    { p.eth { dst = p.range("02:00:00:00:00:ff", "02:00:00:00:01:00") }, "eth", "dst",
      "02:00:00:00:00:ff 02:00:00:00:01:00" },
    { p.eth { src = "02:00:00:00:00:00/47" }, "eth", "src",
      "02:00:00:00:00:00 02:00:00:00:00:01" },
    { p.dns { id = p.range(1, 2), questions = { { name = "a.example" } } }, "dns", "id", "1 2" },
    { p.dhcp { mac = p.list { "02:00:00:00:00:01" } }, "dhcp", "mac", "02:00:00:00:00:01" },
  } do
    t.equal(values(row[1], row[2], row[3], row[5]), row[4])
    local count = select(2, row[4]:gsub("%S+", ""))
    t.equal(row[1]:count(), row[5] and math.huge or count, row[4])
  end
end)

t.test("layers and fields in their order, the last one fastest", function()
  local set = p.ip { dst = "192.0.2.0/31", ttl = p.list { 1, 2 }, src = SRC }
    / p.tcp { seq = p.counter(7), dport = p.range(1, 2), sport = p.list { 9, 8 } } / "data"
  t.equal(table.concat(set:moving(), " "), "ip.ttl ip.dst tcp.sport tcp.dport tcp.seq")
  t.equal(set:count(), 16)
  t.equal(math.type(set:count()), "integer")
  local n = 0
  for packet in set:packets() do
    t.equal(packet.ip.ttl, 1 + n // 8)
    t.equal(packet.ip.dst, "192.0.2." .. n // 4 % 2)
    t.equal(packet.tcp.sport, 9 - n // 2 % 2)
    t.equal(packet.tcp.dport, 1 + n % 2)
    t.equal(packet.tcp.seq, 7 + n)
    t.equal(packet.payload, "data")
    local same = p.ip { src = SRC, dst = packet.ip.dst, ttl = packet.ip.ttl } / p.tcp {
      sport = packet.tcp.sport, dport = packet.tcp.dport, seq = packet.tcp.seq } / "data"
    t.equal(packet == same, true)
    n = n + 1
  end
  t.equal(n, 16)
end)

t.test("sets, packets and strings on either side of /", function()
  local tcp, ip = p.tcp { dport = p.range(1, 3) }, p.ip { src = SRC, dst = "192.0.2.0/31" }
  local eth = p.eth { src = "02:00:00:00:00:01" }
  for text, set in pairs {
    ["eth ip tcp x"] = eth / ip / tcp / "x",
    ["eth (ip tcp) x"] = eth / (ip / tcp) / "x",
    ["eth ip (tcp x)"] = eth / ip / (tcp / "x"),
    ["eth (ip (tcp x))"] = eth / (ip / (tcp / "x")),
    ["parsed"] = p.parse(eth:bytes(), "eth") / ip / (tcp / "x"),
  } do
    t.equal(set:count(), 6, text)
    local n = 0
    for packet in set:packets() do
      t.equal(table.concat(packet:layers(), " "), "eth ip tcp", text)
      t.equal(packet.ip.dst .. ":" .. packet.tcp.dport, ("192.0.2.%d:%d"):format(n // 3, 1 + n % 3))
      t.equal(packet.ip:checksum_ok(), true)
      t.equal(packet.tcp:checksum_ok(), true)
      t.equal(packet.ip.length, 41)
      t.equal(packet.payload, "x")
      n = n + 1
    end
  end
  t.equal((ip / tcp):count(), 6) -- the operands are as they were
  t.equal(ip:count(), 2)
  t.equal(#tcp:first(), 20)
  raises("a layer cannot stand behind a payload", function() return tcp / "x" / ip end)
  raises("a layer cannot stand behind a payload", function() return "x" / ip end)
  raises("not with number", function() return ip / 1 end)
  raises("not with nil", function() return nil / ip end)
end)

t.test("a packet of a set is a packet", function()
  local set = p.ip { src = SRC, dst = DST } / p.udp { sport = p.range(1, 3), dport = 9 } / "data"
  local first = set:first()
  first.udp.sport, first.payload = 77, "something else"
  t.equal(first.udp:checksum_ok(), true)
  t.equal(values(set, "udp", "sport"), "1 2 3")
  t.equal(#first:pinned(), 0)
  t.equal(first.time, nil)
  t.equal(tostring(set), tostring(set:first()) .. " (the first of 3)")
  t.equal(tostring(p.udp { sport = p.counter() }),
    "UDP, length 0 (the first of packets without end)")
  t.equal(values(set, "udp", "sport", 2), "1 2")
  t.equal(values(set, "udp", "sport", 0), "")
  t.equal(p.ip6 { dst = "2001:db8::/32" }:count(), 2.0 ^ 96)
  local more = p.ip6 { dst = "2001:db8::/32" } / p.udp { sport = p.range(0, 65535) }
  t.equal(more:count(), 2.0 ^ 112)
end)

t.test("a computed field that is given a generator is pinned", function()
  local set = p.ip { src = SRC, dst = DST, length = p.range(19, 20) }
    / p.udp { checksum = p.list { 0xbeef, 0 }, length = p.range(7, 9) } / "data"
  t.equal(set:count(), 12)
  local n = 0
  for packet in set:packets() do
    t.equal(table.concat(packet:pinned(), " "), "ip.length udp.length udp.checksum")
    t.equal(packet.ip.length, 19 + n // 6)
    t.equal(packet.udp.length, 7 + n // 2 % 3)
    t.equal(packet.udp.checksum, n % 2 == 0 and 0xbeef or 0)
    t.equal(packet.ip:checksum_ok(), true)
    t.equal(#packet, 32)
    n = n + 1
  end
  -- and one that is set by hand stays
  for packet in (p.ip { src = SRC, dst = "192.0.2.0/30", checksum = 7 } / p.udp()):packets() do
    t.equal(packet.ip.checksum, 7)
    t.equal(packet.udp:checksum_ok(), true)
  end
  for packet in (p.ip { dst = DST, proto = p.range(6, 7) } / p.udp()):packets() do
    t.equal(packet.ip.proto ~= 17, true)
  end
  for packet in (p.ip { dst = DST } / p.udp { dport = p.range(6, 7) } / p.dns()):packets() do
    t.equal(packet.udp.dport ~= 53, true)
  end
end)

t.test("random values obey the seed, and each pass has its own", function()
  local function make()
    return p.ip { src = p.random("10.0.0.0/8"), dst = p.random("192.0.2.3", "192.0.2.5"),
      id = p.random(7, 9) } / p.tcp { seq = p.random(), sport = p.random(), dport = p.range(1, 50) }
  end
  core.seed(5)
  local set = make()
  t.equal(set:first() == set:first(), true)
  t.equal(tostring(set), tostring(set) .. "")
  local one, two = {}, {}
  t.equal(set:packets()() == set:packets()(), false) -- two passes
  core.seed(5)
  set = make()
  local first = set:first()
  for packet in set:packets() do one[#one + 1] = packet end
  t.equal(one[1] == first, true)
  core.seed(5)
  set = make()
  local ids, dsts = {}, {}
  for packet in set:packets() do
    two[#two + 1] = packet
    t.equal(packet == one[#two], true)
    t.equal(packet.ip.src:match "^10%." ~= nil, true)
    t.equal(packet.tcp:checksum_ok(), true)
    ids[packet.ip.id], dsts[packet.ip.dst] = true, true
  end
  t.equal(#two, 50)
  for id in pairs(ids) do t.within(id, 7, 9) end
  t.equal(ids[7] and ids[8] and ids[9], true)
  t.equal(dsts["192.0.2.3"] and dsts["192.0.2.4"] and dsts["192.0.2.5"], true)
  dsts["192.0.2.3"], dsts["192.0.2.4"], dsts["192.0.2.5"] = nil, nil, nil
  t.equal(next(dsts), nil)
  t.equal(two[1].tcp.seq ~= two[2].tcp.seq, true)
  local again = 0
  for packet in set:packets() do
    again = again + 1
    if packet == two[again] then error "the second pass is the first one again" end
  end
end)

t.test("what cannot be a set says so", function()
  local one = "of a packet has one value"
  raises("tcp.dport " .. one, function() p.tcp().tcp.dport = p.range(1, 2) end)
  raises("tcp.flags " .. one, function() p.tcp().tcp.flags = p.list { "S" } end)
  raises("ip.dst " .. one, function() p.ip().ip.dst = p.random() end)
  raises("ip.dst " .. one, function() p.ip().ip.dst = "192.0.2.0/24" end)
  raises("p.ip { dst = ... }", function() p.ip().ip.dst = "192.0.2.0/24" end)
  raises("tcp.options cannot change", p.tcp, { options = p.list { 1 } })
  raises("dhcp.chaddr cannot change", p.dhcp, { chaddr = p.counter() })
  raises("option 'mss' takes a number from 0 to 65535, not p.range(...)", p.tcp,
    { options = { mss = p.range(1, 2) } })
  raises("the payload cannot change", p.tcp, { payload = p.range(1, 2) })
  raises("ip.tos and ip.dscp have bits in common", p.ip, { tos = p.counter(), dscp = p.counter() })
  raises("tcp.dport takes a number from 0 to 65535, not 65536", p.tcp,
    { dport = p.range(1, 65536) })
  raises("tcp.dport takes a number, not string", p.tcp, { dport = p.list { 1, DST } })
  raises("ip.dst takes an IPv4 address as a string, not 1", p.ip, { dst = p.range(1, 2) })
  raises("dst '::1' is not an IPv4 address", p.ip, { dst = p.list { DST, "::1" } })
  raises("flags 'x' is not made of F S R P . U E W e", p.tcp, { flags = p.cycle { "S", "x" } })
  raises("the range for dport is empty", p.tcp, { dport = p.range(2, 1) })
  raises("the greatest of random values for dport is less", p.tcp, { dport = p.random(2, 1) })
  for _, prefix in ipairs { "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/2 ", "/1",
    "192.0.2.0/ 1", "192.0.2.0/0x1", "192.0.2/24", "::/0", "192.0.2.0/8\0",
    ("1"):rep(999) .. "/1" } do
    raises("dst '", p.ip, { dst = prefix })
  end
  raises("a step of 0", p.range, 1, 2, 0)
  raises("an empty list", p.list, {})
  raises("table expected", p.cycle)
  raises("value 2 of the list is a table", p.list, { 1, {} })
  raises("value 1 of the list is a userdata", p.list, { p.range(1, 2) })
  raises("number or address expected", p.range, 1)
  raises("the greatest value expected", p.random, 1)
  raises("the greatest value expected", p.random, "192.0.2.1")
  raises("got nil", p.range, 1)
  for packet in (p.tcp { seq = p.random(-1, 1) }):packets(9) do -- sequence numbers go round
    t.equal((packet.tcp.seq + 1) % 2 ^ 32 <= 2, true, "seq")
  end
  raises("number or address expected", p.counter, {})
  local set = p.ip { dst = "192.0.2.0/24" }
  raises("a set has no 'ip', but its packets may", function() return set.ip end)
  raises("a set cannot be changed", function() set.payload = "x" end)
  raises("a number of packets", set.packets, set, -1)
  raises("a packet goes with packets, sets and strings", function() return p.counter() / set end)
  local function moving(names)
    local fields = {}
    for name in names:gmatch "%S+" do fields[name] = p.counter() end
    return fields
  end
  local many = p.ip(moving "version tos id flags offset ttl src dst")
    / p.tcp(moving "sport dport seq ack reserved flags win urg offset")
  t.equal(#many:moving(), 17)
  raises("more than 32 fields", function() return many / many end)
end)

t.test("lists live as long as their sets, whatever the collector does", function()
  collectgarbage("incremental", 0, 1000, 0)
  for i = 1, 50 do
    local list = {}
    for j = 1, i do list[j] = j end
    local set = p.ip { src = SRC, dst = p.list { DST, SRC } } / p.tcp { dport = p.list(list) } / "x"
    set = p.eth { dst = p.cycle { "02:00:00:00:00:01" } } / set
    local n = 0
    for packet in set:packets() do
      t.equal(packet.tcp.dport, 1 + n % i)
      t.equal(packet.eth.dst, "02:00:00:00:00:01")
      n = n + 1
    end
    t.equal(n, 2 * i)
  end
  collectgarbage("incremental", 200, 100, 13)
end)

t.test("nonsense at every argument raises an error that is text or usage", function()
  local nonsense = { true, 0, -1, 2.5, math.huge, "", "/", "x/y", {}, { 1, "x" }, print,
    p.range(1, 2), p.counter(), p.ip(), p.ip { dst = "192.0.2.0/24" }, math.mininteger }
  local function try(f, ...)
    local ok, err = pcall(f, ...)
    if not ok then assert(type(err) == "string" or err.kind == "usage", tostring(err)) end
    return ok and err
  end
  local set = p.udp { sport = p.range(1, 2) }
  local functions = { p.range, p.list, p.random, p.counter, p.cycle, set.first, set.packets,
    set.count, set.moving, getmetatable(set).__div, getmetatable(set).__tostring,
    getmetatable(set).__index, getmetatable(set).__newindex }
  for _, f in ipairs(functions) do
    for i = 0, #nonsense do
      for j = 0, #nonsense do
        local made = try(f, nonsense[i], nonsense[j])
        try(f, set, nonsense[i], nonsense[j])
        try(p.ip, { ttl = made })
        try(p.ip, { dst = made })
        try(p.tcp, { flags = made, seq = made })
        try(p.ip6, { [made] = made, options = made, src = made })
      end
    end
  end
end)

t.test("help names the generators", function()
  for _, name in ipairs { "range", "list", "random", "counter", "cycle" } do
    t.contains(p.reference(), "p." .. name)
    t.equal(type(p[name]), "function")
  end
end)

t.done()
