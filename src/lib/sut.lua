--- tcplua.sut: the system under test: a server or a client that is not ours.
--
--     it("greets", { matrix = { family = { "ip", "ip6" } } }, function(row)
--       local conn <close> = assert(sut.connect { family = row.family })
--       test.equal(conn:read_line(), "hello\n")
--     end)
--
-- `sut` is a global in the files of `tcplua test`. Where the server is, the command line says:
--
--     tcplua test --serve './server $TCPLUA_PORT' FILE    a program, started in the file's private
--                                                         network before its first test
--     tcplua test --server 198.51.100.7:80 FILE           one that runs somewhere; [ADDR]:PORT too
--     tcplua test --network sim FILE                      what the file gives to sut.model
--
-- and the file is the same. A program is started by the shell, with TCPLUA_ADDR, TCPLUA_ADDR6 and
-- TCPLUA_PORT (9000, or that of --port) in its environment, and waited for until it listens there,
-- as long as a test may take (--timeout). Nothing connects to it meanwhile. What it prints while a
-- test runs is shown with that test. A test in which it is killed, or ends with a status other than
-- 0, fails; the next one gets a new one. It ends with the file.
--
--     sut.addr, sut.addr6   the server's addresses; nil where it has none, once it listens
--     sut.port              and its port
--     sut.src, sut.src6     ours on the way there; nil: the host chooses
--     sut.process           the server's process (tcplua.process), where we started it
--     sut.network           the simulated network (tcplua.sim), a new one in each test; those of
--                           a group with setup have one together
--
-- A client under test is started by sut.client. What the kernel does for either of them in its
-- private network is set by lab.sysctl (tcplua.lab).
--
-- A plain script has the global too, with `tcplua --lab --serve './server $TCPLUA_PORT' SCRIPT`.
-- The program then prints to standard error, and if it ends badly, so does the script.
local check = require "tcplua.check"
local core = require "tcplua.core"
local expect = require "tcplua.expect"
local process = require "tcplua.process"
local sim = require "tcplua.sim"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"
local test = require "tcplua.test"
local tree = require "tcplua.test.tree"
local verdict = require "tcplua.verdict"

local sut = {}

local OURS <const>, OURS6 <const> = "192.0.2.1", "2001:db8::1"
local THEIRS <const>, THEIRS6 <const> = "192.0.2.2", "2001:db8::2"
local PATIENCE <const> = 10     -- seconds until a client has connected,
local END_TIME <const> = 1      -- and that a server which does not listen any more takes to end
local LOOK_EVERY <const> = 0.005
local OTHER_FAMILY <const> = 0.1 -- that it may take to listen in its second family
local ACCEPT_STEP <const> = 0.1
local REST_TIME <const> = 0.1   -- of a simulation: by then the model has accepted what setup opened
local KEPT_MAX <const> = 65536  -- bytes of what a program has printed during a test, the last
local SHELL <const> = "exec 2>&1; "
local ALOUD <const> = "exec >&2; "

local settings = { network = "host" }
local printed = {} -- during the test: what they have, by "server" and "client"
local server      -- { child =, kept = }: the program, while there is one
local broken      -- why there will never be one
local model       -- the server of simulations,
local acceptors = {} -- the tasks that accept for it,
local models = {} -- and those in which it runs
local held = {}   -- for each group with setup that is open: the network and the models it keeps
local chosen = 1  -- the seed of what is simulated

-- --- what a program prints -----------------------------------------------------------------------

local Kept = {}
Kept.__index = Kept

local function keep(child, word)
  return setmetatable({ source = child.stdout and child.stdout.source, ended = not child.stdout,
    word = word, text = "", cut = 0 }, Kept)
end

-- Reads on in a task of its own, so that the program does not wait for us, until rest().
function Kept:follow()
  if self.task and not self.task.done then return end
  self.task = task.spawn(function()
    while self:drain() do task.wait(self.source, math.huge, "a program's output") end
  end)
end

function Kept:rest()
  if self.task and not self.task.done then self.task:cancel() end
end

-- Takes what has come; false once no more will.
function Kept:drain()
  if self.ended then return false end
  while true do
    local piece = self.source:raw_read(KEPT_MAX)
    if not piece then
      self.ended = true
      return false
    end
    if piece == "" then return true end
    self.text = self.text .. piece
    local over = #self.text - KEPT_MAX
    if over > 0 then
      self.cut = self.cut + over
      self.text = self.text:sub(over + 1)
    end
  end
end

-- Prints what has come, each line with the word before it, and leaves it to sut.save.
function Kept:flush()
  self:drain()
  local before = printed[self.word] or { text = "", cut = 0 }
  local over = math.max(#before.text + #self.text - KEPT_MAX, 0)
  printed[self.word] = { text = (before.text .. self.text):sub(over + 1),
    cut = before.cut + self.cut + over }
  if self.cut > 0 then io.write(self.word, ": [", self.cut, " bytes left out]\n") end
  for line in self.text:gmatch "[^\n]+" do io.write(self.word, ": ", line, "\n") end
  self.text, self.cut = "", 0
end

function Kept:close()
  self:flush()
  self.ended = true
  self:rest()
end

-- --- who listens ---------------------------------------------------------------------------------

local ANY <const>, ANY6 <const> = ("\0"):rep(4), ("\0"):rep(16)
local THEIRS_BYTES <const>, THEIRS6_BYTES <const> = "\192\0\2\2", "\x20\x01\x0d\xb8" ..
  ("\0"):rep(11) .. "\2"
local MAPPED <const> = ("\0"):rep(10) .. "\xff\xff"

-- Which of its addresses the server listens on: "ip" and "ip6" as keys of a set; and in words, what
-- else there is. A socket for any IPv6 address has IPv4 too, unless somebody asked otherwise.
local function families(child, port)
  local set, others = {}, {}
  for _, row in ipairs(child:listening()) do
    local addr = row.addr:sub(1, 12) == MAPPED and row.addr:sub(13) or row.addr
    if row.port == port and (addr == ANY or addr == THEIRS_BYTES) then
      set.ip = true
    elseif row.port == port and addr == ANY6 then
      set.ip, set.ip6 = true, true
    elseif row.port == port and addr == THEIRS6_BYTES then
      set.ip6 = true
    elseif addr ~= "\192\0\2\1" then -- our own guards
      local loopback = addr:byte() == 127 or addr == ("\0"):rep(15) .. "\1"
      others[#others + 1] = ("port %d%s"):format(row.port, loopback and " of the loopback" or "")
    end
  end
  return set, table.concat(others, ", ")
end

-- --- the server ----------------------------------------------------------------------------------

local function how_it_ended(result)
  return result.signal and "was killed by signal " .. result.signal
    or ("ended with status %d"):format(result.code)
end

-- The same of one that a signal has killed, the program itself or, which the shell tells by its
-- status, what it ran; nil of another.
local function how_it_crashed(result)
  if result.signal then return how_it_ended(result) end
  local by_shell = result.code - 128
  if by_shell > 0 and by_shell <= 64 then return "was killed by signal number " .. by_shell end
end

local function stop_server()
  if not server then return end
  local ending = server
  server, sut.process = nil, nil
  ending.kept:close()
  ending.child:close()
end

local function unusable(format, ...)
  broken = core.error { kind = "environment", code = "ECHILD", message = format:format(...) }
  error(broken, 0)
end

local function start_server()
  local child, err = process.spawn { shell = (settings.aloud and ALOUD or SHELL) .. settings.serve,
    stdout = settings.aloud and "inherit" or "pipe", env = {
      TCPLUA_ADDR = THEIRS, TCPLUA_ADDR6 = THEIRS6, TCPLUA_PORT = sut.port } }
  if not child then error(err, 0) end
  server = { child = child, kept = keep(child, "server") }
  server.kept:follow()
  sut.process = child
  local deadline = core.now() + settings.timeout
  local one_since
  while true do
    local set, others = families(child, sut.port)
    local now = core.now()
    one_since = one_since or next(set) and now
    if set.ip and set.ip6 or one_since and now - one_since >= OTHER_FAMILY then
      sut.addr, sut.addr6 = set.ip and THEIRS, set.ip6 and THEIRS6
      return
    end
    if not child:running() then
      local how = how_it_ended(child:wait(0))
      stop_server()
      unusable("the server under test %s before it listened on port %d", how, sut.port)
    end
    if core.now() >= deadline then
      stop_server()
      unusable("the server under test does not listen on port %d ($TCPLUA_PORT) of %s after %g s%s",
        sut.port, THEIRS, settings.timeout, others ~= "" and ", but on " .. others or "")
    end
    task.sleep(LOOK_EVERY)
  end
end

-- What went wrong with the server since it was looked at last, or nil. One that ended, or does not
-- listen any more, is forgotten: a program that dies closes its listener, which it opened first,
-- before its connections, so that the peers of those may hear of its end before we do.
local function look_after(when)
  if not server then return nil end
  local set = families(server.child, sut.port)
  if next(set) and server.child:running() then return nil end
  local result = server.child:wait(END_TIME)
  stop_server()
  if not result or result.code == 0 then return nil end
  return verdict.failure { message = ("the server under test %s%s"):format(how_it_ended(result),
    when) }
end

-- --- simulations ---------------------------------------------------------------------------------

local function serve_model(listener)
  while true do
    local accepted = assert(listener:accept())
    models[#models + 1] = task.spawn(function()
      local conn <close> = accepted
      model(conn)
    end)
  end
end

local function simulate()
  if sut.network then return end
  sut.network = sim.network { seed = chosen & 0x7fffffff, delay = 100e-6 }
  sut.network:host(OURS, OURS6)
  sut.network:host(THEIRS, THEIRS6)
  if not model then return end
  for _, addr in ipairs { THEIRS, THEIRS6 } do
    acceptors[#acceptors + 1] = task.spawn(serve_model,
      assert(tcp.listen { addr = addr, port = sut.port }))
  end
end

-- Lets models come to their end, for the test has.
local function settle(ending)
  for _, each in ipairs(ending) do
    each:join(END_TIME)
    if not each.done then each:cancel() end
  end
end

--- Says what the server is in simulations: f(conn) is called with each connection, in a task of its
-- own, and closes it by returning. Belongs before the first test. Elsewhere it does nothing.
function sut.model(f)
  if type(f) ~= "function" then check.fail("sut.model: a function expected, got " .. type(f)) end
  model = f
end

-- --- what the tests use --------------------------------------------------------------------------

-- Ours and theirs in a family; the test is skipped if the server has none in it.
local function addresses(family)
  if family ~= nil and family ~= "ip" and family ~= "ip6" then
    check.fail(("family: \"ip\" or \"ip6\" expected, got '%s'"):format(core.escape(
      tostring(family))))
  end
  local six = family == "ip6" or not family and not sut.addr
  return six and sut.src6 or not six and sut.src or nil, six and sut.addr6 or not six and sut.addr
    or nil, six and "IPv6" or "IPv4"
end

-- A test that fails shows what was on the wire, if that is kept.
local function attended(watched, conn, err)
  if conn and watched then expect.attend(conn) end
  return conn, err
end

--- Connects to the server, with the options of tcp.connect besides `family`: "ip" (the default
-- where the server has it) or "ip6"; `watched` is true by default. As tcp.connect it returns the
-- connection, or nil and an error.
-- The test is skipped if there is no server, or none in that family.
function sut.connect(options)
  local all = {}
  for name, value in pairs(check.options(options or {})) do all[name] = value end
  local src, dst, family = addresses(all.family)
  if not settings.server and not server and not (sut.network and model) then
    test.skip(settings.network == "sim" and "no server to simulate: sut.model gives one"
      or "no server to test: --serve or --server names one")
  end
  if not dst then test.skip("the server under test has no " .. family) end
  all.family = nil
  all.src, all.dst, all.port = all.src or src, all.dst or dst, all.port or sut.port
  if all.watched == nil then all.watched = true end
  return attended(all.watched, tcp.connect(all))
end

--- What the server has printed since the test began; 64 KiB of it at most, the last. Empty where we
-- did not start it, and in a plain script.
function sut.output()
  if not server then return "" end
  server.kept:drain()
  return server.kept.text
end

local Client = { __name = "tcplua.sut_client" }
Client.__index = Client

--- Waits for a connection from the client, for 10 s unless told otherwise: it, or nil and an error;
-- ECHILD if the client has ended without one.
function Client:accept(timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, PATIENCE)
  while true do
    local gone = self.process and not self.process:running()
    local left = math.max(deadline - core.now(), 0)
    local conn, err = self.listener:accept(math.min(left, gone and END_TIME or ACCEPT_STEP))
    if conn or err.code ~= "ETIMEDOUT" or left <= ACCEPT_STEP then
      return attended(self.watched, conn, err)
    end
    if gone then
      return nil, core.error { kind = "protocol", code = "ECHILD", message =
        ("the client under test %s and has not connected"):format(
          how_it_ended(self.process:wait(0))) }
    end
  end
end

--- What it has printed; 64 KiB at most, the last.
function Client:output()
  if not self.kept then return "" end
  self.kept:drain()
  return self.kept.text
end

--- Waits until it has ended: { code = 0 } or { signal = "KILL" }; nil and an error if it goes on.
-- A simulated one has ended with code 0 when its function has returned.
function Client:wait(timeout)
  if self.process then
    local result, err = self.process:wait(timeout)
    self.told = result ~= nil
    return result, err
  end
  local _, err = self.task:join(timeout)
  if not self.task.done then return nil, err end
  return { code = 0 }
end

--- Ends it and the listener. Closing again does nothing; the end of the test does it too. One that
-- a signal has killed before makes the test fail, unless client:wait() has told of that.
function Client:close()
  if self.closed then return end
  self.closed = true
  if self.process then
    if not self.told and not self.process:running() then
      local how = how_it_crashed(self.process:wait(0))
      if how then verdict.record(verdict.failure { message = "the client under test " .. how }) end
    end
    self.kept:close()
    self.process:close()
  else
    self.task:cancel()
  end
  self.listener:close()
end

Client.__close = Client.close

local CLIENT_OPTIONS <const> = { family = true, port = true, model = true, listen = true }

--- Starts a client under test, as the shell has it from the line "COMMAND SRC DST PORT", against a
-- listener of ours: client:accept(), client.listener, client.process, client:output(),
-- client:wait(), client:close(). COMMAND is that of --client if `command` is nil. Options: family
-- ("ip", "ip6"), port (that of the server), listen (what tcp.listen takes besides, as a table), and
-- model: in simulations, f(src, dst, port) is the client. The test is skipped where there is no
-- client to start, and on the host's network, where it could not be told from anybody else's.
function sut.client(command, options)
  options = check.options(options or {}, CLIENT_OPTIONS)
  if not tree.running then
    check.fail "sut.client: no test runs, with which it would end: before_each may start one"
  end
  command = command or settings.client
  if settings.network == "host" then
    test.skip "a client under test needs the lab or a simulation"
  elseif settings.network == "sim" and not options.model then
    test.skip "no client to simulate: the option model gives one"
  elseif settings.network == "lab" and not command then
    test.skip "no client to test: --client names one"
  end
  local six = options.family == "ip6"
  local src, dst = six and THEIRS6 or THEIRS, six and OURS6 or OURS
  local listen = { addr = dst, port = options.port or sut.port, watched = true }
  for name, value in pairs(options.listen or {}) do listen[name] = value end
  if settings.network == "sim" then simulate() end
  local listener, err = tcp.listen(listen)
  if not listener then error(err, 0) end
  local self = setmetatable({ listener = listener, watched = listen.watched }, Client)
  if settings.network == "sim" then
    self.task = task.spawn(options.model, src, dst, listen.port)
  else
    local line = ("%s%s %s %s %d"):format(SHELL, command, src, dst, listen.port)
    self.process, err = process.spawn { shell = line }
    if not self.process then
      listener:close()
      error(err, 0)
    end
    self.kept = keep(self.process, "client")
    self.kept:follow()
  end
  test.finally(function() self:close() end)
  return self
end

-- --- what the runner uses ------------------------------------------------------------------------

-- The parts of HOST:PORT or [HOST]:PORT, and whether it is IPv6.
local function read_place(text)
  local host, port = text:match "^%[(.+)%]:(%d+)$"
  local six = host ~= nil
  if not host then host, port = text:match "^([^:]+):(%d+)$" end
  port = math.tointeger(tonumber(port))
  if not host or not core.address(host) or host:find(":", 1, true) ~= nil ~= six or
    port < 1 or port > 65535 then
    return nil
  end
  return host, port, six
end

--- Whether a text is a server's place, as --server takes it.
function sut.is_place(text)
  return read_place(text) ~= nil
end

--- Takes what the command line says: { network =, serve =, server =, client =, port =, timeout = },
-- and aloud = true: what the server prints goes to standard error, and is not kept.
function sut.prepare(given)
  settings = given
  sut.port = given.port
  if given.network ~= "host" then
    sut.addr, sut.addr6, sut.src, sut.src6 = THEIRS, THEIRS6, OURS, OURS6
  end
  if given.server then
    local host, port, six = read_place(given.server)
    sut.port, sut.addr, sut.addr6 = port, not six and host or nil, six and host or nil
  end
end

--- Puts what the programs have printed during the test into files of this folder: server.txt and
-- client.txt, of those that printed anything.
function sut.save(folder)
  for word, kept in pairs(printed) do
    if kept.text ~= "" then
      local file <close> = assert(io.open(("%s/%s.txt"):format(folder, word), "wb"))
      if kept.cut > 0 then file:write(("[%d bytes left out]\n"):format(kept.cut)) end
      file:write(kept.text)
    end
  end
end

--- Before each test, and each group with setup: the server runs and listens. Raises what it has
-- against that.
function sut.begin(seed)
  printed, chosen = {}, seed
  if broken then error(broken, 0) end
  if settings.serve then
    local problem = look_after " after the test before this one was over"
    if server then server.kept:follow() else start_server() end
    if problem then error(problem, 0) end
  elseif settings.network == "sim" and model then
    simulate()
  end
end

--- After setup: what it opened in a simulation stays until sut.release.
function sut.hold()
  if sut.network then task.sleep(REST_TIME) end
  held[#held + 1] = { network = sut.network, models = models }
  models = {}
end

--- After teardown. sut.finish is to follow.
function sut.release()
  local last = table.remove(held)
  settle(last and last.models or {})
end

--- After each test: prints what the server has printed. Raises if it ended badly.
function sut.check()
  local ending = models
  models = {}
  settle(ending)
  local problem = look_after ""
  if server then
    server.kept:flush()
    server.kept:rest()
  end
  if problem then error(problem, 0) end
end

--- When all that a test or a group left is cleared up.
function sut.finish()
  if not sut.network or held[1] and held[1].network == sut.network then return end
  for _, each in ipairs(acceptors) do each:cancel() end
  sut.network:close()
  sut.network, acceptors = nil, {}
end

--- At the end of the file.
function sut.close()
  local problem = look_after " after the last test was over"
  stop_server()
  if problem then error(problem, 0) end
end

return sut
