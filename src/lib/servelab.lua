--- tcplua.servelab: what --serve puts around a script: a program of the user's takes the place of
-- the lab's own server, and the global `sut` (tcplua.sut) leads to it. It is required before the
-- script and called with the program's line and the script's arguments; what it returns is called
-- after the script, and raises if the program ended badly.
local core = require "tcplua.core"
local sut = require "tcplua.sut"

local PORT <const> = 9000  -- unless the script is called with SRC DST PORT
local PATIENCE <const> = 10 -- seconds until it listens

-- A script knows of no test that failed, but of errors.
local function as_error(problem)
  if core.is_error(problem) then return problem end
  return core.error { kind = "protocol", code = "ECHILD", message = tostring(problem) }
end

local function try(f, ...)
  local ok, problem = pcall(f, ...)
  if not ok then error(as_error(problem), 0) end
end

return function(command, _, ...)
  local last = select("#", ...) >= 3 and math.tointeger(tonumber((select(-1, ...))))
  sut.prepare { network = "lab", serve = command, timeout = PATIENCE, aloud = true,
    port = last and last > 0 and last < 65536 and last or PORT }
  try(sut.begin)
  _G.sut = sut
  return function()
    try(sut.check)
    sut.close()
  end
end
