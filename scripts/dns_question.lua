--- One question to a name server, and the records of its answer.
-- usage: tcplua scripts/dns_question.lua SERVER NAME [TYPE]
-- args: TYPE is a name or a number, A if left out; the exit status is 1 if the server says that
--       something is wrong
local net, p = require "tcplua.net", require "tcplua.packet"

local server, name, kind = ...
if not name then
  io.stderr:write("usage: tcplua scripts/dns_question.lua SERVER NAME [TYPE]\n")
  os.exit(2)
end

kind = tonumber(kind) or (kind or "A"):upper()
local good, question = pcall(p.dns, { questions = { { name = name, type = kind } } })
if not good then -- no such type, say
  io.stderr:write(question, "\n")
  os.exit(2)
end
local ip = (server:find(":", 1, true) and p.ip6 or p.ip) { dst = server }
local reply = assert(net.sr1(ip / p.udp { dport = 53 } / question, { timeout = 2, retry = 2 }))
if reply.icmp or reply.icmp6 then -- somebody says that there is no server; its dns is the question
  print(reply)
  os.exit(1)
end
local dns, message = reply.dns, reply:records()

local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  return table.concat(value, " ")
end

for _, section in ipairs { "answers", "authority", "additional" } do
  for _, record in ipairs(message[section]) do
    local parts = { record.name, record.ttl, show(record.class), show(record.type) }
    record.name, record.ttl, record.class, record.type = nil, nil, nil, nil
    for field, value in pairs(record) do parts[#parts + 1] = field .. " " .. show(value) end
    print(table.concat(parts, " "))
  end
end
if dns.tc == 1 then print("the answer is cut off; the rest is to be had over TCP") end
if dns.rcode ~= 0 then print("the server says: response code " .. dns.rcode) end
os.exit(dns.rcode == 0 and 0 or 1)
