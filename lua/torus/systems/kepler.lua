--- A planet around a star fixed at 0: H = |p|^2/(2 m) - g m / |q|. It starts
-- at its perihelion, in a random direction, on an ellipse of semi-major axis
-- a ~ U(a_min, a_max) and eccentricity e ~ U(0, e_max). Its period is
-- 2 pi sqrt(a^3 / g); energy, angular momentum and the direction of the
-- perihelion (the Laplace-Runge-Lenz vector) are conserved.
-- @module torus.systems.kepler
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "kepler",
  dimension = 2,
  constants = { g = 1, m = 1, a_min = 0.6, a_max = 1, e_max = 0.6 },
  kinetic = function(p, c) return (p * p):sum(2) * (1 / (2 * c.m)) end,
  potential = function(q, c)
    return (q * q):sum(2):sqrt():reciprocal() * (-c.g * c.m)
  end,
  field = function(c) return "kepler", { c.g, c.m } end,
  uniforms = 3,
  sample = function(u, _, c)
    local a = samplers.between(u:narrow(2, 1, 1), c.a_min, c.a_max)
    local e = u:narrow(2, 2, 1) * c.e_max
    local angle = u:narrow(2, 3, 1) * (2 * math.pi)
    local r = a * (1 - e)
    local momentum = ((1 + e) * c.g / r):sqrt() * c.m
    return engine.cat({ r * angle:cos(), r * angle:sin() }, 2),
      engine.cat({ -momentum * angle:sin(), momentum * angle:cos() }, 2)
  end,
  -- the planet and the star
  positions = function(q)
    return engine.stack({ q, q * 0 }, 2)
  end,
  radii = { 0.12, 0.2 },
  colours = { { 0.2, 0.5, 1 }, { 1, 0.8, 0.1 } },
  half_width = 1.75,
  noise = 0.05,
}
