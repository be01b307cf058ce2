--- tcplua.ladder: the exchange of one connection, drawn for a terminal.
--
--     192.0.2.1.40001                          192.0.2.2.9000
--            |                                        |
--     0.000  | S seq 0 win 64240 <mss 1460>  -------> |
--     0.001  | <-------  S. seq 0 ack 1 <mss 1460>    |
local p = require "tcplua.packet"

local ladder = {}

local WIDTH = 58

-- The first TCP flow in `frames`, as {{time, sent, kernel, packet}, …}.
local function flow_of(frames)
  local list, ports
  for _, frame in ipairs(frames) do
    local packet = p.parse(frame.bytes, frame.medium == "eth" and "eth" or nil)
    local tcp = packet.tcp
    if tcp then
      local here, there = tcp.sport, tcp.dport
      if not frame.sent then here, there = there, here end
      if not list then
        list, ports = {}, { here, there }
      end
      if ports[1] == here and ports[2] == there then
        list[#list + 1] = { time = frame.time, sent = frame.sent, kernel = frame.kernel,
          packet = packet }
      end
    end
  end
  return list or {}
end

-- Timestamps are in every segment and their values fill a line: it is enough to see them offered.
-- SACK blocks count from `base`, the first number of the side that they speak of.
local function options_text(tcp, base)
  local line = tostring(tcp.options or ""):gsub("{(%d+):(%d+)}", function(left, right)
    return ("{%d:%d}"):format((left - base) & 0xffffffff, (right - base) & 0xffffffff)
  end)
  if tcp.flags:find "S" then
    line = line:gsub("TS val %d+ ecr %d+", "TS")
  else
    line = line:gsub("TS val %d+ ecr %d+", ""):gsub("nop,", ""):gsub("^,", "")
  end
  return line ~= "" and (" <" .. line .. ">") or ""
end

-- One segment in tcpdump's words, numbers relative to the first of each side.
local function segment_text(segment, base)
  local tcp = segment.packet.tcp
  local mine, theirs = segment.sent and "out" or "in", segment.sent and "in" or "out"
  if not base[mine] then base[mine] = tcp.seq end
  local length = #segment.packet.payload
  local seq = (tcp.seq - base[mine]) & 0xffffffff
  local text = tostring(tcp.flags) .. " seq " .. seq .. (length > 0 and ":" .. seq + length or "")
  if tcp.flags:find("%.") and base[theirs] then
    text = text .. " ack " .. ((tcp.ack - base[theirs]) & 0xffffffff)
  end
  text = text .. options_text(tcp, base[theirs] or 0)
  return length > 0 and ("%s (%d)"):format(text, length) or text
end

--- The ladder of the first connection in `frames` (of core.frames) as a string.
function ladder.draw(frames)
  local segments = flow_of(frames)
  if #segments == 0 then return "no segment was seen\n" end
  local first = segments[1].packet
  local ip, tcp = first.ip or first.ip6, first.tcp
  local left, right = ip.src .. "." .. tcp.sport, ip.dst .. "." .. tcp.dport
  if not segments[1].sent then left, right = right, left end
  local lines = { ("%-8s%-" .. WIDTH .. "s%s"):format("", left, right) }
  local base = {}
  for _, segment in ipairs(segments) do
    local text = segment_text(segment, base)
    local dashes = ("-"):rep(math.max(3, WIDTH - #text - 6))
    local arrow = segment.sent and text .. " " .. dashes .. "> " or " <" .. dashes .. " " .. text
    lines[#lines + 1] = ("%7.3f |%-" .. WIDTH .. "s|%s"):format(
      segment.time - segments[1].time, " " .. arrow, segment.kernel and " by the kernel" or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

function ladder.main()
  io.stdout:write(ladder.draw(require "tcplua.core".frames()))
end

return ladder
