--- tcplua.net.burst: what net.send and net.sendp do when there is more than one packet to send.
--
--     local set = p.ip { dst = "192.0.2.0/24" } / p.tcp { dport = 80, flags = "S" }
--     local report = assert(net.send(set, { rate = 1000 }))
--     print(report.sent, report.rate)
--
-- What is sent is a packet, a string of bytes, a set, or a list of these, in order. Options:
--
--     count     packets in all: what is sent is gone through again as often as it takes; math.huge
--               for as long as `timeout` allows. Default: everything once
--     rate      packets a second. Packet i is due at start + i / rate; what is late by more than
--               5 ms is not caught up. Default: as fast as the wire takes them
--     timeout   seconds, after which it ends
--     iface     the interface to leave by; at layer 3 that is by a packet socket
--     via       "packet", a packet socket, or "xdp", AF_XDP: faster, where the kernel has it (seen
--               by no capture on this host). Default: at layer 3 the wire that suits the source
--     link      a link object to send by
--
-- A report is { sent =, bytes =, seconds = (from the first packet to the last), rate = (packets a
-- second between them), refused = (packets that no wire took), why = (the error of the first of
-- these) }. If none went for such a reason, or the wire fails, it is the third value behind nil
-- and the error. Others work meanwhile: the loop has its turn every few milliseconds.
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"

local burst = {}

local KNOWN <const> = { count = true, rate = true, timeout = true, iface = true, via = true,
  link = true }

local function check_options(options)
  local count, rate = options.count, options.rate
  if count ~= math.huge then count = check.count("count", count) end
  if rate ~= nil and not (type(rate) == "number" and rate > 0 and rate < math.huge) then
    check.fail "rate: packets a second expected, a number above 0"
  end
  local via = options.via
  if via ~= nil and via ~= "packet" and via ~= "xdp" then
    check.fail "via: 'packet' or 'xdp' expected"
  end
  if options.link ~= nil and (via or options.iface) then
    check.fail "link: a link is a way of its own, without iface and via"
  end
  return count, rate, check.seconds("timeout", options.timeout)
end

-- Everything goes out once: that must have an end.
local function check_end(what, count, timeout)
  if timeout or count and count < math.huge then return end
  local endless = count == math.huge
  for _, item in ipairs(what) do
    endless = endless or core.is_set(item) and item:count() == math.huge
  end
  if endless then check.fail "what has no end needs a bound: count or timeout" end
end

local function open_link(layer, options)
  local link = options.link
  if layer == 3 then
    if not link then return nil end
    if link:medium() ~= "ip" then
      check.fail "link: its frames begin with an Ethernet header, use sendp"
    end
    return link
  end
  if link then return link end
  return core.open_sender { iface = options.iface, via = options.via }
end

-- Sends `what` at layer 2 or 3. Returns a report, or nil, an error and the report.
function burst.send(layer, what, options)
  options = check.options(options, KNOWN)
  what = type(what) == "table" and check.list("packets", what) or { what }
  local count, rate, timeout = check_options(options)
  check_end(what, count, timeout)
  local link, err = open_link(layer, options)
  if err then return nil, err end
  local own <close> = link ~= options.link and link or nil -- luacheck: ignore own
  local out <close> = core.burst {
    datagrams = not link, rate = rate, count = count, timeout = timeout,
    exact = options.via == "packet", xdp = options.via == "xdp", iface = options.iface,
  }
  for _, item in ipairs(what) do
    if not core.is_set(item) then check.packet(item) end
    local ok, why = out:add(item)
    if not ok then return nil, why end
  end
  while true do
    local due, why = out:step(link)
    if not due then
      local report = out:report()
      if not why and report.sent == 0 then why = report.why end
      if why then return nil, why, report end
      return report
    end
    task.wait(nil, due, "a burst of packets to end")
  end
end

return burst
