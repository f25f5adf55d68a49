--- A mixture of normal densities, fitted to points by expectation maximisation. It models
-- the density of the latents that a trained encoder infers, which differs from the prior
-- used in training (density estimation after training, Ghosh et al. 2020).
--
--     local mixture = Mixture.new { dimension = 2, components = 16 }
--     mixture:fit(z, torus.generator(1))             -- z (count, 2)
--     local more = mixture:sample(10)                -- (10, 2)
--
-- @module torus.models.parts.mixture
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local linalg = require "torus.linalg"
local options = require "torus.options"
local samples = require "torus.samples"

--- A mixture; torus.models.parts.mixture makes it.
-- @type Mixture
local Mixture = Module.class("Mixture")

local M = {}

local RULES = {
  -- Dimension of a point.
  dimension = { required = true, type = "integer", min = 1 },
  -- Number of normal densities.
  components = { default = 16, type = "integer", min = 1, max = 1024 },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

-- Maximum number of iterations of the fit, and the gain of the mean log-density, in nats,
-- below which it ends.
local ROUNDS, GAIN = 200, 1e-5
-- Number of fits from different seeds, of which the best is kept.
local STARTS = 4
-- Added to every covariance, relative to the mean variance of all points.
local RIDGE = 1e-6
-- Number of points required per component and dimension.
local POINTS = 4

local LOG_2PI = math.log(2 * math.pi)

--- Makes a mixture that has not been fitted: all weights are 0.
-- @tparam table opts
-- @tparam integer opts.dimension dimension of a point
-- @tparam[opt=16] integer opts.components number of normal densities
-- @tparam[opt="float32"] string opts.dtype
-- @treturn Mixture with the buffers weights (components), means (components,
-- dimension) and factors (components, dimension, dimension), the Cholesky factors of the
-- covariances
-- @usage
-- local mixture = require "torus.models.parts.mixture"
-- print(mixture.new({ dimension = 2 }):is_fitted())   -- false
function M.new(opts)
  local o = options.resolve("mixture", opts, RULES)
  local self = Module.instance(Mixture, { dimension = o.dimension })
  local function buffer(name, ...)
    self:register_buffer(name, engine.zeros({ o.components, ... }, { dtype = o.dtype }))
  end
  buffer("weights")
  buffer("means", o.dimension)
  buffer("factors", o.dimension, o.dimension)
  return self
end

--- Returns true if the mixture has been fitted.
-- @treturn boolean
function Mixture:is_fitted() return self.weights:sum():item() > 0 end

-- ln (w_k N(x; mean_k, L_k L_k')), (components, points).
local function log_parts(x, weights, means, factors)
  local d = x:size(2)
  local gap = (x:unsqueeze(1) - means:unsqueeze(2)):transpose(2, 3)
  local squares = linalg.solve_triangular(factors, gap:contiguous(), { upper = false })
    :square():sum(2)
  local eye = engine.eye(d, { dtype = x.dtype })
  local log_root = (factors * eye):sum(3):log():sum(2)
  return squares * -0.5 + (weights:log() - log_root - 0.5 * d * LOG_2PI):unsqueeze(2)
end

-- Means, covariances and weights from the responsibilities of the components.
local function maximise(x, responsibilities, ridge)
  local counts = responsibilities:sum(2) + 1e-9
  local means = responsibilities:matmul(x) / counts:unsqueeze(2)
  local gap = x:unsqueeze(1) - means:unsqueeze(2)
  local covariance = (gap * responsibilities:unsqueeze(3)):transpose(2, 3):matmul(gap)
    / counts:unsqueeze(2):unsqueeze(3)
  return counts / counts:sum(), means, linalg.cholesky(covariance + ridge)
end

-- Squared distances of points from one of them, in units of their own spread, (points).
local function distances(x, index, scale)
  return ((x - x:narrow(1, index, 1)) / scale):square():sum(2)
end

-- Responsibilities (components, points), 0 and 1, to begin with: of the nearest of points that
-- are drawn one after the other with probabilities that grow with the squared distance from those
-- before (k-means++, Arthur and Vassilvitskii 2007). Components that start at the
-- same place would stay together.
local function seeds(x, k, generator)
  local scale = (x - x:mean(1)):square():mean(1, true):sqrt() + 1e-30
  local nearest, rows = engine.full({ x:size(1) }, 1, { dtype = "float64" }), {}
  for i = 1, k do
    local weights = nearest:sum():item() > 0 and nearest or nearest + 1
    local index = samples.multinomial(weights, 1, true, { generator = generator }):item()
    rows[i] = distances(x, index, scale)
    nearest = i == 1 and rows[1] or engine.minimum(nearest, rows[i])
  end
  local owners = engine.stack(rows):argmin(1)
  return owners:unsqueeze(1):eq(engine.arange(k, { dtype = "int64" }):unsqueeze(2))
    :to("float64")
end

-- Expectation and maximisation from the responsibilities until the mean log-density, which is
-- returned first, stops growing.
local function converge(x, responsibilities, ridge)
  local weights, means, factors = maximise(x, responsibilities, ridge)
  local reached
  for _ = 1, ROUNDS do
    local parts = log_parts(x, weights, means, factors)
    local total = parts:logsumexp(1)
    local now = total:mean():item()
    if reached and now - reached < GAIN then break end
    reached = now
    weights, means, factors = maximise(x, (parts - total):exp(), ridge)
  end
  return reached, { weights = weights, means = means, factors = factors }
end

local function check_points(self, name, x)
  options.tensor("mixture:" .. name, "x", x, { "count", self.dimension })
end

--- Fits the densities to points, with as many components as the number of points allows:
-- four points per component and dimension.
-- @tparam tensor x (count, dimension)
-- @tparam[opt] generator generator chooses the points to begin with; the best fit of
-- several such choices is kept
-- @treturn number the mean log-density of the points, nats
-- @raise for points of another dimension, for none, and for numbers that are not finite
-- @usage
-- local mixture = require "torus.models.parts.mixture"
-- local two = mixture.new { dimension = 1, components = 2 }
-- two:fit(torus.cat { torus.randn(500, 1) * 0.1 - 1, torus.randn(500, 1) * 0.1 + 1 })
-- print(two.means:abs())   -- near 1 and 1
function Mixture:fit(x, generator)
  check_points(self, "fit", x)
  if x:size(1) == 0 or not x:isfinite():all():item() then
    options.raise("mixture:fit: x: expected at least one point and finite numbers, got %s",
      options.show(x))
  end
  local fitted
  engine.no_grad(function()
    x = x:detach():to("float64")
    local count, d = table.unpack(x.shape)
    local k = math.max(1, math.min(self.weights:size(1), count // (POINTS * d)))
    local eye = engine.eye(d, { dtype = "float64" })
    local ridge = eye * ((x - x:mean(1)):square():mean():item() * RIDGE + 1e-30)
    local best
    for _ = 1, k > 1 and STARTS or 1 do
      local reached, found = converge(x, seeds(x, k, generator), ridge)
      if not fitted or reached > fitted then fitted, best = reached, found end
    end
    for name, value in pairs(best) do
      self[name]:zero_()
      self[name]:narrow(1, 1, k):copy_(value:to(self.means.dtype))
    end
  end)
  return fitted
end

--- Draws random points.
-- @tparam integer count
-- @tparam[opt] generator generator the global generator by default
-- @treturn tensor (count, dimension)
-- @raise for a mixture that is not fitted
function Mixture:sample(count, generator)
  if not self:is_fitted() then
    options.raise("mixture:sample: expected a fitted mixture; call mixture:fit first")
  end
  local index = samples.multinomial(self.weights, count, true, { generator = generator })
  local noise = engine.randn({ count, self.dimension, 1 },
    { dtype = self.means.dtype, generator = generator })
  return self.means:index_select(1, index)
    + self.factors:index_select(1, index):matmul(noise):squeeze(3)
end

--- Returns the log-density of points.
-- @tparam tensor x (count, dimension)
-- @treturn tensor (count), nats
-- @raise for a mixture that is not fitted, and for points of another dimension
function Mixture:log_density(x)
  check_points(self, "log_density", x)
  if not self:is_fitted() then
    options.raise("mixture:log_density: expected a fitted mixture; call mixture:fit first")
  end
  local k = self.weights:gt(0):sum():item()
  return log_parts(x, self.weights:narrow(1, 1, k), self.means:narrow(1, 1, k),
    self.factors:narrow(1, 1, k)):logsumexp(1)
end

return M
