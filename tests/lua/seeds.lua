--- The main job over wires that lose, repeat, delay, reorder and damage, one wire for each seed:
-- rows H1 to H5.
--
-- Both ends are ours. A seed says everything of a run: the line, the faults, the ports and initial
-- numbers. A run that goes wrong names it, and TCPLUA_SEED=n repeats that run alone (with -v to
-- see its segments). TCPLUA_SEEDS=n takes n seeds in place of 1000 (20000 where all tests
-- are to be full).
local core = require "tcplua.core"
local hash = require "tcplua.hash"
local net = require "tcplua.net"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT, SERVER, PORT = "192.0.2.1", "192.0.2.66", 9000
local PATIENCE = 3000 -- seconds of the application: TCP gives up long before

local only = tonumber(os.getenv("TCPLUA_SEED"))
local seeds = tonumber(os.getenv("TCPLUA_SEEDS") or t.full and 20000 or 1000)

-- Some bytes and a LF; the empty line and a line of one segment more than a window are both rare.
local function make_line()
  local bytes = {}
  for i = 1, math.floor(2 ^ (math.random() * 12)) - 1 do
    local byte = math.random(0, 255)
    bytes[i] = string.char(byte == 10 and 13 or byte)
  end
  return table.concat(bytes) .. "\n"
end

-- The server: its line out, the answer in, and it closes first. Returns the answer.
local function serve(listener, line)
  local conn <close> = assert(listener:accept(PATIENCE))
  assert(conn:send(line, PATIENCE))
  local answer = assert(conn:read_line { timeout = PATIENCE })
  assert(conn:close(PATIENCE))
  return answer
end

-- The client, as scripts/sha_client.lua has it, but with more patience than a person. Returns the
-- line that it read.
local function work()
  local conn <close> = assert(tcp.connect {
    src = CLIENT, dst = SERVER, port = PORT, timeout = 200,
  })
  local line = assert(conn:read_line { timeout = PATIENCE })
  assert(conn:send(hash.sha256(line):hex() .. "\n", PATIENCE))
  assert(conn:passive_close(PATIENCE))
  return line
end

-- One run over a wire that also duplicates (a tenth unless the last says more), delays and
-- reorders. Returns how it ended: the client's and the server's result, each {true, value} or
-- {false, error}, and the line that was to be read.
local function run(seed, loss, corrupt, duplicate)
  t.fresh()
  core.seed(seed)
  math.randomseed(seed)
  local line = make_line()
  local near, far = net.pair {
    seed = seed, loss = loss, corrupt = corrupt, duplicate = duplicate or 0.1, reorder = 0.2,
    delay = math.random() ^ 3, jitter = math.random() ^ 3,
  }
  assert(net.attach(near, CLIENT))
  assert(net.attach(far, SERVER))
  local listener = assert(tcp.listen { addr = SERVER, port = PORT })
  local server = task.spawn(function() return { pcall(serve, listener, line) } end)
  local client = { pcall(work) }
  return client, server:join(2 * PATIENCE), line
end

local function code(result)
  if result[1] then return "nothing" end
  return core.is_error(result[2]) and result[2].code or tostring(result[2])
end

-- Runs the seeds from 1 to `count`, or the one of TCPLUA_SEED. check(client, server, line) returns
-- what is wrong with an end, or nil.
local function each(count, loss, corrupt, check, duplicate)
  t.sim_only()
  local first, last = only or 1, only or count
  for seed = first, last do
    local client, server, line = run(seed, loss, corrupt, duplicate)
    local wrong = check(client, server, line)
    if wrong then
      error(("seed %d, loss %g: %s (TCPLUA_SEED=%d repeats it)"):format(seed, loss, wrong, seed), 0)
    end
  end
end

local function right_hash(server, line)
  return server[2] == hash.sha256(line):hex() .. "\n"
end

local function all_well(client, server, line)
  if not client[1] then return "the client failed: " .. tostring(client[2]) end
  if not server[1] then return "the server failed: " .. tostring(server[2]) end
  if client[2] ~= line then return "the client read another line" end
  if not right_hash(server, line) then return "the server got another hash" end
end

t.test("H1 a tenth lost each way: every run ends with the right hash", function()
  each(seeds, 0.1, 0, all_well)
end)

t.test("H5 a bit wrong in one of twenty packets: every run ends with the right hash", function()
  each(math.max(1, seeds // 5), 0.01, 0.05, all_well)
end)

t.test("H3 every second packet twice: every run ends with the right hash", function()
  each(math.max(1, seeds // 5), 0, 0, all_well, 0.5)
end)

-- Who has given up keeps no connection, and answers what still comes with a reset: so the other
-- end may say ECONNRESET, but never both.
t.test("H1 three tenths lost each way: never a wrong hash, and who gives up says ETIMEDOUT",
  function()
    local gave_up = 0
    each(math.max(1, seeds * 3 // 10), 0.3, 0, function(client, server, line)
      if client[1] and client[2] ~= line then return "the client read another line" end
      if server[1] and not right_hash(server, line) then return "the server got another hash" end
      if client[1] and server[1] then return end
      gave_up = gave_up + 1
      local ends = ("the client says %s, the server %s"):format(code(client), code(server))
      local timed_out = false
      for _, result in ipairs { client, server } do
        if not result[1] then
          if code(result) == "ETIMEDOUT" then
            timed_out = true
          elseif code(result) ~= "ECONNRESET" then
            return ends
          end
        end
      end
      if not timed_out then return ends end
    end)
    print(("# %d runs were given up"):format(gave_up))
  end)

t.done()
