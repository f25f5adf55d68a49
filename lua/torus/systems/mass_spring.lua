--- A mass on a spring without friction: H = k q^2/2 + p^2/(2m). The mass
-- moves on the vertical line; the spring is invisible.
-- @module torus.systems.mass_spring
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "mass_spring",
  dimension = 1,
  constants = { k = 2, m = 0.5, r_min = 0.1, r_max = 1 },
  kinetic = function(p, c) return ((p * p) * (1 / (2 * c.m))):sum(2) end,
  potential = function(q, c) return ((q * q) * (c.k / 2)):sum(2) end,
  field = function(c) return "mass_spring", { c.k, c.m } end,
  uniforms = 2,
  sample = function(u, _, c) return samplers.circle(u, c.r_min, c.r_max) end,
  positions = function(q) return engine.stack({ q * 0, q }, 3) end,
  masses = function(c) return { c.m } end,
  extent = function(c) return c.r_max end,
  noise = 0.1,
  recipe = { trajectories = 50, points = 30, span = 3, noise = 0.1,
    test_share = 0.5, steps = 2000, weight_decay = 1e-4 },
}
