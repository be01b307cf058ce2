-- One call that sends until it is ended: send.lua IFACE fixed|vary packet|xdp. The same frames as
-- send_loop.c.
local net, p = require "tcplua.net", require "tcplua.packet"
local iface, work, via = ...
local tcp = work == "vary" and { sport = p.random(1024, 61023), seq = p.random() }
  or { sport = 1024, seq = 0 }
tcp.dport, tcp.flags, tcp.win = 80, "S", 1024
local frame = p.eth { dst = "02:00:00:00:00:02", src = "02:00:00:00:00:01" }
  / p.ip { src = "192.0.2.1", dst = "192.0.2.3" } / p.tcp(tcp) / "\0\0\0\0\0\0"
local report, err = net.sendp(frame, { iface = iface, via = via, count = math.huge, timeout = 600 })
if not report then io.stderr:write(tostring(err), "\n") end
os.exit(report and 0 or 77)
