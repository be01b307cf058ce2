--- tcplua.packet.records: the questions and resource records of a DNS message (RFC 1035).
--
-- A record is { name =, type =, class =, ttl =, … }; a question has neither ttl nor data. Types and
-- classes are names where they have one here, else numbers. What the data is goes by the type:
--
--     A, AAAA           address = "192.0.2.1"
--     NS, CNAME, PTR    target = "ns.example."
--     MX                preference =, target =
--     SRV               priority =, weight =, port =, target =
--     SOA               mname =, rname =, serial =, refresh =, retry =, expire =, minimum =
--     TXT               a list of strings, in `text`
--     any other         data = "bytes"; with `data` any type is written as these bytes
--
-- Names end in a dot; dots and unprintable bytes within a label are written \. and \DDD.
local p = require "tcplua.packet.core"

local records = {}

local TYPES <const> = { A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28,
  SRV = 33, OPT = 41, DS = 43, RRSIG = 46, NSEC = 47, DNSKEY = 48, SVCB = 64, HTTPS = 65,
  AXFR = 252, ANY = 255 }
local CLASSES <const> = { IN = 1, CH = 3, HS = 4, NONE = 254, ANY = 255 }
local SECTIONS <const> = { { "questions", "qdcount" }, { "answers", "ancount" },
  { "authority", "nscount" }, { "additional", "arcount" } }
local NAME_MAX <const> = 255 -- bytes on the wire
local POINTERS_MAX <const> = 127 -- in one name: no name has more labels to stand in front of them

local function inverse(of)
  local names = {}
  for name, number in pairs(of) do names[number] = name end
  return names
end

local TYPE_NAMES <const>, CLASS_NAMES <const> = inverse(TYPES), inverse(CLASSES)

local function number_of(value, names, what)
  local number = names[value] or value
  if math.type(number) ~= "integer" or number < 0 or number > 0xffff then
    error(("there is no %s '%s'"):format(what, value), 0)
  end
  return number
end

-- --- names ---------------------------------------------------------------------------------------

local function escape(label)
  return (label:gsub("[.\\]", "\\%0")
    :gsub("[^\x21-\x7e]", function(c) return ("\\%03d"):format(c:byte()) end))
end

-- The name at `at` of the message: its text and where what follows begins; nil if it is cut off,
-- longer than a name can be, or points anywhere but back, or too often: so it ends, and soon.
local function read_name(message, at)
  local labels, after, size, least, pointers = {}, nil, 1, at, 0
  while true do
    local length = message:byte(at)
    if not length then return nil end
    if length == 0 then
      local text = table.concat(labels, ".") .. "."
      return text, after or at + 1
    elseif length >= 0xc0 then
      local low = message:byte(at + 1)
      if not low then return nil end
      after = after or at + 2
      at = ((length & 0x3f) << 8 | low) + 1
      pointers = pointers + 1
      if at >= least or pointers > POINTERS_MAX then return nil end
      least = at
    elseif length > 63 or at + length > #message then
      return nil
    else
      size = size + length + 1
      if size > NAME_MAX then return nil end
      labels[#labels + 1] = escape(message:sub(at + 1, at + length))
      at = at + length + 1
    end
  end
end

local function write_name(text)
  if type(text) ~= "string" then error("a name is a string, not " .. type(text), 0) end
  local labels, label, at = {}, "", 1
  while at <= #text do
    local c = text:sub(at, at)
    local code = text:match("^\\(%d%d%d)", at)
    if code and tonumber(code) <= 255 then
      label, at = label .. string.char(tonumber(code)), at + 4
    elseif c == "\\" then
      label, at = label .. text:sub(at + 1, at + 1), at + 2
    elseif c == "." then
      if text == "." then break end
      if label == "" then error(("the name '%s' has an empty label"):format(text), 0) end
      labels[#labels + 1], label, at = label, "", at + 1
    else
      label, at = label .. c, at + 1
    end
  end
  if label ~= "" then labels[#labels + 1] = label end
  local parts, size = {}, 1
  for i, one in ipairs(labels) do
    if #one > 63 then error(("a label of '%s' is longer than 63 bytes"):format(text), 0) end
    parts[i] = string.char(#one) .. one
    size = size + #parts[i]
  end
  if size > NAME_MAX then error(("the name '%s' is longer than 255 bytes"):format(text), 0) end
  return table.concat(parts) .. "\0"
end

-- --- data ----------------------------------------------------------------------------------------

local function address4(bytes)
  return ("%d.%d.%d.%d"):format(bytes:byte(1, 4))
end

local function address6(bytes)
  return p.parse("\x60" .. ("\0"):rep(7) .. bytes .. ("\0"):rep(16), "ip6").ip6.src
end

-- Reads a data part of numbers in front and names at the end.
local function names_reader(format, numbers, names)
  return function(record, message, from, to)
    local at = from
    if format ~= "" then
      if to - from + 1 < string.packsize(format) then return false end
      local values = { string.unpack(format, message, from) }
      for i, name in ipairs(numbers) do record[name] = values[i] end
      at = values[#values]
    end
    for _, name in ipairs(names) do
      local text, after = read_name(message, at)
      if not text then return false end
      record[name], at = text, after
    end
    return at == to + 1
  end
end

local SOA_NUMBERS <const> = { "serial", "refresh", "retry", "expire", "minimum" }

local read = {
  NS = names_reader("", {}, { "target" }),
  MX = names_reader(">I2", { "preference" }, { "target" }),
  SRV = names_reader(">I2I2I2", { "priority", "weight", "port" }, { "target" }),
}
read.CNAME, read.PTR = read.NS, read.NS

function read.A(record, message, from, to)
  if to - from ~= 3 then return false end
  record.address = address4(message:sub(from, to))
  return true
end

function read.AAAA(record, message, from, to)
  if to - from ~= 15 then return false end
  record.address = address6(message:sub(from, to))
  return true
end

function read.TXT(record, message, from, to)
  record.text = {}
  while from <= to do
    local length = message:byte(from)
    if from + length > to then return false end
    table.insert(record.text, message:sub(from + 1, from + length))
    from = from + length + 1
  end
  return true
end

function read.SOA(record, message, from, to)
  local at
  record.mname, at = read_name(message, from)
  if at then record.rname, at = read_name(message, at) end
  if not at or to - at ~= 19 then return false end
  local values = { string.unpack(">I4I4I4I4I4", message, at) }
  for i, name in ipairs(SOA_NUMBERS) do record[name] = values[i] end
  return true
end

local function pack(format, record, names)
  local values = {}
  for i, name in ipairs(names) do
    local value = record[name] or 0
    if math.type(value) ~= "integer" or value < 0 or value >> 8 * string.packsize(format) // #names
      > 0 then
      error(("%s takes a number that fits, not %s"):format(name, value), 0)
    end
    values[i] = value
  end
  return string.pack(format, table.unpack(values))
end

local write = {}
function write.A(record) return p.ip { src = record.address }.ip:raw "src" end
function write.AAAA(record) return p.ip6 { src = record.address }.ip6:raw "src" end
function write.NS(record) return write_name(record.target) end
write.CNAME, write.PTR = write.NS, write.NS
function write.MX(record)
  return pack(">I2", record, { "preference" }) .. write_name(record.target)
end
function write.SRV(record)
  return pack(">I2I2I2", record, { "priority", "weight", "port" }) .. write_name(record.target)
end
function write.SOA(record)
  return write_name(record.mname) .. write_name(record.rname)
    .. pack(">I4I4I4I4I4", record, SOA_NUMBERS)
end
function write.TXT(record)
  local parts = {}
  for i, text in ipairs(record.text or {}) do parts[i] = string.pack(">s1", text) end
  return table.concat(parts)
end

-- --- records -------------------------------------------------------------------------------------

local function write_record(record, question)
  if type(record) ~= "table" then error("a record is a table, not " .. type(record), 0) end
  local head = write_name(record.name or ".")
    .. string.pack(">I2I2", number_of(record.type or "A", TYPES, "type"),
      number_of(record.class or "IN", CLASSES, "class"))
  if question then return head end
  local writer = write[TYPE_NAMES[record.type] or record.type or "A"]
  local data = record.data or writer and writer(record) or ""
  if type(data) ~= "string" or #data > 0xffff then error("data is a string of bytes", 0) end
  return head .. pack(">I4", record, { "ttl" }) .. string.pack(">s2", data)
end

--- The bytes behind the header for the sections in `message`, and how many records each has.
function records.write(message)
  local parts, counts = {}, {}
  for _, section in ipairs(SECTIONS) do
    local list = message[section[1]]
    if list ~= nil and type(list) ~= "table" then
      error(("%s is a list of records, not %s"):format(section[1], type(list)), 0)
    end
    for _, record in ipairs(list or {}) do
      parts[#parts + 1] = write_record(record, section[1] == "questions")
    end
    if list then counts[section[2]] = #list end
  end
  return table.concat(parts), counts
end

-- One record at `at`: the record and where the next begins; nil if it is cut off or has no name.
local function read_record(message, at, question)
  local name, after = read_name(message, at)
  if not name or after + 3 > #message then return nil end
  local kind, class
  kind, class, after = string.unpack(">I2I2", message, after)
  local record = { name = name, type = TYPE_NAMES[kind] or kind,
    class = kind ~= TYPES.OPT and CLASS_NAMES[class] or class }
  if question then return record, after end
  if after + 5 > #message then return nil end
  local length
  record.ttl, length, after = string.unpack(">I4I2", message, after)
  local to = after + length - 1
  if to > #message then return nil end
  local reader, fields = read[record.type], {}
  if not reader or not reader(fields, message, after, to) then
    fields = { data = message:sub(after, to) }
  end
  for key, value in pairs(fields) do record[key] = value end
  return record, to + 1
end

--- The sections of a message, its header included; and where reading ended, if that was early.
function records.read(message)
  local result = {}
  local at = 13
  local counts = { string.unpack(">I2I2I2I2", message, 5) }
  for i, section in ipairs(SECTIONS) do
    local list = {}
    result[section[1]] = list
    for _ = 1, counts[i] do -- each takes five bytes or more, so the message bounds it
      local record, after = read_record(message, at, section[1] == "questions")
      if not record then return result, at - 1 end
      list[#list + 1], at = record, after
    end
  end
  return result
end

return records
