std = "lua54"
max_line_length = 100
-- A script takes its arguments in "..." and reads them by name or not at all.
unused_args = false
-- The words of `tcplua test`.
local words = { "after_each", "before_each", "describe", "expect", "finally", "it", "matrix", "skip",
  "sut", "xfail" }
files["tests/scenarios"] = { read_globals = words }
files["scripts/*_test.lua"] = { read_globals = words }
