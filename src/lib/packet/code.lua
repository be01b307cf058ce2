--- tcplua.packet.code: the Lua source that makes a packet again.
--
-- Written down are the fields that differ from those of an empty layer, and of the computed ones
-- those that are pinned, or that would come out differently. Which these are is found by making the
-- packet and comparing. What no call makes (a header that is cut off) is bytes.
local p = require "tcplua.packet.core"

local code = {}

--- A string as Lua source in printable ASCII.
function code.string(bytes)
  local first = bytes:sub(1, 1)
  if #bytes > 16 and bytes == first:rep(#bytes) then
    return ("(%s):rep(%d)"):format(code.string(first), #bytes)
  end
  return '"' .. bytes:gsub('[%c"\\\x7f-\xff]', function(c)
    return c == '"' and '\\"' or c == "\\" and "\\\\" or ("\\x%02x"):format(c:byte())
  end) .. '"'
end

local function key_source(key)
  if type(key) ~= "string" then return ("[%d]"):format(key) end
  return key:find "^[%a_][%w_]*$" and key or "[" .. code.string(key) .. "]"
end

--- A value as Lua source, keys in order.
function code.value(value, hex)
  if type(value) == "string" then return code.string(value) end
  if type(value) ~= "table" then
    return hex and ("0x%x"):format(value) or tostring(value)
  end
  local parts, names = {}, {}
  for name in pairs(value) do
    if math.type(name) ~= "integer" or name < 1 or name > #value then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do
    parts[#parts + 1] = key_source(name) .. " = " .. code.value(value[name])
  end
  for _, element in ipairs(value) do parts[#parts + 1] = code.value(element) end
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

-- Options as a list if that makes the same bytes.
local function options_value(layer, name)
  local bytes, list = layer:raw(name), {}
  for kind, value in pairs(layer[name]) do
    list[#list + 1] = value == true and kind or { kind, value }
  end
  -- no list says what padding behind the end is, or an address of three bytes
  local good, made = pcall(p[layer:name()], { [name] = list })
  if #list > 0 and good and made[layer:name()]:raw(name) == bytes then return list end
  return bytes
end

local function value_of(layer, field)
  if field.kind == "options" then return options_value(layer, field.name) end
  return layer[field.name]
end

local function shown(layer, field)
  if not field.when then return true end
  local first = layer:raw():byte(1)
  for _, byte in ipairs(field.when) do
    if byte == first then return true end
  end
  return false
end

local function header_size(name)
  return #p[name]()
end

-- The fields of a layer that are not computed, as far as they differ from an empty layer's.
local function plain_fields(layer)
  local name, values = layer:name(), {}
  local empty = p[name]()[name]
  for _, field in ipairs(p.fields(name)) do
    if not field.computed and not field.alias and shown(layer, field) then
      local value = value_of(layer, field)
      if type(value) == "table" or value ~= value_of(empty, field) then
        values[field.name] = value
      end
    end
  end
  -- bits that belong to no field of this kind of message: by their other names
  local made = p[name](values)[name]
  for _, field in ipairs(p.fields(name)) do
    if field.alias and made[field.name] ~= layer[field.name] then
      local under = false
      for _, other in ipairs(p.fields(name)) do
        under = under or other.computed and other.bit < field.bit + field.width
          and field.bit < other.bit + other.width
      end
      if not under then values[field.name] = layer[field.name] end
    end
  end
  return values
end

-- The layers that calls can make, as {name, values}, and the bytes of the payload.
local function plan(packet)
  local layers = {}
  for i = 1, #packet:layers() do
    local layer = packet:layer(i)
    if #layer:raw() < header_size(layer:name()) then
      return layers, packet:layer(i - 1) and packet:layer(i - 1).payload or packet:bytes()
    end
    local values = plain_fields(layer)
    for _, pinned in ipairs(layer:pinned()) do
      local name = pinned:match "%.(.*)"
      values[name] = layer[name]
    end
    layers[i] = { layer:name(), values }
  end
  return layers, packet.payload
end

local function make(layers, payload, trailers)
  local packet
  for _, layer in ipairs(layers) do
    local one = p[layer[1]](layer[2])
    packet = packet and packet / one or one
  end
  packet = packet / payload
  for n, bytes in pairs(trailers) do packet:trailer(n, bytes) end
  return packet
end

-- Pins what comes out differently; false if nothing did.
local function mend(packet, made, layers)
  local changed = false
  for i, layer in ipairs(layers) do
    for _, field in ipairs(p.fields(layer[1])) do
      local value = packet:layer(i)[field.name]
      if field.computed and layer[2][field.name] == nil and value ~= made:layer(i)[field.name] then
        layer[2][field.name] = value
        changed = true
      end
    end
  end
  return changed
end

local function layer_source(layer)
  local parts = {}
  for _, field in ipairs(p.fields(layer[1])) do
    local value = layer[2][field.name]
    if value ~= nil then
      parts[#parts + 1] = ("%s = %s"):format(key_source(field.name), code.value(value, field.hex))
    end
  end
  return ("p.%s { %s }"):format(layer[1], table.concat(parts, ", ")):gsub("{  }$", "{}")
end

--- The source, an expression of `p`: the module tcplua.packet.
function code.packet(packet)
  local names, bytes = packet:layers(), packet:bytes()
  local first = names[1] and ", " .. code.string(names[1]) or ""
  local fallback = ("p.parse(%s%s)"):format(code.string(bytes), first)
  local layers, payload = plan(packet)
  if #layers == 0 then return fallback end
  local trailers = {}
  for n = 0, #layers - 1 do
    local trailer = packet:trailer(n)
    if trailer ~= "" then trailers[n] = trailer end
  end
  if #layers < #names then trailers = {} end -- they are in the payload
  local made
  repeat
    made = make(layers, payload, trailers)
  until not mend(packet, made, layers)
  if made:bytes() ~= bytes then return fallback end
  local parts = {}
  for i, layer in ipairs(layers) do parts[i] = layer_source(layer) end
  if payload ~= "" then parts[#parts + 1] = code.string(payload) end
  local source = table.concat(parts, " / ")
  if next(trailers) then source = "(" .. source .. ")" end
  for n = 0, #layers - 1 do
    if trailers[n] then
      source = ("%s:trailer(%d, %s)"):format(source, n, code.string(trailers[n]))
    end
  end
  return source
end

return code
