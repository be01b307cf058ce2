--- How fast bytes go to an iperf3 server, or come from it: a client of its protocol.
-- usage: tcplua scripts/throughput.lua [--reverse] DST PORT [SECONDS]
-- args: --reverse: the server sends; SECONDS is 10 if left out. At the other end: iperf3 -s -p PORT
local tcp, task = require "tcplua.tcp", require "tcplua.task"

local args = { ... }
local reverse = args[1] == "--reverse" and table.remove(args, 1) ~= nil
local dst, port = table.unpack(args)
local seconds = tonumber(args[3] or 10)
if not port or not seconds or seconds <= 0 then
  io.stderr:write("usage: tcplua scripts/throughput.lua [--reverse] DST PORT [SECONDS]\n")
  os.exit(2)
end

-- The control connection's words, each one byte.
local TEST_START <const>, TEST_RUNNING <const>, TEST_END <const> = 1, 2, 4
local PARAM_EXCHANGE <const>, CREATE_STREAMS <const> = 9, 10
local EXCHANGE_RESULTS <const>, DISPLAY_RESULTS <const>, IPERF_DONE <const> = 13, 14, 16

local control <close> = assert(tcp.connect { dst = dst, port = port })
local cookie = {}
for i = 1, 36 do cookie[i] = string.char(math.random(97, 122)) end
cookie = table.concat(cookie) .. "\0"

-- JSON with its length before it.
local function tell(text) assert(control:send(string.pack(">s4", text))) end
local function hear(length)
  local data = ""
  while #data < length do data = data .. assert(control:read(length - #data)) end
  return data
end
local function expect(word)
  local got = string.unpack("b", hear(1))
  if got ~= word then
    error(got == -1 and "the server is busy" or ("the server says %d, not %d"):format(got, word), 0)
  end
end

assert(control:send(cookie))
expect(PARAM_EXCHANGE)
tell(('{"tcp":true,"omit":0,"time":%d,"parallel":1,"len":131072,"pacing_timer":1000,%s'
  .. '"client_version":"3.12"}'):format(math.ceil(seconds), reverse and '"reverse":true,' or ""))
expect(CREATE_STREAMS)
local stream <close> = assert(tcp.connect { dst = dst, port = port })
assert(stream:send(cookie))
expect(TEST_START)
expect(TEST_RUNNING)

local begin, total = task.now(), 0
local piece = ("\0"):rep(65536)
while task.now() < begin + seconds do
  if reverse then
    local data = stream:read(nil, 1)
    total = total + (data and #data or 0)
  else
    assert(stream:send(piece))
    total = total + #piece
  end
end
local lasted = task.now() - begin

assert(control:send(string.char(TEST_END)))
local rest = reverse and task.spawn(function() -- what is still coming, so that nothing is reset
  while stream:read() do end
end)
expect(EXCHANGE_RESULTS)
tell(('{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":0,'
  .. '"streams":[{"id":1,"bytes":%d,"retransmits":%d,"jitter":0,"errors":0,"packets":0,'
  .. '"start_time":0,"end_time":%.6f}]}'):format(total, stream:info().retransmits, lasted))
local length = string.unpack(">I4", hear(4))
if length > 65536 then error("the server's results are too long", 0) end
local results = hear(length)
expect(DISPLAY_RESULTS)
assert(control:send(string.char(IPERF_DONE)))
if rest then rest:join() end
stream:close()
control:close()

-- Of what was sent, that counts which came.
if not reverse then total = tonumber(results:match '"bytes":%s*(%d+)') or total end
print(("%s %.1f MB in %.2f s: %.1f MB/s, %.1f Mbit/s"):format(
  reverse and "received" or "sent", total / 1e6, lasted, total / lasted / 1e6,
  total * 8 / lasted / 1e6))
