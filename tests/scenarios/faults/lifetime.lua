-- Faults of lifetime.lua, and its healthy peer.
local function settings(changed)
  local all = { keepalive = 1, keepalive_interval = 1, keepalive_probes = 2, user_timeout = 0.3 }
  for name, value in pairs(changed or {}) do all[name] = value end
  return all
end

local function is_probe(conn, s)
  return s.flags == "." and s.len == 0 and s.seq == 0 and conn:state() == "ESTABLISHED"
end

return {
  none_lifetime = {
    wrong = "nothing: our engine, with the settings that the tests ask for",
    options = settings(),
  },

  keepalive_answer_unheard = {
    wrong = "the answer to a probe does not count",
    options = settings(),
    on_receive = function(_, s, memory)
      memory.count = (memory.count or 0) + (s.len == 0 and 1 or 0)
      return s.len > 0 or memory.count == 1
    end,
  },

  keepalive_early = {
    wrong = "probes are sent after half of the time",
    options = settings { keepalive = 0.5 },
  },

  keepalive_for_ever = {
    wrong = "probes are sent for ever",
    options = settings { keepalive_probes = 100 },
  },

  keepalive_once = {
    wrong = "a probe that has no answer is not repeated",
    options = settings(),
    on_send = function(conn, s, memory)
      if not is_probe(conn, s) then return true end
      memory.count = (memory.count or 0) + 1
      return memory.count == 1
    end,
  },

  keepalive_with_next_number = {
    wrong = "a probe has the next number, and nobody answers it",
    options = settings(),
    on_send = function(conn, s)
      if is_probe(conn, s) then s.seq = 1 end
    end,
  },

  user_timeout_ignored = {
    wrong = "data is sent again for longer than the user wants",
  },
}
