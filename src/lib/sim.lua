--- tcplua.sim: a network that is simulated, on a clock that jumps.
--
--     local sim, task, tcp = require "tcplua.sim", require "tcplua.task", require "tcplua.tcp"
--     local net <close> = sim.network { seed = 7, delay = 0.02, rate = 10e6, loss = 0.01 }
--     local client, server = net:host "192.0.2.1", net:host("192.0.2.2", "2001:db8::2")
--
--     local listener = assert(tcp.listen { addr = "192.0.2.2", port = 80 })
--     task.spawn(function() assert(listener:accept()):send("hello\n") end)
--     net:at(5, { down = true })                       -- five seconds from now nothing passes
--     local conn <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
--     print(conn:read_line(), server.sending:counts().lost)
--
-- Hosts with addresses hang on one network; each has a path for what it sends (host.sending) and
-- one for what it receives (host.receiving). Every end is our own TCP, and all of them are in one
-- script: a client in the main chunk and its server in a task, say. Time is virtual: it passes only
-- while every task waits, and then jumps to whatever comes next, so hours take seconds. All that is
-- left to chance comes from the seed: a run with the same seed is the same run.
--
-- What a path is like, by name; what is left out is perfect:
--
--     delay, jitter    seconds one way, and what is added at most; both keep the order
--     rate             bits a second; `queue` bytes wait for it (131072), the rest is lost
--     loss             probability that a datagram is lost by itself
--     burst_every, burst_length    Gilbert-Elliott: seconds until a burst of losses begins and
--                      seconds that it lasts, both on average; burst_loss: of it (1)
--     reorder          probability that one is held back for another `jitter` (or `delay`)
--     duplicate        that it comes twice
--     corrupt          that one of its bits is flipped
--     path_mtu         bytes; what is longer is lost, and its sender told by ICMP; with
--                      silent = true it is not told. Nothing is fragmented
--     down             true: nothing passes
--
-- As text, for `tcplua --sim=SETTINGS`, they are separated by commas: times end in us, ms, s or m,
-- rates in k, M or G, bytes in K or M (1024), a probability may be in %, and "down", "up", "silent"
-- stand alone. What follows "@TIME" holds from then on:
--
--     tcplua --sim=delay=20ms,rate=10M,loss=1%,@5s,down,@15s,up SCRIPT
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"

local sim = {}

local UNITS <const> = {
  time = { us = 1e-6, ms = 1e-3, s = 1, m = 60, [""] = 1 },
  rate = { k = 1e3, M = 1e6, G = 1e9, [""] = 1 },
  bytes = { K = 1024, M = 1048576, [""] = 1 },
  probability = { ["%"] = 0.01, [""] = 1 },
  flag = {},
}

local SETTINGS <const> = {
  delay = "time", jitter = "time", rate = "rate", queue = "bytes", loss = "probability",
  burst_every = "time", burst_length = "time", burst_loss = "probability",
  reorder = "probability", duplicate = "probability", corrupt = "probability",
  path_mtu = "bytes", silent = "flag", down = "flag",
}

local EXAMPLES <const> = {
  time = "20ms", rate = "10M", bytes = "64K", probability = "1%",
}

local current -- the network that there is, if any

-- --- paths --------------------------------------------------------------------------------------

local path = {}
path.__index = path

local function merged(old, new)
  local all = {}
  for name, value in pairs(old) do all[name] = value end
  for name, value in pairs(new) do all[name] = value end
  return all
end

--- Changes settings of this path, from now on; the others stay. True, or nil and an error.
function path:set(settings)
  local all = merged(self.settings, check.options(settings, SETTINGS))
  local ok, err = self.hub:raw_set(self.number, self.way, all)
  if ok then self.settings = all end
  return ok, err
end

--- Nothing passes any more.
function path:down() return self:set { down = true } end

--- Datagrams pass again.
function path:up() return self:set { down = false } end

--- What has happened here so far: { sent =, bytes =, lost =, overflowed =, too_big =, dark =,
-- duplicated =, reordered =, corrupted = } datagrams; `sent` and `bytes` are those that entered,
-- `overflowed` were lost for a full queue, `dark` while it was down.
function path:counts() return self.hub:raw_counts(self.number, self.way) end

-- --- hosts --------------------------------------------------------------------------------------

local host = {}
host.__index = host

--- One more address of the host. True, or nil and an error.
function host:add(address)
  local ok, err = self.sending.hub:raw_attach(self.sending.number, address, self.unseen)
  if ok then self.addresses[#self.addresses + 1] = address end
  return ok, err
end

--- The host is cut off, both ways.
function host:down()
  self.sending:down()
  return self.receiving:down()
end

--- And back.
function host:up()
  self.sending:up()
  return self.receiving:up()
end

-- --- networks -----------------------------------------------------------------------------------

local network = {}
network.__index = network

--- One more host, with these addresses; what it sends takes a path as the network's settings say.
-- Raises what an address has against it.
function network:host(...)
  local number = assert(self.hub:raw_host())
  local function new_path(way)
    return setmetatable({ hub = self.hub, number = number, way = way, settings = {} }, path)
  end
  local new = setmetatable({
    sending = new_path "sending", receiving = new_path "receiving", addresses = {},
  }, host)
  assert(new.sending:set(self.settings))
  for _, address in ipairs { ... } do assert(new:add(address)) end
  self.hosts[#self.hosts + 1] = new
  return new
end

--- Changes settings of the paths on which the hosts send, those to come as well: so one from any
-- host to any other. True, or nil and an error.
function network:set(settings)
  self.settings = merged(self.settings, check.options(settings, SETTINGS))
  for _, each in ipairs(self.hosts) do
    local ok, err = each.sending:set(settings)
    if not ok then return nil, err end
  end
  return true
end

--- The same in so many seconds from now.
function network:at(seconds, settings)
  check.options(settings, SETTINGS)
  seconds = check.seconds("seconds", seconds, 0)
  task.spawn(function()
    task.sleep(seconds)
    if not self.closed then assert(self:set(settings)) end
  end)
end

--- Nothing passes any more, from nobody to nobody.
function network:down() return self:set { down = true } end

--- Everything passes again.
function network:up() return self:set { down = false } end

--- Ends the network, and every connection on it with a reset. Closing again does nothing.
function network:close()
  if self.closed then return end
  self.closed = true
  current = nil
  core.reset()
  self.hub:close()
end

network.__close = network.close

--- A network without hosts. Fields: seed (of all that is left to chance; default: that of --seed,
-- or a new one; it is in net.seed), mtu (of the hosts' links, 1500), and the settings of its paths.
-- The script must not have touched the real network, and there is one at a time: with --sim there
-- is one already (sim.current).
function sim.network(options)
  options = check.options(options)
  if current then
    check.fail "there is a simulated network already (--sim makes one): close it first"
  end
  local settings = {}
  for name, value in pairs(options) do
    if SETTINGS[name] then
      settings[name] = value
    elseif name ~= "seed" and name ~= "mtu" then
      check.options(options, merged(SETTINGS, { seed = true, mtu = true }))
    end
  end
  if not core.simulated() then core.simulate() end
  local seed = options.seed or core.given_seed() or math.random(1, 0x7fffffff)
  local hub = assert(core.hub { seed = seed, mtu = options.mtu })
  core.seed(seed)
  local self = setmetatable({ hub = hub, seed = seed, settings = settings, hosts = {} }, network)
  -- What cannot be is said here, and not at the first host.
  assert(hub:raw_set(assert(hub:raw_host()), "sending", settings))
  current = self
  return self
end

--- The network that there is, as under --sim, where client and server hang on it as the first and
-- second of `hosts`; else nil.
function sim.current() return current end

-- --- settings as text ---------------------------------------------------------------------------

local function wrong(...)
  return nil, core.error { code = "EINVAL", kind = "usage", message = (...):format(select(2, ...)) }
end

local function read_number(text, kind)
  local digits, unit = text:match "^([%d.]+)(%%?%a*)$"
  local number, factor = tonumber(digits), UNITS[kind][unit]
  return number and factor and number * factor
end

local function read_setting(into, word)
  local name, value = word:match "^([%w_]+)=(.*)$"
  name = name or word
  local kind = SETTINGS[name] or name == "mtu" and "bytes" or name == "up" and "flag"
  if not kind then
    local names = { "mtu", "up" }
    for known in pairs(SETTINGS) do names[#names + 1] = known end
    table.sort(names)
    return wrong("a simulated network has no setting '%s'; there are %s", core.escape(name),
      table.concat(names, ", "))
  end
  if kind == "flag" then
    if value then return wrong("the setting '%s' stands alone, without a value", name) end
    into[name == "up" and "down" or name] = name ~= "up"
    return true
  end
  local number = value and read_number(value, kind)
  if not number then
    return wrong("the setting '%s' wants a value like %s=%s, not '%s'", name, name, EXAMPLES[kind],
      core.escape(value or ""))
  end
  into[name] = kind == "bytes" and math.tointeger(number) or number
  return true
end

--- Reads settings that are written as text: a table for sim.network, and a list of what changes
-- later, { at = seconds, settings = {…} }. Or nil and an error of kind usage.
function sim.parse(text)
  local first, changes = {}, {}
  local into = first
  for word in text:gmatch "[^,]+" do
    local time = word:match "^@(.*)$"
    if time then
      local at = read_number(time, "time")
      if not at then return wrong("'%s' wants a time, like @5s", core.escape(word)) end
      into = {}
      changes[#changes + 1] = { at = at, settings = into }
    else
      local ok, err = read_setting(into, word)
      if not ok then return nil, err end
      if into.mtu and into ~= first then
        return wrong "the mtu of the links cannot change, the path_mtu can"
      end
    end
  end
  return first, changes
end

return sim
