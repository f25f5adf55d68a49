--- Options of figures from the command line, as texts by key.
-- @module torus.figures.settings
local options = require "torus.options"

local M = {}

--- Checks settings and fills in the defaults. A text that reads as a number becomes one.
-- @tparam string where name of the figure, for messages
-- @tparam table settings texts by key
-- @tparam table rules as in torus.options.resolve
-- @tparam[opt] integer seed of the command, unless the settings have one
-- @treturn ?table
-- @treturn ?string message
function M.resolve(where, settings, rules, seed)
  local given = { seed = seed }
  for key, text in pairs(settings or {}) do
    given[key] = tonumber(text) or text
  end
  return options.attempt(options.resolve, where, given, rules)
end

return M
