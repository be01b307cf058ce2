std = "lua54"
max_line_length = 100
-- A script takes its arguments in "..." and reads them by name or not at all.
unused_args = false
