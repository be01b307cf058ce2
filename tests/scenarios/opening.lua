-- Opening: what a server answers to a SYN, and to what is none.
local expect = require "tcplua.expect"
local peer = require "peer"
local test = require "tcplua.test"

sut.model(peer.obey)

-- A connection on which nothing was sent yet.
local function unopened(row, port)
  return assert(sut.connect { family = row.family, mode = "manual", port = port })
end

it("acknowledges the number behind the SYN #ack_behind_syn", peer.both, function(row)
  local conn <close> = unopened(row)
  conn:inject { flags = "S" }
  conn:next { flags = "S.", seq = 0, len = 0, ack = 1 }
end)

it("refuses a SYN to a port where nobody listens #open_port_of_nobody", peer.both, function(row)
  local conn <close> = unopened(row, sut.port + 1)
  conn:inject { flags = "S" }
  conn:next { flags = "R.", seq = 0, len = 0, ack = 1 }
end)

it("counts the data of a SYN that it refuses #refusal_of_another_syn", peer.both, function(row)
  local conn <close> = unopened(row, sut.port + 1)
  conn:inject { flags = "S", data = "hello" }
  conn:next { flags = "R.", seq = 0, len = 0, ack = 6 }
end)

it("refuses an ACK where it only listens #deaf_to_stray_ack", peer.both, function(row)
  local conn <close> = unopened(row)
  conn:inject { flags = ".", ack = 4711 }
  conn:next { flags = "R", seq = 4711, len = 0 }
end)

it("repeats the SYN-ACK until it is acknowledged #syn_ack_once", function()
  local conn <close> = unopened {}
  conn:inject { flags = "S" }
  local first = conn:expect { flags = "S.", ack = 1 }
  conn:expect { flags = "S.", seq = 0, ack = 1, since = first, after = 0.8, within = 1.6 }
end)

it("waits twice as long before each SYN-ACK #syn_ack_no_backoff", function()
  local conn <close> = unopened {}
  conn:inject { flags = "S" }
  local list = {}
  for i = 1, 3 do list[i] = conn:expect { flags = "S.", timeout = 4 } end
  expect.doubling(list)
end)

it("answers a SYN that comes again with the same numbers #second_isn", peer.both, function(row)
  local conn <close> = unopened(row)
  conn:inject { flags = "S" }
  conn:expect { flags = "S.", seq = 0, ack = 1 }
  conn:inject { flags = "S", seq = 0 }
  conn:next { flags = "S.", seq = 0, ack = 1 }
end)

it("takes another ISN for each connection #isn_constant", function()
  local seen = {}
  for _ = 1, 3 do
    local conn <close> = unopened {}
    conn:inject { flags = "S" }
    local isn = conn:expect { flags = "S." }.tcp.seq
    test.falsy(seen[isn], "an earlier connection with this ISN")
    seen[isn] = true
  end
end)

it("refuses to open by an ACK of what it did not send #wrong_ack_opens", peer.both, function(row)
  local conn <close> = unopened(row)
  conn:inject { flags = "S" }
  conn:expect { flags = "S." }
  conn:inject { flags = ".", ack = 4711 }
  conn:next { flags = "R", seq = 4711, len = 0 }
end)

it("opens by data, where the ACK before it was lost #data_does_not_open", peer.both, function(row)
  local conn <close> = unopened(row)
  conn:inject { flags = "S" }
  conn:expect { flags = "S." }
  conn:inject { data = "say 5\n" }
  conn:expect { seq = 1, data = peer.said(5) }
end)

it("loses no data of a SYN #syn_with_data_unanswered", peer.both, function(row)
  local conn <close> = unopened(row)
  conn:inject { flags = "S", data = "say 5\n" }
  local taken = conn:expect({ flags = "S.", ack = expect.range(1, 7) }).ack - 1
  conn:inject { seq = 1 + taken, data = ("say 5\n"):sub(taken + 1) }
  conn:expect { seq = 1, data = peer.said(5) }
end)
