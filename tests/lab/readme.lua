--- The README's Lua is run as it stands there, with what its sentences presuppose: three addresses,
-- and the modules of the main job.
local process = require "tcplua.process"
local t = require "harness"

local SELF <const> = io.open "/proc/self/stat":read "n"
local PROGRAM <const> = os.getenv "TCPLUA" or "/proc/" .. SELF .. "/exe"

local file <close> = assert(io.open "README.md")
local blocks = {}
for block in file:read "a":gmatch "```lua\n(.-)```" do blocks[#blocks + 1] = block end

-- Runs one block, and returns what it printed.
local function run(block)
  local lines = {}
  local env = setmetatable({
    src = "192.0.2.1", dst = "192.0.2.2", port = 9000,
    tcp = require "tcplua.tcp", hash = require "tcplua.hash",
    print = function(...)
      local words = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      lines[#lines + 1] = table.concat(words, " ")
    end,
  }, { __index = _G })
  assert(load(block, "=README.md", "t", env))()
  return lines
end

t.test("the main job", function()
  t.equal(#run(blocks[1]), 0) -- the lab's verdict is the program's
end)

t.test("a scan of a few ports finds the lab's server", function()
  local lines = run(blocks[2])
  t.equal(#lines, 1)
  t.contains(lines[1], "9000 open")
end)

t.test("a connection in hand", function()
  t.equal(#run(blocks[3]), 0)
end)

t.test("a test of a server, and one that is wrong", function()
  local folder = assert(process.run "mktemp -d").out:match "[^\n]+"
  local path = folder .. "/echo_test.lua"
  local function run_tests(server, status, ...)
    local result = assert(process.run({ PROGRAM, "test", "--serve",
      ("%s %s $TCPLUA_ADDR $TCPLUA_PORT"):format(PROGRAM, server), path, stderr = "pipe" }, 60))
    t.equal(result.code, status, result.out .. result.err)
    for _, part in ipairs { ... } do t.contains(result.out, part) end
  end
  local function write(name, text)
    local to <close> = assert(io.open(folder .. "/" .. name, "w"))
    to:write(text)
  end
  write("echo_test.lua", blocks[4])
  local echo <close> = assert(io.open "scripts/echo_server.lua")
  write("wrong.lua", (echo:read "a":gsub("send%(ok%)", 'send((ok:gsub("you", "me")))')))
  run_tests("scripts/echo_server.lua", 0, "1 passed, 1 skipped") -- it listens on one address
  run_tests(folder .. "/wrong.lua", 1, 'wanted ", you"                got ", me"', "by hand at ")
  assert(process.run { "rm", "-r", folder })
end)

t.test("there is nothing else to run", function() t.equal(#blocks, 4) end)

t.done()
