--- Refinement of states on the frames of their sequences. The encoder's state is the
-- starting point of a nonlinear least-squares problem with 2 dimension unknowns for each
-- sequence.
--
-- The error of a rollout grows from that of its initial state, which an encoder only
-- approximates; the frames determine it far more precisely.
-- @module torus.models.hgn.refine
local chunks = require "torus.models.parts.chunks"
local checks = require "torus.models.hgn.checks"
local engine = require "torus.engine"
local equations_of = require "torus.models.hgn.least_squares"
local least_squares = require "torus.optim.least_squares"
local options = require "torus.options"

local M = {}

local RULES = {
  first = { default = 1, type = "integer", min = 1 },
  rounds = { default = 12, type = "integer", min = 1, max = 1000 },
  chunk = { default = chunks.SIZE, type = "integer", min = 1 },
}

-- The mean squared error of every sequence, (batch), of residuals with time
-- first.
local function errors(residual)
  return residual:square():reshape(residual:size(1), residual:size(2), -1)
    :mean(3):mean(1)
end

-- The states' least-squares problem, for torus.optim.least_squares.
local function problem_of(model, frames, spread, o)
  local count = frames:size(1)
  local function decode(x) return model:decode(x, o.chunk) end
  return {
    batch_dims = { x = 1, error = 1, q = 2, images = 2 },
    evaluate = function(states)
      local q = equations_of.positions(model, states, o.first, count)
      local images = decode(q)
      return { x = states, q = q, images = images,
        error = errors(images - frames) }
    end,
    equations = function(at)
      local G, g = least_squares.equations(decode, at.q, at.images,
        frames - at.images, spread)
      local S = equations_of.motion_jacobian(model, at.x, spread, o.first,
        count)
      return equations_of.state_equations(S, G, g)
    end,
  }
end

local function check(model, q, p, frames, o)
  checks.vector(model, "refine")
  checks.state(model, "refine", q, p)
  checks.frames(model, "refine", frames, "frames")
  checks.some("refine", frames)
  if o.first > frames:size(2) then
    options.raise("hgn:refine: first: expected at most the number of frames, "
      .. "%d, got %d", frames:size(2), o.first)
  end
end

--- A method of HGN: finds the states whose rollouts fit given frames best, starting from
-- given ones and never worse than those. No gradient is recorded. For models with
-- phase = "vector".
-- @function HGN:refine
-- @tparam tensor q (batch, dimension) at frame `first`
-- @tparam tensor p like q
-- @tparam tensor frames (batch, frames, height, width, channels), any number of
-- frames
-- @tparam[opt] table opts
-- @tparam[opt=1] integer opts.first index of the frame that the states belong to; earlier
-- frames are reached by integrating backward
-- @tparam[opt=12] integer opts.rounds number of iterations
-- @tparam[opt=16] integer opts.chunk images per call of the decoder
-- @treturn tensor q (batch, dimension)
-- @treturn tensor p like q
-- @treturn table numbers: before and after, the mean squared errors of a pixel
-- over these frames
-- @raise for a model whose state is a map
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local frames = torus.rand(2, 4, 32, 32, 3)
-- local q, p = model:infer(frames)
-- local better_q, better_p, numbers = model:refine(q, p, frames, { rounds = 2 })
-- print(numbers.after <= numbers.before)   -- true
function M.refine(model, q, p, frames, opts)
  local o = options.resolve("hgn:refine", opts, RULES)
  check(model, q, p, frames, o)
  return engine.no_grad(function()
    local states = engine.cat({ q, p }, 2)
    local problem = problem_of(model, frames:transpose(1, 2):contiguous(),
      least_squares.spread(states), o)
    local start, best = least_squares.minimise(states, o.rounds, problem)
    local n = model.config.dimension
    return best.x:narrow(2, 1, n):contiguous(),
      best.x:narrow(2, n + 1, n):contiguous(),
      { before = start.error:mean():item(), after = best.error:mean():item() }
  end)
end

return M
