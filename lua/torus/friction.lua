--- Friction in torus.integrate: dq/dt = dH/dp and dp/dt = -dH/dq - D dH/dp, a
-- port-Hamiltonian system without ports. With D > 0 the energy falls whenever
-- anything moves: dH/dt = -D |dH/dp|^2.
--
-- A splitting scheme makes half a damping step before and half a damping step after
-- each of its steps (Strang splitting, second order): the flow of
-- dp/dt = -D dK/dp at constant q. A Runge-Kutta scheme includes the term in its
-- stages.
-- @module torus.friction
local engine = require "torus.engine"
local forces = require "torus.forces"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"

local M = {}

-- Fixed-point iterations of an implicit midpoint step. Each reduces the error by a
-- factor of D K'' dt / 4, which is a few hundredths in practice.
local ROUNDS = 8

--- Raises unless a value can be a friction coefficient.
-- @tparam string where name of the operation, for the message
-- @param D a nonnegative number, a tensor or a function of q
-- @tparam tensor p the momentum that it acts on
-- @usage
-- friction = require "torus.friction"
-- print(pcall(friction.check, "example", -1, torus.ones(2, 1)))
function M.check(where, D, p)
  local fits = options.is_callable(D) or options.is_live(D) and forces.broadcasts(D, p)
    or type(D) == "number" and D >= 0 and D < math.huge
  if not fits then
    options.raise("%s: friction: expected a number of at least 0, a tensor that "
      .. "broadcasts against p, %s, or a function of q that returns one, got %s",
      where, options.shape_text(p), options.show(D))
  end
end

--- Returns the friction coefficient at a position.
-- @param D a number, a tensor or a function of q
-- @tparam tensor q (batch, ...)
-- @treturn number|tensor
-- @usage
-- friction = require "torus.friction"
-- print(friction.at(function(q) return q * q end, torus.ones(1, 1) * 3))   -- 9
function M.at(D, q)
  if engine.is_tensor(D) or type(D) == "number" then return D end
  return forces.returned("friction", hamiltonian.unchanged("friction", D, q), q)
end

-- True if x broadcasts against p and is the same for all its samples.
local function fits_sample(x, p)
  local shape, of = x.shape, p.shape
  local added = #of - #shape
  for i, size in ipairs(shape) do
    if size ~= 1 and (added + i < 2 or size ~= of[added + i]) then return false end
  end
  return added >= 0
end

--- Returns the friction if it depends on neither the position nor the sample, else nil.
-- A module with constant friction has a method `constant` that returns it.
-- @param D a number, a tensor, a module or a function of q
-- @tparam tensor p (batch, ...)
-- @treturn ?number|tensor a tensor of p's dtype that broadcasts against (1, ...)
-- @usage
-- friction = require "torus.friction"
-- print(friction.constant(0.1, torus.ones(5, 2)))                  -- 0.1
-- print(friction.constant(torus.ones(5, 1), torus.ones(5, 2)))     -- nil
function M.constant(D, p)
  if type(D) == "table" and D.constant then D = D:constant() end
  if type(D) == "number" then return D end
  local fits = engine.is_tensor(D) and D.dtype == p.dtype and fits_sample(D, p)
  return fits and D or nil
end

-- Solves dp/dt = -dK/dp over a time that may be a tensor, by the implicit midpoint rule.
-- The negative time undoes it, as the midpoint is the same.
local function midpoint(K, p, time, recording)
  local to = p
  for _ = 1, ROUNDS do
    to = p - hamiltonian.gradient("K", K, (p + to) * 0.5, recording) * time
  end
  return to
end

--- Returns the momentum after some time of dp/dt = -D dK/dp. Exact if K has a method
-- `damped` (|p|^2 / 2 of torus.models.parts.energy), else by the implicit midpoint
-- rule; the negative time undoes either.
-- @tparam function|Module K of p (batch, ...), returns (batch)
-- @param D number or tensor
-- @tparam tensor p (batch, ...)
-- @tparam number|tensor time of either sign
-- @tparam boolean recording true makes the result differentiable
-- @treturn tensor like p
-- @usage
-- friction = require "torus.friction"
-- function K(p) return (p * p):sum(2) / 2 end
-- p = torus.ones({ 1, 1 }, { dtype = "float64" })
-- print(friction.damped(K, 0.1, p, 0.5, false))   -- exp(-0.05), nearly
function M.damped(K, D, p, time, recording)
  local amount = D * time
  if type(K) == "table" and K.damped then return K:damped(p, amount) end
  return midpoint(K, p, amount, recording)
end

return M
