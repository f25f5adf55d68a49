--- The Hamiltonian Neural Network of Greydanus et al. (2019), eqs. (1) and
-- (12), and the plain network of the same size that it is compared with.
--
--     local model = torus.models.hnn{ dimension = 1 }
--     local dq, dp = model:motion(q, p)              -- time derivatives
--     local way = model:rollout(q, p, { dt = 0.1, steps = 30 })
--
-- States are q and p of shape (batch, d); time is in the system's units.
-- @module torus.models.hnn
local Module = require "torus.nn.module"
local MLP = require "torus.nn.mlp"
local field = require "torus.models.parts.field"
local hamiltonian = require "torus.hamiltonian"
local integrate = require "torus.integrate"
local options = require "torus.options"
local rk45 = require "torus.rk45"
local engine = require "torus.engine"

--- An HNN, or the plain network beside it; torus.models.hnn makes it.
-- @type HNN
local HNN = Module.class("HNN")

local M = {}

--- What a configuration may say: `kind` "hnn" learns an energy, "mlp" the
-- derivatives themselves; `dimension` is that of q; `depth` counts hidden
-- layers of `width` units.
M.rules = {
  kind = { default = "hnn", choices = { "hnn", "mlp" } },
  dimension = { default = 1, type = "integer", min = 1 },
  width = { default = 200, type = "integer", min = 1 },
  depth = { default = 2, type = "integer", min = 1 },
  activation = { default = "tanh", type = "string" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

--- A Hamiltonian Neural Network (Greydanus et al. 2019), or with kind="mlp" the
-- plain network that predicts the derivatives.
-- @tparam[opt] table config see rules; dimension=1, width=200, depth=2,
-- activation="tanh", kind="hnn", dtype="float32"
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
-- @raise for unknown options
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- dq, dp = model(q, p)
function M.new(config, generator)
  local c = options.resolve("hnn", config, M.rules)
  local self = Module.instance(HNN, { config = c })
  local sizes = { 2 * c.dimension }
  for i = 1, c.depth do sizes[i + 1] = c.width end
  sizes[#sizes + 1] = c.kind == "hnn" and 1 or 2 * c.dimension
  self:register("net", MLP.new { sizes = sizes, activation = c.activation,
    scalar = c.kind == "hnn", dtype = c.dtype, generator = generator })
  if c.kind == "hnn" then self.hamiltonian = hamiltonian.joint(self.net) end
  return self
end

local function check_state(self, q, p)
  options.tensor("hnn", "q", q, { "batch", self.config.dimension })
  options.tensor("hnn", "p", p, q.shape)
end

--- The learned energy, which the plain network does not have: it raises.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor (batch)
-- @raise for the plain network
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- print(table.unpack(model:energy(q, p).shape))   -- 8
function HNN:energy(q, p)
  if not self.hamiltonian then
    options.raise("hnn: the plain network has no energy")
  end
  check_state(self, q, p)
  return self.hamiltonian(q, p)
end

--- Time derivatives at a state, eq. (3).
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor dq/dt (batch, d)
-- @treturn tensor dp/dt (batch, d)
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- dq, dp = model:motion(q, p)   -- as model(q, p)
function HNN:motion(q, p)
  check_state(self, q, p)
  if self.hamiltonian then return field.motion(self.hamiltonian, q, p) end
  local both, d = self.net(engine.cat({ q, p }, 2)), self.config.dimension
  return both:narrow(2, 1, d), both:narrow(2, d + 1, d)
end

HNN.forward = HNN.motion -- a call of the model

--- Eq. (1): half the sum of both squares for d = 1; for more coordinates the
-- mean over all 2 d of them, as in the original.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam tensor dq (batch, d), the derivatives to be learned
-- @tparam tensor dp (batch, d)
-- @treturn tensor loss, a scalar
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- dq, dp = p, -q   -- those of a mass on a spring
-- model:loss(q, p, dq, dp):backward()
function HNN:loss(q, p, dq, dp)
  check_state(self, q, p)
  options.tensor("hnn", "dq", dq, q.shape)
  options.tensor("hnn", "dp", dp, q.shape)
  local vq, vp = self:motion(q, p)
  return ((vq - dq):square():mean() + (vp - dp):square():mean()) * 0.5
end

-- Runge-Kutta 4, eqs. (18)-(22), for the plain network: it has no H that
-- torus.integrate could take.
local function march(self, q, p, dt, steps)
  local qs, ps = { q }, { p }
  for i = 1, steps do
    local aq, ap = self:motion(q, p)
    local bq, bp = self:motion(q + aq * (dt / 2), p + ap * (dt / 2))
    local cq, cp = self:motion(q + bq * (dt / 2), p + bp * (dt / 2))
    local eq, ep = self:motion(q + cq * dt, p + cp * dt)
    q = q + (aq + (bq + cq) * 2 + eq) * (dt / 6)
    p = p + (ap + (bp + cp) * 2 + ep) * (dt / 6)
    qs[i + 1], ps[i + 1] = q, p
  end
  return { q = engine.stack(qs, 1), p = engine.stack(ps, 1) }
end

-- Every n-th state of a trajectory.
local function thinned(way, n)
  if n == 1 then return way end
  local last = way.q:size(1)
  local places = engine.arange(1, last, n, { dtype = "int64" })
  return { q = way.q:index_select(1, places), p = way.p:index_select(1, places) }
end

local ROLLOUT = {
  dt = { default = 0.125, type = "number" },
  steps = { default = 30, type = "integer", min = 0 },
  substeps = { default = 1, type = "integer", min = 1 },
  method = { default = "rk4", choices = { "rk4", "euler", "rk45" } },
  rtol = { default = 1e-6, type = "number", above = 0 },
  atol = { default = 1e-8, type = "number", above = 0 },
}

local function by_rk45(self, q, p, o)
  local times, d = {}, self.config.dimension
  for i = 0, o.steps do times[i + 1] = i * o.dt end
  local function derivatives(states)
    local dq, dp = self:motion(
      states:narrow(2, 1, d):contiguous():to(self.config.dtype),
      states:narrow(2, d + 1, d):contiguous():to(self.config.dtype))
    return engine.cat({ dq, dp }, 2):detach():to("float64")
  end
  local states = engine.cat({ q, p }, 2):detach():to("float64")
  local out = rk45.states(derivatives, states, times, { rtol = o.rtol,
    atol = o.atol, first_step = 0, max_step = 0, max_steps = 1000000 })
  out = out:transpose(1, 2)
  return { q = out:narrow(3, 1, d):contiguous(),
    p = out:narrow(3, d + 1, d):contiguous() }
end

--- The learned motion from a state.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts dt=0.125 between the states that are returned;
-- steps=30; substeps=1 of the scheme in each; method="rk4", "euler" (not for
-- the plain network), or "rk45" (adaptive, without substeps and gradients;
-- rtol=1e-6, atol=1e-8)
-- @treturn table q and p (steps + 1, batch, d), float64 by rk45
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- trajectory = model:rollout(q, p, { dt = 0.1, steps = 50 })
-- print(table.unpack(trajectory.q.shape))   -- 51  8  1
function HNN:rollout(q, p, opts)
  local o = options.resolve("hnn:rollout", opts, ROLLOUT)
  check_state(self, q, p)
  if o.method == "rk45" then return by_rk45(self, q, p, o) end
  local steps, dt = o.steps * o.substeps, o.dt / o.substeps
  if self.hamiltonian then
    return thinned(integrate { H = self.hamiltonian, q = q, p = p, dt = dt,
      steps = steps, method = o.method }, o.substeps)
  end
  if o.method ~= "rk4" then
    options.raise("hnn:rollout: the plain network takes rk4 or rk45, got %s",
      o.method)
  end
  return thinned(march(self, q, p, dt, steps), o.substeps)
end

function HNN:describe()
  local c = self.config
  return string.format("HNN(%s, d=%d, %d x %d %s)", c.kind, c.dimension,
    c.depth, c.width, c.activation)
end

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
