--- Integration of Hamilton's equations with fixed steps.
--
--     local way = torus.integrate{ H = torus.separable(K, V), q = q, p = p,
--                                  dt = 0.125, steps = 30 }
--     way.q   -- (steps + 1, batch, ...), the initial state first
--
-- A Hamiltonian gives one energy per sample: K(p) and V(q) of a separable
-- one, or a joint H(q, p), from tensors (batch, ...) to (batch). Each partial
-- derivative is taken with respect to a fresh variable: p may itself be a
-- function of q, and following that dependence would turn the partial
-- derivative into a total one. Gradients still flow through the whole rollout
-- to the initial state and to the Hamiltonian's parameters.
-- @module torus.integrate
local torus = require "torus"
local options = require "torus.options"

local M = {}

-- Splitting schemes: kicks p -= c dt dV/dq and drifts q += c dt dK/dp in
-- turn. A kick at the end of a step and one at the start of the next use the
-- same dV/dq, which is computed once.
-- The outer and inner steps of Yoshida's triple jump; 2 outer + inner = 1.
local outer = 1 / (2 - 2 ^ (1 / 3))
local inner = 1 - 2 * outer

local SPLITTING = {
  symplectic_euler = { { "kick", 1 }, { "drift", 1 } },
  leapfrog = { { "kick", 0.5 }, { "drift", 1 }, { "kick", 0.5 } },
  yoshida4 = {
    { "kick", outer / 2 }, { "drift", outer },
    { "kick", (outer + inner) / 2 }, { "drift", inner },
    { "kick", (outer + inner) / 2 }, { "drift", outer },
    { "kick", outer / 2 },
  },
}

-- Runge-Kutta schemes: every stage is the last one's slope times `reach` away
-- from the start of the step; the step is the weighted mean of the slopes.
local RUNGE_KUTTA = {
  euler = { reach = { 0 }, weights = { 1 } },
  rk4 = { reach = { 0, 0.5, 0.5, 1 },
    weights = { 1 / 6, 1 / 3, 1 / 3, 1 / 6 } },
}

--- The names that option `method` takes.
M.methods = { "leapfrog", "euler", "symplectic_euler", "rk4", "yoshida4" }

local RULES = {
  H = { required = true },
  q = { required = true },
  p = { required = true },
  dt = { default = 0.125, type = "number" },
  steps = { default = 30, type = "integer", min = 0 },
  method = { default = "leapfrog", choices = M.methods },
  backprop = { default = "stored", choices = { "stored" } },
  fused = { type = "boolean" },
}

--- Faster ways to do particular problems, asked in order. Each is a function
-- of {H, q, p, dt, steps, method, backprop} that returns the trajectories
-- (steps + 1, batch, ...) of q and p, or nil where it does not apply. The
-- results must be those of the general path.
M.fast_paths = {}

-- --- Hamiltonians ---------------------------------------------------------

local Separable = {}
Separable.__index = Separable
Separable.__name = "torus.separable"

function Separable:__call(q, p) return self.K(p) + self.V(q) end

function Separable:__tostring()
  return string.format("separable(%s, %s)", tostring(self.K),
    tostring(self.V))
end

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or meta ~= nil and meta.__call ~= nil
end

--- H(q, p) = K(p) + V(q).
-- @tparam function|Module K of p (batch, ...), gives (batch)
-- @tparam function|Module V of q (batch, ...), gives (batch)
-- @treturn table can be called with q and p; fields K and V
function M.separable(K, V)
  for name, value in pairs { K = K, V = V } do
    if not is_callable(value) then
      options.raise("separable: expected a function or a module as %s, "
        .. "got %s", name, tostring(value))
    end
  end
  return setmetatable({ K = K, V = V }, Separable)
end

local function is_separable(H) return getmetatable(H) == Separable end

local function shape_text(x)
  return "(" .. table.concat(x.shape, ",") .. ")"
end

local function check_energy(name, energy, x)
  if energy:dim() ~= 1 or energy:size(1) ~= x:size(1) then
    options.raise("integrate: %s must give one energy per sample, "
      .. "shape (%d); got %s", name, x:size(1), shape_text(energy))
  end
end

-- dE/dx of a part of the energy that depends on x alone.
local function slope(name, part, x, recording)
  return torus.enable_grad(function()
    local v = torus.variable(x)
    local energy = part(v)
    check_energy(name, energy, x)
    local g = energy.requires_grad and torus.grad(energy:sum(), v,
      { create_graph = recording, allow_unused = true })
    if not g then
      options.raise("integrate: %s does not depend on its argument; an "
        .. "energy must be computed with differentiable operations", name)
    end
    return g
  end)
end

-- dH/dq and dH/dp in one sweep; a coordinate that a joint H leaves out has a
-- slope of zero.
local function slopes(H, q, p, recording)
  if is_separable(H) then
    return slope("V", H.V, q, recording), slope("K", H.K, p, recording)
  end
  return torus.enable_grad(function()
    local vq, vp = torus.variable(q), torus.variable(p)
    local energy = H(vq, vp)
    check_energy("H", energy, q)
    local g = energy.requires_grad and torus.grad(energy:sum(), { vq, vp },
      { create_graph = recording, allow_unused = true }) or {}
    if not g[1] and not g[2] then
      options.raise("integrate: H depends neither on q nor on p; an energy "
        .. "must be computed with differentiable operations")
    end
    return g[1] or torus.zeros_like(q), g[2] or torus.zeros_like(p)
  end)
end

-- --- steps ----------------------------------------------------------------

local function splitting(problem, recording)
  local H, dt = problem.H, problem.dt
  local stages = SPLITTING[problem.method]
  local q, p = problem.q, problem.p
  local qs, ps = { q }, { p }
  local force -- dV/dq at the present q, once it is known
  for step = 1, problem.steps do
    for _, stage in ipairs(stages) do
      if stage[1] == "kick" then
        force = force or slope("V", H.V, q, recording)
        p = p - force * (stage[2] * dt)
      else
        q = q + slope("K", H.K, p, recording) * (stage[2] * dt)
        force = nil
      end
    end
    qs[step + 1], ps[step + 1] = q, p
  end
  return qs, ps
end

local function runge_kutta(problem, recording)
  local H, dt = problem.H, problem.dt
  local scheme = RUNGE_KUTTA[problem.method]
  local q, p = problem.q, problem.p
  local qs, ps = { q }, { p }
  for step = 1, problem.steps do
    local next_q, next_p, dq, dp = q, p, nil, nil
    for i, reach in ipairs(scheme.reach) do
      local at_q, at_p = q, p
      if reach ~= 0 then
        at_q, at_p = q + dp * (reach * dt), p - dq * (reach * dt)
      end
      dq, dp = slopes(H, at_q, at_p, recording)
      local weight = scheme.weights[i] * dt
      next_q, next_p = next_q + dp * weight, next_p - dq * weight
    end
    q, p = next_q, next_p
    qs[step + 1], ps[step + 1] = q, p
  end
  return qs, ps
end

local function general(problem)
  local recording = torus.is_recording()
  local run = SPLITTING[problem.method] and splitting or runge_kutta
  local qs, ps = run(problem, recording)
  return torus.stack(qs, 1), torus.stack(ps, 1)
end

-- --- entry ----------------------------------------------------------------

local function check_state(o)
  for _, name in ipairs { "q", "p" } do
    if not torus.is_tensor(o[name]) then
      options.raise("integrate: expected a tensor as %s, got %s", name,
        tostring(o[name]))
    end
  end
  if o.q:dim() < 1 then
    options.raise("integrate: expected q of shape (batch, ...), got ()")
  end
  if shape_text(o.q) ~= shape_text(o.p) or o.q.dtype ~= o.p.dtype then
    options.raise("integrate: q and p differ: %s %s and %s %s",
      shape_text(o.q), o.q.dtype, shape_text(o.p), o.p.dtype)
  end
end

local function check_hamiltonian(o)
  if not is_callable(o.H) then
    options.raise("integrate: expected a function, a module or "
      .. "torus.separable(K, V) as H, got %s", tostring(o.H))
  end
  if SPLITTING[o.method] and not is_separable(o.H) then
    options.raise("integrate: %s needs a separable Hamiltonian, "
      .. "torus.separable(K, V), and got a joint one (euler and rk4 take "
      .. "either)", o.method)
  end
end

--- Integrates from q, p.
-- @tparam table opts H; q and p of shape (batch, ...); dt=0.125, of either
-- sign; steps=30; method="leapfrog", "euler", "symplectic_euler", "rk4" or
-- "yoshida4" (euler and rk4 take a joint H, the others need a separable one);
-- backprop="stored" keeps the tape of the whole rollout; fused=false forces
-- the general path, true insists on a fast one
-- @treturn table q and p, each (steps + 1, batch, ...)
function M.integrate(opts)
  local o = options.resolve("integrate", opts, RULES)
  check_state(o)
  check_hamiltonian(o)
  if o.fused ~= false then
    for _, path in ipairs(M.fast_paths) do
      local q, p = path(o)
      if q then return { q = q, p = p } end
    end
    if o.fused then
      options.raise("integrate: there is no fused path for this Hamiltonian "
        .. "and method")
    end
  end
  local q, p = general(o)
  return { q = q, p = p }
end

return setmetatable(M, { __call = function(_, opts)
  return M.integrate(opts)
end })
