--- Judges a client of the assignment, as sha_client.lua is one, by what it puts on the wire.
-- usage: tcplua test --client 'COMMAND' scripts/sha_client_test.lua
-- args: COMMAND is started as COMMAND SRC DST PORT, in a private network
local hash, test = require "tcplua.hash", require "tcplua.test"

local LINE <const> = "a line to be hashed\n"
local ANSWER <const> = hash.sha256(LINE):hex() .. "\n"
local both <const> = { matrix = { family = { "ip", "ip6" } } }

-- In simulations the client is the one beside this file.
local function model(...)
  assert(loadfile((arg[0]:match "^.*/" or "") .. "sha_client.lua"))(...)
end

local function accept(row)
  local client = sut.client(nil, { family = row.family, model = model })
  return assert(client:accept()), client
end

it("answers with the hash of the line, its LF included", both, function(row)
  local conn <close> = accept(row)
  conn:send(LINE)
  test.equal(conn:read_line(), ANSWER)
end)

it("puts a line together that comes in pieces", both, function(row)
  local conn <close> = accept(row)
  conn:mode "assist"
  conn:inject { data = LINE:sub(1, 5) }
  conn:expect { ack = 6 }                                     -- each piece is acknowledged
  conn:inject { data = LINE:sub(6) }
  test.equal(conn:read_line(), ANSWER)
end)

it("lets the server close: FIN in, ACK out, own FIN out, ACK in", both, function(row)
  local conn <close>, client = accept(row)
  conn:send(LINE)
  test.equal(conn:read_line(), ANSWER)
  conn:none({ flags = expect.pattern "F" }, 0.2)              -- not before we do
  conn:shutdown()
  conn:expect { ack = #LINE + 2 }                             -- our FIN is acknowledged
  test.equal(#conn:read_all(), 0)                             -- and theirs is in
  test.equal(client:wait(5).code, 0, "the client's exit status")
end)

it("is not reset by its own kernel", both, function(row)
  local conn <close> = accept(row)
  conn:send(LINE)
  test.equal(conn:read_line(), ANSWER)
  conn:none({ flags = expect.pattern "R" }, 0.2)
end)

it("sends its answer again when it is lost #more", both, function(row)
  local conn <close> = accept(row)
  local lost
  conn:on_receive(function(s)
    if s.len > 0 and not lost then
      lost = s
      return false
    end
  end)
  conn:send(LINE)
  local s = conn:expect { retransmission = true, seq = 1, timeout = 5 }
  test.equal(s.data, lost.data, "what came again")
  test.equal(conn:read_line(), ANSWER)
end)
