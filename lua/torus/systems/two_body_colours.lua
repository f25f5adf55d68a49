--- Two bodies whose common mass, gravity and colours vary between trajectories, otherwise
-- torus.systems.two_body. They start as in its start "square", with exactly the circular
-- speed.
-- @module torus.systems.two_body_colours
local two_body = require "torus.systems.two_body"
local variant = require "torus.systems.parts.variant"

local square = two_body.starts.square

return variant.with_colours(two_body, {
  bodies = 2,
  varying = { m = { 0.5, 1.5 }, g = { 0.5, 1.5 } },
  extent = 5,
  shift = false,
  changes = {
    constants = { perturbation = 0 },
    uniforms = square.uniforms,
    normals = square.normals,
    sample = square.sample,
  },
})
