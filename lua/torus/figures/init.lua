--- The paper's figures by their numbers, and others by name. Figure N is the
-- module torus.figures.figureN, a named one torus.figures.NAME, with
--
--     what           one line about it
--     make(options)  out (a folder), steps, seed, settings (texts by key)
--                    -> {path, ...} and, if there is more to say, a text;
--                    or nil and a message
--
-- @module torus.figures
local options = require "torus.options"

local M = {}

local NAMES = { "5", "6", "7", "8", "9", "10", "integrators", "systems" }

-- The module of a figure, or nil where there is none.
local function module_of(name)
  local module = "torus.figures."
    .. (name:match("^%d+$") and "figure" .. name or name)
  return package.searchpath(module, package.path) and module
end

--- A figure by its number or name.
-- @tparam string|integer number
-- @treturn ?table
-- @treturn ?string message
function M.get(number)
  for _, name in ipairs(M.numbers()) do
    if name == tostring(number) then return require(module_of(name)) end
  end
  return nil, options.unknown("figure", tostring(number), M.numbers())
end

--- The numbers and names of the figures that there are.
-- @treturn {string,...}
function M.numbers()
  local found = {}
  for _, name in ipairs(NAMES) do
    if module_of(name) then found[#found + 1] = name end
  end
  return found
end

return M
