-- Faults of closing.lua.
local function has(s, letter) return s.flags:find(letter, 1, true) ~= nil end

local function is_closing(conn)
  local state = conn:state()
  return state == "FIN-WAIT-1" or state == "FIN-WAIT-2"
end

return {
  abort_with_old_number = {
    wrong = "a reset has the number of what is not acknowledged",
    on_send = function(_, s)
      if has(s, "R") then s.seq = 1 end
    end,
  },

  crossing_fin = {
    wrong = "a FIN that crosses the own one is ignored",
    on_receive = function(conn, s)
      return not (conn:state() == "FIN-WAIT-1" and has(s, "F"))
    end,
  },

  data_for_nobody = {
    wrong = "data that comes after the program has closed is dropped in silence",
    on_receive = function(conn, s)
      return not (is_closing(conn) and s.len > 0)
    end,
  },

  deaf_after_fin = {
    wrong = "whoever has sent a FIN takes in no more data",
    on_receive = function(conn, s)
      return not (is_closing(conn) and s.len > 0)
    end,
  },

  fin_missing = {
    wrong = "the connection is forgotten without a FIN",
    on_send = function(_, s)
      return not has(s, "F")
    end,
  },

  fin_once = {
    wrong = "a FIN that was lost is not repeated",
    on_send = function(_, s)
      return not (has(s, "F") and s.retransmission)
    end,
  },

  fin_over_data = {
    wrong = "the FIN takes the number of the last byte",
    on_send = function(_, s)
      if has(s, "F") then s.seq = s.seq - 1 end
    end,
  },

  fin_too_soon = {
    wrong = "a FIN closes though data before it is missing",
    on_receive = function(conn, s)
      if has(s, "F") then s.tcp.seq = conn:info().rcv_nxt end
    end,
  },

  fin_unacknowledged = {
    wrong = "a FIN is not acknowledged before the own one is sent",
    on_receive = function(_, s)
      return not has(s, "F")
    end,
  },

  fin_without_ack = {
    wrong = "a FIN closes without an ACK too",
    on_receive = function(_, s)
      if s.flags == "F" then
        s.flags = "F."
        s.ack = 1
      end
    end,
  },

  fin_without_its_data = {
    wrong = "the data that comes with a FIN is dropped",
    on_receive = function(_, s)
      if has(s, "F") then s.data = "" end
    end,
  },

  mute_after_fin = {
    wrong = "no more data is sent once a FIN has come",
    on_receive = function(_, s, memory)
      memory.fin = memory.fin or has(s, "F")
    end,
    on_send = function(_, s, memory)
      return not (memory.fin and s.len > 0)
    end,
  },

  time_wait_assassinated = {
    wrong = "any reset ends TIME-WAIT (RFC 1337)",
    on_receive = function(conn, s)
      if conn:state() ~= "TIME-WAIT" or not has(s, "R") then return true end
      conn:abort()
      return false
    end,
  },

  time_wait_deaf = {
    wrong = "nothing is answered in TIME-WAIT",
    on_receive = function(conn)
      return conn:state() ~= "TIME-WAIT"
    end,
  },

  time_wait_holds = {
    wrong = "two ports that have had a connection cannot have another for minutes",
    on_receive = function(conn, s)
      return not (conn:state() == "TIME-WAIT" and has(s, "S"))
    end,
  },

  unread_data_forgotten = {
    wrong = "closing over unread data looks like any other end",
    on_send = function(_, s)
      if has(s, "R") then s.flags = "F." end
    end,
  },
}
