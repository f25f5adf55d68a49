--- Initial values of parameters.
-- @module torus.nn.initialise
local options = require "torus.options"
local signature = require "torus.signature"
local engine = require "torus.engine"

local M = {}

--- Makes a parameter with uniform values in [-bound, bound].
-- @tparam {integer,...} shape
-- @tparam number bound
-- @tparam table opts
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt] generator opts.generator source of the values
-- @treturn tensor a leaf that requires a gradient
-- @usage
-- weight = torus.nn.initialise.uniform({ 3, 4 }, 0.5, {})
-- print(weight.requires_grad, weight:abs():max():item() <= 0.5)   -- true true
function M.uniform(shape, bound, opts)
  local parameter = engine.zeros(shape, { dtype = opts.dtype,
    requires_grad = true })
  engine.no_grad(function()
    local drawn = engine.rand(shape, { dtype = opts.dtype,
      generator = opts.generator })
    parameter:copy_((drawn * 2 - 1) * bound)
  end)
  return parameter
end

--- The schemes that `bound` and `bias_bound` accept.
M.schemes = { "default", "kaiming" }

local SCHEME = { choices = M.schemes }

--- Returns the bound for the weights of a layer.
-- "default" is 1/sqrt(fan_in), as in PyTorch; "kaiming" is sqrt(6/fan_in), which
-- preserves the variance of a signal through ReLUs (He et al. 2015).
-- @tparam string scheme
-- @tparam integer fan_in numbers that each output is a sum over
-- @treturn number
-- @raise for an unknown scheme
-- @usage
-- print(torus.nn.initialise.bound("default", 25))   -- 0.2
function M.bound(scheme, fan_in)
  options.argument("initialise", "scheme", scheme, SCHEME)
  if scheme == "kaiming" then return math.sqrt(6 / fan_in) end
  return 1 / math.sqrt(math.max(fan_in, 1))
end

--- Returns the bound for the biases: the same as for the weights, but 0 for "kaiming".
-- @tparam string scheme
-- @tparam integer fan_in numbers that each output is a sum over
-- @treturn number
-- @usage
-- print(torus.nn.initialise.bias_bound("kaiming", 25))   -- 0
function M.bias_bound(scheme, fan_in)
  return scheme == "kaiming" and 0 or M.bound(scheme, fan_in)
end

--- Multiplies every weight of a module, but not its biases, by a gain.
-- @tparam Module module
-- @tparam number gain
-- @usage
-- net = torus.nn.MLP { sizes = { 2, 16, 1 } }
-- torus.nn.initialise.scale_weights(net, 2)
function M.scale_weights(module, gain)
  if gain == 1 then return end
  engine.no_grad(function()
    for _, entry in ipairs(module:named_parameters()) do
      if entry[1]:match("weight$") then entry[2]:mul_(gain) end
    end
  end)
end

--- Sets every parameter of a module to zero, so that it contributes nothing initially.
-- @tparam Module module
-- @usage
-- layer = torus.nn.Linear(2, 2)
-- torus.nn.initialise.zero(layer)
-- print(layer(torus.ones(1, 2)))   -- 0 0
function M.zero(module)
  engine.no_grad(function()
    for _, parameter in ipairs(module:parameters()) do parameter:fill_(0) end
  end)
end

signature.functions("initialise", M, {
  uniform = "shape: {integer,...}, bound: number, opts: table",
  bound = "scheme: string, fan_in: integer",
  bias_bound = "scheme: string, fan_in: integer",
  scale_weights = "module: Module, gain: number",
  zero = "module: Module",
})

return M
