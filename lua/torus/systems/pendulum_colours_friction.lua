--- As torus.systems.pendulum_colours, with friction.
-- @module torus.systems.pendulum_colours_friction
local variant = require "torus.systems.parts.variant"

return variant.with_friction(require "torus.systems.pendulum_colours")
