--- tcplua.net: packets out and in, by hand.
--
--     local net, p = require "tcplua.net", require "tcplua.packet"
--     local wire <close> = assert(net.open { src = src, dst = dst })
--     local syn = p.tcp { sport = wire:sport(), dport = 80, flags = "S" }
--     wire:send(p.ip { src = src, dst = dst } / syn)
--     print(wire:recv(1))
--
-- A wire holds one local port: the kernel stays quiet about it, and every TCP segment that comes
-- for it waits in an inbox until it is taken. It is armed when open returns.
--
--     wire:sport(), wire:src()   the port and the address that it holds
--     wire:dropped()             segments that did not fit into the inbox
--     link:iface()               the name of its interface, or nil
--     link:medium(), link:mac()  "eth" or "ip": what its frames begin with; its address, or nil
--     link:drops()               frames that the kernel dropped because nobody took them in time
--     wire:close(), link:close() may be repeated
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"

local net = {}

local wire = core.wire_class.__index
local link = core.link_class.__index

local function timed_out(what, seconds)
  return core.error {
    code = "ETIMEDOUT", message = ("no %s within %g s"):format(what, seconds),
  }
end

--- Opens a wire. Fields: src, dst, sport (default: a free one).
function net.open(options)
  return core.wire(check.options(options))
end

--- Sends a packet (or a string of bytes) that starts with its IP header.
function wire:send(packet)
  return self:raw_send(check.packet(packet))
end

--- The next packet that came, and its capture time; waits at most `timeout` seconds (1).
function wire:recv(timeout)
  timeout = check.seconds("timeout", timeout, 1)
  local deadline = core.now() + timeout
  require "tcplua.packet" -- which raw_packet makes
  while true do
    local packet = self:raw_packet()
    if packet then return packet, packet.time end
    if not task.wait(self, deadline, "a segment") then return nil, timed_out("segment", timeout) end
  end
end

local function is_many(what)
  return type(what) == "table" or core.is_set(what)
end

--- Sends a packet at layer 3, by the wire that suits its source address: true, or nil and an error.
-- Every field arrives as it stands, or the error names the one that cannot. A source address that
-- was left out is filled in. Where ARP or NDP has to find the next hop, it waits for the answer.
-- With options, or for a set or a list: see tcplua.net.burst.
function net.send(what, options)
  if options ~= nil or is_many(what) then
    return require "tcplua.net.burst".send(3, what, options)
  end
  check.packet(what)
  local can_wait = task.can_wait()
  local sent, err = core.send(what, can_wait)
  if sent == false then
    sent, err = require "tcplua.net.burst".send(3, what)
    return sent and true, err
  end
  return sent, err
end

--- Sends a frame at layer 2 through interface `iface` (default: that of -i). With options, which
-- may have that name in `iface`, or for a set or a list: see tcplua.net.burst.
function net.sendp(what, options)
  if type(options) == "table" or is_many(what) then
    if type(options) == "string" then options = { iface = options } end
    return require "tcplua.net.burst".send(2, what, options)
  end
  local out <close>, err = core.open_sender { iface = options }
  if not out then return nil, err end
  return out:send(what)
end

--- Sends a frame, or on a link without link-layer headers a packet.
function link:send(packet)
  return self:raw_send(check.packet(packet))
end

--- The next frame, its capture time, and its direction; waits at most `timeout` seconds (1).
function link:recv(timeout)
  timeout = check.seconds("timeout", timeout, 1)
  local deadline = core.now() + timeout
  require "tcplua.packet" -- which raw_packet makes
  while true do
    local packet, err = self:raw_packet()
    if packet then return packet, packet.time, packet.direction end
    if err then return nil, err end -- the link is gone
    if not task.wait(self, deadline, "a frame") then return nil, timed_out("frame", timeout) end
  end
end

--- A link for whole frames on an interface. Fields: iface (default: that of -i), filter (BPF).
function net.link(options)
  return core.open_link(check.options(options))
end

-- The names stand here, the rest is loaded by the first script that sniffs.
local function sniffing() return require "tcplua.net.sniffer" end

--- Starts to capture: armed, filter included, when this returns. sniffer:recv([timeout]) gives one
-- packet, or start() collects in the background and stop() gives the list. Fields: iface (a name or
-- a list), filter (BPF), where, each, stop, keep, count, timeout, snaplen, buffer, promiscuous,
-- immediate, quiet, link: the manual of tcplua.net.sniffer says what they mean.
function net.sniffer(options) return sniffing().sniffer(options) end

--- Captures packets until `count` of them have come or `timeout` seconds (10) have passed, and
-- returns a list and a report { packets =, bytes =, matched =, dropped =, seconds = }. Fields:
-- those of net.sniffer.
function net.sniff(options) return sniffing().sniff(options) end

--- Counts frames without looking at them, and returns a report as net.sniff does. Fields: those of
-- net.sniffer but where, each, stop and keep.
function net.count(options) return sniffing().count(options) end

local function sr() return require "tcplua.net.sr" end

--- Sends packets and takes what answers: answered, unanswered, others, report. See tcplua.net.sr.
function net.sr(what, options) return sr().sr(what, options) end

--- Sends one packet: the answer, the round-trip time, and what else came.
function net.sr1(what, options) return sr().sr1(what, options) end

--- The same with frames.
function net.srp(what, options) return sr().srp(what, options) end

--- The same with one frame.
function net.srp1(what, options) return sr().srp1(what, options) end

--- A filter in libpcap's language, for packets from anywhere: filter:matches(packet).
function net.filter(expression)
  return require "tcplua.capture".filter(expression)
end

--- How many datagrams have come, by what was made of them: "fine", "bad checksum", …
net.verdicts = core.verdicts

--- What becomes of IP fragments that a link hands over: "reassemble" (the default, as in Linux:
-- 30 s and 256 KiB for those that are not whole, RFC 791, 5722, 8200), or "refuse". Behind raw
-- sockets, that is with a source address of this host, its kernel has put them together already.
net.fragments = core.fragments

--- Two links in memory, joined: what is sent into one comes out of the other. Fields: medium ("ip",
-- "eth"), mtu, seed, loss, duplicate, reorder, corrupt (probabilities), delay, jitter (seconds).
net.pair = core.pair

--- The interfaces of this host, or of the lab: a list of { name, index, mac, mtu, up, running,
-- loopback, addresses = { "192.0.2.1/24", … } }.
net.interfaces = core.interfaces

--- One interface by its name.
net.interface = core.interface

--- The routing table: a list of { dst, iface, src, via, mtu, … }.
net.routes = core.routes

--- Where a datagram to `dst` (from `src`, if given) would go: a table like those of routes().
net.route = core.route

--- The neighbours (of interface `iface`): a list of { address, mac, iface, state = "reachable" }.
net.neighbours = core.neighbours

--- What is known of one neighbour: its address, and the interface if that matters.
net.neighbour = core.neighbour

--- Puts a link under a stack of its own with an address, so that connections can use it.
net.attach = core.attach

return net
