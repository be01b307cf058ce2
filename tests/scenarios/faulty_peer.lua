--- faulty_peer: the peer of the scenarios on our own engine, with a fault planted.
--
--     tcplua faulty_peer.lua FAULT serve               listens on port $TCPLUA_PORT
--     tcplua faulty_peer.lua FAULT call SRC DST PORT   connects to DST from SRC
--
-- FAULT is a name in faults.lua. A connection that is bent is taken in hand before it has answered
-- its SYN, so that hooks see everything that it sends.
local FOLDER <const> = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
package.path = FOLDER .. "?.lua;" .. package.path

local faults = require "faults"
local peer = require "peer"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local name <const>, role <const>, src <const>, dst <const>, to_port <const> = ...
local fault <const> = faults[name]
if not fault or role ~= "serve" and role ~= "call" then
  error(("usage: faulty_peer.lua FAULT serve | call SRC DST PORT; no fault '%s'"):format(name), 0)
end

local BENT <const> = fault.on_send or fault.on_receive
local MODE <const> = BENT and "manual" or "auto"

-- The hook of a connection for the fault's, if it has one.
local function hook(f, conn, memory)
  return f and function(s) return f(conn, s, memory) end
end

local function options_of(more)
  local all = {}
  for _, set in ipairs { fault.options or {}, more } do
    for key, value in pairs(set) do all[key] = value end
  end
  return all
end

-- Calls f(conn) with each connection to a port, in a task of its own.
local function serve(options, f)
  local listener = assert(tcp.listen(options))
  return task.spawn(function()
    while true do
      local accepted = listener:accept()
      task.spawn(function()
        local conn <close> = accepted
        f(conn)
      end)
    end
  end)
end

local function take_in(conn)
  if BENT then
    local memory = {}
    conn:on_send(hook(fault.on_send, conn, memory))
    conn:on_receive(hook(fault.on_receive, conn, memory))
    conn:mode "auto"
  end
  peer.obey(conn)
end

if role == "serve" then
  local port = tonumber(os.getenv "TCPLUA_PORT")
  local serving
  for _, addr in ipairs { os.getenv "TCPLUA_ADDR", os.getenv "TCPLUA_ADDR6" } do
    if fault.at_next_port then
      serve({ addr = addr, port = port + 1, mode = "manual" }, fault.at_next_port)
    end
    serving = serve(options_of { addr = addr, port = port, mode = MODE }, take_in)
  end
  serving:join()
else
  local conn <close> = assert(tcp.connect(options_of { src = src, dst = dst, port = to_port,
    mode = MODE }))
  take_in(conn)
end
