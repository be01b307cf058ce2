-- Faults of opening.lua: the handshake.
return {
  ack_behind_syn = {
    wrong = "the SYN-ACK acknowledges the ISN and not the number behind it",
    on_send = function(_, s)
      if s.flags == "S." then s.ack = 0 end
    end,
  },

  open_port_of_nobody = {
    wrong = "a connection to a port where nobody listens is taken in",
    at_next_port = function(conn)
      conn:inject { flags = "S." }
    end,
  },

  syn_ack_once = {
    wrong = "a SYN-ACK that was lost is not repeated",
    on_send = function(_, s)
      if s.flags == "S." and s.retransmission then return false end
    end,
  },
}
