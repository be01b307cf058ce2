--- tcplua.packet.fragment: packets into fragments, and back (RFC 791, RFC 8200, RFC 5722).
local core = require "tcplua.core"
local p = require "tcplua.packet.core"

local fragment = {}

local MOST <const> = 65535 -- bytes of a datagram
local NEXT_FRAGMENT <const> = 44

-- The outermost IP layer: its number and itself.
local function ip_layer(packet)
  for i, name in ipairs(packet:layers()) do
    if name == "ip" or name == "ip6" then return i, packet:layer(i) end
  end
end

-- The bytes in front of layer `n`.
local function in_front(packet, n)
  local parts = {}
  for i = 1, n - 1 do parts[i] = packet:layer(i):raw() end
  return table.concat(parts)
end

-- An IPv4 header with other lengths and place; the checksum is computed by the packet.
local function ip_header(header, size, offset, more)
  local _, flags = string.unpack(">I2I2", header, 5)
  local place = flags & 0xc000 | (more and 0x2000 or 0) | offset // 8
  return string.char(0x40 | #header // 4) .. header:sub(2, 2) .. string.pack(">I2", size)
    .. header:sub(5, 6) .. string.pack(">I2", place) .. header:sub(9, 10) .. "\0\0"
    .. header:sub(13)
end

-- The header of all fragments but the first: with those options only that are copied.
local function later_header(header)
  local kept = {}
  local options = p.parse(header, "ip").ip.options
  for kind, value in pairs(options) do
    local one = p.ip { options = { { kind, value } } }.ip:raw "options"
    local code = one:byte(1)
    if code and code >= 0x80 then kept[#kept + 1] = one:sub(1, one:byte(2)) end
  end
  local bytes = table.concat(kept)
  return header:sub(1, 20) .. bytes .. ("\0"):rep(-#bytes % 4)
end

local function whole(first, bytes)
  local packet = p.parse(bytes, first)
  local _, ip = ip_layer(packet)
  if ip:name() == "ip" then ip.checksum = nil end
  return packet
end

-- Calls make(data, offset, more) for the pieces of `data`, `room(offset)` bytes each.
local function cut(data, room, mtu, make)
  local list, offset = {}, 0
  while offset < #data do
    local size = #data - offset
    if size > room(offset) then size = room(offset) // 8 * 8 end
    if size <= 0 then error(("%d bytes have no room for a fragment"):format(mtu), 3) end
    list[#list + 1] = make(data:sub(offset + 1, offset + size), offset, offset + size < #data)
    offset = offset + size
  end
  return list
end

local function fragment4(packet, n, ip, mtu)
  local front, header = in_front(packet, n), ip:raw()
  local first, later = packet:layers()[1], later_header(header)
  if ip.df == 1 then error("DF is set: packet.ip.df = 0 lets it be fragmented", 3) end
  local base, mf = ip.offset * 8, ip.mf == 1
  local function head_at(offset) return offset + base == 0 and header or later end
  return cut(ip.payload, function(offset) return mtu - #head_at(offset) end, mtu,
    function(data, offset, more)
      local head = head_at(offset)
      local place = base + offset
      if place + #data > MOST then error("the fragments end behind byte 65535", 4) end
      return whole(first, front .. ip_header(head, #head + #data, place, more or mf) .. data)
    end)
end

-- The headers that stay in front of the fragment header: up to hop-by-hop options and routing.
-- Returns the number of the last one.
local function last_unfragmentable(packet, n)
  local last = n
  for i, name in ipairs(packet:layers()) do
    if i > n and name == "ip6_frag" then error("the packet is a fragment", 4) end
    if i > n and not name:find "^ip6_" then break end
    if i > n and (name == "ip6_hop" or name == "ip6_route") then last = i end
  end
  return last
end

-- The headers from layer `n` to `last` with another length and another number of what follows.
local function ip6_headers(packet, n, last, size, following)
  local parts = {}
  for i = n, last do
    local raw = packet:layer(i):raw()
    local next_at = i == n and 7 or 1
    if i == last then raw = raw:sub(1, next_at - 1) .. string.char(following)
      .. raw:sub(next_at + 1) end
    parts[#parts + 1] = raw
  end
  local bytes = table.concat(parts)
  return bytes:sub(1, 4) .. string.pack(">I2", size + #bytes - 40) .. bytes:sub(7)
end

local function fragment6(packet, n, mtu, id)
  local front, first = in_front(packet, n), packet:layers()[1]
  local last = last_unfragmentable(packet, n)
  local before = packet:layer(last)
  local unfragmentable = #ip6_headers(packet, n, last, 0, NEXT_FRAGMENT)
  local function room() return mtu - unfragmentable - 8 end
  return cut(before.payload, room, mtu, function(data, offset, more)
    local head = p.ip6_frag { next = before.next, offset = offset // 8, mf = more, id = id }:bytes()
    return whole(first, front .. ip6_headers(packet, n, last, 8 + #data, NEXT_FRAGMENT) .. head
      .. data)
  end)
end

--- A list of packets whose outermost IP packets have at most `mtu` bytes; `id` is that of IPv6
-- fragments. Whoever sends fragments fills in nothing: a checksum over all of them is in one.
function fragment.cut(packet, mtu, id)
  if math.type(mtu) ~= "integer" or mtu < 1 then
    error("fragment: mtu is a whole number from 1, not " .. tostring(mtu), 3)
  end
  packet = packet:copy()
  local bytes = packet:bytes() -- all that is computed is in place
  local n, ip = ip_layer(packet)
  if not n then error("fragment: the packet has no IP layer", 3) end
  local fits = #ip:raw() + #ip.payload <= mtu
  if core.sourceless(packet, n) then
    if fits then return { packet } end
    error(("fragment: name %s.src before the packet is cut, or what is computed with it is wrong"):
      format(ip:name()), 3)
  end
  if fits then return { p.parse(bytes, packet:layers()[1]) } end
  if ip:name() == "ip" then return fragment4(packet, n, ip, mtu) end
  return fragment6(packet, n, mtu, id or math.random(0, 0xffffffff))
end

-- --- back ----------------------------------------------------------------------------------------

-- What a fragment is a piece of: {key, offset, more, data, packet, …}; nil if it is none. `head` is
-- how many bytes the length counts besides the data.
local function piece_of(packet)
  local n, ip = ip_layer(packet)
  if not n then return nil end
  if ip:name() == "ip" then
    if ip.checksum == nil or (ip.offset == 0 and ip.mf == 0) then return nil end
    return { key = ("%s %s %d %d"):format(ip.src, ip.dst, ip.proto, ip.id), n = n, packet = packet,
      offset = ip.offset * 8, more = ip.mf == 1, data = ip.payload, head = #ip:raw(),
      cut = ip.length ~= #ip:raw() + #ip.payload }
  end
  for i, name in ipairs(packet:layers()) do
    local layer = packet:layer(i)
    if i > n and not name:find "^ip6_" then break end
    if name == "ip6_frag" and layer.id then
      return { key = ("%s %s %d"):format(ip.src, ip.dst, layer.id), n = n, packet = packet,
        frag = i, offset = layer.offset * 8, more = layer.mf == 1, data = layer.payload,
        head = #ip.payload - #layer:raw() - #layer.payload,
        cut = ip.length ~= #ip.payload }
    end
  end
end

-- Why these pieces, in the order of their offsets, are not a whole; nil if they are.
local function trouble(pieces)
  local at, ended = 0, false
  local last
  for _, piece in ipairs(pieces) do
    local same = last and piece.offset == last.offset and piece.data == last.data
      and piece.more == last.more -- came twice (RFC 8200)
    if piece.cut then return "a fragment is cut short" end
    if piece.more and (#piece.data % 8 ~= 0 or #piece.data == 0) then
      return ("the fragment at byte %d has %d bytes"):format(piece.offset, #piece.data)
    end
    if piece.offset + #piece.data + piece.head > MOST then return "it ends behind byte 65535" end
    if not same then
      local from = piece.offset
      if ended then return ("there is something behind the end, at byte %d"):format(from) end
      if from < at then return ("fragments overlap at byte %d"):format(from) end
      if from > at then return ("bytes %d to %d are missing"):format(at, from - 1) end
      at, ended = at + #piece.data, not piece.more
    end
    last = piece
  end
  if not ended then return ("what follows byte %d is missing"):format(at) end
end

local function join(pieces)
  local parts, last = {}, -1
  for _, piece in ipairs(pieces) do
    if piece.offset > last then parts[#parts + 1] = piece.data end
    last = piece.offset
  end
  local data, piece = table.concat(parts), pieces[1]
  local packet, n = piece.packet, piece.n
  local front, first = in_front(packet, n), packet:layers()[1]
  if not piece.frag then
    local header = packet:layer(n):raw()
    return whole(first, front .. ip_header(header, #header + #data, 0, false) .. data)
  end
  local following = packet:layer(piece.frag).next
  return whole(first, front .. ip6_headers(packet, n, piece.frag - 1, #data, following) .. data)
end

--- The packets that the fragments in `list` make, among those that are none; and a list of what is
-- not whole: { why, packet, … }.
function fragment.join(list)
  local groups, order, done, left = {}, {}, {}, {}
  for _, packet in ipairs(list) do
    local piece = piece_of(packet)
    if not piece then
      order[#order + 1] = { packet }
    else
      local group = groups[piece.key]
      if not group then
        group = { pieces = {}, packets = {} }
        groups[piece.key], order[#order + 1] = group, group
      end
      piece.number = #group.pieces + 1
      group.pieces[piece.number], group.packets[piece.number] = piece, packet
    end
  end
  for _, group in ipairs(order) do
    if not group.pieces then
      done[#done + 1] = group[1]
    else
      table.sort(group.pieces, function(a, b)
        if a.offset ~= b.offset then return a.offset < b.offset end
        return a.number < b.number
      end)
      local why = trouble(group.pieces)
      if why then
        left[#left + 1] = table.move(group.packets, 1, #group.packets, 2, { why })
      else
        done[#done + 1] = join(group.pieces)
      end
    end
  end
  return done, left
end

return fragment
