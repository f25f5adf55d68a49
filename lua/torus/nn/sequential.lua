--- Modules and functions, one after the other.
-- @module torus.nn.sequential
local Module = require "torus.nn.module"
local options = require "torus.options"

local Sequential = Module.class("Sequential")

--- Modules and functions, applied one after the other.
-- @function torus.nn.Sequential
-- @tparam {Module|function,...} layers named by their places: 1, 2, ...
-- @treturn Module of one argument; without layers it is the identity
-- @usage
-- net = torus.nn.Sequential{ torus.nn.Linear(2, 8), torus.nn.Tanh(),
--   torus.nn.Linear(8, 1), function(x) return x:squeeze(-1) end }
-- print(table.unpack(net(torus.randn(4, 2)).shape))   -- 4
function Sequential.new(layers)
  if type(layers) ~= "table" or Module.is_module(layers) then
    options.raise("Sequential: expected a list of modules and functions, "
      .. "got %s", options.show(layers))
  end
  local self = Module.instance(Sequential)
  for i, layer in ipairs(layers) do
    if not Module.is_module(layer) and type(layer) ~= "function" then
      options.raise("Sequential: expected a module or a function at "
        .. "place %d, got %s", i, options.show(layer))
    end
    self:register(i, layer)
  end
  return self
end

function Sequential:forward(x)
  for _, layer in ipairs(self) do x = layer(x) end
  return x
end

return Sequential
