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
local process = require "tcplua.process"

local bundle = {}

local FILE_MAX <const>, NAME_MAX <const> = 100, 200 -- a file system takes 255

--- Makes a folder, and those above it, where there are none; raises where that cannot be.
function bundle.make(path)
  assert(core.make_folder(path))
end

--- The folder of the test with this file (as it is printed, with the run if there are several),
-- number in it, and name: a name that takes no quoting.
function bundle.folder(artifacts, file, index, name)
  file = file:gsub("^%./", ""):gsub("%.lua%f[%W]", ""):gsub("%W+$", "")
  local text = ("%s-%03d-%s"):format(file:sub(-FILE_MAX), index, name):gsub("[^%w._-]+", "-")
  return artifacts .. "/" .. text:sub(1, NAME_MAX):gsub("-+$", ""):gsub("^-+", "")
end

--- Removes a folder and what is in it.
function bundle.remove(folder)
  local done, err = process.run { "rm", "-rf", "--", folder }
  if not done then error(err, 0) end
end

return bundle
