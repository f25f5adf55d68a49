--- The motion around a frame in the middle of a sequence.
-- @module torus.models.hgn.motion
local engine = require "torus.engine"

local M = {}

-- Rollouts forward and, where there are frames before the state's, backward.
local function both(model, q, p, backward, forward, fused)
  local after = model:rollout(q, p, { steps = forward, fused = fused })
  return after, backward > 0 and model:rollout(q, p, { steps = backward,
    fused = fused, dt = -model.config.dt }) or nil
end

-- Forward in time, where `before` runs backward from where `after` begins.
local function joined(before, after)
  if not before then return after end
  return engine.cat({ before:narrow(1, 2, before:size(1) - 1):flip(1), after }, 1)
end

--- The positions at consecutive frames, in order of time, around the one that a
-- state belongs to.
-- @tparam Module model an HGN
-- @tparam tensor q (batch, ...)
-- @tparam tensor p the same shape
-- @tparam integer backward frames before the state's
-- @tparam integer forward frames after it
-- @tparam[opt] boolean fused as in torus.integrate
-- @treturn tensor (backward + 1 + forward, batch, ...)
function M.around(model, q, p, backward, forward, fused)
  local after, before = both(model, q, p, backward, forward, fused)
  return joined(before and before.q, after.q)
end

--- The states at consecutive frames, likewise.
-- @tparam Module model an HGN with a vector phase space
-- @tparam tensor q (batch, n)
-- @tparam tensor p the same shape
-- @tparam integer backward frames before the state's
-- @tparam integer forward frames after it
-- @treturn tensor (backward + 1 + forward, batch, 2 n), q and p next to each other
function M.states_around(model, q, p, backward, forward)
  local after, before = both(model, q, p, backward, forward)
  local function states(trajectory)
    return trajectory and engine.cat({ trajectory.q, trajectory.p }, 3)
  end
  return joined(states(before), states(after))
end

return M
