-- A pair in memory beside real wires, on the machine's clock.
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"

t.test("frames arrive after their delay, and wake who waits for them", function()
  local near, far = net.pair { delay = 0.02 }
  task.spawn(function()
    local packet = assert(far:recv(5))
    assert(far:send(p.ip { src = packet.ip.dst, dst = packet.ip.src } / packet.payload))
  end)
  local begin = task.now()
  assert(near:send(p.ip { src = "192.0.2.1", dst = "192.0.2.9" } / "x"))
  t.equal(assert(near:recv(5)).payload, "x", "payload")
  t.within(task.now() - begin, 0.04, 2, "seconds")
end)

t.done()
