-- Faults of icmp.lua.
return {
  icmp_believed = {
    wrong = "an error counts whatever it quotes",
    on_send = function(_, s)
      if s.retransmission and s.len > 1000 then s.data = s.data:sub(1, 960) end
    end,
  },

  icmp_ends = {
    wrong = "an error about a port ends an open connection",
    on_receive = function(conn, s)
      if s.tcp then return true end
      conn:abort()
      return false
    end,
  },

  path_mtu_ignored = {
    wrong = "an error about the MTU is dropped",
    on_receive = function(_, s)
      return s.tcp ~= nil
    end,
  },
}
