--- One state from several windows of a sequence. The encoder sees `context` frames at a time,
-- and infers a state from each such window of a longer sequence. The result is the state
-- whose trajectory passes nearest to all of these: a nonlinear least-squares problem with
-- 2 dimension unknowns for each sequence. No image is decoded.
--
-- One window determines the speed along an orbit poorly, and a small error in it becomes a
-- large error of the phase later. Windows far apart determine it far better.
-- @module torus.models.hgn.windows
local checks = require "torus.models.hgn.checks"
local engine = require "torus.engine"
local equations_of = require "torus.models.hgn.least_squares"
local least_squares = require "torus.optim.least_squares"
local motion = require "torus.models.hgn.motion"
local options = require "torus.options"

local M = {}

-- Iterations of the least-squares fit, which is nearly linear, and of the alternation between
-- a fit and an estimate of the noise from its residuals.
local ROUNDS, TURNS = 8, 4
-- The largest correlation of errors one frame apart. At 1 the mean of the errors would have
-- no weight.
local CORRELATED = 0.98
-- Number of sequences encoded at a time.
local BLOCK = 16

--- Registers the buffers of an HGN with several windows that describe the errors of its
-- encoder: `window_scale` (2 dimension), the standard deviation of each component of a state,
-- of which only the ratios matter; and `window_correlation` (2 dimension), the correlation
-- between the errors of two windows one frame apart, which share most of their frames. Both
-- are 0 until HGN:calibrate measures them.
-- @tparam Module model
function M.register(model)
  local c = model.config
  if c.windows == 1 then return end
  for _, name in ipairs { "window_scale", "window_correlation" } do
    model:register_buffer(name, engine.zeros({ 2 * c.dimension }, { dtype = c.dtype }))
  end
end

--- Forgets the encoder's errors: it is trained further. `infer` then looks at the first window
-- alone.
-- @tparam Module model an HGN
function M.forget(model)
  if model.config.windows == 1 then return end
  model.window_scale:zero_()
  model.window_correlation:zero_()
end

--- Returns true if the errors of the encoder's states are known. Without them several windows
-- could be worse than one: q and p differ in unit, and so do their errors.
-- @tparam Module model an HGN with config.windows > 1
-- @treturn boolean
-- @usage
-- local torus = require "torus"
-- local windows = require "torus.models.hgn.windows"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 6,
--   context = 3, windows = 4 }
-- print(windows.calibrated(model))   -- false
function M.calibrated(model) return model.window_scale:min():item() > 0 end

--- Returns the first frames of the windows of a sequence, evenly spaced from the first
-- possible one to the last.
-- @tparam integer frames length of the sequence
-- @tparam integer context
-- @tparam integer windows maximum number
-- @treturn {integer,...}
-- @usage
-- local windows = require "torus.models.hgn.windows"
-- print(table.concat(windows.starts(31, 11, 5), " "))   -- 1 6 11 16 21
function M.starts(frames, context, windows)
  local last = frames - context
  local count = math.min(windows, last + 1)
  local starts = {}
  for i = 1, count do
    starts[i] = 1 + (count > 1 and (2 * (i - 1) * last + count - 1)
      // (2 * (count - 1)) or 0)
  end
  return starts
end

-- The states at frames `at`, in order, of a trajectory through states (batch,
-- 2 n) at frame `from`, which is one of them: (#at, batch, 2 n). The momenta of static
-- coordinates, which nothing depends on, stay as they are: the encoder knows nothing of them.
local function along(model, states, at, from)
  local n, static = model.config.dimension, model.config.static
  local all = motion.states_around(model, states:narrow(2, 1, n):contiguous(),
    states:narrow(2, n + 1, n):contiguous(), from - at[1], at[#at] - from)
  if static > 0 then
    local momenta = states:narrow(2, 2 * n - static + 1, static)
    all = engine.cat({ all:narrow(3, 1, 2 * n - static),
      momenta:unsqueeze(1):expand(all:size(1), -1, -1) }, 3)
  end
  if #at == all:size(1) then return all end
  local rows = {}
  for i, frame in ipairs(at) do rows[i] = frame - at[1] + 1 end
  return all:index_select(1, engine.tensor(rows, { dtype = "int64" }))
end

-- Returns a function that converts residuals (windows, batch, 2 n, ...) to ones with
-- uncorrelated errors of unit variance. The correlation between windows decays exponentially
-- with the time between them, so what is left of each residual is the part that the previous
-- one does not predict.
local function whitener(at, noise, dtype)
  local scale, correlation = noise.scale:to(dtype), noise.correlation:to(dtype)
  local kept, factors = {}, {}
  for i = 2, #at do
    kept[i - 1] = correlation ^ (at[i] - at[i - 1])
    factors[i - 1] = 1 / ((kept[i - 1]:square() * -1 + 1):sqrt() * scale)
  end
  kept, factors = #at > 1 and engine.stack(kept, 1), #at > 1
    and engine.stack(factors, 1)
  return function(r)
    local function shaped(x)
      local shape = { x:size(1), 1, x:size(2) }
      for i = 4, r:dim() do shape[i] = 1 end
      return x:reshape(shape)
    end
    local first = r:narrow(1, 1, 1) / shaped(scale:unsqueeze(1))
    if #at == 1 then return first end
    local rest = r:narrow(1, 2, #at - 1)
      - r:narrow(1, 1, #at - 1) * shaped(kept)
    return engine.cat({ first, rest * shaped(factors) }, 1)
  end
end

--- Finds the states whose trajectories pass nearest to given ones, by generalised least
-- squares: the errors of component i at frames t and s have the covariance
-- scale_i^2 correlation_i^|t - s|, those of different components are independent. No gradient
-- is recorded.
-- @tparam Module model an HGN with a vector phase space
-- @tparam tensor states (windows, batch, 2 n), q and p next to each other
-- @tparam {integer,...} at frames of these states, ascending
-- @tparam table noise scale and correlation, (2 n)
-- @treturn tensor (batch, 2 n)
-- @treturn integer their frame, the middle one of `at`
-- @treturn tensor residuals, trajectory minus states (windows, batch, 2 n)
-- @usage
-- local torus = require "torus"
-- local windows = require "torus.models.hgn.windows"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local states, frame = windows.fit(model, torus.randn(3, 5, 2), { 1, 2, 3 },
--   { scale = torus.ones(2), correlation = torus.zeros(2) })
-- print(states.shape[1], frame)   -- 5 2
function M.fit(model, states, at, noise)
  return engine.no_grad(function()
    local middle = (#at + 1) // 2
    local from = at[middle]
    local spread = least_squares.spread(states:reshape(-1, states:size(3)))
    local whiten = whitener(at, noise, states.dtype)
    local _, best = least_squares.minimise(states[middle]:contiguous(), ROUNDS, {
      batch_dims = { x = 1, residual = 2, white = 2, error = 1 },
      evaluate = function(x)
        local residual = along(model, x, at, from) - states
        local white = whiten(residual)
        return { x = x, residual = residual, white = white,
          error = white:square():sum(3):mean(1) }
      end,
      equations = function(now)
        local J = whiten(equations_of.along_jacobian(now.x, spread, function(x)
          return along(model, x, at, from)
        end)):to("float64")
        local r = now.white:to("float64"):unsqueeze(-1)
        local transposed = J:transpose(-2, -1)
        return transposed:matmul(J):sum(1), transposed:matmul(r):sum(1) * -1
      end })
    return best.x, from, best.residual
  end)
end

-- The encoder's states (windows, batch, 2 n) of windows that begin at `starts`.
local function encoded(model, frames, starts)
  local found = {}
  for i, first in ipairs(starts) do
    found[i] = engine.cat({ model:infer_anchor(frames, first) }, 2)
  end
  return engine.stack(found, 1)
end

-- The frames that the states of windows belong to.
local function anchors(model, starts)
  local at = {}
  for i, first in ipairs(starts) do at[i] = first + model.config.anchor - 1 end
  return at
end

--- Infers the states at the first frame of sequences from up to `windows` of their windows.
-- @tparam Module model an HGN with config.windows > 1, calibrated
-- @tparam tensor frames (batch, frames, height, width, channels), at least as many
-- as the encoder sees
-- @treturn tensor q (batch, dimension)
-- @treturn tensor p likewise
function M.infer(model, frames)
  checks.context(model, "infer", frames, 1)
  return engine.no_grad(function()
    local c = model.config
    local starts = M.starts(frames:size(2), c.context, c.windows)
    local states, at = M.fit(model, encoded(model, frames, starts), anchors(model, starts),
      { scale = model.window_scale, correlation = model.window_correlation })
    local first = at == 1 and states or along(model, states, { 1, at }, at)[1]
    return first:narrow(2, 1, c.dimension):contiguous(),
      first:narrow(2, c.dimension + 1, c.dimension):contiguous()
  end)
end

-- Estimates the noise from the errors (windows, batch, 2 n) of consecutive windows.
local function measured(errors)
  local count = errors:size(1) - 1
  local power = errors:square():mean(2):mean(1) + 1e-12
  local lagged = (errors:narrow(1, 1, count) * errors:narrow(1, 2, count))
    :mean(2):mean(1)
  return { scale = power:sqrt(), correlation = (lagged / power):clamp(0, CORRELATED) }
end

--- A method of HGN: measures the precision of the encoder's states, by which `infer` weights
-- those of several windows, on sequences like those to be expected. Training calls it at its
-- end; before, `infer` looks at the first window alone. It does nothing if config.windows is 1
-- or the frames have fewer than three windows.
-- @function HGN:calibrate
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @tparam[opt] tensor states (batch, 2 dimension), q and p next to each other at the first
-- frame, if they are known more precisely than by the encoder; by default those of the
-- trajectories fitted to all windows, which hide errors that the windows have in common
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 6,
--   context = 3, windows = 4 }
-- model:calibrate(torus.rand(5, 6, 32, 32, 3))
-- print(model.window_scale, model.window_correlation)
function M.calibrate(model, frames, states)
  checks.context(model, "calibrate", frames, 1)
  local c = model.config
  if c.windows == 1 then return end
  if states then
    options.tensor("hgn:calibrate", "states", states, { frames:size(1), 2 * c.dimension },
      c.dtype)
  end
  local starts = M.starts(frames:size(2), c.context, math.huge)
  if #starts < 3 then return end
  engine.no_grad(function()
    local parts = {}
    for first = 1, frames:size(1), BLOCK do
      parts[#parts + 1] = encoded(model, frames:narrow(1, first,
        math.min(BLOCK, frames:size(1) - first + 1)), starts)
    end
    local seen, at = engine.cat(parts, 2), anchors(model, starts)
    local noise
    if states then
      local from = table.move(at, 1, #at, 2, { 1 })
      local true_ = along(model, states, from, 1):narrow(1, 2, #at)
      noise = measured(seen - true_)
    else
      noise = { scale = engine.ones_like(model.window_scale),
        correlation = engine.zeros_like(model.window_correlation) }
      for _ = 1, TURNS do
        local _, _, left = M.fit(model, seen, at, noise)
        noise = measured(left)
      end
    end
    model.window_scale:copy_(noise.scale)
    model.window_correlation:copy_(noise.correlation)
  end)
end

return M
