--- RMSprop, with PyTorch's conventions.
-- @module torus.optim.rmsprop
local optimiser = require "torus.optim.optimiser"
local options = require "torus.options"

local function update(self, i, p, g)
  if self.weight_decay ~= 0 then g = g + p * self.weight_decay end
  local square = self.square_average[i]
  square:mul_(self.alpha):add_(g * g, 1 - self.alpha)
  local variance = square
  if self.centered then
    local average = self.gradient_average[i]
    average:mul_(self.alpha):add_(g, 1 - self.alpha)
    variance = square - average * average
  end
  local direction = g / (variance:sqrt() + self.eps)
  if self.momentum ~= 0 then
    direction = self.momentum_buffer[i]:mul_(self.momentum):add_(direction)
  end
  p:add_(direction, -self.lr)
end

local M = {}

local RMSprop = optimiser.class("rmsprop", update)

local RULES = {
  lr = { default = 0.01, type = "number", min = 0 },
  alpha = { default = 0.99, type = "number", min = 0, max = 1 },
  eps = { default = 1e-8, type = "number", min = 0 },
  weight_decay = { default = 0, type = "number", min = 0 },
  momentum = { default = 0, type = "number", min = 0 },
  centered = { default = false, type = "boolean" },
}

--- RMSprop (Tieleman & Hinton 2012): divides the gradient by the square root of the moving
-- average of its square or, if centered (Graves 2013), of its variance.
-- @function torus.optim.rmsprop
-- @tparam {tensor,...} params leaves, which the steps update in place
-- @tparam[opt] table opts
-- @tparam[opt=0.01] number opts.lr learning rate; the field `lr` may change between
-- steps
-- @tparam[opt=0.99] number opts.alpha decay of the moving averages
-- @tparam[opt=1e-8] number opts.eps added to the root
-- @tparam[opt=0] number opts.weight_decay multiple of a parameter added to its
-- gradient
-- @tparam[opt=0] number opts.momentum applied to the scaled gradients
-- @tparam[opt=false] boolean opts.centered
-- @treturn Optimiser
-- @raise unless params is a list of at least one leaf tensor, each only once
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.rmsprop({ w }, { lr = 0.1 })
-- optimiser:step(torus.grad((w * w):sum(), { w }))
-- print(w:item())   -- 3 - 0.1 / sqrt(0.01) = 2
function M.new(params, opts)
  local o = options.resolve("rmsprop", opts, RULES)
  local slots = { "square_average" }
  if o.momentum > 0 then slots[#slots + 1] = "momentum_buffer" end
  if o.centered then slots[#slots + 1] = "gradient_average" end
  return optimiser.instance(RMSprop, params, o, slots)
end

return M
