-- `tcplua test` over small files that pass, fail, hang, crash and leak: what it says and its exit
-- status. Each row writes its files into a folder of its own and runs the program there.
local capture = require "tcplua.capture"
local process = require "tcplua.process"
local t = require "harness"

local SELF <const> = io.open "/proc/self/stat":read "n"
local PROGRAM <const> = os.getenv "TCPLUA" or "/proc/" .. SELF .. "/exe"
local FOLDER <const> = assert(process.run "mktemp -d").out:match "[^\n]+"

local number = 0

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function have(program) return assert(process.run("command -v " .. program)).code == 0 end

-- Writes files ({ name = text }) and runs `tcplua test` with the words of a line.
local function run(files, line, options)
  number = number + 1
  local folder = ("%s/%d"):format(FOLDER, number)
  assert(process.run { "mkdir", "-p", folder .. "/sub" })
  for name, text in pairs(files) do write(folder .. "/" .. name, text) end
  options = options or {}
  local result = assert(process.run({ shell = ("exec '%s' %s test %s"):format(PROGRAM,
    options.before or "", line), cwd = folder, stderr = "pipe", env = options.env or {
    GITHUB_ACTIONS = false, NO_COLOR = false, FORCE_COLOR = false } }, 60))
  result.folder = folder
  return result
end

local function expect(result, status, ...)
  if result.code ~= status then
    error(("wanted status %d, got %s\n%s%s"):format(status, result.code or result.signal,
      result.out, result.err), 2)
  end
  for _, part in ipairs { ... } do t.contains(result.out, part) end
  return result
end

local PASS <const> = 'it("passes", function() end)\n'
local FAIL <const> = [[
local test = require "tcplua.test"
it("fails", function()
  print "heard before"
  test.equal(1 + 1, 3, "sum")
end)
]]

t.test("a test that passes, and one that fails", function()
  expect(run({ ["a.lua"] = PASS }, "--seed 42 a.lua"), 0, "1 file, lab, ", ", seed 42\n",
    "ok    a.lua  1 passed in ", "\n1 passed in ", " (seed 42)\n")
  expect(run({ ["a.lua"] = FAIL }, "--seed 42 a.lua"), 1, "FAIL  a.lua  1 failed in ",
    "FAIL a.lua:2: fails\n    a.lua:4: sum: wanted 3, got 2\n    what it printed:\n",
    "      heard before\n    again: tcplua test --seed 42 a.lua:2\n", "\n1 failed in ")
end)

t.test("names and output are in anybody's language", function()
  local files = { ["a.lua"] = [[
it("gr\u{fc}\u{df}t \u{202e}", function() print "\u{6f22}" error "\u{e4}" end)
]] }
  expect(run(files, "a.lua"), 1, "ERROR a.lua:1: gr\u{fc}\u{df}t \\xe2\\x80\\xae\n    \u{e4}\n",
    "      \u{6f22}\n")
  expect(run(files, "--format tap a.lua"), 1, "gr\u{fc}\u{df}t")
  t.contains(run(files, "--list a.lua").out, "gr\u{fc}\u{df}t")
end)

t.test("an error is no verdict, and says where it came from", function()
  expect(run({ ["a.lua"] = [[
local function helper() error("oops") end
it("errs", function() helper() end)
it("gets an error object", function()
  local tcp = require "tcplua.tcp"
  assert(tcp.connect { dst = "192.0.2.2", port = 1, timeout = 5 })
end)
it("wants what cannot be", function()
  assert(require "tcplua.tcp".connect { dst = "nonsense", port = 1 })
end)
it("raises a table", function()
  error(setmetatable({}, { __tostring = function() return "tbl" end }))
end)
]] }, "a.lua"), 1, "1 failed, 3 errors in", "ERROR a.lua:2: errs\n    oops\n", "at a.lua:1 in",
    "FAIL a.lua:3: gets an error object\n", "refused", "at a.lua:5", "ERROR a.lua:7", "at a.lua:8",
    "    tbl\n")
end)

t.test("an error that says nothing is told as far as it can be", function()
  expect(run({ ["a.lua"] = [[
it("raises nil", function() error(nil) end)
it("raises a table", function() error({ code = 5, why = { "x" } }) end)
]] }, "a.lua"), 1, "it raised nil, which does not say why", "at a.lua:1",
    'it raised { code = 5, why = { "x" } }, and no text')
end)

t.test("in a simulation a test's own time limit is of its time", function()
  expect(run({ ["a.lua"] = [[
local task = require "tcplua.task"
it("too long", { timeout = 5 }, function() task.sleep(6) end)
it("in time", { timeout = 5 }, function() task.sleep(4.9) end)
it("has no limit of its own", function() task.sleep(600) end)
it("computes", { timeout = 0.001 }, function()
  local until_then = os.clock() + 0.1
  while os.clock() < until_then do end
end)
]] }, "--network sim a.lua"), 1, "3 passed, 1 error in",
    "too long\n    not over after 5 s of the simulation's time\n      at a.lua:2")
end)

t.test("a signal ends the run with what is over, and what was not", function()
  local files = { ["a_test.lua"] = [[
it("passes", function() end)
it("fails", function() error "for a reason" end)
it("is cut", function()
  local runner = "self" -- there is a process between, which keeps this one
  for _ = 1, 2 do
    runner = io.open("/proc/" .. runner .. "/stat"):read "a":match "%) %a (%d+)"
  end
  os.execute("kill -INT " .. runner)
  require "tcplua.task".sleep(600)
end)
]], ["b_test.lua"] = PASS }
  local result = run(files, "-j 1 .")
  t.equal(result.signal, "INT")
  t.contains(result.out, "FAIL  ./a_test.lua  1 passed, 1 error")
  t.contains(result.out, "for a reason")
  t.contains(result.out, "\n1 passed, 1 error in")
  t.contains(result.err, "tcplua: interrupted by signal 2 during ./a_test.lua:3: is cut; "
    .. "1 of 2 files had not begun")
  result = run(files, "-j 1 --format tap --junit out.xml .")
  t.equal(result.signal, "INT")
  t.contains(result.out, "not ok 2")
  t.contains(result.out, "Bail out! interrupted by signal 2")
  t.contains(read(result.folder .. "/out.xml"), '<error message="interrupted by signal 2 during')
  t.contains(run(files, "-j 1 --format json .").out, '"interrupted":"interrupted by signal 2')
end)

t.test("what ends or holds up its process is an error of one test, and the others run", function()
  local result = expect(run({ ["a.lua"] = [[
it("one", function() end)
it("exits", function() os.exit(0) end)
it("two", function() end)
it("dies", function() os.execute("kill -KILL $PPID") end)
it("waits", { timeout = 0.1 }, function() require "tcplua.task".sleep(60) end)
it("computes", { timeout = 0.1 }, function() while true do end end)
it("computes in a task", { timeout = 0.1 }, function()
  require "tcplua.task".spawn(function() while true do end end):join()
end)
it("catches all", { timeout = 0.1 }, function()
  while true do pcall(function() while true do end end) end
end)
it("three", function() end)
]] }, "a.lua"), 1, "3 passed, 6 errors in", "exits\n    the test ended the process, with status 0",
    "dies\n    the process was killed by signal KILL",
    "waits\n    not over after 0.1 s\n      at a.lua:5",
    "computes\n    not over after 0.1 s\n      at a.lua:6",
    "computes in a task\n    not over after 0.1 s, and it did not answer")
  t.equal(result.err, "")
end)

t.test("clearing up has its own time, and so has each attempt", function()
  local result = expect(run({ ["a.lua"] = [[
local task = require "tcplua.task"
it("clears up", { timeout = 1 }, function()
  finally(function() task.sleep(2.2) end)
  error "for a reason"
end)
local tries = 0
it("passes in the end", { timeout = 1, retries = 2 }, function()
  tries = tries + 1
  task.sleep(0.9)
  assert(tries == 3)
end)
it("catches its end", { timeout = 0.2 }, function() pcall(task.sleep, 60) end)
]] }, "a.lua"), 1, "1 passed, 2 errors in", "for a reason",
    "catches its end\n    not over after 0.2 s\n")
  t.equal(result.out:find("did not answer", 1, true), nil)
end)

t.test("a soft failure counts wherever it is recorded", function()
  local before = [[
local verdict = require "tcplua.verdict"
local function soft() verdict.record(verdict.failure { message = "SOFT" }) end
]]
  for _, body in ipairs { "it('a', function() finally(soft) end)", "after_each(soft)",
    "before_each(soft)", "setup(soft)", "teardown(soft)" } do
    local text = before .. body .. (body:find "it" and "" or "\nit('a', function() end)")
    expect(run({ ["a.lua"] = text }, "a.lua"), 1, "1 failed", "SOFT")
  end
  expect(run({ ["a.lua"] = before .. "soft()\nos.exit(0)" }, "a.lua"), 1, "1 failed", "SOFT")
  expect(run({ ["a.lua"] = before .. "soft()" }, "a.lua"), 1, "1 failed", "SOFT")
end)

t.test("each failure has a folder of its own, and what passed has none", function()
  local text = [[
local tries = 0
it("fails", function() error "x" end)
it("passes in the end", { retries = 1 }, function() tries = tries + 1; assert(tries == 2) end)
it("skips", function() require "tcplua.test".skip "why" end)
]]
  local result = expect(run({ ["a_test.lua"] = text, ["sub/a_test.lua"] = text },
    "--timeout 2s --artifacts out --repeat 2 ."), 1, "4 errors",
    "again: tcplua test --timeout 2s --seed ")
  local out = assert(process.run { "ls", result.folder .. "/out" }).out
  t.equal(out, "a_test-run-1-001-fails\na_test-run-2-001-fails\n"
    .. "sub-a_test-run-1-001-fails\nsub-a_test-run-2-001-fails\n")
end)

t.test("tags may have blanks between them", function()
  expect(run({ ["a.lua"] = [[
it("a #slow", function() end)
it("b #flaky", function() end)
it("c", function() end)
]] }, "--exclude-tags 'slow, flaky' a.lua"), 0, "1 passed")
end)

t.test("a check given nothing does not pass", function()
  local body = 'local test = require "tcplua.test"\n'
  for _, call in ipairs { 'matches(nil, "nil")', 'contains(nil, "nil")', 'contains({}, "table")',
    'raises(nil)', 'raises(("x").nosuch, "attempt to call")', "equal()", "equal(nil)",
    'raises(function() test.skip "y" end) ; test.fail "x"' } do
    body = body .. ("it('%d', function() test.%s end)\n"):format(#body, call)
  end
  expect(run({ ["a.lua"] = body }, "a.lua"), 1, "3 failed, 4 errors, 1 skipped",
    'text: wanted one that matches "nil", got nil', "raises: a function expected, got nil")
end)

t.test("a server that does not start is no known failure", function()
  expect(run({ ["a.lua"] = "it('a', { xfail = 'a reason' }, function() error 'x' end)" },
    "--serve ./nosuch a.lua"), 1, "1 error", "before it listened")
end)

t.test("output without end is bounded, and belongs to its test", function()
  local result = expect(run({ ["a.lua"] = [[
it("talks", { timeout = 1 }, function() while true do print(("x"):rep(1000)) end end)
it("says one", function() print "ONE" error "1" end)
it("says two", function() os.execute "echo TWO >&2" error "2" end)
it("says nothing", function() error "3" end)
]] }, "--format json a.lua"), 1)
  local outputs = {}
  for line in result.out:gmatch "[^\n]+" do
    outputs[#outputs + 1] = line:match '"output":"(.-)"}$'
  end
  t.within(#outputs[1], 60000, 70000, "kept of the first")
  t.contains(outputs[1], "bytes left out]")
  t.equal(outputs[2] .. outputs[3] .. outputs[4], "ONE\\nTWO\\n")
end)

t.test("what is left open fails a test, with a list", function()
  expect(run({ ["a.lua"] = [[
local tcp, net, task = require "tcplua.tcp", require "tcplua.net", require "tcplua.task"
local process = require "tcplua.process"
local keep = {}
it("leaves a listener", function()
  keep[1] = assert(tcp.listen { addr = "192.0.2.1", port = 80 })
end)
it("leaves a wire", function() keep[1] = assert(net.open { dst = "192.0.2.2" }) end)
it("leaves a task", function()
  keep[1] = task.spawn(function() task.sleep(600) end)
  task.sleep(0)
end)
it("leaves a process", function() keep[1] = assert(process.spawn { "sleep", "600" }) end)
it("leaves a sniffer", function() keep[1] = assert(net.sniffer {}) end)
it("leaves a connection", function()
  local l <close> = assert(tcp.listen { addr = "192.0.2.1", port = 81 })
  local server = assert(process.spawn { "cat" })
  keep[1] = server
end)
it("leaves garbage, which is no leak", function()
  keep[1] = nil
  assert(process.spawn { "sleep", "600" })
  assert(tcp.listen { addr = "192.0.2.1", port = 82 })
end)
it("leaves a network", function()
  keep[1] = require "tcplua.lab".network { links = { { "a", "b" } },
    hosts = { a = { "10.0.0.1/24" }, b = { "10.0.0.2/24" } } }
end)
it("leaves nothing", function()
  local l <close> = assert(tcp.listen { addr = "192.0.2.1", port = 80 })
  local t = task.spawn(function() task.sleep(0.01) end)
  t:join()
end)
]] }, "a.lua"), 1, "2 passed, 7 failed", "listener 192.0.2.1:80", "wire 192.0.2.1:",
    "a task that waits at a.lua:9", ", sleep\n", "left open at the end of the test:\n      link ",
    ", cat\n", "      lab.network made at a.lua:25\n      link link1.1\n")
end)

t.test("a connection that is left open", function()
  expect(run({ ["a.lua"] = [[
local tcp, task = require "tcplua.tcp", require "tcplua.task"
local core = require "tcplua.core"
local keep
it("leaves it", function()
  local ours, theirs = core.pair { delay = 0.001 }
  core.attach(theirs, "192.0.2.2")
  core.attach(ours)
  local l <close> = assert(tcp.listen { addr = "192.0.2.2", port = 80 })
  keep = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
  local other <close> = assert(l:accept(1))
  other:abort()
  keep = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
end)
it("begins anew", function() assert(#core.census() == 0) end)
]] }, "--network sim a.lua"), 1, "1 passed, 1 failed", "connection 192.0.2.1:",
    " > 192.0.2.2:80, ESTABLISHED\n")
end)

t.test("what setup opens stays, and teardown closes it", function()
  expect(run({ ["a.lua"] = [[
local net = require "tcplua.net"
describe("with", function()
  local wire
  setup(function() wire = assert(net.open { dst = "192.0.2.2" }) end)
  teardown(function() wire:close() end)
  it("one", function() assert(wire:sport()) end)
  it("two", function() assert(wire:sport()) end)
end)
describe("without", function()
  setup(function() KEEP = assert(net.open { dst = "192.0.2.2" }) end)
  it("three", function() end)
end)
]] }, "a.lua"), 1, "3 passed, 1 failed", "without (teardown)\n", "left open: wire 192.0.2.1:")
  expect(run({ ["a.lua"] = [[
local core, tcp = require "tcplua.core", require "tcplua.tcp"
setup(function()
  local ours, theirs = core.pair { delay = 0.001 }
  core.attach(theirs, "192.0.2.2")
  core.attach(ours)
end)
for i = 1, 2 do
  it("finds the network of setup " .. i, function()
    local l <close> = assert(tcp.listen { addr = "192.0.2.2", port = 80 })
    local c = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.2", port = 80 })
    c:abort()
  end)
end
]] }, "--network sim a.lua"), 0, "2 passed")
end)

t.test("what setup opens in a simulation stays, and the model leaves no task", function()
  expect(run({ ["a.lua"] = [[
local test = require "tcplua.test"
sut.model(function(conn)
  while true do
    local line = conn:read_line()
    if not line then return end
    conn:send(line)
  end
end)
describe("with", function()
  local conn
  setup(function() conn = assert(sut.connect()) end)
  teardown(function() conn:close() end)
  for i = 1, 2 do it("asks " .. i, function()
    assert(conn:send("x\n")); test.equal(conn:read_line(), "x\n")
    local other <close> = assert(sut.connect())
    assert(other:send("y\n")); test.equal(other:read_line(), "y\n")
  end) end
  describe("inner", function()
    local second
    setup(function() second = assert(sut.connect()) end)
    teardown(function() second:close() end)
    for i = 3, 4 do it("asks " .. i, function()
      assert(conn:send("x\n")); test.equal(conn:read_line(), "x\n")
      assert(second:send("z\n")); test.equal(second:read_line(), "z\n")
    end) end
  end)
end)
describe("empty", function()
  setup(function() end)
  it("five", function() end)
  it("six", function() end)
end)
local count
for i = 7, 9 do it("leaves no task " .. i, function()
  local now = #require "tcplua.task".census()
  test.equal(now, count or now); count = now
end) end
]] }, "--network sim a.lua"), 0, "9 passed")
end)

t.test("a client under test belongs to a test", function()
  local result = run({ ["a.lua"] = [[
setup(function() sut.client(nil, { model = print }) end)
it("is not reached", function() end)
]] }, "--network sim a.lua")
  expect(result, 1, "sut.client: no test runs, with which it would end")
  t.equal(result.out:find("left open", 1, true), nil)
  result = run({ ["a.lua"] = [[
setup(function() pcall(sut.client, "exec sleep 60;") end)
it("passes", function() end)
]] }, "a.lua")
  expect(result, 0, "1 passed")
end)

t.test("a client under test that a signal has killed fails its test", function()
  local result = run({ ["a.lua"] = [[
local test = require "tcplua.test"
it("does not look", function()
  local client = sut.client()
  test.eventually(function() return not client.process:running() end, 10)
end)
it("looks", function()
  local client = sut.client()
  assert(client:wait(10))
end)
it("ends it", function() sut.client "exec sleep 600;" end)
]] }, "--client 'kill -SEGV $$;' a.lua")
  expect(result, 1, "2 passed, 1 failed", "does not look\n    the client under test was "
    .. "killed by signal SEGV\n")
  expect(run({ ["a.lua"] = read(result.folder .. "/a.lua") }, "--client 'exit 139;' a.lua"), 1,
    "2 passed, 1 failed", "was killed by signal number 11\n")
end)

t.test("the seed chooses what a simulated client does", function()
  local file <const> = [[
local tcp = require "tcplua.tcp"
it("connects", function()
  local client <close> = sut.client(nil, { model = function(src, dst, port)
    local conn <close> = assert(tcp.connect { src = src, dst = dst, port = port })
  end })
  local conn <close> = assert(client:accept())
  print("ISN", conn:segments()[1].tcp.seq)
  error "shows it"
end)
]]
  local function isn(seed)
    return run({ ["a.lua"] = file }, "--network sim --seed " .. seed .. " a.lua").out
      :match "ISN%s+(%d+)"
  end
  local first = isn(1)
  t.equal(isn(1), first)
  t.equal(isn(2) ~= first, true)
end)

t.test("checks say what was wanted", function()
  local checks <const> = {
    { "test.equal('a', 'b')", 'value: wanted "b", got "a"' },
    { "test.equal(('x'):rep(80), 1, 'text')", 'text:\n      wanted 1\n      got    "xxx' },
    { "test.same({ a = { 1, 2 } }, { a = { 1, 3 } }, 'row')",
      "row (at .a[2]): wanted { a = { 1, 3 } }, got { a = { 1, 2 } }" },
    { "test.same({ 1 }, { 1, b = 2 })", "value (at .b): wanted { 1, b = 2 }, got { 1 }" },
    { "test.contains('abc', 'x')", 'text: wanted one with "x", got "abc"' },
    { "test.matches('abc', '^%d')", 'text: wanted one that matches "^%d", got "abc"' },
    { "test.within(5, 1, 2, 'rtt')", "rtt: wanted 1 to 2, got 5" },
    { "test.within(0/0, 1, 2)", "value: wanted 1 to 2, got " },
    { "test.truthy(nil, 'server')", "server: wanted something, got nil" },
    { "test.falsy(7)", "value: wanted nil or false, got 7" },
    { "test.raises(function() end)", "call: wanted an error, got none" },
    { "test.raises(error, 'x', 'y')", 'error: wanted one with "x", got "y"' },
    { "test.eventually(function() return nil, 'too early' end, 0.03)",
      "condition: wanted it to hold within 0.03 s, got too early" },
    { "test.fail 'enough'", "enough" },
  }
  local lines = { "local test = require 'tcplua.test'" }
  for i, check in ipairs(checks) do
    lines[i + 1] = ("it('t%d', function() %s end)"):format(i, check[1])
  end
  lines[#lines + 1] = [=[
it("are content", function()
  test.equal(1, 1) test.same({ { 1 } }, { { 1 } }) test.contains("abc", "b") test.within(1, 1, 1)
  assert(test.matches("a12", "%d+") == "12" and test.truthy(5) == 5)
  test.falsy(false)
  assert(test.raises(error, "x", "axb") == "axb")
  local n = 0
  test.eventually(function() n = n + 1 return n == 3 end)
end)]=]
  local result = expect(run({ ["a.lua"] = table.concat(lines, "\n") }, "a.lua"), 1,
    ("1 passed, %d failed"):format(#checks))
  for i, check in ipairs(checks) do
    t.contains(result.out, ("a.lua:%d: t%d\n    a.lua:%d: %s"):format(i + 1, i, i + 1, check[2]))
  end
end)

t.test("what goes wrong in setup leaves out the tests, but not those that are skipped", function()
  local tests = 'it("a", function() end) it("b", { skip = "later" }, function() end)'
  expect(run({ ["a.lua"] = "setup(function() error 'no' end)" .. tests }, "a.lua"), 1,
    "1 error, 1 skipped", "ERROR a.lua:1: a\n    no\n", "skip b: later")
  expect(run({ ["a.lua"] = "setup(function() os.exit(3) end)" .. tests }, "a.lua"), 1, "3 errors",
    "it did not run: its process had ended", "what runs between tests ended the process, with "
    .. "status 3")
end)

t.test("the order of what runs around a test", function()
  expect(run({ ["a.lua"] = [[
local function say(word) return function() io.write(word, " ") end end
setup(say "setup1") teardown(say "teardown1")
before_each(say "before1") after_each(say "after1")
describe("group", function()
  setup(say "setup2") teardown(say "teardown2")
  before_each(say "before2") after_each(say "after2")
  it("a", function() finally(say "f1") finally(say "f2") io.write "a " end)
  it("b", function() finally(say "f3") error "x" end)
end)
it("c", function() print() error "last" end)
]] }, "a.lua"), 1, "1 passed, 2 errors", "      before1 before2 f3 after2 after1 \n",
    "      teardown2 before1 \n")
  local all = expect(run({ ["a.lua"] = [[
local words = {}
local function say(word) return function() words[#words + 1] = word end end
setup(say "S") before_each(say "b") after_each(say "a")
describe("g", function()
  setup(say "s") teardown(say "t") before_each(say "B") after_each(say "A")
  it("1", function() finally(say "x") finally(say "y") say "1" () end)
end)
it("2", function()
  assert(table.concat(words) == "SsbB1yxAatb", table.concat(words))
end)
]] }, "a.lua"), 0)
  t.contains(all.out, "2 passed")
end)

t.test("what fails around a test fails it, and the rest still runs", function()
  expect(run({ ["a.lua"] = [[
describe("g", function()
  setup(function() error "no setup" end)
  it("one", function() end)
  it("two", function() end)
end)
describe("h", function()
  before_each(function() error "no before" end)
  after_each(function() print "after" end)
  it("three", function() end)
end)
describe("i", function()
  after_each(function() error "no after" end)
  it("four", function() end)
end)
describe("j", function()
  teardown(function() error "no teardown" end)
  it("five", function() end)
end)
]] }, "a.lua"), 1, "1 passed, 5 errors", "ERROR a.lua:3: g: one\n    no setup",
    "three\n    no before", "      after\n", "four\n    no after", "j (teardown)\n    no teardown")
end)

t.test("skip, pending, xfail and retries", function()
  local result = expect(run({ ["a.lua"] = [[
local tries = 0
it("s", function() skip "not here" end)
it("o", { skip = "never" }, function() error "ran" end)
pending "later"
it("x", function() xfail "bug 7" error "as ever" end)
it("y", { xfail = "bug 8" }, function() error "as ever" end)
it("r", { retries = 2 }, function() tries = tries + 1 assert(tries == 3, "not yet") end)
describe("g", { skip = "all" }, function() it("z", function() error "ran" end) end)
]] }, "a.lua"), 0, "1 passed, 4 skipped, 2 xfail", "skip s: not here", "skip o: never",
    "skip later: pending", "xfail x: bug 7: as ever", "xfail y: bug 8",
    "r: attempt 1 was error: not yet", "skip g: z: all")
  t.contains(result.out, "attempt 2 was error: not yet")
  expect(run({ ["a.lua"] = 'it("p", { xfail = "bug 9" }, function() end)' }, "a.lua"), 1,
    "1 failed", "XPASS a.lua:1: p\n    it passed, though it is known to fail (bug 9)\n")
  expect(run({ ["a.lua"] = 'skip "whole" it("p", function() end)' }, "a.lua"), 77, "1 skipped")
end)

t.test("inconclusive is tried once more, and always said", function()
  local file = [[
local verdict = require "tcplua.verdict"
local n = 0
local function late(times) return function()
  n = n + 1
  if n <= times then
    error(verdict.failure { verdict = "inconclusive", message = "late " .. n, lateness = 0.25 }, 0)
  end
end end
it("once", late(1))
it("twice", late(5))
it("soft", function()
  verdict.record(verdict.failure { message = "soft one", text = "soft one\nmore of it" })
  verdict.record(verdict.failure { message = "soft two" })
  verdict.at_end(function() return { "nobody took S. 0:0(0)" } end)
end)
it("leaves", function() verdict.at_end(function() return { "nobody took F. 1:1(0)" } end) end)
]]
  expect(run({ ["a.lua"] = file }, "-v a.lua"), 1, "2 passed, 1 failed, 1 inconclusive",
    "once: attempt 1 was inconclusive: late 1",
    "INCONCLUSIVE a.lua:10: twice\n    a.lua:6: late 4\n    the tester was late by 250 ms\n",
    "attempt 1 was inconclusive: late 3", "FAIL a.lua:11: soft\n", "    more of it\n    soft two\n",
    "leaves: nobody took F. 1:1(0)")
  local out = run({ ["a.lua"] = file }, "--format json a.lua").out
  t.contains(out, '"lateness":0.250000')
  t.contains(out, '"leftover":"nobody took F. 1:1(0)"')
end)

t.test("tables of parameters and matrix", function()
  local result = expect(run({ ["a.lua"] = [[
it.each { { 1, 2 }, { "a", "b" } } ("%s before %s", function(x, y) assert(x < y) end)
it.each { 5, 6 } ("alone", function(x) assert(x > 4) end)
it.each { { family = "ip", n = 1 } } ("over $family", function(row) assert(row.n == 1) end)
describe.each(matrix { a = { 1, 2 }, b = { "x", "y" } }) ("group", function(row)
  it("has both", function() assert(row.a and row.b) end)
end)
it("itself", { matrix = { mode = { "auto", "manual" } } }, function(row) assert(row.mode) end)
]] }, "--list a.lua"), 0)
  t.equal(result.out, ([[
a.lua:1: 1 before 2
a.lua:1: a before b
a.lua:2: alone [5]
a.lua:2: alone [6]
a.lua:3: over ip
a.lua:5: group [a=1 b=x]: has both
a.lua:5: group [a=1 b=y]: has both
a.lua:5: group [a=2 b=x]: has both
a.lua:5: group [a=2 b=y]: has both
a.lua:7: itself [mode=auto]
a.lua:7: itself [mode=manual]
]]))
  expect(run({ ["a.lua"] = read(result.folder .. "/a.lua") }, "a.lua"), 0, "11 passed")
end)

local MANY <const> = [[
describe("g #slow", function()
  it("one", function()
  end)
  it("two #quick", { tags = { "net", "v6" } }, function() end)
end)
it("three", { tags = "quick" }, function() end)
]]

t.test("choosing tests", function()
  local function names(line, files)
    return (run(files or { ["a.lua"] = MANY }, "--list " .. line).out:gsub("a.lua:%d+: ", ""))
  end
  t.equal(names "a.lua", "g #slow: one\ng #slow: two #quick\nthree\n")
  t.equal(names "--tags quick a.lua", "g #slow: two #quick\nthree\n")
  t.equal(names "--tags v6,none a.lua", "g #slow: two #quick\n")
  t.equal(names "--exclude-tags slow a.lua", "three\n")
  t.equal(names "--tags quick --exclude-tags net a.lua", "three\n")
  t.equal(names "--filter 'g.*one$' a.lua", "g #slow: one\n")
  t.equal(names "--filter=^a.lua:.three a.lua", "three\n")
  t.equal(names "a.lua:3", "g #slow: one\n")
  t.equal(names "a.lua:4 a.lua:6", "g #slow: two #quick\nthree\n")
  t.equal(names "a.lua:1", "g #slow: one\ng #slow: two #quick\n")
  t.equal(names "a.lua:1 a.lua", "g #slow: one\ng #slow: two #quick\nthree\n")
  expect(run({ ["a.lua"] = MANY }, "--tags quick a.lua"), 0, "2 passed")
end)

t.test("no test selected is no success, nor is all skipped", function()
  local result = expect(run({ ["a.lua"] = MANY }, "--filter nothing a.lua"), 5, "no test ran")
  t.equal(result.err, "tcplua: no test was selected, which is no success\n")
  expect(run({ ["a.lua"] = MANY }, "--list --tags nothing a.lua"), 5)
  t.contains(expect(run({}, "sub"), 5).err, "there is no *_test.lua")
  expect(run({ ["a.lua"] = 'it("a", { skip = "x" }, function() end)' }, "a.lua"), 77)
  expect(run({ ["a.lua"] = 'it("a", { skip = "x" }, function() end)', ["b.lua"] = PASS },
    "a.lua b.lua"), 0, "1 passed, 1 skipped")
end)

t.test("folders, shards, repeats", function()
  local files = { ["a_test.lua"] = PASS, ["test_b.lua"] = PASS, ["sub/c_spec.lua"] = PASS,
    ["helper.lua"] = "error 'not a test'", ["sub/.hidden_test.lua"] = "error()" }
  t.equal(run(files, "--list .").out, ([[
./a_test.lua:1: passes
./sub/c_spec.lua:1: passes
./test_b.lua:1: passes
]]))
  t.equal(run(files, "--list --shard 2/2 .").out, "./sub/c_spec.lua:1: passes\n")
  t.contains(expect(run(files, "--shard 4/4 ."), 5).err, "of 3 files none is in part 4 of 4")
  assert(process.run { shell = "cd sub && ln -s ../helper.lua linked_test.lua && ln -s / root",
    cwd = FOLDER .. "/" .. number })
  t.contains(assert(process.run { PROGRAM, "test", "--list", ".", cwd = FOLDER .. "/" .. number,
    stderr = "stdout" }).out, "./sub/linked_test.lua:1\n")
  expect(run(files, "-j2 --repeat 3 ."), 0, "9 passed", "./sub/c_spec.lua (run 3)  1 passed")
end)

t.test("a seed repeats the random choices of a test, alone or among others", function()
  local file = [[
it("a", function() end)
it("b", function() print("R" .. math.random(0)) error "x" end)
]]
  local function number_of(line)
    return run({ ["a.lua"] = file }, line).out:match "R%-?%d+"
  end
  local first = number_of "--seed 7 a.lua"
  t.equal(number_of "--seed 7 a.lua:2", first)
  t.equal(number_of "--seed 8 a.lua" ~= first, true)
  t.equal(number_of "a.lua" ~= number_of "a.lua", true)
end)

t.test("stopping at the first failure", function()
  expect(run({ ["a.lua"] = FAIL .. PASS, ["b.lua"] = PASS }, "-j1 --fail-fast a.lua b.lua"), 1,
    "\n1 failed in")
  expect(run({ ["a.lua"] = 'it("a", function() os.exit(1) end)' .. PASS, ["b.lua"] = PASS },
    "-j1 --fail-fast a.lua b.lua"), 1, "\n1 error in")
end)

t.test("a file without `it` is one test", function()
  local function whole(text, status, ...)
    return expect(run({ ["a.lua"] = text }, "a.lua"), status, ...)
  end
  whole("local x = 1", 0, "1 passed")
  whole("-- it (is) not called\nos.exit(0)", 0, "1 passed")
  whole([==[local a = "it's", 'it"', [[ it("x") ]], "\"it(" --[[ it("y")
    it("z") ]] local it = a -- it]==], 0, "1 passed")
  whole("", 1, "1 error", "(not loaded)", "no test is in this file, which is empty")
  whole("#!/usr/bin/env tcplua\n--[[ it('x') ]] -- and it('y')", 1, "which is empty")
  whole("os.exit(77)", 77, "1 skipped")
  whole("print 'said'\nos.exit(3)", 1, "1 failed", "it ended with status 3", "said")
  whole("error 'oops'", 1, "1 error", "ERROR a.lua:1\n    oops")
  whole("skip 'why'", 77, "1 skipped", "skip the file: why")
  whole("KEEP = require 'tcplua.net'.open { dst = '192.0.2.2' }", 0, "1 passed")
  whole("local make = it\nmake('x', function() end)", 1, "before the first one runs")
  t.equal(run({ ["a.lua"] = "error 'must not run'" }, "--list a.lua").out, "a.lua:1\n")
end)

t.test("files that cannot be run", function()
  expect(run({ ["a.lua"] = "x =" }, "a.lua"), 1, "1 error", "(not loaded)", "unexpected symbol")
  expect(run({ ["a.lua"] = "it('a', function() end)\nerror 'oops'" }, "a.lua"), 1, "(not loaded)",
    "oops", "at a.lua:2")
  expect(run({ ["a.lua"] = "it('a')" }, "a.lua"), 1, "it \"a\": a function expected", "at a.lua:1")
  expect(run({ ["a.lua"] = "it('a', { colour = 1 }, function() end)" }, "a.lua"), 1,
    "unknown option 'colour'")
  for text, message in pairs {
    ["it.each {} ('a', print)"] = "it.each: rows expected, got an empty list",
    ["it('a', { matrix = {} }, print)"] = "matrix: a list of values with a name expected, got none",
    ["it('a', { tags = 5 }, print)"] = "tags: a list expected, got 5",
    ["it('a', { tags = { {} } }, print)"] = "tags: a string expected, got table",
    ["it('', print)"] = "it: a name expected, got an empty one",
  } do
    expect(run({ ["a.lua"] = text }, "a.lua"), 1, "(not loaded)\n    " .. message, "at a.lua:1")
  end
  expect(run({ ["a.lua"] = "it('a', function() it('b', function() end) end)" }, "a.lua"), 1,
    "before the first one runs")
  expect(run({ ["a.lua"] = "it('a', function() end)\nwhile true do end" },
    "--timeout 100ms a.lua"), 1, "not over after 0.1 s (before the first test)")
  expect(run({ ["a.lua"] = "it('a', function() os.execute 'sleep 60' end)" .. PASS },
    "--file-timeout 500ms a.lua"), 1, "2 errors", "the file was not over after 0.5 s",
    "it did not run")
end)

t.test("wrong use", function()
  for line, message in pairs {
    [""] = "no file and no folder", ["--colour a"] = "no option '--colour'",
    ["nothing.lua"] = "no file or folder 'nothing.lua'",
    ["-j 0 a"] = "a whole number from 1, not '0'",
    ["--shard 5/4 a"] = "a part like 1/4", ["--format xml a"] = "is one of human, quiet, tap, json",
    ["--timeout 3h a"] = "a time like 500ms", ["--filter '%' a"] = "no Lua pattern",
    ["--seed x a"] = "a whole number", ["--list=x a"] = "takes no value", ["--tags"] = "is missing",
    ["-i lo a"] = "for --network host",
  } do
    t.contains(expect(run({}, line), 2).err, message)
  end
  t.contains(expect(run({ ["a.lua"] = PASS }, "a.lua", { before = "--lab" }), 2).err,
    "--lab says nothing to 'test'")
  expect(run({}, "--help"), 0, "usage: tcplua test", "exit status:")
  t.equal(assert(process.run { PROGRAM, "help", "test" }).out, run({}, "-h").out)
  t.contains(assert(process.run { shell = PROGRAM .. " test-file x.lua y=z", stderr = "pipe" }).err,
    "is what 'tcplua test' uses")
end)

t.test("the network is what was asked for", function()
  local file = [[
local test = require "tcplua.test"
it("has it", function() print(test.network, require "tcplua.core".simulated()) error "x" end)
]]
  expect(run({ ["a.lua"] = file }, "a.lua"), 1, "lab    false")
  expect(run({ ["a.lua"] = file }, "--network sim a.lua"), 1, "sim    true",
    "again: tcplua test --network sim --seed")
  expect(run({ ["a.lua"] = file }, "--network host a.lua"), 1, "host    false")
  expect(run({ ["a.lua"] = 'require "tcplua.task".sleep(3000)' }, "--network sim a.lua"), 0)
  expect(run({ ["a.lua"] = [[
it("lasts for ever", { timeout = 0.2 }, function()
  while true do require "tcplua.task".sleep(1) end
end)
it("stalls", function() require "tcplua.task".wait(nil, nil) end)
]] }, "--network sim a.lua"), 1, "not over after 0.2 s", "nothing can happen any more")
end)

t.test("time limits and signals of the whole", function()
  local file = "it('a', function() os.execute 'sleep 60' end)"
  t.contains(expect(run({ ["a.lua"] = file }, "a.lua", { before = "--timeout 500ms" }), 124).err,
    "the time limit has passed")
  local folder = run({ ["a.lua"] = "it('a', function() os.execute 'echo $$ >pid; sleep 60' end)" },
    "--list a.lua").folder
  for _, signal in ipairs { "INT", "TERM", "KILL" } do
    local child <close> = assert(process.spawn { PROGRAM, "test", "a.lua", cwd = folder,
      stdout = "null" })
    os.remove(folder .. "/pid")
    local pid
    for _ = 1, 500 do
      local file_ = io.open(folder .. "/pid")
      pid = file_ and file_:read "n"
      if pid then break end
      require "tcplua.task".sleep(0.02)
    end
    os.execute(("kill -%s %d"):format(signal, child:pid()))
    t.equal(assert(child:wait(20)).signal, signal)
    for _ = 1, 500 do
      local stat = io.open("/proc/" .. pid .. "/stat")
      if not stat or (stat:read "a" or ") Z"):find "%) Z" then pid = nil break end
      require "tcplua.task".sleep(0.02)
    end
    t.equal(pid, nil, "process of the test after " .. signal)
  end
end)

-- What the readers of other people say.
local NAMES <const> = [=[
local test = require "tcplua.test"
it("passes # with a sharp", function() print "fine" end)
it("says \27[31m <b>&amp;\"' \xff\0 |", function()
  print "\27[2J]]>\xff"
  test.equal("\n\x01<&", "'")
end)
it("is known to fail", { xfail = "bug" }, function() error "x" end)
it("is skipped", { skip = "# why" }, function() end)
it("breaks", function() error "multi\nline: {x}\n  ...\n  ---" end)
]=]

t.test("TAP as prove reads it", function()
  local result = run({ ["a.lua"] = NAMES, ["b.lua"] = PASS }, "--format tap a.lua b.lua")
  expect(result, 1, "TAP version 13\n", "\nok 6 - b.lua: passes\n1..6\n")
  t.equal(result.out:find "[^\n -~]", nil, "unprintable bytes")
  if not have "prove" then t.skip "no prove" end
  local function prove(file)
    local out = assert(process.run { shell = ("prove -v --norc -e '%s test --format tap' %s 2>&1")
      :format(PROGRAM, file), cwd = result.folder }).out
    return out
  end
  t.contains(prove "b.lua", "Result: PASS")
  local said = prove "a.lua"
  t.contains(said, "Failed 2/5 subtests")
  t.contains(said, "Result: FAIL")
  t.equal(said:find "Parse errors", nil)
  write(result.folder .. "/c.lua", [[
it("prints", function() print '  indented "text"\nand \\ not' error "x" end)
]])
  t.equal(prove "c.lua":find "Parse errors", nil)
end)

t.test("JUnit as junitparser reads it", function()
  local result = expect(run({ ["a.lua"] = NAMES, ["b.lua"] = PASS },
    "--seed 5 --junit out.xml a.lua b.lua"), 1)
  local text = read(result.folder .. "/out.xml")
  t.equal(text:find "[^\n -~]", nil, "unprintable bytes")
  t.contains(text, '<property name="seed" value="5" />')
  t.equal(run({ ["a.lua"] = PASS }, "--junit /no/such/place a.lua").code, 4)
  -- The system's own python3 is the one that the package is for.
  local path = { PATH = "/usr/bin:" .. os.getenv "PATH" }
  local found = assert(process.run { "env", "python3", "-c", "import junitparser", stderr = "null",
    env = path })
  if found.code ~= 0 then t.skip "no junitparser" end
  local said = assert(process.run { "env", "python3", "-c", [[
from junitparser import JUnitXml
x = JUnitXml.fromfile("out.xml")
print(x.tests, x.failures, x.errors, x.skipped)
for suite in x:
    print(suite.name, suite.tests)
    for case in suite:
        print(case.classname, case._elem.get("file"), case._elem.get("line"), case.name,
              [(type(r).__name__, r.message) for r in case.result])
]], cwd = result.folder, stderr = "stdout", env = path }).out
  t.contains(said, "6 1 1 2\na.lua 5\n")
  t.contains(said, "a.lua a.lua 2 passes # with a sharp []\n")
  t.contains(said, [[a.lua a.lua 3 says \x1b[31m <b>&amp;"' \xff\x00 | [('Failure', ]])
  t.contains(said, "('Skipped', '# why')")
  t.contains(said, "('Error', 'multi')")
end)

t.test("JSON lines as jq reads them", function()
  local result = expect(run({ ["a.lua"] = NAMES }, "--seed 5 --format json a.lua"), 1)
  if not have "jq" then t.skip "no jq" end
  write(result.folder .. "/out.json", result.out)
  local said = assert(process.run { shell = "jq -r '[.event,.verdict,.seed]|@csv' out.json",
    cwd = result.folder }).out
  t.equal(said, ([[
"run",,5
"test","pass",5
"test","fail",5
"test","xfail",5
"test","skip",5
"test","error",5
"summary",,5
]]))
end)

t.test("annotations and a summary where GitHub asks for them", function()
  local files = {}
  for i = 1, 12 do files[("a%02d_test.lua"):format(i)] = FAIL end
  local result = run(files, ".", { env = { GITHUB_ACTIONS = "true",
    GITHUB_STEP_SUMMARY = "sum.md" } })
  t.equal(select(2, result.out:gsub("\n::error file=", "")), 9)
  t.contains(result.out, "::error file=./a01_test.lua,line=4,title=fails::./a01_test.lua:4: sum")
  t.contains(result.out, "\n::error::3 more in the summary\n")
  local summary = read(result.folder .. "/sum.md")
  t.contains(summary, "### tcplua: 12 failed\n")
  t.equal(select(2, summary:gsub("<details>", "")), 12)
  local tap = run({ ["a.lua"] = FAIL }, "--format tap a.lua", { env = { GITHUB_ACTIONS = "true" } })
  t.contains(tap.err, "::error file=a.lua,line=4")
  t.equal(tap.out:find("::error", 1, true), nil)
end)

t.test("a folder for each failure", function()
  local result = expect(run({ ["a.lua"] = FAIL .. PASS }, "--seed 5 --artifacts out/deep a.lua"), 1)
  local folder = result.folder .. "/out/deep/a-001-fails/"
  t.contains(read(folder .. "failure.txt"), "FAIL a.lua:2: fails\na.lua:4: sum: wanted 3, got 2\n")
  t.equal(read(folder .. "output.txt"), "heard before\n")
  t.equal(read(folder .. "again.txt"), "tcplua test --seed 5 a.lua:2\n")
  t.equal(assert(process.run { "ls", result.folder .. "/out/deep" }).out, "a-001-fails\n")
  t.equal(run({ ["a.lua"] = PASS }, "--artifacts /proc/no a.lua").code, 4)
end)

t.test("a file whose tests never came to be does not pass", function()
  expect(run({ ["a.lua"] = 'if false then it("a", function() end) end' }, "a.lua"), 1,
    "no test came of this file")
  expect(run({ ["a.lua"] = 'matrix({ a = { 1 } }, function() it("a", error) end)' }, "a.lua"), 1,
    "matrix: one table expected")
end)

local PONG <const> = [[
local tcp, task, net = require "tcplua.tcp", require "tcplua.task", require "tcplua.net"
it("answers", function()
  local near, far = net.pair { delay = 0.01 }
  assert(net.attach(near, "192.0.2.1"))
  assert(net.attach(far, "192.0.2.2"))
  local listener <close> = assert(tcp.listen { addr = "192.0.2.2", port = 7 })
  task.spawn(function() listener:accept():send "pon\n" end)
  local conn <close> = assert(tcp.connect {
    src = "192.0.2.1", dst = "192.0.2.2", port = 7, mode = "assist" })
  conn:inject { flags = "." }
  conn:expect { data = WANTED }
end)
]]

t.test("the exchange is kept where an expectation failed, with a comment at each packet", function()
  local files = { ["a.lua"] = PONG:gsub("WANTED", '"pong\\n"') }
  local result = expect(run(files, "--network sim --artifacts out a.lua"), 1, 'got "pon')
  local folder = "out/a-001-answers/"
  t.contains(result.out, "capture: " .. folder .. "exchange.pcapng")
  local comments = {}
  for packet, info in assert(capture.read(result.folder .. "/" .. folder .. "exchange.pcapng")) do
    t.equal(packet.tcp ~= nil, true)
    comments[#comments + 1] = info.comment
  end
  t.equal((comments[1]:gsub("win %d+ <[^>]*>", "…")), "#1 S seq 0 …\nstate: CLOSED -> SYN-SENT")
  t.contains(comments[2], "\nthe handshake; state: SYN-SENT -> ESTABLISHED")
  t.equal(comments[3]:find("state", 1, true), nil)
  t.contains(table.concat(comments, "\n"), "\nby hand at a.lua:10")
  local ladder = read(result.folder .. "/" .. folder .. "exchange.txt")
  t.contains(ladder, "<  P. seq 1:5 ack 1")
  t.contains(ladder, "state: SYN-SENT -> ESTABLISHED\n")
  if have "tshark" then
    t.contains(assert(process.run { "tshark", "-nr", result.folder .. "/" .. folder ..
      "exchange.pcapng", "-T", "fields", "-e", "frame.comment", stderr = "null" }).out,
      "the handshake; state: SYN-SENT -> ESTABLISHED")
  end
  files = { ["a.lua"] = PONG:gsub("WANTED", '"pon\\n" }; conn:expect { flags = "F."') }
  result = expect(run(files, "--network sim --artifacts out a.lua"), 1, "no segment")
  t.contains(read(result.folder .. "/" .. folder .. "exchange.txt"), 'expected at a.lua:11: data')
  files = { ["a.lua"] = PONG:gsub("WANTED", '"pon\\n"') }
  result = expect(run(files, "--network sim --artifacts out a.lua"), 0)
  t.equal(assert(process.run { "ls", result.folder .. "/out" }).out, "")
end)

t.test("quiet says what failed, and verbose what passed", function()
  local result = expect(run({ ["a.lua"] = PASS }, "--format quiet a.lua"), 0)
  t.equal(result.out:match "^1 passed in [%d.]+ s %(seed %d+%)\n$" ~= nil, true)
  expect(run({ ["a.lua"] = FAIL }, "--format quiet a.lua"), 1, "\nFAIL a.lua:2: fails\n")
  local talks = { ["a.lua"] = 'it("a", function() print "HEARD" end)' }
  expect(run(talks, "-v a.lua"), 0, "HEARD")
  t.equal(run(talks, "a.lua").out:find "HEARD", nil)
  t.contains(run({ ["a.lua"] = PASS }, "--color always a.lua").out, "\27[32mok")
end)

t.test("files run at the same time, and are said in order", function()
  local files = {}
  for i = 1, 4 do
    files[("f%d_test.lua"):format(i)] =
      ("it('w', function() os.execute 'sleep 0.%d' end)"):format(9 - i)
  end
  local result = expect(run(files, "-j 4 ."), 0, "4 passed", "ok    ./f1_test.lua  1 passed in ",
    "ok    ./f4_test.lua  1 passed in ")
  t.equal(table.concat({ result.out:match "f(1)_.-f(2)_.-f(3)_.-f(4)_" }), "1234")
  t.within(tonumber(result.out:match "4 passed in ([%d.]+) s"), 0.8, 2.4, "seconds of 2.6 in turn")
end)

assert(process.run { "rm", "-r", FOLDER })
t.done()
