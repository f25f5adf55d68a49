--- The motion around a frame in the middle of a sequence.
-- @module torus.models.hgn.motion
local engine = require "torus.engine"

local M = {}

--- The positions at consecutive frames, in order of time, around the one that a
-- state belongs to.
-- @tparam Module model an HGN
-- @tparam tensor q (batch, ...)
-- @tparam tensor p the same shape
-- @tparam integer backward frames before the state's
-- @tparam integer forward frames after it
-- @tparam[opt] boolean fused as torus.integrate's
-- @treturn tensor (backward + 1 + forward, batch, ...)
function M.around(model, q, p, backward, forward, fused)
  local after = model:rollout(q, p, { steps = forward, fused = fused }).q
  if backward == 0 then return after end
  local before = model:rollout(q, p, { steps = backward, fused = fused,
    dt = -model.config.dt }).q
  return engine.cat({ before:narrow(1, 2, backward):flip(1), after }, 1)
end

return M
