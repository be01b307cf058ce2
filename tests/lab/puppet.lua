-- Segments by hand, and the kernel's answers to them.
local t = require "harness"
local tcp = require "tcplua.tcp"

local SRC <const>, DST <const>, NOBODY <const> = "192.0.2.1", "192.0.2.2", 1

-- The kernel answers within the system call that sends.
t.test("an answer is never earlier than what it answers", function()
  for _ = 1, 20 do
    local conn <close> = assert(tcp.connect { src = SRC, dst = DST, port = NOBODY,
      mode = "manual" })
    local syn = conn:inject { flags = "S" }
    local refusal = conn:expect { flags = "R.", ack = 1 }
    t.within(refusal.time - syn.time, 0, 2, "seconds")
  end
end)

t.done()
