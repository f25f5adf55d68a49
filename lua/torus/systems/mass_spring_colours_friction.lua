--- As torus.systems.mass_spring_colours, with friction.
-- @module torus.systems.mass_spring_colours_friction
local variant = require "torus.systems.parts.variant"

return variant.with_friction(require "torus.systems.mass_spring_colours")
