--- agree.lua FOLDER PACKETS SEED: our eyes against tshark's, packet by packet and field by field.
-- agree.sh runs it; fields.lua has the names, and the differences that are known.
local capture = require "tcplua.capture"
local fields = dofile "tests/tshark/fields.lua"
local generator = require "generator"
local p = require "tcplua.packet"

local FOLDER, COUNT, SEED = arg[1], tonumber(arg[2]), tonumber(arg[3])

-- --- packets -------------------------------------------------------------------------------------

local random, pick = math.random, generator.pick

-- Ports by which either of us goes on to another protocol.
local BUSY <const> = { [53] = true, [67] = true, [68] = true, [5353] = true, [4011] = true,
  [5355] = true }

local STARTS <const> = { "eth", "eth", "eth", "ip", "ip6", "sll", "sll2", "null", "loop" }

-- How often a field that decides how the rest is read has another value than the usual one; others
-- change in half of the packets.
local SELDOM <const> = {
  ["ip.version"] = 0.01, ["ip6.version"] = 0.01, ["ip.offset"] = 0.1, ["ip.flags"] = 0.2,
  ["ip6_frag.offset"] = 0.1, ["ip6_frag.mf"] = 0.2, ["icmp.length"] = 0.1, ["icmp6.length"] = 0.1,
  ["arp.hrd"] = 0.02, ["arp.pro"] = 0.02, ["arp.hln"] = 0.02, ["arp.pln"] = 0.02,
  ["sll.halen"] = 0.1, ["sll2.halen"] = 0.1, ["sll.hatype"] = 0.1, ["sll2.hatype"] = 0.1,
  ["ip6_route.type"] = 0.1, ["dhcp.op"] = 0.1, ["dhcp.htype"] = 0.1, ["dhcp.hlen"] = 0.1,
  ["dhcp.magic"] = 0.05,
}

local function veto(name, field)
  local chance = SELDOM[name .. "." .. field.name]
  return chance and random() > chance
end

-- Options of a hop-by-hop or destination header that are sound: some for experiments, and PadN.
local function extension_options()
  local parts, size = {}, 2
  for i = 1, random(0, 3) do
    parts[i] = string.pack(">Bs1", 0x1e, generator.bytes(random(0, 12)))
    size = size + #parts[i]
  end
  local pad = -size % 8
  parts[#parts + 1] = pad == 1 and "\0" or pad > 1 and string.pack(">Bs1", 1, ("\0"):rep(pad - 2))
    or ""
  return table.concat(parts)
end

local function draw(seed)
  math.randomseed(SEED, seed)
  local start = pick(STARTS)
  local stack
  repeat
    stack = generator.stack(nil, 6)
    if stack[1] == "ip" and start == "ip6" then start = "ip" end
  until stack[1] == start
  local nonsense = random(4) == 1 and 0.15 or 0
  local packet = generator.packet(stack, random(), nonsense, veto)
  for i, name in ipairs(stack) do
    local layer = packet:layer(i)
    -- sound ones: at some of the others tshark stops
    if name == "ip" then layer.options = generator.options("ip", 40, 0) end
    if (name == "ip6_hop" or name == "ip6_dest") and random(20) > 1 then
      layer.data = extension_options()
    end
    if name == "ip6_route" and random(10) > 1 then
      local segments = random(0, 3)
      layer.type = segments == 0 and 253 or 4 -- for experiments, or as RFC 8754 has it
      layer.segleft = math.max(0, segments - 1)
      if segments > 0 then
        layer.data = string.char(segments - 1, 0) .. generator.bytes(2 + 16 * segments)
      end
    end
    if (name == "udp" or name == "tcp") and not stack[i + 1] then
      if BUSY[layer.sport] then layer.sport = 1024 end
      if BUSY[layer.dport] then layer.dport = 1025 end
    end
  end
  return packet, start
end

-- --- tshark --------------------------------------------------------------------------------------

-- tshark goes on as far as it can; these are what we know.
local function write_config()
  local known = {}
  for name in ([[eth ethertype vlan ieee8021ad sll null arp ip ipv6 udp tcp icmp icmpv6 dns mdns
    dhcp frame data raw]]):gmatch "%S+" do known[name] = true end
  local list <close> = assert(io.popen "tshark -G protocols 2>/dev/null")
  local out <close> = assert(io.open(FOLDER .. "/disabled_protos", "w"))
  for line in list:lines() do
    local name = line:match "([^\t]*)$"
    if not known[name] and not name:find "^ip%." and not name:find "^ipv6%."
      and not name:find "^tcp%." then
      out:write(name, "\n")
    end
  end
end

local columns, column_of = {}, {}

local function add_column(name)
  if not column_of[name] then
    columns[#columns + 1] = name
    column_of[name] = #columns
  end
end


for _, protocol in pairs(fields.names) do
  for field, entry in pairs(protocol) do
    if type(entry) == "string" then
      entry = { entry }
      protocol[field] = entry
    end
    for _, name in ipairs(entry) do add_column(name) end
  end
end
for _, name in pairs(fields.sums) do add_column(name) end
for _, table_of in pairs(fields.options) do
  for _, names in pairs(table_of) do
    for _, name in ipairs(names) do add_column(name) end
  end
end

local OPTIONS <const> = [[-n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE
  -o udp.check_checksum:TRUE -o ip.defragment:FALSE -o ipv6.defragment:FALSE
  -o tcp.analyze_sequence_numbers:FALSE -o tcp.relative_sequence_numbers:FALSE
  -o tcp.desegment_tcp_streams:FALSE -o ip.tso_support:FALSE]]

-- The columns of each packet in a file.
local function tshark(file)
  local command = { "WIRESHARK_CONFIG_DIR=" .. FOLDER, "tshark", (OPTIONS:gsub("%s+", " ")),
    "-r", file,
    "-T fields -E separator=/t -E 'aggregator=|' -E occurrence=a" }
  for _, name in ipairs(columns) do command[#command + 1] = "-e " .. name end
  command[#command + 1] = "2>" .. FOLDER .. "/errors"
  local pipe = assert(io.popen(table.concat(command, " ")))
  return function()
    local line = pipe:read "l"
    if not line then
      pipe:close()
      return nil
    end
    local row = {}
    for value in (line .. "\t"):gmatch "([^\t]*)\t" do row[#row + 1] = value end
    return row
  end
end

-- --- comparing -----------------------------------------------------------------------------------

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- Both sides' values in one form.
local function normal(text)
  local number = math.tointeger(tonumber(text))
  if number then return tostring(number) end
  if text == "True" then return "1" elseif text == "False" then return "0" end
  return text:lower()
end

local WORDS <const> = { bad = "0", good = "1", unknown = "2", none = "3", partial = "0" }

-- The value of a field in the form that tshark has, nil if it has none.
local function value_of(layer, field, entry)
  local value = layer[field.name]
  if value == nil or entry.only and not entry.only(layer) then return nil end
  if entry.make then
    value = entry.make(layer)
  elseif field.kind == "flags" then -- letters here
    value = layer:raw():byte(field.bit // 8 + 1) >> 8 - field.width
  elseif field.kind == "bytes" then
    value = hex(value)
  end
  return normal(tostring(value))
end

local function theirs(row, entry)
  local values = {}
  for _, name in ipairs(entry) do
    for value in row[column_of[name]]:gmatch "[^|]+" do values[#values + 1] = normal(value) end
  end
  return values
end

local SAMPLES <const> = 3 -- of each difference, the shortest ones
local compared, wrong = 0, {}

local function report(key, packet, first, a, b)
  for _, row in ipairs(fields.known) do
    if key:find(row[1]) and row[2](packet, key:match "^[%w_]+") then
      row.count = (row.count or 0) + 1
      return
    end
  end
  local list = wrong[key] or {}
  wrong[key] = list
  list.count = (list.count or 0) + 1
  list[#list + 1] = ("%s ours %s tshark %s: p.parse(%s, %q)"):format(
    table.concat(packet:layers(), "/"), a, b, hex(packet:bytes()), first)
  table.sort(list, function(x, y) return #x < #y end)
  list[SAMPLES + 1] = nil
end

-- Compares the layers of one protocol, those that both have.
local function compare_protocol(packet, row, first, name, by_name)
  local layers = by_name[name]
  local names, most = fields.names[name], 0
  local lists, values = {}, {}
  for _, field in ipairs(generator.fields(name)) do
    local entry = names[field.name]
    if entry and entry ~= fields.NONE then
      local list = {}
      for _, layer in ipairs(entry.with and by_name.both or layers) do
        local value = value_of(layer, field, entry)
        if value then list[#list + 1] = value end
      end
      local other = theirs(row, entry)
      if entry.sorted then
        table.sort(list)
        table.sort(other)
      end
      lists[field.name], values[field.name] = list, other
      if not entry.only and not entry.with then most = math.max(most, #other) end
    end
  end
  if most ~= #layers and next(lists) then
    return report(name .. " layers", packet, first, #layers, most)
  end
  for _, field in ipairs(generator.fields(name)) do
    local a, b = lists[field.name], values[field.name]
    if a then
      a, b = table.concat(a, "|"), table.concat(b, "|")
      compared = compared + 1
      if a ~= b then report(name .. "." .. field.name, packet, first, a, b) end
    end
  end
  if fields.sums[name] then
    local words = {}
    for i, layer in ipairs(layers) do words[i] = WORDS[select(2, layer:checksum_ok())] end
    local a, b = table.concat(words, "|"), table.concat(theirs(row, { fields.sums[name] }), "|")
    if a ~= b then report(name .. " verdict", packet, first, a, b) end
  end
end

-- The values of an option as a list in the order of tshark's columns, {} if there is none.
local function option_values(names, value)
  local list = {}
  for i = 1, #names do list[i] = {} end
  local function put(i, one)
    if one ~= "" then table.insert(list[i], normal(tostring(one))) end
  end
  if type(value) ~= "table" then
    put(1, names.bytes and hex(value) or value)
  elseif names.ranges then
    for _, range in ipairs(value) do put(1, range[1]) put(2, range[2]) end
  elseif names.keys then
    for i, key in ipairs(names.keys) do
      local one = value[key]
      put(i, names.bytes == key and hex(one) or one)
    end
    for _, one in ipairs(value) do put(#names, one) end
  elseif names.pair then
    put(1, value[1]) put(2, value[2])
  else
    for _, one in ipairs(value) do put(1, one) end
  end
  return list
end

-- Compares the options of the only layer that has some of this table. A value that is bytes because
-- of its length has no fields.
local function compare_options(packet, row, first, layer, table_of)
  local lists = {}
  for name, value in pairs(layer.options) do
    local names = table_of[name]
    if names and (type(value) ~= "string" or names.text or names.bytes == true) then
      local values = option_values(names, value)
      lists[name] = lists[name] or {}
      for i, list in ipairs(values) do
        lists[name][i] = table.move(list, 1, #list, #(lists[name][i] or {}) + 1,
          lists[name][i] or {})
      end
    elseif names then
      lists[name] = false -- tshark does something with it
      return
    end
  end
  for name, names in pairs(table_of) do
    for i, column in ipairs(names) do
      local a = table.concat(lists[name] and lists[name][i] or {}, "|")
      local b = table.concat(theirs(row, { column }), "|")
      compared = compared + 1
      if a ~= b then report(("%s option %s"):format(layer:name(), name), packet, first, a, b) end
    end
  end
end

local function compare(packet, row, first)
  local layers = {}
  for i, name in ipairs(packet:layers()) do
    layers[name] = layers[name] or {}
    table.insert(layers[name], packet:layer(i))
    if name == "ip" or name == "ip6" then
      layers.both = layers.both or {}
      table.insert(layers.both, packet:layer(i))
    end
  end
  for name, table_of in pairs(fields.options) do
    local list = layers[name]
    if list and #list == 1 and list[1].options and not packet:stopped() then
      compare_options(packet, row, first, list[1], table_of)
    end
  end
  for name in pairs(fields.names) do
    if layers[name] then compare_protocol(packet, row, first, name, layers) end
  end
end

-- --- all of it -----------------------------------------------------------------------------------

local files = {} -- by link type: {writer, packets}

local function add(packet, start)
  local linktype = start == "ip6" and "ip" or start
  local file = files[linktype]
  if not file then
    file = { writer = assert(capture.create(FOLDER .. "/" .. linktype .. ".pcap")) }
    files[linktype] = file
  end
  packet = p.parse(packet:bytes(), linktype)
  assert(file.writer:write(packet, { linktype = linktype, time = 1 }))
  file[#file + 1] = packet
end

-- A file as tshark and as we read it.
local function compare_file(path, packets, linktype)
  local i = 0
  for row in tshark(path) do
    i = i + 1
    compare(packets[i], row, linktype)
  end
  if i ~= #packets then
    error(("%s: tshark read %d packets, we %d"):format(path, i, #packets), 0)
  end
  return i
end

write_config()
for i = 1, COUNT do add(draw(i)) end
for _, row in ipairs(fields.known) do add(row[4], row[4]:layers()[1]) end
local total = 0
for linktype, file in pairs(files) do
  file.writer:close()
  total = total + compare_file(FOLDER .. "/" .. linktype .. ".pcap", file, linktype)
end
for line in io.lines "tests/data/list.txt" do
  local name = line:match "^([^#%s]+)"
  if name then
    local packets, linktype = {}, nil
    for packet, info in assert(capture.read("tests/data/" .. name)) do
      packets[#packets + 1], linktype = packet, capture.layer(info.linktype)
    end
    if linktype then total = total + compare_file("tests/data/" .. name, packets, linktype) end
  end
end

for _, protocol in ipairs(p.protocols()) do
  for _, field in ipairs(generator.fields(protocol)) do
    if field.kind ~= "options" and not (fields.names[protocol] or {})[field.name] then
      report("no word on " .. protocol .. "." .. field.name, p[protocol](), protocol, "", "")
    end
  end
end

local keys, failed = {}, false
for key in pairs(wrong) do keys[#keys + 1] = key end
table.sort(keys)
for _, key in ipairs(keys) do
  print(("not equal: %s in %d packets\n%s"):format(key, wrong[key].count,
    table.concat(wrong[key], "\n")))
  failed = true
end
for _, row in ipairs(fields.known) do
  if row.count then
    print(("known, in %d packets: %s (%s)"):format(row.count, row[3], row[1]))
  else
    print(("known, but not so any more: %s (%s)"):format(row[3], row[1]))
    failed = true
  end
end
print(("%d packets, %d values, seed %d"):format(total, compared, SEED))
os.exit(failed and 1 or 0)
