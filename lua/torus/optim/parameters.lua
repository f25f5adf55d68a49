--- Checks of parameters and gradients, shared by all optimisers.
-- @module torus.optim.parameters
local engine = require "torus.engine"
local options = require "torus.options"
local unknown = require "torus.unknown"

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

local function check_gradients(where, grads, params)
  options.argument(where, "grads", grads, { type = "table" })
  for key in pairs(grads) do
    if math.type(key) ~= "integer" or key < 1 or key > #params then
      options.raise("%s: grads: expected at most one gradient for each of %d parameters, got one "
        .. "with the key %s", where, #params, options.show(key))
    end
  end
  M.check_tensors(where, "gradient", grads, params)
end

--- Returns the gradients of parameters.
-- @tparam string where name of the optimiser, for messages
-- @param grads a list that may have gaps; nil stands for each parameter's .grad
-- @tparam {tensor,...} params
-- @treturn {[integer]=tensor} by the index of the parameter; those without one are left out
-- @raise for other shapes, and without a list if no parameter has a .grad
function M.gradients(where, grads, params)
  if grads ~= nil then
    check_gradients(where, grads, params)
    return grads -- an empty list: a training may have nothing to change in a step
  end
  local found = {}
  for i, p in ipairs(params) do found[i] = p.grad end
  if next(found) == nil then
    options.raise("%s: expected a gradient of at least one parameter, got none: call "
      .. "loss:backward() first; net:to(dtype) gives a module new parameters, so convert it "
      .. "before making the optimiser", where)
  end
  return found
end

--- Raises unless params is a list of at least one leaf tensor, each only once. Some may require
-- no gradient: those of layers that are frozen.
-- @tparam string where name of the optimiser, for messages
-- @param params
function M.check(where, params)
  if type(params) ~= "table" or options.is_module(params)
    or unknown.is_guarded(params) or #params == 0 or type(params[1]) == "table" then
    options.raise("%s: params: expected a list of at least one tensor, such as "
      .. "net:parameters(), got %s", where, type(params) == "table"
      and not getmetatable(params)
      and params[1] and "a list of lists, as of net:named_parameters()" or options.show(params))
  end
  options.list(where .. ": params", params)
  M.check_tensors(where, "parameter", params, params)
  local seen = {}
  for i, p in ipairs(params) do
    if not p.dtype:find("^float") then
      options.raise("%s: params: expected floating-point tensors, got %s as parameter %d", where,
        options.show(p), i)
    end
    if not p.is_leaf then
      options.raise("%s: params: expected leaf tensors, got %s as parameter %d, which is a result "
        .. "of operations", where, options.show(p), i)
    end
    if seen[p] then
      options.raise("%s: params: parameter %d is the same tensor as parameter %d", where, i,
        seen[p])
    end
    seen[p] = i
  end
end

return M
