--- Activations by name, and as modules for a Sequential.
-- @module torus.nn.activation
local Module = require "torus.nn.module"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local functions = {
  identity = function(x) return x end,
  elu = function(x) return x:elu() end,
  gelu = function(x) return x:gelu() end,
  relu = function(x) return x:relu() end,
  leaky_relu = function(x, slope) return x:leaky_relu(slope) end,
  softplus = function(x) return x:softplus() end,
  sigmoid = function(x) return x:sigmoid() end,
  tanh = function(x) return x:tanh() end,
  sin = function(x) return x:sin() end,
  silu = function(x) return x:silu() end,
  swish = function(x) return x * x:sigmoid() end, -- silu, in other bits
}

--- The names that `get` accepts.
M.names = options.sorted_keys(functions)

--- Returns the function of a name; anything callable is returned unchanged.
-- @function torus.nn.activation
-- @tparam string|function activation elu, gelu, identity, leaky_relu, relu,
-- sigmoid, silu, sin, softplus, swish (which is silu) or tanh
-- @tparam[opt="activation"] string where name of the caller, for the message
-- @treturn function tensor -> tensor of the same shape
-- @raise for an unknown name
-- @usage
-- print(torus.nn.activation("relu")(torus.tensor { -1, 2 }))   -- [0., 2.]
function M.get(activation, where)
  if options.is_callable(activation) then return activation end
  local found = functions[activation]
  if not found then
    options.raise("%s: %s", type(where) == "string" and where:sub(1, 60) or "activation",
      options.unknown("activation", activation, M.names))
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
-- @tparam string name one that `get` accepts
-- @tparam[opt=0.01] number slope of leaky_relu for negative inputs; other activations
-- have none
-- @treturn Module tensor -> tensor of the same shape
-- @raise for an unknown name, and for a slope with any other activation
-- @usage
-- activation = require "torus.nn.activation"
-- print(activation.module("leaky_relu", 0.1))   -- leaky_relu(0.1)
function M.module(name, slope)
  if type(name) ~= "string" then
    options.raise("activation: expected a name, got %s", options.show(name))
  end
  M.get(name)
  if name == "leaky_relu" then
    slope = options.argument(name, "slope", slope or 0.01, { type = "number" })
  elseif slope ~= nil then
    options.raise("%s: slope: only leaky_relu has a slope, got %s", name,
      options.show(slope))
  end
  return Module.instance(Activation, { kind = name, slope = slope })
end

signature.methods("Activation", Activation, {})
signature.functions("activation", M, {
  get = "activation: any, where?: string",
})

return M
