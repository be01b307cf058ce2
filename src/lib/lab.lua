--- tcplua.lab: a private network of several hosts, on the kernel's own TCP.
--
--     local net <close> = lab.network {
--       hosts = {
--         client = { "192.0.2.1/24", "2001:db8:1::1/64" },
--         router = { "192.0.2.254/24", "2001:db8:1::fe/64", "198.51.100.254/24", router = true },
--         server = { "198.51.100.2/24" },
--       },
--       links = {
--         { "client", "router", delay = 0.01, rate = 10e6 },
--         { "router", "server", loss = 0.01, mtu = 1400 },
--       },
--     }
--     local server <close> = assert(net.hosts.server:serve("exec ./server 80", 80))
--     print(assert(net.hosts.client:run "exec ./client 198.51.100.2 80").out)
--     net.links[1]:set { down = true }
--
-- Each host is a network namespace, in which programs run that believe it to be a machine. Nothing
-- of it is seen outside, and it ends with its network. It takes `tcplua --lab` or `tcplua test`,
-- which need no rights, or root. A host's addresses go to the links on which a neighbour has one of
-- the same prefix, and what is farther away has routes over hosts that are routers.
--
-- A host with engine = true is ours: no program runs there, but the script's own connections, by
-- its addresses; so one side of the links is our TCP, and the other one the kernel's. A router with
-- nat = "server" gives its own address to what it forwards to that neighbour, who finds no way in.
-- The kernel does that, at the word of the program nft: where there is none, or the kernel refuses,
-- lab.network raises an error of code EOPNOTSUPP.
--
--     local home <close> = lab.network {
--       hosts = {
--         us = { "10.0.0.1/24", engine = true },
--         gate = { "10.0.0.254/24", "203.0.113.1/24", nat = "server" },
--         server = { "203.0.113.2/24" },
--       },
--       links = { { "us", "gate", delay = 0.02 }, { "gate", "server" } },
--     }
--     local far <close> = assert(home.hosts.server:serve("exec ./server 80", 80))
--     local conn <close> = assert(home.hosts.us:connect { dst = "203.0.113.2", port = 80 })
--     print(#assert(conn:read_all()))
--
-- A host has settings of the kernel (sysctl) of its own. Some may be given, as in { "192.0.2.1/24",
-- sysctl = { ["net.ipv4.tcp_congestion_control"] = "reno" } }; host:sysctl(NAME [, VALUE]) tells
-- and changes them. lab.sysctl does so for the network that the script itself is in, whose kernel
-- is the one under test in `tcplua test`.
--
-- What a link does to datagrams is done by us, with the words of tcplua.sim: a table has mtu (that
-- of its interfaces, 1500) and what paths are like; both ways are the same until somebody changes
-- one of them. Datagrams pass while the script waits, as it does for a program or a connection.
--
--     net.hosts       by name; net.links in the order in which they were given
--     net.seed        of all that is left to chance
--     link.there, link.back      its paths: from the first host to the second, and from that one
local check = require "tcplua.check"
local core = require "tcplua.core"
local process = require "tcplua.process"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local lab = {}

local IFACE_MTU <const>, MTU_LEAST <const>, MTU_MOST <const> = 1500, 68, 65535
local SERVE_TIME <const> = 10 -- seconds until a program listens
local LOOK_EVERY <const> = 0.005

-- --- paths and links -----------------------------------------------------------------------------

local path = {}
path.__index = path

--- Changes settings of this path, from now on; the others stay. True, or nil and an error.
function path:set(settings)
  local all = {}
  for name, value in pairs(self.settings) do all[name] = value end
  for name, value in pairs(settings) do all[name] = value end
  local ok, err = self.into:raw_set(all)
  if ok then self.settings = all end
  return ok, err
end

--- What has happened here so far, as path:counts in tcplua.sim.
function path:counts() return self.into:raw_counts() end

local link = {}
link.__index = link

--- Changes settings of both paths.
function link:set(settings)
  local ok, err = self.there:set(settings)
  if not ok then return nil, err end
  return self.back:set(settings)
end

--- Nothing passes any more.
function link:down() return self:set { down = true } end

--- Datagrams pass again.
function link:up() return self:set { down = false } end

-- Frames go on from one end to the other, in a task of their own: of `owner`, in words. The ends
-- are closed to end it.
local function carry(owner, from, to)
  local carrier = task.spawn(function()
    while true do
      local count = from:raw_forward(to)
      if not count then return end -- the interface is gone, and so is its host
      if count == 0 then task.wait(from, math.huge, "frames on a link of the lab")
      else task.sleep(0) end
    end
  end)
  carrier.text = owner
  return carrier
end

-- --- hosts ---------------------------------------------------------------------------------------

local host = {}
host.__index = host

local function inside(self, options)
  if self.engine then
    check.fail(("host '%s' is our engine, on which no program runs"):format(self.name))
  end
  local all = { netns = self.space:raw_fd() }
  if type(options) == "string" then options = { shell = options } end
  for name, value in pairs(check.options(options)) do all[name] = value end
  return all
end

--- Starts a program on this host: as process.spawn.
function host:spawn(options) return process.spawn(inside(self, options)) end

--- Runs one to its end: as process.run.
function host:run(options, timeout) return process.run(inside(self, options), timeout) end

--- Starts a server and waits, `timeout` seconds (10) at most, until it listens on the port, without
-- connecting to it. The program, or nil and an error.
function host:serve(options, port, timeout)
  local child, err = self:spawn(options)
  if not child then return nil, err end
  local deadline = core.now() + check.seconds("timeout", timeout, SERVE_TIME)
  while true do
    for _, row in ipairs(child:listening()) do
      if row.port == port then return child end
    end
    local ended = not child:running()
    if ended or core.now() >= deadline then
      child:close()
      return nil, core.error { kind = "environment", code = ended and "ECHILD" or "ETIMEDOUT",
        op = "serve", message = ("the server on host '%s' %s port %d"):format(self.name,
          ended and "has ended before it listened on" or "does not listen in time on", port) }
    end
    task.sleep(LOOK_EVERY)
  end
end

-- Asks for a setting or, with a value, changes it by what ask(name, value) does.
local function setting(ask, name, value)
  if type(name) ~= "string" then
    check.fail("sysctl: a name expected, such as net.ipv4.tcp_sack, got " .. type(name))
  end
  if type(value) == "boolean" then value = value and 1 or 0 end
  if math.type(value) == "integer" then value = tostring(value) end
  if value ~= nil and type(value) ~= "string" then
    check.fail(("sysctl: %s: a string or a whole number expected, got %s"):format(
      core.escape(name), type(value)))
  end
  local said, err = ask(name, value)
  if err and err.kind == "usage" then check.fail("sysctl: " .. err.message) end
  return said, err
end

--- Tells a setting of the kernel on this host, such as "net.ipv4.tcp_sack", as a string; with a
-- value, changes it, and returns true. Nil and an error if the kernel has no such setting, or
-- refuses the value.
function host:sysctl(name, value)
  local function ask(...) return self.space:raw_sysctl(...) end
  return setting(ask, name, value)
end

-- The address of ours for a call; of that family if the options name a peer.
local function own_address(self, dst)
  if not self.engine then
    check.fail(("host '%s' is the kernel's: engine = true makes one ours"):format(self.name))
  end
  local family = dst and (tostring(dst):find(":", 1, true) and "ip6" or "ip")
  for _, address in ipairs(self.addresses) do
    if not family or address.family == family then return address.text end
  end
  check.fail(("host '%s' has no address of the family of %s"):format(self.name,
    core.escape(tostring(dst))))
end

local function with(options, name, value)
  local all = {}
  for key, given in pairs(check.options(options)) do all[key] = given end
  all[name] = all[name] or value
  return all
end

--- Connects from this host, which is our engine: as tcp.connect, whose src is its address here.
function host:connect(options)
  return tcp.connect(with(options, "src", own_address(self, check.options(options).dst)))
end

--- Listens on this host, which is our engine: as tcp.listen, whose addr is its first address here.
function host:listen(options) return tcp.listen(with(options, "addr", own_address(self))) end

-- --- who is whose neighbour ----------------------------------------------------------------------

-- "192.0.2.1/24" as { text = "192.0.2.1", bits = 24, network = "192.0.2.0", family = "ip",
-- prefix = "192.0.2.0/24" }.
local function read_address(name, text)
  local address, bits = tostring(text):match "^([%x:.]+)/(%d+)$"
  local network, family
  if address then network, family = core.prefix(address, math.tointeger(tonumber(bits))) end
  if not network then
    check.fail(("host '%s': '%s' is no address with a prefix, like 192.0.2.1/24"):format(
      core.escape(tostring(name)), core.escape(tostring(text))))
  end
  return { text = address, bits = math.tointeger(tonumber(bits)), network = network,
    prefix = network .. "/" .. bits, family = family }
end

local function new_host(name, fields)
  local self = setmetatable({ name = name, addresses = {}, ends = {}, residents = {},
    settings = {} }, host)
  for key, value in pairs(check.options(fields)) do
    if math.type(key) == "integer" then
      self.addresses[key] = read_address(name, value)
    elseif key == "router" or key == "engine" then
      self[key] = value == true
    elseif key == "nat" then
      self.nat = value
    elseif key == "sysctl" then
      self.settings = check.options(value)
    else
      check.fail(("host '%s': unknown option '%s'"):format(name, core.escape(tostring(key))))
    end
  end
  self.router = self.router or self.nat ~= nil
  if self.engine and self.router then
    check.fail(("host '%s': our engine is no router"):format(name))
  end
  return self
end

-- Whether a host has an address of a prefix: that one.
local function in_prefix(self, prefix)
  for _, address in ipairs(self.addresses) do
    if address.prefix == prefix then return address end
  end
end

-- The end of a host to which an address belongs.
local function end_of(self, address)
  for _, ending in ipairs(self.ends) do
    if in_prefix(ending.neighbour, address.prefix) then return ending end
  end
  return #self.ends == 1 and self.ends[1] or check.fail(
    ("host '%s': no neighbour has an address of the prefix of %s/%d"):format(self.name,
      address.text, address.bits))
end

-- Whether a host is seen from outside of its NAT by whoever comes to it from `before`.
local function hides(self, before) return self.nat ~= nil and self.nat == before.name end

-- The first steps from a host to all that it can reach over routers: host -> neighbour. The list of
-- those, in order; and from where each was reached.
local function first_steps(from)
  local steps, queue, before = { [from] = from }, { from }, { [from] = from }
  for _, here in ipairs(queue) do
    if here == from or here.router and not hides(here, before[here]) then
      for _, ending in ipairs(here.ends) do
        local next_host = ending.neighbour
        if not steps[next_host] then
          steps[next_host] = here == from and next_host or steps[here]
          before[next_host] = here
          queue[#queue + 1] = next_host
        end
      end
    end
  end
  return steps, queue, before
end

-- An address of a neighbour that `from` sees, of a family.
local function gateway(from, neighbour, family)
  for _, address in ipairs(neighbour.addresses) do
    if address.family == family and in_prefix(from, address.prefix) then return address.text end
  end
end

local function add_routes(from)
  local steps, reached, before = first_steps(from)
  local known = {}
  for _, address in ipairs(from.addresses) do known[address.prefix] = true end
  for _, far in ipairs(reached) do
    for _, address in ipairs(far.addresses) do
      local seen = not hides(far, before[far]) or in_prefix(before[far], address.prefix)
      local via = seen and not known[address.prefix] and gateway(from, steps[far], address.family)
      if via then
        known[address.prefix] = true
        assert(from.space:raw_route(address.network, address.bits, via))
      end
    end
  end
end

-- --- networks ------------------------------------------------------------------------------------

local network = {}
network.__index = network

--- Ends the network; the programs in it are their owners' to end. Closing again does nothing.
function network:close()
  for _, carrier in ipairs(self.carriers) do
    if not carrier.done then carrier:cancel() end
  end
  for _, ending in ipairs(self.ends) do ending:close() end
  for _, each in pairs(self.hosts) do
    for _, resident in ipairs(each.residents) do resident:close() end
    if each.space then each.space:close() end
  end
  if self.switch then self.switch:close() end
  self.carriers, self.ends, self.links, self.hosts, self.switch = {}, {}, {}, {}, nil
end

network.__close = network.close

local function host_of(self, name)
  return self.hosts[name] or check.fail(("links: there is no host '%s'"):format(
    core.escape(tostring(name))))
end

-- One wire: each host has an interface, whose other end stands in a namespace of nobody, where we
-- take the frames and hand them on.
local function add_link(self, number, fields)
  local settings, mtu = {}, IFACE_MTU
  for name, value in pairs(check.options(fields)) do
    if name == "mtu" then
      mtu = check.count("mtu", value, nil, MTU_LEAST)
      if mtu > MTU_MOST then check.fail(("mtu: %d at most, got %d"):format(MTU_MOST, mtu)) end
    elseif type(name) == "string" then
      settings[name] = value
    end
  end
  if host_of(self, fields[1]) == host_of(self, fields[2]) then
    check.fail(("links: '%s' cannot be linked to itself"):format(fields[1]))
  end
  local ends = {}
  for i = 1, 2 do
    local here, other = host_of(self, fields[i]), host_of(self, fields[3 - i])
    local iface, middle = "eth" .. #here.ends, ("link%d.%d"):format(number, i)
    assert(here.space:raw_join(iface, self.switch, middle, mtu))
    here.ends[#here.ends + 1] = { iface = iface, neighbour = other, side = i }
    ends[i] = assert(core.open_end(self.switch:raw_fd(), middle, self.seed + 2 * number + i))
    table.insert(self.ends, ends[i])
  end
  local new = setmetatable({
    there = setmetatable({ into = ends[2], settings = {} }, path),
    back = setmetatable({ into = ends[1], settings = {} }, path),
  }, link)
  self.links[number] = new
  assert(new:set(settings))
  table.insert(self.carriers, carry(self.text, ends[1], ends[2]))
  table.insert(self.carriers, carry(self.text, ends[2], ends[1]))
end

-- The host's interfaces get its addresses. A router looks for neighbours (NDP) from its link-local
-- address, and gives up without one.
local function give_addresses(self)
  local six = false
  for _, address in ipairs(#self.ends > 0 and self.addresses or {}) do
    six = six or address.family == "ip6"
    assert(self.space:raw_address(end_of(self, address).iface, address.text, address.bits))
  end
  for _, ending in ipairs(six and self.ends or {}) do
    assert(self.space:raw_link_local(ending.iface, ending.side))
  end
end

local NAT_RULES <const> = [[table inet tcplua {
  chain out { type nat hook postrouting priority 100; oifname "%s" masquerade; }
}]]

-- What goes to the neighbour of that name goes in this host's name.
local function translate(self)
  local iface
  for _, ending in ipairs(self.ends) do
    if ending.neighbour.name == self.nat then iface = ending.iface end
  end
  if not iface then
    check.fail(("host '%s': nat: '%s' is no neighbour of it"):format(self.name,
      core.escape(tostring(self.nat))))
  end
  local done, err = self:run { stderr = "pipe", env = { RULES = NAT_RULES:format(iface) },
    shell = 'PATH=$PATH:/usr/sbin:/sbin; exec nft "$RULES"' }
  if not done then error(err, 0) end
  if done.code ~= 0 then
    error(core.error { kind = "environment", code = "EOPNOTSUPP", message =
      ("host '%s' cannot be a NAT here: %s"):format(self.name,
        core.escape(done.err:match "^[^\n]*")) }, 0)
  end
end

-- Our engine has the addresses, and the kernel there none: what is not on the link goes to the
-- neighbour, if that is a router.
local function move_in(self)
  for _, address in ipairs(#self.ends > 0 and self.addresses or {}) do
    local ending = end_of(self, address)
    local leads = ending.neighbour.router and not hides(ending.neighbour, self)
    local via = leads and gateway(self, ending.neighbour, address.family)
    self.residents[#self.residents + 1] = assert(self.space:raw_inhabit(ending.iface,
      address.text, address.bits, via or nil))
  end
end

local function build(self, options)
  self.switch = assert(core.netns())
  local owners = {}
  for name, fields in pairs(options.hosts) do
    local new = new_host(name, fields)
    for _, address in ipairs(new.addresses) do
      local _, text = core.address(address.text)
      if owners[text] and owners[text] ~= name then
        check.fail(("hosts: '%s' and '%s' both have the address %s"):format(owners[text], name,
          address.text))
      end
      owners[text] = name
    end
    new.space = assert(core.netns())
    self.hosts[name] = new
  end
  for i, fields in ipairs(options.links) do add_link(self, i, fields) end
  for _, each in pairs(self.hosts) do
    for name, value in pairs(each.settings) do assert(each:sysctl(name, value)) end
    if each.router then assert(each.space:raw_forward()) end
    if each.nat then translate(each) end
    if each.engine then move_in(each) else give_addresses(each) end
  end
  for _, each in pairs(self.hosts) do
    if not each.engine then add_routes(each) end
  end
end

--- Makes a network: `hosts`, by name, lists of addresses with their prefixes, and router = true for
-- one that forwards, nat = NEIGHBOUR for one that does so in its own name, engine = true for one
-- that is ours, sysctl = a table of settings; `links`, a list of two names each and what the link
-- is like; `seed` (that of --seed, or a new one). Raises what stands against it: an error of kind
-- environment where the kernel refuses.
function lab.network(options)
  options = check.options(options, { hosts = true, links = true, seed = true })
  check.list("links", options.links)
  if type(options.hosts) ~= "table" then check.fail "hosts: a table of names expected" end
  local at = check.place()
  local self = setmetatable({ hosts = {}, links = {}, ends = {}, carriers = {},
    text = ("lab.network made at %s:%d"):format(at and at.short_src or "?", at and
      at.currentline or 0),
    seed = options.seed or core.given_seed() or math.random(1, 0x7fffffff) }, network)
  local ok, err = pcall(build, self, options)
  if not ok then
    self:close()
    error(err, 0)
  end
  return self
end

--- The same as host:sysctl, of the private network that this script is in: of the kernel which is
-- the peer in `tcplua --lab`, and the server or the client under test.
function lab.sysctl(name, value)
  return setting(core.sysctl, name, value)
end

return lab
