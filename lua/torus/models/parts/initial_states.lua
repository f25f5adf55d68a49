--- Fitted initial states of observed windows, for training through a rollout. A window's
-- first state is noisy like all others, so a rollout from it can't fit the rest even with
-- the true dynamics, and the learned dynamics are biased. Here each window gets the initial
-- state whose rollout fits all of its states best, by least squares (the initial state
-- optimisation of Chen et al. 2020, section 3.3).
--
-- The gradient of the dynamics needs no derivative of these states: at the minimum the loss
-- is stationary with respect to them.
-- @module torus.models.parts.initial_states
local engine = require "torus.engine"
local linalg = require "torus.linalg"
local units = require "torus.models.parts.units"

local M = {}

-- Step of the central differences, in standard deviations of the states.
local STEP = { float32 = 4e-3, float64 = 1e-5 }

-- The rollout from x (batch, n) and its derivatives with respect to x: (states, batch, n)
-- and (states, batch, n, n), with the index of x last. A single call computes everything.
local function linearised(roll, x, step)
  local batch, n = x:size(1), x:size(2)
  local shifts = engine.eye(n, { dtype = x.dtype }) * step
  shifts = engine.cat({ engine.zeros({ 1, n }, { dtype = x.dtype }), shifts, -shifts }, 1)
  local starts = x:unsqueeze(1) + shifts:unsqueeze(2)
  local found = roll(starts:reshape(-1, n)):reshape(-1, 2 * n + 1, batch, n)
  local difference = found:narrow(2, 2, n) - found:narrow(2, n + 2, n)
  return found:select(2, 1), (difference / (2 * step)):transpose(2, 3):transpose(3, 4)
end

-- A Gauss-Newton step. The term of the first state adds the identity to the matrix, which
-- damps the step while the dynamics are not learned yet.
local function improved(roll, x, observed, step)
  local states, batch, n = table.unpack(observed.shape)
  local found, J = linearised(roll, x, step)
  local rows = J:transpose(1, 2):reshape(batch, states * n, n)
  local residual = (observed - found):transpose(1, 2):reshape(batch, states * n, 1)
  local turned = rows:transpose(2, 3)
  local moved = x + linalg.solve(turned:matmul(rows), turned:matmul(residual)):squeeze(3)
  return engine.where((moved * 0):eq(0), moved, x) -- a rollout may have overflowed
end

--- Fits the initial states of windows.
-- @tparam function roll of states (batch, n) with any batch size; returns the rollout from
-- them, (states, batch, n)
-- @tparam tensor observed (states, batch, n), in units in which errors have equal weight
-- @tparam[opt=2] integer iterations of the Gauss-Newton method, beginning at the observed
-- first states
-- @treturn tensor (batch, n), without gradients
-- @usage
-- initial_states = require "torus.models.parts.initial_states"
-- local function constant(x) return x:unsqueeze(1):expand(3, x:size(1), 2) end
-- observed = torus.tensor { { { 0, 0 } }, { { 1, 2 } }, { { 2, 1 } } }
-- print(initial_states.fit(constant, observed))   -- the means, 1 and 1
function M.fit(roll, observed, iterations)
  return engine.no_grad(function()
    local centre = observed:mean { 1, 2 }
    local size = math.max((observed - centre):square():mean():sqrt():item(), 1e-30)
    local x = observed[1]
    for _ = 1, iterations or 2 do
      x = improved(roll, x, observed, STEP[observed.dtype] * size)
    end
    return x
  end)
end

--- Fits the initial states of observed windows for a model of states, in the model's units.
-- @tparam Module model
-- @tparam function roll of q and p (batch, d); returns the trajectory from there, q and p
-- (states, batch, d)
-- @tparam tensor q (states, batch, d) observed
-- @tparam tensor p like q
-- @treturn tensor q (batch, d)
-- @treturn tensor p (batch, d)
function M.of_windows(model, roll, q, p)
  local d = q:size(3)
  local function halves(x)
    local n = x:dim()
    return x:narrow(n, 1, d):contiguous(), x:narrow(n, d + 1, d):contiguous()
  end
  local function joined(x, y) return engine.cat({ units.scaled(model, x, y) }, -1) end
  local function rolled(x)
    local found = roll(units.given(model, halves(x)))
    return joined(found.q, found.p)
  end
  return units.given(model, halves(M.fit(rolled, joined(q, p))))
end

return M
