--- The start of the second stage of an HGN's training: coordinates with a flat metric, and a
-- Hamiltonian for them.
--
-- The squared error between two frames measures how far the bodies have moved on the screen,
-- as long as they neither overlap nor leave it. Coordinates in which this metric is the same
-- everywhere are therefore the positions of the bodies, up to a rotation and a scale, and
-- K = |p|^2 / 2 holds in them. The coordinates that the decoder was trained with are
-- stretched where frames were rare. If the fit starts from these, with the identity as the
-- chart, neither the chart nor the Hamiltonian reaches its form; from flat ones both do.
-- @module torus.models.hgn.flatten
local MLP = require "torus.nn.mlp"
local engine = require "torus.engine"
local initialise = require "torus.nn.initialise"
local least_squares = require "torus.optim.least_squares"
local options = require "torus.options"
local regression = require "torus.models.hgn.regression"

local M = {}

-- Length, on the screen, of the steps whose change of length is measured, in units of the typical
-- length on the screen of a unit of the coordinates.
local STEP = 0.05
-- Fraction of the typical metric that is added to each one: a frame that hardly depends on a
-- coordinate does not determine it.
local FLOOR = 1e-4
-- Number of units of the map's hidden layers.
local WIDTH = 64
-- Weight of accelerations, and number of triples of frames per step in which they are computed.
-- For two bodies, with coordinates that were cut open, the distance to the true position was
-- 0.17 after 5,000 steps instead of 0.45 without them, 0.41 with twice the weight and one of
-- two generators, and 0.87 before.
local SMOOTH, TRIPLES = 0.2, 512

-- The unit of the metrics (points, n, n): the median of their mean eigenvalues.
local function unit_of(metric)
  local n = metric:size(3)
  local eye = engine.eye(n, { dtype = metric.dtype })
  local unit = ((metric * eye):sum(3):sum(2) / n):median():item()
  if not (unit > 0) then
    options.raise("hgn: flat coordinates: expected a decoder whose images depend on its "
      .. "coordinates, got one whose images don't: train the first stage for more steps")
  end
  return unit
end

-- (points, n, n): L^-T of the metrics G = L L', which maps a direction of unit
-- length on the screen to coordinates.
local function unit_steps(metric, unit)
  local eye = engine.eye(metric:size(3), { dtype = metric.dtype })
  local lower = engine.cholesky(metric / unit + eye * FLOOR)
  return engine.inverse(lower):transpose(2, 3):contiguous()
end

-- The median distance on the screen between consecutive frames, for the metrics / unit.
local function speed_of(x, metric, unit)
  local frames = x:size(1) - 1
  local step = (x:narrow(1, 2, frames) - x:narrow(1, 1, frames)):unsqueeze(-1)
  local square = (metric:narrow(1, 1, frames):matmul(step) * step):sum(-1):sum(-1) / unit
  return math.sqrt(square:median():item()) + 1e-12
end

-- How much a map changes the lengths of short steps (points, n), which have unit length on
-- the screen: the mean of e / (e + 1), e = log^2. Bounded, because the metric is not that of
-- positions where bodies overlap.
local function stretching(map, at, steps)
  local length = (map(at + steps * STEP) - map(at)):square():sum(2) * (1 / STEP ^ 2)
  local e = (length + 1e-6):log():square()
  return (e / (e + 1)):mean()
end

-- The acceleration in a map's image, in units of the speed per frame. Robust, because a frame
-- whose inversion failed has an arbitrary one.
local function acceleration(map, before, at, after, speed)
  local a = map(after) - map(at) * 2 + map(before)
  return ((a:square():sum(2) / speed ^ 2 + 1):sqrt() - 1):mean()
end

--- Finds a map to coordinates in which the metric of the frames is nearly the same everywhere,
-- and motion is smooth.
--
-- The second condition matters where the decoder's coordinates are cut open, so that an orbit
-- leaves them at one edge and comes back at another: it draws the edges together.
-- @tparam tensor coordinates (frames, batch, n), as returned by HGN:locate, 3 frames or more
-- @tparam tensor metric (frames, batch, n, n), likewise
-- @tparam table o steps and generator; see torus.models.hgn.regression
-- @treturn function of coordinates (..., n), which returns flat ones with the same mean; no
-- gradient is recorded
function M.map(coordinates, metric, o)
  local frames, batch, n = table.unpack(coordinates.shape)
  local x = coordinates:reshape(-1, n)
  local unit = unit_of(metric:reshape(-1, n, n))
  local centre = x:mean(1, true)
  local spread = (x - centre):square():mean(1, true):sqrt() + 1e-6
  local net = MLP.new { sizes = { n, WIDTH, WIDTH, n },
    activation = "tanh", dtype = x.dtype, generator = o.generator }
  initialise.zero(net[3])
  local function map(at) return at + net((at - centre) / spread) * spread end
  local steps = unit_steps(metric:reshape(-1, n, n), unit)
  local speed = speed_of(coordinates, metric, unit)
  regression.run(net:parameters(), x:size(1), o, function(indices)
    local v = engine.randn({ indices:numel(), n, 1 },
      { dtype = x.dtype, generator = o.generator })
    v = v / v:square():sum(2, true):sqrt()
    local first = engine.randint(1, (frames - 2) * batch + 1, { TRIPLES },
      { generator = o.generator })
    local function frame(later) return x:index_select(1, first + later * batch) end
    return stretching(map, x:index_select(1, indices),
      steps:index_select(1, indices):matmul(v):squeeze(3))
      + acceleration(map, frame(0), frame(1), frame(2), speed) * SMOOTH
  end)
  return engine.no_grad(function()
    -- Lengths and accelerations leave the translation open, which drifts. The decoder's units
    -- bend where the coordinates were: with its inputs at a distance of 10, its images of two
    -- bodies had three times the error.
    local drift = map(x):mean(1, true) - centre
    return function(at)
      return engine.no_grad(function()
        return (map(at:reshape(-1, n)) - drift):reshape(at.shape)
      end)
    end
  end)
end

--- Fits an HGN's chart to flat coordinates, in which it is then the map to the decoder's.
-- @tparam Module model an HGN with a chart, which is changed
-- @tparam tensor coordinates (frames, batch, n), as returned by HGN:locate
-- @tparam tensor metric (frames, batch, n, n), likewise
-- @tparam table o steps and generator; see torus.models.hgn.regression
-- @treturn tensor (frames, batch, n), the flat coordinates of the frames
function M.chart(model, coordinates, metric, o)
  local n = coordinates:size(3)
  local flat = M.map(coordinates, metric, o)(coordinates)
  local from, x, G = flat:reshape(-1, n), coordinates:reshape(-1, n), metric:reshape(-1, n, n)
  local scale = 1 / unit_of(G)
  regression.run(model.chart:parameters(), x:size(1), o, function(indices)
    local off = (model:coordinates(from:index_select(1, indices))
      - x:index_select(1, indices)):unsqueeze(-1)
    return (G:index_select(1, indices):matmul(off) * off):sum() * scale
      / indices:numel()
  end)
  return flat
end

--- Fits the potential energy of a Hamiltonian with K = |p|^2 / 2 to the
-- accelerations of positions: their second differences, which for leapfrog are
-- -dt^2 dV/dq exactly.
-- @tparam Module model an HGN, whose V is changed
-- @tparam tensor q (frames, batch, n) positions at consecutive frames
-- @tparam table o steps and generator; see torus.models.hgn.regression
function M.potential(model, q, o)
  local n, dt = q:size(3), model.config.dt
  local inner = q:size(1) - 2
  local before, at, after = q:narrow(1, 1, inner), q:narrow(1, 2, inner),
    q:narrow(1, 3, inner)
  local force = ((after - at * 2 + before) / (dt * dt)):reshape(-1, n)
  at = at:reshape(-1, n)
  local scale = 1 / (force:square():sum(2):median():item() + 1e-12)
  regression.run(model.V:parameters(), at:size(1), o, function(indices)
    local some = engine.variable(at:index_select(1, indices))
    local gradient = engine.grad(model.V(some):sum(), { some },
      { create_graph = true })[1]
    local e = (gradient + force:index_select(1, indices)):square():sum(2)
    -- Robust, because a frame whose inversion failed has an arbitrary acceleration.
    return ((e * scale + 1):sqrt() - 1):mean()
  end)
end

--- Teaches f_psi the states of the Hamiltonian's coordinates, of which it knows nothing: it was
-- trained with those of the decoder.
-- @tparam Module model an HGN with f_psi
-- @tparam tensor z (points, z) latents
-- @tparam tensor states (points, 2 n) that belong to them
-- @tparam table o steps and generator; see torus.models.hgn.regression
function M.state(model, z, states, o)
  local unit = engine.tensor(least_squares.spread(states), { dtype = states.dtype })
  regression.run(model.f_psi:parameters(), z:size(1), o, function(indices)
    local q, p = model:state_of(z:index_select(1, indices))
    local off = (engine.cat({ q, p }, 2) - states:index_select(1, indices)) / unit
    -- Robust, because the motion may be wrong for some sequences.
    return ((off:square():sum(2) + 1):sqrt() - 1):mean()
  end)
end

return M
