--- peer: the system under test on our own engine, and how a scenario begins with any.
--
--     local peer = require "peer"
--     sut.model(peer.obey)                                -- in simulations
--
--     it("...", peer.both, function(row)                  -- IPv4 and IPv6
--       local conn <close>, at = peer.reading(row, "drain")
--       conn:inject { seq = at, data = "abc" }
--       conn:expect { flags = ".", ack = at + 3 }
--     end)
--
--     it("...", peer.both, function(row)                  -- the client role
--       local conn <close>, client = peer.called(row)     -- in manual, its SYN is in
--       peer.take(conn, "say 9")
--       conn:expect { data = peer.said(9) }
--
-- The peer obeys: the first line that it reads is its commands, "read 5; say 9; echo". They are
-- carried out in turn, and then it closes. The same on kernel sockets, which is what is tested, is
-- kernel_peer.c.
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local peer = {}

local LOOK_EVERY <const> = 0.01
local ALPHABET <const> = "abcdefghijklmnopqrstuvwxyz"

--- The options of a test that runs in both families.
peer.both = { matrix = { family = { "ip", "ip6" } } }

--- The first `count` bytes that `say` sends, or those from `first` on (1).
function peer.said(count, first)
  local skip = ((first or 1) - 1) % #ALPHABET
  return ALPHABET:rep((skip + count) // #ALPHABET + 1):sub(skip + 1, skip + count)
end

-- --- obeying -------------------------------------------------------------------------------------

-- Whether a connection is still of use: a fault may have ended it while it was waited for.
local function alive(conn)
  return not conn:closed() and not conn:raw_error()
end

-- Each is called with the connection, its words, and how much was said before; returns nil when the
-- connection is of no use any more, and how much was said since. What they do stands at the end of
-- kernel_peer.c.
local commands = {
  abort = function(conn)
    conn:abort()
  end,

  drain = function(conn)
    while conn:read() do end
    return alive(conn)
  end,

  echo = function(conn)
    while true do
      local data = conn:read()
      if not data then return alive(conn) end
      if not conn:send(data) then return nil end
    end
  end,

  idle = function(conn)
    while not conn:closed() and conn:state() == "ESTABLISHED" do task.sleep(LOOK_EVERY) end
  end,

  read = function(conn, count)
    local left = tonumber(count)
    while left > 0 do
      local data, err = conn:read(left)
      if not data then return err.code == "EOF" end
      left = left - #data
    end
    return true
  end,

  say = function(conn, count, _, before)
    return conn:send(peer.said(tonumber(count), before + 1)), tonumber(count)
  end,

  -- A connection of ours is what its options said when it was opened: those of the fault.
  set = function()
    return true
  end,

  shutdown = function(conn)
    return conn:shutdown()
  end,

  urgent = function(conn, count, _, before)
    return conn:send_urgent(peer.said(tonumber(count), before + 1)), tonumber(count)
  end,

  wait = function(_, ms)
    task.sleep(tonumber(ms) / 1000)
    return true
  end,
}

--- Reads the commands from a connection and carries them out. Who called it closes.
function peer.obey(conn)
  local line = conn:read_line()
  local said = 0
  for one in (line or ""):gmatch "[^;\n]+" do
    local name, word, value = one:match "^%s*(%S+)%s*(%S*)%s*(%S*)"
    local goes_on, more = commands[name](conn, word, value, said)
    if not goes_on or conn:closed() then return end
    said = said + (more or 0)
  end
end

--- The client under test in simulations: connects, and obeys unless it is refused.
function peer.call(src, dst, port)
  local conn <close> = tcp.connect { src = src, dst = dst, port = port }
  if conn then peer.obey(conn) end
end

-- --- what the scenarios use ----------------------------------------------------------------------

--- Connects to the peer, in assist unless the options say otherwise, and sends it its commands.
-- Returns the connection and the relative number of the next byte to send.
function peer.talk(row, command, options)
  local all = { family = row.family, mode = "assist" }
  for name, value in pairs(options or {}) do all[name] = value end
  local conn = assert(sut.connect(all))
  assert(conn:send(command .. "\n"))
  return conn, #command + 2
end

--- The same for a command that only reads at first ("drain", "echo"), and it is acknowledged
-- already: no ACK for it comes together with that of what is sent next.
function peer.reading(row, command, options)
  local conn, at = peer.talk(row, command, options)
  conn:expect { flags = ".", ack = at }
  return conn, at
end

--- Connects with a SYN made by hand (fields for inject: options, data, ...), in manual. The
-- window that the SYN says is that of the handshake's ACK too. The ACK may wait for so many seconds
-- of a round trip: the peer's timer waits three times as long then, and seldom fires before what
-- the test sends, however slow that is. Returns the connection and the SYN-ACK.
function peer.open(row, syn, options, round_trip)
  local all = { family = row.family, mode = "manual" }
  for name, value in pairs(options or {}) do all[name] = value end
  local conn = assert(sut.connect(all))
  assert(conn:inject(syn or { flags = "S" }))
  local answer = conn:expect { flags = "S." }
  if round_trip then task.sleep(round_trip) end
  assert(conn:inject { flags = ".", win = syn and syn.win })
  return conn, answer
end

--- Acknowledges by hand with SACK blocks, { left, right } in the peer's relative numbers.
function peer.sack(conn, ack, ...)
  local blocks, irs = {}, conn:info().irs
  for i, block in ipairs { ... } do
    blocks[i] = { irs + block[1] & 0xffffffff, irs + block[2] & 0xffffffff }
  end
  return conn:inject { ack = ack, win = 65535, options = { "nop", "nop", { "sack", blocks } } }
end

--- Has the peer connect to us. Returns our connection, in manual, which has its SYN and has not
-- answered it, and the client (tcplua.sut). What the connection is like may be given.
function peer.called(row, options)
  local listen = { mode = "manual" }
  for name, value in pairs(options or {}) do listen[name] = value end
  local client = sut.client(nil, { family = row.family, model = peer.call, listen = listen })
  return assert(client:accept()), client
end

--- Answers a client's SYN by hand (fields for inject), and gives it its commands once it has
-- acknowledged that. Returns the number of the next byte to send.
function peer.take(conn, command, answer)
  local fields = { flags = "S." }
  for name, value in pairs(answer or {}) do fields[name] = value end
  conn:expect { flags = "S" }
  assert(conn:inject(fields))
  conn:expect { flags = ".", seq = 1, ack = 1 }
  assert(conn:inject { data = command .. "\n", win = fields.win })
  return #command + 2
end

return peer
