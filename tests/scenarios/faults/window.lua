-- Faults of window.lua.
local peer = require "peer"

-- A probe of a closed window, by what the peer last said of it.
local function is_probe(s, memory)
  return memory.win == 0 and s.flags == "." and s.len <= 1
end

local function remember(_, s, memory) memory.win = s.win end

return {
  beyond_window = {
    wrong = "the window is twice as large as was said",
    on_receive = function(_, s)
      s.win = math.min(s.win * 2, 65535)
    end,
  },

  byte_of_probe_lost = {
    wrong = "after a probe, the data goes on a byte too far",
    on_send = function(_, s, memory)
      memory.probed = memory.probed or s.seq < 2 and is_probe(s, memory) and memory.asked
      if memory.probed and s.len > 1 then s.data = peer.said(s.len, s.seq + 1) end
      memory.asked = memory.asked or memory.win == 0
    end,
    on_receive = remember,
  },

  deaf_to_window_update = {
    wrong = "an ACK that does nothing but open the window is dropped",
    on_receive = function(_, s, memory)
      local update = s.flags == "." and s.len == 0 and s.ack == memory.ack and memory.win == 0
      memory.ack, memory.win = s.ack, s.win
      return not update
    end,
  },

  no_window_probe = {
    wrong = "nobody asks whether a closed window has opened",
    on_send = function(_, s, memory)
      local probe = is_probe(s, memory) and memory.acked
      memory.acked = memory.acked or is_probe(s, memory)
      return not probe
    end,
    on_receive = remember,
  },

  probe_without_backoff = {
    wrong = "a closed window is probed each 200 ms",
    options = { max_rto = 0.2 },
  },

  shrunk_edge_ignored = {
    wrong = "a window that shrank is used up to where it ended before",
    on_receive = function(_, s, memory)
      memory.edge = math.max(memory.edge or 0, s.ack + s.win)
      s.win = memory.edge - s.ack
    end,
  },

  shrunk_window_fatal = {
    wrong = "nothing is sent any more once a window has shrunk",
    on_send = function(_, _, memory) return not memory.shrunk end,
    on_receive = function(_, s, memory)
      local edge = s.ack + s.win
      memory.shrunk = memory.shrunk or edge < (memory.edge or 0)
      memory.edge = edge
    end,
  },

  silly_window = {
    wrong = "a window of ten bytes is filled with a segment of ten",
    on_receive = function(conn, s)
      if s.flags == "." and s.win > 0 and s.win < 100 then
        conn:inject { seq = s.ack, data = peer.said(s.win, s.ack) }
      end
    end,
  },

  window_left_unused = {
    wrong = "only one segment is sent into any window",
    on_receive = function(_, s) s.win = math.min(s.win, 1000) end,
  },

  window_of_old_ack = {
    wrong = "the window is that of the last segment, however old its ACK is",
    on_receive = function(_, s, memory)
      memory.ack = math.max(memory.ack or 0, s.ack)
      s.ack = memory.ack
    end,
  },

  zero_window_ignored = {
    wrong = "a closed window is no limit",
    on_receive = function(_, s)
      if s.win == 0 then s.win = 65535 end
    end,
  },
}
