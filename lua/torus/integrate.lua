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

-- H at every state of a trajectory: (states, batch)
local function energies_of(H, q, p)
  local flat = { -1, table.unpack(q.shape, 3) }
  local flat_q = q:reshape(flat)
  local energy = H(flat_q, p:reshape(flat))
  hamiltonian.check_energy("Hamiltonian", "H", energy, flat_q)
  return energy:reshape(q:size(1), q:size(2))
end

-- Of an implicit scheme's iteration, relative to the largest coordinate: some
-- roundings.
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
  local scalar = engine.is_tensor(dt) and dt:numel() == 1
  if not scalar and (type(dt) ~= "number" or dt ~= dt) then
    options.raise("integrate: expected a number or a tensor with one element as dt, got %s",
      options.show(dt))
  end
end

local function listed(condition)
  return table.concat(schemes.names(condition), ", ")
end

local function check_scheme(o, scheme)
  if not is_separable(o.H) and not schemes.accepts_joint(scheme) then
    options.raise("integrate: %s needs a separable Hamiltonian, "
      .. "torus.separable(K, V), got a joint one (for which there are: %s)",
      o.method, listed(schemes.accepts_joint))
  end
  if o.backprop == "reversible" and not schemes.is_reversible(scheme) then
    options.raise("integrate: backprop = \"reversible\" needs a scheme that a "
      .. "step of -dt undoes (%s), got %s; for any there is \"checkpoints\"",
      listed(schemes.is_reversible), o.method)
  end
end

local function check_friction(o, scheme)
  friction.check("integrate", o.friction)
  local function accepts(row)
    return not row.extended and (not row.splitting or row.order <= 2)
  end
  if accepts(scheme) then return end
  options.raise(scheme.extended
    and "integrate: friction: %s has none; expected one of: %s"
    or "integrate: friction: %s would be of second order with it; expected one of: %s",
    o.method, listed(accepts))
end

local function check_output(o)
  if o.steps % o.every ~= 0 then
    options.raise("integrate: every: expected steps to be a multiple of it, got "
      .. "steps = %d and every = %d", o.steps, o.every)
  end
  local progress = o.progress
  if progress ~= nil and not options.is_callable(progress)
    and not (type(progress) == "table" and progress.update) then
    options.raise("integrate: progress: expected a function of the steps done and "
      .. "all steps, or torus.runs.progress(steps), got %s", options.show(progress))
  end
end

-- The friction as the fused kernels integrate it, or nil: the same everywhere, and in
-- a splitting scheme of a quadratic K.
local function fused_friction(o, scheme, networks)
  if scheme.splitting and networks[1].kind ~= "quadratic" then return nil end
  return friction.constant(o.friction, o.p)
end

-- The networks of a Hamiltonian where the fused kernels integrate it.
local function fused_networks(o, scheme)
  local networks = o.fused ~= false and not o.force and scheme.fused
    and fused.networks(o.H) or nil
  local damping = networks and o.friction and fused_friction(o, scheme, networks)
  local why = o.friction and not damping and "friction" or o.force and "force"
  if o.fused and why then
    options.raise("integrate: %s: there is no fused kernel with it, which "
      .. "fused = true needs", why)
  end
  if o.fused and not scheme.fused then
    options.raise("integrate: fused = true needs one of the methods %s, got %s",
      listed(schemes.is_fused), o.method)
  end
  if why then return nil end
  if o.fused and not networks then
    options.raise("integrate: fused = true needs a Hamiltonian that a fused kernel knows, "
      .. "got %s", options.show(o.H))
  end
  if networks then o.friction = damping end
  return networks
end

-- A system or a model brings its friction, and a system its force.
local function unwrap(o)
  local given = o.H
  o.H = hamiltonian.of(given)
  if o.H == given then return end
  if o.friction == nil and given.friction ~= 0 then o.friction = given.friction end
  if o.force == nil and options.is_callable(given.force) then
    o.force = given:force()
  end
end

--- Integrates Hamilton's equations from q, p with fixed steps.
--
-- A Hamiltonian made of networks that the engine knows (dense stacks of softplus, tanh
-- or swish layers, HGN's convolutional energies, the quadratic K of
-- torus.models.parts.energy) runs as one fused operation with first-order gradients;
-- anything else, or fused = false, by the operations of tensors, with gradients of any
-- order and the same result. Where neither the state, nor dt, nor anything that H is made
-- from requires a gradient, nothing is recorded.
--
-- The schemes, their orders and what they keep: the table in examples/integrators.md.
-- @function torus.integrate
-- @tparam table opts
-- @param opts.H a Hamiltonian: see above; or a system or a model, which has one
-- (and its friction and force)
-- @tparam tensor opts.q (batch, ...)
-- @tparam tensor opts.p like q
-- @tparam[opt=0.125] number|tensor opts.dt the step, of either sign; a tensor
-- has one element
-- @tparam[opt=30] integer opts.steps
-- @tparam[opt="leapfrog"] string opts.method one of torus.integrate.methods, or
-- another name of leapfrog: stormer_verlet, velocity_verlet, verlet. Splitting
-- schemes (leapfrog and its relatives) need a separable H
-- @tparam[opt="stored"] string opts.backprop "stored" keeps what the gradient
-- needs. The others have gradients of the first order and the memory of one step:
-- "reversible" integrates backward for them, with a scheme that a step of -dt undoes;
-- "checkpoints", with any scheme, integrates again from states that are kept (the
-- fused operation does so by itself). What H is made from is found at the first step
-- @param opts.friction dp/dt gets -D dH/dp (torus.friction): D is a number of at
-- least 0, a tensor that broadcasts against p, or a function of q that returns
-- such; none by default. Splitting schemes up to second order, and Runge-Kutta
-- ones. Fused where it is the same for all positions and samples and, in a splitting
-- scheme, K is torus.models.parts.energy's |p|^2 / 2
-- @param opts.force dp/dt gets +F (torus.forces): a number, a tensor that
-- broadcasts against p, or a function of q and t (a tensor that broadcasts against q)
-- that returns such; none by default. Never fused
-- @tparam[opt=0] number opts.time of the given state, for force and on_state
-- @tparam[opt=1] integer opts.every keeps each such state alone, from the first;
-- steps is a multiple of it
-- @tparam[opt] function opts.on_state is called with each state that is kept, as it
-- comes: a table with step, time, q and p
-- @param opts.progress is told of long runs: a function of the steps done and all
-- steps, or torus.runs.progress(steps)
-- @tparam[opt] number opts.tolerance of implicit schemes' iteration, relative to the
-- largest coordinate: 1e-13, in float32 1e-6
-- @tparam[opt=100] integer opts.iterations at most, of implicit schemes
-- @tparam[opt=1] number opts.omega how strongly tao2 and tao4 bind their two copies
-- of the phase space
-- @tparam[opt=false] boolean opts.energies
-- @tparam[opt] boolean opts.fused false forces the general path, true insists
-- on the fused operation
-- @treturn table q and p, each (steps / every + 1, batch, ...), and with energies
-- the energy (steps / every + 1, batch)
-- @raise when q and p do not have one shape, when the scheme needs a separable
-- H, when the energy is not one number per sample, when an implicit scheme does not
-- converge, and for unknown options
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
  if o.friction then check_friction(o, scheme) end
  if o.force then forces.check("integrate", o.force) end
  local networks = fused_networks(o, scheme)
  if not networks then return general(o, scheme) end
  o.method = scheme.name
  return fused.rollout(networks, o)
end

return setmetatable(M, { __call = function(_, opts)
  return M.integrate(opts)
end })
