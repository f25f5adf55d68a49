--- Neural Hamiltonian Flow: a density obtained by transporting a simple one along
-- learned Hamiltonian flows (section 3.3 and appendix A.2 of the paper).
--
--     local model = torus.models.nhf{ dimension = 2, prior = "normal" }
--     local bound = model:elbo(x)                  -- (batch), nats
--     local q, p = model:sample(1000)
--     local nats = model:log_density(x)            -- by quadrature, d <= 2
--
-- A state is q and p of shape (batch, d). Every flow has its own Hamiltonian
-- K(p) + V(q), integrated by a few leapfrog steps, which preserve volume and are undone by
-- steps of -dt, so that a density is transported without computing determinants.
-- @module torus.models.nhf
local Module = require "torus.nn.module"
local MLP = require "torus.nn.mlp"
local hamiltonian = require "torus.hamiltonian"
local initialise = require "torus.nn.initialise"
local integrate = require "torus.integrate"
local options = require "torus.options"
local signature = require "torus.signature"
local states = require "torus.models.parts.states"
local size = require "torus.models.parts.size"
local posteriors = require "torus.models.nhf.posterior"
local priors = require "torus.models.nhf.prior"
local engine = require "torus.engine"

local M = {}

--- The options of a configuration, in the form that torus.options reads.
M.rules = {
  dimension = { default = 2, type = "integer", min = 1, max = 4096,
    doc = "Numbers of q, and of p." },
  flows = { default = 5, type = "integer", min = 0, max = 256,
    doc = "Number of flows, each with a Hamiltonian of its own." },
  leaps = { default = 2, type = "integer", min = 1, max = 1024,
    doc = "Number of leapfrog steps of a flow." },
  dt = { default = 0.25, type = "number", above = 0,
    doc = "Time of a leapfrog step." },
  width = { default = 128, type = "integer", min = 1, max = 8192,
    doc = "Units of a hidden layer of all networks." },
  depth = { default = 2, type = "integer", min = 1, max = 64,
    doc = "Number of hidden layers of all networks." },
  prior = { default = "normal", choices = { "normal", "soft_uniform" },
    doc = "Density of s_0 (torus.models.nhf.prior)." },
  prior_width = { default = 4, type = "number", above = 0,
    doc = "Width sigma of the soft-uniform density." },
  prior_sharpness = { default = 4, type = "number", above = 0,
    doc = "Sharpness beta of the soft-uniform density." },
  posterior = { default = "diagonal", choices = posteriors.names,
    doc = "Form of f(p | q): normal with a diagonal or full covariance, or a flow of "
      .. "couplings (torus.models.nhf.posterior)." },
  couplings = { default = 4, type = "integer", min = 1, max = 64,
    doc = "Number of couplings of posterior \"flow\"." },
  energy_gain = { default = 1, type = "number", above = 0,
    doc = "Factor of the Hamiltonians' initial weights." },
  squeeze = { default = false, type = "boolean",
    doc = "True: each flow ends with a learned scaling, q to q e^s and p to p e^-s, which is "
      .. "the exact flow of H = s . q p; s has d elements." },
  dtype = { default = "float32", choices = { "float32", "float64" },
    doc = "The dtype of the parameters and of all results." },
}

-- --- one flow -------------------------------------------------------------------

local Flow = Module.class("Flow")

local function new_flow(c, energy)
  local self = Module.instance(Flow, {})
  self:register("K", energy())
  self:register("V", energy())
  self.hamiltonian = hamiltonian.separable(self.K, self.V)
  initialise.scale_weights(self, c.energy_gain)
  if c.squeeze then
    self:register("squeeze", engine.zeros({ c.dimension }, { dtype = c.dtype,
      requires_grad = true }))
  end
  return self
end

function Flow:forward(q, p, o)
  local factor = self.squeeze and self.squeeze:exp()
  if factor and o.dt < 0 then q, p = q / factor, p * factor end
  local trajectory = integrate { H = self.hamiltonian, q = q, p = p, dt = o.dt,
    steps = o.leaps, fused = o.fused }
  if not factor or o.dt < 0 then return trajectory end
  return { q = trajectory.q * factor, p = trajectory.p / factor }
end

-- --- the model --------------------------------------------------------------------

--- A Neural Hamiltonian Flow; torus.models.nhf makes it.
-- @type NHF
local NHF = Module.class("NHF")

--- A Neural Hamiltonian Flow (section 3.3 and appendix A.2).
-- @tparam[opt] table config
-- @tparam[opt=2] integer config.dimension numbers of q, and of p
-- @tparam[opt=5] integer config.flows each with a Hamiltonian of its own
-- @tparam[opt=2] integer config.leaps leapfrog steps of a flow
-- @tparam[opt=0.25] number config.dt time of a leapfrog step
-- @tparam[opt=128] integer config.width units of a hidden layer
-- @tparam[opt=2] integer config.depth hidden layers
-- @tparam[opt="normal"] string config.prior or "soft_uniform"
-- @tparam[opt=4] number config.prior_width sigma of the soft-uniform density
-- @tparam[opt=4] number config.prior_sharpness beta of the soft-uniform density
-- @tparam[opt="diagonal"] string config.posterior f(p | q): a normal density with
-- independent numbers, "full" with any covariance, "flow" any shape
-- @tparam[opt=4] integer config.couplings of the "flow"
-- @tparam[opt=1] number config.energy_gain factor of the Hamiltonians' initial
-- weights
-- @tparam[opt=false] boolean config.squeeze each flow ends with that of s . q p over a
-- unit of time, for learned s (d), which is exact: q e^s and p e^-s. Leapfrog steps then
-- need not learn how wide the data are
-- @tparam[opt="float32"] string config.dtype or "float64"
-- @tparam[opt] generator generator source of the initial weights
-- @treturn Module
-- @raise for unknown options
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- loss = -model(q):mean()   -- the negative ELBO
function M.new(config, generator)
  local c = options.resolve("nhf", config, M.rules)
  -- K and V of every flow, and the networks of f_psi.
  size.check("nhf", 2 * c.flows * size.stack(c.dimension, c.width, c.depth, 1)
    + posteriors.count(c), c.dtype)
  local self = Module.instance(NHF, { config = c })
  local function energy()
    local sizes = { c.dimension }
    for i = 1, c.depth do sizes[i + 1] = c.width end
    sizes[#sizes + 1] = 1
    return MLP.new { sizes = sizes, activation = "softplus", scalar = true,
      dtype = c.dtype, generator = generator }
  end
  self.flow = {}
  for i = 1, c.flows do
    self.flow[i] = self:register("flow" .. i, new_flow(c, energy))
  end
  self.posterior = posteriors.new(self, c, generator)
  self.prior = priors.new(c)
  return self
end

function NHF:convert_rest(dtype)
  Module.convert_rest(self, dtype)
  self.prior.dtype = dtype
end

local function check_rows(self, method, name, x)
  options.tensor("nhf:" .. method, name, x, { "batch", self.config.dimension },
    self.config.dtype)
end

local function last_state(trajectory)
  local n = trajectory.q:size(1)
  return trajectory.q:select(1, n), trajectory.p:select(1, n)
end

local TRANSPORT = {
  inverse = { type = "boolean" },
  path = { type = "boolean" },
  fused = { type = "boolean" },
}

--- Transports states from the prior to the data by the flows in order.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.inverse from the data to the prior
-- @tparam[opt=false] boolean opts.path returns all states in between too
-- @tparam[opt] boolean opts.fused as in torus.integrate
-- @treturn tensor q (batch, d)
-- @treturn tensor p (batch, d)
-- @treturn ?table with path the trajectory: q and p (1 + flows * leaps, batch, d)
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- q0, p0, path = model:transport(q, torus.randn(16, 1),
--   { inverse = true, path = true })
-- print(table.unpack(path.q.shape))   -- 5  16  1
function NHF:transport(q, p, opts)
  opts = options.resolve("nhf:transport", opts, TRANSPORT)
  check_rows(self, "transport", "q", q)
  options.tensor("nhf:transport", "p", p, q.shape, self.config.dtype)
  local c, count = self.config, #self.flow
  local o = { leaps = c.leaps, dt = opts.inverse and -c.dt or c.dt,
    fused = opts.fused }
  local qs, ps = { q:unsqueeze(1) }, { p:unsqueeze(1) }
  for i = 1, count do
    local trajectory = self.flow[opts.inverse and count + 1 - i or i](q, p, o)
    q, p = last_state(trajectory)
    if opts.path then
      qs[i + 1] = trajectory.q:narrow(1, 2, c.leaps)
      ps[i + 1] = trajectory.p:narrow(1, 2, c.leaps)
    end
  end
  if not opts.path then return q, p end
  return q, p, { q = engine.cat(qs, 1), p = engine.cat(ps, 1) }
end

--- Returns ln p(q, p): the prior's log-density at the state that the flows transport to
-- (q, p). It is exact, as leapfrog preserves volume.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor (batch), nats
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(table.unpack(model:log_joint(q, torus.zeros(16, 1)).shape))   -- 16
function NHF:log_joint(q, p)
  states.check("nhf:log_joint", self.config.dtype, { "batch", self.config.dimension },
    { "q", "p" }, q, p)
  return self.prior:log_density(self:transport(q, p, { inverse = true }))
end

--- Returns the location and width of f_psi(p | q), m and ln s of
-- torus.models.nhf.posterior: mean and log standard deviation of a diagonal posterior.
-- @tparam tensor q (batch, d)
-- @treturn tensor mean (batch, d)
-- @treturn tensor logarithm of the standard deviation (batch, d)
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- mean, log_std = model:encode(q)   -- (16, 1) each
function NHF:encode(q)
  check_rows(self, "encode", "q", q)
  return self.mean(q), self.log_std(q)
end

local NOISE = { epsilon = {}, generator = {} }

--- Returns the two terms of the bound at samples of f_psi: ELBO = ln pi - ln f.
-- @tparam tensor q (batch, d), data
-- @tparam[opt] table opts
-- @tparam[opt] generator opts.generator source of random numbers
-- @tparam[opt] tensor opts.epsilon (batch, d), standard normal, instead
-- @treturn tensor ln pi(s_0) (batch)
-- @treturn tensor ln f(p | q) (batch)
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- log_pi, log_f = model:terms(q, { generator = torus.generator(1) })
function NHF:terms(q, opts)
  local o = options.resolve("nhf:terms", opts, NOISE)
  check_rows(self, "terms", "q", q)
  local epsilon = o.epsilon or engine.randn(q.shape,
    { dtype = self.config.dtype, generator = o.generator })
  options.tensor("nhf:terms", "epsilon", epsilon, q.shape, self.config.dtype)
  local p, log_f = self.posterior:sample(q, epsilon)
  return self:log_joint(q, p), log_f
end

--- Returns the evidence lower bound of eq. (6) on ln p(q), from one sample of f_psi for
-- each row.
-- @tparam tensor q (batch, d), data
-- @tparam[opt] table opts as in terms
-- @treturn tensor (batch), nats
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(model:elbo(q):mean())
function NHF:elbo(q, opts)
  check_rows(self, "elbo", "q", q)
  local log_pi, log_f = self:terms(q, opts)
  return log_pi - log_f
end

NHF.forward = NHF.elbo

local IMPORTANCE = {
  samples = { default = 64, type = "integer", min = 1 },
  generator = {},
}

--- Returns a tighter bound: the logarithm of the mean of `samples` importance weights
-- pi / f (Burda et al. 2016). It converges to ln p(q) with their number.
-- @tparam tensor q (batch, d)
-- @tparam[opt] table opts
-- @tparam[opt=64] integer opts.samples
-- @tparam[opt] generator opts.generator source of random numbers
-- @treturn tensor (batch), nats
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(model:importance_bound(q, { samples = 16 }):mean())
function NHF:importance_bound(q, opts)
  local o = options.resolve("nhf:importance_bound", opts, IMPORTANCE)
  check_rows(self, "importance_bound", "q", q)
  local n, batch, d = o.samples, q:size(1), q:size(2)
  return engine.no_grad(function()
    local many = q:unsqueeze(1):expand(n, batch, d):reshape(n * batch, d)
    local weights = self:elbo(many, { generator = o.generator })
    return weights:reshape(n, batch):logsumexp(1) - math.log(n)
  end)
end

--- Estimates ln p(q) at given points from samples of f(p | q), in any dimension. The
-- expectations of `elbo` and `importance` are below ln p(q); `importance` is close to it if
-- its error is small.
-- @tparam tensor q (batch, d)
-- @tparam[opt] table opts as in importance_bound
-- @treturn {[string]=tensor} elbo, the mean bound of eq. (6), importance, the
-- importance-weighted one, and their standard errors elbo_error and
-- importance_error; (batch) each, nats
-- @usage
-- model = torus.models.nhf{ dimension = 3, flows = 2, width = 8 }
-- found = model:bounds(torus.randn(16, 3), { samples = 128 })
-- print(found.importance:mean(), found.importance_error:max())
function NHF:bounds(q, opts)
  local o = options.resolve("nhf:bounds", opts, IMPORTANCE)
  check_rows(self, "bounds", "q", q)
  local n, batch, d = o.samples, q:size(1), q:size(2)
  return engine.no_grad(function()
    local many = q:unsqueeze(1):expand(n, batch, d):reshape(n * batch, d)
    local nats = self:elbo(many, { generator = o.generator }):reshape(n, batch)
    local importance = nats:logsumexp(1) - math.log(n)
    local weight = (nats - importance):exp()
    return { elbo = nats:mean(1), elbo_error = nats:std(1) / math.sqrt(n),
      importance = importance, importance_error = weight:std(1) / math.sqrt(n) }
  end)
end

local SAMPLE = { generator = {}, path = TRANSPORT.path }

--- Draws samples of the learned density.
-- @tparam integer count
-- @tparam[opt] table opts
-- @tparam[opt] generator opts.generator source of random numbers
-- @tparam[opt=false] boolean opts.path as in transport
-- @treturn tensor q (count, d)
-- @treturn tensor p (count, d)
-- @treturn ?table with path the trajectory: q and p (1 + flows * leaps, count, d)
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

local EVIDENCE = { generator = {}, q = {}, p = {} }

--- Returns the logarithms of the importance weights of the model's samples for another
-- density g, known up to a factor: ln g(q) + ln f(p | q) - ln p(q, p).
--
-- With Z the integral of g, ln Z minus their mean is the reverse KL divergence of the flow
-- from g, so that maximising the mean learns a posterior from its unnormalised density. The
-- mean of the weights themselves is Z for any flow.
-- @tparam function log_density of q (count, d), returns (count), differentiable
-- @tparam integer count of samples
-- @tparam[opt] table opts
-- @tparam[opt] generator opts.generator source of random numbers
-- @tparam[opt] tensor opts.q (count, d), with p states of the prior instead
-- @tparam[opt] tensor opts.p (count, d)
-- @treturn tensor (count), nats
-- @treturn tensor q (count, d), the samples
-- @usage
-- model = torus.models.nhf { dimension = 2, flows = 2, width = 16 }
-- nats = model:evidence(function(q) return q:square():sum(2) * -2 end, 64)
-- loss = -nats:mean()   -- at least -ln(pi / 2)
function NHF:evidence(log_density, count, opts)
  local o = options.resolve("nhf:evidence", opts, EVIDENCE)
  local q0, p0 = o.q, o.p
  if q0 == nil and p0 == nil then q0, p0 = self.prior:sample(count, o.generator) end
  for name, x in pairs { q = q0 or false, p = p0 or false } do
    options.tensor("nhf:evidence", name, x, { count, self.config.dimension },
      self.config.dtype)
  end
  local q, p = self:transport(q0, p0)
  local nats = log_density(q)
  if not engine.is_tensor(nats) or nats:dim() ~= 1 or nats:size(1) ~= count then
    options.raise("nhf:evidence: log_density: expected one number for each sample, "
      .. "shape (%d), got %s", count, engine.is_tensor(nats)
        and options.shape_text(nats) or options.show(nats))
  end
  return nats:to(q.dtype) + self.posterior:log_density(q, p)
    - self.prior:log_density(q0, p0), q
end

-- --- density by quadrature ----------------------------------------------------------

-- The corners of a box are lists of d numbers; either both or neither must be given.
local function check_corners(d, o)
  for _, name in ipairs { "low", "high" } do
    local corner, fits = o[name] or {}, true
    for i = 1, d do fits = fits and type(corner[i]) == "number" end
    if not fits or #corner ~= d then
      options.raise("nhf:log_density: %s: expected a list of %d numbers, got %s",
        name, d, options.show(o[name]))
    end
  end
  for i = 1, d do
    local low, high = o.low[i], o.high[i]
    if not (-math.huge < low and low < high and high < math.huge) then
      options.raise("nhf:log_density: expected low below high, both finite, got low = %s and "
        .. "high = %s at %d", low, high, i)
    end
  end
end

-- A box that contains the momenta of the model's own states, with a margin.
local function momentum_box(self, margin)
  local _, p = self:sample(4096, { generator = engine.generator(0) })
  local low, high = p:min(1):totable(), p:max(1):totable()
  for i = 1, self.config.dimension do
    local more = margin * (high[i] - low[i])
    low[i], high[i] = low[i] - more, high[i] + more
  end
  return low, high
end

-- All points of a grid, (n^d, d), and the logarithms of their weights in the trapezoidal rule
-- (n^d): the area of a cell, and half of it for each axis at whose end a point is.
local function grid(low, high, n, dtype)
  local axes, weights = {}, {}
  for i = 1, #low do
    axes[i] = engine.linspace(low[i], high[i], n, { dtype = dtype })
    local weight = engine.full({ n }, math.log((high[i] - low[i]) / (n - 1)), { dtype = dtype })
    weight[1], weight[n] = weight[1] - math.log(2), weight[n] - math.log(2)
    weights[i] = weight
  end
  if #low == 1 then return axes[1]:reshape(n, 1), weights[1] end
  local a, b = engine.meshgrid(axes[1], axes[2])
  local u, v = engine.meshgrid(weights[1], weights[2])
  return engine.stack({ a:reshape(-1), b:reshape(-1) }, 2), (u + v):reshape(-1)
end

local DENSITY = {
  points = { default = 61, type = "integer", min = 3 },
  margin = { default = 0.15, type = "number", min = 0 },
  low = { type = "table" },
  high = { type = "table" },
  chunk = { default = 20000, type = "integer", min = 1 },
}

--- Returns ln p(q), the logarithm of the integral of p(q, p) over p, by the trapezoidal rule
-- on a grid of momenta; for one or two dimensions.
-- @tparam tensor q (batch, d)
-- @tparam[opt] table opts
-- @tparam[opt=61] integer opts.points of the grid along each axis
-- @tparam[opt] {number,...} opts.low the grid's lowest momenta; with high by
-- default those of samples of the model, and a margin
-- @tparam[opt] {number,...} opts.high the grid's highest momenta
-- @tparam[opt=0.15] number opts.margin of the samples' range on either side
-- @tparam[opt=20000] integer opts.chunk states at a time
-- @treturn tensor (batch), nats
-- @raise for more than two dimensions, and for a low corner that is not below the high one
-- @usage
-- model = torus.models.nhf{ dimension = 1, flows = 2, width = 8 }
-- q = torus.randn(16, 1)
-- print(model:log_density(q, { points = 31 }):mean())
function NHF:log_density(q, opts)
  local o = options.resolve("nhf:log_density", opts, DENSITY)
  local d = self.config.dimension
  check_rows(self, "log_density", "q", q)
  if d > 2 then
    options.raise("nhf:log_density: expected a dimension of 1 or 2, for "
      .. "quadrature, got %d; importance_bound has no such limit", d)
  end
  if o.low or o.high then check_corners(d, o) end
  return engine.no_grad(function()
    local low, high = o.low, o.high
    if not low then low, high = momentum_box(self, o.margin) end
    local p, weights = grid(low, high, o.points, self.config.dtype)
    local n, pieces = p:size(1), {}
    local rows = math.max(1, o.chunk // n)
    for first = 1, q:size(1), rows do
      local k = math.min(rows, q:size(1) - first + 1)
      local at_q = q:narrow(1, first, k):unsqueeze(2):expand(k, n, d)
      local at_p = p:unsqueeze(1):expand(k, n, d)
      local joint = self:log_joint(at_q:reshape(k * n, d),
        at_p:reshape(k * n, d))
      pieces[#pieces + 1] = (joint:reshape(k, n) + weights):logsumexp(2)
    end
    if #pieces == 0 then return engine.zeros({ 0 }, { dtype = q.dtype }) end
    return engine.cat(pieces, 1)
  end)
end

function NHF:describe()
  local c = self.config
  return string.format("NHF(d=%d, %d flows of %d leapfrog steps, %s prior)",
    c.dimension, c.flows, c.leaps, c.prior)
end

signature.methods("NHF", NHF, {
  sample = "count: integer, opts?: table",
  evidence = "log_density: function, count: integer, opts?: table",
})

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
