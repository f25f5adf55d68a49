--- A double pendulum with friction, otherwise torus.systems.double_pendulum.
-- @module torus.systems.double_pendulum_friction
local variant = require "torus.systems.parts.variant"

return variant.with_friction(require "torus.systems.double_pendulum")
