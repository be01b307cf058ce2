--- tcplua.capture: the captures in tests/data read, written again and filtered; and misuse.
local capture = require "tcplua.capture"
local core = require "tcplua.core"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"

local DATA = "tests/data/"
local FOLDER
do
  local pipe <close> = io.popen "mktemp -d"
  FOLDER = pipe:read "l"
end
local function path(name) return FOLDER .. "/" .. name end

local function raises(f, ...)
  local result = table.pack(pcall(f, ...))
  assert(not result[1], "no error was raised")
  return tostring(result[2])
end

local function bytes_of(packet) return type(packet) == "string" and packet or packet:bytes() end

-- All packets of a file, each with its info.
local function read(file, filter)
  local list = {}
  for packet, info in assert(capture.read(file, filter)) do
    list[#list + 1] = { packet = packet, info = info }
  end
  return list
end

local function output(command)
  local pipe <close> = io.popen(command .. " 2>&1")
  return pipe:read "a"
end

local function have(program) return os.execute("command -v " .. program .. " >/dev/null") end

-- The rows of list.txt.
local files = {}
for line in io.lines(DATA .. "list.txt") do
  local name, linktype, count, layers = line:match "^(%S+)%s+(%d+)%s+(%d+)%s*(.*)$"
  if name and name:sub(1, 1) ~= "#" then
    files[#files + 1] = { name = name, linktype = tonumber(linktype), count = tonumber(count),
      layers = layers }
  end
end

for _, row in ipairs(files) do
  t.test("what the list says of " .. row.name, function()
    local list, seen = read(DATA .. row.name), {}
    t.equal(#list, row.count, "packets")
    for _, entry in ipairs(list) do
      t.equal(entry.info.linktype, row.linktype)
      t.within(entry.info.time, 1.6e9, 2e9, "time")
      t.equal(entry.info.original, #entry.packet)
      if type(entry.packet) ~= "string" then
        for _, layer in ipairs(entry.packet:layers()) do seen[layer] = true end
      end
    end
    if not capture.layer(row.linktype) then
      for _, entry in ipairs(list) do t.equal(type(entry.packet), "string") end
      return
    end
    for layer in row.layers:gmatch "%S+" do
      if not seen[layer] then error("there is no " .. layer) end
      seen[layer] = nil
    end
    t.equal(next(seen), nil, "a layer that is not listed")
  end)
end

t.test("every protocol and every link type is in a capture", function()
  local seen = {}
  for _, row in ipairs(files) do
    for layer in row.layers:gmatch "%S+" do seen[layer] = true end
    seen[row.linktype] = true
  end
  for _, protocol in ipairs(p.protocols()) do
    if not seen[protocol] then error("no capture has " .. protocol) end
  end
  for linktype = 0, 65535 do
    if capture.layer(linktype) and not seen[linktype] then error("no capture has " .. linktype) end
  end
end)

t.test("the list has every capture of the folder", function()
  local listed = {}
  for _, row in ipairs(files) do listed[row.name] = true end
  for name in output("ls " .. DATA):gmatch "%S+%.pcap%w*" do
    if not listed[name] then error(name .. " is not in list.txt") end
  end
end)

t.test("what was read is written and read again, to the nanosecond", function()
  for _, row in ipairs(files) do
    for _, suffix in ipairs { ".pcap", ".pcapng" } do
      local copy = path("copy" .. suffix)
      local list = read(DATA .. row.name)
      do
        local out <close> = assert(capture.create(copy))
        for _, entry in ipairs(list) do assert(out:write(entry.packet, entry.info)) end
      end
      local again = read(copy)
      t.equal(#again, #list, row.name)
      for i, entry in ipairs(list) do
        t.equal(bytes_of(again[i].packet), bytes_of(entry.packet), row.name)
        for k, v in pairs(entry.info) do
          if suffix == ".pcap" and (k == "comment" or k == "iface") then v = nil end
          t.equal(again[i].info[k], v, row.name .. " " .. k)
        end
      end
    end
  end
end)

t.test("times have nanoseconds", function()
  t.equal(read(DATA .. "own-eth-big.pcapng")[1].info.ns, 1700000001123456789)
  t.equal(read(DATA .. "own-eth-big.pcap")[1].info.ns, 1700000001123456000)
  t.equal(read(DATA .. "own-raw-big-nano.pcap")[2].info.ns, 1700000002000123456)
end)

t.test("a filter lets through what it says, for every link type", function()
  for _, row in ipairs(files) do
    if capture.layer(row.linktype) then
      local found = 0
      for _, entry in ipairs(read(DATA .. row.name)) do
        if entry.packet.tcp and not entry.packet.icmp and not entry.packet.vlan then
          found = found + 1
        end
      end
      t.equal(#read(DATA .. row.name, "tcp"), found, row.name)
      t.equal(#read(DATA .. row.name, "greater 60000"), 0, row.name)
    end
  end
  local reader, err = capture.read(DATA .. "own-raw.pcap", "tcp port nonsense;")
  t.equal(reader, nil)
  t.equal(err.kind, "usage")
  reader, err = capture.read(DATA .. "own-raw.pcap", "host www.example.org")
  t.equal(reader, nil)
  t.contains(err, "host names are not looked up")
end)

t.test("a reader is called, asked and closed by hand as well", function()
  local reader <close> = assert(capture.read(DATA .. "own-raw.pcap"))
  local number, name = reader:linktype()
  t.equal(number, 101)
  t.equal(name, "RAW")
  t.equal(reader:next().ip.src, "192.0.2.1")
  t.equal(reader().ip6.src, "2001:db8::1")
  t.equal(reader:next(), nil)
  t.equal(reader:next(), nil)
  reader:close()
  reader:close()
  t.contains(raises(reader.next, reader), "closed capture")
end)

t.test("L4 what is no capture gives a sentence", function()
  local rows = {
    { path "none", "environment", "No such file" }, { FOLDER, "environment", "Is a directory" },
    { "", "environment", "No such file" }, { "/dev/null", "protocol", "no capture file" },
    { "tests/lua/capture.lua", "protocol", "no capture file" },
    { path "no\27[2J", "environment", "no\\x1b[2J" },
  }
  for _, row in ipairs(rows) do
    local reader, err = capture.read(row[1])
    t.equal(reader, nil)
    t.equal(err.kind, row[2], row[1])
    t.contains(err, row[3])
  end
  t.contains(raises(capture.read), "bad argument")
  t.contains(raises(capture.read, "a\0b"), "zero byte")
  t.contains(raises(capture.read, DATA .. "own-raw.pcap", {}), "bad argument")
end)

t.test("L5 a damaged file raises behind the last good packet", function()
  local whole <close> = assert(io.open(DATA .. "own-raw.pcap", "rb"))
  local cut <close> = assert(io.open(path "cut.pcap", "wb"))
  cut:write((whole:read "a":sub(1, -2)))
  cut:close()
  local count = 0
  local message = raises(function()
    for _ in assert(capture.read(path "cut.pcap")) do count = count + 1 end
  end)
  t.equal(count, 1)
  t.contains(message, "cannot be read behind frame 1")
end)

local syn = p.ip { src = "192.0.2.1", dst = "192.0.2.2" } / p.tcp { dport = 80, flags = "S" }
local frame = p.eth {} / syn

t.test("pcapng keeps what is said of a packet", function()
  local file = path "said.pcapng"
  local out = assert(capture.create(file, { comment = "the file's" }))
  assert(out:describe {
    iface = "wire0", linktype = "ip", description = "the first", filter = "ip",
  })
  assert(out:name("192.0.2.2", "server.test"))
  assert(out:name("2001:db8::2", "server.test"))
  assert(out:write(syn, { iface = "wire0", sent = true, time = 7.5, comment = { "one", "two" } }))
  assert(out:write(frame, { iface = "wire1", sent = false, time = 8, original = 1000 }))
  assert(out:write("not a packet", { linktype = 147, ns = 1234567890123456789 }))
  assert(out:write(syn:bytes(), { linktype = "ip", iface = "wire0", time = 9 }))
  assert(out:drops { iface = "wire0", linktype = "ip", count = 3 })
  assert(out:close())
  assert(out:close())
  t.contains(raises(out.write, out, syn), "closed capture")
  for _ = 1, 2 do -- what was read and written again says the same
    local list = read(file)
    t.equal(#list, 4)
    local one, two, three, four = list[1], list[2], list[3], list[4]
    t.equal(one.info.iface, "wire0")
    t.equal(one.info.sent, true)
    t.equal(one.info.time, 7.5)
    t.equal(one.info.linktype, 101)
    t.equal(table.concat(one.info.comment, ","), "one,two")
    t.equal(one.packet.iface, "wire0")
    t.equal(one.packet.direction, "out")
    t.equal(one.packet, syn)
    t.equal(two.info.iface, "wire1")
    t.equal(two.info.sent, false)
    t.equal(two.info.linktype, 1)
    t.equal(two.info.original, 1000)
    t.equal(two.info.comment, nil)
    t.equal(two.packet.direction, "in")
    t.equal(two.packet, frame)
    t.equal(three.packet, "not a packet")
    t.equal(three.info.linktype, 147)
    t.equal(three.info.ns, 1234567890123456789)
    t.equal(three.info.iface, nil)
    t.equal(four.info.iface, "wire0")
    t.equal(four.info.sent, nil)
    t.equal(four.packet.direction, nil)
    local copy <close> = assert(capture.create(path "again.pcapng"))
    for _, entry in ipairs(list) do assert(copy:write(entry.packet, entry.info)) end
    file = path "again.pcapng"
  end
  file = path "said.pcapng"
  if not have "tshark" then t.skip "tshark is not installed" end
  local text = output("tshark -N n -r " .. file .. " -T fields -E separator=, -E 'aggregator=;'"
    .. " -e frame.interface_name -e frame.encap_type -e frame.time_epoch -e frame.len"
    .. " -e frame.cap_len -e frame.packet_flags_direction -e frame.comment -e ip.dst_host")
  t.contains(text, "\nwire0,7,7.500000000,40,40,0x00000002,one;two,server.test\n")
  t.contains(text, "\nwire1,1,8.000000000,1000,54,0x00000001,,server.test\n")
  t.contains(text, "1234567890.123456789,12,12,,,\n")
  t.contains(text, "\nwire0,7,9.000000000,40,40,,,server.test\n")
  text = output("capinfos -kI " .. file)
  t.contains(text, "Capture comment:     the file's")
  t.contains(text, "Description = the first")
  t.contains(text, "Number of interfaces in file: 3")
end)

t.test("a filter means something for each link type of a file, or takes nothing of it", function()
  local file = path "mixed.pcapng"
  do
    local out <close> = assert(capture.create(file))
    for i = 1, 2 do
      assert(out:write(syn, { time = i }))
      assert(out:write(p.eth { src = "02:00:00:00:00:01" } / syn, { time = i }))
      assert(out:write("x", { linktype = 147, time = i }))
    end
  end
  t.equal(#read(file), 6)
  t.equal(#read(file, ""), 6)
  t.equal(#read(file, "tcp port 80"), 4)
  t.equal(#read(file, "ether src 02:00:00:00:00:01"), 2)
  t.equal(#read(file, "ether src 02:00:00:00:00:02"), 0)
  local reader, err = capture.read(file, "tcp port nonsense")
  t.equal(reader, nil)
  t.equal(err.kind, "usage")
  do -- one that means nothing for any packet of the file
    local out <close> = assert(capture.create(file))
    assert(out:write(syn))
  end
  t.contains(raises(read, file, "ether src 02:00:00:00:00:01"), "is no filter expression")
end)

t.test("a name of an interface may be longer than one of Linux", function()
  local name = ("n"):rep(300)
  do
    local out <close> = assert(capture.create(path "names.pcapng"))
    for i, length in ipairs { 15, 16, 300 } do
      assert(out:write(syn, { iface = name:sub(1, length), time = i }))
    end
  end
  local list = read(path "names.pcapng")
  t.equal(list[1].packet.iface, name:sub(1, 15))
  t.equal(list[1].info.iface, name:sub(1, 15))
  t.equal(list[2].packet.iface, nil)
  t.equal(list[2].info.iface, name:sub(1, 16))
  t.equal(list[3].info.iface, name:sub(1, 255))
end)

t.test("writing says what is wrong, and what is not in the file", function()
  local out <close> = assert(capture.create(path "one.pcap"))
  assert(out:write(syn))
  assert(out:write(frame)) -- without its Ethernet header
  local arp = p.eth {} / p.arp {}
  local done, err = out:write(arp)
  t.equal(done, nil)
  t.contains(err, "one link type")
  assert(out:write(syn))
  t.equal(out:write(arp), nil)
  done, err = out:close()
  t.equal(done, nil)
  t.contains(err, "2 frames of another link type are not in ")
  t.contains(err, "one.pcap: a pcap holds one, a pcapng all")
  local list = read(path "one.pcap")
  t.equal(#list, 3)
  for _, entry in ipairs(list) do t.equal(entry.packet:bytes(), syn:bytes()) end
  local ng <close> = assert(capture.create(path "two.pcapng"))
  assert(ng:write(syn, { iface = "a" }))
  done, err = ng:describe { iface = "a", linktype = "ip" }
  t.equal(done, nil)
  t.contains(err, "before its first frame")
  assert(ng:write(syn))
  done, err = ng:name("192.0.2.1", "")
  t.equal(done, nil)
  t.equal(err.kind, "usage")
  done, err = ng:name("nobody", "x")
  t.equal(done, nil)
  t.equal(err.kind, "usage")
  for _, file in ipairs { path "none/x", FOLDER, "/dev/full" } do
    done, err = capture.create(file)
    t.equal(done, nil)
    t.equal(err.kind, "environment")
  end
end)

t.test("arguments of write that mean nothing raise", function()
  local out <close> = assert(capture.create(path "wrong.pcapng"))
  local rows = {
    { { nothing = 1 }, "unknown option 'nothing'" }, { { time = "x" }, "'time'" },
    { { time = -1 }, "'time'" }, { { time = 0 / 0 }, "'time'" }, { { ns = 1.5 }, "'ns'" },
    { { ns = -1 }, "'ns'" }, { { time = 1, ns = 2 }, "different things" },
    { { original = -1 }, "original" }, { { original = 1 << 32 }, "original" },
    { { sent = 1 }, "'sent'" }, { { comment = 1 }, "'comment'" },
    { { comment = { {} } }, "'comment'" }, { { comment = "a\0b" }, "'comment'" },
    { { comment = { "a\0b" } }, "'comment'" },
    { { iface = {} }, "'iface'" }, { { linktype = -1 }, "link type" },
    { { linktype = 65536 }, "link type" }, { { linktype = "tcp" }, "begins with tcp" },
  }
  for i, row in ipairs(rows) do t.contains(raises(out.write, out, syn, row[1]), row[2], i) end
  t.contains(raises(capture.create, path "none.pcapng", { coment = "x" }), "'coment'; there are")
  t.contains(raises(out.describe, out, { interface = "a" }), "unknown option 'interface'")
  t.contains(raises(out.drops, out, { drops = 1 }), "unknown option 'drops'")
  t.contains(raises(out.write, out), "a packet or a string")
  t.contains(raises(out.write, out, "bytes"), "name its link type")
  t.contains(raises(out.write, out, p.tcp {}), "begins with tcp")
  t.contains(raises(out.write, out, syn, 1), "a table expected")
  local many = {}
  for i = 1, 65 do many[i] = "x" end
  t.contains(raises(out.write, out, syn, { comment = many }), "at most 64")
  assert(out:close())
  t.equal(#read(path "wrong.pcapng"), 0)
end)

t.test("a writer that nobody closes is whole all the same", function()
  local out = assert(capture.create(path "left.pcapng"))
  assert(out:write(syn))
  t.equal(#read(path "left.pcapng"), 1)
  local _ = out
  out = nil
  collectgarbage()
  t.equal(out, nil)
end)

t.test("a capture of nothing can be read", function()
  for _, name in ipairs { "nothing.pcap", "nothing.pcapng" } do
    assert(assert(capture.create(path(name))):close())
    t.equal(#read(path(name)), 0)
  end
end)

t.test("a long frame is cut to what readers take", function()
  for _, name in ipairs { "long.pcap", "long.pcapng" } do
    do
      local out <close> = assert(capture.create(path(name)))
      assert(out:write(("x"):rep(300000), { linktype = 147 }))
    end
    local list = read(path(name))
    t.equal(#list[1].packet, 262144)
    t.equal(list[1].info.original, 300000)
  end
end)

t.test("a packet knows when and how it came, and so does what is written of it", function()
  local left, right = net.pair { medium = "eth" }
  task.sleep(2.123456789)
  local now = core.wall()
  assert(left:raw_send(frame:bytes(), 300))
  local packet, time, direction = assert(right:recv())
  t.equal(packet, frame)
  t.within(packet.time, now - 1e-6, now + 1e-6)
  t.equal(time, packet.time)
  t.equal(packet.direction, "in")
  t.equal(direction, "in")
  t.equal(packet.original, 300)
  t.equal(packet.iface, nil)
  t.equal(packet:copy().time, time)
  for _, made in ipairs { frame, p.parse(packet:bytes(), "eth"), packet / "more" } do
    for _, name in ipairs { "time", "direction", "iface", "original" } do
      t.equal(made[name], nil, name)
    end
  end

  local file = path "seen.pcapng"
  do
    local out <close> = assert(capture.create(file))
    assert(out:write(packet))
    assert(out:write(packet, { time = 5, original = 200, iface = "mine0", sent = true }))
  end
  local list = read(file)
  t.within(list[1].info.time, now - 1e-6, now + 1e-6)
  t.equal(list[1].info.original, 300)
  t.equal(list[1].packet.time, list[1].info.time)
  t.equal(list[1].packet.original, 300)
  t.equal(list[1].packet.direction, "in")
  t.equal(list[1].packet.iface, nil)
  t.equal(list[2].packet.direction, "out")
  t.equal(list[2].packet.iface, "mine0")
  t.equal(list[2].info.time, 5)
  t.equal(list[2].info.original, 200)
end)

t.test("net.filter takes packets from anywhere", function()
  local filter = assert(net.filter "tcp port 80")
  t.equal(tostring(filter), "tcp port 80")
  t.equal(filter:matches(syn), true)
  t.equal(filter:matches(frame), true)
  t.equal(filter:matches(syn:bytes(), "ip"), true)
  t.equal(filter:matches(syn:bytes(), 101), true)
  t.equal(filter:matches(frame:bytes(), 101), false)
  t.equal(filter:matches(p.ip {} / p.udp { dport = 80 }), false)
  t.equal(assert(net.filter ""):matches(p.ip {}), true)
  t.contains(raises(filter.matches, filter, p.tcp {}), "begins with tcp")
  t.contains(raises(filter.matches, filter, "x"), "name its link type")
  local bad, err = net.filter "ether proto"
  t.equal(bad, nil)
  t.equal(err.kind, "usage")
  local mac = assert(net.filter "ether src 02:00:00:00:00:01")
  t.equal(mac:matches(p.eth { src = "02:00:00:00:00:01" } / syn), true)
  t.contains(raises(mac.matches, mac, syn), "no filter expression")
  for linktype = 0, 300 do pcall(filter.matches, filter, syn:bytes(), linktype) end
  t.equal(filter:matches(syn), true)
end)

os.execute("rm -rf " .. FOLDER)
t.done()
