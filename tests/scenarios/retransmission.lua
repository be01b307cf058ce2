-- Retransmission: what a server sends again, when, and how much it has on its way.
--
-- Without SACK a server has no tail loss probe, and its timer is all there is behind its data.
local expect = require "tcplua.expect"
local peer = require "peer"

sut.model(peer.obey)

-- A connection by hand on which the peer has its commands. With an MSS of 1000 and no timestamps
-- segment n begins at 1000 * (n - 1) + 1.
local function ask(row, command, options, round_trip)
  local syn = { flags = "S", options = options or { mss = 1000 } }
  local conn = peer.open(row, syn, nil, round_trip)
  conn:ignore "pure_ack"
  conn:inject { data = command .. "\n", win = 65535 }
  return conn, #command + 2
end

local LONG <const> = 0.25 -- seconds: a round trip by which the peer's timer waits 0.75

local SACK <const> = { mss = 1000, sackOK = true }

-- Takes the first `count` segments.
local function take(conn, count)
  for i = 0, count - 1 do conn:expect { seq = 1000 * i + 1, len = 1000 } end
end

-- Acknowledges `count` segments one by one, so that the congestion window grows by each.
local function acknowledge(conn, count)
  for n = 1, count do conn:inject { ack = 1000 * n + 1, win = 65535 } end
end

-- After data from us, an ACK may count as news of the window: the first one here is no duplicate.
local function duplicate_acks(conn, ack, count)
  for _ = 0, count do conn:inject { ack = ack, win = 65535 } end
end

it("repeats the very bytes that were lost #other_data", peer.both, function(row)
  local conn <close> = ask(row, "say 100; drain")
  local first = conn:next { seq = 1, data = peer.said(100) }
  conn:next { seq = 1, data = first.data }
end)

it("repeats the right bytes in the middle of the stream #repeats_from_start", function()
  local conn <close> = ask({}, "set nodelay 1; say 10; read 1; say 10; drain", SACK)
  conn:expect { seq = 1, data = peer.said(10) }
  conn:inject { data = "x" }
  conn:expect { seq = 11, data = peer.said(10, 11) }
  conn:inject { ack = 11, win = 65535 }
  conn:expect { seq = 11, data = peer.said(10, 11), retransmission = true }
end)

it("waits 200 ms before it repeats #hasty_rto", peer.both, function(row)
  local conn <close> = ask(row, "say 100; drain")
  local first = conn:next { seq = 1, len = 100 }
  conn:next { seq = 1, retransmission = true, since = first, after = 0.18 }
end)

it("waits twice as long each time #rto_without_backoff", function()
  local conn <close> = ask({}, "say 100; drain")
  local list = {}
  for i = 1, 3 do list[i] = conn:next { seq = 1, len = 100, timeout = 6 } end
  expect.doubling(list)
end)

-- An ACK of what was sent twice tells no round trip (Karn): the time that came of waiting stays
-- until one does. It is 0.8 s at least here.
it("keeps its long time after a repeated segment was acknowledged #backoff_forgotten", peer.both,
  function(row)
    local conn <close> = ask(row, "say 100; read 1; say 100; drain")
    for _ = 1, 3 do conn:next { seq = 1, len = 100 } end
    conn:inject { data = "x", ack = 101, win = 65535 }
    local first = conn:expect { seq = 101, len = 100 }
    conn:next { seq = 101, len = 100, since = first, after = 0.6 }
  end)

it("does not repeat what was acknowledged #deaf_to_ack", function()
  local conn <close>, at = ask({}, "say 100; drain")
  conn:expect { seq = 1, len = 100 }
  conn:inject { ack = 101 }
  conn:ignore()
  conn:ignore "retransmission" -- where we are slow; what it sends after that ACK counts
  conn:inject { ack = 1, data = "x" }
  conn:expect { flags = ".", len = 0, ack = at + 1 }
  conn:ignore()
  conn:none({ len = "> 0" }, 0.3)
end)

it("repeats one segment when its time is up #go_back_all", function()
  local conn <close> = ask({}, "say 5000; drain")
  take(conn, 5)
  conn:next { seq = 1, len = 1000 }
  conn:next { seq = 1, len = 1000 } -- when its time is up once more
end)

it("repeats at once after three duplicate ACKs #no_fast_retransmit", peer.both, function(row)
  local conn <close> = ask(row, "say 5000; drain")
  take(conn, 5)
  duplicate_acks(conn, 1, 3)
  conn:expect { seq = 1, len = 1000, within = 0.18 }
end)

it("does not repeat at the first duplicate ACK #hasty_retransmit", peer.both, function(row)
  local conn <close> = ask(row, "say 5000; drain", nil, LONG)
  take(conn, 5)
  duplicate_acks(conn, 1, 1)
  conn:next { seq = 1, len = 1000, after = 0.1 } -- not at once, but when its time is up
end)

it("mends the next hole when part is acknowledged #partial_ack_ignored", peer.both, function(row)
  local conn <close> = ask(row, "say 7000; drain")
  take(conn, 7)
  duplicate_acks(conn, 1, 3)
  conn:expect { seq = 1, retransmission = true }
  conn:inject { ack = 2001, win = 65535 }
  conn:expect { seq = 2001, retransmission = true, within = 0.18 }
end)

it("repeats what SACK says is missing #sack_ignored", peer.both, function(row)
  local conn <close> = ask(row, "say 7000; drain", SACK, LONG)
  take(conn, 7)
  peer.sack(conn, 1, { 1001, 2001 })
  for last = 4001, 6001, 1000 do peer.sack(conn, 1, { 3001, last }, { 1001, 2001 }) end
  conn:expect({ seq = 1, retransmission = true }, { timeout = 0.5 })
  conn:expect({ seq = 2001, retransmission = true }, { timeout = 0.5 })
end)

it("does not repeat what SACK says has come #sacked_sent_again", peer.both, function(row)
  local conn <close> = ask(row, "say 7000; drain", SACK)
  take(conn, 7)
  for last = 3001, 6001, 1000 do peer.sack(conn, 1, { 1001, last }) end
  conn:expect { seq = 1, retransmission = true }
  conn:none({ seq = expect.range(1001, 5001), retransmission = true }, 0.15)
end)

it("probes for a loss at the tail with its last segment #no_tail_probe", peer.both, function(row)
  local conn <close> = ask(row, "say 2000; drain", SACK)
  take(conn, 2)
  conn:next { seq = 1001, len = 1000 }
end)

it("waits with more until some is acknowledged #no_congestion_window", peer.both, function(row)
  local conn <close> = ask(row, "say 30000; drain")
  take(conn, 10)
  conn:none({ seq = "> 10000" }, 0.15)
  acknowledge(conn, 1)
  conn:expect { seq = 10001, len = 1000 }
end)

-- How far slow start gets with ten ACKs depends on how the server gathers what it sends: to 13 at
-- least, to 20 at most.
it("has more on its way with each ACK #window_stands_still", peer.both, function(row)
  local conn <close> = ask(row, "say 60000; drain")
  take(conn, 10)
  acknowledge(conn, 10)
  conn:expect { seq = 22001, len = 1000, timeout = 0.5 }
end)

-- The number behind the last byte that has come.
local function behind_all(conn)
  local behind = 1
  for _, s in ipairs(conn:segments()) do
    if s.direction == "in" and s.len > 0 then behind = math.max(behind, s.seq + s.len) end
  end
  return behind
end

-- Half of the ten that were on their way (RFC 5681), seven tenths of them with CUBIC (RFC 9438).
it("has less on its way after a loss #window_kept_at_loss", peer.both, function(row)
  local conn <close> = ask(row, "set congestion reno; say 60000; drain", SACK)
  take(conn, 10)
  peer.sack(conn, 1, { 1001, 4001 })
  conn:expect { seq = 1, retransmission = true }
  local at = behind_all(conn)
  conn:inject { ack = at, win = 65535 }
  conn:expect { seq = at, len = 1000 }
  conn:none({ seq = "> " .. at + 7999 }, 0.15)
end)

it("ignores an ACK with an old timestamp #old_timestamp_taken", peer.both, function(row)
  local conn <close>, answer = peer.open(row, nil, nil, LONG)
  conn:ignore "pure_ack"
  local old = answer.options.ts[2] - 100000 & 0xffffffff
  conn:inject { data = "say 100; drain\n" }
  local first = conn:expect { seq = 1, data = peer.said(100) }
  conn:inject { ack = 101, options = { ts = { old, first.options.ts[1] } } }
  conn:expect { seq = 1, retransmission = true, timeout = 3 }
end)

it("ignores an ACK of what it did not send #ack_of_unsent_taken", peer.both, function(row)
  local conn <close> = ask(row, "say 100; drain", nil, LONG)
  conn:expect { seq = 1, len = 100 }
  conn:inject { ack = 5000 }
  conn:expect { seq = 1, len = 100, timeout = 3 }
end)
