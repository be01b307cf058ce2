--- Failures as values: what they say, where they belong, who keeps them.
local t = require "harness"
local verdict = require "tcplua.verdict"

t.test("a failure knows the line of the script that made it", function()
  local failure = verdict.failure { message = "too much" }
  t.equal(failure.verdict, "fail")
  t.equal(failure.file:match "[^/]+$", "verdict.lua")
  t.equal(failure.line, debug.getinfo(1, "l").currentline - 3)
  t.equal(tostring(failure), "too much")
  failure.text = "too much\nof everything"
  t.equal(tostring(failure), "too much\nof everything")
end)

t.test("it is told from every other value", function()
  t.equal(verdict.is(verdict.failure { message = "x" }), true)
  for _, value in ipairs { "x", 1, {}, io.stdout } do t.equal(verdict.is(value), false) end
  t.equal(verdict.is(nil), false)
  t.contains(select(2, pcall(verdict.record, "x")), "verdict.failure expected")
  t.contains(select(2, pcall(verdict.failure, { text = "x" })), "message: a string expected")
end)

t.test("in a plain script what is recorded is printed, its place once", function()
  local stderr, text = io.stderr, ""
  local fake = { write = function(_, ...) text = text .. table.concat { ... } end }
  io.stderr = fake -- luacheck: ignore
  verdict.record(verdict.failure { message = "m", file = "f", line = 7 })
  verdict.record(verdict.failure { message = "m", text = "f:7: long", file = "f", line = 7 })
  io.stderr = stderr -- luacheck: ignore
  t.equal(text, "tcplua: f:7: m\ntcplua: f:7: long\n")
end)

t.test("what was recorded is taken once, in order", function()
  verdict.collect()
  verdict.record(verdict.failure { message = "one" })
  verdict.record(verdict.failure { message = "two", verdict = "inconclusive" })
  local list = verdict.take()
  t.equal(#list, 2)
  t.equal(list[1].message .. list[2].message, "onetwo")
  t.equal(#verdict.take(), 0)
end)

t.test("leftovers are asked for once", function()
  verdict.collect()
  verdict.at_end(function() return { "a", "b" } end)
  verdict.at_end(function() end)
  verdict.at_end(function() return { "c" } end)
  t.equal(table.concat(verdict.leftovers(), " "), "a b c")
  t.equal(#verdict.leftovers(), 0)
end)

t.done()
