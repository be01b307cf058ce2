--- Which TCP ports of a host are open: a SYN to each, and a reset to those that answer it.
-- usage: tcplua scripts/port_scan.lua DST PORTS [RATE]
-- args: PORTS like 22,80,8000-8100; RATE in packets a second, 1000 if left out
local net, p = require "tcplua.net", require "tcplua.packet"

local dst, text, rate = ...
local ports = {}
for first, last in (text or ""):gmatch "(%d+)%-?(%d*)" do
  first, last = tonumber(first), tonumber(last ~= "" and last or first)
  for port = math.min(first, 65536), math.min(last, 65536) do ports[#ports + 1] = port end
end
rate = tonumber(rate or 1000)
if #ports == 0 or text:find "[^%d,-]" or math.max(table.unpack(ports)) > 65535 or not rate
  or rate <= 0 then
  io.stderr:write("usage: tcplua scripts/port_scan.lua DST PORTS [RATE]\n")
  os.exit(2)
end

local ip = dst:find(":", 1, true) and p.ip6 or p.ip
local syns = ip { dst = dst } / p.tcp { dport = p.list(ports), flags = "S" }
local answered, silent = assert(net.sr(syns, { rate = rate, retry = 1, timeout = 1 }))

local open, closed, refused = {}, 0, 0
for _, one in ipairs(answered) do
  local sent, reply = one.sent.tcp, one.answer.tcp
  if one.answer.icmp or one.answer.icmp6 then
    refused = refused + 1
  elseif reply.flags:find("S", 1, true) then
    open[#open + 1] = sent.dport
    local source = (one.sent.ip or one.sent.ip6).src
    net.send(ip { src = source, dst = dst }
      / p.tcp { sport = sent.sport, dport = sent.dport, seq = reply.ack, flags = "R" })
  else
    closed = closed + 1
  end
end
table.sort(open)
for _, port in ipairs(open) do print(port .. " open") end
print(("%d closed, %d silent, %d refused on the way"):format(closed, #silent, refused))
