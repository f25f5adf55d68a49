--- A pendulum with friction, driven by a periodic torque:
-- H = m g l (1 - cos q) + p^2/(2 m l^2), and dp/dt = -dH/dq - friction dH/dp
-- + drive cos(frequency t). With these constants it is chaotic. It starts on a
-- circle of radius r ~ U(r_min, r_max) at t = 0.
-- @module torus.systems.driven_pendulum
local engine = require "torus.engine"
local samplers = require "torus.systems.parts.samplers"

return {
  name = "driven_pendulum",
  dimension = 1,
  constants = { g = 1, m = 1, l = 1, friction = 0.5, drive = 1.15, frequency = 2 / 3,
    r_min = 0.2, r_max = 1 },
  kinetic = function(p, c) return ((p * p) * (1 / (2 * c.m * c.l * c.l))):sum(2) end,
  potential = function(q, c) return ((1 - q:cos()) * (c.m * c.g * c.l)):sum(2) end,
  force = function(_, t, c) return (t * c.frequency):cos() * c.drive end,
  field = function(c)
    return "driven_pendulum", { c.g, c.m, c.l, c.drive, c.frequency }
  end,
  uniforms = 2,
  sample = function(u, _, c) return samplers.circle(u, c.r_min, c.r_max) end,
  positions = function(q, c)
    return engine.stack({ q:sin() * c.l, q:cos() * -c.l }, 3)
  end,
  radii = { 0.25 },
  half_width = 1.4,
  noise = 0.05,
}
