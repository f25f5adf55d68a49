--- Integration of Hamilton's equations with fixed steps.
--
--     local trajectory = torus.integrate{ H = torus.separable(K, V), q = q, p = p,
--                                         dt = 0.125, steps = 30 }
--     trajectory.q   -- (steps + 1, batch, ...), the initial state first
--
-- A Hamiltonian returns one energy per sample: K(p) and V(q) of a separable
-- one, or a joint H(q, p), from tensors (batch, ...) to (batch). Each partial
-- derivative is taken with respect to a fresh variable: p may itself be a
-- function of q, and following that dependence would turn the partial
-- derivative into a total one. Gradients still flow through the whole rollout
-- to the initial state and to the Hamiltonian's parameters.
-- @module torus.integrate
local engine = require "torus.engine"
local forces = require "torus.forces"
local friction = require "torus.friction"
local fused = require "torus.fused"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local rollout = require "torus.rollout"
local schemes = require "torus.schemes"

local M = {}

local is_separable = hamiltonian.is_separable

--- The names that option `method` accepts.
M.methods = schemes.names()

local RULES = {
  H = { required = true },
  q = { required = true },
  p = { required = true },
  dt = { default = 0.125 },
  steps = { default = 30, type = "integer", min = 0 },
  method = { default = M.methods[1], choices = schemes.names(nil, true) },
  backprop = { default = "stored",
    choices = { "stored", "reversible", "checkpoints" } },
  friction = {},
  force = {},
  time = { default = 0, type = "number" },
  every = { default = 1, type = "integer", min = 1 },
  on_state = { type = "callable" },
  progress = {},
  tolerance = { type = "number", above = 0 },
  iterations = { default = 100, type = "integer", min = 1 },
  omega = { default = 1, type = "number", min = 0 },
  energies = { default = false, type = "boolean" },
  fused = { type = "boolean" },
}

-- The energy at every state of a trajectory: (states, batch)
local function energies_of(H, q, p)
  local flat = { -1, table.unpack(q.shape, 3) }
  local flat_q = q:reshape(flat)
  local energy = H(flat_q, p:reshape(flat))
  hamiltonian.check_energy("Hamiltonian", "H", energy, flat_q)
  return energy:reshape(q:size(1), q:size(2))
end

-- Default tolerance of an implicit scheme's iteration, relative to the largest
-- coordinate: a few rounding errors.
local TOLERANCE = { float64 = 1e-13, float32 = 1e-6 }

local function general(o, scheme)
  local q, p = rollout.run { q = o.q, p = o.p, dt = o.dt, steps = o.steps,
    every = o.every, time = o.time, backprop = o.backprop, on_state = o.on_state,
    progress = o.progress, problem = { H = o.H, scheme = scheme,
      friction = o.friction, force = o.force, omega = o.omega,
      iterations = o.iterations, tolerance = o.tolerance or TOLERANCE[o.q.dtype] } }
  return { q = q, p = p,
    energy = o.energies and energies_of(o.H, q, p) or nil }
end

-- --- entry ----------------------------------------------------------------

local function check_step(dt)
  local scalar = engine.is_tensor(dt) and dt:numel() == 1 and dt.dtype:find("^float")
  if not scalar and (type(dt) ~= "number" or dt ~= dt) then
    options.raise("integrate: expected a number or a floating tensor with one element as dt, "
      .. "got %s", options.show(dt))
  end
end

local function listed(condition)
  return table.concat(schemes.names(condition), ", ")
end

local function check_scheme(o, scheme)
  if not is_separable(o.H) and not schemes.accepts_joint(scheme) then
    options.raise("integrate: %s needs a separable Hamiltonian, "
      .. "torus.separable(K, V), got a joint one (methods for a joint one: %s)",
      o.method, listed(schemes.accepts_joint))
  end
  if o.backprop == "reversible" and not schemes.is_reversible(scheme) then
    options.raise("integrate: backprop = \"reversible\" needs a scheme that a "
      .. "step of -dt undoes (%s), got %s; \"checkpoints\" works with any scheme",
      listed(schemes.is_reversible), o.method)
  end
end

local function check_friction(o, scheme)
  friction.check("integrate", o.friction, o.p)
  local function accepts(row)
    return not row.extended and (not row.splitting or row.order <= 2)
  end
  if accepts(scheme) then return end
  options.raise(scheme.extended
    and "integrate: friction: %s does not support it; expected one of: %s"
    or "integrate: friction: %s would drop to second order; expected one of: %s",
    o.method, listed(accepts))
end

local function check_output(o)
  if o.steps % o.every ~= 0 then
    options.raise("integrate: steps: expected a multiple of every, got "
      .. "steps = %d and every = %d", o.steps, o.every)
  end
  local progress = o.progress
  if progress ~= nil and not options.is_callable(progress)
    and not (type(progress) == "table" and progress.update) then
    options.raise("integrate: progress: expected a function of (steps done, "
      .. "total steps), or torus.runs.progress(steps), got %s", options.show(progress))
  end
end

-- The friction if the fused kernels can integrate it, else nil: it must be constant, and
-- a splitting scheme needs a quadratic K as well.
local function fused_friction(o, scheme, networks)
  if scheme.splitting and networks[1].kind ~= "quadratic" then return nil end
  return friction.constant(o.friction, o.p)
end

-- The networks of a Hamiltonian that the fused kernels can integrate, else nil.
local function fused_networks(o, scheme)
  local networks = o.fused ~= false and not o.force and scheme.fused
    and fused.networks(o.H) or nil
  local damping = networks and o.friction and fused_friction(o, scheme, networks)
  local why = o.friction and not damping and "friction" or o.force and "force"
  if o.fused and why then
    options.raise("integrate: %s: the fused kernels do not support it, so "
      .. "fused = true is not possible", why)
  end
  if o.fused and not scheme.fused then
    options.raise("integrate: method: fused = true needs one of %s, got %s",
      listed(schemes.is_fused), o.method)
  end
  if why then return nil end
  if o.fused and not networks then
    options.raise("integrate: H: fused = true needs a Hamiltonian that the fused kernels "
      .. "support, got %s", options.show(o.H))
  end
  if networks then o.friction = damping end
  return networks
end

-- A system or a model comes with its own friction, and a system with its own force.
local function unwrap(o)
  local given = o.H
  o.H = hamiltonian.of(given)
  if o.H == given then return end
  hamiltonian.check_fit("integrate", given, o.q, o.p)
  if o.friction == nil and given.friction ~= 0 then o.friction = given.friction end
  if o.force == nil and options.is_callable(given.force) then
    o.force = given:force()
  end
end

--- Integrates Hamilton's equations from q, p with fixed steps.
--
-- A Hamiltonian made of networks that the engine supports (dense stacks of softplus, tanh
-- or swish layers, HGN's convolutional energies, the quadratic K of
-- torus.models.parts.energy) runs as one fused operation with first-order gradients.
-- Anything else, and everything with fused = false, runs as tensor operations, with the
-- same result and gradients of any order. Nothing is recorded if neither the state, nor
-- dt, nor any tensor that H uses requires a gradient.
--
-- examples/integrators.md lists the schemes, their orders and what they conserve.
-- @function torus.integrate
-- @tparam table opts
-- @param opts.H a Hamiltonian, see above; or a system or a model, whose own Hamiltonian,
-- friction and force are used
-- @tparam tensor opts.q (batch, ...)
-- @tparam tensor opts.p like q
-- @tparam[opt=0.125] number|tensor opts.dt the step size, positive or negative; a tensor
-- must have one element
-- @tparam[opt=30] integer opts.steps
-- @tparam[opt="leapfrog"] string opts.method one of torus.integrate.methods, or an
-- alias of leapfrog: stormer_verlet, velocity_verlet, verlet. Splitting
-- schemes (leapfrog and its relatives) need a separable H
-- @tparam[opt="stored"] string opts.backprop "stored" keeps everything the gradient
-- needs. The other two have first-order gradients only and need the memory of one step:
-- "reversible" integrates backward and needs a scheme that a step of -dt undoes;
-- "checkpoints" works with any scheme and integrates again from checkpointed states (the
-- fused operation does so by itself). The tensors that H uses are found at the first step
-- @param opts.friction adds -D dH/dp to dp/dt (torus.help "friction"): D is a nonnegative
-- number, a tensor that broadcasts against p, or a function of q that returns either;
-- no friction by default. Works with splitting schemes up to second order and with
-- Runge-Kutta schemes. Fused if D is the same for all positions and samples and, in a
-- splitting scheme, K is torus.models.parts.energy's |p|^2 / 2
-- @param opts.force adds F to dp/dt (torus.help "forces"): a number, a tensor that
-- broadcasts against p, or a function of q and t (a tensor that broadcasts against q)
-- that returns either; no force by default. Never fused
-- @tparam[opt=0] number opts.time time of the initial state, for force and on_state
-- @tparam[opt=1] integer opts.every keeps only every such state, starting with the
-- first; steps must be a multiple of it
-- @tparam[opt] function opts.on_state called with each kept state as soon as it is
-- computed: a table with step, time, q and p, whose tensors it may not write to
-- @param opts.progress reports the progress of long runs: a function of (steps done,
-- total steps), or torus.runs.progress(steps)
-- @tparam[opt] number opts.tolerance tolerance of an implicit scheme's iteration,
-- relative to the largest coordinate: 1e-13 by default, 1e-6 in float32
-- @tparam[opt=100] integer opts.iterations maximum number of iterations of an implicit
-- scheme
-- @tparam[opt=1] number opts.omega strength of the coupling between the two copies of
-- the phase space in tao2 and tao4
-- @tparam[opt=false] boolean opts.energies returns the energies too
-- @tparam[opt] boolean opts.fused false forces the general path, true requires
-- the fused operation
-- @treturn table q and p, each (steps / every + 1, batch, ...), and with energies
-- energy (steps / every + 1, batch)
-- @raise if q and p differ in shape, or do not fit the system or the model; if the scheme
-- needs a separable H, if H does not return one number per sample or cannot be
-- differentiated, if an implicit scheme does not converge, and for unknown options
-- @usage
-- q, p = torus.tensor{{1}}, torus.tensor{{0}}
-- H = torus.separable(function(p) return (p * p):sum(2) / 2 end,
--   function(q) return (q * q):sum(2) / 2 end)
-- trajectory = torus.integrate{ H = H, q = q, p = p, dt = 0.1, steps = 20,
--   energies = true }
-- print(table.unpack(trajectory.q.shape))        -- 21  1  1
-- print(trajectory.energy:narrow(1, 21, 1))      -- nearly 0.5
-- q, p = torus.systems.pendulum:sample{ count = 2 }
-- trajectory = torus.integrate{ H = torus.systems.pendulum, q = q, p = p,
--   method = "gauss4", steps = 100, every = 10 }
-- print(table.unpack(trajectory.p.shape))        -- 11  2  1
function M.integrate(opts)
  if type(opts) == "table" and opts.method == "rk45" then
    options.raise("integrate: method: expected steps of a given dt, got \"rk45\", which "
      .. "chooses its own: torus.rk45 { H =, q =, p =, times = }")
  end
  local o = options.resolve("integrate", opts, RULES)
  hamiltonian.check_state("integrate", o.q, o.p)
  check_step(o.dt)
  unwrap(o)
  hamiltonian.check("integrate", o.H)
  local scheme = schemes.of(o.method)
  check_scheme(o, scheme)
  check_output(o)
  if o.friction == 0 then o.friction = nil end
  if o.friction then check_friction(o, scheme) end
  if o.force then forces.check("integrate", o.force, o.p) end
  local networks = fused_networks(o, scheme)
  if not networks then return general(o, scheme) end
  o.method = scheme.name
  return fused.rollout(networks, o)
end

return setmetatable(M, { __call = function(_, ...)
  options.alone("integrate", "{ H =, q =, p =, ... }", ...)
  return M.integrate(...)
end })
