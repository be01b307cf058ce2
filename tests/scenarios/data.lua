-- Data: what a server acknowledges, what it hands to its program, and how it cuts what it sends.
local expect = require "tcplua.expect"
local peer = require "peer"
local task = require "tcplua.task"
local test = require "tcplua.test"

sut.model(peer.obey)

-- --- order ---------------------------------------------------------------------------------------

it("hands on data in the order of its numbers #arrival_order", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:ignore "pure_ack"
  conn:inject { seq = at + 3, data = "def" }
  conn:inject { seq = at, data = "abc" }
  conn:next { seq = 1, data = "abcdef" }
end)

it("hands on what overlaps once #overlap_twice", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:ignore "pure_ack"
  conn:inject { seq = at, data = "abcd" }
  conn:next { seq = 1, data = "abcd" }
  conn:inject { seq = at + 2, data = "cdef" }
  conn:next { seq = 5, data = "ef" }
end)

it("hands on what comes again once #old_data_taken", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:inject { seq = at, data = "abc" }
  conn:expect { seq = 1, data = "abc" }
  conn:inject { seq = at, data = "abc" }
  conn:inject { seq = at + 3, data = "def" }
  conn:expect { len = "> 0", seq = 4, data = "def" }
end)

-- --- acknowledgements ----------------------------------------------------------------------------

it("acknowledges what comes again #old_data_unacknowledged", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 3 }
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 3 }
end)

it("acknowledges at once what lies behind a gap #gap_unanswered", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  for i = 1, 3 do -- three tell the sender to send the gap again (RFC 5681 3.2)
    conn:inject { seq = at + 3 * i, data = "xyz" }
    conn:next { flags = ".", ack = at }
  end
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 12 }
end)

it("acknowledges two full segments within half a second #acks_too_seldom", peer.both, function(row)
  local FULL <const> = ("x"):rep(1400)
  local conn <close>, at = peer.reading(row, "drain")
  for _ = 1, 12 do -- it may be in more of a hurry at first
    conn:inject { seq = at, data = FULL }
    conn:inject { seq = at + #FULL, data = FULL }
    at = at + 2 * #FULL
    conn:expect { flags = ".", ack = at, within = 0.5 } -- RFC 9293 3.8.6.3
  end
end)

-- --- selective acknowledgements ------------------------------------------------------------------

it("says which data lies behind a gap #sack_blocks_off_by_one", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at + 3, data = "def" }
  conn:next { ack = at, options = { sack = { { at + 3, at + 6 } } } }
  conn:abort()
end)

it("names the newest block first, and the others again #sack_oldest_first", peer.both,
  function(row)
    local conn <close>, at = peer.reading(row, "drain")
    conn:inject { seq = at + 3, data = "def" }
    conn:inject { seq = at + 9, data = "jkl" }
    conn:expect { ack = at, options = { sack = { { at + 9, at + 12 }, { at + 3, at + 6 } } } }
    conn:abort()
  end)

it("says which data came twice #dsack_missing", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 3 }
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 3, options = { sack = { { at, at + 3 } } } }
end)

-- --- what must not be taken in -------------------------------------------------------------------

it("takes in nothing from beyond its window #window_unwatched", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at + 0x10000000, data = "abc" }
  conn:next { flags = ".", len = 0, ack = at, options = { sack = expect.absent } }
end)

it("takes in nothing with a wrong checksum #checksum_unread", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at, data = "bad", checksum = 0xbad }
  conn:inject { seq = at + 3, data = "good" }
  conn:next { flags = ".", ack = at }
  conn:abort()
end)

it("takes in nothing with a header that is too short #header_length_unread", peer.both,
  function(row)
    local conn <close>, at = peer.reading(row, "drain")
    conn:inject { seq = at, data = "bad", offset = 4 }
    conn:inject { seq = at + 3, data = "good" }
    conn:next { flags = ".", ack = at }
    conn:abort()
  end)

it("takes in no data without an ACK #data_without_ack", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at, data = "bad", flags = "P" }
  conn:inject { seq = at + 3, data = "good" }
  conn:next { flags = ".", ack = at }
  conn:abort()
end)

it("does not mind reserved bits #reserved_bits_refused", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at, data = "abc", reserved = 7 }
  conn:next { flags = ".", ack = at + 3 }
end)

-- --- sending -------------------------------------------------------------------------------------

it("holds a small segment back while one is outstanding #small_segments", peer.both, function(row)
  local conn <close> = peer.open(row)
  conn:send "say 5; wait 5; say 5; drain\n"
  local first = conn:expect { seq = 1, len = 5 }
  task.sleep(0.18) -- a little later a tail loss probe may take it along
  conn:inject { flags = "." }
  conn:expect { seq = 6, len = 5, since = first, after = 0.18 }
end)

it("pushes the end of what it was given #push_missing", peer.both, function(row)
  local conn <close> = peer.talk(row, "say 2500", { mss = 1000, timestamps = false })
  conn:expect { seq = 2001, len = 500, flags = expect.one_of { "P.", "FP." } }
end)

it("sends the very bytes, in order and without a gap #bytes_repeated", peer.both, function(row)
  local conn <close> = peer.talk(row, "say 20000; shutdown; drain", { mode = "auto" })
  test.equal(conn:read_all(), peer.said(20000), "the stream")
end)

it("begins with ten segments at most #initial_window_too_large", peer.both, function(row)
  local conn <close> = peer.open(row, { flags = "S", options = { mss = 1000 } })
  conn:send "say 30000\n"
  conn:expect { seq = 1, len = 1000 }
  conn:none({ seq = "> 10000", len = "> 0" }, 0.2)
end)
