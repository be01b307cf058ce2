-- A client: how it opens, what it makes of answers to its SYN, and that it does as it is told.
local expect = require "tcplua.expect"
local lab = require "tcplua.lab"
local peer = require "peer"
local test = require "tcplua.test"

sut.model(peer.obey)

local QUIET <const> = 0.15 -- seconds; what is wrong comes at once

describe("the SYN", function()
  it("offers SACK, timestamps and a window scale #syn_without_options", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:next { flags = "S", options = { sackOK = true, ts = expect.any,
      wscale = expect.range(0, 14) } }
  end)

  it("says the MSS of its path #syn_without_mss", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:next { flags = "S", options = { mss = row.family == "ip" and 1460 or 1440 } }
  end)

  it("has nothing to echo yet #syn_with_echo", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:next { flags = "S", options = { ts = { expect.any, 0 } } }
  end)

  it("comes again as it was where nobody answers #syn_with_another_isn", function()
    local conn <close> = peer.called {}
    local first = conn:next { flags = "S" }
    conn:next { flags = "S", seq = first.seq, len = 0, timeout = 3 }
  end)

  it("comes again after a second and not sooner #hasty_syn", function()
    local conn <close> = peer.called {}
    local first = conn:next { flags = "S" }
    conn:next { flags = "S", since = first, after = 0.5, timeout = 3 }
  end)

  -- Linux sends four a second apart first, since 6.5, unless it is told to do as RFC 6298 says.
  it("waits twice as long before each SYN #syn_without_backoff", function()
    if sut.process then lab.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0) end
    local conn <close> = peer.called {}
    local list = {}
    for i = 1, 3 do list[i] = conn:next { flags = "S", timeout = 6 } end
    expect.doubling(list)
  end)

  it("has another ISN each time #client_isn_constant", function()
    local seen = {}
    for _ = 1, 3 do
      local conn <close>, client = peer.called {}
      local isn = conn:next { flags = "S" }.tcp.seq
      test.falsy(seen[isn], "an earlier connection with this ISN")
      seen[isn] = true
      client:close()
    end
  end)
end)

describe("its answer", function()
  it("acknowledges the SYN-ACK at once #handshake_ack_missing", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = "S." }
    conn:next { flags = ".", seq = 1, len = 0, ack = 1, timeout = 0.5 }
  end)

  it("acknowledges a SYN-ACK that comes again #syn_ack_ignored", peer.both, function(row)
    local conn <close> = peer.called(row)
    local at = peer.take(conn, "idle")
    conn:expect { flags = ".", ack = at }
    conn:inject { flags = "S.", seq = 0 }
    conn:next { flags = ".", seq = 1, len = 0, ack = at, timeout = 0.5 }
  end)

  it("resets a SYN-ACK of another SYN #wrong_syn_ack_taken", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = "S.", ack = 4711 }
    conn:next { flags = "R", seq = 4711, len = 0, timeout = 0.5 }
  end)

  it("resets an ACK of what it did not send #deaf_in_syn_sent", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = ".", seq = 0, ack = 4711 }
    conn:next { flags = "R", seq = 4711, len = 0, timeout = 0.5 }
  end)

  it("opens after all when the right SYN-ACK comes #confused_by_wrong_ack", peer.both,
    function(row)
      local conn <close> = peer.called(row)
      conn:expect { flags = "S" }
      conn:inject { flags = "S.", ack = 4711 }
      conn:expect { flags = "R" }
      conn:inject { flags = "S.", seq = 0 }
      conn:expect { flags = ".", seq = 1, ack = 1, timeout = 0.5 }
    end)

  it("gives up when it is refused #refusal_ignored", peer.both, function(row)
    local conn <close>, client = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = "R.", seq = 0 }
    test.truthy(client:wait(1), "the client has ended")
  end)

  it("does not believe a refusal of another SYN #blind_refusal", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = "R.", seq = 0, ack = 4711 }
    conn:inject { flags = "S.", seq = 0 }
    conn:expect { flags = ".", seq = 1, ack = 1, timeout = 0.5 }
  end)

  it("does not believe a refusal without an ACK #refusal_of_nothing", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = "R", seq = 0 }
    conn:inject { flags = "S.", seq = 0 }
    conn:expect { flags = ".", seq = 1, ack = 1, timeout = 0.5 }
  end)

  it("meets a SYN halfway: both open #crossing_syn_ignored", peer.both, function(row)
    local conn <close> = peer.called(row)
    conn:expect { flags = "S" }
    conn:inject { flags = "S" }
    conn:expect { flags = "S.", seq = 0, len = 0, ack = 1, timeout = 0.5 }
    conn:inject { data = "say 5\n" }
    conn:expect { seq = 1, data = peer.said(5) }
  end)
end)

describe("an open client", function()
  it("says what it has to, in order #bytes_shifted", peer.both, function(row)
    local conn <close> = peer.called(row)
    peer.take(conn, "say 5000; drain")
    conn:mode "auto"
    local got = {}
    while #table.concat(got) < 5000 do got[#got + 1] = assert(conn:read(5000, 2)) end
    test.equal(table.concat(got), peer.said(5000), "what it said")
  end)

  it("sends no segment longer than our MSS #mss_of_peer_ignored", peer.both, function(row)
    local conn <close> = peer.called(row)
    peer.take(conn, "say 3000; drain", { options = { mss = 600 } })
    conn:expect { len = expect.range(500, 600), seq = 1 }
    conn:none({ len = "> 600" }, QUIET)
  end)

  it("takes 536 where no MSS was said, 1220 in IPv6 #mss_by_default", peer.both, function(row)
    local conn <close> = peer.called(row)
    local most = row.family == "ip" and 536 or 1220
    peer.take(conn, "say 3000; drain", { options = {} })
    conn:expect { len = expect.range(500, most), seq = 1 }
    conn:none({ len = "> " .. most }, QUIET)
  end)

  it("waits where the SYN-ACK closes the window #window_of_syn_ack_ignored", function()
    local conn <close> = peer.called {}
    peer.take(conn, "say 5; drain", { win = 0 })
    conn:none({ len = "> 1" }, QUIET)
    conn:inject { win = 1000 }
    conn:expect { seq = expect.range(1, 2), data = expect.pattern "e$" }
  end)

  it("multiplies no window that nobody scaled #scale_of_nobody", function()
    local conn <close> = peer.called {}
    peer.take(conn, "say 8000; drain", { win = 2000, options = { mss = 500 } })
    conn:expect { seq = 1, len = "> 400" }
    conn:none({ seq = "> 2000" }, QUIET)
  end)

  it("multiplies the windows that were scaled #scale_forgotten", function()
    local conn <close> = peer.called {}
    peer.take(conn, "say 8000; drain", { win = 2000, options = { mss = 500, wscale = 7 } })
    conn:expect({ seq = expect.range(2001, 4500), len = 500 }, { timeout = 0.5 })
  end)

  it("has no timestamps where we have none #timestamps_uninvited", peer.both, function(row)
    local conn <close> = peer.called(row)
    peer.take(conn, "say 5; drain", { options = { mss = 1000 } })
    conn:expect { data = peer.said(5), options = { ts = expect.absent } }
  end)

  it("echoes the timestamp that it got #echo_of_nothing", peer.both, function(row)
    local conn <close> = peer.called(row)
    local answer = conn:inject { flags = "S." }
    conn:expect { flags = ".", seq = 1, options = { ts = { expect.any, answer.options.ts[1] } } }
  end)

  it("closes: its FIN is behind its data, and ours is acknowledged #last_fin_unanswered",
    peer.both, function(row)
      local conn <close> = peer.called(row)
      local at = peer.take(conn, "say 5")
      local fin = conn:expect { flags = expect.pattern "F" }
      test.equal(fin.seq + fin.len, 6, "the number of the FIN")
      conn:inject { flags = "F.", seq = at, ack = 7 }
      conn:expect { flags = ".", seq = 7, len = 0, ack = at + 1, timeout = 0.5 }
    end)
end)
