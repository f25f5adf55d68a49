--- Fitting the motion to coordinates instead of images. A trained decoder renders a frame
-- from a few coordinates; inverting it determines the coordinates of every frame of a
-- sequence. Near these, the squared error of a frame is a quadratic form of the
-- coordinates, so that energies and states can be fitted to it without rendering, a
-- thousand times faster. The functions apply to an HGN with a vector phase space.
-- @module torus.models.hgn.coordinates
local checks = require "torus.models.hgn.checks"
local chunks = require "torus.models.parts.chunks"
local engine = require "torus.engine"
local equations_of = require "torus.models.hgn.least_squares"
local least_squares = require "torus.optim.least_squares"
local options = require "torus.options"
local sides = require("torus.models.parts.frames").sides

local M = {}

-- Iterations of the inversion, and of the fit of states to coordinates.
local INVERSION, FIT = 8, 8
-- The changes of an error, relative to it, below which an inversion and a fit of states are
-- finished: most are after two iterations.
local INVERTED, FITTED = 2e-3, 1e-5
-- The mean squared error of a pixel above which an error is downweighted, about that of a
-- disc shifted by a pixel: a frame whose inversion has left this much error must not
-- contribute, and one that the motion misses by more contributes in proportion to its
-- distance instead of the square.
local ROBUST = 5e-4
M.ROBUST = ROBUST

--- Factor of losses of coordinates in training: Adam's eps must be small compared with the
-- gradients, and the limit on their norm is meant for losses of images.
M.LOSS_SCALE = 20

-- The coordinates (m, n) whose images are closest to given ones (m, height, width,
-- channels), near a guess; their metric (m, n, n); the squared error.
local function invert(model, guess, images)
  local function decode(x)
    return chunks.apply(
      function(part) return model.decoder(model:decoder_map(part)) end, x,
      chunks.SIZE)
  end
  local spread = least_squares.spread(guess)
  local best = least_squares.match(decode, guess, images, INVERSION,
    { spread = spread, tolerance = INVERTED })
  local metric = least_squares.equations(decode, best.x, best.drawn,
    images - best.drawn, spread)
  return best.x, metric, best.error
end

-- A guess for every frame that can be the encoder's anchor, (count, batch, n), from the
-- encoder alone, without the motion.
local function encoded(model, frames, count, charted)
  local rows = {}
  for first = 1, count do
    local q = model:infer_anchor(frames, first)
    rows[first] = charted and model:coordinates(q) or q
  end
  return engine.stack(rows, 1)
end

local LOCATE = { charted = { default = true, type = "boolean" }, near = {} }

-- Inverts all frames, beginning with what the encoder makes of those that can be its anchor.
local function invert_encoded(model, frames, charted)
  local batch, length = frames:size(1), frames:size(2)
  local n = model.config.dimension
  local images = frames:transpose(1, 2):contiguous()
  local count = length - model.config.context + 1
  local anchor = model.config.anchor
  local x, G, left = invert(model,
    encoded(model, frames, count, charted):reshape(-1, n),
    images:narrow(1, anchor, count):reshape(-1, table.unpack(images.shape, 3)))
  x = x:reshape(count, batch, n)
  G, left = G:reshape(count, batch, n, n), left:reshape(count, batch)
  local found = {}
  for i = 1, count do
    found[anchor + i - 1] = { x = x[i], metric = G[i], error = left[i] }
  end
  -- The other frames can't be anchors: each is sought at the extrapolation of its two
  -- neighbours.
  local function continue(from, to, step)
    for t = from, to, step do
      local near = found[t - step].x
      local far = found[t - 2 * step] or found[t - step]
      local at, metric, error_ = invert(model, near * 2 - far.x, images[t])
      found[t] = { x = at, metric = metric, error = error_ }
    end
  end
  continue(anchor + count, length, 1)
  continue(anchor - 1, 1, -1)
  local function all(key)
    local list = {}
    for t = 1, length do list[t] = found[t][key] end
    return engine.stack(list, 1)
  end
  return all "x", all "metric", all "error"
end

-- Inverts all frames, each near a guess (frames, batch, n).
local function invert_near(model, frames, near)
  local batch, length, n = frames:size(1), frames:size(2), near:size(3)
  local x, G, left = invert(model, near:reshape(-1, n),
    frames:transpose(1, 2):reshape(-1, table.unpack(frames.shape, 3)))
  return x:reshape(length, batch, n), G:reshape(length, batch, n, n),
    left:reshape(length, batch)
end

--- A method of HGN: finds the coordinates of frames by inverting the decoder. The result
-- does not depend on the Hamiltonian. No gradient is recorded.
-- @function HGN:locate
-- @tparam tensor frames (batch, frames, height, width, channels), at least as
-- many as the encoder sees
-- @tparam[opt] table opts
-- @tparam[opt=true] boolean opts.charted false: the encoder's states, near which the search
-- begins, are in the decoder's coordinates, as they are until a chart is fitted; the result
-- then does not depend on the chart
-- @tparam[opt] tensor opts.near (frames, batch, dimension): coordinates near which the search
-- begins, instead of the encoder's states
-- @treturn tensor coordinates (frames, batch, dimension)
-- @treturn tensor metric (frames, batch, dimension, dimension): G in the squared
-- error d' G d of a frame whose coordinates are off by d
-- @treturn tensor remaining mean squared error of a pixel (frames, batch)
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local coordinates, metric = model:locate(torus.rand(2, 4, 32, 32, 3))
-- print(table.unpack(coordinates.shape))   -- 4 2 1
function M.locate(model, frames, opts)
  checks.vector(model, "locate")
  local o = options.resolve("hgn:locate", opts, LOCATE)
  checks.context(model, "locate", frames, 1)
  checks.some("locate", frames)
  if o.near ~= nil then
    options.tensor("hgn:locate", "near", o.near,
      { frames:size(2), frames:size(1), model.config.dimension }, model.config.dtype)
  end
  return engine.no_grad(function()
    local x, metric, left
    if o.near then
      x, metric, left = invert_near(model, frames, o.near)
    else
      x, metric, left = invert_encoded(model, frames, o.charted)
    end
    return x, metric, left / frames[1][1]:numel()
  end)
end

-- From the squared error of a frame to that of a pixel.
local function pixel_weight(model)
  local c = model.config
  local height, width = sides(c)
  return 1 / (height * width * c.channels)
end

-- The squared error of a pixel by the quadratic form, (frames, batch).
local function quadratic_form(model, difference, metric)
  local column = difference:unsqueeze(-1)
  return (metric:matmul(column) * column):sum(-1):sum(-1) * pixel_weight(model)
end

--- Returns the decoder's coordinates along the motion from given states.
-- @tparam Module model an HGN with a vector phase space
-- @tparam tensor states (batch, 2 dimension)
-- @tparam integer frames
-- @tparam[opt=1] integer first the frame that the states are at
-- @treturn tensor (frames, batch, dimension)
function M.motion(model, states, frames, first)
  return model:coordinates(equations_of.positions(model, states, first or 1, frames))
end

--- Returns how much the coordinates of frames count: w = 1 / (1 + (left / r)^2), where
-- r = 5e-4.
-- @tparam ?tensor left the error that their inversion left, as returned by HGN:locate
-- @treturn tensor|number of the same shape; 1 without it
function M.trust(left)
  return left and 1 / ((left / ROBUST):square() + 1) or 1
end

--- Returns the robust errors of coordinates that are off by given differences, the terms of
-- HGN:coordinate_loss, and the weights with which a least-squares method minimises them: the
-- derivative of a term by d' G d.
-- @tparam Module model an HGN with a vector phase space
-- @tparam tensor difference d (..., n)
-- @tparam tensor metric G (..., n, n), as returned by HGN:locate
-- @tparam ?tensor left (...), likewise; by default 0
-- @treturn tensor terms (...)
-- @treturn tensor weights (...)
function M.robust(model, difference, metric, left)
  local e = quadratic_form(model, difference, metric)
  local root, trust = (e * (2 / ROBUST) + 1):sqrt(), M.trust(left)
  -- The root less one, without the difference.
  return e * 2 / (root + 1) * trust, trust / root * pixel_weight(model)
end

--- The same for the motion from given states; the arguments are those of HGN:coordinate_loss,
-- and one more: the frame that the states are at, by default the first.
-- @treturn tensor terms (frames, batch)
-- @treturn tensor weights (frames, batch)
function M.frame_losses(model, states, coordinates, metric, left, first)
  local difference = M.motion(model, states, coordinates:size(1), first) - coordinates
  return M.robust(model, difference, metric, left)
end

--- A method of HGN: returns the error, in coordinates, of the motion from given states: the
-- mean over frames of w r (sqrt(1 + 2 e / r) - 1), where e is the mean squared error of a
-- pixel to second order, r = 5e-4, and w = 1 / (1 + (left / r)^2). Differentiable to first
-- order.
-- @function HGN:coordinate_loss
-- @tparam tensor states (batch, 2 dimension), q and p at the first frame
-- @tparam tensor coordinates (frames, batch, dimension), as returned by locate
-- @tparam tensor metric (frames, batch, dimension, dimension), as returned by locate
-- @tparam[opt=0] tensor left (frames, batch), the remaining error returned by locate
-- @treturn tensor a scalar
-- @usage
-- local torus = require "torus"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local coordinates, metric, left = model:locate(torus.rand(2, 4, 32, 32, 3))
-- local states = torus.zeros({ 2, 2 }, { requires_grad = true })
-- model:coordinate_loss(states, coordinates, metric, left):backward()
-- print(states.grad)
function M.loss(model, states, coordinates, metric, left)
  checks.vector(model, "coordinate_loss")
  local d = model.config.dimension
  local function check(name, x, shape)
    options.tensor("hgn:coordinate_loss", name, x, shape, model.config.dtype)
  end
  check("states", states, { "batch", 2 * d })
  check("coordinates", coordinates, { "frames", states:size(1), d })
  check("metric", metric, { coordinates:size(1), states:size(1), d, d })
  if left ~= nil then check("left", left, { coordinates:size(1), states:size(1) }) end
  local terms = M.frame_losses(model, states, coordinates, metric, left)
  return terms:mean()
end

--- Fits states to coordinates, starting from given ones and never worse than those; no
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
    local _, best = least_squares.minimise(states, FIT, {
      tolerance = FITTED,
      batch_dims = { x = 1, error = 1, found = 2, target = 2, metric = 2 },
      evaluate = function(x, before)
        local target = before and before.target or coordinates
        local G = before and before.metric or metric
        local found = M.motion(model, x, frames)
        return { x = x, found = found, target = target, metric = G,
          error = quadratic_form(model, found - target, G):mean(1) }
      end,
      equations = function(at)
        local S = equations_of.motion_jacobian(model, at.x, spread, 1, frames,
          function(q) return model:coordinates(q) end)
        local g = at.metric:matmul((at.target - at.found):unsqueeze(-1))
        return equations_of.state_equations(S, at.metric, g)
      end })
    return best.x
  end)
end

return M
