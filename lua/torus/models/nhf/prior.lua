--- The densities of s_0 = (q, p), from which a flow starts. Coordinates are
-- independent.
--
-- The soft-uniform density of the paper's section 4,
-- pi(s) ~ f(beta (s + sigma/2)) f(-beta (s - sigma/2)) with the sigmoid f, is
-- the difference of two sigmoids: the density of a uniform number in [-sigma/2, sigma/2]
-- plus a logistic one of scale 1/beta. So its normalisation has a closed form,
-- sigma / (1 - exp(-beta sigma)), and exact samples can be drawn.
-- @module torus.models.nhf.prior
local engine = require "torus.engine"

local M = {}

local Prior = {}
Prior.__index = Prior

local LOG_2PI = math.log(2 * math.pi)

--- Makes the density that a configuration of torus.models.nhf names.
-- @tparam table c prior, prior_width, prior_sharpness, dimension, dtype
-- @treturn Prior
-- @usage
-- priors = require "torus.models.nhf.prior"
-- prior = priors.new { prior = "normal", dimension = 2, dtype = "float32" }
-- print(prior:entropy())   -- 5.6757541328187
function M.new(c)
  return setmetatable({ kind = c.prior, width = c.prior_width,
    sharpness = c.prior_sharpness, dimension = c.dimension,
    dtype = c.dtype }, Prior)
end

-- The log-density of one half of the state, q or p: (batch).
local function log_part(self, x)
  if self.kind == "normal" then
    return x:square():sum(2) * -0.5 - 0.5 * LOG_2PI * x:size(2)
  end
  local beta, half = self.sharpness, self.width / 2
  local outside = ((x + half) * -beta):softplus()
    + ((x - half) * beta):softplus()
  local constant = math.log(self.width / (1 - math.exp(-beta * self.width)))
  return -outside:sum(2) - constant * x:size(2)
end

--- Returns the log-density ln pi(q, p).
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor (batch), nats
-- @usage
-- priors = require "torus.models.nhf.prior"
-- prior = priors.new { prior = "normal", dimension = 1, dtype = "float32" }
-- print(prior:log_density(torus.zeros(1, 1), torus.zeros(1, 1)))   -- -1.8379
function Prior:log_density(q, p)
  return log_part(self, q) + log_part(self, p)
end

local function draw(self, count, generator)
  local shape = { count, self.dimension }
  local o = { dtype = self.dtype, generator = generator }
  if self.kind == "normal" then return engine.randn(shape, o) end
  local inside = (engine.rand(shape, o) - 0.5) * self.width
  -- The logistic number by the inverse of its distribution, off the ends.
  local u = engine.rand(shape, o) * (1 - 2e-7) + 1e-7
  return inside + (u:log() - (1 - u):log()) / self.sharpness
end

--- Draws samples.
-- @tparam integer count
-- @tparam[opt] generator generator source of random numbers
-- @treturn tensor q (count, d)
-- @treturn tensor p (count, d)
-- @usage
-- priors = require "torus.models.nhf.prior"
-- prior = priors.new { prior = "normal", dimension = 2, dtype = "float32" }
-- print(table.unpack(prior:sample(5).shape))   -- 5 2
function Prior:sample(count, generator)
  return draw(self, count, generator), draw(self, count, generator)
end

--- Returns the entropy of the state (q, p) in nats: in closed form for the normal
-- density, by quadrature over one coordinate for the soft-uniform one.
-- @treturn number
-- @usage
-- priors = require "torus.models.nhf.prior"
-- prior = priors.new { prior = "soft_uniform", prior_width = 4,
--   prior_sharpness = 4, dimension = 1, dtype = "float64" }
-- print(prior:entropy())
function Prior:entropy()
  local n = 2 * self.dimension
  if self.kind == "normal" then return 0.5 * (LOG_2PI + 1) * n end
  local reach = self.width / 2 + 40 / self.sharpness
  local count = 20001
  local x = engine.linspace(-reach, reach, count, { dtype = "float64" })
    :reshape(-1, 1)
  local nats = log_part(self, x)
  return -n * (nats * nats:exp()):sum():item() * 2 * reach / (count - 1)
end

return M
