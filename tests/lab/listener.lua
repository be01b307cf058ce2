-- A listener on this host's own address, both ends ours.
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LOOP, PORT = "127.0.0.1", 7777

t.test("a connection outlives its listener, and the kernel goes on being quiet", function()
  local listener = assert(tcp.listen { addr = LOOP, port = PORT })
  local client = task.spawn(function()
    local conn = assert(tcp.connect { dst = LOOP, port = PORT, timeout = 5 })
    assert(conn:send("first\n"))
    local answer = assert(conn:read_line { timeout = 5 })
    assert(conn:close(5))
    return answer
  end)
  local conn <close> = assert(listener:accept(5))
  listener:close()
  t.equal(assert(conn:read_line { timeout = 5 }), "first\n", "line")
  assert(conn:send("second\n"))
  assert(conn:passive_close(5))
  t.equal(client:join(), "second\n", "answer")
end)

t.done()
