--- The reference page says all there is: it is made from comments and tables, so what can go wrong
-- is that something has no comment.
local core = require "tcplua.core"
local t = require "harness"
local p = require "tcplua.packet"
local reference = require "tcplua.reference"

local page = reference.page()

local MODULES <const> = { "tcp", "expect", "net", "packet", "capture", "task", "sim",
  "process", "test", "verdict", "hash", "reference" }
local PLAIN <const> = { task = { __index = true } } -- modules that are metatables, too

t.test("every function of a module is described", function()
  for _, name in ipairs(MODULES) do
    local text = reference.find("tcplua." .. name)
    for key, value in pairs(require("tcplua." .. name)) do
      local layer = name == "packet" and pcall(p.fields, key)
      if type(value) == "function" and not layer and not (PLAIN[name] or {})[key] then
        local described = text:find("%f[%w]" .. key .. "%f[%W][ ({]") or
          text:find("#### [%w_]+[.:]" .. key .. "\n")
        if not described then error(name .. " has " .. key .. ", and no word of it") end
      end
    end
  end
end)

t.test("every method of an object is described", function()
  for class, word in pairs { conn_class = "conn", listener_class = "listener", wire_class = "wire",
    link_class = "link" } do
    for key in pairs(core[class].__index) do
      if not key:find "^raw_" then t.contains(page, word .. ":" .. key .. "(") end
    end
  end
  for key in pairs(p.methods or {}) do t.contains(page, "packet:" .. key .. "(") end
end)

t.test("every protocol and field is there", function()
  for _, name in ipairs(p.protocols()) do
    local text = reference.find(name)
    t.contains(page, ("\n### %s\n"):format(name))
    for _, field in ipairs(p.fields(name)) do
      t.contains(text, ("\n    %-12s%5d"):format(field.name, field.bit), name)
      for _, option in ipairs(field.options or {}) do t.contains(text, option, name) end
    end
  end
end)

t.test("the example that begins a manual is Lua", function()
  for _, name in ipairs(MODULES) do
    local manual = reference.module("tcplua." .. name)
    local example = {}
    for line in (manual.text .. "\n"):gmatch "([^\n]*)\n" do
      if line:find "^    " then
        example[#example + 1] = line
      elseif example[1] then
        break
      end
    end
    assert(load(table.concat(example, "\n"), name))
  end
end)

t.test("a protocol that was declared is on the page", function()
  p.declare { name = "refdemo", fields = { { "vni", 24 }, { "rest", 8 } }, over = { udp = 61789 } }
  t.contains(reference.page(), "### refdemo\n\nknown by udp 61789\n")
end)

t.test("a function is found by its name alone", function()
  t.contains(reference.find "read_line", "#### conn:read_line(options)\n")
  t.contains(reference.find "tcp.connect", "#### tcp.connect(options)\n")
  t.contains(reference.find "puppet", "### tcplua.tcp.puppet\n")
  t.equal(reference.find "uppet", nil)
  t.equal(reference.find "no such thing", nil)
  t.equal(reference.module "tcplua.nothing", nil)
end)

t.done()
