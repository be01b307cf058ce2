-- Resets, and what somebody may send who guesses: RFC 9293 3.5.3 and 3.10.7.4, RFC 5961.
local peer = require "peer"

sut.model(peer.obey)

-- The connection is as it was: data is taken in and nothing else comes before its ACK.
local function lives(conn, at)
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 3 }
  conn:abort()
end

it("is ended by a reset with the next number #reset_ignored", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "R", seq = at }
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = "R", seq = 1, len = 0 }
end)

it("does not answer a reset #reset_answered", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "R", seq = at }
  conn:inject { flags = "R", seq = at }
  conn:inject { flags = ".", seq = at, ack = 4711 }
  conn:next { flags = "R", seq = 4711, len = 0 }
end)

it("asks back where a reset has not the next number #near_reset_ends", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "R", seq = at + 10 }
  conn:next { flags = ".", seq = 1, ack = at }
  lives(conn, at)
end)

it("ignores a reset from outside of its window #far_reset_ends", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "R", seq = at + 0x20000000 }
  lives(conn, at)
end)

it("ignores an old reset #old_reset_ends", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "R", seq = at - 1 }
  lives(conn, at)
end)

it("asks back where a SYN comes #syn_resets", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "S", seq = at, options = { mss = 1000 } }
  conn:next { flags = ".", seq = 1, ack = at }
  lives(conn, at)
end)

it("takes in no data with an ACK of what it has not sent #future_ack_taken", peer.both,
  function(row)
    local conn <close>, at = peer.reading(row, "echo")
    conn:ignore "pure_ack"
    conn:inject { seq = at, data = "abc", ack = 4711 }
    conn:inject { seq = at, data = "xyz" }
    conn:next { seq = 1, data = "xyz" }
    conn:abort()
  end)

it("asks back where data has an ACK from long ago #ancient_ack_taken", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  -- Linux looks closely where the window is another than before.
  conn:inject { seq = at, data = "xyz", ack = 1 - 0x10000000, win = 1000 }
  conn:next { flags = ".", seq = 1, ack = at }
  lives(conn, at)
end)

it("is reset before it is open #half_open_reset_ignored", peer.both, function(row)
  local conn <close> = assert(sut.connect { family = row.family, mode = "manual" })
  conn:inject { flags = "S" }
  conn:expect { flags = "S." }
  conn:inject { flags = "R", seq = 1 }
  conn:inject { flags = ".", seq = 1, ack = 1 }
  conn:next { flags = "R", seq = 1, len = 0 }
end)
