--- Digests from Lua: whole strings and pieces, known answers of FIPS 180-4.
local hash = require "tcplua.hash"
local t = require "harness"

local ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
local NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

t.test("a string", function()
  t.equal(hash.sha256("abc"):hex(), ABC)
  t.equal(hash.sha256(""):hex(), NOTHING)
  t.equal(tostring(hash.sha256("abc")), ABC)
  t.equal(#hash.sha256("abc"):bytes(), 32)
end)

t.test("pieces make the digest of the whole", function()
  local h = hash.new()
  for piece in ("abc"):gmatch "." do t.equal(h:update(piece), h, "the hash itself") end
  t.equal(h:finish() == hash.sha256("abc"), true, "same digest")
  t.equal(hash.new():finish():hex(), NOTHING)
end)

t.test("a finished hash says so, and may be closed again", function()
  local h <close> = hash.new()
  h:finish()
  t.contains(select(2, pcall(h.update, h, "x")), "finished hash")
  t.contains(select(2, pcall(h.finish, h)), "finished hash")
  h:close()
  h:close()
end)

t.test("a hash that nobody finishes is freed", function()
  for _ = 1, 1000 do hash.new():update "x" end
  collectgarbage()
  t.contains(select(2, pcall(hash.sha256, nil)), "string expected")
end)

t.done()
