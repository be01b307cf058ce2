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
-- ip6_frag, tcp, udp, icmp and behind it icmp_time, icmp_mask, icmp6 and behind it rs, ra, ns, na,
-- redirect; dns, dhcp. Each is a function that takes a table of fields (p.fields(name) lists them;
-- `payload` is allowed too) and gives a packet of that one layer; `/` stacks packets and strings
-- into a new packet. Fields have tcpdump's names where it prints them, else the RFC's. Numbers are
-- as they stand in the header: an `offset` of tcp counts words, one of ip eight bytes. The nine
-- flags of tcp are "FSRP.UEWe" (e is AE), and `ace` is the last three of them as AccECN's counter.
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
--     p.dns { questions = { { name = "example.com", type = "AAAA" } }, answers = {…}, authority =,
--             additional = }     a header and records: tcplua.packet.records says what is in them
--     packet:records()           the same four lists, read
--     packet:fragment(mtu [, id])  a list of packets whose outermost IP packet has at most mtu
--                                bytes; id is for IPv6, random if left out. Its source has to be
--                                named: senders fill in nothing that was cut
--     p.reassemble(list)         the packets that fragments make, among those that are none, and a
--                                list of { why, packet, … }: what is not whole, or overlaps, which
--                                spoils all of it (RFC 5722)
--     packet.time, packet.original   of one that was captured or read from a file: seconds since
--                                1970, and its length there, of which it may be a part
--     packet.direction, packet.iface   "in" or "out", and the interface, where they are known; nil
--                                for a packet that was made here, as the two above
--     packet:trailer(n)          what layer n (1 if left out) carries behind the end of the next:
--                                Ethernet padding; with a string as second argument sets it and
--                                returns the packet; layer 0 is what is behind all of them
--     packet:code()              Lua source that makes the same packet, an expression of p
--     packet:diff(other)         a list of { field = "tcp.seq", left, right }, as text a line each
--     packet:layout()            its headers drawn as the RFCs do; p.layout(name) a protocol's
--     p.declare { name = "vxlan", fields = { { "flags", 8 }, … }, over = { udp = 4789 } }
--                                another protocol, which then does all that the others do. A field
--                                is { name, bits }, and may have kind = "number", "hex", "sequence
--                                number", "flags" (names = {…} from the last bit up, joint = ","),
--                                "MAC", "IPv4", "IPv6" or "bytes" (without bits: the rest of the
--                                header); default =; little = true (least significant byte first);
--                                role = "length", "payload_length", "header_length" (unit =,
--                                bias =), "checksum", or "next", whose numbers are of the kind that
--                                `next` of the protocol says. `over` has the numbers by which it is
--                                known: ethertype, ip, ip6 (in IPv6 alone), icmp, icmp6, family,
--                                and tcp and udp ports; one or a list. answers = { "id" }: fields
--                                that an answer has equal
--     p.answers(answer, sent)    whether it answers it: tcplua.packet.answer says when
--     p.protocols(), p.fields(name)  what there is; p.help(), p.help(name) print it
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
--
-- Many packets: in the table that makes a layer, a number, an address or flags may be a generator.
-- That makes a packet set, which `/` stacks like a packet, and which is sent as one:
--
--     local scan = p.ip { dst = "192.0.2.0/24" } / p.tcp { dport = p.list { 22, 80 }, flags = "S",
--       seq = p.random() }
--     for packet in scan:packets() do print(packet) end     -- 512 packets, one at a time
--
-- These multiply: a set has every combination of their values. The last field of the last layer
-- moves fastest, in whatever order the table was written:
--
--     p.range(first, last [, step])  numbers or addresses; a sequence number may wrap
--     p.list { 22, 80, 443 }     these, in this order
--     "192.0.2.0/24"             for an address: every address of the prefix
--
-- These have no end, move with every packet, and multiply nothing:
--
--     p.random([low, high])      any value, or one from low to high; p.random("192.0.2.0/24")
--     p.counter([start = 0 [, step = 1]])  goes on at 0 behind the greatest value
--     p.cycle { 1, 2, 3 }        these over and over
--
-- All packets of a set have the same length and layers, so that options, bytes and payload stay as
-- they are. Checksums follow; a computed field that is given a generator is pinned.
--
--     set:packets([n])           an iterator over its packets, the first n of them; each pass draws
--                                other random values (--seed makes them repeatable)
--     set:first()                the first packet of the next pass; tostring(set) says it too
--     set:count()                how many packets; math.huge if only what has no end moves
--     set:moving()               {"ip.dst", "tcp.dport"}: the fields that move, the fastest last
--     set:show()                 the tree of the first one, and these
local p = require "tcplua.packet.core"
local answer = require "tcplua.packet.answer"
local code = require "tcplua.packet.code"
local fragment = require "tcplua.packet.fragment"
local layout = require "tcplua.packet.layout"
local records = require "tcplua.packet.records"

local packet = p.methods
p.methods = nil

--- Prints the tree of fields.
function packet:show()
  print((self:tree():gsub("\n$", "")))
end

--- A list of fragments whose IP packets have at most `mtu` bytes.
function packet:fragment(mtu, id)
  return fragment.cut(self, mtu, id)
end

--- The packets that a list of fragments makes, and what is not whole.
p.reassemble = fragment.join

--- Whether packet `reply` answers packet `sent`.
function p.answers(reply, sent)
  for _, value in ipairs { reply or false, sent or false } do
    if type(value) ~= "userdata" then
      error("answers compares two packets, and one of these is a " .. type(value), 2)
    end
  end
  return answer.matches(reply, sent)
end

-- A protocol may say by which fields its answers are known.
local declare = p.declare

function p.declare(protocol)
  if type(protocol) ~= "table" or protocol.answers == nil then return declare(protocol) end
  local known, rest = {}, {}
  for key, value in pairs(protocol) do
    if key ~= "answers" then rest[key] = value end
  end
  for _, field in ipairs(type(protocol.fields) == "table" and protocol.fields or {}) do
    known[type(field) == "table" and field[1] or false] = true
  end
  local fields = protocol.answers
  if type(fields) ~= "table" or #fields == 0 then
    error("declare: answers is a list of names of fields", 2)
  end
  for _, name in ipairs(fields) do
    if not known[name] then error(("declare: answers names no field '%s'"):format(name), 2) end
  end
  local good, maker = pcall(declare, rest)
  if not good then error(maker, 2) end
  answer.rule(protocol.name, table.move(fields, 1, #fields, 1, {}))
  return maker
end

local set = p.set_methods
p.set_methods = nil

--- Prints the tree of fields of the first packet, how many there are, and what moves.
function set:show()
  self:first():show()
  local count = self:count()
  print(("%s packets; %s"):format(count == math.huge and "endless" or count,
    table.concat(self:moving(), ", ")))
end

-- p.dns takes records besides the fields of the header, and counts them.
local dns_header = p.dns
local SECTIONS <const> = { questions = true, answers = true, authority = true, additional = true }

function p.dns(fields)
  if type(fields) ~= "table" then return dns_header(fields) end
  local good, bytes, counts = pcall(records.write, fields)
  if not good then error("dns: " .. tostring(bytes), 2) end
  local header = {}
  for name, value in pairs(fields) do
    if not SECTIONS[name] then header[name] = value end
  end
  for name, count in pairs(counts) do
    if header[name] == nil then header[name] = count end
  end
  if not header.payload and bytes ~= "" then header.payload = bytes end
  return dns_header(header)
end

--- The questions and records of the DNS message in it, nil if there is none; and at which byte of
-- the message reading ended, if that was early.
function packet:records()
  local dns = self.dns
  if not dns or dns.arcount == nil then return nil end
  return records.read(dns:raw() .. dns.payload)
end

--- Lua source that makes the same packet, what is pinned included.
function packet:code()
  return code.packet(self)
end

--- The headers as the RFCs draw them.
function packet:layout()
  return layout.packet(self)
end

p.layout = layout.protocol

local differences = {}

function differences:__tostring()
  local lines = {}
  for i, d in ipairs(self) do
    lines[i] = ("%s: %s | %s"):format(d.field, d[1] or "none", d[2] or "none")
  end
  return table.concat(lines, "\n")
end

-- A value as it is printed and compared.
local function shown(value)
  if type(value) == "string" then return code.string(value):sub(2, -2) end
  return value ~= nil and tostring(value) or nil
end

--- What is different, field by field; layers are compared in their order.
function packet:diff(other)
  local list = setmetatable({}, differences)
  local mine, its, seen = self:layers(), other:layers(), {}
  local function compare(name, a, b)
    a, b = shown(a), shown(b)
    if a ~= b then list[#list + 1] = { field = name, a, b } end
  end
  for i = 1, math.max(#mine, #its) do
    local name = mine[i]
    if name ~= its[i] then
      compare("layer " .. i, name, its[i])
    else
      seen[name] = (seen[name] or 0) + 1
      local prefix = seen[name] == 1 and name or name .. "#" .. seen[name]
      local a, b = self:layer(i), other:layer(i)
      for _, field in ipairs(p.fields(name)) do
        if not field.alias then
          compare(prefix .. "." .. field.name, a[field.name], b[field.name])
        end
      end
    end
  end
  compare("payload", self.payload, other.payload)
  for n = 0, math.min(#mine, #its) - 1 do
    compare("trailer " .. n, self:trailer(n), other:trailer(n))
  end
  return list
end

local GENERATORS <const> = [[

for many packets, in place of a number, an address or flags:
p.range(first, last, step)  p.list { 22, 80 }  "192.0.2.0/24"     every combination of these
p.random(low, high)  p.counter(start, step)  p.cycle { 1, 2 }     with every packet another one
]]

--- What p.help() prints: the protocols, or the fields of one of them.
function p.reference(name)
  local lines = {}
  if not name then
    for i, protocol in ipairs(p.protocols()) do
      local names = {}
      for _, field in ipairs(p.fields(protocol)) do names[#names + 1] = field.name end
      lines[i] = ("%-10s%s"):format(protocol, table.concat(names, " "))
    end
    return table.concat(lines, "\n") .. "\n" .. GENERATORS
  end
  lines[1] = ("%-12s%5s%6s  %-16s%s"):format("field", "bit", "width", "takes", "without it")
  for _, field in ipairs(p.fields(name)) do
    local default = field.computed and "computed" or field.default or ""
    if field.hex and math.type(default) then default = ("0x%x"):format(default) end
    lines[#lines + 1] = ("%-12s%5d%6s  %-16s%s"):format(field.name, field.bit,
      field.width > 0 and field.width or "rest", field.kind,
      field.alias and "(part of another field)" or default):gsub(" +$", "")
    if field.options then
      lines[#lines + 1] = "    " .. table.concat(field.options, " ")
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

function p.help(name)
  io.write(p.reference(name))
end

--- Prints offset, bytes and text, as text2pcap and Wireshark import it.
function packet:hexdump()
  print((self:hex():gsub("\n$", "")))
end

return p
