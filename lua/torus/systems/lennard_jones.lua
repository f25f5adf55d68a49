--- A gas of five particles in a plane with the Lennard-Jones potential
-- 4 epsilon [(sigma/r)^12 - (sigma/r)^6], in a round vessel with a soft wall,
-- wall/4 (|q| - radius)^4 beyond `radius`. They start on a ring with normal momenta of
-- variance m temperature.
-- @module torus.systems.lennard_jones
local engine = require "torus.engine"
local gravity = require "torus.systems.parts.gravity"

local BODIES = 5

local function potential(q, c)
  local total
  local function add(energy) total = total and total + energy or energy end
  for i = 1, BODIES do
    local one = q:narrow(2, 2 * i - 1, 2)
    for j = i + 1, BODIES do
      local gap = q:narrow(2, 2 * j - 1, 2) - one
      local s2 = (gap * gap):sum(2, true):reciprocal() * c.sigma ^ 2
      local s6 = s2 * s2 * s2
      add((s6 * s6 - s6) * (4 * c.epsilon))
    end
    local beyond = engine.maximum((one * one):sum(2, true):sqrt() - c.radius, 0)
    add(beyond ^ 4 * (c.wall / 4))
  end
  return total:squeeze(2)
end

return {
  name = "lennard_jones",
  dimension = 2 * BODIES,
  constants = { epsilon = 0.05, sigma = 0.5, m = 1, radius = 1.2, wall = 40, ring = 0.8,
    temperature = 0.05 },
  kinetic = gravity.kinetic,
  potential = potential,
  field = function(c)
    return "lennard_jones", { c.epsilon, c.sigma, c.m, c.radius, c.wall }
  end,
  uniforms = 1,
  normals = 2 * BODIES,
  sample = function(u, z, c)
    local q = {}
    for i = 1, BODIES do
      local angle = (u + i / BODIES) * (2 * math.pi)
      q[2 * i - 1], q[2 * i] = angle:cos() * c.ring, angle:sin() * c.ring
    end
    return engine.cat(q, 2), z * math.sqrt(c.m * c.temperature)
  end,
  positions = gravity.positions,
  radii = { 0.25, 0.25, 0.25, 0.25, 0.25 },
  half_width = 2.2,
  noise = 0.02,
}
