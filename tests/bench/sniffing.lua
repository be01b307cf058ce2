-- How fast packets are sniffed, `cmake --build build --target bench`, inside the lab:
--
--     tcplua --lab sniffing.lua ROUNDS FRAMES BUILD_FOLDER PYTHON
--
-- In each round bench_frames sends FRAMES frames of 60 bytes from tap0 to srv0, once at 500,000 a
-- second and once as fast as one core can, to a Lua function called for each that reads a field;
-- then as fast to net.count, and to tcpdump -w /dev/null with the same buffer; and, where it is
-- installed, 5,000 frames to scapy. Everything shares the machine with the sender.
--
-- A line each: medians of the rate that was sent, of what part the kernel dropped, and of the
-- processor time per packet, with their least and greatest. It fails where frames vanish: what was
-- seen and what was dropped must be what was sent.
local net, task = require "tcplua.net", require "tcplua.task"

local rounds, frames, build, python = ...
rounds, frames = math.tointeger(rounds), math.tointeger(frames)
local sender = build .. "/tests/bench/bench_frames tap0 "
local FILTER <const> = "udp src port 4000"

local function shell(text)
  local pipe <close> = io.popen(text)
  return pipe:read "a"
end

-- One run of ours: a row { rate, dropped, cost }.
local function sniff(rate, each)
  local sniffer = assert(net.sniffer {
    iface = "srv0", filter = FILTER, quiet = true, each = each, keep = false,
  })
  local pipe <close> = io.popen(sender .. frames .. " " .. rate)
  local began = os.clock()
  sniffer:start()
  repeat
    local before = sniffer.matched + sniffer:drops()
    task.sleep(0.3)
  until before > 0 and sniffer.matched + sniffer:drops() == before
  local cost = os.clock() - began
  local _, report = assert(sniffer:stop())
  assert(report.packets + report.dropped == frames, "frames have vanished")
  return { frames / tonumber(pipe:read "a":match " (%S+)"), report.dropped / frames,
    cost / report.packets }
end

local function each()
  local low = 0
  return function(packet)
    if packet.udp.dport < 1024 then low = low + 1 end
  end
end

local function count()
  local pipe
  task.spawn(function() pipe = io.popen(sender .. frames) end)
  local began = os.clock()
  local report = assert(net.count { iface = "srv0", filter = FILTER, quiet = true,
    timeout = frames / 100000 + 1 })
  local cost = os.clock() - began
  assert(report.packets + report.dropped == frames, "frames have vanished")
  local text = pipe:read "a"
  pipe:close()
  return { frames / tonumber(text:match " (%S+)"), report.dropped / frames, cost / report.packets }
end

local function tcpdump()
  local text = shell(([[
    err=$(mktemp)
    tcpdump -Z root -n -i srv0 -B 32768 -w /dev/null '%s' 2>"$err" &
    until grep -q listening "$err"; do sleep 0.01; done
    %s%d
    sleep 0.5
    cat /proc/$!/stat | cut -d' ' -f14,15
    kill -INT $!; wait $!
    cat "$err"; rm "$err"]]):format(FILTER, sender, frames))
  local seconds, user, system = text:match "^%d+ (%S+)\n(%d+) (%d+)"
  local captured = tonumber(text:match "(%d+) packets captured")
  local dropped = tonumber(text:match "(%d+) packets dropped by kernel")
  return { frames / tonumber(seconds), dropped / frames, (user + system) / 100 / captured }
end

local function scapy()
  local text = shell(([[%s - <<'END' 2>&1
import subprocess, sys, time
sys.path.append("/usr/lib/python3/dist-packages")
from scapy.all import AsyncSniffer
low = 0
def each(packet):
    global low
    low += packet["UDP"].dport < 1024
s = AsyncSniffer(iface="srv0", filter="%s", prn=each, store=False,
                 started_callback=lambda: subprocess.Popen("%s5000 5000", shell=True, stdout=-3))
cpu = time.process_time()
s.start(); s.join(timeout=3); s.stop()
print("cost", (time.process_time() - cpu) / 5000)
END]]):format(python, FILTER, sender))
  local cost = tonumber(text:match "cost (%S+)")
  return cost and { 5000, 0, cost }
end

local rows = {
  { "each at 500,000/s", function() return sniff(500000, each()) end },
  { "each, as fast as can be", function() return sniff(0, each()) end },
  { "count, as fast as can be", count },
  { "tcpdump -w /dev/null", tcpdump, have = "command -v tcpdump" },
  { "scapy", scapy, have = python .. " -c 'import sys; "
    .. "sys.path.append(\"/usr/lib/python3/dist-packages\"); import scapy'" },
}

local results = {}
for i = 1, rounds do
  for j = 1, #rows do -- in another order each time
    local row = rows[(i + j) % #rows + 1]
    if not row.have or os.execute(row.have .. " >/dev/null 2>&1") then
      results[row] = results[row] or {}
      table.insert(results[row], row[2]())
    end
  end
end

local function median(list, column, scale)
  local values = {}
  for i, one in ipairs(list) do values[i] = one[column] * scale end
  table.sort(values)
  return values[(#values + 1) // 2], values[1], values[#values]
end

print(("%-26s %28s %26s %26s"):format("", "sent, 1,000/s", "dropped, %", "processor, ns/packet"))
for _, row in ipairs(rows) do
  local list = results[row]
  if list and list[1] then
    local rate, slowest, fastest = median(list, 1, 1e-3)
    local dropped, fewest, most = median(list, 2, 100)
    local cost, least, greatest = median(list, 3, 1e9)
    print(("%-26s %10.0f (%6.0f..%6.0f) %12.1f (%4.1f..%4.1f) %12.0f (%5.0f..%5.0f)"):format(row[1],
      rate, slowest, fastest, dropped, fewest, most, cost, least, greatest))
  end
end
