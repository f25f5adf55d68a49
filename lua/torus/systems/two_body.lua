--- Two bodies that attract each other. They start opposite at a distance
-- r ~ U(r_min, r_max) from their centre of mass with the circular speed
-- sqrt(g m / (4 r)), each velocity component perturbed by 5% (one standard
-- deviation), the centre of mass at rest.
-- @module torus.systems.two_body
local engine = require "torus.engine"
local gravity = require "torus.systems.parts.gravity"
local samplers = require "torus.systems.parts.samplers"

-- Unlike the text of Greydanus et al. (2019), their code draws x and y of the first
-- body uniformly from [r_min, r_max], so that all orbits start in one quadrant and
-- are wider, and perturbs both velocities by the same number.
local function square_start(u, z, c)
  local first = samplers.between(u, c.r_min, c.r_max)
  local r = (first * first):sum(2, true):sqrt()
  local speed = (r:reciprocal() * (c.g * c.m / 4)):sqrt()
    * (z * c.perturbation + 1) * c.m / r
  local p = engine.cat({ first:narrow(2, 2, 1) * -1, first:narrow(2, 1, 1) }, 2)
    * speed
  return engine.cat({ first, -first }, 2), engine.cat({ p, -p }, 2)
end

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
  relative = gravity.jacobi(2),
  half_width = 2.75,
  noise = 0.05,
  recipe = { trajectories = 1000, points = 50, span = 20, noise = 0,
    test_share = 0.2, batch = 200, steps = 10000, weight_decay = 0 },
  starts = { square = { uniforms = 2, normals = 1, sample = square_start } },
}
