--- The routers on the way to a host: each is the one at which a hop limit ran out.
-- usage: tcplua scripts/traceroute.lua [icmp|udp|tcp] DST [PORT]
-- args: PORT is 33434 for udp and 80 for tcp if left out; status 1 if the host does not answer
local net, p = require "tcplua.net", require "tcplua.packet"

local args = { ... }
local kind = ({ icmp = 1, udp = 1, tcp = 1 })[args[1]] and table.remove(args, 1) or "icmp"
local dst, port = args[1], math.tointeger(tonumber(args[2] or kind == "tcp" and 80 or 33434))
if not dst or not port or port < 1 or port > 65000 or #args > 2 then
  io.stderr:write("usage: tcplua scripts/traceroute.lua [icmp|udp|tcp] DST [PORT]\n")
  os.exit(2)
end
local six = dst:find(":", 1, true)

-- A probe is known by what every router quotes: the first eight bytes behind the IP header.
local probe = {
  icmp = function(n) return (six and p.icmp6 or p.icmp) { id = 4711, seq = n } end,
  udp = function(n) return p.udp { dport = port + n } end,
  tcp = function(n) return p.tcp { dport = port, seq = n * 1000, flags = "S" } end,
}

for ttl = 1, 30 do
  local probes, line, last, arrived = {}, ("%2d "):format(ttl), nil, false
  for n = 1, 3 do
    probes[n] = (six and p.ip6 or p.ip) { dst = dst, ttl = ttl } / probe[kind](3 * ttl + n)
  end
  local answered, unanswered = assert(net.sr(probes, { timeout = 1 }))
  for _, one in ipairs(answered) do
    local ip, icmp = one.answer.ip or one.answer.ip6, one.answer.icmp or one.answer.icmp6
    if ip.src ~= last then line = line .. " " .. ip.src end
    line, last = ("%s %.3f ms"):format(line, 1000 * one.rtt), ip.src
    arrived = arrived or not icmp or icmp.type ~= (six and 3 or 11)
  end
  print(line .. (" *"):rep(#unanswered))
  if arrived then os.exit(0) end
end
os.exit(1)
