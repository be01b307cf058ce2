--- tcplua.test.report.words: what several reporters say the same way. All that comes from a test
-- is made printable here.
local core = require "tcplua.core"

local words = {}

local LABELS <const> = { pass = "ok", fail = "FAIL", error = "ERROR", skip = "skip",
  xfail = "xfail", xpass = "XPASS", inconclusive = "INCONCLUSIVE" }

local SUMS <const> = { "passed", "failed", "errors", "skipped", "xfail", "inconclusive" }

local COUNTED <const> = { pass = "passed", fail = "failed", xpass = "failed", error = "errors",
  skip = "skipped", xfail = "xfail", inconclusive = "inconclusive" }

--- The word for a verdict.
function words.label(verdict) return LABELS[verdict] end

--- Counts of nothing.
function words.new_counts()
  local counts = {}
  for _, word in ipairs(SUMS) do counts[word] = 0 end
  return counts
end

--- Counts a test.
function words.add(counts, test)
  local word = COUNTED[test.verdict]
  counts[word] = counts[word] + 1
end

--- "12 passed, 1 failed, 2 skipped"; "" for none.
function words.sums(counts)
  local parts = {}
  for _, word in ipairs(SUMS) do
    if counts[word] > 0 then
      parts[#parts + 1] = ("%d %s"):format(counts[word],
        word == "errors" and counts[word] == 1 and "error" or word)
    end
  end
  return table.concat(parts, ", ")
end

--- The same lines, each of them printable.
function words.clean(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = core.printable(line:gsub("\t", "    "):gsub("\r$", ""))
  end
  while lines[#lines] == "" do lines[#lines] = nil end
  return table.concat(lines, "\n")
end

--- Every line moved to the right, by 4 or as said.
function words.indent(text, by)
  return (text:gsub("[^\n]+", (" "):rep(by or 4) .. "%0"))
end

--- At most `length` bytes.
function words.cut(text, length)
  return #text > length and text:sub(1, length - 3) .. "..." or text
end

--- Where a test stands: "t/a_test.lua:12"; a failure's own place is in its text.
function words.place(test)
  return ("%s:%d"):format(core.printable(test.path or test.file), test.line or 1)
end

--- "t/a_test.lua:12: handshake: the SYN is answered".
function words.title(test)
  return words.place(test) .. (test.name ~= "" and ": " .. core.printable(test.name) or "")
end

--- All that is known of why: the place in front, unless the text has it.
function words.text(test)
  local text = words.clean(test.text or test.message or "")
  if test.verdict == "inconclusive" and test.lateness and not text:find("late by", 1, true) then
    text = ("%s\nthe tester was late by %.4g ms"):format(text, test.lateness * 1000)
  end
  if not test.at_line or not test.at_file then return text end
  local place = ("%s:%d"):format(core.printable(test.at_file), test.at_line)
  if text:find(place, 1, true) then return text end
  return ("%s: %s"):format(place, text)
end

--- What is to be said of a test besides its verdict: earlier attempts, and the segments that
-- nothing expected; nil for nothing.
function words.notes(test)
  local parts = {}
  parts[#parts + 1] = test.warning
  parts[#parts + 1] = test.leftover
  return #parts > 0 and words.clean(table.concat(parts, "\n")) or nil
end

--- What a test printed: its last `most` lines.
function words.output(test, most)
  local text = words.clean(test.output or "")
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  if #lines <= most then return table.concat(lines, "\n") end
  return ("[%d lines before]\n%s"):format(#lines - most,
    table.concat(lines, "\n", #lines - most + 1))
end

local function quote(word)
  return word:find "[^%w_./:=-]" and "'" .. word:gsub("'", "'\\''") .. "'" or word
end

--- The command that repeats a test.
function words.again(test, options)
  local parts = { "tcplua test" }
  if options.network ~= "lab" and not options.server then
    parts[#parts + 1] = "--network " .. options.network
  end
  if options.iface then parts[#parts + 1] = "-i " .. quote(options.iface) end
  for _, name in ipairs { "serve", "server", "client" } do
    if options[name] then parts[#parts + 1] = ("--%s %s"):format(name, quote(options[name])) end
  end
  if options.port ~= 9000 then parts[#parts + 1] = "--port " .. options.port end
  if options.timeout ~= 30 then parts[#parts + 1] = ("--timeout %gs"):format(options.timeout) end
  parts[#parts + 1] = "--seed " .. test.seed
  parts[#parts + 1] = quote(test.path .. (test.line and test.name ~= "" and ":" .. test.line or ""))
  return core.printable(table.concat(parts, " "))
end

return words
