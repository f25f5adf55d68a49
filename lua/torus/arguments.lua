--- Argument checks for the tensor functions written in Lua.
-- @module torus.arguments
local core = require "torus.core"
local options = require "torus.options"

local raise, show = options.raise, options.show

local M = {}

--- Returns true if a value is a tensor.
-- @param x anything
-- @treturn boolean
function M.is_tensor(x)
  return debug.getmetatable(x) == core.metatable
end

--- Raises unless a value is a tensor that has not been released.
-- @tparam string operation for the message
-- @param x anything
function M.tensor(operation, x)
  if not M.is_tensor(x) then
    raise(("%s: expected a tensor, got %s"):format(operation, show(x)))
  end
  if core.is_released(x) then
    raise(operation .. ": the tensor was released")
  end
end

--- Checks a dimension of a tensor and returns it counted from 1.
-- @tparam string operation for the message
-- @tparam tensor x
-- @tparam int dim from 1, or negative from the end
-- @tparam[opt=0] int extra number of additional dimensions allowed after the last
-- @treturn int
function M.dimension(operation, x, dim, extra)
  local n = x:dim() + (extra or 0)
  if math.type(dim) ~= "integer" then
    raise(("%s: expected an integer as a dimension, got %s")
      :format(operation, show(dim)))
  end
  local d = dim < 0 and n + 1 + dim or dim
  if d < 1 or d > n then
    raise(("%s: dimension %d is outside of a tensor with %d dimensions")
      :format(operation, dim, x:dim()))
  end
  return d
end

--- Checks an integer, which may be given as a float, and returns it.
-- @tparam string operation for the message
-- @tparam string name of the argument, for the message
-- @param value what was given
-- @treturn int
function M.integer(operation, name, value)
  local n = math.tointeger(value)
  if not n or type(value) ~= "number" then
    raise(("%s: expected an integer as %s, got %s")
      :format(operation, name, show(value)))
  end
  return n
end

local function is_named(value)
  return type(value) == "table" and type(next(value)) == "string"
end

--- Reads parameters given by position, by name in a table, or by position followed by a
-- table of named ones.
-- @tparam string operation for the message
-- @tparam {string,...} names in order
-- @tparam table rules by name, as those of torus.options.resolve
-- @param ... what was given
-- @treturn table by name, with defaults
function M.parameters(operation, names, rules, ...)
  local given = {}
  for i = 1, select("#", ...) do
    local value = (select(i, ...))
    if is_named(value) then
      for key, named in pairs(value) do
        if given[key] ~= nil then
          raise(("%s: option %q was given twice"):format(operation, key))
        end
        given[key] = named
      end
    elseif value ~= nil then
      if not names[i] then
        raise(("%s: too many arguments, the first one too many is %s")
          :format(operation, show(value)))
      end
      given[names[i]] = value
    end
  end
  return options.resolve(operation, given, rules)
end

return M
