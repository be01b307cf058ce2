-- Builds and reads packets, COUNT of each, with "packet" (tcplua) or "plain" (memory_plain.c):
-- see memory.lua.
local module, count = ...
count = math.tointeger(tonumber(count))

local build, read
if module == "plain" then
  local plain = require "plain"
  function build(i)
    return plain.build { src = "192.0.2.1", dst = "198.51.100.2", ttl = 61, sport = 40000,
      dport = 80, seq = i, ack = 7, flags = "S." }
  end
  function read(bytes)
    local packet = plain.parse(bytes)
    return packet.src, packet.ttl, packet.dport, packet.seq, packet.flags
  end
else
  local p = require "tcplua.packet"
  function build(i)
    local packet = p.ip { src = "192.0.2.1", dst = "198.51.100.2", ttl = 61 }
      / p.tcp { sport = 40000, dport = 80, seq = i, ack = 7, flags = "S." }
    return packet:bytes()
  end
  function read(bytes)
    local packet = p.parse(bytes)
    local ip, tcp = packet.ip, packet.tcp
    return ip.src, ip.ttl, tcp.dport, tcp.seq, tcp.flags
  end
end

local bytes = build(1)
-- The same with 20 bytes of options: mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7.
local long = "\x45\x00\x00\x3c\x00\x01\x00\x00\x3d\x06\x00\x00" .. bytes:sub(13, 32) .. "\xa0"
  .. bytes:sub(34, 36) .. "\0\0\0\0" .. "\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\2\1\3\3\7"

local function measure(name, work, argument, result)
  local start = os.clock()
  for i = 1, count do work(argument or i) end
  print(("%s %.1f %s"):format(name, (os.clock() - start) / count * 1e9, result))
end

local function hex(packet)
  return (packet:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

measure("build", build, nil, hex(bytes) .. " " .. hex(build(0x12345678)))
measure("read", read, long, table.concat({ read(long) }, " "))
