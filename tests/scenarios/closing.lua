-- Closing: FINs in either direction, and ends that are none.
local expect = require "tcplua.expect"
local peer = require "peer"
local test = require "tcplua.test"

sut.model(peer.obey)

-- --- our FIN -------------------------------------------------------------------------------------

it("acknowledges a FIN #fin_unacknowledged", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "F.", seq = at }
  conn:expect { ack = at + 1, timeout = 1 }
end)

it("closes when its program does #fin_missing", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "F.", seq = at }
  conn:expect { flags = "F.", seq = 1, ack = at + 1, timeout = 1 }
end)

it("takes in the data that comes with a FIN #fin_without_its_data", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:inject { flags = "F.", seq = at, data = "abc" }
  conn:ignore "pure_ack"
  conn:next { seq = 1, data = "abc", ack = at + 4 }
end)

it("waits for what is before a FIN #fin_too_soon", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "F.", seq = at + 3 }
  conn:next { flags = ".", ack = at }
  conn:inject { seq = at, data = "abc" }
  conn:expect { flags = "F.", seq = 1, ack = at + 4 }
end)

it("goes on sending after our FIN #mute_after_fin", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain; say 5")
  conn:inject { flags = "F.", seq = at }
  conn:expect { seq = 1, data = peer.said(5), ack = at + 1 }
end)

it("takes no FIN without an ACK #fin_without_ack", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "drain")
  conn:inject { flags = "F", seq = at }
  conn:inject { seq = at, data = "abc" }
  conn:next { flags = ".", ack = at + 3 }
  conn:abort()
end)

-- --- its FIN -------------------------------------------------------------------------------------

it("repeats its FIN until it is acknowledged #fin_once", peer.both, function(row)
  local conn <close> = peer.open(row)
  conn:send "wait 0\n"
  local first = conn:expect { flags = "F.", seq = 1 }
  conn:expect { flags = "F.", seq = 1, since = first, after = 0.15, timeout = 3 }
end)

it("gives its FIN the number behind its data #fin_over_data", peer.both, function(row)
  local conn <close> = peer.talk(row, "say 5; shutdown; drain")
  local fin = conn:expect { flags = expect.one_of { "F.", "FP." } } -- the data may be with it
  test.equal(fin.seq + fin.len, 6, "the number of the FIN")
end)

it("goes on reading after its FIN #deaf_after_fin", peer.both, function(row)
  local conn <close>, at = peer.talk(row, "shutdown; drain")
  conn:expect { flags = "F.", seq = 1 }
  conn:inject { seq = at, data = "abc" }
  conn:expect { flags = ".", seq = 2, ack = at + 3 }
end)

it("acknowledges a FIN that crosses its own #crossing_fin", peer.both, function(row)
  local conn <close> = peer.open(row)
  local command <const> = "shutdown; drain"
  conn:send(command .. "\n")
  conn:expect { flags = "F.", seq = 1 }
  conn:inject { flags = "F.", ack = 1 }
  conn:expect { flags = ".", seq = 2, ack = #command + 3, timeout = 1 }
end)

it("acknowledges the last FIN again #time_wait_deaf", peer.both, function(row)
  local conn <close>, at = peer.talk(row, "shutdown; drain; wait 3000")
  conn:expect { flags = "F.", seq = 1 }
  conn:inject { flags = "F.", seq = at }
  conn:expect { flags = ".", seq = 2, ack = at + 1 }
  conn:inject { flags = "F.", seq = at }
  conn:expect { flags = ".", seq = 2, ack = at + 1 }
end)

it("does not leave TIME-WAIT for an old reset #time_wait_assassinated", peer.both, function(row)
  local conn <close>, at = peer.talk(row, "shutdown; drain; wait 3000")
  conn:expect { flags = "F.", seq = 1 }
  conn:inject { flags = "F.", seq = at }
  conn:expect { flags = ".", seq = 2, ack = at + 1 }
  conn:inject { flags = "R", seq = at }
  conn:inject { flags = "F.", seq = at }
  conn:expect { flags = ".", seq = 2, ack = at + 1 }
end)

it("opens anew from TIME-WAIT #time_wait_holds", peer.both, function(row)
  local old <close>, at = peer.talk(row, "shutdown; drain; wait 3000")
  old:expect { flags = "F.", seq = 1 }
  old:inject { flags = "F.", seq = at }
  old:expect { flags = ".", seq = 2, ack = at + 1 }
  local sport <const> = old:info().sport
  old:close()
  local conn <close> = assert(sut.connect { family = row.family, mode = "manual", sport = sport })
  conn:inject { flags = "S" }
  conn:expect { flags = "S.", seq = 0, ack = 1 }
end)

-- --- ends by reset -------------------------------------------------------------------------------

it("resets where it closes over data that it has not read #unread_data_forgotten", peer.both,
  function(row)
    local conn <close>, at = peer.reading(row, "read 1")
    conn:inject { seq = at, data = "abc" }
    conn:ignore "pure_ack"
    conn:next { flags = "R.", seq = 1, ack = at + 3 }
  end)

it("aborts by a reset with the next number #abort_with_old_number", peer.both, function(row)
  local conn <close>, at = peer.talk(row, "say 5; abort")
  conn:expect { seq = 1, data = peer.said(5) }
  conn:expect { flags = "R.", seq = 6, ack = at }
end)

it("refuses data when nobody is there to read it #data_for_nobody", peer.both, function(row)
  local conn <close>, at = peer.talk(row, "wait 0")
  conn:expect { flags = "F.", seq = 1 }
  conn:inject { seq = at, data = "abc" }
  conn:expect { flags = expect.one_of { "R", "R." }, seq = 2, timeout = 1 }
end)
