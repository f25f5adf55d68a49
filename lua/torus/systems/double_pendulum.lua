--- A double pendulum: two rods, angles q1 and q2 from the vertical. Its
-- Hamiltonian is joint: the kinetic energy depends on the angles. Released at
-- rest with (q1, q2) on a circle of radius r ~ U(r_min, r_max).
-- @module torus.systems.double_pendulum
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

-- With c = cos(q1 - q2), s = sin(q1 - q2):
--   [m2 l2^2 p1^2 + (m1 + m2) l1^2 p2^2 - 2 m2 l1 l2 p1 p2 c]
--     / (2 m2 l1^2 l2^2 (m1 + m2 s^2))
--   + (m1 + m2) g l1 (1 - cos q1) + m2 g l2 (1 - cos q2)
local function energy(q, p, k)
  local q1, q2 = q:narrow(2, 1, 1), q:narrow(2, 2, 1)
  local p1, p2 = p:narrow(2, 1, 1), p:narrow(2, 2, 1)
  local m, gap = k.m1 + k.m2, q1 - q2
  local top = p1 * p1 * (k.m2 * k.l2 ^ 2) + p2 * p2 * (m * k.l1 ^ 2)
    - p1 * p2 * gap:cos() * (2 * k.m2 * k.l1 * k.l2)
  local s = gap:sin()
  local kinetic = top / ((s * s * k.m2 + k.m1)
    * (2 * k.m2 * k.l1 ^ 2 * k.l2 ^ 2))
  return (kinetic + (1 - q1:cos()) * (m * k.g * k.l1)
    + (1 - q2:cos()) * (k.m2 * k.g * k.l2)):squeeze(2)
end

return {
  name = "double_pendulum",
  dimension = 2,
  constants = { g = 3, m1 = 0.5, m2 = 0.5, l1 = 1, l2 = 1,
    r_min = 0.5, r_max = 2 },
  energy = energy,
  field = function(c)
    return "double_pendulum", { c.g, c.m1, c.m2, c.l1, c.l2 }
  end,
  uniforms = 2,
  sample = function(u, _, c)
    local q1, q2 = samplers.circle(u, c.r_min, c.r_max)
    local q = engine.cat({ q1, q2 }, 2)
    return q, q * 0
  end,
  positions = function(q, c)
    local q1, q2 = q:narrow(2, 1, 1), q:narrow(2, 2, 1)
    local x, y = q1:sin() * c.l1, q1:cos() * -c.l1
    return engine.cat({
      engine.stack({ x, y }, 3),
      engine.stack({ x + q2:sin() * c.l2, y - q2:cos() * c.l2 }, 3),
    }, 2)
  end,
  masses = function(c) return { c.m1, c.m2 } end,
  extent = function(c) return c.l1 + c.l2 end,
  noise = 0.05,
}
