-- Faults of client.lua: the one who calls.
local peer = require "peer"

local function opening(conn) return conn:state() == "SYN-SENT" end

local function is_syn(s) return s.flags and s.flags:find("S", 1, true) ~= nil end

return {
  blind_refusal = {
    wrong = "any reset with an ACK refuses the SYN",
    on_receive = function(conn, s)
      if opening(conn) and s.flags == "R." then s.ack = 1 end
    end,
  },

  bytes_shifted = {
    wrong = "each segment begins with the first byte again",
    on_send = function(_, s)
      if s.len > 0 then s.data = peer.said(s.len) end
    end,
  },

  client_isn_constant = {
    wrong = "each connection has the same ISN",
    on_send = function(_, s)
      if s.flags == "S" then s.tcp.seq = 1 end
    end,
  },

  confused_by_wrong_ack = {
    wrong = "after a wrong SYN-ACK none is right",
    on_receive = function(conn, s, memory)
      if not opening(conn) then return true end
      local before = memory.confused
      memory.confused = before or s.ack ~= 1
      return not before
    end,
  },

  crossing_syn_ignored = {
    wrong = "a SYN that crosses the own one is ignored",
    on_receive = function(conn, s)
      return not (opening(conn) and s.flags == "S")
    end,
  },

  deaf_in_syn_sent = {
    wrong = "before the connection is open, only a SYN or a reset is looked at",
    on_receive = function(conn, s)
      return not (opening(conn) and s.flags == ".")
    end,
  },

  echo_of_nothing = {
    wrong = "the echoed timestamp is always 0",
    on_send = function(_, s)
      local ts = s.options.ts
      if ts then s.options = { "nop", "nop", { "ts", { ts[1], 0 } } } end
    end,
  },

  handshake_ack_missing = {
    wrong = "the SYN-ACK is acknowledged with the first data only",
    on_send = function(_, s)
      return not (s.flags == "." and s.len == 0 and s.ack == 1)
    end,
  },

  hasty_syn = {
    wrong = "the SYN is repeated after 100 ms",
    options = { initial_rto = 0.1 },
  },

  last_fin_unanswered = {
    wrong = "the other side's FIN is not acknowledged",
    on_receive = function(_, s)
      return not s.flags:find("F", 1, true)
    end,
  },

  mss_by_default = {
    wrong = "the other side's MSS is 1460 where it says none",
    on_receive = function(_, s)
      if is_syn(s) and not s.options.mss then s.options = { mss = 1460 } end
    end,
  },

  mss_of_peer_ignored = {
    wrong = "the other side's MSS is 1460 whatever it says",
    on_receive = function(_, s)
      if is_syn(s) then s.options = { mss = 1460 } end
    end,
  },

  refusal_ignored = {
    wrong = "a SYN that is refused is repeated",
    on_receive = function(_, s)
      return not s.flags:find("R", 1, true)
    end,
  },

  refusal_of_nothing = {
    wrong = "a reset that acknowledges nothing refuses the SYN",
    on_receive = function(conn, s)
      if opening(conn) and s.flags == "R" then s.flags, s.ack = "R.", 1 end
    end,
  },

  scale_forgotten = {
    wrong = "the window scale of the SYN-ACK is agreed to and not used",
    on_receive = function(_, s)
      if not is_syn(s) then s.win = s.win >> 7 end
    end,
  },

  scale_of_nobody = {
    wrong = "windows are multiplied though only one side offered it",
    on_receive = function(_, s)
      if not is_syn(s) then s.win = math.min(s.win << 7, 65535) end
    end,
  },

  syn_ack_ignored = {
    wrong = "a SYN-ACK that comes again is dropped in silence",
    on_receive = function(conn, s)
      return opening(conn) or not is_syn(s)
    end,
  },

  syn_with_another_isn = {
    wrong = "the SYN that is repeated has another ISN",
    on_send = function(_, s)
      if s.flags == "S" and s.retransmission then s.seq = s.seq + 64000 end
    end,
  },

  syn_with_echo = {
    wrong = "the SYN echoes a timestamp, which nobody can have sent",
    on_send = function(_, s)
      if s.flags == "S" then s.options = { { "mss", 1460 }, { "ts", { 1, 4711 } } } end
    end,
  },

  syn_without_backoff = {
    wrong = "the SYN is repeated each second",
    options = { max_rto = 1 },
  },

  syn_without_mss = {
    wrong = "the SYN says no MSS",
    on_send = function(_, s)
      if s.flags == "S" then s.options = { "sackOK" } end
    end,
  },

  syn_without_options = {
    wrong = "the SYN offers nothing but its MSS",
    options = { sack = false, timestamps = false, wscale = false },
  },

  timestamps_uninvited = {
    wrong = "segments have timestamps though the SYN-ACK had none",
    on_send = function(conn, s)
      if not is_syn(s) and not opening(conn) then s.options = { ts = { 1, 2 } } end
    end,
  },

  window_of_syn_ack_ignored = {
    wrong = "the window 0 of the SYN-ACK and of what follows it is no limit",
    on_receive = function(_, s)
      if s.win == 0 then s.win = 65535 end
    end,
  },

  wrong_syn_ack_taken = {
    wrong = "a SYN-ACK opens whatever it acknowledges",
    on_receive = function(conn, s)
      if opening(conn) and s.flags == "S." then s.ack = 1 end
    end,
  },
}
