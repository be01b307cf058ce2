-- Faults of retransmission.lua. Where the timer would hide on a busy machine what the fault breaks,
-- it waits for longer than any scenario.
local peer = require "peer"
local task = require "tcplua.task"

local PATIENT <const> = { min_rto = 20 }

-- Whether it acknowledges what was acknowledged before, and nothing else.
local function is_duplicate(s, memory)
  local same = s.flags == "." and s.len == 0 and s.ack == memory.ack
  memory.ack = s.ack or memory.ack
  return same
end

-- With what is repeated, all goes again that was sent behind it.
local function repeat_all(_, s, memory)
  if s.len == 0 then return true end
  if s.retransmission then return { s, table.unpack(memory, 2) } end
  memory[#memory + 1] = s:copy()
end

return {
  ack_of_unsent_taken = {
    wrong = "an ACK of more than was sent counts as one of all that was",
    on_receive = function(conn, s)
      local info = conn:info()
      if s.ack then s.ack = math.min(s.ack, info.snd_nxt - info.iss & 0xffffffff) end
    end,
  },

  backoff_forgotten = {
    wrong = "after an ACK of what was repeated, the timer begins with 200 ms again",
    on_send = function(conn, s, memory)
      memory.repeated = memory.repeated or s.retransmission
      if s.len == 0 or s.retransmission or not memory.repeated then return true end
      local packet = s.packet:copy()
      task.spawn(function()
        task.sleep(0.2)
        if not conn:closed() then conn:raw_transmit(packet) end
      end)
    end,
  },

  deaf_to_ack = {
    wrong = "ACKs without data are dropped once the connection is open",
    options = { min_rto = 0.1, max_rto = 0.1 },
    on_receive = function(conn, s)
      return conn:state() == "SYN-RECEIVED" or s.flags ~= "." or s.len > 0
    end,
  },

  go_back_all = {
    wrong = "when the timer fires, all that is outstanding goes again at once",
    on_send = repeat_all,
  },

  hasty_retransmit = {
    wrong = "one duplicate ACK makes it repeat",
    on_receive = function(_, s, memory)
      if is_duplicate(s, memory) then return { s, s, s } end
    end,
  },

  hasty_rto = {
    wrong = "the timer fires after 20 ms, whatever the round trip takes",
    options = { min_rto = 0.02, max_rto = 0.02 },
  },

  no_congestion_window = {
    wrong = "what was sent counts as acknowledged, so that only the other side's window is a limit",
    on_send = function(conn, s, memory)
      local ack = memory.last
      if s.len == 0 or not ack then return true end
      ack.tcp.flags, ack.tcp.seq, ack.payload = ".", s.tcp.ack, ""
      ack.tcp.ack = s.tcp.seq + s.len & 0xffffffff
      conn:raw_receive(ack:bytes())
    end,
    on_receive = function(_, s, memory) memory.last = s.packet end,
  },

  no_fast_retransmit = {
    wrong = "duplicate ACKs are ignored",
    options = PATIENT,
    on_receive = function(_, s, memory) return not is_duplicate(s, memory) end,
  },

  no_tail_probe = {
    wrong = "a loss at the tail is found by the timer alone",
    options = { rack = false },
  },

  old_timestamp_taken = {
    wrong = "an old timestamp is as good as a new one (no PAWS)",
    on_receive = function(_, s, memory)
      local ts = s.options.ts
      if not ts then return end
      local newest = memory.newest or ts[1]
      if ts[1] - newest & 0x80000000 == 0 then
        memory.newest = ts[1]
      else
        s.options = { "nop", "nop", { "ts", { newest, ts[2] } } }
      end
    end,
  },

  other_data = {
    wrong = "what is repeated has other bytes than what was lost",
    on_send = function(_, s)
      if s.len > 0 and s.retransmission then s.data = s.data:upper() end
    end,
  },

  partial_ack_ignored = {
    wrong = "only the first hole is mended before the timer fires",
    options = PATIENT,
    on_send = function(_, s, memory)
      if s.len == 0 or not s.retransmission then return true end
      memory.hole = memory.hole or s.seq
      return s.seq == memory.hole
    end,
  },

  repeats_from_start = {
    wrong = "what is repeated has the first bytes of the stream",
    on_send = function(_, s)
      if s.len > 0 and s.retransmission then s.data = peer.said(s.len) end
    end,
  },

  rto_without_backoff = {
    wrong = "the timer fires each 200 ms",
    options = { max_rto = 0.2 },
  },

  sack_ignored = {
    wrong = "SACK is agreed to, and its blocks are not looked at",
    options = PATIENT,
    on_receive = function(conn, s)
      if conn:state() ~= "SYN-RECEIVED" and s.options.sack then s.options = {} end
    end,
  },

  sacked_sent_again = {
    wrong = "with a segment that was lost, all behind it go again",
    on_send = repeat_all,
  },

  window_kept_at_loss = {
    wrong = "what SACK says is missing goes again, and the congestion window stays as it is",
    options = { min_rto = 20, rack = false },
    on_send = function(_, s, memory)
      if s.len > 0 then memory[s.seq] = s.packet:copy() end
    end,
    on_receive = function(conn, s, memory)
      if not s.options.sack then return true end
      conn:raw_transmit(memory[s.ack])
      return false
    end,
  },

  window_stands_still = {
    wrong = "the congestion window never grows",
    on_send = function(_, s, memory)
      return s.len == 0 or s.seq + s.len - (memory.ack or 1) <= 10000
    end,
    on_receive = function(_, s, memory) memory.ack = s.ack end,
  },
}
