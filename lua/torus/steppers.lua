--- Single steps of each type of integration scheme, by tensor operations:
-- splitting, Runge-Kutta, implicit Runge-Kutta and extended schemes, with
-- friction and forces.
--
-- A stepper has two functions. `start(q, p)` returns a state, a list of tensors
-- beginning with q and p; extended schemes have two more. `step(state, t, dt,
-- recording)` returns the state after one step from time t. States are never modified.
-- @module torus.steppers
local core = require "torus.core"
local engine = require "torus.engine"
local forces = require "torus.forces"
local friction = require "torus.friction"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"

local M = {}

local gradient, gradients = hamiltonian.gradient, hamiltonian.gradients

-- x + c s, where c may be a tensor.
local function moved(x, s, c)
  return type(c) == "number" and core.advance(x, s, c) or x + s * c
end

-- g in dp/dt = -g for the kick of a splitting scheme: the gradient of the potential minus
-- the force.
local function pull(problem, q, t, recording)
  local g = gradient("V", problem.H.V, q, recording)
  if problem.force then g = g - forces.at(problem.force, q, t) end
  return g
end

local function pair(q, p) return { q, p } end

-- --- splitting ------------------------------------------------------------

-- A state caches those evaluations that are still valid: `pull` at its q and `velocity`
-- at its p.
local function splitting(problem)
  local K, D, scheme = problem.H.K, problem.friction, problem.scheme
  local kicks, drifts = scheme.kick, scheme.drift
  local function step(state, t, dt, recording)
    local q, p = state[1], state[2]
    local g, velocity, passed = state.pull, state.velocity, 0
    if D then
      p = friction.damped(K, friction.at(D, q), p, dt * 0.5, recording)
      velocity = nil
    end
    for i = 1, #kicks do
      if kicks[i] ~= 0 then
        g = g or pull(problem, q, problem.force and t + dt * passed, recording)
        p = moved(p, g, dt * -kicks[i])
        velocity = nil
      end
      local c = drifts[i]
      if c and c ~= 0 then
        velocity = velocity or gradient("K", K, p, recording)
        q, passed = moved(q, velocity, dt * c), passed + c
        g = nil
      end
    end
    if D then
      p = friction.damped(K, friction.at(D, q), p, dt * 0.5, recording)
      velocity = nil
    end
    return { q, p, pull = g, velocity = velocity }
  end
  return { start = pair, step = step }
end

-- --- Runge-Kutta ----------------------------------------------------------

--- Returns dq/dt and dp/dt at a state and a time.
-- @tparam table problem H, and friction and force or nil
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @tparam ?number|tensor t for the force
-- @tparam boolean recording true makes the result differentiable
-- @treturn tensor dq/dt
-- @treturn tensor dp/dt
-- @usage
-- steppers = require "torus.steppers"
-- x = torus.ones({ 1, 1 })
-- print(steppers.motion({ H = torus.systems.mass_spring:hamiltonian() }, x, x, 0,
--   false))   -- [[2.]] and [[-2.]]
function M.motion(problem, q, p, t, recording)
  local gq, gp = gradients(problem.H, q, p, recording)
  if problem.friction then gq = gq + gp * friction.at(problem.friction, q) end
  if problem.force then gq = gq - forces.at(problem.force, q, t) end
  return gp, -gq
end

local motion = M.motion

-- x + dt sum of c[i] slopes[i]
local function advance(x, dt, c, found)
  for i, s in ipairs(found) do
    if c[i] ~= 0 then x = moved(x, s, dt * c[i]) end
  end
  return x
end

-- The time of each stage in units of the step.
local function nodes(scheme)
  local c = {}
  for i, row in ipairs(scheme.a) do
    c[i] = 0
    for _, a in ipairs(row) do c[i] = c[i] + a end
  end
  return c
end

local function runge_kutta(problem)
  local scheme, c = problem.scheme, nodes(problem.scheme)
  local function step(state, t, dt, recording)
    local q, p, dq, dp = state[1], state[2], {}, {}
    for i, row in ipairs(scheme.a) do
      dq[i], dp[i] = motion(problem, advance(q, dt, row, dq),
        advance(p, dt, row, dp), problem.force and t + dt * c[i], recording)
    end
    return { advance(q, dt, scheme.b, dq), advance(p, dt, scheme.b, dp) }
  end
  return { start = pair, step = step }
end

-- --- implicit Runge-Kutta -------------------------------------------------

local function largest(x) return x:numel() == 0 and 0 or x:detach():abs():max():item() end

local function magnitude(q, p) return math.max(largest(q), largest(p)) end

local function number(dt) return type(dt) == "number" and dt or dt:item() end

local function fail_to_converge(problem, change)
  options.raise("integrate: %s did not converge in %d iterations: the last one "
    .. "changed the state by %.1e of its size, expected at most tolerance = %.1e; use a "
    .. "smaller dt, which converges faster, or raise iterations",
    problem.scheme.name, problem.iterations, change, problem.tolerance)
end

-- The slopes of the stages by fixed-point iteration, starting from the slope at the
-- state; an iteration reduces the error by a factor of about dt |f'|. When recording,
-- every iteration is recorded: the error of the gradient falls as fast as that of the
-- iteration itself.
local function implicit(problem)
  local scheme, c = problem.scheme, nodes(problem.scheme)
  local count = #scheme.b
  local function step(state, t, dt, recording)
    local q, p = state[1], state[2]
    local function at(i) return problem.force and t + dt * c[i] end
    local gq, gp = motion(problem, q, p, problem.force and t, recording)
    local dq, dp = {}, {}
    for i = 1, count do dq[i], dp[i] = gq, gp end
    local size, length = magnitude(q, p), math.abs(number(dt))
    for round = 1, problem.iterations do
      local new_q, new_p, change = {}, {}, 0
      for i, row in ipairs(scheme.a) do
        new_q[i], new_p[i] = motion(problem, advance(q, dt, row, dq),
          advance(p, dt, row, dp), at(i), recording)
        local by = engine.no_grad(function()
          return magnitude(new_q[i] - dq[i], new_p[i] - dp[i])
        end)
        change = by == by and math.max(change, by) or by
      end
      dq, dp = new_q, new_p
      change = change * length
      -- not just "<= tolerance * size": the state may be zero
      if change <= problem.tolerance * size or change == 0 then break end
      if round == problem.iterations or change ~= change then
        fail_to_converge(problem, change / size)
      end
    end
    return { advance(q, dt, scheme.b, dq), advance(p, dt, scheme.b, dp) }
  end
  return { start = pair, step = step }
end

-- --- extended phase space -------------------------------------------------

local function cosine(x) return type(x) == "number" and math.cos(x) or x:cos() end
local function sine(x) return type(x) == "number" and math.sin(x) or x:sin() end

-- Tao (2016), equations (2) to (5): H(q, y) + H(x, p) + omega/2 (|q - x|^2 +
-- |p - y|^2) in the phase space of (q, x) and (p, y); each of the three is
-- integrated exactly, and composed symmetrically.
local function extended(problem)
  local H, omega, lengths = problem.H, problem.omega, problem.scheme.drift

  -- The flow of H(q, y), which moves x and p.
  local function first(s, dt, t, recording)
    local gq, gy = gradients(H, s[1], s[4], recording)
    if problem.force then gq = gq - forces.at(problem.force, s[1], t) end
    return { s[1], s[2] - gq * dt, s[3] + gy * dt, s[4] }
  end

  -- The flow of H(x, p), which moves q and y.
  local function second(s, dt, t, recording)
    local gx, gp = gradients(H, s[3], s[2], recording)
    if problem.force then gx = gx - forces.at(problem.force, s[3], t) end
    return { s[1] + gp * dt, s[2], s[3], s[4] - gx * dt }
  end

  -- The flow of the coupling: a rotation of (q - x, p - y).
  local function third(s, dt)
    local c, sn = cosine(dt * (2 * omega)), sine(dt * (2 * omega))
    local sum_q, sum_p = s[1] + s[3], s[2] + s[4]
    local gap_q, gap_p = s[1] - s[3], s[2] - s[4]
    local turned_q, turned_p = gap_q * c + gap_p * sn, gap_p * c - gap_q * sn
    return { (sum_q + turned_q) * 0.5, (sum_p + turned_p) * 0.5,
      (sum_q - turned_q) * 0.5, (sum_p - turned_p) * 0.5 }
  end

  local function step(s, t, dt, recording)
    local passed = 0
    for _, c in ipairs(lengths) do
      local h = dt * c
      -- Time is a separate coordinate, advanced by half a step before and after.
      local middle = problem.force and t + dt * (passed + c / 2)
      s = first(s, h * 0.5, middle, recording)
      s = second(s, h * 0.5, middle, recording)
      s = third(s, h)
      s = second(s, h * 0.5, middle, recording)
      s = first(s, h * 0.5, middle, recording)
      passed = passed + c
    end
    return s
  end
  return { start = function(q, p) return { q, p, q, p } end, step = step }
end

--- Makes the stepper of a problem.
-- @tparam table problem H; scheme, a row of torus.schemes; friction and force, or
-- nil; tolerance and iterations for implicit schemes, omega for extended ones
-- @treturn table start(q, p) and step(state, t, dt, recording)
-- @usage
-- steppers = require "torus.steppers"
-- pendulum = torus.systems.pendulum:hamiltonian()
-- stepper = steppers.of { H = pendulum,
--   scheme = require("torus.schemes").of("leapfrog") }
-- state = stepper.start(torus.ones(1, 1), torus.zeros(1, 1))
-- print(stepper.step(state, 0, 0.1, false)[1])
function M.of(problem)
  local scheme = problem.scheme
  if scheme.splitting then return splitting(problem) end
  if scheme.extended then return extended(problem) end
  if scheme.implicit then return implicit(problem) end
  return runge_kutta(problem)
end

return M
