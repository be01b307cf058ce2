--- The largest packet that reaches a host in one piece: echo requests that nobody may fragment.
-- usage: tcplua scripts/mtu_probe.lua DST
-- args: a router that says "packet too big" names the next size; else it is searched by halves
local net, p = require "tcplua.net", require "tcplua.packet"

local dst = ...
if not dst then
  io.stderr:write("usage: tcplua scripts/mtu_probe.lua DST\n")
  os.exit(2)
end
local six = dst:find(":", 1, true)
local head = six and p.ip6 { dst = dst } / p.icmp6() or p.ip { dst = dst, flags = "DF" } / p.icmp()

-- Whether `size` bytes arrive; if not, the size that a router names, if one does.
local function arrives(size)
  local reply, err = net.sr1(head / ("x"):rep(size - #head), { timeout = 1, retry = 1 })
  if not reply and err.code ~= "ETIMEDOUT" and err.code ~= "EMSGSIZE" then error(err, 0) end
  local icmp = reply and (reply.icmp or reply.icmp6)
  if icmp and icmp.type == (six and 129 or 0) then return true end
  local too_big = icmp and icmp.type == (six and 2 or 3) and (six or icmp.code == 4)
  print(("%d is too big%s"):format(size, too_big and (", says %s: %d"):format(
    (reply.ip or reply.ip6).src, icmp.mtu) or ""))
  return false, too_big and icmp.mtu or nil
end

local good, bad = six and 1280 or 68, 65536 -- the least that every link carries, and too much
assert(arrives(good), "the host does not answer the smallest packet")
local named = assert(net.route(dst)).mtu
local size = named
while bad - good > 1 do
  if size <= good or size >= bad then size = (good + bad) // 2 end
  local ok, hint = arrives(size)
  if ok then
    good, size = size, size == named and size + 1 or 0 -- what was named is the limit, most likely
  else
    bad, named, size = size, hint, hint or 0
  end
end
print(("%d bytes reach %s in one piece"):format(good, dst))
