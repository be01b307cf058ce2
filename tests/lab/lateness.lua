-- Whether the program knows how late it was itself: what a check of time that failed asks for.
local core = require "tcplua.core"
local process = require "tcplua.process"
local t = require "harness"
local task = require "tcplua.task"

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
