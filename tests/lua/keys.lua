--- Segments signed with a key (TCP-MD5, TCP-AO): both ends are ours, and between them stands
-- somebody who sees, changes, strips, repeats and makes segments.
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT, SERVER, PORT = "192.0.2.1", "192.0.2.66", 7000
local ENDS6 = { "2001:db8::1", "2001:db8::66" }

-- Two ends and what passes between them: `seen` has every packet as it was sent; `change(packet,
-- to_server)` returns the one that goes on, or nil. raw(bytes, to_server) puts in another.
local function path(change, ends)
  ends = ends or { CLIENT, SERVER }
  local self = { seen = {}, client = ends[1], server = ends[2] }
  local near, here = net.pair { delay = 0.001 }
  local there, far = net.pair { delay = 0.001 }
  assert(net.attach(near, self.client))
  assert(net.attach(far, self.server))
  local function relay(from, to, to_server)
    task.spawn(function()
      while true do
        local packet = from:recv(math.huge)
        if packet then
          self.seen[#self.seen + 1] = p.parse(packet:bytes())
          local changed = packet
          if change then changed = change(packet, to_server) end
          if changed then assert(to:send(changed)) end
        end
      end
    end)
  end
  relay(here, there, true)
  relay(there, here, false)
  function self.raw(packet, to_server) assert((to_server and there or here):send(packet)) end
  return self
end

-- A listener that echoes one line and closes after its peer; returns the listener, and a task with
-- the connection's last info().
local function serve(self, fields)
  local o = { addr = self.server, port = PORT }
  for k, v in pairs(fields) do o[k] = v end
  local listener = assert(tcp.listen(o))
  return listener, task.spawn(function()
    local conn <close> = assert(listener:accept())
    while true do
      local some = conn:read()
      if not some then break end
      assert(conn:send(some))
    end
    assert(conn:passive_close())
    return conn:info()
  end)
end

local function dial(self, fields)
  local o = { src = self.client, dst = self.server, port = PORT }
  for k, v in pairs(fields) do o[k] = v end
  return tcp.connect(o)
end

-- A line and back, and `bulk` bytes; returns info() from before the close.
local function talk(conn, bulk)
  local data = ("some data\n"):rep((bulk or 0) // 10 + 1)
  assert(conn:send(data))
  local parts, have = {}, 0
  while have < #data do
    parts[#parts + 1] = assert(conn:read())
    have = have + #parts[#parts]
  end
  t.equal(table.concat(parts) == data, true, "what comes back")
  local info = conn:info()
  assert(conn:close())
  return info
end

local function ao(key, algorithm, include_options)
  return { ao = { key = key, send_id = 1, recv_id = 1, algorithm = algorithm,
    include_options = include_options } }
end

-- The ways to sign: fields of an end, the option's name, how many bytes it takes.
local WAYS = {
  { fields = { md5 = "a secret" }, other = { md5 = "another" }, option = "md5", size = 20 },
  { fields = ao "a secret", other = ao "another", option = "ao", size = 16 },
  { fields = ao("a secret", "aes-128-cmac-96", false), other = ao("a secret", "aes-128-cmac-96"),
    option = "ao", size = 16 },
}

local function each(f)
  for _, way in ipairs(WAYS) do
    t.sim_only()
    f(way)
    t.fresh()
  end
end

-- RFC 2385, RFC 5925
t.test("every segment of a connection is signed, from the SYN to the last ACK", function()
  each(function(way)
    for _, ends in ipairs { { CLIENT, SERVER }, ENDS6 } do
      local self = path(nil, ends)
      local _ <close>, server = serve(self, way.fields)
      local info = talk(assert(dial(self, way.fields)), 100000)
      t.equal(info.auth, way.option, "what was used")
      t.equal(info.auth_unsigned + info.auth_bad + info.retransmits, 0, "bad segments")
      t.equal(server:join().auth, way.option, "what the server used")
      task.sleep(1)
      local longest = 0
      for _, packet in ipairs(self.seen) do
        t.equal(packet.tcp.options[way.option] ~= nil, true, "an option in " .. tostring(packet))
        t.equal(packet.tcp:checksum_ok(), true, "checksum of " .. tostring(packet))
        t.within(#packet.tcp:raw(), 20, 60, "header")
        longest = math.max(longest, #packet)
      end
      t.equal(longest, 1500, "the longest packet fills the MTU") -- RFC 9293 MUST-16
      t.fresh()
    end
  end)
end)

t.test("timestamps and SACK go together with a signature as far as there is room", function()
  each(function(way)
    for _, timestamps in ipairs { true, false } do
      local dropped = 0
      local self = path(function(packet, to_server)
        if to_server and #packet.payload > 1000 then
          dropped = dropped + 1
          if dropped % 9 == 3 then return nil end
        end
        return packet
      end)
      local fields = { timestamps = timestamps }
      for k, v in pairs(way.fields) do fields[k] = v end
      local _ <close>, server = serve(self, fields)
      local info = talk(assert(dial(self, fields)), 200000)
      t.equal(info.timestamps, timestamps, "timestamps")
      t.equal(info.snd_mss, 1460 - way.size - (timestamps and 12 or 0), "MSS")
      t.equal(server:join().sack, true, "SACK")
      for _, packet in ipairs(self.seen) do
        t.within(#packet.tcp:raw(), 20, 60, "header")
      end
      t.fresh()
    end
  end)
end)

t.test("a wrong key, a key on one side only: nothing opens, nothing is reset", function()
  each(function(way)
    for _, fields in ipairs { { way.fields, way.other }, { {}, way.fields } } do
      local self = path()
      local _ <close> = serve(self, fields[2])
      fields[1].timeout = 5
      local conn, err = dial(self, fields[1])
      fields[1].timeout = nil
      t.equal(conn, nil, "connection")
      t.equal(err.code, "ETIMEDOUT", "error")
      for _, packet in ipairs(self.seen) do t.equal(packet.tcp.flags:find "R", nil, "a reset") end
      t.fresh()
    end
    -- The other way round the listener answers, and its SYN-ACK is not taken.
    local self = path()
    local _ <close> = serve(self, {})
    local fields = { timeout = 5 }
    for k, v in pairs(way.fields) do fields[k] = v end
    local conn, err = dial(self, fields)
    t.equal(conn, nil, "connection")
    t.equal(err.code, "ETIMEDOUT", "error")
    for _, packet in ipairs(self.seen) do t.equal(packet.tcp.flags:find "R", nil, "a reset") end
  end)
end)

-- What somebody on the way does to one segment in the middle of a connection, which goes on as if
-- it were lost.
local DEEDS = {
  ["strips the option"] = function(packet)
    packet.tcp.options = {}
  end,
  ["changes a byte of the data"] = function(packet)
    packet.payload = "S" .. packet.payload:sub(2)
  end,
  ["changes the window"] = function(packet)
    packet.tcp.win = packet.tcp.win + 1
  end,
  ["makes it a reset"] = function(packet)
    packet.tcp.flags = "R."
    packet.payload = ""
  end,
  ["makes it end"] = function(packet)
    packet.tcp.flags = "F."
  end,
  ["adds another signature"] = function(packet)
    local options = { { "md5", "" } } -- in the place of two NOPs: TCP-MD5 does not cover them
    for kind, value in pairs(packet.tcp.options) do
      if kind ~= "nop" then options[#options + 1] = { kind, value } end
    end
    packet.tcp.options = options
  end,
  ["cuts the signature"] = function(packet)
    local options = packet.tcp.options
    packet.tcp.options = options.md5 and { md5 = options.md5:sub(1, 14) }
      or { ao = { keyid = 1, rnextkeyid = 1, mac = "123" } }
  end,
}

t.test("what is changed on the way is dropped and counted, and the connection goes on", function()
  each(function(way)
    for what, deed in pairs(DEEDS) do
      local done
      local self = path(function(packet, to_server)
        if to_server and not done and #packet.payload > 100 and #packet < 1400 then
          done = true
          deed(packet)
        end
        return packet
      end)
      local _ <close>, server = serve(self, way.fields)
      talk(assert(dial(self, way.fields)), 50000)
      local info = server:join()
      t.equal(done, true, what)
      t.equal(info.auth_unsigned, what == "strips the option" and 1 or 0, what .. ": unsigned")
      t.equal(info.auth_bad, what == "strips the option" and 0 or 1, what .. ": bad")
      t.fresh()
    end
  end)
end)

t.test("resets and SYNs of somebody without the key change nothing and are not answered", function()
  each(function(way)
    local self = path()
    local _ <close>, server = serve(self, way.fields)
    local conn <close> = assert(dial(self, way.fields))
    assert(conn:send("half"))
    t.equal(assert(conn:read()), "half", "echo")
    task.sleep(1)
    local info, before = conn:info(), #self.seen
    for _, flags in ipairs { "R", "R.", "S", "S.", ".", "F.", "P." } do
      for _, options in ipairs { {}, { md5 = ("k"):rep(16) },
        { ao = { keyid = 1, rnextkeyid = 1, mac = ("k"):rep(12) } } } do
        self.raw(p.ip { src = self.server, dst = self.client } / p.tcp { sport = PORT,
          dport = info.sport, flags = flags, seq = info.rcv_nxt, ack = info.snd_nxt,
          options = options } / (flags == "P." and "evil" or ""), false)
      end
    end
    for _, sport in ipairs { info.sport, 999 } do
      for _, flags in ipairs { "S", ".", "R" } do
        self.raw(p.ip { src = self.client, dst = self.server } / p.tcp { dport = PORT,
          sport = sport, flags = flags, seq = 1, ack = 1 }, true)
      end
    end
    task.sleep(1)
    t.equal(#self.seen, before, "packets")
    info = conn:info()
    t.equal(info.state, "ESTABLISHED", "state")
    t.equal(info.auth_unsigned, 7, "unsigned")
    t.equal(info.auth_bad, 14, "wrongly signed")
    assert(conn:close())
    server:join()
  end)
end)

t.test("resets of ours are signed: an abort ends the other side", function()
  each(function(way)
    local self = path()
    local o = { addr = SERVER, port = PORT }
    for k, v in pairs(way.fields) do o[k] = v end
    local listener <close> = assert(tcp.listen(o))
    local conn = assert(dial(self, way.fields))
    local other <close> = assert(listener:accept())
    conn:abort()
    local data, err = other:read()
    t.equal(data, nil, "data")
    t.equal(err.code, "ECONNRESET", "error")
  end)
end)

-- RFC 2385: a reset for no connection is signed as the segment was that draws it.
t.test("a signed ACK for no connection is reset where its key is known", function()
  t.sim_only()
  local self = path()
  local listener <close> = assert(tcp.listen { addr = SERVER, port = PORT, md5 = "a secret" })
  local conn <close> = assert(dial(self, { md5 = "a secret" }))
  local other = assert(listener:accept())
  local ack = self.seen[#self.seen]
  t.equal(ack.tcp.flags, ".", "the last of the handshake")
  other:abort()
  task.sleep(0.1)
  local before = #self.seen
  self.raw(ack, true)
  task.sleep(0.1)
  t.equal(#self.seen, before + 1, "answers")
  local rst = self.seen[#self.seen]
  t.equal(rst.tcp.flags, "R", "flags")
  t.equal(rst.tcp.options.md5 ~= nil, true, "a signature")
  t.equal(conn:info().auth_bad, 0, "wrongly signed")
end)

-- RFC 2385, D3
t.test("a FIN that comes again in TIME-WAIT is answered by a signed ACK", function()
  each(function(way)
    local fin
    local self = path(function(packet, to_server)
      if not to_server and packet.tcp.flags:find "F" then fin = p.parse(packet:bytes()) end
      return packet
    end)
    local _ <close>, server = serve(self, way.fields)
    talk(assert(dial(self, way.fields)))
    server:join()
    task.sleep(0.5)
    local before = #self.seen
    self.raw(fin, false)
    task.sleep(0.5)
    local ack = self.seen[before + 1]
    t.equal(ack.tcp.flags, ".", "flags")
    t.equal(ack.tcp.options[way.option] ~= nil, true, "a signature")
  end)
end)

-- RFC 5925, RFC 5926
t.test("keys of TCP-AO are changed while the connection goes on", function()
  t.sim_only()
  local function keys(first, last, mirror)
    local list = {}
    for i = first, last, first < last and 1 or -1 do
      list[#list + 1] = { key = "secret " .. i, send_id = (mirror and 50 or 10) + i,
        recv_id = (mirror and 10 or 50) + i,
        algorithm = i % 2 == 0 and "aes-128-cmac-96" or "hmac-sha-1-96" }
    end
    return { ao = list }
  end
  local self = path()
  local listener <close> = assert(tcp.listen { addr = SERVER, port = PORT,
    ao = keys(3, 1, true).ao })
  local conn <close> = assert(dial(self, keys(1, 3)))
  local other <close> = assert(listener:accept())
  local function exchange(what, send_id, recv_id)
    assert(conn:send("a"))
    t.equal(assert(other:read()), "a", what)
    assert(other:send("b"))
    t.equal(assert(conn:read()), "b", what)
    local info = conn:info()
    t.equal(info.send_id, send_id, what .. ": ours")
    t.equal(info.recv_id, recv_id, what .. ": asked for")
    local packet = self.seen[#self.seen]
    t.equal(packet.tcp.options.ao ~= nil, true, "an option")
  end
  local function keyid(src)
    for i = #self.seen, 1, -1 do
      if self.seen[i].ip.src == src then return self.seen[i].tcp.options.ao.keyid end
    end
  end
  exchange("the first key", 11, 51) -- the server's list begins with another, the SYN decides
  t.equal(keyid(SERVER), 51, "the server's")
  t.equal(conn:rekey(53), true, "a key of that ID")
  t.equal(conn:rekey(60), false, "none of that ID")
  exchange("a key asked for", 11, 53)
  exchange("a key asked for", 11, 53)
  t.equal(keyid(SERVER), 53, "the server's")
  t.equal(other:rekey(12), true, "a key of that ID")
  exchange("the other way", 12, 53)
  exchange("the other way", 12, 53)
  t.equal(keyid(CLIENT), 12, "the client's")
  for _, one in ipairs { conn, other } do
    local info = one:info()
    t.equal(info.auth_unsigned + info.auth_bad + info.retransmits, 0, "bad segments")
  end
  other:close()
end)

t.test("keys that cannot be are refused, and a key is never shown", function()
  t.sim_only()
  path()
  for _, key in ipairs { "", ("k"):rep(81) } do
    local conn, err = tcp.connect { src = CLIENT, dst = SERVER, port = PORT, md5 = key }
    t.equal(conn, nil, "connection")
    t.contains(err.message, "it can have 1 to 80", "message")
    t.equal(key ~= "" and err.message:find(key, 1, true), key ~= "" and nil, "the key in it")
  end
  local ok, err = pcall(tcp.connect, { src = CLIENT, dst = SERVER, port = PORT, md5 = { "a" } })
  t.equal(ok, false, "a table")
  t.contains(err, "option 'md5': a string expected, got table", "message")
  local function refused(fields, text)
    local conn, why = dial({ client = CLIENT, server = SERVER }, fields)
    t.equal(conn, nil, "connection")
    t.contains(why.message, text, "message")
  end
  refused({ ao = { key = "k" }, md5 = "k" }, "keys of 'md5' or of 'ao'")
  refused({ ao = { key = "" } }, "it can have 1 to 80")
  refused({ ao = { key = "k", send_id = 256 } }, "send_id is not a whole number from 0 to 255")
  refused({ ao = { { key = "k", recv_id = 1 }, { key = "l", recv_id = 2 } } }, "the same ID")
  refused({ ao = { {}, {}, {}, {}, {} } }, "it can have 1 to 4")
  refused({ ao = { key = "k" }, fast_open = true }, "does not go together")
  for fields, text in pairs {
    [{ ao = "k" }] = "option 'ao': a table expected, got string",
    [{ ao = { key = 7 } }] = "option 'key': a string expected, got number",
    [{ ao = { key = "k", algorithm = "md5" } }] = "option 'algorithm' is",
    [{ ao = { key = "k", colour = 1 } }] = "unknown option 'colour'",
  } do
    ok, err = pcall(dial, { client = CLIENT, server = SERVER }, fields)
    t.equal(ok, false, text)
    t.contains(err, text, "message")
  end
end)

t.done()
