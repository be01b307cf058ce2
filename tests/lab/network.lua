-- Private networks of several hosts: programs on the kernel's TCP, behind routers and bad links.
local core = require "tcplua.core"
local lab = require "tcplua.lab"
local process = require "tcplua.process"
local t = require "harness"

local SELF <const> = io.open "/proc/self/stat":read "n"
local PROGRAM <const> = os.getenv "TCPLUA" or "/proc/" .. SELF .. "/exe"

if assert(process.run "command -v perl").code ~= 0 then
  print "skipped: the programs on the hosts are written in perl, which is not here"
  os.exit(77)
end

local SERVER <const> = { "perl", "-e", [[
use Socket qw(:DEFAULT pack_sockaddr_in6);
socket(S, AF_INET6, SOCK_STREAM, 0) or die;
bind(S, pack_sockaddr_in6(80, "\0" x 16)) or die;
listen(S, 5);
while (accept(C, S)) { print C "x" x 100000; close C; }
]] }

-- Prints how many bytes came from ADDRESS.
local CLIENT <const> = [[
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);
my $six = $ARGV[0] =~ /:/;
my $to = inet_pton($six ? AF_INET6 : AF_INET, $ARGV[0]);
socket(S, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die;
connect(S, $six ? pack_sockaddr_in6(80, $to) : pack_sockaddr_in(80, $to)) or die "connect: $!";
my $sum = 0;
$sum += length while sysread(S, $_, 65536);
print "$sum\n";
]]

local FAR <const>, FAR6 <const> = "198.51.100.2", "2001:db8:2::2"

-- client -- near -- far -- server: two routers.
local function make()
  return lab.network {
    seed = 5,
    hosts = {
      client = { "192.0.2.1/24", "2001:db8:1::1/64" },
      near = { "192.0.2.254/24", "2001:db8:1::fe/64", "10.0.0.1/30", "2001:db8:f::1/64",
        router = true },
      far = { "198.51.100.254/24", "2001:db8:2::fe/64", "10.0.0.2/30", "2001:db8:f::2/64",
        router = true },
      server = { FAR .. "/24", FAR6 .. "/64" },
    },
    links = { { "client", "near" }, { "near", "far" }, { "far", "server" } },
  }
end

local function fetch(net, address)
  local result = assert(net.hosts.client:run({ "perl", "-e", CLIENT, address, stderr = "pipe" },
    30))
  t.equal(result.out .. result.err, "100000\n")
end

local function serve(net) return assert(net.hosts.server:serve(SERVER, 80)) end

t.test("programs talk over two routers, in both families", function()
  local net <close> = make()
  local server <close> = serve(net)
  fetch(net, FAR)
  fetch(net, FAR6)
  t.equal(server:running(), true)
  t.within(net.links[2].back:counts().bytes, 200000, 400000, "bytes on the way back")
  t.equal(net.links[2].back:counts().lost, 0)
end)

t.test("a link has its delay and its rate, each way its own", function()
  local net <close> = make()
  local server <close> = serve(net)
  assert(net.links[2].there:set { delay = 0.1 })
  assert(net.links[2].back:set { rate = 2e6 }) -- 100,000 bytes in 0.4 s
  local begin = core.monotonic()
  fetch(net, FAR)
  t.equal(core.monotonic() - begin > 0.5, true)
  t.equal(server:running(), true)
end)

t.test("loss is made good by the kernels", function()
  local net <close> = make()
  local server <close> = serve(net)
  assert(net.links[2]:set { loss = 0.05 })
  fetch(net, FAR)
  local there, back = net.links[2].there:counts(), net.links[2].back:counts()
  t.equal(there.lost + back.lost > 0, true)
  t.equal(net.links[1].back:counts().lost, 0)
  t.equal(server:running(), true)
end)

t.test("a path that is narrower than its interfaces says so by ICMP", function()
  local net <close> = make()
  local server <close> = serve(net)
  assert(net.links[2]:set { path_mtu = 1300 })
  fetch(net, FAR)
  fetch(net, FAR6)
  t.within(net.links[2].back:counts().too_big, 2, 50, "datagrams that were too big")
  t.equal(server:running(), true)
end)

t.test("a link goes down and comes up", function()
  local net <close> = make()
  local server <close> = serve(net)
  assert(net.links[2]:down())
  local client <close> = assert(net.hosts.client:spawn { "perl", "-e", CLIENT, FAR })
  while net.links[2].there:counts().dark == 0 do
    t.equal(client:wait(0.01), nil)
  end
  assert(net.links[2]:up())
  t.equal(client:read_line(30), "100000\n")
  t.equal(server:running(), true)
end)

t.test("a host's interfaces have the MTU of their links", function()
  local net <close> = lab.network {
    hosts = { a = { "10.0.0.1/24" }, b = { "10.0.0.2/24" } }, links = { { "a", "b", mtu = 1400 } },
  }
  t.equal(net.hosts.b:run({ "perl", "-e", [[
use Socket;
socket(S, AF_INET, SOCK_DGRAM, 0);
my $request = pack("a16x24", "eth0");
ioctl(S, 0x8921, $request); # SIOCGIFMTU
print unpack("x16 i", $request);
]] }).out, "1400")
end)

-- us -- near -- server: our engine behind a router.
local function make_ours()
  return lab.network {
    seed = 7,
    hosts = {
      us = { "192.0.2.1/24", "2001:db8:1::1/64", engine = true },
      near = { "192.0.2.254/24", "2001:db8:1::fe/64", "198.51.100.254/24", "2001:db8:2::fe/64",
        router = true },
      server = { FAR .. "/24", FAR6 .. "/64" },
    },
    links = { { "us", "near" }, { "near", "server" } },
  }
end

t.test("our engine is a host: a client behind a router, in both families", function()
  local net <close> = make_ours()
  local server <close> = serve(net)
  for _, dst in ipairs { FAR, FAR6 } do
    assert(net.links[1]:set { delay = 0.03, loss = 0 })
    local conn <close> = assert(net.hosts.us:connect { dst = dst, port = 80 })
    t.within(conn:info().srtt, 0.06, 1, "round trip")
    assert(net.links[1]:set { loss = 0.05 })
    t.equal(#assert(conn:read_all()), 100000)
  end
  t.equal(net.links[1].back:counts().lost > 0, true)
  t.equal(server:running(), true)
end)

t.test("our engine is a host: a server for the kernel's client", function()
  for _, dst in ipairs { "192.0.2.1", "2001:db8:1::1" } do
    local net <close> = make_ours()
    local listener <close> = assert(net.hosts.us:listen { addr = dst, port = 80 })
    local client <close> = assert(net.hosts.server:spawn { "perl", "-e", CLIENT, dst })
    local conn = assert(listener:accept(5))
    assert(conn:send(("y"):rep(200000)))
    assert(conn:close(5))
    t.equal(client:read_line(5), "200000\n")
  end
end)

-- us, inside -- gate -- server: the gate is a NAT.
local WHO <const> = { "perl", "-e", [[
use Socket qw(:DEFAULT inet_ntop pack_sockaddr_in6 unpack_sockaddr_in6);
socket(S, AF_INET6, SOCK_STREAM, 0) or die;
bind(S, pack_sockaddr_in6(80, "\0" x 16)) or die;
listen(S, 5);
while (my $peer = accept(C, S)) {
  print C inet_ntop(AF_INET6, (unpack_sockaddr_in6 $peer)[1]), "\n";
  close C;
}
]] }

local ASK <const> = [[
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);
socket(S, AF_INET, SOCK_STREAM, 0) or die;
connect(S, pack_sockaddr_in(80, inet_pton(AF_INET, $ARGV[0]))) or die "$!\n";
print <S>;
]]

t.test("behind a NAT the server sees the router's address, and nobody gets in", function()
  local ok, net = pcall(lab.network, {
    hosts = {
      us = { "192.0.2.1/24", "2001:db8:1::1/64", engine = true },
      inside = { "10.0.0.2/24" },
      gate = { "192.0.2.254/24", "2001:db8:1::fe/64", "10.0.0.254/24", "198.51.100.254/24",
        "2001:db8:2::fe/64", nat = "server" },
      server = { FAR .. "/24", FAR6 .. "/64" },
    },
    links = { { "us", "gate" }, { "inside", "gate" }, { "gate", "server" } },
  })
  if not ok and net.code == "EOPNOTSUPP" then
    print("# skipped: " .. net.message)
    return
  end
  local _ <close> = ok and net or error(net, 0)
  local server <close> = assert(net.hosts.server:serve(WHO, 80))
  for dst, seen in pairs { [FAR] = "::ffff:198.51.100.254\n", [FAR6] = "2001:db8:2::fe\n" } do
    local conn <close> = assert(net.hosts.us:connect { dst = dst, port = 80, timeout = 5 })
    t.equal(conn:read_line(), seen)
  end
  t.equal(assert(net.hosts.inside:run { "perl", "-e", ASK, FAR }).out, "::ffff:198.51.100.254\n")
  local refused = assert(net.hosts.server:run { "perl", "-e", ASK, "10.0.0.2", stderr = "pipe" })
  t.equal(refused.err, "Network is unreachable\n")
  t.equal(server:running(), true)
end)

t.test("where there can be no NAT that is said", function()
  local folder = assert(process.run "mktemp -d").out:match "[^\n]+"
  local script = [[require "tcplua.lab".network {
    hosts = { a = { "10.0.0.1/24", nat = "b" }, b = { "10.0.0.2/24" } },
    links = { { "a", "b" } } }]]
  assert(process.run(("printf '#!/bin/sh\necho no such thing >&2; exit 1' >%s/nft; chmod +x %s/nft")
    :format(folder, folder)))
  local result = assert(process.run { PROGRAM, "--lab", "-e", script, stderr = "pipe",
    env = { PATH = folder .. ":" .. os.getenv "PATH" } })
  t.equal(result.err, "tcplua: host 'a' cannot be a NAT here: no such thing\n")
  t.equal(result.code, 4)
  assert(process.run { "rm", "-r", folder })
end)

t.test("what the manual shows", function()
  local folder = assert(process.run "mktemp -d").out:match "[^\n]+"
  for name, code in pairs { server = SERVER[3], client = CLIENT } do
    local file <close> = assert(io.open(("%s/%s"):format(folder, name), "w"))
    file:write(code)
  end
  local manual <close> = assert(io.open "src/lib/lab.lua")
  local blocks = {}
  for block in manual:read "a":match "^(.-)\nlocal":gmatch "\n%-%-\n(%-%-     .-)\n%-%-\n" do
    blocks[#blocks + 1] = block:gsub("%f[%-]%-%-     ", ""):gsub("%./", "perl " .. folder .. "/")
  end
  t.equal(#blocks, 2)
  for i = 1, 2 do
    local printed = ""
    local env = setmetatable({ lab = lab, print = function(text) printed = tostring(text) end },
      { __index = _G })
    local ok, err = pcall(assert(load(blocks[i], "=lab.lua", "t", env)))
    if ok then
      t.equal(printed:match "^%d+", "100000")
    elseif err.code ~= "EOPNOTSUPP" then
      error(err, 0)
    end
  end
  assert(process.run { "rm", "-r", folder })
end)

t.test("each host, and the lab, has kernel settings of its own", function()
  local before <const> = lab.sysctl "net.ipv4.tcp_sack"
  local net <close> = lab.network { links = { { "a", "b" } }, hosts = {
    a = { "10.0.0.1/24", sysctl = { ["net.ipv4.tcp_congestion_control"] = "reno",
      ["net.ipv4.tcp_sack"] = false, ["net.ipv4.conf.eth0.forwarding"] = 1 } },
    b = { "10.0.0.2/24" } } }
  local a, b <const> = net.hosts.a, net.hosts.b
  t.equal(a:sysctl "net.ipv4.tcp_congestion_control", "reno")
  t.equal(a:sysctl "net.ipv4.tcp_sack", "0")
  t.equal(a:sysctl "net/ipv4/conf/eth0/forwarding", "1")
  t.equal(a:run "cat /proc/sys/net/ipv4/tcp_sack".out, "0\n")
  t.equal(b:sysctl "net.ipv4.tcp_sack", "1")
  t.equal(b:sysctl("net.ipv4.tcp_rmem", "4096 5000 6000"), true)
  t.equal(b:sysctl "net.ipv4.tcp_rmem", "4096\t5000\t6000")
  t.equal(lab.sysctl "net.ipv4.tcp_sack", before)
  t.equal(lab.sysctl("net.ipv4.tcp_sack", 0), true)
  t.equal(lab.sysctl "net.ipv4.tcp_sack", "0")
  t.equal(b:sysctl "net.ipv4.tcp_sack", "1")
  assert(lab.sysctl("net.ipv4.tcp_sack", before))

  local none, err = b:sysctl("net.ipv4.no_such", 1)
  t.equal(none, nil)
  t.equal(err.code, "ENOENT")
  t.contains(err.message, "no setting net.ipv4.no_such")
  none, err = b:sysctl("net.ipv4.tcp_sack", "many")
  t.equal(none, nil)
  t.contains(err.message, "the kernel refused 'many' for net.ipv4.tcp_sack")
  for _, name in ipairs { "kernel.hostname", "net/../kernel/hostname", "net.//.kernel", "net",
    "network.x", "net." .. ("x"):rep(300) } do
    local _, said = pcall(b.sysctl, b, name)
    t.contains(said, "is no setting of a network")
  end
  t.contains(select(2, pcall(b.sysctl, b, "net.ipv4.tcp_sack", {})), "a whole number expected")
  t.contains(select(2, pcall(b.sysctl, b)), "a name expected")
end)

t.test("hosts of ours end with their network", function()
  local before = select(2, core.census())
  local net = make_ours()
  local listener = assert(net.hosts.us:listen { port = 80 })
  t.equal(select(2, core.census()), before + 2)
  net:close()
  t.equal(select(2, core.census()), before)
  t.equal(select(2, listener:accept(0)).code, "ETIMEDOUT")
  listener:close()
  local again <close> = make_ours() -- with the same addresses
  local server <close> = serve(again)
  local conn <close> = assert(again.hosts.us:connect { dst = FAR, port = 80 })
  t.equal(#assert(conn:read_all()), 100000)
  t.equal(server:running(), true)
end)

t.test("a server that cannot listen", function()
  local net <close> = lab.network { hosts = { a = { "10.0.0.1/24" } }, links = {} }
  local none, err = net.hosts.a:serve("exit 3", 80)
  t.equal(none, nil)
  t.equal(err.code, "ECHILD")
  t.contains(err.message, "the server on host 'a' has ended before it listened on port 80")
  t.equal(select(2, net.hosts.a:serve("exec sleep 100", 80, 0.2)).code, "ETIMEDOUT")
end)

t.test("nothing is left", function()
  local function descriptors()
    collectgarbage() -- what the tests before this one left
    collectgarbage()
    -- It looks when we have closed the ends that were made for it.
    local child <close> = assert(process.spawn { stdin = "pipe",
      shell = "read go; ls /proc/" .. SELF .. "/fd" })
    child:write "\n"
    local text = ""
    for piece in function() return (child:read(10)) end do text = text .. piece end
    return select(2, text:gsub("\n", ""))
  end
  local before = descriptors()
  for _ = 1, 3 do
    local net <close> = make()
    t.equal(#net.links, 3)
  end
  t.equal(descriptors(), before)
end)

t.test("what cannot be is said", function()
  local function refused(part, hosts, links)
    local ok, err = pcall(lab.network, { hosts = hosts, links = links or {} })
    t.equal(ok, false)
    t.contains(tostring(err), part)
  end
  refused("'10.0.0.1' is no address with a prefix", { a = { "10.0.0.1" } })
  refused("'10.0.0.1/33' is no address with a prefix", { a = { "10.0.0.1/33" } })
  refused("there is no host 'b'", { a = { "10.0.0.1/24" } }, { { "a", "b" } })
  refused("links: 'a' cannot be linked to itself", { a = { "10.0.0.1/24" } }, { { "a", "a" } })
  refused("both have the address 10.0.0.1", { a = { "10.0.0.1/24" }, b = { "10.0.0.1/16" } })
  refused("both have the address 2001:db8::1", { a = { "2001:db8::1/64" },
    b = { "2001:db8::1/64" } }, { { "a", "b" } })
  refused("unknown option 'gate'", { a = { gate = 1 } })
  refused("no setting net.ipv4.no_such", { a = { sysctl = { ["net.ipv4.no_such"] = 1 } } })
  refused("our engine is no router", { a = { "10.0.0.1/24", engine = true, router = true } })
  refused("nat: 'c' is no neighbour", { a = { "10.0.0.1/24", nat = "c" } })
  refused("no neighbour has an address of the prefix of 10.0.9.1/24", { a = { "10.0.9.1/24" },
    b = { "10.0.1.1/24" }, c = { "10.0.2.1/24" } }, { { "a", "b" }, { "a", "c" } })
  local mixed <close> = lab.network { links = { { "a", "b" } },
    hosts = { a = { "10.0.0.1/24", engine = true }, b = { "10.0.0.2/24" } } }
  t.contains(select(2, pcall(mixed.hosts.a.run, mixed.hosts.a, "true")), "no program runs")
  t.contains(select(2, pcall(mixed.hosts.b.listen, mixed.hosts.b, { port = 80 })),
    "host 'b' is the kernel's")
  t.contains(select(2, pcall(mixed.hosts.a.connect, mixed.hosts.a, { dst = "::2", port = 80 })),
    "host 'a' has no address of the family of ::2")
  refused("mtu: a whole number from 68 expected, got 10", { a = { "10.0.0.1/24" },
    b = { "10.0.0.2/24" } }, { { "a", "b", mtu = 10 } })
  refused("loss", { a = { "10.0.0.1/24" }, b = { "10.0.0.2/24" } }, { { "a", "b", loss = 2 } })
end)

t.done()
