-- Faults of icmp.lua.

-- Ends at an error; data, which comes another way, has to wait for one that was sent before it.
local function despair(conn, s)
  if not s.tcp then
    conn:abort()
    return false
  end
  if s.data == "abc" then s:delay(0.5) end
end

return {
  cut_by_routers = {
    wrong = "routers may cut its packets into pieces",
    on_send = function(_, s)
      if s.ip then s.ip.flags = "" end
    end,
  },

  icmp_believed = {
    wrong = "an error counts whatever it quotes",
    on_receive = function(conn, s)
      if not s.tcp then s.packet.tcp.seq = conn:info().snd_una end
    end,
  },

  icmp_ends = {
    wrong = "an error about a port ends an open connection",
    on_receive = despair,
  },

  icmp_ends_softly = {
    wrong = "an error that may pass ends an open connection",
    on_receive = despair,
  },

  path_mtu_ignored = {
    wrong = "an error about the MTU is dropped",
    on_receive = function(_, s)
      return s.tcp ~= nil
    end,
  },
}
