--- How parameters start.
-- @module torus.nn.initialise
local torus = require "torus"

local M = {}

--- A new parameter, uniform within +-bound.
-- @tparam {integer,...} shape
-- @tparam number bound
-- @tparam table opts dtype, generator
-- @treturn tensor a leaf that requires a gradient
function M.uniform(shape, bound, opts)
  local parameter = torus.zeros(shape, { dtype = opts.dtype,
    requires_grad = true })
  torus.no_grad(function()
    local drawn = torus.rand(shape, { dtype = opts.dtype,
      generator = opts.generator })
    parameter:copy_((drawn * 2 - 1) * bound)
  end)
  return parameter
end

--- The bound of the weights of a layer.
-- "default" is 1/sqrt(fan_in), PyTorch's; "kaiming" is sqrt(6/fan_in), which
-- keeps the size of a signal through ReLUs.
-- @tparam string scheme
-- @tparam integer fan_in
-- @treturn number
function M.bound(scheme, fan_in)
  if scheme == "kaiming" then return math.sqrt(6 / fan_in) end
  return 1 / math.sqrt(math.max(fan_in, 1))
end

--- The bound of the biases: zero with "kaiming".
-- @tparam string scheme
-- @tparam integer fan_in
-- @treturn number
function M.bias_bound(scheme, fan_in)
  if scheme == "kaiming" then return 0 end
  return 1 / math.sqrt(math.max(fan_in, 1))
end

--- The names that bound takes.
M.schemes = { "default", "kaiming" }

return M
