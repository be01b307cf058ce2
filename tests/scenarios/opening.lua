-- Opening: what a server answers to a SYN, and to what is none.
local peer = require "peer"

sut.model(peer.obey)

it("acknowledges the number behind the SYN #ack_behind_syn", peer.both, function(row)
  local conn <close> = assert(sut.connect { family = row.family, mode = "manual" })
  conn:inject { flags = "S" }
  conn:next { flags = "S.", seq = 0, len = 0, ack = 1 }
end)

it("refuses a SYN to a port where nobody listens #open_port_of_nobody", peer.both, function(row)
  local conn <close> = assert(sut.connect { family = row.family, mode = "manual",
    port = sut.port + 1 })
  conn:inject { flags = "S" }
  conn:next { flags = "R.", seq = 0, len = 0, ack = 1 }
end)

it("repeats the SYN-ACK until it is acknowledged #syn_ack_once", function()
  local conn <close> = assert(sut.connect { mode = "manual" })
  conn:inject { flags = "S" }
  local first = conn:expect { flags = "S.", ack = 1 }
  conn:expect { flags = "S.", seq = 0, ack = 1, retransmission = true, after = 0.8, within = 1.6,
    since = first }
end)
