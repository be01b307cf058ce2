#!/bin/sh
# A socket whose buffer is full of what waits for neighbours that do not answer: it is said of every
# packet that has no room, and one silent neighbour does not take up all of it. Needs unshare and
# ip: hosts.inc.
# shellcheck source=tests/net/hosts.inc
. tests/net/hosts.inc

cat >"$folder/full.lua" <<'LUA'
local net, p = require "tcplua.net", require "tcplua.packet"
local silent = p.ip { dst = "192.168.56.77" } / p.tcp { dport = p.range(1, 2000), flags = "S" }
local answered, unanswered = assert(net.sr(silent, { timeout = 0.01 }))
assert(#answered == 0 and #unanswered == 2000)
assert(net.sr1(p.ip { dst = "192.168.56.1" } / p.icmp(), { timeout = 1 }))

-- Many silent ones do. What the kernel has no room for is counted, and left to the caller.
local refused = 0
for i = 1, 20000 do
  local sent, err = net.send(p.ip { dst = ("192.168.56.%d"):format(100 + i % 100) }
    / p.udp { dport = 9 } / ("x"):rep(1000))
  if not sent then
    assert(err.code == "ENOBUFS", err)
    refused = refused + 1
  end
end
assert(refused > 0, "20 MB cannot have found room")
local _, _, _, report = net.sr(p.ip { dst = "192.168.56.100" } / p.icmp(), { timeout = 0.01 })
-- Unless this took so long that the kernel has given up on some of them meanwhile.
assert(report.sent == 1 or report.errors[1].error.code == "ENOBUFS")
LUA
"$TCPLUA" "$folder/full.lua" || fail "what has no room"
