-- Faults of data.lua.

-- The next number that the peer waits for is memory.next, as far as its hook can tell.
local function follow(s, memory)
  memory.next = memory.next or 1
  if s.len > 0 and s.seq == memory.next then memory.next = memory.next + s.len end
end

local function is_ack(s) return s.flags == "." and s.len == 0 end

return {
  acks_too_seldom = {
    wrong = "every fifth segment is acknowledged",
    on_send = function(_, s, memory)
      if not is_ack(s) then return end
      memory.count = (memory.count or -1) + 1
      return memory.count % 5 == 0
    end,
  },

  arrival_order = {
    wrong = "data is handed on in the order in which it comes",
    on_receive = function(_, s, memory)
      if s.len > 0 then s.seq = memory.next or s.seq end
      follow(s, memory)
    end,
  },

  bytes_repeated = {
    wrong = "a buffer that goes round repeats a byte",
    on_send = function(_, s)
      if s.seq == 1 or s.len < 2 then return end
      s.data = s.data:sub(1, 1) .. s.data:sub(1, -2)
    end,
  },

  checksum_unread = {
    wrong = "the checksum is not looked at",
    on_receive = function(_, s)
      s.tcp.checksum = nil -- that is, the right one
    end,
  },

  data_without_ack = {
    wrong = "data is taken in from a segment without ACK",
    on_receive = function(_, s)
      if s.flags == "P" then
        s.flags = "P."
        s.ack = 1
      end
    end,
  },

  dsack_missing = {
    wrong = "data that came twice is not reported",
    on_send = function(_, s)
      s.options.sack = nil
    end,
  },

  gap_unanswered = {
    wrong = "what lies behind a gap is not acknowledged before the gap is filled",
    on_receive = function(_, s, memory)
      follow(s, memory)
      memory.gap = s.len > 0 and s.seq > memory.next
    end,
    on_send = function(_, s, memory)
      return not (memory.gap and is_ack(s))
    end,
  },

  header_length_unread = {
    wrong = "a header shorter than any is read as one without options",
    on_receive = function(_, s)
      if s.offset < 5 then s.offset = nil end -- that is, the right one
    end,
  },

  initial_window_too_large = {
    wrong = "a connection begins with eleven segments",
    on_send = function(_, s)
      if s.seq ~= 9001 then return end
      local more = s:copy()
      more.seq = 10001
      return { s, more }
    end,
  },

  old_data_taken = {
    wrong = "data that comes again is handed on again",
    on_receive = function(_, s, memory)
      if s.retransmission then memory.more = (memory.more or 0) + s.len end
      if s.len > 0 then s.seq = s.seq + (memory.more or 0) end
    end,
  },

  old_data_unacknowledged = {
    wrong = "data that comes again is dropped without a word",
    on_receive = function(_, s)
      return not s.retransmission
    end,
  },

  overlap_twice = {
    wrong = "of a segment that overlaps, the old part is handed on too",
    on_receive = function(_, s, memory)
      memory.next = memory.next or 1
      if s.len > 0 and s.seq < memory.next then s.seq = memory.next end
      follow(s, memory)
    end,
  },

  push_missing = {
    wrong = "no segment is ever pushed",
    on_send = function(_, s)
      s.flags = s.flags:gsub("P", "")
    end,
  },

  reserved_bits_refused = {
    wrong = "a segment with a reserved bit is dropped",
    on_receive = function(_, s)
      return s.reserved == 0
    end,
  },

  sack_blocks_off_by_one = {
    wrong = "a SACK block ends before its last byte",
    on_send = function(_, s)
      local blocks = s.options.sack
      if blocks then s.options.sack = { { blocks[1][1], blocks[1][2] - 1 } } end
    end,
  },

  sack_oldest_first = {
    wrong = "SACK blocks stand in the order of their numbers",
    on_send = function(_, s)
      local blocks = s.options.sack
      if blocks and blocks[2] then s.options.sack = { blocks[2], blocks[1] } end
    end,
  },

  small_segments = {
    wrong = "small segments are sent while others are outstanding",
    options = { nagle = false },
  },

  window_unwatched = {
    wrong = "data is taken in from beyond the window",
    on_receive = function(_, s, memory)
      memory.next = memory.next or 1
      if s.len > 0 and s.seq > 0x1000000 then s.seq = memory.next end
      follow(s, memory)
    end,
  },
}
