--- generator: packets at random, drawn from the table of protocols and fields itself: a protocol is
-- covered by being declared.
--
-- A packet goes by the state of math.random alone: seed it, and the same packet comes again.
local p = require "tcplua.packet"

local generator = {}

local random = math.random

local function pick(list) return list[random(#list)] end
generator.pick = pick

local protocols, fields = {}, {}

--- The fields of a protocol, as p.fields() has them.
function generator.fields(name)
  fields[name] = fields[name] or p.fields(name)
  return fields[name]
end

-- --- what may stand on what --------------------------------------------------------------------

local parents, takes_payload -- found by trying

local function layers_of(packet, first)
  return table.concat(p.parse(packet:bytes(), first):layers(), " ")
end

local function find_parents()
  protocols, parents, takes_payload = p.protocols(), {}, {}
  for _, inner in ipairs(protocols) do
    local list = {}
    for _, outer in ipairs(protocols) do
      if layers_of(p[outer]() / p[inner](), outer) == outer .. " " .. inner then
        list[#list + 1] = outer
      end
    end
    parents[inner] = list
    local whole = p.parse((p[inner]() / "x"):bytes(), inner)
    takes_payload[inner] = whole.payload == "x" or #whole:layers() > 1
  end
end

--- Protocols that may stand on each other, outermost first; the last one is `name`, or any. At most
-- `most` of them (5). `allowed(outer, inner)`, if given, has a say.
function generator.stack(name, most, allowed)
  if not parents then find_parents() end
  local list = { name or pick(protocols) }
  for _ = 2, random(most or 5) do
    local outer = {}
    for _, one in ipairs(parents[list[1]]) do
      if not allowed or allowed(one, list[1]) then outer[#outer + 1] = one end
    end
    if #outer == 0 then break end
    table.insert(list, 1, pick(outer))
  end
  return list
end

--- Whether bytes behind the header are payload, not the rest of the header.
function generator.takes_payload(name)
  if not parents then find_parents() end
  return takes_payload[name]
end

-- --- values ------------------------------------------------------------------------------------

--- `n` bytes: all zero, all one, or anything.
function generator.bytes(n)
  local kind, bytes = random(6), {}
  if kind <= 2 then return (kind == 1 and "\0" or "\xff"):rep(n) end
  for i = 1, n do bytes[i] = string.char(random(0, 255)) end
  return table.concat(bytes)
end

--- A number of `width` bits: 0, 1, the greatest, all but the greatest, or any.
function generator.number(width)
  local most = width < 64 and (1 << width) - 1 or -1
  local edges = { 0, 1 & most, most, most - 1 }
  return edges[random(8)] or random(0) & most
end

--- Addresses as text, from their bytes.
generator.text = {
  MAC = function(b) return ("%02x:%02x:%02x:%02x:%02x:%02x"):format(b:byte(1, 6)) end,
  IPv4 = function(b) return ("%d.%d.%d.%d"):format(b:byte(1, 4)) end,
  IPv6 = function(b)
    return ("%x:%x:%x:%x:%x:%x:%x:%x"):format(string.unpack(">I2I2I2I2I2I2I2I2", b))
  end,
}

local longest = {}

--- The length of the longest value that the rest of a header takes, 1200 at most.
function generator.longest(name, field)
  local key = name .. "." .. field.name
  if not longest[key] then
    local good, bad = 0, 1201
    while bad - good > 1 do
      local n = (good + bad) // 2
      if pcall(p[name], { [field.name] = ("\1"):rep(n) }) then good = n else bad = n end
    end
    longest[key] = good
  end
  return longest[key]
end

-- The lengths that the values of options have, and how option lists are written; a kind that is not
-- here gets any. {least, step}: as many steps as there is room for.
local NEIGHBOUR <const> = { unit = 8, head = 2, lengths = {
  [1] = 6, [2] = 6, [3] = 30, [4] = { 6, 8 }, [5] = 6, [14] = 6, [24] = { 6, 8 }, [25] = { 6, 16 },
  [31] = { 6, 8 }, [37] = { 6, 8 },
} }
local OPTIONS <const> = {
  tcp = { unit = 1, head = 2, singles = { [0] = true, [1] = true }, lengths = {
    [2] = 2, [3] = 1, [4] = 0, [5] = { 8, 8 }, [8] = 8, [19] = 16, [28] = 2, [29] = { 2, 4 },
    [30] = { 2, 2 }, [34] = { 0, 2 }, [172] = { 0, 3 }, [174] = { 0, 3 }, [253] = { 2, 1 },
  } },
  ip = { unit = 1, head = 2, singles = { [0] = true, [1] = true }, lengths = {
    [7] = { 1, 4 }, [68] = { 2, 4 }, [130] = 9, [131] = { 1, 4 }, [137] = { 1, 4 }, [148] = 2,
  } },
  dhcp = { unit = 1, head = 0, singles = { [0] = true, [255] = true }, lengths = {
    [53] = 1, [61] = 7, [50] = 4, [54] = 4, [51] = 4, [58] = 4, [59] = 4, [1] = 4, [3] = { 4, 4 },
    [6] = { 4, 4 }, [12] = { 1, 1 }, [15] = { 1, 1 }, [26] = 2, [28] = 4, [42] = { 4, 4 }, [52] = 1,
    [55] = { 1, 1 }, [56] = { 1, 1 }, [57] = 2, [60] = { 1, 1 }, [66] = { 1, 1 }, [67] = { 1, 1 },
    [80] = 0, [82] = { 3, 1 }, [119] = { 1, 1 }, [121] = { 5, 1 },
  } },
  rs = NEIGHBOUR, ra = NEIGHBOUR, ns = NEIGHBOUR, na = NEIGHBOUR, redirect = NEIGHBOUR,
}

--- The kinds that a protocol's options are known to have a length for, in order.
function generator.kinds(name)
  local list = {}
  for kind in pairs(OPTIONS[name].lengths) do list[#list + 1] = kind end
  table.sort(list)
  return list
end

--- One option as bytes: of `kind`, or any; with `value`, or any of a length that it has.
function generator.option(name, kind, value)
  local form = OPTIONS[name]
  kind = kind or pick(generator.kinds(name))
  if form.singles and form.singles[kind] then return string.char(kind) end
  if not value then
    local length = form.lengths[kind] or { 0, 1 }
    if type(length) == "table" then length = length[1] + length[2] * random(0, 3) end
    value = generator.bytes(length)
  end
  local units = (form.head + #value + form.unit - 1) // form.unit
  return string.char(kind, units) .. value
    .. ("\0"):rep(units * form.unit - form.head - #value)
end

--- A list of options in `most` bytes: sound ones, and now and then (one in ten, or `noise`) one of
-- another kind or another length, or bytes that mean nothing.
function generator.options(name, most, noise)
  local parts, size = {}, 0
  if not OPTIONS[name] then return generator.bytes(random(0, most)) end
  for _ = 1, random(0, 6) do
    local one
    if random() >= (noise or 0.1) then
      one = generator.option(name)
    elseif random(2) == 1 then
      one = generator.bytes(random(1, 8))
    else
      one = generator.option(name, random(0, 255), generator.bytes(random(0, 12)))
    end
    if size + #one > most then break end
    parts[#parts + 1], size = one, size + #one
  end
  return table.concat(parts)
end

--- A value for a field, and the bytes that it stands for, of fields that are made of bytes.
function generator.value(name, field)
  local text = generator.text[field.kind]
  if text then
    local bytes = generator.bytes(field.width // 8)
    return text(bytes), bytes
  elseif field.kind == "options" then
    local bytes = generator.options(name, math.min(generator.longest(name, field), 300))
    return bytes, bytes
  elseif field.kind == "bytes" then
    local n = field.width // 8
    if n == 0 then n = random(0, math.min(generator.longest(name, field), 60)) end
    local bytes = generator.bytes(n)
    return bytes, bytes
  end
  return generator.number(field.width)
end

--- Whether the field means something in a header that begins with the byte `first`.
function generator.shown(field, first)
  if field.alias then return false end
  if not field.when then return true end
  for _, byte in ipairs(field.when) do
    if byte == first then return true end
  end
  return false
end

-- The first bytes, which say what kind of message it is, that have fields of their own.
local function messages(name)
  local list = {}
  for _, field in ipairs(generator.fields(name)) do
    table.move(field.when or {}, 1, #(field.when or {}), #list + 1, list)
  end
  return list
end

--- A packet of the protocols in `stack` in which each field that is not computed has a value at
-- random with a chance of `change`, and each computed one with a chance of `pin`. `veto(name,
-- field)`, if given, says which are left alone.
function generator.packet(stack, change, pin, veto)
  local packet
  for _, name in ipairs(stack) do
    local layer = p[name]()
    packet = packet and packet / layer or layer
  end
  if generator.takes_payload(stack[#stack]) and random(4) > 1 then
    packet = packet / generator.bytes(random(0, 40))
  end
  packet:bytes() -- so that types are there
  for i, name in ipairs(stack) do
    local layer, known = packet:layer(i), messages(name)
    if i == #stack and #known > 0 then
      layer[generator.fields(name)[1].name] = random(4) > 1 and pick(known) or random(0, 255)
    end
    local first = layer:raw():byte(1)
    for _, field in ipairs(generator.fields(name)) do
      if generator.shown(field, first) and random() < (field.computed and pin or change)
        and not (veto and veto(name, field)) then
        layer[field.name] = generator.value(name, field)
      end
    end
  end
  return packet
end

return generator
