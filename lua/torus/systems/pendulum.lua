--- An ideal pendulum: H = 2 m g l (1 - cos q) + p^2/(2 m l^2), as in the paper.
-- Its bob is drawn at (l sin q, -l cos q); the rod is invisible.
-- @module torus.systems.pendulum
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "pendulum",
  dimension = 1,
  constants = { g = 3, m = 0.5, l = 1, r_min = 1.3, r_max = 2.3 },
  kinetic = function(p, c)
    return ((p * p) * (1 / (2 * c.m * c.l * c.l))):sum(2)
  end,
  potential = function(q, c)
    return ((1 - q:cos()) * (2 * c.m * c.g * c.l)):sum(2)
  end,
  field = function(c) return "pendulum", { c.g, c.m, c.l } end,
  uniforms = 2,
  sample = function(u, _, c) return samplers.circle(u, c.r_min, c.r_max) end,
  positions = function(q, c)
    return engine.stack({ q:sin() * c.l, q:cos() * -c.l }, 3)
  end,
  masses = function(c) return { c.m } end,
  extent = function(c) return c.l end,
  noise = 0.1,
  recipe = { trajectories = 50, points = 45, span = 3, noise = 0.1,
    test_share = 0.5, steps = 2000, weight_decay = 1e-4 },
}
