--- A heavy symmetric top on its tip, in Euler angles q = (theta, phi, psi): the tilt of its
-- axis, the rotation of the axis around the vertical, and the spin around the axis.
--
-- H = p_theta^2/(2 i1) + (p_phi - p_psi cos theta)^2/(2 i1 sin^2 theta)
--   + p_psi^2/(2 i3) + weight cos theta,
--
-- with the moments of inertia i1 across the axis and i3 along it. p_phi and p_psi are
-- conserved; the axis nods and precesses. It starts with theta ~ U(low, high), the
-- axis at rest, spinning at a rate ~ U(slow, fast).
-- @module torus.systems.spinning_top
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "spinning_top",
  dimension = 3,
  constants = { i1 = 1, i3 = 0.5, weight = 1, low = 0.5, high = 1.2, slow = 6,
    fast = 12 },
  energy = function(q, p, c)
    local theta = q:select(2, 1)
    local p1, p2, p3 = p:select(2, 1), p:select(2, 2), p:select(2, 3)
    local cosine, sine = theta:cos(), theta:sin()
    local turning = (p2 - p3 * cosine) / sine
    return (p1 * p1 + turning * turning) * (1 / (2 * c.i1))
      + p3 * p3 * (1 / (2 * c.i3)) + cosine * c.weight
  end,
  field = function(c) return "spinning_top", { c.i1, c.i3, c.weight } end,
  uniforms = 4,
  sample = function(u, _, c)
    local theta = samplers.between(u:narrow(2, 1, 1), c.low, c.high)
    local spin = samplers.between(u:narrow(2, 2, 1), c.slow, c.fast) * c.i3
    local turns = u:narrow(2, 3, 2) * (2 * math.pi)
    return engine.cat({ theta, turns }, 2),
      engine.cat({ theta * 0, spin * theta:cos(), spin }, 2)
  end,
  -- the end of the axis, seen from above
  positions = function(q)
    local theta, phi = q:select(2, 1), q:select(2, 2)
    local reach = theta:sin()
    return engine.stack({ engine.stack({ reach * phi:cos(), reach * phi:sin() }, 2) }, 2)
  end,
  radii = { 0.2 },
  half_width = 1.3,
  noise = 0.02,
}
