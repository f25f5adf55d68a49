--- Checks of parameters and gradients, shared by all optimisers.
-- @module torus.optim.parameters
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Raises unless each tensor of a list has its parameter's shape; nil passes.
-- @tparam string where name of the optimiser, for messages
-- @tparam string name what the tensors are, for messages
-- @tparam table list
-- @tparam {tensor,...} params
function M.check_tensors(where, name, list, params)
  for i, p in ipairs(params) do
    if list[i] ~= nil then
      options.tensor(where, name .. " " .. i, list[i], engine.is_tensor(p)
        and p.shape or { "..." })
    end
  end
end

--- Raises unless a value lists gradients of parameters; those that are nil are left out.
-- @tparam string where name of the optimiser, for messages
-- @param grads
-- @tparam {tensor,...} params
function M.check_gradients(where, grads, params)
  options.argument(where, "grads", grads, { type = "table" })
  for key in pairs(grads) do
    if math.type(key) ~= "integer" or key < 1 or key > #params then
      options.raise("%s: grads: expected at most one gradient for each of %d parameters, got one "
        .. "with the key %s", where, #params, options.show(key))
    end
  end
  M.check_tensors(where, "gradient", grads, params)
end

--- Raises unless params is a list of at least one tensor, each only once.
-- @tparam string where name of the optimiser, for messages
-- @param params
function M.check(where, params)
  if type(params) ~= "table" or #params == 0 then
    options.raise("%s: params: expected a list of at least one tensor, got "
      .. "%s", where, options.show(params))
  end
  options.list(where .. ": params", params)
  M.check_tensors(where, "parameter", params, params)
  local seen = {}
  for i, p in ipairs(params) do
    if not p.dtype:find("^float") then
      options.raise("%s: params: expected floating-point tensors, got %s as parameter %d", where,
        options.show(p), i)
    end
    if seen[p] then
      options.raise("%s: params: parameter %d is the same tensor as parameter %d", where, i,
        seen[p])
    end
    seen[p] = i
  end
end

return M
