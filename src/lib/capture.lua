--- tcplua.capture: capture files, read and written packet by packet.
--
--     local capture = require "tcplua.capture"
--     for packet, info in assert(capture.read("in.pcap", "tcp port 80")) do
--       print(info.time, packet)
--     end
--
--     local out <close> = assert(capture.create("out.pcapng"))
--     assert(out:write(packet, { comment = "the one that was lost", sent = true }))
--
-- Reading takes pcap and pcapng, of either byte order. `info` says what the file says of a packet:
--
--     time        seconds since 1970
--     ns          the same in nanoseconds, an integer: a number of seconds has not that many digits
--     original    its length on the wire; #packet is what there is of it
--     linktype    what it begins with, by the number that files have for it: 1 for Ethernet
--
-- and in pcapng, where it says so:
--
--     iface       the name of the interface; packet.iface too, if it has at most 15 bytes
--     sent        true for sent, false for received; packet.direction too
--     comment     a string, or a list of them
--
-- and can be given to write() as it is. A pcapng file may mix link types: a filter takes none of
-- those it means nothing for (Ethernet addresses, in packets without); if that goes for all packets
-- of the file, its end raises that.
--
-- A packet of a link type that tcplua has no layer for is a string, and so is one of more than a
-- MiB. A file whose name ends in .pcap or .cap is written as pcap, which keeps times, lengths and
-- one link type, and has no place for the rest; others as pcapng. A file is whole after each write.
-- To write a packet of another link type into a pcap is an error, which leaves it out and nothing
-- else, except that a file of raw IP takes an IP packet without its Ethernet header.
--
--     reader:linktype()   that of the packet read last
--     writer:name(address, name)   puts a name for an address into the file, for Wireshark to show
--     reader:close(), writer:close()   may be repeated; a writer's says whether all was written
local check = require "tcplua.check"
local core = require "tcplua.capture.core"
local escape = require "tcplua.core".escape
local p = require "tcplua.packet"

local capture = {}

local reader, writer = core.reader_class, core.writer_class.__index
local filter = core.filter_class.__index

local LONGEST = 1 << 20 -- of a packet

-- The options that there are; those of write() are looked at below, with their values.
local CREATE <const> = { comment = true }
local DESCRIBE <const> = { iface = true, linktype = true, description = true, filter = true,
  os = true }
local DROPS <const> = { count = true, iface = true, linktype = true }

-- What the frames of a link type begin with.
local layers = {
  [0] = "null", [1] = "eth", [101] = "ip", [108] = "loop", [113] = "sll", [228] = "ip",
  [229] = "ip6", [276] = "sll2",
}

local linktypes = {
  null = 0, eth = 1, ip = 101, ip6 = 101, loop = 108, sll = 113, sll2 = 276,
}

--- The name of the layer that the frames of a link type begin with; nil if tcplua has none.
function capture.layer(linktype)
  local name = layers[linktype]
  return name and p[name] and name
end

-- The link type of a packet: that of its first layer, unless `given` names another.
local function linktype_of(packet, given, level)
  if math.type(given) == "integer" then return given end
  local name = given
  if name == nil then
    if type(packet) == "string" then
      error("linktype: a string of bytes does not say what it begins with: name its link type",
        level + 1)
    end
    name = packet:layers()[1]
  end
  local number = linktypes[name]
  if not number then
    error(("linktype: no capture begins with %s: put ip or eth in front, or name a link type")
      :format(escape(tostring(name))), level + 1)
  end
  return number
end

--- Opens a capture ("-": standard input) and returns a reader, to be called by `for`; with a
-- filter (text in libpcap's language) it gives only what that takes.
function capture.read(path, expression)
  local object, err = core.open(path, expression)
  if not object then return nil, err end
  return object, nil, nil, object
end

--- The next packet and what the file says of it; nil at the end. Raises where the file is damaged:
-- a loop would take it for the end.
function reader.__index:next()
  local bytes, time, ns, original, linktype, iface, sent, comment = self:raw_next()
  if not bytes then
    if time then error(time, 0) end
    return nil
  end
  local layer = #bytes <= LONGEST and capture.layer(linktype)
  return layer and p.parse(bytes, layer, ns, original, iface, sent) or bytes,
    { time = time, ns = ns, original = original, linktype = linktype, iface = iface, sent = sent,
      comment = comment }
end

function reader:__call() return self:next() end

--- Creates a capture ("-": standard output; a symbolic link is not followed). Fields: comment, of
-- the whole file.
function capture.create(path, options)
  return core.create(path, check.options(options, CREATE).comment)
end

--- Writes a packet, or a string of bytes with a link type: true, or nil and an error, which all
-- later calls repeat. What `info` leaves out, a packet that was captured or read knows by itself:
-- time, original, and where known iface and direction; the time of any other packet is now.
function writer:write(packet, info)
  info = check.options(info)
  return self:raw_write(check.packet(packet), linktype_of(packet, info.linktype, 2), info,
    packet)
end

--- Describes an interface before its first packet. Fields: iface, linktype (a number or the name of
-- a layer; "eth"), description, filter, os.
function writer:describe(options)
  options = check.options(options, DESCRIBE)
  return self:raw_describe(linktype_of(nil, options.linktype or "eth", 2), options.iface or "",
    options)
end

--- Says how many packets of an interface are missing because nobody took them in time; it stands at
-- the end of the file. Fields: count, iface, linktype ("eth").
function writer:drops(options)
  options = check.options(options, DROPS)
  return self:raw_drops(linktype_of(nil, options.linktype or "eth", 2), options.iface or "",
    options.count or 0)
end

--- A filter in libpcap's language, for packets from anywhere.
capture.filter = core.filter

--- Whether the filter takes a packet, or a string of bytes with a link type (a number, or the name
-- of the layer it begins with). Raises where the filter means nothing for that link type.
function filter:matches(packet, linktype)
  return self:raw_matches(check.packet(packet), linktype_of(packet, linktype, 2))
end

return capture
