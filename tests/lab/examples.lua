-- The scripts in scripts/ as a user runs them, in one process with the servers they are for: what
-- they print, and their exit status. tests/net/routers.sh has those that need routers.
local net, p = require "tcplua.net", require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local OURS, KERNEL, KERNEL6 = "192.0.2.1", "192.0.2.2", "2001:db8::2"
local FOLDER = (os.getenv "TCPLUA_SCRIPTS" or "scripts") .. "/"

-- Runs a script; returns its exit status, and what it printed and complained.
local function run(name, ...)
  local out, err = {}, {}
  local env = setmetatable({
    print = function(...)
      local words = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      out[#out + 1] = table.concat(words, "\t")
    end,
    io = { stderr = { write = function(_, text) err[#err + 1] = text end } },
    os = { exit = function(status) error({ status = status }, 0) end },
  }, { __index = _G })
  local ok, why = pcall(assert(loadfile(FOLDER .. name .. ".lua", "t", env)), ...)
  local status = ok and 0 or type(why) == "table" and why.status or nil
  if not ok and not status then err[#err + 1] = tostring(why) end
  return status, table.concat(out, "\n"), table.concat(err, "\n")
end

-- Every line that is printed, in order, as a Lua pattern.
local function expect(status, lines, name, ...)
  local got, out, err = run(name, ...)
  t.equal(got, status, "status (" .. out .. err .. ")")
  local i = 0
  for line in out:gmatch "[^\n]+" do
    i = i + 1
    if not lines[i] or not line:find("^" .. lines[i] .. "$") then
      error(("%s: wanted '%s' in line %d of:\n%s"):format(name, lines[i], i, out), 2)
    end
  end
  t.equal(i, #lines, "lines")
end

t.test("wrong use: how it is used, status 2", function()
  for _, row in ipairs { { "ping" }, { "ping", KERNEL, "x" }, { "ping", KERNEL, "0" },
    { "traceroute" }, { "traceroute", "icmp" }, { "traceroute", KERNEL, "99999" },
    { "port_scan" }, { "port_scan", KERNEL }, { "port_scan", KERNEL, "x" },
    { "port_scan", KERNEL, "1-70000" }, { "port_scan", KERNEL, "80", "0" }, { "arp_scan" },
    { "mtu_probe" }, { "dns_question", KERNEL }, { "banner_grab", KERNEL },
    { "syn_flood", OURS, KERNEL, "80" }, { "syn_flood", OURS, KERNEL, "80", "10" },
    { "syn_flood", OURS, KERNEL, "80", "10", "0" }, { "syn_flood", OURS, KERNEL, "x", "9", "9" },
  } do
    local status, out, err = run(table.unpack(row))
    t.equal(status, 2, table.concat(row, " "))
    t.equal(out, "", "output")
    t.contains(err, "usage: tcplua scripts/" .. row[1] .. ".lua ")
  end
end)

t.test("an address that is none is named", function()
  for _, row in ipairs { { "ping", "nowhere" }, { "traceroute", "nowhere" },
    { "port_scan", "nowhere", "80" }, { "arp_scan", "nowhere" }, { "mtu_probe", "nowhere" },
    { "dns_question", "nowhere", "a" }, { "banner_grab", "nowhere", "80" },
  } do
    local _, out, err = run(table.unpack(row))
    t.contains(out .. err, "'nowhere' is not an", row[1])
  end
end)

t.test("ping", function()
  local line = "64 bytes from %s: seq 1, ttl 64, %%d+%%.%%d%%d%%d ms"
  expect(0, { line:format "192%.0%.2%.2", "1 sent, 1 answered" }, "ping", KERNEL, "1")
  expect(0, { line:format "2001:db8::2", "1 sent, 1 answered" }, "ping", KERNEL6, "1")
  expect(1, { "no answer within 1 s to IP .*", "1 sent, 0 answered" }, "ping", "192.0.2.9", "1")
end)

t.test("traceroute to a neighbour, in all ways", function()
  for _, kind in ipairs { "icmp", "udp", "tcp" } do
    expect(0, { " 1  192%.0%.2%.2 [%d.]+ ms [%d.]+ ms [%d.]+ ms" }, "traceroute", kind, KERNEL)
    expect(0, { " 1  2001:db8::2 [%d.]+ ms [%d.]+ ms [%d.]+ ms" }, "traceroute", kind, KERNEL6)
  end
end)

t.test("port scan", function()
  local listener = assert(tcp.listen { addr = OURS, port = 8000 })
  assert(tcp.listen { addr = OURS, port = 8004 })
  expect(0, { "8000 open", "8004 open", "3 closed, 0 silent, 0 refused on the way" },
    "port_scan", OURS, "8000-8002,8003,8004")
  t.equal(listener:accept(0.1), nil, "a connection") -- it was reset
  expect(0, { "2 closed, 0 silent, 0 refused on the way" }, "port_scan", KERNEL6, "8,9", "50")
end)

t.test("ARP scan", function()
  local host = "192%.0%.2%.2 +02:00:00:00:00:02  [%d.]+ ms"
  expect(0, { host, "1 hosts, 7 addresses without an answer" }, "arp_scan", "192.0.2.0/29")
  expect(0, { host, "1 hosts, 0 addresses without an answer" }, "arp_scan", KERNEL, "tap0")
end)

t.test("MTU of a link", function()
  for _, dst in ipairs { KERNEL, KERNEL6 } do
    local status, out = run("mtu_probe", dst)
    t.equal(status, 0, "status")
    t.contains(out, "1501 is too big\n")
    t.contains(out, "\n1500 bytes reach " .. dst .. " in one piece")
  end
end)

-- A name server at our end of the wire, which knows one name.
local function name_server()
  assert(net.open { src = OURS, dst = KERNEL }) -- which makes our end answer ARP
  local link = assert(net.link { iface = "tap0", filter = "udp dst port 53" })
  return task.spawn(function()
    while true do
      local ask = assert(link:recv(30))
      local question = ask:records().questions[1]
      local known = question.name == "example.com."
      assert(link:send(p.eth { dst = ask.eth.src, src = ask.eth.dst }
        / p.ip { src = ask.ip.dst, dst = ask.ip.src } / p.udp { sport = 53, dport = ask.udp.sport }
        / p.dns { id = ask.dns.id, qr = 1, rcode = known and 0 or 3, questions = { question },
          answers = known and { { name = question.name, ttl = 60, address = "198.51.100.7" },
            { name = question.name, ttl = 9, type = "TXT", text = { "two", "parts" } } } or nil }))
    end
  end)
end

t.test("DNS question", function()
  local server = name_server()
  expect(0, { "example%.com%. 60 IN A address 198%.51%.100%.7",
    "example%.com%. 9 IN TXT text two parts" }, "dns_question", OURS, "example.com")
  expect(1, { "the server says: response code 3" }, "dns_question", OURS, "example.org", "aaaa")
  server:cancel()
  expect(1, { ".*udp port 53 unreachable.*" }, "dns_question", KERNEL, "example.com")
end)

t.test("banners of several ports at once", function()
  for port, banner in pairs { [8001] = "220 hello\r\n", [8002] = "\27[31m" } do
    local listener = assert(tcp.listen { addr = OURS, port = port })
    task.spawn(function() assert(assert(listener:accept(9)):send(banner)) end)
  end
  local listener = assert(tcp.listen { addr = OURS, port = 8003 })
  task.spawn(function() listener:accept(9) end)
  expect(0, { '8001 "220 hello\\13\\n"', '8002 "\\27%[31m"', "8003 timed out waiting .*",
    "x port 'x' is not a number .*" }, "banner_grab", OURS, "8001", "8002", "8003", "x")
  expect(0, { "9 connection refused .*" }, "banner_grab", KERNEL, "9")
end)

t.test("SYN flood: so many, at that rate, and the checksums are right", function()
  local capture = assert(net.link { iface = "srv0", filter = "src host 192.0.2.77 and tcp",
    incoming = true })
  expect(0, { "300 packets, %d+ bytes in 0%.[34]%d+ s" }, "syn_flood", "192.0.2.77", KERNEL, "80",
    "300", "900")
  local flows, many = {}, 0
  for _ = 1, 300 do
    local packet = assert(capture:recv(1))
    t.equal(packet.tcp.flags, "S", "flags")
    t.equal(packet.tcp:checksum_ok(), true, "checksum")
    local flow = packet.tcp.sport .. " " .. packet.tcp.seq
    if not flows[flow] then many = many + 1 end
    flows[flow] = true
  end
  t.within(many, 299, 300, "different ones")
  t.equal(capture:recv(0.05), nil, "one more")
end)

t.done()
