--- Checks of the tensors that the methods of a model receive.
-- @module torus.models.parts.states
local options = require "torus.options"

local M = {}

--- Raises unless values are tensors of one shape and of a model's dtype.
-- @tparam string where name of the operation, for the message
-- @tparam ?string dtype that of the model's parameters; nil permits any
-- @tparam {integer|string,...} shape as in torus.options.tensor; the first value determines
-- the sizes that it leaves open for the others
-- @tparam {string,...} names of the values
-- @param ... values
-- @usage
-- states = require "torus.models.parts.states"
-- print(pcall(states.check, "example", "float64", { "batch", 2 }, { "q" }, torus.ones(3, 2)))
function M.check(where, dtype, shape, names, ...)
  for i, name in ipairs(names) do
    local x = select(i, ...)
    options.tensor(where, name, x, shape, dtype)
    shape = x.shape
  end
end

return M
