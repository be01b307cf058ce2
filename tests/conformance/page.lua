--- page: makes tests/conformance.md: what the RFCs ask of a TCP, what hostile peers and hosts do to
-- one, and the tests that show how it fares.
--
--     lua5.4 tests/conformance/page.lua            writes the page
--     lua5.4 tests/conformance/page.lua --check    fails if the page is not the one that would be
--                                                  written, or a row has neither test nor reason
--
-- The requirements are in requirements.lua, the rows of hostile peers in hostile.lua. Which test
-- shows which, the tests themselves say: by the requirement's id, in the name or in the comment
-- that ends right above it.
--
--     /* MUST-31, MUST-32: told before it is all in. */       C: the comment above a test function,
--     static void urgent_data_is_announced(void **state)
--     static void must11_rst_is_refusal(void **state)         or its name: must11, shld7, sm10
--
--     -- RFC 5961 3, SM-7                                     Lua: the lines above a test, or its
--     t.test("D16 close with unread data (SHLD-3)", …)        name
--
-- An id is MUST-n, SHLD-n, MAY-n, SM-n (a row of the state machine), or an RFC with its section,
-- word for word as in requirements.lua: "RFC 7323 5.3". An RFC that is no row is prose; a MUST-n
-- that is none is a mistake.
--
-- A row of hostile.lua (a letter and a number) is shown by a test whose name begins with its id,
-- or with several: "L4 what is no capture", "J14, J15 …", n1_n8_each_way() in C, and in a shell
-- script the first argument of a line, or what it says with echo "ok: L4 …".
--
-- usage: page.lua [--check] [ROOT]

local check = arg[1] == "--check"
local root = arg[check and 2 or 1] or "."
local here = root .. "/tests/conformance"
local page = root .. "/tests/conformance.md"

local requirements = dofile(here .. "/requirements.lua")
local hostile = dofile(here .. "/hostile.lua")

-- The words of the page for the field of a row that holds its reason.
local VERDICTS = { deviation = "deviation", absent = "not applicable", open = "not yet" }

-- Calls in Lua files whose first argument is the name of a test.
local CALLS = { ["t.test"] = true, lab_test = true, row = true, lab_row = true, job = true,
  endless = true }

local rows, complaints = {}, {}

local function complain(...)
  complaints[#complaints + 1] = string.format(...)
end

local function verdict(row)
  for field, word in pairs(VERDICTS) do
    if row[field] then return word, row[field] end
  end
  return "applies", row.but
end

for _, groups in ipairs { requirements, hostile } do
  for _, group in ipairs(groups) do
    for _, row in ipairs(group) do
      local id = row[1]
      if rows[id] then complain("%s is there twice", id) end
      rows[id] = row
      row.tests = {}
    end
  end
end

-- The letters of the tables of hostile.lua: only with these can a test name a row that is none.
local letters = {}
for _, group in ipairs(hostile) do letters[group.title:sub(1, 1)] = true end

-- Says that the test `name` of `file` shows what `text` names.
local function claim(text, file, name)
  local seen = {}
  local function shows(id, must)
    if rows[id] and not seen[id] then
      seen[id] = true
      table.insert(rows[id].tests, { file, name })
    elseif must and not rows[id] then
      complain("%s: '%s' shows %s, which is no row of requirements.lua", file, name, id)
    end
  end
  for kind, number in text:gmatch "(%u+)%-(%d+)" do
    if kind == "MUST" or kind == "SHLD" or kind == "MAY" or kind == "SM" then
      shows(kind .. "-" .. number, true)
    end
  end
  for number, section in text:gmatch "RFC (%d+)%s?([%d.]*)" do
    section = section:gsub("%.$", "")
    shows(section == "" and "RFC " .. number or "RFC " .. number .. " " .. section)
  end
end

-- Says that the test shows the rows of hostile.lua with which its name begins.
local function claim_rows(file, name)
  local seen, rest = {}, name
  while true do
    local letter, number, after = rest:match "^(%a)(%d+)[%s,_:]+(.*)"
    local id = letter and letter:upper() .. number
    if not id or not letters[letter:upper()] then return end
    if not rows[id] then
      complain("%s: '%s' shows %s, which is no row of hostile.lua", file, name, id)
    elseif not seen[id] then
      seen[id] = true
      table.insert(rows[id].tests, { file, name })
    end
    rest = after
  end
end

-- must11_… -> MUST-11; d15_rfc1337_… -> RFC 1337.
local function ids_of(name)
  local ids = {}
  for word in name:gmatch "[^_]+" do
    local kind, number = word:match "^(%l+)(%d+)$"
    if kind == "rfc" then
      ids[#ids + 1] = "RFC " .. number
    elseif kind == "must" or kind == "shld" or kind == "may" or kind == "sm" then
      ids[#ids + 1] = kind:upper() .. "-" .. number
    end
  end
  return table.concat(ids, ", ")
end

local function scan_c(path, file)
  local comment, inside = "", false
  for line in io.lines(path) do
    local name = line:match "^static void ([%w_]+)%(void %*%*state%)"
    local opens = line:match "^/%*"
    if name then
      claim(comment .. " " .. ids_of(name), file, name)
      claim_rows(file, name)
    end
    if opens then comment, inside = "", true end
    if inside then
      comment = comment .. " " .. line:gsub("^ %* ?", "")
      inside = not line:find("*/", 1, true)
    else
      comment = ""
    end
  end
end

local function scan_lua(path, file)
  local comment = ""
  for line in io.lines(path) do
    local call, name = line:match '^%s*([%w_.]+)%(*"(.-)"'
    local words = line:match "^%s*%-%-+(.*)"
    if name and CALLS[call] then
      claim(comment .. " " .. name, file, name)
      claim_rows(file, name)
    end
    comment = words and comment .. " " .. words or ""
  end
end

-- A shell script says what it has shown, or hands the name on.
local function scan_sh(path, file)
  local names = {}
  for line in io.lines(path) do
    local name = line:match 'echo "ok: (%a%d+[ ,].-)"' or line:match '^%s*[%w_]+ "(%a%d+ .-)"'
    if name and not names[name] then
      names[name] = true
      claim_rows(file, name)
    end
  end
end

local listing = assert(io.popen("cd '" .. root
  .. "/tests' && LC_ALL=C ls unit/*.c sim/*.c lua/*.lua lab/*.lua net/*.sh torture/run.sh"))
local files = 0
for file in listing:lines() do
  files = files + 1
  local scan = file:find "%.c$" and scan_c or file:find "%.sh$" and scan_sh or scan_lua
  scan(root .. "/tests/" .. file, file)
end
listing:close()
assert(files > 0, "no test under " .. root .. "/tests")

-- --- the page -----------------------------------------------------------------------------------

local out = {}

local function put(...)
  out[#out + 1] = string.format(...)
end

local function cell(text)
  return (text:gsub("|", "\\|"):gsub("%s+", " "))
end

-- "unit/a.c: one, two<br>lua/b.lua: three"
local function tests_of(row)
  local parts, last = {}, nil
  for _, test in ipairs(row.tests) do
    local file, name = test[1], cell(test[2])
    if file == last then
      parts[#parts] = parts[#parts] .. "; " .. name
    else
      parts[#parts + 1] = ("`%s`: %s"):format(file, name)
      last = file
    end
  end
  return table.concat(parts, "<br>")
end

-- Adds the tables of a file of rows. Returns how many rows there are, and how many of each verdict.
local function put_tables(groups, heading)
  local count = { all = 0, applies = 0, deviation = 0, ["not applicable"] = 0, ["not yet"] = 0,
    but = 0 }
  for _, group in ipairs(groups) do
    put("## %s\n", group.title)
    put("| id | %s | verdict | tests |", heading)
    put "| --- | --- | --- | --- |"
    for _, row in ipairs(group) do
      local word, reason = verdict(row)
      count.all = count.all + 1
      count[word] = count[word] + 1
      if row.but then count.but = count.but + 1 end
      if word == "applies" and #row.tests == 0 then
        complain("%s has no test: %s", row[1], row[2])
      end
      put("| %s | %s | %s | %s |", row[1], cell(row[2]),
        reason and cell((row.but and "applies, but: " or word .. ": ") .. reason) or word,
        tests_of(row))
    end
    put ""
  end
  return count
end

local COUNTED = [[
%d rows: %d apply, and each has a test, %d of them with a word on where we do not do all of it; %d
are deviations, %d not applicable, %d not there yet, each with its reason.
]]

local function counted(count)
  return COUNTED:format(count.all, count.applies, count.but, count.deviation,
    count["not applicable"], count["not yet"])
end

put "" -- the head, when the rows are counted
local required = put_tables(requirements, "requirement")
put ""
local second = #out
local suffered = put_tables(hostile, "what happens")

out[1] = ([[
# What the RFCs ask of a TCP, and the tests that show it

Made from the tests, `conformance/requirements.lua` and `conformance/hostile.lua` by
`conformance/page.lua`; the suite fails (`house.conformance`) when it differs from what they say.
Files are in `tests/`. The second half of the page has the peers, paths, hosts and files that mean
no good.

%s]]):format(counted(required))
out[second] = ([[
# Hostile and awkward peers, paths, hosts and files

%s]]):format(counted(suffered))
local text = table.concat(out, "\n")

if check then
  local file = io.open(page)
  local there = file and file:read "a"
  if file then file:close() end
  if there ~= text then
    complain "tests/conformance.md is not what the tests say: run tests/conformance/page.lua"
  end
else
  local file = assert(io.open(page, "w"))
  file:write(text)
  file:close()
end

for _, complaint in ipairs(complaints) do io.stderr:write(complaint, "\n") end
print(("%d rows, %d complaints"):format(required.all + suffered.all, #complaints))
os.exit(#complaints == 0)
