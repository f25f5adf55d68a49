std = "lua54"
max_line_length = 100
unused_args = false
self = false
-- `not (x > y)` is not `x <= y` when one is no number.
ignore = { "581" }
-- Specs open with describe, and luassert extends assert.
files["spec/**/*_spec.lua"] = { std = "lua54+busted" }
files["spec/support/**/*.lua"] = { std = "lua54+busted" }
-- Configuration read by its own program.
files["scripts/dev/docs/config.ld"] = { std = "+ldoc" }
