--- What is in a capture: packets and bytes by protocol, and who sent the most.
-- usage: tcplua scripts/capture_stats.lua FILE [filter]
-- args: FILE is pcap or pcapng, or '-': tcpdump -w - | tcplua scripts/capture_stats.lua -
local capture = require "tcplua.capture"

local file, filter = ...
if not file then
  io.stderr:write("usage: tcplua scripts/capture_stats.lua FILE [filter]\n")
  os.exit(2)
end

local function count(counts, key, length)
  local row = counts[key] or { key = key, packets = 0, bytes = 0 }
  counts[key] = row
  row.packets, row.bytes = row.packets + 1, row.bytes + length
end

local function show(title, counts, most)
  local rows = {}
  for _, row in pairs(counts) do rows[#rows + 1] = row end
  table.sort(rows, function(a, b)
    if a.bytes ~= b.bytes then return a.bytes > b.bytes end
    return a.key < b.key
  end)
  print(("%-40s %10s %12s"):format(title, "packets", "bytes"))
  for i = 1, math.min(most, #rows) do
    print(("%-40s %10d %12d"):format(rows[i].key, rows[i].packets, rows[i].bytes))
  end
end

local protocols, senders = {}, {}
for packet, info in assert(capture.read(file, filter)) do
  local known = type(packet) ~= "string" -- else of a link type without a layer
  local ip = known and (packet.ip or packet.ip6)
  count(protocols, known and table.concat(packet:layers(), "/") or "unknown", info.original)
  count(senders, ip and ip.src or "not IP", info.original)
end
show("protocol", protocols, 20)
show("sender", senders, 10)
