--- tcplua.packet: fragments and what is made of them.
local t = require "harness"
local p = require "tcplua.packet"

local SRC, DST, SRC6, DST6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"

local function data(n)
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(i * 7 % 256) end
  return table.concat(bytes)
end

local function udp4(n)
  return p.ip { src = SRC, dst = DST, id = 77 } / p.udp { sport = 1, dport = 9 } / data(n)
end

local function udp6(n)
  return p.ip6 { src = SRC6, dst = DST6 } / p.udp { sport = 1, dport = 9 } / data(n)
end

local function shuffled(list)
  local copy = table.move(list, 1, #list, 1, {})
  for i = #copy, 2, -1 do
    local j = math.random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

local function one(list, text)
  local done, left = p.reassemble(list)
  t.equal(#done, 1, left[1] and left[1][1])
  t.equal(#left, 0)
  t.equal(done[1]:bytes(), text)
  return done[1]
end

local function none(why, list)
  local done, left = p.reassemble(list)
  t.equal(#done, 0)
  t.equal(#left, 1)
  t.equal(left[1][1], why)
  t.equal(#left[1], #list + 1)
end

t.test("F1 every size at every mtu, in any order", function()
  for _, make in ipairs { udp4, udp6 } do
    for _, front in ipairs { false, p.eth(), p.eth() / p.vlan { vlan = 5 } } do
      for _, mtu in ipairs { 68, 100, 576, 1280, 1500 } do
        for _, n in ipairs { 0, 1, 7, 8, 9, 100, 1400, 5000 } do
          local packet = front and front / make(n) or make(n)
          local list = packet:fragment(mtu)
          for i, piece in ipairs(list) do
            local ip = piece.ip or piece.ip6
            assert(#ip:raw() + #ip.payload <= mtu)
            t.equal(p.parse(piece:bytes(), piece:layers()[1]):bytes(), piece:bytes())
            if piece.ip then
              t.equal(piece.ip:checksum_ok(), true)
              t.equal(piece.ip.mf == 1, i < #list)
            end
          end
          one(shuffled(list), packet:bytes())
        end
      end
    end
  end
end)

t.test("the second fragment as tcpdump prints it", function()
  local list = udp4(100):fragment(68)
  t.equal(tostring(list[2]), "IP 192.0.2.1 > 192.0.2.2: frag (48|48) ip-proto-17")
  list = udp6(1400):fragment(1280, 0xabcd)
  t.equal(#list, 2)
  t.equal(list[1].ip6_frag.id, 0xabcd)
  t.equal(list[1].ip6_frag.next, 17)
  t.equal(list[2].ip6_frag.offset * 8, 1232)
  t.equal(list[1].ip6.next, 44)
end)

t.test("IPv4 options are copied by their bit, fragments of fragments go on", function()
  local packet = p.ip { src = SRC, dst = DST, options = { RA = 0, RR = { "0.0.0.0" } } }
    / p.udp() / data(200)
  local list = packet:fragment(100)
  t.contains(tostring(list[1].ip.options), "RR pointer 4 0.0.0.0")
  t.equal(tostring(list[2].ip.options), "RA 0")
  one(list, packet:bytes())
  local again = {}
  for _, piece in ipairs(udp4(3000):fragment(1500)) do
    for _, smaller in ipairs(piece:fragment(300)) do again[#again + 1] = smaller end
  end
  one(shuffled(again), udp4(3000):bytes())
end)

t.test("IPv6 headers that every hop reads stay in front", function()
  local packet = p.ip6 { src = SRC6, dst = DST6 } / p.ip6_hop { data = "\1\4\0\0\0\0" }
    / p.ip6_route { data = ("\0"):rep(4) } / p.ip6_dest { data = "\1\4\0\0\0\0" } / p.udp()
    / data(3000)
  local list = packet:fragment(1280)
  t.equal(table.concat(list[1]:layers(), " "), "ip6 ip6_hop ip6_route ip6_frag ip6_dest udp")
  t.equal(list[2].ip6_route.next, 44)
  t.equal(list[2].ip6_frag.next, 60)
  one(shuffled(list), packet:bytes())
end)

t.test("F2 overlaps spoil all of it; the same twice does not", function()
  local list = udp4(100):fragment(68) -- 48, 48 and 12 bytes
  t.equal(#list, 3)
  one({ list[1], list[1], list[2], list[3], list[2], list[3] }, udp4(100):bytes())
  local other = list[2]:copy()
  other.payload = ("X"):rep(48)
  none("fragments overlap at byte 48", { list[1], other, list[2], list[3] })
  other.ip.offset = 5
  none("fragments overlap at byte 40", { list[1], other, list[2], list[3] })
  local six = udp6(1400):fragment(600)
  local inside = six[1]:copy()
  inside.ip6_frag.offset = 1
  none("fragments overlap at byte 8", { six[2], inside, six[1], six[3] })
end)

t.test("F4 what is missing, cut, too long or behind the end", function()
  local list = udp4(100):fragment(68)
  none("bytes 48 to 95 are missing", { list[3], list[1] })
  none("bytes 0 to 47 are missing", { list[3], list[2] })
  none("what follows byte 96 is missing", { list[2], list[1] })
  none("a fragment is cut short", { list[1], list[2], p.parse(list[3]:bytes():sub(1, -2)) })
  local odd = list[2]:copy()
  odd.payload = ("x"):rep(47)
  none("the fragment at byte 48 has 47 bytes", { list[1], odd, list[3] })
  local empty = list[2]:copy()
  empty.payload = ""
  none("the fragment at byte 48 has 0 bytes", { list[1], empty, list[3] })
  local far = list[3]:copy()
  far.ip.offset = 8191
  none("it ends behind byte 65535", { far })
  local behind = list[3]:copy()
  behind.ip.offset = 20
  none("there is something behind the end, at byte 160", { list[1], list[2], list[3], behind })
end)

t.test("several datagrams at once, and packets that are no fragments", function()
  local list = { udp4(10) }
  table.move(udp4(100):fragment(68), 1, 3, #list + 1, list)
  table.move(udp6(2000):fragment(1280, 1), 1, 2, #list + 1, list)
  table.move(udp6(2000):fragment(1280, 2), 1, 1, #list + 1, list)
  list[#list + 1] = p.eth() / p.arp()
  local done, left = p.reassemble(list)
  t.equal(#done, 4)
  t.equal(#left, 1)
  t.equal(done[3]:bytes(), udp6(2000):bytes())
  t.equal(#p.reassemble {}, 0)
end)

t.test("what cannot be fragmented is refused", function()
  local function refused(text, f, ...)
    local ok, err = pcall(f, ...)
    t.equal(ok, false)
    t.contains(tostring(err), text)
  end
  local packet = udp4(100)
  refused("mtu is a whole number", packet.fragment, packet, "68")
  refused("27 bytes have no room for a fragment", packet.fragment, packet, 27)
  packet.ip.df = 1
  refused("DF is set", packet.fragment, packet, 68)
  local arp = p.eth() / p.arp()
  refused("no IP layer", arp.fragment, arp, 68)
  local piece = udp6(2000):fragment(1280)[1]
  refused("the packet is a fragment", piece.fragment, piece, 600)
  t.equal(#packet:fragment(1500), 1)
end)

t.test("a source that a sender would fill in has to be named before", function()
  local big = p.udp { dport = 9 } / data(200)
  for _, packet in ipairs { p.ip { dst = DST } / big, p.ip6 { dst = DST6 } / big,
      p.eth() / p.ip { dst = DST } / big } do
    local ok, err = pcall(packet.fragment, packet, 100)
    t.equal(ok, false)
    t.contains(tostring(err), ".src before the packet is cut")
    t.equal(#packet:fragment(1500)[1], #packet, "fits")
  end
  one((p.ip { src = "0.0.0.0", dst = DST, id = 1 } / big):fragment(100),
    (p.ip { src = "0.0.0.0", dst = DST, id = 1 } / big):bytes())
end)

t.done()
