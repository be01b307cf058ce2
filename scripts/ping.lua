--- Echo requests, one a second, and how long each answer took.
-- usage: tcplua scripts/ping.lua DST [COUNT]
-- args: COUNT is 4 if left out; the exit status is 1 if nothing answered
local net, p = require "tcplua.net", require "tcplua.packet"
local task = require "tcplua.task"

local dst, count = ...
count = math.tointeger(tonumber(count or 4))
if not dst or not count or count < 1 then
  io.stderr:write("usage: tcplua scripts/ping.lua DST [COUNT]\n")
  os.exit(2)
end

local six = dst:find(":", 1, true)
local request = (six and p.ip6 or p.ip) { dst = dst }
  / (six and p.icmp6 or p.icmp) { id = math.random(1, 65535) } / ("x"):rep(56)
local echo = request.icmp or request.icmp6

local answered = 0
for seq = 1, count do
  local due = task.now() + 1
  echo.seq = seq
  local reply, rtt = net.sr1(request, { timeout = 1 })
  if not reply then
    print(rtt) -- the error says what was missing
  elseif (reply.icmp or reply.icmp6).seq ~= seq then
    print(reply) -- somebody on the way says why not
  else
    local ip = reply.ip or reply.ip6
    print(("%d bytes from %s: seq %d, ttl %d, %.3f ms"):format(8 + #reply.payload, ip.src, seq,
      ip.ttl, 1000 * rtt))
    answered = answered + 1
  end
  if seq < count then task.sleep(due - task.now()) end
end
print(("%d sent, %d answered"):format(count, answered))
os.exit(answered > 0 and 0 or 1)
