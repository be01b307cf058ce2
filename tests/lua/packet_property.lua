--- tcplua.packet: what must hold for every field of every protocol there is, for packets at random
-- and for every capture in the tree: what is set is read, before and after the wire; what is read,
-- set again, makes the same bytes.
--
-- TCPLUA_SEED=n repeats the packet that a failure names; TCPLUA_PACKETS=n takes n of them.
local capture = require "tcplua.capture"
local generator = require "generator"
local p = require "tcplua.packet"
local t = require "harness"

local DATA <const> = "tests/data/"
local only = tonumber(os.getenv "TCPLUA_SEED")
local packets = tonumber(os.getenv "TCPLUA_PACKETS" or t.full and 200000 or 2000)

p.declare { -- one that has a field of every kind
  name = "declared",
  fields = {
    { "size", 8, role = "header_length", unit = 4 }, { "next", 8, role = "next" },
    { "checksum", 16, kind = "hex", role = "checksum" },
    { "total", 16, role = "length", little = true },
    { "bits", 4, kind = "flags", names = { "A", "B" } }, { "odd", 7 }, { "one", 1 },
    { "most", 4 }, { "little", 24, little = true }, { "seq", 32, kind = "sequence number" },
    { "hw", kind = "MAC" }, { "four", kind = "IPv4" }, { "six", kind = "IPv6" },
    { "wide", 64, kind = "hex" }, { "fixed", 24, kind = "bytes" }, { "rest", kind = "bytes" },
  },
  over = { ip = 253, ethertype = 0x88b5, udp = 4789, tcp = 7, family = 99 },
  next = "ip",
}

-- --- one field -----------------------------------------------------------------------------------

-- The number that stands in the bits of a header, found without the code under test.
local function bits_of(raw, field)
  local value = 0
  for bit = field.bit, field.bit + field.width - 1 do
    value = value << 1 | raw:byte(bit // 8 + 1) >> 7 - bit % 8 & 1
  end
  if not field.little then return value end
  local turned = 0
  for _ = 1, field.width // 8 do
    turned, value = turned << 8 | value & 0xff, value >> 8
  end
  return turned
end

-- Raises unless the field of this layer holds `value`, or the bytes `bytes`: read as a script reads
-- it, and as it stands in the header.
local function check_field(layer, name, field, value, bytes)
  local got, raw = layer[field.name], layer:raw()
  local what = name .. "." .. field.name
  if not bytes then
    t.equal(bits_of(raw, field), value, what .. " in the header")
    if field.kind ~= "flags" then
      t.equal(got, value, what)
    else
      local again = p[name] { [field.name] = got }
      t.equal(bits_of(again[name]:raw(), field), value, what .. " by its letters")
    end
    return
  end
  local at = field.bit // 8
  local here = raw:sub(at + 1, field.width > 0 and at + field.width // 8 or -1)
  t.equal(here:sub(1, #bytes), bytes, what .. " in the header")
  t.equal(here:sub(#bytes + 1):find "[^\0]", nil, what .. ": padding") -- to what a length can say
  t.within(#here - #bytes, 0, 7, what .. ": padding")
  if field.kind == "bytes" then
    t.equal(got, here, what)
  elseif field.kind ~= "options" then
    local text = generator.text[field.kind]
    t.equal(text(p[name] { [field.name] = got }[name]:raw(field.name)), text(bytes), what)
  end
end

-- The layer at `index` of the packet parsed again. "ip" goes by the version of the first byte and
-- "null" by the byte order: where that says something else, there is no such layer.
local function parsed_layer(packet, stack, index)
  local bytes = packet:bytes()
  local back = p.parse(bytes, stack[1])
  t.equal(back:bytes() == bytes, true, "parsed, the same bytes")
  local first = back:layer(1):name()
  if first ~= stack[1] then
    t.equal(stack[1] == "ip" and first == "ip6" or stack[1] == "null" and first == "loop", true,
      stack[1] .. " parsed as " .. first)
    return nil
  end
  local layer = back:layer(index)
  t.equal(layer and layer:name(), stack[index], "layer " .. index .. " of "
    .. table.concat(stack, "/"))
  return layer
end

-- Values that a field must take: the least, the greatest, and some at random.
local function values_of(name, field)
  local list = {}
  local function add(value, bytes) list[#list + 1] = { value, bytes } end
  local text = generator.text[field.kind]
  local wide = field.width // 8
  if text then
    for _, byte in ipairs { "\0", "\xff" } do add(text(byte:rep(wide)), byte:rep(wide)) end
  elseif field.kind == "bytes" or field.kind == "options" then
    local n = wide > 0 and wide or generator.longest(name, field)
    for _, byte in ipairs { "\0", "\xff", "\1" } do
      add(byte:rep(n), byte:rep(n))
    end
    if wide == 0 then add("", "") end
  else
    add(0)
    add(field.width < 64 and (1 << field.width) - 1 or -1)
  end
  for _ = 1, 4 do add(generator.value(name, field)) end
  return list
end

for number, name in ipairs(p.protocols()) do
  t.test("every field of " .. name .. " is read as it was set, before and after the wire",
    function()
      math.randomseed(number)
      for _, field in ipairs(p.fields(name)) do
        for i, entry in ipairs(values_of(name, field)) do
          local value, bytes = entry[1], entry[2]
          -- under sound layers; from the third on, among nonsense that is pinned
          local stack = generator.stack(name)
          local packet
          for j, one in ipairs(stack) do
            local values = j == #stack and { [field.name] = value } or nil
            packet = packet and packet / p[one](values) or p[one](values)
          end
          if generator.takes_payload(name) then packet = packet / "payload" end
          local layer = packet:layer(#stack)
          if i > 2 then
            for _, other in ipairs(p.fields(name)) do
              if other.width > 0 and other.name ~= field.name and math.random(2) == 1 then
                layer[other.name] = generator.value(name, other)
              end
            end
            layer[field.name] = value
          end
          check_field(layer, name, field, value, bytes)
          packet:bytes()
          check_field(layer, name, field, value, bytes)
          local after = parsed_layer(packet, stack, #stack)
          if after and not (i > 2 and field.width == 0) then
            check_field(after, name, field, value, bytes)
          end
        end
      end
    end)
end

t.test("the table names every bit of every header once, aliases apart", function()
  for _, name in ipairs(p.protocols()) do
    local taken = {}
    for _, field in ipairs(p.fields(name)) do
      for bit = field.bit, field.bit + field.width - 1 do
        if not field.alias and not field.when then
          t.equal(taken[bit], nil, name .. "." .. field.name .. " at bit " .. bit)
        end
        taken[bit] = true
      end
    end
    for bit = 0, #p[name]():bytes() * 8 - 1 do
      local tail = p.fields(name)[#p.fields(name)]
      for _, field in ipairs(p.fields(name)) do
        if field.width == 0 then tail = field end
      end
      if not taken[bit] and not (tail.width == 0 and bit >= tail.bit) then
        error(("bit %d of %s belongs to no field"):format(bit, name))
      end
    end
  end
end)

-- --- whole packets -------------------------------------------------------------------------------

-- The packet made again from the values of all of its fields; nil where no call makes its headers:
-- one is cut off.
local function rebuilt(packet)
  local made
  for i, name in ipairs(packet:layers()) do
    local layer, values = packet:layer(i), {}
    if #layer:raw() < #p[name]() then return nil end
    for _, field in ipairs(generator.fields(name)) do
      if field.kind == "options" then
        values[field.name] = layer:raw(field.name)
      else
        values[field.name] = layer[field.name]
      end
    end
    local one = p[name](values)
    if #one ~= #layer:raw() then return nil end
    made = made and made / one or one
  end
  if not made then return packet.payload end
  made = made / packet.payload
  for n = 0, #packet:layers() - 1 do made:trailer(n, packet:trailer(n)) end
  return made:bytes()
end

local function has_checksum(name)
  for _, field in ipairs(generator.fields(name)) do
    if field.name == "checksum" then return true end
  end
  return false
end

local parsed_again, recomputed = 0, 0

-- What holds for any bytes whatever, parsed.
local function check_parsed(bytes, first)
  local packet = p.parse(bytes, first)
  t.equal(packet:bytes() == bytes, true, "parsed, the same bytes")
  t.equal(packet:copy():bytes() == bytes, true, "copied, the same bytes")
  t.equal(assert(load("local p = ... return " .. packet:code()))(p):bytes() == bytes, true,
    "code() makes the same bytes")
  local made = rebuilt(packet)
  if not made then
    -- a quote may end anywhere
    if not (packet:stopped() or packet.icmp or packet.icmp6) then
      error "no call makes a header that is whole"
    end
    return packet
  end
  t.equal(made == bytes, true, "made of its values, the same bytes")
  parsed_again = parsed_again + 1
  -- a sound packet: what is computed comes out as it was
  if packet:stopped() then return packet end
  for i, name in ipairs(packet:layers()) do
    local layer = packet:layer(i)
    local _, word = layer:checksum_ok()
    local sum = has_checksum(name) and layer.checksum or 1
    if word == "bad" or word == "partial" then return packet end
    -- 0 is the same number as 0xffff, and none where UDP has it
    if sum == 0xffff or sum == 0 and (word == "good" or packet.ip or packet.ip6) then
      return packet
    end
  end
  for i, name in ipairs(packet:layers()) do
    local layer, pinned = packet:layer(i), {}
    local _, word = layer:checksum_ok()
    for _, one in ipairs(layer:pinned()) do pinned[one] = true end
    for _, field in ipairs(generator.fields(name)) do
      local value = layer[field.name]
      if field.computed and not pinned[name .. "." .. field.name]
        and not (word == "none" and field.name == "checksum") then -- there are no addresses
        layer[field.name] = nil
        packet:bytes()
        -- the number of a protocol that has no layer here can only be set, and of several numbers
        -- of one the first is computed
        if field.next and (i == #packet:layers()
          or p.parse(packet:bytes(), first):layer(i + 1):name() == packet:layers()[i + 1]) then
          layer[field.name] = value
        end
        t.equal(layer[field.name], value, name .. "." .. field.name .. " computed again")
        recomputed = recomputed + 1
      end
    end
  end
  t.equal(packet:bytes() == bytes, true, "computed again, the same bytes")
  return packet
end

local compared, whole = 0, 0

local function check_random()
  local sound = math.random(2) == 1
  local stack = generator.stack()
  local packet = generator.packet(stack, math.random(), sound and 0 or 0.2)
  local wanted = {}
  packet:bytes() -- all that is computed stands
  for i, name in ipairs(stack) do
    wanted[i] = {}
    for _, field in ipairs(generator.fields(name)) do
      local value = packet:layer(i)[field.name]
      wanted[i][field.name] = field.kind == "options" and packet:layer(i):raw(field.name) or value
    end
    if sound then
      local _, word = packet:layer(i):checksum_ok()
      t.equal(word ~= "bad" and word ~= "partial", true, name .. " has a good checksum")
    end
  end
  local back = check_parsed(packet:bytes(), stack[1])
  for i, name in ipairs(stack) do
    local layer = back:layer(i)
    -- a port or a version at random may mean another protocol, and a length cut a header off
    if not layer or layer:name() ~= name then return end
    for _, field in ipairs(generator.fields(name)) do
      local value = layer[field.name]
      if field.kind == "options" then value = value and layer:raw(field.name) end
      if field.width > 0 then
        if value ~= nil then t.equal(value, wanted[i][field.name], name .. "." .. field.name) end
      elseif #layer:raw() == #packet:layer(i):raw() then
        t.equal(value, wanted[i][field.name], name .. "." .. field.name)
      end
    end
    compared = compared + 1
    if #layer:raw() ~= #packet:layer(i):raw() then return end -- what follows is not what was made
  end
  whole = whole + 1
end

t.test(("%d packets at random"):format(packets), function()
  if only then
    math.randomseed(only)
    return check_random()
  end
  for seed = 1, packets do
    math.randomseed(seed)
    local good, err = xpcall(check_random, debug.traceback)
    if not good then error(("TCPLUA_SEED=%d: %s"):format(seed, err)) end
  end
  print(("# %d layers compared, %d packets with all of theirs, %d made again, %d fields computed "
    .. "again"):format(compared, whole, parsed_again, recomputed))
  t.within(whole / packets, 0.6, 1, "packets that parse as they were made")
  t.within(parsed_again / packets, 0.8, 1, "packets made again")
  t.within(recomputed / packets, 1, 100, "fields computed again")
end)

t.test("packets at random, damaged", function()
  for seed = 1, packets // 4 do
    math.randomseed(seed)
    local stack = generator.stack()
    local bytes = generator.packet(stack, 0.5, 0.1):bytes()
    for _ = 1, 3 do
      local at = math.random(0, #bytes)
      local cut = math.random(2) == 1 and bytes:sub(1, at)
        or bytes:sub(1, at) .. generator.bytes(1) .. bytes:sub(at + 2)
      local good, err = xpcall(check_parsed, debug.traceback, cut, stack[1])
      if not good then error(("seed %d: %s"):format(seed, err)) end
    end
  end
end)

for line in io.lines(DATA .. "list.txt") do
  local file = line:match "^([^#%s]+)"
  if file then
    t.test("every packet of " .. file, function()
      for packet, info in assert(capture.read(DATA .. file)) do
        if type(packet) ~= "string" then
          local again = check_parsed(packet:bytes(), capture.layer(info.linktype))
          t.equal(again:tree():find("[^\n\x20-\x7e]"), nil, "printable")
        end
      end
    end)
  end
end

-- --- options -------------------------------------------------------------------------------------

-- The options in `bytes`, read and written again as a list: the same, as far as reading goes. An
-- address of another length than it should have reads as bytes, and text alone sets it.
local function check_options(name, bytes, addresses)
  local packet = p[name] { options = bytes }
  local options, list = packet[name].options, {}
  local readable = true
  for kind, value in pairs(options) do
    if addresses[kind] and not pcall(p[name], { options = { { kind, value } } }) then
      readable = false
    end
    list[#list + 1] = value == true and kind or { kind, value }
  end
  t.equal(#options, #list, "how many")
  if not readable or #list == 0 then return #list end
  local again = p[name] { options = list }
  local made, raw = again[name]:raw "options", packet[name]:raw "options"
  -- what is behind the end, or behind a length that cannot be, is no option
  local size = 0
  for _ = 1, #list do
    local kind = raw:byte(size + 1)
    local single = name == "dhcp" and (kind == 0 or kind == 255)
      or (name == "tcp" or name == "ip") and kind < 2
    local length = raw:byte(size + 2)
    if single then
      size = size + 1
    else
      size = size + (name == "dhcp" and length + 2 or (name == "tcp" or name == "ip") and length
        or length * 8)
    end
  end
  t.equal(made:sub(1, size) == raw:sub(1, size), true, "written again, the same bytes")
  return #list
end

local ADDRESSES <const> = { sll = true, tll = true, requested = true, server = true, mask = true,
  broadcast = true }

t.test("all 65,536 pairs of a TCP option's kind and length", function()
  local filler, found = ("\1"):rep(38), 0
  for kind = 0, 255 do
    for length = 0, 255 do
      found = found + check_options("tcp", string.char(kind, length) .. filler, {})
    end
  end
  t.within(found, 65536 // 8, math.huge, "options")
end)

for _, name in ipairs { "tcp", "ip", "ra", "dhcp" } do
  t.test("every kind of option of " .. name .. ", at every length it may have", function()
    math.randomseed(7)
    local most = (name == "tcp" or name == "ip") and 38 or name == "dhcp" and 255 or 62
    for kind = 0, 255 do
      for length = 0, most, 1 + most // 64 do
        local value = generator.bytes(length)
        check_options(name, generator.option(name, kind, value), ADDRESSES)
      end
    end
    local lists = 0
    for seed = 1, 500 do
      math.randomseed(seed)
      lists = lists + check_options(name, generator.options(name,
        math.min(generator.longest(name, { name = "options" }), 400), 0.2), ADDRESSES)
    end
    t.within(lists, 600, math.huge, "options in lists")
  end)
end

t.done()
