--- tcplua.reference: one page on everything, made from what the program is made of.
--
--     local reference = require "tcplua.reference"
--     print(reference.find "sniff")
--     io.write(reference.page())
--
-- Modules and functions are described where they are written, by comments that begin with three
-- dashes; protocols by their tables of fields. So nothing here can be out of date. The page is
-- Markdown that a terminal shows as well; `tcplua reference` prints it, `tcplua reference WORD` the
-- module, protocol or functions of that name.
local core = require "tcplua.core"
local p = require "tcplua.packet"

local reference = {}

-- What a script may require, in the order of the page.
local MODULES <const> = {
  "tcplua.tcp", "tcplua.tcp.puppet", "tcplua.tcp.segment", "tcplua.expect",
  "tcplua.expect.template", "tcplua.expect.notation", "tcplua.net",
  "tcplua.net.burst", "tcplua.net.sniffer", "tcplua.net.sr",
  "tcplua.packet", "tcplua.packet.answer", "tcplua.packet.records",
  "tcplua.capture", "tcplua.task", "tcplua.sim", "tcplua.lab", "tcplua.reader", "tcplua.input",
  "tcplua.process", "tcplua.test", "tcplua.sut", "tcplua.verdict", "tcplua.hash",
  "tcplua.reference",
}

-- Comments without their dashes.
local function uncomment(lines)
  local out = {}
  for i, line in ipairs(lines) do out[i] = line:gsub("^%-%-%-? ?", "") end
  return table.concat(out, "\n")
end

--- The manual of a module: { name =, title =, text =, functions = { { name =, call =, text = } } };
-- nil if there is none of that name.
function reference.module(name)
  local source = core.source(name)
  if not source then return nil end
  local manual = { name = name, functions = {} }
  local block
  for line in source:gmatch "([^\n]*)\n" do
    if line:find "^%-%-%- " and line:sub(4, 5) ~= " -" then
      block = { line }
    elseif block and line:find "^%-%-" then
      block[#block + 1] = line
    elseif block then
      local call = line:match "^function ([%w_.:]+%b())" or line:match "^([%w_]+[.:][%w_.]+) = "
      if not manual.text then
        manual.title = block[1]:match "^%-%-%- [%w_.]+: (.*)$"
        manual.text = uncomment(table.move(block, 2, #block, 1, {})):gsub("^\n+", "")
      elseif call then
        local function_name = call:match "^[%w_.:]+"
        manual.functions[#manual.functions + 1] =
          { name = function_name, call = call, text = uncomment(block) }
      end
      block = nil
    end
  end
  return manual
end

local function module_page(manual)
  local parts = { ("### %s\n\n%s\n\n%s\n"):format(manual.name, manual.title, manual.text) }
  for _, f in ipairs(manual.functions) do
    parts[#parts + 1] = ("#### %s\n\n%s\n"):format(f.call, f.text)
  end
  return table.concat(parts, "\n")
end

local function indent(text)
  return (text:gsub("[^\n]+", "    %0"))
end

-- Which numbers announce a protocol: "ethertype 0x0800, tcp 53".
local function announced(name)
  local parts = {}
  for i, number in ipairs(p.numbers(name)) do
    parts[i] = (number[1] == "ethertype" and "%s 0x%04x" or "%s %d"):format(number[1], number[2])
  end
  return #parts > 0 and "known by " .. table.concat(parts, ", ") or "known by no number"
end

local function protocol_page(name)
  return ("### %s\n\n%s\n\n%s\n%s"):format(name, announced(name), indent(p.reference(name)),
    indent(p.layout(name)))
end

--- The whole page.
function reference.page()
  local parts = { "# tcplua reference\n", "## Modules\n" }
  for _, name in ipairs(MODULES) do
    parts[#parts + 1] = module_page(assert(reference.module(name)))
  end
  parts[#parts + 1] = "## Protocols\n"
  for _, name in ipairs(p.protocols()) do parts[#parts + 1] = protocol_page(name) end
  return table.concat(parts, "\n")
end

--- What the page says of a module, a protocol, or the functions of that name; nil if nothing. The
-- last part of a module's name will do, "puppet".
function reference.find(word)
  local parts = {}
  for _, name in ipairs(MODULES) do
    local manual = assert(reference.module(name))
    if ("." .. manual.name):sub(-#word - 1) == "." .. word then
      parts[#parts + 1] = module_page(manual)
    else
      for _, f in ipairs(manual.functions) do
        if f.name == word or f.name:match "[.:]([%w_]+)$" == word then
          parts[#parts + 1] = ("#### %s\n\n%s\n"):format(f.call, f.text)
        end
      end
    end
  end
  for _, name in ipairs(p.protocols()) do
    if name == word then parts[#parts + 1] = protocol_page(name) end
  end
  return parts[1] and table.concat(parts, "\n") or nil
end

--- What `tcplua reference` does.
function reference.main(...)
  local words = { ... }
  if #words == 0 then
    io.write(reference.page())
    return
  end
  for i, word in ipairs(words) do
    local text = reference.find(word)
    if not text then
      error(core.error { kind = "usage", code = "ENOENT", message =
        ("the reference has no module, protocol or function '%s'; 'tcplua reference' prints it all")
        :format(core.escape(word)) }, 0)
    end
    io.write(i > 1 and "\n" or "", text)
  end
end

return reference
