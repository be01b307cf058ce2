--- Fast Open (RFC 7413) as scripts see it: cookies that are kept, given and judged.
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local peer = require "peer"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT, SERVER, PORT = "192.0.2.1", "192.0.2.66", 7000

-- Both ends ours, with somebody between them: change(packet, to_server) returns what goes on.
local function path(change)
  local near, here = net.pair { delay = 0.01 }
  local there, far = net.pair { delay = 0.01 }
  assert(net.attach(near, CLIENT))
  assert(net.attach(far, SERVER))
  local function relay(from, to, to_server)
    task.spawn(function()
      while true do
        local packet = from:recv(math.huge)
        if packet and (not change or change(packet, to_server)) then assert(to:send(packet)) end
      end
    end)
  end
  relay(here, there, true)
  relay(there, here, false)
  return function(packet, to_server) assert((to_server and there or here):send(packet)) end
end

local function listen(fields)
  local o = { addr = SERVER, port = PORT, fast_open = true }
  for k, v in pairs(fields or {}) do o[k] = v end
  return assert(tcp.listen(o))
end

-- Answers each connection's first line with it and the state in which it was accepted.
local function serve(listener)
  return task.spawn(function()
    while true do
      local conn <close> = assert(listener:accept())
      local state = conn:state()
      local line = conn:read_line()
      if line then
        assert(conn:send(state .. " " .. line))
        assert(conn:passive_close())
      end
    end
  end)
end

-- One request; returns the answer, info(), and how many seconds it took.
local function ask(fields)
  local o = { src = CLIENT, dst = SERVER, port = PORT, fast_open = true, data = "request\n" }
  for k, v in pairs(fields or {}) do o[k] = v end
  local begin = task.now()
  local conn <close> = assert(tcp.connect(o))
  local line = assert(conn:read_line())
  return line, conn:info(), task.now() - begin
end

-- RFC 7413
t.test("the first connection fetches a cookie, the next is answered within a round trip", function()
  t.sim_only()
  path()
  local listener <close> = listen()
  serve(listener)
  local line, info, took = ask()
  t.equal(line, "ESTABLISHED request\n", "answer")
  t.equal(info.syn_data, false, "data in the SYN")
  t.equal(#info.cookie, 8, "length of the cookie")
  t.within(took, 0.079, 0.085, "seconds of two round trips")
  local cookie = info.cookie
  for _ = 1, 3 do
    line, info, took = ask()
    t.equal(line, "SYN-RECEIVED request\n", "answer")
    t.equal(info.syn_data, true, "data in the SYN")
    t.equal(info.cookie, cookie, "cookie")
    t.within(took, 0.039, 0.045, "seconds of one round trip")
  end
  line, info = ask { fast_open = false }
  t.equal(line, "ESTABLISHED request\n", "answer without")
  t.equal(info.cookie, nil, "cookie without")
  line, info = ask { fast_open = cookie }
  t.equal(line .. tostring(info.syn_data), "SYN-RECEIVED request\ntrue", "a cookie by hand")
end)

t.test("data that a SYN does not hold follows it", function()
  t.sim_only()
  path()
  local listener <close> = listen()
  serve(listener)
  local long = ("x"):rep(3000000) .. "\n" -- more than a send buffer takes
  for round = 1, 2 do
    local client = task.spawn(function()
      local conn <close> = assert(tcp.connect { src = CLIENT, dst = SERVER, port = PORT + 1,
        fast_open = true, data = long })
      return conn:info().syn_data
    end)
    local other <close> = listen { port = PORT + 1 }
    local conn <close> = assert(other:accept())
    t.equal(conn:read_all(4000000) == long, true, "what came")
    t.equal(client:join(), round == 2, "data in the SYN")
    conn:close()
  end
end)

-- RFC 7413
t.test("a wrong cookie costs a round trip and brings a new one", function()
  t.sim_only()
  path()
  local listener <close> = listen()
  serve(listener)
  local line, info = ask { fast_open = "notright" }
  t.equal(line, "ESTABLISHED request\n", "answer")
  t.equal(info.syn_data, false, "data in the SYN")
  t.equal(info.cookie ~= "notright" and #info.cookie, 8, "another cookie")
  line = ask()
  t.equal(line, "SYN-RECEIVED request\n", "answer to the new one")
end)

-- RFC 7413
t.test("SYNs with the option get lost: one without gets through, and for an hour no other goes",
  function()
    t.sim_only()
    local lost, asked, losing = 0, 0, false
    path(function(packet, to_server)
      if not to_server or not packet.tcp.options.tfo then return true end
      asked = asked + 1
      if losing then
        lost = lost + 1
      end
      return not losing
    end)
    local listener <close> = listen()
    serve(listener)
    ask()
    ask()
    losing = true
    t.equal(asked, 2, "SYNs with the option")
    local line, info, took = ask()
    t.equal(line, "ESTABLISHED request\n", "answer")
    t.within(took, 1, 1.2, "seconds")
    t.equal(lost, 1, "lost SYNs")
    t.equal(info.retransmits, 1, "retransmissions")
    local _
    line, _, took = ask()
    t.equal(line, "ESTABLISHED request\n", "answer without the option")
    t.within(took, 0.07, 0.09, "seconds")
    t.equal(asked, 3, "SYNs with the option")
    losing = false
    task.sleep(3700)
    line = ask()
    t.equal(line, "SYN-RECEIVED request\n", "an hour later")
  end)

-- RFC 7413
t.test("no more connections than the backlog has are early, and a cookie is for one address",
  function()
    t.sim_only()
    local near, far = net.pair()
    assert(net.attach(far, SERVER))
    local listener <close> = listen { backlog = 4 }
    local function syn(src, sport, cookie)
      assert(near:send(p.ip { src = src, dst = SERVER } / p.tcp { sport = sport, dport = PORT,
        flags = "S", seq = 99, options = { { "mss", 1000 }, { "tfo", cookie } } }
        / (cookie ~= "" and "hello\n" or "")))
      return assert(near:recv(1))
    end
    local synack = syn(CLIENT, 1, "")
    local cookie = synack.tcp.options.tfo
    t.equal(#cookie, 8, "length of the cookie")
    t.equal(synack.tcp.ack, 100, "ACK")
    t.equal(syn(CLIENT, 2, "").tcp.options.tfo, cookie, "the same again")
    t.equal(syn("192.0.2.7", 3, "").tcp.options.tfo ~= cookie, true, "another for another")
    synack = syn("192.0.2.7", 4, cookie)
    t.equal(synack.tcp.ack, 100, "ACK for another's cookie")
    t.equal(#synack.tcp.options.tfo, 8, "its own in the answer")
    local held = {}
    for i = 1, 8 do
      synack = syn(CLIENT, 10 + i, cookie)
      t.equal(synack.tcp.ack, 106, "ACK")
      local conn = listener:accept(0.01)
      t.equal(conn ~= nil, i <= 4, "connection " .. i)
      held[i] = conn
    end
    for _, conn in ipairs(held) do
      t.equal(conn:state(), "SYN-RECEIVED", "state")
      t.equal(assert(conn:read_line()), "hello\n", "line")
    end
    held[1]:abort() -- makes room for another
    assert(near:recv(1).tcp.flags:find "R")
    syn(CLIENT, 30, cookie)
    t.equal(assert(listener:accept(0.01)):state(), "SYN-RECEIVED", "state")
  end)

-- RFC 7413 4.1.1: of 4 to 16 bytes, an even number.
t.test("a cookie of an impossible length is no cookie", function()
  t.sim_only()
  for _, cookie in ipairs { "12", "12345", ("x"):rep(18) } do
    local s = peer.new { run = peer.dial({ fast_open = true }, peer.job) }
    local syn = s:handshake { options = { { "mss", 1000 }, { "tfo", cookie } } }
    t.equal(syn.options.tfo, "", "a request")
    s:finish("a line\n")
    s:succeeded()
    t.fresh()
  end
  path()
  for _, cookie in ipairs { "", "12", "12345", ("x"):rep(18) } do
    local conn, err = tcp.connect { src = CLIENT, dst = SERVER, port = PORT, fast_open = cookie }
    t.equal(conn, nil, "connection")
    t.contains(err.message, "an even number from 4 to 16", "message")
  end
  local conn, err = tcp.connect { src = CLIENT, dst = SERVER, port = PORT, fast_open = true,
    md5 = "key" }
  t.equal(conn, nil, "connection")
  t.contains(err.message, "does not go together with a key", "message")
end)

t.done()
