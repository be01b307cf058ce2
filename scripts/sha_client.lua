--- Reads one line from DST:PORT, answers with its SHA-256, and lets the server close.
-- usage: tcplua scripts/sha_client.lua [--chomp] SRC DST PORT
-- args: SRC is an address of this host, or one that nobody has; --chomp leaves out the LF or CRLF
local tcp, hash = require "tcplua.tcp", require "tcplua.hash"

local args = { ... }
local chomp = args[1] == "--chomp" and table.remove(args, 1)
local src, dst, port = table.unpack(args)
if #args ~= 3 then
  io.stderr:write("usage: tcplua scripts/sha_client.lua [--chomp] SRC DST PORT\n")
  os.exit(2)
end

local conn <close> = assert(tcp.connect { src = src, dst = dst, port = port }) -- SYN, SYN-ACK, ACK
local line = assert(conn:read_line())                         -- as sent, its LF included
if chomp then line = line:gsub("\r?\n$", "") end
assert(conn:send(hash.sha256(line):hex() .. "\n"))
assert(conn:passive_close())                                  -- FIN in, ACK out, FIN out, ACK in
