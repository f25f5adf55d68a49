--- Gradient clipping.
-- @module torus.optim.clip
-- @public torus.optim
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

local LIMIT = { type = "number", min = 0 }

-- The gradients of a list, in which those of parameters that the loss does not depend on are
-- nil: for a parameter, a leaf that requires a gradient, its .grad.
local function gradients_of(where, tensors)
  if engine.is_tensor(tensors) then tensors = { tensors } end
  options.argument(where, "gradients", tensors, { type = "table" })
  local last, list = 0, {}
  for i in pairs(tensors) do
    if math.type(i) ~= "integer" then
      options.raise("%s: expected a list of gradients, got one with the key %s", where,
        options.show(i))
    end
    last = math.max(last, i)
  end
  for i = 1, last do
    local x = tensors[i]
    if x ~= nil and not options.is_live(x) then
      options.raise("%s: expected a tensor as gradient %d, got %s", where, i,
        options.show(x))
    end
    if x and x.requires_grad and x.is_leaf then
      x = x.grad
    elseif x then
      x = x:detach() -- clipping is not recorded
    end
    list[#list + 1] = x
  end
  return list
end

--- Returns the sum of the squares of a gradient, in float64, in which squares of float32
-- don't overflow.
-- @tparam tensor g
-- @treturn number
-- @usage
-- local clip = require "torus.optim.clip"
-- print(clip.squares(torus.tensor { 1e25, 0 }))   -- 1e50
function M.squares(g)
  local squares = (g * g):to("float64"):sum():item()
  -- The short way is exact enough unless squares have left float32's range.
  if squares < math.huge and squares > 1e-30 then return squares end
  return g:to("float64"):square():sum():item()
end

--- Scales gradients in place so that their joint norm is at most a limit
-- (Pascanu et al. 2013).
-- @function torus.optim.clip_norm
-- @tparam {tensor,...} tensors gradients as returned by torus.grad, or parameters,
-- whose .grad is clipped; parameters without one are skipped
-- @tparam number limit
-- @treturn number the norm before clipping; if it is NaN or infinite, no gradient is
-- changed
-- @usage
-- g = torus.tensor { 3, 4 }
-- print(torus.optim.clip_norm({ g }, 1))   -- 5.0
-- print(g)                                 -- [0.6, 0.8]
function M.clip_norm(tensors, limit)
  options.argument("clip_norm", "limit", limit, LIMIT)
  local list, squares = gradients_of("clip_norm", tensors), 0
  return engine.no_grad(function()
    for _, g in ipairs(list) do squares = squares + M.squares(g) end
    local norm = math.sqrt(squares)
    if norm > limit and norm < math.huge then
      for _, g in ipairs(list) do g:mul_(limit / norm) end
    end
    return norm
  end)
end

--- Clamps every element of gradients to [-limit, limit], in place.
-- @function torus.optim.clip_value
-- @tparam {tensor,...} tensors gradients as returned by torus.grad, or parameters,
-- whose .grad is clipped; parameters without one are skipped
-- @tparam number limit
-- @usage
-- g = torus.tensor { 3, -0.5 }
-- torus.optim.clip_value({ g }, 1)
-- print(g)   -- [1, -0.5]
function M.clip_value(tensors, limit)
  options.argument("clip_value", "limit", limit, LIMIT)
  local list = gradients_of("clip_value", tensors)
  engine.no_grad(function()
    for _, g in ipairs(list) do g:copy_(g:clamp(-limit, limit)) end
  end)
end

return M
