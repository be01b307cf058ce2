-- ICMP: errors of routers about what a server has sent, true ones and guessed ones (RFC 5927).
local expect = require "tcplua.expect"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local peer = require "peer"
local test = require "tcplua.test"

sut.model(peer.obey)

local HEADERS <const> = 48 -- bytes that are quoted: ports and numbers are among them

-- The peer has sent `count` bytes that nobody has acknowledged, in manual. Returns the connection,
-- the first segment of them and the number of the next byte to send.
local function unacknowledged(row, count)
  local conn = peer.open(row)
  local command <const> = ("say %d; drain"):format(count)
  conn:send(command .. "\n")
  conn:ignore "pure_ack"
  return conn, conn:expect { seq = 1, len = "> 0" }, #command + 2
end

-- Sends an error about a segment; fields of ICMP in the family of the row.
local function complain(row, s, fields)
  local quoted <const> = s.packet:bytes():sub(1, HEADERS)
  if row.family == "ip6" then
    assert(net.send(p.ip6 { src = sut.src6, dst = sut.addr6 } / p.icmp6(fields) / quoted))
  else
    assert(net.send(p.ip { src = sut.src, dst = sut.addr } / p.icmp(fields) / quoted))
  end
end

-- The words for it in either family.
local function unreachable(row)
  return row.family == "ip6" and { type = 1, code = 4 } or { type = 3, code = 3 }
end

local function no_way(row)
  return row.family == "ip6" and { type = 1, code = 0 } or { type = 3, code = 1 }
end

local function too_big(row)
  return row.family == "ip6" and { type = 2, mtu = 1280 } or { type = 3, code = 4, mtu = 1000 }
end

local MOST <const> = { ip = 1000 - 40, ip6 = 1280 - 60 } -- bytes that fit

-- Data is taken in as before.
local function survives(row, fields)
  local conn <close>, first, at = unacknowledged(row, 5)
  complain(row, first, fields)
  conn:inject { seq = at, data = "abc" }
  conn:ignore()
  conn:expect { flags = ".", ack = at + 3 }
end

it("stays open though it is said to reach nobody #icmp_ends", peer.both, function(row)
  survives(row, unreachable(row))
end)

it("stays open where there is no way for a while #icmp_ends_softly", peer.both, function(row)
  survives(row, no_way(row))
end)

it("has no router cut its packets #cut_by_routers", function()
  local conn <close>, first = unacknowledged({ family = "ip" }, 1300)
  test.equal(first.ip.flags, "DF", "the flags of the IP header")
  conn:abort()
end)

it("believes no MTU from who does not know its numbers #icmp_believed", peer.both, function(row)
  local conn <close>, first = unacknowledged(row, 1300)
  local guessed = first:copy()
  guessed.tcp.seq = guessed.tcp.seq + 0x10000000
  complain(row, guessed, too_big(row))
  conn:expect { seq = 1, len = 1300 }
end)

it("sends no more at once than the path takes #path_mtu_ignored", peer.both, function(row)
  local conn <close>, first = unacknowledged(row, 1300)
  complain(row, first, too_big(row))
  conn:expect { seq = 1, len = expect.range(1, MOST[row.family]) }
end)
