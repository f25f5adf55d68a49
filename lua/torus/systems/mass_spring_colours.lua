--- A mass on a spring whose mass and colour vary between trajectories, otherwise
-- torus.systems.mass_spring.
-- @module torus.systems.mass_spring_colours
local mass_spring = require "torus.systems.mass_spring"
local samplers = require "torus.systems.parts.samplers"
local variant = require "torus.systems.parts.variant"

return variant.with_colours(mass_spring, {
  bodies = 1,
  varying = { m = { 0.2, 1 } },
  extent = mass_spring.constants.r_max + math.sqrt(1 / math.pi),
  changes = {
    -- q and p / sqrt(k m) on a circle: r is the amplitude.
    sample = function(u, _, c)
      local q, p = samplers.circle(u, c.r_min, c.r_max)
      return q, p * (c.m * c.k) ^ 0.5
    end,
  },
})
