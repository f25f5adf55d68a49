--- The units in which a model sees states: q' = (q - shift) / s_q and p' = (p - shift) / s_p,
-- with one scale for all of q and one for all of p, so that dynamics that are Hamiltonian or
-- symplectic in one set of units are so in the other. They are buffers of the module,
-- `shift` (2 d) and `scale` (s_q, s_p and any further scales of the model); a module without
-- them sees states unchanged.
-- @module torus.models.parts.units
local engine = require "torus.engine"

local M = {}

--- Registers neutral units in a module.
-- @tparam Module module with config.dimension and config.dtype
-- @tparam integer scales number of scales: s_q, s_p, and others
-- @usage
-- local units = require "torus.models.parts.units"
-- local model = torus.models.sympnet { dimension = 1 }
-- units.register(model, 2)
-- print(model.scale)   -- 1 1
function M.register(module, scales)
  local c = module.config
  module:register_buffer("shift", engine.zeros({ 2 * c.dimension }, { dtype = c.dtype }))
  module:register_buffer("scale", engine.ones({ scales }, { dtype = c.dtype }))
end

--- Returns the units of a module that has them.
-- @tparam Module module
-- @treturn tensor shift of q (d)
-- @treturn tensor shift of p (d)
-- @treturn tensor s_q (1)
-- @treturn tensor s_p (1)
function M.of(module)
  local d, shift, scale = module.config.dimension, module.shift, module.scale
  return shift:narrow(1, 1, d), shift:narrow(1, d + 1, d), scale:narrow(1, 1, 1),
    scale:narrow(1, 2, 1)
end

--- Converts states to the module's units.
-- @tparam Module module
-- @tparam tensor q (..., d)
-- @tparam tensor p like q
-- @treturn tensor q'
-- @treturn tensor p'
function M.scaled(module, q, p)
  if not module.shift then return q, p end
  local mq, mp, sq, sp = M.of(module)
  return (q - mq) / sq, (p - mp) / sp
end

--- Converts states back from the module's units, the inverse of scaled.
-- @tparam Module module
-- @tparam tensor q (..., d) in the module's units
-- @tparam tensor p like q
-- @treturn tensor q
-- @treturn tensor p
function M.given(module, q, p)
  if not module.shift then return q, p end
  local mq, mp, sq, sp = M.of(module)
  return q * sq + mq, p * sp + mp
end

--- Returns the root mean square, or 1 if all elements are zero.
-- @tparam tensor x
-- @treturn number
-- @usage
-- local units = require "torus.models.parts.units"
-- print(units.size(torus.tensor { 3, -3 }))   -- 3
function M.size(x)
  local found = x:square():mean():sqrt():item()
  return found > 0 and found or 1
end

--- Determines the units from data: the mean of every coordinate, and the standard deviation
-- of q and of p, each over all of their coordinates.
-- @tparam Module module with units
-- @tparam tensor q (n, d)
-- @tparam tensor p (n, d)
-- @tparam[opt] function further of s_q and s_p; returns a third scale
function M.take(module, q, p, further)
  engine.no_grad(function()
    local mq, mp = q:mean(1), p:mean(1)
    local scales = { M.size(q - mq), M.size(p - mp) }
    scales[3] = further and further(scales[1], scales[2])
    module.shift:copy_(engine.cat({ mq, mp }, 1):to(module.shift.dtype))
    module.scale:copy_(engine.tensor(scales, { dtype = module.scale.dtype }))
  end)
end

--- Returns the mean squared error of the states after the first along a rollout, half the
-- sum of those of q and p, in the module's units.
-- @tparam Module module
-- @tparam table trajectory q and p (states, batch, d)
-- @tparam tensor q (states, batch, d) observed
-- @tparam tensor p like q
-- @treturn tensor a scalar
function M.rollout_error(module, trajectory, q, p)
  local steps = q:size(1) - 1
  local eq = trajectory.q:narrow(1, 2, steps) - q:narrow(1, 2, steps)
  local ep = trajectory.p:narrow(1, 2, steps) - p:narrow(1, 2, steps)
  if module.shift then
    local _, _, sq, sp = M.of(module)
    eq, ep = eq / sq, ep / sp
  end
  return (eq:square():mean() + ep:square():mean()) * 0.5
end

return M
