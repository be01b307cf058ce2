--- tcplua.net.sr: send, and take what answers.
--
--     local answered, unanswered, others = assert(net.sr(probes, { timeout = 1 }))
--     for _, one in ipairs(answered) do print(one.sent, one.answer, one.rtt) end
--     local reply, rtt = assert(net.sr1(p.ip { dst = dst } / p.icmp()))
--     local hosts = assert(net.srp(p.arp { tpa = "192.0.2.0/24" }))
--
-- sr and sr1 send at layer 3; srp and srp1 send frames, a frame that begins with ARP gets its
-- Ethernet header. They take a packet, a string, a set, or a list of those; what is sent is a copy.
-- Where it is zero, its source (addresses, a port that the kernel then leaves alone, the id of an
-- ICMP request or DNS question) is filled in, but in strings and what was cut into fragments. So is
-- eth.dst in front of IP, by ARP or neighbour discovery where the kernel does not know the next
-- hop, but with the option link. Ports that a packet names are guarded too. All that answers is
-- received from before the first packet leaves, by the interface on the way there (where there are
-- several: by all).
--
--     sr   -> answered: a list of { sent =, answer =, rtt = seconds since it was last sent },
--             unanswered: a list of packets, others: what came and answered nothing, with it what
--             came twice (but not what was sent, which comes through lo as well), and a report
--             { sent =, seconds =, dropped =, lost =, errors = { { packet =, error = }, … } }:
--             sendings, frames that the kernel dropped, others that did not fit into 64 MiB, and
--             packets that could not be sent (no route, say), which count as unanswered. nil and
--             an error if that was so with every one
--     sr1  -> the first answer, rtt, others | nil, error (ETIMEDOUT), others
--
-- Options: timeout (seconds after the last packet, 2), retry (rounds of sending again what has no
-- answer, 0), rate (packets a second; else as fast as it goes), count (at most so many of an
-- endless set), multi (keep what answers again as well, until the time is over), iface (instead of
-- that on the way; for srp a string does), filter (BPF, instead of the one made from the packets),
-- link (send and receive by this one, in memory say; nothing is filtered or guarded then).
local address = require "tcplua.packet.address"
local answer = require "tcplua.packet.answer"
local check = require "tcplua.check"
local core = require "tcplua.core"
local p = require "tcplua.packet"
local task = require "tcplua.task"

local sr = {}

local is_group <const>, is_zero <const> = address.is_group, address.is_zero
local TIMEOUT <const> = 2
local SLICE <const> = 32             -- packets sent between two looks at what came
local TURN <const> = 256             -- packets taken before others have their turn
local NEIGHBOUR_TIME <const> = 0.05  -- for the first to find the next hop: few can wait for that
local HOP_TIME <const> = 1           -- for next hops to answer, of frames; twice
local FULL_TIME <const> = 0.005       -- between two tries where there was no room to send
local OTHERS_MAX <const> = 64 << 20  -- bytes
local FILTER_WORDS <const> = 16      -- addresses or ports; with more of them the filter takes all
local OPTIONS <const> = { timeout = true, retry = true, rate = true, count = true, multi = true,
  iface = true, filter = true, link = true }

local run = {}
run.__index = run

local held = {}                                     -- guards in use: key -> { object, users = }
local sharing = setmetatable({}, { __mode = "k" })  -- link of the script -> runs that read it

local function failure(code, kind, message)
  return core.error { code = code, kind = kind, message = message }
end

-- --- which packets -------------------------------------------------------------------------------

local function is_packet(value)
  return type(value) == "userdata" and getmetatable(value).__name == "tcplua.packet"
end

-- Adds copies of what the caller wants to send to the entries.
local function collect(self, what)
  if #self.entries >= self.count then return end
  if type(what) == "string" then
    self.entries[#self.entries + 1] = { sent = p.parse(what, self.frames and "eth" or "ip"),
      fixed = true }
  elseif is_packet(what) then
    self.entries[#self.entries + 1] = { sent = what:copy() }
  elseif core.is_set(what) then
    if what:count() == math.huge and self.count == math.huge then
      check.fail "an endless set needs a count"
    end
    for packet in what:packets(self.count < math.huge and self.count or nil) do
      if #self.entries >= self.count then break end
      self.entries[#self.entries + 1] = { sent = packet }
    end
  elseif type(what) == "table" then
    for _, one in ipairs(check.list("packets", what)) do collect(self, one) end
  else
    check.fail("packets expected, got " .. type(what))
  end
end

-- --- guards --------------------------------------------------------------------------------------

local function key_of(protocol, src, port)
  return protocol .. " " .. src .. " " .. port
end

-- Holds a port of `src` (nil: any) for as long as the run lasts. Returns it, or nil and an error.
function run:hold(protocol, src, port, dst, ours)
  local key = key_of(protocol, src, port or "")
  if self.holds[key] then return self.holds[key].port end
  local one, err = port and held[key], nil
  if not one then
    local object
    if ours then
      object, err = core.guard(protocol, src, port)
    elseif protocol == "tcp" then -- a wire keeps our own stack from refusing what comes
      object, err = core.wire { src = src, dst = not is_group(dst) and dst or nil, sport = port }
    end
    -- Whose port it is, of UDP, is not asked by the kernel; and this script may hold it itself.
    local taken = err and err.code == "EADDRINUSE" and port
      and (protocol == "udp" or core.claimed(src, port))
    if err and not taken then return nil, err end
    one = { object = object, users = 0,
      port = object and object:sport() or port or math.random(32768, 60999) }
    held[key_of(protocol, src, one.port)] = one
  end
  one.users = one.users + 1
  self.holds[key], self.holds[key_of(protocol, src, one.port)] = one, one
  return one.port
end

local function release(self)
  local done = {}
  for _, one in pairs(self.holds) do
    if not done[one] then
      done[one] = true
      one.users = one.users - 1
      if one.users == 0 then
        for key, other in pairs(held) do
          if other == one then held[key] = nil end
        end
        if one.object then one.object:close() end
      end
    end
  end
end

-- Notes that a packet cannot be sent. False where the error is not about it alone.
function run:fail(entry, err)
  if err.kind ~= "network" then return false end
  table.insert(self.report.errors, { packet = entry.sent, error = err })
  if not entry.failed then self.left = self.left - 1 end
  entry.failed = true
  return true
end

-- --- filling in ----------------------------------------------------------------------------------

-- Whence and through what a datagram goes to `dst`.
function run:way(dst, src)
  local key = dst .. " " .. (src or "")
  local way = self.ways[key]
  if not way then
    local err
    way, err = core.way(dst, src)
    if not way then return nil, err end
    self.ways[key] = way
  end
  return way
end

-- The addresses in the first layer that has some of IP, and which layer that is; nil if none has.
-- Whom a neighbour solicitation looks for says more than the group it goes to.
local function ends(packet)
  for i, name in ipairs(packet:layers()) do
    local layer = packet:layer(i)
    if name == "arp" then return layer.spa, layer.tpa, i end
    if name == "ip" or name == "ip6" then
      return layer.src, packet.ns and packet.ns.target or layer.dst, i
    end
  end
end

-- The addresses of a frame.
local function fill_frame(eth, dst, mac)
  if mac and is_zero(eth.src) then eth.src = mac end
  if dst and is_zero(eth.dst) and is_group(dst) then eth.dst = address.group_mac(dst) end
end

-- --- the next hop of a frame ---------------------------------------------------------------------

local function question(hop, src, mac)
  if not hop:find ":" then
    return p.eth { dst = "ff:ff:ff:ff:ff:ff", src = mac }
      / p.arp { tpa = hop, spa = src, sha = mac }
  end
  local group = address.solicited_node(hop)
  return p.eth { dst = address.group_mac(group), src = mac }
    / p.ip6 { src = src, dst = group, hlim = 255 } / p.icmp6()
    / p.ns { target = hop, options = { sll = mac } }
end

-- To whom a frame with this datagram goes on the interface.
function run:hop(ip)
  local route = core.route(ip.dst)
  return route and route.iface == self.iface and route.via or ip.dst
end

-- Fills in the addresses of next hops where they were left out. What the kernel does not know of
-- them is asked for, of all at once.
function run:find_hops()
  local hops, questions = {}, {}
  for _, entry in ipairs(self.entries) do
    local ip = entry.sent.ip or entry.sent.ip6
    if not (entry.fixed or entry.failed or self.loopback) and ip and ip.dst
        and is_zero(entry.sent.eth.dst) then
      local hop = self:hop(ip)
      if not hops[hop] then
        local known = core.neighbour(hop, self.iface)
        hops[hop] = { mac = known and known.state ~= "failed" and known.mac }
        if not hops[hop].mac then
          questions[#questions + 1] = question(hop, ip.src, self.mac)
        end
      end
      hops[hop][#hops[hop] + 1] = entry
    end
  end
  if #questions > 0 then
    local found, err = sr.srp(questions, { iface = self.iface, retry = 1,
      timeout = math.min(HOP_TIME, self.timeout) })
    if not found then return nil, err end
    for _, one in ipairs(found) do
      local ns = one.sent.ns
      hops[ns and ns.target or one.sent.arp.tpa].mac =
        ns and one.answer.na.options.tll or not ns and one.answer.arp.sha or one.answer.eth.src
    end
  end
  for hop, one in pairs(hops) do
    for _, entry in ipairs(one) do
      if one.mac then
        entry.sent.eth.dst = one.mac
      else
        self:fail(entry, failure("EHOSTUNREACH", "network",
          ("nobody answers for %s; name eth.dst to send there all the same"):format(hop)))
      end
    end
  end
  return true
end

-- --- what is in a packet -------------------------------------------------------------------------

local function fill_arp(arp, way, mac)
  if mac and is_zero(arp.sha) then arp.sha = mac end
  if way and is_zero(arp.spa) then arp.spa = way.src end
end

-- The transport's port or id, and what is above. `way` is nil where nothing needs a guard.
function run:fill_transport(packet, names, at, ip, way, fixed)
  local name, layer = names[at], packet:layer(at)
  if name == "icmp" or name == "icmp6" then
    if not fixed and answer.replies[name][layer.type] and layer.id == 0 then
      self.id = self.id % 0xffff + 1
      layer.id = self.id
    end
    return true
  elseif name ~= "tcp" and name ~= "udp" or not layer.dport then
    return true
  end
  local left_out = layer.sport == 0 and not fixed
  local port = not left_out and layer.sport or nil
  if way and not is_zero(ip.src) then
    local err
    port, err = self:hold(name, ip.src, port, ip.dst, way.ours)
    if not port then return nil, err end
  end
  if left_out then layer.sport = port or math.random(32768, 60999) end
  local dns = not fixed and names[at + 1] == "dns" and packet:layer(at + 1)
  if dns and dns.id == 0 and layer.dport ~= 5353 then -- whose id is 0 (RFC 6762 18.1)
    dns.id = math.random(1, 0xffff)
  end
  return true
end

-- What is in a fragment belongs to a checksum that may be in another one.
local function is_fragment(packet, ip)
  local header = ip:name() == "ip" and ip or packet.ip6_frag
  return header ~= nil and (header.mf == 1 or (header.offset or 0) > 0)
end

-- Fills in what was left out of one packet.
function run:fill(entry)
  local packet = entry.sent
  local from, to, at = ends(packet)
  if not to then return true end
  local names, layer = packet:layers(), packet:layer(at)
  local cut = is_fragment(packet, layer)
  local way, err
  -- Whoever asks everybody who he is has no address yet: DHCP in a frame.
  local nameless = self.frames and is_zero(from) and (to == "255.255.255.255" or is_zero(to))
  if not self.link and not nameless then
    way, err = self:way(to, not is_zero(from) and from or nil)
    if not way and (not self.frames or not self.iface) then return nil, err end
  end
  if way then
    local iface = self.ifaces[way.iface] or core.interface(way.iface) or {}
    entry.group, entry.looped = way.broadcast, iface.loopback
    self.ifaces[way.iface] = iface
    self.foreign = self.foreign or not way.ours
  end
  if names[at] == "arp" then
    fill_arp(layer, not entry.fixed and way, not entry.fixed and self.mac)
    return true
  end
  local open = is_zero(from) and not entry.fixed and (not cut or core.sourceless(packet, at))
  if way and open then layer.src = way.src end
  while names[at + 1] and names[at + 1]:find "^ip6_" do at = at + 1 end
  if not names[at + 1] then return true end
  return self:fill_transport(packet, names, at + 1, layer, way, entry.fixed or cut)
end

-- --- what to receive -----------------------------------------------------------------------------

local function alternatives(set, prefix, all)
  local list = {}
  for word in pairs(set) do list[#list + 1] = prefix .. word end
  if #list == 0 or #list > FILTER_WORDS then return all end
  table.sort(list)
  return "(" .. table.concat(list, " or ") .. ")"
end

-- A filter for what may answer: the protocols, to the addresses and ports that it left from.
local function filter_of(entries)
  local hosts, ports, words, others, open = {}, { tcp = {}, udp = {} }, {}, {}, false
  for _, entry in ipairs(entries) do
    if entry.failed then goto continue end
    local packet = entry.sent
    local ip = packet.ip or packet.ip6
    if not ip then
      local eth = packet.eth
      others[packet.arp and "arp" or ("ether proto %d"):format(eth and eth.type or 0)] = true
    else
      if not ip.src or is_zero(ip.src) then open = true else hosts[ip.src] = true end
      if ip.dst and is_group(ip.dst) then hosts[ip.dst] = true end
      if packet.ip6 and packet.icmp6 then hosts["ff02::1"] = true end
      words[packet.ip and "icmp" or "icmp6"] = true
      local transport = packet.tcp and "tcp" or packet.udp and "udp"
      if transport then
        ports[transport][packet[transport].sport or 0] = true
      elseif not packet.icmp and not packet.icmp6 then
        local number = packet.ip and ip.proto or packet.ip6 and ip.next -- nil where it is cut off
        if number then words[(packet.ip and "ip proto " or "ip6 proto ") .. number] = true end
      end
    end
    ::continue::
  end
  for name, set in pairs(ports) do
    if next(set) then
      local which = alternatives(set, "dst port ")
      words[which and ("(%s and %s)"):format(name, which) or name] = true
    end
  end
  if next(words) then
    local to = not open and alternatives(hosts, "dst host ")
    others[(to and to .. " and " or "") .. alternatives(words, "", "(ip or ip6)")] = true
  end
  return alternatives(others, "", "")
end

-- Arms the receiving side.
function run:arm()
  local filter = self.filter or filter_of(self.entries)
  local iface, several = self.iface or next(self.ifaces), false
  for name in pairs(self.ifaces) do several = several or name ~= iface end
  local err
  if several and not self.iface then
    self.input, err = core.open_capture { iface = "any", filter = filter, immediate = true }
  else
    self.input, err = core.open_link { iface = iface, filter = filter, incoming = true,
      traced = self.frames or not self.foreign } -- else the stack's link shows it
  end
  self.owned = self.input
  return self.input, err
end

-- The address of the link goes into frames, which the filter is made of, so it is opened for that
-- alone first.
function run:find_mac()
  for _, entry in ipairs(self.entries) do
    local first = entry.sent:layers()[1]
    if first == "arp" then
      entry.sent = p.eth { dst = "ff:ff:ff:ff:ff:ff" } / entry.sent
    elseif first ~= "eth" then
      return nil, failure("EINVAL", "usage",
        ("srp sends frames, which begin with eth, not with %s"):format(first or "bytes"))
    end
  end
  if self.link then
    self.mac = self.link:mac()
    return true
  end
  for _, entry in ipairs(self.entries) do
    if self.iface then break end
    local _, to = ends(entry.sent)
    local way = to and self:way(to)
    self.iface = way and way.iface
  end
  local link <close>, err = core.open_link { iface = self.iface }
  if not link then return nil, err end
  self.mac, self.iface = link:mac(), link:iface()
  self.loopback = core.interface(self.iface).loopback
  return true
end

-- --- sending and receiving -----------------------------------------------------------------------

-- What came goes to every run that reads the link, and to `others` where none knows it.
local function offer(runs, packet)
  local known = false
  for _, one in ipairs(runs) do known = one:take(packet) or known end
  for _, one in ipairs(runs) do known = known or one:is_own(packet) end
  if known then return end
  for _, one in ipairs(runs) do
    if one.kept + #packet > OTHERS_MAX then
      one.report.lost = one.report.lost + 1
    else
      one.kept = one.kept + #packet
      one.others[#one.others + 1] = packet
    end
  end
end

-- What makes a datagram the same one after the kernel has filled in its id.
local function likeness(ip)
  return ip and ip.src and ip.dst and table.concat { ip.src, " ", ip.dst, " ", ip.payload }
end

-- Through lo what is sent comes in as well, where it goes.
function run:is_own(packet)
  local like = self.looped and likeness(packet.ip or packet.ip6)
  return like and self.looped[like] or false
end

function run:take(packet)
  local entry = self.waiting:find(packet)
  if not entry then return false end
  local time = packet.time or core.wall()
  self.answered[#self.answered + 1] = { sent = entry.sent, answer = packet,
    rtt = math.max(0, time - entry.time) }
  if not entry.answered then self.left = self.left - 1 end
  entry.answered = true
  entry.taken = not self.multi
  return true
end

-- Takes what came until `deadline`, at most a turn of it. Returns true if there may be more, false
-- if what is there came later, nil if there is nothing, and an error if the link is gone.
function run:drain(deadline)
  local last = core.wall() + deadline - core.now()
  for _ = 1, TURN do
    local packet, err = self.input:raw_packet(last)
    if not packet then return packet, err end
    if packet.direction ~= "out" then offer(self.runs, packet) end
  end
  return true
end

function run:done()
  return self.left <= 0 and not self.multi or self.first and self.answered[1] ~= nil
end

-- Receives until `deadline`, or until there is nothing left to wait for; packets may come faster
-- than they are taken. Returns an error, if there is one.
function run:receive(deadline)
  local waits = true
  while true do
    local more, err = self:drain(deadline)
    if err or self:done() then return err end
    if more then
      task.wait(nil, core.now()) -- the others' turn
    elseif more == nil and waits then
      waits = task.wait(self.input, deadline, "answers")
    else
      return nil
    end
  end
end

function run:send(entry)
  local ok, err
  repeat
    entry.time = core.wall()
    if self.link or self.frames then
      ok, err = self.input:raw_send(entry.sent:bytes())
    else
      ok, err = core.send(entry.sent)
    end
    -- Full of what goes to neighbours that are still asked for, say. Not more than `timeout` of
    -- that in a run.
    local full = not ok and err.code == "ENOBUFS" and self.patience > 0 and not self:done()
    if full then
      local begin = core.now()
      local gone = self:receive(begin + FULL_TIME)
      if gone then return gone end
      self.patience = self.patience - (core.now() - begin)
    end
  until not full
  if ok then
    self.report.sent = self.report.sent + 1
    return nil
  end
  return not self:fail(entry, err) and err or nil
end

-- One round: everything that has no answer yet, then the time to wait.
function run:round()
  local begin, sent = core.now(), 0
  for _, entry in ipairs(self.entries) do
    if not entry.answered and not entry.failed then
      local due = self.rate and begin + sent / self.rate
      if due and due > core.now() or sent % SLICE == SLICE - 1 then
        local err = self:receive(due or core.now())
        if err then return err end
        if self:done() then return nil end
      end
      if not entry.answered then
        local err = self:send(entry)
        if err then return err end
        sent = sent + 1
        if sent == 1 and self.left > SLICE // 4 and not self.rate then
          task.wait(self.input, core.now() + NEIGHBOUR_TIME)
        end
      end
    end
  end
  return self:receive(core.now() + self.timeout)
end

function run:collect_all(what)
  local good, err = pcall(collect, self, what)
  self.left = #self.entries
  return good, err
end

function run:prepare()
  local good, err
  if self.frames then
    good, err = self:find_mac()
    if not good then return nil, err end
  end
  for _, entry in ipairs(self.entries) do
    good, err = self:fill(entry)
    if good and self.frames and not entry.fixed then
      local ip = entry.sent.ip or entry.sent.ip6
      local to = entry.group and "255.255.255.255" or ip and ip.dst
      fill_frame(entry.sent.eth, to, self.mac)
    end
    if not good and not self:fail(entry, err) then return nil, err end
  end
  if self.frames and not self.link then
    good, err = self:find_hops()
    if not good then return nil, err end
  end
  if self.left == 0 then return nil, self.report.errors[1].error end
  if self.link then
    self.input = self.link
  else
    good, err = self:arm()
    if not good then return nil, err end
  end
  self.runs = self.link and sharing[self.link] or {}
  if self.link then sharing[self.link] = self.runs end
  table.insert(self.runs, self)
  for _, entry in ipairs(self.entries) do
    if not entry.failed then self.waiting:add(entry) end
    local like = entry.looped and likeness(entry.sent.ip or entry.sent.ip6)
    if like then
      self.looped = self.looped or {}
      self.looped[like] = true
    end
  end
  return true
end

function run:close()
  for i = #(self.runs or {}), 1, -1 do
    if self.runs[i] == self then table.remove(self.runs, i) end
  end
  if self.owned then self.owned:close() end
  release(self)
end

run.__close = run.close

-- Sends and receives; returns the run, closed, or nil and an error.
local function exchange(what, options, frames, first)
  if frames and type(options) == "string" then options = { iface = options } end
  options = check.options(options, OPTIONS)
  local timeout = check.seconds("timeout", options.timeout, TIMEOUT)
  if timeout == math.huge then check.fail "timeout: a finite number of seconds expected" end
  local rate = check.seconds("rate", options.rate)
  if rate and rate <= 0 then check.fail "rate: a number of packets a second expected" end
  local link = options.link
  if link ~= nil and getmetatable(link) ~= core.link_class then
    check.fail("link: a link expected, got " .. type(link))
  end
  if link and (link:medium() == "eth") ~= frames then
    check.fail(frames and "link: it has no frames: use sr" or "link: it has frames: use srp")
  end
  local self <close> = setmetatable({
    frames = frames, first = first, timeout = timeout, rate = rate, link = link,
    patience = timeout, multi = options.multi, iface = options.iface, filter = options.filter,
    retry = check.count("retry", options.retry, 0, 0),
    count = check.count("count", options.count, math.huge),
    entries = {}, holds = {}, ways = {}, ifaces = {}, waiting = answer.index(),
    id = math.random(0, 0xfffe), answered = {}, others = {}, kept = 0,
    report = { sent = 0, lost = 0, dropped = 0, errors = {} },
  }, run)
  local good, err = self:collect_all(what)
  if good and #self.entries > 0 then good, err = self:prepare() end
  if not good and not core.is_error(err) then error(err, 0) end -- the caller's mistake
  if not good then return nil, err end
  local begin = core.now()
  for _ = 0, self.retry do
    if self:done() or #self.entries == 0 then break end
    err = self:round()
    if err then return nil, err end
  end
  self.report.seconds = core.now() - begin
  core.work() -- what our own links have seen of it, for -v
  if self.owned then
    self.report.dropped = self.owned:drops()
    if self.report.dropped > 0 then
      io.stderr:write(("tcplua: the kernel dropped %d frames, answers perhaps\n"):format(
        self.report.dropped))
    end
  end
  return self
end

local function many(what, options, frames)
  local self, err = exchange(what, options, frames, false)
  if not self then return nil, err end
  local unanswered = {}
  for _, entry in ipairs(self.entries) do
    if not entry.answered then unanswered[#unanswered + 1] = entry.sent end
  end
  return self.answered, unanswered, self.others, self.report
end

local function one(what, options, frames)
  local self, err = exchange(what, options, frames, true)
  if not self then return nil, err, {} end
  local found, failed = self.answered[1], self.report.errors[1]
  if found then return found.answer, found.rtt, self.others end
  if failed then return nil, failed.error, self.others end
  local sent = self.entries[1] and tostring(self.entries[1].sent) or "nothing"
  return nil, failure("ETIMEDOUT", "network", ("no answer within %g s to %s"):format(
    self.timeout, sent)), self.others
end

--- Sends packets at layer 3 and takes what answers them.
function sr.sr(what, options) return many(what, options, false) end

--- The same for one: answer, rtt, others.
function sr.sr1(what, options) return one(what, options, false) end

--- Sends frames at layer 2 and takes what answers them.
function sr.srp(what, options) return many(what, options, true) end

--- The same for one: answer, rtt, others.
function sr.srp1(what, options) return one(what, options, true) end

return sr
