--- tcplua.packet: made, taken apart, changed, looked at, and misused.
local t = require "harness"
local p = require "tcplua.packet"

local SRC, DST = "192.0.2.1", "192.0.2.2"
local SRC6, DST6 = "2001:db8::1", "2001:db8::2"

local function syn()
  return p.ip { src = SRC, dst = DST } / p.tcp { sport = 40000, dport = 80, seq = 100, flags = "S" }
end

-- Raises unless f(...) raises; returns the message, or the error object.
local function raises(f, ...)
  local result = table.pack(pcall(f, ...))
  assert(not result[1], "no error was raised")
  return result[2]
end

t.test("a packet is made of layers and a string", function()
  local packet = syn() / "da" / "ta"
  t.equal(tostring(packet),
    "IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [S], seq 100:104, win 65535, length 4")
  t.equal(#packet, 44)
  t.equal(packet.payload, "data")
  t.equal(packet.tcp.payload, "data")
  t.equal(#packet.ip.payload, 24)
  t.equal(table.concat(packet:layers(), " "), "ip tcp")
  t.equal(packet.ip.length, 44)
  t.equal(packet.ip.proto, 6)
  t.equal(packet.tcp.flags, "S")
  t.equal(packet.udp, nil)
  t.equal(packet.tcp:checksum_ok(), true)
  t.equal(packet:stopped(), nil)
  local again = p.parse(packet:bytes())
  t.equal(again == packet, true)
  t.equal(again ~= syn(), true)
  t.equal(p.tcp().payload, "")
  t.equal((p.ip {} / p.udp { payload = "hey" }).udp.length, 11)
end)

t.test("operands of / are not changed", function()
  local ip, tcp = p.ip { src = SRC, dst = DST }, p.tcp { dport = 80 }
  local both = ip / tcp
  both.ip.ttl, both.tcp.dport = 1, 81
  t.equal(ip.ip.ttl, 64)
  t.equal(tcp.tcp.dport, 80)
  t.equal(#ip, 20)
end)

t.test("IPv6, extension headers and neighbour discovery", function()
  local packet = p.eth {} / p.ip6 { src = SRC6, dst = DST6 } / p.ip6_hop { data = "\1\4\0\0\0\0" }
    / p.icmp6 {} / p.ns { target = DST6, options = { sll = "02:00:00:00:00:01" } }
  t.equal(packet.eth.type, 0x86dd)
  t.equal(packet.ip6.next, 0)
  t.equal(packet.ip6.proto, 0)
  t.equal(packet.ip6_hop.next, 58)
  t.equal(packet.icmp6.type, 135)
  t.equal(packet.ns.options.sll, "02:00:00:00:00:01")
  t.equal(packet.icmp6:checksum_ok(), true)
  t.equal(packet:line(), "IP6 2001:db8::1 > 2001:db8::2: HBH ICMP6, neighbor solicitation, who has "
    .. "2001:db8::2, length 32")
  t.equal(p.parse(packet:bytes(), "eth") == packet, true)
  t.equal(p.parse(packet:bytes():sub(15)).ip6.src, SRC6)
  t.equal(p.ip6 { src = "fe80::1" }.ip6.src, "fe80::1")
end)

-- Values for a field of each kind: what is written and what is read.
local function samples(field)
  local most = field.width > 0 and (1 << field.width) - 1 or 0
  local of = {
    number = { { 0, 0 }, { most, most }, { most // 2, most // 2 }, { 1.0, 1 } },
    ["sequence number"] = { { 0, 0 }, { most, most }, { most + 2, 1 }, { -1, most } },
    flags = { { 0, "" }, { 1 }, { most }, { "none", "" } },
    MAC = { { "02:00:00:00:00:0a", "02:00:00:00:00:0a" } },
    IPv4 = { { "203.0.113.255", "203.0.113.255" } },
    IPv6 = { { "2001:db8::ff", "2001:db8::ff" } },
    bytes = { { ("\1"):rep(field.width > 0 and field.width // 8 or 6) } },
    options = { { "\1\1\1\1\1\1\1\1" } },
  }
  return assert(of[field.kind], field.kind)
end

t.test("every field of every layer: set, build, parse, get", function()
  local fields = 0
  for _, name in ipairs(p.protocols()) do
    for _, field in ipairs(p.fields(name)) do
      fields = fields + 1
      for _, sample in ipairs(samples(field)) do
        local what = name .. "." .. field.name
        local made = p[name] { [field.name] = sample[1] }
        local read = made[name][field.name]
        if sample[2] then t.equal(read, sample[2], what) end
        local set = p[name] {}
        set[name][field.name] = sample[1]
        t.equal(set:bytes(), made:bytes(), what)
        local back = p.parse(made:bytes(), name)
        -- "ip" goes by the version, "null" by the byte order
        local layer = assert(back[name] or back.ip6 or back.loop, what)
        if layer:name() == name then
          t.equal(tostring(layer[field.name]), tostring(read), what)
        end
        t.equal(back:bytes(), made:bytes(), what)
        if field.computed then t.equal(made:pinned()[1], what) end
        set[name][field.name] = nil
        t.equal(set:bytes(), p[name]():bytes(), what)
        if field.default then t.equal(set[name][field.name], field.default, what) end
      end
    end
  end
  assert(fields > 100)
end)

t.test("an edit mends what depends on it; what is pinned stays", function()
  local packet = syn() / "data"
  local before = packet.tcp.checksum
  packet.tcp.seq = 101
  packet.payload = "more data"
  t.equal(packet.ip.length, 49)
  assert(packet.tcp.checksum ~= before)
  t.equal(packet.tcp:checksum_ok(), true)
  packet.tcp.checksum = 0xbeef
  packet.ip.length = 9999
  packet.tcp.win = 1
  t.equal(packet.tcp.checksum, 0xbeef)
  t.equal(packet.ip.length, 9999)
  t.equal(table.concat(packet:pinned(), " "), "ip.length tcp.checksum")
  t.equal(packet.tcp:pinned()[1], "tcp.checksum")
  local ok, word, right = packet.tcp:checksum_ok()
  t.equal(ok, false)
  t.equal(word, "bad")
  packet.tcp.checksum = nil
  packet.ip.length = nil
  t.equal(packet.tcp.checksum, right)
  t.equal(packet.ip.length, 49)
  t.equal(#packet:pinned(), 0)

  local wrong = packet:bytes():gsub("more", "MORE")
  local parsed = p.parse(wrong)
  parsed.ip.ttl = 3 -- no business of TCP's
  t.equal(parsed.tcp:checksum_ok(), false)
  t.equal(parsed.ip:checksum_ok(), true)
  t.equal((p.eth() / parsed):bytes():sub(15), parsed:bytes())
  t.equal(parsed:copy():bytes(), parsed:bytes())
  parsed.tcp.seq = 3
  t.equal(parsed.tcp:checksum_ok(), true)
end)

t.test("flags are letters or a number", function()
  for value = 0, 511 do
    local packet = p.tcp { flags = value }
    t.equal(p.tcp { flags = packet.tcp.flags }:bytes(), packet:bytes())
  end
  t.equal(p.tcp { flags = 0x12 }.tcp.flags, "S.")
  t.equal(p.tcp { flags = ".S" }.tcp.flags, "S.")
  t.equal(p.tcp { ace = 7 }.tcp.flags, "EWe")
  t.equal(p.ip { flags = "DF" }.ip.df, 1)
  t.equal(p.ip { df = true }.ip.flags, "DF")
end)

t.test("options: a table in Linux's order, a list, bytes, and one at a time", function()
  local packet = p.tcp { options = { wscale = 7, ts = { 1, 0 }, sackOK = true, mss = 1460 } }
  local options = packet.tcp.options
  t.equal(tostring(options), "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7")
  t.equal(packet.tcp:raw "options", "\2\4\5\xb4\4\2\8\10\0\0\0\1\0\0\0\0\1\3\3\7")
  t.equal(options.mss, 1460)
  t.equal(options.sackOK, true)
  t.equal(options.ts[1], 1)
  t.equal(options.sack, nil)
  t.equal(#options, 5)
  local names = {}
  for name in pairs(options) do names[#names + 1] = name end
  t.equal(table.concat(names, " "), "mss sackOK ts nop wscale")

  options.mss = 536
  options.ts = nil
  options[253] = "ab"
  t.equal(tostring(packet.tcp.options), "mss 536,sackOK,nop,wscale 7,unknown-253 0x6162,eol")
  t.equal(packet.tcp.options[253], "ab")
  t.equal(packet.tcp.offset, 9)

  packet.tcp.options = { "nop", { "mss", 1 }, { 30, "\0\1" }, { "sack", { { 1, 2 }, { 3, 4 } } } }
  t.equal(tostring(packet.tcp.options), "nop,mss 1,mptcp 0x0001,sack 2 {1:2}{3:4},eol")
  t.equal(packet.tcp.options.sack[2][1], 3)
  packet.tcp.options = { sack = { { 1, 2 } }, md5 = ("x"):rep(16), sackOK = false }
  t.equal(tostring(packet.tcp.options), "nop,nop,sack 1 {1:2},nop,nop,md5 0x" .. ("78"):rep(16))
  packet.tcp.options = "\2\4\5\xb4\8\3\1\1" -- TS of an impossible length
  t.equal(packet.tcp.options.ts, "\1")
  packet.tcp.options = { mss = "\5" } -- one byte short
  t.equal(packet.tcp:raw "options", "\2\3\5\0")
  local other = p.tcp { options = packet.tcp.options }
  t.equal(other.tcp:raw "options", packet.tcp:raw "options")
  packet.tcp.options = nil
  t.equal(packet.tcp:raw "options", "")
  t.equal(#packet, 20)

  -- a list that is read goes back as it was
  for _ = 1, 200 do
    local bytes = {}
    for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
    packet.tcp.options = table.concat(bytes)
    local list = {}
    for name, value in pairs(packet.tcp.options) do list[#list + 1] = { name, value } end
    local copy = p.tcp { options = list }
    local n = #copy.tcp:raw "options"
    t.equal(tostring(copy.tcp.options):gsub("%[bad opt%]", ""):gsub(",?eol$", ""),
      tostring(packet.tcp.options):gsub("%[bad opt%]", ""):gsub(",?eol$", ""))
    assert(n % 4 == 0)
  end
end)

t.test("packets that are cut off or lie parse as far as they go", function()
  local bytes = (syn() / "data"):bytes()
  for length = 0, #bytes - 1 do
    local packet = p.parse(bytes:sub(1, length))
    t.equal(packet:stopped(), "cut short")
    t.equal(packet:bytes(), bytes:sub(1, length))
    assert(#tostring(packet) > 0 and #packet:tree() > 0)
  end
  local packet = p.parse(bytes:sub(1, 30))
  t.equal(packet.tcp.seq, 100)
  t.equal(packet.tcp.win, nil)
  t.equal(packet.tcp:raw "win", nil)
  t.contains(raises(function() packet.tcp.win = 1 end), "the packet is cut off before tcp.win")
  local lie = p.parse((p.ip { length = 10 } / p.tcp()):bytes())
  local why, where = lie:stopped()
  t.equal(why, "impossible length")
  t.equal(where, 20)
  t.equal(lie.tcp, nil)
  lie.ip.ttl = 9
  t.equal(lie.ip.length, 10)
end)

t.test("what an ICMP error quotes is layers too", function()
  local unreachable = p.ip { src = DST, dst = SRC } / p.icmp { type = 3, code = 3 }
    / syn():bytes():sub(1, 28)
  t.equal(unreachable:layer("ip", 2), nil)
  local parsed = p.parse(unreachable:bytes())
  t.equal(table.concat(parsed:layers(), " "), "ip icmp ip tcp")
  t.equal(parsed:layer("ip", 2).dst, DST)
  t.equal(parsed:layer(3).src, SRC)
  t.equal(parsed.tcp.dport, 80)
  t.equal(parsed:stopped(), nil)
  t.equal(tostring(parsed),
    "IP 192.0.2.2 > 192.0.2.1: ICMP 192.0.2.2 tcp port 80 unreachable, length 36")
end)

t.test("what links are: cooked captures, address families, two tags", function()
  local udp = p.ip { src = SRC, dst = DST } / p.udp { dport = 9 } / "x"
  local udp6 = p.ip6 { src = SRC6, dst = DST6 } / p.udp { dport = 9 } / "x"
  for _, name in ipairs { "sll", "sll2", "null", "loop", "eth" } do
    for _, inner in ipairs { udp, udp6 } do
      local packet = p[name]() / inner
      local back = p.parse(packet:bytes(), name)
      t.equal(back == packet, true)
      t.equal(table.concat(back:layers(), " "), table.concat(packet:layers(), " "))
    end
  end
  t.equal((p.null() / udp):bytes():sub(1, 4), "\2\0\0\0")
  t.equal((p.loop() / udp6):bytes():sub(1, 4), "\0\0\0\24")
  for _, family in ipairs { 10, 24, 28, 30 } do
    t.equal(p.parse(string.pack("<I4", family) .. udp6:bytes(), "null").ip6.dst, DST6)
    t.equal(p.parse(string.pack(">I4", family) .. udp6:bytes(), "null").loop.family, family)
  end
  t.equal((p.sll { src = "02:00:00:00:00:01" } / udp).sll.addr, "\2\0\0\0\0\1\0\0")
  local tagged = p.eth() / p.qinq { vlan = 4095 } / p.vlan { vlan = 7 } / udp
  t.equal(tagged.eth.type, 0x88a8)
  t.equal(tagged.qinq.type, 0x8100)
  t.equal(p.parse(tagged:bytes(), "eth").vlan.vlan, 7)
end)

t.test("a checksum over nothing but zeros is 0xffff", function()
  local reply = p.ip { src = SRC, dst = DST } / p.icmp { type = 0 } / "\0\0"
  t.equal(reply.icmp:raw "checksum", "\xff\xff")
  t.equal(select(2, reply.icmp:checksum_ok()), "good")
  reply.icmp.checksum = 0
  t.equal(select(2, reply.icmp:checksum_ok()), "bad")
  -- where the rest adds up to 0xffff, both zeros of the arithmetic are right
  local ones = p.ip { src = SRC, dst = DST } / p.icmp { type = 255, code = 255 }
  t.equal(ones.icmp.checksum, 0)
  ones.icmp.checksum = 0xffff
  t.equal(select(2, ones.icmp:checksum_ok()), "good")
end)

t.test("pseudo-headers have the end of a route", function()
  local function sum(header, dst)
    return (header / p.udp { dport = 9 } / "data").udp.checksum, (dst / p.udp { dport = 9 }
      / "data").udp.checksum
  end
  local function same(header, dst) local a, b = sum(header, dst) t.equal(a, b) end
  local first, last = "2001:db8::a", "2001:db8::b"
  local list = p.ip6 { src = first, dst = last }.ip6:raw():sub(9)
  local function route(values)
    return p.ip6 { src = SRC6, dst = DST6 } / p.ip6_route(values)
  end
  local function to(dst) return p.ip6 { src = SRC6, dst = dst } end
  same(route { type = 4, segleft = 1, data = "\1\0\0\0" .. list }, to(first))
  same(route { type = 4, segleft = 0, data = "\1\0\0\0" .. list }, to(DST6))
  same(route { type = 0, segleft = 1, data = "\0\0\0\0" .. list }, to(last))
  same(route { type = 2, segleft = 1, data = "\0\0\0\0" .. list:sub(17) }, to(last))
  same(route { type = 5, segleft = 1, data = "\0\0\0\0" .. list }, to(DST6))
  same(route { type = 4, segleft = 1, data = "\0\0\0\0" }, to(DST6))
  local function source(options) return p.ip { src = SRC, dst = DST, options = options } end
  local function to4(dst) return p.ip { src = SRC, dst = dst } end
  same(source { LSRR = { "192.0.2.7", "192.0.2.8" } }, to4 "192.0.2.8")
  same(source { SSRR = { pointer = 8, "192.0.2.7", "192.0.2.8" } }, to4 "192.0.2.8")
  same(source { LSRR = { pointer = 12, "192.0.2.7", "192.0.2.8" } }, to4(DST))
  same(source { LSRR = { pointer = 5, "192.0.2.7", "192.0.2.8" } }, to4(DST))
  same(source { LSRR = "\4abc" }, to4(DST))
  -- an edit counts
  local packet = route { type = 4, segleft = 0, data = "\1\0\0\0" .. list } / p.udp() / "data"
  local before = packet.udp.checksum
  packet.ip6_route.segleft = 1
  assert(packet.udp.checksum ~= before)
  t.equal(packet.udp:checksum_ok(), true)
  packet.ip6_route.data = ""
  t.equal(packet.udp.checksum, before)
end)

t.test("a fragment has its own length, not that of the packet", function()
  local first = p.ip6 { src = SRC6, dst = DST6 } / p.ip6_frag { mf = 1, id = 7 }
    / p.udp { sport = 7, dport = 9, length = 2008 } / ("x"):rep(1440)
  t.contains(p.parse(first:bytes()), "frag (0|1448) 7 > 9: UDP, length 2000")
end)

t.test("IPv6's extension headers are not IPv4's", function()
  local packet = p.parse((p.ip { proto = 0 } / ("\0"):rep(8)):bytes())
  t.equal(table.concat(packet:layers(), " "), "ip")
  t.equal(#packet.payload, 8)
  t.equal((p.ip6() / p.ip6_hop() / p.ip6_frag()).ip6_hop.next, 44)
end)

t.test("options with fields of their own", function()
  local function again(made, name)
    local back = p.parse(made:bytes(), name)
    t.equal(back:bytes(), made:bytes())
    return back[name].options
  end
  local tcp = again(p.tcp { options = { ao = { keyid = 1, rnextkeyid = 2, mac = "mac!" },
    uto = { granularity = 1, timeout = 300 }, accecn0 = { 1, 2, 0xffffff }, tfo = "cookie!!" } },
    "tcp")
  t.equal(tostring(tcp), "ao keyid 1 rnextkeyid 2 0x6d616321,uto granularity 1 timeout 300,"
    .. "tfo 0x636f6f6b69652121,accecn0 1 2 16777215,eol")
  t.equal(tcp.ao.mac, "mac!")
  t.equal(tcp.uto.timeout, 300)
  t.equal(tcp.accecn0[3], 0xffffff)
  t.equal(p.tcp { options = { accecn1 = {} } }.tcp:raw "options", "\174\2\0\0")
  local ip = again(p.ip { options = { RR = { pointer = 8, "192.0.2.7", "0.0.0.0" },
    TS = { flag = 1, overflow = 3, data = "12345678" }, RA = 0 } }, "ip")
  t.equal(ip.RR.pointer, 8)
  t.equal(ip.RR[1], "192.0.2.7")
  t.equal(#ip.RR, 2)
  t.equal(ip.TS.overflow, 3)
  t.equal(ip.TS.pointer, 5)
  t.equal(ip.RA, 0)
  local ra = again(p.ra { options = { mtu = { mtu = 1500 }, sll = "02:00:00:00:00:01",
    prefix = { onlink = true, valid = 86400, prefix = "2001:db8::" },
    rdnss = { lifetime = 600, "2001:db8::53" } } }, "ra")
  t.equal(ra.mtu.mtu, 1500)
  t.equal(ra.prefix.onlink, 1)
  t.equal(ra.prefix.length, 64)
  t.equal(ra.prefix.prefix, "2001:db8::")
  t.equal(ra.rdnss[1], "2001:db8::53")
  -- of another length than its fields have, it is bytes
  t.equal(p.tcp { options = { ao = "x" } }.tcp.options.ao, "x")
  t.equal(p.tcp { options = { accecn0 = "1234" } }.tcp.options.accecn0, "1234")
  t.contains(raises(p.tcp, { options = { ao = { key = 1 } } }), "option 'ao' has no field 'key'")
  t.contains(raises(p.tcp, { options = { ao = { keyid = 256 } } }),
    "ao.keyid takes a number from 0 to 255, not 256")
  t.contains(raises(p.tcp, { options = { accecn0 = { 1 << 24 } } }), "accecn0.counters takes")
  t.contains(raises(p.ip, { options = { RR = 7 } }), "option 'RR' takes a table or a string")
end)

t.test("a quote ends where the message says", function()
  local quoted = p.ip { src = SRC, dst = DST, length = 1500 } / p.udp { dport = 9 } / "12345678"
  local extension = "\x20\0\xff\xff"
  local made = p.ip { src = DST, dst = SRC } / p.icmp { type = 11, length = 8 }
    / (quoted:bytes():sub(1, 32) .. extension)
  local back = p.parse(made:bytes())
  t.equal(#back.udp.payload, 4)
  t.equal(#back.icmp.payload, 36)
  t.contains(back:tree(), "padding")
  t.equal(back:bytes(), made:bytes())
  made.icmp.length = 255 -- more than there is
  t.equal(#p.parse(made:bytes()).udp.payload, 8)
end)

t.test("relative numbers, tree and hex dump", function()
  local packet = syn()
  t.contains(packet:line { seq = 100 }, "seq 0,")
  t.contains(packet:line { seq = 101 }, "seq 4294967295,")
  t.contains(packet:tree(), "  proto     6 (computed)\n")
  packet.ip.proto = 6
  t.contains(packet:tree(), "  proto     6 (pinned)\n")
  t.equal(p.parse("\x45", "eth"):hex(), "0000  45" .. (" "):rep(47) .. "E\n")
  t.equal(tostring(syn().tcp), "layer 2 (tcp) of " .. tostring(syn()))
end)

t.test("a layer outlives the name of its packet, and the packet its growth", function()
  local tcp = syn().tcp
  collectgarbage()
  tcp.seq = 5
  for i = 1, 300 do
    tcp.payload = ("x"):rep(i * 10)
    if i % 50 == 0 then collectgarbage() end
    t.equal(#tcp:packet(), 40 + i * 10)
    t.equal(tcp.seq, 5)
  end
  t.equal(tcp:checksum_ok(), true)
end)

t.test("mistakes are named", function()
  local packet = syn()
  t.contains(raises(p.tcp, { dprot = 80 }), "tcp has no field 'dprot'; p.help 'tcp' lists")
  t.contains(raises(p.tcp, { "x" }), "tcp has no field '1'")
  t.contains(raises(p.tcp, 80), "table expected, got number")
  t.contains(raises(p.tcp, { dport = "80" }), "tcp.dport takes a number, not string")
  t.contains(raises(p.tcp, { dport = 65536 }),
    "tcp.dport takes a number from 0 to 65535, not 65536")
  t.contains(raises(p.tcp, { dport = -1 }), "not -1")
  t.contains(raises(p.tcp, { dport = 1.5 }), "tcp.dport takes a number, not 1.5")
  t.contains(raises(p.tcp, { seq = 0 / 0 }), "tcp.seq takes an integer, not")
  t.contains(raises(p.ip, { src = 1 }), "ip.src takes an IPv4 address as a string, not 1")
  t.contains(raises(p.tcp, { flags = {} }),
    "tcp.flags takes a string of flags or a number, not table")
  t.contains(raises(p.tcp, { dport = { 22, 80 } }), "several values makes p.list {...}")
  t.contains(raises(p.ip, { src = SRC .. "\0" }), "has a NUL byte in it")
  local err = raises(p.ip, { src = "bogus\27" })
  t.equal(err.kind, "usage")
  t.equal(err.message, "src 'bogus\\x1b' is not an IPv4 address")
  t.contains(raises(function() return packet.tpc end), "a packet has no 'tpc'")
  t.contains(raises(function() return packet[1] end), "a packet has no '1'")
  t.contains(raises(function() return packet.tcp.sqe end), "tcp has no field 'sqe'")
  t.contains(raises(function() packet.tcp = 1 end), "not 'tcp'")
  t.contains(raises(function() packet.ip.payload = "x" end), "the payload of ip is made of layers")
  t.contains(raises(function() packet.payload = 7 end),
    "payload takes a string of bytes, not number")
  t.contains(raises(function() return packet / 7 end), "not with number")
  t.contains(raises(function() return packet / "x" / p.udp() end).message, "behind a payload")
  t.contains(raises(p.parse, "", "ipp"), "there is no layer 'ipp'; p.help() lists")
  t.contains(raises(p.parse, 7), "string expected, got number")
  t.contains(raises(p.tcp, { options = { mms = 1 } }), "there is no option 'mms'; there are mss, ")
  t.contains(raises(p.tcp, { options = { { 256, "" } } }), "and numbers from 0 to 255")
  t.contains(raises(p.ns, { options = { sll = "02:00:00:00:00:01\0" } }), "takes a MAC address")
  t.contains(raises(p.tcp, { options = { mss = true } }), "option 'mss' takes a number")
  t.contains(raises(p.tcp, { options = { ts = { 1 } } }), "option 'ts' takes a number")
  t.contains(raises(p.tcp, { options = { [253] = 1 } }), "takes a string of bytes")
  t.contains(raises(p.tcp, { options = ("\1"):rep(41) }).message, "tcp has room for 40")
  t.contains(raises(p.fields, "x"), "there is no layer 'x'")
  t.contains(raises(packet.line, packet, { sqe = 1 }), "sqe")
  t.equal(#packet, 40)
end)

-- Row K8: every function at every argument with every kind of nonsense.
local function misuse_everything()
  local nonsense = {
    false, true, 0 / 0, -0.0, 2 ^ 53, 1 / 0, "1e3", "a\0b", "", math.maxinteger, math.mininteger,
    {}, { {} }, print, coroutine.create(print), io.stdout, ("x"):rep(70000), -1, 1e300,
    { [1] = 1, x = {} }, syn(), syn().tcp, syn().tcp.options,
  }
  local count <const> = #nonsense + 1 -- the last is nil
  local calls = 0
  local function try(f, ...)
    calls = calls + 1
    local ok, err = pcall(f, ...)
    if not ok then assert(type(err) == "string" or err.kind == "usage", tostring(err)) end
  end
  local function packet() return syn() / "x" end
  local function layer() return packet().tcp end
  local function options() return layer().options end
  local targets = { { p }, { getmetatable(packet()).methods, packet },
    { getmetatable(packet()), packet }, { getmetatable(layer()).methods, layer },
    { getmetatable(layer()), layer }, { getmetatable(options()), options } }
  local quiet = { show = true, hexdump = true, help = true } -- they print
  for _, target in ipairs(targets) do
    for name, f in pairs(target[1]) do
      if type(f) == "function" and not quiet[name] then
        local self = target[2] and target[2]() -- not one that another call has made long
        try(f)
        for i = 1, count do
          try(f, nonsense[i])
          for j = 1, count do
            try(f, nonsense[i], nonsense[j])
            try(f, self, nonsense[i], nonsense[j])
          end
          for _, key in ipairs { "seq", "flags", "src", "options", "payload", "mss", "sack" } do
            try(f, self, key, nonsense[i])
            try(f, { [key] = nonsense[i] })
          end
        end
      end
    end
  end
  for _, name in ipairs(p.protocols()) do
    for _, field in ipairs(p.fields(name)) do
      for i = 1, count do
        try(p[name], { [field.name] = nonsense[i] })
        try(function() p[name]()[name][field.name] = nonsense[i] end)
      end
    end
  end
  for _, name in ipairs { "mss", "sackOK", "ts", "nop", "wscale", "sack", "md5", "eol", 253 } do
    for i = 1, count do
      try(p.tcp, { options = { [name] = nonsense[i] } })
      try(p.tcp, { options = { { name, nonsense[i] } } })
      try(p.tcp, { options = { sack = { { 1, nonsense[i] } }, ts = { nonsense[i], 1 } } })
    end
  end
  assert(calls > 20000, calls)
end

t.test("K8 nonsense at every argument neither crashes nor leaks", function()
  misuse_everything()
  collectgarbage()
  local before = collectgarbage("count")
  for _ = 1, 2000 do
    pcall(p.tcp, { options = { mss = {} } })
    pcall(p.ip, { src = "bogus" })
    local grown = syn() / ("x"):rep(1000)
    pcall(function() grown.payload = {} end)
  end
  collectgarbage() collectgarbage()
  assert(collectgarbage("count") - before < 64, "memory grew")
end)

t.test("the same with the collector always at work", function()
  collectgarbage("generational")
  collectgarbage("incremental", 0, 1000, 0)
  for i = 1, 200 do
    local packet = syn() / ("x"):rep(i)
    packet.tcp.options = { mss = i, sack = { { i, i + 1 } } }
    packet.payload = ("y"):rep(3 * i)
    t.equal(packet.tcp.options.mss, i)
    t.equal(packet.tcp:checksum_ok(), true)
    t.equal(p.parse(packet:bytes()) == packet, true)
  end
  collectgarbage("incremental", 200, 100, 13)
end)

t.done()
