-- Faults of opening.lua: the handshake.
return {
  ack_behind_syn = {
    wrong = "the SYN-ACK acknowledges the ISN and not the number behind it",
    on_send = function(_, s)
      if s.flags == "S." then s.ack = 0 end
    end,
  },

  data_does_not_open = {
    wrong = "data that acknowledges the SYN-ACK is dropped: only a bare ACK opens",
    on_receive = function(conn, s)
      return not (conn:state() == "SYN-RECEIVED" and s.len > 0)
    end,
  },

  deaf_to_stray_ack = {
    wrong = "an ACK to a port that listens is not answered",
    options = { md5 = "a key" }, -- then the listener answers nobody
  },

  isn_constant = {
    wrong = "each connection has the same ISN",
    on_send = function(_, s)
      if s.flags == "S." then s.tcp.seq = 1 end
    end,
  },

  open_port_of_nobody = {
    wrong = "a connection to a port where nobody listens is taken in",
    at_next_port = function(conn)
      conn:inject { flags = "S." }
    end,
  },

  refusal_of_another_syn = {
    wrong = "the reset of a SYN acknowledges the SYN and not its data",
    at_next_port = function(conn)
      conn:inject { flags = "R.", seq = 0, absolute = true, ack = conn:info().irs + 1 }
    end,
  },

  second_isn = {
    wrong = "a SYN that comes again is answered with another ISN",
    on_send = function(_, s)
      if s.flags == "S." and s.retransmission then s.seq = s.seq + 64000 end
    end,
  },

  syn_ack_no_backoff = {
    wrong = "the SYN-ACK is repeated each second",
    options = { max_rto = 1 },
  },

  syn_ack_once = {
    wrong = "a SYN-ACK that was lost is not repeated",
    on_send = function(_, s)
      return not (s.flags == "S." and s.retransmission)
    end,
  },

  syn_with_data_unanswered = {
    wrong = "a SYN with data is not answered",
    on_send = function(conn, s)
      return not (s.flags == "S." and conn:segments()[1].len > 0)
    end,
  },

  wrong_ack_opens = {
    wrong = "any ACK opens the connection",
    on_receive = function(conn, s)
      if conn:state() == "SYN-RECEIVED" and s.ack then s.ack = 1 end
    end,
  },
}
