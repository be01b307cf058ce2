--- tcplua.packet.layout: headers drawn as the RFCs draw them, 32 bits a row.
local p = require "tcplua.packet.core"

local layout = {}

local ROW <const> = 32

-- Which field holds each bit; the first that does, of those that are shown. `empty`: without a
-- tail.
local function grid_of(fields, first, empty)
  local grid, size, tail = {}, 0, nil
  for _, field in ipairs(fields) do
    local here = not field.alias
    if here and field.when then
      here = false
      for _, byte in ipairs(field.when) do here = here or byte == first end
    end
    if here and field.width == 0 then
      tail = not empty and field or nil
    elseif here then
      for bit = field.bit, field.bit + field.width - 1 do grid[bit] = grid[bit] or field end
      size = math.max(size, field.bit + field.width)
    end
  end
  for bit = 0, size - 1 do grid[bit] = grid[bit] or false end
  if tail then
    local last = (math.max(tail.bit, 1) + ROW - 1) // ROW * ROW
    if tail.bit == last then last = last + ROW end
    for bit = tail.bit, last - 1 do grid[bit] = tail end
    size = last
  end
  return grid, size
end

-- The runs of one field in a row: {field, from, to}, and nil for what is behind the header.
local function runs_of(grid, size, row)
  local runs, bit = {}, row
  local limit = math.min(row + ROW, size)
  while bit < limit do
    local to = bit
    while to + 1 < limit and grid[to + 1] == grid[bit] do to = to + 1 end
    runs[#runs + 1] = { grid[bit], bit, to }
    bit = to + 1
  end
  return runs
end

local function center(text, width)
  local left = (width - #text) // 2
  return (" "):rep(left) .. text .. (" "):rep(width - #text - left)
end

-- Under bit `bit` a field goes on in the next row.
local function goes_on(grid, bit)
  return grid[bit] and grid[bit + ROW] == grid[bit]
end

local function border(grid, size, row)
  local parts, from = {}, row - ROW -- the row above
  local limit = math.min(ROW, size - math.max(from, 0))
  if row < size then limit = math.max(limit, math.min(ROW, size - row)) end
  local last = "line" -- drawn at the bit before
  for i = 0, limit - 1 do
    local open = from >= 0 and goes_on(grid, from + i)
    parts[#parts + 1] = (open and last == "open" and grid[from + i] == grid[from + i - 1] and " "
      or "+") .. (open and " " or "-")
    last = open and "open" or "line"
  end
  return table.concat(parts) .. "+"
end

-- `first` is the header's first byte, `value` a function from field to text or nil.
local function draw(name, first, value, empty)
  local grid, size = grid_of(p.fields(name), first, empty)
  local lines = { " 0" .. (" "):rep(19) .. "1" .. (" "):rep(19) .. "2" .. (" "):rep(19) .. "3",
    (" 0 1 2 3 4 5 6 7 8 9"):rep(3) .. " 0 1" }
  local placed, legend = {}, {}
  local function text_of(field, width, here)
    if not field then return "" end
    if placed[field] or not here then return "" end
    placed[field] = true
    local plain = field.width == 0 and field.name .. " ..." or field.name
    local full = value and value(field) and field.name .. " " .. value(field) or plain
    if #full <= width then return full end
    if #plain <= width then return plain end
    legend[#legend + 1] = field.name
    local mark = ("123456789abcdefghijklmnopqrstuvwxyz"):sub(#legend, #legend)
    legend[#legend] = mark .. " = " .. full
    return mark
  end
  -- the name stands in the middle row of those that are as wide as the field's widest
  local wide, rows = {}, {}
  for row = 0, size - 1, ROW do
    for _, run in ipairs(runs_of(grid, size, row)) do
      local field, width = run[1], run[3] - run[2] + 1
      if field and width > (wide[field] or 0) then
        wide[field], rows[field] = width, { row }
      elseif field and width == wide[field] then
        table.insert(rows[field], row)
      end
    end
  end
  for row = 0, size - 1, ROW do
    lines[#lines + 1] = border(grid, size, row)
    local cells = {}
    for _, run in ipairs(runs_of(grid, size, row)) do
      local width = 2 * (run[3] - run[2]) + 1
      local of = rows[run[1]]
      cells[#cells + 1] = center(text_of(run[1], width, of and of[(#of + 1) // 2] == row), width)
    end
    lines[#lines + 1] = "|" .. table.concat(cells, "|") .. "|"
  end
  lines[#lines + 1] = border(grid, size, (size + ROW - 1) // ROW * ROW)
  for _, line in ipairs(legend) do lines[#lines + 1] = "  " .. line end
  return table.concat(lines, "\n") .. "\n"
end

--- Of a protocol by name, as it is before anything is set.
function layout.protocol(name)
  p.fields(name) -- raises for a name that is none
  return draw(name, p[name]():bytes():byte(1))
end

local function value_in(layer)
  return function(field)
    if field.kind == "bytes" or field.kind == "options" then return nil end
    local value = layer[field.name]
    if value == nil or value == "" then return nil end
    return field.hex and ("0x%x"):format(value) or tostring(value)
  end
end

--- Of all layers of a packet, with the values that have room.
function layout.packet(packet)
  local parts = {}
  for i, name in ipairs(packet:layers()) do
    local layer = packet:layer(i)
    local empty = #layer:raw() == #p[name]()
    parts[i] = name .. "\n" .. draw(name, layer:raw():byte(1), value_in(layer), empty)
  end
  return table.concat(parts, "\n")
end

return layout
