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
local friction = require "torus.friction"
local hamiltonian = require "torus.hamiltonian"
local fused = require "torus.fused"
local options = require "torus.options"
local schemes = require "torus.schemes"
local engine = require "torus.engine"

local M = {}

local is_separable, slope = hamiltonian.is_separable, hamiltonian.slope
local slopes = hamiltonian.slopes

--- The names that option `method` accepts.
M.methods = schemes.names()

local RULES = {
  H = { required = true },
  q = { required = true },
  p = { required = true },
  dt = { default = 0.125 },
  steps = { default = 30, type = "integer", min = 0 },
  method = { default = M.methods[1], choices = M.methods },
  backprop = { default = "stored", choices = { "stored", "reversible" } },
  friction = {},
  energies = { default = false, type = "boolean" },
  fused = { type = "boolean" },
}

-- --- steps ----------------------------------------------------------------

local function splitting(problem, recording)
  local H, dt = problem.H, problem.dt
  local scheme = schemes.of(problem.method)
  local q, p = problem.q, problem.p
  local qs, ps = { q }, { p }
  local force -- dV/dq at the present q, once it is known
  local function kick(c)
    if c == 0 then return end
    force = force or slope("V", H.V, q, recording)
    p = p - force * (dt * c)
  end
  local function damp()
    if not problem.friction then return end
    p = friction.damped(H.K, friction.at(problem.friction, q), p, dt * 0.5,
      recording)
  end
  for step = 1, problem.steps do
    damp()
    for i, c in ipairs(scheme.drift) do
      kick(scheme.kick[i])
      q = q + slope("K", H.K, p, recording) * (dt * c)
      force = nil
    end
    kick(scheme.kick[#scheme.drift + 1])
    damp()
    qs[step + 1], ps[step + 1] = q, p
  end
  return qs, ps
end

-- x + dt sum of c[i] slopes[i]
local function advance(x, dt, c, found)
  for i, s in ipairs(found) do
    if c[i] ~= 0 then x = x + s * (dt * c[i]) end
  end
  return x
end

local function runge_kutta(problem, recording)
  local H, dt = problem.H, problem.dt
  local scheme = schemes.of(problem.method)
  local q, p = problem.q, problem.p
  local qs, ps = { q }, { p }
  for step = 1, problem.steps do
    local dq, dp = {}, {}
    for _, row in ipairs(scheme.a) do
      local at_q = advance(q, dt, row, dq)
      local at_p = advance(p, dt, row, dp)
      local gq, gp = slopes(H, at_q, at_p, recording)
      if problem.friction then
        gq = gq + gp * friction.at(problem.friction, at_q)
      end
      dq[#dq + 1], dp[#dp + 1] = gp, -gq
    end
    q, p = advance(q, dt, scheme.b, dq), advance(p, dt, scheme.b, dp)
    qs[step + 1], ps[step + 1] = q, p
  end
  return qs, ps
end

-- H at every state of a trajectory: (states, batch)
local function energies_of(H, q, p)
  local flat = { -1, table.unpack(q.shape, 3) }
  local flat_q = q:reshape(flat)
  local energy = H(flat_q, p:reshape(flat))
  hamiltonian.check_energy("Hamiltonian", "H", energy, flat_q)
  return energy:reshape(q:size(1), q:size(2))
end

local function general(problem)
  local scheme = schemes.of(problem.method)
  local run = scheme.splitting and splitting or runge_kutta
  local qs, ps = run(problem, engine.is_recording())
  local q, p = engine.stack(qs, 1), engine.stack(ps, 1)
  return { q = q, p = p,
    energy = problem.energies and energies_of(problem.H, q, p) or nil }
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

local function check_scheme(o)
  local scheme = schemes.of(o.method)
  if not is_separable(o.H) and not schemes.accepts_joint(scheme) then
    options.raise("integrate: %s needs a separable Hamiltonian, "
      .. "torus.separable(K, V), got a joint one (for which there are: %s)",
      o.method, listed(schemes.accepts_joint))
  end
  if o.backprop == "reversible" and not schemes.is_reversible(scheme) then
    options.raise("integrate: backprop = \"reversible\" needs a scheme that a "
      .. "step of -dt undoes (%s), got %s", listed(schemes.is_reversible),
      o.method)
  end
end

local function check_friction(o)
  friction.check("integrate", o.friction)
  local scheme = schemes.of(o.method)
  if scheme.splitting and scheme.order > 2 then
    options.raise("integrate: friction: %s would be of second order with it; "
      .. "expected one of: %s", o.method, listed(function(row)
        return not row.splitting or row.order <= 2
      end))
  end
  if o.fused or o.backprop == "reversible" then
    options.raise("integrate: friction: there is no fused kernel with it, which "
      .. "%s needs", o.fused and "fused = true" or "backprop = \"reversible\"")
  end
end

--- Integrates Hamilton's equations from q, p with fixed steps.
--
-- A Hamiltonian made of networks that the engine knows (dense softplus or tanh
-- stacks, HGN's convolutional energies) runs as one fused operation with
-- first-order gradients; anything else, or fused = false, by the operations
-- of tensors, with gradients of any order and the same result.
-- @function torus.integrate
-- @tparam table opts
-- @param opts.H a Hamiltonian: see above
-- @tparam tensor opts.q (batch, ...)
-- @tparam tensor opts.p like q
-- @tparam[opt=0.125] number|tensor opts.dt the step, of either sign; a tensor
-- has one element
-- @tparam[opt=30] integer opts.steps
-- @tparam[opt="leapfrog"] string opts.method one of torus.integrate.methods;
-- splitting schemes (leapfrog and its relatives) need a separable H
-- @tparam[opt="stored"] string opts.backprop "stored" keeps what the gradient
-- needs; "reversible" integrates backward for it in constant memory, with the
-- fused operation and a scheme that a step of -dt undoes
-- @param opts.friction dp/dt gets -D dH/dp (torus.friction): D is a number of at
-- least 0, a tensor that broadcasts against p, or a function of q that returns
-- such; none by default. Splitting schemes up to second order, and Runge-Kutta
-- ones; never fused
-- @tparam[opt=false] boolean opts.energies
-- @tparam[opt] boolean opts.fused false forces the general path, true insists
-- on the fused operation
-- @treturn table q and p, each (steps + 1, batch, ...), and with energies
-- the energy (steps + 1, batch)
-- @raise when q and p do not have one shape, when the scheme needs a separable
-- H, when the energy is not one number per sample, and for unknown options
-- @usage
-- q, p = torus.tensor{{1}}, torus.tensor{{0}}
-- H = torus.separable(function(p) return (p * p):sum(2) / 2 end,
--   function(q) return (q * q):sum(2) / 2 end)
-- trajectory = torus.integrate{ H = H, q = q, p = p, dt = 0.1, steps = 20,
--   energies = true }
-- print(table.unpack(trajectory.q.shape))        -- 21  1  1
-- print(trajectory.energy:narrow(1, 21, 1))      -- nearly 0.5
function M.integrate(opts)
  local o = options.resolve("integrate", opts, RULES)
  hamiltonian.check_state("integrate", o.q, o.p)
  check_step(o.dt)
  hamiltonian.check("integrate", o.H)
  check_scheme(o)
  if o.friction then
    check_friction(o)
    return general(o)
  end
  local networks = o.fused ~= false and fused.networks(o.H)
  if networks then return fused.rollout(networks, o) end
  if o.fused then
    options.raise("integrate: fused = true needs a Hamiltonian that a fused kernel knows, "
      .. "got %s", options.show(o.H))
  end
  if o.backprop == "reversible" then
    options.raise("integrate: backprop = \"reversible\" needs a Hamiltonian "
      .. "that has a fused kernel")
  end
  return general(o)
end

return setmetatable(M, { __call = function(_, opts)
  return M.integrate(opts)
end })
