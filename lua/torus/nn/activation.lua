--- Activations by name, and as modules for a Sequential.
-- @module torus.nn.activation
local Module = require "torus.nn.module"
local options = require "torus.options"

local M = {}

local functions = {
  identity = function(x) return x end,
  relu = function(x) return x:relu() end,
  leaky_relu = function(x, slope) return x:leaky_relu(slope) end,
  softplus = function(x) return x:softplus() end,
  sigmoid = function(x) return x:sigmoid() end,
  tanh = function(x) return x:tanh() end,
  sin = function(x) return x:sin() end,
}

local function names()
  local list = {}
  for name in pairs(functions) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

--- The function behind a name; anything callable is returned as it is.
-- @tparam string|function activation
-- @tparam string where name of the caller, for the message
-- @treturn function tensor -> tensor
function M.get(activation, where)
  if type(activation) ~= "string" then return activation end
  local found = functions[activation]
  if not found then
    options.raise("%s: unknown activation %q (known: %s)", where,
      activation, names())
  end
  return found
end

local Activation = Module.class("Activation")

function Activation:forward(x)
  return functions[self.kind](x, self.slope)
end

function Activation:describe()
  return self.slope and string.format("%s(%g)", self.kind, self.slope)
    or self.kind
end

--- A module that applies an activation.
-- @tparam string kind a name that get takes
-- @tparam[opt=0.01] number slope of leaky_relu below zero
-- @treturn Module
function M.module(kind, slope)
  M.get(kind, "activation")
  if kind == "leaky_relu" then slope = slope or 0.01 end
  return Module.instance(Activation, { kind = kind, slope = slope })
end

return M
