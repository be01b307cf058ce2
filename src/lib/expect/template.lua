--- tcplua.expect.template: what a segment should look like, and how near one comes to it.
--
-- A template is a table of fields (those of tcplua.tcp.segment) and what each should be:
--
--     a number, string or boolean   that value; flags in any order
--     a list, as of a timestamp     each of it as here: { expect.any, 0 }
--     ">= 10", "< 5"                for a number: compared
--     expect.range(10, 20)          from 10 to 20
--     expect.one_of { 1, 2, 3 }     one of these, which may be any of this list themselves
--     expect.any, expect.absent     there, or not there
--     expect.pattern "^HTTP"        text that the Lua pattern finds
--     expect.sha256 "9f86…"         data with this hash
--     function(value, segment)      what it says true of
--
-- Options are a set: those that the template names must be as it says, and others may be there.
-- With expect.only { … } there are no others, nop and eol aside; with expect.in_order { "mss",
-- "sackOK" } just these, in this order. What can never be so, as a text for a number, is a mistake.
local check = require "tcplua.check"
local core = require "tcplua.core"
local notation = require "tcplua.expect.notation"
local p = require "tcplua.packet"
local segment = require "tcplua.tcp.segment"
local verdict = require "tcplua.verdict"

local template = {}
template.__index = template

-- A condition: test(value, segment), and text to say what it is.
local Condition = {}
Condition.__index = Condition
function Condition:__tostring() return self.text end

local SHOWN = 40    -- bytes of a text that are printed
local LONGEST = 72  -- characters of a template

-- `kind`: of which values it can be true, "number" or "text"; nil: of all sorts.
local function condition(text, test, kind)
  return setmetatable({ text = text, test = test, kind = kind }, Condition)
end

--- A value as a person reads it.
function template.show(value)
  if value == nil then return "none" end
  if type(value) == "string" then return verdict.quote(value, SHOWN) end
  if type(value) == "table" and not getmetatable(value) then
    local parts = {}
    for i, one in ipairs(value) do parts[i] = template.show(one) end
    return "{" .. table.concat(parts, " ") .. "}"
  end
  return tostring(value)
end

template.any = condition("any", function(value) return value ~= nil end)
template.absent = condition("absent", function(value) return value == nil end)

function template.range(low, high)
  if type(low) ~= "number" or type(high) ~= "number" or low > high then
    check.fail(("range: two numbers expected, the lower first, got %s and %s"):format(
      core.escape(tostring(low)), core.escape(tostring(high))))
  end
  return condition(("%s to %s"):format(low, high), function(value)
    return type(value) == "number" and value >= low and value <= high
  end, "number")
end

function template.pattern(pattern)
  if not check.is_pattern(pattern) then
    check.fail(("pattern: %s is no Lua pattern"):format(template.show(pattern)))
  end
  return condition(("text like %s"):format(template.show(pattern)), function(value)
    return type(value) == "string" and value:find(pattern) ~= nil
  end, "text")
end

function template.sha256(hex)
  if type(hex) ~= "string" or #hex ~= 64 or hex:find "%X" then
    check.fail(("sha256: 64 hexadecimal digits expected, got %s"):format(template.show(hex)))
  end
  return condition(("bytes with the SHA-256 %s"):format(hex), function(value)
    return type(value) == "string"
      and require "tcplua.hash".sha256(value):hex() == hex:lower()
  end, "text")
end

local COMPARE = {
  ["<"] = function(a, b) return a < b end,
  ["<="] = function(a, b) return a <= b end,
  [">"] = function(a, b) return a > b end,
  [">="] = function(a, b) return a >= b end,
  ["~="] = function(a, b) return a ~= b end,
}

local function comparison(text)
  local sign, number = text:match "^%s*([<>~]=?)%s*(%-?[%d%.]+)%s*$"
  local compare, limit = COMPARE[sign], tonumber(number)
  return compare and limit and condition(text, function(value)
    return type(value) == "number" and compare(value, limit)
  end)
end

local function same(wanted, value)
  if getmetatable(wanted) == Condition then return wanted.test(value) end
  if type(wanted) ~= "table" or type(value) ~= "table" then return wanted == value end
  for i = 1, math.max(#wanted, #value) do
    if wanted[i] ~= notation.any and not same(wanted[i], value[i]) then return false end
  end
  return true
end

local function sorted(flags)
  local letters = {}
  for letter in flags:gmatch "." do letters[#letters + 1] = letter end
  table.sort(letters)
  return table.concat(letters)
end

local function flags(name, wanted)
  if type(wanted) ~= "string" then
    check.fail(("template: %s: a string such as \"P.\" expected, got %s"):format(name,
      template.show(wanted)))
  end
  local unknown = wanted:match "[^FSRP.UEWe]"
  if unknown then
    check.fail(("template: %s: '%s' is none of FSRP.UEWe"):format(name, core.escape(unknown)))
  end
  local set = sorted(wanted)
  local twice = set:match "(.)%1"
  if twice then check.fail(("template: %s: '%s' stands in it twice"):format(name, twice)) end
  return condition(wanted == "" and "no flag" or wanted, function(value)
    return type(value) == "string" and sorted(value) == set
  end)
end

-- What literals there are for a field, by its kind.
local LITERALS <const> = {
  number = 'a number, a comparison as ">= 10"', text = "a string", boolean = "true or false",
}

local NUMBERED <const> = { seq = true, ack = true } -- with half of all numbers before the first

local function literal(name, kind, wanted)
  local compared = kind ~= "text" and type(wanted) == "string" and comparison(wanted)
  if compared then return compared end
  if kind and type(wanted) ~= (kind == "text" and "string" or kind) then
    check.fail(("template: %s: %s, a function or a value of expect expected, got %s"):format(name,
      LITERALS[kind], template.show(wanted)))
  end
  if NUMBERED[name] and type(wanted) == "number" then
    segment.number(name, wanted)
  elseif kind == "number" and type(wanted) == "number" and wanted < 0 then
    check.fail(("template: %s: a number from 0 on expected, got %s"):format(name, wanted))
  end
  local made = condition(template.show(wanted), function(value) return same(wanted, value) end)
  made.literal = wanted
  return made
end

local one_of

-- What a value of a template asks for: that of the field `name`, whose values are of this kind, or
-- of all sorts where it is nil.
local function of(name, kind, wanted)
  if wanted == notation.any then return template.any end
  if getmetatable(wanted) == Condition then
    if wanted.list then return one_of(name, kind, wanted.list) end
    local text = kind == "text" or kind == "flags"
    if wanted.kind and kind and wanted.kind ~= (text and "text" or kind) then
      check.fail(("template: %s: '%s' is for a %s, and this is a %s"):format(name, wanted.text,
        wanted.kind, kind))
    end
    return wanted
  end
  if type(wanted) == "function" then
    local at = debug.getinfo(wanted, "S")
    local text = ("what the function at %s:%d says"):format(at.short_src, at.linedefined)
    return condition(text, function(value, s)
      return value ~= nil and wanted(value, s) and true or false
    end)
  end
  if kind == "flags" then return flags(name, wanted) end
  return literal(name, kind, wanted)
end

one_of = function(name, kind, list)
  local conditions, texts = {}, {}
  for i, wanted in ipairs(list) do
    conditions[i] = of(name, kind, wanted)
    texts[i] = tostring(conditions[i])
  end
  return condition("one of " .. table.concat(texts, ", "), function(value, s)
    for _, one in ipairs(conditions) do
      if one.test(value, s) then return true end
    end
    return false
  end)
end

function template.one_of(list)
  if #check.list("one_of", list) == 0 then check.fail "one_of: the list is empty" end
  local made = one_of("one_of", nil, list)
  made.list = list -- once more when it is known for which field
  return made
end

-- SACK blocks are numbers of the other side's, and relative as those are.
local function option_value(s, name)
  local value = s.options and s.options[name]
  return name == "sack" and value and s:sack() or value
end

local FILLERS = { nop = true, eol = true }

local function others(s, named)
  local found = {}
  for name in pairs(s.options or {}) do
    if not FILLERS[name] and not named[name] then found[#found + 1] = tostring(name) end
  end
  return found
end

-- What there is to know of the options of TCP: their names, and which are numbers.
local OPTIONS <const> = { mss = "number", wscale = "number", sackOK = "boolean" }

local function known_options()
  local names = {}
  for _, field in ipairs(p.fields "tcp") do
    for _, name in ipairs(field.options or {}) do names[name] = true end
  end
  return names
end

local function check_option(name)
  local known = known_options()
  if known[name] or math.type(name) == "integer" and name >= 0 and name <= 255 then return end
  local names = {}
  for one in pairs(known) do names[#names + 1] = one end
  table.sort(names)
  check.fail(("template: options: there is no option '%s'; there are %s, and numbers from 0 to 255")
    :format(core.escape(tostring(name)), table.concat(names, ", ")))
end

-- The name and the value of an entry: name = value, or in a list { name, value } or name.
local function option_of(list, key, value)
  if math.type(key) == "integer" and key >= 1 and key <= #list then
    if type(value) == "table" and getmetatable(value) == nil then return value[1], value[2] end
    if type(value) == "string" then return value, true end
  end
  return key, value
end

-- The conditions on options, each under the name "option mss".
local function add_options(self, wanted)
  local list, only = wanted, nil
  if getmetatable(wanted) == Condition or type(wanted) == "function" then
    if type(wanted) == "function" or not wanted.options then
      self:add("options", of("options", nil, wanted), function(s) return s.options end)
      return
    end
    list, only = wanted.options, wanted.only
  end
  if type(list) ~= "table" then
    check.fail(("template: options: a table, a function or a value of expect expected, got %s")
      :format(template.show(list)))
  end
  local named = {}
  local keys = {}
  for key in pairs(list) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if math.type(a) == math.type(b) then return a < b end
    return math.type(a) ~= nil
  end)
  for _, key in ipairs(keys) do
    local name, value = option_of(list, key, list[key])
    if not FILLERS[name] and name ~= "more" then
      check_option(name)
      named[name] = true
      self:add("option " .. tostring(name), of("option " .. name, OPTIONS[name], value),
        function(s) return option_value(s, name) end)
    end
  end
  if only then
    self:add("other options", condition("none", function(value) return value == nil end),
      function(s)
        local found = others(s, named)
        return #found > 0 and table.concat(found, ",") or nil
      end)
  end
end

function template.only(options)
  if type(options) ~= "table" then check.fail("only: a table expected, got " .. type(options)) end
  local made = condition("only these options", function() return true end)
  made.options, made.only = options, true
  return made
end

function template.in_order(names)
  for _, name in ipairs(check.list("in_order", names)) do
    if not FILLERS[name] then check_option(name) end
  end
  return condition(table.concat(names, ","), function(options)
    local i = 0
    for name in pairs(options or {}) do
      i = i + 1
      if names[i] ~= tostring(name) then return false end
    end
    return i == #names
  end)
end

function template:add(name, wanted, get)
  self[#self + 1] = { name = name, wanted = wanted, get = get }
end

-- What a template may say besides what the segment is like.
local TIMES = {
  within = true, after = true, at = true, tolerance = true, timeout = true, since = true,
  soft = true, absolute = true,
}

-- Conditions are looked at, and printed, in this order; then come the others by name.
local ORDER = { "flags", "seq", "len", "ack", "win", "urg", "data" }
local FIRST = {}
for i, name in ipairs(ORDER) do FIRST[name] = i end

local function names_of(fields)
  local names = {}
  for name in pairs(fields) do
    if not TIMES[name] and name ~= "options" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b)
    local x, y = FIRST[a] or 99, FIRST[b] or 99
    if x ~= y then return x < y end
    return tostring(a) < tostring(b)
  end)
  return names
end

-- Absolute numbers are the header's.
local function getter(name, absolute)
  if type(name) ~= "string" or not segment.has(name) then
    check.fail(("template: a segment has no field '%s'"):format(core.escape(tostring(name))))
  end
  if absolute and (name == "seq" or name == "ack") then
    return function(s) return s.tcp and s.tcp[name] end
  end
  return function(s) return s[name] end
end

local function from_notation(text)
  local fields = notation.template(text)
  if fields.options and not fields.options.more then
    fields.options = template.only(fields.options)
  end
  fields.text = text
  return fields
end

-- In words: flags that are spelled out need no name.
local function describe(self, what)
  local parts = {}
  for _, one in ipairs(self) do
    local bare = one.name == "flags" and type(what.flags) == "string"
    parts[#parts + 1] = bare and tostring(one.wanted)
      or one.name .. " " .. tostring(one.wanted)
  end
  local text = #parts > 0 and table.concat(parts, ", ") or "any segment"
  return #text <= LONGEST and text or text:sub(1, LONGEST - 3) .. "..."
end

--- Makes a template of a table, or of a line of tcplua.expect.notation. Its `times` are what was
-- said of time, and of how it is expected.
function template.of(what)
  if getmetatable(what) == template then return what end
  if type(what) == "string" then
    what = from_notation(what)
  elseif type(what) ~= "table" then
    check.fail(("template: a table or a line expected, got %s"):format(type(what)))
  end
  local self = setmetatable({ times = {} }, template)
  for name, value in pairs(what) do
    if TIMES[name] then self.times[name] = value end
  end
  local text = what.text
  for _, name in ipairs(names_of(what)) do
    if name ~= "text" then
      local wanted = what[name]
      local get = getter(name, what.absolute) -- knows the name
      local raw = what.absolute and (name == "seq" or name == "ack")
      self:add(raw and "absolute " .. name or name, of(name, segment.kind(name), wanted), get)
    end
  end
  if what.options ~= nil then add_options(self, what.options) end
  self.text = text or describe(self, what)
  return self
end

--- Whether a segment is like this.
function template:matches(s)
  for _, one in ipairs(self) do
    if not one.wanted.test(one.get(s), s) then return false end
  end
  return true
end

-- Both sides of a field as texts; of long ones what stands where they begin to differ.
local function both(wanted, got)
  local text = wanted.literal
  local long = type(text) == "string" and type(got) == "string"
    and math.max(#text, #got) > SHOWN
  if not long then return tostring(wanted), template.show(got) end
  local at = 1
  while text:byte(at) == got:byte(at) do at = at + 1 end
  local function rest(side)
    return at > #side and "its end" or template.show(side:sub(at))
  end
  return ("at byte %d %s"):format(at, rest(text)), rest(got)
end

--- What is different: a list of { name, wanted, got } as texts.
function template:differences(s)
  local list = {}
  for _, one in ipairs(self) do
    local got = one.get(s)
    if not one.wanted.test(got, s) then
      local wish, shown = both(one.wanted, got)
      if one.name == "flags" and got then shown = got end
      list[#list + 1] = { name = one.name, wanted = wish, got = shown }
    end
  end
  return list
end

return template
