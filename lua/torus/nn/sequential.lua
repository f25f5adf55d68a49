--- Sequential: modules and functions applied one after the other.
-- @module torus.nn.sequential
local Module = require "torus.nn.module"
local options = require "torus.options"
local signature = require "torus.signature"

local Sequential = Module.class("Sequential")

--- A chain: each layer is called with the previous one's result.
-- @function torus.nn.Sequential
-- @tparam {Module|function,...} layers named by their positions: 1, 2, ...
-- @treturn Module of one argument; without layers it is the identity
-- @raise unless every layer is a module or a function
-- @usage
-- nn = torus.nn
-- net = nn.Sequential { nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1) }
-- print(table.unpack(net(torus.randn(5, 2)).shape))   -- 5 1
function Sequential.new(layers)
  if type(layers) ~= "table" or Module.is_module(layers) then
    options.raise("Sequential: expected a list of modules and functions, "
      .. "got %s", options.show(layers))
  end
  options.list("Sequential", layers)
  local self = Module.instance(Sequential)
  for i, layer in ipairs(layers) do
    if not Module.is_module(layer) and type(layer) ~= "function" then
      options.raise("Sequential: layer %d: expected a module or a function, "
        .. "got %s", i, options.show(layer))
    end
    self:register(i, layer)
  end
  return self
end

function Sequential:forward(x)
  for _, layer in ipairs(self) do x = layer(x) end
  return x
end

signature.methods("Sequential", Sequential, {}, { new = "" })

return Sequential
