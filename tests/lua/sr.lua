--- tcplua.net: sr and sr1 over a pair in memory, on a virtual clock; a task answers at the far end.
local t = require "harness"
local core = require "tcplua.core"
local net, p = require "tcplua.net", require "tcplua.packet"
local task = require "tcplua.task"

local A, B = "192.0.2.1", "192.0.2.2"

-- Answers every packet that comes out of `link` with the list that answer(packet) returns.
local function responder(link, answer)
  task.spawn(function()
    while true do
      local packet = link:recv(math.huge)
      if not packet then return end
      for _, reply in ipairs(answer(packet)) do assert(link:send(reply)) end
    end
  end)
end

local function echo(packet)
  local icmp = packet.icmp
  return p.ip { src = packet.ip.dst, dst = packet.ip.src }
    / p.icmp { type = 0, id = icmp.id, seq = icmp.seq } / packet.payload
end

local function request(seq)
  return p.ip { src = A, dst = B } / p.icmp { id = 7, seq = seq } / "data"
end

local function requests(count)
  local list = {}
  for seq = 1, count do list[seq] = request(seq) end
  return list
end

t.test("an answer with its time on the way", function()
  local near, far = net.pair { delay = 0.25 }
  responder(far, function(packet) return { echo(packet) } end)
  local reply, rtt, others = assert(net.sr1(request(3), { link = near }))
  t.equal(reply.icmp.seq, 3, "seq")
  t.equal(reply.payload, "data", "payload")
  t.within(rtt, 0.4999, 0.5001, "rtt")
  t.equal(#others, 0, "others")
  t.within(core.now(), 1.4, 1.6, "now: no longer than it takes")
end)

t.test("what was cut into fragments is sent as it is", function()
  local near, far = net.pair { mtu = 1500 }
  local whole = p.ip { src = A, dst = B, id = 5 } / p.icmp() / ("x"):rep(200)
  net.sr(whole:fragment(100), { link = near, timeout = 0.125 })
  local list = {}
  for n = 1, 3 do list[n] = assert(far:recv()) end
  t.equal(p.reassemble(list)[1]:bytes(), whole:bytes())
end)

t.test("a list with a hole, or that is none, is the caller's mistake", function()
  local near <close> = net.pair()
  local one = request(1)
  for _, send in ipairs { net.send, net.sr } do
    for text, list in pairs { ["number 2 of the list is nil"] = { one, nil, one },
        ["'dst' is no place in one"] = { one, dst = 1 } } do
      local ok, err = pcall(send, list, { link = near, timeout = 0.125 })
      t.equal(ok, false)
      t.contains(err, text)
    end
  end
end)

t.test("silence ends after the time-out, and says to what", function()
  local near <close> = net.pair()
  local begin = core.now()
  local reply, err, others = net.sr1(request(3), { link = near, timeout = 3 })
  t.equal(reply, nil, "reply")
  t.equal(err.code, "ETIMEDOUT", "code")
  t.contains(err.message, "no answer within 3 s to IP 192.0.2.1 > 192.0.2.2: ICMP echo request")
  t.equal(#others, 0, "others")
  t.within(core.now() - begin, 3, 3.001, "seconds")
  t.equal(pcall(net.sr1, request(3), { link = near, timeout = math.huge }), false, "endless")
end)

t.test("answered, unanswered, others: nothing that came is lost", function()
  local near, far = net.pair()
  responder(far, function(packet)
    local seq = packet.icmp.seq
    local stray = p.ip { src = B, dst = A } / p.udp { sport = seq, dport = 9 }
    if seq == 2 then return {} end
    return seq == 3 and { stray, echo(packet), echo(packet) } or { echo(packet) }
  end)
  local answered, unanswered, others, report = net.sr(requests(4), { link = near, timeout = 1 })
  t.equal(#answered, 3, "answered")
  t.equal(answered[2].sent.icmp.seq, 3, "sent")
  t.equal(answered[2].answer.icmp.seq, 3, "answer")
  t.equal(#unanswered, 1, "unanswered")
  t.equal(unanswered[1].icmp.seq, 2, "unanswered")
  t.equal(#others, 2, "others")
  t.equal(others[1].udp.sport, 3, "a stray one")
  t.equal(others[2].icmp.seq, 3, "one that came twice")
  t.equal(report.sent, 4, "sent")
end)

t.test("multi keeps what answers again, until the time is over", function()
  local near, far = net.pair()
  responder(far, function(packet) return { echo(packet), echo(packet) } end)
  local begin = core.now()
  local answered, unanswered, others = net.sr(request(1), { link = near, multi = true })
  t.equal(#answered, 2, "answered")
  t.equal(#unanswered + #others, 0, "the rest")
  t.within(core.now() - begin, 2, 2.001, "seconds")
end)

t.test("retry sends again what has no answer, and nothing else", function()
  local near, far = net.pair()
  local seen = {}
  responder(far, function(packet)
    local seq = packet.icmp.seq
    seen[seq] = (seen[seq] or 0) + 1
    return seen[seq] >= seq and { echo(packet) } or {}
  end)
  local begin = core.now()
  local answered, unanswered, _, report = net.sr(requests(4), { link = near, timeout = 1,
    retry = 2 })
  t.equal(#answered, 3, "answered")
  t.equal(unanswered[1].icmp.seq, 4, "unanswered")
  t.equal(table.concat(seen, " "), "1 2 3 3", "sendings")
  t.equal(report.sent, 9, "sent")
  t.within(core.now() - begin, 3, 3.01, "seconds")
end)

t.test("a rate is kept, by when each packet is due", function()
  local near, far = net.pair()
  local times = {}
  responder(far, function(packet)
    times[#times + 1] = core.now()
    return { echo(packet) }
  end)
  net.sr(requests(11), { link = near, rate = 10 })
  for i = 2, 11 do t.within(times[i] - times[1], (i - 1) / 10 - 0.001, (i - 1) / 10 + 0.001) end
end)

t.test("what is sent is a copy, its port, id and question filled in", function()
  local near, far = net.pair()
  local seen = {}
  responder(far, function(packet)
    seen[#seen + 1] = packet
    return {}
  end)
  local mine = p.ip { src = A, dst = B } / p.udp { dport = 53 } / p.dns { questions = {
    { name = "example.com" } } }
  local before = mine:bytes()
  local _, unanswered = net.sr({ mine, p.ip { src = A, dst = B } / p.icmp(),
    p.ip { src = A, dst = B } / p.icmp(), p.ip { src = A, dst = B } / p.tcp { flags = "S" },
    (p.ip { src = A, dst = B } / p.icmp()):bytes() }, { link = near, timeout = 1 })
  t.equal(mine:bytes(), before, "the caller's packet")
  for i, packet in ipairs(seen) do t.equal(packet:bytes(), unanswered[i]:bytes(), "as reported") end
  t.within(seen[1].udp.sport, 1, 65535, "port")
  t.within(seen[1].dns.id, 1, 65535, "id of the question")
  t.equal(seen[1].udp:checksum_ok(), true, "checksum")
  t.within(seen[2].icmp.id, 1, 65535, "id")
  t.within(seen[3].icmp.id, 1, 65535, "id")
  assert(seen[2].icmp.id ~= seen[3].icmp.id, "two requests are told apart")
  t.within(seen[4].tcp.sport, 1, 65535, "port")
  t.equal(seen[5].icmp.id, 0, "a string goes as it is")
end)

t.test("several tasks share a link, each gets its own answers", function()
  local near, far = net.pair { delay = 0.01 }
  local waiting = {}
  responder(far, function(packet) -- in the wrong order
    waiting[#waiting + 1] = echo(packet)
    if #waiting < 100 then return {} end
    return table.move(waiting, 1, 100, 2, { p.ip { src = B, dst = A } / p.icmp { type = 0 } })
  end)
  local tasks = {}
  for n = 1, 10 do
    tasks[n] = task.spawn(function()
      local list = {}
      for seq = 1, 10 do list[seq] = p.ip { src = A, dst = B } / p.icmp { id = n, seq = seq } end
      return net.sr(list, { link = near })
    end)
  end
  for n = 1, 10 do
    local answered, unanswered, others = tasks[n]:join()
    t.equal(#answered, 10, "answered")
    t.equal(#unanswered, 0, "unanswered")
    t.equal(#others, 1, "others")
    for _, one in ipairs(answered) do t.equal(one.answer.icmp.id, n, "id") end
  end
end)

t.test("frames: ARP gets its header and the addresses of the link", function()
  local near, far = net.pair { medium = "eth" }
  responder(far, function(packet)
    local arp = packet.arp
    t.equal(packet.eth.dst, "ff:ff:ff:ff:ff:ff", "to everybody")
    return { p.eth { dst = arp.sha, src = "02:00:00:00:00:09" } / p.arp { op = 2,
      sha = "02:00:00:00:00:09", spa = arp.tpa, tha = arp.sha, tpa = arp.spa } }
  end)
  local reply = assert(net.srp1(p.arp { spa = A, tpa = B }, { link = near }))
  t.equal(reply.arp.sha, "02:00:00:00:00:09", "address")
  local none, err = net.srp1(p.ip { src = A, dst = B } / p.icmp(), { link = near })
  t.equal(none, nil, "no frame")
  t.contains(err.message, "begin with eth, not with ip")
end)

t.test("the caller's mistakes are raised", function()
  local near <close> = net.pair()
  local frames <close> = net.pair { medium = "eth" }
  for text, arguments in pairs {
    ["unknown option 'timout'"] = { request(1), { timout = 1 } },
    ["packets expected, got number"] = { 7, { link = near } },
    ["a packet has no"] = { { request(1), near }, { link = near } },
    ["retry: a whole number"] = { request(1), { retry = "1" } },
    ["a number of seconds"] = { request(1), { timeout = "1" } },
    ["link: it has frames"] = { request(1), { link = frames } },
    ["link: a link expected, got string"] = { request(1), { link = "eth0" } },
    ["retry: a whole number from 0"] = { request(1), { link = near, retry = -1 } },
    ["a simulation has no interfaces"] = { request(1) },
  } do
    local ok, err = pcall(net.sr, table.unpack(arguments))
    t.equal(ok, false, text)
    if text ~= "a packet has no" then t.contains(err, text) end
  end
  local _, err = pcall(function()
    local answered = net.sr(request(1), { link = near, timeout = "1" })
    return answered
  end)
  t.contains(err, "tests/lua/sr.lua:", "it names the line of the script")
  local answered, unanswered = net.sr({}, { link = near })
  t.equal(#answered + #unanswered, 0, "nothing to send")
  answered, unanswered = net.sr {}
  t.equal(#answered + #unanswered, 0, "nothing to send, and no way to send it")
end)

t.test("a cancelled run leaves nothing behind", function()
  local near, far = net.pair()
  local waits = task.spawn(net.sr, request(1), { link = near })
  task.sleep(0.1)
  waits:cancel()
  responder(far, function(packet) return { echo(packet) } end)
  local answered, _, others = net.sr(request(2), { link = near })
  t.equal(#answered, 1, "answered")
  t.equal(#others, 1, "the answer to the first")
end)

t.done()
