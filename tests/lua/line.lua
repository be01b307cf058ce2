--- What a line is, and what the main job makes of peers that send something else: rows I1 to I12.
--
-- A line ends with LF. The hash is that of all its bytes, the LF among them; --chomp leaves out the
-- LF, and a CR right before it. The longest line is 1 MiB, its LF included.
local hash = require "tcplua.hash"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"

local MAX = 1048576

-- The client is sent `line` and answers `digest` (default: the hash of the line).
local function exchange(line, digest, args)
  local s = peer.new { args = args }
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = line }
  local next_seq = 1 + #line
  s:expect { flags = ".", seq = 1, ack = next_seq }
  s:expect {
    flags = "P.", seq = 1, ack = next_seq, data = (digest or hash.sha256(line):hex()) .. "\n",
  }
  s:close(next_seq, 66)
  s:succeeded()
  t.fresh()
end

-- Sends `length` bytes made by piece(from, to) from relative number 1 on, as the window allows;
-- stops at a reset, which it returns. Returns how far it came.
local function pour(s, length, piece)
  local sent, acked, window = 0, 0, 65535
  while acked < length do
    while sent < length and sent - acked + 1460 <= window do
      local n = math.min(1460, length - sent)
      s:send { flags = "P.", seq = 1 + sent, ack = 1, data = piece(sent + 1, sent + n) }
      sent = sent + n
    end
    local segment = s:recv()
    if not segment then error("the client takes no more after " .. acked .. " bytes", 2) end
    if segment.flags:find("R", 1, true) then return sent, segment end
    t.equal(#segment.data, 0, "data before the line was complete")
    acked, window = segment.ack - 1, segment.win
  end
  return sent
end

local function plain(from, to) return ("x"):rep(to - from + 1) end

-- `x` and a LF at place `length`.
local function line_of(length)
  return function(from, to)
    if to < length then return plain(from, to) end
    return plain(from, to - 1) .. "\n"
  end
end

t.test("I1 an empty line: the hash of one LF; with --chomp of nothing", function()
  t.sim_only()
  exchange("\n", "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b")
  exchange("\n", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", { "--chomp" })
end)

t.test("I2 CRLF, CR alone, CR CR LF: a CR is a byte like others; --chomp leaves out one CRLF",
  function()
    t.sim_only()
    for line, chomped in pairs {
      ["a line\r\n"] = "a line",
      ["a\rline\n"] = "a\rline",
      ["a line\r\r\n"] = "a line\r",
      ["\r\n"] = "",
      ["\r\r\n"] = "\r",
      [" a line \n"] = " a line ",
    } do
      exchange(line)
      exchange(line, hash.sha256(chomped):hex(), { "--chomp" })
    end
  end)

t.test("I2 a CR alone ends no line", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = "no line yet\r" }
  s:expect { flags = ".", seq = 1, ack = 13, len = 0 }
  s:none(10)
  s:send { flags = "P.", seq = 13, ack = 1, data = "\n" }
  s:expect { flags = ".", seq = 1, ack = 14, len = 0 }
  s:serve_close("no line yet\r\n")
  s:succeeded()
end)

t.test("I3 NUL, every byte, broken UTF-8, a byte order mark: the hash of the bytes", function()
  t.sim_only()
  local all = {}
  for byte = 0, 255 do
    if byte ~= 10 then all[#all + 1] = string.char(byte) end
  end
  for _, line in ipairs {
    "\0\n", "a\0b\n", table.concat(all) .. "\n", "\xc3\x28\xff\xfe\n", "\xef\xbb\xbfline\n",
    ("\0"):rep(1400) .. "\n", "\27]0;title\7\27[2J\n",
  } do
    exchange(line)
    exchange(line, hash.sha256(line:sub(1, -2)):hex(), { "--chomp" })
  end
end)

t.test("I4 the longest line: 1048576 bytes with its LF", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  local made = line_of(MAX)
  pour(s, MAX, made)
  s:serve_close(made(1, MAX))
  s:succeeded()
end)

t.test("I5 a line of 1048577 bytes: refused, no hash, a reset", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  local _, rst = pour(s, MAX + 1, line_of(MAX + 1))
  if not rst then rst = s:expect { seq = 1, len = 0 } end
  t.equal(rst.flags, "R.", "flags")
  t.equal(s:failed("EMSGSIZE", "line longer than 1048576 bytes").kind, "protocol", "kind")
end)

t.test("I6 bytes without end and without LF: the same at the limit, and memory stays flat",
  function()
    t.sim_only()
    local before = t.rss()
    local s = peer.new()
    s:handshake()
    local sent, rst = pour(s, 10 * MAX, plain)
    t.equal(rst and rst.flags, "R.", "flags")
    t.within(sent, MAX, MAX + 3 * 65535, "bytes that the peer could send")
    s:failed("EMSGSIZE", "line longer than 1048576 bytes")
    t.within(t.rss() - before, -1 << 20, 16384, "KiB more than before")
  end)

t.test("I7 two lines in one segment: the first counts, the rest is not looked at", function()
  t.sim_only()
  local line = "the first\n"
  local s = peer.new()
  s:handshake()
  local both = line .. "the second\nand a piece"
  s:send { flags = "P.", seq = 1, ack = 1, data = both }
  s:expect { flags = ".", seq = 1, ack = 1 + #both, len = 0 }
  s:expect { flags = "P.", seq = 1, ack = 1 + #both, data = peer.answer(line) }
  s:close(1 + #both, 66)
  s:succeeded()
end)

t.test("I8 a FIN before the LF: no hash, and the error says how far it came", function()
  t.sim_only()
  for data, message in pairs {
    [""] = "192.0.2.66:9000 closed the connection without sending a line",
    ["half a line"] = "192.0.2.66:9000 closed the connection 11 bytes into a line",
    ["ends with a CR\r"] = "15 bytes into a line",
  } do
    local s = peer.new()
    s:handshake()
    s:send { flags = "FP.", seq = 1, ack = 1, data = data }
    local segment
    repeat
      segment = s:recv(1)
      t.equal(segment and #segment.data or 0, 0, "bytes of an answer")
    until not segment
    t.equal(s:failed("EOF", message).kind, "protocol", "kind")
    t.fresh()
  end
end)

t.test("I9 one byte every 29 s: the limit of 300 s is for the line, not for each byte", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  local began, at = task.now(), 1
  while true do
    s:send { flags = "P.", seq = at, ack = 1, data = "x" }
    at = at + 1
    s:expect { flags = ".", seq = 1, ack = at, len = 0 }
    local rst = s:recv(29)
    if rst then
      t.equal(rst.flags, "R.", "flags")
      break
    end
  end
  t.within(task.now() - began, 299, 301, "seconds")
  s:failed("ETIMEDOUT", "a line from 192.0.2.66:9000")
end)

t.test("I10 the LF is the first byte of the next segment, which is lost once", function()
  local s = peer.new()
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = "a line" }
  s:expect { flags = ".", seq = 1, ack = 7, len = 0 }
  s:send { flags = "P.", seq = 8, ack = 1, data = "behind" } -- what came after the lost LF
  s:expect { flags = ".", seq = 1, ack = 7, len = 0 }
  s:none()
  s:send { flags = "P.", seq = 7, ack = 1, data = "\n" }
  s:expect { flags = ".", seq = 1, ack = 14, len = 0 }
  s:expect { flags = "P.", seq = 1, ack = 14, data = peer.answer("a line\n") }
  s:close(14, 66)
  s:succeeded()
end)

t.test("I11 the server sends its line and closes without reading: the hash goes out, then a reset",
  function()
    t.sim_only()
    local line = "nobody will read the answer\n"
    local s = peer.new()
    s:handshake()
    s:send { flags = "FP.", seq = 1, ack = 1, data = line }
    local next_seq = 2 + #line
    s:find { flags = "P.", seq = 1, ack = next_seq, data = peer.answer(line) }
    s:send { flags = "R", seq = next_seq }
    s:failed("ECONNRESET", "192.0.2.66:9000")
  end)

t.test("I12 the peer sends our hash back: not looked at", function()
  t.sim_only()
  local line = "echo\n"
  local s = peer.new()
  local answer = peer.answer(line)
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = line }
  s:expect { flags = ".", ack = 6 }
  s:expect { flags = "P.", seq = 1, data = answer }
  s:send { flags = "P.", seq = 6, ack = 66, data = answer }
  s:expect { flags = ".", seq = 66, ack = 71 }
  s:close(71, 66)
  s:succeeded()
end)

t.done()
