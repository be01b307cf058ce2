--- tcplua.packet: which packet answers which. Every row has a packet, what answers it, and what
-- nearly does.
local t = require "harness"
local p = require "tcplua.packet"
local answer = require "tcplua.packet.answer"

local A4, B4, R4, ALL4 = "192.0.2.1", "192.0.2.2", "198.51.100.9", "255.255.255.255"
local A6, B6, R6 = "2001:db8::1", "2001:db8::2", "2001:db8:9::1"
local MAC_A, MAC_B = "02:00:00:00:00:01", "02:00:00:00:00:02"

local function out4() return p.ip { src = A4, dst = B4 } end
local function back4() return p.ip { src = B4, dst = A4 } end
local function out6() return p.ip6 { src = A6, dst = B6 } end
local function back6() return p.ip6 { src = B6, dst = A6 } end

-- What a router sends back about a packet: its first `n` bytes behind an ICMP header.
local function refusal(packet, icmp, n)
  local quote = packet:bytes():sub(1, n or -1)
  if packet.ip then
    return p.parse((p.ip { src = R4, dst = A4 } / p.icmp(icmp or { type = 11 }) / quote):bytes())
  end
  return p.parse((p.ip6 { src = R6, dst = A6 } / p.icmp6(icmp or { type = 3 }) / quote):bytes())
end

-- Every answer is looked for as it came from a wire, at layer 3 and at layer 2.
local function framed(packet)
  if packet:layers()[1] == "eth" then return p.parse(packet:bytes(), "eth") end
  return p.parse((p.eth { src = MAC_B, dst = MAC_A } / packet):bytes(), "eth")
end

local function check(sent, reply, wanted, what)
  local forms = { reply, framed(reply) }
  if reply:layers()[1] ~= "eth" then forms[3] = p.parse(reply:bytes(), reply:layers()[1]) end
  for _, form in ipairs(forms) do
    local text = ("%s: %s\n  for %s"):format(what, tostring(form), tostring(sent))
    t.equal(p.answers(form, sent), wanted, text)
    local waiting = answer.index()
    local entry = { sent = sent }
    waiting:add(entry)
    t.equal(waiting:find(form), wanted and entry or nil, "index: " .. text)
  end
end

local function table_of(name, sent, yes, no)
  t.test(name, function()
    for i, reply in ipairs(yes) do check(sent, reply, true, "answer " .. i) end
    for i, reply in ipairs(no) do check(sent, reply, false, "no answer " .. i) end
    check(sent, sent, false, "itself")
  end)
end

local function tcp(fields)
  local from = { sport = 80, dport = 4000 }
  for k, v in pairs(fields) do from[k] = v end
  return back4() / p.tcp(from)
end

local SYN <const> = out4() / p.tcp { sport = 4000, dport = 80, seq = 0xffffffff, flags = "S" }

table_of("a SYN", SYN, {
  tcp { flags = "S.", seq = 7, ack = 0 },
  tcp { flags = "R.", ack = 0 },
  tcp { flags = ".", seq = 7, ack = 0 },
  refusal(SYN), refusal(SYN, nil, 28), refusal(SYN, nil, 24),
  refusal(SYN, { type = 3, code = 13 }), refusal(SYN, { type = 12 }), refusal(SYN, { type = 4 }),
}, {
  tcp { flags = "S.", ack = 1 }, tcp { flags = "S.", ack = 0xffffffff },
  tcp { flags = "R.", ack = 1 }, tcp { flags = "R", seq = 0 },
  tcp { flags = "S", ack = 0 },
  tcp { flags = "S.", ack = 0, sport = 81 }, tcp { flags = "S.", ack = 0, dport = 4001 },
  p.ip { src = R4, dst = A4 } / p.tcp { sport = 80, dport = 4000, flags = "S.", ack = 0 },
  p.ip { src = B4, dst = R4 } / p.tcp { sport = 80, dport = 4000, flags = "S.", ack = 0 },
  back4() / p.udp { sport = 80, dport = 4000 },
  refusal(SYN, nil, 22), refusal(SYN, nil, 20), refusal(SYN, nil, 0),
  refusal(SYN, { type = 5 }), refusal(SYN, { type = 8 }),
  refusal(out4() / p.tcp { sport = 4000, dport = 80, seq = 0xfffffffe, flags = "S" }),
  refusal(out4() / p.tcp { sport = 4001, dport = 80, seq = 0xffffffff, flags = "S" }),
  refusal(out4() / p.udp { sport = 4000, dport = 80 }),
  refusal(p.ip { src = A4, dst = R4 } / p.tcp { sport = 4000, dport = 80, seq = -1, flags = "S" }),
  refusal(p.ip { src = R4, dst = B4 } / p.tcp { sport = 4000, dport = 80, seq = -1, flags = "S" }),
  refusal(p.ip { src = A4, dst = B4, id = 9 }
    / p.tcp { sport = 4000, dport = 80, seq = -1, flags = "S" }),
})

table_of("a SYN with data: all or a part is taken",
  out4() / p.tcp { sport = 4000, dport = 80, seq = 100, flags = "S" } / "data",
  { tcp { flags = "S.", ack = 105 }, tcp { flags = "S.", ack = 101 },
    tcp { flags = "R.", ack = 105 } },
  { tcp { flags = "S.", ack = 106 }, tcp { flags = "S.", ack = 100 } })

table_of("data",
  out4() / p.tcp { sport = 4000, dport = 80, seq = 100, ack = 500, flags = "P." } / "data",
  { tcp { flags = ".", ack = 104 }, tcp { flags = ".", ack = 102 }, tcp { flags = "P.", ack = 104 },
    tcp { flags = ".", ack = 100 }, tcp { flags = "R", seq = 500 },
    tcp { flags = "F.", ack = 104 } },
  { tcp { flags = ".", ack = 105 }, tcp { flags = ".", ack = 99 }, tcp { flags = "R", seq = 501 },
    tcp { flags = "S.", ack = 104 }, tcp { flags = "P", ack = 104 } })

table_of("an ACK, and a keep-alive",
  out4() / p.tcp { sport = 4000, dport = 80, seq = 100, ack = 500, flags = "." },
  { tcp { flags = "R", seq = 500 }, tcp { flags = ".", ack = 101 },
    tcp { flags = "P.", ack = 100 } },
  { tcp { flags = "R", seq = 499 }, tcp { flags = ".", ack = 102 }, tcp { flags = ".", ack = 99 } })

table_of("a FIN without ACK: only a reset answers it",
  out4() / p.tcp { sport = 4000, dport = 80, seq = 100, flags = "F" },
  { tcp { flags = "R.", ack = 101 } },
  { tcp { flags = "R", seq = 0 }, tcp { flags = ".", ack = 101 }, tcp { flags = "R.", ack = 102 } })

table_of("a SYN-ACK",
  out4() / p.tcp { sport = 4000, dport = 80, seq = 100, ack = 9, flags = "S." },
  { tcp { flags = ".", ack = 101 }, tcp { flags = "R", seq = 9 } },
  { tcp { flags = "S.", ack = 101 }, tcp { flags = "S", seq = 9 }, tcp { flags = ".", ack = 100 } })

table_of("a reset has no answer",
  out4() / p.tcp { sport = 4000, dport = 80, seq = 100, ack = 9, flags = "R." },
  {}, { tcp { flags = ".", ack = 100 }, tcp { flags = "R", seq = 9 } })

table_of("TCP over IPv6, extension headers between",
  out6() / p.ip6_dest() / p.tcp { sport = 4000, dport = 80, flags = "S" },
  { back6() / p.tcp { sport = 80, dport = 4000, flags = "S.", ack = 1 },
    back6() / p.ip6_hop() / p.tcp { sport = 80, dport = 4000, flags = "R.", ack = 1 },
    refusal(out6() / p.ip6_dest() / p.tcp { sport = 4000, dport = 80, flags = "S" },
      { type = 1 }) },
  { back6() / p.tcp { sport = 80, dport = 4000, flags = "S.", ack = 2 },
    refusal(out6() / p.tcp { sport = 4000, dport = 81, flags = "S" }) })

table_of("UDP", out4() / p.udp { sport = 4000, dport = 9 } / "x", {
  back4() / p.udp { sport = 9, dport = 4000 } / "y", back4() / p.udp { sport = 9, dport = 4000 },
  refusal(out4() / p.udp { sport = 4000, dport = 9 } / "x", { type = 3, code = 3 }),
}, {
  back4() / p.udp { sport = 9, dport = 4001 }, back4() / p.udp { sport = 4000, dport = 9 },
  p.ip { src = R4, dst = A4 } / p.udp { sport = 9, dport = 4000 },
  p.ip { src = R4, dst = B4 } / p.icmp { type = 3 }
    / (out4() / p.udp { sport = 4000, dport = 9 }),
})

t.test("a datagram to oneself, from a port to the same port, does not answer itself", function()
  local own = p.ip { src = A4, dst = A4 } / p.udp { sport = 7, dport = 7 } / "x"
  check(own, own, false, "itself")
  check(own, p.ip { src = A4, dst = A4 } / p.udp { sport = 7, dport = 7 } / "y", true, "another")
end)

table_of("UDP to everybody: anybody may answer",
  p.ip { src = A4, dst = ALL4 } / p.udp { sport = 4000, dport = 9 },
  { p.ip { src = R4, dst = A4 } / p.udp { sport = 9, dport = 4000 } },
  { p.ip { src = R4, dst = A4 } / p.udp { sport = 10, dport = 4000 },
    p.ip { src = R4, dst = B4 } / p.udp { sport = 9, dport = 4000 } })

table_of("a broadcast address is known by its frame",
  p.eth { dst = "ff:ff:ff:ff:ff:ff" } / p.ip { src = A4, dst = "192.0.2.255" } / p.icmp { id = 3 },
  { back4() / p.icmp { type = 0, id = 3 } }, { back4() / p.icmp { type = 0, id = 4 } })

table_of("UDP to a group", p.ip6 { src = A6, dst = "ff02::1" } / p.udp { sport = 4000, dport = 9 },
  { back6() / p.udp { sport = 9, dport = 4000 } }, { back6() / p.udp { sport = 9, dport = 4001 } })

table_of("along a route of its own: the end is not the destination in front",
  out6() / p.ip6_route { type = 0, segleft = 1, data = ("\0"):rep(20) }
    / p.icmp6 { id = 3, seq = 4 },
  { p.ip6 { src = R6, dst = A6 } / p.icmp6 { type = 129, id = 3, seq = 4 } },
  { p.ip6 { src = R6, dst = A6 } / p.icmp6 { type = 129, id = 3, seq = 5 } })

for name, pair in pairs { echo = { 8, 0 }, ["time stamp"] = { 13, 14 }, mask = { 17, 18 } } do
  local sent = out4() / p.icmp { type = pair[1], id = 3, seq = 4 }
  local function reply(type, id, seq)
    return back4() / p.icmp { type = type, id = id, seq = seq }
  end
  table_of("ICMP " .. name, sent,
    { reply(pair[2], 3, 4), refusal(sent), refusal(sent, nil, 28) },
    { reply(pair[2], 4, 4), reply(pair[2], 3, 5), reply(pair[1], 3, 4), reply(16, 3, 4),
      refusal(sent, nil, 26), refusal(out4() / p.icmp { type = pair[1], id = 3, seq = 5 }),
      p.ip { src = R4, dst = A4 } / p.icmp { type = pair[2], id = 3, seq = 4 } })
end

local BIG <const> = out6() / p.icmp6 { id = 3, seq = 4 } / ("x"):rep(2000)

table_of("ICMPv6 echo", BIG,
  { back6() / p.icmp6 { type = 129, id = 3, seq = 4 }, refusal(BIG, { type = 2, mtu = 1280 }, 1232),
    refusal(BIG, { type = 1 }, 1232), refusal(BIG, { type = 4 }, 1232) },
  { back6() / p.icmp6 { type = 129, id = 4, seq = 4 }, back6() / p.icmp6 { id = 3, seq = 4 },
    refusal(out6() / p.icmp6 { id = 3, seq = 5 }) })

table_of("an ICMP error has no answer", refusal(SYN), {}, { refusal(refusal(SYN)), refusal(SYN) })

table_of("ARP", p.eth { src = MAC_A } / p.arp { sha = MAC_A, spa = A4, tpa = B4 },
  { p.eth() / p.arp { op = 2, sha = MAC_B, spa = B4, tha = MAC_A, tpa = A4 } },
  { p.eth() / p.arp { op = 1, sha = MAC_B, spa = B4, tpa = A4 },
    p.eth() / p.arp { op = 2, sha = MAC_B, spa = R4, tpa = A4 },
    p.eth() / p.arp { op = 2, sha = MAC_B, spa = B4, tpa = R4 },
    p.eth() / p.arp { op = 2, sha = MAC_B, spa = A4, tpa = B4 }, back4() / p.icmp { type = 0 } })

local function na(flags, target, dst)
  return p.ip6 { src = B6, dst = dst or A6, hlim = 255 }
    / p.icmp6 { type = 136, solicited = flags } / p.na { target = target }
end

table_of("NDP: a neighbour", p.ip6 { src = A6, dst = "ff02::1:ff00:2", hlim = 255 } / p.icmp6()
  / p.ns { target = B6 },
  { na(1, B6) }, { na(0, B6), na(1, A6), na(1, B6, R6), na(0, B6, "ff02::1") })

table_of("NDP: is an address taken", p.ip6 { src = "::", dst = "ff02::1:ff00:2" } / p.icmp6()
  / p.ns { target = B6 },
  { na(0, B6, "ff02::1") }, { na(0, R6, "ff02::1") })

table_of("NDP: a router", p.ip6 { src = "fe80::1", dst = "ff02::2" } / p.icmp6() / p.rs(),
  { p.ip6 { src = "fe80::9", dst = "ff02::1" } / p.icmp6() / p.ra(),
    p.ip6 { src = "fe80::9", dst = "fe80::1" } / p.icmp6() / p.ra() },
  { p.ip6 { src = "fe80::9", dst = "fe80::2" } / p.icmp6() / p.ra(),
    p.ip6 { src = "fe80::9", dst = "ff02::2" } / p.icmp6() / p.rs() })

local function dns(fields, name, kind, answers)
  fields.questions, fields.answers = name and { { name = name, type = kind or "A" } }, answers
  return back4() / p.udp { sport = 53, dport = 4000 } / p.dns(fields)
end

local QUESTION <const> = out4() / p.udp { sport = 4000, dport = 53 }
  / p.dns { id = 7, questions = { { name = "example.com", type = "A" } } }

table_of("DNS", QUESTION, {
  dns({ id = 7, qr = 1 }, "example.com"), dns({ id = 7, qr = 1 }, "Example.COM."),
  dns({ id = 7, qr = 1, rcode = 1 }),
  dns({ id = 7, qr = 1 }, nil, nil, { { name = "example.com", type = "A", address = B4 } }),
  refusal(QUESTION), refusal(QUESTION, nil, 28),
}, {
  dns({ id = 8, qr = 1 }, "example.com"), dns({ id = 7, qr = 0 }, "example.com"),
  dns({ id = 7, qr = 1 }, "example.org"), dns({ id = 7, qr = 1 }, "example.com", "AAAA"),
  dns({ id = 7, qr = 1 }, nil, nil, { { name = "example.org", type = "A", address = B4 } }),
  back4() / p.udp { sport = 53, dport = 4000 } / "no message", QUESTION,
  back4() / p.udp { sport = 53, dport = 4001 } / p.dns { id = 7, qr = 1 },
})

local function dhcp(fields, from, to)
  return p.ip { src = from, dst = to } / p.udp { sport = 67, dport = 68 } / p.dhcp(fields)
end

table_of("DHCP", p.ip { src = "0.0.0.0", dst = ALL4 } / p.udp { sport = 68, dport = 67 }
  / p.dhcp { xid = 7, options = { type = 1 } },
  { dhcp({ op = 2, xid = 7 }, B4, ALL4), dhcp({ op = 2, xid = 7 }, R4, A4) },
  { dhcp({ op = 2, xid = 8 }, B4, ALL4), dhcp({ op = 1, xid = 7 }, B4, ALL4) })

local OTHER <const> = p.ip { src = A4, dst = B4, proto = 253 } / "x"

table_of("another protocol", OTHER,
  { p.ip { src = B4, dst = A4, proto = 253 } / "y", refusal(OTHER, { type = 3, code = 2 }) },
  { p.ip { src = B4, dst = A4, proto = 254 } / "y", p.ip { src = R4, dst = A4, proto = 253 } / "y",
    p.ip { src = B4, dst = R4, proto = 253 } / "y" })

table_of("another EtherType", p.eth { src = MAC_A, dst = MAC_B, type = 0x88b5 } / "x",
  { p.eth { src = MAC_B, dst = MAC_A, type = 0x88b5 } / "y" },
  { p.eth { src = MAC_B, dst = MAC_A, type = 0x88b6 } / "y",
    p.eth { src = "02:00:00:00:00:03", dst = MAC_A, type = 0x88b5 } / "y" })

local PART <const> = p.ip { src = A4, dst = B4, id = 5, offset = 3, proto = 17 } / "12345678"

table_of("a fragment is answered by errors alone", PART, { refusal(PART) },
  { refusal(p.ip { src = A4, dst = B4, id = 6, offset = 3, proto = 17 } / "12345678"),
    p.ip { src = B4, dst = A4, id = 5, offset = 3, proto = 17 } / "12345678" })

t.test("a declared protocol names the fields that are equal", function()
  p.declare { name = "knock", fields = { { "kind", 8 }, { "id", 16 }, { "door", 8 } },
    over = { udp = 4711 }, answers = { "id", "door" } }
  local sent = out4() / p.udp { sport = 9 } / p.knock { kind = 1, id = 0x2020, door = 32 }
  local function reply(id, door)
    return back4() / p.udp { sport = 4711, dport = 9 } / p.knock { kind = 2, id = id, door = door }
  end
  check(sent, reply(0x2020, 32), true, "equal")
  check(sent, reply(0x2021, 32), false, "another id")
  check(sent, reply(0x2020, 33), false, "another door")
  check(sent, back4() / p.udp { sport = 4711, dport = 9 } / "x", false, "cut off")
  check(sent, refusal(sent), true, "refused")
  for text, fields in pairs { ["no field 'none'"] = { "none" }, ["a list"] = {}, list = "id" } do
    local ok, err = pcall(p.declare, { name = "bad", fields = { { "id", 8 } }, answers = fields })
    t.equal(ok, false)
    t.contains(err, text)
  end
  t.equal(p.bad, nil)
end)

t.test("answers takes packets", function()
  local ok, err = pcall(p.answers, "text", SYN)
  t.equal(ok, false)
  t.contains(err, "string")
end)

t.test("of many, the right one is found at once; what is taken is passed over", function()
  local waiting, entries = answer.index(), {}
  local MANY = 5000
  for port = 1, MANY do
    entries[port] = { sent = out4() / p.tcp { sport = 4000, dport = port, seq = 5, flags = "S" } }
    waiting:add(entries[port])
  end
  local begin = os.clock()
  for port = 1, MANY do
    local reply = tcp { sport = port, flags = "S.", ack = 6 }
    local found = waiting:find(reply)
    t.equal(found, entries[port])
    found.taken = true
    if port % 1000 == 0 then t.equal(waiting:find(reply), nil, "twice") end
  end
  local other, same = os.clock() - begin, answer.index()
  for seq = 1, MANY do -- one flow, told apart by the number
    same:add { seq = seq, sent = out4() / p.tcp { sport = 1, dport = 2, seq = seq, flags = "S" } }
  end
  begin = os.clock()
  for seq = MANY, 1, -1 do
    local found = same:find(back4() / p.tcp { sport = 2, dport = 1, flags = "S.", ack = seq + 1 })
    t.equal(found.seq, seq)
  end
  t.within(os.clock() - begin, 0, 5 * other + 0.5, "seconds for one flow")
end)

t.test("addresses say whether they are for many, and where a group's frames go", function()
  local address = require "tcplua.packet.address"
  for text, wanted in pairs {
    ["223.255.255.255"] = false, ["224.0.0.0"] = true, ["239.255.255.255"] = true,
    ["240.0.0.1"] = false, [ALL4] = true, ["192.0.2.255"] = false, ["ff02::1"] = true,
    ["2001:db8::ff02"] = false, ["fe80::ff:fe00:1"] = false, ["ff:ff:ff:ff:ff:ff"] = true,
    ["01:00:5e:00:00:01"] = true, ["33:33:00:00:00:01"] = true, [MAC_A] = false,
  } do
    t.equal(address.is_group(text), wanted, text)
  end
  for text, wanted in pairs {
    ["0.0.0.0"] = true, ["::"] = true, ["00:00:00:00:00:00"] = true, ["::a"] = false,
    ["0.0.0.1"] = false,
  } do
    t.equal(address.is_zero(text), wanted, text)
  end
  t.equal(address.group_mac(ALL4), "ff:ff:ff:ff:ff:ff")
  t.equal(address.group_mac "239.129.2.3", "01:00:5e:01:02:03", "the lower 23 bits")
  t.equal(address.group_mac "ff02::1:ff00:2", "33:33:ff:00:00:02")
  t.equal(address.solicited_node "2001:db8::1:2345:6789", "ff02::1:ff45:6789")
end)

t.done()
