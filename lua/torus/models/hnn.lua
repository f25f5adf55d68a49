--- The Hamiltonian Neural Network of Greydanus et al. (2019), eqs. (1) and (12) of the
-- paper, and the plain network of the same size as a baseline.
--
--     local model = torus.models.hnn{ dimension = 1 }
--     local dq, dp = model:motion(q, p)              -- time derivatives
--     local trajectory = model:rollout(q, p, { dt = 0.1, steps = 30 })
--
-- States are q and p of shape (batch, d); time is in the system's units.
-- @module torus.models.hnn
local Module = require "torus.nn.module"
local MLP = require "torus.nn.mlp"
local activation = require "torus.nn.activation"
local field = require "torus.models.parts.field"
local friction = require "torus.models.parts.friction"
local hamiltonian = require "torus.hamiltonian"
local initial_states = require "torus.models.parts.initial_states"
local integrate = require "torus.integrate"
local options = require "torus.options"
local signature = require "torus.signature"
local states = require "torus.models.parts.states"
local size = require "torus.models.parts.size"
local units = require "torus.models.parts.units"
local rk45 = require "torus.rk45"
local schemes = require "torus.schemes"
local engine = require "torus.engine"

--- An HNN, or the plain network; torus.models.hnn makes it.
-- @type HNN
local HNN = Module.class("HNN")

local M = {}

--- The options of a configuration, in the form that torus.options reads.
M.rules = {
  kind = { default = "hnn", choices = { "hnn", "mlp" },
    doc = "\"hnn\" learns an energy; \"mlp\", the plain network, learns the time derivatives." },
  dimension = { default = 1, type = "integer", min = 1, max = 4096,
    doc = "Number of coordinates of q, and of p." },
  width = { default = 200, type = "integer", min = 1, max = 16384,
    doc = "Units of a hidden layer." },
  depth = { default = 2, type = "integer", min = 1, max = 64,
    doc = "Number of hidden layers." },
  activation = { default = "tanh", choices = activation.names,
    doc = "Activation of the hidden layers (torus.nn.activation)." },
  hamiltonian = { default = "joint", choices = { "joint", "separable" },
    doc = "\"joint\", one network of q and p; \"separable\", K(p) + V(q) of two networks, "
      .. "which splitting schemes such as leapfrog integrate." },
  normalise = { default = false, type = "boolean",
    doc = "True: the networks see states and time in units that `normalise` determines from "
      .. "data; the units are buffers, and so part of a checkpoint." },
  friction = { default = "none", choices = friction.choices,
    doc = "Friction, dp/dt = -dH/dq - D dH/dp: none, a learned constant D >= 0, or a learned "
      .. "function D(q) >= 0 (torus.help \"friction\")." },
  dtype = { default = "float32", choices = { "float32", "float64" },
    doc = "The dtype of the parameters and of all results." },
}

-- --- units --------------------------------------------------------------------
-- The networks see states in the units of torus.models.parts.units and the time
-- t' = c t: the motion dq'/dt' = dH'/dp' in these units is that of H = c s_q s_p H' in the
-- original units. scale: s_q, s_p, c.

local function rate(self) return self.scale:narrow(1, 3, 1) end

-- The energy in the original units as a function of states in these.
local function in_given_units(self)
  local function unit_of_energy()
    local _, _, sq, sp = units.of(self)
    return sq * sp * rate(self)
  end
  if self.K then
    return hamiltonian.separable(function(p)
      local _, mp, _, sp = units.of(self)
      return self.K((p - mp) / sp) * unit_of_energy()
    end, function(q)
      local mq, _, sq = units.of(self)
      return self.V((q - mq) / sq) * unit_of_energy()
    end)
  end
  return hamiltonian.joint(function(x)
    local d = self.config.dimension
    local q, p = units.scaled(self, x:narrow(-1, 1, d), x:narrow(-1, d + 1, d))
    return self.net(engine.cat({ q, p }, -1)) * unit_of_energy()
  end)
end

local function hamiltonian_of(self)
  return self.scaled and self.config.normalise and in_given_units(self) or self.scaled
end

-- Registers the networks, and returns their Hamiltonian of scaled states; nil for the
-- plain network.
local function add_networks(self, c, generator)
  local function net(name, inputs, outputs)
    local sizes = { inputs }
    for i = 1, c.depth do sizes[i + 1] = c.width end
    sizes[#sizes + 1] = outputs
    return self:register(name, MLP.new { sizes = sizes, activation = c.activation,
      scalar = c.kind == "hnn", dtype = c.dtype, generator = generator })
  end
  if c.kind ~= "hnn" then
    net("net", 2 * c.dimension, 2 * c.dimension)
  elseif c.hamiltonian == "separable" then
    return hamiltonian.separable(net("K", c.dimension, 1), net("V", c.dimension, 1))
  else
    return hamiltonian.joint(net("net", 2 * c.dimension, 1))
  end
end

local function check_plain(c)
  if c.friction ~= "none" then
    options.raise("hnn: friction: expected \"none\" for the plain network, which "
      .. "has no energy to dissipate, got %q", c.friction)
  end
  if c.hamiltonian ~= "joint" then
    options.raise("hnn: hamiltonian: expected \"joint\" for the plain network, which "
      .. "has no Hamiltonian, got %q", c.hamiltonian)
  end
end

--- Makes a Hamiltonian Neural Network (Greydanus et al. 2019) or, with kind="mlp", the
-- plain network that predicts the derivatives.
-- @tparam[opt] table config
-- @tparam[opt="hnn"] string config.kind "hnn" or "mlp"
-- @tparam[opt=1] integer config.dimension number of coordinates of q, and of p
-- @tparam[opt=200] integer config.width units per hidden layer
-- @tparam[opt=2] integer config.depth hidden layers
-- @tparam[opt="tanh"] string config.activation of the hidden layers
-- @tparam[opt="joint"] string config.hamiltonian one network of q and p; "separable":
-- K(p) + V(q) with two networks, which splitting schemes can integrate too
-- @tparam[opt=false] boolean config.normalise the networks see states and time in units
-- that HNN:normalise determines from data
-- @tparam[opt="none"] string config.friction "constant" or "network" adds learned friction
-- (torus.models.parts.friction)
-- @tparam[opt="float32"] string config.dtype or "float64"
-- @tparam[opt] generator generator source of the initial weights
-- @treturn Module
-- @raise for unknown options
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- dq, dp = model(q, p)
function M.new(config, generator)
  local c = options.resolve("hnn", config, M.rules)
  size.check("hnn", size.stack(2 * c.dimension, c.width, c.depth, 2 * c.dimension),
    c.dtype)
  local self = Module.instance(HNN, { config = c })
  if c.kind ~= "hnn" then check_plain(c) end
  self.scaled = add_networks(self, c, generator)
  if c.normalise then units.register(self, 3) end
  self.hamiltonian = hamiltonian_of(self)
  local damping = friction.new(c.friction, c.dimension,
    { dtype = c.dtype, generator = generator })
  if damping then self:register("friction", damping) end
  return self
end

-- The energy in the original units refers to the model.
function HNN:copy_rest() self.hamiltonian = hamiltonian_of(self) end

local STATE, MOTION = { "q", "p" }, { "q", "p", "dq", "dp" }

-- Checks states, and time derivatives if there are more; of any dtype where it will be
-- converted.
local function check_state(self, method, any_dtype, q, p, ...)
  local dtype = not any_dtype and self.config.dtype or nil
  states.check("hnn:" .. method, dtype, { "batch", self.config.dimension },
    select("#", ...) > 0 and MOTION or STATE, q, p, ...)
end

-- Raises unless q and p are states of this model; torus.integrate and torus.rk45 call it.
function HNN:_expect_state(where, q, p)
  states.check(where .. ": hnn", self.config.dtype, { "batch", self.config.dimension }, STATE,
    q, p)
end

--- Returns the learned energy H(q, p).
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor (batch)
-- @raise for the plain network, which has no energy
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- print(table.unpack(model:energy(q, p).shape))   -- 8
function HNN:energy(q, p)
  if not self.hamiltonian then
    options.raise("hnn:energy: expected kind \"hnn\": the plain network has no "
      .. "energy")
  end
  check_state(self, "energy", false, q, p)
  return self.hamiltonian(q, p)
end

--- Returns the time derivatives at a state, eq. (3), including -D dH/dp with friction.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor dq/dt (batch, d)
-- @treturn tensor dp/dt (batch, d)
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- dq, dp = model:motion(q, p)   -- as model(q, p)
function HNN:motion(q, p)
  check_state(self, "motion", false, q, p)
  local d = self.config.dimension
  local x, y = units.scaled(self, q, p)
  local dq, dp
  if self.scaled then
    dq, dp = field.motion(self.scaled, x, y)
  else
    local both = self.net(engine.cat({ x, y }, 2))
    dq, dp = both:narrow(2, 1, d), both:narrow(2, d + 1, d)
  end
  if self.shift then
    local _, _, sq, sp = units.of(self)
    dq, dp = dq * (sq * rate(self)), dp * (sp * rate(self))
  end
  return dq, self.friction and dp - dq * self.friction(q) or dp
end

HNN.forward = HNN.motion -- a call of the model

--- Returns the loss of eq. (1): half the sum of both squared errors for d = 1, and for
-- more coordinates the mean over all 2 d of them, as in the original.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam tensor dq (batch, d), the derivatives to learn
-- @tparam tensor dp (batch, d)
-- @treturn tensor loss, a scalar
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- dq, dp = p, -q   -- those of a mass on a spring
-- model:loss(q, p, dq, dp):backward()
function HNN:loss(q, p, dq, dp)
  check_state(self, "loss", false, q, p, dq, dp)
  local vq, vp = self:motion(q, p)
  return ((vq - dq):square():mean() + (vp - dp):square():mean()) * 0.5
end

-- Runge-Kutta 4, eqs. (18)-(22), for the plain network, which has no H for
-- torus.integrate.
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
local function thinned(trajectory, n)
  if n == 1 then return trajectory end
  local q, p = trajectory.q, trajectory.p
  local indices = engine.arange(1, q:size(1), n, { dtype = "int64" })
  return { q = q:index_select(1, indices), p = p:index_select(1, indices) }
end

-- The schemes, and the adaptive one.
local METHODS = schemes.names(nil, true)
METHODS[#METHODS + 1] = "rk45"

local ROLLOUT = {
  dt = { default = 0.125, type = "number" },
  steps = { default = 30, type = "integer", min = 0 },
  substeps = { type = "integer", min = 1 },
  method = { default = "rk4", choices = METHODS },
  rtol = { type = "number", above = 0 },
  atol = { type = "number", above = 0 },
}

-- Raises for options of the other kind of method, instead of ignoring them.
local function check_options(o)
  if o.method == "rk45" then
    if o.substeps == nil then return end
    options.raise("hnn:rollout: substeps: expected none for method \"rk45\", which chooses its "
      .. "steps by rtol and atol, got %d", o.substeps)
  end
  local name = o.rtol and "rtol" or o.atol and "atol"
  if not name then return end
  options.raise("hnn:rollout: %s: expected only with method \"rk45\", got method = %q; "
    .. "substeps make %s more accurate", name, o.method, o.method)
end

local function by_rk45(self, q, p, o)
  local times, d = {}, self.config.dimension
  for i = 0, o.steps do times[i + 1] = i * o.dt end
  local function derivatives(x)
    local dq, dp = self:motion(x:narrow(2, 1, d):contiguous():to(self.config.dtype),
      x:narrow(2, d + 1, d):contiguous():to(self.config.dtype))
    return engine.cat({ dq, dp }, 2):detach():to("float64")
  end
  local start = engine.cat({ q, p }, 2):detach():to("float64")
  local out = rk45.states(derivatives, start, times, { rtol = o.rtol or 1e-6,
    atol = o.atol or 1e-8, first_step = 0, max_step = 0, max_steps = 1000000 })
  out = out:transpose(1, 2)
  return { q = out:narrow(3, 1, d):contiguous(),
    p = out:narrow(3, d + 1, d):contiguous() }
end

-- A rollout in the units of the networks, in which the engine's kernels support H.
local function integrated(self, q, p, dt, steps, substeps, method)
  local x, y = units.scaled(self, q, p)
  local damping = self.friction
  if self.shift then
    local mq, _, sq, sp = units.of(self)
    dt = dt * rate(self):item()
    if damping then
      damping = function(at) return self.friction(at * sq + mq) * (sq / sp) end
    end
  end
  local found = integrate { H = self.scaled, q = x, p = y, dt = dt, steps = steps,
    every = substeps, method = method, friction = damping }
  found.q, found.p = units.given(self, found.q, found.p)
  return found
end

--- Integrates the learned motion from a state.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts
-- @tparam[opt=0.125] number opts.dt time between the returned states
-- @tparam[opt=30] integer opts.steps number of states after the first
-- @tparam[opt=1] integer opts.substeps integration steps from one state to the next
-- @tparam[opt="rk4"] string opts.method a scheme of torus.integrate (splitting schemes
-- only for a separable Hamiltonian, only "rk4" for the plain network), or "rk45", which is
-- adaptive and has no substeps or gradients
-- @tparam[opt=1e-6] number opts.rtol relative tolerance, only of rk45
-- @tparam[opt=1e-8] number opts.atol absolute tolerance, only of rk45
-- @treturn table trajectory: q and p (steps + 1, batch, d), float64 by rk45
-- @raise for another scheme than rk4 with the plain network, for a splitting scheme with a
-- joint Hamiltonian, for options that the method does not have, and for states of another
-- dtype than the model's, unless the method is rk45
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- trajectory = model:rollout(q, p, { dt = 0.1, steps = 50 })
-- print(table.unpack(trajectory.q.shape))   -- 51  8  1
function HNN:rollout(q, p, opts)
  local o = options.resolve("hnn:rollout", opts, ROLLOUT)
  check_options(o)
  check_state(self, "rollout", o.method == "rk45", q, p)
  if o.method == "rk45" then return by_rk45(self, q, p, o) end
  local substeps = o.substeps or 1
  local steps, dt = o.steps * substeps, o.dt / substeps
  if self.scaled then
    return integrated(self, q, p, dt, steps, substeps, o.method)
  end
  if o.method ~= "rk4" then
    options.raise("hnn:rollout: method: expected \"rk4\" or \"rk45\" for the "
      .. "plain network, got %q", o.method)
  end
  return thinned(march(self, q, p, dt, steps), substeps)
end

--- Determines the units of the networks from data: the mean of every coordinate, the
-- standard deviation of q and of p, each over all of their coordinates, and the rate
-- at which states change. The configuration must have `normalise`.
-- @tparam tensor q (n, d)
-- @tparam tensor p (n, d)
-- @tparam tensor dq (n, d) time derivatives, or estimates of them
-- @tparam tensor dp (n, d)
-- @return self
-- @raise without `normalise`
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16, normalise = true }
-- q, p = torus.randn(100, 1) * 50, torus.randn(100, 1) * 0.01
-- model:normalise(q, p, p * 1e4, -q * 1e-4)
-- print(model.scale)   -- about 50, 0.01 and 1.4
function HNN:normalise(q, p, dq, dp)
  if not self.shift then
    options.raise("hnn:normalise: expected a model with normalise = true")
  end
  check_state(self, "normalise", true, q, p, dq, dp)
  units.take(self, q, p, function(sq, sp)
    return units.size(((dq / sq):square():mean() + (dp / sp):square():mean()):sqrt())
  end)
  return self
end

local LOSS = options.joined(ROLLOUT, {
  initial = { default = "observed", choices = { "observed", "fitted" } },
})
LOSS.steps = nil -- those of the windows

--- Returns the error of rollouts against observed trajectories, for training through the
-- integrator (symplectic recurrent networks, Chen et al. 2020, eq. 5): the same mean as in
-- HNN:loss, over the states after the first and in the units of the networks.
-- @tparam tensor q (states, batch, d), windows of observed trajectories
-- @tparam tensor p like q
-- @tparam[opt] table opts as in HNN:rollout; `steps` is given by q
-- @tparam[opt="observed"] string opts.initial initial state of the rollouts: the first
-- state of each window or, with "fitted", the one that fits all states of the window best
-- (section 3.3), so that noise in the first state does not bias the result; not with rk45
-- @treturn tensor loss, a scalar
-- @usage
-- model = torus.models.hnn{ dimension = 1, width = 16, hamiltonian = "separable" }
-- q, p = torus.randn(6, 8, 1), torus.randn(6, 8, 1)
-- model:rollout_loss(q, p, { dt = 0.1, method = "leapfrog" }):backward()
function HNN:rollout_loss(q, p, opts)
  local o = options.resolve("hnn:rollout_loss", opts, LOSS)
  states.check("hnn:rollout_loss", o.method ~= "rk45" and self.config.dtype or nil,
    { "states", "batch", self.config.dimension }, STATE, q, p)
  local steps = q:size(1) - 1
  if steps < 1 then
    options.raise("hnn:rollout_loss: q: expected at least two states, got %s", options.show(q))
  end
  local initial = o.initial
  o.initial, o.steps = nil, steps
  local function roll(q0, p0) return self:rollout(q0, p0, o) end
  local q0, p0 = q[1], p[1]
  if initial == "fitted" then
    q0, p0 = initial_states.of_windows(self, roll, q, p)
  end
  return units.rollout_error(self, roll(q0, p0), q, p)
end

function HNN:describe()
  local c = self.config
  return string.format("HNN(%s, d=%d, %d x %d %s)", c.kind, c.dimension,
    c.depth, c.width, c.activation)
end

signature.methods("HNN", HNN, {})

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
