-- Urgent data: RFC 6093, by which it stays in line with the rest.
local expect = require "tcplua.expect"
local peer = require "peer"
local test = require "tcplua.test"

sut.model(peer.obey)

it("marks urgent data #urgent_unmarked", peer.both, function(row)
  local conn <close> = peer.talk(row, "urgent 5; drain")
  conn:expect { seq = 1, data = peer.said(5), flags = "P.U" }
  conn:abort()
end)

it("points behind the last urgent byte #urgent_at_last_byte", peer.both, function(row)
  local conn <close> = peer.talk(row, "urgent 5; drain")
  conn:expect { seq = 1, data = peer.said(5), urg = 5 }
  conn:abort()
end)

it("hands on urgent data with the rest #urgent_byte_lost", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:inject { seq = at, flags = "P.U", urg = 3, data = "abc" }
  conn:inject { flags = "F." } -- whoever reads may stop at the urgent byte, and goes on
  local fin = conn:expect { flags = expect.one_of { "F.", "FP." } }
  test.equal(fin.seq + fin.len, 4, "the number of the FIN, behind the echo")
end)

it("does not wait for urgent data that was promised #urgent_awaited", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:ignore "pure_ack"
  conn:inject { seq = at, flags = "P.U", urg = 100, data = "abc" }
  conn:next { seq = 1, data = "abc", timeout = 1 }
  conn:abort()
end)

it("looks at no pointer without the flag #urgent_without_flag", peer.both, function(row)
  local conn <close>, at = peer.reading(row, "echo")
  conn:ignore "pure_ack"
  conn:inject { seq = at, flags = "P.", urg = 2, data = "abc" }
  conn:next { seq = 1, data = "abc" }
  conn:abort()
end)
