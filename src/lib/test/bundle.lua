--- tcplua.test.bundle: the folder of a test that did not pass.
--
--     failure.txt, output.txt, again.txt   by the runner (tcplua.test.report.artifacts)
--     exchange.pcapng, exchange.txt        by the test's process: a connection under test, with a
--                                          comment at each packet: which expectation took it or
--                                          which line sent it, and the change of state that it
--                                          made; of a second one exchange-2, …
--     server.txt, client.txt               and what the programs under test have printed
--                                          meanwhile, the last 64 KiB
--
-- Both make it, so its name is told by the test alone.
local core = require "tcplua.core"

local bundle = {}

local NAME_MAX <const> = 100

--- Makes a folder, and those above it, where there are none; raises where that cannot be.
function bundle.make(path)
  assert(core.make_folder(path))
end

--- The folder of the test with this file, number in it, and name: a name that takes no quoting.
function bundle.folder(artifacts, path, index, name)
  local file = path:gsub("^.*/", ""):gsub("%.lua$", "")
  local text = ("%s-%03d-%s"):format(file, index, name):gsub("[^%w._-]+", "-")
  return artifacts .. "/" .. text:sub(1, NAME_MAX):gsub("-+$", "")
end

return bundle
