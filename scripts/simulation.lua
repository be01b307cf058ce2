--- A transfer over a lossy path, in a simulated network: no other host, no rights, no waiting.
-- usage: tcplua [--seed N] scripts/simulation.lua [LOSS]
-- args: LOSS is a probability, 0.02 if left out
local sim, task, tcp = require "tcplua.sim", require "tcplua.task", require "tcplua.tcp"

local loss = tonumber((...) or 0.02)
if not loss then
  io.stderr:write("usage: tcplua [--seed N] scripts/simulation.lua [LOSS]\n")
  os.exit(2)
end

local net <close> = sim.network { delay = 0.02, rate = 10e6, loss = loss }
local client, server = net:host "192.0.2.1", net:host "192.0.2.2"
net:at(1, { delay = 0.2 })                                    -- a second on, the way is longer

local data = ("0123456789abcdef"):rep(65536)                  -- a MiB
local listener = assert(tcp.listen { addr = "192.0.2.2", port = 80 })
local serving = task.spawn(function()
  local conn <close> = assert(listener:accept())
  assert(conn:send(data))
  conn:shutdown()
  conn:read(1, 3600)                                          -- the client has closed as well
  return conn:info()
end)

local start = task.now()
local conn <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
local got = assert(conn:read_all(#data, 3600))
local seconds, mine = task.now() - start, conn:info()
assert(got == data, "what came is not what was sent")
assert(conn:close())
local info = serving:join()

local out, back = server.sending:counts(), client.sending:counts()
print(("%d bytes in %.2f simulated s: %.2f Mbit/s (seed %d)"):format(#got, seconds,
  #got * 8 / seconds / 1e6, net.seed))
print(("  %d segments out, %d of them lost; %d back, %d lost"):format(out.sent, out.lost, back.sent,
  back.lost))
print(("  %d sent again, %d queued out of order, round trip %.0f ms"):format(info.retransmits,
  mine.out_of_order, info.srtt * 1000))
