--- tcplua.test.options: the command line of `tcplua test`, and its help.
local check = require "tcplua.check"
local core = require "tcplua.core"

local options = {}

--- What `tcplua help test` prints.
options.help = [[
usage: tcplua test [options] FILE|FOLDER...

  tcplua test t/handshake_test.lua           every test of a file
  tcplua test t/handshake_test.lua:42        the test at line 42
  tcplua test -j 4 --junit out.xml t         all of a folder: *_test.lua, test_*.lua, *_spec.lua
  tcplua test --list --tags quick t          the names of what would run

Each file runs in a process of its own, in a private network without root.

Which tests
      --filter PATTERN       those whose "FILE: NAME" matches the Lua pattern
      --tags A,B             those with one of the tags
      --exclude-tags A,B     without those
      --shard I/N            every N-th file, from the I-th on
      --list                 name them and run none

What is tested, for files that use `sut` ('tcplua reference sut')
      --serve COMMAND        a server: the shell starts it in the private network of each file, with
                             TCPLUA_ADDR, TCPLUA_ADDR6 and TCPLUA_PORT in its environment
      --port N               the port it has to listen on (9000)
      --server HOST:PORT     a server that runs somewhere; numbers only, IPv6 in brackets
      --client COMMAND       a client: started as COMMAND SRC DST PORT where a test wants one

How
  -j N                       N files at a time (default: one for each processor)
      --network NAME         lab: a private network (default); sim: two ends in memory and virtual
                             time, also where the lab is refused; host: this machine's network
  -i IFACE                   with --network host: use this interface
      --seed N               repeat the random choices of an earlier run
      --repeat N             each file N times, each time with another seed
      --timeout TIME         for each test that does not say otherwise (30s), in real time
      --file-timeout TIME    for each file (5m)
      --fail-fast            stop at the first that fails

What is said
      --format NAME          human (default), quiet, tap, json
  -v                         with the output of tests that passed, and segments of those that failed
      --junit FILE           JUnit XML too
      --artifacts FOLDER     for each failed test a folder with all that is known of it
      --color WHEN           auto, always, never
  -h, --help                 this text

With GITHUB_ACTIONS=true, failures are also written as annotations and into the step's summary.

A test is passed, failed, an error (it did not come to a verdict), skipped, xfail (it failed, as it
is known to) or inconclusive: a check of time failed while the tester itself was late; it was tried
again, and that was no better.

exit status: 0 all passed, 1 some did not (xpass, a known failure that passed, and inconclusive are
among them), 2 wrong use, 3 a bug of tcplua, 4 this machine does not allow it, 5 no test was
selected, 77 all were skipped, 124 the limit of 'tcplua --timeout TIME test' passed, 128+n ended by
signal n

'tcplua reference test' has the words that a test file is written in.
]]

local function wrong(format, ...)
  error(core.error { kind = "usage", code = "EINVAL",
    message = (format .. "; 'tcplua help test' lists what there is"):format(...) }, 0)
end

local function shown(text) return core.escape(tostring(text)) end

local function count(name, text)
  local number = math.tointeger(tonumber(text))
  if not number or number < 1 then
    wrong("%s takes a whole number from 1, not '%s'", name, shown(text))
  end
  return number
end

local UNITS <const> = { [""] = 1, ms = 0.001, s = 1, m = 60 }

local function time(name, text)
  local number, unit = text:match "^([%d.]+)(%l*)$"
  local seconds = tonumber(number) and UNITS[unit] and tonumber(number) * UNITS[unit]
  if not seconds or seconds <= 0 then
    wrong("%s takes a time like 500ms, 2s or 1m, not '%s'", name, shown(text))
  end
  return seconds
end

local function one_of(...)
  local words = { ... }
  return function(name, text)
    for _, word in ipairs(words) do
      if word == text then return text end
    end
    wrong("%s is one of %s, not '%s'", name, table.concat(words, ", "), shown(text))
  end
end

local function pattern(name, text)
  if not check.is_pattern(text) then
    wrong("%s: '%s' is no Lua pattern", name, shown(text))
  end
  return text
end

local function shard(name, text)
  local i, n = text:match "^(%d+)/(%d+)$"
  i, n = math.tointeger(tonumber(i)), math.tointeger(tonumber(n))
  if not i or i < 1 or i > n then
    wrong("%s takes a part like 1/4, not '%s'", name, shown(text))
  end
  return { i, n }
end

local function seed(name, text)
  local number = math.tointeger(tonumber(text))
  if not number or number < 0 then wrong("%s takes a whole number, not '%s'", name, shown(text)) end
  return number
end

local function port(name, text)
  local number = math.tointeger(tonumber(text))
  if not number or number < 1 or number > 65535 then
    wrong("%s takes a port from 1 to 65535, not '%s'", name, shown(text))
  end
  return number
end

local function place(name, text)
  if not require "tcplua.sut".is_place(text) then
    wrong("%s takes an address and a port like 192.0.2.7:80 or [2001:db8::7]:80, not '%s'", name,
      shown(text))
  end
  return text
end

local function any(name, text)
  if text == "" then wrong("%s: the value is empty", name) end
  return text
end

-- Each option: the field it sets, and how its value is read; true: it has none.
local OPTIONS <const> = {
  ["--filter"] = { "filter", pattern }, ["--tags"] = { "tags", any },
  ["--exclude-tags"] = { "exclude", any }, ["--shard"] = { "shard", shard },
  ["--list"] = { "list", true }, ["-j"] = { "jobs", count },
  ["--network"] = { "network", one_of("lab", "sim", "host") }, ["-i"] = { "iface", any },
  ["--serve"] = { "serve", any }, ["--server"] = { "server", place },
  ["--client"] = { "client", any }, ["--port"] = { "port", port },
  ["--seed"] = { "seed", seed }, ["--repeat"] = { "repeats", count },
  ["--timeout"] = { "timeout", time }, ["--file-timeout"] = { "file_timeout", time },
  ["--fail-fast"] = { "fail_fast", true },
  ["--format"] = { "format", one_of("human", "quiet", "tap", "json") },
  ["-v"] = { "verbose", true }, ["--junit"] = { "junit", any },
  ["--artifacts"] = { "artifacts", any },
  ["--color"] = { "color", one_of("auto", "always", "never") },
  ["-h"] = { "help", true }, ["--help"] = { "help", true },
}

--- Reads the words: a table of what they say; raises an error of kind usage.
function options.read(words)
  local out = { paths = {}, timeout = 30, file_timeout = 300, repeats = 1, format = "human",
    color = "auto", port = 9000 }
  local i, plain = 1, false
  while words[i] do
    local word = words[i]
    local name, value = word:match "^(%-%-[%w-]+)=(.*)$"
    name = name or word:match "^%-j." and "-j" or word
    value = value or word:match "^%-j(.+)$"
    local row = OPTIONS[name]
    if plain or word:sub(1, 1) ~= "-" then
      out.paths[#out.paths + 1] = word
    elseif word == "--" then
      plain = true
    elseif not row then
      wrong("no option '%s'", shown(word))
    elseif row[2] == true then
      if value then wrong("%s takes no value", name) end
      out[row[1]] = true
    else
      if not value then
        i = i + 1
        value = words[i]
      end
      if not value then wrong("a value is missing after '%s'", name) end
      out[row[1]] = row[2](name, value)
    end
    i = i + 1
  end
  if #out.paths == 0 and not out.help then wrong("no file and no folder with tests is named") end
  if out.serve and out.server then wrong("one server at a time: --serve or --server") end
  if (out.serve or out.client) and (out.network or "lab") ~= "lab" then
    wrong("--serve and --client start programs in the lab: leave --network out")
  end
  if out.server then
    if out.network and out.network ~= "host" then
      wrong("--server is reached by --network host, which it implies")
    end
    out.network = "host"
  end
  if out.iface and out.network ~= "host" then wrong("-i is for --network host") end
  return out
end

return options
