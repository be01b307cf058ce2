--- tcplua.expect.explain: why an expectation failed, for somebody who did not write the test.
--
--     tests/pong.lua:12: no segment "P. 1:6(5) ack 1" came within 2 s
--       nearest is #5, 0.121 s, P. seq 1:5 ack 7 win 502
--         len       wanted 5             got 4
--         data      wanted "pong\n"      got "pon\n", from byte 4 on
--       192.0.2.1.40001 > 192.0.2.2.9000, times from the first segment:
--         #1   0.000  >  S seq 0 win 64240 <mss 1460>
--         #2   0.001  <  S. seq 0 ack 1 win 65160 <mss 1460>      expected at tests/pong.lua:8
--         …
--       connection ESTABLISHED, snd.una 7, snd.nxt 7, rcv.nxt 5, …
local puppet = require "tcplua.tcp.puppet"
local segment = require "tcplua.tcp.segment"

local explain = {}

local LADDER = 16 -- segments that are shown
local NEAREST = 2 -- candidates
local DIFFERENCES = 6 -- fields of each
local WIDEST = 40 -- characters of a column of what was wanted

--- What is to be said of a segment beside it; nil for nothing.
function explain.note(s)
  if s.by_hand then return "by hand at " .. s.by_hand end
  return s.consumed or s.retransmission and "again" or nil
end

--- The same in full, for whoever reads the exchange itself: with what was expected, and what it has
-- made of the connection.
function explain.comment(s)
  local parts = { explain.note(s) }
  if s.wanted then parts[1] = ("%s: %s"):format(parts[1], s.wanted) end
  if s.was ~= s.state then parts[#parts + 1] = ("state: %s -> %s"):format(s.was, s.state) end
  return parts[1] and table.concat(parts, "; ")
end

local function clip(text, most)
  if #text <= most then return text end
  return text:sub(1, most - 3) .. "..."
end

-- How many fields of a segment differ; no data where some was wanted is worse than other data.
local function distance(differences)
  local sum = #differences
  for _, d in ipairs(differences) do
    if d.name == "data" and d.got == '""' then sum = sum + 0.5 end
  end
  return sum
end

-- The candidates, those that differ least first; of equals the last.
local function nearest(wanted, candidates)
  local list = {}
  for _, s in ipairs(candidates) do
    local differences = wanted:differences(s)
    list[#list + 1] = { segment = s, differences = differences, distance = distance(differences) }
  end
  table.sort(list, function(a, b)
    if a.distance ~= b.distance then return a.distance < b.distance end
    return a.segment.index > b.segment.index
  end)
  return list
end

local function add_candidates(lines, list, start)
  for i, one in ipairs(list) do
    if i > NEAREST then break end
    local s = one.segment
    lines[#lines + 1] = ("  %s is #%d, %.3f s, %s"):format(i == 1 and "nearest" or "next",
      s.index, s.time - start, clip(segment.brief(s), 90))
    local names, wishes = 11, 22 -- how wide the columns are
    for n, d in ipairs(one.differences) do
      if n > DIFFERENCES then break end
      names, wishes = math.max(names, #d.name), math.max(wishes, math.min(#d.wanted, WIDEST))
    end
    for n, d in ipairs(one.differences) do
      if n > DIFFERENCES then break end
      lines[#lines + 1] = ("    %s wanted %s got %s"):format(d.name .. (" "):rep(names - #d.name),
        d.wanted .. (" "):rep(wishes - #d.wanted), d.got)
    end
  end
end

local function add_ladder(lines, list, start, focus, most, note_of)
  local last = #list
  local first = math.max(1, math.min(last - most + 1, (focus or last) - most // 2))
  if first > 1 then lines[#lines + 1] = ("    ... %d before"):format(first - 1) end
  for i = first, math.min(last, first + most - 1) do
    local s = list[i]
    local line = ("    #%-3d %7.3f  %s  %s"):format(i, s.time - start,
      s.direction == "out" and ">" or "<", clip(segment.brief(s), 64))
    local note = note_of(s)
    lines[#lines + 1] = note and ("%-84s %s"):format(line, note) or line
  end
  if first + most - 1 < last then
    lines[#lines + 1] = ("    ... %d more"):format(last - first - most + 1)
  end
end

local function state_line(conn)
  if conn:closed() then return "  " .. puppet.of(conn).ended end
  local i = conn:info()
  local function out(n) return (n - i.iss) & 0xffffffff end
  local irs = i.heard and i.irs or 0
  local text = "  connection %s in %s, snd.una %d, snd.nxt %d, snd.wnd %d, rcv.nxt %d, rcv.wnd %d"
  return text:format(i.state, conn:mode(), out(i.snd_una), out(i.snd_nxt), i.snd_wnd,
    (i.rcv_nxt - irs) & 0xffffffff, i.rcv_wnd)
end

local function flow_line(conn)
  local flow = puppet.of(conn).flow
  if not flow then
    local i = conn:info()
    flow = ("%s.%d > %s.%d"):format(i.src, i.sport, i.dst, i.dport)
  end
  return ("  %s, times from the first segment:"):format(flow)
end

local function add_exchange(lines, conn, list, focus)
  if #list == 0 then
    lines[#lines + 1] = "  no segment of this connection was seen"
  else
    lines[#lines + 1] = flow_line(conn)
    add_ladder(lines, list, list[1].time, focus, LADDER, explain.note)
  end
  lines[#lines + 1] = state_line(conn)
end

--- What was on the wire lately, and the connection's state.
function explain.exchange(conn, list)
  local lines = {}
  add_exchange(lines, conn, list)
  return table.concat(lines, "\n")
end

--- The whole text. Fields: conn, list (all segments), place ("file:line"), message, wanted (a
-- template), candidates (segments), notes (further lines), focus (an index to show), capture.
function explain.text(o)
  local lines = { ("%s: %s"):format(o.place, o.message) }
  local start = o.list[1] and o.list[1].time or 0
  local list = o.wanted and o.candidates and nearest(o.wanted, o.candidates) or {}
  add_candidates(lines, list, start)
  for _, note in ipairs(o.notes or {}) do lines[#lines + 1] = "  " .. note end
  add_exchange(lines, o.conn, o.list, o.focus or list[1] and list[1].segment.index)
  if o.capture then lines[#lines + 1] = "  capture: " .. o.capture end
  return table.concat(lines, "\n")
end

--- The whole exchange, a line for each segment.
function explain.ladder(list)
  local lines = {}
  if #list > 0 then add_ladder(lines, list, list[1].time, nil, #list, explain.comment) end
  return table.concat(lines, "\n") .. "\n"
end

return explain
