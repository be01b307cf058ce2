--- The program as a user starts it: exit status, standard output and error, and how it ends. Each
-- row runs it once through the shell. Run without arguments; TCPLUA names the program to try
-- (default: the one that runs this).
local t = require "harness"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function output(command)
  local pipe <close> = io.popen(command)
  return (pipe:read "a":gsub("\n$", ""))
end

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local PROGRAM = os.getenv "TCPLUA" or output "readlink /proc/$PPID/exe"
local FOLDER = output "mktemp -d"
local CLIENT = quote((os.getenv "TCPLUA_SCRIPTS" or "scripts") .. "/sha_client.lua")
local ROOT = output "id -u" == "0"
local SANITIZED = os.execute("grep -q __asan_init " .. quote(PROGRAM))

local function path(name) return FOLDER .. "/" .. name end

local function write(name, text)
  local file = assert(io.open(path(name), "wb"))
  file:write(text)
  file:close()
  return quote(path(name))
end

local function have(program) return os.execute("command -v " .. program .. " >/dev/null") end

local function seconds() return tonumber(read "/proc/uptime":match "%S+") end

-- Runs a shell command in which $T is the program. Returns {status, out, err, seconds}.
local function run(command)
  local begin = seconds()
  local _, how, status = os.execute(("T=%s; cd %s; { %s\n} >%s 2>%s </dev/null"):format(
    quote(PROGRAM), ".", command, quote(path "out"), quote(path "err")))
  return {
    status = how == "signal" and 128 + status or status, seconds = seconds() - begin,
    out = read(path "out"), err = read(path "err"),
  }
end

-- One run and what must come of it: status, parts of stdout and stderr (a string, a list of them,
-- or false for nothing at all), and how long it may take.
local function expect(command, wanted)
  local got = run(command)
  local function fail(what)
    error(("%s: %s\nstatus: %s\nstdout: %s\nstderr: %s"):format(command:sub(1, 200), what,
      got.status, got.out:sub(1, 500), got.err:sub(1, 1000)), 3)
  end
  if got.status ~= wanted.status then fail("wanted status " .. wanted.status) end
  for _, stream in ipairs { "out", "err" } do
    local parts = wanted[stream]
    if parts == false and got[stream] ~= "" then fail("wanted nothing on std" .. stream) end
    for _, part in ipairs(type(parts) == "table" and parts or { parts or nil }) do
      if not got[stream]:find(part, 1, true) then
        fail(("wanted on std%s: %s"):format(stream, part))
      end
    end
  end
  if wanted.within and got.seconds > wanted.within then
    fail(("took %.2f s, wanted %.2f"):format(got.seconds, wanted.within))
  end
  if got.err:find "[^\n\t -~]" then fail "stderr is not printable" end
  return got
end

local function row(name, command, wanted)
  t.test(name, function() expect(command, wanted) end)
end

--- Use, right and wrong

local USAGE = { "usage: tcplua", "exit status:" }
row("J27 --help", "$T --help", { status = 0, out = USAGE, err = false })
row("J27 -h", "$T -h", { status = 0, out = USAGE, err = false })
row("J27 help", "$T help", { status = 0, out = USAGE, err = false })
local VERSIONS = { "tcplua ", "Lua 5.4", "libpcap", "Mbed TLS" }
row("J27 --version", "$T --version", { status = 0, out = VERSIONS, err = false })
row("J27 -V", "$T -V", { status = 0, out = VERSIONS, err = false })
row("J27 no argument", "$T", { status = 2, out = false, err = "no script" })
row("J27 an unknown option", "$T --bogus x.lua",
  { status = 2, out = false, err = { "'--bogus'", "tcplua --help" } })
row("J27 an unknown letter", "$T -Q x.lua", { status = 2, out = false, err = "'-Q'" })
row("J27 a value is missing", "$T -w", { status = 2, out = false, err = "'-w'" })
row("J27 a word that is nearly a command", "$T dmeo",
  { status = 2, out = false, err = { "'dmeo'", "did you mean 'demo'?" } })
row("J27 a word that is nearly two commands: the nearer one", "$T rum",
  { status = 2, out = false, err = "did you mean 'run'?" })
row("J27 a name that no interface has", "$T -i a-name-of-17-bytes x.lua",
  { status = 2, out = false, err = "'a-name-of-17-bytes': a name has 1 to 15 characters" })
row("J27 run without a script", "$T run",
  { status = 2, out = false, err = "no script after 'run'" })
row("J27 nothing behind --help matters", "$T --help --bogus", { status = 0, out = USAGE })
row("J27 a word that is nothing", "$T 'x\27y'", { status = 2, out = false, err = "'x\\x1by'" })
row("J27 demo takes no argument", "$T demo x", { status = 2, out = false, err = "'demo'" })
row("J27 -- ends the options", "$T -- ./-x.lua", { status = 2, err = "'./-x.lua'" })
row("J27 options after the script are the script's", "$T " .. write("args.lua",
  "print(select('#', ...), arg[0]:match '[^/]+$', ...)") .. " --help -w '' x",
  { status = 0, out = "4\targs.lua\t--help\t-w\t\tx\n", err = false })
row("J27 arguments of -e", "$T -e 'print(...)' a b", { status = 0, out = "a\tb\n", err = false })
row("J27 -- between -e and arguments", "$T -e 'print(...)' -- -v",
  { status = 0, out = "-v\n", err = false })
row("J27 standard input as a script", "echo 'print(7, ...)' | $T - x",
  { status = 0, out = "7\tx\n", err = false })
row("J27 run takes a name without a dot", "cd " .. quote(FOLDER)
  .. "; echo 'print(8)' >plain; $T run plain", { status = 0, out = "8\n", err = false })
row("J27 --timeout wants a time", "for x in x -1 0 '' 1h inf nan 0x10 1e999; do "
  .. "$T --timeout \"$x\" -e ''; [ $? = 2 ] || exit 1; done", { status = 0, out = false,
  err = "--timeout takes a time" })
row("J27 --seed wants a number", "for x in x -1 '' 1.5 99999999999999999999; do "
  .. "$T --seed \"$x\" -e ''; [ $? = 2 ] || exit 1; done", { status = 0, out = false,
  err = "--seed takes a whole number" })
row("J28 an empty argv[0]", "bash -c 'exec -a \"\" \"$0\"' $T", { status = 2, out = false })

--- Scripts that are none

row("K1 a script that is missing", "$T ./none.lua",
  { status = 2, out = false, err = "cannot run './none.lua': No such file or directory" })
row("K1 a folder", "$T /", { status = 2, out = false, err = "cannot run '/': it is a directory" })
row("K1 a name with control characters", "$T \"$(printf './\\033]0;x\\a\\nn\\302\\233.lua')\"",
  { status = 2, out = false, err = "cannot run './\\x1b]0;x\\x07\\x0an\\xc2\\x9b.lua'" })
row("K1 an empty script", "$T " .. write("empty.lua", ""), { status = 0, out = false, err = false })
t.test("K1 a script that may not be read", function()
  local file = write("secret.lua", "print(1)")
  os.execute("chmod 755 " .. quote(FOLDER) .. "; chmod 0 " .. file)
  local nobody = ROOT and "setpriv --reuid 65534 --regid 65534 --clear-groups " or ""
  if not os.execute(nobody .. quote(PROGRAM) .. " --version >/dev/null 2>&1") then
    t.skip "nobody cannot start the program"
  end
  expect(nobody .. "$T " .. file, { status = 2, out = false, err = "Permission denied" })
end)
t.test("K1 a script of 100 MiB", function()
  local file = assert(io.open(path "large.lua", "wb"))
  local line = "--" .. ("x"):rep(2 ^ 20 - 3) .. "\n"
  for _ = 1, 100 do file:write(line) end
  file:write "print 'end'\n"
  file:close()
  expect("$T " .. quote(path "large.lua"), { status = 0, out = "end\n", err = false, within = 10 })
  os.remove(path "large.lua")
end)
row("K2 a syntax error", "$T " .. write("syntax.lua", "x = = 1"),
  { status = 2, out = false, err = "syntax.lua:1: unexpected symbol near '='" })
row("K2 a syntax error at a control character", "$T " .. write("control.lua", "x = \27"),
  { status = 2, out = false, err = "near '<\\27>'" })
row("K2 a syntax error in -e", "$T -e 'x ='",
  { status = 2, out = false, err = "(command line):1:" })
row("K3 a precompiled script", "$T " .. write("binary.lua", "\27Lua\x54\0\x19\x93\r\n\x1a\n"),
  { status = 2, out = false, err = "binary" })

--- How a script ends

row("K2 a runtime error",
  "$T " .. write("fails.lua", "local function f() local x = nil + 1 end\nf()"),
  { status = 1, out = false, err = { "fails.lua:1: attempt to perform arithmetic", "traceback" } })
row("K2 an error of another type", "$T -e 'error({})'",
  { status = 1, out = false, err = "error object is a table value" })
row("K2 an error that is nil", "$T -e 'error(nil)'",
  { status = 1, out = false, err = "error object is a nil value" })
row("K2 an error that is a number", "$T -e 'error(7)'",
  { status = 1, out = false, err = "tcplua: " })
row("K2 an error whose tostring fails",
  "$T -e 'error(setmetatable({}, {__tostring = function() error \"again\" end}))'",
  { status = 1, out = false, err = "again" })
row("K2 an error whose tostring gives no string",
  "$T -e 'error(setmetatable({}, {__tostring = function() return {} end}))'",
  { status = 1, out = false, err = "error object is a table value" })
row("K2 an error object of kind environment", "$T -e 'error(require \"tcplua.core\".error"
  .. "{kind = \"environment\", message = \"m\"})'",
  { status = 4, out = false, err = "tcplua: m\n" })
row("K2 an error object of kind network", "$T -e 'error(require \"tcplua.core\".error"
  .. "{kind = \"network\", message = \"m\"})'", { status = 1, out = false, err = "tcplua: m\n" })
row("K2 an error object without its message", "$T -e 'local e = require \"tcplua.core\".error{}"
  .. " e.message, e.kind = nil, {} error(e)'",
  { status = 1, out = false, err = "tcplua: unknown error" })
row("K2 an endless recursion", "$T -e 'local function f() return 1 + f() end f()'",
  { status = 1, out = false, err = "stack overflow" })
row("K2 an error in a task", "$T -e 'local task = require \"tcplua.task\" "
  .. "task.spawn(function() error \"in a task\" end) task.sleep(1)'",
  { status = 1, out = false, err = "in a task" })
row("K16 os.exit gives its status", "$T -e 'os.exit(7)'", { status = 7, out = false, err = false })
row("K16 os.exit(true), os.exit(false)", "$T -e 'os.exit(true)' && ! $T -e 'os.exit(false)'",
  { status = 0, out = false, err = false })
row("K16 an error object that a script has spoilt", "$T -e '"
  .. "local e = require \"tcplua.core\".error {} e.message = nil "
  .. "getmetatable(e).__index = error error(e)'",
  { status = 1, out = false, err = "unknown error" })
row("K16 os.exit closes what is open", "$T -e 'local x <close> = setmetatable({}, "
  .. "{__close = function() print \"closed\" end}) os.exit(3)'", { status = 3, out = "closed\n" })
row("K15 what a script prints is raw", "$T -e 'io.write(\"\\27[2J\\0\\200\")' | od -An -tx1",
  { status = 0, out = " 1b 5b 32 4a 00 c8\n", err = false })
row("K15 what the program says is escaped", "$T -e 'error(\"\\27[2J\\200\\r\", 0)'",
  { status = 1, out = false, err = "\\x1b[2J\\xc8\\x0d" })

--- Scripts that do not end

local function endless(name, chunk)
  row(name, ("$T --timeout 200ms -e %s"):format(quote(chunk)), { status = 124, out = false,
    err = "the time limit has passed", within = SANITIZED and 3 or 1.2 })
end
row("K4 where the time limit found the script", "$T --timeout 200ms -e '\n\nprint(1)\n"
  .. 'require "tcplua.task".sleep(60)\'', { status = 124, out = "1\n",
  err = "tcplua: the time limit has passed at (command line):4\n" })
endless("K4 an endless loop", "while true do end")
endless("K5 under pcall", "while true do pcall(function() while true do end end) end")
endless("K5 under xpcall", "local function h() while true do end end "
  .. "while true do xpcall(error, h) end")
endless("K5 in a coroutine", "while true do coroutine.wrap(function() while true do end end)() end")
endless("K5 in a coroutine under pcall",
  "while true do pcall(coroutine.wrap(function() while true do end end)) end")
endless("K5 in a finalizer",
  "setmetatable({}, {__gc = function() while true do end end}) collectgarbage()")
endless("K5 in __close",
  "local x <close> = setmetatable({}, {__close = function() while true do end end})")
endless("K5 with the hook taken away",
  "while true do pcall(function() debug.sethook() while true do end end) end")
endless("K5 in a task", "local task = require 'tcplua.task' "
  .. "task.spawn(function() while true do pcall(coroutine.yield) end end):join()")
endless("K6 a pattern that never ends",
  "string.find(('a'):rep(100000), ('.-'):rep(20) .. 'b')")
endless("K6 a wait", "require 'tcplua.task'.sleep(1e9)")
local FLOOD = "local net = require 'tcplua.net' "
  .. "net.send(('x'):rep(60), { link = net.pair(), count = math.huge, timeout = 1e9, rate = %s })"
endless("K6 a burst", FLOOD:format "nil")
endless("K6 a slow burst", FLOOD:format "0.1")
row("K6 Ctrl-C in the middle of a burst", "timeout --preserve-status -s INT 1 $T -e "
  .. quote(FLOOD:format "nil"), { status = 130, out = false, err = false, within = 3 })
endless("K6 a child", "while true do os.execute 'exec sleep 3 >/dev/null 2>&1' end")
row("K6 the limit is told once, though a child outlives it",
  [[$T --timeout 200ms -e 'io.popen("exec sleep 2 2>&-"):read("a")' 2>&1 | grep -c limit]],
  { status = 0, out = "1\n", err = false })
row("K4 the limit does not hurt who is faster", "$T --timeout 30s -e 'print(1)'",
  { status = 0, out = "1\n", err = false, within = 3 })

--- Standard output that fails

row("J17 a full disk", "$T -e 'print(1)' >/dev/full",
  { status = 1, err = "cannot write to standard output" })
row("J17 a full disk, and os.exit", "$T -e 'print(1) os.exit(0)' >/dev/full",
  { status = 1, err = "cannot write to standard output" })
row("J17 a full disk, with a status of one's own", "$T -e 'print(1) os.exit(9)' >/dev/full",
  { status = 9 })
row("J17 a pipe that nobody reads ends a script that prints",
  "{ $T -e 'while true do print(1) end' 2>&1 >&3 3>&- | cat >&2; } 3>&1 | true",
  { status = 0, err = "cannot write to standard output: Broken pipe" })
row("J17 --help to a full disk", "$T --help >/dev/full",
  { status = 1, err = "cannot write to standard output" })
row("J17 nothing printed to a full disk", "$T -e 'x = 1' >/dev/full", { status = 0, err = false })
row("J17 a closed standard output", "$T -e 'print(1)' >&-",
  { status = 1, err = "cannot write to standard output" })
row("J17 all three closed", "$T -e 'x = io.read()' <&- >&- 2>&-", { status = 0 })
row("J17 a broken pipe", "{ $T -e 'for i = 1, 1e5 do print(i) end'; echo $? >&2; } | head -n 1",
  { status = 0, out = "1\n", err = "1\n" })

--- Addresses and ports

local function job(name, arguments, wanted, options)
  row(name, ("$T %s %s %s"):format(options or "", CLIENT, arguments), wanted)
end
for _, port in ipairs { "0", "65536", "-1", "80x", "", "0x50", " 80", "99999999999999999999" } do
  job(("J8 the port '%s'"):format(port), "127.0.0.1 127.0.0.1 " .. quote(port),
    { status = 2, out = false, err = "'" .. port .. "'" })
end
job("J8 a port with control characters", "127.0.0.1 127.0.0.1 " .. quote "\27[2J",
  { status = 2, out = false, err = "'\\x1b[2J'" })
job("J7 IPv4 to IPv6", "127.0.0.1 ::1 80", { status = 2, out = false, err = "IPv6" })
job("J7 IPv6 to IPv4", "::1 127.0.0.1 80", { status = 2, out = false, err = "IPv6" })
job("J6 an address that is none", "1.2.3 127.0.0.1 80",
  { status = 2, out = false, err = "'1.2.3'" })
-- MUST-46
job("J6 the source 0.0.0.0", "0.0.0.0 127.0.0.1 80", { status = 2, out = false, err = "0.0.0.0" })
-- MUST-46
job("J10 a multicast destination", "127.0.0.1 224.0.0.1 80",
  { status = 2, out = false, err = "224.0.0.1" })
-- MUST-46
job("J10 the broadcast address", "127.0.0.1 255.255.255.255 80",
  { status = 2, out = false, err = "255.255.255.255" })
job("F14 a link-local address without its zone", "::1 fe80::1 80",
  { status = 2, out = false, err = "%" })
job("F15 an IPv4 address in an IPv6 one", "::1 ::ffff:192.0.2.1 80",
  { status = 2, out = false, err = "192.0.2.1" })
job("J27 too few arguments", "127.0.0.1 80", { status = 2, out = false, err = "usage:" })
job("J27 too many arguments", "a b c d", { status = 2, out = false, err = "usage:" })

--- In a simulated network

row("the job in a simulation", "$T --sim --seed 1 " .. CLIENT,
  { status = 0, out = false, err = false })
row("from and to other addresses, over IPv6",
  "$T --sim --seed 1 " .. CLIENT .. " 2001:db8::77 2001:db8:1::5 9123",
  { status = 0, out = false, err = false })
row("over a path of ten seconds that loses a tenth",
  "$T --sim=delay=10s,loss=10% --seed 3 " .. CLIENT, { status = 0, err = false, within = 10 })
row("darkness that comes and goes", "$T --sim=delay=20ms,@30ms,down,@9s,up --seed 1 -e " .. quote [[
  local tcp = require "tcplua.tcp"
  local conn = assert(tcp.connect { dst = "192.0.2.2", port = 9000 })
  assert(conn:read_line())
  print(require "tcplua.task".now() > 9)
  os.exit(0)
]], { status = 0, out = "true\n", err = false })
row("a wrong answer in a simulation", "$T --sim --seed 1 " .. write("wrong.lua", [[
    local tcp = require "tcplua.tcp"
    local c <close> = assert(tcp.connect { dst = "192.0.2.2", port = 9000 })
    c:read_line()
    c:send(("0"):rep(64) .. "\n")
    c:passive_close()
  ]]), { status = 1, err = "wrong answer" })
t.test("the seed that is printed makes the run again", function()
  local command = "$T %s --sim=delay=50ms,jitter=50ms,loss=20%%,duplicate=10%% -v %s"
  local first = run(command:format("", CLIENT))
  local seed = first.err:match "%-%-seed (%d+)"
  local again = run(command:format("--seed " .. seed, CLIENT))
  t.equal(again.err, (first.err:gsub("^[^\n]*\n", "")))
  t.equal(run(command:format("--seed " .. seed + 1, CLIENT)).err ~= again.err, true)
end)
for _, each in ipairs {
  { "los=1", "no setting 'los'" }, { "delay=1x", "like delay=20ms" }, { "loss=2", "from 0 to 1" },
  { "@1s,mtu=1000", "cannot change" },
} do
  local settings, part = table.unpack(each)
  row("--sim=" .. settings, ("$T --seed 1 --sim=%s %s"):format(settings, CLIENT),
    { status = 2, out = false, err = part })
end
row("a script that makes a network of its own", "$T --seed 3 scripts/simulation.lua",
  { status = 0, out = { "1048576 bytes in ", "(seed 3)" }, err = false })
row("--sim and --lab", "$T --sim --lab -e ''", { status = 2, out = false, err = "--lab" })
row("--sim and -i", "$T --sim -i lo -e ''", { status = 2, out = false, err = "-i" })

--- In the lab

local LAB = run "$T --lab -e ''"
local KERNEL = LAB.status == 0 and not LAB.err:find "simulated"

local function lab_test(name, f)
  t.test(name, function()
    if not KERNEL then t.skip "no namespace to be had here" end
    f()
  end)
end
local function lab_row(name, command, wanted)
  lab_test(name, function() expect(command, wanted) end)
end

row("the job in the lab", "$T --lab " .. CLIENT, { status = 0, out = false })
lab_row("the job in the lab, to another port, over IPv6",
  "$T --lab " .. CLIENT .. " 2001:db8::1 2001:db8::2 9123",
  { status = 0, out = false, err = false })
lab_row("numbers that are not behind two addresses are not the server's port",
  "$T --lab " .. write("ports.lua", [[
local tcp = require "tcplua.tcp"
for _, port in ipairs { 9000, 9001 } do
  local conn <close>, err = tcp.connect { dst = ..., port = port }
  if conn then
    assert(conn:read_line() and conn:send "no hash\n" and conn:passive_close())
  end
  print(port, err and err.code)
end]]) .. " 192.0.2.2 9000 1 9001", { status = 1, -- its answer
    out = "9000\tnil\n9001\tECONNREFUSED\n" })
row("a wrong answer in the lab", "$T --lab " .. write("wrong.lua", [[
    local tcp = require "tcplua.tcp"
    local c <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 9000 })
    c:read_line()
    c:send(("0"):rep(64) .. "\n")
    c:passive_close()
  ]]),
  { status = 1, err = "wrong answer" })
row("the demo", "$T demo", { status = 0, out = { "S seq 0", "S. seq 0 ack 1", "F. seq 66 ack" } })
lab_row("the demo draws the server's word", "$T demo",
  { status = 0, out = "got the right hash of it", err = false })
t.test("the doctor", function()
  local got = run "$T doctor"
  t.equal(got.status == 0 or got.status == 4, true, "status")
  for _, word in ipairs { "raw IP sockets", "guard", "lab", "libpcap", "scripts can be run" } do
    t.contains(got.out, word)
  end
  for line in got.out:gmatch "[^\n]+" do
    if not (line:find "^ok  %S" or line:find "^no  %S" or line:find "^ +fix: %S"
      or line:find "^scripts can be run ") then
      error("a line that is none: " .. line)
    end
  end
end)
lab_test("-v says every segment and every state", function()
  local got = expect("$T --lab -v " .. CLIENT, { status = 0, out = false })
  local wanted = {
    "^> .*Flags %[S%], seq 0", "^< .*Flags %[S%.%], seq 0, ack 1", "^> .*Flags %[%.%], ack 1",
    "^< .*Flags %[P%.%], seq 1:", "^> .*Flags %[P%.%]", "^< .*Flags %[F%.%]", "^> .*Flags %[F%.%]",
  }
  local at = 1
  local states = {}
  for line in got.err:gmatch "[^\n]+" do
    if not line:find "^[<>*!] " then error("a line that is none: " .. line) end
    if wanted[at] and line:find(wanted[at]) then at = at + 1 end
    states[#states + 1] = line:match "^%* %S+ (%u[%u%d-]+) "
  end
  if at <= #wanted then error("no line " .. wanted[at] .. " in\n" .. got.err) end
  t.equal(table.concat(states, " "),
    "SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED", "states")
end)
lab_row("K16 os.exit with an open connection ends it", "$T --lab -v " .. write("exits.lua", [[
    local tcp = require "tcplua.tcp"
    local c <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 9000 })
    c:read_line()
    os.exit(5)
  ]]) .. " 2>&1 | grep -c '^> .*Flags .[FR]'",
  { status = 0, out = "1\n", within = 5 })
lab_row("K16 os.exit does not hide a wrong answer", "$T --lab " .. write("wrong.lua", [[
    local tcp = require "tcplua.tcp"
    local c <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 9000 })
    assert(c:read_line() and c:send "42\n" and c:passive_close())
    os.exit(0)
  ]]), { status = 1, err = "the wrong answer '42'", within = 5 })
job("J9 no route", "192.0.2.1 203.0.113.1 80", { status = 1, err = "203.0.113.1" }, "--lab")
job("J6 an interface that is missing", "192.0.2.1 192.0.2.2 9000",
  { status = KERNEL and 4 or 0, err = KERNEL and "nosuch0" or nil }, "--lab -i nosuch0")

-- Every command that reads a capture must find the SYN of the job and both FINs.
local function read_back(file)
  for _, command in ipairs { "tcpdump -nr ", "tshark -nr " } do
    if have(command:match "%S+") then
      local text = output(command .. quote(path(file)) .. " 2>/dev/null")
      local _, count = text:gsub("\n", "")
      t.within(count + 1, 11, 15, command .. "frames")
      t.contains(text, command:find "tcpdump" and "Flags [S.]" or "[SYN, ACK]")
    end
  end
end
lab_test("-w FILE.pcap", function()
  expect("$T --lab -w " .. quote(path "x.pcap") .. " " .. CLIENT, { status = 0, err = false })
  t.equal(("<I4"):unpack(read(path "x.pcap")) & 0xfffff0ff, 0xa1b2304d & 0xfffff0ff)
  read_back "x.pcap"
end)
lab_test("-w FILE.pcapng", function()
  expect("$T --lab -w " .. quote(path "x.pcapng") .. " " .. CLIENT, { status = 0, err = false })
  t.equal(("<I4"):unpack(read(path "x.pcapng")), 0x0a0d0d0a)
  read_back "x.pcapng"
end)
local TWO = write("two.lua", [[
  local net, p = require "tcplua.net", require "tcplua.packet"
  local function probe(src, dst)
    local wire <close> = assert(net.open { src = src, dst = dst })
    local syn = p.tcp { sport = wire:sport(), dport = 9, flags = "S" }
    assert(wire:send(p.ip { src = src, dst = dst } / syn))
    return assert(wire:recv(5)).tcp.flags
  end
  print(probe("192.0.2.1", "192.0.2.2"), probe("127.0.0.1", "127.0.0.1"))
]])
lab_test("-w and -v of several interfaces", function()
  local file = quote(path "two.pcapng")
  local got = expect("$T --lab -v -w " .. file .. " " .. TWO, { status = 0, out = "R.\tR.\n",
    err = { "> 192.0.2.2.9: Flags [S]", "> 127.0.0.1.9: Flags [S]" } })
  local _, lines = got.err:gsub("[<>] %S+ IP ", "")
  expect("$T dump " .. file .. " tcp | wc -l", { status = 0, err = false, out = lines .. "\n" })
  if not have "tshark" then t.skip "tshark is not installed" end
  local text = output("tshark -nr " .. file .. " -T fields -e frame.encap_type -e ip.dst"
    .. " -e frame.packet_flags_direction -e tcp.flags.reset ip 2>/dev/null")
  local sent, answered = "\t0x00000002\t0", "\t0x00000001\t1"
  t.contains(text, "1\t192.0.2.2" .. sent) -- Ethernet
  t.contains(text, "1\t192.0.2.1" .. answered)
  t.contains(text, "7\t127.0.0.1" .. sent) -- raw IP
  t.contains(text, "7\t127.0.0.1" .. answered)
  t.equal(select(2, (text .. "\n"):gsub("\n", "")), lines, "as many frames as lines of -v")
end)
lab_test("-w FILE.pcap of several link types says what it leaves out", function()
  local got = expect("$T --lab -w " .. quote(path "two.pcap") .. " " .. TWO,
    { status = 0, out = "R.\tR.\n", err = "frames of another link type are not in " })
  t.contains(got.err, "two.pcap: a pcap holds one, a pcapng all\n")
end)
lab_test("-w - has standard output to itself", function()
  local file = write("talks.lua", "print 'a word' dofile(arg[1])")
  local script = write("job.lua", "loadfile(" .. ("%q"):format(CLIENT:sub(2, -2))
    .. ")('192.0.2.1', '192.0.2.2', 9000)")
  expect(("$T --lab -w - %s %s >%s"):format(file, script, quote(path "y.pcapng")),
    { status = 0, err = "a word\n" })
  t.equal(("<I4"):unpack(read(path "y.pcapng")), 0x0a0d0d0a)
  read_back "y.pcapng"
end)
-- More than a pipe holds, over loopback; then the file "done".
local TALKS = write("talks_much.lua", [[
  local task, tcp = require "tcplua.task", require "tcplua.tcp"
  local listener <close> = assert(tcp.listen { addr = "127.0.0.1", port = 7 })
  task.spawn(function()
    local conn <close> = assert(tcp.connect { dst = "127.0.0.1", port = 7 })
    repeat
      assert(conn:send(("x"):rep(1 << 19)))
      if arg[1] == "endless" then task.sleep(0.1) end -- what waits must not reach its limit
    until arg[1] ~= "endless"
    assert(conn:close())
  end)
  local conn <close> = assert(listener:accept())
  local count = 0
  repeat
    local piece = conn:read()
    count = count + #(piece or "")
  until not piece
  assert(conn:passive_close())
  print(count)
  os.execute("touch " .. arg[1])
]])
lab_test("L11 a reader of -w - that stalls stops no connection, and misses nothing", function()
  local finished, file = quote(path "done"), quote(path "late.pcapng")
  expect(("{ $T --timeout 20s --lab -w - %s %s; echo $? >&2; } | { n=0; "):format(TALKS, finished)
      .. ("until [ -e %s ] || [ $n = 500 ]; do "):format(finished)
      .. ("sleep 0.02; n=$((n + 1)); done; [ -e %s ] && cat >%s; }"):format(finished, file),
    { status = 0, out = false, err = "524288\n0\n", within = 15 })
  -- Each frame once or twice: what leaves by a raw socket comes in by another.
  local bytes = output(quote(PROGRAM) .. " dump " .. file .. " tcp | sed 's/.*length //' | "
    .. "awk '{ s += $1 } END { print s }'")
  t.within(tonumber(bytes), 524288, 4 * 524288, "bytes captured")
end)
lab_test("L11 SIGTERM does not wait for a reader that stalls", function()
  expect("{ timeout --preserve-status -s TERM 2 $T --lab -w - " .. TALKS .. " endless; "
      .. "echo $? >&2; } | { sleep 3; cat >/dev/null; }",
    { status = 0, out = false, err = { "143\n", " read" }, within = 6 }) -- and it says so
end)
lab_test("L1 -w to a file that is there: refused, and left as it was, without --force", function()
  local file = write("there.pcap", "mine")
  local got = expect("$T --lab -w " .. file .. " " .. CLIENT, { status = 4, out = false,
    err = { "there.pcap is there already", "--force" } })
  t.equal(select(2, got.err:gsub("\n", "")), 1, "lines")
  t.equal(read(path "there.pcap"), "mine", "the file")
  expect("$T --lab --force -w " .. file .. " " .. CLIENT, { status = 0, err = false })
  read_back "there.pcap"
end)
row("L1 -w to an empty file that is there",
  "$T -w " .. write("empty.pcap", "") .. " -e 'print(1)'",
  { status = 4, out = false, err = "is there already" })
row("L1 -w over a symbolic link, with --force too",
  ("ln -s target %s; $T --force -w %s -e 'print(1)'"):format(quote(path "forced"),
    quote(path "forced")), { status = 4, out = false, err = "symbolic link" })
lab_test("L1 -w to a pipe with a name", function()
  local pipe, file = quote(path "pipe"), quote(path "piped.pcapng")
  expect(("mkfifo %s; cat %s >%s & $T --lab -w %s %s; wait"):format(pipe, pipe, file, pipe, CLIENT),
    { status = 0, out = false, err = false })
  read_back "piped.pcapng"
end)
-- A file system of 64 KiB, which only root can make; reads what is there back.
lab_test("L1 a disk that gets full: said once, the job goes on, the file is whole", function()
  local script = write("fills.lua", [[
    local folder, program = ...
    assert(os.execute("mount -t tmpfs -o size=64k none " .. folder))
    local command = ("%s --lab -w %s/x.pcapng %s %s/done"):format(program, folder, arg[3], arg[4])
    local _, _, status = os.execute(command)
    print(status, os.execute(("%s dump %s/x.pcapng >%s/dump"):format(program, folder, arg[4])))
  ]])
  os.execute("mkdir " .. quote(path "small"))
  local got = run(("unshare --user --map-root-user --mount $T %s %s $T %s %s"):format(script,
    quote(path "small"), TALKS, quote(FOLDER)))
  if got.err:find "mount" or got.err:find "unshare" then t.skip "no file system can be made" end
  t.equal(got.out, "524288\n1\ttrue\texit\t0\n", "what came of it")
  t.equal(got.err, ("tcplua: cannot write %s/small/x.pcapng: No space left on device\n"):format(
    FOLDER), "what is said")
  t.within(tonumber(output("wc -l <" .. quote(path "dump"))), 3, 200, "frames that are whole")
end)
row("L1 -w to a folder that is missing", "$T -w " .. quote(path "none/x.pcap") .. " -e 'print(1)'",
  { status = 4, out = false, err = { "none/x.pcap", "No such file or directory" } })
row("L1 -w to a full disk", "$T -w /dev/full -e 'print(1)'",
  { status = 4, out = false, err = { "/dev/full", "No space left on device" } })
row("L1 -w to a folder", "$T -w / -e 'print(1)'",
  { status = 4, out = false, err = "Is a directory" })
row("L1 -w over a symbolic link",
  ("ln -s x %s; $T -w %s -e 'print(1)'"):format(quote(path "link"), quote(path "link")),
  { status = 4, out = false, err = "symbolic link" })
row("L1 -w where nothing can be written", "$T -w /proc/x.pcap -e 'print(1)'",
  { status = 4, out = false, err = "/proc/x.pcap" })

t.test("J18 few descriptors, little memory", function()
  local memory = SANITIZED and "-c 0" or "-v 65536" -- a sanitizer reserves terabytes
  local fewest = SANITIZED and "-n 6" or "-n 4" -- one goes for its library
  for _, limit in ipairs { fewest, "-n 6", "-n 8", "-n 10", "-c 0", memory } do
    -- Whoever started the tests may have left descriptors open: they would be counted too.
    local got = run(("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit %s; $T --lab %s"):format(
      limit, CLIENT))
    if got.status ~= 0 and got.status ~= 1 and got.status ~= 4 or got.seconds > 5 then
      error(("ulimit %s: status %d, %s"):format(limit, got.status, got.err), 0)
    end
    if got.status ~= 0 then t.contains(got.err, "tcplua: ") end
  end
end)

-- In TIME-WAIT a connection of this host's address holds the descriptor of its guard.
local closes_often = write("closes.lua", [[
    local tcp, hash = require "tcplua.tcp", require "tcplua.hash"
    for _ = 1, 60 do
      local c <close> = assert(tcp.connect { src = "127.0.0.1", dst = "127.0.0.1", port = 9000 })
      assert(c:send(hash.sha256(assert(c:read_line())):hex() .. "\n"))
    end
  ]])
lab_row("J18 more connections in TIME-WAIT than the soft limit has descriptors",
  "ulimit -Sn 40; $T --lab " .. closes_often, { status = 0, err = false })
lab_row("J18 more than the hard limit has", "ulimit -n 40; $T --lab " .. closes_often,
  { status = 4, err = "may have 40 descriptors open" })

t.test("J4 set-user-ID", function()
  if not ROOT then t.skip "needs root" end
  if SANITIZED then t.skip "the leak checker cannot look into such a process" end
  local copy = quote(path "suid")
  local function as_nobody(program)
    os.execute(("cp %s %s && chown 65534 %s && chmod 4755 %s"):format(program, copy, copy, copy))
  end
  as_nobody "$(command -v id)"
  if output(copy .. " -u") ~= "65534" then t.skip "no set-user-ID programs here" end
  as_nobody(quote(PROGRAM))
  expect(copy .. " -e 'print(1)'", { status = 4, out = false, err = "set-user-ID" })
end)

lab_test("K17 filters that are too much", function()
  local script = write("filter.lua", [[
    local net = require "tcplua.net"
    local filters = {
      ("tcp or "):rep(150000) .. "tcp", ("("):rep(10000) .. "tcp" .. (")"):rep(10000),
      ("("):rep(1000) .. "tcp" .. (")"):rep(1000), ("not "):rep(500) .. "tcp",
      ("port 1 or "):rep(200) .. "tcp", "host no.such.name.example", "bogus", "tcp[", "\27[2J",
      "tcp and", ")", "vlan 1 and vlan 2 and vlan 3", "tcp[0xffffffff:4] = 1", "gateway x",
      "ether host x", "port no-such-service", "portrange 9-1", "net 1.2.3.4/99",
    }
    for i, filter in ipairs(filters) do
      for _, open in ipairs { net.link, net.sniffer } do
        local link, err = open { filter = filter }
        if link then
          link:close()
        else
          assert(err.kind == "usage", i .. ": " .. tostring(err))
          assert(#err.message < 500 and not err.message:find "[^ -~]", err.message)
        end
      end
      if i == 6 then assert(not net.link { filter = filter }) end
    end
    assert(not pcall(net.link, { filter = "tcp\0x" }))
    print "done"
  ]])
  expect("$T --lab " .. script, { status = 0, out = "done\n", err = false, within = 20 })
end)

--- reference

row("reference is one page", "$T reference", { status = 0, err = false,
  out = { "# tcplua reference\n", "\n### tcplua.tcp\n", "\n### dhcp\n" } })
row("reference finds a module, functions and a protocol", "$T reference net read_line vlan", {
  status = 0, err = false,
  out = { "### tcplua.net\n", "#### conn:read_line(options)\n",
    "### vlan\n\nknown by ethertype 0x8100\n" } })
row("reference whose reader has read enough", "$T reference | head -n 1",
  { status = 0, err = false, out = "# tcplua reference\n" })
row("reference says what it has not", "$T reference tcp 'x\27[2Jy'", { status = 2,
  err = "tcplua: the reference has no module, protocol or function 'x\\x1b[2Jy'" })

--- dump

local DUMP = "TZ=UTC $T dump "
row("dump prints a line for each packet, numbers relative", DUMP .. "tests/data/tcpdump-eth.pcap",
  { status = 0, err = false, out = {
    "ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28\n",
    "14:43:16.638147 IP 192.0.2.1.54246 > 192.0.2.2.7: Flags [S], seq 0, win 64240, options",
    "14:43:16.638182 IP 192.0.2.2.7 > 192.0.2.1.54246: Flags [S.], seq 0, ack 1, win 65160",
    "Flags [P.], seq 1:7, ack 1,", "Flags [F.], seq 1, ack 8,", " IP6 2001:db8::1.35985 >",
  } })
row("dump takes a filter in several words", DUMP .. "tests/data/tcpdump-eth.pcap ip and dst port 9",
  { status = 0, err = false, out = " IP 192.0.2.1.50339 > 192.0.2.2.9: UDP, length 6\n" })
row("dump -n ends after a count", DUMP .. "-n 3 tests/data/tcpdump-eth.pcap | wc -l",
  { status = 0, out = "3\n" })
row("dump -vv has the tree", DUMP .. "-vvn1 tests/data/own-raw.pcap",
  { status = 0, err = false, out = { "\nip\n", "\n  dport     80\n" } })
row("dump -x has the bytes", DUMP .. "-x tests/data/own-unknown.pcap", { status = 0, err = false,
  out = "22:13:21.123456 link type 147, length 17\n0000  6e 6f 20 6c 61 79 65 72" })
row("dump reads standard input", DUMP .. "- tcp <tests/data/own-eth-big.pcapng", { status = 0,
  err = false, out = "IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [S], seq 0, win 65535" })
row("dump reads from a pipe", "cat tests/data/own-raw.pcap | " .. DUMP .. "-", { status = 0,
  err = false, out = "IP6 2001:db8::1.40000 > 2001:db8::2.9: UDP, length 7\n" })
row("dump --help", "$T dump --help", { status = 0, out = "usage: tcplua dump", err = false })
row("dump without a file", "$T dump", { status = 2, out = false, err = "no capture file" })
row("dump with an option that is none", "$T dump -vq x", { status = 2, out = false, err = "'-vq'" })
row("dump wants a count", "for x in 0 -1 x 1.5 ''; do $T dump -n \"$x\" x; [ $? = 2 ] || exit 1; "
  .. "done; $T dump -n; [ $? = 2 ]", { status = 0, out = false, err = "-n takes a count" })
row("dump of a file that is missing", "$T dump ./none.pcap",
  { status = 4, out = false, err = "cannot read ./none.pcap: No such file or directory" })
row("dump of a folder", "$T dump /", { status = 4, out = false, err = "Is a directory" })
row("dump of nothing", "$T dump - </dev/null", { status = 1, out = false, err = "standard input" })
row("dump of what is no capture", "$T dump scripts/sha_client.lua",
  { status = 1, out = false, err = "scripts/sha_client.lua is no capture file" })
row("dump of a file that is cut", "head -c 85 tests/data/own-raw.pcap | " .. DUMP .. "-",
  { status = 1, out = "Flags [S]", err = "standard input cannot be read behind frame 1" })
row("dump with a filter that is none", "$T dump tests/data/own-raw.pcap tcp port",
  { status = 2, out = false, err = "no filter expression" })
row("dump to a full disk", DUMP .. "tests/data/tcpdump-eth.pcap >/dev/full",
  { status = 1, err = "cannot write to standard output" })

row("capture_stats.lua counts", "$T scripts/capture_stats.lua tests/data/tcpdump-eth.pcap tcp",
  { status = 0, err = false, out = {
    ("\n%-40s %10d %12d\n"):format("eth/ip/tcp", 8, 550),
    ("\n%-40s %10d %12d\n"):format("192.0.2.2", 3, 206),
  } })
row("capture_stats.lua without a file", "$T scripts/capture_stats.lua",
  { status = 2, out = false, err = "usage:" })

t.test("L8 dump prints printable ASCII, whatever is in the file", function()
  local every = {}
  for byte = 0, 255 do every[#every + 1] = string.char(byte) end
  every = table.concat(every)
  local script = write("hostile.lua", [[
    local capture, p = require "tcplua.capture", require "tcplua.packet"
    local out <close> = assert(capture.create(arg[1], { comment = "\27]0;title\7" }))
    local every = assert(io.open(arg[2], "rb")):read "a"
    for _, packet in ipairs {
      p.eth {} / p.ip {} / p.tcp { options = every:sub(1, 40) } / every,
      p.eth {} / p.ip { options = every:sub(1, 40) } / p.udp {} / every,
      p.eth {} / p.ip6 {} / p.ip6_hop {} / p.icmp6 {} / every,
      p.eth { type = 0x1234 } / every, p.eth {} / p.arp {} / every,
    } do assert(out:write(packet, { comment = every:gsub("\0", "") .. "", iface = "\27[2J" })) end
  ]])
  write("every", every)
  local file = quote(path "hostile\27[2J.pcapng")
  expect(("$T %s %s %s"):format(script, file, quote(path "every")), { status = 0 })
  for _, options in ipairs { "", "-vx" } do
    local got = expect(DUMP .. options .. " " .. file, { status = 0, err = false })
    local bad = got.out:find "[^\n\t -~]"
    if bad then error("a byte that is not printable at " .. bad) end
  end
  expect(DUMP .. file .. " 'tcp port \27[2J'", { status = 2, err = "\\x1b[2J" })
end)

t.test("L9 a packet is one line of dump, whatever text the peer has put into it", function()
  local script = write("forges.lua", [[
    local capture, p = require "tcplua.capture", require "tcplua.packet"
    local forged = "x\n14:43:16.638147 IP 192.0.2.1.1 > 192.0.2.2.2: Flags [R], seq 0\r\27[1A"
    local out <close> = assert(capture.create(arg[1], { comment = forged }))
    local function labels(text) return string.char(#text) .. text .. "\0" end
    local dns = "\0\1\1\0\0\1\0\0\0\0\0\0" .. labels(forged:sub(1, 60)) .. "\0\1\0\1"
    for _, packet in ipairs {
      p.eth {} / p.ip {} / p.udp { sport = 5, dport = 53 } / dns,
      p.eth {} / p.ip {} / p.tcp { flags = "R" } / forged,
      p.eth {} / p.ip {} / p.tcp { sport = 80, flags = "P." } / forged,
      p.eth {} / p.ip {} / p.icmp { type = 3, code = 3 } / forged,
      p.eth { type = 0x1234 } / forged,
    } do assert(out:write(packet, { comment = forged, iface = forged })) end
  ]])
  local file = quote(path "forged.pcapng")
  expect(("$T %s %s"):format(script, file), { status = 0 })
  local got = expect(DUMP .. file, { status = 0, err = false })
  t.equal(select(2, got.out:gsub("\n", "")), 5, "lines")
  t.equal(got.out:find "\n14:43:16", nil, "a line that was forged")
end)
lab_row("L9 what a peer says is quoted in one line", "$T --lab " .. write("forges_answer.lua", [[
    local tcp = require "tcplua.tcp"
    local c <close> = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 9000 })
    assert(c:read_line() and c:send "x\r* 0.1 ESTABLISHED\27[2J\155\n" and c:passive_close())
  ]]) .. " 2>&1 | grep -c '^tcplua: .*x.x0d. 0.1 ESTABLISHED.x1b.2J.x9b'",
  { status = 0, out = "1\n" })
lab_test("L10 -v is made of its own lines alone, with any bytes on the wire", function()
  local got = expect("$T --lab -v " .. write("any_bytes.lua", [[
    local tcp = require "tcplua.tcp"
    local every = {}
    for byte = 0, 255 do every[#every + 1] = string.char(byte) end
    every = "\n< 0.0 IP forged\n* 0.0 ESTABLISHED forged\n" .. table.concat(every)
    local listener <close> = assert(tcp.listen { addr = "127.0.0.1", port = 7 })
    require "tcplua.task".spawn(function()
      local c <close> = assert(tcp.connect { dst = "127.0.0.1", port = 7 })
      assert(c:send(every) and c:close())
    end)
    local conn <close> = assert(listener:accept())
    assert(conn:read_all() == every and conn:passive_close())
  ]]), { status = 0, out = false })
  for line in got.err:gmatch "([^\n]*)\n" do
    if not line:find "^[<>*!] %d+%.%d+ [ -~]+$" or line:find "forged" then
      error("a line that is none: " .. line)
    end
  end
  t.contains(got.err, "length 298", "the data")
end)

os.execute("rm -rf " .. quote(FOLDER))
t.done()
