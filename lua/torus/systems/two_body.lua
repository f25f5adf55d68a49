--- Two bodies that attract each other. They start opposite at a distance
-- r ~ U(r_min, r_max) from their centre of mass with the circular speed
-- sqrt(g m / (4 r)), each component of it changed by 5% (one standard
-- deviation), the centre of mass at rest.
-- @module torus.systems.two_body
local gravity = require "torus.systems.gravity"
local samplers = require "torus.systems.samplers"

return {
  name = "two_body",
  dimension = 4,
  constants = { g = 1, m = 1, r_min = 0.5, r_max = 1.5, perturbation = 0.05 },
  kinetic = gravity.kinetic,
  potential = gravity.potential,
  field = gravity.field(2),
  uniforms = 2,
  normals = 4,
  sample = function(u, z, c)
    return samplers.orbit(u, z, { bodies = 2, low = c.r_min, high = c.r_max,
      mass = c.m, perturbation = c.perturbation,
      speed = function(r) return (c.g * c.m / (r * 4)):sqrt() end })
  end,
  positions = gravity.positions,
  masses = gravity.masses(2),
  half_width = 2.75,
  noise = 0.05,
}
