--- peer: a scripted server at the other end of the wire, and the client under test as a task.
--
--     local s = peer.new()                       -- the client runs scripts/sha_client.lua
--     s:expect { flags = "S" }
--     s:send { flags = "S.", seq = 0, ack = 1 }  -- numbers are relative: a SYN is 0
--     s:expect { flags = ".", seq = 1, ack = 1 }
--     local ok, err = s:result()
local core = require "tcplua.core"
local hash = require "tcplua.hash"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local connect = require "tcplua.tcp".connect

local peer = {}
peer.__index = peer

local ADDRESSES = {
  ip = { client = "192.0.2.1", server = "192.0.2.66" },
  ip6 = { client = "2001:db8::1", server = "2001:db8::66" },
}
local PORT = 9000

--- Begins an exchange. Fields, all optional: family ("ip", "ip6"), script, args (before the three
-- addresses), run (a function(src, dst, port) instead of a script), irs (the server's ISN),
-- pair (fields of net.pair), wire (a function(link) that makes what the peer sends and receives by
-- out of its end of the link: to see every packet, or to speak Ethernet; simulation only).
function peer.new(o)
  o = o or {}
  local family = o.family or "ip"
  local a = ADDRESSES[family]
  local self = setmetatable({
    family = family, src = a.server, dst = a.client, iss = o.irs or 1000000, inbox = {},
  }, peer)
  if t.veth then
    assert(net.attach(assert(net.link { iface = "srv0" }), a.server))
  else
    local near, far = net.pair(o.pair)
    assert(net.attach(near, a.client))
    if o.wire then self.wire = o.wire(far) else assert(net.attach(far, a.server)) end
  end
  self.wire = self.wire or assert(net.open { src = a.server, sport = PORT })
  self.corrupt = o.pair and o.pair.corrupt
  local run = o.run or assert(loadfile(o.script or peer.scripts .. "/sha_client.lua"))
  local args = table.move(o.args or {}, 1, #(o.args or {}), 1, {})
  table.move({ a.client, a.server, PORT }, 1, 3, #args + 1, args)
  self.client = task.spawn(function()
    return pcall(run, table.unpack(args))
  end)
  return self
end

--- A `run` for peer.new: connects with these further fields and hands the connection to `f`; what
-- that returns is in result().
function peer.dial(fields, f)
  return function(src, dst, port)
    local o = { src = src, dst = dst, port = port, gso = false } -- segments as on a wire
    for k, v in pairs(fields) do o[k] = v end
    local conn <close> = assert(connect(o))
    return f(conn)
  end
end

--- What scripts/sha_client.lua does with a connection; returns the line.
function peer.job(conn)
  local line = assert(conn:read_line())
  assert(conn:send(peer.answer(line)))
  assert(conn:passive_close())
  return line
end

peer.scripts = (os.getenv("TCPLUA_SCRIPTS") or "scripts")

local function relative(number, base) return base and (number - base) & 0xffffffff or number end

--- The next segment from the client, as {flags, seq, ack, win, data, options, packet, time};
-- nil if none comes within `timeout` seconds (60; real time: 2). It must be whole and have good
-- checksums.
function peer:recv(timeout)
  local packet, time = self.wire:recv(timeout or (t.veth and 2 or 60))
  if not packet then return nil end
  local tcp, ip = packet.tcp, packet.ip
  if not self.corrupt and (packet:stopped() or not tcp:checksum_ok() or
      ip and not ip:checksum_ok()) then
    error("the client sent a malformed packet: " .. tostring(packet), 2)
  end
  if tcp.flags == "S" then self.irs = tcp.seq end
  self.port = tcp.sport
  return {
    flags = tcp.flags, win = tcp.win, data = packet.payload, packet = packet, time = time,
    options = tcp.options,
    seq = relative(tcp.seq, self.irs), ack = relative(tcp.ack, self.iss),
  }
end

local function matches(segment, wanted)
  for name, value in pairs(wanted) do
    local got = segment[name]
    if name == "len" then got = #segment.data end
    if got ~= value then return false, name, got, value end
  end
  return true
end

--- The next segment must have the fields of `wanted`: flags, seq, ack, win, data, len.
function peer:expect(wanted, timeout)
  local segment = self:recv(timeout)
  if not segment then
    error("no segment came; wanted flags " .. tostring(wanted.flags), 2)
  end
  local ok, name, got, value = matches(segment, wanted)
  if not ok then
    error(("%s: wanted %q, got %q in %s (relative seq %d, ack %d)"):format(name, tostring(value),
      tostring(got), tostring(segment.packet), segment.seq, segment.ack), 2)
  end
  return segment
end

--- The first of the following segments that has the fields; others before it are passed over.
function peer:find(wanted, limit)
  for _ = 1, limit or 50 do
    local segment = self:recv()
    if not segment then break end
    if matches(segment, wanted) then return segment end
  end
  error("no segment came with flags " .. tostring(wanted.flags), 2)
end

--- Nothing comes for `seconds`.
function peer:none(seconds)
  local segment = self:recv(seconds or (t.veth and 0.05 or 0.1))
  if segment then error("nothing was expected, but this came: " .. tostring(segment.packet), 2) end
end

--- A segment from the server: relative seq and ack, flags, win (65535), data, options; `tcp` and
-- `ip` hold further fields that are taken as they are. Returns the packet without sending it.
function peer:segment(o)
  local ip = { src = self.src, dst = self.dst }
  for k, v in pairs(o.ip or {}) do ip[k] = v end
  local tcp = {
    sport = PORT, dport = self.port, flags = o.flags, win = o.win or 65535,
    seq = (self.iss + (o.seq or 0)) & 0xffffffff,
    ack = o.ack and (self.irs + o.ack) & 0xffffffff or 0,
    options = o.options,
  }
  for k, v in pairs(o.tcp or {}) do tcp[k] = v end
  return p[self.family](ip) / p.tcp(tcp) / (o.data or "")
end

function peer:send(o)
  assert(self.wire:send(self:segment(o)))
end

--- The three-way handshake; `o` adds to the SYN-ACK. Returns the client's SYN.
function peer:handshake(o)
  local syn = self:expect { flags = "S", seq = 0 }
  local synack = { flags = "S.", seq = 0, ack = 1 }
  for k, v in pairs(o or {}) do synack[k] = v end
  self:send(synack)
  self:expect { flags = ".", seq = 1, ack = 1 }
  return syn
end

--- What the client must answer to `line`.
function peer.answer(line)
  return hash.sha256(line):hex() .. "\n"
end

--- From the line to the end, everything in order: the line is sent from relative number `seq` (1).
function peer:finish(line, seq)
  seq = seq or 1
  self:send { flags = "P.", seq = seq, ack = 1, data = line }
  self:expect { flags = ".", seq = 1, ack = seq + #line }
  self:serve_close(line, seq)
end

--- The client's answer to `line`, and the close: the server starts it.
function peer:serve_close(line, seq)
  local answer, next_seq = peer.answer(line), (seq or 1) + #line
  self:expect { flags = "P.", seq = 1, ack = next_seq, data = answer }
  self:close(next_seq, 1 + #answer)
end

--- FIN out, its ACK in, their FIN in, its ACK out.
function peer:close(seq, ack)
  self:send { flags = "F.", seq = seq, ack = ack }
  self:expect { flags = ".", seq = ack, ack = seq + 1 }
  self:expect { flags = "F.", seq = ack, ack = seq + 1 }
  self:send { flags = ".", seq = seq + 1, ack = ack + 1 }
end

--- How the client ended: true, or false and its error. Raises if it has not within `timeout`
-- seconds (1000; real time: 5).
function peer:result(timeout)
  local ok, first, second = pcall(self.client.join, self.client, timeout or (t.veth and 5 or 1000))
  if not ok then error(first, 0) end
  if first == nil then error("the client has not ended", 2) end
  return first, second
end

--- The client must have succeeded.
function peer:succeeded()
  local ok, err = self:result()
  if not ok then error("the client failed: " .. tostring(err), 2) end
end

--- The client must have failed with this code; `text` is part of the message.
function peer:failed(code, text)
  local ok, err = self:result()
  if ok then error("the client succeeded; wanted " .. code, 2) end
  t.equal(type(err) == "table" and err.code or tostring(err), code, "error code")
  if text then t.contains(err.message, text, "message") end
  return err
end

peer.core = core

return peer
