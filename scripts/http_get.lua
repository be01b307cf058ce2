--- Gets one resource by HTTP/1.1 and writes its body to standard output.
-- usage: tcplua scripts/http_get.lua http://ADDR[:PORT]/PATH
-- args: ADDR is numeric, an IPv6 one in brackets; the exit status is 1 unless the answer is 200
local tcp = require "tcplua.tcp"

local HEADERS <const> = 200 -- fields in an answer, at most

local url = ... or ""
local host, path = url:match "^http://([^/]+)(.*)$"
local addr, port
if host then
  addr, port = host:match "^%[(.-)%]:?(%d*)$"
  if not addr then addr, port = host:match "^([^:]+):?(%d*)$" end
end
if not addr then
  io.stderr:write("usage: tcplua scripts/http_get.lua http://ADDR[:PORT]/PATH\n")
  os.exit(2)
end

local conn <close> = assert(tcp.connect { dst = addr, port = port ~= "" and port or 80 })

local function line()
  return (assert(conn:read_line { max = 65536 }):gsub("\r?\n$", ""))
end

-- Copies `length` bytes, or without one all that come.
local function copy(length)
  while length ~= 0 do
    local data, err = conn:read(length and math.min(length, 65536))
    if not data then
      if length or err.code ~= "EOF" then error(err, 0) end
      return
    end
    assert(io.stdout:write(data))
    length = length and length - #data
  end
end

local function fields()
  local all = {}
  for _ = 1, HEADERS do
    local text = line()
    if text == "" then return all end
    local name, value = text:match "^([^:]+):%s*(.-)%s*$"
    if name then all[name:lower()] = value end
  end
  error("the answer has too many header fields", 0)
end

local function chunks()
  while true do
    local digits = line():match "^%x+"
    if not digits or #digits > 15 then error("the length of a chunk is missing", 0) end
    local size = tonumber(digits, 16)
    if size == 0 then return fields() end                     -- trailers
    copy(size)
    line()
  end
end

assert(conn:send(("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(
  path == "" and "/" or path, host)))
local status, header
repeat                                                        -- 1xx come before the answer
  status = line()
  header = fields()
until not status:find "^HTTP/1%.%d 1"
local code = status:match "^HTTP/1%.%d (%d%d%d)"
if not code then error("this is no answer in HTTP/1", 0) end

if code == "204" or code == "304" then
  copy(0)
elseif (header["transfer-encoding"] or ""):lower():find "chunked$" then
  chunks()
else
  local length = header["content-length"]
  if length and not length:find "^%d+$" then error("a Content-Length that is none", 0) end
  copy(math.tointeger(tonumber(length)))
end
assert(conn:close())
if code ~= "200" then
  io.stderr:write((status:gsub("%c", "?")), "\n")
  os.exit(1)
end
