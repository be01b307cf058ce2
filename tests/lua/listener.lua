--- Many clients at once: who waits in a listener's backlog, and who for a place in it.
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT, SERVER, PORT = "192.0.2.1", "192.0.2.66", 7000

-- The two ends; the near one is a link for packets by hand, or has an address of its own.
local function network(attach)
  local near, far = net.pair { delay = 0.001 }
  if attach then assert(net.attach(near, CLIENT)) end
  assert(net.attach(far, SERVER))
  return near
end

local function segment(fields)
  fields.dport = PORT
  return p.ip { src = CLIENT, dst = SERVER } / p.tcp(fields)
end

-- What comes within `seconds`, by the port that it is for.
local function answers(wire, seconds)
  local list = {}
  local deadline = task.now() + seconds
  while true do
    local packet = wire:recv(deadline - task.now())
    if not packet then return list end
    list[packet.tcp.dport] = packet
  end
end

t.test("a thousand clients in one moment and a backlog of 128: all are served", function()
  t.sim_only()
  network(true)
  local listener <close> = assert(tcp.listen { addr = SERVER, port = PORT, backlog = 128 })
  task.spawn(function()
    while true do
      local client = assert(listener:accept())
      task.spawn(function()
        local conn <close> = client
        assert(conn:send(assert(conn:read_line())))
        assert(conn:passive_close())
      end)
    end
  end)
  local clients = {}
  for i = 1, 1000 do
    clients[i] = task.spawn(function()
      local conn <close> = assert(tcp.connect { src = CLIENT, dst = SERVER, port = PORT })
      assert(conn:send(i .. "\n"))
      t.equal(assert(conn:read_line()), i .. "\n", "line")
    end)
  end
  for _, client in ipairs(clients) do client:join() end
  t.within(task.now(), 0, 10, "seconds")
end)

t.test("with the backlog full a handshake waits for its end: no reset, nothing lost", function()
  t.sim_only()
  local wire = network()
  local listener <close> = assert(tcp.listen { addr = SERVER, port = PORT, backlog = 2 })
  for sport = 1, 3 do assert(wire:send(segment { sport = sport, flags = "S", seq = 9 })) end
  local synacks = answers(wire, 0.5)
  for sport = 1, 3 do
    t.equal(synacks[sport].tcp.flags, "S.", "answer to the SYN")
    assert(wire:send(segment { sport = sport, flags = ".", seq = 10,
      ack = synacks[sport].tcp.seq + 1 }))
  end
  assert(wire:send(segment { sport = 4, flags = "S", seq = 9 }))
  local again = answers(wire, 1.2)
  t.equal(again[1] or again[2] or again[4], nil, "more answers")
  t.equal(again[3].tcp.flags, "S.", "the SYN-ACK that comes again")
  local first <close> = assert(listener:accept(1))
  t.equal(first:info().dport, 1, "port of the first")
  assert(wire:send(segment { sport = 3, flags = "P.", seq = 10, ack = synacks[3].tcp.seq + 1 }
    / "x\n"))
  t.equal(answers(wire, 0.5)[3].tcp.ack, 12, "ACK of the data")
  local second <close> = assert(listener:accept(1))
  local third <close> = assert(listener:accept(1))
  t.equal(second:info().dport, 2, "port of the second")
  t.equal(assert(third:read_line()), "x\n", "line of the third")
  for _, conn in ipairs { first, second, third } do conn:abort() end
end)

t.test("SYNs that nobody follows up fill a place each; a reset makes room", function()
  t.sim_only()
  local wire = network()
  local _ <close> = assert(tcp.listen { addr = SERVER, port = PORT, backlog = 1 })
  for sport = 1, 1025 do assert(wire:send(segment { sport = sport, flags = "S", seq = 9 })) end
  local synacks = answers(wire, 0.5)
  local count = 0
  for _, packet in pairs(synacks) do
    t.equal(packet.tcp.flags, "S.", "answer")
    count = count + 1
  end
  t.equal(count, 1024, "SYN-ACKs")
  t.equal(synacks[1025], nil, "answer to the last SYN")
  assert(wire:send(segment { sport = 7, flags = "R", seq = 10 }))
  task.sleep(0.01)
  assert(wire:send(segment { sport = 1025, flags = "S", seq = 9 }))
  t.equal(answers(wire, 0.2)[1025].tcp.flags, "S.", "answer when there is room")
end)

t.done()
