--- tcplua.dump: `tcplua dump`, a capture printed packet by packet.
--
-- A line is the time of day and then what tostring() gives, with numbers relative to the first
-- segment of each direction, as -v has them: a SYN is 0.
local capture = require "tcplua.capture"
local core = require "tcplua.core"
local p = require "tcplua.packet"

local dump = {}

local USAGE = [[
usage: tcplua dump [-n COUNT] [-v] [-x] FILE [filter]

Prints a pcap or pcapng file, a line for each packet, in tcpdump's words; FILE '-' is standard
input. The words of the filter are libpcap's: see pcap-filter(7).

  -n COUNT     end after so many packets
  -v           the tree of all fields, too; what is computed and wrong says so
  -x           the bytes, too, as text2pcap and Wireshark import them
  -h, --help   this text

exit status: 0 all printed, 1 the file is damaged or no capture, or nobody took the output,
2 wrong use, 4 the file cannot be read
]]

local function wrong(format, ...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = core.escape(word) end
  error(core.error { kind = "usage", code = "EINVAL",
    message = format:format(table.unpack(words)) .. "; 'tcplua dump --help' says how" }, 0)
end

local function read_count(text)
  local count = text and text:match "^%d+$" and math.tointeger(tonumber(text))
  if not count or count < 1 then wrong("-n takes a count from 1, not '%s'", text or "") end
  return count
end

-- The options, and the words behind them.
local function read_options(...)
  local words, options, i = { ... }, { count = math.huge }, 1
  while words[i] and words[i]:find "^%-." do
    local word = words[i]
    i = i + 1
    if word == "--" then break end
    local letters = word == "--help" and "h" or word:sub(2)
    while letters ~= "" do
      local letter = letters:sub(1, 1)
      letters = letters:sub(2)
      if letter == "n" then
        if letters == "" then letters, i = words[i], i + 1 end
        options.count, letters = read_count(letters), ""
      elseif letter == "v" or letter == "x" or letter == "h" then
        options[letter] = true
      else
        wrong("no option '%s'", word)
      end
    end
  end
  return options, table.move(words, i, #words, 1, {})
end

-- Remembers the first sequence number of each direction of a connection. Two generations, so that
-- a file of a million connections does not fill the memory: the older one is forgotten.
local function new_flows()
  local FLOWS <const> = 10000
  local young, old, count = {}, {}, 0
  local flows = {}

  function flows.get(key)
    local first = young[key]
    if not first and old[key] then
      first = old[key]
      flows.set(key, first)
    end
    return first
  end

  function flows.set(key, first)
    if not young[key] then count = count + 1 end
    if count > FLOWS then young, old, count = {}, young, 1 end
    young[key] = first
  end

  return flows
end

-- What to take off the numbers of a packet so that they are relative.
local function base_of(flows, packet)
  local tcp, ip = packet.tcp, packet.ip or packet.ip6
  local dport = tcp and tcp.flags and tcp.dport
  if not dport or not ip or packet.icmp or packet.icmp6 then return nil end
  local here, there = ip.src .. " " .. tcp.sport, ip.dst .. " " .. dport
  local mine, theirs = here .. " " .. there, there .. " " .. here
  local syn, rst = tcp.flags:find "S", tcp.flags:find "R"
  local first = flows.get(mine)
  if syn or not first and not rst then
    first = tcp.seq
    flows.set(mine, first)
  end
  return { seq = first, ack = flows.get(theirs) }
end

local function time_of(ns)
  return ("%s.%06d"):format(os.date("%H:%M:%S", ns // 1000000000), ns % 1000000000 // 1000)
end

function dump.main(...)
  local options, words = read_options(...)
  if options.h then
    io.stdout:write(USAGE)
    return
  end
  if not words[1] then wrong "no capture file" end
  local reader <close> = assert(capture.read(words[1], table.concat(words, " ", 2)))
  local flows, count = new_flows(), 0
  for packet, info in reader do
    local line
    if type(packet) == "string" then
      local linktype, name = reader:linktype()
      line = ("link type %d%s, length %d"):format(linktype, name and " (" .. name .. ")" or "",
        info.original)
      packet = p.parse(packet:sub(1, 1 << 20), "eth") -- for its bytes
    else
      line = packet:line(base_of(flows, packet))
      if options.v then line = line .. "\n" .. packet:tree():gsub("\n$", "") end
    end
    if options.x then line = line .. "\n" .. packet:hex():gsub("\n$", "") end
    if not io.stdout:write(time_of(info.ns), " ", line, "\n") then return end -- nobody reads it
    count = count + 1
    if count >= options.count then return end
  end
end

return dump
