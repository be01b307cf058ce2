--- tcplua.packet: DNS messages and DHCP messages.
local t = require "harness"
local p = require "tcplua.packet"

local function check(packet)
  local source = packet:code()
  t.equal(assert(load("local p = ... return " .. source))(p):bytes(), packet:bytes(), source)
end

local function over(dns)
  return p.ip { src = "192.0.2.1", dst = "192.0.2.53" } / p.udp { sport = 40000 } / dns
end

t.test("a DNS question is built, counted and read", function()
  local packet = over(p.dns { id = 7, questions = { { name = "example.com", type = "AAAA" } } })
  t.equal(packet.udp.dport, 53)
  t.equal(packet.dns.qdcount, 1)
  t.equal(packet.dns.rd, 1)
  t.equal(packet.payload, "\7example\3com\0\0\28\0\1")
  local back = p.parse(packet:bytes())
  local question = back:records().questions[1]
  t.equal(question.name, "example.com.")
  t.equal(question.type, "AAAA")
  t.equal(question.class, "IN")
  t.equal(packet.dns:raw(), "\0\7\1\0\0\1\0\0\0\0\0\0")
  check(packet)
  t.equal(p.dns { qdcount = 9, questions = {} }.dns.qdcount, 9)
  t.equal(p.tcp():records(), nil)
end)

t.test("records of every type go out and come back", function()
  local answers = {
    { name = "a.example.", type = "A", class = "IN", ttl = 60, address = "192.0.2.7" },
    { name = ".", type = "AAAA", class = "IN", ttl = 0, address = "2001:db8::7" },
    { name = "c.example.", type = "CNAME", class = "IN", ttl = 1, target = "d\\.e\\\\f.example." },
    { name = "m.example.", type = "MX", class = "CH", ttl = 1, preference = 10, target = "." },
    { name = "s.example.", type = "SRV", class = "IN", ttl = 1, priority = 1, weight = 2,
      port = 65535, target = "t.example." },
    { name = "t.example.", type = "TXT", class = "IN", ttl = 1, text = { "a b", "", "\0\255" } },
    { name = "o.example.", type = "SOA", class = "IN", ttl = 4294967295, mname = "m.example.",
      rname = "r.example.", serial = 1, refresh = 2, retry = 3, expire = 4, minimum = 5 },
    { name = "x.example.", type = 65280, class = 65280, ttl = 1, data = "\0\1" },
    { name = ".", type = "OPT", class = 1232, ttl = 0x8000, data = "" },
  }
  local packet = over(p.dns { qr = 1, answers = answers, additional = { answers[1] } })
  t.equal(packet.dns.ancount, #answers)
  local read = p.parse(packet:bytes()):records()
  for i, record in ipairs(answers) do
    for name, value in pairs(record) do
      if name ~= "text" then t.equal(read.answers[i][name], value, record.type) end
    end
  end
  t.equal(table.concat(read.answers[6].text, "|"), "a b||\0\255")
  t.equal(read.additional[1].address, "192.0.2.7")
  t.equal(p.dns { answers = { { name = "\\200\\046.x", data = "" } } }.payload:sub(1, 5),
    "\2\200.\1x")
end)

t.test("names point back only, and end", function()
  local function first(bytes, count)
    local packet = p.dns { qdcount = 0, ancount = count or 1, payload = bytes }
    return packet:records()
  end
  local tail = "\0\1\0\1\0\0\0\1\0\4\1\2\3\4"
  local good = first("\1a\0" .. tail .. "\1b\xc0\12" .. tail, 2)
  t.equal(good.answers[2].name, "b.a.")
  for _, name in ipairs { "\xc0\12", "\xc0\14", "\1a\xc0\12", "\xc0\xff", "\xff\xff", "\x40",
    "\x80x", "\xc0", "\5abc", ("\1a"):rep(128) .. "\0" } do
    local read, at = first(name .. tail)
    t.equal(#read.answers, 0, (name:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
    t.equal(at, 12)
  end
  -- a chain of pointers, each to the one before, ends at the first; one that is too long is none
  local chain = { "\1a\0" .. tail }
  for i = 1, 128 do
    chain[#chain + 1] = string.pack(">I2", 0xc000 | (i == 1 and 12 or 29 + (i - 2) * 16)) .. tail
  end
  t.equal(first(table.concat(chain), 128).answers[128].name, "a.")
  local cut, where = first(table.concat(chain), 129)
  t.equal(#cut.answers, 128)
  t.equal(where, 12 + 17 + 127 * 16)
  local read, at = first("\1a\0" .. tail, 65535)
  t.equal(#read.answers, 1)
  t.equal(at, 12 + 17)
  for _ = 1, 2000 do
    local bytes = {}
    for i = 1, math.random(0, 60) do
      bytes[i] = string.char(math.random(4) == 1 and 0xc0 or math.random(0, 30))
    end
    p.dns { qdcount = 3, ancount = 9, nscount = 9, arcount = 9, payload = table.concat(bytes) }
      :records()
  end
end)

-- Runs f(...) and raises if it takes more than so many steps of the VM.
local function bounded(steps, f, ...)
  debug.sethook(function() error("it takes more than " .. steps .. " steps") end, "", steps)
  local results = table.pack(pcall(f, ...))
  debug.sethook()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- One to eight changes anywhere: other bytes, bytes that are missing, come twice, or point back.
local function mutated(bytes)
  for _ = 1, math.random(8) do
    local at = math.random(0, #bytes)
    local kind, rest = math.random(5), bytes:sub(at + 1)
    if kind == 1 then rest = string.char(math.random(0, 255)) .. rest:sub(2) end
    if kind == 2 then rest = rest:sub(math.random(8)) end
    if kind == 3 then rest = rest:sub(1, math.random(16)) .. rest end
    if kind == 4 then rest = string.pack(">I2", 0xc000 | math.random(0, at)) .. rest:sub(3) end
    if kind == 5 and math.random(4) == 1 then rest = "" end
    bytes = bytes:sub(1, at) .. rest
  end
  return bytes
end

local function same(a, b, path)
  if type(a) ~= "table" then return t.equal(b, a, path) end
  for k, v in pairs(a) do same(v, b[k], path .. "." .. k) end
  for k in pairs(b) do t.equal(a[k] ~= nil, true, path .. "." .. k) end
end

t.test("messages that were changed at random are read to an end, and what was read is written",
  function()
    local records = {
      { type = "A", address = "192.0.2.7" }, { type = "AAAA", address = "2001:db8::7" },
      { type = "MX", preference = 10, target = "mail.example.com" },
      { type = "SRV", priority = 1, weight = 2, port = 3, target = "host.example.com" },
      { type = "SOA", mname = "ns.example.com", rname = "x.example.com", serial = 1 },
      { type = "TXT", text = { "some", "text" } }, { type = "OPT", class = 1232, data = "" },
    }
    for _, record in ipairs(records) do record.name = "name.example.com" end
    local seed = p.dns { id = 1, qr = 1, questions = { { name = "example.com" } },
      answers = records, additional = { records[1] } }:bytes()
    -- The same name by pointers.
    local short = seed:gsub("\4name\7example\3com\0", "\4name\xc0\12")
    local read = 0
    for i = 1, 3000 do
      local bytes = mutated(i % 2 == 0 and seed or short)
      local packet = p.parse(bytes, "dns")
      t.equal(packet:bytes(), bytes)
      t.equal(tostring(packet):find "[^ -~]", nil)
      if packet.dns and #packet.dns:raw() == 12 then
        local result, stop = bounded(200000, packet.records, packet)
        if not stop then
          read = read + 1
          same(result, p.dns(result):records(), "message")
        end
      end
    end
    t.within(read, 100, 2900, "messages without an early end")
  end)

t.test("a message of chained pointers costs no more than its length", function()
  local chain, at = { "\0\0" }, 23 -- behind the header and the record around it
  for i = 1, 8000 do
    chain[i + 1] = string.pack(">I2", 0xc000 | at)
    at = at + 2
  end
  local data = table.concat(chain)
  local function record(name, rest) return name .. string.pack(">I2I2I4s2", 65280, 1, 0, rest) end
  local last = record(string.pack(">I2", 0xc000 | at - 2), "")
  local message = p.dns { ancount = 4001,
    payload = record("\0", data) .. record("\xc0\x17", ""):rep(3999) .. last }
  local result, stop = bounded(2000000, message.records, message)
  t.equal(#result.answers, 4000)
  t.equal(stop, #message - #last)
  -- Four thousand names that each go as far as a name may.
  local most = record(string.pack(">I2", 0xc000 | 23 + 2 * 126), "")
  message = p.dns { ancount = 4001, payload = record("\0", data) .. most:rep(4000) }
  result = bounded(20000000, message.records, message)
  t.equal(#result.answers, 4001)
end)

t.test("DHCP messages that were changed at random keep their bytes and print", function()
  local seed = p.dhcp { xid = 7, mac = "02:00:00:00:00:01", options = { type = 1,
    hostname = "host", requested = "192.0.2.1", parameters = { 1, 3, 6 }, lease = 3600,
    router = { "192.0.2.254" } } }:bytes()
  for _ = 1, 3000 do
    local bytes = seed:sub(1, 240) .. mutated(seed:sub(241))
    local packet = p.parse(bytes, "dhcp")
    local count = 0
    for kind, value in pairs(packet.dhcp.options) do
      count = count + 1
      t.equal(kind ~= nil and value ~= nil, true)
    end
    t.within(count, 0, #bytes - 240, "options")
    t.equal(packet:bytes(), bytes)
    t.equal((tostring(packet) .. tostring(packet.dhcp.options)):find "[^ -~]", nil)
  end
end)

-- The line without its addresses, as tcpdump 4.99.3 has it; where it has not, the reason is beside.
t.test("a message on one line", function()
  local function line(wanted, fields, sport, dport)
    local packet = p.ip { src = "192.0.2.1", dst = "192.0.2.2" }
      / p.udp { sport = sport or 4000, dport = dport or 53 } / p.dns(fields)
    t.equal(tostring(packet):match "^IP [%d.]+ > [%d.]+: (.*)$", wanted)
  end
  local a = { { name = "a" } }
  line("1234+ A? example.org. (29)", { id = 1234, questions = { { name = "example.org" } } })
  line("1234 1/0/0 A 192.0.2.1 (56)", { id = 1234, qr = 1, ra = 1,
    questions = { { name = "example.org" } },
    answers = { { name = "example.org", address = "192.0.2.1" } } })
  line("1 NXDomain- 0/1/0 (71)", { id = 1, qr = 1, rcode = 3,
    questions = { { name = "no.example.org" } },
    authority = { { type = "SOA", name = "x.", mname = "a.", rname = "b." } } })
  line("2+ AAAA CHAOS? www. (21)", { id = 2,
    questions = { { name = "www", type = "AAAA", class = "CH" } } })
  line("2+ [2q] AAAA (Class 77)? a. Type300? b. (26)", { id = 2, questions = {
    { name = "a", type = "AAAA", class = 77 }, { name = "b", type = 300 } } })
  line("2 inv_q+ [1q] [0a] A? . (17)", { id = 2, opcode = 1, questions = { { name = "." } } })
  line("2 notify+ [b2&3=0x27e5] A? . (17)", { id = 2, opcode = 4, ad = 1, z = 1, aa = 1, tc = 1,
    ra = 1, rcode = 5, questions = { { name = "." } } })
  line("2+ [1a] [1n] [1au] A? a. (60)", { id = 2, questions = a,
    answers = { { address = "0.0.0.0" } }, authority = { { address = "0.0.0.0" } },
    additional = { { type = "OPT", class = 4096, data = "" } } })
  line("3 9/0/0 CNAME a.b., NS ns., PTR ., MX mx.x. 10, TXT \"one\" \"two\", SRV s.:3 1 2, SOA, "
    .. "Type65280, OPT UDPsize=1232 DO (178)", { id = 3, qr = 1, ra = 1, questions = a, answers = {
    { type = "CNAME", target = "a.b" }, { type = "NS", target = "ns" },
    { type = "PTR", target = "." }, { type = "MX", preference = 10, target = "mx.x" },
    { type = "TXT", text = { "one", "two" } },
    { type = "SRV", priority = 1, weight = 2, port = 3, target = "s" },
    { type = "SOA", mname = ".", rname = "." }, { type = 65280, data = "abc" },
    { type = "OPT", class = 1232, ttl = 0x8000, data = "" },
  } })
  line("3 2/0/0 AAAA 2001:db8::1, (Class 99) A 1.2.3.4 (61)", { id = 3, qr = 1, ra = 1,
    questions = a, answers = { { type = "AAAA", address = "2001:db8::1" },
      { class = 99, address = "1.2.3.4" } } })
  line("0*-|$ [0q] 0/0/0 (12)", { id = 0, qr = 1, aa = 1, tc = 1, ad = 1 })
  line("0 zoneRef NoChange- [0q] 0/0/0 (12)", { id = 0, qr = 1, opcode = 15, rcode = 15 })
  line("0 PTR (QM)? _x.local. (26)", { rd = 0, id = 0,
    questions = { { name = "_x.local", type = "PTR" } } }, 5353, 5353)
  line("0 PTR (QU)? _x.local. (26)", { rd = 0, id = 0,
    questions = { { name = "_x.local", type = "PTR", class = 0x8001 } } }, 5353, 5353)
  line("0*- [0q] 1/0/0 (Cache flush) A 1.2.3.4 (27)", { rd = 0, id = 0, qr = 1, aa = 1,
    answers = { { class = 0x8001, address = "1.2.3.4" } } }, 5353, 5353)

  -- What is cut off or makes no sense ends the line.
  line("3 1/0/0 A [|domain]", { id = 3, qr = 1, ra = 1, questions = a,
    answers = { { type = "A", data = "\1\2" } } })
  line("3 5/0/0 A 1.2.3.4 [|domain]", { id = 3, qr = 1, ra = 1, ancount = 5, questions = a,
    answers = { { address = "1.2.3.4" } } })
  line("3 [|domain]", { id = 3, qr = 1, ra = 1, qdcount = 1, ancount = 1 })
  for _, bytes in ipairs { "", "\5abc", "\1a\0\0\1", "\x45abc\0\0\1\0\1" } do
    line("3+ [|domain]", { id = 3, qdcount = 1, payload = bytes })
  end
  -- tcpdump says <BAD PTR> in place of the name.
  for _, bytes in ipairs { "\xc0\12\0\1\0\1", "\xc0\50\0\1\0\1", "\1a\xc0\12\0\1\0\1" } do
    line("3+ [|domain]", { id = 3, qdcount = 1, payload = bytes })
  end
  -- tcpdump says ^[ and M-^?.
  line([[3+ A? a.\x1b\xff.bcd. (26)]], { id = 3, qdcount = 1,
    payload = "\4a.\27\xff\3bcd\0\0\1\0\1" })
end)

t.test("data that is not what its type has is bytes", function()
  for _, kind in ipairs { "A", "AAAA", "MX", "SRV", "SOA", "TXT", "NS" } do
    local packet = p.dns { answers = { { type = kind, data = "\5\5" } } }
    t.equal(packet:records().answers[1].data, "\5\5", kind)
  end
end)

t.test("mistakes in records are named", function()
  local function refused(text, ...)
    local ok, err = pcall(p.dns, ...)
    t.equal(ok, false)
    t.contains(tostring(err), text)
  end
  refused("there is no type 'AAAB'", { questions = { { name = "x", type = "AAAB" } } })
  refused("longer than 63", { questions = { { name = ("x"):rep(64) } } })
  refused("longer than 255", { questions = { { name = ("x."):rep(128) } } })
  refused("an empty label", { questions = { { name = "a..b" } } })
  refused("a name is a string", { questions = { { name = 7 } } })
  refused("questions is a list", { questions = 7 })
  refused("a record is a table", { answers = { 7 } })
  refused("is not an IPv4 address", { answers = { { address = "x" } } })
  refused("ttl takes a number", { answers = { { address = "192.0.2.1", ttl = -1 } } })
  refused("dns has no field 'x'", { x = 1 })
end)

t.test("a DHCP message", function()
  local packet = p.eth() / p.ip { src = "0.0.0.0", dst = "255.255.255.255" } / p.udp { sport = 68 }
    / p.dhcp { xid = 7, mac = "02:00:00:00:00:01", options = { type = 1, mask = "255.255.255.0",
      requested = "192.0.2.9", parameters = { 1, 3, 6 }, router = { "192.0.2.1", "192.0.2.2" },
      lease = 3600, hostname = "me", eol = true, [224] = "x" } }
  t.equal(packet.udp.dport, 67)
  local back = p.parse(packet:bytes(), "eth")
  local options = back.dhcp.options
  t.equal(options.type, 1)
  t.equal(options.mask, "255.255.255.0")
  t.equal(options.parameters[3], 6)
  t.equal(options.router[2], "192.0.2.2")
  t.equal(options.lease, 3600)
  t.equal(options.hostname, "me")
  t.equal(back.dhcp.chaddr, "\2\0\0\0\0\1" .. ("\0"):rep(10))
  t.equal(tostring(back), "IP 0.0.0.0.68 > 255.255.255.255.67: BOOTP/DHCP, Request from "
    .. "02:00:00:00:00:01, length " .. #packet.udp.payload)
  check(back)
  local padded = p.dhcp { options = { { "type", 5 }, "pad", "pad", { "mtu", 1500 }, "eol", "pad" } }
  t.equal(padded.dhcp:raw "options", "\53\1\5\0\0\26\2\5\xdc\xff\0")
  t.equal(padded.dhcp.options.mtu, 1500)
  t.equal(#padded.dhcp.options, 5)
  t.equal(p.parse(padded:bytes(), "dhcp").dhcp:raw "options", padded.dhcp:raw "options")
  check(padded)
  t.equal(p.dhcp { options = "\1\3abc" }.dhcp.options.mask, "abc")
  t.contains(tostring(p.dhcp { options = "\53\9\1" }.dhcp.options), "[bad opt]")
end)

t.done()
