--- Samplers of initial states, shared by the systems.
--
-- A sampler gets `u`, uniform in [0, 1), and `z`, normal: float64 tensors with
-- one row for each trajectory. It returns q and p, (rows, dimension) each.
-- @module torus.systems.parts.samplers
local engine = require "torus.engine"

local M = {}

local function column(x, i) return x:narrow(2, i, 1) end

--- Maps to the uniform distribution between two limits.
-- @tparam tensor u (rows, 1), uniform in [0, 1)
-- @tparam number low
-- @tparam number high
-- @treturn tensor (rows, 1)
-- @usage
-- samplers = require "torus.systems.parts.samplers"
-- print(samplers.between(torus.rand(3, 1), 2, 4))
function M.between(u, low, high) return u * (high - low) + low end

--- Draws (q, p) on a circle of radius r ~ U(low, high), at a uniform angle.
-- @tparam tensor u (rows, 2)
-- @tparam number low
-- @tparam number high
-- @treturn tensor q (rows, 1)
-- @treturn tensor p (rows, 1)
-- @usage
-- samplers = require "torus.systems.parts.samplers"
-- q, p = samplers.circle(torus.rand(3, 2), 1, 1)
-- print(q * q + p * p)   -- [[1.], [1.], [1.]]
function M.circle(u, low, high)
  local r = M.between(column(u, 1), low, high)
  local angle = column(u, 2) * (2 * math.pi)
  return r * angle:cos(), r * angle:sin()
end

--- Draws a point on a sphere of radius r ~ U(low, high) around 0, in a uniformly
-- distributed direction.
-- @tparam tensor u (rows, 1)
-- @tparam tensor z (rows, n), normal
-- @tparam number low
-- @tparam number high
-- @treturn tensor (rows, n)
-- @usage
-- samplers = require "torus.systems.parts.samplers"
-- x = samplers.sphere(torus.rand(3, 1), torus.randn(3, 4), 2, 2)
-- print((x * x):sum(2))   -- [4., 4., 4.]
function M.sphere(u, z, low, high)
  local r = M.between(column(u, 1), low, high)
  return z * (r / (z * z):sum(2, true):sqrt())
end

--- Draws equal bodies on a circular orbit: at the corners of a regular polygon around
-- their centre of mass, at a distance r ~ U(low, high) and with a uniform phase. Each
-- component of each velocity is then multiplied by 1 + perturbation z, and the centre of
-- mass is brought to rest again.
-- @tparam tensor u (rows, 2)
-- @tparam tensor z (rows, 2 bodies), normal
-- @tparam table o bodies, low, high, mass, perturbation and
-- speed(r) -> the circular speed, a tensor like r
-- @treturn tensor q (rows, 2 bodies): x1, y1, x2, y2 ...
-- @treturn tensor p (rows, 2 bodies)
-- @usage
-- samplers = require "torus.systems.parts.samplers"
-- q, p = samplers.orbit(torus.rand(3, 2), torus.randn(3, 4), { bodies = 2,
--   low = 0.5, high = 1.5, mass = 1, perturbation = 0.05,
--   speed = function(r) return (r * 4):reciprocal():sqrt() end })
-- print(table.unpack(q.shape))   -- 3 4
function M.orbit(u, z, o)
  local r = M.between(column(u, 1), o.low, o.high)
  local phase = column(u, 2) * (2 * math.pi)
  local speed = o.speed(r) * o.mass
  local q, p = {}, {}
  for i = 1, o.bodies do
    local angle = phase + 2 * math.pi * (i - 1) / o.bodies
    q[2 * i - 1], q[2 * i] = r * angle:cos(), r * angle:sin()
    p[2 * i - 1], p[2 * i] = -speed * angle:sin(), speed * angle:cos()
  end
  local momenta = engine.cat(p, 2) * (z * o.perturbation + 1)
  local rows = momenta:size(1)
  local bodies = momenta:reshape(rows, o.bodies, 2)
  local rest = bodies - bodies:mean(2, true)
  return engine.cat(q, 2), rest:reshape(rows, 2 * o.bodies)
end

return M
