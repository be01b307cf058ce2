-- Lifetime: how long a connection lasts in silence, by RFC 9293 3.8.3 and 3.8.4.
local expect = require "tcplua.expect"
local peer = require "peer"
local task = require "tcplua.task"
local test = require "tcplua.test"

local SETTINGS <const> = "set keepalive_idle 1; set keepalive_interval 1; set keepalive_count 2; "
  .. "set keepalive 1; idle"

-- An open connection in manual, silent from now on. Returns the number of the next byte too.
local function silent()
  local conn = peer.open {}
  conn:send(SETTINGS .. "\n")
  local at = #SETTINGS + 2
  conn:expect { flags = ".", seq = 1, ack = at }
  return conn, at
end

before_each(function()
  if sut.network then test.skip "the settings of a simulated peer are not those of a test" end
end)

it("asks in a silence with the number before the next #keepalive_with_next_number", function()
  local conn <close>, at = silent()
  conn:next { flags = ".", seq = 0, ack = at, timeout = 3 }
end)

it("does not ask before the time #keepalive_early", function()
  local conn <close> = silent()
  conn:next { flags = ".", seq = 0, after = 0.9, timeout = 3 }
end)

it("asks again where nobody answers #keepalive_once", function()
  local conn <close> = silent()
  local first = conn:next { flags = ".", seq = 0, timeout = 3 }
  conn:next { flags = ".", seq = 0, since = first, after = 0.9, timeout = 3 }
end)

it("gives up where nobody answers #keepalive_for_ever", function()
  local conn <close>, at = silent()
  for _ = 1, 2 do conn:next { flags = ".", seq = 0, timeout = 3 } end
  task.sleep(1.5)
  conn:inject { seq = at, data = "x" } -- unless a reset has said so already
  conn:next { flags = expect.one_of { "R", "R." }, seq = 1 }
end)

it("stays where it is answered #keepalive_answer_unheard", function()
  local conn <close> = silent()
  for _ = 1, 3 do
    conn:next { flags = ".", seq = 0, timeout = 3 }
    conn:inject { flags = "." }
  end
end)

it("gives up data that nobody acknowledges in the user's time #user_timeout_ignored", function()
  local conn <close> = peer.open {}
  local command <const> = "set user_timeout 300; say 5; idle"
  conn:send(command .. "\n")
  conn:expect { seq = 1, data = peer.said(5) }
  conn:ignore("retransmission", "pure_ack")
  task.sleep(1) -- the third try would be after 0.6
  conn:inject { seq = #command + 2, data = "x" }
  conn:next { flags = "R", len = 0 }
end)
