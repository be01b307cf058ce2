--- Judges an echo server by what it puts on the wire.
-- usage: tcplua test --serve 'COMMAND' scripts/echo_test.lua
-- args: COMMAND listens on port $TCPLUA_PORT; or --server HOST:PORT says where one is, or
--       --network sim takes the one below
local lab, test = require "tcplua.lab", require "tcplua.test"

local both <const> = { matrix = { family = { "ip", "ip6" } } }

sut.model(function(conn)
  for data in function() return (conn:read()) end do conn:send(data) end
  conn:close()
end)

it("sends back what it gets", both, function(row)
  local conn <close> = assert(sut.connect { family = row.family })
  assert(conn:send "hello\n")
  test.equal(conn:read_line(), "hello\n")
end)

it("sends back all there is, though we have sent our FIN", both, function(row)
  local conn <close> = assert(sut.connect { family = row.family })
  local sent = ("0123456789"):rep(5000)
  assert(conn:send(sent))
  assert(conn:shutdown())
  test.equal(conn:read_all(), sent)
end)

it("keeps what it has acknowledged", both, function(row)
  local conn <close> = assert(sut.connect { family = row.family, mode = "assist" })
  conn:inject { data = "hello" }
  conn:expect { data = "hello" }
  conn:inject { seq = 1, data = "HELLO, you" }              -- the first five again, but others
  conn:expect { data = ", you" }
end)

it("waits while our window is closed", both, function(row)
  local conn <close> = assert(sut.connect { family = row.family, mode = "manual" })
  conn:inject { flags = "S" }
  conn:expect "S."
  conn:inject { data = "hello", win = 0 }
  conn:none({ len = "> 1" }, 0.15)                          -- one byte may be asked with
  conn:inject { win = 1000 }
  conn:expect { seq = expect.range(1, 2), data = expect.pattern "ello$" }
end)

it("has no SACK where its kernel is told so", function()
  if test.network ~= "lab" then skip "whose kernel it is, we do not know" end
  local before = assert(lab.sysctl "net.ipv4.tcp_sack")
  finally(function() lab.sysctl("net.ipv4.tcp_sack", before) end)
  assert(lab.sysctl("net.ipv4.tcp_sack", 0))
  local conn <close> = assert(sut.connect { mode = "manual" })
  conn:inject { flags = "S" }
  conn:expect { flags = "S.", options = { sackOK = expect.absent, mss = expect.any } }
end)
