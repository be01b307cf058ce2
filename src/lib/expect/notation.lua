--- tcplua.expect.notation: segments in one line, as tcpdump prints and packetdrill writes them.
--
--     S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,nop,wscale 7>
--     P. seq 1:6 ack 1
--     > . 1:1(0) ack 1461 <...>
--     +0.2~+0.4 P. 1:1461(1460) ack 1 win * <nop,nop,TS val * ecr 100>
--     P. 1:6(5) ack 1 "hello"
--     Flags [P.], seq 1:6, ack 1, win 65535, options [nop,nop,TS val 7 ecr 8], length 5
--
-- Flags first ("-" for none), then any of: the numbers, `ack`, `win`, `urg`, `length`, options
-- between < and >, and the data between quotes, in which Lua's escapes hold; commas may stand
-- between these, and so a failure's own words for a segment. Numbers are relative: a SYN is 0.
-- What is not written is not looked at. `*` and `...` stand for any value; options that are written
-- are all there must be, nop and eol aside, unless `...` is one of them. A `>` in front is allowed
-- where a segment is expected, a `<` where one is sent: in packetdrill's files they point to and
-- from what is tested. A time in front, where a segment is expected: seconds since the last event,
-- or a range of them.
local check = require "tcplua.check"
local core = require "tcplua.core"

local notation = {}

local ANY = { ["*"] = true, ["..."] = true }

-- A line that is being read: where, and how to say what is wrong with it.
local Reader = {}
Reader.__index = Reader

function Reader:fail(what)
  check.fail(("'%s': %s at character %d"):format(core.escape(self.text), what, self.at))
end

function Reader:take(pattern)
  local first, last, a, b = self.text:find("^%s*" .. pattern, self.at)
  if not first then return nil end
  self.at = last + 1
  return a or true, b
end

function Reader:number(what)
  local word = self:take "(%.%.%.)" or self:take "(%*)" or self:take "(0[xX]%x+)"
    or self:take "(%d+)"
  if not word then self:fail(("a number expected for %s"):format(what)) end
  if ANY[word] then return notation.any end
  return tonumber(word)
end

local LONGEST = 65535 -- bytes of a datagram

--- Stands for any value, in the results.
notation.any = setmetatable({}, { __tostring = function() return "*" end })

-- "1:6(5)", "1:6", "1": seq and len.
local function numbers(reader, fields)
  local first = reader:number "seq"
  local last, len
  if reader:take ":" then last = reader:number "the end of seq" end
  if reader:take "%(" then
    len = reader:number "the length"
    if not reader:take "%)" then reader:fail "')' expected" end
  end
  local known = math.type(first) and math.type(last)
  if known and math.type(len) and (last - first) & 0xffffffff ~= len then
    reader:fail(("%d:%d are not %d bytes"):format(first, last, len))
  end
  if known and not len then len = (last - first) & 0xffffffff end
  fields.seq, fields.len = first, len
end

local function sack_blocks(reader)
  local blocks = {}
  if reader:take "%*" or reader:take "%.%.%." then return notation.any end
  reader:take "%d+%s*%f[{]" -- tcpdump's count
  repeat
    local brace = reader:take "{"
    local left = reader:number "a SACK block"
    if not reader:take ":" then reader:fail "':' expected in a SACK block" end
    blocks[#blocks + 1] = { left, reader:number "a SACK block" }
    if brace and not reader:take "}" then reader:fail "'}' expected" end
  until not reader.text:find("^%s*[{%d]", reader.at)
  return blocks
end

local VALUE = {
  mss = function(reader) return reader:number "mss" end,
  wscale = function(reader) return reader:number "wscale" end,
  sackOK = function() return true end,
  nop = function() return true end,
  eol = function() return true end,
  sack = sack_blocks,
  TS = function(reader)
    if not reader:take "val" then reader:fail "'val' expected behind TS" end
    local val = reader:number "TS val"
    if not reader:take "ecr" then reader:fail "'ecr' expected behind TS val" end
    return { val, reader:number "TS ecr" }
  end,
}
local NAMES = { TS = "ts" }

-- Options up to what closes them.
local function options(reader, close)
  local list = {}
  while not reader:take("%" .. close) do
    if reader:take "%.%.%." then
      list.more = true
    else
      local word = reader:take "(%a+)"
      if not word or not VALUE[word] then
        reader:fail "an option expected: mss, sackOK, TS, nop, eol, wscale, sack, or ..."
      end
      local value = reader:take "%f[%*]%*" and notation.any or VALUE[word](reader)
      list[#list + 1] = { NAMES[word] or word, value }
    end
    if not reader:take "," and not reader.text:find("^%s*%" .. close, reader.at) then
      reader:fail(("',' or '%s' expected behind an option"):format(close))
    end
  end
  return list
end

local function quoted(reader)
  local first, last = reader.at, nil
  local at = first
  repeat
    at = reader.text:find('["\\]', at)
    if not at then reader:fail "the data has no closing '\"'" end
    if reader.text:sub(at, at) == '"' then last = at else at = at + 2 end
  until last
  local value = load("return \"" .. reader.text:sub(first, last), "data", "t", {})
  if not value then reader:fail "data that is no Lua string" end
  reader.at = last + 1
  return value()
end

local function seconds(reader)
  local word = reader:take "%+(%d*%.?%d+)" or reader:take "%+(%d+%.?)"
  return word and tonumber(word)
end

-- "+0.2", "+0.2~+0.4", "*"
local function time(reader, fields)
  local from = seconds(reader)
  if not from then
    reader:take "%*%s+%f[%S]"
    return
  end
  if not reader:take "~" then
    fields.at = from
    return
  end
  fields.after, fields.within = from, seconds(reader)
  if not fields.within then reader:fail "the end of a time range expected, as +0.4" end
end

-- "S.", "-", or "Flags [S.]"; nil if there are none.
local function flags(reader)
  if reader:take "[Ff]lags%s*%[" then
    local letters = reader:take "([FSRP%.UEWe]+)%s*%]"
    return letters or reader:take "none%s*%]" and ""
  end
  return reader:take "([FSRP%.UEWe]+)%f[%s,%z]" or reader:take "%-" and ""
end

-- Reads a line. The result has flags, seq, len, ack, win, urg, data, options (a list of {name,
-- value}, with `more` for ...), and at, after, within.
local function read(text, pointer)
  local reader = setmetatable({ text = text, at = 1 }, Reader)
  local fields = {}
  time(reader, fields)
  local arrow = reader:take "([<>])"
  if arrow and arrow ~= pointer then
    reader:fail(pointer == ">" and "'<' is for what is sent; a segment that is expected has '>',"
      or "'>' is for what is expected; a segment that is sent has '<',")
  end
  fields.flags = flags(reader)
  if not fields.flags then reader:fail "flags expected, out of FSRP.UEWe, or - for none," end
  local seen = {}
  while reader.text:find("%S", reader.at) do
    reader:take ","
    local word = reader.text:match('^%s*([%a<"]%l*)', reader.at) or "seq" -- or its bare numbers
    if seen[word] then reader:fail(("'%s' stands here twice, again"):format(word)) end
    seen[word] = true
    if reader:take "seq%s" or reader.text:find("^%s*[%d%*%.]", reader.at) then
      numbers(reader, fields)
    elseif reader:take "ack%s" then
      fields.ack = reader:number "ack"
    elseif reader:take "win%s" then
      fields.win = reader:number "win"
    elseif reader:take "urg%s" then
      fields.urg = reader:number "urg"
    elseif reader:take "length%s" then
      local len = reader:number "length"
      if math.type(fields.len) and math.type(len) and fields.len ~= len then
        reader:fail(("length %d, and the numbers say %d,"):format(len, fields.len))
      end
      fields.len = len
    elseif reader:take "<" then
      fields.options = options(reader, ">")
    elseif reader:take "options%s*%[" then
      fields.options = options(reader, "]")
    elseif reader:take 'data%s*"' or reader:take '"' then
      fields.data = quoted(reader)
    else
      reader:fail "seq, ack, win, urg, <options> or \"data\" expected"
    end
  end
  return fields, reader
end

--- What a line expects.
function notation.template(text)
  return (read(text, ">"))
end

local function certain(reader, value)
  if value == notation.any then
    reader:fail "a segment that is sent has no '*', which comes"
  end
  if type(value) == "table" then
    for _, one in ipairs(value) do certain(reader, one) end
    if value.more then reader:fail "options that are sent have no '...', which comes" end
  end
end

--- The fields of a line for conn:inject(): every value is known. A length without data is made of
-- zeros.
function notation.fields(text)
  local fields, reader = read(text, "<")
  for name, value in pairs(fields) do
    if name == "at" or name == "after" or name == "within" then
      reader:fail "a time is for what is expected: sleep before you send; one stands"
    end
    certain(reader, value)
  end
  if fields.len and not fields.data then
    if fields.len > LONGEST then
      reader:fail(("%d bytes are more than a datagram holds (%d),"):format(fields.len, LONGEST))
    end
    fields.data = ("\0"):rep(fields.len)
  elseif fields.len and fields.len ~= #fields.data then
    reader:fail(("%d bytes of data, and %d by the numbers,"):format(#fields.data, fields.len))
  end
  fields.len = nil
  return fields
end

return notation
