--- Options of figures as a command line gives them, texts by key.
-- @module torus.figures.settings
local options = require "torus.options"

local M = {}

--- Checks settings and fills in the defaults. What reads as a number is one.
-- @tparam string where name of the figure, for messages
-- @tparam table settings texts by key
-- @tparam table rules as in torus.options.resolve
-- @treturn ?table
-- @treturn ?string message
function M.resolve(where, settings, rules)
  local given = {}
  for key, text in pairs(settings or {}) do
    given[key] = tonumber(text) or text
  end
  return options.attempt(options.resolve, where, given, rules)
end

return M
