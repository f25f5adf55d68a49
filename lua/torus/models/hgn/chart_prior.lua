--- A prior on an HGN's chart: it maps flat coordinates of some frames (torus.models.hgn.flatten)
-- to those that the decoder draws these frames at.
--
-- Bent coordinates, with a potential bent accordingly, fit short sequences almost as well as flat
-- ones, and a fit that has reached them does not return. The prior keeps the chart near the flat
-- ones and hardly raises the error of the motion.
-- @module torus.models.hgn.chart_prior
local coordinates = require "torus.models.hgn.coordinates"
local derivatives = require "torus.models.parts.dense_derivatives"
local least_squares = require "torus.models.hgn.least_squares"

local M = {}

-- The number of points aimed at, of at least one frame of every sequence: a chart of a thousand
-- parameters is determined by a few thousand.
local POINTS = 4096

--- Makes a prior from flat coordinates, some frames of each sequence.
-- @tparam tensor flat (frames, sequences, n)
-- @tparam table located coordinates (frames, sequences, n), metrics and left, as returned by
-- HGN:locate
-- @tparam number weight of the prior's error, relative to that of the motion
-- @treturn table q, x (points, n), metric (points, n, n), left (points), weight
function M.new(flat, located, weight)
  local frames, sequences, n = table.unpack(flat.shape)
  local every = math.min(frames, math.ceil(frames * sequences / POINTS))
  local shown = {}
  for t = 1, frames, every do shown[#shown + 1] = t end
  local function some(x, ...) return x:index_select(1, shown):reshape(-1, ...) end
  return { q = some(flat, n), x = some(located.coordinates, n),
    metric = some(located.metrics, n, n), left = some(located.left), weight = weight }
end

-- The robust errors of the prior's points and their weights, as of coordinates.robust.
local function robust(model, prior)
  return coordinates.robust(model, model:coordinates(prior.q) - prior.x, prior.metric, prior.left)
end

--- Returns the error of a chart: the mean of the same robust errors as in
-- HGN:coordinate_loss, times the weight.
-- @tparam Module model an HGN with a chart
-- @tparam table prior as returned by `new`
-- @treturn number
function M.loss(model, prior)
  local terms = robust(model, prior)
  return terms:mean():item() * prior.weight
end

--- Returns the prior's part of the normal equations J'J and J'r, of sums of squared residuals
-- whose mean over `count` frames is the error of the motion.
-- @tparam Module model an HGN with a chart
-- @tparam table net the chart's layers, as returned by dense_derivatives.layers
-- @tparam table prior as returned by `new`
-- @tparam integer count
-- @treturn tensor (parameters, parameters), float64
-- @treturn tensor (parameters, 1), float64
function M.equations(model, net, prior, count)
  local _, weights = robust(model, prior)
  local q = prior.q
  local roots = least_squares.roots(prior.metric, weights * (prior.weight * count / q:size(1)))
    :to(q.dtype)
  local y, _, by = derivatives.outputs(net, q)
  local r = roots:matmul((q + y - prior.x):unsqueeze(3)):reshape(-1, 1)
  local J = roots:matmul(by):reshape(-1, net.size)
  local Jt = J:transpose(1, 2)
  return Jt:matmul(J):to("float64"), Jt:matmul(r):to("float64")
end

return M
