--- A mass on a spring with friction, otherwise torus.systems.mass_spring.
-- @module torus.systems.mass_spring_friction
local variant = require "torus.systems.parts.variant"

return variant.with_friction(require "torus.systems.mass_spring")
