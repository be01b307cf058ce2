--- tcplua.packet: source, differences, diagrams and help made from packets and their tables.
local t = require "harness"
local p = require "tcplua.packet"

local SRC, DST = "192.0.2.1", "192.0.2.2"

-- parse -> code -> load -> the same bytes, layers and pins.
local function check(packet)
  local source = packet:code()
  local made = assert(load("local p = ... return " .. source, source, "t"))(p)
  t.equal(made:bytes(), packet:bytes(), source)
  assert(not source:find "[^\x20-\x7e]", source)
  return source, made
end

local udp = p.ip { src = SRC, dst = DST } / p.udp { sport = 1, dport = 2 } / "data"

t.test("code says what was set, and nothing that is computed", function()
  t.equal(check(p.tcp()), "p.tcp {}")
  t.equal(check(udp), 'p.ip { src = "192.0.2.1", dst = "192.0.2.2" } / '
    .. 'p.udp { sport = 1, dport = 2 } / "data"')
  t.equal(check(p.parse(udp:bytes())), (check(udp)))
  t.equal(check(p.tcp { flags = "S.", checksum = 0xbeef, options = { mss = 1460, sackOK = true } }),
    'p.tcp { flags = "S.", checksum = 0xbeef, options = { { "mss", 1460 }, "sackOK", "eol" } }')
  t.equal(check(p.udp() / ('a"\\\n\0\xff')), [[p.udp {} / "a\"\\\x0a\x00\xff"]])
  t.equal(check(p.udp() / ("x"):rep(1400)), 'p.udp {} / ("x"):rep(1400)')
  t.equal(check(p.icmp { type = 0, id = 3 }), "p.icmp { type = 0, id = 3 }")
  t.equal(check(p.parse "\3\1\0\0\1\2\3\4"), check(p.parse "\3\1\0\0\1\2\3\4"))
end)

t.test("code keeps pins and what a parsed packet has wrong", function()
  local packet = udp:copy()
  packet.udp.length = 12 -- right, but pinned
  local source, made = check(packet)
  t.contains(source, "length = 12")
  t.equal(made:pinned()[1], "udp.length")
  local wrong = udp:bytes():gsub("data", "DATA")
  source, made = check(p.parse(wrong))
  t.contains(source, "checksum = 0x")
  t.equal(made.udp:checksum_ok(), false)
end)

t.test("code of padding, cut headers, quotes and no layer", function()
  local padded = p.parse((p.eth() / udp):bytes() .. ("\0"):rep(14), "eth")
  t.equal(padded:trailer(), ("\0"):rep(14))
  t.contains(check(padded), ':trailer(1, "\\x00')
  t.contains(check(p.parse(udp:bytes() .. "xyz")), ':trailer(0, "xyz")')
  for length = 0, #udp do check(p.parse(udp:bytes():sub(1, length))) end
  local quote = p.parse((p.ip { src = DST, dst = SRC } / p.icmp { type = 3, code = 3 }
    / udp:bytes():sub(1, 28)):bytes())
  t.contains(check(quote), "/ p.udp {")
  local extended = p.parse((p.ip() / p.icmp { type = 11, length = 5 }
    / (udp:bytes() .. "extension")):bytes())
  check(extended)
  local odd = p.icmp { type = 3, code = 1 }
  odd.icmp.rest = 0x12345678
  t.contains(check(odd), "rest = 0x12345678")
end)

t.test("code of every field of every layer, and of noise", function()
  for _, name in ipairs(p.protocols()) do
    for _, field in ipairs(p.fields(name)) do
      local most = field.width > 0 and math.tointeger(2 ^ math.min(field.width, 32)) - 1 or 0
      local value = ({ MAC = "02:00:00:00:00:01", IPv4 = SRC, IPv6 = "2001:db8::1",
        bytes = ("\2"):rep(field.width > 0 and field.width // 8 or 4),
        options = "\1\1\1\1\0\0\0\0" })[field.kind] or most
      local packet = p[name] { [field.name] = value }
      check(packet)
      check(p.parse(packet:bytes() .. "tail", name))
    end
  end
  local stacks = { "eth", "ip", "ip6", "sll", "sll2", "null", "tcp", "icmp6", "ra", "qinq" }
  for round = 1, 400 do
    local bytes = {}
    for i = 1, math.random(0, 100) do bytes[i] = string.char(math.random(0, 255)) end
    local noise = table.concat(bytes)
    local packet = p.parse(noise, stacks[round % #stacks + 1])
    local _, made = check(packet)
    t.equal(made:bytes(), noise)
  end
end)

t.test("trailers can be set, and lengths do not count them", function()
  local frame = (p.eth() / udp):trailer(1, ("\0"):rep(14))
  t.equal(#frame, 60)
  t.equal(frame.ip.length, 32)
  t.equal(frame.udp:checksum_ok(), true)
  t.equal(p.parse(frame:bytes(), "eth"):trailer(), ("\0"):rep(14))
  frame.payload = "longer data"
  t.equal(frame:trailer(), ("\0"):rep(14))
  t.equal(frame:bytes():sub(-14), ("\0"):rep(14))
  t.equal(#frame:trailer(1, ""), 14 + 39)
  frame:trailer(2, "in ip")
  t.equal(frame.ip.length, 44)
  t.equal(frame.udp.length, 19)
  t.equal(pcall(frame.trailer, frame, 3), false)
  t.equal(pcall(frame.trailer, frame, -1), false)
end)

t.test("differences, field by field", function()
  local other = udp:copy()
  t.equal(#udp:diff(other), 0)
  other.ip.ttl, other.udp.dport, other.payload = 3, 9, "dat\27"
  local list = udp:diff(other)
  t.equal(tostring(list), ("ip.ttl: 64 | 3\nip.checksum: %d | %d\nudp.dport: 2 | 9\n"
    .. "udp.checksum: %d | %d\npayload: data | dat\\x1b"):format(udp.ip.checksum,
    other.ip.checksum, udp.udp.checksum, other.udp.checksum))
  t.equal(list[1].field, "ip.ttl")
  t.equal(list[1][2], "3")
  t.contains(tostring((p.ip() / p.tcp()):diff(p.ip() / p.udp())), "layer 2: tcp | udp")
  t.contains(tostring((p.ip() / p.ip() / p.udp()):diff(p.ip() / p.ip { ttl = 1 } / p.udp())),
    "ip#2.ttl: 64 | 1")
  t.contains(tostring(p.tcp():diff(p.tcp { options = { mss = 1 } })), "tcp.options:  | mss 1")
end)

local VLAN = [[
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|  p  |1|         vlan          |             type              |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
  1 = dei
]]
local ETH = [[
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                              dst                              |
+                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                               |                               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
|                              src                              |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|             type              |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
]]

t.test("diagrams as the RFCs draw them", function()
  t.equal(p.layout "vlan", VLAN)
  t.contains(p.layout "eth", ETH)
  t.contains(p.layout "tcp", "|                          options ...                          |")
  local drawn = udp:layout()
  t.contains(drawn, "udp\n 0  ")
  t.contains(drawn, "|            sport 1            |            dport 2            |")
  for _, name in ipairs(p.protocols()) do
    for line in p.layout(name):gmatch "[^\n]+" do assert(#line <= 65, line) end
  end
  t.equal(pcall(p.layout, "x"), false)
end)

t.test("help is made from the tables", function()
  for _, name in ipairs(p.protocols()) do
    t.contains("\n" .. p.reference(), "\n" .. name .. " ")
    for _, field in ipairs(p.fields(name)) do
      t.contains(p.reference(name), "\n" .. field.name)
    end
  end
  t.contains(p.reference "tcp", "dport          16    16  number          0\n")
  t.contains(p.reference "tcp", "    mss sackOK ts nop wscale sack md5")
end)

t.done()
