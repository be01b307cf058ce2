-- Whether the program knows how late it was itself: what a check of time that failed asks for.
require "tcplua.expect"
local core = require "tcplua.core"
local process = require "tcplua.process"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local SELF <const> = io.open "/proc/self/stat":read "n"

t.test("a program that was stopped while it slept was late", function()
  local command = "while sleep 0.1; do kill -STOP %d; sleep 0.3; kill -CONT %d; done"
  local _ <close> = assert(process.spawn { shell = command:format(SELF, SELF), stdout = "null" })
  for _ = 1, 30 do
    core.lateness(true)
    task.sleep(0.2)
    if core.lateness() > 0.05 then return end
  end
  error("stopped for 0.3 s again and again, and never late")
end)

-- Says "A" when it is asked, and "B" 0.3 s later.
local SERVER <const> = { "perl", "-e", [[
use Socket;
socket(S, AF_INET, SOCK_STREAM, 0) or die;
bind(S, pack_sockaddr_in(7001, INADDR_ANY)) or die;
listen(S, 5) or die;
while (accept(C, S)) {
  sysread(C, $_, 1) and syswrite(C, "A") and select(undef, undef, undef, 0.3);
  syswrite(C, "B");
  close C;
}
]] }

t.test("what came at the end of none's time is no failure of who began to look late", function()
  if assert(process.run "command -v perl").code ~= 0 then t.skip "no perl" end
  local server <close> = assert(process.spawn(SERVER))
  local function listens()
    for _, row in ipairs(server:listening()) do
      if row.port == 7001 then return true end
    end
  end
  while not listens() do task.sleep(0.01) end
  for _ = 1, 10 do
    local conn <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 7001,
      mode = "assist" })
    core.lateness(true)
    assert(conn:send "x")
    local busy_until = core.wall() + 0.2
    while core.wall() < busy_until do end
    conn:expect { data = "A" }
    local ok, err = pcall(conn.none, conn, { data = "B" }, 0.2)
    if not ok then -- else the server was later than we
      t.equal(err.verdict, "inconclusive")
      t.contains(err.text, "this program itself was late by up to 0.")
      return
    end
  end
  error("ten times not one 0.3 s after the other")
end)
