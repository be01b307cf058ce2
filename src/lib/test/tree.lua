--- tcplua.test.tree: the tests of a file as they are written down: groups, tests, what runs around
-- them. Nothing runs here; tcplua.test.run does that.
local check = require "tcplua.check"

local tree = {}

local OPTIONS <const> = { tags = true, timeout = true, skip = true, xfail = true, retries = true,
  matrix = true }

local root    -- the group that is the file
local current -- the group that is being written down; nil while tests run

--- The attempt that runs: { cleanup = list of functions, xfail = reason }, or nil.
tree.running = nil

--- Begins a file.
function tree.begin()
  root = { name = "", children = {}, tags = {}, around = {} }
  current = root
  return root
end

--- Ends the writing down: describe and it raise from now on.
function tree.finish()
  current = nil
end

-- The line of the script that calls us.
local function line_of_caller()
  local at = check.place()
  return at and at.currentline or 0
end

local function place_of(f, line)
  local at = debug.getinfo(f, "S")
  return math.min(line, at.linedefined), math.max(line, at.lastlinedefined)
end

-- The set of tags: those above, those of the options, and each "#word" of the name.
local function tags_of(name, above, given)
  local set = {}
  for tag in pairs(above) do set[tag] = true end
  if type(given) == "string" then
    for tag in given:gmatch "[^,%s]+" do set[tag] = true end
  else
    for _, tag in ipairs(check.list("tags", given or {})) do
      if type(tag) ~= "string" then check.fail("tags: a string expected, got " .. type(tag)) end
      set[tag] = true
    end
  end
  for tag in name:gmatch "#([%w_-]+)" do set[tag] = true end
  return set
end

local function read_arguments(what, name, options, f)
  if type(name) ~= "string" or name == "" then
    check.fail(("%s: a name expected, got %s"):format(what, name == "" and "an empty one"
      or type(name)))
  end
  if f == nil and type(options) ~= "table" then options, f = nil, options end
  options = check.options(options, OPTIONS)
  check.seconds("timeout", options.timeout)
  check.count("retries", options.retries, 0, 0)
  if type(f) ~= "function" and not options.skip then
    check.fail(("%s \"%s\": a function expected, got %s"):format(what, name, type(f)))
  end
  if not root then check.fail(what .. ": this file is for 'tcplua test', which runs its tests") end
  if not current then check.fail(what .. ": tests are written down before the first one runs") end
  return name, options, f or function() end
end

-- "x over %s" and a row of values; "x over $family" and a row of named ones. What the name does
-- not say stands behind it.
local function name_row(name, row)
  local i, said = 0, false
  local values = type(row) == "table" and row or { row }
  local text = name:gsub("%%[sdi]", function()
    i, said = i + 1, true
    return tostring(values[i])
  end):gsub("%$([%a_][%w_]*)", function(key)
    if values[key] == nil then return nil end
    said = true
    return tostring(values[key])
  end)
  if said then return text end
  local parts = {}
  for _, value in ipairs(values) do parts[#parts + 1] = tostring(value) end
  local keys = {}
  for key in pairs(values) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do parts[#parts + 1] = key .. "=" .. tostring(values[key]) end
  return ("%s [%s]"):format(name, table.concat(parts, " "))
end

--- All combinations of lists: matrix { family = { "ip", "ip6" }, mode = { "auto" } } gives
-- { { family = "ip", mode = "auto" }, { family = "ip6", mode = "auto" } }, by name, the last name's
-- values next to each other.
function tree.matrix(lists, ...)
  if select("#", ...) > 0 then
    check.fail("matrix: one table expected; it.each(matrix { ... }) makes tests of its rows")
  end
  if type(lists) ~= "table" then
    check.fail("matrix: a table of lists expected, got " .. type(lists))
  end
  if next(lists) == nil then
    check.fail "matrix: a list of values with a name expected, got none"
  end
  local names, rows = {}, { {} }
  for name, values in pairs(lists) do
    if type(name) ~= "string" or type(values) ~= "table" or #values == 0 then
      check.fail(("matrix: '%s' is no list of values with a name"):format(tostring(name)))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local more = {}
    for _, row in ipairs(rows) do
      for _, value in ipairs(lists[name]) do
        local new = { [name] = value }
        for key, old in pairs(row) do new[key] = old end
        more[#more + 1] = new
      end
    end
    rows = more
  end
  return rows
end

local function inherit(options, group)
  return {
    timeout = options.timeout or group.timeout, retries = options.retries or group.retries,
    skip = options.skip or group.skip, xfail = options.xfail or group.xfail,
  }
end

local function add_group(name, options, f, row)
  local group = inherit(options, current)
  group.name, group.parent, group.children, group.around = name, current, {}, {}
  group.tags = tags_of(name, current.tags, options.tags)
  group.first, group.last = place_of(f, line_of_caller())
  current.children[#current.children + 1] = group
  local before = current
  current = group
  local ok, err = xpcall(f, function(e)
    return type(e) == "string" and debug.traceback(e, 2) or e
  end, table.unpack(row or {}, 1, row and row.n or 0))
  current = before
  if not ok then error(err, 0) end
end

local function add_test(name, options, f, row)
  local test = inherit(options, current)
  test.name, test.parent, test.test = name, current, true
  test.tags = tags_of(name, current.tags, options.tags)
  test.line = line_of_caller()
  test.first, test.last = place_of(f, test.line)
  test.f = row and function() return f(table.unpack(row, 1, row.n)) end or f
  current.children[#current.children + 1] = test
end

-- What one row of a table hands to the function: a list as several values, anything else as one.
local function values_of(row)
  if type(row) == "table" and #row > 0 then return table.pack(table.unpack(row)) end
  return table.pack(row)
end

local function maker(what, add)
  local function make(name, options, f)
    name, options, f = read_arguments(what, name, options, f)
    if not options.matrix then return add(name, options, f) end
    for _, row in ipairs(tree.matrix(options.matrix)) do
      add(name_row(name, row), options, f, table.pack(row))
    end
  end
  local function each(rows)
    if #check.list(what .. ".each", rows) == 0 then
      check.fail(what .. ".each: rows expected, got an empty list")
    end
    return function(name, options, f)
      name, options, f = read_arguments(what, name, options, f)
      for _, row in ipairs(rows) do add(name_row(name, row), options, f, values_of(row)) end
    end
  end
  return setmetatable({ each = each }, { __call = function(_, ...) return make(...) end })
end

tree.describe = maker("describe", add_group)
tree.it = maker("it", add_test)

--- A test that is not written yet: skipped.
function tree.pending(name)
  local options
  name, options = read_arguments("pending", name, { skip = "pending" })
  add_test(name, options, function() end)
end

local function around(what)
  return function(f)
    if type(f) ~= "function" then check.fail(what .. ": a function expected, got " .. type(f)) end
    if not current then check.fail(what .. ": belongs before the first test runs") end
    local list = current.around[what] or {}
    current.around[what] = list
    list[#list + 1] = f
  end
end

tree.before_each = around "before_each"
tree.after_each = around "after_each"
tree.setup = around "setup"
tree.teardown = around "teardown"

--- Whether tests are being written down.
function tree.open()
  return current ~= nil
end

--- The name of a test or group with those of the groups around it.
function tree.title(node)
  local parts = {}
  while node.parent do
    table.insert(parts, 1, node.name)
    node = node.parent
  end
  return table.concat(parts, ": ")
end

--- All tests in order, numbered: a list.
function tree.tests()
  local list = {}
  local function visit(group)
    for _, node in ipairs(group.children) do
      if node.test then
        list[#list + 1] = node
        node.index = #list
      else
        visit(node)
      end
    end
  end
  visit(root)
  return list
end

return tree
