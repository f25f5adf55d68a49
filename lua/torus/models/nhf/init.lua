--- Neural Hamiltonian Flow: a density made by moving a simple one along
-- learned Hamiltonians (section 3.3 and appendix A.2 of the paper).
--
--     local model = torus.models.nhf{ dimension = 2, prior = "normal" }
--     local bound = model:elbo(x)                  -- (batch), nats
--     local q, p = model:sample(1000)
--     local nats = model:log_density(x)            -- by quadrature, d <= 2
--
-- A state is q and p of shape (batch, d). Every flow is a Hamiltonian
-- K(p) + V(q) of its own, integrated by a few leapfrog steps, which keep
-- volume and are undone by steps of -dt; so a density is moved without any
-- determinant.
-- @module torus.models.nhf
local Module = require "torus.nn.module"
local MLP = require "torus.nn.mlp"
local hamiltonian = require "torus.hamiltonian"
local initialise = require "torus.nn.initialise"
local integrate = require "torus.integrate"
local options = require "torus.options"
local priors = require "torus.models.nhf.prior"
local engine = require "torus.engine"

local M = {}

--- What a configuration may say. `flows` Hamiltonians of `leaps` leapfrog
-- steps of `dt` each; networks have `depth` hidden layers of `width`.
-- `prior_width` and `prior_sharpness` are sigma and beta of the soft-uniform
-- density; `energy_gain` scales the Hamiltonians' initial weights.
M.rules = {
  dimension = { default = 2, type = "integer", min = 1 },
  flows = { default = 5, type = "integer", min = 0 },
  leaps = { default = 2, type = "integer", min = 1 },
  dt = { default = 0.25, type = "number", above = 0 },
  width = { default = 128, type = "integer", min = 1 },
  depth = { default = 2, type = "integer", min = 1 },
  prior = { default = "normal", choices = { "normal", "soft_uniform" } },
  prior_width = { default = 4, type = "number", above = 0 },
  prior_sharpness = { default = 4, type = "number", above = 0 },
  energy_gain = { default = 1, type = "number", above = 0 },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

local LOG_2PI = math.log(2 * math.pi)

-- --- one flow -------------------------------------------------------------------

local Flow = Module.class("Flow")

local function new_flow(c, net)
  local self = Module.instance(Flow, {})
  self:register("K", net(1, "softplus", true))
  self:register("V", net(1, "softplus", true))
  self.hamiltonian = hamiltonian.separable(self.K, self.V)
  initialise.scale_weights(self, c.energy_gain)
  return self
end

function Flow:forward(q, p, o)
  return integrate { H = self.hamiltonian, q = q, p = p, dt = o.dt,
    steps = o.leaps, fused = o.fused }
end

-- --- the model --------------------------------------------------------------------

--- A Neural Hamiltonian Flow; torus.models.nhf makes it.
-- @type NHF
local NHF = Module.class("NHF")

--- A Neural Hamiltonian Flow (section 3.3 and appendix A.2).
-- @tparam[opt] table config see rules; dimension=2, flows=5, leaps=2,
-- dt=0.25, width=128, depth=2, prior="normal" or "soft_uniform" (with
-- prior_width=4, prior_sharpness=4), energy_gain=1, dtype="float32"
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
-- @raise for unknown options
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- loss = -model(q):mean()   -- the negative ELBO
function M.new(config, generator)
  local c = options.resolve("nhf", config, M.rules)
  local self = Module.instance(NHF, { config = c })
  local function net(outputs, activation, scalar)
    local sizes = { c.dimension }
    for i = 1, c.depth do sizes[i + 1] = c.width end
    sizes[#sizes + 1] = outputs
    return MLP.new { sizes = sizes, activation = activation, scalar = scalar,
      dtype = c.dtype, generator = generator }
  end
  self.flow = {}
  for i = 1, c.flows do
    self.flow[i] = self:register("flow" .. i, new_flow(c, net))
  end
  self:register("mean", net(c.dimension, "relu", false))
  self:register("log_std", net(c.dimension, "relu", false))
  self.prior = priors.new(c)
  return self
end

function NHF:convert_rest(dtype)
  Module.convert_rest(self, dtype)
  self.prior.dtype = dtype
end

local function check_rows(self, name, x)
  options.tensor("nhf", name, x, { "batch", self.config.dimension })
end

-- The last state of a rollout.
local function last(way)
  local n = way.q:size(1)
  return way.q:select(1, n), way.p:select(1, n)
end

local TRANSPORT = {
  inverse = { type = "boolean" },
  path = { type = "boolean" },
  fused = { type = "boolean" },
}

--- Moves states from the prior's side to the data's.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts inverse=true moves the other way; path=true also
-- gives all states on the way; fused as integrate's
-- @treturn tensor q (batch, d)
-- @treturn tensor p (batch, d)
-- @treturn ?table with path: q and p (1 + flows * leaps, batch, d)
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- q0, p0, path = model:transport(q, torus.randn(16, 1),
--   { inverse = true, path = true })
-- print(table.unpack(path.q.shape))   -- 5  16  1
function NHF:transport(q, p, opts)
  opts = options.resolve("nhf:transport", opts, TRANSPORT)
  check_rows(self, "q", q)
  options.tensor("nhf", "p", p, q.shape)
  local c, count = self.config, #self.flow
  local o = { leaps = c.leaps, dt = opts.inverse and -c.dt or c.dt,
    fused = opts.fused }
  local qs, ps = { q:unsqueeze(1) }, { p:unsqueeze(1) }
  for i = 1, count do
    local way = self.flow[opts.inverse and count + 1 - i or i](q, p, o)
    q, p = last(way)
    if opts.path then
      qs[i + 1] = way.q:narrow(1, 2, c.leaps)
      ps[i + 1] = way.p:narrow(1, 2, c.leaps)
    end
  end
  if not opts.path then return q, p end
  return q, p, { q = engine.cat(qs, 1), p = engine.cat(ps, 1) }
end

--- ln p(q, p): the prior's density where the flows come from. Exact, as
-- leapfrog keeps volume.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor (batch), nats
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(table.unpack(model:log_joint(q, torus.zeros(16, 1)).shape))   -- 16
function NHF:log_joint(q, p)
  return self.prior:log_density(self:transport(q, p, { inverse = true }))
end

--- f_psi(p | q), a diagonal normal density.
-- @tparam tensor q (batch, d)
-- @treturn tensor mean (batch, d)
-- @treturn tensor logarithm of the standard deviation (batch, d)
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- mean, log_std = model:encode(q)   -- (16, 1) each
function NHF:encode(q)
  check_rows(self, "q", q)
  return self.mean(q), self.log_std(q)
end

local NOISE = { epsilon = {}, generator = {} }

--- The two parts of the bound at samples of f_psi: ELBO = ln pi - ln f.
-- @tparam tensor q (batch, d), data
-- @tparam[opt] table opts generator; epsilon (batch, d), standard normal,
-- instead of drawing it
-- @treturn tensor ln pi(s_0) (batch)
-- @treturn tensor ln f(p | q) (batch)
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- log_pi, log_f = model:terms(q, { generator = torus.generator(1) })
function NHF:terms(q, opts)
  local o = options.resolve("nhf:terms", opts, NOISE)
  local mean, log_std = self:encode(q)
  local epsilon = o.epsilon or engine.randn(q.shape,
    { dtype = self.config.dtype, generator = o.generator })
  options.tensor("nhf", "epsilon", epsilon, q.shape)
  local p = mean + log_std:exp() * epsilon
  local log_f = (epsilon:square() * -0.5 - log_std):sum(2)
    - 0.5 * LOG_2PI * self.config.dimension
  return self:log_joint(q, p), log_f
end

--- Eq. (6), a bound from below on ln p(q), from one sample of f_psi each.
-- @tparam tensor q (batch, d), data
-- @tparam[opt] table opts as of terms
-- @treturn tensor (batch), nats
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(model:elbo(q):mean())
function NHF:elbo(q, opts)
  local log_pi, log_f = self:terms(q, opts)
  return log_pi - log_f
end

NHF.forward = NHF.elbo

local IMPORTANCE = {
  samples = { default = 64, type = "integer", min = 1 },
  generator = {},
}

--- A tighter bound: the logarithm of the mean of `samples` importance weights
-- pi / f (Burda et al. 2016). It tends to ln p(q) with their number.
-- @tparam tensor q (batch, d)
-- @tparam[opt] table opts samples=64; generator
-- @treturn tensor (batch), nats
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(model:importance_bound(q, { samples = 16 }):mean())
function NHF:importance_bound(q, opts)
  local o = options.resolve("nhf:importance_bound", opts, IMPORTANCE)
  check_rows(self, "q", q)
  local n, batch, d = o.samples, q:size(1), q:size(2)
  return engine.no_grad(function()
    local many = q:unsqueeze(1):expand(n, batch, d):reshape(n * batch, d)
    local weights = self:elbo(many, { generator = o.generator })
    return weights:reshape(n, batch):logsumexp(1) - math.log(n)
  end)
end

local SAMPLE = { generator = {}, path = TRANSPORT.path }

--- New states.
-- @tparam integer count
-- @tparam[opt] table opts generator; path as transport's
-- @treturn tensor q (count, d), samples of the learned density
-- @treturn tensor p (count, d)
-- @treturn ?table with path: q and p of all states on the way
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- samples = model:sample(100)
-- print(table.unpack(samples.shape))   -- 100  1
function NHF:sample(count, opts)
  local o = options.resolve("nhf:sample", opts, SAMPLE)
  return engine.no_grad(function()
    local q, p = self.prior:sample(count, o.generator)
    return self:transport(q, p, { path = o.path })
  end)
end

-- --- density by quadrature ----------------------------------------------------------

-- The corners of a box are lists of d numbers, both or none.
local function check_corners(d, o)
  for _, name in ipairs { "low", "high" } do
    local corner, fits = o[name] or {}, true
    for i = 1, d do fits = fits and type(corner[i]) == "number" end
    if not fits or #corner ~= d then
      options.raise("nhf:log_density: expected low and high, lists of %d "
        .. "numbers each, got %s as %s", d, options.show(o[name]), name)
    end
  end
end

-- Where the momenta of the model's own states lie, with a margin.
local function momentum_box(self, margin)
  local _, p = self:sample(4096, { generator = engine.generator(0) })
  local low, high = p:min(1):totable(), p:max(1):totable()
  for i = 1, self.config.dimension do
    local more = margin * (high[i] - low[i])
    low[i], high[i] = low[i] - more, high[i] + more
  end
  return low, high
end

-- All points of a grid, (n^d, d), and the area of a cell.
local function grid(low, high, n, dtype)
  local d, axes, cell = #low, {}, 1
  for i = 1, d do
    axes[i] = engine.linspace(low[i], high[i], n, { dtype = dtype })
    cell = cell * (high[i] - low[i]) / (n - 1)
  end
  if d == 1 then return axes[1]:reshape(n, 1), cell end
  local a = axes[1]:reshape(n, 1):expand(n, n):reshape(-1)
  local b = axes[2]:reshape(1, n):expand(n, n):reshape(-1)
  return engine.stack({ a, b }, 2), cell
end

local DENSITY = {
  points = { default = 61, type = "integer", min = 3 },
  margin = { default = 0.15, type = "number", min = 0 },
  low = { type = "table" },
  high = { type = "table" },
  chunk = { default = 20000, type = "integer", min = 1 },
}

--- ln p(q) = ln of the integral of p(q, p) over p, by the trapezoidal rule on
-- a grid of momenta; for one or two dimensions.
-- @tparam tensor q (batch, d)
-- @tparam[opt] table opts points=61 of the grid along each axis; its corners
-- low and high, lists, by default those of the model's own samples and
-- margin=0.15 of their distance more; chunk=20000 states at a time
-- @treturn tensor (batch), nats
-- @raise for more than two dimensions
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(model:log_density(q, { points = 31 }):mean())
function NHF:log_density(q, opts)
  local o = options.resolve("nhf:log_density", opts, DENSITY)
  local d = self.config.dimension
  check_rows(self, "q", q)
  if d > 2 then
    options.raise("nhf: the density by quadrature is for one and two "
      .. "dimensions, not %d (see importance_bound)", d)
  end
  if o.low or o.high then check_corners(d, o) end
  return engine.no_grad(function()
    local low, high = o.low, o.high
    if not low then low, high = momentum_box(self, o.margin) end
    local p, cell = grid(low, high, o.points, self.config.dtype)
    local n, pieces = p:size(1), {}
    local rows = math.max(1, o.chunk // n)
    for first = 1, q:size(1), rows do
      local k = math.min(rows, q:size(1) - first + 1)
      local at_q = q:narrow(1, first, k):unsqueeze(2):expand(k, n, d)
      local at_p = p:unsqueeze(1):expand(k, n, d)
      local joint = self:log_joint(at_q:reshape(k * n, d),
        at_p:reshape(k * n, d))
      pieces[#pieces + 1] = joint:reshape(k, n):logsumexp(2)
    end
    return engine.cat(pieces, 1) + math.log(cell)
  end)
end

function NHF:describe()
  local c = self.config
  return string.format("NHF(d=%d, %d flows of %d leapfrog steps, %s prior)",
    c.dimension, c.flows, c.leaps, c.prior)
end

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
