--- tcplua.tcp.segment: one segment of a connection, in the connection's own numbers.
--
-- A packet holds absolute numbers; here a SYN is 0 on either side, and the first byte of data 1.
--
--     s.direction              "out" or "in"
--     s.time, s.index          seconds since 1970, as captured; its place in conn:segments()
--     s.flags, s.seq, s.ack    "P.", relative numbers; ack is nil without the flag
--     s.len, s.data            of the payload; an ICMP error has none
--     s.win, s.urg, s.options  as they stand in the header; urg is nil without the flag
--     s.retransmission         whether all of its numbers were seen in this direction before
--     s.consumed, s.by_hand    which expectation took it; where the script injected it; or nil
--     s.state, s.was           of the connection after and before it: "ESTABLISHED", …
--     s.packet                 the packet; s.tcp, s.ip, s.ip6, s.icmp its layers
--     s.sport, s.ttl, …        any other field of the TCP or the IP header, or nil
--     tostring(s)              "P. seq 1:65 ack 7 win 502 <nop,nop,TS val 1 ecr 2>"
--
-- flags, seq, ack, data, win, urg, options and the fields of the headers can be set in a hook
-- (numbers are relative there too), before the segment goes on.
local check = require "tcplua.check"
local core = require "tcplua.core"
local p = require "tcplua.packet"

local segment = {}

local MASK = 0xffffffff

local function relative(number, base) return base and (number - base) & MASK or number end
local function absolute(number, base) return base and (number + base) & MASK or number & MASK end

--- A sequence number, which may lie before the first one, by up to half of all there are.
function segment.number(name, value)
  local whole = math.type(value) and math.tointeger(value)
  if not whole then
    check.fail(("%s: a whole number expected, got %s"):format(name,
      core.escape(tostring(value))))
  end
  if whole > MASK or whole < -(MASK // 2 + 1) then
    check.fail(("%s: a number of 32 bits expected, got %d"):format(name, whole))
  end
  return whole
end

-- The two sides' initial sequence numbers, this segment's sender first.
local function bases(self)
  local base = self.puppet:base()
  if self.direction == "out" then return base.iss, base.irs end
  return base.irs, base.iss
end

local read = {}
local write = {}

-- An ICMP error quotes a header, which is not this packet's own.
function read.tcp(self)
  local packet = self.packet
  local tcp = packet.tcp
  if tcp and (packet.icmp or packet.icmp6) then return nil end
  rawset(self, "tcp", tcp)
  return tcp
end

function read.flags(self) return self.tcp and self.tcp.flags end

function read.seq(self)
  return self.tcp and relative(self.tcp.seq, (bases(self)))
end

function read.ack(self)
  if not self.tcp or not self.tcp.flags:find(".", 1, true) then return nil end
  return relative(self.tcp.ack, select(2, bases(self)))
end

function read.urg(self)
  return self.tcp and self.tcp.flags:find("U", 1, true) and self.tcp.urg or nil
end

-- What an ICMP error quotes is no data of the connection.
function read.data(self) return self.tcp and self.packet.payload or "" end
function read.len(self) return #self.data end
function read.options(self) return self.tcp and self.tcp.options end
function read.time(self) return self.packet.time end

function write.seq(self, value)
  self.tcp.seq = absolute(segment.number("seq", value), (bases(self)))
end

function write.ack(self, value)
  self.tcp.ack = absolute(segment.number("ack", value), (select(2, bases(self))))
end

function write.data(self, value)
  if type(value) ~= "string" then
    check.fail("data: a string expected, got " .. type(value))
  end
  self.packet.payload = value
end

-- A field of the TCP header, else of the IP header, that a script names without its layer.
local function layer_with(self, name)
  local tcp = self.tcp
  if tcp and segment.fields.tcp[name] then return tcp end
  local ip = self.packet.ip or self.packet.ip6
  local fields = self.packet.ip and segment.fields.ip or segment.fields.ip6
  return ip and fields[name] and ip or nil
end

segment.__index = function(self, name)
  local f = read[name] or segment.methods[name]
  if read[name] then return f(self) end
  if f then return f end
  if name == "ip" or name == "ip6" or name == "icmp" or name == "icmp6" then
    return self.packet[name]
  end
  local layer = layer_with(self, name)
  return layer and layer[name]
end

-- What follows from the rest of a segment, or from how it came here.
local FIXED <const> = { len = true, direction = true, time = true, index = true,
  retransmission = true, consumed = true, by_hand = true, packet = true, puppet = true, tcp = true,
  ip = true, ip6 = true, icmp = true, icmp6 = true, fate = true, seconds = true, state = true,
  was = true }

--- Sets a field, of those that can be.
function segment:set(name, value)
  if FIXED[name] then
    check.fail(("a segment's '%s' cannot be set%s"):format(name,
      name == "len" and ": it is that of its data" or ""))
  end
  if write[name] and (name == "data" or self.tcp) then return write[name](self, value) end
  local layer = layer_with(self, name)
  if not layer then
    check.fail(("a segment%s has no field '%s'"):format(self.packet.ip6 and " over IPv6" or "",
      core.escape(tostring(name))))
  end
  layer[name] = value
end

segment.__newindex = segment.set

-- The fields of each header: of what kind each is.
segment.fields = setmetatable({}, { __index = function(all, name)
  local set = {}
  for _, field in ipairs(p.fields(name)) do set[field.name] = field.kind end
  all[name] = set
  return set
end })

--- Whether segments have a field of that name, some of them at least.
function segment.has(name)
  local fields = segment.fields
  return read[name] ~= nil or name == "direction" or name == "retransmission" or name == "index"
    or fields.tcp[name] or fields.ip[name] or fields.ip6[name] or false
end

-- Timestamps are in every segment and their values fill a line: it is enough to see them offered.
local function brief(options, flags)
  if flags:find("S", 1, true) then return (options:gsub("TS val %d+ ecr %d+", "TS")) end
  return (options:gsub("TS val %d+ ecr %d+", ""):gsub("nop,", ""):gsub("^,", ""):gsub(",$", ""))
end

--- The same without what fills a line and seldom matters.
function segment.brief(self) return segment.__tostring(self, brief) end

local NUMBERS <const> = { number = true, ["sequence number"] = true }

--- What the values of a field are: "number", "flags", "boolean" or "text"; nil: of all sorts.
function segment.kind(name)
  if name == "retransmission" then return "boolean" end
  if name == "direction" or name == "data" then return "text" end
  if name == "len" or name == "index" or name == "time" then return "number" end
  for _, layer in ipairs { "tcp", "ip", "ip6" } do
    if segment.fields[layer][name] then
      local kind = segment.fields[layer][name]
      return NUMBERS[kind] and "number" or kind == "flags" and kind
        or kind:find "^IP" and "text" or nil
    end
  end
end

--- Numbers and flags in tcpdump's words; an ICMP message as its packet's line.
function segment.__tostring(self, shorten)
  local tcp = self.tcp
  if not tcp then return tostring(self.packet) end
  local len, seq = self.len, self.seq
  local text = { tcp.flags, "seq " .. seq .. (len > 0 and ":" .. seq + len or "") }
  local ack = self.ack
  if ack then text[#text + 1] = "ack " .. ack end
  text[#text + 1] = "win " .. tcp.win
  if self.urg then text[#text + 1] = "urg " .. self.urg end
  local _, other = bases(self)
  local options = tostring(tcp.options or ""):gsub("{(%d+):(%d+)}", function(left, right)
    return ("{%d:%d}"):format(relative(left, other), relative(right, other))
  end)
  if shorten then options = shorten(options, tcp.flags) end
  if options ~= "" then text[#text + 1] = "<" .. options .. ">" end
  return table.concat(text, " ")
end

segment.methods = {}

--- In a hook: the segment goes no further.
function segment.methods:drop() rawset(self, "fate", "drop") end

--- In a hook: it goes on `seconds` later; those behind it do not wait.
function segment.methods:delay(seconds)
  if seconds == nil then check.fail "delay: a number of seconds expected, got nil" end
  rawset(self, "seconds", check.span("delay", seconds))
  rawset(self, "fate", "delay")
end

--- In a hook: it goes on when release() is called.
function segment.methods:hold() rawset(self, "fate", "hold") end

--- Lets a segment that was held go on, as it is now.
function segment.methods:release()
  local fate = rawget(self, "fate")
  if fate ~= "hold" and fate ~= "held" then
    check.fail "a segment that is not held cannot be released"
  end
  rawset(self, "fate", nil)
  if fate == "held" then self.puppet:pass(self.direction, self.packet) end
end

--- The SACK blocks, a list of {left, right} in relative numbers; nil without the option.
function segment.methods:sack()
  local blocks = self.options and self.options.sack
  if not blocks then return nil end
  local _, other = bases(self)
  local list = {}
  for i, block in ipairs(blocks) do
    list[i] = { relative(block[1], other), relative(block[2], other) }
  end
  return list
end

--- Another one with the same bytes.
function segment.methods:copy()
  return segment.new(self.puppet, self.packet:copy(), self.direction)
end

--- Whether a value is a segment.
function segment.is(value) return getmetatable(value) == segment end

--- The segment that `packet` is on the connection of `puppet`.
function segment.new(puppet, packet, direction)
  return setmetatable({ puppet = puppet, packet = packet, direction = direction }, segment)
end

return segment
