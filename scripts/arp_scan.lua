--- Who is on this network: an ARP request for every address of a prefix.
-- usage: tcplua scripts/arp_scan.lua PREFIX [IFACE]
-- args: PREFIX like 192.0.2.0/24; IFACE is the one on the way there if left out
local net, p = require "tcplua.net", require "tcplua.packet"

local prefix, iface = ...
if not prefix then
  io.stderr:write("usage: tcplua scripts/arp_scan.lua PREFIX [IFACE]\n")
  os.exit(2)
end

-- The field takes a prefix and stands for each address of it; the rest of the frame is filled in.
local hosts, silent = assert(net.srp(p.arp { tpa = prefix },
  { iface = iface, rate = 1000, retry = 1, timeout = 1 }))
for _, one in ipairs(hosts) do
  local arp = one.answer.arp
  print(("%-15s  %s  %.3f ms"):format(arp.spa, arp.sha, 1000 * one.rtt))
end
print(("%d hosts, %d addresses without an answer"):format(#hosts, #silent))
