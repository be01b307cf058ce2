-- The scripts with connections in scripts/, between two stacks in one process: what they print,
-- their exit status, and how the connections end. tests/net/talk.sh has the chat, tests/peers the
-- programs of others as the other end.
local hash, net = require "tcplua.hash", require "tcplua.net"
local t = require "harness"
local task, tcp = require "tcplua.task", require "tcplua.tcp"

local HERE, THERE <const> = "192.0.2.1", "192.0.2.2"

-- A script that runs as a task: .out and .err are what it wrote so far, .status its exit status.
local function start(name, ...)
  local job = { out = "", err = "" }
  local function write(field)
    return {
      flush = function() end,
      write = function(_, ...)
        job[field] = job[field] .. table.concat { ... }
        return true
      end,
    }
  end
  local env = setmetatable({
    print = function(text) job.out = job.out .. text .. "\n" end,
    io = { stdout = write "out", stderr = write "err" },
    os = { exit = function(status) error({ status = status }, 0) end },
  }, { __index = _G })
  local script = assert(loadfile("scripts/" .. name .. ".lua", "t", env))
  job.task = task.spawn(function(...)
    local ok, why = pcall(script, ...)
    local status = type(why) == "table" and why.status -- of os.exit()
    job.status = ok and 0 or status or 1
    if not ok and not status then job.err = job.err .. tostring(why) end
  end, ...)
  return job
end

local function run(...)
  local job = start(...)
  job.task:join(600)
  return job
end

local function two_hosts(options)
  local one, two = net.pair(options or { delay = 0.001 })
  assert(net.attach(one, HERE))
  assert(net.attach(two, THERE))
end

-- Serves one client with f(conn) on THERE, port 80; returns the task.
local function serve(f)
  local listener = assert(tcp.listen { addr = THERE, port = 80 })
  return task.spawn(function()
    local conn <close> = assert(listener:accept(60))
    listener:close()
    f(conn)
  end)
end

t.test("wrong use: how it is used, status 2", function()
  for _, row in ipairs { { "echo_server" }, { "echo_server", HERE }, { "http_get" },
    { "http_get", "https://192.0.2.2/" }, { "http_get", "192.0.2.2" },
    { "chat", "talk", HERE, "1" }, { "chat", "listen", HERE },
    { "sha_server", HERE }, { "sha_server", HERE, "1", "x" },
    { "relay", HERE, "1", THERE }, { "load", HERE }, { "load", HERE, "1", "0" },
    { "throughput", HERE }, { "throughput", HERE, "1", "-1" },
  } do
    local job = run(table.unpack(row))
    t.equal(job.status, 2, table.concat(row, " "))
    t.contains(job.err, "usage: tcplua scripts/" .. row[1] .. ".lua ")
  end
end)

t.test("what no port can be is said once, in a sentence", function()
  for _, row in ipairs {
    { "load", THERE, "99999", "3" }, { "sha_server", THERE, "99999", "1" },
  } do
    local job = run(table.unpack(row))
    t.equal(job.out, "", row[1])
    t.equal(job.err, "port '99999' is not a number from 1 to 65535", row[1])
  end
  for text, row in pairs {
    ["there is no type 'NOSUCH'"] = { "dns_question", THERE, "x.example", "nosuch" },
    ["there is no type '99999'"] = { "dns_question", THERE, "x.example", "99999" },
    ["has an empty label"] = { "dns_question", THERE, "x..example" },
  } do
    local job = run(table.unpack(row))
    t.equal(job.status, 2, text)
    t.contains(job.err, text)
    t.equal(job.err:find "traceback", nil, text)
  end
end)

t.test("echo server and a thousand clients", function()
  two_hosts()
  local server = start("echo_server", THERE, "7")
  local job = run("load", THERE, "7", "1000")
  t.equal(job.status, 0, job.out .. job.err)
  t.contains(job.out, "1000 of 1000 served in ")
  t.contains(job.out, "milliseconds: shortest 6.0, median 6.0, longest 6.0")
  t.equal(server.out, "echoing on 192.0.2.2 port 7\n", "server")
  t.equal(server.err, "", "server")
  job = run("load", THERE, "8", "3")
  t.equal(job.status, 1, "status")
  t.contains(job.out, "3 times: connection refused by 192.0.2.2:8")
end)

t.test("an echo server outlives a client that resets", function()
  two_hosts()
  local server = start("echo_server", THERE, "7")
  local conn = assert(tcp.connect { dst = THERE, port = 7 })
  assert(conn:send "x")
  t.equal(conn:read(1), "x", "echo")
  conn:abort()
  t.equal(run("load", THERE, "7", "2", "again").status, 0, "status")
  t.contains(server.err, "connection reset by 192.0.2.1:")
end)

local BIG <const> = ("0123456789abcdef"):rep(20000)

for name, row in pairs {
  ["Content-Length"] = { "Content-Length: 5\r\n\r\nhello", "hello" },
  ["no length: up to the end of the stream"] = { "\r\n" .. BIG, BIG },
  ["chunks, with extensions and trailers"] = { "Transfer-Encoding: chunked\r\n\r\n"
    .. "5;name=value\r\nhello\r\n4E200\r\n" .. BIG .. "\r\n0\r\nX-Sum: 1\r\n\r\n", "hello" .. BIG },
  ["a length of 0"] = { "content-length:0\r\n\r\n", "" },
  ["chunks win over a length"] = { "Content-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    .. "1\r\nx\r\n0\r\n\r\n", "x" },
} do
  t.test("HTTP: " .. name, function()
    two_hosts()
    local asked = ""
    local server = serve(function(conn)
      for line in conn:lines() do
        asked = asked .. line
        if line == "\r\n" then break end
      end
      assert(conn:send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" .. row[1]))
    end)
    local job = run("http_get", "http://192.0.2.2/a?b=c")
    t.equal(job.err, "", "complaints")
    t.equal(job.out == row[2], true, "body")
    t.equal(job.status, 0, "status")
    server:join()
    t.equal(asked, "GET /a?b=c HTTP/1.1\r\nHost: 192.0.2.2\r\nConnection: close\r\n\r\n", "request")
  end)
end

for name, row in pairs {
  ["another status"] = { "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
    "404 Not Found" },
  ["less than the length"] = { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
    "closed its side" },
  ["no HTTP"] = { "220 ready\r\n\r\n", "this is no answer in HTTP/1" },
  ["a chunk without a length"] = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "the length of a chunk is missing" },
  ["a length that is none"] = { "HTTP/1.1 200 OK\r\nContent-Length: -1x\r\n\r\n",
    "a Content-Length that is none" },
  ["a length below 0"] = { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxyz",
    "a Content-Length that is none" },
  ["no end of fields"] = { "HTTP/1.1 200 OK\r\n" .. ("a: b\r\n"):rep(300),
    "the answer has too many header fields" },
  ["nothing"] = { "", "closed the connection without sending a line" },
} do
  t.test("HTTP: " .. name .. " is an error", function()
    two_hosts()
    serve(function(conn)
      conn:read_line()
      assert(conn:send(row[1]))
      conn:shutdown()
      conn:read_all()
    end)
    local job = run("http_get", "http://192.0.2.2:80")
    t.equal(job.status, 1, "status")
    t.contains(job.err, row[2])
  end)
end

t.test("SHA server: right and wrong answers", function()
  two_hosts()
  local server = start("sha_server", THERE, "9000", "3")
  t.equal(run("sha_client", HERE, THERE, "9000").status, 0, "client")
  t.equal(run("sha_client", "--chomp", HERE, THERE, "9000").status, 0, "client without LF")
  local conn = assert(tcp.connect { dst = THERE, port = 9000 })
  assert(conn:read_line())
  assert(conn:send(hash.sha256("x"):hex() .. "\n"))
  assert(conn:passive_close())
  server.task:join(60)
  t.equal(server.status, 1, server.err)
  local lines = {}
  for line in server.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
  t.equal(lines[1], "serving on 192.0.2.2 port 9000", "line 1")
  t.contains(lines[2], ", got the right hash of it")
  t.contains(lines[3], ", got the hash of the line without its LF")
  t.contains(lines[4], ", got '" .. hash.sha256("x"):hex() .. "'")
  t.equal(lines[5], "3 served, 2 wrong", "the end")
end)

t.test("SHA server: all right is status 0, silence is wrong", function()
  two_hosts()
  local server = start("sha_server", THERE, "9000", "1")
  run("sha_client", HERE, THERE, "9000")
  server.task:join(60)
  t.equal(server.status, 0, server.out)
  server = start("sha_server", THERE, "9001", "1")
  local conn = assert(tcp.connect { dst = THERE, port = 9001 })
  server.task:join(60)
  t.equal(server.status, 1, "status")
  t.contains(server.out, "timed out waiting for a line from 192.0.2.1")
  conn:abort()
end)

-- The relay listens at THERE:1080 and connects to f at THERE:80 by way of HERE.
local function relayed(f)
  two_hosts()
  local server = serve(f)
  local job = start("relay", HERE, "1080", THERE, "80")
  task.sleep(0.01)
  return assert(tcp.connect { dst = HERE, port = 1080 }), server, job
end

t.test("relay: both ways, and a half-close passes", function()
  local conn, server, job = relayed(function(conn)
    t.equal(conn:read_all(#BIG) == BIG, true, "what came")
    t.equal(conn:state(), "CLOSE-WAIT", "state")
    assert(conn:send("done\n"))
    assert(conn:send(BIG))
  end)
  assert(conn:send(BIG))
  conn:shutdown()
  t.equal(assert(conn:read_line()), "done\n", "answer")
  t.equal(assert(conn:read_all(#BIG)) == BIG, true, "what came back")
  t.equal(conn:state(), "TIME-WAIT", "state")
  assert(conn:close())
  server:join()
  t.equal(job.err, "", "complaints")
end)

t.test("relay: a half-close of the other side passes too", function()
  local conn, server = relayed(function(conn)
    conn:shutdown()
    t.equal(assert(conn:read_all()), "late", "what came")
  end)
  t.equal(assert(conn:read_all()), "", "what came")
  t.equal(conn:state(), "CLOSE-WAIT", "state")
  assert(conn:send "late")
  assert(conn:close())
  server:join()
end)

t.test("relay: a reset passes, and a refusal", function()
  local conn, server, job = relayed(function(conn) conn:abort() end)
  server:join()
  local _, err = conn:read()
  t.equal(err.code, "ECONNRESET", "code")
  t.contains(job.err, "connection reset by 192.0.2.2:80")
  conn = assert(tcp.connect { dst = HERE, port = 1080 }) -- nobody listens at port 80 any more
  _, err = conn:read()
  t.equal(err.code, "ECONNRESET", "code")
  t.contains(job.err, "connection refused by 192.0.2.2:80")
end)

t.done()
