--- The paper's figures, by number, and others, by name. Figure N is the module
-- torus.figures.figureN, a named figure torus.figures.NAME, with
--
--     what           a one-line description
--     make(options)  with out (a folder), steps, seed, settings (texts by key)
--                    -> {path, ...} and optionally a text to print;
--                    or nil and a message
--
-- @module torus.figures
local options = require "torus.options"

local M = {}

local NAMES = { "5", "6", "7", "8", "9", "10", "integrators", "learning", "systems" }

-- The module of a figure, or nil if there is no such figure.
local function module_of(name)
  local module = "torus.figures."
    .. (name:match("^%d+$") and "figure" .. name or name)
  return package.searchpath(module, package.path) and module
end

--- Returns a figure by its number or name.
-- @tparam string|integer number
-- @treturn ?table
-- @treturn ?string message
function M.get(number)
  for _, name in ipairs(M.numbers()) do
    if name == tostring(number) then return require(module_of(name)) end
  end
  return nil, options.unknown("figure", tostring(number), M.numbers())
end

--- Returns the numbers and names of all figures.
-- @treturn {string,...}
function M.numbers()
  local found = {}
  for _, name in ipairs(NAMES) do
    if module_of(name) then found[#found + 1] = name end
  end
  return found
end

return M
