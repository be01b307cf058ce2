-- Faults of urgent.lua.
return {
  urgent_at_last_byte = {
    wrong = "the pointer points at the last urgent byte, as in RFC 1122",
    on_send = function(_, s)
      if s.urg then s.urg = s.urg - 1 end
    end,
  },

  urgent_awaited = {
    wrong = "nothing is handed on until all urgent data has come",
    on_receive = function(_, s)
      return not (s.urg and s.urg > s.len)
    end,
  },

  urgent_byte_lost = {
    wrong = "the last urgent byte is taken out of the stream",
    on_receive = function(_, s, memory)
      memory.lost = memory.lost or s.urg ~= nil
    end,
    on_send = function(_, s, memory)
      if not memory.lost then return end
      if s.len > 0 then s.data = s.data:sub(1, -2) end
      if s.len == 0 and s.flags == "F." then s.seq = s.seq - 1 end
    end,
  },

  urgent_unmarked = {
    wrong = "urgent data is sent like any other",
    on_send = function(_, s)
      s.flags = s.flags:gsub("U", "")
    end,
  },

  urgent_without_flag = {
    wrong = "the pointer counts without its flag",
    on_receive = function(_, s)
      if s.tcp.urg > 0 then s.data = s.data:sub(1, s.tcp.urg - 1) end
    end,
  },
}
