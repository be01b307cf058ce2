--- What hooks cost: the same transfer in a simulation with hooks on every segment, and without.
-- usage: tcplua tests/bench/hooks.lua ROUNDS MIB
--
-- Both directions have a hook, which looks at one field and lets the segment go on. With "burst" a
-- window of segments comes at once, on a path without a rate; with "paced" each comes by itself.
-- The figures are CPU time of this process by the segment that a hook has seen: the medians of
-- ROUNDS runs in turn, each with the same seed. It fails for wrong results, never for a slow one.
local sim, task, tcp = require "tcplua.sim", require "tcplua.task", require "tcplua.tcp"
require "tcplua.tcp.puppet" -- what the first hook would load

local rounds, mib = ...
rounds, mib = math.tointeger(rounds), math.tointeger(mib)
if not rounds or not mib then
  io.stderr:write "usage: tcplua tests/bench/hooks.lua ROUNDS MIB\n"
  os.exit(2)
end

local PIECE <const> = ("x"):rep(65536)

-- Seconds of CPU time, the segments on the wire, and how many of them the hooks saw.
local function transfer(path, hooked)
  local net <close> = sim.network(path)
  net:host "192.0.2.1"
  net:host "192.0.2.2"
  local listener = assert(tcp.listen { addr = "192.0.2.2", port = 80 })
  local server = task.spawn(function()
    local conn <close> = assert(listener:accept())
    local got = 0
    while true do
      local data = conn:read()
      if not data then return got end
      got = got + #data
    end
  end)
  local seen = 0
  local function hook(s)
    if s.direction then seen = seen + 1 end
  end
  local conn = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
  if hooked then
    conn:on_send(hook)
    conn:on_receive(hook)
  end
  collectgarbage()
  local before = os.clock()
  for _ = 1, mib * 16 do assert(conn:send(PIECE)) end
  conn:shutdown()
  assert(server:join() == mib << 20)
  local info = conn:info()
  local used = os.clock() - before
  conn:abort()
  return used, info.segs_in + info.segs_out, seen
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

for _, row in ipairs {
  { "burst", { seed = 7, delay = 0.005 } },
  { "paced", { seed = 7, delay = 0.005, rate = 100e6 } },
} do
  local bare, bent, segments, seen = {}, {}, nil, nil
  for i = 1, rounds do
    local count, again
    bare[i], count = transfer(row[2], false)
    bent[i], segments, seen = transfer(row[2], true)
    again = math.abs(segments - count) <= count // 100
    assert(again and seen >= segments - 10, "the hooks have changed the transfer")
  end
  local without, with = median(bare) / segments * 1e6, median(bent) / segments * 1e6
  print(("hooks %-6s %.2f us a segment without, %.2f with: %.2f more (%d segments, medians of %d)")
    :format(row[1], without, with, with - without, seen, rounds))
end
