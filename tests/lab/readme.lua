--- The README's Lua is run as it stands there, with what its sentences presuppose: three addresses,
-- and the modules of the main job.
local t = require "harness"

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

t.test("there is nothing else to run", function() t.equal(#blocks, 3) end)

t.done()
