--- differences: where Linux's TCP and ours answer differently, and what allows or demands ours.
--
-- A row says what differs, what either side does, and the clause that ours follows. Its `mend`
-- takes that difference, and no other, out of what differ.lua has written down for a case, `linux`
-- and `ours`, lists of lines; whatever is left is a difference that nobody has looked at. `case` is
-- one that shows it; a row that no case needs any more fails the test.

local function has(case, flags)
  return case.flags:find("[" .. flags .. "]") ~= nil
end

local CLOSED_BY_PEER <const> = { ["close-wait"] = true, ["close-wait-data"] = true,
  closing = true, ["last-ack"] = true }

-- The first line that matches, and where it stands.
local function find(lines, pattern)
  for i, line in ipairs(lines) do
    if line:find(pattern) then return i, line end
  end
end

-- Takes out of `lines` what matches, if there is none of it in `others`.
local function drop(lines, others, pattern)
  if find(others, pattern) then return end
  for i = #lines, 1, -1 do
    if lines[i]:find(pattern) then table.remove(lines, i) end
  end
end

-- The rest of the case follows from the difference.
local function accept(linux, ours)
  for i = 1, math.max(#linux, #ours) do linux[i] = ours[i] end
end

local function each(lines, pattern, replacement)
  for i, line in ipairs(lines) do lines[i] = line:gsub(pattern, replacement) end
end

return {
  {
    what = "an unacceptable segment without ACK, SYN and RST",
    case = "unread full P at nxt old 0",
    ours = "is acknowledged, as every unacceptable one", linux = "is dropped before that",
    clause = "RFC 9293 3.10.7.4, first: an acknowledgment should be sent in reply",
    mend = function(case, linux, ours)
      if not has(case, ".SR") then drop(ours, linux, "^answer: %. ") end
    end,
  },
  {
    what = "the number of a FIN in SACK and D-SACK blocks",
    case = "last-ack full F. far nxt ts 1",
    ours = "is not counted", linux = "is counted like data",
    clause = "RFC 2018 3: blocks are of data; RFC 2883 4: duplicate data",
    mend = function(case, linux)
      local function shorter(length)
        return function(left, n)
          if tonumber(n) ~= length + 1 then return nil end
          return length > 0 and (",sack %s+%d"):format(left, length) or ""
        end
      end
      if has(case, "F") then each(linux, ",sack ([^ ,>]+)%+(%d+)", shorter(case.length)) end
      if CLOSED_BY_PEER[case.state] then each(linux, ",sack (21)%+(1)", shorter(0)) end
    end,
  },
  {
    what = "text that goes on behind the window",
    case = "fin-wait-2 full . last nxt ts 10",
    ours = "is cut there", linux = "is kept, or dropped if the application has data to read",
    clause = "RFC 9293 3.10.7.4, seventh: trim any data outside the window",
    mend = function(case, linux, ours)
      if case.seq ~= "last" then return end
      each(linux, "sack edge%-1%+%d+", "sack edge-1+1")
      if not find(linux, "sack edge") then each(ours, ",sack edge%-1%+1", "") end
    end,
  },
  {
    what = "a RST that begins outside of the window and reaches into it",
    case = "unread full FSRPU one old ts 0",
    ours = "is dropped", linux = "draws a challenge ACK",
    clause = "RFC 5961 3.2: outside the current receive window, silently drop",
    mend = function(case, linux, ours)
      if has(case, "R") and case.seq ~= "at" then drop(linux, ours, "^answer: %. ") end
    end,
  },
  {
    what = "a RST that begins in the window and reaches out of it",
    case = "closing plain FR last old none 10",
    ours = "draws a challenge ACK", linux = "is dropped",
    clause = "RFC 5961 3.2: not exactly RCV.NXT but in the window, send a challenge ACK",
    mend = function(case, linux, ours)
      if has(case, "R") and case.seq == "last" then drop(ours, linux, "^answer: %. ") end
    end,
  },
  {
    what = "a RST at RCV.NXT - 1 after the peer's FIN",
    case = "last-ack full SR. one old ts 0",
    ours = "is dropped", linux = "resets, for a peer that forgets to count its FIN",
    clause = "RFC 5961 3.2: outside the current receive window, silently drop",
    mend = function(case, linux, ours)
      if has(case, "R") and case.seq == "one" and CLOSED_BY_PEER[case.state] and
          find(linux, "^state: CLOSED") and not find(ours, "^answer") then
        accept(linux, ours)
      end
    end,
  },
  {
    what = "text behind the peer's FIN",
    case = "close-wait plain P. one nxt none 10",
    ours = "is ignored", linux = "draws a reset",
    clause = "RFC 9293 3.10.7.4, seventh: this should not occur; ignore the segment text",
    mend = function(case, linux, ours)
      if CLOSED_BY_PEER[case.state] and case.length > 0 and not has(case, "RS") and
          find(linux, "^answer: R ") and not find(ours, "^answer: R") then
        accept(linux, ours)
      end
    end,
  },
  {
    what = "text in TIME-WAIT",
    case = "time-wait full . at old ts 10",
    ours = "is ignored", linux = "is acknowledged",
    clause = "RFC 9293 3.10.7.4, seventh: ignore the segment text",
    mend = function(case, linux, ours)
      if case.state == "time-wait" then drop(linux, ours, "^answer: %. ") end
      if case.state:find "^fin%-wait" and find(ours, "^state: CLOSED") and
          not find(ours, "^then") then
        drop(linux, ours, "^then: %. ")
      end
    end,
  },
  {
    what = "what comes again and acknowledges our FIN in CLOSING",
    case = "closing full S at nxt ts 1",
    ours = "is acknowledged once more", linux = "is not",
    clause = "RFC 9293 3.10.7.4, first: an acknowledgment should be sent in reply",
    mend = function(case, linux, ours)
      if case.state ~= "closing" then return end
      drop(ours, linux, "^then: %. ")
      if find(ours, "^state: CLOSED") then drop(ours, linux, "^answer: %. ") end
    end,
  },
  {
    what = "a second FIN behind the first",
    case = "closing full F. at nxt ts 0",
    ours = "is acknowledged, not taken", linux = "is dropped, or with old text before it taken",
    clause = "RFC 9293 3.10.7.4, eighth: remain in the state; a FIN is the end of the data (3.6)",
    mend = function(case, linux, ours)
      if CLOSED_BY_PEER[case.state] and has(case, "F") and not has(case, "RS") then
        drop(ours, linux, "^answer: %. ")
        if find(linux, " ack 23") and find(ours, " ack 22") then accept(linux, ours) end
      end
    end,
  },
  {
    what = "a RST in TIME-WAIT",
    case = "time-wait full R at nxt ts 1",
    ours = "is ignored", linux = "ends it, unless net.ipv4.tcp_rfc1337 is set",
    clause = "RFC 1337 3, fix F1",
    mend = function(case, linux, ours)
      if case.state == "time-wait" and has(case, "R") and find(linux, "^then: R ") and
          not find(ours, "^answer") then
        accept(linux, ours)
      end
    end,
  },
  {
    what = "SYN and FIN in LISTEN and TIME-WAIT",
    case = "listen full FS at nxt ts 0",
    ours = "opens, and the FIN follows", linux = "is dropped",
    clause = "RFC 9293 3.10.7.2, third: other control should be queued for processing later",
    mend = function(case, linux, ours)
      if (case.state == "listen" or case.state == "time-wait") and has(case, "S") and
          has(case, "F") and not find(linux, "^answer: S") and find(ours, "^answer: S") then
        accept(linux, ours)
      end
    end,
  },
  {
    what = "a SYN that asks for ECN in a simultaneous open",
    case = "syn-sent plain SEW edge nxt ts 0",
    ours = "is answered with ECE, as in LISTEN", linux = "is answered without",
    clause = "RFC 3168 6.1.1: a host may answer with an ECN-setup SYN-ACK, or not",
    mend = function(case, _, ours)
      if case.state == "syn-sent" and has(case, "S") and has(case, "E") then
        each(ours, "^answer: S%.E ", "answer: S. ")
      end
    end,
  },
  {
    what = "text and FIN on a SYN or SYN-ACK",
    case = "listen full S at inside ts 1",
    ours = "is kept for when the connection is open", linux = "is ignored without Fast Open",
    clause = "RFC 9293 3.10.7.2 and 3.10.7.3: queued, or processed at the sixth step",
    mend = function(case, linux, ours)
      local early = case.state == "listen" or case.state == "time-wait" or
        case.state:find "^syn%-"
      local _, theirs = find(linux, "^answer: S?%.")
      local _, own = find(ours, "^answer: S?%.")
      if early and has(case, "S") and (case.length > 0 or has(case, "F")) and theirs and own and
          theirs:match("^answer: (%S+)") == own:match("^answer: (%S+)") then
        accept(linux, ours)
      end
    end,
  },
  {
    what = "a SYN in SYN-RECEIVED that is not the first one again",
    case = "syn-received full S at far ts 0",
    ours = "draws a challenge ACK", linux = "is reset, and ends the opening",
    clause = "RFC 5961 4, for SYN-RECEIVED too: who guesses the ports cannot undo a handshake",
    mend = function(case, linux, ours)
      if not has(case, "S") or has(case, "R") then return end
      if case.state == "syn-received" and find(linux, "^answer: R") and
          find(ours, "^answer: %. ") then
        accept(linux, ours)
      elseif case.state == "listen" and find(linux, "^then: R") and find(ours, "^answer: S") then
        accept(linux, ours)
      end
    end,
  },
  {
    what = "the options of the SYN-ACK in a simultaneous open",
    case = "syn-sent plain S at nxt sack 0",
    ours = "are those that the peer offers too", linux = "are all that its SYN had",
    clause = "RFC 7323 2.2 and 3.2: in a SYN,ACK only if received in the SYN",
    mend = function(case, linux, ours)
      if case.state ~= "syn-sent" then return end
      local i, theirs = find(linux, "^answer: S%. ")
      local _, own = find(ours, "^answer: S%. ")
      if i and own then linux[i] = theirs:gsub(" <.*", "") .. (own:match(" <.*") or "") end
    end,
  },
  {
    what = "a SEND call after a simultaneous open that is not done",
    case = "syn-sent full S far nxt none 0",
    ours = "is queued", linux = "is refused until it is",
    clause = "RFC 9293 3.10.2, SYN-RECEIVED: queued for when the connection is open",
    mend = function(case, linux, ours)
      if case.state == "syn-sent" and has(case, "S") and find(linux, "^write: false") then
        each(ours, "^write: true", "write: false")
      end
    end,
  },
  {
    what = "an unacceptable ACK with RST or SYN in SYN-SENT",
    case = "syn-sent full FR. at old ts 1",
    ours = "is dropped, or refused", linux = "makes it send its SYN again at once, too",
    clause = "RFC 9293 3.10.7.3, first: drop the segment",
    mend = function(case, linux, ours)
      if case.state == "syn-sent" and has(case, "RS") then drop(linux, ours, "^answer: S ") end
    end,
  },
  {
    what = "a reset while opening",
    case = "syn-received full . at old none 0",
    ours = "has the timestamps agreed upon", linux = "has none",
    clause = "RFC 7323 3.2: TSopt should be sent in a RST",
    mend = function(_, _, ours)
      each(ours, "^(answer: R .-) <ts[^>]*>", "%1")
    end,
  },
  {
    what = "a segment in SYN-RECEIVED with wrong numbers of both kinds",
    case = "syn-received full . at far old 1",
    ours = "is acknowledged: the sequence number comes first", linux = "is reset",
    clause = "RFC 9293 3.10.7.4: first, check sequence number; fifth, check the ACK field",
    mend = function(case, linux, ours)
      if case.state ~= "syn-received" or not has(case, ".") or case.ack == "nxt" then return end
      local i = find(linux, "^answer: R ")
      local _, own = find(ours, "^answer: %. ")
      if i and own then linux[i] = own end
    end,
  },
  {
    what = "in-order text with an ACK older than any window",
    case = "unread plain . at ancient none 10",
    ours = "draws a challenge ACK and is dropped", linux = "is taken, on its fast path",
    clause = "RFC 5961 5.2: all incoming segments whose ACK value is too old must be discarded",
    mend = function(case, linux, ours)
      if case.ack == "ancient" and case.seq == "at" and has(case, ".") then accept(linux, ours) end
    end,
  },
  {
    what = "a D-SACK block for a segment that PAWS drops",
    case = "fin-wait-2 full .e one nxt old 10",
    ours = "is not sent: it is not known to be one of this connection", linux = "is sent",
    clause = "RFC 7323 5.3 R1: send an acknowledgment in reply and drop the segment",
    mend = function(case, linux, ours)
      local i, theirs = find(linux, "^answer: .*,sack")
      local _, own = find(ours, "^answer: ")
      if case.options == "old" and i and own and not own:find "sack" then
        linux[i] = theirs:gsub(",sack [^ ,>]+", "")
      end
    end,
  },
  {
    what = "a bare ACK with an old timestamp",
    case = "fin-wait-2 full . at nxt old 0",
    ours = "is answered", linux = "is dropped, if it could have been overtaken",
    clause = "RFC 7323 5.3 R1: send an acknowledgment in reply",
    mend = function(case, linux, ours)
      if case.options == "old" and case.length == 0 then drop(ours, linux, "^answer: %. ") end
    end,
  },
  {
    what = "a SYN-ACK to a port that nobody has",
    case = "closed full S.E at nxt ts 1",
    ours = "is ignored: it may be for another process that shares the address",
    linux = "is reset",
    clause = "a deviation from RFC 9293 3.10.7.1, for addresses that the kernel does not have",
    mend = function(case, linux, ours)
      if case.state == "closed" and has(case, "S") and has(case, ".") then
        drop(linux, ours, "^answer: R ")
      elseif case.state == "syn-sent" and find(ours, "^state: CLOSED") then
        local i = find(linux, "^then: R ")
        if i then table.remove(linux, i) end
      end
    end,
  },
  {
    what = "text behind the peer's FIN that goes on behind the window",
    case = "last-ack plain . last old none 10",
    ours = "is ignored", linux = "is acknowledged as unacceptable",
    clause = "RFC 9293 3.4: acceptable if either end is inside; seventh: ignore the text",
    mend = function(case, linux, ours)
      if CLOSED_BY_PEER[case.state] and case.seq == "last" and find(linux, "^answer: %. ") and
          not find(ours, "^answer: %. ") then
        accept(linux, ours) -- and its ACK counts
      end
    end,
  },
  {
    what = "D-SACK in SYN-RECEIVED and TIME-WAIT",
    case = "syn-received full F far nxt ts 1",
    ours = "is sent as in any state", linux = "is not sent: it has no whole connection there",
    clause = "RFC 2883 4",
    mend = function(case, linux, ours)
      local half = case.state == "syn-received" or case.state == "time-wait"
      if half and not find(linux, "^answer: .*,sack") then
        each(ours, "^(answer: .*),sack [^ ,>]+", "%1")
      end
    end,
  },
  {
    what = "D-SACK with the ACK of a FIN",
    case = "established full FP. one nxt ts 10",
    ours = "is sent", linux = "is not: the FIN clears what is to be reported",
    clause = "RFC 2883 4",
    mend = function(case, linux, ours)
      if has(case, "F") and (case.seq == "before" or case.seq == "one") and
          not find(linux, "^answer: .*,sack") then
        each(ours, "^(answer: .*),sack [^ ,>]+", "%1")
      end
    end,
  },
  {
    what = "a RST with an old timestamp in SYN-RECEIVED",
    case = "syn-received full R at nxt old 10",
    ours = "resets, or draws a challenge ACK", linux = "is dropped",
    clause = "RFC 7323 5.2: PAWS must not be applied to RST segments",
    mend = function(case, linux, ours)
      if case.state ~= "syn-received" or not has(case, "R") or case.options ~= "old" then return end
      drop(ours, linux, "^answer: %. ")
      if case.seq == "at" and find(ours, "^then: R ") then accept(linux, ours) end
    end,
  },
  {
    what = "the timestamp of a segment whose ACK is older than SND.UNA",
    case = "fin-wait-2 full . at old ts 1",
    ours = "is echoed", linux = "is not",
    clause = "RFC 7323 4.3 (2): SEG.SEQ <= Last.ACK.sent is all that counts",
    mend = function(case, linux, ours)
      if case.ack ~= "old" and case.ack ~= "ancient" then return end
      local i, theirs = find(linux, "^answer: .*ecr")
      local _, own = find(ours, "^answer: .*ecr")
      if i and own then linux[i] = theirs:gsub("ecr %d+", own:match("ecr %d+")) end
    end,
  },
  {
    what = "the timestamp of what comes again from before the window",
    case = "unread full . far nxt ts 10",
    ours = "is echoed", linux = "is not",
    clause = "RFC 7323 4.3 (2): SEG.SEQ <= Last.ACK.sent is all that counts",
    mend = function(case, linux, ours)
      if case.seq ~= "far" and case.seq ~= "before" then return end
      local i, theirs = find(linux, "^answer: .*ecr")
      local _, own = find(ours, "^answer: .*ecr")
      if i and own then linux[i] = theirs:gsub("ecr %d+", own:match("ecr %d+")) end
    end,
  },
  {
    what = "the ACK on text or a FIN that begins at the window's right edge",
    case = "fin-wait-1 plain .e edge nxt none 10",
    ours = "does not count", linux = "counts, though the text is dropped",
    clause = "RFC 9293 3.10.7.4, first: send an acknowledgment, drop the unacceptable segment",
    mend = function(case, linux, ours)
      local counts = find(linux, "^answer: %. ") or
        case.state == "closing" and find(linux, "^state: CLOSED")
      if case.seq == "edge" and case.ack == "nxt" and not has(case, "RS") and counts and
          find(case.ours, "^answer: %. ") then -- a row above may have taken it out of `ours`
        accept(linux, ours)
      end
    end,
  },
  {
    what = "an ACK of what was never sent in TIME-WAIT",
    case = "time-wait plain .E at beyond none 0",
    ours = "is answered, and its timestamp not taken", linux = "is dropped",
    clause = "RFC 9293 3.10.7.4, fifth: if the ACK acks something not yet sent, send an ACK",
    mend = function(case, linux, ours)
      if case.state == "time-wait" and (case.ack == "beyond" or case.ack == "far") then
        drop(ours, linux, "^answer: %. ")
      end
    end,
  },
  {
    what = "the timestamp of what comes again in SYN-RECEIVED and TIME-WAIT",
    case = "closing full . at nxt ts 1",
    ours = "is echoed", linux = "is not",
    clause = "RFC 7323 4.3 (3): the last segment at the left edge is what TSecr says",
    mend = function(case, linux, ours)
      local again = case.state == "syn-received" and case.seq == "one"
      if not again and case.state ~= "time-wait" and case.state ~= "closing" then return end
      for i, line in ipairs(ours) do
        local echo = line:match("ecr %d+")
        if echo and linux[i] then linux[i] = linux[i]:gsub("ecr %d+", echo) end
      end
    end,
  },
  {
    what = "the first SYN again, with an older timestamp",
    case = "syn-received full S one nxt old 10 wrap",
    ours = "is answered with the SYN-ACK", linux = "draws an ACK, by PAWS",
    clause = "RFC 9293 3.10.7.4: a SYN that comes again; only a SYN-ACK helps its sender",
    mend = function(case, linux, ours)
      if case.state ~= "syn-received" or case.options ~= "old" or case.seq ~= "one" then return end
      local i = find(linux, "^answer: %. ")
      local _, own = find(ours, "^answer: S%. ")
      if i and own then linux[i] = own end
    end,
  },
}
