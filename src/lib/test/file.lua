--- tcplua.test.file: one test file in a process of its own, which `tcplua test` starts:
--
--     tcplua [--lab] test-file FILE NAME=VALUE…
--
-- The names are those of DEFAULTS below. What happens is told on descriptor 3, an event a line.
local core = require "tcplua.core"
local event = require "tcplua.test.event"
local expect = require "tcplua.expect"
local run = require "tcplua.test.run"
local sut = require "tcplua.sut"
local test = require "tcplua.test"
local bundle = require "tcplua.test.bundle"
local tree = require "tcplua.test.tree"
local verdict = require "tcplua.verdict"

local file = {}

local EVENTS <const> = 3

local DEFAULTS <const> = {
  network = "host", mode = "run", seed = "1", seed_network = "", timeout = "30", from = "1",
  mark = "", filter = "", tags = "", exclude = "", lines = "", fail_fast = "", artifacts = "",
  serve = "", server = "", client = "", port = "9000", file = "",
}

local WORDS <const> = { "describe", "it", "before_each", "after_each", "setup", "teardown",
  "finally", "pending", "skip", "xfail", "matrix" }

local function read_arguments(...)
  local options = {}
  for name, value in pairs(DEFAULTS) do options[name] = value end
  for _, argument in ipairs { ... } do
    local name, value = argument:match "^([%l_]+)=(.*)$"
    if not name or not DEFAULTS[name] then
      error(core.error { kind = "usage", code = "EINVAL",
        message = "'test-file' is what 'tcplua test' uses; see 'tcplua help test'" }, 0)
    end
    options[name] = value
  end
  return options
end

-- Writes events; the runner reads on, whatever it does with them.
local function open_events()
  local output, err = core.open_input(EVENTS)
  if not output then error(err, 0) end
  return function(fields)
    local line, at = event.encode(fields), 1
    io.stdout:flush()
    while at <= #line do
      local put, failed = output:raw_write(line, at)
      if not put then error(failed, 0) end
      at = at + put
    end
  end
end

local function words_of(text)
  local set = {}
  for word in text:gmatch "[^,]+" do set[word:match "^%s*(.-)%s*$"] = true end
  return set
end

local function any_of(set, tags)
  for tag in pairs(set) do
    if tags[tag] then return true end
  end
  return false
end

-- Which tests the lines ask for: those that stand around one; else those of the innermost group
-- that does.
local function at_lines(root, tests, lines)
  local set = {}
  for line in pairs(lines) do
    line = tonumber(line)
    local found = false
    for _, node in ipairs(tests) do
      if node.first <= line and line <= node.last then set[node], found = true, true end
    end
    local group, inner = root, root
    while inner and not found do
      group, inner = inner, nil
      for _, node in ipairs(group.children) do
        if not node.test and node.first <= line and line <= node.last then inner = node end
      end
    end
    if not found and group ~= root then
      for _, node in ipairs(tests) do
        local above = node.parent
        while above and above ~= group do above = above.parent end
        if above then set[node] = true end
      end
    end
  end
  return set
end

-- Marks the tests that the options choose; returns them.
local function select_tests(path, root, tests, options)
  local tags, exclude, lines = words_of(options.tags), words_of(options.exclude),
    words_of(options.lines)
  local wanted = next(lines) and at_lines(root, tests, lines)
  local list = {}
  for _, node in ipairs(tests) do
    local name = path .. (node.whole_file and "" or ": " .. tree.title(node))
    node.selected = node.index >= tonumber(options.from)
      and (options.filter == "" or name:find(options.filter) ~= nil)
      and (not next(tags) or any_of(tags, node.tags)) and not any_of(exclude, node.tags)
      and (not wanted or node.whole_file or wanted[node] == true)
    if node.selected then list[#list + 1] = node end
  end
  return list
end

local function tags_text(tags)
  local list = {}
  for tag in pairs(tags) do list[#list + 1] = tag end
  table.sort(list)
  return table.concat(list, ",")
end

-- Where a comment or a string ends that begins at a place: its last byte, and what stays of it in
-- its stead. Nil where none begins.
local function text_at(source, at)
  local level = source:match("^%-%-%[(=*)%[", at)
  if level then return select(2, source:find("]" .. level .. "]", at, true)), " " end
  if source:find("^%-%-", at) then return source:find("%f[\n\0]", at), " " end
  level = source:match("^%[(=*)%[", at)
  if level then return select(2, source:find("]" .. level .. "]", at, true)), '""' end
  local quote = source:match("^[\"']", at)
  local stop = at
  while quote and stop do
    stop = source:find("[\\" .. quote .. "]", stop + 1)
    if stop and source:sub(stop, stop) == quote then break end
    stop = stop and stop + 1
  end
  if quote then return stop, '""' end
end

-- A program without what its comments and strings say.
local function without_text(source)
  local parts, at = {}, 1
  while at <= #source do
    local from = source:find("[%-%[\"']", at) or #source + 1
    parts[#parts + 1] = source:sub(at, from - 1)
    local stop, instead = text_at(source, from)
    parts[#parts + 1] = instead or source:sub(from, from)
    at = (instead and stop or not instead and from or #source) + 1
  end
  return table.concat(parts)
end

-- What kind of test file a program is: "tests" if it calls `it`, and so on; "plain" if it is one
-- test as a whole; "empty".
local function kind_of(source)
  local code = without_text(source)
  if code:find "%f[%w_]it%s*[(\"]" or code:find "%f[%w_]it%.each" then return "tests" end
  return code:find "%S" and "plain" or "empty"
end

local function load_source(path)
  local handle, why = io.open(path, "rb")
  if not handle then return nil, why end
  local source = handle:read "a"
  handle:close()
  if not source then return nil, path .. " cannot be read" end
  source = source:gsub("^#[^\n]*", "")
  local kind = kind_of(source)
  if kind == "empty" then return nil, path .. ":1: no test is in this file, which is empty" end
  local chunk, problem = load(source, "@" .. path, "t")
  return chunk, problem, kind == "plain"
end

-- What a file may rely on, besides the words: its folder comes first when it requires something.
local function prepare(path, options, timeout)
  local folder = path:match "^.*/" or "./"
  package.path = ("%s?.lua;%s?/init.lua;%s"):format(folder, folder, package.path)
  _G.arg = { [0] = path, [-1] = "tcplua" }
  test.network = options.network
  test.artifacts = options.artifacts ~= "" and options.artifacts or nil
  for _, word in ipairs(WORDS) do _G[word] = test[word] end
  _G.sut, _G.expect = sut, expect
  local function given(name) return options[name] ~= "" and options[name] or nil end
  sut.prepare { network = options.network, serve = given "serve", server = given "server",
    client = given "client", port = math.tointeger(tonumber(options.port)),
    timeout = timeout }
end

-- Has os.exit, by which a plain file may end well, raise what was recorded before.
local function heed_failures_at_exit()
  local exit = os.exit
  function os.exit(...) -- luacheck: ignore
    local failures = verdict.take()
    for i = 2, #failures do verdict.record(failures[i]) end
    if failures[1] then error(failures[1], 0) end
    exit(...)
  end
end

--- What the process does. Its exit status is 0 unless it could not even begin.
function file.main(path, ...)
  local options = read_arguments(...)
  local tell = open_events()
  if options.network == "sim" then core.simulate() end
  io.stdout:setvbuf "line"
  local timeout = tonumber(options.timeout)
  local chunk, why, plain = load_source(path)
  prepare(path, options, timeout)
  local context = {
    file = path, seed = options.seed, seed_network = options.seed_network ~= "", timeout = timeout,
  }
  if test.artifacts then
    local function folder_of(node)
      local name = node.whole_file and "" or tree.title(node)
      return bundle.folder(test.artifacts, options.file, node.index, name)
    end
    function context.evidence(node)
      local folder = folder_of(node)
      bundle.make(folder)
      return folder
    end
    function context.discard(node) bundle.remove(folder_of(node)) end
  end
  local function told(node, fields)
    fields.index = node.index
    tell(fields)
  end
  function context.started(node, seconds)
    told(node, { event = "start", timeout = seconds })
  end
  function context.ended(node, result)
    result.event = "result"
    io.stdout:write("\0", options.mark, " ", node.index, "\n")
    told(node, result)
    local bad = result.verdict == "fail" or result.verdict == "error" or result.verdict == "xpass"
    if bad and options.fail_fast ~= "" then context.stopped = true end
  end
  function context.group_failed(group, result)
    result.event, result.name = "group", tree.title(group)
    tell(result)
  end
  local function announce(tests)
    for _, node in ipairs(tests) do
      told(node, { event = "test", name = node.whole_file and "" or tree.title(node),
        line = node.line, tags = tags_text(node.tags) })
    end
  end

  if not chunk then
    local line, message = why:match "^.-:(%d+): (.*)$"
    tell { event = "broken", message = message or why, at_file = path, at_line = line or 0 }
    return tell { event = "end" }
  end
  local root = tree.begin()
  if not plain then
    local problem = run.collect(chunk, timeout)
    if problem then
      problem.event = problem.verdict == "skip" and "skipped" or "broken"
      tell(problem)
      return tell { event = "end" }
    end
  end
  local tests = tree.tests()
  if #tests == 0 and not plain then -- that would pass, whatever it was meant to test
    tell { event = "broken", at_file = path, at_line = 1,
      message = "no test came of this file, though it has an `it`: that was never called" }
    return tell { event = "end" }
  end
  if plain then
    tests[1] = { test = true, whole_file = true, index = 1, name = "", line = 1, first = 1,
      last = math.maxinteger, tags = {}, parent = root, f = chunk }
    heed_failures_at_exit()
    root.children[1] = tests[1]
  end
  local selected = select_tests(path, root, tests, options)
  announce(selected)
  if options.mode == "list" then return tell { event = "end" } end
  tree.finish()
  verdict.collect()
  run.all(root, context)
  tell { event = "end" }
end

return file
