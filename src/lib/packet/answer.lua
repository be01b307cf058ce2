--- tcplua.packet.answer: which packet answers which.
--
-- p.answers(answer, sent) goes by the protocol of what was sent:
--
--     TCP        ports the other way round; SYN-ACK and ACK acknowledge what was sent, all or part
--                of it (at least the SYN; for a keep-alive the byte behind it); a reset as RFC 9293
--                3.10.7.1 numbers it; nothing answers a reset
--     UDP        ports the other way round; DNS: a response to the same id and question, DHCP: a
--                reply to the same xid
--     ICMP       the reply to an echo, time stamp, information or mask request with id and seq
--     NDP        an advertisement of the address, solicited if whoever asked has an address; one of
--                a router
--     ARP        the reply of the address that was asked for, to the one that asked
--     other      the same protocol number or EtherType, addresses the other way round
--
-- and any of those over IP is answered by an ICMP error that quotes it: addresses, protocol, ports,
-- IP id and numbers, as far as the quote goes, ports at least. A redirect is no answer: the packet
-- it quotes has gone on. What goes to a group (broadcast, multicast) or along a source route may be
-- answered by anybody. Both packets begin at layer 2 or 3. A packet never answers itself, as it is
-- seen a second time on "lo".
--
-- answer.index() finds what an answer is for among many in a time that does not grow with them.
local address = require "tcplua.packet.address"

local answer = {}

local is_group <const>, is_zero <const> = address.is_group, address.is_zero
local LINKS <const> = { eth = true, vlan = true, qinq = true, sll = true, sll2 = true, null = true,
  loop = true }
local EXTENSIONS <const> = { ip6_hop = true, ip6_dest = true, ip6_route = true, ip6_frag = true }
--- ICMP requests and their replies, which have an id and a sequence number: type -> type.
answer.replies = { icmp = { [8] = 0, [13] = 14, [15] = 16, [17] = 18 }, icmp6 = { [128] = 129 } }

local REPLIES <const> = answer.replies
local REQUESTS <const> = {}
for name, types in pairs(REPLIES) do
  REQUESTS[name] = {}
  for request, reply in pairs(types) do REQUESTS[name][reply] = request end
end
local ERRORS <const> = { icmp = { [3] = true, [4] = true, [11] = true, [12] = true },
  icmp6 = { [1] = true, [2] = true, [3] = true, [4] = true } }
local ANYBODY <const> = "*"

-- What a layer above the transport adds: fields that must be equal, and a test.
local above = {}

-- --- what a packet is ----------------------------------------------------------------------------

-- Whether the addresses in front do not say whom the packet reaches in the end.
local function is_routed(names, from, to, ip)
  for i = from, to do
    if names[i] == "ip6_route" then return true end
  end
  return names[from] == "ip" and ip.ihl and ip.ihl > 5
    and (ip.options.LSRR ~= nil or ip.options.SSRR ~= nil)
end

-- The first conversation in the layers from `from` on: {kind, src, dst, group, layer, …}; nil if
-- there is none, or too little of it.
local function view(packet, from)
  local names = packet:layers()
  local at, ethernet = from, nil
  while LINKS[names[at]] do
    if names[at] == "eth" then ethernet = packet:layer(at) end
    at = at + 1
  end
  local name = names[at]
  if name == "arp" then
    local arp = packet:layer(at)
    if not arp.tpa then return nil end
    return { kind = "arp", layer = arp, src = arp.spa, dst = arp.tpa, packet = packet }
  elseif name ~= "ip" and name ~= "ip6" then
    local last = ethernet and packet:layer(at - 1)
    if not last or not last.type then return nil end
    return { kind = "link", number = last.type, src = ethernet.src, dst = ethernet.dst,
      group = is_group(ethernet.dst), layer = last, packet = packet }
  end
  local ip, network = packet:layer(at), at
  if not ip.dst then return nil end
  local v = { ip = ip, src = ip.src, dst = ip.dst, packet = packet, id = name == "ip" and ip.id }
  local last, part = ip, name == "ip" and ip.offset > 0 and ip
  while EXTENSIONS[names[at + 1]] do
    at = at + 1
    last = packet:layer(at)
    if names[at] == "ip6_frag" and last.offset and last.offset > 0 then part = last end
  end
  v.group = is_group(ip.dst) or ethernet and ethernet.dst and is_group(ethernet.dst)
    or is_routed(names, network, at, ip)
  v.number = name == "ip" and ip.proto or last.next
  v.at, v.names = at + 1, names
  local kind = names[at + 1]
  if part then
    v.kind, v.id = "fragment", part.id
  elseif kind == "tcp" or kind == "udp" or kind == "icmp" or kind == "icmp6" then
    v.kind, v.layer = kind, packet:layer(at + 1)
  else
    v.kind, v.layer = "other", last
  end
  return v
end

-- The layer above the transport that has a rule of its own: its name and the layer.
local function ruled(v)
  if v.kind ~= "udp" and v.kind ~= "tcp" and v.kind ~= "other" then return nil end
  for i = v.kind == "other" and v.at or v.at + 1, #v.names do
    if above[v.names[i]] then return v.names[i], v.packet:layer(i) end
  end
end

-- --- keys: a sent packet and its answers, a quote included, have one in common -------------------

local function words(...)
  return table.concat({ ... }, " ")
end

local asks, gives = {}, {}

local function asks_ports(v, remote)
  local layer = v.layer
  local dport = layer.dport
  return dport and v.kind .. " " .. remote .. " " .. dport .. " " .. layer.sport
end

local function gives_ports(v, remote)
  local layer = v.layer
  local dport = layer.dport
  return dport and v.kind .. " " .. remote .. " " .. layer.sport .. " " .. dport
end

asks.tcp, asks.udp, gives.tcp, gives.udp = asks_ports, asks_ports, gives_ports, gives_ports

local function asks_icmp(v, remote)
  local icmp = v.layer
  if REPLIES[v.kind][icmp.type] then
    return icmp.seq and words(v.kind, remote, icmp.type, icmp.id, icmp.seq)
  end
  local ns = icmp.type == 135 and v.names[v.at + 1] == "ns" and v.packet:layer(v.at + 1)
  if ns then return ns.target and words("ns", ns.target) end
  return v.kind == "icmp6" and icmp.type == 133 and "rs" or nil
end

local function gives_icmp(v, remote)
  local icmp = v.layer
  local request = REQUESTS[v.kind][icmp.type]
  if request then return icmp.seq and words(v.kind, remote, request, icmp.id, icmp.seq) end
  local na = icmp.type == 136 and v.names[v.at + 1] == "na" and v.packet:layer(v.at + 1)
  if na then return na.target and words("ns", na.target) end
  return v.kind == "icmp6" and icmp.type == 134 and "rs" or nil
end

asks.icmp, asks.icmp6, gives.icmp, gives.icmp6 = asks_icmp, asks_icmp, gives_icmp, gives_icmp

function asks.arp(v)
  return v.layer.op == 1 and words("arp", v.dst, v.src) or nil
end

function gives.arp(v)
  return v.layer.op == 2 and words("arp", v.src, v.dst) or nil
end

function asks.other(v, remote) return words("other", remote, v.number) end
gives.other = asks.other

function asks.link(v, remote) return words("link", remote, v.number) end
gives.link = asks.link

function asks.fragment(v, remote) return words("fragment", remote, v.number, v.id) end
function gives.fragment() return nil end

local function key_of_sent(v)
  return asks[v.kind](v, v.group and ANYBODY or v.dst)
end

-- Behind the key of a packet with a rule of its own: the fields that must be equal.
local function equal_fields(name, layer)
  local values = { name }
  for i, field in ipairs(above[name].fields) do
    local value = tostring(layer[field])
    values[i + 1] = #value .. ":" .. value -- it may have spaces in it
  end
  return table.concat(values, " ")
end

-- --- rules: keys are equal already ---------------------------------------------------------------

local function tcp_length(tcp)
  local _, syn_and_fin = tcp.flags:gsub("[SF]", "")
  return #tcp.payload + syn_and_fin
end

local function tcp_numbers(a, s)
  local theirs, ours = a.flags, s.flags
  if not theirs or not ours or ours:find("R", 1, true) then return false end
  local acks = theirs:find(".", 1, true)
  if not acks then -- RFC 9293 3.10.7.1: a reset, numbered by our ACK
    return theirs:find("R", 1, true) ~= nil and ours:find(".", 1, true) ~= nil and a.seq == s.ack
  end
  local length, syn = tcp_length(s), ours:find("S", 1, true)
  if theirs:find("S", 1, true) and (not syn or ours:find(".", 1, true)) then return false end
  if not ours:find(".", 1, true) and not syn and not theirs:find("R", 1, true) then return false end
  local taken = (a.ack - s.seq) & 0xffffffff
  return taken >= (syn and 1 or 0) and taken <= math.max(length, 1)
end

-- Whether `a` goes to where `s` came from.
local function comes_back(a, s)
  return not s.src or is_zero(s.src) or a.dst == s.src
    or (s.group or s.kind == "icmp6") and is_group(a.dst)
end

-- Whether it is `s` itself, seen again.
local function is_itself(a, s)
  return a.src == s.src and a.dst == s.dst and a.layer:raw() == s.layer:raw()
    and a.layer.payload == s.layer.payload
end

local function quotes(q, s)
  if q.kind ~= s.kind or q.number ~= s.number or q.dst ~= s.dst then return false end
  if q.src ~= s.src and not is_zero(s.src) then return false end
  if s.id and s.id ~= 0 and q.id ~= s.id then return false end
  return q.kind ~= "tcp" or q.layer.seq == nil or q.layer.seq == s.layer.seq
end

-- The packet that an ICMP error quotes, false if it is no error, nil if the quote says too little.
local function quote_of(a)
  local errors = ERRORS[a.kind]
  if not errors or not errors[a.layer.type] then return false end
  return view(a.packet, a.at + 1)
end

-- Whether `a`, whose quote is `q`, answers `s`, where their keys are equal.
local function fits(a, q, s)
  if not comes_back(a, s) then return false end
  if q then return quotes(q, s) end
  if a.kind ~= s.kind or is_itself(a, s) then return false end
  if s.kind == "tcp" and not tcp_numbers(a.layer, s.layer) then return false end
  if s.kind == "icmp6" and s.layer.type == 135 then
    return is_zero(s.src) or a.layer.solicited == 1
  end
  local name, asked = ruled(s)
  if not name then return true end
  local its, replied = ruled(a)
  return its == name and equal_fields(name, replied) == equal_fields(name, asked)
    and (not above[name].test or above[name].test(replied, asked, a.packet, s.packet))
end

--- Whether packet `reply` answers packet `sent`.
function answer.matches(reply, sent)
  local a, s = view(reply, 1), view(sent, 1)
  local key = s and key_of_sent(s)
  if not a or not key then return false end
  local q = quote_of(a)
  if q == nil then return false end
  local remote = s.group and ANYBODY
  local its = q and asks[q.kind](q, remote or q.dst) or not q and gives[a.kind](a, remote or a.src)
  return its == key and fits(a, q, s)
end

-- --- above the transport -------------------------------------------------------------------------

--- What an answer must have equal to a packet in which there is such a layer.
function answer.rule(name, fields)
  above[name] = { fields = fields }
end

local function same_question(a, b)
  return a.name:lower() == b.name:lower() and a.type == b.type and a.class == b.class
end

-- The questions are the same; a response without any (RFC 6762 6) has a record of the name.
local function dns_answers(reply, asked, a, s)
  if reply.qr ~= 1 or asked.qr ~= 0 then return false end
  local got, wanted = a:records(), s:records()
  if not got or not wanted then return reply.qdcount == 0 or asked.qdcount == 0 end
  local question = wanted.questions[1]
  if not question then return true end
  if got.questions[1] then
    for i, one in ipairs(got.questions) do
      local other = wanted.questions[i]
      if not other or not same_question(one, other) then return false end
    end
    return true
  end
  for _, record in ipairs(got.answers) do
    if record.name:lower() == question.name:lower() then return true end
  end
  return #got.answers == 0
end

above.dns = { fields = { "id" }, test = dns_answers }
above.dhcp = { fields = { "xid" }, test = function(reply, asked)
  return asked.op == 1 and reply.op == 2
end }

-- --- many at once --------------------------------------------------------------------------------

local index = {}
index.__index = index

--- Packets that wait for an answer, to be found by it.
function answer.index()
  return setmetatable({ replies = {}, quotes = {} }, index)
end

-- One entry stands for itself, more are in a list. Returns whether there are more.
local function file(map, key, entry)
  local there = map[key]
  if not there then
    map[key] = entry
    return false
  elseif there.sent then
    map[key] = { first = 1, there, entry }
  else
    there[#there + 1] = entry
  end
  return true
end

-- The acknowledgement that a segment will most likely draw; others are looked for one by one.
local function numbered(key, ack)
  return key .. " ack " .. (ack & 0xffffffff)
end

--- Files `entry`, a table, under what answers its packet `sent`. `group`: that goes to a broadcast
-- address, which at layer 3 cannot be seen. An entry that is `taken` is passed over from then on.
function index:add(entry)
  local v = view(entry.sent, 1)
  if not v then return end
  v.group = v.group or entry.group
  local key = key_of_sent(v)
  if not key then return end
  if v.ip then file(self.quotes, key, entry) end
  local name, layer = ruled(v)
  if name then
    file(self.replies, key .. " " .. equal_fields(name, layer), entry)
  else
    if file(self.replies, key, entry) and v.kind == "tcp" and v.layer.flags then
      file(self.replies, numbered(key, v.layer.seq + tcp_length(v.layer)), entry)
    end
  end
end

local function is_for(entry, a, q)
  if entry.taken then return false end
  local s = view(entry.sent, 1)
  s.group = s.group or entry.group
  return fits(a, q, s)
end

local function search(list, a, q)
  if not list then return nil end
  if list.sent then return is_for(list, a, q) and list or nil end
  while list[list.first] and list[list.first].taken do list.first = list.first + 1 end
  for i = list.first, #list do
    if is_for(list[i], a, q) then return list[i] end
  end
end

function index:find_reply(a, remote)
  local key = gives[a.kind](a, remote)
  if not key then return nil end
  local name, layer = ruled(a)
  local ack = a.kind == "tcp" and a.layer.ack
  return name and search(self.replies[key .. " " .. equal_fields(name, layer)], a)
    or ack and search(self.replies[numbered(key, ack)], a) or search(self.replies[key], a)
end

--- The entry of what `packet` answers, nil if it answers nothing.
function index:find(packet)
  local a = view(packet, 1)
  if not a then return nil end
  local q = quote_of(a)
  if q == nil then return nil end
  if q then
    local key, all = asks[q.kind](q, q.dst), asks[q.kind](q, ANYBODY)
    return key and (search(self.quotes[key], a, q) or search(self.quotes[all], a, q))
  end
  return self:find_reply(a, a.src) or self:find_reply(a, ANYBODY)
end

return answer
