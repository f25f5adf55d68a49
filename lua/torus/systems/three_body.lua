--- Three bodies that attract each other. They start on an equilateral
-- triangle at a distance r ~ U(r_min, r_max) from their centre of mass with
-- the circular speed sqrt(g m / (sqrt(3) r)), each velocity component perturbed by
-- 5% (one standard deviation), the centre of mass at rest.
-- @module torus.systems.three_body
local gravity = require "torus.systems.parts.gravity"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "three_body",
  dimension = 6,
  constants = { g = 1, m = 1, r_min = 0.9, r_max = 1.2, perturbation = 0.05 },
  kinetic = gravity.kinetic,
  potential = gravity.potential,
  field = gravity.field(3),
  uniforms = 2,
  normals = 6,
  sample = function(u, z, c)
    return samplers.orbit(u, z, { bodies = 3, low = c.r_min, high = c.r_max,
      mass = c.m, perturbation = c.perturbation,
      speed = function(r)
        return (c.g * c.m / (r * math.sqrt(3))):sqrt()
      end })
  end,
  positions = gravity.positions,
  masses = gravity.masses(3),
  relative = gravity.jacobi(3),
  half_width = 2.25,
  noise = 0.2,
}
