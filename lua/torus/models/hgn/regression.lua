--- Short fits of small networks to many points, by Adam.
-- @module torus.models.hgn.regression
local adam = require "torus.optim.adam"
local engine = require "torus.engine"
local schedule = require "torus.optim.schedule"

local M = {}

local LR, BATCH = 3e-3, 1024

--- Minimises a loss over randomly drawn batches of points, with cosine decay of the
-- learning rate.
-- @tparam {tensor,...} parameters
-- @tparam integer count number of points
-- @tparam table o
-- @tparam integer o.steps
-- @tparam generator o.generator
-- @tparam[opt] function o.on_step called after each step with its number and that of all steps
-- @tparam function loss of indices, an int64 tensor; returns a scalar
function M.run(parameters, count, o, loss)
  local optimiser = adam.new(parameters, { lr = LR })
  local rate = schedule.cosine(optimiser, { steps = o.steps })
  local batch = math.min(BATCH, count)
  for step = 1, o.steps do
    rate:step()
    local indices = engine.randperm(count, { generator = o.generator })
      :narrow(1, 1, batch)
    optimiser:step(engine.grad(loss(indices), parameters,
      { allow_unused = true }))
    if o.on_step then o.on_step(step, o.steps) end
  end
end

return M
