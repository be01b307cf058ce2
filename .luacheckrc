std = "lua54"
max_line_length = 100
-- A script takes its arguments in "..." and reads them by name or not at all.
unused_args = false
files["tests/scenarios"] = {
  read_globals = { "after_each", "before_each", "describe", "finally", "it", "skip", "sut", "xfail" },
}
