-- Faults of options.lua.
local function is_syn(s) return s.flags:find("S", 1, true) end

-- Each SYN-ACK has this option, asked for or not.
local function offers(name, value)
  return function(_, s)
    if is_syn(s) then s.options[name] = value end
  end
end

-- Segments of data are longer than they should be.
local function too_long(_, s)
  if s.len > 0 then s.data = s.data .. ("x"):rep(100) end
end

return {
  bad_option_length_hangs = {
    wrong = "a segment with an option of no length is never done with",
    on_receive = function(_, s)
      return s.tcp:raw "options":byte() ~= 253
    end,
  },

  congestion_unreported = {
    wrong = "a mark of congestion is not reported to the sender",
    on_send = function(_, s)
      if not is_syn(s) then s.flags = s.flags:gsub("E", "") end
    end,
  },

  ecn_flags_mirrored = {
    wrong = "a SYN that asks for ECN is answered with the flags that it had",
    on_send = function(_, s)
      if is_syn(s) then s.flags = "S.EW" end
    end,
  },

  fast_open_cookie_unread = {
    wrong = "data in a SYN is taken in with any cookie",
    options = { fast_open = true },
    on_send = function(_, s)
      if is_syn(s) then s.ack = 7 end
    end,
  },

  fast_open_data_refused = {
    wrong = "cookies are given out, and not taken",
    options = { fast_open = true },
    on_send = function(_, s)
      if is_syn(s) then s.ack = 1 end
    end,
  },

  mss_assumed = {
    wrong = "a peer that says no MSS is sent more than any host takes in",
    on_send = too_long,
  },

  mss_ignored = {
    wrong = "segments are longer than the peer's MSS",
    on_send = too_long,
  },

  mss_unsaid = {
    wrong = "the SYN-ACK has no MSS",
    on_send = offers("mss", nil),
  },

  paws_missing = {
    wrong = "old timestamps are as good as new ones",
    on_receive = function(_, s, memory)
      memory.last = memory.last or s.options.ts
      s.options.ts = memory.last
    end,
  },

  sack_unasked = {
    wrong = "SACK is permitted to a peer that does not do it",
    on_send = offers("sackOK", true),
  },

  timestamp_left_out = {
    wrong = "data has no timestamp, though both have agreed to it",
    on_send = function(_, s)
      if s.len > 0 then s.options.ts = nil end
    end,
  },

  timestamp_not_echoed = {
    wrong = "the timestamp of the SYN is sent back for ever",
    on_send = function(_, s, memory)
      memory.first = memory.first or s.options.ts[2]
      s.options.ts = { s.options.ts[1], memory.first }
    end,
  },

  timestamp_stands_still = {
    wrong = "the timestamp never changes",
    on_send = function(_, s, memory)
      memory.first = memory.first or s.options.ts[1]
      s.options.ts = { memory.first, s.options.ts[2] }
    end,
  },

  timestamps_unasked = {
    wrong = "there are timestamps for a peer that has none",
    on_send = offers("ts", { 1, 0 }),
  },

  unknown_option_refused = {
    wrong = "a segment with an option that is not known is dropped",
    on_receive = function(_, s)
      return s.options[253] == nil
    end,
  },

  wscale_applied_twice = {
    wrong = "the peer's window is scaled and scaled again",
    on_receive = function(_, s)
      s.win = math.min(s.win << 6, 65535)
    end,
  },

  wscale_unasked = {
    wrong = "the window is scaled for a peer that does not do it",
    on_send = offers("wscale", 7),
  },
}
