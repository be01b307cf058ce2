-- `tcplua test` and a system under test that is somebody else's: a server that it starts, one that
-- runs already, a client, and the same files in a simulation.
local process = require "tcplua.process"
local t = require "harness"

local SELF <const> = io.open "/proc/self/stat":read "n"
local PROGRAM <const> = os.getenv "TCPLUA" or "/proc/" .. SELF .. "/exe"
local FOLDER <const> = assert(process.run "mktemp -d").out:match "[^\n]+"

if assert(process.run "command -v perl").code ~= 0 then
  print "skipped: the programs under test are written in perl, which is not here"
  os.exit(77)
end

local function write(name, text)
  local file <close> = assert(io.open(FOLDER .. "/" .. name, "wb"))
  file:write(text)
end

-- Says hello to each connection and repeats a line; "exit" and "crash" end it. Its second argument
-- is where it listens.
write("server.pl", [[
use Socket qw(:DEFAULT pack_sockaddr_in6);
my ($port, $where) = (shift, shift // "both");
$| = 1;
my $six = $where eq "both";
socket(S, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die;
setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, $six ? pack_sockaddr_in6($port, "\0" x 16)
  : pack_sockaddr_in($port, $where eq "loopback" ? INADDR_LOOPBACK : INADDR_ANY)) or die;
listen(S, 5);
print "the server is ready\n";
while (accept(C, S)) {
  syswrite(C, "hello\n");
  my $line = <C>;
  print "heard $line";
  print "x" x 1000, "\n" x 1 for 1 .. ($line =~ /much/ ? 1000 : 0);
  exit 0 if $line =~ /exit/;
  kill 9, $$ if $line =~ /crash/;
  syswrite(C, "you said $line");
  close C;
}
]])

-- Sends back what it gets, of each read as much as its second argument says.
write("echo.pl", [[
use Socket qw(:DEFAULT pack_sockaddr_in6);
my ($port, $most) = (shift, shift // 65536);
socket(S, AF_INET6, SOCK_STREAM, 0) or die;
bind(S, pack_sockaddr_in6($port, "\0" x 16)) or die;
listen(S, 5);
$SIG{CHLD} = "IGNORE";
while (accept(C, S) || $!{EINTR}) {
  if (fork) { close C; next }
  syswrite(C, $_, $most) while sysread(C, $_, 65536);
  exit;
}
]])

write("client.pl", [[
use Socket;
my ($src, $dst, $port) = @ARGV;
socket(S, AF_INET, SOCK_STREAM, 0);
bind(S, pack_sockaddr_in(0, inet_aton($src))) or die;
connect(S, pack_sockaddr_in($port, inet_aton($dst))) or die;
my $line = <S>;
print "got $line";
syswrite(S, uc $line);
exit 4;
]])

local TALK <const> = [[
local test = require "tcplua.test"
sut.model(function(conn)
  conn:send "hello\n"
  local line = conn:read_line()
  if line then conn:send("you said " .. line) end
end)
local function talk(conn, line)
  test.equal(conn:read_line(), "hello\n")
  conn:send(line)
  return conn:read_line()
end
]]

write("talk.lua", TALK .. [[
it("talks", { matrix = { family = { "ip", "ip6" } } }, function(row)
  local conn <close> = assert(sut.connect { family = row.family })
  test.equal(talk(conn, "one\n"), "you said one\n")
  if sut.process then test.contains(sut.output(), "heard one\n") end
end)
]])

write("ends.lua", TALK .. [[
for _, word in ipairs { "before", "exit", "much", "crash", "after" } do
  it(word, function()
    local conn <close> = assert(sut.connect())
    talk(conn, word .. "\n")
  end)
end
]])

write("wrong.lua", TALK .. [[
it("is told what was on the wire", function()
  local conn <close> = assert(sut.connect())
  test.equal(talk(conn, ("x"):rep(200) .. "\n"), "you said " .. ("x"):rep(199) .. "\n")
end)
it("is told what was left over", function()
  local conn <close> = assert(sut.connect())
  test.equal(conn:read_line(), "hello\n")
  conn:ignore "icmp" -- begins to expect
  conn:send "one\n"
  conn:expect { data = expect.pattern "^you said" }
end)
]])

write("client.lua", [[
local test = require "tcplua.test"
it("shouts", function()
  local client = sut.client(nil, { model = function(src, dst, port)
    local conn <close> = require "tcplua.tcp".connect { src = src, dst = dst, port = port }
    conn:send(conn:read_line():upper())
  end })
  local conn <close> = assert(client:accept())
  conn:send "abc\n"
  test.equal(conn:read_line(), "ABC\n")
  if client.process then
    test.equal(conn:info().dst, "192.0.2.2")
    test.equal(client:wait(5).code, 4)
    test.equal(client:output(), "got abc\n")
  end
end)
]])

write("babble.lua", [[
it("babbles", function()
  local client = sut.client "exec perl -e 'print \"x\" x 100000, \"y\" x 100' #"
  client:wait(5)
  error "it babbles"
end)
]])

local SERVE <const> = "--serve 'exec perl server.pl $TCPLUA_PORT%s' "

-- Runs `tcplua test` with the words of a line.
local function run(line, status, ...)
  local result = assert(process.run({ shell = ("exec '%s' test %s"):format(PROGRAM, line),
    cwd = FOLDER, stderr = "pipe", env = { GITHUB_ACTIONS = false } }, 60))
  if result.code ~= status then
    error(("wanted status %d, got %s\n%s%s"):format(status, result.code or result.signal,
      result.out, result.err), 2)
  end
  for _, part in ipairs { ... } do t.contains(result.out, part) end
  return result
end

t.test("a server is started, waited for, and reached by both families", function()
  run("--port 80 " .. SERVE:format "" .. "talk.lua", 0, "2 passed")
  run("-v " .. SERVE:format "" .. "talk.lua", 0, "server: the server is ready", "server: heard one")
end)

t.test("a failure of any kind shows the exchange, and what is left over is said in one line",
  function()
    for _, what in ipairs { SERVE:format "", "--network sim " } do
      local out = run(what .. "--seed 1 wrong.lua", 1, "1 passed, 1 failed",
        'after 208 bytes that are as wanted: wanted "\\n", got "x\\n"\n',
        "#1     0.000  >  S seq 0 ", "connection ", "in 1 of them segments came that").out
      t.equal(out:find "not expected:", nil)
      run(what .. "-v wrong.lua", 1, "left over: not expected: #")
    end
  end)

t.test("a failed test's folder has what the programs under test have printed", function()
  run("--artifacts out " .. SERVE:format "" .. "wrong.lua", 1)
  local file <close> = assert(io.open(FOLDER .. "/out/wrong-001-is-told-what-was-on-the-wire/" ..
    "server.txt"))
  t.equal(file:read "a", "the server is ready\nheard " .. ("x"):rep(200) .. "\n")
  t.equal(io.open(FOLDER .. "/out/wrong-002-is-told-what-was-left-over/server.txt"), nil)
  run("--artifacts out babble.lua", 1)
  local client <close> = assert(io.open(FOLDER .. "/out/babble-001-babbles/client.txt"))
  t.equal(client:read "a", "[34564 bytes left out]\n" .. ("x"):rep(65436) .. ("y"):rep(100))
end)

t.test("a family that the server has not is skipped", function()
  run(SERVE:format " ip" .. "talk.lua", 0, "1 passed, 1 skipped",
    "the server under test has no IPv6")
end)

t.test("the test in which a server dies fails, and the next one has a new one", function()
  local out = run(SERVE:format "" .. "ends.lua", 1, "4 passed, 1 failed in",
    "FAIL ends.lua:13: crash\n    the server under test was killed by signal KILL\n",
    "    what it printed:\n      server: heard crash\n",
    "again: tcplua test --serve 'exec perl").out
  t.equal(out:find("heard before", 1, true), nil, "what other tests were told")
end)

t.test("a server that cannot be used", function()
  run("--serve 'echo gone; exit 7' talk.lua", 1, "2 errors in", "ended with status 7 before it " ..
    "listened on port 9000\n    what it printed:\n      server: gone\n")
  local elsewhere <const> = "perl server.pl 9000 loopback & exec perl server.pl 81"
  run(("--serve '%s' --port 80 --timeout 1s talk.lua"):format(elsewhere), 1,
    "does not listen on port 80 ($TCPLUA_PORT) of 192.0.2.2 after 1 s, but on port ", "port 81",
    "port 9000 of the loopback")
end)

t.test("the same in a simulation, and nowhere", function()
  run("--network sim ends.lua", 0, "5 passed in")
  run("talk.lua", 77, "no server to test: --serve or --server names one")
end)

t.test("the same file: a simulation, the lab, and a server by its address, in both families",
  function()
    run("--network sim talk.lua", 0, ", sim, ", "2 passed in")
    run(SERVE:format "" .. "talk.lua", 0, ", lab, ", "2 passed in")
    local uid = assert(process.run "id -u").out
    if uid ~= "0\n" then return end -- a program that we start may not open raw sockets
    local server <close> = assert(process.spawn { "perl", FOLDER .. "/server.pl", "9001" })
    t.equal(server:read_line(10), "the server is ready\n")
    for _, place in ipairs { "192.0.2.2:9001", "[2001:db8::2]:9001" } do
      run(("--server '%s' talk.lua"):format(place), 0, "1 file, host, ", "1 passed, 1 skipped")
      t.equal(server:read_line(10), "heard one\n")
    end
  end)

t.test("a client is started against our listener", function()
  run("--client 'exec perl client.pl' client.lua", 0, "1 passed in")
  run("--client 'exec perl client.pl' -v client.lua", 0, "client: got abc\n")
  run("--network sim client.lua", 0, "1 passed in")
  run("client.lua", 77, "no client to test: --client names one")
  run("--client 'exit 1;' client.lua", 1, "1 failed",
    "the client under test ended with status 1 and has not connected")
end)

t.test("a plain script has a program beside it", function()
  local function plain(script, status, how, ...)
    local words = { PROGRAM, "--lab", "--serve", "exec perl server.pl $TCPLUA_PORT " .. how, "-e",
      script, ... }
    words.cwd, words.stderr = FOLDER, "pipe"
    local result = assert(process.run(words, 30))
    t.equal(result.code, status, result.err)
    return result
  end
  local talk <const> = [[
local conn <close> = assert(sut.connect { family = "%s" })
conn:read_line()
conn:send "%s\n"
print(conn:read_line())]]
  local result = plain(talk:format("ip6", "one"), 0, "")
  t.equal(result.out, "you said one\n\n")
  t.equal(result.err, "the server is ready\nheard one\n")
  plain(talk:format("ip", "one") .. "assert(sut.port == 81)", 0, "", "192.0.2.1", "192.0.2.2", 81)
  t.contains(plain(talk:format("ip", "crash"), 1, "").err,
    "\ntcplua: the server under test was killed by signal KILL\n")
  t.contains(plain(talk:format("ip6", "one"), 1, "ip").err, "the server under test has no IPv6")
  result = assert(process.run { PROGRAM, "--lab", "--serve", "exit 7", "-e", "", stderr = "pipe" })
  t.contains(result.err, "ended with status 7 before it listened on port 9000")
  t.equal(result.code, 4)
  for _, line in ipairs { "--serve x -e ''", "--lab --serve x demo", "--serve x test a.lua" } do
    t.equal(assert(process.run { shell = PROGRAM .. " " .. line, stderr = "null" }).code, 2)
  end
end)

t.test("what cannot be together", function()
  local function refused(line, part)
    t.contains(run(line, 2).err, part)
  end
  refused("--serve x --server 1.2.3.4:5 talk.lua", "one server at a time")
  refused("--serve x --network sim talk.lua", "start programs in the lab")
  refused("--server 1.2.3.4:5 --network lab talk.lua", "--network host, which it implies")
  for _, place in ipairs { "1.2.3.4", "name:80", "1.2.3.4:0", "1.2.3.4:65536", "[1.2.3.4]:5",
    "2001:db8::1:80" } do
    refused(("--server '%s' talk.lua"):format(place), "takes an address and a port")
  end
end)

-- The example among the scripts judges the client that stands beside it, and one that answers with
-- the hash of something else.
t.test("a client of the assignment is judged by scripts/sha_client_test.lua", function()
  local scripts = assert(process.run "pwd").out:match "[^\n]+" .. "/scripts/"
  local judge = scripts .. "sha_client_test.lua"
  run("--network sim " .. judge, 0, "10 passed")
  for option, status in pairs { [""] = 0, ["--chomp "] = 1 } do
    local client = ("--client '%s %ssha_client.lua %s' "):format(PROGRAM, scripts, option)
    run(client .. "--filter LF " .. judge, status, status == 0 and "2 passed" or "2 failed")
  end
end)

t.test("an echo server is judged by scripts/echo_test.lua", function()
  local judge = assert(process.run "pwd").out:match "[^\n]+" .. "/scripts/echo_test.lua"
  run("--network sim " .. judge, 0, "8 passed, 1 skipped")
  local server = ("--serve 'perl %s/echo.pl $TCPLUA_PORT%s' "):format(FOLDER, "%s")
  run(server:format "" .. judge, 0, "9 passed")
  run(server:format " 1000" .. judge, 1, "7 passed, 2 failed")
end)

assert(process.run { "rm", "-r", FOLDER })
t.done()
