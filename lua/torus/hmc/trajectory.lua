--- One transition of Hamiltonian Monte Carlo for all chains at once: leapfrog steps,
-- then accepting or rejecting their end point.
--
-- The momenta r are standard normal, and a scale L maps them to velocities,
-- dq/dt = L r, dr/dt = L^T grad ln f(q): the motion with the mass matrix
-- (L L^T)^-1. A vector as L is a diagonal matrix.
-- @module torus.hmc.trajectory
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Evaluates ln f and its gradient at q.
-- @tparam function log_density of (chains, d), returns (chains)
-- @tparam tensor q (chains, d)
-- @treturn table q, nats (chains) and gradient (chains, d), detached
-- @raise if log_density does not return one number for each chain
-- @usage
-- trajectory = require "torus.hmc.trajectory"
-- point = trajectory.point(function(q) return q:square():sum(2) * -0.5 end,
--   torus.ones(1, 2))
-- print(point.nats, point.gradient)   -- -1; -1 -1
function M.point(log_density, q)
  local leaf = engine.variable(q)
  local nats = log_density(leaf)
  if not engine.is_tensor(nats) or nats:dim() ~= 1
    or nats:size(1) ~= q:size(1) then
    options.raise("hmc: log_density: expected one number for each chain, shape "
      .. "(%d), got %s", q:size(1), engine.is_tensor(nats)
        and options.shape_text(nats) or options.show(nats))
  end
  if not nats.requires_grad then
    options.raise("hmc: log_density: expected a function of q, got one whose result has no "
      .. "gradient with respect to it")
  end
  local gradient = engine.grad(nats:sum(), leaf)
  return { q = q, nats = nats:detach():to(q.dtype), gradient = gradient:detach() }
end

-- L r and L^T g for rows r and g.
local function times_scale(scale, r)
  if scale:dim() == 1 then return r * scale end
  return r:matmul(scale:transpose())
end
local function times_transpose(scale, g)
  if scale:dim() == 1 then return g * scale end
  return g:matmul(scale)
end

--- Makes leapfrog steps.
-- @tparam function log_density
-- @tparam table from a point
-- @tparam tensor r (chains, d), momenta
-- @tparam table o scale, step_size, steps
-- @treturn table the point at the end
-- @treturn tensor the momenta there
-- @usage
-- trajectory = require "torus.hmc.trajectory"
-- normal = function(q) return q:square():sum(2) * -0.5 end
-- start = trajectory.point(normal, torus.ones(1, 1))
-- point, r = trajectory.leapfrog(normal, start, torus.zeros(1, 1),
--   { scale = torus.ones(1), step_size = 0.1, steps = 10 })
-- print(point.q)   -- about cos 1
function M.leapfrog(log_density, from, r, o)
  local point, step = from, o.step_size
  r = r + times_transpose(o.scale, point.gradient) * (step / 2)
  for i = 1, o.steps do
    point = M.point(log_density, point.q + times_scale(o.scale, r) * step)
    r = r + times_transpose(o.scale, point.gradient) * (i < o.steps and step or step / 2)
  end
  return point, r
end

local function kinetic(r) return r:square():sum(2) * 0.5 end

-- The rows of a where `which` (chains) is true, else those of b.
local function chosen(which, a, b)
  return engine.where(which:unsqueeze(2):expand(a.shape), a, b)
end

--- Makes a transition.
-- @tparam function log_density
-- @tparam table from a point
-- @tparam table o scale, step_size, steps, max_energy_error
-- @tparam generator generator
-- @treturn table the point after it
-- @treturn table acceptance (chains), the probability of each proposal; diverged
-- (chains), true if its energy error exceeds max_energy_error or is NaN; proposal and
-- momenta at the end of the trajectory
-- @usage
-- trajectory = require "torus.hmc.trajectory"
-- normal = function(q) return q:square():sum(2) * -0.5 end
-- start = trajectory.point(normal, torus.ones(5, 1))
-- point, about = trajectory.transition(normal, start, { scale = torus.ones(1),
--   step_size = 0.1, steps = 10, max_energy_error = 1000 }, torus.generator(1))
-- print(about.acceptance:min():item() > 0.99)   -- true
function M.transition(log_density, from, o, generator)
  local like = { dtype = from.q.dtype, generator = generator }
  local r = engine.randn(from.q.shape, like)
  local point, last = M.leapfrog(log_density, from, r, o)
  local gain = point.nats - kinetic(last) - (from.nats - kinetic(r))
  -- A NaN energy counts as infinite.
  gain = engine.where(gain:eq(gain), gain, -math.huge)
  local acceptance = gain:clamp(-math.huge, 0):exp()
  local accepted = engine.rand(acceptance.shape, like):lt(acceptance)
  return {
    q = chosen(accepted, point.q, from.q),
    nats = engine.where(accepted, point.nats, from.nats),
    gradient = chosen(accepted, point.gradient, from.gradient),
  }, { acceptance = acceptance, diverged = gain:lt(-o.max_energy_error),
    proposal = point.q, momenta = last }
end

return M
