--- The job of sha_client.lua segment by segment: every packet is made, sent and checked by hand.
-- usage: tcplua scripts/sha_by_hand.lua SRC DST PORT
-- args: SRC may be an address of this host, or one that nobody has; needs an answer within a second
local net, p = require "tcplua.net", require "tcplua.packet"
local hash = require "tcplua.hash"

local src, dst, port = ...
local dport = math.tointeger(tonumber(port))
if not dport or dport < 1 or dport > 65535 then
  io.stderr:write("usage: tcplua scripts/sha_by_hand.lua SRC DST PORT\n")
  os.exit(2)
end
local ip = src:find(":", 1, true) and p.ip6 or p.ip

-- A wire is a local port and everything that comes for it. It is ready before we send anything.
local wire <close> = assert(net.open { src = src, dst = dst })
local sport = wire:sport()

local seq = math.random(0, 0xffffffff) -- the number of our next byte
local ack = 0                          -- the number of the server's next byte

-- Sends one segment. SYN, FIN and every byte of data use up one sequence number.
local function send(flags, data)
  data = data or ""
  local segment = ip { src = src, dst = dst }
    / p.tcp { sport = sport, dport = dport, seq = seq, ack = ack, flags = flags } / data
  print("> " .. tostring(segment))
  assert(wire:send(segment))
  local syn_or_fin = flags:find "[SF]" and 1 or 0
  seq = (seq + #data + syn_or_fin) & 0xffffffff
end

-- Waits for the next segment from the server's port; anything else is passed over.
local function receive()
  while true do
    local segment = assert(wire:recv(300))
    local tcp = segment.tcp
    if tcp and tcp.sport == dport then
      print("< " .. tostring(segment))
      assert(not tcp.flags:find "R", "the server reset the connection")
      return tcp, segment.payload
    end
  end
end

-- 1. The handshake: SYN out, SYN-ACK in, ACK out.
send "S"
local synack = receive()
assert(synack.flags == "S.", "this is no SYN-ACK")
assert(synack.ack == seq, "the SYN-ACK does not acknowledge our SYN")
ack = (synack.seq + 1) & 0xffffffff
send "."

-- 2. The line: data in, ACK out, until it is whole. What comes twice, or too early, is not taken.
local line, their_fin = "", false
while not line:find "\n" do
  assert(not their_fin, "the server closed before the line was whole")
  local tcp, data = receive()
  if tcp.seq == ack then
    line = line .. data
    ack = (ack + #data) & 0xffffffff
    their_fin = tcp.flags:find "F" ~= nil
  end
  if #data > 0 and not their_fin then send "." end -- taken or not: what we wait for
end
line = line:match "^[^\n]*\n"

-- 3. The hash: data out, which the server acknowledges with its next segments.
send("P.", hash.sha256(line):hex() .. "\n")
local expected = seq

-- 4. The close that the server starts: FIN in, ACK out, our FIN out, ACK in.
while not their_fin do
  local tcp, data = receive()
  their_fin = tcp.seq == ack and #data == 0 and tcp.flags:find "F" ~= nil
end
ack = (ack + 1) & 0xffffffff
send "."
send "F."
repeat
  local tcp = receive()
until tcp.ack == (expected + 1) & 0xffffffff
