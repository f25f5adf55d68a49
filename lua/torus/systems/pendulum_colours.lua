--- A pendulum whose mass, length, gravity and colour vary between trajectories, otherwise
-- torus.systems.pendulum. Its potential has the factor 2 m g l where the suite has
-- m g l, so g is half of the suite's.
-- @module torus.systems.pendulum_colours
local pendulum = require "torus.systems.pendulum"
local variant = require "torus.systems.parts.variant"

return variant.with_colours(pendulum, {
  bodies = 1,
  varying = { m = { 0.5, 1.5 }, g = { 1.5, 2 }, l = { 0.5, 1 } },
  extent = 1 + math.sqrt(1.5 / math.pi),
})
