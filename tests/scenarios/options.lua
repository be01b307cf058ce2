-- Options: what a server offers, what it makes of ours, and what it says of unknown ones.
local expect = require "tcplua.expect"
local peer = require "peer"
local task = require "tcplua.task"
local test = require "tcplua.test"

sut.model(peer.obey)

local PLAIN <const> = { timestamps = false, sack = false, wscale = false }

-- --- MSS -----------------------------------------------------------------------------------------

it("says the MSS of its link #mss_unsaid", peer.both, function(row)
  local _ <close>, answer = peer.open(row)
  test.equal(answer.options.mss, row.family == "ip6" and 1440 or 1460, "MSS")
end)

it("sends no more at once than our MSS says #mss_ignored", peer.both, function(row)
  local conn <close> = peer.talk(row, "say 1200", { mss = 500, timestamps = false })
  conn:ignore "pure_ack"
  for _, seq in ipairs { 1, 501, 1001 } do conn:next { seq = seq, len = "<= 500" } end
end)

it("sends little at once where we say no MSS #mss_assumed", peer.both, function(row)
  local conn <close> = peer.open(row, { flags = "S", options = {} })
  conn:send "say 2000\n"
  conn:ignore "pure_ack"
  conn:next { seq = 1, len = expect.range(1, row.family == "ip6" and 1220 or 536) }
end)

-- --- what was not offered ------------------------------------------------------------------------

it("scales no window unless we do #wscale_unasked", peer.both, function(row)
  local _ <close>, answer = peer.open(row, { flags = "S", options = { mss = 1000, sackOK = true } })
  test.equal(answer.options.wscale, nil, "window scale")
end)

it("permits no SACK unless we do #sack_unasked", peer.both, function(row)
  local _ <close>, answer = peer.open(row, { flags = "S", options = { mss = 1000, wscale = 7 } })
  test.equal(answer.options.sackOK, nil, "SACK permitted")
end)

it("has no timestamps unless we have #timestamps_unasked", peer.both, function(row)
  local _ <close>, answer = peer.open(row, { flags = "S", options = { mss = 1000, wscale = 7 } })
  test.equal(answer.options.ts, nil, "timestamps")
end)

-- --- the window scale ----------------------------------------------------------------------------

it("applies the scale that we have offered to our window #wscale_applied_twice", peer.both,
  function(row)
    local conn <close> = assert(sut.connect { family = row.family, mode = "manual" })
    conn:inject { flags = "S", options = { mss = 1000, wscale = 6 } }
    conn:expect { flags = "S.", options = { wscale = expect.any } }
    conn:inject { data = "say 9000\n", win = 64 }
    conn:expect { seq = 3001, len = 1000 }
    conn:none({ seq = ">= 4097", len = "> 0" }, 0.2)
  end)

-- --- timestamps ----------------------------------------------------------------------------------

it("sends our timestamp back #timestamp_not_echoed", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  task.sleep(0.01) -- or it is that of the SYN
  local sent = conn:inject { seq = at, data = "abc" }
  conn:expect((". ack %d <TS val * ecr %d>"):format(at + 3, sent.options.ts[1]))
end)

it("has a timestamp clock that runs #timestamp_stands_still", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { seq = at, data = "abc" }
  local before = conn:expect { ack = at + 3 }
  task.sleep(0.05)
  conn:inject { seq = at + 3, data = "def" }
  local after = conn:expect { ack = at + 6 }
  test.within(after.options.ts[1] - before.options.ts[1], 1, 1000000, "ticks in 50 ms")
end)

it("has timestamps in all segments or in none #timestamp_left_out", peer.both, function(row)
  local conn <close> = peer.talk(row, "say 5; drain")
  conn:expect { data = peer.said(5), options = { ts = expect.any } }
end)

it("takes in no data with an old timestamp #paws_missing", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  local first = conn:inject { seq = at, data = "abc" }
  conn:expect { ack = at + 3 }
  local val, ecr = table.unpack(first.options.ts)
  conn:inject { seq = at + 3, data = "old", options = { ts = { val - 5000 & 0xffffffff, ecr } } }
  conn:next { flags = ".", len = 0, ack = at + 3 }
end)

-- --- options that nobody knows, or that are wrong ------------------------------------------------

it("passes over an option that it does not know #unknown_option_refused", peer.both, function(row)
  local conn <close> = peer.open(row, { flags = "S", options = { [253] = "new", mss = 1000 } })
  conn:inject { data = "say 5\n", options = { [253] = "newer" } }
  conn:expect { seq = 1, data = peer.said(5) }
end)

it("goes on after an option of no length #bad_option_length_hangs", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain", PLAIN)
  conn:inject { seq = at, data = "abc", options = "\xfd\x00\x01\x01" }
  conn:expect { flags = expect.one_of { ".", "R", "R." } } -- RFC 9293 3.1 leaves the choice
end)

-- --- Fast Open -----------------------------------------------------------------------------------

-- A cookie of the server's for us; the test is skipped if it has none.
local function ask_for_cookie(row)
  local conn <close>, answer = peer.open(row, { flags = "S", options = { mss = 1000, tfo = "" } })
  conn:ignore()
  if not answer.options.tfo then skip "the server does not do Fast Open" end
  return answer.options.tfo
end

local function open_with(row, cookie, data)
  local conn = assert(sut.connect { family = row.family, mode = "manual" })
  conn:inject { flags = "S", data = data, options = { mss = 1000, tfo = cookie } }
  return conn
end

it("takes the data of a SYN with its cookie #fast_open_data_refused", peer.both, function(row)
  local conn <close> = open_with(row, ask_for_cookie(row), "say 5\n")
  conn:expect { flags = "S.", ack = 7 }
  conn:expect { seq = 1, data = peer.said(5) }
end)

it("takes no data of a SYN with a forged cookie #fast_open_cookie_unread", peer.both, function(row)
  local cookie = ask_for_cookie(row)
  local conn <close> = open_with(row, ("x"):rep(#cookie), "say 5\n")
  conn:expect { flags = "S.", ack = 1 }
end)

-- --- ECN -----------------------------------------------------------------------------------------

it("agrees to ECN with ECE alone #ecn_flags_mirrored", peer.both, function(row)
  local conn <close> = assert(sut.connect { family = row.family, mode = "manual" })
  conn:inject { flags = "SEW" }
  conn:next { flags = expect.one_of { "S.E", "S." } }
end)

it("says that congestion was met until it is heard #congestion_unreported", function()
  local conn <close>, at = peer.reading({}, "drain", { ecn = true })
  conn:inject { seq = at, data = "abc", tos = 3 }
  conn:next { flags = ".E", ack = at + 3 }
  conn:inject { seq = at + 3, data = "def", flags = "P.W", tos = 2 }
  conn:next { flags = ".", ack = at + 6 }
end)
