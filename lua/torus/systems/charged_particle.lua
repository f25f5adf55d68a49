--- A charged particle in a plane, across a magnetic field b and along an electric
-- field e: H = |p - A|^2/(2 m) - e x with A = b/2 (-y, x), for a charge of 1. It is
-- not separable. The particle gyrates with the frequency b/m around a centre that drifts
-- along y with the velocity -e/b; m v_y + b x and m v_x - b y - e t are conserved. It
-- starts at a distance r ~ U(0, r_max) from 0 with a speed ~ U(low, high), each in a
-- random direction.
-- @module torus.systems.charged_particle
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

-- (batch, 2): b/2 (-y, x)
local function vector_potential(q, c)
  return engine.cat({ -q:narrow(2, 2, 1), q:narrow(2, 1, 1) }, 2) * (c.b / 2)
end

return {
  name = "charged_particle",
  dimension = 2,
  constants = { m = 1, b = 2, e = 0.3, r_max = 0.5, low = 0.5, high = 1.5 },
  energy = function(q, p, c)
    local kinetic = p - vector_potential(q, c)
    return (kinetic * kinetic):sum(2) * (1 / (2 * c.m)) - q:select(2, 1) * c.e
  end,
  field = function(c) return "charged_particle", { c.m, c.b, c.e } end,
  uniforms = 4,
  sample = function(u, _, c)
    local x, y = samplers.circle(u:narrow(2, 1, 2), 0, c.r_max)
    local vx, vy = samplers.circle(u:narrow(2, 3, 2), c.low, c.high)
    local q = engine.cat({ x, y }, 2)
    return q, engine.cat({ vx, vy }, 2) * c.m + vector_potential(q, c)
  end,
  positions = function(q) return engine.stack({ q }, 2) end,
  radii = { 0.2 },
  half_width = 3,
  noise = 0.05,
}
