--- The motion fitted to coordinates instead of images. A trained decoder draws
-- a frame from a few coordinates; inverted, it says where every frame of a
-- sequence lies. Near there the squared error of a frame is a quadratic form of
-- the coordinates, so that energies and states are fitted to it without another
-- image, a thousand times faster. Functions on an HGN with a vector phase space.
-- @module torus.models.hgn.coordinates
local chunks = require "torus.models.parts.chunks"
local engine = require "torus.engine"
local least_squares = require "torus.models.hgn.least_squares"

local M = {}

-- Rounds of the inversion, and of the fit of states to coordinates.
local INVERSION, FIT = 5, 8
-- A mean squared error of a pixel from which on an error counts less: a frame
-- whose inversion has failed must not pull. About the error of a disc that is
-- moved by a pixel.
local ROBUST = 5e-4

-- The coordinates (m, n) whose images are nearest to given ones (m, height,
-- width, channels), near a guess; their metric (m, n, n); the squared error.
local function invert(model, guess, images)
  local function decode(x)
    return chunks.apply(
      function(part) return model.decoder(model:decoder_map(part)) end, x,
      chunks.SIZE)
  end
  local function squares(x)
    return x:square():reshape(x:size(1), -1):sum(2)
  end
  local spread, choose = least_squares.spread(guess), least_squares.choose
  local x, drawn = guess, decode(guess)
  local error_ = squares(drawn - images)
  local damping = engine.full({ x:size(1) }, least_squares.DAMPING,
    { dtype = x.dtype })
  for _ = 1, INVERSION do
    local G, g = least_squares.decoder_equations(decode, x, drawn,
      images - drawn, spread)
    local attempt = x + least_squares.step(G, g, damping):to(x.dtype)
    local attempt_drawn = decode(attempt)
    local attempt_error = squares(attempt_drawn - images)
    local better = attempt_error:lt(error_)
    x = choose(better, attempt, x, 1)
    drawn = choose(better, attempt_drawn, drawn, 1)
    error_ = choose(better, attempt_error, error_, 1)
    damping = least_squares.next_damping(better, damping)
  end
  local metric = least_squares.decoder_equations(decode, x, drawn,
    images - drawn, spread)
  return x, metric, error_
end

-- A guess for every frame that the encoder can begin at, (count, batch, n).
local function encoded(model, frames, count)
  local rows = {}
  for first = 1, count do rows[first] = model:infer(frames, first) end
  return engine.stack(rows, 1)
end

--- A method of HGN: the coordinates that frames show, found by inverting the
-- decoder. The result depends on encoder, projection and decoder alone, not on
-- the Hamiltonian or the chart. No gradient is recorded.
-- @function HGN:locate
-- @tparam tensor frames (batch, frames, height, width, channels), at least as
-- many as the encoder sees
-- @treturn tensor coordinates (frames, batch, dimension)
-- @treturn tensor metric (frames, batch, dimension, dimension): G in the squared
-- error d' G d of a frame whose coordinates are off by d
-- @treturn tensor mean squared error of a pixel that is left (frames, batch)
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local coordinates, metric = model:locate(torus.rand(2, 4, 32, 32, 3))
-- print(table.unpack(coordinates.shape))   -- 4 2 1
function M.locate(model, frames)
  return engine.no_grad(function()
    local batch, length = frames:size(1), frames:size(2)
    local n = model.config.dimension
    local images = frames:transpose(1, 2):contiguous()
    local count = length - model.config.context + 1
    local pixels = images[1][1]:numel()
    local x, G, left = invert(model,
      encoded(model, frames, count):reshape(-1, n),
      images:narrow(1, 1, count):reshape(-1, table.unpack(images.shape, 3)))
    local xs = { x:reshape(count, batch, n) }
    local Gs = { G:reshape(count, batch, n, n) }
    local errors = { left:reshape(count, batch) }
    -- The encoder can't begin at the last frames: each is looked for where the
    -- two before it point to.
    local before, last = xs[1][math.max(1, count - 1)], xs[1][count]
    for t = count + 1, length do
      x, G, left = invert(model, last * 2 - before, images[t])
      xs[#xs + 1], Gs[#Gs + 1] = x:unsqueeze(1), G:unsqueeze(1)
      errors[#errors + 1] = left:unsqueeze(1)
      before, last = last, x
    end
    return engine.cat(xs, 1), engine.cat(Gs, 1), engine.cat(errors, 1) / pixels
  end)
end

-- The squared error of a pixel by the quadratic form, (frames, batch).
local function quadratic_form(model, difference, metric)
  local c = model.config
  local column = difference:unsqueeze(-1)
  return (metric:matmul(column) * column):sum(-1):sum(-1)
    * (1 / (c.resolution * c.resolution * c.channels))
end

local function motion(model, states, frames)
  return model:coordinates(least_squares.positions(model, states, 1, frames))
end

--- A method of HGN: the error of the motion from given states in coordinates:
-- the mean over frames of e / (1 + e / 5e-4), where e is to second order the
-- mean squared error of a pixel. Differentiable to first order.
-- @function HGN:coordinate_loss
-- @tparam tensor states (batch, 2 dimension), q and p at the first frame
-- @tparam tensor coordinates (frames, batch, dimension), as locate's
-- @tparam tensor metric (frames, batch, dimension, dimension), as locate's
-- @treturn tensor a scalar
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local coordinates, metric = model:locate(torus.rand(2, 4, 32, 32, 3))
-- local states = torus.zeros({ 2, 2 }, { requires_grad = true })
-- model:coordinate_loss(states, coordinates, metric):backward()
-- print(states.grad)
function M.loss(model, states, coordinates, metric)
  local difference = motion(model, states, coordinates:size(1)) - coordinates
  local e = quadratic_form(model, difference, metric)
  return (e / (e * (1 / ROBUST) + 1)):mean()
end

--- States fitted to coordinates, near given ones and never worse than those; no
-- gradient is recorded.
-- @tparam Module model an HGN with a vector phase space
-- @tparam tensor states (batch, 2 dimension) at the first frame
-- @tparam tensor coordinates (frames, batch, dimension)
-- @tparam tensor metric (frames, batch, dimension, dimension)
-- @treturn tensor (batch, 2 dimension)
function M.fit_states(model, states, coordinates, metric)
  return engine.no_grad(function()
    local frames = coordinates:size(1)
    local spread = least_squares.spread(states)
    local function errors(found)
      return quadratic_form(model, found - coordinates, metric):mean(1)
    end
    local found = motion(model, states, frames)
    local error_ = errors(found)
    local damping = engine.full({ states:size(1) }, least_squares.DAMPING,
      { dtype = states.dtype })
    for _ = 1, FIT do
      local S = least_squares.motion_jacobian(model, states, spread, 1, frames,
        function(q) return model:coordinates(q) end)
      local g = metric:matmul((coordinates - found):unsqueeze(-1))
      local A, b = least_squares.state_equations(S, metric, g)
      local attempt = states
        + least_squares.step(A, b, damping):to(states.dtype)
      local attempt_found = motion(model, attempt, frames)
      local attempt_error = errors(attempt_found)
      local better, choose = attempt_error:lt(error_), least_squares.choose
      states = choose(better, attempt, states, 1)
      found = choose(better, attempt_found, found, 2)
      error_ = choose(better, attempt_error, error_, 1)
      damping = least_squares.next_damping(better, damping)
    end
    return states
  end)
end

return M
