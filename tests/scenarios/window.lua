-- The window: a server sends what there is room for and no more, and finds out when there is again.
local expect = require "tcplua.expect"
local peer = require "peer"
local test = require "tcplua.test"

sut.model(peer.obey)

local QUIET <const> = 0.25 -- seconds; what is wrong comes at once

-- A connection by hand on which the peer has its commands, with a window for what it says.
local function ask(row, command, win)
  local conn = peer.open(row, { flags = "S", win = win, options = { mss = 1000 } })
  conn:ignore "pure_ack"
  conn:inject { data = command .. "\n", win = win }
  return conn
end

-- The same with a closed window. Nothing is ignored: a probe may be a pure ACK that looks back.
local function ask_in_vain(row, command)
  local conn = ask(row, command, 0)
  conn:ignore()
  conn:expect { flags = ".", len = 0, ack = #command + 2 }
  return conn
end

-- A probe has an old byte, the next one, or none (RFC 9293 3.8.6.1). When it comes hangs on the
-- round trip, which was as long as we took to answer the SYN-ACK.
local function probe(conn)
  return conn:next { seq = expect.range(0, 1), len = "<= 1", timeout = 5 }
end

it("sends nothing into a closed window #zero_window_ignored", peer.both, function(row)
  local conn <close> = ask(row, "say 1000; drain", 0)
  conn:none({ len = "> 1" }, QUIET)
end)

it("asks whether a window is still closed #no_window_probe", peer.both, function(row)
  local conn <close> = ask_in_vain(row, "say 1000; drain")
  probe(conn)
end)

it("asks twice as late each time #probe_without_backoff", function()
  local conn <close> = ask_in_vain({}, "say 1000; drain")
  expect.doubling { probe(conn), probe(conn), probe(conn) }
end)

it("goes on when the window opens #deaf_to_window_update", peer.both, function(row)
  local conn <close> = ask(row, "say 1000; drain", 0)
  conn:none({ len = "> 1" }, 0.05)
  conn:inject { win = 2000 }
  conn:expect { seq = expect.range(1, 2), len = "> 900", timeout = 1 }
end)

it("has lost nothing by its probes #byte_of_probe_lost", peer.both, function(row)
  local conn <close> = ask_in_vain(row, "say 1000; drain")
  probe(conn)
  conn:inject { win = 5000 }
  conn:mode "auto"
  local got = ""
  while #got < 1000 do got = got .. assert(conn:read(1000, 2)) end
  test.equal(got, peer.said(1000), "what it said")
end)

it("never goes beyond the window #beyond_window", peer.both, function(row)
  local conn <close> = ask(row, "say 9000; drain", 3000)
  conn:expect { seq = 1, len = 1000 }
  conn:none({ seq = "> 2001" }, QUIET)
end)

it("uses all of the window #window_left_unused", peer.both, function(row)
  local conn <close> = ask(row, "say 9000; drain", 5000)
  for seq = 1, 4001, 1000 do conn:expect { seq = seq, len = 1000, timeout = 1 } end
end)

it("does not fill a tiny window with a tiny segment #silly_window", peer.both, function(row)
  local conn <close> = ask(row, "say 9000; drain", 2000)
  conn:ignore("pure_ack", "retransmission") -- where we are slow
  conn:expect { seq = 1, len = 1000 }
  conn:expect { seq = 1001, len = 1000 }
  conn:inject { ack = 2001, win = 10 }
  conn:inject { ack = 2001, win = 2000 }
  conn:next { seq = 2001, len = 1000 }
end)

it("goes by the new edge of a window that shrank #shrunk_edge_ignored", peer.both, function(row)
  local conn <close> = ask(row, "say 1000; read 1; say 1000; drain", 2000)
  conn:expect { seq = 1, len = 1000 }
  conn:inject { ack = 1001, data = "x", win = 0 }
  conn:none({ seq = "> 1000", len = "> 1" }, QUIET)
end)

it("outlives a window that shrank below what was sent #shrunk_window_fatal", peer.both,
  function(row)
    local conn <close> = ask(row, "say 9000; drain", 4000)
    conn:expect { seq = 3001, len = 1000 }
    conn:inject { ack = 1001, win = 500 }
    conn:inject { ack = 4001, win = 4000 }
    conn:expect { seq = 4001, len = 1000, timeout = 1 }
  end)

it("takes no window from an old ACK #window_of_old_ack", peer.both, function(row)
  local conn <close> = ask(row, "say 100; read 1; say 1000; drain", 2000)
  conn:expect { seq = 1, len = 100 }
  conn:inject { ack = 101, data = "x", win = 0 }
  conn:inject { ack = 1, win = 5000 }
  conn:none({ seq = "> 100", len = "> 1" }, QUIET)
end)
