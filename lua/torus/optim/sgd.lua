--- Stochastic gradient descent, with PyTorch's conventions.
-- @module torus.optim.sgd
local optimiser = require "torus.optim.optimiser"
local options = require "torus.options"

local function update(self, i, p, g, count)
  if self.weight_decay ~= 0 then g = g + p * self.weight_decay end
  if self.momentum ~= 0 then
    local b = self.momentum_buffer[i]
    if count == 1 then b:copy_(g) else b:mul_(self.momentum):add_(g, 1 - self.dampening) end
    g = self.nesterov and g + b * self.momentum or b
  end
  p:add_(g, -self.lr)
end

local M = {}

local SGD = optimiser.class("sgd", update)

local RULES = {
  lr = { default = 1e-3, type = "number", min = 0 },
  momentum = { default = 0, type = "number", min = 0 },
  dampening = { default = 0, type = "number" },
  weight_decay = { default = 0, type = "number", min = 0 },
  nesterov = { default = false, type = "boolean" },
}

--- Stochastic gradient descent. With a momentum m the step follows
-- b <- m b + (1 - dampening) g, with the first gradient as the initial b; in Nesterov's
-- form (Sutskever et al. 2013) it follows g + m b.
-- @function torus.optim.sgd
-- @tparam {tensor,...} params leaves, which the steps update in place
-- @tparam[opt] table opts
-- @tparam[opt=0.001] number opts.lr learning rate; the field `lr` may change
-- between steps
-- @tparam[opt=0] number opts.momentum
-- @tparam[opt=0] number opts.dampening
-- @tparam[opt=0] number opts.weight_decay multiple of a parameter added to its
-- gradient
-- @tparam[opt=false] boolean opts.nesterov needs a momentum and no dampening
-- @treturn Optimiser
-- @raise unless params is a list of at least one leaf tensor, each only once
-- @usage
-- net = torus.nn.Linear(2, 1)
-- optimiser = torus.optim.sgd(net:parameters(), { lr = 0.1, momentum = 0.9 })
-- for _ = 1, 3 do
--   optimiser:zero_grad()
--   net(torus.ones(8, 2)):square():mean():backward()
--   optimiser:step()
-- end
-- print(optimiser)   -- sgd(2 tensors, lr=0.1, step 3)
function M.new(params, opts)
  local o = options.resolve("sgd", opts, RULES)
  if o.nesterov and (o.momentum == 0 or o.dampening ~= 0) then
    options.raise("sgd: option \"nesterov\": expected a momentum above 0 and no "
      .. "dampening, got momentum %g and dampening %g", o.momentum, o.dampening)
  end
  return optimiser.instance(SGD, params, o,
    o.momentum > 0 and { "momentum_buffer" } or {})
end

return M
