--- tcplua.packet.address: what an address, written as text, says of itself.
local p = require "tcplua.packet.core"

local address = {}

--- Whether it is 0.0.0.0, :: or 00:00:00:00:00:00.
function address.is_zero(text)
  return not text:find "[1-9a-f]"
end

--- Whether it is for many: IP multicast, 255.255.255.255, or an Ethernet address whose first byte
-- is odd.
function address.is_group(text)
  if not text:find(":", 1, true) then
    return tonumber(text:match "^%d+") // 16 == 14 or text == "255.255.255.255"
  elseif #text == 17 and text:find "^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$" then
    return tonumber(text:sub(2, 2), 16) & 1 == 1
  end
  return text:find "^ff%x%x:" ~= nil
end

-- An IP address as bytes.
local function bytes_of(text)
  if text:find(":", 1, true) then return p.ip6 { dst = text }.ip6:raw "dst" end
  return p.ip { dst = text }.ip:raw "dst"
end

--- The Ethernet address of a group (RFC 1112 6.4, RFC 2464 7).
function address.group_mac(group)
  if group == "255.255.255.255" then return "ff:ff:ff:ff:ff:ff" end
  local raw = bytes_of(group)
  if #raw == 16 then return ("33:33:%02x:%02x:%02x:%02x"):format(raw:byte(13, 16)) end
  local a, b, c = raw:byte(2, 4)
  return ("01:00:5e:%02x:%02x:%02x"):format(a & 0x7f, b, c)
end

--- The group that a neighbour solicitation for an address goes to (RFC 4291 2.7.1).
function address.solicited_node(text)
  return ("ff02::1:ff%02x:%02x%02x"):format(bytes_of(text):byte(14, 16))
end

return address
