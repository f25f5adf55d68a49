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
  swish = function(x) return x * x:sigmoid() end,
}

local function names()
  local list = {}
  for name in pairs(functions) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

--- The function behind a name; anything callable is returned as it is.
-- @function torus.nn.activation
-- @tparam string|function activation identity, leaky_relu, relu, sigmoid, sin,
-- softplus, swish or tanh
-- @tparam[opt="activation"] string where name of the caller, for the message
-- @treturn function tensor -> tensor
-- @raise for an unknown name
-- @usage
-- softplus = torus.nn.activation("softplus")
-- print(softplus(torus.zeros(1)))   -- 0.6931
function M.get(activation, where)
  if options.is_callable(activation) then return activation end
  local found = functions[activation]
  if not found then
    options.raise("%s: unknown activation %s (known: %s)",
      where or "activation", options.show(activation), names())
  end
  return found
end

local Activation = Module.class("Activation")

function Activation:forward(x)
  options.tensor(self.kind, "x", x, { "..." })
  return functions[self.kind](x, self.slope)
end

function Activation:describe()
  return self.slope and string.format("%s(%g)", self.kind, self.slope)
    or self.kind
end

--- A module that applies an activation.
-- @tparam string kind a name that get takes
-- @tparam[opt=0.01] number slope of leaky_relu below zero; no other takes one
-- @treturn Module tensor -> tensor of the same shape
function M.module(kind, slope)
  M.get(type(kind) == "string" and kind or nil)
  if kind == "leaky_relu" then
    slope = options.argument(kind, "slope", slope or 0.01, { type = "number" })
  elseif slope ~= nil then
    options.raise("%s: only leaky_relu has a slope", kind)
  end
  return Module.instance(Activation, { kind = kind, slope = slope })
end

return M
