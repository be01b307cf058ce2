--- applications: one on kernel sockets and one on our own TCP that do the same, for tests that
-- compare the two. `addr` is where it is, `peer` where whoever talks to it must be.
local core, net = require "tcplua.core", require "tcplua.net"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CONTROL <const> = 9001 -- the port that kernel_end listens on
local ALPHABET <const> = "abcdefghijklmnopqrstuvwxyz"

local STATES <const> = { [0] = "none", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1",
  "FIN-WAIT-2", "CLOSED", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "none", "CLOSING" }

-- On kernel sockets: kernel_end.c knows the words.
local kernel = { name = "Linux" }
kernel.__index = kernel

local KERNEL <const> = { addr = "192.0.2.2", peer = "192.0.2.1", control = "192.0.2.9" }
local KERNEL6 <const> = { addr = "2001:db8::2", peer = "2001:db8::1", control = "2001:db8::9" }

-- `six`: by IPv6.
function kernel.new(six)
  local at = six and KERNEL6 or KERNEL
  local control = assert(tcp.connect { src = at.control, dst = at.addr, port = CONTROL })
  return setmetatable({ control = control, addr = at.addr, peer = at.peer }, kernel)
end

function kernel:ask(...)
  assert(self.control:send(table.concat({ ... }, " ") .. "\n"))
  return (assert(self.control:read_line { timeout = 10 }):sub(1, -2))
end

function kernel:listen() return tonumber(self:ask("listen")) end
function kernel:accept(wait) return self:ask("accept", wait // 0.001 | 0) == "yes" end
function kernel:connect(port) return tonumber(self:ask("connect", self.peer, port)) end
function kernel:write(count) return self:ask("write", count) == "yes" end
function kernel:keepalive(idle, interval) self:ask("keepalive", idle, interval) end
function kernel:shutdown() self:ask("shutdown") end
function kernel:state() return STATES[tonumber(self:ask("state"))] end
function kernel:reset() self:ask("reset") end
function kernel:read()
  local hex, rest = self:ask("read"):match("^(%x*) (%a+)$")
  return (hex:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)), rest
end

-- On our own, over a pair of links in memory.
local ours = { name = "ours" }
ours.__index = ours

-- `options` are those of its connections.
function ours.new(options, six)
  return setmetatable({ written = 0, options = options,
    addr = six and "2001:db8:1::2" or "198.51.100.2",
    peer = six and "2001:db8:1::1" or "198.51.100.1" }, ours)
end

local function with(options, more)
  for name, value in pairs(options) do more[name] = value end
  return more
end

function ours:listen()
  self:reset()
  self.listener = assert(tcp.listen(with(self.options, { addr = self.addr })))
  return self.listener:port()
end

function ours:accept(wait)
  self.conn = self.listener and self.listener:accept(wait)
  return self.conn ~= nil
end

function ours:connect(port)
  self:reset()
  self.conn = assert(core.connect(with(self.options,
    { src = self.addr, dst = self.peer, port = port })))
  return self.conn:info().sport
end

function ours:write(count)
  local from = self.written % 26 + 1
  local letters = ALPHABET:rep(count // 26 + 2):sub(from, from + count - 1)
  self.written = self.written + count
  return self.conn and not self.conn:raw_error() and self.conn:send(letters) or false
end

function ours:shutdown() self.conn:shutdown() end

function ours:state()
  local state = self.conn and self.conn:state() or "none"
  return state == "TIME-WAIT" and "CLOSED" or state -- where the kernel keeps no socket for it
end

function ours:read()
  if not self.conn then return "", "error" end
  local data = ""
  while self.conn:readable() > 0 do data = data .. self.conn:raw_read(4096) end
  return data, self.conn:eof() and "eof" or self.conn:raw_error() and "error" or "open"
end

function ours:reset()
  if self.conn then self.conn:abort() end
  if self.listener then self.listener:close() end
  self.conn, self.listener, self.written = nil, nil, 0
end

-- Starts kernel_end, the program behind the first, for either family, and waits until it listens;
-- puts the second and its peer on links in memory.
local function start(path)
  for _, six in ipairs { false, true } do
    local near, far = net.pair {}
    local own = ours.new({}, six)
    assert(net.attach(near, own.peer))
    assert(net.attach(far, own.addr))
  end
  local programs = {}
  for i, at in ipairs { KERNEL, KERNEL6 } do
    programs[i] = assert(io.popen(("%s %s %d >/dev/null"):format(path, at.addr, CONTROL), "w"))
    local conn
    for _ = 1, 100 do
      conn = tcp.connect { src = at.control, dst = at.addr, port = CONTROL }
      if conn then break end
      task.sleep(0.02)
    end
    if not conn then error("the program on kernel sockets does not listen at " .. at.addr) end
    conn:close()
  end
  return { close = function() for _, one in ipairs(programs) do one:close() end end }
end

return { kernel = kernel, ours = ours, start = start, ALPHABET = ALPHABET }
