--- tcplua.packet: packets to make, take apart, change and look at.
--
--     local p = require "tcplua.packet"
--     local syn = p.ip { dst = "192.0.2.2" } / p.tcp { dport = 80, flags = "S" }
--     print(syn)                 -- one line, tcpdump's words
--     syn:show()                 -- all fields, computed ones marked
--     syn.tcp.seq = 7            -- lengths and checksums follow
--     syn.tcp.checksum = 0xbeef  -- but what is set by hand stays; nil lets it be computed again
--     local back = p.parse(syn:bytes())
--
-- Layers: eth, vlan, qinq, sll and sll2 (what Linux captures on "any"), null and loop (a BSD's
-- address family in the writer's and in network order), arp, ip, ip6, ip6_hop, ip6_dest, ip6_route,
-- ip6_frag, tcp, udp, icmp, icmp6, and behind it rs, ra, ns, na, redirect. Each is a function that
-- takes a table of fields (p.fields(name) lists them; `payload` is allowed too) and gives a packet
-- of that one layer; `/` stacks packets and strings into a new packet. Fields have tcpdump's names
-- where it prints them, else the RFC's. Numbers are as they stand in the header: an `offset` of tcp
-- counts words, one of ip eight bytes. The nine flag bits of tcp are "FSRP.UEWe" (e is AE), and
-- `ace` is the last three of them as AccECN's counter.
--
--     p.parse(bytes [, layer])   a packet; layer is "ip" (the default: IPv4 or IPv6), "eth", …;
--                                "null" takes both byte orders
--     packet.tcp                 its first layer of that name, or nil
--     packet:layer(name, n)      the n-th of that name; packet:layer(n) the n-th of all
--     packet.payload             what is behind the last header, as a string; can be set
--     packet:bytes(), #packet    the whole packet as a string, and its length
--     packet:copy()              another one
--     packet:layers()            {"ip", "tcp"}
--     packet:stopped()           nil, or why parsing ended early, and at which byte
--     packet:pinned()            {"tcp.checksum"}: the computed fields that were set by hand
--     packet:line { seq =, ack = }   as tostring(), with numbers relative to these
--     packet:tree(), packet:hex()    what show() and hexdump() print
--     layer.field                a number, an address or flags as a string ("S."), options
--     layer.payload              everything behind the header of this layer
--     layer:checksum_ok()        true, false, or nil, and a word: good, bad, partial, none, unknown
--     layer:raw(field)           a field's bytes; layer:raw() the header's
--     layer:name(), layer:packet(), layer:pinned()
--     tcp.options                { mss = 1460, sackOK = true, ts = { val, ecr }, wscale = 7,
--                                  sack = { { left, right } }, [253] = "bytes" }, or a list in the
--                                order wanted: { "nop", { "mss", 1460 } }, or a string of bytes.
--                                Options with fields take a table of them, lists behind as a list:
--                                uto = { granularity = 1, timeout = 5 }, accecn0 = { 1, 2, 3 },
--                                RR = { pointer = 4, "0.0.0.0", "0.0.0.0" }
--                                tcp.options.mss reads and sets one; pairs() goes through all
local p = require "tcplua.packet.core"

local packet = p.methods
p.methods = nil

--- Prints the tree of fields.
function packet:show()
  print((self:tree():gsub("\n$", "")))
end

--- Prints offset, bytes and text, as text2pcap and Wireshark import it.
function packet:hexdump()
  print((self:hex():gsub("\n$", "")))
end

return p
