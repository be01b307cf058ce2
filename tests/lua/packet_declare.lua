--- tcplua.packet: protocols declared from Lua.
local t = require "harness"
local p = require "tcplua.packet"

local function refused(text, ...)
  local ok, err = pcall(p.declare, ...)
  assert(not ok, "not refused: " .. text)
  t.contains(tostring(err), text)
end

-- parse -> code -> load -> the same bytes.
local function check(packet)
  local source = packet:code()
  t.equal(assert(load("local p = ... return " .. source))(p):bytes(), packet:bytes(), source)
end

p.declare {
  name = "vxlan", -- RFC 7348
  fields = {
    { "flags", 8, kind = "hex", default = 8 }, { "reserved", 24 },
    { "vni", 24 }, { "reserved2", 8 },
  },
  over = { udp = 4789 },
}

t.test("a declared protocol builds, prints, parses and takes part in /", function()
  local made = p.ip { src = "192.0.2.1", dst = "192.0.2.2" } / p.udp { sport = 5 }
    / p.vxlan { vni = 7 } / "inner"
  t.equal(made.udp.dport, 4789)
  t.equal(made.vxlan:raw(), "\8\0\0\0\0\0\7\0")
  t.equal(tostring(made), "IP 192.0.2.1.5 > 192.0.2.2.4789: UDP, length 13: vxlan, flags 0x08, "
    .. "reserved 0, vni 7, reserved2 0")
  t.contains(made:tree(), "vxlan\n  flags     0x08\n")
  local back = p.parse(made:bytes())
  t.equal(table.concat(back:layers(), " "), "ip udp vxlan")
  t.equal(back.vxlan.vni, 7)
  t.equal(back.payload, "inner")
  t.equal(back.udp:checksum_ok(), true)
  check(made)
  check(back)
  t.contains(p.layout "vxlan", "|                      vni                      |   reserved2   |")
  t.contains(p.reference "vxlan", "\nvni ")
  t.equal((p.udp { dport = 9 } / p.vxlan()).udp.dport, 9)
  t.equal((p.udp { sport = 4789 } / p.vxlan()).udp.dport, 4789)
  t.equal((p.udp { dport = 0 } / p.vxlan()).udp.dport, 0)
  t.equal(p.parse((p.ip() / p.udp { dport = 4789 } / "short"):bytes()).vxlan, nil)
  local reply = p.parse((p.ip() / p.udp { sport = 4789, dport = 0 } / p.vxlan()):bytes())
  reply.vxlan.vni = 1 -- and what was parsed stays as it is
  t.equal(reply.udp.dport, 0)
end)

t.test("every kind, every numbering, lengths and what follows", function()
  local mine = p.declare {
    name = "mine",
    fields = {
      { "size", 8, role = "header_length", unit = 4 }, { "next", 8, role = "next" },
      { "sum", 16, kind = "hex", role = "checksum" },
      { "total", 16, role = "length", little = true },
      { "bits", 8, kind = "flags", names = { "A", "B" } }, { "seq", 32, kind = "sequence number" },
      { "hw", kind = "MAC" }, { "four", kind = "IPv4" }, { "six", kind = "IPv6" },
      { "wide", 64, kind = "hex" }, { "fixed", 16, kind = "bytes" }, { "pad", 8 },
      { "rest", kind = "bytes" },
    },
    over = { ip = { 253, 254 }, ethertype = 0x88b5, tcp = 7, icmp = 200, icmp6 = 200, family = 99 },
    next = "ip",
  }
  local packet = mine { seq = -1, hw = "02:00:00:00:00:01", four = "192.0.2.1", six = "2001:db8::1",
    wide = -1, fixed = "ab", rest = "12345", bits = "A,bit3" }
  local whole = p.ip() / packet / p.udp { dport = 9 } / "data"
  t.equal(whole.ip.proto, 253)
  t.equal(whole.mine.next, 17)
  t.equal(whole.mine.size, 14)
  t.equal(whole.mine.total, #whole - 20)
  t.equal(whole:bytes():sub(25, 26), string.pack("<I2", #whole - 20))
  t.equal(whole.mine:checksum_ok(), true)
  t.equal(whole.mine.bits, "A,bit3")
  t.equal(whole.mine.seq, 0xffffffff)
  local back = p.parse(whole:bytes())
  t.equal(table.concat(back:layers(), " "), "ip mine udp")
  t.equal(#whole:diff(back), 0)
  check(whole)
  for outer, parts in pairs { eth = p.eth(), sll = p.sll(), null = p.null(),
    tcp = p.ip() / p.tcp(), icmp = p.ip() / p.icmp(), icmp6 = p.ip6() / p.icmp6() } do
    local made = parts / packet
    local again = p.parse(made:bytes(), made:layers()[1])
    t.equal(again.mine and again.mine.six, "2001:db8::1", outer)
    check(made)
  end
  for length = 0, #whole do check(p.parse(whole:bytes():sub(1, length))) end
end)

t.test("a declaration that cannot be is refused by name", function()
  local one = { { "a", 8 } }
  refused("name is a string", { fields = one })
  refused("'tcp' is taken", { name = "tcp", fields = one })
  refused("'parse' is taken", { name = "parse", fields = one })
  refused("'bytes' cannot be a name here", { name = "bytes", fields = one })
  refused("'a b' cannot be a name here", { name = "a b", fields = one })
  refused("fields is a list", { name = "x1" })
  refused("whole bytes are needed", { name = "x1", fields = {} })
  refused("whole bytes are needed", { name = "x1", fields = { { "a", 7 } } })
  refused("'raw' cannot be a name here", { name = "x1", fields = { { "raw", 8 } } })
  refused("two fields 'a'", { name = "x1", fields = { { "a", 8 }, { "a", 8 } } })
  refused("field 'm' cannot have 48 bits there",
    { name = "x1", fields = { { "a", 4 }, { "m", kind = "MAC" }, { "b", 4 } } })
  refused("there is no kind 'nmber'", { name = "x1", fields = { { "a", 8, kind = "nmber" } } })
  refused("there is no role 'x'", { name = "x1", fields = { { "a", 8, role = "x" } } })
  for _, fields in ipairs { { { "a", 8 }, { "s", 16, role = "checksum" }, { "b", 8 } },
    { { "s", 16, role = "checksum", little = true } }, { { "s", 8, role = "checksum" } } } do
    refused("checksum 's' has 16 bits", { name = "x1", fields = fields })
  end
  refused("must lie within eight bytes", { name = "x1", fields = { { "a", 72 } } })
  refused("nothing can stand behind a",
    { name = "x1", fields = { { "z", 8 }, { "a", kind = "bytes" }, { "b", 8 } } })
  refused("default is a number from 0 to 15",
    { name = "x1", fields = { { "a", 4, default = 16 } } })
  refused("no numbering 'sctp'", { name = "x1", fields = one, over = { sctp = 1 } })
  refused("over takes up to", { name = "x1", fields = one, over = { udp = "53" } })
  refused("portt", { name = "x1", fields = one, portt = 1 })
  local many = {}
  for i = 1, 65 do many[i] = { "f" .. i, 8 } end
  refused("more than 64 fields", { name = "x1", fields = many })
  t.equal(pcall(function() return p.tcp().x1 end), false)
  for _, value in ipairs { 1, "x", {}, { {} }, { 1 }, { "a", "b" }, { "a", -1 }, { "a", 1 << 40 },
    { "a", 8, unit = 0 }, { "a", 8, names = 1, kind = "flags", joint = {} } } do
    pcall(p.declare, { name = "y", fields = { value } })
    pcall(p.declare, { name = "y", fields = value, over = value, next = value })
  end
end)

t.done()
