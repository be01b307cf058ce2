-- Faults of reset.lua: what was right before RFC 5961, and worse.
local function is_reset(s) return s.flags:find("R", 1, true) ~= nil end

-- Any reset is taken for one with the next number.
local function believe(conn, s)
  if is_reset(s) then s.tcp.seq = conn:info().rcv_nxt end
end

return {
  ancient_ack_taken = {
    wrong = "data is taken in whatever was acknowledged long ago",
    on_receive = function(_, s)
      if s.ack and s.ack > 0x7fffffff then s.ack = 1 end
    end,
  },

  far_reset_ends = {
    wrong = "a reset ends the connection whatever its number",
    on_receive = believe,
  },

  future_ack_taken = {
    wrong = "data is taken in though it acknowledges what was never sent",
    on_receive = function(_, s)
      if s.ack == 4711 then s.ack = 1 end
    end,
  },

  half_open_reset_ignored = {
    wrong = "a connection that is not open yet cannot be reset",
    on_receive = function(conn, s)
      return not (is_reset(s) and conn:state() == "SYN-RECEIVED")
    end,
  },

  near_reset_ends = {
    wrong = "a reset ends the connection from anywhere in the window, as in RFC 793",
    on_receive = believe,
  },

  old_reset_ends = {
    wrong = "a reset ends the connection though it was sent before data that has come",
    on_receive = believe,
  },

  reset_answered = {
    wrong = "a reset is answered with a reset",
    on_receive = function(conn, s)
      if is_reset(s) then conn:inject { flags = "R.", seq = 1 } end
    end,
  },

  reset_ignored = {
    wrong = "no reset ends a connection",
    on_receive = function(_, s)
      return not is_reset(s)
    end,
  },

  syn_resets = {
    wrong = "a SYN in an open connection resets it, as in RFC 793",
    on_receive = function(conn, s)
      if not s.flags:find("S", 1, true) then return true end
      conn:inject { flags = "R." }
      conn:abort()
      return false
    end,
  },
}
