--- faults: what is wrong with the faulty peers, by name: a list of classic bugs of TCPs.
--
-- Each scenario has the name of a fault as its tag, and must fail against the peer that has it. The
-- healthy one is "none", or "none_THEME" where the scenarios ask for settings that our engine takes
-- from the beginning or not at all. The faults of scenarios/THEME.lua stand in faults/THEME.lua;
-- each is a table:
--
--     wrong          the bug in one sentence
--     options        what tcp.listen and tcp.connect take besides: a bug that has a switch
--     on_send        f(conn, s, memory) is a hook (tcplua.tcp.puppet) on what the peer sends,
--     on_receive     the same on what it receives, its SYN excepted; memory is a table that the
--                    hooks of one connection have to themselves
--     at_next_port   f(conn) is called with the connections, in manual, to the port above the
--                    peer's, where a healthy one has nobody listening
local THEMES <const> = {
  "client",
  "closing",
  "data",
  "icmp",
  "lifetime",
  "opening",
  "options",
  "reset",
  "retransmission",
  "urgent",
  "window",
}

local faults = {
  none = { wrong = "nothing: our engine, with all that it can do", options = { fast_open = true } },
}

for _, theme in ipairs(THEMES) do
  for name, fault in pairs(require("faults." .. theme)) do
    assert(not faults[name], name)
    faults[name] = fault
  end
end

return faults
