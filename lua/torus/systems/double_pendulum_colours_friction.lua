--- As torus.systems.double_pendulum_colours, with friction.
-- @module torus.systems.double_pendulum_colours_friction
local variant = require "torus.systems.parts.variant"

return variant.with_friction(require "torus.systems.double_pendulum_colours")
