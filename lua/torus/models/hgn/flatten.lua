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
local regression = require "torus.models.hgn.regression"

local M = {}

-- Length of the steps along which lengths are compared, in units of the typical length of a
-- coordinate's unit.
local STEP = 0.05
-- Fraction of the typical metric that is added to each one: a frame that hardly depends on a
-- coordinate does not determine it.
local FLOOR = 1e-4

-- The unit of the metrics (points, n, n): the median of their mean eigenvalues.
local function unit_of(metric)
  local n = metric:size(3)
  local eye = engine.eye(n, { dtype = metric.dtype })
  return ((metric * eye):sum(3):sum(2) / n):median():item()
end

-- (points, n, n): L^-T of the metrics G = L L', which maps a direction of unit
-- length on the screen to coordinates.
local function unit_steps(metric, unit)
  local eye = engine.eye(metric:size(3), { dtype = metric.dtype })
  local lower = engine.cholesky(metric / unit + eye * FLOOR)
  return engine.inverse(lower):transpose(2, 3):contiguous()
end

-- A map from the decoder's coordinates to flat ones, fitted to points.
local function flat_map(x, metric, unit, o)
  local n = x:size(2)
  local centre = x:mean(1, true)
  local spread = (x - centre):square():mean(1, true):sqrt() + 1e-6
  local net = MLP.new { sizes = { n, o.width, o.width, n },
    activation = "tanh", dtype = x.dtype, generator = o.generator }
  initialise.zero(net[3])
  local function map(at) return at + net((at - centre) / spread) * spread end
  local steps = unit_steps(metric, unit)
  regression.run(net:parameters(), x:size(1), o, function(indices)
    local at = x:index_select(1, indices)
    local v = engine.randn({ at:size(1), n, 1 },
      { dtype = x.dtype, generator = o.generator })
    v = v / v:square():sum(2, true):sqrt()
    local by = steps:index_select(1, indices):matmul(v):squeeze(3) * STEP
    local length = (map(at + by) - map(at)):square():sum(2) * (1 / STEP ^ 2)
    -- Bounded, because the metric is not that of positions where bodies overlap.
    local e = (length + 1e-6):log():square()
    return (e / (e + 1)):mean()
  end)
  return engine.no_grad(function() return map(x) end)
end

--- Fits an HGN's chart so that in the coordinates of the Hamiltonian the metric of the frames
-- is nearly the same everywhere.
-- @tparam Module model an HGN with a chart, which is changed
-- @tparam tensor coordinates (frames, batch, n), as returned by HGN:locate
-- @tparam tensor metric (frames, batch, n, n), likewise
-- @tparam table o steps and generator; see torus.models.hgn.regression
-- @treturn tensor (frames, batch, n), the flat coordinates of the frames
function M.chart(model, coordinates, metric, o)
  local frames, batch, n = table.unpack(coordinates.shape)
  local x = coordinates:reshape(-1, n)
  local G = metric:reshape(-1, n, n)
  local unit = unit_of(G)
  local flat = flat_map(x, G, unit, { steps = o.steps, generator = o.generator,
    on_step = o.on_step, width = model.config.chart })
  local scale = 1 / unit
  regression.run(model.chart:parameters(), x:size(1), o, function(indices)
    local off = (model:coordinates(flat:index_select(1, indices))
      - x:index_select(1, indices)):unsqueeze(-1)
    return (G:index_select(1, indices):matmul(off) * off):sum() * scale
      / indices:numel()
  end)
  return flat:reshape(frames, batch, n)
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

-- For each point of x, the point of `known` whose image under the chart is nearest.
local function nearest(model, x, known)
  local images = model:coordinates(known)
  local distance = (images * images):sum(2):reshape(1, -1)
    - x:matmul(images:transpose(1, 2)) * 2
  return known:index_select(1, (distance:argmin(2)))
end

--- Inverts the chart: maps the decoder's coordinates to the Hamiltonian's.
-- @tparam Module model an HGN with a chart
-- @tparam tensor x (points, n)
-- @tparam tensor known (m, n) positions in the Hamiltonian's coordinates, spread over the
-- region where the chart was fitted; each search starts from the nearest
-- @tparam[opt=20] integer rounds number of iterations
-- @treturn tensor (points, n)
function M.inverse(model, x, known, rounds)
  return engine.no_grad(function()
    return least_squares.match(function(q) return model:coordinates(q) end,
      nearest(model, x, known), x, rounds or 20,
      { spread = least_squares.spread(known) }).x
  end)
end

--- Teaches f_psi the Hamiltonian's coordinates. It was trained while the chart was the
-- identity, and so returns the decoder's coordinates, x and dx/dt: q is the inverse of the
-- chart at x, and p = dq/dt.
-- @tparam Module model an HGN with f_psi, a chart and K = |p|^2 / 2
-- @tparam tensor z (points, z) latents to learn from
-- @tparam tensor known positions, as in `inverse`
-- @tparam table o steps and generator; see torus.models.hgn.regression
function M.state(model, z, known, o)
  local target = engine.no_grad(function()
    local x, v = model:state_of(z)
    -- Short enough for a difference quotient.
    local h = model.config.dt / 8
    local q = M.inverse(model, x:contiguous(), known)
    return engine.cat({ q, (M.inverse(model, x + v * h, q) - q) / h }, 2)
  end)
  local unit = engine.tensor(least_squares.spread(target),
    { dtype = target.dtype })
  regression.run(model.f_psi:parameters(), z:size(1), o, function(indices)
    local q, p = model:state_of(z:index_select(1, indices))
    local off = (engine.cat({ q, p }, 2) - target:index_select(1, indices))
      / unit
    -- Robust, because a latent sampled from the prior may lie outside of the chart.
    return ((off:square():sum(2) + 1):sqrt() - 1):mean()
  end)
end

return M
