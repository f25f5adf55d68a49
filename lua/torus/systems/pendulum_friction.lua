--- A pendulum with friction, otherwise torus.systems.pendulum.
-- @module torus.systems.pendulum_friction
local variant = require "torus.systems.parts.variant"

return variant.with_friction(require "torus.systems.pendulum")
