--- Refinement of a state on the frames that it is to explain. The encoder's
-- state is the start of a nonlinear least-squares problem with 2 dimension
-- unknowns for each sequence.
--
-- The error of a rollout grows from that of its initial state, which an encoder
-- only learns to guess; the frames determine it far better.
-- @module torus.models.hgn.refine
local chunks = require "torus.models.parts.chunks"
local checks = require "torus.models.hgn.checks"
local engine = require "torus.engine"
local least_squares = require "torus.models.hgn.least_squares"
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

-- One round from `at`, {states, q, images, mse, damping}, to the next.
local function round(at, frames, o)
  local count = frames:size(1)
  local G, g = least_squares.decoder_equations(o.decode, at.q, at.images,
    frames - at.images, o.spread)
  local S = least_squares.motion_jacobian(o.model, at.states, o.spread,
    o.first, count)
  local A, b = least_squares.state_equations(S, G, g)
  local states = at.states
    + least_squares.step(A, b, at.damping):to(at.states.dtype)
  local q = least_squares.positions(o.model, states, o.first, count)
  local images = o.decode(q)
  local mse = errors(images - frames)
  local better, choose = mse:lt(at.mse), least_squares.choose
  return { states = choose(better, states, at.states, 1),
    q = choose(better, q, at.q, 2),
    images = choose(better, images, at.images, 2),
    mse = choose(better, mse, at.mse, 1),
    damping = least_squares.next_damping(better, at.damping) }
end

local function check(model, q, p, frames, o)
  if model.config.phase ~= "vector" then
    options.raise("hgn:refine: expected a model with phase = \"vector\", got "
      .. "one with phase = %q", model.config.phase)
  end
  checks.states(model, "refine", "q", q, { "batch" })
  checks.states(model, "refine", "p", p, { "batch" })
  checks.frames(model, "refine", frames, "frames")
  if o.first > frames:size(2) then
    options.raise("hgn:refine: first: expected at most the number of frames, "
      .. "%d, got %d", frames:size(2), o.first)
  end
end

--- A method of HGN: the states from which the model explains given frames
-- best, near the given ones and never worse than those. No gradient is
-- recorded. For models with phase = "vector".
-- @function HGN:refine
-- @tparam tensor q (batch, dimension) at frame `first`
-- @tparam tensor p likewise
-- @tparam tensor frames (batch, frames, height, width, channels), any number of
-- frames
-- @tparam[opt] table opts
-- @tparam[opt=1] integer opts.first index of the frame that the states are at;
-- frames before it are reached by integrating backward
-- @tparam[opt=12] integer opts.rounds of the method
-- @tparam[opt=16] integer opts.chunk images per call of the decoder
-- @treturn tensor q (batch, dimension)
-- @treturn tensor p likewise
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
    o.model, o.spread = model, least_squares.spread(states)
    function o.decode(x) return model:decode(x, o.chunk) end
    frames = frames:transpose(1, 2):contiguous()
    local at = { states = states, q = least_squares.positions(model, states,
      o.first, frames:size(1)) }
    at.images = o.decode(at.q)
    at.mse = errors(at.images - frames)
    at.damping = engine.full({ states:size(1) }, least_squares.DAMPING,
      { dtype = states.dtype })
    local before = at.mse:mean():item()
    for _ = 1, o.rounds do at = round(at, frames, o) end
    local n = model.config.dimension
    return at.states:narrow(2, 1, n):contiguous(),
      at.states:narrow(2, n + 1, n):contiguous(),
      { before = before, after = at.mse:mean():item() }
  end)
end

return M
